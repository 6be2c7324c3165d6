r"""Isolation forest: unusual items are few and different, so random cuts set them apart early.

T trees are grown, each on :math:`\psi` rows drawn without replacement. A node cuts a random column at a random place
(:mod:`~peira.latent.isolation_trees`), down to the depth :math:`\log_2 \psi`, about that of an average item. With h(x)
the length of an item's path in a tree and c the mean length among random keys,

.. math:: s(x) = 2^{- E[h(x)] / c(\psi)}, \quad c(n) = 2 H_{n-1} - 2 (n - 1) / n

is near 1 for items that are isolated after few cuts, about 1/2 for those that fall as deep as average ones, and towards
0 for those in the densest parts. ``score_samples`` is -s(x); with ``contamination="auto"`` items with s above 1/2 are
outliers.

**Assumes** that outliers are few in each sample, and stand out in single columns or few of them: cuts are parallel to
the axes. No distance is measured, so columns need no common scale, and idle columns only thin the cuts out. The sample
is small on purpose: outliers that would hide each other in all rows rarely meet in 256. Items between clusters, close
to the rest in each column taken by itself, are missed; use :mod:`~peira.latent.local_outlier_factor` there.

**Cost.** A fit takes T psi log psi for the trees, and, as any question, N T log psi for the scores. Memory: 48 T psi
bytes for the trees.

Reference: Liu, Ting & Zhou (2008), Isolation forest, ICDM, 413-422: Algorithms 1 to 3, eqs. 1 and 2; and (2012), ACM
Transactions on Knowledge Discovery from Data 6 (1), 3.
"""

import math
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, OutlierDetector, integer, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from .isolation_trees import Forest, average_path, grow, path_lengths


class IsolationForest(OutlierDetector):
    """Isolation forest: outliers are the items that few random cuts set apart.

    Of scikit-learn's parameters it leaves out ``n_jobs``, ``verbose`` and ``warm_start``. Path lengths use the exact
    harmonic numbers, not their logarithm.

    Attributes
    ----------
    offset_ : float
        The score below which items are outliers; -0.5 for ``contamination="auto"``.
    max_samples_ : int
        psi, the rows of each tree.
    forest_ : dict
        The trees: "columns", "thresholds", "children", "lengths" of the nodes, and "roots".
    reference_ : dict
        Scores of the training rows, for p-values.
    seed_ : int

    Examples
    --------
    >>> from peira.latent import IsolationForest
    >>> X = [[-1.1], [0.3], [0.5], [100.0]]
    >>> IsolationForest(random_state=0).fit(X).predict([[0.1], [0.0], [90.0]])
    array([ 1,  1, -1])
    """

    card = Card(tasks="anomaly", reference="Liu, Ting & Zhou (2008) Algorithms 1-3", cost="T log N + N T")
    n_estimators: int = param(100, "number of trees T", low=1, tune=integer(50, 300))
    max_samples: int | float | Literal["auto"] = param(
        "auto", "rows for each tree: a number, a share of N, or 'auto' for 256 or N, whichever is less", above=0
    )
    contamination: float | Literal["auto"] = param(
        "auto", "share of outliers among the training rows; 'auto' calls outlier what falls less deep than average",
        above=0, high=0.5,
    )  # fmt: skip
    max_features: int | float = param(1.0, "columns that each tree may cut: a number, or a share of D", above=0)
    bootstrap: bool = param(False, "draw the rows of a tree with replacement")
    random_state: object = param(None, "seed of the cuts, or None to draw one")

    @classmethod
    def example(cls) -> "IsolationForest":
        return cls(n_estimators=20, random_state=0)

    def fit(self, X: Any, y: Any = None) -> "IsolationForest":
        """Grow the trees.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored

        Returns
        -------
        self
        """
        data = self._begin(X)
        rows = np.ascontiguousarray(data.X.numpy(force=True))
        N, D = rows.shape
        psi, d = _part(self.max_samples, N, most=256), _part(self.max_features, D, most=D)
        rng, T = data.rng(), self.n_estimators
        samples = np.stack([rng.choice(N, psi, replace=self.bootstrap) for _ in range(T)])
        columns = np.stack([rng.choice(D, d, replace=False) for _ in range(T)])
        self.max_samples_ = psi
        self.forest_ = grow(rows, samples, columns, self._depth(), rng)._asdict()
        self._settle(self._usualness(data), contamination=self.contamination, auto=-0.5)
        return self

    def _depth(self) -> int:
        return math.ceil(math.log2(max(self.max_samples_, 2)))

    def _usualness(self, queries: Queries) -> torch.Tensor:
        rows = np.ascontiguousarray(queries.X.numpy(force=True))
        h = path_lengths(rows, Forest(**self.forest_), self._depth())
        c = float(average_path(self.max_samples_)) or 1.0  # a single row: every path has length 0
        return queries.tensor(-(2.0 ** (-h / c)))

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        psi, forest = getattr(self, "max_samples_", None), getattr(self, "forest_", None)
        if type(psi) is not int or not 1 <= psi < 2**31:
            raise UnreadableError("max_samples_ of a stored IsolationForest must be a number of rows")
        if (
            not isinstance(forest, dict)
            or set(forest) != set(Forest._fields)
            or not _is_sound(forest, self.n_features_in_)
        ):
            raise UnreadableError("forest_ of a stored IsolationForest must be trees whose nodes lead to each other")


def _part(given: int | float | str, whole: int, most: int) -> int:
    """How many that is: a number as far as there are so many, a share, or "auto"."""
    if given == "auto":
        return min(most, whole)
    if isinstance(given, int | np.integer):
        return min(int(given), whole)
    return max(1, min(int(given * whole), whole))


def _is_sound(forest: dict[str, Any], D: int) -> bool:
    kinds = dict.fromkeys(("columns", "children", "roots"), np.int32) | dict.fromkeys(
        ("thresholds", "lengths"), np.float64
    )
    for name, kind in kinds.items():
        if not isinstance(forest[name], np.ndarray) or forest[name].ndim != 1 or forest[name].dtype != kind:
            return False
    columns, thresholds, children, lengths, roots = (forest[name] for name in Forest._fields)
    n, node = len(columns), np.arange(len(columns))
    last = children == node
    return bool(
        n
        and len(roots)
        and len(thresholds) == len(children) == len(lengths) == n
        and ((columns >= 0) & (columns < D)).all()
        and (last | ((children > node) & (children < n - 1))).all()
        and ((roots >= 0) & (roots < n)).all()
        and (np.isfinite(thresholds) | (last & (thresholds == np.inf))).all()
        and (last == (thresholds == np.inf)).all()
        and (np.isfinite(lengths) & (lengths >= 0)).all()
    )
