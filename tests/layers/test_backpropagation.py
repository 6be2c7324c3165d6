"""Autograd, backpropagation by hand and central differences agree, for every layer and random shapes."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from peira.layers import convolution, dense_stack, normalisation, pooling
from peira.layers.activations import ACTIVATIONS
from tests.layers.by_hand import (
    FUNCTIONS,
    KINKS,
    central_differences,
    cross_entropy,
    squared_error,
    stack_of,
)

SMOOTH = sorted(set(FUNCTIONS) - {name for name, kinks in KINKS.items() if kinks})


def agree(left, right, relative):
    """Relative error of whole gradients, as vectors."""
    left, right = np.concatenate([v.ravel() for v in left]), np.concatenate([v.ravel() for v in right])
    assert np.linalg.norm(left - right) <= relative * max(np.linalg.norm(left), np.linalg.norm(right), 1e-12)


def nets(seed, name, kind=None):
    rng = np.random.default_rng([seed, *name.encode()])
    torch.manual_seed(int(rng.integers(2**31)))
    sizes = [int(n) for n in rng.integers(3, 7, size=rng.integers(2, 5))]  # two would be normalised to a step
    net = dense_stack(sizes, activation=name, normalisation=kind).double().train()
    for w in net.parameters():
        torch.nn.init.normal_(w, std=0.7)
    N = int(rng.integers(2, 6))
    return net, rng.normal(size=(N, sizes[0])), rng.normal(size=(N, sizes[-1])), rng.integers(sizes[-1], size=N)


@pytest.mark.parametrize("kind", [None, "batch", "layer"])
@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"logistic", "silu"}))
def test_by_hand_and_by_autograd(seed, name, kind):
    net, X, T, labels = nets(seed, name, kind)
    hand = stack_of(net)
    for loss, target in ((squared_error, T), (cross_entropy, labels)):
        x = torch.tensor(X, requires_grad=True)
        y = net(x)
        t = torch.tensor(target)
        error = (y - t).square().sum() / (2 * len(y)) if loss is squared_error else F.cross_entropy(y, t)
        slopes = torch.autograd.grad(error, [x, *net.parameters()])
        value, delta = loss(hand.forward(X), target)
        dx = hand.backward(delta)
        assert value == pytest.approx(error.item(), rel=1e-12)
        single = name == "hard sigmoid"  # of which torch keeps the slope 1/6 in single precision
        agree([dx, *hand.grads], [g.numpy() for g in slopes], 1e-7 if single else 1e-10)


@pytest.mark.parametrize("kind", [None, "batch", "layer"])
@pytest.mark.parametrize("name", SMOOTH)
def test_by_hand_and_by_central_differences(seed, name, kind):
    net, X, T, _ = nets(seed, name, kind)
    hand = stack_of(net)
    _, delta = squared_error(hand.forward(X), T)
    dx = hand.backward(delta)
    gradients = [dx, *hand.grads]
    measured = [central_differences(lambda: squared_error(hand.forward(X), T)[0], w) for w in [X, *hand.weights]]
    agree(gradients, measured, 1e-7)


def layers():
    """Layers with what they take: (name, layer, shape)."""
    for dims in (1, 2):
        for kind in ("batch", "layer", "group", "instance"):
            yield f"{kind} {dims}-D", normalisation(kind, 4, dims), (3, 4, *(5, 3)[:dims])
        for kind in ("max", "average", "global max", "global average"):
            yield f"{kind} {dims}-D", pooling(kind, dims=dims), (2, 3, *(7, 4)[:dims])
        for transposed in (False, True):
            for mode in ("zeros",) if transposed else ("zeros", "reflect", "replicate", "circular"):
                layer = convolution(2, 4, 3, dims=dims, stride=2, padding=1, padding_mode=mode, transposed=transposed)
                yield f"convolution {dims}-D {mode} {transposed}", layer, (2, 2, *(6, 5)[:dims])
    for kind in ("batch", "layer", "group"):
        yield f"{kind} of rows", normalisation(kind, 4), (5, 4)


@pytest.mark.parametrize("case", list(layers()), ids=lambda case: case[0])
def test_every_layer_by_central_differences(seed, case):
    _, layer, shape = case
    torch.manual_seed(seed)
    layer = layer.double().train()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    c = torch.randn_like(layer(x))
    slopes = torch.autograd.grad((layer(x) * c).sum(), [x, *layer.parameters()])
    with torch.no_grad():
        measured = [
            central_differences(lambda: (layer(x) * c).sum().item(), w.detach().numpy())
            for w in (x, *layer.parameters())
        ]
    agree([g.numpy() for g in slopes], measured, 1e-7)
