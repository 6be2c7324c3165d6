"""Linear discriminant analysis: scikit-learn's answers, Fisher's eigenproblem, invariance, and degenerate data."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from sklearn import discriminant_analysis as peers
from sklearn.datasets import load_digits, load_iris, load_wine

from peira.core import DataError, ParameterError
from peira.core.errors import RankWarning
from peira.linear import LinearDiscriminantAnalysis
from tests.linear.test_gaussian_classes import clouds

SOLVERS = ["auto", "svd", "lsqr", "eigen"]


def scatters(X, y):
    labels, n = np.unique(y, return_counts=True)
    means = np.stack([X[y == c].mean(0) for c in labels])
    within = sum((X[y == c] - m).T @ (X[y == c] - m) for c, m in zip(labels, means, strict=True)) / len(X)
    apart = means - X.mean(0)
    return within, (apart.T * n / len(X)) @ apart


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("data", [clouds, lambda seed: clouds(seed, C=2), lambda seed: clouds(seed, D=1)])
def test_answers_are_those_of_every_solver_of_scikit_learn(seed, solver, data):
    X, y = data(seed)
    ours = LinearDiscriminantAnalysis(solver=solver, store_covariance=True).fit(X, y)
    for name in ("svd", "lsqr", "eigen"):
        theirs = peers.LinearDiscriminantAnalysis(solver=name, store_covariance=True).fit(X, y)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-11)
        np.testing.assert_allclose(ours.covariance_, theirs.covariance_, atol=1e-12)
        assert (ours.predict(X) == theirs.predict(X)).all()
        if name != "lsqr":
            np.testing.assert_allclose(
                ours.explained_variance_ratio_, theirs.explained_variance_ratio_[: ours.scalings_.shape[1]], atol=1e-10
            )
    svd = peers.LinearDiscriminantAnalysis().fit(X, y)
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(svd.transform(X)), atol=1e-9)
    np.testing.assert_allclose(ours.xbar_, svd.xbar_, atol=1e-12)
    np.testing.assert_allclose(ours.coef_, svd.coef_, atol=1e-9)
    np.testing.assert_allclose(ours.intercept_, svd.intercept_, atol=1e-9)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1.0, "auto"])
def test_shrinkage_is_that_of_scikit_learn(seed, shrinkage):
    for X, y in (clouds(seed), load_iris(return_X_y=True)):
        ours = LinearDiscriminantAnalysis(shrinkage=shrinkage, store_covariance=True).fit(X, y)
        theirs = peers.LinearDiscriminantAnalysis("lsqr", shrinkage=shrinkage).fit(X, y)
        np.testing.assert_allclose(ours.covariance_, theirs.covariance_, atol=1e-12)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-10)


def test_priors_do_not_reweight_the_covariance(seed):
    X, y = clouds(seed)
    ours = LinearDiscriminantAnalysis(priors=[0.1, 0.2, 0.7]).fit(X, y)
    theirs = peers.LinearDiscriminantAnalysis(priors=[0.1, 0.2, 0.7]).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-11)


@pytest.mark.parametrize("D", [1, 2, 3, 5])
def test_directions_are_fishers_generalised_eigenvectors(seed, D):
    X, y = clouds(seed, D=D)
    model = LinearDiscriminantAnalysis().fit(X, y)
    within, between = scatters(X, y)
    values, vectors = eigh(between, within)
    L = min(2, D)
    assert model.scalings_.shape == (D, L)
    for m in range(L):
        v, fisher = model.scalings_[:, m], vectors[:, -1 - m]
        np.testing.assert_allclose(between @ v, values[-1 - m] * within @ v, atol=1e-9)
        assert abs(abs(v @ within @ fisher) - 1) < 1e-9
    Z = model.transform(X)
    np.testing.assert_allclose(model.scalings_.T @ within @ model.scalings_, np.eye(L), atol=1e-10)
    np.testing.assert_allclose(Z.mean(0), 0, atol=1e-10)
    np.testing.assert_allclose(model.explained_variance_ratio_, values[::-1][:L] / values.sum(), atol=1e-9)


def test_reduced_rank_is_the_nearest_mean_among_the_projections(seed):
    X, y = load_wine(return_X_y=True)
    full = LinearDiscriminantAnalysis(n_components=2).fit(X, y)
    np.testing.assert_allclose(
        full.predict_proba(X), LinearDiscriminantAnalysis().fit(X, y).predict_proba(X), atol=1e-9
    )
    one = LinearDiscriminantAnalysis(n_components=1).fit(X, y)
    Z, M = one.transform(X), one.transform(one.means_)
    scores = -((Z[:, None] - M) ** 2).sum(2) / 2 + np.log(np.bincount(y) / len(y))
    assert Z.shape == (len(X), 1) and (one.predict(X) == scores.argmax(1)).all()
    assert one.get_feature_names_out().tolist() == ["lineardiscriminantanalysis0"]
    with pytest.raises(ParameterError, match=r"cannot be larger than min\(n_features, n_classes - 1\) = 2"):
        LinearDiscriminantAnalysis(n_components=3).fit(X, y)


def test_labels_do_not_change_under_affine_maps(seed):
    rng = np.random.default_rng(seed)
    X, y = load_iris(return_X_y=True)
    model = LinearDiscriminantAnalysis().fit(X, y)
    for _ in range(5):
        A = rng.normal(size=(4, 4)) @ np.diag(10.0 ** rng.uniform(-3, 3, 4))
        b = 10 * rng.normal(size=4)
        moved = LinearDiscriminantAnalysis().fit(X @ A + b, y)
        np.testing.assert_allclose(moved.predict_proba(X @ A + b), model.predict_proba(X), atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_dependent_and_constant_columns_are_left_out_and_named(seed, solver):
    X, y = clouds(seed)
    wide = np.column_stack([X, X @ [1.0, -1.0, 2.0], np.full(len(X), 0.1)])
    with pytest.warns(RankWarning, match="2 of 5 directions .* 'x4'"):
        model = LinearDiscriminantAnalysis(solver=solver).fit(wide, y)
    same = LinearDiscriminantAnalysis().fit(X, y)
    np.testing.assert_allclose(model.predict_proba(wide), same.predict_proba(X), atol=1e-7)
    np.testing.assert_allclose(np.abs(model.transform(wide)), np.abs(same.transform(X)), atol=1e-7)


@pytest.mark.parametrize("gap", [1e-3, 1e-6])
def test_nearly_dependent_columns_are_decided_by_the_rows(seed, gap):
    """At 1e-6 the scatter knows nothing of the difference of two columns that decides the class; their rows do."""
    rng = np.random.default_rng(seed)
    y = np.arange(200) % 2
    a = rng.normal(size=200)
    X = np.column_stack([a, a + gap * (rng.normal(size=200) + 6 * y)])
    for solver in ("auto", "svd"):
        assert LinearDiscriminantAnalysis(solver=solver, tol=1e-9).fit(X, y).score(X, y) > 0.98


def test_more_columns_than_rows(seed):
    rng = np.random.default_rng(seed)
    y = np.arange(20) % 3
    X = rng.normal(size=(20, 50)) + 2 * rng.normal(size=(3, 50))[y]
    test = rng.normal(size=(40, 50))
    with pytest.warns(RankWarning, match="33 of 50 directions .* 17 rows beyond one a class"):
        ours = LinearDiscriminantAnalysis().fit(X, y)
    theirs = peers.LinearDiscriminantAnalysis().fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(test), theirs.predict_proba(test), atol=1e-9)
    shrunk = LinearDiscriminantAnalysis(shrinkage=0.2).fit(X, y)
    theirs = peers.LinearDiscriminantAnalysis("lsqr", shrinkage=0.2).fit(X, y)
    np.testing.assert_allclose(shrunk.predict_proba(test), theirs.predict_proba(test), atol=1e-9)
    more = np.tile(X, (4, 1)) + 0.5 * rng.normal(size=(80, 50))
    ours.partial_fit(more, np.tile(y, 4))  # goes on from the rows that a wide fit keeps
    whole = LinearDiscriminantAnalysis().fit(np.vstack([X, more]), np.tile(y, 5))
    np.testing.assert_allclose(ours.predict_proba(test), whole.predict_proba(test), atol=1e-9)


def test_real_data_with_dead_columns():
    X, y = load_digits(return_X_y=True)
    with pytest.warns(RankWarning, match="'x0', 'x32', 'x39'"):
        ours = LinearDiscriminantAnalysis().fit(X, y)
    theirs = peers.LinearDiscriminantAnalysis().fit(X, y)
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.999


def test_no_variation_within_any_class_is_refused():
    X = np.array([[0.0, 1.0], [0.0, 1.0], [2.0, 5.0]])
    for rows, y in (([0, 2], [0, 1]), ([0, 1, 2], [0, 0, 1])):
        with pytest.raises(DataError, match="no variation within the classes"):
            LinearDiscriminantAnalysis().fit(X[rows], y)


def test_one_row_in_a_class_is_enough(seed):
    X, y = clouds(seed)
    keep = np.concatenate([[0], np.flatnonzero(y > 0)])
    ours, theirs = (c().fit(X[keep], y[keep]) for c in (LinearDiscriminantAnalysis, peers.LinearDiscriminantAnalysis))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-10)


def test_equal_means_leave_the_priors():
    X, y = np.array([[0.0], [1.0], [0.0], [1.0], [0.0], [1.0]]), np.array(list("aabbbb"))
    model = LinearDiscriminantAnalysis().fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), np.tile([1 / 3, 2 / 3], (6, 1)))
    assert model.transform(X).shape == (6, 0)


def test_tensors_come_back_as_tensors(seed):
    X, y = clouds(seed)
    model = LinearDiscriminantAnalysis().fit(torch.tensor(X), torch.tensor(y))
    assert isinstance(model.transform(torch.tensor(X)), torch.Tensor)
    assert isinstance(model.predict(torch.tensor(X)), torch.Tensor)


@pytest.mark.parametrize("C", [2, 3, 12])
def test_the_picture_of_the_projections(seed, C):
    X, y = clouds(seed, N=200, D=3, C=C)
    model = LinearDiscriminantAnalysis().fit(X, y)
    ax = model.plot_projections(X, y)
    assert "direction 1" in ax.get_xlabel() and "%" in ax.get_xlabel()
    ax.figure.canvas.draw()
    if C > 2:
        assert "direction 1" in model.plot_projections(X, y, directions=(1, 0)).get_ylabel()
        with pytest.raises(DataError, match="cannot be drawn"):
            model.plot_projections(X, y, directions=(0, 7))
