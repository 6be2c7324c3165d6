r"""Mixtures by EM: items come from one of K components, and nobody says which.

.. math:: p(x) = \sum_k \pi_k \, p_k(x)

The one driver of every mixture of this chapter. E step: how much is each component responsible for each row? M step:
each component learns from the rows in proportion,

.. math:: r_{nk} = \pi_k p_k(x_n) / p(x_n), \quad \pi_k = N^{-1} \sum_n r_{nk}

and the likelihood never decreases (Dempster, Laird & Rubin 1977, theorem 1). It ends in a local optimum, so that
restarts, moves that split and merge, and what they reached are part of the driver; so are the ways in which a mixture
fails, which are said: components that die, components on their floor, restarts that disagree.

Reference: Bishop (2006), Pattern Recognition and Machine Learning, 9.2 and 9.3.
"""

import math
import warnings
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from scipy import special
from sklearn.exceptions import NotFittedError

from ..core import (
    DataError,
    Density,
    InductiveClusterer,
    ParameterError,
    RankWarning,
    UnreadableError,
    integer,
    iterate,
    param,
)
from ..core.inputs import Data, Queries
from ..core.iteration import reason_to_stop, warn_not_converged
from ..core.seeds import derive, draw_seed, torch_generator
from .mixture_components import Components, Rows, share_out
from .mixture_moves import moves
from .mixture_start import Start, responsibilities


class MixtureWarning(RankWarning):
    """A mixture was fitted, and the data alone do not determine it: what should be known before it is used."""


