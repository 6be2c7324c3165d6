"""Decisions and thresholds: against all decisions and all thresholds."""

import numpy as np
import pytest

from peira.core.errors import DataError, ParameterError
from peira.core.predictive import Categorical
from peira.measures import choose_threshold, cost_matrix, decide, expected_cost, get_measure, threshold_for


def test_decisions_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    for C in (1, 2, 3, 5):
        p, L = rng.dirichlet(np.ones(C), 20), rng.random((C, C))
        by_hand = [min(range(C), key=lambda k, row=row: sum(row[j] * L[j, k] for j in range(C))) for row in p]
        np.testing.assert_array_equal(decide(p, L), by_hand)
        names = np.array([f"c{c}" for c in range(C)])
        np.testing.assert_array_equal(decide(Categorical(p, names), L), names[by_hand])
        np.testing.assert_array_equal(decide(p, 1 - np.eye(C)), p.argmax(1))


def test_two_classes_are_a_threshold(seed):
    """Elkan (2001), equation 2."""
    p = np.random.default_rng(seed).random(200)
    for fp, fn in ((1, 1), (1, 10), (7, 2)):
        ours = decide(np.column_stack([1 - p, p]), cost_matrix(fp, fn))
        np.testing.assert_array_equal(ours, p >= fp / (fp + fn))


def test_equal_costs_leave_the_most_probable():
    assert decide([[0.3, 0.7]], np.zeros((2, 2)), labels=["a", "b"]).tolist() == ["b"]


def test_the_mean_cost(seed):
    rng = np.random.default_rng(seed)
    y, f = rng.integers(0, 3, (2, 50))
    L, w, names = rng.random((3, 3)), rng.integers(1, 4, 50), np.array(["b", "c", "a"])
    m = expected_cost(L, names)
    assert m.value(names[y], names[f], w) == pytest.approx(np.average(L[y, f], weights=w))
    np.testing.assert_allclose(m.terms(names[y], names[f]), L[y, f])
    low, high = m.interval(names[y], names[f])
    assert low < m.value(names[y], names[f]) < high and m.range == (L.min(), L.max())
    assert expected_cost(L).value(y, f) == pytest.approx(L[y, f].mean())
    plain = get_measure("expected_cost")
    assert plain.value(y, f) == (y != f).mean() and plain.better == "lower"


def costs_at(y, p, threshold, L, w):
    d = (p >= threshold).astype(int)
    return np.average(L[y, d], weights=w)


@pytest.mark.parametrize("n", [2, 3, 40])
def test_no_threshold_costs_less(n, seed):
    rng = np.random.default_rng([seed, n])
    for trial in range(20):
        y = np.r_[0, 1, rng.integers(0, 2, n - 2)]
        p = np.round(rng.random(n), 1 if trial % 2 else 3)
        w = rng.integers(1, 4, n)
        L = np.array([[0.3 * (trial % 3), 1 + rng.random()], [2 * rng.random() + 0.5, 0.1]])
        found = choose_threshold(y, p, L, sample_weight=w)
        assert costs_at(y, p, found.threshold, L, w) == pytest.approx(found.cost)
        each = [costs_at(y, p, t, L, w) for t in np.r_[0, np.unique(p), np.unique(p) + 1e-9, 2]]
        assert found.cost == pytest.approx(min(each))
        decided = p >= found.threshold
        assert found.recall == pytest.approx(w[decided & (y == 1)].sum() / w[y == 1].sum())
        if decided.any():
            assert found.precision == pytest.approx(w[decided & (y == 1)].sum() / w[decided].sum())
        else:
            assert np.isnan(found.precision)


def test_the_calibrated_threshold_is_kept_if_it_costs_as_little():
    y, p = [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]
    for fp, fn in ((1, 1), (1, 2), (3, 1)):
        found = choose_threshold(y, p, cost_matrix(fp, fn))
        assert found.threshold == found.calibrated == fp / (fp + fn) and found.cost == 0
    extreme = choose_threshold([0, 1], [1.0, 1.0], cost_matrix(5, 1))
    assert extreme.threshold > 1 and extreme.recall == 0
    assert choose_threshold([1, 0], [0.0, 0.0], cost_matrix(1, 5)).threshold == 0


def test_one_class_only():
    found = choose_threshold([1, 1], [0.2, 0.4], labels=[0, 1])
    assert found.cost == 0 and found.threshold <= 0.2 and found.recall == 1
    assert choose_threshold(["no", "no"], [0.2, 0.4], labels=["no", "yes"]).cost == 0


def test_a_stated_recall_or_precision(seed):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, 58)]
    p = np.round(rng.random(60) * 0.7 + 0.3 * y, 2)
    thresholds = np.unique(p)

    def at(t):
        d = p >= t
        return (y[d] == 1).mean(), (d & (y == 1)).sum() / (y == 1).sum()

    for asked in (0.2, 0.8, 1.0):
        found = threshold_for(y, p, recall=asked)
        assert found.threshold == max(t for t in thresholds if at(t)[1] >= asked)
        assert (found.precision, found.recall) == pytest.approx(at(found.threshold))
    for asked in (0.5, 0.7):
        found = threshold_for(y, p, precision=asked)
        assert found.recall == pytest.approx(max(at(t)[1] for t in thresholds if at(t)[0] >= asked))
        assert found.precision >= asked


def test_refusals():
    with pytest.raises(DataError, match="a threshold divides two classes"):
        choose_threshold([0, 1, 2], np.full((3, 3), 1 / 3))
    with pytest.raises(DataError, match="each error must cost more"):
        choose_threshold([0, 1], [0.1, 0.2], [[0, 0], [1, 0]])
    with pytest.raises(DataError, match=r"costs must have shape \(2, 2\)"):
        choose_threshold([0, 1], [0.1, 0.2], [[0, 1, 1], [1, 0, 1]])
    with pytest.raises(DataError, match="no threshold has a precision of 0.9; the best is 0.5"):
        threshold_for([1, 0], [0.5, 0.5], precision=0.9)
    with pytest.raises(DataError, match="no row of the second class"):
        threshold_for([0, 0], [0.1, 0.5], recall=0.9, labels=[0, 1])
    with pytest.raises(ParameterError, match="either"):
        threshold_for([0, 1], [0.1, 0.5])
    with pytest.raises(ParameterError, match="lies in"):
        threshold_for([0, 1], [0.1, 0.5], recall=1.5)
    with pytest.raises(DataError, match="no costs of the label 'c'"):
        expected_cost(cost_matrix(), ["a", "b"]).value(["a", "c"], ["a", "a"])
    with pytest.raises(ParameterError, match="2 classes, but 3 labels"):
        expected_cost(cost_matrix(), ["a", "b", "c"])
