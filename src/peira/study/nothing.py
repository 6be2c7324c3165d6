r"""Would the same method find as much where there is nothing? Clusters against references without structure.

A method that is asked for clusters gives some, also of noise. So what it found is compared with what it finds, with
the same settings, in data that have the spread of the table but no groups:

* *uniform*: over the box along the principal directions of the rows (Tibshirani, Walther & Hastie 2001, section 4b);
* *normal*: with the rows' covariance, one cloud.

Columns of words, and of numbers with few values, hold a lattice that is no structure: the references keep their values
and shuffle the rows, each such column by itself.

What is compared is the silhouette of the rows of one half by the clusters of the other half, and the other way round,

.. math:: T = \frac{1}{N} \left( \sum_{i \in B} s_i(A) + \sum_{i \in A} s_i(B) \right)

so that a cluster of one odd row, which the other half lacks, counts for nothing. It is taken twice: in all columns, and
in the plane through the centres of the clusters (the line, of two), where columns that have nothing to do with the
groups do not blur them. Structure is *clear* if one of the two exceeds every one of its references of both kinds, the
mean of either kind by at least `FAR` standard deviations (four: for normal values, 1 in 30,000; it leaves room for
having chosen the best of several methods and numbers of clusters), and by at least `LEAST`.

Reference: Tibshirani, Walther & Hastie (2001), Estimating the number of clusters in a data set via the gap statistic,
Journal of the Royal Statistical Society B 63, 411-423, for the references; the statistic is the silhouette and not
their logarithm of the scatter, since it is what the methods are compared by.
"""

import warnings
from typing import Any

import numpy as np

from ..core.errors import DataError, ParameterError
from ..core.seeds import derive
from .clustering import silhouettes
from .plane import principal
from .table_structures import TableClusterer
from .untargeted import few, halves

REFERENCES = 20
"""Of each kind."""
FAR = 4.0
LEAST = 0.05
_ROWS = 600
_FEW_VALUES = 10


def against_nothing(model: TableClusterer, Z: np.ndarray, seed: int) -> dict[str, Any]:
    """Compare what a fitted clusterer finds with what it finds in references.

    Parameters
    ----------
    model : TableClusterer
    Z : array of shape (N, D')
        What the method saw.
    seed : int

    Returns
    -------
    dict
        ``clear`` (bool); ``where``: "in all columns", or "between the centres" where only that is clear;
        ``silhouette`` there; and ``uniform`` and ``normal``: "mean", "std" and "max" of their references.

    Notes
    -----
    Costs 82 fits to at most 300 rows.
    """
    part = few(len(Z), _ROWS)
    Z, columns = Z[part], _columns(model)
    found = _crossed(model, Z, derive(seed, 0))
    nothing = {}
    for kind, draw in (("uniform", _uniform), ("normal", _normal)):
        seeds = [derive(seed, 1 + b) for b in range(REFERENCES)]
        drawn = (_reference(Z, columns, draw, np.random.default_rng(s)) for s in seeds)
        nothing[kind] = np.array([_crossed(model, made, s) for made, s in zip(drawn, seeds, strict=True)])
    told = [
        {"where": where, **_compared(float(found[i]), {kind: values[:, i] for kind, values in nothing.items()})}
        for i, where in enumerate(("in all columns", "between the centres"))
    ]
    return next((t for t in told if t["clear"]), told[0])


def _compared(found: float, nothing: dict[str, np.ndarray]) -> dict[str, Any]:
    """One statistic beside those of its references."""
    told: dict[str, Any] = {"silhouette": found, "clear": True}
    for kind, values in nothing.items():
        mean, std, most = (float(f(values)) for f in (np.mean, np.std, np.max))
        told[kind] = {"mean": mean, "std": std, "max": most}
        told["clear"] &= bool(found > most and found - mean > max(FAR * std, LEAST))
    return told


def _crossed(model: TableClusterer, Z: np.ndarray, seed: int) -> np.ndarray:
    """The mean silhouettes of rows by the clusters of the other half: in all columns, and between the centres."""
    terms: list[np.ndarray] = []
    for a, b in halves(len(Z), 2, seed):
        other = type(model)(**model.get_params(deep=False))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is not there can't be fitted well
                labels = np.asarray(other.learn(Z[a], None).answer("predict", Z[b]))
            between = _between(Z[a], other.labels_)
        except (DataError, ParameterError):  # more clusters than different rows, say
            labels, between = np.zeros(len(b), dtype=np.int64), np.eye(Z.shape[1])
        terms.append(np.column_stack([silhouettes(Z[b], labels), silhouettes(Z[b] @ between, labels)]))
    return np.concatenate(terms).mean(0)


def _between(Z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Orthonormal directions (D, K - 1) that span the centres of K clusters; at most as many as there are columns."""
    codes = np.unique(labels[labels >= 0])
    if len(codes) < 2:
        return np.eye(Z.shape[1])
    centres = np.stack([Z[labels == c].mean(0) for c in codes])
    return np.linalg.svd(centres - centres.mean(0), full_matrices=False)[2][: len(codes) - 1].T


def _reference(Z: np.ndarray, columns: list[np.ndarray], draw: Any, rng: np.random.Generator) -> np.ndarray:
    """Rows without groups: numbers that spread as those of Z do, and every other column shuffled by itself."""
    out = np.empty_like(Z)
    free = np.ones(Z.shape[1], dtype=bool)
    for together in columns:
        block = Z[:, together]
        if len(together) > 1 or len(np.unique(block)) <= _FEW_VALUES:
            out[:, together] = block[rng.permutation(len(Z))]
            free[together] = False
    if free.any():
        plane = principal(Z[:, free])
        out[:, free] = plane.mean + draw(plane.scores, rng) @ plane.directions.T
    return out


def _uniform(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(scores.min(0), scores.max(0), size=scores.shape)


def _normal(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=scores.shape) * scores.std(0)


def _columns(model: TableClusterer) -> list[np.ndarray]:
    """Which columns of the design stem from the same column of the table."""
    sources = sorted((plan["name"] for plan in model.design_.plans_), key=len, reverse=True)
    names = model.get_names()
    whose = [next((s for s in sources if str(name).startswith(s)), str(name)) for name in names]
    return [np.flatnonzero([w == source for w in whose]) for source in dict.fromkeys(whose)]
