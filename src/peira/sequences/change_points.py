r"""Change points: where a series stops being as it was, found exactly.

.. math:: \min_{m, \; t_1 < \ldots < t_m} \; \sum_{j=0}^{m} c(x_{t_j + 1}, \ldots, x_{t_{j+1}}) + m \beta

c is twice the negative log likelihood of a segment under its own best parameters, :math:`\beta` what a change must be
worth. The minimum over all segmentations comes from one pass, in which F(t) is the least for the first t steps:

.. math:: F(t) = \min_{s < t} F(s) + c(x_{s+1}, \ldots, x_t) + \beta

A place s that cannot be the last change any more, :math:`F(s) + c(x_{s+1}, \ldots, x_t) \geq F(t)`, is left out of all
later minima (PELT), which loses nothing. Without :math:`\beta`, for a given number of changes, all places are compared.

Costs c: "mean" (Gaussian, the mean changes, the noise is the same throughout), "variance" (Gaussian, mean and variance
change), "poisson" (counts).

Cost: T where changes come at a steady rate, T^2 at most; T^2 m for a given number of changes.

Reference: Killick, Fearnhead & Eckley (2012), algorithm "PELT"; Auger & Lawrence (1989).
"""

import math
from typing import Any, Literal, TypeAlias

import numpy as np

from ..core.errors import DataError, ParameterError
from ..core.sequences import open_sequences
from ..numerics.compile import compiled

Cost: TypeAlias = Literal["mean", "variance", "poisson"]
KINDS: dict[str, int] = {"mean": 0, "variance": 1, "poisson": 2}


def change_points(
    x: Any,
    cost: Cost = "mean",
    *,
    penalty: float | None = None,
    n_changes: int | None = None,
    min_length: int | None = None,
    noise: Any = None,
) -> np.ndarray:
    """Where one series changes.

    Parameters
    ----------
    x : array of shape (T,) or (T, D)
        The numbers of a step change together.
    cost : "mean", "variance" or "poisson"
    penalty : float, optional
        What a change must be worth, in units of twice the log likelihood; without it BIC's (P + 1) log T, P parameters
        of a segment.
    n_changes : int, optional
        Find this many changes, whatever they are worth.
    min_length : int, optional
        The fewest steps of a segment; 1 without it, 2 for "variance".
    noise : array of shape (D,), optional
        Standard deviations for "mean"; without it, from the median of absolute differences of neighbours.

    Returns
    -------
    int array
        The first step of each new segment, counted from 0, in rising order.

    Raises
    ------
    DataError
        If a number is missing, or is no count where counts are meant, or there are too few steps.

    Examples
    --------
    >>> x = np.concatenate([np.zeros(20), np.full(30, 5.0), np.full(10, 2.0)]) + 0.1 * np.sin(np.arange(60))
    >>> change_points(x).tolist()
    [20, 50]
    """
    opened = open_sequences(x, owner="change_points")
    if len(opened) != 1:
        raise DataError(f"change_points looks at one series, got {len(opened)}")
    if cost not in KINDS:
        raise ParameterError(f"cost must be one of {', '.join(KINDS)}, got {cost!r}")
    X = opened.X.numpy(force=True)
    T, D = X.shape
    least = (2 if cost == "variance" else 1) if min_length is None else int(min_length)
    if least < (2 if cost == "variance" else 1) or (n_changes is not None and n_changes < 0):
        raise ParameterError("min_length must be at least 1 (2 for 'variance'), and n_changes at least 0")
    if least * (1 + (n_changes or 0)) > T:
        raise DataError(f"{T} steps have no room for {n_changes or 0} changes with segments of {least} steps or more")
    scale = np.ones(D)
    if cost == "poisson" and ((X < 0).any() or (np.floor(X) != X).any()):
        raise DataError("cost 'poisson' takes counts: whole numbers, 0 or more")
    if cost == "mean":
        scale = _noise(X) if noise is None else np.broadcast_to(np.asarray(noise, dtype=np.float64), (D,))
        if not (scale > 0).all():
            raise ParameterError("noise must be positive")
    centre = np.zeros(D) if cost == "poisson" else X.mean(0)
    Y = (X - centre) / scale
    floor = np.maximum(1e-8 * Y.var(0), 1e-300)
    sums = np.concatenate([np.zeros((1, D)), np.cumsum(Y, 0)])
    squares = np.concatenate([np.zeros((1, D)), np.cumsum(Y * Y, 0)])
    if n_changes is not None:
        return _given_number(sums, squares, floor, KINDS[cost], n_changes, least)
    beta = ((2 if cost == "variance" else 1) * D + 1) * math.log(T) if penalty is None else float(penalty)
    if not beta >= 0:
        raise ParameterError(f"penalty must be 0 or more, got {penalty!r}")
    return _pelt(sums, squares, floor, KINDS[cost], beta, least)


