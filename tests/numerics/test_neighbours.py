"""The search for neighbours finds what sorting all distances finds, also where single precision cannot see it."""

import numpy as np
import pytest
import torch
from scipy import sparse

from peira.numerics import neighbours as module
from peira.numerics.distances import distances, metric
from peira.numerics.neighbours import Neighbours, tree_pays

NORMS = ["euclidean", "manhattan", "chebyshev", "minkowski"]


def sorted_all(Q, X, k, p=2.0):
    """Distances of plain differences, in a stable order."""
    t = np.abs(np.asarray(Q)[:, None] - np.asarray(X))
    d = (
        t.max(2)
        if p == np.inf
        else t.sum(2)
        if p == 1
        else np.sqrt((t**2).sum(2))
        if p == 2
        else (t**p).sum(2) ** (1 / p)
    )
    index = np.argsort(d, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(d, index, 1), index


def found(X, Q, k, name="euclidean", algorithm="brute", **given):
    return Neighbours(torch.tensor(X), metric(name, **given), algorithm).search(torch.tensor(Q), k)


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (3, 2), (3, 5), (40, 3), (300, 40)])
@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_the_neighbours_are_those_of_all_distances(seed, shape, name, algorithm):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=shape)
    Q = np.vstack([rng.normal(size=(5, shape[1])), X[:2]])
    p = metric(name, p=3.0).p
    for k in sorted({1, min(3, shape[0]), shape[0]}):
        d, index = found(X, Q, k, name, algorithm, p=3.0)
        expected, order = sorted_all(Q, X, k, p)
        np.testing.assert_allclose(d, expected, rtol=1e-12)
        np.testing.assert_array_equal(index, order)


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("D", [1, 2, 20])
def test_equal_distances_come_by_index(seed, algorithm, name, D):
    rng = np.random.default_rng(seed)
    X, Q = (rng.integers(0, 3, (n, D)).astype(float) for n in (200, 30))  # many ties, each of them exact
    p = metric(name, p=2.0).p
    for k in (1, 5, 199):
        d, index = found(X, Q, k, name, algorithm)
        expected, order = sorted_all(Q, X, k, p)
        np.testing.assert_array_equal(index, order)
        np.testing.assert_allclose(d, expected, rtol=1e-15)


def hard_rows(kind, rng):
    """Rows among which bounds in single precision say little, or nothing."""
    X = rng.normal(size=(1500, 48)) * 0.9 ** np.arange(48)
    match kind:
        case "offset":
            return X + 1e8
        case "far clusters":
            return X * 1e-3 + 1e6 * rng.integers(0, 3, (1500, 1))
        case "an outlier":
            X[700] *= 1e12
        case "tiny":
            return X * 1e-200
        case "huge":
            return X * 1e200
        case "few directions":
            return np.hstack([X[:, :3], 1e-9 * X[:, 3:]])
        case "copies":
            return np.repeat(X[:30], 50, axis=0)
        case "constant":
            return np.ones((1500, 48))
        case "one grid column":
            return np.hstack([1e4 * rng.integers(0, 2, (1500, 1)), X[:, 1:] * 1e-2])
    return X


@pytest.mark.parametrize(
    "kind",
    ["plain", "offset", "far clusters", "an outlier", "tiny", "huge", "few directions", "copies", "constant",
     "one grid column"],
)  # fmt: skip
def test_rows_that_are_hard_to_tell_apart(seed, kind):
    rng = np.random.default_rng(seed)
    X = hard_rows(kind, rng)
    Q = np.vstack([X[::300], X[1:5] + 1e-3 * np.abs(X[1:5]) * rng.normal(size=(4, 48)), X[:2] * 3])
    d, index = found(X, Q, 7)
    size = np.abs(X).max() if kind in ("tiny", "huge") else 1.0
    expected, order = sorted_all(Q / size, X / size, 7)
    np.testing.assert_allclose(d / size, expected, rtol=1e-12)
    if kind not in ("tiny", "huge"):  # there, the division rounds
        np.testing.assert_array_equal(index, order)