class Mixture(InductiveClusterer, Density):
    """Base of the mixtures that are fitted by EM.

    A subclass says how rows are prepared (`_rows`), how components start (`_start`), and how they are kept and
    restored (`_keep`, `_components`); what they compute is in its `Components`. Progress is watched with
    ``peira.observing``, in place of scikit-learn's ``verbose``.

    Attributes
    ----------
    weights_ : array of shape (K,)
    labels_ : int array of shape (N,)
        The component with the largest responsibility for each row. Components that win no row stand last.
    lower_bound_ : float
        Mean log likelihood of a row, nats.
    converged_ : bool
    n_iter_ : int
        Steps of EM of the best run.
    restarts_ : array of shape (R,)
        Mean log likelihood that each run, and each move, ended with.
    """

    n_components: int = param(1, "number of components, K", low=1, tune=integer(1, 12), positional=True)
    tol: float = param(1e-3, "EM ends when the mean log likelihood rises by less", low=0)
    max_iter: int = param(100, "most steps of EM a run", low=1)
    n_init: int = param(1, "runs from different starts; the best is kept", low=1)
    init_params: Start = param("kmeans", "how a run starts")
    weights_init: list | np.ndarray | torch.Tensor | None = param(None, "weights to start from, of shape (K,)")
    split_merge: int = param(0, "moves against bad optima tried after each best optimum (Ueda et al. 2000)", low=0)
    warm_start: bool = param(False, "start from what the last fit learned")
    random_state: int | np.random.RandomState | None = param(None, "seed of the starts")

    # ------------------------------------------------------------------ what a mixture is made of

    @abstractmethod
    def _rows(self, data: Data) -> Rows:
        """Prepare the rows of a fit, and refuse those that the components cannot explain."""

    @abstractmethod
    def _start(self, rows: Rows, R: torch.Tensor) -> Components:
        """Components from responsibilities (K, N)."""

    @abstractmethod
    def _keep(self, data: Data, components: Components) -> None:
        """Set the learned attributes."""

    @abstractmethod
    def _components(self, like: Queries) -> Components:
        """The components from the learned attributes."""

    @abstractmethod
    def _n_parameters(self) -> int:
        """How many free numbers the mixture has."""

    def _amounts(self, queries: Queries) -> torch.Tensor:
        """The inputs as the components take them, checked."""
        return queries.X

    def _placed(self, rows: Rows, components: Components) -> Components:
        """Components of the prepared rows as components of the rows as they came."""
        return components

    def _replaced(self, rows: Rows, components: Components) -> Components:
        """The inverse of `_placed`."""
        return components

    def _all_given(self) -> bool:
        """Whether the user gave all that a start needs."""
        return False

    def _with_given(self, data: Data, rows: Rows, components: Components | None) -> Components:
        """The start with what the user gave in its place; None stands for a start of which all was given."""
        if self.weights_init is None or components is None:
            return components
        return replace(components, weights=self._given(data, "weights_init", (self.n_components,), shares=True))

    def _floor_note(self, components: Components) -> str:
        """What to say about components on their floor; "" if there are none."""
        return ""

    # ------------------------------------------------------------------ learning

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the mixture by EM.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If there are fewer rows than components, or what was given to start from does not fit.

        Warns
        -----
        ConvergenceWarning
            If the best run did not converge.
        MixtureWarning
            If a component died or lies on its floor, or if restarts disagree.
        """
        before, width = self._remembered(X), getattr(self, "n_features_in_", None)
        data = self._begin(X, None, sample_weight)
        N = len(data) if data.w is None else int((data.w > 0).sum())
        if self.n_components > N:
            raise DataError(
                f"{type(self).__name__} with n_components={self.n_components} needs at least as many rows, "
                f"got n_samples = {N}{'' if data.w is None else ' of positive weight'}; lower n_components"
            )
        if before is not None and (len(before.weights), width) != (self.n_components, data.X.shape[1]):
            raise DataError(
                f"warm_start: the last fit had {len(before.weights)} components and {width} columns, this one has "
                f"{self.n_components} and {data.X.shape[1]}; set warm_start=False"
            )
        rows = self._rows(data)
        runs = self._restarts(data, rows, None if before is None else self._replaced(rows, before))
        notes = [disagreement(runs, self.tol, rows.weight)]
        best = self._improved(data, rows, runs)
        self.restarts_ = np.array([run.bound for run in runs])
        components = self._finish(data, rows, best)
        for note in (*notes, deaths(components.weights, len(rows)), self._floor_note(components)):
            if note:
                warnings.warn(f"{type(self).__name__}: {note}", MixtureWarning, stacklevel=2)
        return self

    def _remembered(self, X: Any) -> Components | None:
        if not (self.warm_start and self.__sklearn_is_fitted__()):
            return None
        device = X.device if isinstance(X, torch.Tensor) else torch.device("cpu")
        return self._components(Queries(torch.empty(0, 0), as_numpy=True, device=device))

    def _restarts(self, data: Data, rows: Rows, before: Components | None) -> list["Run"]:
        """Runs of EM from ``n_init`` starts, or from the one that is given."""
        if before is not None:
            return [self._run(rows, before)]
        if self._all_given():
            return [self._run(rows, self._with_given(data, rows, None))]
        runs: list[Run] = []
        for i in range(self.n_init):
            if i and reason_to_stop():
                break
            generator = torch_generator(derive(data.seed, i), data.device)
            R = responsibilities(rows, self.n_components, self.init_params, generator)
            runs.append(self._run(rows, self._with_given(data, rows, self._start(rows, R))))
        return runs

    def _improved(self, data: Data, rows: Rows, runs: list["Run"]) -> "Run":
        """The best run, and better ones that moves lead to; every run is added to the list."""
        best = max(runs, key=lambda run: run.bound)
        generator = torch_generator(derive(data.seed, self.n_init), data.device)
        better = self.split_merge > 0
        while better and not reason_to_stop():
            better = False
            for R in moves(rows, best.components, self.split_merge, generator):
                runs.append(run := self._run(rows, self._start(rows, R)))
                if better := run.bound > best.bound + max(self.tol, 1e-9 * abs(best.bound)):
                    best = run
                if better or reason_to_stop():
                    break
        return best

    def _run(self, rows: Rows, components: Components) -> "Run":
        """One run of EM. Its bound is that before the last M step, as in scikit-learn."""
        weight, bound, gap = rows.weight, -math.inf, math.inf
        for step in iterate(self, self.max_iter, name="EM", expect={"log_likelihood": "increase"}):
            total, sums = components.expect(rows)
            components = components.maximise(sums)
            step.record(log_likelihood=total / weight)
            bound, gap = total / weight, abs(total / weight - bound)
            if gap < self.tol:
                step.stop("converged")
                break
        return Run(components, bound, gap, self.history_, self.n_iter_, self.stopped_)

    def _finish(self, data: Data, rows: Rows, best: "Run") -> Components:
        """Keep the best run; components that win no row go to the end, so that labels have no gaps."""
        components = self._placed(rows, best.components)
        joint = components.log_joint(self._amounts(data))
        codes = joint.max(0).indices  # five times as fast as argmax
        won = torch.bincount(codes, minlength=self.n_components) > 0
        order = (~won).long().argsort(stable=True)
        components, codes = components.take(order), order.argsort()[codes]
        self.weights_ = data.give(components.weights)
        self._keep(data, components)
        self.labels_ = data.give(codes)
        log_p = torch.logsumexp(joint, 0)
        self.lower_bound_ = float(log_p.mean() if data.w is None else log_p @ data.w / data.w.sum())
        self.history_, self.n_iter_, self.stopped_ = best.history, best.n_iter, best.stopped
        self.converged_ = self.stopped_ == "converged"
        if self.stopped_ == "max_iter":
            warn_not_converged(self, "EM", self.max_iter, "log_likelihood", best.gap, self.tol)
        return components

    def _given(self, data: Data, name: str, shape: tuple[int, ...], *, shares: bool = False) -> torch.Tensor:
        """A parameter that holds numbers to start from, checked."""
        try:
            value = data.tensor(np.asarray(getattr(self, name), dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise ParameterError(f"parameter {name!r} of {type(self).__name__} must hold numbers: {error}") from error
        if tuple(value.shape) != shape or not torch.isfinite(value).all():
            raise ParameterError(
                f"parameter {name!r} of {type(self).__name__} must hold finite numbers of shape {shape}, "
                f"got shape {tuple(value.shape)}"
            )
        if shares and ((value < 0).any() or abs(float(value.sum()) - 1) > 1e-6):
            raise ParameterError(
                f"{name!r} of {type(self).__name__} must be >= 0 and add up to 1, got {value.tolist()}"
            )
        return value

    # ------------------------------------------------------------------ answers

    def _log_joint(self, queries: Queries) -> torch.Tensor:
        return self._components(queries).log_joint(self._amounts(queries))

    def _assign(self, queries: Queries) -> torch.Tensor:
        return self._log_joint(queries).max(0).indices

    def _log_density(self, queries: Queries) -> torch.Tensor:
        return torch.logsumexp(self._log_joint(queries), 0)

    def predict_proba(self, X: Any) -> Any:
        """The responsibilities: how probable each component is for each row.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N, K)
            Rows add up to one.
        """
        queries = self._queries(X)
        R = self._log_joint(queries)
        share_out(R, None)
        return queries.give(R.T.contiguous())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[Any, Any]:
        """Draw new rows: components by their weights, then rows from each.

        Parameters
        ----------
        n_samples : int, default 1
        random_state : int, generator or None
            None draws a seed.

        Returns
        -------
        X : array of shape (n, D)
            Component after component, as in scikit-learn; tensors if the mixture learned from tensors.
        components : int array of shape (n,)
        """
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet: call fit before drawing")
        if isinstance(n_samples, bool) or not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise ParameterError(f"n_samples must be a whole number >= 1, got {n_samples!r}")
        tensors = isinstance(self.weights_, torch.Tensor)
        device = self.weights_.device if tensors else torch.device("cpu")
        generator = torch_generator(draw_seed(random_state), device)
        c = self._components(Queries(torch.empty(0, 0), as_numpy=not tensors, device=device))
        which = torch.multinomial(c.weights, int(n_samples), replacement=True, generator=generator)
        counts = torch.bincount(which, minlength=len(c.weights)).tolist()
        X = torch.cat([c.draw(k, n, generator) for k, n in enumerate(counts)])
        labels = which.sort().values
        return (X, labels) if tensors else (X.numpy(), labels.numpy())

    # ------------------------------------------------------------------ how many components?

    def bic(self, X: Any) -> float:
        """Bayes' information criterion, -2 log L + p log N; lower is better (Schwarz 1978)."""
        return -2 * float(np.sum(np.asarray(self.log_prob(X)))) + self._n_parameters() * math.log(len(X))

    def aic(self, X: Any) -> float:
        """Akaike's information criterion, -2 log L + 2 p; lower is better (Akaike 1974)."""
        return -2 * float(np.sum(np.asarray(self.log_prob(X)))) + 2 * self._n_parameters()

    def icl(self, X: Any) -> float:
        """The integrated completed likelihood, BIC plus twice the entropy of the responsibilities; lower is better.

        It prefers components that are apart, clusters, to those that only shape the density
        (Biernacki, Celeux & Govaert 2000).
        """
        R = np.asarray(self.predict_proba(X))
        return self.bic(X) - 2 * float(special.xlogy(R, R).sum())

    # ------------------------------------------------------------------ what was loaded

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        pi = np.asarray(self.weights_)
        if pi.ndim != 1 or len(pi) < 1 or pi.dtype.kind != "f" or not (pi >= 0).all() or abs(pi.sum() - 1) > 1e-6:
            raise UnreadableError(f"{type(self).__name__}.weights_ should be shares that add up to one")

    def _check_answers(self) -> None:
        InductiveClusterer._check_answers(self)
        Density._check_answers(self)


