"""Relevance vector machines: the evidence's maximum by brute force, its increments, and sparse answers."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal

from peira.kernels import RBF
from peira.kernels.relevance_vector_machine import State
from peira.kernels.relevance_vector_machine_classification import RVC
from peira.kernels.relevance_vector_machine_regression import RVR


def wave(seed, N=60, noise=0.1):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-8, 8, size=(N, 1))
    return X, np.sinc(X[:, 0] / np.pi) + noise * rng.normal(size=N)


def log_evidence(Phi, y, alpha, beta):
    """log N(y | 0, I / beta + Phi diag(1 / alpha) Phi')."""
    C = np.eye(len(y)) / beta + (Phi / alpha) @ Phi.T
    return multivariate_normal(np.zeros(len(y)), C).logpdf(y)


def test_each_change_gains_what_it_promises(seed):
    """Additions, corrections and deletions against two evaluations of the evidence."""
    rng = np.random.default_rng(seed)
    Phi, y, beta = rng.normal(size=(15, 6)), rng.normal(size=15), 4.0
    y = y + 2 * Phi[:, 1]
    state = State.empty(torch.tensor(Phi))
    state.active, state.alpha = torch.tensor([0, 2, 3]), torch.tensor([0.5, 2.0, 40.0], dtype=torch.float64)
    G, right = torch.tensor(Phi.T @ Phi), torch.tensor(Phi.T @ y)
    kinds = set()
    for _ in range(12):
        a = state.active
        state.factor(beta * G[a][:, a], beta * right[a])
        cross = beta * G[:, a]
        S = beta * G.diagonal() - ((cross @ state.Sigma) * cross).sum(1)
        Q = beta * right - cross @ state.mu
        gain, m, alpha = state.change(S, Q, beta * G.diagonal())
        before = log_evidence(Phi[:, a], y, state.alpha.numpy(), beta)
        kinds.add("delete" if alpha == np.inf else "correct" if m in a else "add")
        state.apply(m, alpha)
        after = log_evidence(Phi[:, state.active], y, state.alpha.numpy(), beta)
        assert gain >= 0 and abs(after - before - gain) < 1e-8
        if alpha < np.inf:  # the best precision of this basis function, all others held
            at = int((state.active == m).nonzero()[0])

            def worse(t, at=at):
                moved = state.alpha.numpy().copy()
                moved[at] = np.exp(t)
                return -log_evidence(Phi[:, state.active], y, moved, beta)

            best = minimize_scalar(worse, bracket=(np.log(alpha) - 0.5, np.log(alpha) + 0.5)).x
            assert abs(best - np.log(alpha)) < 1e-4
    assert {"add", "correct"} <= kinds


def test_regression_is_at_a_maximum_of_the_evidence(seed):
    X, y = wave(seed)
    model = RVR(RBF(2.0), tol=1e-9).fit(X, y)
    Z, machine = model.relevance_vectors_, model.machine_
    Phi = RBF(2.0)(X, Z)
    Phi = np.column_stack([np.ones(len(X)), Phi]) if machine["constant"] else Phi
    t = (y - model.target_mean_) / model.target_scale_
    beta = model.target_scale_**2 / model.noise_variance_
    value = log_evidence(Phi, t, machine["alpha"], beta)
    np.testing.assert_allclose(model.history_["log_evidence"][-1], value, rtol=1e-6)
    for j in range(len(machine["alpha"]) + 1):
        for step in (-1e-3, 1e-3):
            a, b = machine["alpha"].copy(), beta
            if j < len(a):
                a[j] *= 1 + step
            else:
                b *= 1 + step
            assert log_evidence(Phi, t, a, b) < value + 1e-9
    assert model.log_evidence_ == pytest.approx(value - 60 * np.log(model.target_scale_), rel=1e-6)
    mean, std = model.predict(X, return_std=True)
    precision = np.diag(machine["alpha"]) + beta * Phi.T @ Phi
    weights = beta * np.linalg.solve(precision, Phi.T @ t)
    np.testing.assert_allclose(mean, model.target_mean_ + model.target_scale_ * Phi @ weights, atol=1e-8)
    variance = 1 / beta + np.einsum("ij,ji->i", Phi, np.linalg.solve(precision, Phi.T))
    np.testing.assert_allclose(std, model.target_scale_ * np.sqrt(variance), rtol=1e-8)


def test_regression_is_sparse_and_near_the_function(seed):
    X, y = wave(seed, N=200)
    model = RVR(gamma=0.1).fit(X, y)
    T = np.linspace(-7, 7, 50)
    assert len(model.relevance_vectors_) < 20
    assert np.abs(model.predict(T[:, None]) - np.sinc(T / np.pi)).max() < 0.15
    assert 0.005 < model.noise_variance_ < 0.02


def test_a_sample_of_candidates_is_enough(seed):
    X, y = wave(seed, N=300)
    model = RVR(gamma=0.1, max_candidates=50).fit(X, y)
    assert model.score(X, y) > 0.8 and all(row in X.tolist() for row in model.relevance_vectors_.tolist())


@pytest.mark.parametrize("N", [1, 2, 3])
def test_few_rows(seed, N):
    X = np.random.default_rng(seed).normal(size=(N, 2))
    assert np.isfinite(RVR().fit(X, np.arange(N)).predict(X)).all()
    np.testing.assert_allclose(RVR().fit(X, np.full(N, 2.5)).predict(X * 9), 2.5)
    if N > 1:
        assert np.isfinite(RVC().fit(X, np.arange(N) > 0).predict_proba(X)).all()


def test_classification_is_at_the_mode_and_a_maximum_of_laplaces_evidence(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 2))
    y = (X[:, 0] ** 2 + X[:, 1] + 0.7 * rng.normal(size=120) > 0.5).astype(int)
    model = RVC(gamma=0.5, tol=1e-8).fit(X, y)
    machine = model.machines_[0]
    Phi = model.kernel_(X, machine["vectors"]) if len(machine["vectors"]) else np.zeros((120, 0))
    Phi = np.column_stack([np.ones(120), Phi]) if machine["constant"] else Phi
    alpha, mu = machine["alpha"], machine["weights"]
    p = 1 / (1 + np.exp(-Phi @ mu))
    np.testing.assert_allclose(Phi.T @ (y - p), alpha * mu, atol=1e-5)
    Sigma = np.linalg.inv(np.diag(alpha) + (Phi * (p * (1 - p))[:, None]).T @ Phi)
    np.testing.assert_allclose(machine["covariance"], Sigma, rtol=1e-5, atol=1e-8)
    # eq. 16 of Tipping (2001): at the maximum each precision is that of its fixed point
    np.testing.assert_allclose((1 - alpha * np.diag(Sigma)) / mu**2, alpha, rtol=1e-2)
    assert len(machine["vectors"]) < 20 and model.score(X, y) > 0.75


def test_three_classes_share_the_probability(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 150)
    X = rng.normal(size=(150, 2)) + 3 * np.array([[0, 0], [1, 0], [0, 1]])[y]
    model = RVC().fit(X, y)
    assert len(model.machines_) == 3 and model.log_evidence_.shape == (3,)
    assert model.score(X, y) > 0.85
