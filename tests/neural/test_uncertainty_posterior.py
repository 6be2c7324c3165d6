"""Laplace, mean field and Langevin: on linear models the posterior is known."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from peira.core import limiting
from peira.core.seeds import private_chance
from peira.linear import BayesianLogisticRegression, BayesianRidge
from peira.neural import (
    LangevinClassifier,
    LangevinRegressor,
    LaplaceLastLayerClassifier,
    LaplaceLastLayerRegressor,
    MeanFieldClassifier,
    MeanFieldRegressor,
)
from peira.neural.langevin import Chains, langevin_step
from peira.neural.mean_field import NormalWeights
from peira.neural.stacked_perceptron import StackedPerceptron, run_layers


def line(seed, N=40, D=2, noise=0.5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D)) @ np.array([[1.0, 0.8], [0.0, 0.6]])[:D, :D] + 3.0
    return X, 4.0 + X @ rng.normal(size=D) + noise * rng.normal(size=N)


def of_size_one(v):
    return (v - v.mean(0)) / v.std(0)


def posterior(X, y, noise, prior_std=1.0):
    """Mean (D + 1,) and precision of the weights and the constant, for the standardised problem."""
    A = np.column_stack([of_size_one(X), np.ones(len(X))])
    tau = (y.std() / noise) ** 2
    prior = np.diag(np.r_[np.full(X.shape[1], X.shape[1] / prior_std**2), 1 / prior_std**2])
    P = tau * A.T @ A + prior
    return A, np.linalg.solve(P, tau * A.T @ of_size_one(y)), P


# ---------------------------------------------------------------------- Laplace on the last layer


def test_laplace_of_a_linear_net_is_bayesian_linear_regression(seed):
    X, y = line(seed)
    net, ridge = LaplaceLastLayerRegressor(hidden_layer_sizes=()).fit(X, y), BayesianRidge()
    ridge.fit(of_size_one(X), of_size_one(y))
    mean, std = ridge.predict(of_size_one(X), return_std=True)
    forecast = net.predict_dist(X)
    np.testing.assert_allclose(forecast.mean, y.mean() + y.std() * mean, rtol=1e-10)
    np.testing.assert_allclose(forecast.std, y.std() * std, rtol=1e-10)


def test_laplace_of_a_linear_classifier_is_bayesian_logistic_regression(seed):
    X, y = line(seed)
    labels = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    net = LaplaceLastLayerClassifier(hidden_layer_sizes=()).fit(X, labels)
    linear = BayesianLogisticRegression().fit(of_size_one(X), labels)
    np.testing.assert_allclose(net.predict_proba(X), linear.predict_proba(of_size_one(X)), rtol=1e-8)


def test_the_posterior_of_the_last_layer_by_direct_inversion(seed):
    X, y = line(seed)
    model = LaplaceLastLayerRegressor(hidden_layer_sizes=(5, 3), activation="tanh", updates=50).fit(X, y)
    layers = [(W.double(), b.double()) for W, b in zip(model.net_.weights, model.net_.biases, strict=True)]
    phi = run_layers(torch.tensor(of_size_one(X)), layers[:2], "tanh").tanh()[0].detach().numpy()
    centred, last = phi - phi.mean(0), model.last_layer_
    P = last.lambda_ * np.eye(3) + last.alpha_ * centred.T @ centred
    w = np.linalg.solve(P, last.alpha_ * centred.T @ of_size_one(y))
    variance = 1 / last.alpha_ + np.einsum("nh,hk,nk->n", centred, np.linalg.inv(P), centred)
    forecast = model.predict_dist(X)
    np.testing.assert_allclose(forecast.mean, y.mean() + y.std() * (centred @ w), rtol=1e-6)
    np.testing.assert_allclose(forecast.variance, y.var() * variance, rtol=1e-6)


def test_the_probit_formula_is_near_the_integral(seed):
    X, y = line(seed)
    args = {"hidden_layer_sizes": 4, "updates": 30}
    integral = LaplaceLastLayerClassifier(**args).fit(X, y > y.mean()).predict_proba(X)
    probit = LaplaceLastLayerClassifier(**args, predictive="probit").fit(X, y > y.mean()).predict_proba(X)
    np.testing.assert_allclose(probit, integral, atol=0.02)


# ---------------------------------------------------------------------- mean field


def normal_weights(seed, sizes=(3, 4, 2)):
    with private_chance(seed):
        net = NormalWeights(sizes, "tanh", 0.7)
        for r in net.log_std:
            torch.nn.init.normal_(r, -1.0, 0.5)
    return net


@pytest.mark.parametrize("sizes", [(1, 1), (3, 2), (3, 4, 2)])
def test_the_divergence_is_that_of_normal_distributions(seed, sizes):
    net, total = normal_weights(seed, sizes), 0.0
    for l, (m, b) in enumerate(net.mean.layers()):
        for mean, log_std, prior in (
            (m, net.log_std[2 * l], 0.7 / math.sqrt(sizes[l])),
            (b, net.log_std[2 * l + 1], 0.7),
        ):
            q, p = torch.distributions.Normal(mean, log_std.exp()), torch.distributions.Normal(0.0, prior)
            total += torch.distributions.kl_divergence(q, p).sum()
    torch.testing.assert_close(net.divergence(), total)


def test_drawing_net_inputs_is_drawing_weights(seed):
    net, n = normal_weights(seed, (3, 2)), 20_000
    x = torch.tensor([[0.5, -1.0, 2.0]])
    with private_chance(seed):
        inputs = net(x.expand(n, 3))[0].double()
    weights = run_layers(x.double(), net.draw(n, seed), "tanh")[:, 0]
    for k in range(2):
        a, b = inputs[:, k].detach(), weights[:, k].detach()
        assert abs(a.mean() - b.mean()) < 5 * math.sqrt(2 / n) * b.std()
        assert abs(a.std() / b.std() - 1) < 5 / math.sqrt(n)


def test_mean_field_of_a_linear_model_finds_the_known_optimum(seed):
    """The mean is the posterior's, the precisions are the diagonal of its precision (Bishop 2006, eq. 10.12 ff.)."""
    X, y = line(seed)
    model = MeanFieldRegressor(
        hidden_layer_sizes=(), noise=0.5, updates=1200, learning_rate=0.03, random_state=seed
    ).fit(X, y)
    _, mean, P = posterior(X, y, 0.5)
    net = model.net_
    found = torch.cat([net.mean.weights[0].flatten(), net.mean.biases[0].flatten()]).detach().numpy()
    std = torch.cat([r.flatten() for r in net.log_std]).exp().detach().numpy()
    np.testing.assert_allclose(found, mean, atol=0.3 / math.sqrt(P.diagonal().min()))
    np.testing.assert_allclose(std, 1 / np.sqrt(P.diagonal()), rtol=0.15)


