r"""Where to start on many items: at what parts of them say.

An evaluation of the marginal likelihood costs N^3: on a sixteenth of the items it is free, and four quarters, each by
itself, together cost a sixteenth. So the search, with its restarts, runs in stages: on a random part of the items;
on quarters, as if they were independent of each other (Deisenroth & Ng 2015 learn from such a product alone),

.. math:: \sum_{j=1}^4 \log p(y_j \mid \theta)

and on all items. A stage starts at the maximum of the one before and with its curvature, since the information about
theta grows with the items:

.. math:: H_N \approx \frac{N}{M} H_M

by differences of gradients, P + 1 evaluations. A handful of evaluations with all items is what is left to do. The
stages change the way, not the end: where all items find the given first point more likely than the maximum of a part,
they start from there.
"""

from collections.abc import Callable

import numpy as np
import torch

from ..numerics.cholesky import NotPositiveDefiniteError
from .gaussian_process_optimisation import Objective
from .kernel import Kernel

SHARE = 4
FEWEST = 100  # items of the smallest part
QUARTERS = 1600  # with fewer items, quarters cost nearly what all cost
ROUGHLY = 0.03  # nats: a stage is further than this from the next
DIFFERENCE = 1e-3  # of logarithms

Stage = list[torch.Tensor]


def stages_of(N: int, generator: torch.Generator) -> list[Stage]:
    """Random positions of the items of each part of each stage before the last; no stage where all items are few."""
    order = torch.randperm(N, generator=generator)
    stages: list[Stage] = []
    M = N
    if N >= QUARTERS:
        stages.append(list(order.chunk(SHARE)))
        M = N // SHARE
    while M // SHARE >= FEWEST:
        M //= SHARE
        stages.append([order[:M]])
    return stages[::-1]


def search_in_stages(
    objective: Callable[[Stage | None], Objective],
    search: Callable[..., np.ndarray],
    kernel: Kernel,
    stages: list[Stage],
    N: int,
    restarts: int,
    tol: float,
) -> np.ndarray:
    """The theta (P,) at which the last search, with all items, ends.

    Parameters
    ----------
    objective : callable
        Of the parts of a stage, and of all items for None.
    search : callable
        ``search(objective, restarts, tol, start=, hessian=)`` gives the theta that maximises.
    kernel : Kernel
        Holds the first point and the bounds.
    stages : list
        Of `stages_of`.
    N, restarts : int
    tol : float
        Nats, of the last search.
    """
    f = _remembered(objective(stages[0] if stages else None))
    start: dict = {}
    for stage, after in zip(stages, [*stages, None][1:], strict=True):
        theta = search(f, restarts, max(tol, ROUGHLY), **start)
        growth = (N if after is None else sum(map(len, after))) / sum(map(len, stage))
        hessian = growth * _curvature(f, theta, kernel.bounds)
        f, restarts = _remembered(objective(after)), 0
        start = {"start": theta, "hessian": hessian} if growth == 1 or _is_better(f, theta, kernel.theta) else {}
    return search(f, restarts, tol, **start)


def _remembered(f: Objective) -> Objective:
    """The objective, which knows the last two answers."""
    known: dict[bytes, tuple[float, np.ndarray]] = {}

    def at(theta: np.ndarray) -> tuple[float, np.ndarray]:
        key = theta.tobytes()
        if key not in known:
            value = f(theta)
            if len(known) == 2:
                known.pop(next(iter(known)))
            known[key] = value
        return known[key]

    return at


def _is_better(f: Objective, theta: np.ndarray, first: np.ndarray) -> bool:
    try:
        here = f(theta)[0]
    except NotPositiveDefiniteError:
        return False
    try:
        return here >= f(first)[0]
    except NotPositiveDefiniteError:
        return True


def _curvature(objective: Objective, theta: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Hessian (P, P) of minus the objective, by differences that stay within the bounds."""
    _, here = objective(theta)
    H = np.empty((len(theta), len(theta)))
    for p in range(len(theta)):
        step = DIFFERENCE if theta[p] + DIFFERENCE <= bounds[p, 1] else -DIFFERENCE
        moved = theta.copy()
        moved[p] += step
        H[p] = (here - objective(moved)[1]) / step
    return (H + H.T) / 2
