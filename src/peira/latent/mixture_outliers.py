r"""Any density as a detector of outliers: what is unlikely is unusual.

.. math:: s(x) = \log p(x)

for a density p that another method learns: by default a mixture of three Gaussians, so that an item may be usual in any
of several clusters. Items below the quantile of ``contamination`` among the training items are outliers; p-values say
how rare so low a density is (the level set of a density is the smallest region that holds its share of the mass).

**Assumes** what the density assumes. It is learned with the outliers among the items: one flexible enough to put mass
on a single item (a component of its own, a narrow kernel) finds nothing odd about it. Densities in different units
differ by a constant, so that only ranks matter.

**Cost.** That of the density.

Reference: Bishop (1994), Novelty detection and neural network validation, IEE Proceedings: Vision, Image and Signal
Processing 141, 217-222.
"""

import inspect
from typing import Any

import torch

from ..core import Card, Density, Method, OutlierDetector, ParameterError, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from .gaussian_mixture import GaussianMixture

LEAST = -1e300  # an impossible item's score: a number, so that differences are


class DensityOutlierDetector(OutlierDetector):
    """Outliers by a low density, which another method learns.

    Attributes
    ----------
    density_ : Density
        The density, fitted.
    offset_ : float
        The score below which items are outliers.
    reference_ : dict
        Scores of the training rows, for p-values.

    Examples
    --------
    >>> from peira.latent import DensityOutlierDetector, KernelDensity
    >>> X = [[0.0], [0.1], [0.2], [5.0], [5.1], [5.2], [2.5]]
    >>> DensityOutlierDetector(KernelDensity(bandwidth=0.3), contamination=0.1).fit(X).predict([[0.1], [2.5], [9.0]])
    array([ 1, -1, -1])
    """

    card = Card(tasks="anomaly", reference="Bishop (1994)", cost="a fit of the density of N rows", wraps=True)
    density: Method | None = param(None, "the density; None is a mixture of three Gaussians", positional=True)
    contamination: float = param(0.1, "share of outliers among the training rows", above=0, high=0.5)

    @classmethod
    def example(cls) -> "DensityOutlierDetector":
        from .kernel_density import KernelDensity

        return cls(KernelDensity(bandwidth="normal_reference"))

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "DensityOutlierDetector":
        """Learn the density, and how low it is at the rows.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Passed on to the density, and counted among the scores.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If ``density`` is none, or takes no weights and some are given.
        """
        base = GaussianMixture(n_components=3, random_state=0) if self.density is None else self.density
        if not isinstance(base, Density):
            raise ParameterError(f"parameter 'density' must be a density of Peira, got {type(base).__name__}")
        if sample_weight is not None and "sample_weight" not in inspect.signature(base.fit).parameters:
            raise ParameterError(f"{type(base).__name__} takes no weights, but sample_weight was given")
        data = self._begin(X, None, sample_weight)
        weights = {} if data.w is None else {"sample_weight": data.w}
        rows = data.X.numpy(force=True) if data.as_numpy else data.X
        self.density_ = type(base)(**base.get_params(deep=False)).fit(rows, **weights)
        self._settle(self._usualness(data), data.w, contamination=self.contamination)
        return self

    def _usualness(self, queries: Queries) -> torch.Tensor:
        return self.density_._log_density(queries).clamp(min=LEAST)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        density = getattr(self, "density_", None)
        if not (
            isinstance(density, Density)
            and density.__sklearn_is_fitted__()
            and density.n_features_in_ == self.n_features_in_
        ):
            raise UnreadableError("density_ of a stored DensityOutlierDetector must be a density of its columns")
