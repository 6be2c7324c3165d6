r"""Histogram: the density is the share of the items in each cell, over the cell's volume.

A grid of K_1 x ... x K_D equal cells covers the box of the training items. With n_k of the N items in the cell of x,
whose volume is v,

.. math:: p(x) = \frac{n_k + \alpha}{v \, (N + \alpha M)}

and 0 outside of the box. With :math:`\alpha = 0` these are the shares that make the data most likely; with
:math:`\alpha = 1/2` the mean of what is believed of them after Jeffreys's prior, and no cell of the M is impossible.

**Assumes** a bounded variable, and few columns: the number of cells grows as a power of D, and beyond three or four
columns nearly all are empty. Bins too wide hide the shape, too narrow ones show noise: by default their number is the
most probable one (:mod:`~peira.latent.histogram_bins` has the rules). Estimates jump at the edges; a kernel density is
smooth, and closer for smooth densities (error N^(-4/5) against N^(-2/3) in one column).

**Cost.** N D for a given number of bins; N D times the numbers tried, at most 500, to choose. Memory: cells that are
not empty, at most N.

Reference: Bishop (2006), 2.5, eq. 2.241; Scott (1992), Multivariate Density Estimation, chapter 3; Knuth (2006), arXiv
physics/0605197, eqs. 31 and 39 (the mean).
"""

import math
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, Density, choice, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from ..core.seeds import draw_seed
from .density_plot import plot_density
from .histogram_bins import cells, numbers_of_bins, require_cells


