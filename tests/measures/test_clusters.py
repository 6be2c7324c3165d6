"""Clusters against their points, and partitions against each other."""

from itertools import permutations
from math import comb

import numpy as np
import pytest
import torch
from sklearn import metrics

from peira.core.errors import DataError, ParameterError
from peira.measures import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    calinski_harabasz_score,
    davies_bouldin_score,
    dunn_index,
    get_measure,
    homogeneity_completeness_v_measure,
    measures_for,
    mutual_info_score,
    normalized_mutual_info_score,
    scatter,
    silhouette_samples,
    silhouette_score,
)
from peira.measures.partitions import expected_mutual_information
from peira.numerics import distances as blocks

SCORES = [silhouette_score, calinski_harabasz_score, davies_bouldin_score]


def points(rng, n, K):
    labels = np.r_[np.arange(K), rng.integers(0, K, n - K)]
    return rng.normal(size=(n, 3)) + 2 * labels[:, None], labels


@pytest.mark.parametrize(("n", "K"), [(3, 2), (4, 3), (10, 2), (60, 5)])
def test_scikit_learn_agrees(n, K, seed, monkeypatch):
    X, labels = points(np.random.default_rng([seed, n]), n, K)
    for ours in SCORES:
        # theirs takes distances from squares, which leaves 1e-8 of a distance that is zero
        digits = 1e-7 if ours is davies_bouldin_score else 1e-12
        assert ours(X, labels) == pytest.approx(getattr(metrics, ours.__name__)(X, labels), rel=digits), ours.__name__
    np.testing.assert_allclose(silhouette_samples(X, labels), metrics.silhouette_samples(X, labels), atol=1e-12)
    whole = silhouette_samples(X, labels), dunn_index(X, labels)
    monkeypatch.setattr(blocks, "BLOCK", 7)  # a row or so at a time
    np.testing.assert_allclose(silhouette_samples(X, labels), whole[0], atol=1e-15)
    assert dunn_index(X, labels) == whole[1]


def test_by_brute_force(seed):
    X, labels = points(np.random.default_rng(seed), 12, 3)
    d = np.sqrt(((X[:, None] - X) ** 2).sum(-1))
    s = []
    for i in range(12):
        own = (labels == labels[i]) & (np.arange(12) != i)
        others = [d[i, labels == k].mean() for k in set(labels.tolist()) - {labels[i]}]
        s.append((min(others) - d[i, own].mean()) / max(min(others), d[i, own].mean()) if own.any() else 0)
    np.testing.assert_allclose(silhouette_samples(X, labels), s, atol=1e-13)
    same = labels[:, None] == labels
    assert dunn_index(X, labels) == pytest.approx(d[~same].min() / d[same].max())


def test_scatter_parts(seed):
    rng = np.random.default_rng(seed)
    for n, K in ((1, 1), (2, 2), (3, 1), (40, 4)):
        X, labels = points(rng, n, K)
        parts = scatter(X, labels)
        assert parts.total == pytest.approx(((X - X.mean(0)) ** 2).sum())
        assert parts.within + parts.between == pytest.approx(parts.total)
        assert parts.within == pytest.approx(
            sum(((X[labels == k] - X[labels == k].mean(0)) ** 2).sum() for k in range(K))
        )
    far = scatter(X + 1e8, labels)
    assert far.within == pytest.approx(parts.within, rel=1e-6)


def test_moves_and_names_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    X, labels = points(rng, 30, 3)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    names = np.array(["c", "a", "b"])[labels]
    for m in measures_for("clustering"):
        value = m.value(X, labels)
        assert m.value(5 * X @ turn + 3, names) == pytest.approx(value, rel=1e-10)
        assert m.value(torch.as_tensor(X), torch.as_tensor(labels)) == pytest.approx(value)
        assert m.range[0] <= value <= m.range[1]
        low, high = m.interval(X, labels)
        assert np.isnan(low) if m.name != "silhouette" else low < value < high
        with pytest.raises(DataError, match="know no weights"):
            m.value(X, labels, np.ones(30))
    assert get_measure("silhouette").name == measures_for("clustering")[0].name == "silhouette"
    assert get_measure("silhouette_score").terms(X, labels) == pytest.approx(silhouette_samples(X, labels))


