"""Convolutions against their definition, Fourier transforms and torch's functions; the laws of shape."""

import itertools

import numpy as np
import pytest
import torch
from scipy import signal
from torch import nn
from torch.nn import functional as F

from peira.core.errors import DataError, ParameterError
from peira.layers import conv_block, convolution, output_size
from tests.layers.by_hand import convolve, convolve_back

GRID = [g for g in itertools.product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2)) if 9 + 2 * g[2] > g[3] * (g[0] - 1)]


def random(*shape, seed):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dims", [1, 2])
def test_forwards_and_backwards_by_definition(seed, dims):
    for k, s, p, d in GRID:
        size = (9, 8)[:dims]
        x = random(2, 3, *size, seed=seed).requires_grad_()
        layer = convolution(3, 4, k, dims=dims, stride=s, padding=p, dilation=d).double()
        if min(size) + 2 * p <= d * (k - 1):
            continue
        w, b = (t.detach().numpy() for t in layer.parameters())
        each = ((s,) * dims, (p,) * dims, (d,) * dims)
        y = layer(x)
        np.testing.assert_allclose(y.detach().numpy(), convolve(x.detach().numpy(), w, b, *each), atol=1e-12)
        delta = random(*y.shape, seed=seed + 1)
        slopes = torch.autograd.grad(y, [x, *layer.parameters()], delta)
        by_hand = convolve_back(x.detach().numpy(), w, delta.numpy(), *each)
        for ours, theirs in zip(slopes, by_hand, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-11)
        function = (F.conv1d, F.conv2d)[dims - 1](x, layer.weight, layer.bias, s, p, d)
        torch.testing.assert_close(y, function, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_by_fourier_transform(seed, mode):
    """In Fourier space a convolution is a product: circular padding is the plain transform's."""
    x, n = random(2, 3, 16, 12, seed=seed), (16, 12)
    layer = convolution(3, 4, (5, 3), padding_mode=mode).double()
    w = layer.weight.detach().flip(-2, -1)  # the layer is a correlation
    if mode == "circular":
        spectrum = torch.einsum("nchw,kchw->nkhw", torch.fft.rfft2(x), torch.fft.rfft2(w, s=n))
        direct = torch.fft.irfft2(spectrum, s=n).roll((-2, -1), (-2, -1))
    else:
        products = [
            [sum(signal.fftconvolve(i[c], f[c], "same") for c in range(3)) for f in w.numpy()] for i in x.numpy()
        ]
        direct = torch.tensor(np.array(products))
    torch.testing.assert_close(layer(x).detach() - layer.bias.detach()[:, None, None], direct, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_law_of_shape(dims):
    for k, s, p, d in GRID:
        for n in (1, 2, 3, 9, 10):
            if n + 2 * p <= d * (k - 1):
                with pytest.raises(DataError, match=f"does not fit {n} positions"):
                    output_size(n, k, s, p, d)
                continue
            size = (n, 9, 10)[:dims]
            layer = convolution(1, 1, k, dims=dims, stride=s, padding=p, dilation=d).to("meta")
            found = tuple(layer(torch.empty(1, 1, *size, device="meta")).shape[2:])
            assert found == output_size(size, k, s, p, d)
            assert found[0] == output_size(n, k, s, p, d) == (n + 2 * p - d * (k - 1) - 1) // s + 1


def test_same_keeps_the_size_and_divides_it_by_the_stride():
    for k, s, d, n in itertools.product((1, 3, 5), (1, 2, 3), (1, 2), (5, 6, 7)):
        layer = convolution(1, 1, k, dims=1, stride=s, dilation=d)
        assert layer(torch.zeros(1, 1, n)).shape[-1] == output_size(n, k, s, "same", d) == -(-n // s)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_padding_modes_are_numpys(seed, mode):
    x = random(2, 1, 6, seed=seed)
    layer = convolution(1, 1, 5, dims=1, padding_mode=mode).double()
    name = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), (2, 2)], mode=name)
    w, b = (t.detach().numpy() for t in layer.parameters())
    np.testing.assert_allclose(layer(x).detach().numpy(), convolve(padded, w, b, (1,), (0,), (1,)), atol=1e-12)


