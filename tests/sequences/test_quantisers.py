"""Quantisers: the two conditions of the best levels, all partitions on small sets, known values for known densities."""

from itertools import combinations, product

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import expon, laplace, norm
from sklearn.exceptions import ConvergenceWarning

from peira.core import DataError
from peira.core.errors import ParameterError
from peira.sequences import ScalarQuantiser, VectorQuantiser
from peira.sequences.codebook import grow_codebook
from peira.sequences.lloyd_max import lloyd_max

# ------------------------------------------------------------------ levels of a density


@pytest.mark.parametrize("K", [1, 2, 3, 8])
@pytest.mark.parametrize(("law", "low", "high"), [(norm, -9, 9), (laplace, -30, 30), (expon, 0, 40)])
def test_levels_are_means_and_thresholds_half_way(law, low, high, K):
    best = lloyd_max(law.pdf, K, low, high)
    ends = np.concatenate([[low], best.thresholds, [high]])
    np.testing.assert_allclose(best.thresholds, (best.levels[1:] + best.levels[:-1]) / 2, atol=1e-9)
    error = 0.0
    for y, a, b in zip(best.levels, ends[:-1], ends[1:], strict=True):
        breaks = [point for point in (0.0,) if a < point < b]
        mass, mean, lost = (
            quad(lambda x, f=f, y=y: f(x, y) * law.pdf(x), a, b, points=breaks or None, limit=200)[0]
            for f in (lambda x, y: 1.0, lambda x, y: x, lambda x, y: (x - y) ** 2)
        )
        assert abs(mean / mass - y) < 1e-8
        error += lost
    assert abs(error - best.error) < 1e-9


@pytest.mark.parametrize("K", [1, 2, 3, 7])
def test_a_uniform_density_is_cut_evenly(K):
    best = lloyd_max(lambda x: np.full_like(x, 3.0), K, -1, 1)
    np.testing.assert_allclose(best.levels, (np.arange(K) + 0.5) * 2 / K - 1, atol=1e-9)
    assert abs(best.error - (2 / K) ** 2 / 12) < 1e-12


def test_what_cannot_be_quantised_is_said():
    with pytest.raises(ParameterError, match="low < high"):
        lloyd_max(norm.pdf, 2, 1, 1)
    with pytest.raises(ParameterError, match="integrates to 0"):
        lloyd_max(lambda x: 0.0 * x, 2, -3, 3)
    with pytest.warns(ConvergenceWarning, match="after 2 steps"):
        lloyd_max(norm.pdf, 8, -9, 9, max_iter=2)


# ------------------------------------------------------------------ levels of data


def least(x, w, K):
    """The least squared error of K levels: all ways to cut the ordered numbers."""
    order = np.argsort(x)
    x, w = x[order], w[order]

    def cost(a, b):
        mean = np.average(x[a:b], weights=w[a:b])
        return float(w[a:b] @ (x[a:b] - mean) ** 2)

    cuts = combinations(range(1, len(x)), K - 1)
    return min(sum(cost(a, b) for a, b in zip((0, *c), (*c, len(x)), strict=True)) for c in cuts) / w.sum()


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("N", [3, 4, 9])
def test_levels_of_data_meet_both_conditions(seed, N, K):
    rng = np.random.default_rng([seed, N])
    X, w = rng.normal(size=(N, 2)) * [1.0, 1e6], rng.uniform(0.5, 2, N)
    model = ScalarQuantiser(K).fit(X, sample_weight=w)
    codes = model.encode(X)
    for d in range(2):
        for k in np.unique(codes[:, d]):
            own = codes[:, d] == k
            np.testing.assert_allclose(model.levels_[d, k], np.average(X[own, d], weights=w[own]), rtol=1e-9)
        nearest = np.abs(X[:, d, None] - model.levels_[d]).argmin(1)
        np.testing.assert_array_equal(codes[:, d], nearest)
        error = np.average((X[:, d] - model.transform(X)[:, d]) ** 2, weights=w)
        np.testing.assert_allclose(model.error_[d], error, rtol=1e-7, atol=1e-14 * X[:, d].var())
        assert error >= least(X[:, d], w, K) * (1 - 1e-9) - 1e-14 * X[:, d].var()
    np.testing.assert_array_equal(model.decode(codes), model.transform(X))


def test_two_levels_are_the_best_there_are(seed):
    worse = 0
    for trial in range(40):
        x = np.random.default_rng([seed, trial]).normal(size=(10, 1))
        found = ScalarQuantiser(2).fit(x).error_[0]
        worse += found > least(x[:, 0], np.ones(10), 2) * (1 + 1e-9)
    assert worse < 20, "a local minimum, and mostly the least"


