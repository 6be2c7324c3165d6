"""Nearest neighbours against plain loops over sorted rows, scikit-learn, and rows left out one by one."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn import neighbors as theirs

import peira
from peira.linear.nearest_neighbours import KNeighborsClassifier, KNeighborsRegressor
from peira.linear.nearest_neighbours_cv import KNeighborsClassifierCV, KNeighborsRegressorCV

SHAPES = [(1, 1), (2, 1), (3, 2), (12, 3), (40, 5)]


def table(N, D, C=3, *, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D))
    return X, rng.integers(0, C, N), rng.normal(size=(6, D)), rng


def votes_by_hand(X, w, q, k, by_distance=False):
    """(row, vote) of the nearest rows of total weight k, in plain Python."""
    d = [(sum((a - b) ** 2 for a, b in zip(x, q, strict=True)) ** 0.5, n) for n, x in enumerate(X.tolist())]
    left, chosen = float(k), []
    for distance, n in sorted(d):
        share = min(float(w[n]), left)
        left -= share
        if share > 0:
            chosen.append((n, share, distance))
    if by_distance and any(distance == 0 for *_, distance in chosen):
        return [(n, share) for n, share, distance in chosen if distance == 0]
    return [(n, share / distance if by_distance else share) for n, share, distance in chosen]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("counts", ["none", "whole", "parts"])
def test_votes_are_those_of_sorted_rows(seed, shape, weights, counts):
    X, y, Q, rng = table(*shape, seed=seed)
    Q = np.vstack([Q, X[:1]])
    w = {
        "none": np.ones(len(X)),
        "whole": rng.integers(0, 4, len(X)) + (len(X) < 3),
        "parts": rng.uniform(0.2, 2, len(X)),
    }
    w = w[counts].astype(float)
    given = None if counts == "none" else w
    Y = rng.normal(size=(len(X), 2))
    for k in sorted({1, min(3, max(1, int(w.sum()))), max(1, int(w.sum()))}):
        if w.sum() < k:
            continue
        model = KNeighborsClassifier(k, weights=weights).fit(X, y, given)
        regressor = KNeighborsRegressor(k, weights=weights).fit(X, Y, given)
        for q, probs, mean in zip(Q, model.predict_proba(Q), regressor.predict(Q), strict=True):
            cast = votes_by_hand(X, w, q.tolist(), k, weights == "distance")
            total = sum(vote for _, vote in cast)
            expected = [sum(vote for n, vote in cast if y[n] == c) / total for c in model.classes_]
            np.testing.assert_allclose(probs, expected, rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(mean, sum(vote * Y[n] for n, vote in cast) / total, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("algorithm", ["auto", "brute", "kd_tree"])
@pytest.mark.parametrize("weights", ["uniform", "distance", lambda d: 1 / (1 + d)], ids=["uniform", "distance", "own"])
@pytest.mark.parametrize(
    ("metric", "p"), [("minkowski", 2), ("minkowski", 1), ("minkowski", 3.5), ("chebyshev", 2), ("cosine", 2)]
)
def test_answers_of_scikit_learn(seed, algorithm, weights, metric, p):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 150)
    X = rng.normal(size=(150, 4)) + np.eye(3, 4)[y]
    X, Q = X[::2], X[1::2]
    settings = dict(weights=weights, metric=metric, p=p)
    ours = KNeighborsClassifier(7, algorithm=algorithm, **settings).fit(X, y[::2])
    other = theirs.KNeighborsClassifier(7, **settings).fit(X, y[::2])
    np.testing.assert_allclose(ours.predict_proba(Q), other.predict_proba(Q), rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(ours.predict(Q), other.predict(Q))
    for left, right in zip(ours.kneighbors(Q), other.kneighbors(Q), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-7)
    np.testing.assert_array_equal(ours.kneighbors(None, 4)[1], other.kneighbors(None, 4)[1])
    Y = np.column_stack([X[:, 0] ** 2, np.sin(X[:, 1])])
    mine, regressor = (c(4, **settings).fit(X, Y) for c in (KNeighborsRegressor, theirs.KNeighborsRegressor))
    np.testing.assert_allclose(mine.predict(Q), regressor.predict(Q), rtol=1e-7)
    assert ours.effective_metric_ == other.effective_metric_ or metric == "minkowski"


@pytest.mark.parametrize("metric", ["mahalanobis", "hamming", "correlation", "l1", "sqeuclidean"])
def test_other_metrics_find_what_sorting_finds(seed, metric):
    from peira.measures.distances import pairwise_distances

    X, y, Q, _ = table(50, 4, seed=seed)
    X, Q = (np.round(v, 0) if metric == "hamming" else v for v in (X, Q))
    V = {"V": np.cov(X.T)} if metric == "mahalanobis" else {}
    d, near = KNeighborsClassifier(5, metric=metric).fit(X, y).kneighbors(Q)
    expected = pairwise_distances(Q, X, metric, **V)
    np.testing.assert_allclose(d, np.sort(expected, axis=1)[:, :5], rtol=1e-10)
    np.testing.assert_allclose(np.take_along_axis(expected, near, 1), d, rtol=1e-10)


def test_the_covariance_counts_rows_by_their_weights(seed):
    X, y, Q, rng = table(30, 2, seed=seed)
    w = rng.integers(0, 3, 30)
    one, other = (KNeighborsRegressor(3, metric="mahalanobis") for _ in range(2))
    one.fit(X, y, w), other.fit(X.repeat(w, 0), y.repeat(w))
    np.testing.assert_allclose(one.kneighbors(Q, 1)[0], other.kneighbors(Q, 1)[0], rtol=1e-10)
    np.testing.assert_allclose(one.predict(Q), other.predict(Q), rtol=1e-12)


def test_ties_are_broken_by_index_and_by_label():
    X = [[0.0], [2.0], [2.0], [0.0]]
    model = KNeighborsClassifier(1).fit(X, ["d", "c", "b", "a"])
    assert model.predict([[1.0]]) == ["d"]  # all equally near: the first row
    assert model.set_params(n_neighbors=2).predict([[1.0]]) == ["c"]  # one vote each: the first label
    np.testing.assert_array_equal(model.set_params(n_neighbors=4).kneighbors([[1.0]])[1], [[0, 1, 2, 3]])


@pytest.mark.parametrize("metric", ["minkowski", "cosine"])
def test_sparse_rows_answer_as_dense_ones(seed, metric):
    rng = np.random.default_rng(seed)
    X, Q = (sparse.random_array((n, 30), density=0.2, rng=rng, format="csr") for n in (40, 8))
    y, w = rng.integers(0, 3, 40), rng.integers(0, 3, 40)
    dense = KNeighborsClassifier(4, metric=metric).fit(X.toarray(), y, w)
    thin = KNeighborsClassifier(4, metric=metric).fit(X, y, w)
    parts = KNeighborsClassifier(4, metric=metric).partial_fit(X[:25], y[:25], sample_weight=w[:25])
    parts.partial_fit(X[25:].toarray(), y[25:], sample_weight=w[25:])
    mixed = KNeighborsClassifier(4, metric=metric).partial_fit(X[:25].toarray(), y[:25], sample_weight=w[:25])
    mixed.partial_fit(X[25:], y[25:], sample_weight=w[25:])
    for model in (thin, parts, mixed, dense):
        for queries in (Q, Q.toarray()):
            np.testing.assert_allclose(model.predict_proba(queries), dense.predict_proba(Q), rtol=1e-12)
    with pytest.raises(ValueError, match="sparse rows take"):
        KNeighborsClassifier(4, metric="manhattan").fit(X, y)
    with pytest.raises(ValueError, match="dense rows"):
        KNeighborsClassifier(4, algorithm="kd_tree").fit(X, y)


def test_a_sparse_model_comes_back_from_disk(seed, tmp_path):
    rng = np.random.default_rng(seed)
    X = sparse.random_array((20, 9), density=0.3, rng=rng, format="csr")
    model = KNeighborsClassifierCV(5).fit(X, rng.integers(0, 2, 20))
    back = peira.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("order", [1, -1])
def test_more_rows_are_more_rows(seed, order):
    X, y, Q, rng = table(60, 3, seed=seed)
    w = rng.uniform(0, 2, 60)
    whole = KNeighborsClassifier(5).fit(X, y, w)
    model = KNeighborsClassifier(5)
    for part in np.array_split(np.arange(60), 4)[::order]:
        model.partial_fit(X[part], y[part], classes=[0, 1, 2], sample_weight=w[part])
        model.kneighbors(Q, 1)  # the index is made, and made again
    np.testing.assert_allclose(model.predict_proba(Q), whole.predict_proba(Q), rtol=1e-12)
    assert model.n_samples_fit_ == 60


def test_what_is_learned_does_not_change_with_the_callers_arrays(seed):
    X, y, Q, _ = table(20, 2, seed=seed)
    model = KNeighborsRegressor(2).fit(X, y)
    before = model.predict(Q)
    X[:] = 0.0
    y[:] = 0
    np.testing.assert_array_equal(model.predict(Q), before)


def test_too_few_rows_are_told():
    X, y = np.arange(4.0)[:, None], [0, 1, 0, 1]
    with pytest.raises(ValueError, match="n_neighbors = 5, n_samples_fit = 4"):
        KNeighborsClassifier().fit(X, y)
    with pytest.raises(ValueError, match="weigh 2 in all"):
        KNeighborsClassifier(3).fit(X, y, np.full(4, 0.5))
    model = KNeighborsClassifier(2).fit(X, y)
    with pytest.raises(ValueError, match="n_neighbors = 5"):
        model.set_params(n_neighbors=5).predict(X)
    with pytest.raises(ValueError, match="one more: 4"):
        model.kneighbors(None, 4)
    with pytest.raises(ValueError, match="whole number"):
        model.kneighbors(X, 0)
    early = KNeighborsClassifier(3).partial_fit(X[:1], y[:1], classes=[0, 1])
    with pytest.raises(ValueError, match="n_samples_fit = 1"):
        early.predict(X)
    assert early.partial_fit(X[1:], y[1:]).predict([[0.0]]) == [0]
    with pytest.raises(ValueError, match="singular"):
        KNeighborsClassifier(2, metric="mahalanobis").fit(np.hstack([X, X]), y)
    with pytest.raises(ValueError, match="V, VI and p"):
        KNeighborsClassifier(2, metric_params={"w": 1}).fit(X, y)
    with pytest.raises(ValueError, match="finite numbers >= 0"):
        KNeighborsClassifier(2, weights=lambda d: d[:, :1]).fit(X, y).predict(X)
    with pytest.raises(ValueError, match="at least one"):
        KNeighborsClassifier(2, weights=lambda d: 0 * d).fit(X, y).predict(X)


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine", "mahalanobis"])
@pytest.mark.parametrize("far", [1e8, -1e150, 1e150])
def test_probabilities_of_queries_from_far_away(seed, algorithm, weights, metric, far):
    X, y, Q, _ = table(60, 3, C=4, seed=seed)
    X = X + np.array([1e8, 0.0, 0.0])
    model = KNeighborsClassifier(5, algorithm=algorithm, weights=weights, metric=metric).fit(X, y)
    Q = np.vstack([Q * far, np.eye(3) * far, X[:2]])
    probs = model.predict_proba(Q)
    np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-15)
    assert (probs >= 0).all() and set(model.predict(Q)) <= set(y)
    with pytest.raises(ValueError, match="row 1 overflow"):
        KNeighborsClassifier().fit(X, y).predict([[0.0, 0, 0], [1.7e308, -1.7e308, 0.0]])


def test_a_thousand_classes_and_degenerate_rows(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1000, 4))
    names = np.array([f"c{n:04}" for n in range(1000)])
    model = KNeighborsClassifier(3, weights="distance").fit(X, names)
    assert (model.predict(X) == names).all()
    np.testing.assert_allclose(model.predict_proba(X[:50]).sum(1), 1, rtol=1e-12)
    same = KNeighborsClassifier(3).fit(np.ones((6, 2)), [1, 1, 1, 0, 0, 0])  # constant columns, equal rows
    np.testing.assert_array_equal(same.predict_proba([[1.0, 1.0], [5.0, 5.0]]), [[0, 1], [0, 1]])
    single = KNeighborsClassifier(1).fit([[1.0], [2.0]], ["only", "only"])
    np.testing.assert_array_equal(single.predict_proba([[7.0]]), [[1.0]])


def test_rows_of_weight_zero_are_not_there_but_their_class_is():
    X, y = [[0.0], [1.0], [2.0], [3.0]], ["a", "b", "c", "c"]
    model = KNeighborsClassifier(2).fit(X, y, [1, 0, 1, 1])
    assert model.classes_.tolist() == ["a", "b", "c"] and model.n_samples_fit_ == 3
    np.testing.assert_array_equal(model.predict_proba([[1.0]]), [[0.5, 0, 0.5]])
    assert model.predict_log_proba([[1.0]])[0, 1] == -np.inf
    weighted = KNeighborsClassifier(2, class_weight={"b": 0}).fit(X, y)
    np.testing.assert_array_equal(weighted.predict_proba([[1.0]]), [[0.5, 0, 0.5]])


def test_class_weights_are_counts_too(seed):
    X, y, Q, _ = table(30, 2, seed=seed)
    heavy = KNeighborsClassifier(4, class_weight={1: 2}).fit(X, y)
    doubled = KNeighborsClassifier(4).fit(X.repeat(1 + (y == 1), 0), y.repeat(1 + (y == 1)))
    np.testing.assert_allclose(heavy.predict_proba(Q), doubled.predict_proba(Q), rtol=1e-12)


def test_tensors_in_tensors_out(seed):
    X, y, Q, _ = table(30, 2, seed=seed)
    model = KNeighborsRegressor(4).fit(torch.tensor(X), torch.tensor(y, dtype=torch.float64))
    assert isinstance(model.predict(torch.tensor(Q)), torch.Tensor)
    np.testing.assert_array_equal(model.predict(torch.tensor(Q)), KNeighborsRegressor(4).fit(X, y).predict(Q))
    d, near = model.kneighbors(torch.tensor(Q))
    assert isinstance(d, torch.Tensor) and near.dtype == torch.int64


# ---------------------------------------------------------------------- k by leaving one out


@pytest.mark.parametrize("N", [2, 3, 4, 25])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_the_path_is_that_of_rows_left_out(seed, N, weights):
    X, y, _, rng = table(N, 2, seed=seed)
    Y, others = rng.normal(size=(N, 2)), [np.arange(N) != n for n in range(N)]
    model = KNeighborsClassifierCV(8, weights=weights).fit(X, y)
    regressor = KNeighborsRegressorCV(8, weights=weights).fit(X, Y)
    assert len(model.error_path_) == min(8, N - 1)
    for k in range(1, min(8, N - 1) + 1):
        wrong = [KNeighborsClassifier(k, weights=weights).fit(X[o], y[o]).predict(X[~o])[0] != y[~o][0] for o in others]
        assert model.error_path_[k - 1] == pytest.approx(np.mean(wrong), abs=1e-12)
        squares = [
            (KNeighborsRegressor(k, weights=weights).fit(X[o], Y[o]).predict(X[~o]) - Y[~o]) ** 2 for o in others
        ]
        assert regressor.error_path_[k - 1] == pytest.approx(np.mean(squares), rel=1e-10)
    for fitted in (model, regressor):
        best = np.flatnonzero(fitted.error_path_ == fitted.error_path_.min())[-1]
        assert fitted.n_neighbors_ == best + 1 and fitted.best_score_ == -fitted.error_path_[best]


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_leaving_out_counts_rows_by_their_weights(seed, weights):
    X, y, Q, rng = table(30, 2, seed=seed)
    w = rng.integers(0, 4, 30)
    for cls in (KNeighborsClassifierCV, KNeighborsRegressorCV):
        one, other = cls(6, weights=weights).fit(X, y, w), cls(6, weights=weights).fit(X.repeat(w, 0), y.repeat(w))
        np.testing.assert_allclose(one.error_path_, other.error_path_, rtol=1e-12)
        np.testing.assert_allclose(one.predict(Q), other.predict(Q), rtol=1e-12)


def test_leaving_out_needs_two_rows():
    with pytest.raises(ValueError, match="two rows"):
        KNeighborsClassifierCV().fit([[1.0]], [0])
    with pytest.raises(ValueError, match="total weight 1.5"):
        KNeighborsRegressorCV().fit([[1.0], [2.0]], [0, 1], [1.0, 0.5])


def test_prior_votes_are_those_of_all_rows():
    X, y = [[0.0], [1.0], [2.0], [9.0]], ["a", "a", "a", "b"]
    model = KNeighborsClassifier(2, prior_votes=2.0).fit(X, y)
    np.testing.assert_allclose(model.predict_proba([[0.4]]), [[(2 + 2 * 0.75) / 4, 2 * 0.25 / 4]])
    weighted = KNeighborsClassifier(1, prior_votes=1.0).fit(X, y, [1.0, 1.0, 1.0, 3.0])
    np.testing.assert_allclose(weighted.predict_proba([[0.4]]), [[(1 + 0.5) / 2, 0.25]])
    by_distance = KNeighborsClassifier(2, weights="distance", prior_votes=2.0).fit(X, y)
    share = 1 / 4.0 / (1 / 3.0 + 1 / 4.0)
    np.testing.assert_allclose(by_distance.predict_proba([[6.0]])[0, 0], (2 * share + 1.5) / 4)
