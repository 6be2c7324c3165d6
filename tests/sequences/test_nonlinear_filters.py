"""Extended and unscented filters: exact where all is linear, and near exact integration where it is not."""

import math

import numpy as np
import pytest
import torch

from peira.core.errors import DataError
from peira.sequences.kalman import StateSpace
from peira.sequences.nonlinear_filters import NonlinearModel, extended_kalman_filter, unscented_kalman_filter
from peira.sequences.state_space import factor, filtered, sampled

FILTERS = [extended_kalman_filter, unscented_kalman_filter]


def linear(rng, K=2, D=3):
    A, C = rng.normal(size=(K, K)) / 2, rng.normal(size=(D, K))
    R, Q = np.cov(rng.normal(size=(D, 3 * D))), np.cov(rng.normal(size=(K, 3 * K)))
    model = StateSpace(A, np.zeros(K), factor(Q), C, np.zeros(D), R, np.ones(K), np.eye(K), np.zeros((K, K)))
    A, C = torch.as_tensor(A), torch.as_tensor(C)
    return model, NonlinearModel(lambda z, t: z @ A.T, lambda z, t: z @ C.T, Q, R, np.ones(K), np.eye(K))


@pytest.mark.parametrize("follow", FILTERS)
def test_linear_systems_are_followed_exactly(seed, follow):
    rng = np.random.default_rng(seed)
    model, same = linear(rng)
    X = list(sampled(model, 12, 3, rng)[1])
    X[1] = X[1][:1]
    X[0][3, 1], X[2][7] = np.nan, np.nan
    lengths = np.array([len(x) for x in X])
    belief, found, at = filtered(model, np.concatenate(X), lengths), follow(X, same), 0
    z, V = belief.smooth()
    np.testing.assert_allclose(found.log_likelihood, belief.log_likelihood, rtol=1e-10)
    for n, T in enumerate(lengths):
        rows = slice(at, at + T)
        np.testing.assert_allclose(found.mean[n], belief.mean[rows], atol=1e-9)
        np.testing.assert_allclose(found.covariance[n], belief.covariance[rows], atol=1e-9)
        np.testing.assert_allclose(found.smoothed_mean[n], z[rows], atol=1e-9)
        np.testing.assert_allclose(found.smoothed_covariance[n], V[rows], atol=1e-9)
        at += T


@pytest.mark.parametrize("follow", FILTERS)
def test_a_gentle_curve_is_nearly_exact(seed, follow):
    """Against the posterior by integration over a grid of 2,001 points."""
    rng = np.random.default_rng(seed)
    z, x = 0.3, []
    for _ in range(25):
        x.append(z + 0.1 * z * z + 0.2 * rng.normal())
        z = math.sin(z) + 0.2 * rng.normal()
    grid = np.linspace(-4, 4, 2001)
    move = np.exp(-((grid[:, None] - np.sin(grid)) ** 2) / 0.08)
    p, means = np.exp(-((grid - 0.3) ** 2) / 0.2), []
    for t in range(25):
        p = (move @ p if t else p) * np.exp(-((x[t] - grid - 0.1 * grid**2) ** 2) / 0.08)
        p /= p.sum()
        means.append(p @ grid)
    model = NonlinearModel(lambda z, t: torch.sin(z), lambda z, t: z + 0.1 * z * z, [[0.04]], [[0.04]], [0.3], [[0.1]])
    np.testing.assert_allclose(follow(np.array(x), model).mean[0][:, 0], means, atol=0.02)


def test_points_see_the_curvature_that_tangents_miss():
    """Of z ~ N(0, 1) the square has mean 1 and variance 2; with three points of fourth moment 3 that is exact."""
    model = NonlinearModel(lambda z, t: z * z, lambda z, t: z, [[0.0]], [[1.0]], [0.0], [[1.0]])
    found = unscented_kalman_filter([np.nan, np.nan], model, kappa=2.0)
    np.testing.assert_allclose([found.mean[0][1, 0], found.covariance[0][1, 0, 0]], [1.0, 2.0])
    tangent = extended_kalman_filter([np.nan, np.nan], model)
    assert tangent.mean[0][1, 0] == 0 == tangent.covariance[0][1, 0, 0]


@pytest.mark.parametrize("follow", FILTERS)
def test_covariances_are_never_indefinite(seed, follow):
    rng = np.random.default_rng(seed)
    model = NonlinearModel(
        lambda z, t: torch.stack([z[:, 0] + z[:, 1], 3 * torch.cos(z[:, 0])], 1),
        lambda z, t: z[:, :1] ** 2,
        1e-10 * np.eye(2),
        [[1e-8]],
        np.ones(2),
        10 * np.eye(2),
    )
    found = follow(rng.normal(size=(40, 1)) ** 2, model)
    for P in (*found.covariance, *found.smoothed_covariance):
        assert (np.linalg.eigvalsh(P)[:, 0] >= -1e-10 * np.abs(P).max((1, 2))).all()


def test_shapes_that_do_not_fit_are_named():
    model = NonlinearModel(lambda z, t: z, lambda z, t: z, np.eye(2), [[1.0]], [0.0], [[1.0]])
    for follow in FILTERS:
        with pytest.raises(DataError, match=r"\(2, 2\)"):
            follow([1.0], model)
    fine = NonlinearModel(lambda z, t: z, lambda z, t: z, [[1.0]], [[1.0]], [0.0], [[1.0]])
    with pytest.raises(DataError, match="nowhere"):
        unscented_kalman_filter([1.0], fine, kappa=-1.0)
