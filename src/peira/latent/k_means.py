r"""k-means as a function on tensors: seeding, Lloyd's two half-steps, empty clusters, restarts.

.. math:: J(r, c) = \sum_n w_n \| x_n - c_{r_n} \|^2

The first half-step gives each row to its nearest centre (the least J over r), the second moves each centre to the mean
of its rows (the least J over c). Neither can raise J, and there are finitely many partitions: it ends, in a local
minimum. `peira.latent.KMeans` is the method; mixtures and spectral clustering start from this function.

Reference: Lloyd (1982), IEEE Transactions on Information Theory 28, 129-137; Bishop (2006) 9.1, eqs 9.1 to 9.4.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from ..core.errors import DataError
from ..core.inputs import Matrix
from ..core.iteration import iterate, reason_to_stop
from ..numerics.distances import scale
from . import k_means_lloyd
from .k_means_bounds import BoundedAssignment
from .k_means_lloyd import PlainAssignment
from .k_means_nearest import nearest_centre
from .k_means_seeding import plus_plus, random_rows

Start = Literal["k-means++", "random"] | torch.Tensor
Algorithm = Literal["auto", "lloyd", "elkan"]
SEEDINGS = {"k-means++": plus_plus, "random": random_rows}
Assignment = BoundedAssignment | PlainAssignment


class Partition(NamedTuple):
    """Centres (K, D), the cluster of each row (N,), the cost, and the steps that it took."""

    centres: torch.Tensor
    codes: torch.Tensor
    inertia: float
    n_iter: int


def k_means(
    X: Matrix,
    K: int,
    *,
    w: torch.Tensor | None = None,
    generator: torch.Generator,
    n_init: int = 1,
    init: Start = "k-means++",
    max_iter: int = 300,
    tol: float = 1e-4,
    algorithm: Algorithm = "auto",
    onto: Callable[[np.ndarray], np.ndarray] | None = None,
    owner: Any = None,
) -> Partition:
    """The best of some runs of Lloyd's algorithm.

    Parameters
    ----------
    X : float64 tensor or csr matrix of shape (N, D)
    K : int
        At most the number of rows of positive weight.
    w : tensor of shape (N,), optional
    generator : torch.Generator
        On the device of X.
    n_init : int, default 1
        Runs from different starts; the one with the least cost is given.
    init : "k-means++", "random", or tensor of shape (K, D)
    max_iter, tol : int, float
        A run ends after so many steps, or once the squared moves of all centres add up to at most ``tol`` times the
        mean variance of the columns; 0 waits until no centre moves.
    algorithm : "auto", "lloyd" or "elkan"
        See `peira.latent.KMeans`.
    onto : callable, optional
        Takes means (K, D) to the centres that are allowed: to the sphere, say.
    owner : Method, optional
        Gets the history of the best run, and is named in warnings; without it nothing warns.

    Returns
    -------
    Partition
        Numbers of clusters run from 0 without a gap. The labels are those of the nearest centres given.

    Raises
    ------
    DataError
        For more clusters than rows.

    Examples
    --------
    >>> X = torch.tensor([[0.0], [1.0], [9.0], [10.0]], dtype=torch.float64)
    >>> found = k_means(X, 2, generator=torch.Generator().manual_seed(0))
    >>> sorted(found.centres[:, 0].tolist()), found.inertia
    ([0.5, 9.5], 1.0)
    """
    require_rows(X.shape[0] if w is None else int((w > 0).sum()), K, type(owner).__name__ if owner else "k_means")
    s = (
        scale(X, init) if isinstance(init, torch.Tensor) else scale(X)
    )  # entries whose squares would leave the range of float64
    X = X if s == 1.0 else X * s
    runs: list[Partition] = []
    notes: dict[str, Any] = {}
    with _pools().limit(limits=1, user_api="blas"):  # products of small blocks are faster on one thread
        for _ in range(n_init):
            start = init * s if isinstance(init, torch.Tensor) else SEEDINGS[init](X, K, generator, w)
            found = _run(X, w, start, max_iter, tol, algorithm, onto, owner)
            if not runs or found.inertia < runs[0].inertia:
                runs = [found]
                notes = {n: getattr(owner, n) for n in ("history_", "n_iter_", "stopped_") if hasattr(owner, n)}
            if reason_to_stop():
                break
    for name, value in notes.items():
        setattr(owner, name, value)
    best = runs[0]
    distinct = len(best.codes.unique())
    if distinct < K and owner is not None:
        warnings.warn(
            f"{type(owner).__name__}: only {distinct} distinct clusters for n_clusters={K}: rows are repeated, or some "
            f"have no weight; the last {K - distinct} centres are nearest to none, choose n_clusters={distinct}",
            ConvergenceWarning,
            stacklevel=4,
        )
    return best._replace(centres=best.centres / s, inertia=best.inertia / s / s)


def assign(X: Matrix, C: torch.Tensor) -> torch.Tensor:
    """The nearest of the centres C (K, D) to each row of X (N, D), the first of equal ones."""
    s = scale(X, C)
    X, C = (X, C) if s == 1.0 else (X * s, C * s)
    if sparse.issparse(X) or X.device.type != "cpu":
        return k_means_lloyd.nearest_centre(X, C)
    return torch.from_numpy(nearest_centre(X.contiguous().numpy(), C.contiguous().numpy()))


@functools.cache
def _pools() -> ThreadpoolController:
    """The thread pools of the libraries that are loaded; finding them takes longer than a small fit."""
    return ThreadpoolController()


def require_rows(N: int, K: int, owner: str) -> None:
    """Refuse more clusters than rows."""
    if N < K:
        raise DataError(
            f"n_samples={N} should be >= n_clusters={K}: {owner} can't make {K} clusters of {N} "
            f"row{'s' * (N != 1)} of positive weight; lower n_clusters"
        )


def assignment(X: Matrix, w: torch.Tensor | None, C: np.ndarray, algorithm: Algorithm) -> Assignment:
    """Rows and their clusters, in the fastest form for such rows."""
    if sparse.issparse(X) or X.device.type != "cpu":
        return PlainAssignment(X, w, C)
    weights = None if w is None else w.contiguous().numpy()
    return BoundedAssignment(X.contiguous().numpy(), weights, C, bounds=algorithm != "lloyd")


def _run(
    X: Matrix,
    w: torch.Tensor | None,
    start: torch.Tensor,
    max_iter: int,
    tol: float,
    algorithm: Algorithm,
    onto: Callable[[np.ndarray], np.ndarray] | None,
    owner: Any,
) -> Partition:
    def centres(C: np.ndarray) -> np.ndarray:
        return rows.means(C) if onto is None else onto(rows.means(C))

    C = np.ascontiguousarray(start.numpy(force=True))
    rows = assignment(X, w, C, algorithm)
    square = rows.unit**2
    spread = rows.total / (rows.weight * C.shape[1])  # the mean variance of the columns
    expect: dict[str, Literal["increase", "decrease"]] = {"inertia_assigned": "decrease", "inertia_updated": "decrease"}
    for step in iterate(owner, max_iter, name="Lloyd", expect=expect):
        changed = rows.assign(C)
        assigned = rows.objective(C)
        refilled = fill_empty(rows, C)
        before, C = C, centres(C)
        moved = float((((C - before) * rows.unit) ** 2).sum())
        step.record(
            inertia_assigned=assigned / square,
            inertia_updated=rows.objective(C) / square,
            changed=changed,
            refilled=refilled,
            shift=moved / spread if spread > 0 else 0.0,
        )
        if step.reached("shift", tol) if owner is not None else moved <= tol * spread:
            break
    n_iter = step.index + 1
    rows.add_anew()
    C = centres(C)
    rows.assign(C)
    while fill_empty(rows, C):
        C = centres(C)
        rows.assign(C)
    return _ordered(rows, C, start, n_iter)


def fill_empty(rows: Assignment, C: np.ndarray) -> int:
    """Give each empty cluster the row that is farthest from its centre, as scikit-learn does; how many were filled."""
    empty = np.flatnonzero(rows.members == 0)
    filled = 0
    if len(empty):
        costs = np.where(rows.w > 0, rows.costs(C), 0.0)
        rounding = (8 * np.finfo(float).eps) ** 2 * ((C * rows.unit) ** 2).sum(1)  # of a mean
        for n in np.argsort(-costs, kind="stable"):
            if filled == len(empty) or costs[n] <= rounding[rows.codes[n]]:
                break
            if rows.members[rows.codes[n]] > 1:  # a cluster's only row would leave it empty in turn
                rows.give(int(n), int(empty[filled]))
                filled += 1
    return filled


def _ordered(rows: Assignment, C: np.ndarray, like: torch.Tensor, n_iter: int) -> Partition:
    """The result, with the centres that are nearest to no row last."""
    inertia = float(rows.w @ rows.costs(C)) / rows.unit**2
    order, codes = used_first(torch.from_numpy(rows.codes), len(C))
    return Partition(torch.from_numpy(C)[order].to(like.device), codes.to(like.device), inertia, n_iter)


def used_first(codes: torch.Tensor, K: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An order (K,) of the clusters with the empty ones last, and the codes in these new numbers."""
    unused = torch.bincount(codes, minlength=K) == 0
    order = unused.to(torch.int8).argsort(stable=True)
    return order, order.argsort()[codes]
