r"""The elastic net: least squares with a penalty that selects columns and shrinks weights.

.. math:: \min_{w, w_0} \; \frac{1}{2N} \sum_n (y_n - w_0 - w^T x_n)^2
          + \alpha \rho \| w \|_1 + \frac{\alpha (1 - \rho)}{2} \| w \|^2

with strength alpha and share rho (``l1_ratio``) of the L1 norm. The L1 norm sets weights to exactly zero; the squared
norm keeps groups of correlated columns together, where the lasso picks one of them more or less by chance, and makes
the solution unique (Zou & Hastie 2005).

**Assumptions.** Penalties compare weights, so the columns should be on one scale: standardise first. The target is
linear in them, few of them matter, errors are of equal variance (or weighted).

**Algorithm.** Coordinate descent, ended by a duality gap (:mod:`~peira.linear.coordinate_descent`); on the Gram matrix
for few columns, on a working set for many (:mod:`~peira.linear.elastic_net_path`), where the same gap discards columns
that are certain to have weight zero (safe screening).

**Cost.** N D^2 once, then D for a step, when D is small; about N D for each penalty when it is large. Memory D^2, or
E (N + E) for a working set of E columns. Sparse X is never made dense.

**When.** Many columns of which some are correlated and few matter; a sparse answer that can be read. Not where all
columns matter a little (ridge), and the weights are biased towards zero: do not read them as effects.

Reference: Zou & Hastie (2005), Regularization and variable selection via the elastic net, JRSS B 67 (their
"naive" elastic net); Friedman, Hastie & Tibshirani (2010), J. Stat. Software 33(1).
"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from ..core import Card, DataError, ParameterError, iterate, linear, log, param
from ..core.inputs import Data
from ..numerics.moments import Moments
from .cross_validated_path import PenaltySearch
from .elastic_net_path import GramProblem, Problem, problems
from .model import LinearRegressor


class PenalisedRegressor(LinearRegressor):
    """Base of `Lasso` and `ElasticNet`: one problem for each output, solved side by side."""

    alpha: float = param(
        1.0,
        "strength of the penalty (unit: the target's times the input's)",
        low=0,
        tune=log(1e-4, 1e1),
        positional=True,
    )
    fit_intercept: bool = param(True, "estimate a constant term")
    max_iter: int = param(1000, "most rounds; a round is some 50 sweeps over the columns", low=1)
    tol: float = param(1e-4, "largest duality gap, as a fraction of the squared norm of the centred target", low=0)
    positive: bool = param(False, "allow no negative weights")

    @abstractmethod
    def _share(self) -> float:
        """The share of the L1 norm in the penalty."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "PenalisedRegressor":
        """Learn the weights.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
            Outputs are fitted one by one.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a value is not finite, shapes disagree, or a parameter is out of range.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` rounds left a larger gap than ``tol``.
        """
        data = self._begin(X, y, sample_weight)
        if self.alpha == 0:  # least squares: no column can be left out
            return self._solve_moments(data, Moments.of(data.X, data.Y, data.w, centred=self.fit_intercept))
        found, moments = problems(
            data.X, data.Y, data.w, fit_intercept=self.fit_intercept, positive=self.positive, penalties=1
        )
        total = float(len(data) if data.w is None else data.w.sum())
        return self._solve(data, found, total, moments)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "PenalisedRegressor":
        """Learn from more rows; the result equals one fit of all rows so far, in any order.

        Keeps the moments of the rows (D^2 numbers), not the rows: for tables with more rows than memory.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Raises
        ------
        ValueError
            As in `fit`; also if a `fit` of many columns, which keeps no moments, came before.
        """
        data = self._continue(X, y, sample_weight)
        moments = Moments.of(data.X, data.Y, data.w, centred=self.fit_intercept)
        if hasattr(self, "coef_"):
            if not getattr(self, "moments_", None):
                raise DataError(
                    f"{type(self).__name__} was fitted to {self.n_features_in_} columns without keeping their moments, "
                    "so it can't take in more rows; begin a new one with partial_fit"
                )
            before = Moments.from_dict(self.moments_, device=moments.xx.device)
            if before.centred != self.fit_intercept:
                raise DataError("fit_intercept was changed since the first rows came: begin anew")
            moments = before.merge(moments)
        return self._solve_moments(data, moments)

    def _solve_moments(self, data: Data, moments: Moments) -> Any:
        found = [GramProblem(moments, k, self.positive) for k in range(data.Y.shape[1])]
        return self._solve(data, found, moments.weight, moments)

    def _solve(self, data: Data, found: list[Problem], total: float, moments: Moments | None) -> Any:
        l1, l2 = total * self.alpha * self._share(), total * self.alpha * (1 - self._share())
        gaps = np.full(len(found), np.inf)
        scales = np.array([problem.yy or 1.0 for problem in found])
        for step in iterate(self, self.max_iter, name="coordinate descent", expect={"objective": "decrease"}):
            for k, problem in enumerate(found):
                if gaps[k] > self.tol * problem.yy:
                    gaps[k] = problem.round(l1, l2, self.tol * problem.yy)
            objective = sum(
                p.residual / 2 + l1 * np.abs(p.w).sum() + l2 / 2 * (p.w @ p.w) for p in found
            )  # fmt: skip
            step.record(objective=objective / total, gap=(gaps / scales).max())
            if step.reached("gap", self.tol):
                break
        W = np.stack([problem.w for problem in found])
        b = np.array([problem.y_mean - problem.x_mean @ problem.w for problem in found])
        self._learned(data, data.tensor(W), data.tensor(b))
        gaps = torch.from_numpy(gaps / total)
        self.dual_gap_ = float(gaps[0]) if data.squeeze else data.give(gaps.to(data.device))
        if moments is not None:
            self.moments_ = moments.to_dict()
        return self


