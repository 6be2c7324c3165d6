"""The particle filter against exact sums over a grid, and the laws of resampling."""

import math

import numpy as np
import pytest

from peira.core.errors import DataError, ParameterError
from peira.sequences.particle_filter import particle_filter
from peira.sequences.resampling import resample
from peira.sequences.state_space import filtered
from peira.sequences.structural_model import Structure

SCHEMES = ["systematic", "stratified", "residual", "multinomial"]
LEVEL = Structure("none", 1, 0).model(np.array([1.0, 1.0]), 1.0, proper=True)


def follow(x, n=2000, **more):
    return particle_filter(
        x,
        lambda n, rng: rng.normal(size=(n, 1)),
        lambda z, t, rng: z + rng.normal(size=z.shape),
        lambda v, z, t: -((v[0] - z[:, 0]) ** 2 + math.log(2 * math.pi)) / 2,
        n_particles=n,
        **more,
    )


def walk(seed, T=15):
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(size=T)) + rng.normal(size=T)
    x[4:6] = np.nan
    return x


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_it_agrees_with_the_kalman_filter(seed, scheme, threshold):
    x = walk(seed, 15 if threshold else 4)
    exact = filtered(LEVEL, x[:, None], np.array([len(x)]))
    found = [follow(x, resampling=scheme, threshold=threshold, random_state=s) for s in range(10)]
    error = np.array([f.log_likelihood for f in found]) - exact.log_likelihood[0]
    assert abs(error.mean()) < 5 * error.std() / math.sqrt(10) + error.var()
    np.testing.assert_allclose(np.mean([f.mean for f in found], 0), exact.mean, atol=0.12)
    np.testing.assert_allclose(np.mean([f.std for f in found], 0)[:, 0] ** 2, exact.covariance[:, 0, 0], rtol=0.15)


def test_the_likelihood_is_unbiased_and_converges(seed):
    x = walk(seed)
    exact = filtered(LEVEL, x[:, None], np.array([15])).log_likelihood[0]
    spread = []
    for n in (50, 800):
        ratio = np.exp([follow(x, n, random_state=s).log_likelihood - exact for s in range(200)])
        assert abs(ratio.mean() - 1) < 5 * ratio.std() / math.sqrt(200)
        spread.append(ratio.std())
    assert 2.5 < spread[0] / spread[1] < 7  # 4 by the root of n


def test_paths_are_smoothed(seed):
    x = walk(seed)
    z, V = filtered(LEVEL, x[:, None], np.array([15])).smooth()
    found = follow(x, 1000, keep=True, random_state=seed)
    paths = found.paths(400, lambda after, z, t: -((after[0] - z[:, 0]) ** 2) / 2, random_state=seed)
    np.testing.assert_allclose(paths.mean(0), z, atol=0.25)
    np.testing.assert_allclose(paths.std(0)[:, 0], np.sqrt(V[:, 0, 0]), atol=0.15)
    with pytest.raises(DataError, match="keep=True"):
        follow(x, 10).paths(1, lambda after, z, t: z[:, 0])


def test_the_same_seed_gives_the_same_answer(seed):
    x = walk(seed)
    first = follow(x, 100, random_state=seed)
    assert first.log_likelihood == follow(x, 100, random_state=first.seed).log_likelihood


def test_an_impossible_observation_is_told():
    nothing = {"initial": lambda n, rng: np.zeros((n, 1)), "transition": lambda z, t, rng: z}
    with pytest.warns(RuntimeWarning, match="step 0"):
        found = particle_filter([1.0], **nothing, log_observation=lambda v, z, t: np.full(len(z), -math.inf))
    assert found.log_likelihood == -math.inf and found.mean[0, 0] == 0
    with pytest.raises(DataError, match="logarithms"):
        particle_filter([1.0], **nothing, log_observation=lambda v, z, t: np.zeros(3))
    with pytest.raises(ParameterError, match="threshold"):
        particle_filter([1.0], **nothing, log_observation=lambda v, z, t: z[:, 0], threshold=2)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_resampling_is_in_proportion(seed, scheme):
    rng = np.random.default_rng(seed)
    w = rng.dirichlet(np.full(12, 0.4))
    w[3] = 0.0
    w /= w.sum()
    counts = np.stack([np.bincount(resample(w, scheme, rng), minlength=12) for _ in range(4000)])
    assert (counts.sum(1) == 12).all() and not counts[:, 3].any()
    np.testing.assert_allclose(counts.mean(0), 12 * w, atol=5 * np.sqrt(12 * 0.25 / 4000))
    if scheme == "systematic":
        assert (np.abs(counts - 12 * w) < 1 + 1e-9).all()
    if scheme == "residual":
        assert (counts >= np.floor(12 * w)).all()


def test_one_particle_and_one_certainty(seed):
    rng = np.random.default_rng(seed)
    for scheme in SCHEMES:
        assert resample(np.ones(1), scheme, rng).tolist() == [0]
        assert resample(np.array([0.0, 1.0, 0.0]), scheme, rng).tolist() == [1, 1, 1]
