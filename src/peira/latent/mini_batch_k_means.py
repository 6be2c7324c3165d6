r"""Mini-batch k-means: centres that learn from a few rows at a time.

A batch B of rows drawn at random goes to the nearest centres; each centre becomes the mean of all rows that it has ever
been given, of which there are v:

.. math:: v_k \leftarrow v_k + n_k, \quad c_k \leftarrow c_k + (\sum_{n \in B, \, r_n = k} x_n - n_k c_k) / v_k

This is a step down the gradient of J with a rate :math:`1 / v_k` of its own for each centre. The cost comes near to
that of k-means, after a fraction of the work where N is large; ``partial_fit`` learns from a stream.

**Draws.** A row is drawn with a probability in proportion to its weight, and then counts once. An epoch is as many
draws as the weights add up to. **Centres that hardly any row is given** (fewer than ``reassignment_ratio`` times the
most) are moved to rows of the batch now and then, which the history counts.

**It ends** when the smoothed cost of the batches has not fallen for ``max_no_improvement`` of them, or the moves of the
centres in a batch, over the mean variance of the columns, are at most ``tol``.

**Use it** for more than some hundred thousand rows, or rows that come in blocks. `KMeans` finds better centres, and for
rows in memory it is often as fast, since its bounds skip most of the work.

Cost: T B K D for T batches, and N K D for the labels at the end.

Reference: Sculley (2010), Web-scale k-means clustering, WWW, 1177-1178, Algorithm 1.
"""

from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse

from ..core import Card, integer, iterate, param
from ..core.inputs import Data, Matrix
from ..core.seeds import derive, torch_generator
from ..numerics.distances import scale
from .centre_clusterer import CentreClusterer
from .k_means import assign, require_rows, used_first
from .k_means_lloyd import PlainAssignment
from .k_means_seeding import Lots, plus_plus, random_rows
from .kmeans import first_centres


