r"""Histogram-based outlier score: is a value rare in its own column?

Each column has a histogram with K cells of equal width, scaled to a height of 1 for the fullest cell. With
:math:`h_j(x)` the height of the cell that holds the item's value in column j,

.. math:: s(x) = \sum_{j=1}^{D} \log ( h_j(x) + \alpha )

is, for :math:`\alpha` near 0 and up to a constant, the logarithm of a density in which the columns are independent.
``score_samples`` is s. Values up to ``tol`` cell widths beyond the end belong to the last cell; those farther out have
height 0. A missing value counts as the mean of the logarithms in its column.

**Assumes** that outliers are odd in single columns, or a little in many: it looks at no combination of columns, and is
blind to an item whose values are each common. In exchange it is by far the fastest detector, and columns need no scale.

**Cost.** N D for all; memory K D.

Reference: Goldstein & Dengel (2012), Histogram-based outlier score (HBOS): a fast unsupervised anomaly detection
algorithm, KI-2012 poster and demo track, 59-63: static bins.
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, OutlierDetector, integer, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from .histogram_bins import numbers_of_bins


class HBOS(OutlierDetector):
    """Outliers by the histograms of the columns.

    Parameters have PyOD's names; heights are scaled as in the paper.

    Attributes
    ----------
    lows_, highs_ : array of shape (D,)
        Ends of the columns' histograms.
    n_bins_ : int array of shape (D,)
    heights_ : array of shape (sum of ``n_bins_``,)
        Heights of the cells, column after column.
    missing_ : array of shape (D,)
        What a missing value adds to the score.
    offset_ : float
        The score below which items are outliers.
    reference_ : dict
        Scores of the training rows, for p-values.

    Examples
    --------
    >>> from peira.latent import HBOS
    >>> X = [[0.1, 1.0], [0.2, 1.1], [0.15, 0.9], [0.3, 1.0], [5.0, 9.0]]
    >>> HBOS(n_bins=4, contamination=0.2).fit(X).predict([[0.2, 1.0], [5.0, 9.0]])
    array([ 1, -1])
    """

    card = Card(tasks="anomaly", reference="Goldstein & Dengel (2012)", cost="N D", exact=True, missing=True)
    n_bins: int | Literal["auto"] = param(
        10, "cells of each column; 'auto' takes the most probable number", low=1, tune=integer(5, 50), positional=True
    )
    alpha: float = param(0.1, "what is added to each height, of 1 at most", above=0, high=1)
    tol: float = param(0.5, "how many cell widths beyond the end still belong to the last cell", low=0, high=1)
    contamination: float = param(0.1, "share of outliers among the training rows", above=0, high=0.5)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "HBOS":
        """Make the histograms.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            NaN are missing values.
        y : ignored
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal rows.

        Returns
        -------
        self
        """
        data = self._begin(X, None, sample_weight)
        w = torch.ones_like(data.X[:, 0]) if data.w is None else data.w
        ends, numbers, heights, missing = [], [], [], []
        names = data.names or ()
        for j, x in enumerate(data.X.T):
            seen = ~x.isnan() & (w > 0)
            if not bool(seen.any()):
                raise DataError(f"column {names[j]!r} has no value that is not missing: drop it")
            x, v = x[seen], w[seen]
            low, high = float(x.min()), float(x.max())
            size = high - low
            if not np.isfinite(size):
                raise DataError(f"column {names[j]!r} reaches beyond the range of numbers: rescale it")
            T = ((x - low) / (size or 1.0))[:, None]
            K = int(numbers_of_bins("knuth", T, v)[0]) if self.n_bins == "auto" else int(self.n_bins)
            places = (T[:, 0] * K).long().clamp(max=K - 1)
            n = v.new_zeros(K).index_add_(0, places, v)
            ends.append((low, high))
            numbers.append(K)
            heights.append(n / n.max())
            missing.append(float((v @ (heights[-1][places] + self.alpha).log()) / v.sum()))
        self.lows_, self.highs_ = (np.array(end) for end in zip(*ends, strict=True))
        self.n_bins_, self.missing_ = np.array(numbers, dtype=np.int64), np.array(missing)
        self.heights_ = torch.cat(heights).numpy(force=True)
        self._settle(self._usualness(data), data.w, contamination=self.contamination)
        return self

    def _usualness(self, queries: Queries) -> torch.Tensor:
        total, heights = torch.zeros_like(queries.X[:, 0]), queries.tensor(self.heights_)
        starts = np.append(0, np.cumsum(self.n_bins_))
        for j, x in enumerate(queries.X.T):
            low, high, K = float(self.lows_[j]), float(self.highs_[j]), int(self.n_bins_[j])
            place = (x - low) / ((high - low) or 1.0) * K if high > low else torch.where(x == low, 0.0, torch.inf)
            place = torch.where(
                x > high, torch.where(place - K <= self.tol, K - 1.0, -torch.inf), place.clamp(max=K - 1)
            )
            place = torch.where((place < 0) & (-place <= self.tol), 0.0, place)
            inside = place.isfinite() & (place >= 0)
            h = heights[starts[j] : starts[j + 1]][torch.where(inside, place, 0.0).long()]
            score = (torch.where(inside, h, 0.0) + self.alpha).log()
            total += torch.where(x.isnan(), float(self.missing_[j]), score)
        return total

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, K = self.n_features_in_, getattr(self, "n_bins_", None)
        if not isinstance(K, np.ndarray) or K.shape != (D,) or K.dtype != np.int64 or not (K >= 1).all():
            raise UnreadableError(f"n_bins_ of a stored HBOS must be {D} numbers of cells")
        shapes = {"lows_": D, "highs_": D, "missing_": D, "heights_": int(K.sum())}
        for name, size in shapes.items():
            value = getattr(self, name, None)
            if not (
                isinstance(value, np.ndarray)
                and value.shape == (size,)
                and value.dtype == np.float64
                and np.isfinite(value).all()
            ):
                raise UnreadableError(f"{name} of a stored HBOS must be {size} finite numbers")
        if (self.lows_ > self.highs_).any() or (self.heights_ < 0).any():
            raise UnreadableError("a stored HBOS needs heights >= 0, and columns that end after they begin")
