"""Residual blocks add to their shortcut, as drawn in the two papers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from peira.core.errors import ParameterError
from peira.layers import ResidualBlock


def random(*shape, seed):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def normalise(x, part):
    return F.batch_norm(x, None, None, part.weight, part.bias, training=True)


@pytest.mark.parametrize("shortcut", ["projection", "zeros"])
@pytest.mark.parametrize(("channels", "filters", "stride"), [(4, 4, 1), (4, 8, 2), (4, 6, 1), (4, 4, 2)])
def test_the_block_of_2016a(seed, channels, filters, stride, shortcut):
    block = ResidualBlock(channels, filters, stride=stride, shortcut=shortcut).double()
    x = random(3, channels, 9, 8, seed=seed)
    b = block.branch
    h = F.relu(normalise(F.conv2d(x, b.convolution_1.weight, stride=stride, padding=1), b.normalisation_1))
    h = normalise(F.conv2d(h, b.convolution_2.weight, padding=1), b.normalisation_2)
    if (channels, stride) == (filters, 1):
        around = x
    elif shortcut == "zeros":
        around = torch.zeros_like(h)
        around[:, :channels] = x[:, :, ::stride, ::stride]
    else:
        around = normalise(F.conv2d(x, block.shortcut.projection.weight, stride=stride), block.shortcut.normalisation)
    torch.testing.assert_close(block(x), F.relu(h + around))


def test_the_block_of_2016b(seed):
    block = ResidualBlock(4, 8, stride=2, pre_activation=True).double()
    x = random(3, 4, 8, 8, seed=seed)
    b = block.branch
    h = F.conv2d(F.relu(normalise(x, b.normalisation_1)), b.convolution_1.weight, b.convolution_1.bias, 2, 1)
    h = F.conv2d(F.relu(normalise(h, b.normalisation_2)), b.convolution_2.weight, b.convolution_2.bias, 1, 1)
    around = block.shortcut(x)
    torch.testing.assert_close(block(x), h + around)
    assert [n for n, _ in b.named_children()] == [
        "normalisation_1", "activation_1", "convolution_1", "normalisation_2", "activation_2", "convolution_2",
    ]  # fmt: skip


@pytest.mark.parametrize("pre_activation", [False, True])
def test_zero_last_begins_as_the_shortcut(seed, pre_activation):
    x = random(2, 3, 7, seed=seed)
    block = ResidualBlock(3, 3, dims=1, pre_activation=pre_activation, zero_last=True).double()
    torch.testing.assert_close(block(x), x if pre_activation else F.relu(x))


def test_errors_go_back_through_a_hundred_blocks(seed):
    """Pre-activated blocks slope like the identity plus something, which does not vanish; plain layers do."""
    torch.manual_seed(seed)
    blocks = nn.Sequential(*(ResidualBlock(4, 4, dims=1, pre_activation=True) for _ in range(50)))
    plain = nn.Sequential(*(nn.Sequential(nn.Conv1d(4, 4, 3, padding=1), nn.ReLU()) for _ in range(100)))
    slopes = []
    for net in (blocks, plain):
        x = torch.randn(8, 4, 16, requires_grad=True)
        net(x).sum().backward()
        slopes.append(x.grad.norm().item())
    assert slopes[0] > 0.1 > 1e-6 > slopes[1]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("shortcut", ["projection", "zeros"])
def test_shapes(dims, shortcut):
    block = ResidualBlock(4, 8, 5, dims=dims, stride=2, shortcut=shortcut, normalisation=None, dropout=0.2)
    for N in (0, 1, 2, 3):
        assert block(torch.zeros(N, 4, *(7, 6, 5)[:dims])).shape == (N, 8, *(4, 3, 3)[:dims])
    assert sum(p.numel() for p in block.shortcut.parameters()) == (0 if shortcut == "zeros" else 4 * 8 + 8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": 4}, "odd window"),
        ({"shortcut": "zero"}, "did you mean 'zeros'"),
        ({"activation": "maxout"}, "maxout changes the number"),
        ({"filters": 2, "shortcut": "zeros"}, "zeros cannot make 2 of 4"),
    ],
)
def test_what_does_not_go_together(wrong, message):
    with pytest.raises(ParameterError, match=message):
        ResidualBlock(**{"channels": 4, "filters": 4} | wrong)
