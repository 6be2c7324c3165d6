"""Naive Bayes against Bayes' theorem written out, scikit-learn, and sums over all rows at once."""

import numpy as np
import pytest
import torch
from scipy import sparse, stats
from sklearn import naive_bayes as reference
from sklearn.datasets import load_digits, load_iris, load_wine

from peira.linear import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB

COUNTING = [BernoulliNB, MultinomialNB, ComplementNB]
ALL = [GaussianNB, *COUNTING]
SHAPES = [(1, 1, 1), (2, 1, 2), (3, 2, 2), (3, 3, 3), (40, 6, 4)]


def table(N, D, C, *, seed, counts=True):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(N) % C)
    rate = rng.uniform(0.1, 3, (C, D))
    X = rng.poisson(rate[y]).astype(float) if counts else rng.standard_normal((N, D)) * rate[y] + rate[y] ** 2
    return X, y, rng.uniform(0.2, 3, N)


def bayes(log_prior, log_likelihood):
    joint = log_prior + log_likelihood
    p = np.exp(joint - joint.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_bernoulli_and_multinomial_are_bayes_theorem_with_counts(seed, shape, alpha):
    _, D, C = shape
    X, y, w = table(*shape, seed=seed)
    Q, _, _ = table(20, D, C, seed=seed + 1)
    Nc = np.array([w[y == c].sum() for c in range(C)])
    ones = np.array([(w[y == c, None] * (X[y == c] > 0)).sum(0) for c in range(C)])
    p = (ones + alpha) / (Nc[:, None] + 2 * alpha)
    expected = bayes(np.log(Nc / Nc.sum()), stats.bernoulli.logpmf((Q > 0)[:, None], p).sum(2))
    np.testing.assert_allclose(BernoulliNB(alpha=alpha).fit(X, y, w).predict_proba(Q), expected, rtol=1e-9)
    n = np.array([(w[y == c, None] * X[y == c]).sum(0) for c in range(C)]) + alpha
    words = Q.astype(int)
    likelihood = np.array([[stats.multinomial.logpmf(x, x.sum(), m / m.sum()) for m in n] for x in words])
    expected = bayes(np.log(Nc / Nc.sum()), likelihood)
    np.testing.assert_allclose(MultinomialNB(alpha=alpha).fit(X, y, w).predict_proba(Q), expected, rtol=1e-8)


@pytest.mark.parametrize("shape", [(2, 1, 2), (6, 2, 3), (40, 3, 4)])
@pytest.mark.parametrize("missing", [False, True])
def test_gaussian_is_bayes_theorem_with_normal_densities(seed, shape, missing):
    _, D, C = shape
    X, y, w = table(*shape, seed=seed, counts=False)
    Q = np.random.default_rng(seed + 1).standard_normal((20, D)) * 3
    if missing:
        X[np.random.default_rng(seed).random(X.shape) < 0.2] = np.nan
        X[:C] = np.arange(C * D).reshape(C, D)
        y[:C] = np.arange(C)
        Q[::2, 0] = np.nan
    total = [np.average(v[~np.isnan(v)], weights=w[~np.isnan(v)]) for v in X.T]
    spread = max(
        np.average((v - m)[~np.isnan(v)] ** 2, weights=w[~np.isnan(v)]) for v, m in zip(X.T, total, strict=True)
    )
    likelihood = np.zeros((20, C))
    for c in range(C):
        for j in range(D):
            own = (y == c) & ~np.isnan(X[:, j])
            m = np.average(X[own, j], weights=w[own])
            v = np.average((X[own, j] - m) ** 2, weights=w[own]) + 1e-3 * spread
            likelihood[:, c] += np.nan_to_num(stats.norm.logpdf(Q[:, j], m, np.sqrt(v)))
    prior = np.log([w[y == c].sum() / w.sum() for c in range(C)])
    model = GaussianNB(var_smoothing=1e-3).fit(X, y, w)
    assert model.epsilon_ == pytest.approx(1e-3 * spread)
    np.testing.assert_allclose(model.predict_proba(Q), bayes(prior, likelihood), rtol=1e-8, atol=1e-300)


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (GaussianNB, {}),
        (GaussianNB, {"priors": [0.2, 0.5, 0.3], "var_smoothing": 1e-2}),
        (BernoulliNB, {"binarize": 1.5}),
        (BernoulliNB, {"alpha": 0.1, "fit_prior": False}),
        (MultinomialNB, {}),
        (MultinomialNB, {"alpha": 0.2, "class_prior": [0.2, 0.5, 0.3]}),
        (ComplementNB, {}),
        (ComplementNB, {"alpha": 0.5, "norm": True}),
    ],
)
@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_scikit_learn(cls, options, load):
    X, y = load(return_X_y=True)
    ours, theirs = cls(**options).fit(X, y), getattr(reference, cls.__name__)(**options).fit(X, y)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-6, atol=1e-7)
    assert (ours.predict(X) == theirs.predict(X)).all()
    names = ["theta_", "var_", "class_count_", "class_prior_", "epsilon_"]
    if cls is not GaussianNB:
        names = ["feature_log_prob_", "feature_count_", "class_count_", "class_log_prior_"]
    for name in names:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-8)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_parts_in_any_order_are_one_fit(seed, cls, offset):
    X, y, w = table(60, 4, 3, seed=seed)
    X = X + offset
    if cls is GaussianNB:
        X[::7, 1] = np.nan
    whole, P = cls().fit(X, y, w), cls().fit(X, y, w).predict_proba(X)
    for order in (slice(None), slice(None, None, -1)):
        model = cls()
        for part in np.array_split(np.arange(60), [1, 2, 3, 31])[order]:
            model.partial_fit(X[part], y[part], range(3), w[part])
            assert np.isfinite(model.predict_proba(X)).all()
        np.testing.assert_allclose(model.predict_proba(X), P, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(model.class_count_, whole.class_count_)
    times = np.arange(60) % 3
    repeated = cls().fit(X.repeat(times, 0), y.repeat(times))
    np.testing.assert_allclose(cls().fit(X, y, times).predict_proba(X), repeated.predict_proba(X), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("cls", COUNTING)
def test_sparse_rows(seed, cls):
    X, y, w = table(50, 8, 3, seed=seed)
    P = cls().fit(X, y, w).predict_proba(X)
    for form in (sparse.csr_array, sparse.csr_matrix):
        model = cls().fit(form(X), y, w)
        np.testing.assert_allclose(model.predict_proba(form(X)), P, rtol=1e-9)
        np.testing.assert_allclose(model.predict_proba(X), P, rtol=1e-9)


@pytest.mark.parametrize("cls", COUNTING)
@pytest.mark.parametrize("as_sparse", [False, True])
def test_without_alpha_what_was_never_seen_cannot_be(cls, as_sparse):
    form = sparse.csr_array if as_sparse else np.asarray
    X, y = form(np.array([[1.0, 0, 1], [2, 0, 0], [0, 3, 1], [0, 1, 0]])), np.array(["a", "a", "b", "b"])
    model = cls(alpha=0.0).fit(X, y)
    P = model.predict_proba(form(np.array([[1.0, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 0]])))
    assert not np.isnan(P).any()
    np.testing.assert_allclose(P.sum(1), 1.0)
    assert P[0].tolist() == [1.0, 0.0] and P[1].tolist() == [0.0, 1.0]
    if cls is ComplementNB:
        with pytest.raises(ValueError, match="column 'x0' stands in class 'a' alone"):
            ComplementNB(alpha=0.0, norm=True).fit(X, y)


@pytest.mark.parametrize("cls", [MultinomialNB, ComplementNB])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_weights_of_classes_are_weights_of_their_rows(seed, cls, as_sparse):
    X, y, w = table(40, 6, 4, seed=seed)
    form = sparse.csr_array if as_sparse else np.asarray
    y[:7] = 0
    v = np.array([0.1, 1.0, 2.0, 0.0])
    given = {0: 0.1, 2: 2.0, 3: 0}
    expected = cls().fit(form(X), y, w * v[y])
    model = cls().fit(form(X), y, w, given)
    np.testing.assert_array_equal(model.predict_log_proba(X), expected.predict_log_proba(X))
    stream = cls()
    for part in np.array_split(np.arange(40), 3):
        stream.partial_fit(form(X[part]), y[part], range(4), w[part], given)
    np.testing.assert_allclose(stream.predict_proba(X), model.predict_proba(X), rtol=1e-9)
    balanced = cls().fit(form(X), y, class_weight="balanced")
    np.testing.assert_allclose(balanced.class_count_, 10)
    np.testing.assert_allclose(np.exp(balanced.class_log_prior_), 0.25)
    for wrong in ({9: 1.0}, {0: -1.0}, "even", [1.0, 2.0]):
        with pytest.raises(ValueError, match="class_weight"):
            model.fit(form(X), y, class_weight=wrong)
    with pytest.raises(ValueError, match="needs all rows at once"):
        model.partial_fit(form(X), y, class_weight="balanced")
    np.testing.assert_array_equal(model.predict_log_proba(X), expected.predict_log_proba(X))


def test_negative_amounts_are_named():
    for cls in (MultinomialNB, ComplementNB):
        for form in (np.asarray, sparse.csr_array):
            X = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, -3.0]])
            with pytest.raises(ValueError, match=r"column 'x1' holds -3.0 in row 2"):
                cls().fit(form(X), [0, 1, 1])
    with pytest.raises(ValueError, match="0 and 1"):
        BernoulliNB(binarize=None).fit([[0.5]], [0])
    with pytest.raises(ValueError, match="zeros of a sparse X"):
        BernoulliNB(binarize=-1.0).fit(sparse.csr_array([[1.0]]), [0])
    for bad in ([0.5], [0.5, 0.6], [1.5, -0.5]):
        with pytest.raises(ValueError, match="priors"):
            MultinomialNB(class_prior=bad).fit([[1.0], [2.0]], [0, 1])


