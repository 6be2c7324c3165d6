r"""Which variables to work on, and how far a point is from optimal.

A variable can be in a step that goes up if it is below its upper bound, and down if above its lower one. Of those that
may go up, the ones with the least gradients violate optimality most; of those that may go down, the ones with the
greatest. The next working set takes both ends, half of its places, and keeps of the last one what fills the others:
first the variables between their bounds, whose places are not yet settled.
"""

import numpy as np

from ..numerics.compile import compiled


@compiled
def gap_of(beta, g, low, high, group, groups):
    """The largest violation of optimality by a pair of a group (module docstring of `peira.kernels.smo`)."""
    least, most = np.full(groups, np.inf), np.full(groups, -np.inf)
    for t in range(beta.size):
        k = group[t]
        if beta[t] < high[t] and g[t] < least[k]:
            least[k] = g[t]
        if beta[t] > low[t] and g[t] > most[k]:
            most[k] = g[t]
    return max(0.0, (most - least).max())


@compiled
def level(beta, g, low, high, group, k):
    """rho of group k: the mean gradient of its variables between their bounds, else the middle of what is possible."""
    total, free, above, below = 0.0, 0, np.inf, -np.inf
    for t in range(beta.size):
        if group[t] != k:
            continue
        up, down = beta[t] < high[t], beta[t] > low[t]
        if up and down:
            total += g[t]
            free += 1
        if up:
            above = min(above, g[t])
        if down:
            below = max(below, g[t])
    if free:
        return total / free
    if above < np.inf and below > -np.inf:
        return (above + below) / 2
    return above if above < np.inf else below if below > -np.inf else 0.0


def select(
    beta: np.ndarray,
    g: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    group: np.ndarray,
    groups: int,
    working: np.ndarray,
    size: int,
) -> np.ndarray:
    """The next working set: at most ``size`` variables, each once, those that came last first.

    Parameters
    ----------
    beta, g, low, high : arrays of shape (n,)
        Signed multipliers, gradient, bounds.
    group : int array of shape (n,)
    groups : int
    working : int array
        The last working set.
    size : int, at least 2
    """
    up, down = beta < high, beta > low
    chosen = np.zeros(len(beta), dtype=bool)
    count = max(1, size // ((4 if working.size else 2) * groups))
    for k in range(groups):
        for ends, sign in ((up, 1.0), (down, -1.0)):
            ours = np.flatnonzero(ends & (group == k))
            if len(ours) > count:
                ours = ours[np.argpartition(sign * g[ours], count)[:count]]
            chosen[ours] = True
    new, kept = np.flatnonzero(chosen), working[~chosen[working]]
    free = up[kept] & down[kept]
    return np.concatenate([new, kept[free], kept[~free]])[: max(size, len(new))]