class ElasticNet(PenalisedRegressor):
    """Elastic net: least squares with an L1 and a squared penalty.

    Of scikit-learn's parameters it leaves out ``precompute`` and ``copy_X`` (the form is chosen by shape, the data are
    never written to), ``warm_start`` (``fit`` forgets; `ElasticNetCV` and ``elastic_net_path`` start warm), and
    ``selection`` with ``random_state`` (columns are swept in order).

    Attributes
    ----------
    coef_ : array of shape (D,) or (K, D)
    intercept_ : float or array of shape (K,)
    dual_gap_ : float or array of shape (K,)
        How far the objective may lie above its minimum, in the objective's unit.
    history_ : dict
        ``objective``, and ``gap`` as a fraction of the target's squared norm, for each round.
    n_iter_ : int
        Rounds made.
    moments_ : dict
        Moments of the rows, where they were formed (few columns, or ``partial_fit``).

    Examples
    --------
    >>> from peira.linear.elastic_net import ElasticNet
    >>> model = ElasticNet(0.1, l1_ratio=0.5).fit([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]], [0.0, 1.0, 2.0])
    >>> model.coef_.round(3)
    array([0.86, 0.  ])
    """

    card = Card(
        tasks="regression",
        reference="Zou & Hastie (2005); Friedman, Hastie & Tibshirani (2010) eq. 5",
        cost="N D^2 + D^2 a sweep; N D a round for D > N",
        incremental="equals one fit",
        sparse=True,
        multi_output=True,
        linear_in_inputs=True,
    )
    l1_ratio: float = param(0.5, "share of the L1 norm in the penalty", low=0, high=1, tune=linear(0.05, 1.0))

    def _share(self) -> float:
        return float(self.l1_ratio)


class ElasticNetCV(PenaltySearch):
    """Elastic net with its penalties chosen by cross-validation.

    Of scikit-learn's parameters it leaves out ``precompute``, ``copy_X``, ``selection`` with ``random_state`` (see
    `ElasticNet`), ``verbose`` (use `peira.observing`) and ``n_jobs`` (folds share their moments); ``rule`` is added.

    Attributes
    ----------
    alpha_, l1_ratio_ : float
        The chosen strength and share.
    alphas_ : array of shape (M,), or (R, M) for several shares
        The strengths tried, decreasing.
    mse_path_ : array of shape (M, F), or (R, M, F)
        Mean squared error of each on each fold.
    coef_, intercept_, dual_gap_
        As of `ElasticNet`, from all rows.
    history_ : dict
        ``objective`` and ``gap`` along the path that leads to ``alpha_`` on all rows.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.linear.elastic_net import ElasticNetCV
    >>> X = np.arange(20.0).reshape(10, 2) % 7
    >>> ElasticNetCV(l1_ratio=[0.5, 1.0], cv=2).fit(X, X[:, 0]).l1_ratio_
    1.0
    """

    card = Card(
        tasks="regression",
        reference="Zou & Hastie (2005); Hastie, Tibshirani & Friedman (2009) 7.10.1",
        incremental="approximate",
        cost="N D^2 + D^2 a fold and penalty; N D a fold and penalty for D > N",
        sparse=True,
        linear_in_inputs=True,
        chooses_for="ElasticNet",
    )
    l1_ratio: float | list | tuple | np.ndarray = param(
        0.5, "share of the L1 norm in the penalty, or several in (0, 1] to choose from", low=0, high=1
    )

    def _shares(self) -> list[float]:
        shares = np.atleast_1d(np.asarray(self.l1_ratio, dtype=float))
        lowest_ok = shares > 0 if isinstance(self.alphas, int) else shares >= 0
        if shares.ndim != 1 or not shares.size or not (lowest_ok & (shares <= 1)).all():
            raise ParameterError(
                f"parameter 'l1_ratio' of {type(self).__name__} must be a number in (0, 1] or a list of them (0 needs "
                f"given 'alphas'), got {self.l1_ratio!r}"
            )
        return shares.tolist()

    def _refit(self, data: Data, problem: Problem, alphas: np.ndarray, share: float, total: float) -> None:
        super()._refit(data, problem, alphas, share, total)
        self.l1_ratio_ = share
