r"""Ridge regression: least squares that prefers short coefficient vectors.

.. math:: \min_w \; \sum_n v_n (y_n - w_0 - w^T x_n)^2 + \alpha \| w \|^2

The constant is not penalised. The coefficients shrink towards zero along the directions in which the inputs vary
little, and by a known factor. With the centred, weighted inputs :math:`X = U D V^T`, D holding :math:`d_1, d_2, ...`,

.. math:: \hat w = V \, (D^2 + \alpha I)^{-1} D U^T y, \quad \mathrm{df}(\alpha) = \sum_j d_j^2 / (d_j^2 + \alpha)

It is the posterior mean for normal errors of variance :math:`\sigma^2` and a normal prior of variance
:math:`\sigma^2 / \alpha` on each coefficient.

**Two forms.** N >= D: solve with the D x D matrix :math:`X^T X + \alpha I`. N < D: with the N x N matrix
:math:`X X^T + \alpha I`, since :math:`X^T (X X^T + \alpha I)^{-1} = (X^T X + \alpha I)^{-1} X^T`. One Cholesky
factor either way.

**Use it** when columns are many or correlated and most of them matter a little. Bring columns to one scale first: the
penalty compares coefficients, and so the units of columns. Lasso instead picks few.

Cost: N D^2 + D^3 / 3, or N^2 D + N^3 / 3 for N < D; any number of penalties per target at the cost of an
eigendecomposition.

Reference: Hoerl & Kennard (1970), Technometrics 12, 55-67; Hastie, Tibshirani & Friedman (2009), 3.4.1, eqs 3.41 to
3.50.
"""

import warnings
from typing import Any

import numpy as np
import torch

from ..core import Card, ParameterError, log, param
from ..core.errors import RankWarning
from ..core.inputs import Data
from ..numerics.cholesky import cholesky
from ..numerics.moments import Moments, gram
from .model import LinearRegressor
from .sufficient_statistics import Rows, Summary, restored, stored, summarise


class Ridge(LinearRegressor):
    """Least squares with a squared penalty on the coefficients.

    Attributes
    ----------
    coef_, intercept_ : array of shape (D,) and float; (K, D) and (K,) for K targets
    effective_df_ : float, or array of shape (K,)
        Effective number of coefficients, between 0 and min(N, D); without the constant.
    summary_ : dict
        Moments of the data (or its rows, if fewer than columns), for ``partial_fit``.

    Examples
    --------
    >>> from peira.linear import Ridge
    >>> Ridge(alpha=2.0).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]).coef_
    array([0.5])
    """

    card = Card(
        tasks="regression",
        reference="Hoerl & Kennard (1970); Hastie et al. (2009) 3.4.1",
        exact=True,
        incremental="equals one fit",
        cost="N D^2 + D^3",
        sparse=True,
        multi_output=True,
        linear_in_inputs=True,
    )
    alpha: float | list | np.ndarray = param(
        1.0, "strength of the penalty; one for all targets or one for each", low=0, tune=log(1e-4, 1e4), positional=True
    )
    fit_intercept: bool = param(True, "estimate a constant term")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Ridge":
        """Learn the coefficients.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Warns
        -----
        RankWarning
            If the penalty is too small for the collinearity of the columns.
        """
        data = self._begin(X, y, sample_weight)
        return self._learn(data, summarise(data, centred=self.fit_intercept))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Ridge":
        """Learn from more rows; equals one fit to all of them, in any order. Costs N D^2 + D^3 a call."""
        data = self._continue(X, y, sample_weight)
        block = Moments.of(data.X, data.Y, data.w, centred=self.fit_intercept)
        if hasattr(self, "summary_"):
            before = restored(self.summary_, data)
            block = (before.moments() if isinstance(before, Rows) else before).merge(block)
        return self._learn(data, block)

    def _learn(self, data: Data, summary: Summary) -> "Ridge":
        alpha = self._penalties(data)
        B, df = solve(summary, alpha)
        self._learned(data, B.T, summary.y_mean - summary.x_mean @ B)
        self.effective_df_ = float(df[0]) if data.squeeze else data.give(df)
        self.summary_ = stored(summary, data)
        return self

    def _penalties(self, data: Data) -> torch.Tensor:
        """One penalty for each target, checked."""
        K = data.Y.shape[1]
        given = np.asarray(self.alpha)
        if given.dtype.kind not in "iuf" or given.ndim > 1 or not np.isfinite(given).all() or (given < 0).any():
            raise ParameterError(
                f"parameter 'alpha' of Ridge must be a number >= 0, or one for each target; got {self.alpha!r}"
            )
        if given.ndim == 1 and len(given) != K:
            raise ParameterError(f"parameter 'alpha' of Ridge holds {len(given)} penalties for {K} targets")
        return data.tensor(given.astype(float)).expand(K)


def solve(summary: Summary, alpha: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients (D, K) and effective degrees of freedom (K,) for one penalty per target, alpha (K,)."""
    dual = isinstance(summary, Rows)
    if dual:
        S, right = gram(summary.A.T), summary.B
    else:
        S, right = summary.xx, summary.xy
    if bool((alpha == alpha[0]).all()) and bool(alpha[0] > 0):
        # (S + alpha I)^-1 right and, for df = tr S (S + alpha I)^-1, the trace of the inverse
        L, jitter = cholesky(S + alpha[0] * torch.eye(len(S), dtype=S.dtype, device=S.device))
        if jitter:
            _warn_of_jitter(jitter)
        b = torch.cholesky_solve(right, L)
        eye = torch.eye(len(L), dtype=L.dtype, device=L.device)
        df = len(S) - alpha * torch.linalg.solve_triangular(L, eye, upper=False).square().sum()
    else:
        s, V = torch.linalg.eigh(S)
        floor = len(s) * torch.finfo(s.dtype).eps * s[-1].clamp(min=0)  # below: no variation, no coefficient
        kept = (s > floor)[:, None]
        total = s[:, None] + alpha
        f = torch.where(kept, 1 / torch.where(kept, total, 1.0), 0.0)
        b = V @ (f * (V.T @ right))
        df = (s[:, None] * f).sum(0)
    return (summary.A.T @ b if dual else b), df.clamp(min=0)


def _warn_of_jitter(jitter: float) -> None:
    warnings.warn(
        f"the columns are collinear beyond what the penalty cures: {jitter:.2g} was added to it; raise alpha",
        RankWarning,
        stacklevel=5,
    )
