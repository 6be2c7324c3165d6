"""Valid kernels are not refuted, invalid ones are, and the points that are named show it."""

import numpy as np
import pytest
import torch

from peira.core.errors import DataError
from peira.kernels import (
    RBF,
    ConstantKernel,
    Cosine,
    DotProduct,
    ExpSineSquared,
    FunctionKernel,
    Laplacian,
    Linear,
    Matern,
    Polynomial,
    RationalQuadratic,
    Sigmoid,
    Spectrum,
    Wave,
    WhiteKernel,
    is_valid_kernel,
)

VALID = [
    RBF(),
    RBF(0.01),
    Matern(0.3, nu=0.5),
    Matern(nu=2.2),
    RationalQuadratic(alpha=0.3),
    Laplacian(0.5),
    Linear(),
    DotProduct(),
    Polynomial(2, coef0=0.0),
    Polynomial(5),
    Cosine(),
    Wave(0.7),
    ExpSineSquared().on([0]),
    ConstantKernel(),
    WhiteKernel(),
]


def points(seed, N, D):
    """Random points with duplicates, near duplicates and an outlier."""
    X = np.random.default_rng([seed, N, D]).normal(size=(N, D))
    return np.concatenate([X, X[: N // 2], X[: N // 3] + 1e-9, 1e3 * X[:1]])


@pytest.mark.parametrize("kernel", VALID, ids=repr)
@pytest.mark.parametrize(("N", "D"), [(1, 1), (2, 1), (3, 2), (60, 2), (40, 9)])
def test_valid_kernels_are_not_refuted(kernel, N, D, seed):
    verdict = is_valid_kernel(kernel, points(seed, N, D))
    assert verdict and verdict.valid and verdict.symmetric and verdict.pair is None and verdict.points == ()
    assert "as far as these points show" in verdict.words()


@pytest.mark.parametrize("kernel", VALID, ids=repr)
def test_closure(kernel, seed):
    """Sums, products, positive multiples, whole powers, the exponential and columns stay valid (Bishop 6.13 to 22)."""
    X = points(seed, 25, 3)[:-1]
    for other in (RBF(0.8), Polynomial(2), Laplacian().on([1])):
        assert is_valid_kernel(kernel + other, X)
        assert is_valid_kernel(kernel * other, X)
    for made in (0.3 * kernel, kernel**2, kernel**3, kernel.on([2, 0])):
        assert is_valid_kernel(made, X)
    assert is_valid_kernel(np.exp(kernel(X) / max(1.0, np.abs(kernel(X)).max())))


def test_the_sigmoids_counterexample():
    """k(x, z) = tanh(x z - 1): k(0, 0) is negative, so is v'Kv for v at that point alone."""
    verdict = is_valid_kernel(Sigmoid(gamma=1.0, coef0=-1.0), [[0.0], [0.5], [2.0]])
    assert not verdict and verdict.symmetric
    assert verdict.smallest_eigenvalue < -1
    assert 0 in verdict.points and "not positive semidefinite" in verdict.words()
    # also with a positive diagonal
    assert not is_valid_kernel(Sigmoid(gamma=1.0, coef0=1.0), [[0.0], [1.0], [2.0]])


@pytest.mark.parametrize(
    "kernel", [Sigmoid(1.0, -1.0), Sigmoid(1.0, 1.0), ExpSineSquared(1.0, 2.0), Polynomial(2, coef0=-1.0)], ids=repr
)
def test_the_vector_and_the_points_show_it(kernel, seed):
    X = np.random.default_rng([seed, 3]).normal(size=(60, 3)) * 2
    verdict = is_valid_kernel(kernel, X)
    K, v = kernel(X), verdict.vector
    assert not verdict
    assert v @ K @ v == pytest.approx(verdict.smallest_eigenvalue, rel=1e-9)
    assert v @ K @ v < -verdict.tolerance
    heaviest = np.argsort(-np.abs(v))[: len(verdict.points)]
    assert set(verdict.points) == set(heaviest)
    assert (v[list(verdict.points)] ** 2).sum() >= 0.9


def test_asymmetry_names_the_pair():
    verdict = is_valid_kernel(lambda x, z: float(x @ z) + 5 * x[0] ** 2 * z[0], [[1.0], [2.0], [4.0]])
    assert not verdict.symmetric and verdict.pair == (1, 2)
    assert verdict.asymmetry == pytest.approx(5 * abs(16 * 2 - 4 * 4))
    K = np.eye(3)
    K[0, 2] = 1e-3
    verdict = is_valid_kernel(K)
    assert not verdict and verdict.pair == (0, 2) and verdict.points == ()
    assert "k(0, 2)" in verdict.words() and "k(0, 2)" in repr(verdict)


def test_the_tolerance_is_rounding_and_no_more(seed):
    """An eigenvalue of zero passes however it is rounded, one of -1e-12 of the largest does not."""
    rng = np.random.default_rng(seed)
    for N in (2, 3, 10, 200):
        Q = np.linalg.qr(rng.normal(size=(N, N)))[0]
        values = np.r_[0.0, rng.uniform(0.5, 1.0, N - 1)]
        for scale in (1e-12, 1.0, 1e12):
            K = (Q * (values * scale)) @ Q.T
            assert is_valid_kernel((K + K.T) / 2)
            values[0] = -1e-12
            K = (Q * (values * scale)) @ Q.T
            assert not is_valid_kernel((K + K.T) / 2)
            values[0] = 0.0
    X = rng.normal(size=(50, 3))
    assert is_valid_kernel(RBF(3.0)(X).astype(np.float32))
    assert is_valid_kernel(RBF(3.0)._gram(torch.from_numpy(X).float()))


def test_units_do_not_matter(seed):
    """Distances within a cluster far from the others keep their digits."""
    rng = np.random.default_rng(seed)
    X = 1e4 * rng.normal(size=(6, 1, 8)) + 0.1 * rng.normal(size=(6, 10, 8))
    for kernel in (RBF(), Matern(nu=2.5), RationalQuadratic()):
        assert is_valid_kernel(kernel, X.reshape(60, 8))


def test_texts_and_graphs():
    texts = ["kernel", "kernels", "colonel", "", "k", "kernel"]
    for k in (1, 2, 3):
        assert is_valid_kernel(Spectrum(k), texts) and is_valid_kernel(Spectrum(k, normalised=False), texts)
        assert is_valid_kernel(Spectrum(k) * Spectrum(1) + 0.5, texts)
    graphs = [{1, 2}, {2, 3}, set(), {1, 2, 3}]
    assert is_valid_kernel(FunctionKernel(lambda g, h: len(g & h), of="items"), graphs)
    assert not is_valid_kernel(FunctionKernel(lambda g, h: len(g ^ h), of="items"), graphs)


def test_what_is_no_question():
    with pytest.raises(DataError, match="pass X"):
        is_valid_kernel(RBF())
    with pytest.raises(DataError, match="square"):
        is_valid_kernel(np.zeros((2, 3)))
    with pytest.raises(DataError, match="NaN"):
        is_valid_kernel([[np.nan]])
