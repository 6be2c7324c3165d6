"""Structure without labels: components, manifolds, clusters, mixtures, densities, outliers."""

from ..core.registry import offer

__getattr__, __dir__ = offer(__name__)
