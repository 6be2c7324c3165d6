"""Stacks of nets, deep ensembles and dropout: what they compute, by another route."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from peira.core import ParameterError, limiting
from peira.core.seeds import private_chance
from peira.neural import DeepEnsembleClassifier, DeepEnsembleRegressor, DropoutClassifier, DropoutRegressor
from peira.neural.stacked_perceptron import StackedPerceptron, answer
from peira.training import Training

EXACT = Training(optimiser="lbfgs", batch_size=None, epochs=60)


def line(seed, N=40, D=3, noise=0.3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D)) * [1.0, 3.0, 0.2][:D] + [0.0, 5.0, -2.0][:D]
    return X, 4.0 + X @ rng.normal(size=D) + noise * rng.normal(size=N)


def of_size_one(v):
    return (v - v.mean(0)) / v.std(0)


def stack(S, sizes, seed, name="tanh"):
    with private_chance(seed):
        return StackedPerceptron(S, sizes, name).double()


# ---------------------------------------------------------------------- stacks


@pytest.mark.parametrize("S", [1, 2, 3])
@pytest.mark.parametrize("hidden", [(), (4,), (3, 1, 2)])
def test_a_stack_is_so_many_separate_nets(seed, S, hidden):
    sizes, rng = [3, *hidden, 2], np.random.default_rng(seed)
    net, X = stack(S, sizes, seed), torch.tensor(rng.normal(size=(5, 3)))
    own = torch.tensor(rng.normal(size=(S, 5, 3)))
    for s in range(S):
        layers = []
        for W, b in zip(net.weights, net.biases, strict=True):
            linear = nn.Linear(*W.shape[1:], dtype=torch.float64)
            linear.weight, linear.bias = nn.Parameter(W[s].T), nn.Parameter(b[s, 0])
            layers += [linear, nn.Tanh()]
        alone = nn.Sequential(*layers[:-1])
        torch.testing.assert_close(net(X)[s], alone(X))
        torch.testing.assert_close(net(own)[s], alone(own[s]))


@pytest.mark.parametrize("N", [0, 1, 2, 3, 50])
def test_answers_come_in_parts_without_a_seam(seed, N):
    net = stack(3, [2, 5, 1], seed)
    X = torch.tensor(np.random.default_rng(seed).normal(size=(N, 2)))
    whole = answer(X, net.layers(), "tanh", S=3)
    assert whole.shape == (3, N, 1) and not whole.requires_grad
    torch.testing.assert_close(answer(X, net.layers(), "tanh", S=3, largest=50), whole)


# ---------------------------------------------------------------------- deep ensembles


def test_an_ensemble_answers_with_the_moments_of_its_mixture(seed):
    X, y = line(seed)
    model = DeepEnsembleRegressor(hidden_layer_sizes=(5, 3), updates=30, random_state=seed).fit(X, y)
    F = model.net_.double()(torch.tensor(of_size_one(X))).detach().numpy()
    mean = y.mean() + y.std() * F[..., 0]
    variance = y.var() * (np.log1p(np.exp(F[..., 1])) + 1e-6)
    model.net_.float()
    forecast = model.predict_dist(X)
    np.testing.assert_allclose(forecast.mean, mean.mean(0), rtol=1e-9)
    expected = (variance + mean**2).mean(0) - mean.mean(0) ** 2  # Lakshminarayanan et al. (2017), section 2.4
    np.testing.assert_allclose(forecast.variance, expected, rtol=1e-7)
    density = np.exp(-((y - mean) ** 2) / 2 / variance) / np.sqrt(2 * np.pi * variance)
    np.testing.assert_allclose(forecast.log_prob(y), np.log(density.mean(0)), rtol=1e-7, atol=1e-9)


def test_an_ensemble_of_classifiers_averages_probabilities(seed):
    X, y = line(seed)
    labels = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    model = DeepEnsembleClassifier(hidden_layer_sizes=4, updates=30, random_state=seed).fit(X, labels)
    p = model.net_.double()(torch.tensor(of_size_one(X))).softmax(-1).mean(0).detach().numpy()
    model.net_.float()
    np.testing.assert_allclose(model.predict_proba(X), p, rtol=1e-9)


def test_the_loss_is_minus_the_log_density_of_each_member(seed):
    X, y = line(seed, N=7)
    model = DeepEnsembleRegressor(hidden_layer_sizes=2, updates=1, adversarial=0.0, alpha=0.0).fit(X, y)
    Z, t = torch.tensor(of_size_one(X)).float(), torch.tensor(of_size_one(y)).float()
    F = model.net_(Z)
    spread = (nn.functional.softplus(F[..., 1]) + 1e-6).sqrt()
    expected = -torch.distributions.Normal(F[..., 0], spread).log_prob(t).mean(1).sum()
    found = model.loss(Z[:, None].expand(7, 5, 3), t[:, None].expand(7, 5))
    torch.testing.assert_close(found, expected)


def test_each_member_meets_each_item_once_an_epoch_and_in_an_order_of_its_own(seed, monkeypatch):
    X, y = line(seed, N=11)
    seen, loss = [], DeepEnsembleRegressor.loss

    def listen(self, X, t):
        seen.append(t)
        return loss(self, X, t)

    monkeypatch.setattr(DeepEnsembleRegressor, "loss", listen)
    how = Training(optimiser="sgd", learning_rate=0.01, epochs=1, batch_size=4)
    DeepEnsembleRegressor(n_members=3, training=how, hidden_layer_sizes=2).fit(X, y)
    assert [len(t) for t in seen] == [4, 4, 3]
    met = torch.cat(seen)
    for m in range(3):
        np.testing.assert_allclose(np.sort(met[:, m]), np.sort(of_size_one(y)), atol=1e-6)
    assert not torch.equal(met[:, 0], met[:, 1])


def test_an_adversarial_step_goes_to_the_worst_corner_of_the_box(seed):
    """For a linear mean the density falls with the distance of the mean from the target: one corner is the farthest."""
    X, y = line(seed, N=6)
    model = DeepEnsembleRegressor(hidden_layer_sizes=(), n_members=2, updates=1, adversarial=0.05, alpha=0.0).fit(X, y)
    with torch.no_grad():
        model.net_.weights[0][..., 1] = 0.0  # of the variance
    Z, t = torch.tensor(of_size_one(X)).float(), torch.tensor(of_size_one(y)).float()
    Z, t = Z[:, None].expand(6, 2, 3), t[:, None].expand(6, 2)
    model.net_.eval()
    plain = float(model.loss(Z, t).detach())
    reach = torch.tensor(0.05 * np.ptp(of_size_one(X), axis=0)).float()
    each = []  # the loss of each item and member, at each corner
    for corner in itertools.product((-1.0, 1.0), repeat=3):
        at = (Z + reach * torch.tensor(corner)).transpose(0, 1)
        each.append(model._improbability(model.net_(at), t.T))
    worst = float(torch.stack(each).amax(0).mean(1).sum().detach())
    model.net_.train()
    assert float(model.loss(Z, t).detach()) == pytest.approx(plain + worst, rel=1e-5)
    assert worst > plain


# ---------------------------------------------------------------------- dropout


def test_without_dropout_all_passes_are_one_net(seed):
    X, y = line(seed)
    forecast = DropoutRegressor(dropout=0.0, updates=20, hidden_layer_sizes=4, noise=0.5, n_passes=3).fit(X, y)
    said = forecast.predict_dist(X)
    np.testing.assert_allclose(said.std, 0.5, rtol=1e-12)
    alone = forecast.net_.double()(torch.tensor(of_size_one(X)))[0, :, 0].detach().numpy()
    np.testing.assert_allclose(said.mean, y.mean() + y.std() * alone, rtol=1e-9)


def test_passes_have_the_moments_of_random_masks(seed):
    """Of a linear net: mean x w + b, variance sum x^2 w^2 p / (1 - p), and the noise beside it."""
    X, y = line(seed)
    model = DropoutRegressor(
        hidden_layer_sizes=(), updates=50, dropout=0.2, n_passes=8000, noise=0.1, random_state=seed
    ).fit(X, y)
    Z = of_size_one(X)[:4]
    W, b = (v.double().detach().numpy() for v in (model.net_.weights[0][0, :, 0], model.net_.biases[0][0, 0, 0]))
    spread = np.sqrt((Z**2 @ W**2) * 0.2 / 0.8) * y.std()
    mean, std = model.predict(X[:4], return_std=True)
    assert (np.abs(mean - (y.mean() + y.std() * (Z @ W + b))) < 5 * spread / math.sqrt(8000)).all()
    np.testing.assert_allclose(std**2 - 0.1**2, spread**2, rtol=0.1)


def test_dropout_of_nothing_is_ridge_regression_and_learns_its_noise(seed):
    X, y = line(seed, noise=1.0)
    Z, t = of_size_one(X), of_size_one(y)
    A = np.column_stack([Z, np.ones(len(Z))])
    tau = (y.std() / 0.7) ** 2
    given = DropoutRegressor(hidden_layer_sizes=(), dropout=0.0, noise=0.7, length_scale=2.0, training=EXACT).fit(X, y)
    ridge = np.linalg.solve(tau * A.T @ A + 2.0**2 * np.eye(4), tau * A.T @ t)  # Gal & Ghahramani (2016), eq. 7
    np.testing.assert_allclose(given.predict(X), y.mean() + y.std() * (A @ ridge), atol=1e-3)
    how = Training(optimiser="adam", learning_rate=0.1, updates=400, batch_size=None, schedule="cosine")
    learned = DropoutRegressor(hidden_layer_sizes=(), dropout=0.0, length_scale=1e-6, training=how).fit(X, y)
    best = np.linalg.lstsq(A, t, rcond=None)[0]
    noise = y.std() * np.sqrt(np.mean((t - A @ best) ** 2))
    np.testing.assert_allclose(learned.predict_dist(X[:2]).std, noise, rtol=1e-3)


def test_each_pass_is_one_function_of_the_inputs(seed):
    X, y = line(seed)
    model = DropoutRegressor(updates=20, hidden_layer_sizes=6, dropout=0.3, n_passes=4).fit(X, y)
    twice = model.predict_dist(np.repeat(X[:3], 2, axis=0))
    for part in twice.components:
        np.testing.assert_allclose(part.mean[::2], part.mean[1::2], rtol=1e-12)
    assert len({round(float(part.mean[0]), 9) for part in twice.components}) == 4


def test_masks_leave_the_expectation_as_it_is(seed):
    X, y = line(seed)
    model = DropoutClassifier(dropout=0.25, n_passes=4000, updates=2).fit(X, y > y.mean())
    masks = model._masks(0, 10)
    assert set(masks.unique().tolist()) == {0.0, 1 / 0.75}
    assert abs(float(masks.mean()) - 1) < 5 * math.sqrt(0.25 / 0.75 / 40_000)
    assert not torch.equal(model._masks(1, 10), masks)


# ---------------------------------------------------------------------- what all have in common


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"hidden_layer_sizes": (3, 0)}, "whole numbers"),
        ({"hidden_layer_sizes": (True,)}, "whole numbers"),
        ({"hidden_layer_sizes": 0}, "hidden_layer_sizes"),
        ({"training": Training(), "updates": 5}, "learning_rate and updates"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters, words):
    with pytest.raises(ParameterError, match=words):
        DeepEnsembleRegressor(**parameters).fit(np.eye(3), np.arange(3.0))


@pytest.mark.parametrize("N", [1, 2, 3])
def test_few_rows_and_constant_targets(N):
    X = np.arange(2.0 * N).reshape(N, 2)
    for cls in (DeepEnsembleRegressor, DropoutRegressor):
        model = cls.example().fit(X, np.full(N, 7.0))
        assert (model.predict(X * 9) == 7.0).all() and (model.predict_dist(X).std < 1e-12).all()


def test_validation_of_an_ensemble_uses_items_that_it_did_not_learn(seed):
    X, y = line(seed, N=50)
    how = Training(optimiser="adam", learning_rate=0.05, epochs=30, validation_fraction=0.2, patience=3)
    model = DeepEnsembleRegressor(hidden_layer_sizes=4, training=how).fit(X, y)
    assert len(model.history_["validation_loss"]) == model.n_iter_ <= 30


def test_a_budget_ends_learning_and_the_ensemble_answers(seed):
    X, y = line(seed)
    with limiting(0.0):
        model = DeepEnsembleRegressor(updates=10_000, hidden_layer_sizes=3).fit(X, y)
    assert model.stopped_ == "out of time" and np.isfinite(model.predict(X)).all()
