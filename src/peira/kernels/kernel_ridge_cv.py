r"""Kernel ridge regression with the penalty chosen by leave-one-out, all penalties from one eigendecomposition.

With weights v of the rows, :math:`S = V^{1/2}`, and

.. math:: S K S = U \, \mathrm{diag}(s) \, U^T, \qquad g_{ja} = 1 / (s_j + \alpha_a)

every :math:`(S K S + \alpha I)^{-1}` is :math:`U \, \mathrm{diag}(g) \, U^T`, so that two matrix products give the
coefficients e and the diagonal for all penalties at once. With a constant (o = S 1),

.. math:: e = U (g \circ U^T (S y - c \, o)), \quad P_{nn} = \sum_j U_{nj}^2 \, g_j - q_n^2 / (o^T q),
          \quad q = U (g \circ U^T o)

and the error of leaving row n out is :math:`e_n / (s_n P_{nn})`, exactly, without another fit
(`peira.kernels.kernel_least_squares`). A grid search over A penalties in F folds solves A F systems for a coarser
answer. A row is left out with all of its weight.

**Use it** instead of a search over ``alpha``; what remains to be searched are the kernel and its scale (``gamma``), by
``best_score_``.

Cost: N^2 D / 2 + about 9 N^3 for the eigenvectors, and 2 N^2 (K + 1) for each penalty; 3 N^2 numbers.

Reference: Rifkin & Lippert (2007), Notes on regularized least squares, MIT-CSAIL-TR-2007-025; Cawley & Talbot (2004),
Neural Networks 17, 1467-1475.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, ParameterError, log, param
from ..core.inputs import Data
from ..linear.folds import choose
from .kernel import Kernel
from .kernel_expansion import KernelExpansion

ALPHAS = tuple(float(a) for a in np.logspace(-6, 3, 37))
"""Penalties from hardly any to all, for a kernel of similarity 1: four to each power of ten."""


class KernelRidgeCV(KernelExpansion):
    """Kernel ridge regression that chooses its penalty.

    Attributes
    ----------
    dual_coef_ : array of shape (N,) or (N, K)
    X_fit_ : array of shape (N, D), or (N, N) if precomputed
    intercept_ : float, or array of shape (K,)
    kernel_ : Kernel or "precomputed"
    alpha_ : float, or array of shape (K,) with ``alpha_per_target``
        The penalty chosen.
    best_score_ : float, or array of shape (K,)
        Minus the mean squared leave-one-out error of ``alpha_``.
    leave_one_out_ : array of shape (N,) or (N, K)
        Target minus the prediction of a fit to all other rows, at ``alpha_``; NaN for rows of no weight.
    alphas_ : array of shape (A,)
        The penalties tried, from the largest down.
    mse_path_, mse_std_error_ : array of shape (A,); (A, K) with ``alpha_per_target``
        Mean squared leave-one-out error of each penalty, and its standard error over rows.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import KernelRidgeCV
    >>> rng = np.random.default_rng(0)
    >>> x = np.linspace(0.0, 6.0, 60)[:, None]
    >>> model = KernelRidgeCV(kernel="rbf", gamma=0.5).fit(x, np.sin(x[:, 0]) + 0.1 * rng.normal(size=60))
    >>> round(model.best_score_, 4), round(model.alpha_, 4)
    (-0.0074, 0.0002)
    """

    card = Card(
        tasks="regression",
        reference="Rifkin & Lippert (2007); Cawley & Talbot (2004)",
        exact=True,
        cost="N^2 D + N^3",
        multi_output=True,
        chooses_for="KernelRidge",
        largest={"N": 2_000},
    )
    alphas: tuple | list | np.ndarray = param(ALPHAS, "penalties to try, > 0", positional=True)
    kernel: Kernel | str | Callable = param("rbf", "a kernel, its name, 'precomputed', or a function of two vectors")
    gamma: float | None = param(
        None, "scale in 'rbf', 'laplacian', 'poly', 'sigmoid'; None for 1 / D", above=0, tune=log(1e-3, 10.0)
    )
    fit_intercept: bool = param(True, "estimate a constant term")
    alpha_per_target: bool = param(False, "choose a penalty for each target")
    rule: Literal["best", "one_se"] = param(
        "best", "least error, or the largest penalty within one standard error of it"
    )

    @classmethod
    def example(cls) -> "KernelRidgeCV":
        return cls([0.1], gamma=0.05)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KernelRidgeCV":
        """Choose the penalty, with the coefficients of all rows for it.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D); the Gram matrix (N, N) if the kernel is "precomputed"
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            Non-negative; counts in the fits and in the errors.

        Raises
        ------
        ValueError
            For fewer than two rows of positive weight, and for a kernel with negative eigenvalues beyond rounding.
        """
        data = self._begin(X, y, sample_weight)
        alphas = data.tensor(self._penalties())
        self.kernel_ = self._open_kernel(data)
        w = torch.ones_like(data.Y[:, 0]) if data.w is None else data.w
        used = w > 0
        if int(used.sum()) < 2:
            raise DataError(
                f"leave-one-out needs at least two rows of positive weight, got n_samples={int(used.sum())}: give more "
                "rows, or KernelRidge"
            )
        with torch.no_grad():
            path = _Path(self._gram(data.X[used], used), data.Y[used], w[used], self.fit_intercept)
            self._learn(data, path, alphas, used)
        return self

    def _learn(self, data: Data, path: "_Path", alphas: torch.Tensor, used: torch.Tensor) -> None:
        """Compute the errors penalty by penalty, take the best, and solve for it."""
        v = path.w / path.w.sum()
        errors = (path.at(float(a))[2].square() for a in alphas)
        squares = [e if self.alpha_per_target else e.mean(1, keepdim=True) for e in errors]
        mse = torch.stack([v @ q for q in squares])
        spread = torch.stack([v @ q.square() for q in squares]) - mse.square()
        se = (spread.clamp(min=0) / len(v)).sqrt()
        which = choose(mse, se, self.rule).expand(data.Y.shape[1])
        a, left_out = torch.zeros_like(data.Y), torch.full_like(data.Y, torch.nan)
        c = data.Y.new_zeros(data.Y.shape[1])
        for best in which.unique():
            k = which == best
            coefficients, constants, residuals = path.at(float(alphas[best]))
            cells = used[:, None] & k
            a[cells], left_out[cells], c[k] = coefficients[:, k].flatten(), residuals[:, k].flatten(), constants[k]
        self.dual_coef_, self.leave_one_out_ = (data.give(t[:, 0] if data.squeeze else t) for t in (a, left_out))
        self.intercept_ = float(c[0]) if data.squeeze else data.give(c)
        self.X_fit_, self.alphas_ = data.give(data.X.clone()), data.give(alphas)
        if self.alpha_per_target and not data.squeeze:
            best = -mse.gather(0, which[None])[0]
            self.alpha_, self.best_score_ = data.give(alphas[which]), data.give(best)
            self.mse_path_, self.mse_std_error_ = data.give(mse), data.give(se)
        else:
            self.alpha_, self.best_score_ = float(alphas[which[0]]), -float(mse[which[0], 0])
            self.mse_path_, self.mse_std_error_ = data.give(mse[:, 0]), data.give(se[:, 0])

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._penalties()

    def _penalties(self) -> np.ndarray:
        """The penalties from the largest down, checked."""
        given = np.asarray(self.alphas)
        numbers = given.dtype.kind in "iuf" and given.ndim == 1 and given.size > 0
        if not numbers or not (np.isfinite(given) & (given > 0)).all():
            raise ParameterError(
                f"parameter 'alphas' of KernelRidgeCV must be a list of finite numbers > 0, got {self.alphas!r}"
            )
        return np.sort(given.astype(float))[::-1].copy()


class _Path:
    """The eigendecomposition of S K S, and the solution for any penalty."""

    def __init__(self, K: torch.Tensor, Y: torch.Tensor, w: torch.Tensor, centred: bool):
        self.w, self.root = w, w.sqrt()[:, None]
        self.mean = (w @ Y) / w.sum() if centred else Y.new_zeros(Y.shape[1])
        s, self.U = torch.linalg.eigh(K.mul_(self.root).mul_(self.root.T))
        noise = len(s) * torch.finfo(s.dtype).eps * float(s.abs().max())
        if float(s[0]) < -1e3 * noise:
            raise DataError(
                f"KernelRidgeCV needs a valid kernel; this one has the eigenvalue {float(s[0]):.3g} on these rows "
                f"(largest {float(s[-1]):.3g}). peira.kernels.is_valid_kernel names the rows that show it"
            )
        self.s, self.squares = s.clamp(min=0), self.U.square()
        self.y = self.U.T @ (self.root * (Y - self.mean))
        self.o = self.U.T @ self.root if centred else None

    def at(self, alpha: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Coefficients of the rows (N, K), constants (K,), and residuals of leaving one out (N, K)."""
        g = 1 / (self.s[:, None] + alpha)
        c, y, P = torch.zeros_like(self.mean), self.y, self.squares @ g
        if self.o is not None:
            overlap = (self.o.square() * g).sum()
            c = (self.o * g * self.y).sum(0) / overlap
            y = self.y - c * self.o
            P = P - (self.U @ (g * self.o)).square() / overlap
        e = self.U @ (g * y)
        return self.root * e, self.mean + c, e / (self.root * P)
