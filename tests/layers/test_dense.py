"""The stack of dense layers, and nets that tell their shapes."""

import pytest
import torch
from torch import nn

from peira.core.errors import DataError, ParameterError
from peira.layers import ResidualBlock, conv_block, dense_stack, pooling, shape_after


def names(net):
    return [f"{name}: {type(layer).__name__}" for name, layer in net.named_children()]


def test_what_stands_where():
    net = dense_stack([3, 5, 4, 2], activation="selu", dropout=0.2, normalisation="batch")
    assert names(net) == [
        "dense_1: Linear", "normalisation_1: BatchNorm1d", "activation_1: SELU", "dropout_1: AlphaDropout",
        "dense_2: Linear", "normalisation_2: BatchNorm1d", "activation_2: SELU", "dropout_2: AlphaDropout",
        "output: Linear",
    ]  # fmt: skip
    assert net.dense_1.bias is None
    assert names(dense_stack([3, 2])) == ["output: Linear"]


def test_maxout_needs_twice_the_net_inputs():
    net = dense_stack([3, 5, 2], activation="maxout", normalisation="layer")
    assert net.dense_1.out_features == 10
    assert net.output.in_features == 5
    assert net(torch.zeros(4, 3)).shape == (4, 2)


@pytest.mark.parametrize("N", [0, 1, 2, 3])
def test_sizes(N):
    assert dense_stack([1, 1, 1], dropout=0.5)(torch.zeros(N, 1)).shape == (N, 1)


@pytest.mark.parametrize("sizes", [[], [3], [3, 0, 2], [0, 2]])
def test_sizes_that_are_none(sizes):
    with pytest.raises(ParameterError, match="inputs and outputs, each at least 1"):
        dense_stack(sizes)


def test_the_same_seed_gives_the_same_weights(seed):
    nets = []
    for _ in range(2):
        torch.manual_seed(seed)
        nets.append(dense_stack([4, 8, 2], initialisation="orthogonal").state_dict())
    assert all(torch.equal(nets[0][n], nets[1][n]) for n in nets[0])


def test_a_net_tells_its_shapes_and_stays_as_it_was(seed):
    torch.manual_seed(seed)
    net = nn.Sequential(
        conv_block(3, 8, 5, stride=2, normalisation="batch", dropout=0.5), ResidualBlock(8, 16, stride=2),
        pooling("max"), conv_block(16, 4, 3, transposed=True, stride=2, padding=1), nn.Flatten(),
    )  # fmt: skip
    kept, state = {n: t.clone() for n, t in net.state_dict().items()}, torch.get_rng_state()
    expected = (4, 15, 11), 4 * 15 * 11
    assert shape_after(net[:4], (3, 64, 48)) == expected[0]
    assert shape_after(net, (3, 64, 48)) == (expected[1],)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(t, kept[n]) for n, t in net.state_dict().items())
    assert not any(layer._forward_pre_hooks for layer in net.modules())
    assert net(torch.zeros(1, 3, 64, 48)).shape == (1, expected[1])
    with torch.device("meta"):
        assert shape_after(nn.Sequential(nn.Linear(3, 2)), (3,)) == (2,)


@pytest.mark.parametrize(
    ("net", "shape", "message"),
    [
        (
            nn.Sequential(conv_block(1, 2, 5, padding=0), conv_block(2, 2, 5, padding=0)), (1, 8, 8),
            r"items of 1 x 8 x 8, and its layer '1.convolution' .*Conv2d.* gets 2 x 4 x 4 and cannot.*larger inputs",
        ),
        (nn.Sequential(conv_block(1, 2), pooling("max", 4)), (1, 3, 3), "'1?.*MaxPool2d.*gets 2 x 3 x 3 and"),
        (nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2)), (3,), "'1'.*made for 5 features or channels and gets 4"),
        (conv_block(3, 4), (1, 8, 8), "'convolution'.*made for 3 features or channels and gets 1"),
    ],
)  # fmt: skip
def test_a_layer_that_does_not_fit_is_named(net, shape, message):
    with pytest.raises(DataError, match=message):
        shape_after(net, shape)
