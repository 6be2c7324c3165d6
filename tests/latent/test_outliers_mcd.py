"""The minimum covariance determinant: all subsets, affine maps, planted outliers, known scale."""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import chi2, multivariate_normal
from sklearn.covariance import MinCovDet as Peer

from peira.core import DataError
from peira.latent import MinCovDet
from peira.latent.fast_mcd import fast_mcd


@pytest.mark.parametrize(("N", "D"), [(7, 1), (9, 2), (12, 2), (11, 3)])
def test_no_subset_has_a_smaller_determinant(seed, N, D):
    X = np.random.default_rng(seed).standard_t(2, size=(N, D))
    model = MinCovDet(random_state=seed).fit(X)
    h = int(np.ceil((N + D + 1) / 2))
    sets = [np.array(s) for s in itertools.combinations(range(N), h)]
    least = min(sets, key=lambda s: np.linalg.det(np.atleast_2d(np.cov(X[s].T))))
    np.testing.assert_array_equal(np.flatnonzero(model.raw_support_), least)


def test_no_worse_than_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    for N, D, slack in ((100, 3, 1e-9), (900, 4, 0.005)):  # groups of rows: another local minimum, nearly as deep
        X = rng.normal(size=(N, D))
        X[: N // 4] += 6
        mine, peer = MinCovDet(random_state=seed).fit(X), Peer(random_state=seed).fit(X)

        def determinant(s, X=X):
            return np.linalg.slogdet(np.cov(X[s].T, bias=True))[1]

        assert mine.raw_support_.sum() == peer.raw_support_.sum()
        assert determinant(mine.raw_support_) <= determinant(peer.raw_support_) + slack
        assert not mine.support_[: N // 4].any()


def test_c_steps_never_raise_the_determinant(seed):
    X = np.random.default_rng(seed).standard_t(3, size=(700, 3))
    model = MinCovDet(random_state=seed).fit(X)
    assert (np.diff(model.history_["log_determinant"]) <= 1e-12).all() and model.stopped_ == "converged"


def test_it_moves_with_the_data_under_affine_maps(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 2))
    X[:8] += 9
    A, b = rng.normal(size=(2, 2)) + 2 * np.eye(2), rng.normal(size=2)
    one, other = MinCovDet(random_state=0).fit(X), MinCovDet(random_state=0).fit(X @ A.T + b)
    np.testing.assert_allclose(other.location_, one.location_ @ A.T + b, rtol=1e-9)
    np.testing.assert_allclose(other.covariance_, A @ one.covariance_ @ A.T, rtol=1e-9)
    np.testing.assert_allclose(other.precision_ @ other.covariance_, np.eye(2), atol=1e-9)


@pytest.mark.parametrize("D", [1, 4])
def test_a_clean_gaussian_keeps_its_covariance_and_its_distances(seed, D):
    X = np.random.default_rng(seed).normal(size=(4000, D))
    model = MinCovDet(random_state=0).fit(X)
    np.testing.assert_allclose(np.diag(np.atleast_2d(model.covariance_)), 1, atol=0.12)
    assert (model.dist_ > chi2.ppf(0.975, D)).mean() == pytest.approx(0.025, abs=0.01)
    np.testing.assert_array_equal(model.mahalanobis(X), model.dist_)


def test_the_density_is_the_gaussian(seed):
    X = np.random.default_rng(seed).normal(size=(60, 3))
    model = MinCovDet(random_state=0).fit(X)
    expected = multivariate_normal(model.location_, model.covariance_).logpdf(X)
    np.testing.assert_allclose(model.log_prob(X), expected, rtol=1e-12)
    Z = model.sample(20_000, random_state=seed)
    np.testing.assert_allclose(np.cov(Z.T), model.covariance_, atol=0.06 * np.abs(model.covariance_).max())
    np.testing.assert_allclose(Z.mean(0), model.location_, atol=0.05)


def test_an_outlier_as_far_as_may_be_changes_little(seed):
    X = np.random.default_rng(seed).normal(size=(50, 2))
    near, far = X.copy(), X.copy()
    near[:20], far[:20] = 50.0 + X[:20], 1e8 + X[:20]
    one, other = (MinCovDet(random_state=0).fit(v) for v in (near, far))
    np.testing.assert_allclose(other.covariance_, one.covariance_, rtol=1e-9)


def test_rows_in_a_plane_are_told_to_the_user():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    X[:20, 1] = 1.0
    with pytest.raises(DataError, match="plane"):
        MinCovDet(random_state=0).fit(X)
    with pytest.raises(DataError, match="'b' is constant"):
        import pandas as pd

        MinCovDet().fit(pd.DataFrame({"a": X[:, 0], "b": np.ones(30)}))
    with pytest.raises(DataError, match="more rows"):
        MinCovDet().fit(rng.normal(size=(4, 4)))
    with pytest.raises(DataError, match="same value"):
        fast_mcd(torch.zeros(5, 1, dtype=torch.float64), 3, torch.Generator())