def test_the_bound_reaches_the_evidence_where_the_posterior_is_of_that_form(seed):
    """With columns at right angles the posterior factorises; at it, the bound is the evidence, and elsewhere below."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(np.column_stack([np.ones(32), rng.normal(size=(32, 2))]))[0]
    X = Q[:, 1:] * 32**0.5
    y = of_size_one(X @ [0.5, -0.4] + 0.6 * rng.normal(size=32))
    A, mean, P = posterior(X, y, 0.6)
    model = MeanFieldRegressor(hidden_layer_sizes=(), noise=0.6, updates=1).fit(X, y)
    net = model.net_.double()
    with torch.no_grad():
        net.mean.weights[0][0, :, 0], net.mean.biases[0][0, 0, 0] = torch.tensor(mean[:2]), mean[2]
        net.log_std[0][0, :, 0], net.log_std[1][0, 0, 0] = (
            torch.tensor(-np.log(P.diagonal()[:2]) / 2),
            -np.log(P[2, 2]) / 2,
        )
        C = 0.36 * np.eye(32) + A @ np.diag([0.5, 0.5, 1.0]) @ A.T
        evidence = stats.multivariate_normal(np.zeros(32), C).logpdf(y)
        Z, t = torch.tensor(of_size_one(X)), torch.tensor(y)
        # E_q log p in closed form: the noise-free square plus the variance of the mean
        f = torch.tensor(A @ mean)
        spread = torch.tensor(np.einsum("nd,d->n", A**2, 1 / P.diagonal()))
        expected = (-((t - f) ** 2 + spread) / 0.72 - math.log(0.6) - math.log(2 * math.pi) / 2).sum()
        assert float(expected - net.divergence()) == pytest.approx(evidence, rel=1e-9)
        with private_chance(seed):
            drawn = np.array([-32 * float(model.loss(Z, t)[0]) for _ in range(400)])
    assert abs(drawn.mean() - evidence) < 5 * drawn.std() / 20


def test_the_answers_of_classifiers_are_means_of_probabilities(seed):
    X, y = line(seed)
    model = MeanFieldClassifier(hidden_layer_sizes=3, updates=30, n_draws=7).fit(X, y > y.mean())
    f = run_layers(torch.tensor(of_size_one(X)), model.net_.draw(7, _seed_of(model)), "relu").softmax(-1).mean(0)
    np.testing.assert_allclose(model.predict_proba(X), f.detach(), rtol=1e-9)


def _seed_of(model):
    from peira.core.seeds import derive

    return derive(model.seed_, 2)


# ---------------------------------------------------------------------- Langevin dynamics


@pytest.mark.parametrize(("step", "G"), [(1.0, 1.0), (0.1, 1.0), (0.2, 4.0)])
def test_on_a_quadratic_the_spread_is_the_known_one(seed, step, G):
    """U = N c w^2 / 2 has variance 1 / (N c); steps of length h make it 1 / (N c (1 - h G c / 4))."""
    N, c, chains = 50, 1.7, 20_000
    with private_chance(seed):
        w = torch.randn(chains, dtype=torch.float64) / math.sqrt(N * c)
        for _ in range(math.ceil(8 / (step * G * c))):
            w = langevin_step(w, c * w, step, N, torch.tensor(G, dtype=torch.float64))
    expected = 1 / (N * c) / (1 - step * G * c / 4)
    assert float(w.var()) == pytest.approx(expected, rel=5 * math.sqrt(2 / chains))
    assert abs(float(w.mean())) < 5 * math.sqrt(expected / chains)


@pytest.mark.parametrize("preconditioned", [False, True])
def test_langevin_on_a_linear_model_finds_the_known_posterior(seed, preconditioned):
    X, y = line(seed)
    model = LangevinRegressor(
        hidden_layer_sizes=(), noise=0.5, updates=800, step_size=0.1, n_chains=60, n_samples=600,
        preconditioned=preconditioned, batch_size=None, random_state=seed,
    ).fit(X, y)  # fmt: skip
    A, mean, P = posterior(X, y, 0.5)
    f, spread = A @ mean, np.sqrt(np.einsum("nd,de,ne->n", A, np.linalg.inv(P), A))
    m, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(m, y.mean() + y.std() * f, atol=0.35 * y.std() * spread.max())
    np.testing.assert_allclose(np.sqrt(std**2 - 0.25), y.std() * spread, rtol=0.25)


def test_chains_keep_what_they_are_told_and_repeat_what_lacks():
    now = StackedPerceptron(2, [1, 1], "tanh")
    chains = Chains(now, [1.0, 1.0], kept=3)
    for slot in range(2):
        with torch.no_grad():
            now.biases[0].fill_(float(slot))
        chains.keep(slot)
    assert chains.states(2)[1].flatten().tolist() == [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    assert chains.states(3)[1].shape == (6, 1, 1)


@pytest.mark.parametrize(("n_samples", "kept"), [(1, 3), (3, 3), (4, 6)])
def test_the_number_of_states_does_not_grow_with_the_updates(n_samples, kept):
    X, y = line(0)
    for updates in (1, 2, 3, 40):
        model = LangevinRegressor.example().set_params(n_samples=n_samples, updates=updates).fit(X, y)
        assert len(model.net_.weights[0]) == kept and np.isfinite(model.predict(X)).all()


def test_a_budget_ends_the_chains_and_what_they_kept_answers(seed):
    X, y = line(seed)
    with limiting(0.0):
        model = LangevinClassifier(updates=10_000, hidden_layer_sizes=3).fit(X, y > y.mean())
    assert model.stopped_ == "out of time"
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1.0)