class MiniBatchKMeans(CentreClusterer):
    """k-means from small batches of rows.

    Attributes
    ----------
    cluster_centers_ : array of shape (K, D)
    labels_ : int array of shape (N,)
        Of the rows of the last ``fit`` or ``partial_fit``.
    inertia_ : float
        The weighted sum of their squared distances to their centres.
    counts_ : array of shape (K,)
        The weight v of the rows that each centre has been given.
    n_steps_ : int
        Batches.

    Examples
    --------
    >>> from peira.latent import MiniBatchKMeans
    >>> X = [[0.0], [1.0], [9.0], [10.0]]
    >>> labels = MiniBatchKMeans(2, random_state=0).fit_predict(X)
    >>> bool(labels[0] == labels[1] != labels[2] == labels[3])
    True
    """

    card = Card(
        tasks="clustering", reference="Sculley (2010), Algorithm 1", cost="T B K D", sparse=True,
        incremental="approximate",
    )  # fmt: skip
    n_clusters: int = param(8, "number of clusters, K", low=1, tune=integer(2, 12), positional=True)
    init: Literal["k-means++", "random"] | np.ndarray | list | torch.Tensor = param(
        "k-means++", "first centres: rows spread out, rows at random, or centres (K, D)"
    )
    max_iter: int = param(100, "most epochs", low=1)
    batch_size: int = param(1024, "rows in a batch, B", low=1)
    random_state: Any = param(None, "seed of the starts and batches")
    tol: float = param(0.0, "squared moves in a batch, over the mean variance of the columns, that end it", low=0)
    max_no_improvement: int | None = param(10, "batches without a lower smoothed cost that end it; None: none", low=1)
    init_size: int | None = param(None, "rows drawn to choose the first centres from; None: three batches", low=1)
    n_init: Literal["auto"] | int = param(
        "auto", "starts, of which the best on the rows drawn is taken; 'auto': 3 from random rows, else 1", low=1
    )
    reassignment_ratio: float = param(0.01, "share of the largest count below which a centre is moved", low=0, high=1)

    @classmethod
    def example(cls) -> "MiniBatchKMeans":
        """Few clusters, for few rows."""
        return cls(3, random_state=0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "MiniBatchKMeans":
        """Find the centres.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Warns
        -----
        ConvergenceWarning
            If the epochs ran out before the cost stopped falling.
        """
        data = self._begin(X, None, sample_weight)
        w = data.tensor(np.ones(len(data))) if data.w is None else data.w
        require_rows(int((w > 0).sum()), self.n_clusters, type(self).__name__)
        generator, s = data.generator(), scale(data.X)
        rows = data.X if s == 1.0 else data.X * s
        lots, W = Lots(rows), float(w.sum())
        C = self._start(rows, w, lots, generator, data, s)
        v = torch.zeros(self.n_clusters, dtype=w.dtype, device=w.device)
        B = max(1, min(self.batch_size, round(W)))
        spread = float(PlainAssignment(rows, w, C.numpy(force=True)).total) / (W * C.shape[1]) or 1.0
        smooth, cost, lowest, waited, since = min(1.0, 2 * B / (W + 1)), None, torch.inf, 0, 0
        draw = lots.repeated(w)
        total = max(1, -(-int(self.max_iter * round(W)) // B))
        for step in iterate(self, total, name="batches"):
            batch = rows[_index(rows, draw(B, generator))]
            codes = assign(batch, C)
            before = C
            inertia, C, v = _learn(batch, None, codes, C, v)
            since += B
            moved = 0
            if self.reassignment_ratio > 0 and (since >= 10 * self.n_clusters or bool((v == 0).any())):
                C, v, moved = self._reassign(batch, C, v, generator)
                since = 0
            shift = float((C - before).square().sum()) / spread
            cost = inertia / B if cost is None else cost + smooth * (inertia / B - cost)
            step.record(batch_inertia=inertia / B / s / s, smoothed_inertia=cost / s / s, shift=shift, reassigned=moved)
            waited, lowest = (0, cost) if cost < lowest else (waited + 1, lowest)
            if step.reached("shift", self.tol):
                break
            if self.max_no_improvement is not None and waited >= self.max_no_improvement:
                step.stop("no improvement")
                break
        self.n_steps_ = step.index + 1
        self.n_iter_ = -(-self.n_steps_ * B // max(1, round(W)))
        return self._settle(data, C / s, v)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "MiniBatchKMeans":
        """Learn from one more batch: all these rows. The first has to hold at least K rows."""
        data = self._continue(X, None, sample_weight)
        if not hasattr(self, "cluster_centers_"):
            w = data.tensor(np.ones(len(data))) if data.w is None else data.w
            require_rows(int((w > 0).sum()), self.n_clusters, type(self).__name__)
            s = scale(data.X)
            rows = data.X if s == 1.0 else data.X * s
            C = self._start(rows, w, None, data.generator(), data, s) / s
            v = torch.zeros(self.n_clusters, dtype=w.dtype, device=w.device)
            self.n_steps_ = 0
        else:
            C, v = data.tensor(self.cluster_centers_), data.tensor(self.counts_)
        s = scale(data.X, C)
        rows, C = (data.X, C) if s == 1.0 else (data.X * s, C * s)
        _, C, v = _learn(rows, data.w, assign(rows, C), C, v)
        if self.reassignment_ratio > 0 and bool((v == 0).any()):
            C, v, _ = self._reassign(rows, C, v, torch_generator(derive(self.seed_, self.n_steps_), data.device))
        self.n_steps_ += 1
        return self._settle(data, C / s, v)

    def _start(
        self, rows: Matrix, w: torch.Tensor, lots: Lots | None, generator: torch.Generator, data: Data, s: float
    ) -> torch.Tensor:
        """First centres: the best of some starts on some rows."""
        init = first_centres(self, data)
        if isinstance(init, torch.Tensor):
            return init * s
        n = max(self.init_size or 3 * self.batch_size, 3 * self.n_clusters)
        if lots is not None and n < len(w):
            rows = rows[_index(rows, lots.draw(w, n, generator))]
            w = torch.ones(n, dtype=w.dtype, device=w.device)
        seeding = plus_plus if init == "k-means++" else random_rows
        starts = (3 if init == "random" else 1) if self.n_init == "auto" else self.n_init
        best = seeding(rows, self.n_clusters, generator, w)
        least = _cost(rows, w, best) if starts > 1 else 0.0
        for _ in range(starts - 1):
            C = seeding(rows, self.n_clusters, generator, w)
            if (cost := _cost(rows, w, C)) < least:
                best, least = C, cost
        return best

    def _reassign(
        self, batch: Matrix, C: torch.Tensor, v: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Move the centres that were given too few rows to rows of the batch."""
        few = (v < self.reassignment_ratio * v.max()).nonzero()[:, 0]
        few = few[: batch.shape[0] // 2]  # never most of the batch
        if not len(few):
            return C, v, 0
        C, v = C.clone(), v.clone()
        C[few] = random_rows(batch, len(few), generator)
        kept = torch.ones(len(v), dtype=torch.bool, device=v.device)
        kept[few] = False
        v[few] = v[kept].min()
        return C, v, len(few)

    def _settle(self, data: Data, C: torch.Tensor, v: torch.Tensor) -> "MiniBatchKMeans":
        s = scale(data.X, C)
        codes = assign(data.X, C)
        order, codes = used_first(codes, len(C))
        plain = PlainAssignment(data.X if s == 1.0 else data.X * s, data.w, (C[order] * s).numpy(force=True))
        plain.take(codes)
        self.cluster_centers_, self.counts_ = data.give(C[order]), data.give(v[order])
        self.labels_ = data.give(codes)
        self.inertia_ = float(plain.w @ plain.costs((C[order] * s).numpy(force=True))) / s / s
        return self


def _index(rows: Matrix, at: torch.Tensor) -> Any:
    return at.numpy() if sparse.issparse(rows) else at


def _cost(rows: Matrix, w: torch.Tensor, C: torch.Tensor) -> float:
    """The sum of squared distances to the nearest of these centres."""
    plain = PlainAssignment(rows, w, C.numpy(force=True))
    plain.assign(C.numpy(force=True))
    return float(plain.w @ plain.costs(C.numpy(force=True)))


def _learn(
    batch: Matrix, w: torch.Tensor | None, codes: torch.Tensor, C: torch.Tensor, v: torch.Tensor
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Cost of a batch at the centres C, and the centres and counts after it."""
    plain = PlainAssignment(batch, w, C.numpy(force=True))
    plain.take(codes)
    cost = float(plain.w @ plain.costs(C.numpy(force=True)))
    n = C.new_tensor(plain.weights)
    sums = C.new_tensor(plain.sums) + n[:, None] * (C.new_tensor(plain.origin) - C)  # about the centres
    v = v + n
    return cost, C + sums / torch.where(v > 0, v, 1.0)[:, None], v
