"""Activations have the values and slopes of their formulas, and gains that keep net inputs at variance 1."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate
from sklearn.neural_network._base import ACTIVATIONS as THEIRS

from peira.core.errors import ParameterError
from peira.layers import Maxout, activation, gain, initialise, pieces
from peira.layers.activations import ACTIVATIONS
from tests.layers.by_hand import FUNCTIONS, KINKS

GRID = np.linspace(-20, 20, 4001)
ALIASES = {"logistic": "sigmoid", "silu": "swish"}


def values_and_slopes(name, z):
    z = torch.tensor(z, requires_grad=True)
    f = activation(name)(z)
    return f.detach().numpy(), torch.autograd.grad(f.sum(), z)[0].numpy()


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"maxout"}))
def test_values_and_slopes_are_those_of_the_table(name):
    f, slope = FUNCTIONS[ALIASES.get(name, name)]
    away = np.min([np.abs(GRID - kink) for kink in KINKS.get(name, [99])], axis=0) > 1e-9
    value, gradient = values_and_slopes(name, GRID)
    np.testing.assert_allclose(value, f(GRID), rtol=0, atol=1e-12)
    single = 1e-8 if name == "hard sigmoid" else 1e-12  # torch keeps its slope of 1/6 in single precision
    np.testing.assert_allclose(gradient[away], slope(GRID)[away], rtol=0, atol=single)
    differences = (f(GRID + 1e-6) - f(GRID - 1e-6)) / 2e-6
    np.testing.assert_allclose(gradient[away], differences[away], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["identity", "logistic", "tanh", "relu"])
def test_scikit_learns_names_mean_the_same(name):
    z = GRID.copy()
    THEIRS[name](z)
    np.testing.assert_allclose(values_and_slopes(name, GRID)[0], z, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("N", [0, 1, 2, 3])
def test_sizes(name, N):
    assert activation(name)(torch.zeros(N, 4)).shape == (N, 4 // pieces(name))


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 5), (1, 6, 3, 4)])
def test_maxout_takes_the_greatest_of_neighbouring_channels(seed, shape):
    z = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    for k in (1, 2, 3, 6):
        expected = torch.stack([z[:, c : c + k].amax(1) for c in range(0, 6, k)], 1)
        assert torch.equal(Maxout(k)(z), expected)


def test_maxout_says_what_does_not_divide():
    with pytest.raises(ValueError, match="takes 2 net inputs a unit, and 5"):
        Maxout()(torch.zeros(3, 5))


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ParameterError, match="did you mean 'leaky relu'"):
        activation("leakyrelu")


def test_selu_has_its_fixed_point_at_mean_0_and_variance_1():
    f = FUNCTIONS["selu"][0]

    def through(variance):
        """Mean and variance of f(z) for net inputs of mean 0, which weights of mean 0 make of any inputs."""
        z = np.linspace(-12, 12, 48001)
        p = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        h = f(math.sqrt(variance) * z)
        mean = integrate.trapezoid(p * h, z)
        return mean, integrate.trapezoid(p * h**2, z) - mean**2

    np.testing.assert_allclose(through(1), (0, 1), atol=1e-7)
    for variance in (0.5, 1.5):  # and it attracts (Klambauer et al. 2017, theorem 1)
        for _ in range(60):
            mean, variance = through(variance)
        np.testing.assert_allclose((mean, variance), (0, 1), atol=1e-5)


def test_gains_in_closed_form():
    leaky = math.sqrt(2 / (1 + 0.01**2))
    hard = math.sqrt(2 / math.pi) * math.exp(-0.5)  # E min(1, z^2) = 1 - 2 phi(1)
    expected = {"identity": 1, "relu": math.sqrt(2), "leaky relu": leaky, "selu": 1, "maxout": 1}
    for name, value in (expected | {"hard tanh": (1 - hard) ** -0.5}).items():
        assert gain(name) == pytest.approx(value, rel=1e-6), name
    assert gain("relu") == pytest.approx(torch.nn.init.calculate_gain("relu"))


def test_what_becomes_of_a_variance_that_is_a_little_off():
    """The slope of log E f(a z)^2 in log a^2 at a = 1: under 1 the variance comes back, over 1 it runs away."""
    z = np.linspace(-12, 12, 24001)
    p = np.exp(-(z**2) / 2)
    slopes = {}
    for name, (f, _) in FUNCTIONS.items():
        up, down = (math.log(integrate.trapezoid(p * f(math.exp(h) * z) ** 2, z)) for h in (1e-4, -1e-4))
        slopes[name] = (up - down) / 4e-4
    for name in ("identity", "relu", "leaky relu"):
        assert slopes[name] == pytest.approx(1, abs=1e-6)
    assert {name for name, slope in slopes.items() if slope > 1.01} == {"gelu", "swish", "hard swish"}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_the_gain_keeps_the_variance_of_net_inputs_through_a_layer(seed, name):
    torch.manual_seed(seed)
    H = 2000
    z = torch.randn(50, H * pieces(name))
    layer = initialise(torch.nn.Linear(H, H, bias=False), "lecun normal", gain=name)
    with torch.no_grad():
        assert layer(activation(name)(z)).square().mean().item() == pytest.approx(1, abs=0.05)
