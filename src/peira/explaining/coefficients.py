r"""Coefficients with intervals, for any method that weighs its inputs.

Rows are drawn with replacement B times and the method is fitted to each draw; the interval of a
coefficient runs between the quantiles of its B values,

.. math:: \left[ q_{(1-c)/2}(w^*_1, ..., w^*_B),\; q_{(1+c)/2}(w^*_1, ..., w^*_B) \right]

It holds for every linear method alike, shrunken ones included, for which it shows the spread of
the shrunken estimate and not its bias.

Cost: B fits. Reference: Efron & Tibshirani (1993), An Introduction to the Bootstrap, 13.3.
"""

from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.iteration import reason_to_stop


def bootstrap_coefficients(
    method: Any, X: np.ndarray, y: np.ndarray, names: list[str], *, draws: int = 100, level: float = 0.95, seed: int = 0
) -> list[dict[str, Any]]:
    """Coefficients of a fitted method and their bootstrap intervals.

    Parameters
    ----------
    method : Method
        Fitted to ``X`` and ``y``, with ``coef_`` of shape (D,) or (1, D).
    X : array of shape (N, D)
    y : array of shape (N,)
    names : list of str
        Of the columns.
    draws : int, default 100
        The most draws; fewer if time runs out. Below 20, intervals are left out.
    level : float, default 0.95
    seed : int, default 0

    Returns
    -------
    list of dict
        ``name``, ``value``, ``low``, ``high`` (None without an interval); the largest first.
    """
    rng = np.random.default_rng(seed)
    settings = method.get_params(deep=False)
    drawn = []
    for _ in range(draws):
        if reason_to_stop():
            break
        rows = rng.integers(len(y), size=len(y))
        try:
            drawn.append(np.ravel(type(method)(**settings).fit(X[rows], y[rows]).coef_))
        except DataError:
            continue  # a draw without one of the labels, say, tells nothing about the coefficients
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0) if len(drawn) >= 20 else (None, None)
    value = np.ravel(method.coef_)
    found = [
        {
            "name": name,
            "value": float(value[j]),
            "low": None if low is None else float(low[j]),
            "high": None if high is None else float(high[j]),
        }
        for j, name in enumerate(names)
    ]
    return sorted(found, key=lambda c: -abs(c["value"]))
