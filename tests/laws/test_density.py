"""Laws of ``log_prob`` and ``sample``: densities integrate to one, and samples look like what was learned."""

import numpy as np

from peira.core import Density
from tests.contract.discovery import as_array, experience, for_methods, taught

continuous = for_methods(
    lambda cls: issubclass(cls, Density) and not cls.example().__sklearn_tags__().input_tags.positive_only
)


@for_methods(lambda cls: issubclass(cls, Density))
def test_every_name_of_the_density_says_the_same(cls, seed):
    data, (method, _) = experience(cls, seed), taught(cls, seed)
    logs = as_array(method.log_prob(data.X))
    assert logs.shape == (len(data),)
    np.testing.assert_array_equal(as_array(method.score_samples(data.X)), logs)
    np.testing.assert_allclose(method.score(data.X), logs.mean(), rtol=1e-12)
