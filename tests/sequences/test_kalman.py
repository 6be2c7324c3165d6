"""The Kalman filter and smoother are conditioning of one large Gaussian; what they promise beside."""

import numpy as np
import pytest

from peira.sequences.kalman import StateSpace
from peira.sequences.kalman_steps import triangulate
from peira.sequences.state_space import factor, filtered, sampled


def system(rng, K, D, unknown=0, full=False):
    """A system with a stable motion; of the first states nothing is known at the start, where asked."""
    A = rng.normal(size=(K, K))
    A *= 0.95 / np.abs(np.linalg.eigvals(A)).max()
    B = rng.normal(size=(D, D))
    R = B @ B.T + 0.1 * np.eye(D) if full else np.diag(rng.uniform(0.1, 1, D))
    S, W = np.tril(rng.normal(size=(K, K))), np.zeros((K, K))
    S[:unknown], S[:, :unknown] = 0, 0
    W[range(unknown), range(unknown)] = 1
    G = np.tril(rng.normal(size=(K, K))) / 2
    C, b, d, m = rng.normal(size=(D, K)), rng.normal(size=K), rng.normal(size=D), rng.normal(size=K)
    return StateSpace(A, b, G, C, d, R, m, S, W)


def conditioned(model, X):
    """Log likelihood, means and covariances of all states at once, from their joint Gaussian with the numbers."""
    T, K = len(X), len(model.m)
    A, Q, P = model.A, model.G @ model.G.T, [model.S @ model.S.T]
    mu, powers = [model.m], [np.eye(K)]
    for _ in range(T - 1):
        mu.append(A @ mu[-1] + model.b)
        P.append(A @ P[-1] @ A.T + Q)
        powers.append(A @ powers[-1])
    Z = np.zeros((T, K, T, K))
    for s in range(T):
        for t in range(s, T):
            Z[t, :, s] = powers[t - s] @ P[s]
            Z[s, :, t] = Z[t, :, s].T
    Z = Z.reshape(T * K, T * K)
    seen = ~np.isnan(X.ravel())
    C = np.kron(np.eye(T), model.C)[seen]
    V = C @ Z @ C.T + np.kron(np.eye(T), model.R)[np.ix_(seen, seen)]
    e = (X - np.array(mu) @ model.C.T - model.d).ravel()[seen]
    gain = np.linalg.solve(V, C @ Z).T
    unknown = np.flatnonzero(np.abs(model.W).sum(0))
    log = -(len(e) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1]) / 2
    mean, cov = np.concatenate(mu), Z - gain @ C @ Z
    if len(unknown):  # the unknown start by generalised least squares
        B = np.concatenate([p @ model.W[:, unknown] for p in powers])
        M = (C @ B).T @ np.linalg.solve(V, C @ B)
        start = np.linalg.solve(M, (C @ B).T @ np.linalg.solve(V, e))
        log += (len(unknown) * np.log(2 * np.pi) - np.linalg.slogdet(M)[1]) / 2
        H = B - gain @ C @ B
        mean, cov, e = mean + B @ start, cov + H @ np.linalg.solve(M, H.T), e - C @ B @ start
    log -= e @ np.linalg.solve(V, e) / 2
    return log, (mean + gain @ e).reshape(T, K), cov.reshape(T, K, T, K)


CASES = [
    (1, 1, 1, 0),
    (1, 1, 2, 1),
    (1, 1, 60, 0),
    (1, 1, 60, 1),
    (2, 3, 12, 0),
    (2, 3, 12, 1),
    (3, 2, 15, 3),
    (4, 1, 15, 2),
]


