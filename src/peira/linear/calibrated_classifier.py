r"""Calibration: probabilities for a classifier that has none, or whose promises are not kept.

A score ranks; a probability also promises how often it comes true. The scores s of rows that a fit had not seen, from K
folds, are set against their labels, and a monotone map from score to probability is learned. Then the classifier is
fitted to all rows, and its scores go through the map.

* **sigmoid** (Platt 1999): two numbers for each class, by maximum likelihood,

.. math:: P(c \mid s) = 1 / (1 + \exp(-(a_c s_c + b_c)))

with N+ rows of the class and N- others counted as (N+ + 1) / (N+ + 2) and 1 / (N- + 2) rather than 1 and 0, so that
separable scores do not end in certainty.

* **isotonic** (Zadrozny & Elkan 2002): any rising step function, by least squares. It bends more and needs more rows.

* **temperature** (Guo et al. 2017): one number for all classes; the ranking of the classes stays as it is,

.. math:: P(c \mid s) = \exp(s_c / T) / \sum_k \exp(s_k / T)

With more than two classes the first two map each class against the rest, and the results are scaled to sum to one.

**Use it** for scores of large-margin and least-squares classifiers, for naive Bayes, which is too sure of itself, and
wherever a decision depends on a probability. Logistic regression hardly needs it.

Cost: K + 1 fits of the classifier; the map takes N C steps, isotonic N C log N.

Reference: Platt (1999), Probabilistic outputs for support vector machines; Lin, Lin & Weng (2007), Machine Learning 68
(Newton's method for it); Zadrozny & Elkan (2002), KDD; Guo, Pleiss, Sun & Weinberger (2017), ICML, eq. 9.
"""

import inspect
from typing import Any, Literal

import numpy as np
import torch
from scipy.optimize import isotonic_regression, minimize_scalar
from scipy.special import expit, logsumexp

from ..core import Card, DataError, Method, ParameterError, ProbabilisticClassifier, UnreadableError, param
from ..core.inputs import Data, Queries
from ..core.iteration import sharing
from ..core.kinds import Classifier
from .folds import Folds, make_folds

FAR = 700.0  # scores beyond this (of an impossible class, say) count as this far off
TINY = 1e-16


