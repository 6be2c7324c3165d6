r"""The strength of the penalty by cross-validation: one path for each fold, all at the same penalties.

With F folds and the weights :math:`w_f(\alpha)` learned without fold f, the error at each penalty is

.. math:: \mathrm{MSE}(\alpha) = \frac{1}{F} \sum_f \mathrm{MSE}_f(\alpha), \quad
          \mathrm{SE}(\alpha) = \mathrm{sd}_f (\mathrm{MSE}_f(\alpha)) / \sqrt{F}

``rule="best"`` takes the penalty of least error, ``rule="one_se"`` the largest penalty whose error is at most one
standard error above it: the simplest model that is not clearly worse (Breiman et al. 1984; Hastie et al. 2009, 7.10.1).

**Cost.** With few columns each row is read once, whatever the number of folds: a fold's training moments and its error
follow from the moments of each fold (:mod:`~peira.linear.folds`). With many columns each fold follows its own path on a
working set.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Literal, Self

import numpy as np
import torch

from ..core import ParameterError, iterate, param
from ..core.inputs import Data
from ..core.iteration import warn_not_converged
from ..numerics.moments import Moments
from .elastic_net_path import GramProblem, Problem, follow, highest, penalties_below, problems, suits_gram
from .folds import Split, choose, error_on, folds_of_stream, make_folds, mean_and_error, rows_of
from .streaming import StreamedRegressor

Piece = tuple[Problem, float, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]
"""Of a fold: the problem of the rows to learn from, their total weight, and the error on the others as in `Split`."""


class PenaltySearch(StreamedRegressor):
    """Base of `LassoCV` and `ElasticNetCV`."""

    eps: float = param(1e-3, "smallest penalty, as a fraction of the largest", above=0, below=1)
    alphas: object = param(100, "how many penalties, or an array of them")
    fit_intercept: bool = param(True, "estimate a constant term")
    max_iter: int = param(1000, "most rounds for a penalty; a round is some 50 sweeps over the columns", low=1)
    tol: float = param(1e-4, "largest duality gap, as a fraction of the squared norm of the centred target", low=0)
    cv: object = param(None, "number of folds (None: 5), a splitter, or pairs of training and test rows")
    positive: bool = param(False, "allow no negative weights")
    rule: Literal["best", "one_se"] = param("best", "least error, or the largest penalty within a standard error of it")

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._shares()
        self._given_penalties()

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
        data = self._begin(X, y, sample_weight)
        folds = make_folds(data, self.cv, type(self).__name__)
        if suits_gram(len(data), data.X.shape[1], self._count()):
            return self._on_moments(data, *self._split_moments(data, folds), len(folds))
        pieces = ((*self._problem(rows_of(data, train)), error_on(rows_of(data, test))) for train, test in folds)
        return self._search(data, *self._problem(data), pieces, len(folds))

    def _folds_of_stream(self) -> int:
        return folds_of_stream(self.cv, type(self).__name__)

    def _solve(self, data: Data, whole: Moments, splits: Iterator[Split]) -> Self:
        return self._on_moments(data, whole, splits, len(self.parts_))

    def _on_moments(self, data: Data, whole: Moments, splits: Iterator[Split], F: int) -> Self:
        pieces = ((GramProblem(m, 0, self.positive), m.weight, error) for m, error in splits)
        return self._search(data, GramProblem(whole, 0, self.positive), whole.weight, pieces, F)

    def _problem(self, rows: Data) -> tuple[Problem, float]:
        """The problem of these rows, and the sum of their weights."""
        settings = {"fit_intercept": self.fit_intercept, "positive": self.positive, "penalties": self._count()}
        problem = problems(rows.X, rows.Y, rows.w, **settings)[0][0]
        return problem, float(len(rows) if rows.w is None else rows.w.sum())

    def _search(self, data: Data, whole: Problem, total: float, pieces: Iterator[Piece], F: int) -> Self:
        """Follow the path of each of the F folds, choose, and learn from all rows."""
        shares, given, count = self._shares(), self._given_penalties(), self._count()
        if isinstance(given, int):
            grids = np.stack([penalties_below(highest(whole) / (total * s), self.eps, count) for s in shares])
        else:
            grids = np.tile(given, (len(shares), 1))
        self._worst_gap = 0.0
        errors = np.full((len(shares), count, F), np.nan)
        for step in iterate(self, F, name="fold"):
            problem, size, error = next(pieces)
            for i, s in enumerate(shares):
                W, b = (data.tensor(v) for v in self._follow(problem, grids[i], s, size))
                errors[i, :, step.index] = error(W.T[:, :, None], b[:, None])[:, 0].numpy(force=True)
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

    def _count(self) -> int:
        """How many penalties."""
        given = self._given_penalties()
        return given if isinstance(given, int) else len(given)

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


def chosen(errors: np.ndarray, rule: str) -> tuple[int, int]:
    """Index of the share and of the penalty, from errors (shares, penalties from the largest down, folds)."""
    R, M, F = errors.shape
    mean, se = (v.reshape(R, M) for v in mean_and_error(torch.from_numpy(errors.reshape(R * M, F))))
    i = int(mean.amin(1).argmin())
    return i, int(choose(mean[i, :, None], se[i, :, None], rule))
