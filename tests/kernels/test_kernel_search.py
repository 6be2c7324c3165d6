"""The search over kernels: it finds planted structures, improves step by step, and says what it found."""

import itertools
import math

import numpy as np
import pytest
import torch

from peira.kernels import RBF, ConstantKernel, GaussianProcessRegressor, WhiteKernel
from peira.kernels.dot_product import DotProduct
from peira.kernels.kernel_search import Guess, KernelSearchRegressor, base_kernels, strongest_period
from peira.kernels.periodic import ExpSineSquared


def moves(model):
    return [(step["move"], type(getattr(step["base"], "kernel", step["base"]))) for step in model.steps_]


def test_a_line_and_a_smooth_function(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(80, 2)) * [10, 1]
    y = (X[:, 0] / 10) ** 2 + 3 * X[:, 1] + 0.1 * rng.normal(size=80)
    model = KernelSearchRegressor(max_depth=3, random_state=seed).fit(X, y)
    assert sorted(moves(model)[:2], key=str) == [("add", DotProduct), ("add", RBF)]
    bics = [step["bic"] for step in model.steps_]
    assert all(b < a - 2 for a, b in itertools.pairwise(bics)) and model.history_["bic"] == bics
    line, smooth = "a linear function of dose", "a smooth function of age"
    words = model.in_words(["age", "dose"])
    assert line in words[0] and smooth in words[0] and len(words) == 1 + len(bics)
    assert f"criterion {bics[-1]:.1f}" in words[-1]


def test_a_repetition_is_extrapolated(seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 20, 70))[:, None]
    f = 5 * np.sin(2 * np.pi * x[:, 0] / 3)
    model = KernelSearchRegressor(max_depth=2, random_state=seed).fit(x, f + 0.1 * rng.normal(size=70))
    assert ExpSineSquared in [base for _, base in moves(model)]
    ahead = np.linspace(21, 26, 20)[:, None]
    assert np.abs(model.predict(ahead) - 5 * np.sin(2 * np.pi * ahead[:, 0] / 3)).max() < 1.0
    assert model.predict_dist(ahead).std.shape == (20,)


@pytest.mark.parametrize("period", [0.5, 3.0, 7.0])
def test_strongest_period(period, seed):
    x = np.sort(np.random.default_rng(seed).uniform(0, 30, 200))
    t = np.cos(2 * np.pi * x / period) + 0.3 * x
    assert strongest_period(x, t) == pytest.approx(period, rel=0.03)


def test_the_criterion_is_that_of_the_process(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, 1))
    y = X[:, 0] ** 2 + 0.1 * rng.normal(size=30)
    y = (y - y.mean()) / y.std()
    model = KernelSearchRegressor(max_depth=1, random_state=seed).fit(X, y)
    (step,) = model.steps_
    process = GaussianProcessRegressor(kernel=step["kernel"], optimizer=None, normalize_y=True).fit(X, y)
    expected = -2 * process.log_marginal_likelihood_value_ + len(step["kernel"].theta) * math.log(30)
    assert step["bic"] == pytest.approx(expected, rel=1e-8)


def test_neighbours_and_what_was_learned():
    line, smooth = DotProduct(1.0, "fixed"), RBF()
    first = Guess(((ConstantKernel(2.0), smooth),))
    found = {(guess.move, repr(guess.kernel)) for guess in first.neighbours([smooth, line])}
    assert {move for move, _ in found} == {"add", "multiply", "replace"}  # nothing to drop from one factor
    second = Guess(((ConstantKernel(2.0), smooth), (ConstantKernel(3.0), line, smooth)))
    dropped = [guess.products for guess in second.neighbours([smooth]) if guess.move == "drop"]
    assert dropped == [
        ((ConstantKernel(3.0), line, smooth),),
        ((ConstantKernel(2.0), smooth), (ConstantKernel(3.0), smooth)),
        ((ConstantKernel(2.0), smooth), (ConstantKernel(3.0), line)),
    ]
    again = second.with_learned(second.kernel.with_theta(second.kernel.theta + 0.1), -10.0, 50)
    assert [[type(f) for f in factors] for factors in again.products] == [
        [type(f) for f in factors] for factors in second.products
    ]
    np.testing.assert_allclose(again.kernel.theta, second.kernel.theta + 0.1)
    assert again.bic == pytest.approx(20 + len(second.kernel.theta) * math.log(50))


def test_bases_are_in_the_units_of_the_columns(seed):
    X = torch.tensor(np.random.default_rng(seed).normal(size=(50, 2)) * [1e6, 1e-6])
    _, wide, *_, narrow, _, _ = base_kernels(X, X[:, 0])
    ratio = wide.kernel.length_scale / narrow.kernel.length_scale
    assert ratio == pytest.approx(float(X[:, 0].std() / X[:, 1].std()))
    few = base_kernels(torch.ones(5, 1, dtype=torch.float64), torch.zeros(5, dtype=torch.float64))
    assert [type(k) for k in few] == [RBF, DotProduct]  # five values are too few to repeat
    together = base_kernels(torch.ones(5, 6, dtype=torch.float64), torch.zeros(5, dtype=torch.float64))
    assert len(together) == 2 and len(together[0].length_scale) == 6


def test_noise_alone_is_told(seed):
    rng = np.random.default_rng(seed)
    model = KernelSearchRegressor(max_depth=3, random_state=0).fit(rng.normal(size=(40, 1)), rng.normal(size=40))
    assert model.steps_ == [] and isinstance(model.kernel_, WhiteKernel)
    assert model.in_words() == ["The target looks like noise with standard deviation 1."]
