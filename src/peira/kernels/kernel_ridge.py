r"""Kernel ridge regression: ridge regression in the space of a kernel's features.

With features :math:`\phi`, possibly infinitely many, and weights v of the rows,

.. math:: \min_b \; \sum_n v_n ( y_n - b^T \phi(x_n) )^2 + \alpha \| b \|^2

The solution lies in the span of the :math:`\phi(x_n)`, so that inner products :math:`k(x, z) = \phi(x)^T \phi(z)` are
all that is needed:

.. math:: f(x) = \sum_n a_n \, k(x, x_n), \qquad a = (K + \alpha V^{-1})^{-1} y

**Two forms.** This *dual* form solves for N numbers, whatever the number of features. Where the kernel has finitely
many features (linear and polynomial ones, their sums and products) and they are fewer than the rows, :math:`M < N`,
the *primal* one solves for M:

.. math:: b = (\Phi^T V \Phi + \alpha I)^{-1} \Phi^T V y, \qquad a = V (y - \Phi b) / \alpha

The shape decides; the predictions are the same.

**Leave-one-out, exactly** (`KernelRidge.leave_one_out`). What the method would say of row n had it not seen it needs no
second fit:

.. math:: y_n - f^{(-n)}(x_n) = a_n / C_{nn}, \qquad C = (K + \alpha V^{-1})^{-1}

**The constant.** As in scikit-learn there is none by default: far from all rows, f is zero for a kernel that fades.
With ``fit_intercept=True`` an unpenalised constant is estimated along with the rest, in both forms and in
leave-one-out (`peira.kernels.kernel_least_squares`).

**Use it** for smooth functions of some columns and up to about ten thousand rows; bring columns to one scale first. A
Gaussian process has the same mean, and says besides how sure it is. `KernelRidgeCV` chooses the penalty.

Cost: N^2 D / 2 + N^3 / 3 time and N^2 numbers (twice that with weights); primal N M^2 + M^3 / 3 and 2 M^2;
predictions N D each.

Reference: Saunders, Gammerman & Vovk (1998), Ridge regression learning algorithm in dual variables; Bishop (2006), 6.1,
eqs 6.2 to 6.9; leave-one-out: Rasmussen & Williams (2006), eqs 5.10 to 5.12.
"""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..core import Card, choice, log, param
from ..core.inputs import Data
from .kernel import Kernel
from .kernel_expansion import KernelExpansion, penalties
from .kernel_least_squares import dual_diagonal, moments, primal_diagonal, solve_dual, solve_primal


