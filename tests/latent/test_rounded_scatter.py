"""Directions from a scatter in single precision: as many digits as in double precision, or no answer at all."""

import numpy as np
import pytest
import torch

from peira.core import DataError
from peira.latent import PCA
from peira.latent import rounded_scatter as module
from peira.latent.rounded_scatter import leading_by_rounded_scatter, pays


def table(seed, N=2000, D=40, falling=None):
    rng = np.random.default_rng([seed, 7])
    Q = np.linalg.qr(rng.normal(size=(D, D)))[0]
    return torch.as_tensor((rng.normal(size=(N, D)) * (np.geomspace(1, 0.01, D) if falling is None else falling)) @ Q)


def exact(X, K):
    values, Q = torch.linalg.eigh((X - X.mean(0)).T @ (X - X.mean(0)))
    return values.flip(0)[:K], Q.flip(1)[:, :K]


@pytest.mark.parametrize("K", [1, 2, 3, 10])
@pytest.mark.parametrize("offset", [0.0, 3.0, 1e6])
@pytest.mark.parametrize("unit", [1e-90, 1.0, 1e90])
def test_has_the_digits_of_double_precision(seed, K, offset, unit):
    X = (table(seed) + offset) * unit
    mean, squares, V, totals = leading_by_rounded_scatter(X, K)
    values, Q = exact(X, K)
    np.testing.assert_allclose(mean, X.mean(0), rtol=1e-12, atol=1e-12 * unit)
    np.testing.assert_allclose(totals, (X - X.mean(0)).square().sum(0), rtol=1e-12 + 1e-15 * offset)
    np.testing.assert_allclose(squares, values, rtol=1e-11)
    np.testing.assert_allclose(V.T @ V, np.eye(K), atol=1e-13)
    np.testing.assert_allclose((V * (V * Q).sum(0).sign()), Q, atol=1e-11 + 1e-15 * offset)


def test_one_pass_squares_the_error_of_single_precision(seed, monkeypatch):
    X, K = table(seed), 3
    _, Q = exact(X, K)
    errors = []

    def told(S, L):
        squares, V = module_eigenvectors(S, L)
        errors.append(float(torch.linalg.matrix_norm(V[:, :K] - Q @ (Q.T @ V[:, :K]), 2)))
        return squares, V

    module_eigenvectors = module.leading_eigenvectors
    monkeypatch.setattr(module, "leading_eigenvectors", told)
    assert leading_by_rounded_scatter(X, K) is not None
    assert 1e-10 < errors[0] < 1e-5
    assert errors[1] < 1e3 * errors[0] ** 2 + 1e-14


def test_gives_no_answer_where_single_precision_is_blind(seed):
    D = 40
    far_apart = table(seed, falling=np.concatenate([[1e6], np.full(D - 1, 1.0)]))
    assert leading_by_rounded_scatter(far_apart, 1) is not None
    assert leading_by_rounded_scatter(far_apart, 3) is None
    assert leading_by_rounded_scatter(torch.full((2000, D), 3.0, dtype=torch.float64), 2) is None
    assert leading_by_rounded_scatter(table(seed) * 1e200, 2) is None
    lonely = table(seed)
    lonely[1] *= 1e60  # in no sample of the rows, and beyond single precision
    assert leading_by_rounded_scatter(lonely, 2) is None


def test_directions_that_no_gap_sets_apart_are_not_guessed(seed):
    """The corners of a cross have the same variance in all directions: any answer is as good, if its residual is."""
    X = torch.eye(40, dtype=torch.float64).repeat(100, 1) * torch.tensor([1.0, -1.0]).repeat(2000)[:, None].double()
    found = leading_by_rounded_scatter(X, 3)
    if found is not None:
        mean, squares, V, _ = found
        A = X - mean
        np.testing.assert_allclose(A.T @ (A @ V), V * squares, atol=1e-10 * float(squares[0]))


def test_pca_of_a_tall_table_takes_it_and_is_none_the_worse(seed):
    N, D, K = 8192, 256, 4
    assert pays(N, D, K) and not pays(N, D, D) and not pays(N, D, 0) and not pays(100, D, K)
    X = table(seed, N, D).numpy() + 1
    assert leading_by_rounded_scatter(torch.as_tensor(X), K) is not None
    pca, (values, Q) = PCA(K).fit(X), exact(torch.as_tensor(X), K)
    total = X.var(0, ddof=1).sum()
    np.testing.assert_allclose(pca.explained_variance_, values / (N - 1), rtol=1e-11)
    np.testing.assert_allclose(pca.explained_variance_ratio_, values / (N - 1) / total, rtol=1e-11)
    np.testing.assert_allclose(pca.noise_variance_, (total - values.sum() / (N - 1)) / (D - K), rtol=1e-10)
    np.testing.assert_allclose(np.abs(pca.components_ @ Q.numpy()), np.eye(K), atol=1e-11)
    np.testing.assert_allclose(PCA(K).fit(np.asfortranarray(X)).components_, pca.components_, atol=1e-12)
    with pytest.raises(DataError, match="too large"):
        PCA(K).fit(X * 1e200)
