"""Backpropagation written out against autograd, bit for bit, and against differences of the loss."""

import pytest
import torch

import peira
from peira.layers import dense_stack
from peira.neural import MLPClassifier
from peira.neural.backpropagation import backpropagation
from peira.neural.heads import Logistic, Normal, Poisson, Softmax, SquaredError
from peira.training import watching_layers

HEADS = {
    "squared": (SquaredError(), 3),
    "normal": (Normal(), 4),
    "poisson": (Poisson(), 2),
    "softmax": (Softmax(), 5),
    "smoothed": (Softmax(0.1), 5),
    "two classes": (Logistic(), 1),
    "labels": (Logistic(), 3),
}


def problem(head, outputs, activation, hidden, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    net = dense_stack([4, *hidden, outputs], activation=activation).to(dtype)
    X = torch.randn(11, 4, dtype=dtype, generator=generator)
    classes = isinstance(head, Softmax)
    Y = torch.randint(0, 5, (11,)) if classes else torch.rand(11, outputs // head.width, dtype=dtype)
    return net, X, Y, torch.rand(11, dtype=dtype, generator=generator)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_equals_autograd_bit_for_bit(name, activation, seed):
    head, outputs = HEADS[name]
    for hidden in ((), (6,), (6, 3)):
        for dtype in (torch.float32, torch.float64):
            net, X, Y, w = problem(head, outputs, activation, hidden, dtype, seed)
            for weights in (None, w):
                net.zero_grad()
                loss = head.loss(net(X), Y, weights)
                loss.backward()
                by_graph = [p.grad for p in net.parameters()]
                assert torch.equal(backpropagation(net, head)(X, Y, weights), loss)
                assert all(torch.equal(p.grad, g) for p, g in zip(net.parameters(), by_graph, strict=True))


def test_equals_differences_of_the_loss(seed):
    head, outputs = HEADS["softmax"]
    net, X, Y, w = problem(head, outputs, "tanh", (6,), torch.float64, seed)
    backpropagation(net, head)(X, Y, w)
    h = 1e-6
    for p in net.parameters():
        gradient = p.grad.clone().flatten()
        for i in range(p.numel()):
            ends = []
            for sign in (1, -1):
                with torch.no_grad():
                    p.view(-1)[i] += sign * h
                    ends.append(float(head.loss(net(X), Y, w)))
                    p.view(-1)[i] -= sign * h
            assert float(gradient[i]) == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("other", [{"dropout": 0.5}, {"normalisation": "batch"}, {"activation": "gelu"}])
def test_other_layers_are_left_to_autograd(other):
    assert backpropagation(dense_stack([4, 6, 5], **other), Softmax()) is None


def test_watching_the_layers_changes_no_bit(seed):
    rng = torch.Generator().manual_seed(seed)
    X, y = torch.randn(60, 4, generator=rng), torch.randint(0, 3, (60,), generator=rng)

    def weights():
        model = MLPClassifier(
            hidden_layer_sizes=(5,), max_iter=3, batch_size=20, tol=0.0, n_iter_no_change=9, random_state=seed
        )
        with pytest.warns(match="did not converge"):
            return list(model.fit(X, y).net_.parameters())

    plain = weights()
    with peira.observing(lambda event: None), watching_layers(every=2):
        watched = weights()
    assert all(torch.equal(a, b) for a, b in zip(plain, watched, strict=True))
