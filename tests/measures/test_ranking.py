"""Curves and areas: against all pairs, against scikit-learn, and their intervals."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from peira.core.errors import DataError, ParameterError
from peira.core.predictive import Categorical
from peira.measures import (
    average_precision_score,
    get_measure,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)
from peira.measures.areas import area_interval, area_of, areas, perfect_limit, precision_influence, precision_of


def binary(rng, n, levels=5):
    """Labels of both classes and scores with many ties."""
    y = np.r_[0, 1, rng.integers(0, 2, n - 2)]
    return y, rng.integers(0, levels, n) + y * rng.integers(0, 2, n) / 1.0


def multi(rng, n, C):
    y = np.r_[np.arange(C), rng.integers(0, C, n - C)]
    p = 0.7 * rng.dirichlet(np.ones(C), n) + 0.3 * np.eye(C)[y]
    return y, rng.multinomial(16, p) / 16  # many ties, and sums of exactly one


@pytest.mark.parametrize("n", [2, 3, 10, 60])
def test_the_area_is_the_share_of_pairs_in_order(n, seed):
    rng = np.random.default_rng([seed, n])
    y, s = binary(rng, n)
    w = rng.integers(1, 4, n)
    d = s[y == 1][:, None] - s[y == 0]
    pairs = w[y == 1][:, None] * w[y == 0]
    wins = (d > 0) + 0.5 * (d == 0)
    assert roc_auc_score(y, s) == pytest.approx(wins.mean(), rel=1e-14)
    assert roc_auc_score(y, s, sample_weight=w) == pytest.approx((pairs * wins).sum() / pairs.sum(), rel=1e-14)
    assert roc_auc_score(y, s, sample_weight=w) == pytest.approx(roc_auc_score(np.repeat(y, w), np.repeat(s, w)))
    U = stats.mannwhitneyu(s[y == 1], s[y == 0]).statistic
    assert roc_auc_score(y, s) * (y == 1).sum() * (y == 0).sum() == pytest.approx(U)
    assert roc_auc_score(y, -s) == pytest.approx(1 - roc_auc_score(y, s))
    fpr, tpr, _ = roc_curve(y, s)
    assert np.trapezoid(tpr, fpr) == pytest.approx(roc_auc_score(y, s))


@pytest.mark.parametrize("n", [2, 3, 50])
@pytest.mark.parametrize("drop", [True, False])
def test_scikit_learns_curves(n, drop, seed):
    rng = np.random.default_rng([seed, n])
    y, s = binary(rng, n)
    for w in (None, rng.integers(0, 3, n) + (np.arange(n) < 2)):
        ours = roc_curve(y, s, sample_weight=w, drop_intermediate=drop)
        for a, b in zip(ours, metrics.roc_curve(y, s, sample_weight=w, drop_intermediate=drop), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-14)
        ours = precision_recall_curve(y, s, sample_weight=w, drop_intermediate=drop)
        theirs = metrics.precision_recall_curve(y, s, sample_weight=w, drop_intermediate=drop)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-14)
        assert average_precision_score(y, s, sample_weight=w) == pytest.approx(
            metrics.average_precision_score(y, s, sample_weight=w)
        )
    texts = np.array(["no", "yes"])[y]
    np.testing.assert_allclose(roc_curve(texts, -s, pos_label="no").tpr, roc_curve(1 - y, -s).tpr)


@pytest.mark.parametrize("max_fpr", [0.05, 0.3, 1.0])
def test_scikit_learns_areas(max_fpr, seed):
    rng = np.random.default_rng(seed)
    y, s = binary(rng, 40)
    assert roc_auc_score(y, s, max_fpr=max_fpr) == pytest.approx(metrics.roc_auc_score(y, s, max_fpr=max_fpr))


@pytest.mark.parametrize("multi_class", ["ovr", "ovo"])
@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_scikit_learns_areas_of_many_classes(multi_class, average, seed):
    rng = np.random.default_rng(seed)
    for n, C in ((3, 3), (12, 3), (60, 5)):
        y, p = multi(rng, n, C)
        theirs = metrics.roc_auc_score(y, p, multi_class=multi_class, average=average)
        assert roc_auc_score(y, p, multi_class=multi_class, average=average) == pytest.approx(theirs)
        names = np.array([f"c{c}" for c in range(C)])
        order = rng.permutation(C)
        shuffled = Categorical(p[:, order], names[order])
        suffix = ("_" + multi_class if multi_class == "ovo" else "_ovr") + (
            "_weighted" if average == "weighted" else ""
        )
        assert get_measure("roc_auc" + suffix).value(names[y], shuffled) == pytest.approx(theirs)
        if multi_class == "ovr":
            w = rng.integers(1, 3, n)
            weighted = metrics.roc_auc_score(y, p, multi_class="ovr", average=average, sample_weight=w)
            assert roc_auc_score(y, p, average=average, sample_weight=w) == pytest.approx(weighted)
            assert average_precision_score(y, p, average=average) == pytest.approx(
                metrics.average_precision_score(y, p, average=average)
            )


def test_edges():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for y in ([0, 0, 0], [1, 1, 1]):
            s = [0.1, 0.2, 0.2]
            assert np.isnan(roc_auc_score(y, s)) and np.isnan(roc_auc_score(y, s, max_fpr=0.5))
            for ours, theirs in zip(roc_curve(y, s), metrics.roc_curve(y, s, pos_label=1), strict=True):
                np.testing.assert_array_equal(ours, theirs)
            for ours, theirs in zip(precision_recall_curve(y, s), metrics.precision_recall_curve(y, s), strict=True):
                np.testing.assert_array_equal(ours, theirs)
            assert average_precision_score(y, s) == metrics.average_precision_score(y, s)
    y = [0, 1, 0, 1]
    assert roc_auc_score(y, [3.0] * 4) == 0.5 and average_precision_score(y, [3.0] * 4) == 0.5
    m = get_measure("roc_auc")
    assert m.interval(y, Categorical(np.full((4, 2), 0.5))) == (0.5, 0.5)
    alone = Categorical(np.ones((3, 1)), ["a"])
    assert np.isnan(m.value(["a"] * 3, alone)) and np.isnan(m.interval(["a"] * 3, alone)).all()
    assert m.value(["a", "b", "a"], alone) == 0.5  # a label that was never thought of
    assert np.isnan(m.interval([0, 1], Categorical([[0.9, 0.1], [0.2, 0.8]]))).all()  # one item a class
    # classes that are not observed are left out
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3]])
    assert roc_auc_score([0, 1, 1], p, labels=[0, 1, 2]) == pytest.approx((1 + roc_auc_score([0, 1, 1], p[:, 1])) / 2)


def test_scaling_a_row_to_sum_one_breaks_no_tie(seed):
    """Shares of ten votes over four classes; sums of 0.9999999999999999 make 0.30000000000000004 of 0.3."""
    rng = np.random.default_rng(seed)
    votes, y = rng.multinomial(10, [0.25] * 4, 300), rng.integers(0, 4, 300)
    for name in ("roc_auc", "average_precision"):
        exact = (roc_auc_score if name == "roc_auc" else average_precision_score)(y, votes)
        assert get_measure(name).value(y, Categorical(votes / 10)) == pytest.approx(exact, rel=1e-14)


class TestDeLong:
    def test_placements_by_definition(self, seed):
        rng = np.random.default_rng(seed)
        y, s = binary(rng, 30)
        d = s[y == 1][:, None] - s[y == 0]
        wins = (d > 0) + 0.5 * (d == 0)
        m, n = wins.shape
        variance = wins.mean(1).var(ddof=1) / m + wins.mean(0).var(ddof=1) / n
        A, phi = area_of(s, y == 1, np.ones(30))
        assert (phi**2).sum() / 30**2 == pytest.approx(variance, rel=1e-13)
        low, high = area_interval(y, np.column_stack([-s, s]), np.ones(30), 0.95)
        half = stats.norm.ppf(0.975) * np.sqrt(variance)
        np.testing.assert_allclose([low, high], [max(A - half, 0), min(A + half, 1)], rtol=1e-13)

    @pytest.mark.parametrize("multi_class", ["ovr", "ovo"])
    @pytest.mark.parametrize("average", ["macro", "weighted"])
    def test_influence_is_the_derivative_by_a_weight(self, multi_class, average, seed):
        rng = np.random.default_rng(seed)
        y, p = multi(rng, 40, 3)
        y[:6] = [0, 0, 1, 1, 2, 2]
        w, h = np.ones(40), 1e-5
        _, phi = areas(y, p, w, multi_class, average)
        m = np.bincount(y)
        for i in (0, 3, 5, 20):
            up, down = (areas(y, p, w + e * (np.arange(40) == i), multi_class, average)[0] for e in (h, -h))
            if multi_class == "ovr" and average == "macro":
                # DeLong's unbiased variances stretch the influence on each class by its number of items
                parts = [area_of(p[:, c], y == c, w) for c in range(3)]
                sides = [m[c] if y[i] == c else 40 - m[c] for c in range(3)]
                plain = sum(f[i] * np.sqrt((k - 1) / k) for (_, f), k in zip(parts, sides, strict=True)) / 3
                assert (up - down) / (2 * h) * 40 == pytest.approx(plain, abs=1e-6)
            else:
                assert (up - down) / (2 * h) * 40 == pytest.approx(phi[i], rel=0.2, abs=0.1)

    def test_intervals_cover(self, seed):
        """Normal scores a standard deviation apart, of two classes and of three."""
        rng, runs = np.random.default_rng(seed), 150
        truth = stats.norm.cdf(1 / np.sqrt(2))
        covered = 0
        for _ in range(runs):
            y = np.repeat([0, 1], [60, 40])
            s = rng.normal(size=100) + y
            low, high = area_interval(y, np.column_stack([-s, s]), np.ones(100), 0.9)
            covered += low <= truth <= high
        assert covered / runs >= 0.88 - 4 * np.sqrt(0.09 / runs)

    def test_the_bootstrap_agrees(self, seed):
        rng = np.random.default_rng(seed)
        y, p = multi(rng, 150, 3)
        for name in ("roc_auc", "roc_auc_ovo", "roc_auc_ovr_weighted", "roc_auc_ovo_weighted"):
            m = get_measure(name)
            low, high = m.interval(y, Categorical(p))
            drawn = rng.integers(150, size=(150, 150))
            deviation = np.std([m.value(y[d], Categorical(p[d])) for d in drawn])
            assert (high - low) / (2 * 1.96) == pytest.approx(deviation, rel=0.25)  # 6 % by chance

    def test_perfect_ranking_is_no_certainty(self):
        y, s = np.repeat([0, 1], 10), np.arange(20.0)
        low, high = area_interval(y, np.column_stack([-s, s]), np.ones(20), 0.95)
        assert 0.75 < low < 0.9 and high == 1.0
        backwards = area_interval(y, np.column_stack([s, -s]), np.ones(20), 0.95)
        np.testing.assert_allclose(backwards, (0, 1 - low), rtol=1e-12)
        assert perfect_limit(10, 10, 0.95) < perfect_limit(100, 100, 0.95) < perfect_limit(100, 100, 0.5) < 1


class TestAveragePrecision:
    def test_influence_is_the_derivative_by_a_weight(self, seed):
        rng = np.random.default_rng(seed)
        y, s = binary(rng, 25)
        w, h = rng.random(25) + 0.5, 1e-6
        phi = precision_influence(s, y == 1, w)
        assert w @ phi == pytest.approx(0, abs=1e-10)
        scores = np.column_stack([-s, s])
        for i in range(25):
            up, down = (precision_of(y, scores, (w + e * (np.arange(25) == i))[None])[0] for e in (h, -h))
            assert (up - down) / (2 * h) * w.sum() == pytest.approx(phi[i], abs=1e-6)

    def test_few_and_many_items_agree(self, seed):
        rng = np.random.default_rng(seed)
        y = (rng.random(2_001) < 0.3).astype(int)
        p = 1 / (1 + np.exp(-(rng.normal(size=2_001) + 1.5 * y)))
        dist = Categorical(np.column_stack([1 - p, p]))
        m = get_measure("average_precision")
        near, far = m.interval(y[:2000], Categorical(dist.probs[:2000])), m.interval(y, dist)
        np.testing.assert_allclose(near, far, atol=0.1 * np.ptp(near))

    def test_intervals(self, seed):
        m, rng = get_measure("average_precision"), np.random.default_rng(seed)
        y, p = multi(rng, 60, 3)
        low, high = m.interval(y, Categorical(p))
        assert 0 < low < m.value(y, Categorical(p)) < high < 1
        none = Categorical(np.full((4, 2), 0.5))
        assert m.value([0, 0, 0, 0], none) == 0 and np.isnan(m.interval([0, 0, 0, 0], none)).all()


def test_refusals():
    with pytest.raises(DataError, match="one score an item"):
        roc_curve([0, 1], [[0.1, 0.2], [0.3, 0.4]])
    with pytest.raises(DataError, match="3 classes"):
        roc_curve([0, 1, 2], [0.1, 0.2, 0.3])
    with pytest.raises(DataError, match="3 classes, but the scores have shape"):
        roc_auc_score([0, 1, 2], [0.1, 0.2, 0.3])
    with pytest.raises(DataError, match="not among the classes"):
        roc_auc_score([0, 1, 2], np.zeros((3, 3)), labels=[0, 1, 5])
    with pytest.raises(DataError, match="not finite"):
        roc_auc_score([0, 1], [0.1, np.nan])
    with pytest.raises(ParameterError, match="max_fpr"):
        roc_auc_score([0, 1, 2], np.zeros((3, 3)), max_fpr=0.5)
    with pytest.raises(ParameterError, match="multi_class"):
        roc_auc_score([0, 1], [0.1, 0.2], multi_class="raise")
    with pytest.raises(TypeError, match="pass predict_dist"):
        get_measure("roc_auc").value([0, 1], [0, 1])
    with pytest.raises(DataError, match="must agree"):
        get_measure("roc_auc").value([0, 1, 1], Categorical([[0.5, 0.5]]))
