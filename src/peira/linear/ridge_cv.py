r"""Ridge regression with the penalty chosen by cross-validation, leave-one-out at the cost of one fit.

**Leave-one-out, exactly.** A ridge fit is linear in the targets, and leaving row n out changes its residual by a known
factor. With h the diagonal of the matrix that turns targets into fitted values,

.. math:: y_n - \hat y_n^{(-n)} = \frac{y_n - \hat y_n}{1 - h_n}, \qquad
          h_n = v_n \left( \frac{1}{W} + x_n^T (X^T V X + \alpha I)^{-1} x_n \right)

for centred x, weights v and their sum W: no model is fitted twice (Allen 1974; Golub, Heath & Wahba 1979).

**All penalties at once.** One eigendecomposition :math:`X^T V X = U \, \mathrm{diag}(s) \, U^T` serves them all. With
:math:`Z = X U` and the matrix :math:`F_{ja} = 1 / (s_j + \alpha_a)`, two matrix products give every residual and every
h: :math:`\hat Y = Z (F \circ c)` for :math:`c = U^T X^T V y`, and :math:`h = v (1/W + (Z \circ Z) F)`. The rows go
by in blocks that stay in the cache.

For N < D, and for few rows, the eigenvectors U of the N x N matrix of inner products (without that of the constant)
give, with :math:`g_{ja} = \alpha_a / (s_j + \alpha_a)`,

.. math:: y_n - \hat y_n^{(-n)} = \frac{\sum_j U_{nj} \, g_{ja} \, (U^T y)_j}{\sum_j U_{nj}^2 \, g_{ja}}

which keeps all its digits even where the fit is nearly an interpolation. Eigenvalues are known to the rounding of the
largest. Where a penalty is not far above that, U comes from the singular values of the rows, which know twice as many
digits; where even these do not suffice, or rows are many, a `RankWarning` asks for columns of one scale.

**Folds.** With ``cv`` given, each fold's training moments are those of all rows less its own, and one
eigendecomposition serves its penalties: still one pass over the rows. ``partial_fit`` needs folds, since
leave-one-out residuals need the rows themselves.

**The coefficients** are those of :class:`~peira.linear.ridge.Ridge` with the penalty chosen.

Cost: 3 N D^2 + D^3 and 2 N D (K + 1) for each penalty; N^2 D + N^3 for N < D; with F folds N D^2 + F D^3.

Reference: Hastie, Tibshirani & Friedman (2009), 7.10, eq. 7.64; weights: each row is left out with all of its weight.
"""

import warnings
from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
import torch
from scipy import sparse

from ..core import Card, DataError, ParameterError, choice, param
from ..core.errors import RankWarning
from ..core.inputs import Data
from ..numerics.moments import Moments, gram
from .folds import Split, choose, folds_of_stream, make_folds, mean_and_error
from .model import linear_map
from .reduced_data import Reduced, fold_errors
from .ridge import solve
from .streaming import StreamedRegressor
from .sufficient_statistics import Rows, Summary

WIDE = tuple(float(a) for a in np.logspace(-4, 6, 41))
"""Penalties from none to all, for standardised columns: four to each power of ten."""

DIGITS = 1e-6
"""The share of the smallest penalty by which eigenvalues may be off."""

BLOCK = 1 << 17  # numbers in a block of rows: 1 MiB, so that a block and what is made of it stay in the cache