@pytest.mark.parametrize("dims", [1, 2])
def test_a_transposed_convolution_is_the_transpose(seed, dims):
    """<conv(x), y> = <x, transposed(y)> for the same weights, and the output padding chooses among the sizes."""
    for k, s, p, d in GRID:
        if p > d * (k - 1):
            continue
        for n in (8, 9):
            size = (n, 9)[:dims]
            if min(size) + 2 * p <= d * (k - 1):
                continue
            forwards = convolution(3, 4, k, dims=dims, stride=s, padding=p, dilation=d, bias=False).double()
            x = random(2, 3, *size, seed=seed)
            y = random(2, 4, *output_size(size, k, s, p, d), seed=seed + 1)
            least = output_size(tuple(y.shape[2:]), k, s, p, d, transposed=True)
            more = tuple(a - b for a, b in zip(size, least, strict=True))
            if any(o >= max(s, d) for o in more):
                continue  # torch's limit
            back = convolution(
                4, 3, k, dims=dims, stride=s, padding=p, dilation=d, bias=False, transposed=True, output_padding=more
            ).double()
            back.weight = forwards.weight
            assert back(y).shape == x.shape
            assert (forwards(x) * y).sum().item() == pytest.approx((x * back(y)).sum().item(), abs=1e-10)


def test_a_shifted_input_gives_a_shifted_output(seed):
    x = random(1, 2, 12, 12, seed=seed)
    layer = convolution(2, 3, 3, stride=2, padding_mode="circular").double()
    torch.testing.assert_close(layer(x.roll((4, -2), (2, 3))), layer(x).roll((2, -1), (2, 3)))


def test_groups_see_their_own_channels(seed):
    x = random(2, 4, 7, seed=seed)
    layer = convolution(4, 6, 3, dims=1, groups=2).double()
    halves = [
        F.conv1d(x[:, 2 * g : 2 * g + 2], layer.weight[3 * g : 3 * g + 3], layer.bias[3 * g : 3 * g + 3], padding=1)
        for g in (0, 1)
    ]
    torch.testing.assert_close(layer(x), torch.cat(halves, 1))


def test_the_block():
    block = conv_block(3, 8, dims=1, normalisation="group", activation="maxout", dropout=0.5)
    assert list(dict(block.named_children())) == ["convolution", "normalisation", "activation", "dropout"]
    assert block(torch.zeros(2, 3, 9)).shape == (2, 8, 9)
    assert isinstance(block.dropout, nn.Dropout1d)
    assert conv_block(3, 8, normalisation="batch").convolution.bias is None
    assert list(dict(conv_block(3, 8, activation="identity").named_children())) == ["convolution"]


@pytest.mark.parametrize("N", [0, 1, 2, 3])
def test_sizes(N):
    block = conv_block(1, 2, dims=2, normalisation="batch", dropout=0.1)
    assert block(torch.zeros(N, 1, 3, 3)).shape == (N, 2, 3, 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dims": 4}, "1, 2 or 3 dimensions"),
        ({"window": (3, 3, 3)}, "3 numbers for 2 dimensions"),
        ({"window": 0}, "1 or above"),
        ({"groups": 2}, "do not divide into 2 groups"),
        ({"padding_mode": "reflection"}, "did you mean 'reflect'"),
        ({"window": (3, 4)}, "needs an odd window"),
        ({"window": 4, "transposed": True}, "needs an odd window"),
        ({"output_padding": 1}, "transposed=True"),
        ({"transposed": True, "padding_mode": "circular"}, "zeros alone"),
    ],
)
def test_what_does_not_go_together(wrong, message):
    with pytest.raises(ParameterError, match=message):
        convolution(3, 4, **wrong)