def test_few_directions_are_used_where_they_are_enough(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1500, 48)) * 0.7 ** np.arange(48)
    narrow = Neighbours(torch.tensor(X), metric("euclidean")).filter
    assert narrow.P is not None and narrow.Z.shape[1] < 40
    np.testing.assert_allclose(narrow.P.T @ narrow.P, np.eye(narrow.P.shape[1]), atol=1e-12)
    assert Neighbours(torch.tensor(rng.normal(size=(1500, 48))), metric("euclidean")).filter.P is None


def test_bounds_are_below_the_distances_with_all_their_rounding(seed, monkeypatch):
    """With the bounds deciding and no margin something is missed, with it nothing: it is needed, and enough."""
    rng = np.random.default_rng(seed)
    X = 1.0 + 1e-4 * rng.normal(size=(1000, 60))
    X[0] = 50.0  # gives the rows their scale
    Q = X[1:60] + 1e-7 * rng.normal(size=(59, 60))
    expected = sorted_all(Q, X, 3)[1]
    np.testing.assert_array_equal(found(X, Q, 3)[1], expected)
    monkeypatch.setattr(module._Filter, "_margin", lambda self, squares, length: np.zeros_like(squares))
    assert (found(X, Q, 3)[1].numpy() != expected).any()


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("size", [2.0**-700, 2.0**700])
def test_rows_of_any_size(seed, algorithm, name, size):
    rng = np.random.default_rng(seed)
    X, Q = rng.normal(size=(40, 3)), rng.normal(size=(5, 3))
    d, index = found(X * size, Q * size, 4, name, algorithm, p=3.0)
    plain, order = found(X, Q, 4, name, algorithm, p=3.0)
    np.testing.assert_allclose(d / size, plain, rtol=1e-12)
    np.testing.assert_array_equal(index, order)


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
@pytest.mark.parametrize("far", [1e20, 1e150, -1e150])
def test_queries_from_far_away(seed, algorithm, far):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(50, 4))
    Q = np.vstack([np.full((2, 4), far), X[:3]])
    d, index = found(X, Q, 3, algorithm=algorithm)
    np.testing.assert_allclose(d[:2], 2 * abs(far), rtol=1e-9)
    np.testing.assert_array_equal(index[:2], [[0, 1, 2]] * 2)  # in float64 all are equally far
    np.testing.assert_array_equal(index[2:, 0], [0, 1, 2])


def test_beyond_the_range_of_numbers_is_infinite():
    X = np.arange(6.0).reshape(3, 2)
    for algorithm in ("brute", "kd_tree"):
        d, index = found(X, np.array([[1e200, 0.0], [0.0, 1.0]]), 2, algorithm=algorithm)
        assert torch.isinf(d[0]).all() and (index[0] == -1).all() and torch.isfinite(d[1]).all()


@pytest.mark.parametrize("name", ["cosine", "correlation", "hamming", "mahalanobis", "sqeuclidean"])
def test_other_metrics(seed, name):
    rng = np.random.default_rng(seed)
    X, Q = (rng.integers(0, 4, (n, 6)).astype(float) for n in (60, 9))
    given = {"V": np.cov(X.T)} if name == "mahalanobis" else {}
    all_of_them = distances(torch.tensor(Q), torch.tensor(X), metric(name, **given)).sort(1).values[:, :5]
    algorithms = ["brute"] if name == "hamming" else ["brute", "kd_tree"]
    for algorithm in algorithms:
        d, index = found(X, Q, 5, name, algorithm, **given)
        np.testing.assert_allclose(d, all_of_them, rtol=1e-12, atol=1e-14)
        assert all(len(set(row)) == 5 for row in index.tolist())


def test_sparse_rows(seed):
    rng = np.random.default_rng(seed)
    X, Q = (sparse.random_array((n, 80), density=0.1, rng=rng, format="csr") for n in (50, 7))
    for name in ("euclidean", "cosine"):
        d, index = Neighbours(X, metric(name)).search(Q, 4)
        dense, order = found(X.toarray(), Q.toarray(), 4, name)
        np.testing.assert_allclose(d, dense, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(index, order)


def test_what_cannot_be_is_refused():
    X = torch.zeros(3, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="3 rows"):
        Neighbours(X, metric("euclidean")).search(X, 4)
    with pytest.raises(ValueError, match="tree"):
        Neighbours(X, metric("hamming"), "kd_tree")
    assert tree_pays(10_000, 2) and not tree_pays(10_000, 20) and not tree_pays(10, 2)
