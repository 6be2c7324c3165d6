"""Change points: the least cost over all segmentations, by brute force; online beliefs by another route."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import t as student

from peira.core.errors import DataError, ParameterError
from peira.sequences.change_points import change_points
from peira.sequences.online_change_points import online_change_points


def cost_of(X, cost):
    n = len(X)
    if cost == "mean":
        return ((X - X.mean(0)) ** 2).sum()
    if cost == "variance":
        return n * np.log(X.var(0)).sum()
    m = X.mean(0)
    return -2 * (X * np.log(np.where(m > 0, m, 1)) - m).sum()


def best(X, cost, penalty, least, number=None):
    """All segmentations, one after the other."""
    found = (math.inf, None)
    for m in range(len(X)) if number is None else [number]:
        for cuts in itertools.combinations(range(1, len(X)), m):
            ends = [0, *cuts, len(X)]
            if min(np.diff(ends)) >= least:
                total = sum(cost_of(X[a:b], cost) for a, b in itertools.pairwise(ends)) + penalty * m
                found = min(found, (total, list(cuts)))
    return found


def series(rng, cost, T, D=1):
    level = np.repeat(rng.normal(size=(3, D)) * 2, [T // 3, T // 3, T - 2 * (T // 3)], axis=0)
    if cost == "poisson":
        return rng.poisson(np.exp(np.clip(level, -1, 2))).astype(float)
    return level + rng.normal(size=(T, D))


@pytest.mark.parametrize("cost", ["mean", "variance", "poisson"])
@pytest.mark.parametrize(("T", "D", "least"), [(6, 1, 2), (11, 2, 2), (11, 1, 3)])
@pytest.mark.parametrize("penalty", [0.5, 3.0, 20.0])
def test_it_is_the_best_of_all_segmentations(seed, cost, T, D, least, penalty):
    X = series(np.random.default_rng([seed, T, D]), cost, T, D)
    found = change_points(X, cost, penalty=penalty, min_length=least, noise=1.0)
    total = sum(cost_of(part, cost) for part in np.split(X, found)) + penalty * len(found)
    np.testing.assert_allclose(total, best(X, cost, penalty, least)[0], rtol=1e-9, atol=1e-9)
    assert (np.diff([0, *found, T]) >= least).all()


@pytest.mark.parametrize("cost", ["mean", "variance", "poisson"])
@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_given_number_of_changes_is_placed_best(seed, cost, number):
    X = series(np.random.default_rng(seed), cost, 10)
    found = change_points(X, cost, n_changes=number, noise=1.0)
    total = sum(cost_of(part, cost) for part in np.split(X, found))
    np.testing.assert_allclose(
        total, best(X, cost, 0.0, 2 if cost == "variance" else 1, number)[0], rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("seed_of", range(20))
def test_pruning_loses_nothing(seed_of):
    rng = np.random.default_rng(seed_of)
    X = series(rng, "mean", 120)
    least = int(rng.integers(1, 6))
    found = change_points(X, penalty=float(rng.uniform(1, 12)), min_length=least, noise=1.0)
    same = change_points(X, n_changes=len(found), min_length=least, noise=1.0)
    totals = [sum(cost_of(part, "mean") for part in np.split(X, at)) for at in (found, same)]
    np.testing.assert_allclose(totals[0], totals[1], rtol=1e-9)


def test_noise_has_no_changes_and_steps_are_found(seed):
    rng = np.random.default_rng(seed)
    assert not len(change_points(rng.normal(size=2000)))
    x = np.concatenate([rng.normal(size=700), 3 + rng.normal(size=500), 3 + 4 * rng.normal(size=800)])
    np.testing.assert_allclose(change_points(x, "variance"), [700, 1200], atol=8)


def test_tiny_series():
    assert not len(change_points([1.0])) and not len(change_points([1.0, 1.0]))
    assert change_points([0.0, 9.0], n_changes=1).tolist() == [1]
    assert change_points(np.zeros(50), "variance").tolist() == []
    for x, more, error in (
        ([[1.0], [2.0]], {}, DataError),
        ([1.5, 2.0], {"cost": "poisson"}, DataError),
        ([1.0, 2.0], {"n_changes": 2}, DataError),
        ([1.0, np.nan], {}, DataError),
        ([1.0, 2.0], {"cost": "meen"}, ParameterError),
        ([1.0, 2.0], {"penalty": -1.0}, ParameterError),
    ):
        with pytest.raises(error):
            change_points(x, **more)


def test_online_beliefs_by_all_segmentations(seed):
    """The run length's posterior from the sum over all placements of changes of an eight-step series."""
    rng = np.random.default_rng(seed)
    x, h = rng.normal(size=8) * 2, 0.2
    found = online_change_points(x, hazard=h, least=0.0)

    def predictive(past, v):
        m, k, a, b = 0.0, 1.0, 1.0, 1.0
        for u in past:
            b += k * (u - m) ** 2 / (2 * (k + 1))
            m, k, a = (k * m + u) / (k + 1), k + 1, a + 0.5
        return student.pdf(v, 2 * a, m, math.sqrt(b * (k + 1) / (a * k)))

    joint = np.zeros(9)  # of the run length after the last step: a change is decided after each number
    for changes in itertools.product([0, 1], repeat=8):
        p, start = 1.0, 0
        for t in range(8):
            p *= predictive(x[start:t], x[t]) * (h if changes[t] else 1 - h)
            start = t + 1 if changes[t] else start
        joint[8 - start] += p
    np.testing.assert_allclose(found.probability[-1], joint / joint.sum(), rtol=1e-9)
    np.testing.assert_allclose(found.log_likelihood, math.log(joint.sum()), rtol=1e-9)


def test_online_alarms_come_soon_after_a_change(seed):
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(size=60), 6 + rng.normal(size=20)])
    x[10:14] = np.nan
    found = online_change_points(x)
    np.testing.assert_allclose(found.probability.sum(1), 1)
    assert abs(found.expected[-1] - 20) < 3 and found.expected[59] > 40
    assert found.recent(5)[64] > 0.8
    with pytest.raises(ParameterError, match="hazard"):
        online_change_points(x, hazard=0.0)