def test_fewer_numbers_than_levels_are_kept_exactly():
    X = np.array([[1.0, 5.0], [2.0, 5.0], [2.0, 5.0], [7.0, 5.0]])
    model = ScalarQuantiser(6).fit(X)
    np.testing.assert_array_equal(model.transform(X), X)
    assert model.levels_.tolist() == [[1, 2, 7, 7, 7, 7], [5] * 6] and model.error_.tolist() == [0, 0]
    one = ScalarQuantiser(2).fit([[3.0]])
    assert one.transform([[9.0], [-9.0]]).tolist() == [[3.0], [3.0]]
    rare = np.r_[np.zeros(990), np.arange(1.0, 11.0)][:, None]
    assert ScalarQuantiser(11).fit(rare).error_[0] < 1e-12, "many equal numbers take one level"


def test_codes_that_are_none_are_refused():
    model = ScalarQuantiser(2).fit([[0.0], [1.0]])
    for codes in ([[2]], [[-1]], [[0.5]], [0], [[0, 1]]):
        with pytest.raises(DataError, match="whole numbers from 0 to 1"):
            model.decode(codes)
    with pytest.raises(DataError, match="whole numbers from 0 to 1"):
        VectorQuantiser(2).fit([[0.0], [1.0]]).decode([2])


def test_a_tensor_gives_a_tensor_and_names_stay():
    X = torch.tensor([[0.0], [1.0], [5.0]])
    model = ScalarQuantiser(2).fit(X)
    assert isinstance(model.transform(X), torch.Tensor)
    assert model.get_feature_names_out().tolist() == ["x0"]


# ------------------------------------------------------------------ codebooks


def distortion(X, w, codes):
    return sum(
        float(w[own] @ ((X[own] - np.average(X[own], axis=0, weights=w[own])) ** 2).sum(1))
        for own in (codes == k for k in np.unique(codes))
    )


@pytest.mark.parametrize("K", [1, 2, 3, 4, 5, 7])
def test_each_vector_has_the_nearest_word_and_each_word_is_a_mean(seed, K):
    X = np.random.default_rng([seed, K]).normal(size=(60, 3)) * [1.0, 2.0, 0.5]
    model = VectorQuantiser(K, tol=0.0).fit(X)
    far = ((X[:, None] - model.cluster_centers_) ** 2).sum(2)
    np.testing.assert_array_equal(model.labels_, far.argmin(1))
    for k in range(K):
        np.testing.assert_allclose(model.cluster_centers_[k], X[model.labels_ == k].mean(0), atol=1e-12)
    np.testing.assert_allclose(model.inertia_, far.min(1).sum(), rtol=1e-12)
    np.testing.assert_array_equal(model.decode(model.predict(X)), model.cluster_centers_[model.labels_])


@pytest.mark.parametrize("N", [2, 3, 7])
def test_the_codebook_is_never_better_than_the_best_and_often_as_good(seed, N):
    as_good = 0
    for trial in range(10):
        rng = np.random.default_rng([seed, N, trial])
        X, w = rng.normal(size=(N, 2)), rng.uniform(0.5, 2, N)
        best = min(distortion(X, w, np.array(codes)) for codes in product(range(2), repeat=N))
        found = grow_codebook(torch.from_numpy(X), 2, w=torch.from_numpy(w), tol=0.0)
        np.testing.assert_allclose(found.inertia, distortion(X, w, found.codes.numpy()), rtol=1e-9, atol=1e-12)
        assert found.inertia >= best * (1 - 1e-9) - 1e-12
        as_good += found.inertia <= best * (1 + 1e-9) + 1e-12
    assert as_good >= 5


def test_a_cell_is_split_along_its_longest_direction(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2000, 2)) @ np.array([[3.0, -3.0], [0.1, 0.1]])  # long against the diagonal
    model = VectorQuantiser(2).fit(X)
    gap = model.cluster_centers_[1] - model.cluster_centers_[0]
    assert abs(gap @ [1, -1]) > 10 * abs(gap @ [1, 1])


def test_it_does_not_depend_on_place_and_unit(seed):
    X = np.random.default_rng(seed).normal(size=(50, 2))
    plain = VectorQuantiser(4).fit(X)
    for a, b in ((1e-3, 0.0), (2.0**600, 0.0), (1.0, 100.0)):
        moved = VectorQuantiser(4).fit(a * X + b)
        np.testing.assert_array_equal(moved.labels_, plain.labels_)


def test_fewer_different_vectors_than_words_is_said():
    X = [[0.0], [0.0], [1.0], [1.0], [1.0]]
    with pytest.warns(ConvergenceWarning, match="2 distinct clusters"):
        model = VectorQuantiser(4).fit(X)
    assert model.cluster_centers_.shape == (4, 1) and model.inertia_ == 0
    with pytest.raises(DataError, match="n_samples=5 should be >= n_clusters=6"):
        VectorQuantiser(6).fit(X)