def _noise(X: np.ndarray) -> np.ndarray:
    """The standard deviation within segments, from differences of neighbours, of which changes touch few."""
    if len(X) < 2:
        return np.ones(X.shape[1])
    steps = np.abs(np.diff(X, axis=0))
    robust = np.median(steps, 0) / (0.6744897501960817 * math.sqrt(2))  # of a standard normal: the median of |z|
    plain = np.sqrt((steps**2).mean(0) / 2)
    return np.where(robust > 0, robust, np.where(plain > 0, plain, 1.0))


@compiled
def _cost(sums: np.ndarray, squares: np.ndarray, floor: np.ndarray, kind: int, s: int, t: int) -> float:
    """Twice the negative log likelihood of the steps s to t - 1, but for constants."""
    n, total = float(t - s), 0.0
    for i in range(sums.shape[1]):
        a, q = sums[t, i] - sums[s, i], squares[t, i] - squares[s, i]
        if kind == 2:
            if a > 0.0:
                total += 2.0 * a * (1.0 - math.log(a / n))
            continue
        rest = max(q - a * a / n, 0.0)
        total += rest if kind == 0 else n * math.log(max(rest / n, floor[i]))
    return total


@compiled
def _pelt(sums: np.ndarray, squares: np.ndarray, floor: np.ndarray, kind: int, beta: float, least: int) -> np.ndarray:
    T = len(sums) - 1
    F, last = np.full(T + 1, np.inf), np.zeros(T + 1, dtype=np.int64)
    F[0] = -beta
    alive, until = np.empty(T + 1, dtype=np.int64), np.full(T + 1, T + 1)  # a place may be used before its `until`
    alive[0], count = 0, 1
    value = np.empty(T + 1)
    for t in range(least, T + 1):
        kept = 0
        for a in range(count):
            s = alive[a]
            if until[s] > t:
                alive[kept] = s
                kept += 1
        count = kept
        for a in range(count):
            s = alive[a]
            value[a] = F[s] + _cost(sums, squares, floor, kind, s, t)
            if value[a] + beta < F[t]:
                F[t] = value[a] + beta
                last[t] = s
        for a in range(count):
            if value[a] > F[t] and until[alive[a]] > t + least:
                until[alive[a]] = t + least  # by then a change at t is allowed, and is better
        if t - least + 1 >= least and F[t - least + 1] < np.inf:
            alive[count] = t - least + 1
            count += 1
    changes = np.empty(T, dtype=np.int64)
    m, t = 0, T
    while last[t] > 0:
        t = last[t]
        changes[m] = t
        m += 1
    return changes[:m][::-1].copy()


@compiled
def _given_number(
    sums: np.ndarray, squares: np.ndarray, floor: np.ndarray, kind: int, changes: int, least: int
) -> np.ndarray:
    T = len(sums) - 1
    F, last = np.full((changes + 1, T + 1), np.inf), np.zeros((changes + 1, T + 1), dtype=np.int64)
    for t in range(least, T + 1):
        F[0, t] = _cost(sums, squares, floor, kind, 0, t)
    for m in range(1, changes + 1):
        for t in range((m + 1) * least, T + 1):
            for s in range(m * least, t - least + 1):
                value = F[m - 1, s] + _cost(sums, squares, floor, kind, s, t)
                if value < F[m, t]:
                    F[m, t] = value
                    last[m, t] = s
    found = np.empty(changes, dtype=np.int64)
    t = T
    for m in range(changes, 0, -1):
        t = last[m, t]
        found[m - 1] = t
    return found
