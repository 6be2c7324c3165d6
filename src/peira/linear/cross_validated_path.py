r"""The strength of the penalty by cross-validation: one path for each fold, all at the same penalties.

With F folds and the weights :math:`w_f(\alpha)` learned without fold f, the error at each penalty is

.. math:: \mathrm{MSE}(\alpha) = \frac{1}{F} \sum_f \mathrm{MSE}_f(\alpha), \quad
          \mathrm{SE}(\alpha) = \mathrm{sd}_f (\mathrm{MSE}_f(\alpha)) / \sqrt{F}

``rule="best"`` takes the penalty of least error, ``rule="one_se"`` the largest penalty whose error is at most one
standard error above it: the simplest model that is not clearly worse (Breiman et al. 1984; Hastie et al. 2009, 7.10.1).

**Cost.** With few columns each row is read once, whatever the number of folds: a fold's training moments are the
moments of all rows minus its own, and its error follows from its own moments,

.. math:: N_f \mathrm{MSE}_f = s_{yy} - 2 w^T s_{xy} + w^T S_{xx} w + N_f (\bar y - w_0 - w^T \bar x)^2

With many columns each fold follows its own path on a working set.
"""

from abc import abstractmethod
from typing import Any, Literal

import numpy as np
from scipy import sparse

from ..core import DataError, ParameterError, iterate, param
from ..core.inputs import Data
from ..core.iteration import warn_not_converged
from ..numerics.moments import Moments
from .elastic_net_path import GramProblem, Problem, follow, highest, penalties_below, problems, suits_gram
from .model import LinearRegressor
from .reduced_data import make_folds


