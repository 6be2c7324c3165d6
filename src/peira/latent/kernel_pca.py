r"""Kernel principal components: principal components in the space of a kernel's features.

With the weights v of the rows (1 / N without), features :math:`\phi` and their mean taken off, only inner products are
needed,

.. math:: \tilde k(x, z) = k(x, z) - \sum_n v_n k(x, x_n) - \sum_n v_n k(x_n, z) + \sum_{nm} v_n v_m k(x_n, x_m)
.. math:: \tilde K a_k = \lambda_k a_k, \qquad z_k(x) = \lambda_k^{-1/2} \sum_n a_{nk} \, \tilde k(x, x_n)

The linear kernel gives `PCA`; one that fades with distance unrolls curved clouds, and there may be as many components
as rows.

**The way back** is not unique: a point between images of items is hardly ever the image of one. As in scikit-learn, a
ridge regression with the same kernel learns it from the codes of the rows, here about the mean of the columns,

.. math:: \hat x(z) = \bar x + k(z, Z) \, ( k(Z, Z) + \alpha I )^{-1} (X - 1 \bar x^T)

so that codes far from all others lead to the mean (scikit-learn's lead to zero).

**Use it** on up to about ten thousand rows of standardised columns. The length-scale decides, and nothing in the data
says which is right: judge by what the codes are for.

Cost: N^2 D / 2, and 9 N^3 (4 N^3 / 3 for a few components); N^3 / 3 for the way back; a row N D to code.

Reference: Scholkopf, Smola & Muller (1998), Neural Computation 10, 1299-1319; Bakir, Weston & Scholkopf
(2003), NIPS 16.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, ParameterError, UnreadableError, integer, log, param
from ..core.inputs import Data
from ..kernels.gram import blocks, gram
from ..kernels.kernel import Kernel
from ..kernels.named import as_kernel
from ..numerics.cholesky import NotPositiveDefiniteError, cholesky
from ..numerics.singular_vectors import lanczos, randomised
from ..numerics.symmetric_eigen import leading_eigenvectors, with_signs
from .components import Components


class KernelPCA(Components):
    """Principal components in a kernel's feature space.

    Attributes
    ----------
    eigenvalues_ : array of shape (K,)
        Of the centred Gram matrix (each row times the root of its weight), from the largest down.
    eigenvectors_ : array of shape (N, K)
        Orthonormal; in each the entry of largest magnitude is positive.
    X_fit_ : array of shape (N, D)
        The rows, or their Gram matrix if it is precomputed; rows of no weight left out.
    row_means_, mean_ : array of shape (N,); float
        Means of the Gram matrix, for centring.
    weight_ : array of shape (N,)
        Weights of the rows.
    kernel_ : Kernel or "precomputed"
    dual_coef_, X_transformed_fit_, column_means_ : array of shape (N, D), (N, K), (D,)
        With ``fit_inverse_transform``: the way back.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import KernelPCA
    >>> angle = np.linspace(0.0, 6.0, 40)
    >>> radius = np.repeat([1.0, 3.0], 20)
    >>> rings = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    >>> codes = KernelPCA(n_components=1, kernel="rbf", gamma=0.2).fit_transform(rings)[:, 0]
    >>> bool(codes[:20].min() > codes[20:].max() or codes[:20].max() < codes[20:].min())  # one code tells them apart
    True
    """

    card = Card(
        tasks="reduction",
        reference="Scholkopf, Smola & Muller (1998)",
        exact=True,
        cost="N^2 D + N^3",
        largest={"N": 10_000},
    )
    n_components: int | None = param(
        None, "how many; None for all whose eigenvalue is not zero", low=1, tune=integer(2, 20), positional=True
    )
    kernel: Kernel | str | Callable = param(
        "linear", "a kernel, its name, a function of two vectors, or 'precomputed' (X is the Gram matrix)"
    )
    gamma: float | None = param(
        None, "scale in 'rbf', 'laplacian', 'poly', 'sigmoid'; None for 1 / D", above=0, tune=log(1e-3, 10.0)
    )
    degree: int = param(3, "degree of 'poly'", low=1)
    coef0: float = param(1.0, "constant in 'poly' and 'sigmoid'", low=-1e9, high=1e9)
    alpha: float = param(1.0, "penalty of the ridge regression that is the way back", low=0)
    fit_inverse_transform: bool = param(False, "learn the way back")
    eigen_solver: Literal["auto", "dense", "arpack", "randomized"] = param("auto", "how to find the components")
    tol: float = param(0.0, "relative tolerance of 'arpack'; 0 is rounding", low=0)
    iterated_power: int | Literal["auto"] = param("auto", "rounds of 'randomized'; 'auto' is 7", low=0)
    random_state: object = param(None, "seed of 'arpack' and 'randomized'")

    @classmethod
    def example(cls) -> "KernelPCA":
        return cls(kernel="rbf", gamma=0.5, fit_inverse_transform=True, alpha=1e-10, random_state=0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "KernelPCA":
        """Find the components.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D); the Gram matrix (N, N) if the kernel is "precomputed"
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If the kernel overflows, has a negative eigenvalue beyond rounding, or has no way back.
        """
        data = self._begin(X, None, sample_weight)
        used = torch.arange(len(data)) if data.w is None else (data.w > 0).nonzero()[:, 0].cpu()
        w = torch.ones(len(data), dtype=data.dtype, device=data.device) if data.w is None else data.w
        w = w[used]
        if self.kernel == "precomputed":
            if self.fit_inverse_transform:
                raise ParameterError("a precomputed kernel has no way back: fit_inverse_transform must be False")
            if data.X.shape[0] != data.X.shape[1]:
                raise DataError(f"a precomputed kernel must be square, got shape {tuple(data.X.shape)}")
            self.kernel_, rows, K = "precomputed", data.X[used][:, used], data.X[used][:, used]
        else:
            self.kernel_ = as_kernel(
                self.kernel, gamma=self.gamma, degree=self.degree, coef0=self.coef0, D=data.X.shape[1]
            )
            rows = data.X[used].clone()
            K = gram(self.kernel_, rows)
        if not bool(K.isfinite().all()):
            raise DataError("the kernel overflows on these rows: choose another unit, or a smaller gamma")
        v = w / w.sum()
        means = K @ v
        mean = float(v @ means)
        root = w.sqrt()
        squares, U = self._decomposed(data, root[:, None] * (K - means - means[:, None] + mean) * root)
        self.eigenvalues_, self.eigenvectors_ = data.give(squares), data.give(U)
        self.X_fit_, self.weight_ = data.give(rows), data.give(w)
        self.row_means_, self.mean_ = data.give(means), mean
        self.used_ = data.give(used) if self.kernel == "precomputed" else None
        if self.fit_inverse_transform:
            self._learn_the_way_back(data, rows, U / root[:, None] * squares.sqrt())
        return self

    def transform(self, X: Any) -> Any:
        """The codes of each row, of shape (N, K).

        Parameters
        ----------
        X : array, frame or tensor of shape (M, D); the kernel between them and the rows of ``fit``, if "precomputed"
        """
        queries = self._queries(X)
        U, squares = queries.tensor(self.eigenvectors_), queries.tensor(self.eigenvalues_)
        w, means, rows = (queries.tensor(part) for part in (self.weight_, self.row_means_, self.X_fit_))
        v = w / w.sum()
        A = torch.where(squares > 0, U / squares.clamp(min=1e-300).sqrt(), 0.0) * w.sqrt()[:, None]
        if self.kernel_ == "precomputed":
            parts = [(None, queries.X[:, torch.as_tensor(self.used_, device=queries.device)])]
        else:
            parts = blocks(self.kernel_, queries.X, rows)
        codes = [(K - means - (K @ v)[:, None] + self.mean_) @ A for _, K in parts]
        return queries.give(torch.cat(codes))

    def inverse_transform(self, X: Any) -> Any:
        """Points that have about these codes, of shape (M, D).

        Parameters
        ----------
        X : array, frame or tensor of shape (M, K)

        Raises
        ------
        ValueError
            Without ``fit_inverse_transform``.
        """
        codes = self._open_codes(X)
        if "dual_coef_" not in vars(self):
            raise DataError("KernelPCA has learned no way back: fit it with fit_inverse_transform=True")
        Z, C, mean = (codes.tensor(v) for v in (self.X_transformed_fit_, self.dual_coef_, self.column_means_))
        return codes.give(torch.cat([mean + K @ C for _, K in blocks(self._kernel_of_codes(), codes.X, Z)]))

    @property
    def _n_features_out(self) -> int:
        return len(self.eigenvalues_)

    def _decomposed(self, data: Data, K: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The eigenvalues asked for, none negative, and their vectors."""
        N = len(K)
        k = N if self.n_components is None else min(self.n_components, N)
        how = self.eigen_solver
        if how == "auto":
            how = "arpack" if N > 500 and k < 20 and self.n_components is not None else "dense"
        if how == "arpack" and k >= N:
            raise ParameterError(f"eigen_solver='arpack' finds 1 to {N - 1} components of {N} rows")
        if how == "dense":
            squares, U = leading_eigenvectors(K, k)
        elif how == "arpack":
            squares, U = lanczos(_Symmetric(K), k, data.generator(), tol=self.tol)
        else:
            rounds = 7 if self.iterated_power == "auto" else self.iterated_power
            squares, U = randomised(_Symmetric(K), k, data.generator(), rounds=rounds)
        noise = N * torch.finfo(K.dtype).eps * float(squares.abs().max())
        if float(squares.min()) < -1e4 * noise:
            raise DataError(
                f"the kernel is not valid: its centred Gram matrix has the eigenvalue {float(squares.min()):.3g}, the "
                f"largest being {float(squares.max()):.3g}"
            )
        squares = torch.where(squares > noise, squares, 0.0)
        if self.n_components is None:
            kept = max(1, int((squares > 0).sum()))
            squares, U = squares[:kept], U[:, :kept]
        return squares, with_signs(U).contiguous()

    def _learn_the_way_back(self, data: Data, rows: torch.Tensor, Z: torch.Tensor) -> None:
        w = data.tensor(self.weight_)
        mean = (w / w.sum()) @ rows
        # a ridge regression in which row n counts w_n times: the penalty of its dual coefficient is alpha / w_n
        Z = Z.contiguous()
        K = gram(self._kernel_of_codes(), Z)
        K.diagonal().add_(self.alpha / w)
        try:
            L, _ = cholesky(K)
        except NotPositiveDefiniteError as error:
            raise DataError(f"the way back has no solution, {error}; raise alpha") from error
        self.dual_coef_ = data.give(torch.cholesky_solve(rows - mean, L))
        self.X_transformed_fit_, self.column_means_ = data.give(Z), data.give(mean)

    def _kernel_of_codes(self) -> Kernel:
        """The same kernel, with the scale of the columns' (as in scikit-learn)."""
        D = self.n_features_in_
        return as_kernel(self.kernel, gamma=self.gamma, degree=self.degree, coef0=self.coef0, D=D)

    def _shapes(self, K: int, D: int) -> dict[str, tuple[int, ...]]:
        N = len(np.atleast_1d(np.asarray(getattr(self, "weight_", 0.0))))
        width = N if getattr(self, "used_", None) is not None else D
        shapes = {"eigenvalues_": (K,), "eigenvectors_": (N, K), "X_fit_": (N, width), "row_means_": (N,)}
        if self.fit_inverse_transform:
            shapes |= {"dual_coef_": (N, D), "X_transformed_fit_": (N, K), "column_means_": (D,)}
        return {**shapes, "weight_": (N,), "mean_": ()}

    def _never_negative(self) -> tuple[str, ...]:
        return "eigenvalues_", "weight_"

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        if not isinstance(getattr(self, "kernel_", None), Kernel) and self.kernel_ != "precomputed":
            raise UnreadableError("this KernelPCA has no kernel")
        used = getattr(self, "used_", None)
        if (self.kernel_ == "precomputed") != (used is not None) or type(self.mean_) is not float:
            raise UnreadableError("this KernelPCA should hold which rows it used if its kernel is precomputed")
        if used is not None and (
            np.shape(used) != np.shape(self.weight_)
            or not np.isin(np.asarray(used), np.arange(self.n_features_in_)).all()
        ):
            raise UnreadableError("this KernelPCA names rows that it does not have")


class _Symmetric:
    """A symmetric matrix as a linear map: its singular vectors are its eigenvectors where none is negative."""

    def __init__(self, K: torch.Tensor) -> None:
        self.K, self.shape = K, (len(K), len(K))

    def times(self, B: torch.Tensor) -> torch.Tensor:
        return self.K @ B

    back = times