class CalibratedClassifierCV(ProbabilisticClassifier):
    """A classifier whose scores become probabilities on rows that it did not see.

    Attributes
    ----------
    classes_ : array of shape (C,)
    estimator_ : Method
        The classifier, fitted to all rows.
    map_ : dict
        What was learned from the folds: "slope" and "constant" (C,), "temperature", or the knots of step functions.
    centre_, spread_ : float
        What scores were standardised with.

    Examples
    --------
    >>> from peira.linear import CalibratedClassifierCV, GaussianNB
    >>> X = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]
    >>> model = CalibratedClassifierCV(GaussianNB(), cv=3).fit(X, ["a", "a", "b", "a", "b", "b"])
    >>> model.predict([[0.0], [5.0]]).tolist()
    ['a', 'b']
    """

    card = Card(
        tasks="classification",
        reference="Platt (1999); Zadrozny & Elkan (2002); Guo et al. (2017) eq. 9",
        cost="K + 1 fits",
        wraps=True,
    )
    estimator: Method | None = param(None, "the classifier; None is Gaussian naive Bayes", positional=True)
    method: Literal["sigmoid", "isotonic", "temperature"] = param("sigmoid", "the map from scores to probabilities")
    cv: object = param(
        5, "number of folds, in which the rows of each class are dealt out in turn; or a splitter or pairs"
    )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "CalibratedClassifierCV":
        """Learn the map from folds, then the classifier from all rows.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Each class needs at least two rows.
        sample_weight : array of shape (N,), optional
            Passed on to the classifier, and counted in the map.

        Raises
        ------
        ParameterError
            If ``estimator`` is no classifier, or takes no weights and some are given.
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        base = self._base(data)
        S = self._unseen_scores(base, data)
        finite = S[np.isfinite(S)]
        self.centre_, self.spread_ = float(finite.mean()), float(finite.std()) or 1.0
        w = np.ones(len(data)) if data.w is None else data.w.numpy(force=True)
        codes = data.codes.numpy(force=True)
        learn = {"sigmoid": _sigmoids, "isotonic": _steps, "temperature": _temperature}[self.method]
        self.map_ = learn(self._standardised(S), codes, w, len(data.classes))
        self.estimator_ = _fitted(base, data, slice(None))
        return self

    @classmethod
    def example(cls) -> "CalibratedClassifierCV":
        return cls(cv=2)

    def _base(self, data: Data) -> Method:
        from .gaussian_naive_bayes import GaussianNB

        base = GaussianNB() if self.estimator is None else self.estimator
        if not isinstance(base, Classifier):
            raise ParameterError(f"parameter 'estimator' must be a classifier of Peira, got {type(base).__name__}")
        if data.w is not None and "sample_weight" not in inspect.signature(base.fit).parameters:
            raise ParameterError(f"{type(base).__name__} takes no weights, but sample_weight was given")
        return base

    def _unseen_scores(self, base: Method, data: Data) -> np.ndarray:
        """Scores (N, C) of each row by a fit that had not seen it; -inf for a class that the fit did not know."""
        codes = data.codes.numpy(force=True)
        S = np.full((len(codes), len(data.classes)), -np.inf)
        held_out = np.zeros(len(codes), dtype=int)
        folds = self._folds(data, codes)
        for k, (train, test) in enumerate(folds):
            with sharing(len(folds) + 1 - k):  # the last fit, to all rows, has its share as well
                part = _fitted(base, data, train)
            place = np.searchsorted(data.classes, part.classes_)
            S[np.ix_(test, place)] = _scores_of(part, data.X[test], self.method)
            held_out[test] += 1
        if (held_out != 1).any():
            raise DataError(
                f"row {int((held_out != 1).argmax())} is held out {held_out[(held_out != 1).argmax()]} times by cv; "
                "calibration needs folds that hold out each row once"
            )
        return S

    def _folds(self, data: Data, codes: np.ndarray) -> Folds:
        """Training and test rows of each fold."""
        if not isinstance(self.cv, int):
            return make_folds(data, self.cv, "CalibratedClassifierCV")
        if self.cv < 2:
            raise ParameterError(f"parameter 'cv' of CalibratedClassifierCV must be at least 2, got {self.cv}")
        counts = np.bincount(codes)
        if (single := np.flatnonzero(counts == 1)).size:
            raise DataError(
                f"class {data.classes.tolist()[single[0]]!r} has a single row: none would be left to learn it from "
                "when it is held out; calibration needs two rows of each class"
            )
        turn = np.empty(len(codes), np.int64)
        turn[np.argsort(codes, kind="stable")] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
        fold = turn % min(self.cv, counts.max())
        return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(fold.max() + 1)]

    def _standardised(self, S: np.ndarray) -> np.ndarray:
        return np.clip((S - self.centre_) / self.spread_, -FAR, FAR)

    def _scores(self, queries: Queries) -> torch.Tensor:
        S = self._standardised(_scores_of(self.estimator_, queries.X, self.method))
        C = len(self.classes_)
        if "temperature" in self.map_:
            return queries.tensor(S / self.map_["temperature"])
        if "slope" in self.map_:
            a, b = queries.tensor(self.map_["slope"]), queries.tensor(self.map_["constant"])
            if C == 2:
                z = a[1] * queries.tensor(S[:, 1]) + b[1]
                return torch.stack([torch.nn.functional.logsigmoid(-z), torch.nn.functional.logsigmoid(z)], 1)
            return torch.nn.functional.logsigmoid(a * queries.tensor(S) + b)
        P = np.stack([np.interp(S[:, c], self.map_["x"][c], self.map_["p"][c]) for c in range(C)], 1)
        if C == 2:
            P[:, 0] = 1 - P[:, 1]
        return queries.tensor(P).log()

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        known, learned = isinstance(getattr(self, "estimator_", None), Classifier), getattr(self, "map_", None)
        if not known or not np.array_equal(self.estimator_.classes_, self.classes_):
            raise UnreadableError("a stored CalibratedClassifierCV needs estimator_ to be a classifier of its classes")
        if not isinstance(learned, dict) or not all(map(_rises, _curves(learned, len(self.classes_)))):
            raise UnreadableError("a stored CalibratedClassifierCV needs map_ to turn scores into probabilities")


def _fitted(base: Method, data: Data, rows: Any) -> Method:
    """A fresh copy of the classifier, fitted to some rows."""
    weights = {} if data.w is None else {"sample_weight": data.w[rows]}
    y = data.classes[data.codes.numpy(force=True)[rows]]
    return type(base)(**base.get_params(deep=False)).fit(data.X[rows], y, **weights)


def _scores_of(model: Classifier, X: torch.Tensor, method: str) -> np.ndarray:
    """A score for each class, (N, C): for two classes each other's negative, so that one map serves both.

    Where there are probabilities: their logarithms, to be made hotter or colder, or their log odds, to be mapped.
    """
    if isinstance(model, ProbabilisticClassifier) and len(model.classes_) > 2:
        logs = torch.as_tensor(model.predict_log_proba(X)).clamp(min=-FAR)
        return (logs if method == "temperature" else logs - torch.log(-torch.expm1(logs.clamp(max=-TINY)))).numpy(
            force=True
        )
    s = model.decision_function(X).numpy(force=True).clip(-1e300, 1e300)
    if len(model.classes_) == 1:
        return s.reshape(-1, 1)
    return np.stack([-s, s], 1) if s.ndim == 1 else s


def _sigmoids(S: np.ndarray, codes: np.ndarray, w: np.ndarray, C: int) -> dict[str, np.ndarray]:
    """Platt's slope and constant for each class, (C,)."""
    maps = np.array([_platt(S[:, c], codes == c, w) for c in range(C)])
    return {"slope": maps[:, 0], "constant": maps[:, 1]}