class PenaltySearch(LinearRegressor):
    """Base of `LassoCV` and `ElasticNetCV`."""

    eps: float = param(1e-3, "smallest penalty, as a fraction of the largest", above=0, below=1)
    alphas: object = param(100, "how many penalties, or an array of them")
    fit_intercept: bool = param(True, "estimate a constant term")
    max_iter: int = param(1000, "most rounds for a penalty; a round is some 50 sweeps over the columns", low=1)
    tol: float = param(1e-4, "largest duality gap, as a fraction of the squared norm of the centred target", low=0)
    cv: object = param(None, "number of folds (None: 5), a splitter, or pairs of training and test rows")
    positive: bool = param(False, "allow no negative weights")
    rule: Literal["best", "one_se"] = param("best", "least error, or the largest penalty within a standard error of it")

    @abstractmethod
    def _shares(self) -> list[float]:
        """The shares of the L1 norm to try."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "PenaltySearch":
        """Choose the penalty by cross-validation, then learn from all rows.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,)
        sample_weight : array of shape (N,), optional
            Non-negative; counts in the fits and in the errors.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a value is not finite, shapes disagree, or there are fewer rows than folds.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` rounds left a larger gap than ``tol`` somewhere; once, with the largest gap.
        """
        self._check_parameters()
        shares, given = self._shares(), self._given_penalties()
        data = self._begin(X, y, sample_weight)
        folds = make_folds(data, self.cv, type(self).__name__)
        count = given if isinstance(given, int) else len(given)
        whole, pieces = self._pieces(data, folds, count)
        total = float(len(data) if data.w is None else data.w.sum())
        if isinstance(given, int):
            grids = np.stack([penalties_below(highest(whole) / (total * s), self.eps, count) for s in shares])
        else:
            grids = np.tile(given, (len(shares), 1))
        self._worst_gap = 0.0
        errors = np.full((len(shares), count, len(folds)), np.nan)
        for step in iterate(self, len(folds), name="fold"):
            problem, size, error = pieces(step.index)
            for i, s in enumerate(shares):
                W, b = self._follow(problem, grids[i], s, size)
                errors[i, :, step.index] = error(W, b)
            step.record(mean_squared_error=errors[:, :, step.index].min())
        done = ~np.isnan(errors).all((0, 1))
        i, k = chosen(errors[:, :, done], self.rule)
        self._refit(data, whole, grids[i, : k + 1], shares[i], total)
        several = len(shares) > 1
        self.alphas_, self.mse_path_ = (grids, errors) if several else (grids[0], errors[0])
        worst = self.__dict__.pop("_worst_gap")
        if worst > self.tol:
            warn_not_converged(self, "the path", self.max_iter, "gap", worst, self.tol)
        return self

    def _given_penalties(self) -> int | np.ndarray:
        if isinstance(self.alphas, int | np.integer) and not isinstance(self.alphas, bool):
            if self.alphas < 1:
                raise ParameterError(f"parameter 'alphas' of {type(self).__name__} must be >= 1, got {self.alphas}")
            return int(self.alphas)
        given = np.asarray(self.alphas, dtype=float)
        if given.ndim != 1 or not given.size or not np.isfinite(given).all() or (given < 0).any():
            raise ParameterError(
                f"parameter 'alphas' of {type(self).__name__} must be a whole number or a list of finite numbers >= 0, "
                f"got {self.alphas!r}"
            )
        return np.sort(given)[::-1]

    def _pieces(self, data: Data, folds: list, count: int):
        """The problem of all rows; and of a fold: its training problem, the weight of these rows, the test error."""
        settings = {"fit_intercept": self.fit_intercept, "positive": self.positive, "penalties": count}

        def rows(index: np.ndarray) -> tuple:
            w = None if data.w is None else data.w[index]
            if w is not None and not w.any():
                raise DataError(f"{type(self).__name__}: all rows of a fold have weight zero; shuffle the folds")
            return data.X[index], data.Y[index], w

        if not suits_gram(len(data), data.X.shape[1], count):

            def on_rows(f: int) -> tuple[Problem, float, Any]:
                X, Y, w = rows(folds[f][0])
                X_test, Y_test, w_test = rows(folds[f][1])
                y_test = Y_test.numpy(force=True)
                X_test = X_test if sparse.issparse(X_test) else X_test.numpy(force=True)
                w_test = None if w_test is None else w_test.numpy(force=True)
                size = float(len(Y) if w is None else w.sum())
                problem = problems(X, Y, w, **settings)[0][0]
                return problem, size, lambda W, b: np.average((y_test - X_test @ W - b) ** 2, axis=0, weights=w_test)

            return problems(data.X, data.Y, data.w, **settings)[0][0], on_rows

        parts = [Moments.of(*rows(test), centred=self.fit_intercept) for _, test in folds]
        uses = np.bincount(np.concatenate([test for _, test in folds]), minlength=len(data))
        once = (uses == 1).all()
        everything = (
            sum(parts[1:], parts[0]) if once else Moments.of(data.X, data.Y, data.w, centred=self.fit_intercept)
        )

        def on_moments(f: int) -> tuple[Problem, float, Any]:
            train, test = folds[f]
            complement = len(train) + len(test) == len(data) == len(np.union1d(train, test))
            learned = everything.minus(parts[f]) if complement else Moments.of(*rows(train), centred=self.fit_intercept)
            problem = GramProblem(learned, 0, self.positive)
            return problem, learned.weight, lambda W, b: mean_squared_error(parts[f], W, b)

        return GramProblem(everything, 0, self.positive), on_moments

    def _follow(self, problem: Problem, alphas: np.ndarray, share: float, total: float) -> tuple[np.ndarray, ...]:
        """Weights (D, M) and constants (M,) along the path."""
        problem.start(np.zeros_like(problem.w))
        W, goal = np.empty((len(problem.w), len(alphas))), self.tol * problem.yy
        l1s, l2s = total * share * alphas, total * (1 - share) * alphas
        for k, (gap, _) in enumerate(follow(problem, l1s, l2s, goal, self.max_iter)):
            W[:, k] = problem.w
            self._worst_gap = max(self._worst_gap, gap / (problem.yy or 1.0))
        return W, problem.y_mean - problem.x_mean @ W

    def _refit(self, data: Data, problem: Problem, alphas: np.ndarray, share: float, total: float) -> None:
        l1s, l2s = total * share * alphas, total * (1 - share) * alphas
        steps = follow(problem, l1s, l2s, self.tol * problem.yy, self.max_iter)
        for step in iterate(self, len(alphas), name="penalty"):
            gap, _ = next(steps)
            w, k = problem.w, step.index
            objective = problem.residual / 2 + l1s[k] * np.abs(w).sum() + l2s[k] / 2 * (w @ w)
            step.record(objective=objective / total, gap=gap / (problem.yy or 1.0))
            self._worst_gap = max(self._worst_gap, gap / (problem.yy or 1.0))
            self.alpha_, self.dual_gap_ = float(alphas[k]), float(gap / total)
            if k + 1 == len(alphas):
                step.stop("converged")
                break
        b = problem.y_mean - problem.x_mean @ problem.w
        self._learned(data, data.tensor(problem.w)[None], data.tensor([b]))


def mean_squared_error(test: Moments, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Errors (M,) of weights (D, M) and constants (M,) on rows of which only the moments are known."""
    xx, xy = test.xx.numpy(force=True), test.xy[:, 0].numpy(force=True)
    spread = float(test.yy[0, 0]) - 2 * xy @ W + np.einsum("jm,jm->m", W, xx @ W)
    shift = float(test.y_mean[0]) - test.x_mean.numpy(force=True) @ W - b
    return np.maximum(spread, 0.0) / test.weight + shift**2


def chosen(errors: np.ndarray, rule: str) -> tuple[int, int]:
    """Index of the share and of the penalty, from errors (shares, penalties from the largest down, folds)."""
    mean = errors.mean(2)
    i, k = np.unravel_index(mean.argmin(), mean.shape)
    if rule == "one_se" and errors.shape[2] > 1:
        se = errors[i, k].std(ddof=1) / np.sqrt(errors.shape[2])
        k = np.flatnonzero(mean[i] <= mean[i, k] + se)[0]
    return int(i), int(k)
