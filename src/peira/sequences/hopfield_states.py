r"""Binary states that look for a valley of the energy, one unit after the other or all at once.

.. math:: E(s) = - \frac{1}{2} s^T W s, \quad s_i \leftarrow sign(h_i), \quad h = W s

With W symmetric and zero on its diagonal, changing one unit to the sign of its field h never raises E: it falls by
:math:`2 |h_i|`. A unit whose field is 0 stays as it is. Fields are kept up to date, so that a sweep costs D steps, and
D more for each unit that changes.

Reference: Hopfield (1982), Proc. Natl Acad. Sci. 79, 2554-2558.
"""

import numpy as np

from ..numerics.compile import compiled


@compiled
def settle(states, fields, W, orders):
    """Update units one at a time, in the given orders (sweeps, D), until a sweep changes nothing; in place.

    states (N, D) hold -1 and 1, fields (N, D) their products with W. Returns the sweeps that each needed, of shape
    (N,), and 1 more than there are orders where some unit still changed in the last one.
    """
    N, D = states.shape
    needed = np.empty(N, dtype=np.int64)
    for n in range(N):
        s, h = states[n], fields[n]
        needed[n] = len(orders) + 1
        for k in range(len(orders)):
            changed = 0
            for j in range(D):
                i = orders[k, j]
                if h[i] * s[i] < 0.0:
                    s[i] = -s[i]
                    step = 2.0 * s[i]
                    row = W[i]
                    for m in range(D):
                        h[m] += step * row[m]
                    changed += 1
            if changed == 0:
                needed[n] = k + 1
                break
    return needed


def settle_together(states: np.ndarray, W: np.ndarray, sweeps: int) -> np.ndarray:
    """Update all units at once, until nothing changes; in place. Returns the sweeps needed, as `settle` does.

    Where W is symmetric this ends in a fixed point or swings between two states (Goles & Olivos, 1981).
    """
    needed = np.full(len(states), sweeps + 1)
    open_ones = np.arange(len(states))
    for k in range(sweeps):
        fields = states[open_ones] @ W
        flipped = fields * states[open_ones] < 0
        states[open_ones] = np.where(flipped, -states[open_ones], states[open_ones])
        still = flipped.any(1)
        needed[open_ones[~still]] = k + 1
        open_ones = open_ones[still]
        if not len(open_ones):
            break
    return needed