def _platt(s: np.ndarray, positive: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    """Slope and constant by Newton's method with halved steps (Lin, Lin & Weng 2007, Algorithm 1)."""
    ones, zeros = w[positive].sum(), w[~positive].sum()
    t = np.where(positive, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    X = np.stack([s, np.ones_like(s)], 1)

    def loss(v: np.ndarray) -> float:
        z = X @ v
        return float(w @ (np.logaddexp(0, z) - t * z))

    v = np.array([0.0, np.log((ones + 1) / (zeros + 1))])
    value = loss(v)
    for _ in range(100):
        p = expit(X @ v)
        gradient = X.T @ (w * (p - t))
        if np.abs(gradient).max() < 1e-9 * w.sum():
            break
        H = (X * (w * p * (1 - p))[:, None]).T @ X + 1e-12 * w.sum() * np.eye(2)
        step, size = np.linalg.solve(H, gradient), 1.0
        while (trial := loss(v - size * step)) > value - 1e-4 * size * (gradient @ step) and size > 1e-10:
            size /= 2
        if size <= 1e-10:
            break
        v, value = v - size * step, trial
    return max(float(v[0]), 0.0), float(v[1])  # a score that speaks against its class says nothing


def _steps(S: np.ndarray, codes: np.ndarray, w: np.ndarray, C: int) -> dict[str, list]:
    """The corners of each class's rising step function: scores and probabilities."""
    found: dict[str, list] = {"x": [], "p": []}
    for c in range(C):
        x, group = np.unique(S[w > 0, c], return_inverse=True)
        weight = np.bincount(group, w[w > 0])
        share = np.bincount(group, w[w > 0] * (codes[w > 0] == c)) / weight
        p = np.clip(isotonic_regression(share, weights=weight).x, 0.0, 1.0)
        corner = np.r_[True, (np.diff(p)[:-1] != 0) | (np.diff(p)[1:] != 0), True] if len(p) > 2 else slice(None)
        found["x"].append(x[corner])
        found["p"].append(p[corner])
    return found


def _temperature(S: np.ndarray, codes: np.ndarray, w: np.ndarray, C: int) -> dict[str, float]:
    """The temperature of least log loss; the loss is convex in its inverse."""

    def loss(log_inverse: float) -> float:
        Z = S * np.exp(log_inverse)
        return float(w @ (logsumexp(Z, axis=1) - Z[np.arange(len(Z)), codes]))

    return {"temperature": float(np.exp(-minimize_scalar(loss, bounds=(-8.0, 8.0), method="bounded").x))}


def _curves(learned: dict, C: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every map as points of a curve, to be judged alike; what is no map gives a curve that falls."""
    ends = np.array([-1.0, 1.0])
    if (T := learned.get("temperature")) is not None:
        return [(ends, ends / T)] if isinstance(T, float) and T > 0 else [(ends, -ends)]
    parts = [learned.get(name) for name in (("slope", "constant") if "slope" in learned else ("x", "p"))]
    if any(part is None or len(part) != C for part in parts):
        return [(ends, -ends)]
    if "slope" in learned:
        return [(ends, ends * a + b) for a, b in zip(*parts, strict=True)]
    return list(zip(*parts, strict=True))


def _rises(curve: tuple[np.ndarray, np.ndarray]) -> bool:
    x, p = (np.asarray(part, dtype=np.float64) for part in curve)
    fit = x.ndim == 1 and x.shape == p.shape and len(x) > 0 and np.isfinite(x).all() and np.isfinite(p).all()
    return bool(fit and (np.diff(x) > 0).all() and (np.diff(p) >= 0).all())
