"""Kernel densities: unit mass, brute force, leave-one-out by leaving one out, errors in closed form, bandwidths."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.spatial.distance import cdist
from scipy.stats import kstest
from sklearn.neighbors import KernelDensity as Peer

from peira.core import DataError
from peira.latent import HistogramDensity, KernelDensity, NearestNeighbourDensity
from peira.latent.bandwidths import bandwidth
from peira.latent.kernel_sums import log_kernel_sums, log_left_out
from peira.latent.smoothing_kernels import LOG_PROFILES, canonical_ratio, draw, log_mass

KERNELS = list(LOG_PROFILES)


def dense(Q, X, h, kernel, w):
    """The density with all distances at once, in units of the rows' weights."""
    k = LOG_PROFILES[kernel](torch.from_numpy(cdist(Q, X) / h)).exp().numpy()
    D = X.shape[1]
    return np.log(k @ w / w.sum() + 1e-300) - D * np.log(h) - log_mass(kernel, D)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("D", [1, 2, 6])
def test_the_density_is_the_mean_of_the_kernels(seed, kernel, D):
    rng = np.random.default_rng(seed)
    for N in (1, 2, 3, 150):
        X, Q, w = rng.normal(size=(N, D)), 1.5 * rng.normal(size=(40, D)), rng.uniform(0.5, 2, N)
        for weights in (None, w):
            got = KernelDensity(bandwidth=0.8, kernel=kernel).fit(X, sample_weight=weights).log_prob(Q)
            expected = dense(Q, X, 0.8, kernel, np.ones(N) if weights is None else weights)
            near = expected > -600
            np.testing.assert_allclose(got[near], expected[near], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kernel", ["gaussian", "tophat", "epanechnikov", "exponential", "linear", "cosine"])
def test_scikit_learn_says_the_same_in_one_column(seed, kernel):
    rng = np.random.default_rng(seed)
    X, Q = rng.normal(size=(80, 1)), rng.normal(size=(30, 1))
    for h in (0.4, "scott", "silverman"):
        peer = Peer(bandwidth=h, kernel=kernel).fit(X)
        mine = KernelDensity(bandwidth=h, kernel=kernel).fit(X)
        assert mine.bandwidth_ == pytest.approx(peer.bandwidth_, rel=1e-12)
        np.testing.assert_allclose(mine.score_samples(Q), peer.score_samples(Q), rtol=1e-7)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_mass_is_one(seed, kernel):
    X = np.random.default_rng(seed).normal(size=(4, 1))
    model = KernelDensity(bandwidth=0.5, kernel=kernel).fit(X)
    edges = np.sort(np.r_[X[:, 0], X[:, 0] - 0.5, X[:, 0] + 0.5, -40.0, 40.0])
    mass = sum(quad(lambda x: math.exp(model.log_prob([[x]])[0]), a, b)[0] for a, b in pairwise(edges))
    assert mass == pytest.approx(1, abs=1e-7)
    one = KernelDensity(bandwidth=1.0, kernel=kernel).fit([[0.0, 0.0]])  # by rings around the single row

    def ring(r):
        return 2 * math.pi * r * math.exp(one.log_prob([[r, 0.0]])[0])

    assert quad(ring, 0, 1)[0] + quad(ring, 1, 60)[0] == pytest.approx(1, abs=1e-7)


def test_the_mass_of_a_histogram_is_one(seed):
    X = np.random.default_rng(seed).normal(size=(60, 2))
    for alpha in (0.0, 0.5):
        model = HistogramDensity(bins=3, alpha=alpha).fit(X)
        size = model.highs_ - model.lows_
        middles = [low + d * (np.arange(30) + 0.5) / 30 for low, d in zip(model.lows_, size, strict=True)]
        grid = np.stack(np.meshgrid(*middles), -1).reshape(-1, 2)
        assert np.exp(model.log_prob(grid)).sum() * size.prod() / 900 == pytest.approx(1, rel=1e-12)


def test_leaving_one_out_is_a_fit_without_it(seed):
    rng = np.random.default_rng(seed)
    for D in (1, 3):
        X = rng.normal(size=(25, D))
        X[3] = 9.0  # alone: what is left of its density is beyond the range of sums
        X[5] = X[6]
        for w in (None, rng.integers(1, 4, 25).astype(float)):
            got = log_left_out(torch.from_numpy(X), 0.3, None if w is None else torch.from_numpy(w)).numpy()
            counts = np.ones(25, int) if w is None else w.astype(int)
            for n in range(25):
                less = counts.copy()
                less[n] -= 1
                rest = np.repeat(X, less, axis=0)
                expected = KernelDensity(bandwidth=0.3).fit(rest).log_prob(X[n : n + 1])[0]
                assert got[n] == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_the_cross_validated_bandwidths_are_optimal(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(70, 2))
    rows = torch.from_numpy(X)

    def likelihood(h):
        return float(log_left_out(rows, h, None).mean())

    def squared_error(h):  # the integral by its own double sum
        K = np.exp(-(cdist(X, X) ** 2) / (4 * h * h)) / (4 * np.pi * h * h)
        return K.mean() - 2 * float(log_left_out(rows, h, None).exp().mean())

    h = bandwidth("likelihood", rows, None)
    assert all(likelihood(h) >= likelihood(h * f) - 1e-12 for f in np.geomspace(0.2, 3, 40))
    h = bandwidth("least_squares", rows, None)
    assert all(squared_error(h) <= squared_error(h * f) + 1e-12 for f in np.geomspace(0.3, 3, 40))


def test_the_expected_squared_error_for_gaussians(seed):
    """Marron & Wand (1992): for a standard normal and a Gaussian kernel the mean integrated squared error is known."""
    N, h, rng = 60, 0.45, np.random.default_rng(seed)

    def normal(v):
        return 1 / math.sqrt(2 * math.pi * v)

    s = 1 + h * h
    expected = normal(2 * h * h) / N + (1 - 1 / N) * normal(2 * s) - 2 * normal(s + 1) + normal(2)
    x = np.linspace(-9, 9, 1201)
    truth = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    errors = []
    for _ in range(300):
        p = np.exp(KernelDensity(bandwidth=h).fit(rng.normal(size=(N, 1))).log_prob(x[:, None]))
        errors.append(((p - truth) ** 2).sum() * (x[1] - x[0]))
    assert np.mean(errors) == pytest.approx(expected, abs=4 * np.std(errors) / math.sqrt(300))


def test_rules_for_a_large_normal_sample(seed):
    x = torch.from_numpy(np.random.default_rng(seed).normal(2.0, 3.0, size=(1500, 1)))
    reference = bandwidth("normal_reference", x, None)
    assert reference == pytest.approx((4 / 3) ** 0.2 * 3 * 1500**-0.2, rel=0.06)
    assert bandwidth("improved_sheather_jones", x, None) == pytest.approx(reference, rel=0.25)
    assert bandwidth("improved_sheather_jones", 7 * x + 1, None) == pytest.approx(
        7 * bandwidth("improved_sheather_jones", x, None), rel=1e-6
    )
    two = torch.cat([x, x + 60])  # one width for all: the reference takes the gap for spread, the others don't
    assert bandwidth("normal_reference", two, None) > 4 * bandwidth("improved_sheather_jones", two, None)


def test_widths_of_other_kernels_smooth_alike(seed):
    assert canonical_ratio("gaussian", 3) == 1
    # Marron & Nolan (1988), table 1: 15^(1/5) for Epanechnikov, (9/2)^(1/5) for the uniform kernel, (1/4 pi)^(1/10)
    assert canonical_ratio("epanechnikov", 1) == pytest.approx(15**0.2 * (4 * math.pi) ** 0.1, rel=1e-9)
    assert canonical_ratio("tophat", 1) == pytest.approx(4.5**0.2 * (4 * math.pi) ** 0.1, rel=1e-9)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("D", [1, 3])
def test_draws_have_the_radius_of_the_kernel(seed, kernel, D):
    r = np.linalg.norm(draw(kernel, 4000, D, np.random.default_rng(seed)), axis=1)
    grid = np.linspace(0, max(1.0, r.max()), 4001)
    cdf = np.cumsum(np.exp(LOG_PROFILES[kernel](torch.from_numpy(grid)).numpy()) * grid ** (D - 1))
    assert kstest(r, lambda v: np.interp(v, grid, cdf / cdf[-1])).pvalue > 1e-4


def test_sums_far_out_and_close_in_keep_their_digits():
    X = torch.tensor([[0.0], [1e-9], [1e9], [1e9 + 1]], dtype=torch.float64)
    Q = torch.tensor([[60.0], [1e9 + 0.5], [-5e8]], dtype=torch.float64)
    got = log_kernel_sums(Q, X, 1.0, "gaussian")
    expected = [-1800 + math.log(2) + 3e-8, -0.125 + math.log(2), -1.25e17]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_repeated_rows_are_told_to_the_user():
    X = np.repeat(np.arange(4.0), 10)[:, None]
    for rule in ("likelihood", "least_squares"):
        with pytest.raises(DataError, match="repeat"):
            KernelDensity(bandwidth=rule).fit(X)
    with pytest.raises(DataError, match="one column"):
        KernelDensity(bandwidth="improved_sheather_jones").fit(np.random.default_rng(0).normal(size=(9, 2)))
    with pytest.raises(DataError, match="variance"):
        KernelDensity(bandwidth="normal_reference").fit([[1.0], [1.0]])


def test_the_nearest_neighbour_density_is_k_over_the_ball(seed):
    rng = np.random.default_rng(seed)
    X, Q = rng.normal(size=(50, 3)), rng.normal(size=(9, 3))
    r = np.sort(cdist(Q, X), axis=1)[:, 6]
    expected = 7 / (50 * 4 / 3 * math.pi * r**3)
    np.testing.assert_allclose(np.exp(NearestNeighbourDensity(7).fit(X).log_prob(Q)), expected, rtol=1e-10)


def test_a_picture_of_one_and_of_two_columns(seed):
    rng = np.random.default_rng(seed)
    for D in (1, 2):
        X = rng.normal(size=(40, D))
        for model in (KernelDensity(bandwidth=0.5), HistogramDensity(), NearestNeighbourDensity(5)):
            assert model.fit(X).plot(X).get_xlabel() == "x0"
    with pytest.raises(DataError, match="one or two columns"):
        KernelDensity().fit(rng.normal(size=(9, 3))).plot()
