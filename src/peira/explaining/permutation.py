r"""Permutation importance: what does a column contribute to the predictions for new rows?

.. math:: I_j = L\left(y, f(X^{(j)})\right) - L\left(y, f(X)\right)

where in X^(j) the values of column j are shuffled among the rows, so that the column keeps its
distribution and loses its tie to everything else. Measured on rows that the fit had not seen, it
shows what the *model* relies on, not what the world does: of two columns that say the same, each
looks dispensable.

Cost: columns x repeats predictions. Reference: Breiman (2001), Machine Learning 45, section 10;
Fisher, Rudin & Dominici (2019), JMLR 20.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.iteration import reason_to_stop


def permutation_importance(
    loss: Callable[[Any], float], table: Any, *, repeats: int = 5, seed: int = 0
) -> list[dict[str, Any]]:
    """How much worse predictions become when one column is shuffled.

    Parameters
    ----------
    loss : callable
        From a table to a number, lower is better: predict, and measure.
    table : Table
        Rows that the fit had not seen.
    repeats : int, default 5
        Shuffles of each column.
    seed : int, default 0

    Returns
    -------
    list of dict
        ``name``, ``mean``, and ``low``, ``high``: the range over the shuffles. The most important
        column first; columns whose turn did not come in time are left out.
    """
    rng = np.random.default_rng(seed)
    plain = loss(table)
    found = []
    for name in table.names:
        if reason_to_stop():
            break
        costs = []
        for _ in range(repeats):
            shuffled = table[name][rng.permutation(len(table))]
            costs.append(loss(type(table)({**table.to_dict(), name: shuffled})) - plain)
        found.append({"name": name, "mean": float(np.mean(costs)), "low": float(min(costs)), "high": float(max(costs))})
    return sorted(found, key=lambda column: -column["mean"])
