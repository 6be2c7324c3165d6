"""Laws of ``predict`` for numbers: what the order of rows and columns and the origin of the target may not change."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from peira.core.registry import get_method
from peira.core.tasks import TASKS
from peira.training.network import Network
from tests.contract.discovery import (
    Experience,
    bundled,
    experience,
    for_methods,
    has,
    labelled,
    resamples,
    sharp,
    taught,
)

regressing = for_methods(lambda cls: "regression" in cls.card.tasks)


@for_methods(lambda cls: "regression" in cls.card.tasks and not resamples(cls) and not issubclass(cls, Network))
def test_the_order_of_the_rows_does_not_matter(cls, seed):
    """But for nets, which are dealt their rows in batches, and their first weights column by column."""
    data = experience(cls, seed)
    order = np.random.default_rng(seed).permutation(len(data))
    got = data[order].teach(sharp(cls)).predict(data.X)
    np.testing.assert_allclose(got, taught(cls, seed, tight=True)[1]["predict"], rtol=1e-4, atol=1e-4)


@for_methods(lambda cls: "regression" in cls.card.tasks and not issubclass(cls, Network))
def test_the_order_of_the_columns_does_not_matter(cls, seed):
    data = experience(cls, seed)
    order = np.random.default_rng(seed).permutation(data.X.shape[1])
    turned = Experience(data.X[:, order], data.y).teach(sharp(cls)).predict(data.X[:, order])
    np.testing.assert_allclose(turned, taught(cls, seed, tight=True)[1]["predict"], rtol=1e-4, atol=1e-4)


@for_methods(lambda cls: "regression" in cls.card.tasks and getattr(cls.example(), "fit_intercept", True))
def test_shifting_the_target_shifts_the_answer(cls, seed):
    data = experience(cls, seed)
    shifted = sharp(cls).fit(data.X, data.y + 100.0).predict(data.X) - 100.0
    np.testing.assert_allclose(shifted, taught(cls, seed, tight=True)[1]["predict"], rtol=1e-4, atol=1e-4)


@for_methods(lambda cls: "regression" in cls.card.tasks and getattr(cls.example(), "fit_intercept", True))
def test_a_constant_target_is_predicted_everywhere(cls, seed):
    data = experience(cls, seed)
    with np.errstate(all="ignore"):
        try:
            answer = sharp(cls).fit(data.X, np.full(len(data), -3.0)).predict(data.X * 5)
        except ValueError as error:
            pytest.skip(f"refused in words: {error}")
    np.testing.assert_allclose(answer, -3.0, rtol=1e-6)


@for_methods(
    lambda cls: any(TASKS[name].baseline for name in cls.card.tasks) and not cls.card.baseline and not labelled(cls)
)
def test_better_than_the_baseline_on_the_bundled_data(cls, seed):
    data = bundled(cls)
    train, test = train_test_split(np.arange(len(data)), test_size=0.3, random_state=seed)
    scale = Experience((data.X - data.X[train].mean(0)) / data.X[train].std(0), data.y)
    method = scale[train].teach(cls.example())
    baseline = scale[train].teach(get_method(TASKS[cls.card.tasks[0]].baseline).example())
    assert method.score(*scale[test].parts()) > baseline.score(*scale[test].parts()) + 0.2


@for_methods(lambda cls: has("predict_dist")(cls) and not cls.card.baseline and "regression" in cls.card.tasks)
def test_a_better_density_than_the_baseline_on_the_bundled_data(cls, seed):
    data = bundled(cls)
    train, test = train_test_split(np.arange(len(data)), test_size=0.3, random_state=seed)
    density = [
        data[train].teach(c.example()).predict_dist(data.X[test]).log_prob(data.y[test]).mean()
        for c in (cls, get_method("MeanRegressor"))
    ]
    assert density[0] > density[1] + 0.1


@regressing
def test_noise_free_linear_data_are_learned_nearly_exactly(cls, seed):
    """With many clean rows and little penalty at work, a method for linear problems finds the function."""
    if not cls.card.linear_in_inputs:
        return
    data = experience(cls, seed, N=400)
    X = (data.X - data.X.mean(0)) / data.X.std(0)
    data = Experience(X, 2.0 + X @ np.array([3.0, -2.0, 1.0, 4.0]) + 1e-3 * data.y)
    answer = data.teach(cls.example()).predict(data.X)
    assert np.corrcoef(answer, data.y)[0, 1] > 0.95  # a penalty may shrink it
