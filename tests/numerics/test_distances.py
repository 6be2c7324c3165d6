"""Distances against rational arithmetic and plain loops: digits, range, blocks."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import sparse

from peira.numerics import distances as module
from peira.numerics.distances import blocked, distances, metric

SHAPES = [(0, 3, 2), (1, 1, 1), (2, 3, 1), (3, 2, 2), (5, 4, 3), (7, 9, 17), (6, 5, 40)]


def loops(a, b, name, p=3.0):
    """The formula of one distance, in plain Python."""
    t = [abs(x - y) for x, y in zip(a, b, strict=True)]
    if name in ("cosine", "correlation"):
        a, b = (v - (np.mean(v) if name == "correlation" else 0) for v in (np.array(a), np.array(b)))
        return 1 - sum(a * b) / (sum(a * a) * sum(b * b)) ** 0.5
    return {
        "euclidean": lambda: sum(v * v for v in t) ** 0.5,
        "sqeuclidean": lambda: sum(v * v for v in t),
        "manhattan": lambda: sum(t),
        "chebyshev": lambda: max(t),
        "minkowski": lambda: sum(v**p for v in t) ** (1 / p),
        "hamming": lambda: sum(v != 0 for v in t) / len(t),
    }[name]()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "name", ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "minkowski", "cosine", "correlation", "hamming"]
)
def test_all_distances_are_those_of_plain_loops_whatever_the_block(seed, shape, name):
    N, M, D = shape
    D = max(D, 3) if name == "correlation" else D  # rows of one or two entries have no correlation but 1 or -1
    rng = np.random.default_rng(seed)
    A, B = (np.round(rng.normal(size=(n, D)), 1 if name == "hamming" else 15) for n in (N, M))
    expected = np.array([[loops(a, b, name) for b in B] for a in A]).reshape(N, M)
    chosen = metric(name, p=3.0)
    A, B = torch.tensor(A), torch.tensor(B)
    np.testing.assert_allclose(distances(A, B, chosen) if N else np.zeros((0, M)), expected, rtol=1e-12, atol=1e-15)
    for rows in (1, 2, 100):
        parts = list(blocked(A, B, chosen, rows=rows))
        assert [i for part, _ in parts for i in range(N)[part]] == list(range(N))
        got = torch.cat([block for _, block in parts]) if N else torch.zeros(0, M)
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("offset", [0.0, 1e8, -3e12])
@pytest.mark.parametrize("D", [2, 40])
@pytest.mark.parametrize("apart", [1e-3, 1.0])
def test_squared_distances_are_right_to_twelve_digits_beside_any_offset(seed, offset, D, apart):
    rng = np.random.default_rng(seed)
    A = offset + rng.normal(size=(6, D))
    B = np.vstack([A[:2], A[2:4] + apart * rng.normal(size=(2, D)), offset + rng.normal(size=(3, D))])
    exact = [
        [float(sum((Fraction(x) - Fraction(y)) ** 2 for x, y in zip(a, b, strict=True))) for b in B.tolist()]
        for a in A.tolist()
    ]
    got = distances(torch.tensor(A), torch.tensor(B), metric("sqeuclidean"))
    np.testing.assert_allclose(got, exact, rtol=1e-12, atol=0)
    assert got[0, 0] == 0 and got[1, 1] == 0, "equal rows"


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("name", ["euclidean", "minkowski", "manhattan", "chebyshev", "cosine", "correlation"])
def test_rows_of_any_size_have_distances(seed, size, name):
    rng = np.random.default_rng(seed)
    A, B = torch.tensor(rng.normal(size=(4, 20))), torch.tensor(rng.normal(size=(3, 20)))
    plain = distances(A, B, metric(name, p=3.0))
    grown = distances(A * size, B * size, metric(name, p=3.0))
    np.testing.assert_allclose(grown if name in ("cosine", "correlation") else grown / size, plain, rtol=1e-12)


def test_what_is_beyond_the_range_of_numbers_is_infinite_and_never_nan():
    far = torch.tensor([[1.7e308] * 20, [-1.7e308] * 20], dtype=torch.float64)
    for name in ("sqeuclidean", "euclidean", "manhattan"):
        d = distances(far, far, metric(name))
        assert d[0, 1] == torch.inf and not d.isnan().any()


def test_rows_without_direction_are_at_distance_one_from_all_others():
    A = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 4.0]], dtype=torch.float64)
    np.testing.assert_allclose(distances(A, A, metric("cosine")), [[1, 1], [1, 0]], atol=1e-15)
    A[0] = 0.1
    np.testing.assert_allclose(distances(A, A, metric("correlation")), [[1, 1], [1, 0]], atol=1e-15)
    S = sparse.csr_array(np.array([[0.0, 0.0], [3.0, 4.0]]))
    np.testing.assert_allclose(distances(S, S, metric("cosine")), [[1, 1], [1, 0]], atol=1e-15)


@pytest.mark.parametrize("name", ["euclidean", "sqeuclidean", "cosine"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (20, 30, 200)])
def test_sparse_rows_have_the_distances_of_dense_ones(seed, name, shape):
    N, M, D = shape
    rng = np.random.default_rng(seed)
    A, B = (sparse.random_array((n, D), density=0.2, rng=rng, format="csr") for n in (N, M))
    B = sparse.csr_array(sparse.vstack([B, A[:1], A[:1] * (1 + 1e-9)]))
    dense = distances(torch.tensor(A.toarray()), torch.tensor(B.toarray()), metric(name))
    got = distances(A, B, metric(name))
    np.testing.assert_allclose(got, dense, rtol=1e-11, atol=1e-15 if name == "cosine" else 0)


@pytest.mark.parametrize("D", [1, 2, 3, 30])
def test_mahalanobis_is_the_quadratic_form(seed, D):
    rng = np.random.default_rng(seed)
    A, B, root = rng.normal(size=(6, D)), rng.normal(size=(4, D)), rng.normal(size=(D, D + 2))
    scales = 10.0 ** rng.integers(-8, 9, D)  # units differ
    V = (root @ root.T) * np.outer(scales, scales)
    A, B = (A + 1e6) * scales, (B + 1e6) * scales
    difference = A[:, None] - B
    inverse = np.linalg.inv(root @ root.T) / np.outer(scales, scales)
    expected = np.sqrt(np.einsum("nmi,ij,nmj->nm", difference, inverse, difference))
    for given in ({"V": V}, {"VI": inverse}):
        got = distances(torch.tensor(A), torch.tensor(B), metric("mahalanobis", **given))
        np.testing.assert_allclose(got, expected, rtol=1e-7)


def test_matrices_that_are_no_covariances_are_refused():
    good = np.eye(2)
    for V, words in (
        (np.ones((2, 2)), "singular"),
        (np.diag([1.0, 0.0]), "singular"),
        (np.diag([1.0, -1.0]), "singular"),
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (np.ones((2, 3)), "square"),
        (np.full((2, 2), np.nan), "finite"),
    ):
        with pytest.raises(ValueError, match=words):
            metric("mahalanobis", V=V)
    with pytest.raises(ValueError, match="eigenvalue"):
        metric("mahalanobis", VI=np.diag([1.0, -1.0]))
    for given in ({}, {"V": good, "VI": good}):
        with pytest.raises(ValueError, match="not both"):
            metric("mahalanobis", **given)


def test_a_singular_inverse_covariance_ignores_directions():
    d = distances(
        torch.tensor([[3.0, 5.0]]).double(), torch.zeros(1, 2).double(), metric("mahalanobis", VI=np.diag([4.0, 0.0]))
    )
    assert float(d) == 6.0


def test_names_and_norms():
    with pytest.raises(ValueError, match=r"unknown metric 'taxi'; there are: .*manhattan"):
        metric("taxi")
    with pytest.raises(ValueError, match="detour"):
        metric("minkowski", p=0.5)
    assert [metric("minkowski", p=p).name for p in (1, 2, np.inf)] == ["manhattan", "euclidean", "chebyshev"]
    assert metric("l1") == metric("cityblock") == metric("manhattan")


def test_many_near_pairs_are_measured_by_their_differences(seed, monkeypatch):
    """A block in which most pairs lose their digits, and one whose repair goes in many parts."""
    rng = np.random.default_rng(seed)
    A = torch.tensor(np.vstack([rng.normal(size=(1, 40)) + 1e-6 * rng.normal(size=(30, 40)), rng.normal(size=(9, 40))]))
    exact = ((A[:, None] - A) ** 2).sum(2)
    np.testing.assert_allclose(distances(A, A, metric("sqeuclidean")), exact, rtol=1e-12)
    monkeypatch.setattr(module, "BLOCK", 100)
    few = torch.cat([A[28:], torch.tensor(rng.normal(size=(60, 40)))])
    exact = ((A[25:, None] - few) ** 2).sum(2)
    np.testing.assert_allclose(distances(A[25:], few, metric("sqeuclidean")), exact, rtol=1e-12)
