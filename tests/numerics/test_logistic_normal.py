"""Probabilities averaged over normal scores, against adaptive quadrature, limits, and brute force."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit

from peira.numerics.logistic_normal import log_expected_sigmoid, log_expected_softmax, mean_field_softmax


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def by_quadrature(mean, std):
    """The integral over standard normal quantiles, split where the logistic function turns."""
    turn = np.clip(-mean / std, -38, 38)
    points = np.unique([-39.0, *(turn + np.array([-30.0, -5.0, 0.0, 5.0, 30.0]) / std).clip(-39, 39), 0.0, 39.0])
    parts = [
        quad(lambda t: expit(mean + std * t) * math.exp(-t * t / 2), a, b, epsabs=1e-13, epsrel=1e-12, limit=200)[0]
        for a, b in pairwise(points)
    ]
    return sum(parts) / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("std", [1e-3, 0.5, 1.0, 1.99, 2.0, 2.01, 5.0, 40.0])
def test_the_integral_is_that_of_adaptive_quadrature(std):
    means = [-9.0, -3.0, -1.0, -0.1, 0.0, 0.7, 2.5, 6.0]
    got = log_expected_sigmoid(tensor(means), tensor([std] * len(means)))
    exact = [by_quadrature(m, std) for m in means]
    np.testing.assert_allclose(got[:, 1].exp(), exact, atol=1e-11)
    np.testing.assert_allclose(got.exp().sum(1), 1.0, rtol=1e-15)
    mirrored = log_expected_sigmoid(-tensor(means), tensor([std] * len(means))).flip(1)
    assert torch.equal(mirrored, got)


def test_the_two_forms_meet_where_one_hands_over():
    means = torch.linspace(-30, 30, 61, dtype=torch.float64)
    below, above = (log_expected_sigmoid(means, torch.full_like(means, s)) for s in (2 - 1e-13, 2.0))
    np.testing.assert_allclose(below, above, rtol=1e-11)


def test_the_tail_keeps_its_digits():
    """Far out the logistic function is an exponential, and the integral that of a log-normal variable."""
    mean, std = tensor([-800.0, -1e5, -2000.0]), tensor([1.0, 3.0, 20.0])
    np.testing.assert_allclose(log_expected_sigmoid(mean, std)[:, 1], mean + std**2 / 2, rtol=1e-12)


def test_limits():
    got = log_expected_sigmoid(tensor([1.5, 1.5, 1e150, -1e150, 0.0, 1e300]), tensor([0.0, math.inf, 1e150, 0, 7, 1]))
    np.testing.assert_allclose(got[0].exp(), [expit(-1.5), expit(1.5)], rtol=1e-14)
    np.testing.assert_allclose(got[1].exp(), [0.5, 0.5], rtol=1e-12)
    np.testing.assert_allclose(got[2].exp(), [0.15865525393145707, 0.8413447460685429], rtol=1e-12)
    np.testing.assert_allclose(got[3].exp(), [1.0, 0.0])
    np.testing.assert_allclose(got[4].exp(), [0.5, 0.5], rtol=1e-12)
    assert not got.isnan().any()
    assert len(log_expected_sigmoid(tensor([]), tensor([]))) == 0


@pytest.mark.parametrize("spread", [0.3, 2.0, 8.0])
def test_the_softmax_against_brute_force(seed, spread):
    rng = np.random.default_rng(seed)
    mean, root = tensor(rng.normal(size=(12, 4)) * 2), tensor(rng.normal(size=(12, 4, 3)) * spread)
    got = log_expected_softmax(mean, root).exp()
    z = tensor(rng.standard_normal((100_000, 3)))
    draws = torch.stack([(mean[row] + z @ root[row].T).softmax(1) for row in range(12)])
    plain = (draws.var(1).mean() / 1024).sqrt()  # the error of as many independent points
    assert (got - draws.mean(1)).square().mean().sqrt() < 0.6 * plain
    np.testing.assert_allclose(got.sum(1), 1.0, rtol=1e-13)


def test_the_softmax_of_two_scores_is_the_integral(seed):
    mean = tensor(np.random.default_rng(seed).normal(size=20) * 2)
    std = torch.linspace(0, 3, 20, dtype=torch.float64)
    two = torch.stack([torch.zeros_like(mean), mean], 1)
    root = torch.stack([torch.zeros_like(std), std], 1)[:, :, None]
    np.testing.assert_allclose(log_expected_softmax(two, root).exp(), log_expected_sigmoid(mean, std).exp(), atol=1e-3)
    kappa = 1 / torch.sqrt(1 + math.pi * std**2 / 8)
    bishop = torch.sigmoid(kappa * mean)
    approximate = mean_field_softmax(two, root).softmax(1)
    np.testing.assert_allclose(approximate[:, 1], bishop, rtol=1e-13)
    far = mean_field_softmax(two * 1e150, root * 1e150).softmax(1)[1:, 1]
    np.testing.assert_allclose(far, torch.sigmoid((mean / std)[1:] * math.sqrt(8 / math.pi)), rtol=1e-12)
    assert (bishop - log_expected_sigmoid(mean, std)[:, 1].exp()).abs().max() < 0.02


def test_without_spread_both_are_the_softmax(seed):
    mean = tensor(np.random.default_rng(seed).normal(size=(3, 4)) * 5)
    none = torch.zeros(3, 4, 3, dtype=torch.float64)
    np.testing.assert_allclose(log_expected_softmax(mean, none), mean.log_softmax(1), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        mean_field_softmax(mean, none).log_softmax(1), mean.log_softmax(1), rtol=1e-12, atol=1e-13
    )


def test_nothing_outside_is_drawn(seed):
    torch.manual_seed(seed)
    before = torch.get_rng_state()
    log_expected_softmax(torch.zeros(1, 3, dtype=torch.float64), torch.ones(1, 3, 2, dtype=torch.float64))
    assert torch.equal(before, torch.get_rng_state())