def test_coinciding_points():
    X, labels = np.repeat([[0.0, 1.0], [4.0, 1.0]], 3, axis=0), np.repeat([0, 1], 3)
    assert silhouette_score(X, labels) == 1 and dunn_index(X, labels) == np.inf
    assert calinski_harabasz_score(X, labels) == metrics.calinski_harabasz_score(X, labels) == 1
    assert davies_bouldin_score(X, labels) == 0
    everywhere_the_same = np.zeros((4, 2))
    assert silhouette_score(everywhere_the_same, [0, 0, 1, 1]) == 0
    assert davies_bouldin_score(everywhere_the_same, [0, 0, 1, 1]) == 0


def test_refusals():
    for ours in (*SCORES, dunn_index):
        for labels in ([0, 0, 0], [0, 1, 2]):
            with pytest.raises(DataError, match=r"Valid values are 2 to n_samples - 1 = 2"):
                ours([[0.0], [1.0], [2.0]], labels)
        with pytest.raises(DataError, match="3 points, but 2 labels"):
            ours([[0.0], [1.0], [2.0]], [0, 1])
        with pytest.raises(DataError, match="not finite"):
            ours([[0.0], [np.nan], [2.0]], [0, 1, 1])


AVERAGES = ["arithmetic", "geometric", "min", "max"]


@pytest.mark.parametrize("n", [1, 2, 3, 12, 80])
def test_scikit_learn_agrees_on_partitions(n, seed):
    rng = np.random.default_rng([seed, n])
    for K, L in ((1, 1), (1, 3), (3, 1), (2, 4), (n, n), (5, 5)):
        y, f = rng.integers(0, K, n), rng.integers(0, L, n)
        if n == K:
            y = f = np.arange(n)
        assert adjusted_rand_score(y, f) == pytest.approx(metrics.adjusted_rand_score(y, f), abs=1e-12)
        assert mutual_info_score(y, f) == pytest.approx(metrics.mutual_info_score(y, f), abs=1e-12)
        theirs = metrics.homogeneity_completeness_v_measure(y, f, beta=0.5)
        np.testing.assert_allclose(homogeneity_completeness_v_measure(y, f, beta=0.5), theirs, atol=1e-12)
        for how in AVERAGES:
            assert normalized_mutual_info_score(y, f, average_method=how) == pytest.approx(
                metrics.normalized_mutual_info_score(y, f, average_method=how), abs=1e-12
            )
            theirs = metrics.adjusted_mutual_info_score(y, f, average_method=how)
            if abs(theirs) < 1 - 1e-9 or n > 3:  # 0 by 0 is 1 or -1 there, by the sign of rounding errors
                assert adjusted_mutual_info_score(y, f, average_method=how) == pytest.approx(theirs, abs=1e-9)


def test_chance_by_all_orders():
    y, f = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 1, 1, 2])
    orders = [np.array(g) for g in {tuple(f[list(order)]) for order in permutations(range(6))}]  # equally often each
    expected = np.mean([mutual_info_score(y, g) for g in orders])
    assert expected_mutual_information(np.bincount(y), np.bincount(f)) == pytest.approx(expected, rel=1e-12)
    assert np.mean([adjusted_rand_score(y, g) for g in orders]) == pytest.approx(0, abs=1e-12)
    assert np.mean([adjusted_mutual_info_score(y, g) for g in orders]) == pytest.approx(0, abs=1e-12)


def test_pairs_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    y, f = rng.integers(0, 3, (2, 15))
    upper = np.triu_indices(15, 1)
    together, too = (y[:, None] == y)[upper], (f[:, None] == f)[upper]
    S, A, B, pairs = (together & too).sum(), together.sum(), too.sum(), comb(15, 2)
    assert adjusted_rand_score(y, f) == pytest.approx((S - A * B / pairs) / ((A + B) / 2 - A * B / pairs))
    assert adjusted_rand_score(y.astype(str), f) == adjusted_rand_score(f, y)


def test_refusals_of_partitions():
    for ours in (adjusted_rand_score, mutual_info_score, adjusted_mutual_info_score):
        with pytest.raises(DataError, match="must agree"):
            ours([0, 1], [0])
        with pytest.raises(DataError, match="no values"):
            ours([], [])
    with pytest.raises(ParameterError, match="average_method"):
        normalized_mutual_info_score([0, 1], [0, 1], average_method="mean")
    with pytest.raises(ParameterError, match="beta"):
        homogeneity_completeness_v_measure([0, 1], [0, 1], beta=-1)
