"""Incremental, truncated and kernel components against the whole, the dense, and the explicit features."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.decomposition import KernelPCA as KernelPeer
from sklearn.decomposition import TruncatedSVD as TruncatedPeer

from peira.core import DataError, ParameterError
from peira.kernels import RBF, Polynomial
from peira.latent import PCA, IncrementalPCA, KernelPCA, TruncatedSVD
from peira.latent.svd_merge import Sketch


def cloud(seed, N=60, D=5):
    rng = np.random.default_rng([seed, 5])
    return rng.normal(size=(N, D)) @ rng.normal(size=(D, D)) + rng.normal(size=D) * 5


# ---------------------------------------------------------------------- block by block


@pytest.mark.parametrize("blocks", [[60], [1] * 60, [1, 2, 57], [30, 30]])
def test_blocks_of_any_size_give_the_components_of_all_rows(seed, blocks):
    X, model = cloud(seed), IncrementalPCA(3)
    for rows in np.split(X, np.cumsum(blocks)[:-1]):
        model.partial_fit(rows)
    whole = PCA(3).fit(X)
    for name in ("components_", "explained_variance_", "explained_variance_ratio_", "singular_values_", "mean_"):
        np.testing.assert_allclose(getattr(model, name), getattr(whole, name), rtol=1e-8, atol=1e-9)
    assert model.noise_variance_ == pytest.approx(whole.noise_variance_)
    assert model.n_samples_seen_ == 60
    np.testing.assert_allclose(model.var_, X.var(0))


def test_fewer_components_until_enough_rows_were_seen(seed):
    X = cloud(seed)
    model = IncrementalPCA(4).partial_fit(X[:2])
    assert model.n_components_ == 2 and model.transform(X).shape == (60, 2)
    assert model.partial_fit(X[2:9]).n_components_ == 4


def test_merging_decompositions_is_exact_while_nothing_is_dropped(seed):
    X = torch.as_tensor(cloud(seed, 40, 6))
    w = torch.as_tensor(np.random.default_rng(seed).uniform(0, 2, 40))
    sketch = Sketch.empty(6, X)
    for rows in torch.arange(40).split(7):
        sketch = sketch.merged(X[rows], w[rows], most=6)
    squares, V = sketch.directions()
    mean = w @ X / w.sum()
    S = ((X - mean) * w[:, None]).T @ (X - mean)
    np.testing.assert_allclose(squares, torch.linalg.eigvalsh(S).flip(0), rtol=1e-9)
    np.testing.assert_allclose((V * squares) @ V.T, S, atol=1e-8)
    np.testing.assert_allclose(sketch.mean, mean, atol=1e-12)
    np.testing.assert_allclose(sketch.column_squares, S.diagonal(), rtol=1e-9)


def test_many_columns_of_low_rank_are_merged_exactly(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 1200)) + rng.normal(size=1200)
    model, whole = IncrementalPCA(3, batch_size=10).fit(X), PCA(3).fit(X)
    assert "rows" in model.summary_
    np.testing.assert_allclose(model.explained_variance_, whole.explained_variance_, rtol=1e-8)
    np.testing.assert_allclose(model.components_, whole.components_, atol=1e-8)
    with pytest.raises(ValueError, match="too large"):
        model.partial_fit(X * 1e200)


# ---------------------------------------------------------------------- about the origin


@pytest.mark.parametrize("algorithm", ["randomized", "arpack", "auto"])
def test_truncated_svd_is_the_nearest_table_of_its_rank(seed, algorithm):
    X = sparse.random(50, 20, 0.2, random_state=seed, format="csr")
    ours = TruncatedSVD(4, algorithm=algorithm, n_iter=20, random_state=0).fit(X)
    peer = TruncatedPeer(4, algorithm="arpack", random_state=0).fit(X)
    for name in ("singular_values_", "explained_variance_", "explained_variance_ratio_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(peer, name), rtol=1e-8)
    s = np.linalg.svd(X.toarray(), compute_uv=False)
    back = ours.inverse_transform(ours.transform(X))
    assert ((X.toarray() - back) ** 2).sum() == pytest.approx((s[4:] ** 2).sum(), rel=1e-8)
    np.testing.assert_allclose(ours.explained_variance_, ours.transform(X).var(0), rtol=1e-9)
    with pytest.raises(DataError, match="at most"):
        TruncatedSVD(21).fit(X)


# ---------------------------------------------------------------------- kernels


def test_the_linear_kernel_gives_principal_components(seed):
    X = cloud(seed)
    pca, kernel = PCA(3).fit(X), KernelPCA(3, fit_inverse_transform=True, alpha=1e-3).fit(X)
    np.testing.assert_allclose(kernel.eigenvalues_, pca.singular_values_**2, rtol=1e-9)
    Z, A = pca.transform(X), kernel.transform(X)
    np.testing.assert_allclose(A * np.sign((A * Z).sum(0)), Z, atol=1e-8)
    np.testing.assert_allclose(kernel.inverse_transform(A), pca.inverse_transform(Z), atol=2e-3)


def test_a_polynomial_kernel_gives_the_components_of_its_features(seed):
    X = cloud(seed, 30, 2) / 3
    kernel = Polynomial(2, 1.0, 1.0)
    F = kernel._features(torch.as_tensor(X)).numpy()
    pca, model = PCA(4).fit(F), KernelPCA(4, kernel=kernel).fit(X)
    Z, A = pca.transform(F), model.transform(X)
    np.testing.assert_allclose(A * np.sign((A * Z).sum(0)), Z, atol=1e-7)


@pytest.mark.parametrize("solver", ["dense", "arpack", "randomized"])
@pytest.mark.parametrize("kernel", ["rbf", "poly"])
def test_kernel_components_agree_with_scikit_learn(seed, solver, kernel):
    X = cloud(seed, 40, 3) / 4
    X -= X.mean(0)  # the ways back agree where the mean is zero
    settings = {"kernel": kernel, "gamma": 0.3, "fit_inverse_transform": True, "alpha": 0.1, "random_state": 0}
    ours = KernelPCA(3, eigen_solver=solver, **settings).fit(X)
    peer = KernelPeer(3, eigen_solver="dense", **settings).fit(X)
    np.testing.assert_allclose(ours.eigenvalues_, peer.eigenvalues_, rtol=1e-6)
    new = X[:5] + 0.1
    np.testing.assert_allclose(np.abs(ours.transform(new)), np.abs(peer.transform(new)), atol=1e-5)
    got, expected = ours.inverse_transform(ours.transform(X)), peer.inverse_transform(peer.transform(X))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_precomputed_kernel_is_the_kernel(seed):
    X, kernel = cloud(seed, 20, 3), RBF(3.0)
    direct, given = KernelPCA(2, kernel=kernel).fit(X), KernelPCA(2, kernel="precomputed").fit(kernel(X))
    new = X[:4] + 0.5
    np.testing.assert_allclose(given.transform(kernel(new, X)), direct.transform(new), atol=1e-9)
    w = np.r_[np.zeros(5), np.ones(15)]
    some = KernelPCA(2, kernel="precomputed").fit(kernel(X), sample_weight=w)
    rest = KernelPCA(2, kernel=kernel).fit(X[5:])
    np.testing.assert_allclose(some.transform(kernel(new, X)), rest.transform(new), atol=1e-9)
    with pytest.raises(DataError, match="square"):
        KernelPCA(kernel="precomputed").fit(X)
    with pytest.raises(ParameterError, match="no way back"):
        KernelPCA(kernel="precomputed", fit_inverse_transform=True).fit(kernel(X))


def test_codes_far_from_all_rows_lead_to_the_mean(seed):
    X = cloud(seed, 30, 2)
    model = KernelPCA(2, kernel="rbf", gamma=0.1, fit_inverse_transform=True).fit(X)
    np.testing.assert_allclose(model.inverse_transform([[1e3, 1e3]]), X.mean(0)[None], atol=1e-9)
    with pytest.raises(DataError, match="no way back"):
        KernelPCA(2).fit(X).inverse_transform([[0.0, 0.0]])
    with pytest.raises(DataError, match="not valid"):
        KernelPCA(kernel="precomputed").fit(np.array([[0.0, 5.0, 1.0], [5.0, 0.0, 1.0], [1.0, 1.0, 0.0]]))
