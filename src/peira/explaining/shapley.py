r"""Shapley values: what does each column add to one prediction?

A prediction f(x) differs from the mean prediction for B background rows b. The difference is divided among the
columns: those of a set S are known to be x's, the others are still a background row's,

.. math:: v(S) = \frac{1}{B} \sum_b f(x_S, b_{\bar S})

and a column's share is what its becoming known changes, averaged over all orders in which the G columns can become
known,

.. math:: \phi_j = \sum_{S \not\ni j} \frac{|S|!\,(G - |S| - 1)!}{G!} \left( v(S \cup j) - v(S) \right)

It is the only division that adds up to the difference, gives columns of equal effect the same and one without effect
nothing, and adds for models that add (Shapley 1953). Where there are many columns, orders are drawn, each together
with its reverse: that is exact for a model of single effects and of effects of two columns together, and adds up in
any case.

The columns are broken apart as in permutation importance: a mixture of two rows may be like no row, and of columns that
go together the model's habits, not the world's, decide which one counts.

Cost: 2 P (G + 1) predictions for each background row and P pairs of orders, or 2^G where that is no more.

Reference: Shapley (1953), A value for n-person games; Štrumbelj & Kononenko (2014), Knowledge and Information Systems
41; orders with their reverse: Mitchell, Cooper, Frank & Holmes (2022), JMLR 23(43).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import DataError

_CELLS = 1 << 21
"""Numbers that are asked about in one call."""


@dataclass(frozen=True)
class Shares:
    """How one prediction is divided.

    Attributes
    ----------
    base : float
        Mean prediction for the background rows.
    prediction : float
        ``base`` plus the sum of ``values``.
    values : array of shape (G,)
    errors : array of shape (G,)
        Standard error of each: how far other background rows, and other orders, would have moved it. NaN for a single
        background row.
    """

    base: float
    prediction: float
    values: np.ndarray
    errors: np.ndarray


def shapley_values(
    answer: Callable[[np.ndarray], Any],
    x: np.ndarray,
    background: np.ndarray,
    groups: np.ndarray,
    *,
    pairs: int = 8,
    seed: int = 0,
) -> Shares:
    """Divide the difference of a prediction from the mean prediction of background rows among groups of numbers.

    Parameters
    ----------
    answer : callable
        From rows (N, D) to a number for each: a prediction, a probability.
    x : array of shape (D,)
        The row that is explained.
    background : array of shape (B, D)
        Rows that it is compared with.
    groups : int array of shape (D,)
        To which of the G groups, 0 to G - 1, each number belongs: what a column of a table became is one group.
    pairs : int, default 8
        Orders drawn for each background row, each with its reverse. All subsets are taken where that is no more work.
    seed : int, default 0

    Returns
    -------
    Shares

    Raises
    ------
    DataError
        If there is no background row, or its numbers are not as many as x's.

    Examples
    --------
    >>> rows = np.array([[0.0, 0.0], [2.0, 4.0]])
    >>> found = shapley_values(lambda Z: 3 * Z[:, 0] - Z[:, 1], np.array([5.0, 5.0]), rows, np.arange(2))
    >>> found.base, found.values.tolist(), found.prediction
    (1.0, [12.0, -3.0], 10.0)
    """
    x, background, groups = np.asarray(x, np.float64), np.asarray(background, np.float64), np.asarray(groups)
    B, D = background.shape
    if not B:
        raise DataError("Shapley values compare with background rows, and there is none")
    if x.shape != (D,) or groups.shape != (D,):
        raise DataError(f"expected x and groups of shape ({D},), got {x.shape} and {groups.shape}")
    G = int(groups.max(initial=-1)) + 1
    every = 2 * pairs * (G + 1) >= 2**G
    rng = np.random.default_rng(seed)
    # known[b, k, j]: whether, in the k-th question about background row b, group j is already as in x
    if every:
        subsets = (np.arange(2**G)[:, None] >> np.arange(G)) & 1 == 1
        known = np.broadcast_to(subsets, (B, *subsets.shape))
    else:
        orders = rng.permuted(np.broadcast_to(np.arange(G), (B, pairs, G)), axis=2)
        orders = np.concatenate([orders, orders[..., ::-1]], axis=1)
        ranks = np.argsort(orders, axis=2)  # when each group becomes known
        known = (ranks[:, :, None, :] < np.arange(G + 1)[:, None]).reshape(B, -1, G)
    v = np.empty(known.shape[:2])
    for part in np.array_split(np.arange(B), min(B, math.ceil(known.shape[0] * known.shape[1] * D / _CELLS) or 1)):
        Z = np.where(known[part][..., groups], x, background[part, None, :])
        v[part] = np.asarray(answer(Z.reshape(-1, D))).reshape(len(part), -1)
    if every:
        phi = _of_subsets(v, subsets)
        first, last = v[:, 0], v[:, -1]
    else:
        steps = np.diff(v.reshape(B, -1, G + 1), axis=2)
        phi = np.take_along_axis(steps, ranks, axis=2).mean(1)
        first, last = v[:, 0], v[:, G]
    errors = phi.std(0, ddof=1) / math.sqrt(B) if B > 1 else np.full(G, np.nan)
    return Shares(float(first.mean()), float(last.mean()), phi.mean(0), errors)


def _of_subsets(v: np.ndarray, subsets: np.ndarray) -> np.ndarray:
    """Shares (B, G) from the answers v (B, 2^G) to all subsets (2^G, G): the sum of the second formula above."""
    G = subsets.shape[1]
    sizes = subsets.sum(1)
    weights = np.array([math.factorial(s) * math.factorial(G - s - 1) / math.factorial(G) for s in range(G)])
    phi = np.empty((len(v), G))
    for j in range(G):
        without = np.flatnonzero(~subsets[:, j])
        phi[:, j] = (v[:, without + 2**j] - v[:, without]) @ weights[sizes[without]]
    return phi
