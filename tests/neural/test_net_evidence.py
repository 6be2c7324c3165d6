"""The evidence of nets: against slopes by autograd, log determinants by brute force, and what it is good for."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_diabetes, load_iris
from torch.func import functional_call, jacrev

from peira.core.seeds import private_chance
from peira.neural import LaplaceLastLayerClassifier, LaplaceLastLayerRegressor
from peira.neural.net_evidence import log_evidence, of_labels, of_numbers, tangent_kernel
from peira.neural.stacked_perceptron import StackedPerceptron
from peira.training import Training


def net_and_slopes(seed, sizes, N):
    """A net, items, what it gives (N, C), and the slopes of that by the weights of the matrices (N, C, P)."""
    with private_chance(seed):
        net = StackedPerceptron(1, sizes, "tanh").double()
        X = torch.randn(N, sizes[0], dtype=torch.float64)
    matrices = {n: W.detach() for n, W in net.named_parameters() if n.startswith("weights")}
    J = jacrev(lambda W: functional_call(net, W, X)[0])(matrices)
    return net, X, net(X)[0].detach(), torch.cat([j.detach().flatten(2) for j in J.values()], 2)


def layers_of(net):
    return [(W.detach(), b.detach()) for W, b in net.layers()]


@pytest.mark.parametrize("N", [1, 2, 3, 7])
@pytest.mark.parametrize("sizes", [(3, 1), (2, 4, 1), (3, 4, 2, 3)])
def test_the_kernel_is_the_product_of_the_slopes(seed, sizes, N):
    net, X, F, J = net_and_slopes(seed, sizes, N)
    root = torch.randn(N, F.shape[1], F.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    J = (root @ J).flatten(0, 1)
    torch.testing.assert_close(tangent_kernel(X, layers_of(net), "tanh", root), J @ J.T)


@pytest.mark.parametrize("N", [1, 2, 3, 9])
def test_the_evidence_of_numbers_is_the_density_of_the_linearised_net(seed, N):
    """At weights that are the mode of the linear model: y = J w, so that log p(y) = log N(y | 0, J J' / a + 1 / b)."""
    *_, J = net_and_slopes(seed, (2, 3, 1), N)
    J, (a, b) = J[:, 0], (0.7, 2.5)
    y = torch.tensor(np.random.default_rng(seed).normal(size=N))
    w = torch.linalg.solve(a * torch.eye(J.shape[1], dtype=torch.float64) + b * J.T @ J, b * J.T @ y)
    misfit = float((y - J @ w).square().sum())
    likelihood = (N * math.log(b / (2 * math.pi)) - b * misfit) / 2
    found = log_evidence(b * torch.linalg.eigvalsh(J @ J.T), likelihood, float(w @ w), a)
    exact = stats.multivariate_normal(np.zeros(N), (J @ J.T / a).numpy() + np.eye(N) / b).logpdf(y.numpy())
    assert float(found) == pytest.approx(exact, rel=1e-10)


def test_the_evidence_of_labels_by_the_whole_log_determinant(seed):
    net, X, F, J = net_and_slopes(seed, (2, 3, 3), 6)
    p, a, P = F.softmax(1), 0.7, J.shape[2]
    H = torch.einsum("ncp,nck,nkq->pq", J, p.diag_embed() - p[:, :, None] * p[:, None], J)
    codes = torch.arange(6) % 3
    likelihood, norm = float(F.log_softmax(1).gather(1, codes[:, None]).sum()), float(net.squares().detach())
    exact = (
        likelihood
        - a * norm / 2
        + P / 2 * math.log(a)
        - float(torch.logdet(H + a * torch.eye(P, dtype=torch.float64))) / 2
    )
    root = LaplaceLastLayerClassifier()._curvature(F)
    torch.testing.assert_close(root.mT @ root, p.diag_embed() - p[:, :, None] * p[:, None])
    e = torch.linalg.eigvalsh(tangent_kernel(X, layers_of(net), "tanh", root)).clamp(min=0)
    assert of_labels(e, likelihood, norm, a, given=True).log_evidence == pytest.approx(exact, rel=1e-9)


def test_the_slope_of_the_evidence_is_zero_where_it_is_said_to_be_largest(seed):
    rng = np.random.default_rng(seed)
    e, N, norm, misfit = torch.tensor(rng.gamma(1.0, 20.0, 15)), 40, 3.0, 11.0
    best = of_numbers(e, N, misfit, norm, 1.0, given=False)
    a, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (best.prior, best.noise))
    value = log_evidence(b * e, (N * (b / (2 * math.pi)).log() - b * misfit) / 2, norm, a)
    assert float(value.detach()) == pytest.approx(best.log_evidence, rel=1e-12)
    slopes = torch.autograd.grad(value, (a, b))
    assert max(abs(float(s * v.detach())) for s, v in zip(slopes, (a, b), strict=True)) < 1e-4
    labels = of_labels(e, -5.0, norm, 1.0, given=False)
    a = torch.tensor(labels.prior, dtype=torch.float64, requires_grad=True)
    assert abs(float(torch.autograd.grad(log_evidence(e, -5.0, norm, a), a)[0]) * labels.prior) < 1e-4


def test_intervals_hold_what_they_say_on_a_few_hundred_rows(seed):
    """With features learned by heart, and noise judged by the last layer alone, intervals of 90 % held 20 to 30 %."""
    X, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))
    learn, test = order[:300], order[300:]
    model = LaplaceLastLayerRegressor(updates=1000, random_state=seed).fit(X[learn], y[learn])
    low, high = model.predict_dist(X[test]).interval(0.9)
    assert 0.8 < np.mean((low <= y[test]) & (y[test] <= high)) < 0.97
    assert model.score(X[test], y[test]) > 0.3
    assert 10 < model.effective_df_ < 100 and model.n_iter_ == len(model.history_["loss"])


def test_classifiers_are_as_sure_as_they_are_right(seed):
    """Features that separate the classes made the last layer's own evidence doubt everything: log loss 0.4 to 0.5."""
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))
    learn, test = order[:90], order[90:]
    model = LaplaceLastLayerClassifier(updates=500, random_state=seed).fit(X[learn], y[learn])
    p = model.predict_proba(X[test])
    assert -np.log(p[np.arange(60), y[test]]).mean() < 0.3
    assert abs(p.max(1).mean() - (p.argmax(1) == y[test]).mean()) < 0.15
    assert model.last_layer_.alpha_ == model.alpha_


def test_a_given_penalty_stays_and_no_hidden_layer_needs_none(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    given = LaplaceLastLayerRegressor(hidden_layer_sizes=3, updates=20, alpha=2.5).fit(X, y)
    assert given.alpha_ == 2.5 and given.n_iter_ == 20
    assert not hasattr(LaplaceLastLayerRegressor(hidden_layer_sizes=()).fit(X, y), "alpha_")
    once = Training(optimiser="adam", updates=7)
    assert LaplaceLastLayerRegressor(hidden_layer_sizes=3, training=once).fit(X, y).n_iter_ == 10  # 5 rounds of 2


def test_of_many_items_a_part_stands_for_all(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1500, 2))
    y = np.sin(2 * X[:, 0]) + 0.3 * rng.normal(size=1500)
    model = LaplaceLastLayerRegressor(hidden_layer_sizes=10, activation="tanh", updates=500).fit(X, y)
    assert model.last_layer_.alpha_**-0.5 * y.std() == pytest.approx(0.3, rel=0.15)
    assert 1 < model.effective_df_ < 30
