"""What the classifiers with Gaussian classes share: statistics that add up, priors, and covariances of their own."""

import warnings
from abc import abstractmethod
from typing import Any, Literal

import numpy as np
import torch

from ..core import ParameterError, ProbabilisticClassifier, param
from ..core.errors import DataError, RankWarning, UnreadableError
from ..core.inputs import Data, Queries
from .gaussian_classes import ClassMoments, Form
from .gaussian_scores import common_scores, quadratic_scores
from .gaussian_whitening import whitening


class GaussianClasses(ProbabilisticClassifier):
    """Base of the classifiers that describe each class by a Gaussian density.

    A subclass says which statistics it needs (``_form``) and what it makes of them (``_settle``).

    Attributes
    ----------
    classes_ : array of shape (C,)
    means_ : array of shape (C, D)
    priors_ : array of shape (C,)
    class_count_ : array of shape (C,)
        Number of items, or sum of their weights.
    moments_ : dict
        The sufficient statistics, for ``partial_fit``.
    """

    priors: list | tuple | np.ndarray | None = param(
        None, "probabilities of the classes, in the order of classes_; None: the shares of the items"
    )
    class_weight: dict | Literal["balanced"] | None = param(
        None, "weights of the items by class, 'balanced' for equal classes; priors, where given, are not changed by it"
    )

    @abstractmethod
    def _form(self, data: Data) -> Form:
        """The statistics to gather."""

    @abstractmethod
    def _settle(self, data: Data, moments: ClassMoments, *, streaming: bool) -> None:
        """Learn the densities; ``data`` are all the rows unless ``streaming``."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "GaussianClasses":
        """Estimate the density of each class.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Texts, whole numbers or truth values.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If the covariances are not determined by the data; the message says what to do.
        """
        data = self._begin(X, y, sample_weight)
        moments = ClassMoments.of(data, self._form(data))
        self._keep(data, moments)
        self._settle(data, moments, streaming=False)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "GaussianClasses":
        """Learn from more rows; equals one fit to all of them, in any order.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array of shape (C,), optional
            All labels, needed in the first call if its ``y`` lacks some. Until a class has rows its probability is 0.
        """
        data = self._continue(X, y, sample_weight, classes=classes)
        form = self._form(data)
        moments = ClassMoments.of(data, "common" if form == "root" else form)
        if hasattr(self, "moments_"):
            moments = ClassMoments.restored(self.moments_, data).merge(moments)
        self._keep(data, moments)
        self._settle(data, moments, streaming=True)
        return self

    def _keep(self, data: Data, moments: ClassMoments) -> None:
        self.moments_ = moments.stored(data)
        self.means_, self.class_count_ = data.give(moments.means), data.give(moments.weights)
        self.priors_ = data.give(
            checked_priors(self.priors, moments.weights, list(data.classes), owner=type(self).__name__)
        )

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        C, D, kept = len(self.classes_), self.n_features_in_, self.moments_
        expected = {"rows": (C,), "weights": (C,), "means": (C, D), "means_": (C, D), "priors_": (C,)}
        found = {name: tuple(np.shape(vars(self)[name] if name[-1] == "_" else kept[name])) for name in expected}
        within = tuple(np.shape(kept["within"]))
        form = kept["form"]
        allowed = {
            "individual": [(C, D, D)],
            "common": [(1, D, D)],
            "individual diagonal": [(C, D)],
            "common diagonal": [(1, D)],
            "root": [(within[0], D)] if len(within) == 2 else [],
        }
        if found != expected or within not in allowed.get(form, []):
            raise UnreadableError(
                f"{type(self).__name__} of {C} classes and {D} columns cannot have statistics {found} and {within}"
            )


class GaussianDensities(GaussianClasses):
    """Base of those that answer with the densities themselves, one covariance matrix or one for each class.

    Attributes
    ----------
    whitening_ : array of shape (G, D, D), or (G, D) for diagonal covariances
        T with T' Sigma T = I, for G = 1 common covariance or G = C.
    log_det_ : array of shape (G,)
        Log determinants of the covariances.
    rank_ : array of shape (G,)
        How many directions vary; below D the density does not exist.
    singular_ : str
        Which covariance has no inverse, in words; empty if all have one.
    """

    tol: float = param(
        1e-6, "standard deviations of directions of the standardised columns below this are none", low=0, below=1
    )

    def _whiten(self, data: Data, moments: ClassMoments, covariances: torch.Tensor, *, streaming: bool) -> None:
        """Learn from covariances (G, D, D) or (G, D); a covariance without full rank is refused, in streams later."""
        G = len(covariances)
        common = G == 1 and moments.form.startswith("common")
        T, log_det = torch.zeros_like(covariances), covariances.new_zeros(G)
        rank = torch.zeros(G, dtype=torch.int64, device=covariances.device)
        outside: list[tuple[int, ...]] = [()] * G
        for g in range(G):
            if not (moments.total if common else moments.weights[g]):
                continue
            size = moments.means.abs().amax(0) if common else moments.means[g].abs()
            S = covariances[g]
            if S.dim() == 1:
                varies = S.sqrt() > 1e-14 * size
                T[g] = torch.where(varies, S.rsqrt(), 0.0)
                log_det[g], rank[g] = S[varies].log().sum(), varies.sum()
                outside[g] = tuple((~varies).nonzero()[:, 0].tolist())
            else:
                part = whitening(S, size, self.tol)
                rank[g], outside[g] = part.T.shape[1], part.outside
                T[g, :, : part.T.shape[1]], log_det[g] = part.T, part.log_det
        self.whitening_, self.log_det_, self.rank_ = data.give(T), data.give(log_det), data.give(rank)
        self.singular_ = self._lacking(data, moments, rank.tolist(), outside)
        if not self.singular_ or streaming or len(data.classes) == 1:
            return
        if not common or not rank[0]:
            raise DataError(self.singular_)
        warnings.warn(f"{self.singular_}. The other directions tell the classes apart", RankWarning, stacklevel=5)

    def _lacking(self, data: Data, moments: ClassMoments, rank: list[int], outside: list[tuple[int, ...]]) -> str:
        """In words, which covariance has no inverse; empty if all have one."""
        common, D = len(rank) == 1 and moments.form.startswith("common"), len(data.names)
        for g, (r, columns) in enumerate(zip(rank, outside, strict=True)):
            rows = int(moments.rows.sum() if common else moments.rows[g])
            if r == D or not rows:
                continue
            whose = "that the classes share" if common else f"of class {data.classes.tolist()[g]!r}"
            names = ", ".join(repr(data.names[j]) for j in columns[:5]) + (" ..." if len(columns) > 5 else "")
            several = f"columns {names} do not vary, or depend on each other"
            varying = f"column {names} does not vary" if len(columns) == 1 else several
            reason = f"{rows} row{'s' * (rows > 1)} cannot determine it" if rows <= D else varying
            return f"the covariance {whose} is singular in {D} columns: {reason}; {self._remedy()}, or drop columns"
        return ""

    @abstractmethod
    def _remedy(self) -> str:
        """What to change when a covariance is singular."""

    def _scores(self, queries: Queries) -> torch.Tensor:
        means, T, log_priors = queries.tensor(self.means_), queries.tensor(self.whitening_), self._log_priors(queries)
        if len(T) == 1:
            return common_scores(queries.X, means, T[0], log_priors)
        if self.singular_:
            raise DataError(self.singular_)
        return quadratic_scores(queries.X, means, T, log_priors - queries.tensor(self.log_det_) / 2)

    def _log_priors(self, queries: Queries) -> torch.Tensor:
        return queries.tensor(self.priors_).log()

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            G, D = len(self.log_det_), self.n_features_in_
            if tuple(np.shape(self.whitening_)) not in ((G, D, D), (G, D)) or not isinstance(self.singular_, str):
                raise UnreadableError(f"{type(self).__name__} has whitening matrices that do not fit its {D} columns")


def checked_priors(given: Any, weights: torch.Tensor, labels: list, *, owner: str) -> torch.Tensor:
    """The probabilities of the classes (C,): as given, else the shares of the weights; 0 for a class without rows."""
    if given is None:
        return weights / weights.sum()
    try:
        priors = torch.as_tensor(np.asarray(given, dtype=np.float64), device=weights.device)
    except (TypeError, ValueError):
        priors = weights.new_zeros(0)
    if priors.shape != weights.shape:
        raise ParameterError(
            f"parameter 'priors' of {owner} must hold {len(weights)} numbers, one for each of the classes "
            f"{[str(v) for v in labels[:20]]}; got {given!r}"
        )
    if not (priors.isfinite() & (priors >= 0)).all() or not priors.sum():
        raise ParameterError(f"priors must be non-negative: {owner} got {given!r}")
    if abs(float(priors.sum()) - 1) > 1e-5:
        warnings.warn(f"the priors of {owner} sum to {float(priors.sum()):g}; they are divided by it", stacklevel=5)
    priors = torch.where(weights > 0, priors, 0.0)
    if not priors.sum():
        raise ParameterError(f"parameter 'priors' of {owner} gives every class that has rows the probability 0")
    return priors / priors.sum()
