"""Platt's sigmoid against a general optimiser, and the coupling of pairs against its definition."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from peira.kernels.platt import couple, fit_sigmoid, pair_probabilities


def loss_of(f, first, w):
    ones, zeros = w[first].sum(), w[~first].sum()
    t = np.where(first, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    return lambda v: w @ (np.logaddexp(0, v[0] * f + v[1]) - (1 - t) * (v[0] * f + v[1]))


@pytest.mark.parametrize("spread", [0.1, 1.0, 50.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_sigmoid_is_the_minimum(seed, spread, weighted):
    rng = np.random.default_rng(seed)
    f = spread * rng.normal(size=200)
    first = rng.random(200) < 1 / (1 + np.exp(-2 * f / spread))
    w = rng.uniform(0.2, 3.0, 200) if weighted else np.ones(200)
    A, B = fit_sigmoid(f, first, w)
    loss = loss_of(f, first, w)
    best = minimize(loss, [0.0, 0.0], method="BFGS", options={"gtol": 1e-9})
    assert loss([A, B]) <= best.fun + 1e-9 * abs(best.fun)
    np.testing.assert_allclose([A * spread, B], best.x * [spread, 1.0], atol=1e-4)


def test_the_sigmoid_of_scores_that_separate_or_are_far_or_are_all_alike():
    A, B = fit_sigmoid(np.array([-1e6, -2.0, 2.0, 1e6]), np.array([False, False, True, True]))
    assert np.isfinite([A, B]).all() and A < 0
    A, B = fit_sigmoid(np.ones(10), np.arange(10) < 7)
    r = 1 / (1 + np.exp(A + B))
    np.testing.assert_allclose(r, (7 * 8 / 9 + 3 / 5) / 10)
    A, B = fit_sigmoid(np.zeros(1), np.array([True]))
    np.testing.assert_allclose(1 / (1 + np.exp(B)), 2 / 3)


def test_weights_are_counts(seed):
    rng = np.random.default_rng(seed)
    f, first, counts = rng.normal(size=40), rng.random(40) < 0.5, rng.integers(0, 4, 40)
    got = fit_sigmoid(f, first, counts.astype(float))
    np.testing.assert_allclose(got, fit_sigmoid(np.repeat(f, counts), np.repeat(first, counts)), rtol=1e-6)


@pytest.mark.parametrize("C", [2, 3, 6])
def test_pairs_of_one_distribution_give_it_back(seed, C):
    p = torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(C), 20))
    i, j = torch.triu_indices(C, C, 1)
    torch.testing.assert_close(couple(p[:, i] / (p[:, i] + p[:, j])), p, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [0.5, 4.0, 40.0])
def test_pairs_that_disagree_are_coupled_by_least_squares(seed, scale):
    """The conditions of the minimum: Q p is the same for all classes."""
    C, rng = 5, np.random.default_rng(seed)
    f = torch.from_numpy(scale * rng.normal(size=(6, 10)))
    r = pair_probabilities(f, torch.full((10,), -1.0), torch.zeros(10))
    assert float(r.min()) >= 1e-7 and float(r.max()) <= 1 - 1e-7
    i, j = np.triu_indices(C, 1)
    for row, p in zip(r.numpy(), couple(r).numpy(), strict=True):
        R = np.zeros((C, C))
        R[i, j], R[j, i] = row, 1 - row
        Q = -R.T * R
        Q[np.diag_indices(C)] = (R**2).sum(0)
        np.testing.assert_allclose(Q @ p, p @ Q @ p, atol=1e-12)
        assert p.min() >= 0 and abs(p.sum() - 1) < 1e-12


@pytest.mark.parametrize("C", [3, 4, 10])
def test_pairs_that_agree_are_coupled_exactly(C, seed):
    """Then the matrix of the equations is singular without the multiplier of the sum."""
    p = torch.tensor(np.random.default_rng(seed).dirichlet(np.ones(C), 5))
    p = torch.cat([p, torch.full((1, C), 1 / C, dtype=p.dtype)])
    i, j = torch.triu_indices(C, C, 1)
    torch.testing.assert_close(couple(p[:, i] / (p[:, i] + p[:, j])), p, rtol=1e-8, atol=1e-10)
