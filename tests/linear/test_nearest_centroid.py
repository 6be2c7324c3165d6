"""Nearest centroids, plain and shrunken: the definition, scikit-learn's attributes, what survives, odd data."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.metrics import pairwise_distances_argmin
from sklearn.neighbors import NearestCentroid as Peer

from peira.core import DataError
from peira.linear import GaussianClassifier, NearestCentroid
from tests.linear.test_gaussian_classes import clouds


@pytest.mark.parametrize("D", [1, 2, 3])
def test_the_nearest_mean_wins(seed, D):
    X, y = clouds(seed, D=D)
    model = NearestCentroid().fit(X, y)
    assert (model.predict(X) == pairwise_distances_argmin(X, np.stack([X[y == c].mean(0) for c in range(3)]))).all()
    assert (model.predict(X) == Peer().fit(X, y).predict(X)).all()


def test_it_is_the_spherical_gaussian_classifier(seed):
    X, y = clouds(seed)
    P = NearestCentroid(priors="empirical").fit(X, y).predict_proba(X)
    np.testing.assert_allclose(P, GaussianClassifier("common spherical").fit(X, y).predict_proba(X), atol=1e-11)


@pytest.mark.parametrize("threshold", [None, 0.5, 2.0, 1e6])
@pytest.mark.parametrize("priors", ["uniform", "empirical"])
def test_learned_values_are_those_of_scikit_learn(seed, threshold, priors):
    for X, y in (clouds(seed), load_iris(return_X_y=True), load_breast_cancer(return_X_y=True)):
        ours = NearestCentroid(shrink_threshold=threshold, priors=priors).fit(X, y)
        theirs = Peer(shrink_threshold=threshold, priors=priors).fit(X, y)
        for name in ("centroids_", "deviations_", "within_class_std_dev_", "class_prior_"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9, atol=1e-10)


def test_shrunken_scores_by_the_papers_definition(seed):
    X, y = load_breast_cancer(return_X_y=True)
    model = NearestCentroid(shrink_threshold=3.0, priors="empirical").fit(X, y)
    s = model.within_class_std_dev_ + np.median(model.within_class_std_dev_)
    delta = (((X[:, None] - model.centroids_) / s) ** 2).sum(2) - 2 * np.log(np.bincount(y) / len(y))
    P = np.exp(-(delta - delta.min(1, keepdims=True)) / 2)
    np.testing.assert_allclose(model.predict_proba(X), P / P.sum(1, keepdims=True), atol=1e-10)
    assert (model.predict(X) == delta.argmin(1)).all()
    assert model.surviving_.tolist() == np.flatnonzero((model.deviations_ != 0).any(0)).tolist()


def test_columns_that_do_not_survive_have_no_say(seed):
    rng = np.random.default_rng(seed)
    y = np.arange(60) % 3
    X = rng.normal(size=(60, 200))
    X[:, :3] += 6 * np.eye(3)[y]
    model = NearestCentroid(shrink_threshold=4.0).fit(X, y)
    assert set(model.surviving_) == {0, 1, 2} and model.score(X, y) == 1
    other = X.copy()
    other[:, 3:] = rng.normal(size=(60, 197))
    np.testing.assert_allclose(model.predict_proba(other), model.predict_proba(X), atol=1e-10)
    alone = NearestCentroid(shrink_threshold=1e9).fit(X, y)
    assert len(alone.surviving_) == 0
    np.testing.assert_allclose(alone.predict_proba(X), 1 / 3)


def test_sparse_rows_give_the_same_answers(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.poisson(0.3, size=(80, 30)).astype(float), np.arange(80) % 4
    w = rng.uniform(0.1, 2, 80)
    for threshold in (None, 0.5):
        dense = NearestCentroid(shrink_threshold=threshold).fit(X, y, w)
        thin = NearestCentroid(shrink_threshold=threshold).fit(sparse.csr_array(X), y, w)
        np.testing.assert_allclose(thin.centroids_, dense.centroids_, atol=1e-12)
        np.testing.assert_allclose(thin.predict_proba(sparse.csr_array(X)), dense.predict_proba(X), atol=1e-10)


def test_streams_and_weights(seed):
    X, y = clouds(seed)
    w = np.random.default_rng(seed).integers(1, 4, len(y))
    whole = NearestCentroid(shrink_threshold=0.7).fit(X, y, w)
    stream = NearestCentroid(shrink_threshold=0.7)
    for rows in np.split(np.random.default_rng(seed).permutation(len(y)), [1, 2, 17]):
        stream.partial_fit(X[rows], y[rows], classes=[0, 1, 2], sample_weight=w[rows])
    repeated = NearestCentroid(shrink_threshold=0.7).fit(np.repeat(X, w, 0), np.repeat(y, w))
    for other in (stream, repeated):
        np.testing.assert_allclose(other.centroids_, whole.centroids_, atol=1e-10)
        np.testing.assert_allclose(other.predict_proba(X), whole.predict_proba(X), atol=1e-10)


def test_one_row_in_each_class_is_certain_of_the_nearest():
    X = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    for N in (1, 2, 3):
        model = NearestCentroid().fit(X[:N], list("abc")[:N])
        np.testing.assert_array_equal(model.predict_proba(X[:N] + 0.1), np.eye(N))
        assert model.predict(X[:N]).tolist() == list("abc")[:N]


def test_dead_columns_and_columns_without_a_unit():
    X, y = load_digits(return_X_y=True)
    model = NearestCentroid(shrink_threshold=1.0).fit(X, y)
    assert np.isfinite(model.deviations_).all() and 0 not in model.surviving_ and model.score(X, y) > 0.8
    flat = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    with pytest.raises(DataError, match="column 'x0' tells classes apart but varies within none"):
        NearestCentroid(shrink_threshold=1.0).fit(flat, [0, 0, 1, 1])
    assert NearestCentroid().fit(flat, [0, 0, 1, 1]).score(flat, [0, 0, 1, 1]) == 1


@pytest.mark.parametrize("size", [1e10, 1e100, 1e150])
def test_probabilities_far_away(seed, size):
    X, y = clouds(seed)
    for threshold in (None, 0.5):
        for offset in (0.0, 1e8):
            model = NearestCentroid(shrink_threshold=threshold).fit(X + offset, y)
            P = model.predict_proba(size * X)
            np.testing.assert_allclose(P.sum(1), 1, atol=1e-12)


def test_weights_of_classes_are_weights_of_items_and_multiply_priors(seed):
    X, y = clouds(seed)
    v = np.array([3.0, 0.5, 1.0])
    weights = {0: 3.0, 1: 0.5}
    for threshold in (None, 0.7):
        options = {"shrink_threshold": threshold}
        by_class = NearestCentroid(priors="empirical", class_weight=weights, **options).fit(X, y)
        by_item = NearestCentroid(priors="empirical", **options).fit(X, y, v[y])
        np.testing.assert_array_equal(by_class.predict_proba(X), by_item.predict_proba(X))
        stream = NearestCentroid(class_weight=weights, **options)
        for part in np.array_split(np.arange(len(y)), 3):
            stream.partial_fit(X[part], y[part], classes=[0, 1, 2])
        np.testing.assert_allclose(stream.class_prior_, v / v.sum())
        P = NearestCentroid(**options).fit(X, y, v[y]).predict_proba(X) * v
        np.testing.assert_allclose(stream.predict_proba(X), P / P.sum(1, keepdims=True), atol=1e-12)
    for priors in ("uniform", "empirical"):
        balanced = NearestCentroid(priors=priors, class_weight="balanced").fit(X, y)
        np.testing.assert_allclose(balanced.class_prior_, 1 / 3)
    given = NearestCentroid(priors=[0.2, 0.3, 0.5], class_weight=weights).fit(X, y)
    np.testing.assert_allclose(given.class_prior_, [0.2, 0.3, 0.5])
    gone = NearestCentroid(class_weight={2: 0.0}).fit(X, y)
    assert gone.class_prior_.tolist() == [0.5, 0.5, 0.0] and (gone.predict(X) < 2).all()
    with pytest.raises(ValueError, match="needs all rows at once"):
        NearestCentroid(class_weight="balanced").partial_fit(X, y)