class KernelRidge(KernelExpansion):
    """Kernel ridge regression.

    Attributes
    ----------
    dual_coef_ : array of shape (N,) or (N, K)
        The coefficients a; 0 for rows of no weight.
    X_fit_ : array of shape (N, D), or (N, N) if precomputed
        The rows that predictions compare with.
    kernel_ : Kernel or "precomputed"
    alpha_ : float, or array of shape (K,)
        The penalties.
    intercept_, has_intercept_ : float, or array of shape (K,); bool
        The constant c, and whether it was estimated.
    feature_coef_ : array of shape (M,) or (M, K)
        The coefficients b, where the primal form was the smaller one.
    weight_ : array of shape (N,)
        Weights of the rows, where there were any.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import KernelRidge
    >>> x = np.linspace(0.0, 3.0, 20)[:, None]
    >>> model = KernelRidge(alpha=0.01, kernel="rbf", gamma=1.0).fit(x, np.sin(x[:, 0]))
    >>> model.predict([[1.5]]).round(2)
    array([0.99])
    """

    card = Card(
        tasks="regression",
        reference="Saunders, Gammerman & Vovk (1998); Bishop (2006) 6.1",
        exact=True,
        cost="N^2 D + N^3",
        multi_output=True,
        largest={"N": 10_000},
    )
    alpha: float | list | np.ndarray = param(
        1.0, "strength of the penalty; one for all targets or one for each", low=0, tune=log(1e-4, 1e2), positional=True
    )
    fit_intercept: bool = param(False, "estimate a constant term", tune=choice(True))

    @classmethod
    def example(cls) -> "KernelRidge":
        return cls(0.1, kernel="rbf", gamma=0.05, fit_intercept=True)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KernelRidge":
        """Learn the coefficients.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D); the Gram matrix (N, N) if the kernel is "precomputed"
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If the matrix K + alpha I has a negative eigenvalue: the kernel is not valid, and alpha does not hide it.

        Warns
        -----
        RankWarning
            If the matrix is singular up to rounding, with what was added to alpha.
        """
        data = self._begin(X, y, sample_weight)
        N, D = data.X.shape
        self.kernel_ = self._open_kernel(data)
        alpha = penalties(self.alpha, data.Y.shape[1], "KernelRidge")
        M = self.kernel_._n_features(D) if isinstance(self.kernel_, Kernel) else None
        with torch.no_grad():
            if M is not None and M < N and (alpha > 0).all():
                a, b, c = self._primal(data, alpha, M)
                self.feature_coef_ = data.give(b[:, 0] if data.squeeze else b)
            else:
                a, c = self._dual(data, alpha)
        self.dual_coef_ = data.give(a[:, 0] if data.squeeze else a)
        self.intercept_ = float(c[0]) if data.squeeze else data.give(c)
        self.has_intercept_ = self.fit_intercept
        self.X_fit_ = data.give(data.X.clone())
        self.alpha_ = float(alpha[0]) if len(set(alpha.tolist())) == 1 else alpha
        if data.w is not None:
            self.weight_ = data.give(data.w.clone())
        return self

    def leave_one_out(self) -> Any:
        """By how much each target differs from the prediction of a fit to all other rows.

        Returns
        -------
        array or tensor of shape (N,) or (N, K)
            Target minus prediction, exact, with nothing fitted again; NaN for rows of no weight, and for a single row
            with a constant.

        Notes
        -----
        Costs N^3, or N M^2 in the primal form.
        """
        check_is_fitted(self)
        X = torch.as_tensor(self.X_fit_)
        a = torch.as_tensor(self.dual_coef_).reshape(len(X), -1)
        w = torch.as_tensor(self.weight_) if "weight_" in vars(self) else a.new_ones(len(X))
        used, alpha = w > 0, penalties(self.alpha_, a.shape[1], "KernelRidge")
        X, w, centred = X[used], w[used], self.has_intercept_
        residuals = torch.full_like(a, torch.nan)
        with torch.no_grad():
            if "feature_coef_" in vars(self):
                m = moments(self.kernel_, X, X[:, :0], w, centred)
                diagonal = {v: primal_diagonal(m, self.kernel_, X, w, float(v)) for v in np.unique(alpha)}
            else:
                K = self._gram(X, used)
                diagonal = {v: dual_diagonal(K, w, float(v), centred) for v in np.unique(alpha)}
        P = torch.stack([diagonal[v] for v in alpha], 1)
        if len(X) > 1 or not centred:
            residuals[used] = a[used] / P
        residuals = residuals.reshape(len(residuals), *self.target_shape_)
        return residuals.numpy() if isinstance(self.X_fit_, np.ndarray) else residuals

    def _dual(self, data: Data, alpha: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        w = torch.ones_like(data.Y[:, 0]) if data.w is None else data.w
        used = w > 0
        K = self._gram(data.X[used], used)
        a, c = torch.zeros_like(data.Y), data.Y.new_zeros(data.Y.shape[1])
        for value in np.unique(alpha):
            k = torch.as_tensor(alpha == value, device=K.device)
            coefficients, c[k] = solve_dual(K, data.Y[used][:, k], w[used], float(value), self.fit_intercept)
            a[used[:, None] & k] = coefficients.flatten()
        return a, c

    def _primal(self, data: Data, alpha: np.ndarray, M: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        X, Y = data.X, data.Y
        w = torch.ones_like(Y[:, 0]) if data.w is None else data.w
        m = moments(self.kernel_, X, Y, w, self.fit_intercept)
        a, b, c = torch.empty_like(Y), Y.new_empty(M, Y.shape[1]), Y.new_empty(Y.shape[1])
        for value in np.unique(alpha):
            k = torch.as_tensor(alpha == value, device=Y.device)
            # the system is solved for all targets: it is small beside the moments
            all_a, all_b, all_c = solve_primal(m, self.kernel_, X, Y, w, float(value))
            a[:, k], b[:, k], c[k] = all_a[:, k], all_b[:, k], all_c[k]
        return a, b, c
