"""Histograms: counts by hand, the rules for their number of cells against formulas, samples."""

import math

import numpy as np
import pytest
import torch
from scipy.special import gammaln
from scipy.stats import chisquare

from peira.core import DataError
from peira.latent import HistogramDensity
from peira.latent.histogram_bins import numbers_of_bins
from peira.numerics.quantiles import quantile


def test_heights_are_those_of_numpy(seed):
    X = np.random.default_rng(seed).normal(size=(200, 2))
    heights, *edges = np.histogramdd(X, bins=(4, 4), density=True)
    model = HistogramDensity(bins=4).fit(X)
    middles = [(e[1:] + e[:-1]) / 2 for e in edges[0]]
    grid = np.stack(np.meshgrid(*middles, indexing="ij"), -1).reshape(-1, 2)
    np.testing.assert_allclose(np.exp(model.log_prob(grid)), heights.ravel(), rtol=1e-12)
    assert np.isneginf(model.log_prob([[99.0, 0.0]]))


@pytest.mark.parametrize("rule", ["fd", "scott"])
def test_widths_are_those_of_the_rules(seed, rule):
    x = np.random.default_rng(seed).gamma(2.0, size=300)
    K = HistogramDensity(bins=rule).fit(x[:, None]).n_bins_[0]
    spread = 2 * np.subtract(*np.percentile(x, [75, 25])) if rule == "fd" else 3.5 * x.std()
    assert math.ceil(np.ptp(x) / (spread * 300 ** (-1 / 3))) == K


def test_the_most_probable_number_has_the_largest_evidence(seed):
    """Knuth's eq. 31 with the empty cells written out; and the least squares against leaving each row out."""
    x = np.random.default_rng(seed).normal(size=80)
    N = len(x)

    def evidence(M):
        n = np.histogram(x, M)[0]
        head = N * np.log(M) + gammaln(M / 2) - M * gammaln(0.5) - gammaln(N + M / 2)
        return head + gammaln(n + 0.5).sum()

    def left_out(M):
        n, edges = np.histogram(x, M)
        v = edges[1] - edges[0]
        mine = n[np.clip(((x - x.min()) / np.ptp(x) * M).astype(int), 0, M - 1)]
        return (n**2).sum() / (N * N * v) - 2 * np.mean((mine - 1) / ((N - 1) * v))

    T = torch.from_numpy((x - x.min()) / np.ptp(x))[:, None]
    assert numbers_of_bins("knuth", T, None)[0] == 1 + np.argmax([evidence(M) for M in range(1, N + 1)])
    assert numbers_of_bins("least_squares", T, None)[0] == 1 + np.argmin([left_out(M) for M in range(1, N + 1)])


def test_samples_have_the_shares_of_the_cells(seed):
    X = np.random.default_rng(seed).normal(size=(100, 2))
    for alpha in (0.0, 2.0):
        model = HistogramDensity(bins=3, alpha=alpha).fit(X)
        Z = model.sample(6000, random_state=seed)
        assert (model.lows_ <= Z.min(0)).all() and (model.highs_ >= Z.max(0)).all()
        seen = np.histogramdd(Z, bins=(3, 3), range=list(zip(model.lows_, model.highs_, strict=True)))[0].ravel()
        n = np.histogramdd(X, bins=(3, 3))[0].ravel()
        p = (n + alpha) / (n + alpha).sum()
        assert (seen[p == 0] == 0).all()
        assert chisquare(seen[p > 0], 6000 * p[p > 0]).pvalue > 1e-4


def test_what_has_no_density_is_refused():
    with pytest.raises(DataError, match="constant"):
        HistogramDensity().fit([[1.0, 2.0], [1.0, 3.0]])
    with pytest.raises(DataError, match="numbered"):
        HistogramDensity(bins=10).fit(np.random.default_rng(0).normal(size=(30, 25)))


@pytest.mark.parametrize("share", [0.0, 0.1, 1 / 3, 0.5, 1.0])
def test_weighted_quantiles_are_those_of_repeated_numbers(seed, share):
    rng = np.random.default_rng(seed)
    for N in (1, 2, 3, 40):
        x, w = rng.normal(size=N), rng.integers(0, 4, N)
        w[0] = 1
        got = quantile(torch.from_numpy(x), share, torch.from_numpy(w.astype(float)))
        assert got == pytest.approx(np.quantile(np.repeat(x, w), share), abs=1e-12)
        assert quantile(torch.from_numpy(x), share) == pytest.approx(np.quantile(x, share), abs=1e-12)
