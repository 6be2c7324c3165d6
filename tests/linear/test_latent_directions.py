"""Principal components and partial least squares against singular vectors, NIPALS and conjugate gradients."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.model_selection import KFold

from peira.linear.least_squares import LinearRegression
from peira.linear.partial_least_squares import PLSRegression
from peira.linear.principal_components import PrincipalComponentRegression

BOTH = [PrincipalComponentRegression, PLSRegression]


def table(N, D, K=1, *, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) @ (np.eye(D) + 0.5 * rng.standard_normal((D, D))) * rng.uniform(0.5, 2, D) + 3
    return X, X @ rng.standard_normal((D, K)) + rng.standard_normal((N, K)), rng.uniform(0.1, 3, N)


def standard(X, scale):
    Z = X - X.mean(0)
    return Z / np.where(Z.any(0), X.std(0, ddof=1), 1) if scale else Z


def nipals(X, Y, M, scale):
    """PLS2 as by NIPALS, the dominant direction by a singular value decomposition; fitted values (about the mean)."""
    E, F = standard(X, scale), standard(Y, scale)
    unit = Y.std(0, ddof=1) if scale else 1.0
    fitted, scores = np.zeros_like(F), []
    for _ in range(M):
        w = np.linalg.svd(E.T @ F, full_matrices=False)[0][:, 0]
        t = E @ w
        p, q = E.T @ t / (t @ t), F.T @ t / (t @ t)
        E, F, fitted = E - np.outer(t, p), F - np.outer(t, q), fitted + np.outer(t, q)
        scores.append(t)
    return fitted * unit, np.array(scores).T


@pytest.mark.parametrize(("N", "D", "K"), [(30, 5, 1), (30, 5, 3), (8, 20, 1), (8, 20, 2)])
@pytest.mark.parametrize("scale", [True, False])
def test_pls_is_nipals(seed, N, D, K, scale):
    X, Y, _ = table(N, D, K, seed=seed)
    for M in (1, 2, 4):
        model = PLSRegression(M, scale=scale).fit(X, Y)
        fitted, scores = nipals(X, Y, M, scale)
        np.testing.assert_allclose(model.predict(X) - Y.mean(0), fitted, atol=1e-9)
        np.testing.assert_allclose(np.abs(model.transform(X)), np.abs(scores), atol=1e-9)


def test_pls_of_one_target_is_conjugate_gradients(seed):
    X, Y, _ = table(30, 5, seed=seed)
    Z, r = standard(X, False), Y[:, 0] - Y.mean()
    S, b = Z.T @ Z, Z.T @ r
    x, g, d = np.zeros(5), b, b
    for M in range(1, 5):
        step = (g @ g) / (d @ S @ d)
        x, new = x + step * d, g - step * S @ d
        d, g = new + (new @ new) / (g @ g) * d, new
        np.testing.assert_allclose(PLSRegression(M, scale=False).fit(X, Y[:, 0]).coef_, x, rtol=1e-8)


@pytest.mark.parametrize(("N", "D"), [(30, 5), (6, 15)])
@pytest.mark.parametrize("scale", [True, False])
def test_components_are_singular_vectors_of_the_standardised_inputs(seed, N, D, scale):
    X, Y, _ = table(N, D, seed=seed)
    Z = standard(X, scale)
    U, s, Vt = np.linalg.svd(Z, full_matrices=False)
    for M in (0, 1, 2, 4):
        model = PrincipalComponentRegression(M, scale=scale).fit(X, Y[:, 0])
        np.testing.assert_allclose(
            model.predict(X) - Y.mean(), U[:, :M] @ (U[:, :M].T @ (Y[:, 0] - Y.mean())), atol=1e-9
        )
        np.testing.assert_allclose(np.abs(model.x_rotations_), np.abs(Vt[:M].T), atol=1e-9)
        np.testing.assert_allclose(model.explained_variance_ratio_, (s**2 / (s**2).sum())[:M], rtol=1e-9)


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("scale", [True, False])
def test_all_directions_are_least_squares_and_none_the_mean(seed, cls, scale):
    X, Y, w = table(30, 4, 2, seed=seed)
    np.testing.assert_allclose(cls(4, scale=scale).fit(X, Y, w).coef_, LinearRegression().fit(X, Y, w).coef_, rtol=1e-8)
    nothing = cls(0, scale=scale).fit(X, Y, w)
    np.testing.assert_allclose(nothing.predict(X), np.tile(np.average(Y, axis=0, weights=w), (30, 1)))
    assert nothing.n_components_ == 0


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 3), (3, 2), (3, 3)])
def test_no_more_directions_than_the_rank(seed, cls, shape):
    X, Y, _ = table(*shape, seed=seed)
    model = cls(3).fit(X, Y[:, 0])
    assert model.n_components_ <= min(shape[0] - 1, shape[1])
    assert model.transform(X).shape == (shape[0], model.n_components_)
    if shape[0] <= shape[1] + 1:
        np.testing.assert_allclose(model.predict(X), Y[:, 0], atol=1e-9)  # as many directions as needed to interpolate


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize(("N", "D"), [(40, 4), (12, 20)])
def test_folds_learn_their_own_scales_and_directions(seed, cls, N, D):
    X, Y, w = table(N, D, 2, seed=seed)
    folds = KFold(4, shuffle=True, random_state=seed)
    best, simple = (cls("cv", cv=folds, rule=rule).fit(X, Y, w) for rule in ("best", "one_se"))
    assert len(best.mse_path_) == min(D, N * 3 // 4 - 1) + 1
    for f, (train, test) in enumerate(folds.split(X)):
        for M in (0, 1, 3):
            part = cls(M).fit(X[train], Y[train], w[train])
            error = np.average(((Y[test] - part.predict(X[test])) ** 2).mean(1), weights=w[test])
            assert best.mse_path_[M, f] == pytest.approx(error, rel=1e-8)
    mean = best.mse_path_.mean(1)
    bound = mean.min() + best.mse_path_[mean.argmin()].std(ddof=1) / 2
    assert best.n_components_ == mean.argmin()
    assert simple.n_components_ == np.flatnonzero(mean <= bound)[0]


@pytest.mark.parametrize("cls", BOTH)
def test_weights_repetitions_units_and_sparse(seed, cls):
    X, Y, _ = table(20, 4, 2, seed=seed)
    times = np.arange(20) % 3
    a, b = cls(2).fit(X, Y, times), cls(2).fit(X.repeat(times, 0), Y.repeat(times, 0))
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-9)
    unit = np.array([1e-6, 1.0, 1e3, 1e8])
    np.testing.assert_allclose(cls(2).fit(X * unit - 7, Y, times).coef_ * unit, a.coef_, rtol=1e-7)
    np.testing.assert_allclose(cls(2).fit(sparse.csr_array(X), Y, times).coef_, a.coef_, rtol=1e-9)


@pytest.mark.parametrize("cls", BOTH)
def test_scores_are_uncorrelated_and_carry_the_prediction(seed, cls):
    X, Y, _ = table(30, 5, 2, seed=seed)
    model = cls(3).fit(X, Y)
    T = model.transform(X)
    np.testing.assert_allclose(T.mean(0), 0, atol=1e-10)
    G = T.T @ T
    assert np.abs(G - np.diag(np.diag(G))).max() < 1e-9 * G.max()
    np.testing.assert_allclose(model.predict(X), LinearRegression().fit(T, Y).predict(T), rtol=1e-8)
    assert list(model.get_feature_names_out()) == [f"{cls.__name__.lower()}{m}" for m in range(3)]


def test_target_scores_are_the_pseudo_inverse_of_the_loadings(seed):
    X, Y, _ = table(30, 5, 3, seed=seed)
    scores, target_scores = PLSRegression(2).fit_transform(X, Y)
    model = PLSRegression(2).fit(X, Y)
    np.testing.assert_array_equal(scores, model.transform(X))
    expected = np.linalg.lstsq(model.y_loadings_, standard(Y, True).T)[0].T
    np.testing.assert_allclose(target_scores, expected, rtol=1e-9)