class RidgeCV(StreamedRegressor):
    """Ridge regression that chooses its penalty.

    Attributes
    ----------
    coef_, intercept_ : array of shape (D,) and float; (K, D) and (K,) for K targets
    alpha_ : float, or array of shape (K,) with ``alpha_per_target``
        The penalty chosen.
    best_score_ : float, or array of shape (K,)
        Minus the mean squared error of ``alpha_``, as estimated by the cross-validation.
    effective_df_ : float, or array of shape (K,)
        Effective number of coefficients, without the constant.
    alphas_ : array of shape (A,)
        The penalties tried, from the largest down.
    mse_path_, mse_std_error_ : array of shape (A,); (A, K) with ``alpha_per_target``
        Mean squared error of each penalty, and its standard error: over rows for leave-one-out, else over folds.
    effective_df_path_ : array of shape (A,)
    parts_ : list of dict
        For ``partial_fit``: moments of the rows of each fold, where ``cv`` is a number and rows are enough.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.linear import RidgeCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 3))
    >>> model = RidgeCV([0.1, 1.0, 10.0]).fit(X, X @ [1.0, 2.0, 3.0] + rng.standard_normal(50))
    >>> model.alpha_, model.coef_.round(1)
    (0.1, array([1.2, 1.8, 3. ]))
    """

    card = Card(
        tasks="regression",
        reference="Golub, Heath & Wahba (1979); Hastie et al. (2009) eq. 7.64",
        exact=True,
        incremental="approximate",
        cost="N D^2 + D^3",
        sparse=True,
        multi_output=True,
        linear_in_inputs=True,
        chooses_for="Ridge",
    )
    alphas: tuple | list | np.ndarray = param(
        (0.1, 1.0, 10.0), "penalties to try, > 0", tune=choice(WIDE), positional=True
    )
    fit_intercept: bool = param(True, "estimate a constant term")
    cv: object = param(
        None, "None: leave-one-out; or a number of folds, a splitter, or pairs of training and test rows"
    )
    alpha_per_target: bool = param(False, "choose a penalty for each target")
    rule: Literal["best", "one_se"] = param(
        "best", "least error, or the largest penalty within one standard error of it"
    )

    @classmethod
    def example(cls) -> "RidgeCV":
        return cls(cv=5)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "RidgeCV":
        """Choose the penalty, then learn from all rows.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            Non-negative; counts in the fits and in the errors.

        Warns
        -----
        RankWarning
            If the smallest penalty is lost in rounding, as with columns in very different units.
        """
        data = self._begin(X, y, sample_weight)
        if self.cv is not None:
            folds = make_folds(data, self.cv, "RidgeCV")
            return self._solve(data, *self._split(data, folds))
        a, summary = data.tensor(self._penalties()), _summarise(data, self.fit_intercept)
        eigen = _eigen(summary, data.w, float(a.min()))
        return self._learn(data, a, summary, eigen, leave_one_out(data, summary, eigen, a, self.alpha_per_target))

    def _folds_of_stream(self) -> int:
        if self.cv is None:
            raise ParameterError(
                "leave-one-out needs all rows at once, and partial_fit of RidgeCV keeps none: pass a number of folds, "
                "such as cv=10"
            )
        return folds_of_stream(self.cv, "RidgeCV")

    def _solve(self, data: Data, whole: Summary, splits: Iterator[Split]) -> Self:
        a = data.tensor(self._penalties())
        errors = fold_errors(splits, lambda part: _path(part, a), scale=False)
        errors = errors if self.alpha_per_target else errors.mean(2, keepdim=True)
        return self._learn(data, a, whole, _eigen(whole, data.w, float(a.min())), mean_and_error(errors))

    def _learn(self, data: Data, a: torch.Tensor, summary: Summary, eigen: tuple, estimates: tuple) -> Self:
        """Take the penalty of least error, or nearly so, and solve for it."""
        s, (mse, se) = eigen[0], estimates
        which = choose(mse, se, self.rule)
        df = (s[:, None] / (s[:, None] + a)).sum(0)
        # Not from the eigenvectors: a Cholesky factor in units of each column's own keeps its digits on any scale.
        whole = summary.moments() if isinstance(summary, Rows) and summary.n >= len(summary.x_mean) else summary
        chosen = a[which].expand(data.Y.shape[1])
        B = torch.zeros_like(whole.x_mean)[:, None]
        for alpha in chosen.unique():
            B = torch.where(chosen == alpha, solve(whole, alpha.expand(len(chosen)))[0], B)
        self._learned(data, B.T, summary.y_mean - summary.x_mean @ B)
        self.alphas_, self.effective_df_path_ = data.give(a), data.give(df)
        self._keep(data, a, mse, se, which, df)
        return self

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._penalties()

    def _penalties(self) -> np.ndarray:
        """The penalties from the largest down, checked."""
        given = np.asarray(self.alphas)
        if (
            given.dtype.kind not in "iuf"
            or given.ndim != 1
            or not given.size
            or not (np.isfinite(given) & (given > 0)).all()
        ):
            raise ParameterError(
                f"parameter 'alphas' of RidgeCV must be a list of finite numbers > 0, got {self.alphas!r}"
            )
        return np.sort(given.astype(float))[::-1].copy()

    def _keep(self, data: Data, a, mse, se, which: torch.Tensor, df: torch.Tensor) -> None:
        best = -mse.gather(0, which[None])[0]
        if self.alpha_per_target and not data.squeeze:
            self.mse_path_, self.mse_std_error_ = data.give(mse), data.give(se)
            self.alpha_, self.best_score_, self.effective_df_ = (data.give(v) for v in (a[which], best, df[which]))
        else:
            self.mse_path_, self.mse_std_error_ = data.give(mse[:, 0]), data.give(se[:, 0])
            self.alpha_, self.best_score_, self.effective_df_ = (float(v[0]) for v in (a[which], best, df[which]))


def _summarise(data: Data, centred: bool) -> Summary:
    """Rows not only for wide tables but wherever they are cheap: their errors keep all digits where N is close to D."""
    N, D = data.X.shape
    if N < 2 * D or N < 200:
        X = torch.from_numpy(data.X.toarray()) if sparse.issparse(data.X) else data.X
        return Rows.of(X, data.Y, data.w, centred=centred)
    return Moments.of(data.X, data.Y, data.w, centred=centred)


