"""Fisher's discriminant against the generalised eigenproblem, least squares, and its invariances."""

import numpy as np
import pytest
from scipy.linalg import eigh, subspace_angles
from sklearn.datasets import load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis as Reference

from peira.core.errors import RankWarning
from peira.linear import FisherDiscriminant, RidgeClassifier


def table(N, D, C, *, seed):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(N) % C)
    X = rng.standard_normal((N, D)) @ rng.standard_normal((D, D)) + rng.standard_normal((C, D))[y] * 2
    return X, y, rng.uniform(0.2, 3, N)


def scatters(X, y, w):
    S_W, S_B = np.zeros((2, X.shape[1], X.shape[1]))
    m = np.average(X, axis=0, weights=w)
    for c in np.unique(y):
        own, v = X[y == c], w[y == c]
        m_c = np.average(own, axis=0, weights=v)
        S_W = S_W + (own - m_c).T @ (v[:, None] * (own - m_c))
        S_B = S_B + v.sum() * np.outer(m_c - m, m_c - m)
    return S_W, S_B


@pytest.mark.parametrize("shape", [(4, 1, 2), (6, 2, 2), (9, 2, 3), (30, 4, 3), (40, 3, 6)])
def test_the_directions_solve_the_generalised_eigenproblem(seed, shape):
    X, y, w = table(*shape, seed=seed)
    S_W, S_B = scatters(X, y, w)
    model = FisherDiscriminant().fit(X, y, w)
    L = min(shape[2] - 1, shape[1])
    values, vectors = (v[..., ::-1][..., :L] for v in eigh(S_B, S_W))
    np.testing.assert_allclose(model.eigenvalues_, values, rtol=1e-8)
    for l in range(L):
        assert subspace_angles(model.scalings_[:, [l]], vectors[:, [l]]).max() < 1e-6
    np.testing.assert_allclose(model.scalings_.T @ S_W @ model.scalings_, w.sum() * np.eye(L), atol=1e-8 * w.sum())
    np.testing.assert_allclose(model.explained_variance_ratio_.sum(), 1.0)


@pytest.mark.parametrize("shape", [(6, 1), (7, 2), (30, 4), (50, 10)])
def test_two_classes_have_the_closed_form_and_the_direction_of_least_squares(seed, shape):
    X, y, _ = table(*shape, 2, seed=seed)
    y[:2] = 0, 1
    S_W, _ = scatters(X, y, np.ones(len(X)))
    m1, m2 = X[y == 0].mean(0), X[y == 1].mean(0)
    w = np.linalg.solve(S_W, m2 - m1)  # Bishop eq. 4.30
    model = FisherDiscriminant(priors="equal").fit(X, y)
    for found in (model.scalings_[:, 0], model.coef_[0], RidgeClassifier(0.0).fit(X, y).coef_[0]):
        np.testing.assert_allclose(found / np.linalg.norm(found), w / np.linalg.norm(w), rtol=1e-8, atol=1e-10)
    assert abs(model.decision_function([(m1 + m2) / 2])[0]) < 1e-8 * np.abs(model.coef_).max()
    assert model.transform([m2])[0, 0] > model.transform([m1])[0, 0]


@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_scikit_learn_with_all_directions_and_few(load):
    X, y = load(return_X_y=True)
    ours, theirs = FisherDiscriminant().fit(X, y), Reference().fit(X, y)
    assert (ours.predict(X) == theirs.predict(X)).all()
    np.testing.assert_allclose(ours.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-8)
    one = FisherDiscriminant(1).fit(X, y)
    np.testing.assert_allclose(one.scalings_, ours.scalings_[:, :1])
    assert one.transform(X).shape == (len(X), 1) and list(one.get_feature_names_out()) == ["fisherdiscriminant0"]
    nearest = np.abs(one.transform(X) - one.transform(one.means_).T) ** 2 / 2 - np.log(np.bincount(y) / len(y))
    assert (one.predict(X) == nearest.argmin(1)).all()


def test_the_projection_has_unit_variance_within_the_classes_and_mean_zero(seed):
    X, y, w = table(50, 5, 4, seed=seed)
    Z = FisherDiscriminant().fit(X, y, w).transform(X)
    S_W, S_B = scatters(Z, y, w)
    np.testing.assert_allclose(S_W, w.sum() * np.eye(3), atol=1e-7)
    assert np.abs(S_B - np.diag(np.diag(S_B))).max() < 1e-7 * S_B.max()
    np.testing.assert_allclose(w @ Z, 0, atol=1e-8)


