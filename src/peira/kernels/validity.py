r"""Is this a valid kernel? A verdict, with the points that show it.

A function k is a kernel, an inner product in some space, if and only if all its Gram matrices are symmetric and
positive semidefinite (Mercer's condition, for finitely many points):

.. math:: K_{ij} = K_{ji}, \quad v^T K v = | \sum_i v_i \, \phi(x_i) |^2 \ge 0

No sample can prove that; one sample can refute it: a pair with :math:`K_{ij} \ne K_{ji}`, or a vector v with
:math:`v^T K v < 0`. The eigenvector of the smallest eigenvalue is the sharpest such v, and its largest entries name
the points.

**Tolerance.** An error E of the matrix moves its eigenvalues by no more than the norm of E (Weyl). Entries and the
eigenvalue solver round by some u = eps; and the points themselves are known to a rounding, which a kernel may magnify
(a wave of a thousand periods, a distance in a thousandth of a length-scale). With K' the matrix of points that are each
moved by the last bit,

.. math:: \tau = N \, u \, \| K \|_2 + \| K - K' \|_F

A smallest eigenvalue above :math:`-\tau` may be a zero that was rounded. Below, it is negative whatever the rounding.
A matrix that comes without its points has the first term alone.

**Use it** on a few hundred points of the data at hand, duplicates and extremes among them. Sums, products, positive
multiples, whole powers and the exponential of valid kernels are valid and need no test.

Cost: N^3 time, N^2 memory.

Reference: Scholkopf & Smola (2002), Learning with Kernels, chapter 2; Shawe-Taylor & Cristianini (2004), Kernel Methods
for Pattern Analysis, chapter 3; Golub & Van Loan (2013), Matrix Computations, 8.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..core.errors import DataError
from ..core.inputs import open_matrix
from .function import FunctionKernel
from .items import open_items
from .kernel import Kernel

SHOWN = 0.9  # of the squared length of the eigenvector: what the points that are named carry


@dataclass(frozen=True, eq=False)
class Verdict:
    """Whether a Gram matrix is one; true or false as a condition.

    Attributes
    ----------
    valid : bool
    symmetric : bool
        Up to ``tolerance``.
    asymmetry : float
        Largest difference between the two entries of a pair.
    smallest_eigenvalue, largest_eigenvalue : float
        Of the symmetric part.
    tolerance : float
        What rounding may do to an eigenvalue, in units of the kernel.
    pair : tuple of int, optional
        Positions of the pair of the largest asymmetry, if there is any.
    points : tuple of int
        Positions of the points that carry the negative eigenvalue, the heaviest first; empty if there is none.
    vector : array of shape (N,), optional
        The unit vector v for which v'Kv is that eigenvalue.
    """

    valid: bool
    symmetric: bool
    asymmetry: float
    smallest_eigenvalue: float
    largest_eigenvalue: float
    tolerance: float
    pair: tuple[int, int] | None = None
    points: tuple[int, ...] = ()
    vector: np.ndarray | None = None

    def __bool__(self) -> bool:
        return self.valid

    def words(self) -> str:
        """The verdict in a sentence or two."""
        found = []
        if self.pair is not None:
            i, j = self.pair
            found.append(
                f"it is not symmetric: k({i}, {j}) and k({j}, {i}) differ by {self.asymmetry:.3g}, and rounding "
                f"explains {self.tolerance:.3g}"
            )
        if self.points:
            named = ", ".join(map(str, self.points[:10])) + (" ..." if len(self.points) > 10 else "")
            found.append(
                f"it is not positive semidefinite: its smallest eigenvalue is {self.smallest_eigenvalue:.3g} (largest "
                f"{self.largest_eigenvalue:.3g}, rounding {self.tolerance:.3g}); points {named} show it"
            )
        if found:
            return "No kernel: " + "; ".join(found) + "."
        return (
            f"A kernel as far as these points show: symmetric, smallest eigenvalue {self.smallest_eigenvalue:.3g}, "
            f"and rounding explains {-self.tolerance:.3g}."
        )

    def __repr__(self) -> str:
        return f"<{self.words()}>"


def is_valid_kernel(kernel: Kernel | Callable | Any, X: Any = None) -> Verdict:
    """Test a kernel on some points, or a Gram matrix.

    Parameters
    ----------
    kernel : Kernel, callable or array of shape (N, N)
        A function of two vectors, or a matrix that was computed.
    X : array, frame or tensor of shape (N, D), or a list of items; optional
        The points; needed unless ``kernel`` is a matrix.

    Returns
    -------
    Verdict
        True or false as a condition; ``words()`` says why, ``points`` and ``pair`` where.

    Raises
    ------
    ValueError
        For a matrix that is not square or not finite.

    Examples
    --------
    >>> from peira.kernels import RBF, Sigmoid, is_valid_kernel
    >>> X = [[0.0], [0.5], [2.0]]
    >>> bool(is_valid_kernel(RBF(), X))
    True
    >>> is_valid_kernel(Sigmoid(gamma=1.0, coef0=-1.0), X).points
    (0, 1)
    """
    if not isinstance(kernel, Kernel) and not callable(kernel):
        single = str(getattr(kernel, "dtype", "")).endswith("float32")
        K = open_matrix(kernel, owner="is_valid_kernel", dtype=torch.float32 if single else torch.float64).X
        if K.shape[0] != K.shape[1]:
            raise DataError(f"a Gram matrix is square, got {tuple(K.shape)}; pass the points X together with a kernel")
        return _judge(K.numpy(force=True), 0.0)
    kernel = kernel if isinstance(kernel, Kernel) else FunctionKernel(kernel)
    if X is None:
        raise DataError(f"{kernel!r} is tested on points: pass X")
    name, domain = type(kernel).__name__, kernel._domain()
    if domain in ("texts", "items"):
        return _judge(_every_pair(kernel, open_items(X, owner=name, texts=domain == "texts")).numpy(), 0.0)
    points = open_matrix(X, owner=name).X
    K = _every_pair(kernel, points)
    up = torch.arange(points.numel(), device=points.device).reshape(points.shape) % 2 == 0
    ends = torch.where(up, torch.inf, -torch.inf).to(points)
    moved = _every_pair(kernel, torch.nextafter(points, ends))
    return _judge(K.numpy(force=True), float((K - moved).norm()))


def _every_pair(kernel: Kernel, X: Any) -> torch.Tensor:
    """K with each of its entries computed, those of pairs that are mirrored elsewhere as well.

    Column by column: distances to a single point are moved to that point, and so exact up to their own rounding.
    """
    K = torch.cat([kernel._gram(X, X[j : j + 1]) for j in range(len(X))], 1)
    K.diagonal().copy_(kernel._diagonal(X))  # noise stands among the items of one set alone
    return K


def _judge(K: np.ndarray, moved: float) -> Verdict:
    N = len(K)
    eps = float(np.finfo(K.dtype).eps)
    K = K.astype(float)
    values, vectors = np.linalg.eigh((K + K.T) / 2)
    tolerance = N * eps * float(np.abs(values).max()) + moved
    difference = np.abs(K - K.T)
    i, j = np.unravel_index(int(difference.argmax()), K.shape)
    asymmetry = float(difference[i, j])
    symmetric, positive = asymmetry <= tolerance, bool(values[0] >= -tolerance)
    v = vectors[:, 0]
    order = np.argsort(-np.abs(v), kind="stable")
    count = int(np.searchsorted(np.cumsum(v[order] ** 2), SHOWN)) + 1
    return Verdict(
        valid=symmetric and positive,
        symmetric=symmetric,
        asymmetry=asymmetry,
        smallest_eigenvalue=float(values[0]),
        largest_eigenvalue=float(values[-1]),
        tolerance=tolerance,
        pair=None if symmetric else (int(min(i, j)), int(max(i, j))),
        points=() if positive else tuple(int(n) for n in order[:count]),
        vector=None if positive else v,
    )