@pytest.mark.parametrize(("K", "D", "T", "unknown"), CASES)
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("full", [False, True])
def test_filter_and_smoother_are_conditioning(seed, K, D, T, unknown, missing, full):
    rng = np.random.default_rng([seed, K, D, T])
    model = system(rng, K, D, unknown, full)
    X = 2 * rng.normal(size=(T, D))
    X[: max(1, unknown)] = 0.5  # enough is seen to find the start
    X[max(1, unknown) :][rng.uniform(size=X[max(1, unknown) :].shape) < missing] = np.nan
    belief = filtered(model, X, np.array([T]))
    log, mean, cov = conditioned(model, X)
    np.testing.assert_allclose(belief.log_likelihood, log, rtol=1e-9, atol=1e-7)
    z, V = belief.smooth()
    size = np.abs(cov).max()
    np.testing.assert_allclose(z, mean, rtol=1e-6, atol=1e-7 * (1 + np.abs(mean).max()))
    np.testing.assert_allclose(V, np.stack([cov[t, :, t] for t in range(T)]), rtol=1e-6, atol=1e-7 * size)
    if not unknown:
        lagged = belief.moments()[2]
        for t in range(1, T):
            np.testing.assert_allclose(lagged[t], cov[t, :, t - 1], rtol=1e-6, atol=1e-9 * size)
    for t in {0, T // 2, T - 1} if unknown == 0 else {T - 1}:
        _, mean, cov = conditioned(model, X[: t + 1])
        np.testing.assert_allclose(belief.mean[t], mean[-1], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(belief.covariance[t], cov[-1, :, -1], rtol=1e-6, atol=1e-7 * size)


def test_forecasts_are_conditioning_too(seed):
    rng = np.random.default_rng(seed)
    model = system(rng, 2, 2, full=True)
    X = rng.normal(size=(9, 2))
    mean, variance = filtered(model, X, np.array([9])).forecast(4)
    _, z, cov = conditioned(model, np.concatenate([X, np.full((4, 2), np.nan)]))
    for h in range(4):
        P = model.C @ cov[9 + h, :, 9 + h] @ model.C.T + model.R
        np.testing.assert_allclose(mean[0, h], model.C @ z[9 + h] + model.d, rtol=1e-9)
        np.testing.assert_allclose(variance[0, h], np.diag(P), rtol=1e-9)


def test_sequences_are_followed_as_if_alone(seed):
    rng = np.random.default_rng(seed)
    model = system(rng, 2, 2, unknown=1, full=True)
    lengths = np.array([7, 0, 1, 40, 3, 40, 9])
    X = rng.normal(size=(lengths.sum(), 2))
    X[10:14, 0], X[60:63] = np.nan, np.nan
    belief, at = filtered(model, X, lengths), 0
    z, V = belief.smooth()
    for n, T in enumerate(lengths):
        alone = filtered(model, X[at : at + T], np.array([T]))
        np.testing.assert_allclose(belief.log_likelihood[n], alone.log_likelihood[0], rtol=1e-10)
        np.testing.assert_allclose(z[at : at + T], alone.smooth()[0], rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(V[at : at + T], alone.smooth()[1], rtol=1e-8, atol=1e-9)
        at += T


def test_the_steady_state_changes_nothing(seed):
    """A gap at the end keeps all later steps from the table that sequences without gaps share."""
    rng = np.random.default_rng(seed)
    model = system(rng, 2, 1)
    X = rng.normal(size=(400, 1))
    belief = filtered(model, X, np.array([400]))
    assert len(belief.gains.predicted) < 200, "the gains of a stable system settle"
    P, m, log = model.S @ model.S.T, model.m, 0.0  # the textbook's form, without any short cut
    for t in range(400):
        F = model.C @ P @ model.C.T + model.R
        v = X[t] - model.C @ m - model.d
        k = P @ model.C.T / F
        log -= (np.log(2 * np.pi * F[0, 0]) + v[0] ** 2 / F[0, 0]) / 2
        m, P = m + k @ v, P - k @ F @ k.T
        np.testing.assert_allclose(belief.mean[t], m, rtol=1e-8, atol=1e-10)
        m, P = model.A @ m + model.b, model.A @ P @ model.A.T + model.G @ model.G.T
    np.testing.assert_allclose(belief.log_likelihood[0], log, rtol=1e-10)


def test_the_gradient_is_that_of_central_differences(seed):
    rng = np.random.default_rng(seed)
    for unknown in (0, 1):
        model = system(rng, 2, 2, unknown)
        X, lengths = rng.normal(size=(30, 2)), np.array([18, 12])
        X[5, 0], X[20] = np.nan, np.nan
        slope_Q, slope_R, slope_P = filtered(model, X, lengths).slopes()

        def log(model, X=X, lengths=lengths, **change):
            return filtered(model._replace(**change), X, lengths).log_likelihood.sum()

        E, h = rng.normal(size=(2, 2)), 1e-5
        E = E + E.T
        Q, P = model.G @ model.G.T, model.S @ model.S.T
        e = np.diag(rng.normal(size=2))
        by_Q = (log(model, G=factor(Q + h * E)) - log(model, G=factor(Q - h * E))) / (2 * h)
        by_R = (log(model, R=model.R + h * e) - log(model, R=model.R - h * e)) / (2 * h)
        np.testing.assert_allclose((slope_Q * E).sum(), by_Q, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(slope_R @ np.diag(e), by_R, rtol=1e-5, atol=1e-6)
        if not unknown:
            by_P = (log(model, S=factor(P + h * E)) - log(model, S=factor(P - h * E))) / (2 * h)
            np.testing.assert_allclose((slope_P * E).sum(), by_P, rtol=1e-5, atol=1e-6)


def test_covariances_are_never_indefinite(seed):
    """Noise of 1e-12 beside states of 1e6: the covariance form loses its definiteness here, the factor does not."""
    rng = np.random.default_rng(seed)
    model = system(rng, 4, 3)
    model = model._replace(R=1e-12 * np.eye(3), S=1e6 * np.eye(4), G=1e-6 * model.G)
    X = filtered(model, rng.normal(size=(30, 3)), np.array([30]))
    for P in (X.covariance, X.smooth()[1]):
        least = np.linalg.eigvalsh(P)[:, 0]
        assert (least >= -1e-14 * np.abs(P).max((1, 2))).all()


def test_a_number_that_was_certain(seed):
    """Without any noise the second number repeats the first: density 0 if it does not, and no division by 0."""
    one, none = np.ones((1, 1)), np.zeros((1, 1))
    model = StateSpace(one, np.zeros(1), none, one, np.zeros(1), none, np.zeros(1), one, none)
    lengths = np.array([2, 2])
    logs = filtered(model, np.array([[1.0], [1.0], [1.0], [2.0]]), lengths).log_likelihood
    np.testing.assert_allclose(logs, [-(np.log(2 * np.pi) + 1) / 2, -np.inf])


def test_a_sequence_without_numbers(seed):
    model = system(np.random.default_rng(seed), 2, 2)
    belief = filtered(model, np.full((3, 2), np.nan), np.array([3]))
    assert belief.log_likelihood[0] == 0
    np.testing.assert_allclose(belief.mean[1], model.A @ model.m + model.b)


@pytest.mark.parametrize(("K", "M"), [(1, 1), (1, 3), (3, 3), (3, 7)])
def test_triangulation_keeps_the_product(seed, K, M):
    B = np.random.default_rng(seed).normal(size=(K, M))
    P = B @ B.T
    triangulate(B)
    np.testing.assert_allclose(B @ B.T, P, atol=1e-14 * M * np.abs(P).max())
    assert not np.triu(B[:, :K], 1).any() and not B[:, K:].any() and (np.diag(B) >= 0).all()


def test_samples_have_the_moments_of_the_model(seed):
    model = system(np.random.default_rng(seed), 2, 2, full=True)
    n = 40_000
    _, X = sampled(model, 3, n, np.random.default_rng(seed + 1))
    X = X.reshape(n, 6)
    mean, cov, P = [], [], model.S @ model.S.T
    m = model.m
    for _ in range(3):
        mean.append(model.C @ m + model.d)
        cov.append(model.C @ P @ model.C.T + model.R)
        m, P = model.A @ m + model.b, model.A @ P @ model.A.T + model.G @ model.G.T
    np.testing.assert_allclose(X.mean(0), np.concatenate(mean), atol=5 * X.std(0).max() / np.sqrt(n))
    for t in range(3):
        np.testing.assert_allclose(
            np.cov(X[:, 2 * t : 2 * t + 2].T), cov[t], rtol=0.06, atol=0.06 * np.abs(cov[t]).max()
        )
