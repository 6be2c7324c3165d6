"""Distance correlation: the definition on all pairs, independence on average, exactness of the permutation test."""

from itertools import permutations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from peira.core.errors import DataError, ParameterError
from peira.measures.distance_correlation import distance_correlation


def centred(a):
    return a - a.mean(0) - a.mean(1)[:, None] + a.mean()


def by_definition(X, Y):
    A, B = (centred(cdist(Z, Z)) for Z in (X, Y))
    return np.sqrt((A * B).mean()), np.sqrt((A * B).mean() / np.sqrt((A * A).mean() * (B * B).mean()))


def u_centred(a):
    n = len(a)
    A = a - a.sum(0) / (n - 2) - a.sum(1)[:, None] / (n - 2) + a.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(A, 0)
    return A


@pytest.mark.parametrize("N", [2, 3, 4, 5, 30])
@pytest.mark.parametrize("D", [1, 3])
@pytest.mark.parametrize("ties", [False, True])
def test_all_pairs(N, D, ties, seed):
    rng = np.random.default_rng([seed, N, D])
    X = rng.normal(size=(N, D))
    Y = X[:, :1] ** 2 + rng.normal(size=(N, 1))
    if ties:
        X, Y = np.round(X) + (np.arange(N) == 0)[:, None] * 3, np.round(Y) + (np.arange(N) == 1)[:, None] * 3
    found = distance_correlation(X, Y, n_permutations=0)
    covariance, coefficient = by_definition(X, Y)
    assert found.coefficient == pytest.approx(coefficient, abs=1e-7)
    assert found.covariance == pytest.approx(covariance, abs=1e-7) and found.n == N
    if N > 3:
        A, B = (u_centred(cdist(Z, Z)) for Z in (X, Y))
        if (A * A).sum() < 1e-12 or (B * B).sum() < 1e-12:
            assert np.isnan(found.corrected)
        else:
            expected = (A * B).sum() / np.sqrt((A * A).sum() * (B * B).sum())
            assert found.corrected == pytest.approx(expected, abs=1e-9)
    else:
        assert np.isnan(found.corrected)


def test_columns_and_vectors_agree(seed):
    x, y = np.random.default_rng(seed).normal(size=(2, 100))
    column = distance_correlation(x, y)
    vector = distance_correlation(np.column_stack([x, 0 * x]), y)
    for name in ("coefficient", "corrected", "covariance", "p_value"):
        assert getattr(column, name) == pytest.approx(getattr(vector, name), rel=1e-8), name


def test_the_test_counts_permutations(seed):
    """With all orders of six items at hand, many random ones come to the exact p-value."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 6))
    seen = by_definition(x[:, None], y[:, None])[0]
    exact = np.mean([by_definition(x[:, None], y[list(o)][:, None])[0] >= seen - 1e-12 for o in permutations(range(6))])
    found = distance_correlation(x, y, n_permutations=4000, random_state=seed).p_value
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000) + 1e-3)


def test_it_sees_what_pearson_does_not_and_nothing_where_there_is_nothing(seed):
    rng, p, corrected = np.random.default_rng(seed), [], []
    for k in range(100):
        x, y = rng.normal(size=(2, 40))
        found = distance_correlation(x, y, n_permutations=39, random_state=k)
        p.append(found.p_value)
        corrected.append(found.corrected)
    assert np.mean(np.array(p) <= 0.1) <= 0.1 + 4 * np.sqrt(0.09 / 100)
    assert abs(np.mean(corrected)) < 4 * np.std(corrected) / 10
    angle = rng.uniform(0, 2 * np.pi, 200)
    assert distance_correlation(np.cos(angle), np.sin(angle)).p_value < 0.05
    line = distance_correlation(x, 1 - 3 * x)
    assert line.coefficient == pytest.approx(1) and line.p_value == pytest.approx(0.005)


def test_scale_and_place_do_not_matter(seed):
    x, y = np.random.default_rng(seed).normal(size=(2, 30))
    r = distance_correlation(x, y, n_permutations=0).coefficient
    for a, b in ((1e200, 0.0), (1e-200, 0.0), (-1.0, 1e6)):
        assert distance_correlation(a * x + b, y, n_permutations=0).coefficient == pytest.approx(r, rel=1e-7)


def test_edges_and_refusals():
    for x, y in (([], []), ([1.0], [2.0]), ([1.0, 1.0], [1.0, 2.0])):
        found = distance_correlation(x, y)
        assert np.isnan([found.coefficient, found.p_value]).all() and found.n == len(x)
    gaps = distance_correlation([1.0, np.nan, 3.0, 4.0], [1.0, 2.0, 5.0, 4.0], n_permutations=0)
    whole = distance_correlation([1.0, 3.0, 4.0], [1.0, 5.0, 4.0], n_permutations=0)
    assert (gaps.coefficient, gaps.covariance, gaps.n) == (whole.coefficient, whole.covariance, 3)
    with pytest.raises(DataError, match="must agree"):
        distance_correlation([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="infinite values .first in row 1"):
        distance_correlation([1.0, np.inf], [1.0, 2.0])
    with pytest.raises(DataError, match="must be numbers"):
        distance_correlation(["a", "b"], [1.0, 2.0])
    with pytest.raises(DataError, match="shape"):
        distance_correlation(np.zeros((2, 2, 2)), [1.0, 2.0])
    with pytest.raises(ParameterError, match="n_permutations"):
        distance_correlation([1.0, 2.0], [1.0, 2.0], n_permutations=-1)