class HistogramDensity(Density):
    """Density by counting in cells.

    Attributes
    ----------
    lows_, highs_ : array or tensor of shape (D,)
        The box that the cells fill.
    n_bins_ : int array of shape (D,)
        Bins of each column.
    cells_ : int array or tensor of shape (M,)
        Numbers of the cells that are not empty, ascending; the first column counts slowest.
    counts_ : array or tensor of shape (M,)
        The weight in each.

    Examples
    --------
    >>> from peira.latent import HistogramDensity
    >>> model = HistogramDensity(bins=2).fit([[0.0], [1.0], [2.0], [8.0]])
    >>> model.n_bins_, model.log_prob([[1.0], [9.0]]).round(3)
    (array([2]), array([-1.674,   -inf]))
    """

    card = Card(tasks="density", reference="Knuth (2006); Scott (1992) chapter 3", cost="N D", largest={"D": 4})
    bins: int | Literal["knuth", "least_squares", "fd", "scott"] = param(
        "knuth",
        "bins of each column: a number, the most probable, the best when one item is left out, or a rule of widths",
        low=1,
        tune=choice("knuth", "least_squares", "fd", "scott"),
        positional=True,
    )
    alpha: float = param(0.0, "what is added to each count; 1/2 is Jeffreys's prior", low=0, tune=choice(0.0, 0.5))

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "HistogramDensity":
        """Choose the cells, and count.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            No column constant.
        y : ignored
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal rows.

        Returns
        -------
        self
        """
        data = self._begin(X, None, sample_weight)
        kept = slice(None) if data.w is None else data.w > 0
        X_kept, w = data.X[kept], None if data.w is None else data.w[kept]
        low, high = X_kept.min(0).values, X_kept.max(0).values
        size = high - low
        odd = ~((size > 0) & size.isfinite())
        if bool(odd.any()):
            d = int(odd.nonzero()[0])
            what = "reaches beyond the range of numbers" if float(size[d]) > 0 else f"is constant ({float(low[d]):g})"
            raise DataError(
                f"column {(data.names or ())[d]!r} {what} in the n_samples={len(X_kept)} rows"
                f"{' (1 sample)' if len(X_kept) == 1 else ''}, so that it has no density: drop it, or rescale it"
            )
        T = (X_kept - low) / size
        rule = self.bins
        K = numbers_of_bins(rule, T, w) if isinstance(rule, str) else np.full(T.shape[1], int(rule), dtype=np.int64)
        require_cells(K)
        codes, place = torch.unique(cells(T, K), return_inverse=True)
        ones = torch.ones(len(T), dtype=T.dtype, device=T.device) if w is None else w
        self.lows_, self.highs_, self.n_bins_ = data.give(low.clone()), data.give(high.clone()), K
        self.cells_ = data.give(codes)
        self.counts_ = data.give(ones.new_zeros(len(codes)).index_add_(0, place, ones))
        return self

    def _log_density(self, queries: Queries) -> torch.Tensor:
        low, high, n = (queries.tensor(v) for v in (self.lows_, self.highs_, self.counts_))
        inside = ((queries.X - low >= 0) & (queries.X - high <= 0)).all(1)
        T = ((queries.X - low) / (high - low)).clamp(0, 1)
        codes, mine = torch.as_tensor(self.cells_, device=low.device), cells(T, self.n_bins_)
        place = torch.searchsorted(codes, mine).clamp(max=len(codes) - 1)
        n = torch.where(codes[place] == mine, n[place], 0.0)
        M = math.prod(self.n_bins_.tolist())
        log_v = float((high - low).log().sum()) - math.log(M)
        total = float(torch.as_tensor(self.counts_).sum()) + self.alpha * M
        return torch.where(inside, (n + self.alpha).log() - log_v - math.log(total), -torch.inf)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Draw items: a cell by its share, and any place in it; of shape (n_samples, D)."""
        rng = np.random.default_rng(draw_seed(random_state))
        low, high, n = (np.asarray(torch.as_tensor(v).cpu()) for v in (self.lows_, self.highs_, self.counts_))
        K, codes = self.n_bins_, np.asarray(torch.as_tensor(self.cells_).cpu())
        drawn = rng.choice(codes, n_samples, p=n / n.sum())
        M = math.prod(K.tolist())
        anywhere = rng.random(n_samples) * (n.sum() + self.alpha * M) >= n.sum()
        drawn = np.where(anywhere, rng.integers(0, M, n_samples), drawn)
        bins = np.stack(np.unravel_index(drawn, K.tolist()), 1)
        return low + (high - low) * (bins + rng.random((n_samples, len(K)))) / K

    def plot(self, X: Any = None, ax: Any = None) -> Any:
        """Draw the density over one or two columns; see `plot_density` for the parameters."""
        low, high = (np.asarray(torch.as_tensor(v).cpu()) for v in (self.lows_, self.highs_))
        room = 0.03 * (high - low)
        return plot_density(self, low - room, high + room, X, ax)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, K = self.n_features_in_, getattr(self, "n_bins_", None)
        if not isinstance(K, np.ndarray) or K.shape != (D,) or K.dtype != np.int64 or not (K >= 1).all():
            raise UnreadableError(f"n_bins_ of a stored HistogramDensity must be {D} numbers of bins")
        try:
            require_cells(K)
        except DataError as error:
            raise UnreadableError(str(error)) from error
        low, high, codes, n = (
            torch.as_tensor(v) if isinstance(v, np.ndarray | torch.Tensor) else torch.zeros(0)
            for v in (getattr(self, name, None) for name in ("lows_", "highs_", "cells_", "counts_"))
        )
        box = low.shape == high.shape == (D,) and low.dtype == high.dtype == torch.float64
        if not box or not bool((low < high).all() and (high - low).isfinite().all()):
            raise UnreadableError("lows_ and highs_ of a stored HistogramDensity must be the ends of its columns")
        counted = codes.dtype == torch.int64 and codes.dim() == 1 and len(codes) > 0 and n.shape == codes.shape
        if not counted or n.dtype != torch.float64 or not bool((n > 0).all() and n.sum().isfinite()):
            raise UnreadableError("cells_ and counts_ of a stored HistogramDensity must be cells and their weights")
        if not bool((codes.diff() > 0).all()) or int(codes[0]) < 0 or int(codes[-1]) >= math.prod(K.tolist()):
            raise UnreadableError("cells_ of a stored HistogramDensity must be rising numbers of its cells")