def test_units_offsets_rotations_and_parts_do_not_matter(seed):
    X, y, w = table(60, 4, 3, seed=seed)
    whole = FisherDiscriminant().fit(X, y, w)
    A = np.random.default_rng(seed).standard_normal((4, 4)) + 3 * np.eye(4)
    for other in (X * [1e-6, 1, 1e3, 1e6] + 7, X @ A + 2):
        model = FisherDiscriminant().fit(other, y, w)
        np.testing.assert_allclose(model.eigenvalues_, whole.eigenvalues_, rtol=1e-7)
        np.testing.assert_allclose(model.decision_function(other), whole.decision_function(X), rtol=1e-6, atol=1e-5)
        assert (model.predict(other) == whole.predict(X)).all()
    for order in (slice(None), slice(None, None, -1)):
        model = FisherDiscriminant()
        for part in np.array_split(np.arange(60), [1, 2, 30])[order]:
            model.partial_fit(X[part], y[part], range(3), w[part])
        np.testing.assert_allclose(model.scalings_, whole.scalings_, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(model.decision_function(X), whole.decision_function(X), rtol=1e-7, atol=1e-8)
    units = FisherDiscriminant(shrinkage=0.3).fit(X * [1e-6, 1, 1e3, 1e6], y, w)
    np.testing.assert_allclose(
        units.eigenvalues_, FisherDiscriminant(shrinkage=0.3).fit(X, y, w).eigenvalues_, rtol=1e-8
    )


def test_shrinkage_is_the_eigenproblem_of_the_mixed_scatter(seed):
    X, y, w = table(40, 4, 3, seed=seed)
    S_W, S_B = scatters(X, y, w)
    mixed = 0.6 * S_W + 0.4 * np.diag(np.diag(S_W + S_B))
    values = eigh(S_B, mixed, eigvals_only=True)[::-1][:2]
    np.testing.assert_allclose(FisherDiscriminant(shrinkage=0.4).fit(X, y, w).eigenvalues_, values, rtol=1e-9)


def test_singular_scatters_explain_themselves(seed):
    X, y, _ = table(8, 20, 2, seed=seed)
    with pytest.warns(RankWarning, match="rank 6 for 20 columns"):
        FisherDiscriminant().fit(X, y)
    assert FisherDiscriminant(shrinkage=0.2).fit(X, y).score(X, y) == 1.0
    with pytest.raises(ValueError, match="single point"):
        FisherDiscriminant().fit([[0.0], [1.0]], [0, 1])
    assert FisherDiscriminant(shrinkage=0.5).fit([[0.0], [1.0]], [0, 1]).predict([[0.4], [0.6]]).tolist() == [0, 1]
    with pytest.raises(ValueError, match="at most 1 direction"):
        FisherDiscriminant(3).fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    with pytest.raises(ValueError, match="1 class"):
        FisherDiscriminant().fit([[0.0], [1.0]], [1, 1])


def test_data_at_the_edge(seed):
    rng = np.random.default_rng(seed)
    X, y, w = table(60, 3, 3, seed=seed)
    with_constant = FisherDiscriminant().fit(np.column_stack([X, np.full(60, 1e8)]), y)
    np.testing.assert_allclose(with_constant.scalings_[3], 0.0)
    np.testing.assert_allclose(with_constant.scalings_[:3], FisherDiscriminant().fit(X, y).scalings_, rtol=1e-8)
    np.testing.assert_allclose(
        FisherDiscriminant().fit(X + 1e8, y).eigenvalues_, FisherDiscriminant().fit(X, y).eigenvalues_, rtol=1e-5
    )
    w[y == 2] = 0.0
    model = FisherDiscriminant().fit(X, y, w)
    assert model.classes_.tolist() == [0, 1, 2] and set(model.predict(rng.normal(size=(500, 3)) * 9)) <= {0, 1}
    np.testing.assert_allclose(
        model.eigenvalues_, FisherDiscriminant().fit(X[y < 2], y[y < 2], w[y < 2]).eigenvalues_, rtol=1e-8
    )
    assert np.isfinite(FisherDiscriminant().fit(X, y).decision_function(np.full((1, 3), 1e150))).all()
    with pytest.raises(ValueError, match="column 'x1' are too large"):
        FisherDiscriminant().fit(X * [1, 1e160, 1], y)
    centres = rng.standard_normal((1000, 40)) * 10
    y = np.repeat(np.arange(1000), 2)
    X = centres[y] + rng.standard_normal((2000, 40)) * 0.1
    assert FisherDiscriminant().fit(X, y).score(X, y) == 1.0


def test_the_picture_shows_each_class(seed):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    flat = FisherDiscriminant().fit(X, names).plot(X, names)
    assert [t.get_text() for t in flat.get_legend().get_texts()] == sorted(set(names))
    assert sum(len(c.get_offsets()) for c in flat.collections) == len(X) + 3
    line = FisherDiscriminant(1).fit(X, names).plot(X, names)
    assert sum(p.get_height() for p in line.patches) == len(X)
