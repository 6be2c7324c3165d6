"""What all support vector machines share: the kernel, the support vectors that they keep, and the answers from them."""

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags

from ..core import DataError, Method, ParameterError, UnreadableError, log, param
from ..core.inputs import Data, Matrix, Queries
from ..core.iteration import reason_to_stop, warn_not_converged
from .kernel import Kernel
from .kernel_rows import KernelRows
from .machine import Machine
from .refinement import COARSE, refine
from .similarity import Similarity, default_gamma
from .smo import PAIRS, Solution, solve
from .validity import is_valid_kernel

AT_ONCE = 1 << 18  # entries of the kernel held while answering: 2 MiB, which stay in cache
TESTED, NEGATIVE = 500, 1e-6  # rows of a precomputed kernel that are tested, and what counts as a negative eigenvalue
MOST_PAIRS = 10_000_000  # pairwise steps of a small problem that is left without a bound (as in LIBSVM)


class SupportVectorMachine(Method):
    """Base of the machines that answer from a kernel between queries and support vectors."""

    kernel: Literal["linear", "poly", "rbf", "sigmoid", "precomputed"] | Kernel | Callable = param(
        "rbf",
        "similarity of rows: a name, a kernel, a function of two sets of rows, or 'precomputed' (X is it)",
    )
    degree: int = param(3, "power of the kernel 'poly'", low=0)
    gamma: float | Literal["scale", "auto"] = param(
        "scale", "factor in the kernels 'rbf', 'poly', 'sigmoid'; 'scale' is 1 / (D var(X)), 'auto' is 1 / D", low=0,
        tune=log(1e-4, 10.0),
    )  # fmt: skip
    coef0: float = param(0.0, "constant in the kernels 'poly' and 'sigmoid'", low=-1e9, high=1e9)
    tol: float = param(1e-3, "largest violation of optimality at the end, in units of the decision", above=0)
    cache_size: float = param(200.0, "memory for the Gram matrix, or for rows of it, in MB", above=0)
    max_iter: int = param(
        -1, "the most working sets to be solved; -1 is a bound that grows with N and is hardly ever met", low=-1
    )

    # ------------------------------------------------------------------ learning

    def _similarity(self, data: Data, X: Matrix, counts: torch.Tensor | None) -> Similarity:
        """The kernel with its scale, from the rows X that count so often; kept as ``gamma_``."""
        if type(self.kernel).__module__.startswith("sklearn."):
            raise ParameterError(
                f"parameter 'kernel' of {type(self).__name__} is scikit-learn's {type(self.kernel).__name__}: use "
                "the kernel of the same name from peira.kernels"
            )
        if self.kernel == "precomputed":
            _require_gram(X)
        elif not isinstance(self.kernel, str) and sparse.issparse(X):
            raise DataError("sparse rows take the kernels 'linear', 'poly', 'rbf' and 'sigmoid'; or use X.toarray()")
        named = isinstance(self.kernel, str) and self.kernel not in ("linear", "precomputed")
        self.gamma_ = default_gamma(X, counts, self.gamma) if named and isinstance(self.gamma, str) else 1.0
        if named and not isinstance(self.gamma, str):
            self.gamma_ = float(self.gamma)
        return self._asked()

    def _asked(self) -> Similarity:
        return Similarity(self.kernel, self.gamma_, self.coef0, self.degree)

    def _rows(self, data: Data, counts: torch.Tensor | None) -> tuple[np.ndarray, Matrix, KernelRows]:
        """Positions of the rows of positive weight, class by class, these rows, and the kernel among them."""
        kept = np.arange(len(data)) if data.w is None else np.flatnonzero(data.w.numpy(force=True) > 0)
        if data.codes is not None:  # a pair of classes is then two stretches of the matrix
            kept = kept[np.argsort(data.codes.numpy(force=True)[kept], kind="stable")]
        X = data.X[kept]
        if self.kernel == "precomputed":
            _require_square(data)
            X = X[:, kept]
        counts = None if counts is None else counts[kept]
        similarity = self._similarity(data, X, counts)
        with np.errstate(over="ignore", invalid="ignore"):
            rows = similarity.rows(X, self.cache_size)
        if not (finite := np.isfinite(rows.diagonal)).all():
            raise DataError(
                f"the kernel of row {kept[int((~finite).argmax())]} with itself overflows: rescale the columns"
            )
        return kept, X, rows

    def _solve(
        self, rows: KernelRows, s: np.ndarray, p: np.ndarray, C: np.ndarray, a0: np.ndarray | None, **options: Any
    ) -> Solution:
        """Solve the dual problem: by working sets and, where ``tol`` is small, Newton's method in turn with them."""
        most, owner = options.pop("max_iter", self._most_steps(len(s))), options.get("owner")
        tol, done, sharp, history = max(self.tol, COARSE), 0, self.tol >= COARSE, {}
        while True:
            solution = solve(rows, s, p, C, a0, tol=tol, max_iter=most - done, **options)
            done += solution.n_iter
            if owner is not None:
                for name, values in owner.history_.items():
                    history[name] = history.get(name, []) + values
            if sharp or not solution.converged or reason_to_stop():
                break
            sharp, tol = tol == self.tol, self.tol  # the last word is Newton's
            a0 = refine(rows, s, p, C, solution, nu=options.get("nu", False))
        if owner is not None:
            owner.history_ = history
        return solution if done == solution.n_iter else replace(solution, n_iter=done)

    def _most_steps(self, n: int) -> int:
        return self.max_iter if self.max_iter >= 0 else max(MOST_PAIRS // (100 * min(n, 500)), n)

    def _keep(self, data: Data, X: Matrix, rows: np.ndarray, given: np.ndarray) -> None:
        """Keep the support vectors: ``rows`` are their positions in X, ``given`` those in the user's data."""
        self.support_ = given.astype(np.int32)
        if self.kernel == "precomputed":
            self.support_rows_ = None
        elif sparse.issparse(X):
            Z = sparse.csr_array(X[rows])
            self.support_rows_ = {"data": Z.data, "indices": Z.indices, "indptr": Z.indptr}
        else:
            self.support_rows_ = data.give(X[rows])

    def _keep_objectives(self, machines: list[Machine], single: bool) -> None:
        """What can be inspected, a number for a single machine and an array for those of all pairs."""
        found = {
            "dual_objective_": [m.dual for m in machines],
            "primal_objective_": [m.primal for m in machines],
            "duality_gap_": [m.primal - m.dual for m in machines],
            "margin_": [1 / math.sqrt(m.squared_norm) if m.squared_norm > 0 else math.inf for m in machines],
            "kkt_residual_": [m.gap for m in machines],
        }
        for name, values in found.items():
            setattr(self, name, values[0] if single else np.array(values))
        self.fit_status_ = int(not all(m.converged for m in machines))
        self.n_iter_ = max(1, sum(m.n_iter for m in machines))

    def _keep_single(self, data: Data, kept: np.ndarray, X: Matrix, machine: Machine) -> None:
        """What the methods of a single machine learn."""
        rows = np.flatnonzero(machine.beta)
        self._keep(data, X, rows, kept[rows])
        self.n_support_ = np.array([len(rows)], dtype=np.int32)
        self.dual_coef_ = data.give(data.tensor(machine.beta[None, rows]))
        self.intercept_ = data.give(data.tensor(np.array([-machine.rho])))
        self._keep_objectives([machine], single=True)

    @property
    def coef_(self) -> Any:
        """Weights of the columns in each machine, (P, D), for ``kernel="linear"``."""
        if self.kernel != "linear":
            raise AttributeError(f"coef_ exists for kernel='linear'; this kernel is {self.kernel!r}")
        return weights_of(self.dual_coef_, self.support_vectors_)

    def _warn(self, machines: list[Machine], n: int) -> None:
        """Say once if a machine is not trained to the end, and why its kernel may be the reason."""
        late = [m for m in machines if not m.converged]
        if not late or self.stopped_ in ("interrupted", "out of time"):
            return
        self.stopped_ = "max_iter"
        gap = max(m.gap for m in late)
        if all(m.n_pairs < PAIRS for m in late):
            warn_not_converged(self, "SMO", self._most_steps(n), "gap", gap, self.tol)
        else:
            warnings.warn(
                f"{type(self).__name__}: SMO did not converge in {PAIRS:,} pairwise steps: gap is {gap:.3g} away, tol "
                f"is {self.tol:.3g}; standardise the inputs, lower C, or raise tol",
                ConvergenceWarning,
                stacklevel=4,
            )

    # ------------------------------------------------------------------ answering

    def _products(self, queries: Queries, coefficients: torch.Tensor) -> torch.Tensor:
        """K(queries, support vectors) coefficients^T, (M, R), for coefficients (R, S); in blocks of queries."""
        return self._by_blocks(queries, lambda K: K @ coefficients.T, len(coefficients))

    def _by_blocks(self, queries: Queries, answer: Callable, width: int) -> torch.Tensor:
        X, Z, M = queries.X, self._support(queries), len(queries)
        S = len(self.support_)
        if self.kernel == "precomputed":
            X = X.toarray() if sparse.issparse(X) else X
            return answer(queries.tensor(X)[:, torch.as_tensor(self.support_, device=queries.device).long()])
        similarity, step = self._asked(), max(16, AT_ONCE // max(S, 1))
        found = torch.empty(M, width, dtype=torch.float64, device=queries.device)
        for start in range(0, M, step):
            found[start : start + step] = answer(similarity.between(X[start : start + step], Z))
        return found

    def _support(self, queries: Queries) -> Matrix | None:
        if isinstance(self.support_rows_, dict):
            return self.support_vectors_
        return None if self.support_rows_ is None else queries.tensor(self.support_rows_)

    @property
    def support_vectors_(self) -> Any:
        """The support vectors, (S, D), sparse if the training rows were; empty for a precomputed kernel."""
        stored = self.support_rows_
        if stored is None:
            return np.empty((0, 0))
        if not isinstance(stored, dict):
            return stored
        parts = (stored["data"], stored["indices"], stored["indptr"])
        return sparse.csr_array(parts, shape=(len(self.support_), self.n_features_in_))

    # ------------------------------------------------------------------ loading, and scikit-learn's tags

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        name, D = type(self).__name__, self.n_features_in_
        support, gamma = getattr(self, "support_", None), getattr(self, "gamma_", None)
        precomputed = self.kernel == "precomputed"
        whole = isinstance(support, np.ndarray) and support.ndim == 1 and support.dtype == np.int32
        if not whole or (support < 0).any() or (precomputed and (support >= D).any()):
            raise UnreadableError(f"support_ of a stored {name} must be positions of rows")
        if not isinstance(gamma, float) or not 0 <= gamma < math.inf:
            raise UnreadableError(f"gamma_ of a stored {name} must be a number >= 0")
        if precomputed and getattr(self, "support_rows_", "") is None:
            return
        try:
            Z = self.support_vectors_
            if sparse.issparse(Z):
                Z.check_format(full_check=True)
                sound = Z.dtype == np.float64 and np.isfinite(Z.data).all() and len(self.support_rows_) == 3
            else:
                Z = torch.as_tensor(Z)
                sound = Z.shape == (len(support), D) and Z.dtype == torch.float64 and bool(Z.isfinite().all())
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError):
            sound = False
        if not sound or precomputed:
            raise UnreadableError(f"support_rows_ of a stored {name} must be {len(support)} rows of {D} finite numbers")

    def _check_coefficients(self, R: int, P: int, groups: int) -> None:
        """Refuse multipliers that are not (R, S), thresholds not (P,), and counts not of so many groups."""
        name, S = type(self).__name__, len(self.support_)
        for what, shape in (("dual_coef_", (R, S)), ("intercept_", (P,))):
            value = getattr(self, what, None)
            value = torch.as_tensor(value) if isinstance(value, np.ndarray | torch.Tensor) else torch.zeros(0, 0, 0)
            if value.shape != shape or value.dtype != torch.float64 or not value.isfinite().all():
                raise UnreadableError(f"{what} of a stored {name} must be finite numbers of shape {shape}")
        n = getattr(self, "n_support_", None)
        whole = isinstance(n, np.ndarray) and n.shape == (groups,) and n.dtype == np.int32
        if not whole or (n < 0).any() or n.sum() != S:
            raise UnreadableError(f"n_support_ of a stored {name} must be {groups} counts that sum to {S}")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags


def weights_of(A: Any, Z: Any) -> Any:
    """Coefficients (R, S) times support vectors (S, D), dense."""
    return np.asarray((Z.T @ np.asarray(A).T).T) if sparse.issparse(Z) else A @ Z


def _require_square(data: Data) -> None:
    N, M = data.X.shape
    if sparse.issparse(data.X):
        raise DataError("a precomputed kernel must be dense: use X.toarray()")
    if N != M:
        raise DataError(
            f"kernel='precomputed' needs X to be a square matrix, the kernel among the {N} rows of y; got {N} x {M}"
        )


def _require_gram(K: torch.Tensor) -> None:
    size = K.abs().max()
    if float((K - K.T).abs().max()) > 1e-6 * float(size):
        worst = int((K - K.T).abs().argmax())
        i, j = divmod(worst, len(K))
        raise DataError(
            f"the precomputed kernel is not symmetric: entry ({i}, {j}) is {float(K[i, j]):.6g} and entry ({j}, {i}) "
            f"is {float(K[j, i]):.6g}; a kernel compares both ways alike"
        )
    some = torch.linspace(0, len(K) - 1, min(len(K), TESTED)).long()
    verdict = is_valid_kernel(K[some][:, some].numpy(force=True))
    if verdict.smallest_eigenvalue < -NEGATIVE * abs(verdict.largest_eigenvalue):
        warnings.warn(
            f"the precomputed matrix is a kernel of no space. {verdict.words()} The dual problem is not convex then: "
            "the machine is one of several stationary points; clip the negative eigenvalues",
            ConvergenceWarning,
            stacklevel=6,
        )