@pytest.mark.parametrize("cls", ALL)
def test_classes_without_weight_are_impossible(seed, cls):
    X, y, w = table(40, 4, 3, seed=seed)
    w[y == 1] = 0.0
    model, rest = cls().fit(X, y, w), cls().fit(X[y != 1], y[y != 1], w[y != 1])
    P = model.predict_proba(X)
    assert model.classes_.tolist() == [0, 1, 2] and (P[:, 1] == 0).all()
    np.testing.assert_allclose(P[:, [0, 2]], rest.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("cls", ALL)
def test_data_at_the_edge(seed, cls):
    rng = np.random.default_rng(seed)
    assert cls().fit([[1.0], [2.0]], ["a", "a"]).predict_proba([[3.0]]).tolist() == [[1.0]]
    constant = cls().fit(np.full((6, 2), 3.0), [0, 1, 1, 0, 1, 1])
    P = constant.predict_proba([[3.0, 3.0], [1e150, 0.0]])
    np.testing.assert_allclose(P.sum(1), 1.0)
    if cls in (GaussianNB, MultinomialNB):
        np.testing.assert_allclose(P, [[1 / 3, 2 / 3]] * 2, rtol=1e-9)
    X, y = np.eye(1000) * 5, np.arange(1000)
    if cls is not GaussianNB:
        assert cls().fit(X, y).score(X, y) == 1.0
    P = cls().fit(X, y).predict_proba(X[:20])
    np.testing.assert_allclose(P.sum(1), 1.0)
    X, y, w = table(30, 3, 3, seed=seed)
    model = cls().fit(X + 1e8, y, w)
    for scale in (0.0, 1e-300, 1.0, 1e8, 1e150):
        P = model.predict_proba(rng.uniform(0, scale, (10, 3)))
        assert not np.isnan(P).any()
        np.testing.assert_allclose(P.sum(1), 1.0, rtol=1e-14)


def test_gaussian_far_away_belongs_to_the_widest_class():
    X = np.array([[-1.0], [1.0], [-5.0], [9.0]])
    model = GaussianNB().fit(X, ["narrow", "narrow", "wide", "wide"])
    for x in (1e3, 1e80, 1e150, 1e154, 1e200, -1e300):
        assert model.predict_proba([[x]]).tolist() == [[0.0, 1.0]]
    with pytest.raises(ValueError, match="column 'x0' are too large"):
        GaussianNB().fit([[0.0], [1e160]], [0, 1])
    equal = GaussianNB().fit([[-1.0], [1.0], [2.0], [4.0]], [0, 0, 1, 1])
    assert equal.predict([[-1e4], [1e4], [-1e16], [1e16]]).tolist() == [0, 1, 0, 1]


def test_gaussian_learns_what_is_there():
    nan = np.nan
    model = GaussianNB().fit([[1.0, nan], [3.0, nan], [7.0, 2.0], [9.0, 4.0]], ["a", "a", "b", "b"])
    np.testing.assert_allclose(model.theta_, [[2.0, 3.0], [8.0, 3.0]])  # class a has no second value: that of all rows
    np.testing.assert_allclose(model.var_ - model.epsilon_, 1.0)
    np.testing.assert_allclose(model.predict_proba([[nan, nan]]), [[0.5, 0.5]])
    np.testing.assert_allclose(
        model.predict_proba([[4.0, nan]]),
        GaussianNB().fit([[1.0], [3.0], [7.0], [9.0]], list("aabb")).predict_proba([[4.0]]),
    )


def test_the_smoothing_of_a_stream_is_that_of_all_rows():
    """scikit-learn's depends on the blocks."""
    X, y = np.array([[0.0], [1.0], [100.0], [103.0]]), np.array([0, 0, 1, 1])
    model = GaussianNB(var_smoothing=0.1).partial_fit(X[:2], y[:2], [0, 1]).partial_fit(X[2:], y[2:])
    assert model.epsilon_ == pytest.approx(0.1 * X.var())
    np.testing.assert_allclose(model.var_[:, 0], [0.25 + model.epsilon_, 2.25 + model.epsilon_])


def test_tensors_come_out_as_tensors_and_digits_are_read():
    X, y = load_digits(return_X_y=True)
    for cls, least in ((GaussianNB, 0.75), (BernoulliNB, 0.8), (MultinomialNB, 0.85), (ComplementNB, 0.7)):
        model = cls().fit(X[:1000], y[:1000])
        assert model.score(X[1000:], y[1000:]) > least
        tensors = cls().fit(torch.tensor(X[:1000]), y[:1000]).predict_proba(torch.tensor(X[1000:]))
        np.testing.assert_allclose(tensors.numpy(), model.predict_proba(X[1000:]), rtol=1e-9, atol=1e-300)
