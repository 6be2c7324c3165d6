r"""k-medians: K centres that bear outliers, since they are medians.

.. math:: J(r, c) = \sum_n w_n \| x_n - c_{r_n} \|_1

The two half-steps of k-means with Manhattan distances: each item goes to the nearest centre, and each entry of a centre
becomes the weighted median of its cluster's entries in that column, which is the point with the least sum of absolute
distances. Neither raises J. A value far off pulls a median no further than a near one does.

First centres are rows drawn as in k-means++, with a probability that grows with the distance (not its square, as J is a
sum of distances).

**Use it** when some entries are wild. The centres are not rows of the data: `KMedoids` picks rows, for any metric.

Cost: T N (K D + D log N). Memory: N D and a block of distances.

Reference: Bradley, Mangasarian & Street (1996), Clustering via concave minimization, NIPS 9, 368-374, Algorithm 2.3;
Arthur & Vassilvitskii (2007), SODA, section 5 (seeding for other powers of the distance).
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, integer, iterate, param
from ..core.inputs import Queries
from ..core.iteration import reason_to_stop
from ..numerics.distances import blocked, metric, scale
from .centre_clusterer import CentreClusterer
from .k_means import require_rows, used_first
from .k_means_seeding import Costs, plus_plus_rows, random_rows
from .kmeans import first_centres

MANHATTAN = metric("manhattan")


class KMedians(CentreClusterer):
    """k-means with medians and Manhattan distances.

    Attributes
    ----------
    cluster_centers_ : array of shape (K, D)
    labels_ : int array of shape (N,)
    inertia_ : float
        J: the weighted sum of Manhattan distances of the items to their centres.
    n_iter_ : int

    Examples
    --------
    >>> from peira.latent import KMedians
    >>> model = KMedians(2, n_init=10, random_state=0).fit([[0.0], [1.0], [2.0], [90.0], [91.0], [200.0]])
    >>> sorted(model.cluster_centers_[:, 0].tolist()), model.inertia_
    ([1.0, 91.0], 112.0)
    """

    card = Card(
        tasks="clustering", reference="Bradley, Mangasarian & Street (1996), Algorithm 2.3", cost="T N (K D + D log N)"
    )
    n_clusters: int = param(8, "number of clusters, K", low=1, tune=integer(2, 12), positional=True)
    init: Literal["k-means++", "random"] | np.ndarray | list | torch.Tensor = param(
        "k-means++", "first centres: rows spread out, rows at random, or centres (K, D)"
    )
    n_init: int = param(1, "starts, of which the best is kept", low=1)
    max_iter: int = param(300, "most steps of a run", low=1)
    tol: float = param(0.0, "share of the cost by which a step has to lower it, or it is the last", low=0)
    random_state: Any = param(None, "seed of the starts")

    @classmethod
    def example(cls) -> "KMedians":
        """Few clusters, for few rows."""
        return cls(3, random_state=0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "KMedians":
        """Find the centres.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        data = self._begin(X, None, sample_weight)
        w = data.tensor(np.ones(len(data))) if data.w is None else data.w
        require_rows(int((w > 0).sum()), self.n_clusters, type(self).__name__)
        init, generator = first_centres(self, data), data.generator()
        s = scale(data.X)
        rows = data.X if s == 1.0 else data.X * s
        runs: list[tuple[torch.Tensor, torch.Tensor, float]] = []
        notes: dict[str, Any] = {}
        for _ in range(1 if isinstance(init, torch.Tensor) else self.n_init):
            if isinstance(init, torch.Tensor):
                C = init * s
            elif init == "random":
                C = random_rows(rows, self.n_clusters, generator, w)
            else:
                C = rows[plus_plus_rows(rows, self.n_clusters, generator, w, Costs(rows, MANHATTAN))]
            found = self._run(rows, w, C, s)
            if not runs or found[2] < runs[0][2]:
                runs, notes = [found], {n: getattr(self, n) for n in ("history_", "n_iter_", "stopped_")}
            if reason_to_stop():
                break
        for name, value in notes.items():
            setattr(self, name, value)
        C, codes, cost = runs[0]
        order, codes = used_first(codes, len(C))
        self.cluster_centers_, self.labels_ = data.give(C[order] / s), data.give(codes)
        self.inertia_ = cost / s
        return self

    def _run(
        self, X: torch.Tensor, w: torch.Tensor, C: torch.Tensor, s: float
    ) -> tuple[torch.Tensor, torch.Tensor, float]:
        codes, costs = _nearest(X, C)
        for step in iterate(
            self, self.max_iter, name="Lloyd", expect={"cost_assigned": "decrease", "cost_updated": "decrease"}
        ):
            assigned = float(w @ costs)
            refilled = _fill_empty(codes, costs, w, len(C))
            C = _medians(X, w, codes, C)
            updated = float(w @ (X - C[codes]).abs().sum(1))
            before = codes
            codes, costs = _nearest(X, C)
            changed = int((codes != before).sum())
            gain = (assigned - float(w @ costs)) / assigned if assigned > 0 else 0.0
            step.record(
                cost_assigned=assigned / s, cost_updated=updated / s, refilled=refilled, changed=changed, gain=gain
            )
            if step.reached("gain", self.tol):
                break
        return C, codes, float(w @ costs)

    def _to_centres(self, queries: Queries) -> torch.Tensor:
        C = queries.tensor(self.cluster_centers_)
        return torch.cat([block for _, block in blocked(queries.X, C, MANHATTAN)])

    def _costs(self, queries: Queries) -> torch.Tensor:
        return self._to_centres(queries).amin(1)

    def _assign(self, queries: Queries) -> torch.Tensor:
        return self._to_centres(queries).argmin(1)


def _nearest(X: torch.Tensor, C: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest centre of each row, and the distance to it."""
    least = [block.min(1) for _, block in blocked(X, C, MANHATTAN)]
    return torch.cat([m.indices for m in least]), torch.cat([m.values for m in least])


def _fill_empty(codes: torch.Tensor, costs: torch.Tensor, w: torch.Tensor, K: int) -> int:
    """Give each empty cluster the row that is farthest from its centre, in place; how many were filled."""
    members = torch.bincount(codes[w > 0], minlength=K)
    empty = (members == 0).nonzero()[:, 0].tolist()
    filled = 0
    if empty:
        costs = torch.where(w > 0, costs, 0.0)
        for n in costs.argsort(descending=True, stable=True).tolist():
            if filled == len(empty) or costs[n] == 0:
                break
            if members[codes[n]] > 1:
                members[codes[n]] -= 1
                codes[n] = empty[filled]
                filled += 1
    return filled


def _medians(X: torch.Tensor, w: torch.Tensor, codes: torch.Tensor, C: torch.Tensor) -> torch.Tensor:
    """The weighted median of each cluster and column; halfway between two where they divide the weight evenly."""
    C = C.clone()
    for k in range(len(C)):
        at = ((codes == k) & (w > 0)).nonzero()[:, 0]
        if len(at):
            values, order = X[at].sort(0)
            below = w[at][order].cumsum(0)
            half = below[-1] / 2
            even = (below - half).abs() <= 1e-12 * half
            low = ((below < half) & ~even).sum(0, keepdim=True)
            high = (low + even.gather(0, low)).clamp(max=len(at) - 1)
            C[k] = (values.gather(0, low) / 2 + values.gather(0, high) / 2)[0]
    return C