@dataclass(frozen=True, eq=False)
class Run:
    """What one run of EM ended with."""

    components: Components
    bound: float
    gap: float
    history: dict[str, list[float]]
    n_iter: int
    stopped: str


def disagreement(runs: list[Run], tol: float, weight: float) -> str:
    """What to say if no two of several restarts reached the best likelihood; "" else.

    It matters where the runner-up is behind by more than the tolerance leaves open, and by more than two nats in all.
    """
    ends = sorted((run.bound for run in runs), reverse=True)
    if len(ends) < 2 or ends[0] - ends[1] <= max(10 * tol, 2 / weight):
        return ""
    return (
        f"only one of {len(ends)} restarts reached the best mean log likelihood, {ends[0]:.6g}; the next ended with "
        f"{ends[1]:.6g}, the worst with {ends[-1]:.6g}: a still better optimum is likely; raise n_init, or set "
        "split_merge=5"
    )


def deaths(weights: torch.Tensor, N: int) -> str:
    """What to say about components that no row belongs to; "" if there are none."""
    dead = (weights * N < 1e-3).nonzero()[:, 0].tolist()
    if not dead:
        return ""
    which = ", ".join(map(str, dead))
    return (
        f"{len(dead)} of {len(weights)} components died ({which}): they explain less than a thousandth of one row; "
        "lower n_components, or set n_init higher"
    )