def _eigen(summary: Summary, w: torch.Tensor | None, least: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Eigenvalues s and vectors U of the scatter, or of the inner products without the constant; and what U' meets.

    Warns where ``least``, the smallest penalty, is lost in the rounding of s.
    """
    if not isinstance(summary, Rows):
        s, U = torch.linalg.eigh(summary.xx)
        _warn_if_lost(_rounding(s), least)
        return s.clamp(min=0), U, summary.xy
    S, A = gram(summary.A.T), summary.A
    if summary.centred:  # the constant is an eigenvector of value 0 among others: lift it above all, then leave it out
        root_w = S.new_ones(len(S)) if w is None else w.sqrt()
        lift = float(2 * S.norm() + 1) / summary.weight
        S.addr_(root_w, root_w, alpha=lift)
        A = torch.cat([A, lift**0.5 * root_w[:, None]], 1)
    s, U = torch.linalg.eigh(S)
    noise = _rounding(s)
    if noise > DIGITS * least:
        U, d, _ = torch.linalg.svd(A, full_matrices=len(A) > A.shape[1])
        s, U = torch.nn.functional.pad(d.square(), (0, len(U) - len(d))).flip(0), U.flip(1)
        noise = _rounding(d.flip(0)) ** 2
        _warn_if_lost(noise, least)
    s = torch.where(s > noise, s, 0.0)  # exactly: a penalty may be smaller than rounding
    s[: max(0, len(s) - summary.centred - min(summary.A.shape))] = 0.0
    kept = slice(None, -1 if summary.centred else None)
    return s[kept], U[:, kept], summary.B


def _rounding(ascending: torch.Tensor) -> float:
    """How far eigenvalues or singular values may be off."""
    return len(ascending) * torch.finfo(ascending.dtype).eps * float(ascending[-1])


def _warn_if_lost(noise: float, least: float) -> None:
    if noise > least:
        warnings.warn(
            f"the columns are too large, or too unlike in scale, for a penalty of {least:.2g}: the errors by which it "
            f"is judged are rounded as by a penalty of {noise:.2g}. Bring the columns to one scale, or raise alphas",
            RankWarning,
            stacklevel=6,
        )


def _path(part: Reduced, a: torch.Tensor) -> torch.Tensor:
    """Coefficients (A, R, K) at every penalty."""
    s, U = torch.linalg.eigh(part.xx)
    return U @ ((U.T @ part.xy) / (s.clamp(min=0)[:, None] + a[:, None, None]))


def leave_one_out(data: Data, summary: Summary, eigen: tuple, a: torch.Tensor, apart: bool) -> tuple:
    """Mean squared leave-one-out errors and their standard errors over rows, each (A, 1), or (A, K) with ``apart``."""
    w = data.w if data.w is not None else data.Y.new_ones(len(data))
    rows = int((w > 0).sum())
    if rows < 2:
        raise DataError(
            f"leave-one-out needs at least two rows of positive weight, got n_samples={rows}: give more rows, or Ridge"
        )
    s, U, right = eigen
    c = U.T @ right
    total, squares = 0.0, 0.0
    for q, v in (_dual_squares if isinstance(summary, Rows) else _primal_squares)(data, w, summary, s, U, c, a):
        q = q if apart or q.shape[2] == 1 else q.mean(2, keepdim=True)
        total = total + torch.einsum("n,nak->ak", v, q)
        squares = squares + torch.einsum("n,nak->ak", v, q.square())
    mse = total / summary.weight
    return mse, ((squares / summary.weight - mse.square()).clamp(min=0) / rows).sqrt()


def _primal_squares(data: Data, w, m: Moments, s, U, c, a) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Squared leave-one-out errors (n, A, K) and weights (n,), block by block."""
    F = 1 / (s[:, None] + a)  # (D, A)
    FC = (F[:, :, None] * c[:, None, :]).flatten(1)  # (D, A K)
    step = max(1, BLOCK // len(s))
    for i in range(0, len(data), step):
        Z = linear_map(data.X[i : i + step], U.T) - m.x_mean @ U
        v = w[i : i + step]
        residual = (data.Y[i : i + step] - m.y_mean)[:, None, :] - (Z @ FC).unflatten(1, (len(a), -1))
        kept = 1 - v[:, None] * (Z.square_() @ F + m.centred / m.weight)
        yield (residual / kept[:, :, None]).square_(), v


def _dual_squares(data: Data, w, rows: Rows, s, U, c, a) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The same from the inner products of rows: sums of which nothing cancels."""
    g = a / (s[:, None] + a)  # (N, A)
    residual = (U @ (g[:, :, None] * c[:, None, :]).flatten(1)).unflatten(1, (len(a), -1))
    kept = U.square() @ g
    used = w > 0
    yield (residual[used] / kept[used, :, None]).square_() / w[used, None, None], w[used]
