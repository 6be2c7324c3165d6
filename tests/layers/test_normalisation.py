"""Normalisations are their formula; batch normalisation learns by batches and answers item by item."""

import numpy as np
import pytest
import torch
from torch import nn

from peira.core.errors import ParameterError
from peira.layers import normalisation

AXES = {
    "batch": lambda dims: (0, *range(2, dims + 2)),
    "layer": lambda dims: tuple(range(1, dims + 2)),
    "instance": lambda dims: tuple(range(2, dims + 2)),
    "group": lambda dims: tuple(range(2, dims + 3)),  # of (N, groups, channels of a group, *positions)
}


def random(*shape, seed):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 3 + 1


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["batch", "layer", "instance", "group"])
def test_by_definition(seed, kind, dims):
    if (kind, dims) == ("instance", 0):
        return
    x = random(4, 8, *(5, 3, 2)[:dims], seed=seed)
    layer = normalisation(kind, 8, dims, groups=2 if kind == "group" else None).double()
    with torch.no_grad():
        for w in layer.parameters():
            w.copy_(random(8, seed=seed + 1))
    each = (8, *(1,) * dims)
    gamma, beta = (w.detach().numpy().reshape(each) for w in layer.parameters())
    z, axes = x.numpy(), AXES[kind](dims)
    parts = z.reshape(4, 2, 4, *z.shape[2:]) if kind == "group" else z
    u = (parts - parts.mean(axes, keepdims=True)) / np.sqrt(parts.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layer(x).detach().numpy(), gamma * u.reshape(z.shape) + beta, atol=1e-12)


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
def test_batch_normalisation_answers_by_running_means(seed, dims):
    torch_layer = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dims](3).double()
    ours = normalisation("batch", 3, dims).double()
    mean, variance = np.zeros(3), np.ones(3)
    for n in range(5):
        x = random(6, 3, *(4, 3, 2)[:dims], seed=seed + n)
        torch.testing.assert_close(ours(x), torch_layer(x))
        z = np.moveaxis(x.numpy(), 1, -1).reshape(-1, 3)
        mean, variance = 0.9 * mean + 0.1 * z.mean(0), 0.9 * variance + 0.1 * z.var(0, ddof=1)
    ours.eval()
    torch_layer.eval()
    np.testing.assert_allclose(ours.running_mean, mean, atol=1e-14)
    np.testing.assert_allclose(ours.running_var, variance, atol=1e-14)
    torch.testing.assert_close(ours(x), torch_layer(x))
    torch.testing.assert_close(ours(x), torch.cat([ours(item[None]) for item in x]))
    assert ours.state_dict().keys() == torch_layer.state_dict().keys()


@pytest.mark.parametrize("dims", [0, 1, 2])
def test_a_batch_of_one_value_is_normalised_by_the_running_means(seed, dims):
    layer = normalisation("batch", 3, dims).double()
    layer(random(6, 3, *(4, 3)[:dims], seed=seed))
    before = {n: t.clone() for n, t in layer.state_dict().items()}
    lone = random(1, 3, *(1, 1)[:dims], seed=seed + 1)
    found = layer(lone)
    assert found.abs().sum() > 0
    assert all(torch.equal(t, before[n]) for n, t in layer.state_dict().items())
    torch.testing.assert_close(found, layer.eval()(lone))


def test_it_takes_away_shift_and_scale(seed):
    x = random(7, 4, seed=seed)
    layer = normalisation("batch", 4).double()
    torch.testing.assert_close(layer(5 * x + 3), layer(x), rtol=0, atol=1e-4)  # up to eps
    per_item = normalisation("layer", 4).double()
    c = torch.linspace(1, 9, 7, dtype=torch.float64)[:, None]
    torch.testing.assert_close(per_item(100 * (c * x + 3)), per_item(100 * x), rtol=0, atol=1e-6)


def test_groups_divide_the_channels_however_many():
    for channels in range(1, 40):
        layer = normalisation("group", channels, 2)
        assert layer.num_groups == max(g for g in (1, 2, 4, 8) if channels % g == 0)
        if channels > 1:
            assert channels // normalisation("group", channels).num_groups >= 2
    assert normalisation("group", 12, 2, groups=3).num_groups == 3


@pytest.mark.parametrize("N", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["batch", "layer", "group"])
def test_sizes(kind, N):
    layer = normalisation(kind, 4)
    if kind != "batch" or N:
        assert layer(torch.ones(N, 4)).shape == (N, 4)
    assert layer.eval()(torch.ones(N, 4)).shape == (N, 4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("bath", 4), "did you mean 'batch'"),
        (("batch", 4, 5), "0 to 3"),
        (("instance", 4), "nothing but zeros"),
        (("layer", 1), "nothing but zeros"),
        (("group", 1), "nothing but zeros"),
    ],
)
def test_what_does_not_exist(given, message):
    with pytest.raises(ParameterError, match=message):
        normalisation(*given)
    with pytest.raises(ParameterError, match="do not divide into 3"):
        normalisation("group", 4, 2, groups=3)
