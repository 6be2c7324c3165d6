r"""Resampling: particles in proportion to their weights, each as often as it deserves.

.. math:: E[n_i] = n w_i

"systematic" takes one number u in [0, 1) and the particles at :math:`(i + u) / n` of the summed weights, "stratified" a
number for each i, "residual" the whole part of :math:`n w_i` and the rest by chance, "multinomial" all by chance. The
variance of what is estimated afterwards falls in the order multinomial, residual and stratified; systematic has the
least in practice, and no such proof.

Cost: n.

Reference: Kitagawa (1996); Douc, Cappe & Moulines (2005).
"""

from typing import Literal, TypeAlias

import numpy as np

from ..numerics.compile import compiled

Scheme: TypeAlias = Literal["systematic", "stratified", "residual", "multinomial"]


def resample(weights: np.ndarray, scheme: Scheme, rng: np.random.Generator) -> np.ndarray:
    """Which particles survive, n positions in rising order.

    Parameters
    ----------
    weights : array of shape (n,)
        Sum to 1.
    scheme : "systematic", "stratified", "residual" or "multinomial"
    rng : numpy Generator

    Returns
    -------
    int array of shape (n,)

    Examples
    --------
    >>> resample(np.array([0.5, 0.0, 0.25, 0.25]), "systematic", np.random.default_rng(0)).tolist()
    [0, 0, 2, 3]
    """
    n = len(weights)
    if scheme == "systematic":
        return _walk(weights, (np.arange(n) + rng.uniform()) / n)
    if scheme == "stratified":
        return _walk(weights, (np.arange(n) + rng.uniform(size=n)) / n)
    if scheme == "multinomial":
        return _walk(weights, np.sort(rng.uniform(size=n)))
    whole = np.floor(n * weights * (1 + 1e-15)).astype(np.int64)
    rest = n * weights - whole
    left = n - int(whole.sum())
    sure = np.repeat(np.arange(n), whole)
    if left <= 0:
        return sure[:n]
    drawn = _walk(np.maximum(rest, 0) / np.maximum(rest, 0).sum(), np.sort(rng.uniform(size=left)))
    return np.sort(np.concatenate([sure, drawn]))


@compiled
def _walk(weights: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The particles at rising places of the summed weights."""
    found = np.empty(len(at), dtype=np.int64)
    i, total, last = 0, weights[0], 0
    for j in range(len(weights)):
        if weights[j] > 0.0:
            last = j
    for j in range(len(at)):
        while total <= at[j] and i < last:
            i += 1
            total += weights[i]
        found[j] = i
    return found
