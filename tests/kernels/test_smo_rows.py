"""Rows of the Gram matrix: the formulas, dense and sparse, in whatever order and room they are asked for."""

import numpy as np
import pytest
from scipy import sparse

from peira.kernels import RBF, smo_kernels
from peira.kernels.kernel_rows import KernelRows

FORMULAS = {
    "linear": lambda P, d: P,
    "poly": lambda P, d: (0.3 * P + 1.5) ** 3,
    "sigmoid": lambda P, d: np.tanh(0.3 * P + 1.5),
    "rbf": lambda P, d: np.exp(-0.3 * d),
}
SETTINGS = {"gamma": 0.3, "coef0": 1.5, "degree": 3}


def dense(X, name):
    return FORMULAS[name](X @ X.T, ((X[:, None] - X) ** 2).sum(2))


@pytest.mark.parametrize("N", [1, 2, 3, 300])
@pytest.mark.parametrize("name", FORMULAS)
def test_rows_are_those_of_the_formula(N, name, seed):
    X = np.random.default_rng(seed).standard_normal((N, 5))
    K = dense(X, name)
    items = np.random.default_rng(seed).permutation(N)[: max(1, N // 2)]
    rows = KernelRows.of_products(X, name, **SETTINGS)
    np.testing.assert_allclose(rows.rows(items), K[items], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(rows.diagonal, K.diagonal(), rtol=1e-12)
    np.testing.assert_allclose(rows.subset(items).complete(), K[np.ix_(items, items)], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(rows.complete(), K, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(rows.subset(items).rows(np.array([0])), K[items[:1]][:, items], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_sparse_rows_give_the_same(name, seed, monkeypatch):
    monkeypatch.setattr(smo_kernels, "DENSE", 0)
    X = sparse.random_array((60, 40), density=0.1, rng=np.random.default_rng(seed), format="csr")
    rows = KernelRows.of_products(X, name, **SETTINGS)
    K = dense(X.toarray(), name)
    np.testing.assert_allclose(rows.diagonal, K.diagonal(), rtol=1e-12)
    np.testing.assert_allclose(rows.rows(np.array([5, 2])), K[[5, 2]], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(rows.subset(np.arange(7)).complete(), K[:7, :7], rtol=1e-10, atol=1e-12)


def test_kernels_and_functions(seed):
    X = np.random.default_rng(seed).standard_normal((50, 3))
    K = dense(X, "rbf")
    kernel = RBF(length_scale=(2 * 0.3) ** -0.5)
    for rows in (KernelRows.of_kernel(kernel, X), KernelRows.of_kernel(lambda A, B: kernel(A, B), X)):
        np.testing.assert_allclose(rows.rows(np.array([7, 0])), K[[7, 0]], rtol=1e-10)
        np.testing.assert_allclose(rows.diagonal, 1.0)
        np.testing.assert_allclose(rows.subset(np.array([3, 1])).complete(), K[np.ix_([3, 1], [3, 1])], rtol=1e-10)


def test_single_precision_of_many_items_and_an_offset(seed):
    X = np.random.default_rng(seed).standard_normal((1100, 4)) + 1e4
    rows = KernelRows.of_products(X, "rbf", gamma=0.2)
    assert rows.dtype == np.float32
    exact = np.exp(-0.2 * ((X[:20, None] - X) ** 2).sum(2))
    np.testing.assert_allclose(rows.rows(np.arange(20)), exact, atol=2e-6)
    far = KernelRows.of_products(X * 1e3, "rbf", gamma=0.2e-6 * 400)  # long exponents are computed in double precision
    np.testing.assert_allclose(far.rows(np.arange(20)), exact**400, atol=2e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_single_precision_is_sharpened_where_it_stands(name, seed):
    X = np.random.default_rng(seed).standard_normal((1100, 4))
    K = dense(X, name)
    rows, other = (KernelRows.of_products(X, name, **SETTINGS) for _ in range(2))
    other.complete()
    items = np.random.default_rng(seed).permutation(1100)[:50]
    part = other.subset(np.arange(1000)).subset(items % 1000)
    for found, expected in ((rows, K), (part, K[np.ix_(items % 1000, items % 1000)])):
        few = np.arange(7)
        rough = np.abs(found.rows(few) - expected[few]).max()
        assert found.dtype == np.float32 and 0 < rough < 8 * found.rounding
        found.sharpen()
        assert found.dtype == np.float64 and found.rounding == 0
        np.testing.assert_allclose(found.rows(few), expected[few], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found.complete(), expected, rtol=1e-10, atol=1e-12)
    assert other.dtype == np.float32


def test_rows_that_were_not_asked_for_longest_go(seed):
    X = np.random.default_rng(seed).standard_normal((400, 3))
    rows = KernelRows.of_products(X, "rbf", gamma=0.3, cache_size=400 * 8 * 10.5 / 2**20)
    K = dense(X, "rbf")
    assert rows.capacity == 10
    rng = np.random.default_rng(seed)
    for _ in range(50):
        items = rng.permutation(400)[: rng.integers(1, 11)]
        np.testing.assert_allclose(rows.rows(items), K[items], rtol=1e-10)
    held = items[:3]
    rows.rows(held)
    rows.rows(np.setdiff1d(np.arange(20), held)[:7])
    assert (rows._slot[held] >= 0).all()
    with pytest.raises(MemoryError, match="cache_size"):
        rows.complete()


def test_a_matrix_that_is_there():
    K = np.arange(9.0).reshape(3, 3)
    rows = KernelRows.precomputed(K + K.T)
    assert rows.whole is rows.complete()
    part = rows.subset(np.array([2, 0]))
    np.testing.assert_array_equal(part.rows(np.array([1])), (K + K.T)[[0]][:, [2, 0]])
    np.testing.assert_array_equal(part.complete(), (K + K.T)[np.ix_([2, 0], [2, 0])])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_short_exponentials_are_right_to_the_last_digit_or_two(dtype, seed):
    P = (-(10.0 ** np.random.default_rng(seed).uniform(-9, np.log10(87), (30, 257)))).astype(dtype)
    P[0, :4] = 0.0, 1e-6, -86.9, -1e4
    E = np.empty(P.shape, np.float32)
    smo_kernels.short_exponentials(P, E, np.empty(P.shape[1], np.int32))
    exact = np.exp(np.clip(P.astype(np.float64), -87, 0))
    np.testing.assert_allclose(E, exact, rtol=2 * np.finfo(np.float32).eps)
    assert E[0, 0] == E[0, 1] == 1
