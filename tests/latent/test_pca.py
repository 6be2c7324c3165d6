"""Principal components: identities of the eigenvalues, all ways agree, the density, gaps, how many."""

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA as Peer

from peira.core import DataError, ParameterError, observing
from peira.latent import PCA
from peira.latent.component_choice import held_out_likelihood, minka_evidence, parallel_analysis
from peira.latent.noisy_plane import NoisyPlane
from peira.latent.noisy_plane_em import log_likelihood, step
from peira.latent.principal_components_svd import leading_directions

SOLVERS = ["full", "covariance_eigh", "gram", "randomized", "arpack"]


def cloud(seed, N=80, D=6, rank=None):
    rng = np.random.default_rng([seed, 4])
    X = rng.normal(size=(N, rank or D)) * np.geomspace(5, 0.3, rank or D)
    return X @ np.linalg.qr(rng.normal(size=(D, rank or D)))[0].T + rng.normal(size=D) * 10


@pytest.mark.parametrize("shape", [(80, 6), (6, 80), (20, 20), (2, 3), (3, 2), (1, 4), (5, 1)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_all_ways_agree(seed, shape, solver):
    X = torch.as_tensor(cloud(seed, *shape))
    K = max(1, min(shape) - 2)
    if solver == "arpack" and min(shape) == 1:
        with pytest.raises(ParameterError, match="arpack"):
            leading_directions(X, K, solver)
        return
    found, exact = leading_directions(X, K, solver), leading_directions(X, K, "full")
    np.testing.assert_allclose(found.squares, exact.squares, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(K), atol=1e-10)
    assert found.total == pytest.approx(float((X - X.mean(0)).square().sum()), abs=1e-9)
    if min(shape) > 2:
        np.testing.assert_allclose(found.vectors, exact.vectors, atol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_are_repetition_in_every_way(seed, solver):
    X = cloud(seed, 12, 30)
    counts = np.random.default_rng(seed).integers(0, 4, 12).astype(float)
    w = torch.as_tensor(counts)
    weighted = leading_directions(torch.as_tensor(X), 3, solver, w=w, rounds=20)
    repeated = leading_directions(torch.as_tensor(np.repeat(X, counts.astype(int), 0)), 3, solver, rounds=20)
    np.testing.assert_allclose(weighted.squares, repeated.squares, rtol=1e-8)
    np.testing.assert_allclose(weighted.vectors, repeated.vectors, atol=1e-6)
    np.testing.assert_allclose(weighted.mean, repeated.mean, atol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_an_offset_costs_no_digits(seed, offset):
    X = np.round(cloud(seed, 20, 600) * 64) / 64  # exact after adding the offset
    near, far = (leading_directions(torch.as_tensor(X + v), 5, "gram") for v in (0.0, offset))
    np.testing.assert_allclose(far.squares, near.squares, rtol=1e-6 if offset else 1e-14)
    np.testing.assert_allclose(far.vectors, near.vectors, atol=1e-6)


def test_directions_of_a_wide_table_of_low_rank_are_orthonormal(seed):
    X = torch.as_tensor(cloud(seed, 10, 50, rank=3))
    found = leading_directions(X, 10, "gram")
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(10), atol=1e-10)
    assert float(found.squares[3:].max()) < 1e-8 * float(found.squares[0])


def test_gram_and_covariance_agree_to_ten_digits(seed):
    X = torch.as_tensor(cloud(seed, 25, 60))
    wide, square = leading_directions(X, 20, "gram"), torch.linalg.eigh((X - X.mean(0)).T @ (X - X.mean(0)))
    np.testing.assert_allclose(wide.squares, square[0].flip(0)[:20], rtol=1e-10)


@pytest.mark.parametrize("shape", [(80, 6), (6, 30), (150, 4)])
def test_agrees_with_scikit_learn(seed, shape):
    X = cloud(seed, *shape)
    for K in (1, 2, min(shape), 0.9):
        ours, peer = PCA(K).fit(X), Peer(K, svd_solver="full").fit(X)
        names = ["explained_variance_", "explained_variance_ratio_", "mean_"]
        real = peer.explained_variance_ > 1e-9 * peer.explained_variance_[0]
        for name in [*names, "singular_values_"]:
            np.testing.assert_allclose(getattr(ours, name), getattr(peer, name), rtol=1e-9, atol=1e-7)
        np.testing.assert_allclose(ours.components_[real], peer.components_[real], atol=1e-9)
        np.testing.assert_allclose(ours.transform(X)[:, real], peer.transform(X)[:, real], atol=1e-8)
        if shape[0] > shape[1]:
            assert ours.noise_variance_ == pytest.approx(peer.noise_variance_)
            np.testing.assert_allclose(ours.get_covariance(), peer.get_covariance(), atol=1e-9)
            np.testing.assert_allclose(ours.get_precision(), peer.get_precision(), rtol=1e-8, atol=1e-9)
            np.testing.assert_allclose(ours.score_samples(X), peer.score_samples(X), rtol=1e-9)


@pytest.mark.parametrize("K", range(7))
@pytest.mark.parametrize("standardise", [False, True])
def test_reconstruction_error_is_the_variance_left_out(seed, K, standardise):
    X = cloud(seed)
    pca, whole = PCA(K, standardise=standardise).fit(X), PCA(standardise=standardise).fit(X)
    Z = pca.transform(X)
    error = (((X - pca.inverse_transform(Z)) / pca.scale_) ** 2).sum() / (len(X) - 1)
    assert error == pytest.approx(whole.explained_variance_[K:].sum(), abs=1e-10)
    np.testing.assert_allclose(np.cov(Z.T).reshape(K, K), np.diag(pca.explained_variance_), atol=1e-10)
    assert whole.explained_variance_ratio_.sum() == pytest.approx(1)
    white = PCA(K, standardise=standardise, whiten=True).fit(X)
    np.testing.assert_allclose(np.cov(white.transform(X).T).reshape(K, K), np.eye(K), atol=1e-9)
    np.testing.assert_allclose(white.inverse_transform(white.transform(X)), pca.inverse_transform(Z), atol=1e-9)


def test_standardised_components_do_not_depend_on_units(seed):
    X = cloud(seed)
    units = 10.0 ** np.arange(-3, 3)
    one, other = PCA(3, standardise=True).fit(X), PCA(3, standardise=True).fit(X * units)
    np.testing.assert_allclose(one.components_, other.components_, atol=1e-9)
    np.testing.assert_allclose(one.explained_variance_, np.linalg.eigvalsh(np.corrcoef(X.T))[::-1][:3])
    np.testing.assert_allclose(one.log_prob(X) - np.log(units).sum(), other.log_prob(X * units), rtol=1e-9)


def gaussian_log_density(X, mean, C):
    R = X - mean
    return -(len(mean) * math.log(2 * math.pi) + np.linalg.slogdet(C)[1] + (R * np.linalg.solve(C, R.T).T).sum(1)) / 2


@pytest.mark.parametrize("K", [0, 1, 3, 5, 6])
@pytest.mark.parametrize("standardise", [False, True])
def test_the_density_is_the_gaussian_with_its_covariance(seed, K, standardise):
    X = cloud(seed)
    pca = PCA(K, standardise=standardise).fit(X)
    C = pca.get_covariance()
    np.testing.assert_allclose(pca.log_prob(X), gaussian_log_density(X, pca.mean_, C), rtol=1e-9)
    np.testing.assert_allclose(pca.get_precision() @ C, np.eye(6), atol=1e-9)
    if K < 6:
        rest = PCA(standardise=standardise).fit(X).explained_variance_[K:]
        assert pca.noise_variance_ == pytest.approx(rest.mean())
    holes = np.where(np.random.default_rng(seed).random(X.shape) < 0.3, np.nan, X)
    holes[0] = np.nan
    for row, value, code in zip(holes, pca.log_prob(holes), pca.transform(holes), strict=True):
        o = ~np.isnan(row)
        expected = gaussian_log_density(row[None, o], pca.mean_[o], C[np.ix_(o, o)])[0] if o.any() else 0.0
        assert value == pytest.approx(expected, rel=1e-8, abs=1e-12)
        filled = pca.mean_.copy()
        filled[o] = row[o]
        if o.any():
            filled[~o] += C[np.ix_(~o, o)] @ np.linalg.solve(C[np.ix_(o, o)], (row - pca.mean_)[o])
        np.testing.assert_allclose(pca.impute(row[None])[0], filled, atol=1e-8)
        np.testing.assert_allclose(code, pca.transform(filled[None])[0], atol=1e-8)


def test_the_likelihood_is_greatest_where_the_closed_form_says(seed):
    X = torch.as_tensor(cloud(seed))
    N, D, K = *X.shape, 2
    found = leading_directions(X, None)
    lam = found.squares / N
    noise = float(lam[K:].mean())
    W = (found.vectors[:, :K] * (lam[:K] - noise).sqrt()).requires_grad_()
    mean, log_noise = X.mean(0).requires_grad_(), torch.tensor(math.log(noise), dtype=torch.float64, requires_grad=True)
    C = W @ W.T + log_noise.exp() * torch.eye(D, dtype=torch.float64)
    value = torch.distributions.MultivariateNormal(mean, C).log_prob(X).mean()
    assert float(value.detach()) * N == pytest.approx(log_likelihood(lam[:K], N, noise, D))
    for slope in torch.autograd.grad(value, [W, mean, log_noise]):
        assert float(slope.abs().max()) < 1e-9


def test_samples_have_the_moments_of_the_model(seed):
    X = cloud(seed)
    pca = PCA(2, standardise=True).fit(X)
    draws = pca.sample(200_000, random_state=seed)
    C = pca.get_covariance()
    np.testing.assert_allclose(draws.mean(0), pca.mean_, atol=5 * np.sqrt(C.diagonal().max() / 2e5))
    np.testing.assert_allclose(np.cov(draws.T), C, atol=6 * C.max() * np.sqrt(2 / 2e5))
    np.testing.assert_array_equal(pca.sample(3, random_state=1), pca.sample(3, random_state=1))


# ---------------------------------------------------------------------- gaps


@pytest.mark.parametrize("K", [1, 2, 3])
def test_em_from_anywhere_reaches_the_closed_form(seed, K):
    X = torch.as_tensor(cloud(seed))
    variances = leading_directions(X).squares / len(X)
    rng = np.random.default_rng(seed)
    plane, w = NoisyPlane(X[0].clone(), torch.as_tensor(rng.normal(size=(6, K))), 1.0), torch.ones(len(X)).to(X)
    values = []
    for _ in range(500):
        value, plane, _ = step(X, w, plane)
        values.append(value)
    assert (np.diff(values) > -1e-9).all()
    np.testing.assert_allclose(plane.mean, X.mean(0), rtol=1e-8)
    np.testing.assert_allclose(torch.linalg.svdvals(plane.W) ** 2 + plane.noise, variances[:K], rtol=1e-8)
    assert plane.noise == pytest.approx(float(variances[K:].mean()), rel=1e-8)
    assert values[-1] == pytest.approx(log_likelihood(variances[:K], len(X), plane.noise, 6), rel=1e-10)


@pytest.mark.parametrize("K", [1, 2, 4, 6])
def test_em_without_gaps_reaches_the_closed_form(seed, K):
    """One entry of a row that is otherwise complete is no row at all: a row of nothing but NaN makes EM run."""
    X = cloud(seed)
    em = PCA(K, em_tol=1e-14, em_steps=5000).fit(np.r_[X, np.full((1, 6), np.nan)])
    closed = PCA(K).fit(X)
    np.testing.assert_allclose(em.explained_variance_, closed.explained_variance_, rtol=1e-8)
    np.testing.assert_allclose(em.components_, closed.components_, atol=1e-6)
    np.testing.assert_allclose(em.mean_, closed.mean_, rtol=1e-9)
    assert em.noise_variance_ == pytest.approx(closed.noise_variance_, rel=1e-8)


def test_em_with_gaps_is_the_maximum_of_the_observed_likelihood(seed):
    """The gradient of the observed likelihood, by brute force over rows, is zero; and it never fell on the way."""
    X = cloud(seed, 60, 4)
    X[np.random.default_rng(seed).random(X.shape) < 0.2] = np.nan
    pca = PCA(2, em_tol=1e-15, em_steps=20_000).fit(X)
    assert (np.diff(pca.history_["log_likelihood"]) > -1e-9).all()
    N = int((~np.isnan(X)).any(1).sum())
    shrink = (N - 1) / N
    C = torch.as_tensor(pca.get_covariance() * shrink)
    noise = pca.noise_variance_ * shrink
    values, V = torch.linalg.eigh(C - noise * torch.eye(4))
    W = (V[:, -2:] * values[-2:].sqrt()).requires_grad_()
    mean = torch.as_tensor(pca.mean_).requires_grad_()
    sigma2 = torch.tensor(noise, dtype=torch.float64, requires_grad=True)
    value = 0.0
    for row in torch.as_tensor(X):
        o = ~row.isnan()
        if o.any():
            S = W[o] @ W[o].T + sigma2 * torch.eye(int(o.sum()))
            value = value + torch.distributions.MultivariateNormal(mean[o], S).log_prob(row[o])
    for slope in torch.autograd.grad(value, [W, mean, sigma2]):
        assert float(slope.detach().abs().max()) < 1e-4
    assert float(value.detach()) == pytest.approx(pca.history_["log_likelihood"][-1], rel=1e-9)


def test_all_components_of_a_table_with_gaps_are_any_gaussian(seed):
    X = cloud(seed, 100, 3)
    X[np.random.default_rng(seed).random(X.shape) < 0.15] = np.nan
    pca = PCA(em_tol=1e-13).fit(X)
    assert pca.n_components_ == 3 and pca.noise_variance_ == 0.0
    better = pca.log_prob(X).sum()
    for K in (1, 2):
        assert PCA(K).fit(X).log_prob(X).sum() <= better + 1e-4


def test_gaps_are_imputed_better_than_by_means(seed):
    X = cloud(seed, 300, 6, rank=2) + 0.05 * np.random.default_rng(seed).normal(size=(300, 6))
    gaps = np.random.default_rng(seed + 1).random(X.shape) < 0.2
    holes = np.where(gaps, np.nan, X)
    filled = PCA(2).fit(holes).impute(holes)
    np.testing.assert_array_equal(filled[~gaps], X[~gaps])
    by_means = np.broadcast_to(np.nanmean(holes, 0), X.shape)
    assert np.sqrt(((filled - X)[gaps] ** 2).mean()) < 0.1 * np.sqrt(((by_means - X)[gaps] ** 2).mean())


def test_weights_of_rows_with_gaps_are_repetition(seed):
    X = cloud(seed, 30, 4)
    X[np.random.default_rng(seed).random(X.shape) < 0.1] = np.nan
    counts = np.random.default_rng(seed).integers(0, 3, 30)
    weighted = PCA(2, em_tol=1e-13).fit(X, sample_weight=counts)
    repeated = PCA(2, em_tol=1e-13).fit(np.repeat(X, counts, 0))
    np.testing.assert_allclose(weighted.components_, repeated.components_, atol=1e-5)
    np.testing.assert_allclose(weighted.explained_variance_, repeated.explained_variance_, rtol=1e-5)


def test_a_column_that_was_never_seen_is_named():
    with pytest.raises(DataError, match="column 'x1'"):
        PCA(1).fit([[1.0, np.nan, 2.0], [2.0, np.nan, 1.0], [0.0, np.nan, 4.0]])


def test_every_step_of_em_is_heard(seed):
    X = cloud(seed, 40, 4)
    X[3, 1] = np.nan
    events = []
    with observing(events.append):
        PCA(2).fit(X)
    assert events[0].values == {"log_likelihood": "increase"} and events[-1].values["stopped"] == "converged"


# ---------------------------------------------------------------------- how many


def test_minka_finds_the_planted_number_and_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    W = np.linalg.qr(rng.normal(size=(10, 3)))[0]
    X = 3 * rng.normal(size=(500, 3)) @ W.T + rng.normal(size=(500, 10))
    assert PCA("mle").fit(X).n_components_ == Peer("mle", svd_solver="full").fit(X).n_components_ == 3
    assert PCA("parallel", random_state=0).fit(X).n_components_ == 3
    assert PCA("cv", random_state=0).fit(X).n_components_ in (3, 4)  # what noise adds is sometimes worth a little
    iris = load_iris().data
    assert PCA("mle").fit(iris).n_components_ == Peer("mle", svd_solver="full").fit(iris).n_components_


def test_minka_by_the_printed_formula(seed):
    from scipy.special import gammaln

    lam, N = np.sort(np.random.default_rng(seed).uniform(0.5, 9, 6))[::-1], 50
    D = len(lam)
    for K, value in enumerate(minka_evidence(torch.as_tensor(lam.copy()), N), 1):
        v = lam[K:].mean()
        hat = np.r_[lam[:K], np.full(D - K, v)]
        logs = -K * math.log(2) + sum(
            gammaln((D - i + 1) / 2) - (D - i + 1) / 2 * math.log(math.pi) for i in range(1, K + 1)
        )
        logs += -N / 2 * np.log(lam[:K]).sum() - N * (D - K) / 2 * math.log(v)
        logs += (D * K - K * (K + 1) / 2 + K) / 2 * math.log(2 * math.pi) - K / 2 * math.log(N)
        for i in range(K):
            for j in range(i + 1, D):
                logs -= math.log((1 / hat[j] - 1 / hat[i]) * (lam[i] - lam[j]) * N) / 2
        assert value == pytest.approx(logs, rel=1e-10)


def test_parallel_analysis_finds_nothing_in_noise(seed):
    found = [
        PCA("parallel", random_state=s).fit(np.random.default_rng([seed, s]).normal(size=(100, 8))).n_components_
        for s in range(20)
    ]
    assert np.mean(np.array(found) > 0) <= 0.25
    one = parallel_analysis(torch.ones(5, dtype=torch.float64), 50, 5, np.random.default_rng(seed))
    assert one[0] > 1 > one[-1]
    few = parallel_analysis(torch.ones(9, dtype=torch.float64), 4, 4, np.random.default_rng(seed))
    assert few.shape == (4,) and few[3] == pytest.approx(0, abs=1e-12)


def test_held_out_likelihood_is_that_of_each_fit(seed):
    X = cloud(seed, 30, 4)
    got = held_out_likelihood(torch.as_tensor(X), None, np.random.default_rng(3))
    folds = np.array_split(np.random.default_rng(3).permutation(30), 5)
    for K in range(4):
        logs = []
        for fold in folds:
            train = np.delete(X, fold, 0)
            pca = PCA(K).fit(train)
            C = pca.get_covariance() * (len(train) - 1) / len(train)
            logs.append(gaussian_log_density(X[fold], pca.mean_, C).mean())
        assert got[K] == pytest.approx(np.mean(logs), rel=1e-9)


# ---------------------------------------------------------------------- edges


def test_one_row_and_constant_columns_and_repeated_rows():
    one = PCA().fit([[1.0, 2.0, 3.0]])
    assert one.n_components_ == 1 and one.explained_variance_[0] == 0
    np.testing.assert_array_equal(one.transform([[1.0, 2.0, 3.0]]), [[0.0]])
    constant = PCA(standardise=True).fit([[1.0, 0.1], [2.0, 0.1], [4.0, 0.1]])
    np.testing.assert_allclose(constant.explained_variance_, [1, 0], atol=1e-15)
    repeated = PCA(2).fit(np.repeat([[1.0, 2.0], [3.0, 5.0]], 5, axis=0))
    assert repeated.explained_variance_[1] == pytest.approx(0, abs=1e-12)
    with pytest.raises(DataError, match="no density"):
        repeated.log_prob([[1.0, 2.0]])
    with pytest.raises(DataError, match="between 0 and min"):
        PCA(4).fit(np.eye(3))
    with pytest.raises(ParameterError, match="share between 0 and 1"):
        PCA(1.5).fit(np.eye(3))
    none = PCA(0).fit(np.eye(3))
    np.testing.assert_allclose(none.inverse_transform(none.transform(np.eye(3))), np.full((3, 3), 1 / 3))


@pytest.mark.parametrize("solver", ["auto", "covariance_eigh", "randomized", "arpack"])
def test_sparse_rows_are_centred_without_being_made_dense(seed, solver):
    X = sparse.random(60, 12, 0.2, random_state=seed, format="csr")
    X.data += 5
    thin, dense = (PCA(3, svd_solver=solver, random_state=0).fit(v) for v in (X, X.toarray()))
    np.testing.assert_allclose(thin.explained_variance_, dense.explained_variance_, rtol=1e-8)
    np.testing.assert_allclose(thin.transform(X), dense.transform(X.toarray()), atol=1e-7)
    np.testing.assert_allclose(thin.log_prob(X), dense.log_prob(X.toarray()), rtol=1e-7)
    with pytest.raises(ParameterError, match="sparse"):
        PCA(3, svd_solver="full").fit(X)


def test_pictures(seed):
    X = load_iris().data
    pca = PCA(standardise=True).fit(X)
    ax = pca.plot(X, load_iris().target)
    assert "73 %" in ax.get_xlabel() and len(ax.get_legend().get_texts()) == 3
    assert len(pca.plot_scree().patches) == 4
    assert PCA(1).fit(X).plot(X).get_xlabel()
