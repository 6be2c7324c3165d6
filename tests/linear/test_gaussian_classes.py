"""Gaussian classes: their statistics, the four assumptions, and quadratic discriminants, by other routes."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn import discriminant_analysis as peers
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB

from peira.core import DataError, ParameterError
from peira.core.errors import RankWarning
from peira.linear import GaussianClassifier, LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from peira.linear.gaussian_classes import ClassMoments
from peira.linear.gaussian_whitening import whitening, whitening_of_root

FORMS = GaussianClassifier.parameters()["covariance"].annotation.__args__


def clouds(seed, N=90, D=3, C=3):
    """Overlapping classes of different shapes, in which each has at least D + 2 rows."""
    rng = np.random.default_rng([seed, 11])
    y = np.concatenate([np.repeat(np.arange(C), D + 2), rng.integers(0, C, N - C * (D + 2))])
    shapes = np.eye(D) + 0.4 * rng.normal(size=(C, D, D))
    return rng.normal(size=(C, D))[y] + np.einsum("nd,nde->ne", rng.normal(size=(N, D)), shapes[y]), y


def assumed(X, y, form):
    """The maximum-likelihood covariances (C, D, D), from the definition."""
    C = len(np.unique(y))
    S = np.stack([np.cov(X[y == c].T, bias=True).reshape(X.shape[1], -1) for c in range(C)])
    if form.startswith("common"):
        S[:] = np.average(S, 0, weights=np.bincount(y))
    if "diagonal" in form or "spherical" in form:
        S *= np.eye(X.shape[1])
    if "spherical" in form:
        S = np.trace(S, axis1=1, axis2=2)[:, None, None] / X.shape[1] * np.eye(X.shape[1])
    return S


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("D", [1, 2, 3])
def test_probabilities_and_densities_are_those_of_scipy(seed, form, D):
    X, y = clouds(seed, D=D)
    model = GaussianClassifier(form).fit(X, y)
    shares = np.bincount(y) / len(y)
    joint = np.stack(
        [
            p * multivariate_normal(X[y == c].mean(0), S).pdf(X)
            for c, p, S in zip(range(3), shares, assumed(X, y, form), strict=True)
        ],
        1,
    )
    np.testing.assert_allclose(model.predict_proba(X), joint / joint.sum(1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(model.log_prob(X), np.log(joint.sum(1)), rtol=1e-10)
    assert (model.predict(X) == joint.argmax(1)).all()


def test_the_special_cases_are_the_named_methods(seed):
    X, y = clouds(seed)
    for form, other in (
        ("individual", QuadraticDiscriminantAnalysis()),
        ("common", LinearDiscriminantAnalysis()),
        ("individual diagonal", GaussianNB(var_smoothing=0)),
        ("individual", peers.QuadraticDiscriminantAnalysis()),
    ):
        ours = GaussianClassifier(form).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(ours, other.fit(X, y).predict_proba(X), atol=1e-10)


def test_a_sphere_and_equal_priors_are_the_nearest_mean(seed):
    X, y = clouds(seed)
    model = GaussianClassifier("common spherical", priors=[1 / 3] * 3).fit(X, y)
    distance = ((X[:, None] - np.stack([X[y == c].mean(0) for c in range(3)])) ** 2).sum(2)
    assert (model.predict(X) == distance.argmin(1)).all()


@pytest.mark.parametrize("form", ["individual", "common"])
def test_sampling_the_model_and_learning_it_again(seed, form):
    X, y = clouds(seed, D=2)
    truth = GaussianClassifier(form, priors=[0.2, 0.3, 0.5]).fit(X, y)
    drawn = np.concatenate([truth.sample(20_000, given=c, seed=seed + c) for c in range(3)])
    again = GaussianClassifier(form).fit(drawn, np.repeat([0, 1, 2], 20_000))
    np.testing.assert_allclose(again.means_, truth.means_, atol=0.06)
    np.testing.assert_allclose(again.covariance_, truth.covariance_, rtol=0.06, atol=0.06)
    mixed = truth.sample(20_000, seed=seed)
    np.testing.assert_allclose(mixed.mean(0), truth.priors_ @ truth.means_, atol=0.06)
    # Calibrated: among draws of the model, the probabilities are the frequencies.
    labels = np.random.default_rng(seed).choice(3, 20_000, p=truth.priors_)
    X = np.stack([truth.sample(20_000, given=c, seed=seed + 7) for c in range(3)])[labels, np.arange(20_000)]
    P = truth.predict_proba(X)
    for c in range(3):
        for low in (0.0, 0.2, 0.4, 0.6, 0.8):
            inside = (P[:, c] >= low) & (P[:, c] < low + 0.2)
            if inside.sum() > 100:
                gap = P[inside, c].mean() - (labels[inside] == c).mean()
                assert abs(gap) < 5 * np.sqrt((P[inside, c] * (1 - P[inside, c])).sum()) / inside.sum()


# ---------------------------------------------------------------------- statistics


@pytest.mark.parametrize("form", ["individual", "common", "individual diagonal", "common diagonal", "root"])
@pytest.mark.parametrize("N", [1, 2, 3, 40])
def test_moments_from_the_definition_whole_and_merged(seed, form, N):
    rng = np.random.default_rng(seed)
    X, y, w = rng.normal(size=(N, 2)) + 1e8, rng.integers(0, 3, N), rng.uniform(0, 2, N) + 0.01
    model = QuadraticDiscriminantAnalysis(reg_param=0.5)

    def moments(rows):
        return ClassMoments.of(model._begin(X[rows], y[rows], w[rows], classes=[0, 1, 2]), form)

    Z, means, S = np.zeros_like(X), np.zeros((3, 2)), np.zeros((3, 2, 2))
    for c in np.unique(y):
        mine = y == c
        means[c] = 1e8 + np.average(X[mine] - 1e8, axis=0, weights=w[mine])
        Z[mine] = X[mine] - means[c]
        S[c] = (w[mine, None] * Z[mine]).T @ Z[mine]
    half = rng.permutation(N)
    for m in (
        moments(slice(None)),
        moments(half[: (N + 1) // 2]).merge(moments(half[(N + 1) // 2 :])) if N > 1 else None,
    ):
        if m is None:
            continue
        np.testing.assert_allclose(m.weights, np.bincount(y, w, 3), rtol=1e-12)
        np.testing.assert_allclose(m.means, means, rtol=1e-15)
        expected = S.sum(0, keepdims=True) if m.form.startswith("common") or m.form == "root" else S
        if m.form.endswith("diagonal"):
            expected = np.diagonal(expected, axis1=1, axis2=2)
        np.testing.assert_allclose(m._scattered().within, expected, rtol=1e-6, atol=1e-6)


def test_the_classes_may_lie_far_apart(seed):
    """A total scatter less the scatter between the classes would have lost every digit."""
    X, y = clouds(seed)
    near, far = (
        LinearDiscriminantAnalysis(store_covariance=True).fit(X + shift * y[:, None], y) for shift in (0, 2.0**27)
    )
    np.testing.assert_allclose(near.covariance_, far.covariance_, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("D", [1, 2, 3, 8])
def test_whitening_whitens_by_every_route(seed, D):
    rng = np.random.default_rng(seed)
    Z = torch.tensor(rng.normal(size=(30, D)) @ np.diag(10.0 ** rng.integers(-6, 6, D)))
    S, size = Z.T @ Z / 30, torch.zeros(D, dtype=torch.float64)
    for part in (whitening(S, size, 1e-4), whitening_of_root(Z, torch.tensor(30.0, dtype=torch.float64), size, 1e-4)):
        np.testing.assert_allclose(part.T.T @ S @ part.T, np.eye(D), atol=1e-9)
        np.testing.assert_allclose(part.log_det, np.linalg.slogdet(S)[1], rtol=1e-10)
        assert part.outside == ()
    doubled = torch.cat([Z, Z.sum(1, keepdim=True), torch.zeros(30, 1)], 1)
    size = torch.ones(D + 2, dtype=torch.float64) * 1e-12
    part = whitening(doubled.T @ doubled / 30, size, 1e-4)
    assert part.T.shape == (D + 2, D) and D + 1 in part.outside and D in part.outside
    np.testing.assert_allclose(part.T.T @ (doubled.T @ doubled / 30) @ part.T, np.eye(D), atol=1e-7)


# ---------------------------------------------------------------------- quadratic discriminants


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"reg_param": 0.3}, {"reg_param": 0.3}),
        ({"shrinkage": 0.4}, {"shrinkage": 0.4, "solver": "eigen"}),
        ({"shrinkage": "auto"}, {"shrinkage": "auto", "solver": "eigen"}),
        ({"priors": [0.2, 0.3, 0.5]}, {"priors": [0.2, 0.3, 0.5]}),
    ],
)
def test_quadratic_discriminants_are_those_of_scikit_learn(seed, ours, theirs):
    for X, y in (clouds(seed), load_iris(return_X_y=True)):
        a = QuadraticDiscriminantAnalysis(store_covariance=True, **ours).fit(X, y)
        b = peers.QuadraticDiscriminantAnalysis(store_covariance=True, **theirs).fit(X, y)
        np.testing.assert_allclose(a.decision_function(X), b.decision_function(X), rtol=1e-9, atol=1e-9)
        for c in range(3):
            np.testing.assert_allclose(a.covariance_[c], b.covariance_[c], atol=1e-12)
            np.testing.assert_allclose(a.scalings_[c], b.scalings_[c], rtol=1e-9)


def test_friedmans_corners(seed):
    X, y = clouds(seed)
    pooled = QuadraticDiscriminantAnalysis(pooling=1.0).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(pooled, LinearDiscriminantAnalysis().fit(X, y).predict_proba(X), atol=1e-11)
    sphere = QuadraticDiscriminantAnalysis(pooling=1.0, shrinkage=1.0).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(sphere, GaussianClassifier("common spherical").fit(X, y).predict_proba(X), atol=1e-11)
    own = QuadraticDiscriminantAnalysis(shrinkage=1.0).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(own, GaussianClassifier("individual spherical").fit(X, y).predict_proba(X), atol=1e-11)
    half = QuadraticDiscriminantAnalysis(pooling=0.5, store_covariance=True).fit(X, y)
    S, n = assumed(X, y, "individual"), np.bincount(y)
    scatter = S * n[:, None, None]
    for c in range(3):
        np.testing.assert_allclose(half.covariance_[c], (scatter[c] + scatter.sum(0)) / (n[c] + n.sum()), rtol=1e-10)


def test_a_class_without_a_density_is_named(seed):
    X, y = clouds(seed)
    few = np.concatenate([np.flatnonzero(y == 0)[:3], np.flatnonzero(y > 0)])
    with pytest.raises(DataError, match="class 0 is singular in 3 columns: 3 rows cannot .* reg_param"):
        QuadraticDiscriminantAnalysis().fit(X[few], y[few])
    flat = X.copy()
    flat[y == 1, 2] = 0.1
    with pytest.raises(DataError, match="class 1 .* column 'x2' does not vary"):
        QuadraticDiscriminantAnalysis().fit(flat, y)
    with pytest.raises(DataError, match="class 1 .* column 'x2' does not vary; raise shrinkage"):
        GaussianClassifier("individual diagonal").fit(flat, y)
    twice = np.column_stack([X, X[:, 0] + X[:, 1]])
    with pytest.raises(DataError, match="columns 'x0', 'x1', 'x3' do not vary, or depend"):
        QuadraticDiscriminantAnalysis().fit(twice, y)
    for settings in ({"reg_param": 0.1}, {"shrinkage": 0.1}, {"pooling": 0.1}):
        assert QuadraticDiscriminantAnalysis(**settings).fit(X[few], y[few]).score(X, y) > 0.4


def test_a_common_covariance_works_in_the_span_of_the_columns(seed):
    X, y = clouds(seed)
    wide = np.column_stack([X, X[:, 0] + X[:, 1], np.full(len(X), 0.1)])
    for form, columns in (("common", [0, 1, 2]), ("common diagonal", [0, 1, 2, 3])):
        with pytest.warns(RankWarning, match="'x4'"):
            model = GaussianClassifier(form).fit(wide, y)
        same = GaussianClassifier(form).fit(wide[:, columns], y)
        np.testing.assert_allclose(model.predict_proba(wide), same.predict_proba(wide[:, columns]), atol=1e-8)
        with pytest.raises(DataError, match="singular"):
            model.log_prob(wide)


# ---------------------------------------------------------------------- weights, streams, extremes


EVERY = [
    *(GaussianClassifier(form) for form in FORMS),
    LinearDiscriminantAnalysis(),
    LinearDiscriminantAnalysis(solver="svd"),
    QuadraticDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(pooling=0.3, shrinkage=0.2),
]
every = pytest.mark.parametrize("model", EVERY, ids=repr)


@every
def test_streams_in_any_order_equal_one_fit(seed, model):
    X, y = clouds(seed)
    w = np.random.default_rng(seed).integers(0, 3, len(y)).astype(float)
    whole = model.fit(X, y, w).predict_proba(X)
    order = np.random.default_rng(seed).permutation(len(y))
    stream = type(model)(**model.get_params())
    for rows in np.split(order, [1, 2, 17]):
        if w[rows].any():
            stream.partial_fit(X[rows], y[rows], classes=[0, 1, 2], sample_weight=w[rows])
    np.testing.assert_allclose(stream.predict_proba(X), whole, atol=1e-9)
    repeated = np.repeat(np.arange(len(y)), w.astype(int))
    again = type(model)(**model.get_params()).fit(X[repeated], y[repeated])
    np.testing.assert_allclose(again.predict_proba(X), whole, atol=1e-9)


def test_a_stream_may_begin_before_its_covariances_exist(seed):
    X, y = clouds(seed)
    for model in (QuadraticDiscriminantAnalysis(), GaussianClassifier()):
        model.partial_fit(X[:3], y[:3], classes=[0, 1, 2])
        with pytest.raises(DataError, match="class 0 is singular"):
            model.predict(X)
        model.partial_fit(X[3:], y[3:])
        assert model.score(X, y) > 0.5
    linear = LinearDiscriminantAnalysis().partial_fit(X[:1], y[:1], classes=[0, 1, 2])
    np.testing.assert_array_equal(linear.predict_proba(X), np.tile([1.0, 0, 0], (len(X), 1)))
    for model in (QuadraticDiscriminantAnalysis(shrinkage="auto"), LinearDiscriminantAnalysis(shrinkage="auto")):
        with pytest.raises(ParameterError, match="all rows at once"):
            model.partial_fit(X, y)


@every
def test_a_class_without_weight_has_probability_zero(seed, model):
    X, y = clouds(seed)
    P = model.fit(X, y, (y != 1).astype(float)).predict_proba(X)
    assert (P[:, 1] == 0).all() and np.isfinite(P).all()
    two = type(model)(**model.get_params()).fit(X[y != 1], y[y != 1])
    np.testing.assert_allclose(P[:, [0, 2]], two.predict_proba(X), atol=1e-10)


@every
@pytest.mark.parametrize("size", [1e10, 1e100, 1e150])
def test_probabilities_far_away(seed, model, size):
    X, y = clouds(seed)
    for offset in (0.0, 1e8):
        model.fit(X + offset, y)
        for far in (size * np.sign(X), size * X / np.abs(X).max(), np.vstack([X + offset, np.full((1, 3), size)])):
            P = model.predict_proba(far)
            np.testing.assert_allclose(P.sum(1), 1, atol=1e-12)
            assert (P >= 0).all() and (np.asarray(model.predict(far)) == P.argmax(1)).all()


def test_far_away_the_nearest_in_the_limit_wins(seed):
    X, y = clouds(seed)
    model = QuadraticDiscriminantAnalysis(store_covariance=True).fit(X / 1e8, y)
    direction = np.random.default_rng(seed).normal(size=(5, 3))
    Q = np.stack([np.einsum("nd,de,ne->n", direction, np.linalg.inv(S), direction) for S in model.covariance_], 1)
    np.testing.assert_array_equal(model.predict_proba(direction * 1e149), np.eye(3)[Q.argmin(1)])


@every
def test_columns_too_large_are_named(seed, model):
    X, y = clouds(seed)
    X[:, 1] *= 1e200
    with pytest.raises(DataError, match="'x1' are too large"):
        model.fit(X, y)


@every
def test_a_single_class_is_certain(seed, model):
    X = clouds(seed)[0]
    for rows in (1, 2, 90):
        model.fit(X[:rows], ["only"] * rows)
        np.testing.assert_array_equal(model.predict_proba(X), np.ones((90, 1)))


def test_a_thousand_classes(seed):
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(1000), 4)
    X = rng.normal(size=(1000, 2))[y] * 100 + rng.normal(size=(4000, 2)) * 0.1
    for model in (LinearDiscriminantAnalysis(), QuadraticDiscriminantAnalysis(), GaussianClassifier("common diagonal")):
        assert model.fit(X, y).score(X, y) > 0.9
        np.testing.assert_allclose(model.predict_proba(X[:50]).sum(1), 1, atol=1e-12)


def test_priors_are_checked(seed):
    X, y = clouds(seed)
    for bad, words in (([0.5, 0.5], "3 numbers"), ([1.0, -1.0, 1.0], "non-negative"), (["a", "b", "c"], "3 numbers")):
        with pytest.raises(ParameterError, match=words):
            GaussianClassifier(priors=bad).fit(X, y)
    with pytest.warns(UserWarning, match="sum to 6"):
        model = GaussianClassifier(priors=[1, 2, 3]).fit(X, y)
    np.testing.assert_allclose(model.priors_, [1 / 6, 1 / 3, 1 / 2])
    balanced = GaussianClassifier(class_weight="balanced").fit(X, y)
    np.testing.assert_allclose(balanced.priors_, 1 / 3)
    given = GaussianClassifier(class_weight="balanced", priors=[0.2, 0.2, 0.6]).fit(X, y)
    np.testing.assert_allclose(given.priors_, [0.2, 0.2, 0.6])
