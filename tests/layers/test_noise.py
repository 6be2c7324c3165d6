"""Dropout and Gaussian noise keep means while learning, and are absent in answers."""

import pytest
import torch
from torch import nn

from peira.core.errors import ParameterError
from peira.layers import GaussianNoise, dropout


@pytest.mark.parametrize("kind", ["elements", "channels", "alpha"])
@pytest.mark.parametrize("dims", [0, 1, 2, 3])
def test_dropout_keeps_the_moments_it_promises(seed, kind, dims):
    torch.manual_seed(seed)
    x = torch.randn(4000, 5, *(2, 2, 2)[:dims])
    layer = dropout(0.3, kind, dims)
    y = layer(x)
    flat = y.flatten(2) if dims else y[:, :, None]
    if kind == "alpha":
        assert y.mean().item() == pytest.approx(0, abs=0.03)
        assert y.var().item() == pytest.approx(1, abs=0.05)
    else:
        gone = flat == 0
        assert gone.float().mean().item() == pytest.approx(0.3, abs=0.03)
        torch.testing.assert_close(y[y != 0], (x / 0.7)[y != 0])
        together = gone.all(2) | ~gone.any(2)
        assert together.all() == (kind == "channels" or dims == 0)
    assert layer.eval()(x) is x or torch.equal(layer.eval()(x), x)


def test_gaussian_noise(seed):
    torch.manual_seed(seed)
    x = torch.randn(300, 200)
    noise = GaussianNoise(0.5)
    added = noise(x) - x
    assert added.mean().item() == pytest.approx(0, abs=0.01)
    assert added.std().item() == pytest.approx(0.5, rel=0.02)
    assert noise.eval()(x) is x
    assert GaussianNoise(0)(x) is x


def test_small_noise_on_inputs_is_a_penalty_on_slopes(seed):
    """E (f(x + e) - t)^2 = (f(x) - t)^2 + s^2 |w|^2, exactly so for a linear f (Bishop 1995)."""
    torch.manual_seed(seed)
    f = nn.Linear(4, 1).double()
    x, s = torch.randn(1, 4, dtype=torch.float64), 0.3
    many = GaussianNoise(s)(x.expand(400_000, 4))
    with torch.no_grad():
        noisy = (f(many) - 2).square()
        expected = (f(x) - 2).square() + s**2 * f.weight.square().sum()
    assert abs(noisy.mean() - expected) < 5 * noisy.std() / 400_000**0.5


@pytest.mark.parametrize("p", [1.0, -0.1, float("nan")])
def test_probabilities_have_a_range(p):
    with pytest.raises(ParameterError, match=r"\[0, 1\)"):
        dropout(p)


def test_what_does_not_exist():
    with pytest.raises(ParameterError, match="did you mean 'channels'"):
        dropout(0.1, "chanels")
    for std in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ParameterError, match="0 or above"):
            GaussianNoise(std)
