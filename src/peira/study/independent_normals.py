r"""Independent normal columns: what any density has to beat.

.. math:: p(x) = \prod_d \mathcal{N}(x_d \mid \mu_d, \sigma_d^2)

with the columns' means and variances, the maximum-likelihood estimates. It knows neither that columns depend on each
other, nor that there are several kinds of rows, nor heavy tails; a density that explains unseen rows no better has
found none of these. A column without any spread has no density: it gets the variance that rounding leaves, and is
reported.

**Cost.** N D, in one pass. Reference: Bishop (2006), Pattern Recognition and Machine Learning, 2.3.4.
"""

import math
import warnings
from typing import Any

import numpy as np
import torch

from ..core import Card, Density, Method, UnreadableError
from ..core.errors import DataError, RankWarning
from ..core.inputs import Queries
from ..core.seeds import draw_seed

FLOOR = 1e-12
"""Least variance, in units of the column's largest square (or of one)."""


class IndependentNormals(Density):
    """Independent normal columns.

    Attributes
    ----------
    mean_, variance_ : array of shape (D,)

    Examples
    --------
    >>> from peira.study.independent_normals import IndependentNormals
    >>> IndependentNormals().fit([[0.0], [2.0]]).log_prob([[1.0]]).round(4)
    array([-0.9189])
    """

    card = Card(
        tasks="density",
        reference="Bishop (2006) 2.3.4",
        cost="N D",
        exact=True,
        baseline=True,
    )

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "IndependentNormals":
        """Learn means and variances.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal rows.

        Warns
        -----
        RankWarning
            If a column has no spread.
        """
        data = self._begin(X, None, sample_weight)
        w = torch.ones(len(data), dtype=data.X.dtype, device=data.X.device) if data.w is None else data.w
        w = w / w.sum()
        mean = w @ data.X
        variance = w @ (data.X - mean) ** 2
        squares = (data.X**2).amax(0)
        if not (finite := (variance + squares).isfinite()).all():
            raise DataError(
                f"the squares of column {data.names[int((~finite).nonzero()[0])]!r} are too large for floating point: "
                "choose another unit, or standardise"
            )
        floor = FLOOR * squares.clamp(min=1.0)
        if (flat := variance < floor).any():
            names = ", ".join(str(name) for name, none in zip(data.names, flat.tolist(), strict=True) if none)
            warnings.warn(f"columns without spread have no density: {names}", RankWarning, stacklevel=2)
        self.mean_, self.variance_ = data.give(mean), data.give(torch.maximum(variance, floor))
        return self

    def sample(self, n_samples: int = 1, random_state: int | None = None) -> Any:
        """Draw new rows.

        Parameters
        ----------
        n_samples : int, default 1
        random_state : int, optional

        Returns
        -------
        array of shape (n_samples, D)
        """
        rng = np.random.default_rng(draw_seed(random_state))
        draws = rng.normal(size=(n_samples, self.n_features_in_))
        return np.asarray(self.mean_) + draws * np.sqrt(np.asarray(self.variance_))

    def _log_density(self, queries: Queries) -> torch.Tensor:
        mean, variance = queries.tensor(self.mean_), queries.tensor(self.variance_)
        squares = ((queries.X - mean) ** 2 / variance).sum(1)
        return -0.5 * (squares + variance.log().sum() + self.n_features_in_ * math.log(2 * math.pi))

    def _check_learned(self) -> None:
        super()._check_learned()
        check_moments(self)


def check_moments(model: Method) -> None:
    """Refuse a stored mean and variance of each column that no fit gives."""
    if not model.__sklearn_is_fitted__():
        return
    owner = type(model).__name__
    for name in ("mean_", "variance_"):
        value = np.asarray(getattr(model, name, 0))
        if value.shape != (model.n_features_in_,) or not np.isfinite(value).all():
            raise UnreadableError(f"{owner}.{name} should be a finite number for each column")
    if not (np.asarray(model.variance_) > 0).all():
        raise UnreadableError(f"{owner}.variance_ should be positive")
