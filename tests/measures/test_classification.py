"""Measures of predicted labels: by hand, against scikit-learn, by identities, and at their edges."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from peira.core.errors import DataError, ParameterError
from peira.core.predictive import Categorical
from peira.measures import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    fbeta_score,
    get_measure,
    jaccard_score,
    matthews_corrcoef,
    measures_for,
    precision_score,
    rate_measure,
    recall_score,
    specificity_score,
)
from peira.measures.averaging import f_parts
from peira.measures.bootstrap import _left_out, wilson

RATES = [precision_score, recall_score, f1_score, jaccard_score]
PREDICTED = [m for m in measures_for("classification") if m.needs == "predict"]


def measure(name):
    return get_measure(name, "classification")


def test_a_table_by_hand():
    """TP 4, FP 1, FN 2, TN 3."""
    y, f = [1] * 6 + [0] * 4, [1] * 4 + [0] * 2 + [1] + [0] * 3
    values = {
        "accuracy": 7 / 10,
        "precision": 4 / 5,
        "recall": 4 / 6,
        "specificity": 3 / 4,
        "f1": 8 / 11,
        "jaccard": 4 / 7,
        "balanced_accuracy": (4 / 6 + 3 / 4) / 2,
        "matthews": (4 * 3 - 1 * 2) / np.sqrt(5 * 6 * 4 * 5),
        "kappa": (0.7 - (0.6 * 0.5 + 0.4 * 0.5)) / (1 - (0.6 * 0.5 + 0.4 * 0.5)),
        "expected_cost": 3 / 10,
    }
    for name, value in values.items():
        assert measure(name).value(y, f) == pytest.approx(value, rel=1e-14), name
    assert fbeta_score(y, f, beta=2) == pytest.approx(5 * 4 / (5 * 4 + 4 * 2 + 1))


def random_labels(rng, n, K):
    """Labels of which some classes are never observed, or never predicted."""
    y = rng.choice(rng.choice(K, rng.integers(1, K + 1), replace=False), n)
    return y, rng.choice(rng.choice(K, rng.integers(1, K + 1), replace=False), n)


def quiet(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", None])
@pytest.mark.parametrize("zero_division", [0.0, 1.0, np.nan])
def test_scikit_learn_agrees_on_averages(average, zero_division, seed):
    rng = np.random.default_rng(seed)
    for n in (1, 2, 3, 8, 30) * 2:
        y, f = random_labels(rng, n, 5)
        w = None if rng.random() < 0.5 else rng.integers(1, 4, n)
        labels = None if rng.random() < 0.5 else rng.permutation(7)[:4]
        for ours in RATES:
            if ours is jaccard_score and np.isnan(zero_division):
                continue  # scikit-learn has no NaN there
            kwargs = {"average": average, "zero_division": zero_division, "sample_weight": w, "labels": labels}
            if ours is jaccard_score and labels is not None:
                kwargs["labels"] = labels = np.unique(np.r_[y, f])  # theirs weighs others differently
            theirs = quiet(getattr(metrics, ours.__name__), y, f, **kwargs)
            np.testing.assert_allclose(ours(y, f, **kwargs), theirs, rtol=1e-13, atol=1e-15, err_msg=ours.__name__)
        for beta in (0.0, 0.5, 3.0, np.inf):
            kwargs = {"average": average, "zero_division": zero_division, "sample_weight": w, "labels": labels}
            theirs = quiet(metrics.fbeta_score, y, f, beta=beta, **kwargs)
            np.testing.assert_allclose(fbeta_score(y, f, beta=beta, **kwargs), theirs, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("labels", [(0, 1), (-1, 1), (1, 2), (False, True)])
def test_scikit_learn_agrees_on_two_classes(labels, seed):
    rng = np.random.default_rng(seed)
    for n in (1, 2, 3, 20) * 3:
        y, f = (np.array(labels)[c] for c in random_labels(rng, n, 2))
        for ours in RATES:
            theirs = quiet(getattr(metrics, ours.__name__), y, f) if 1 in np.r_[y, f] or len(set(y) | set(f)) < 2 else 0
            assert ours(y, f) == pytest.approx(theirs), (y, f)
        no = [labels[0]]
        theirs = quiet(metrics.recall_score, y, f, labels=no, average="macro", zero_division=0.0)
        if set(np.r_[y, f].tolist()) == set(labels):
            assert specificity_score(y, f, pos_label=None) == pytest.approx(theirs)
            assert f1_score(y.astype(str), f.astype(str), pos_label=str(y.dtype.type(labels[1]))) == pytest.approx(
                quiet(metrics.f1_score, y, f, pos_label=labels[1])
            )


def test_scikit_learn_agrees_on_the_whole(seed):
    rng = np.random.default_rng(seed)
    for n in (1, 2, 3, 8, 40) * 4:
        y, f = random_labels(rng, n, 4)
        w = None if rng.random() < 0.5 else rng.random(n) + 0.1
        assert accuracy_score(y, f, sample_weight=w) == pytest.approx(metrics.accuracy_score(y, f, sample_weight=w))
        assert matthews_corrcoef(y, f, sample_weight=w) == pytest.approx(
            quiet(metrics.matthews_corrcoef, y, f, sample_weight=w), abs=1e-7
        )
        for adjusted in (False, True)[: len(set(y))]:
            np.testing.assert_allclose(
                balanced_accuracy_score(y, f, sample_weight=w, adjusted=adjusted),
                quiet(metrics.balanced_accuracy_score, y, f, sample_weight=w, adjusted=adjusted),
                atol=1e-14,
            )
        for weighting in (None, "linear", "quadratic"):
            theirs = quiet(metrics.cohen_kappa_score, y, f, weights=weighting, sample_weight=w)
            if w is None or not np.isnan(theirs):
                ours = cohen_kappa_score(y, f, weights=weighting, sample_weight=w)
                np.testing.assert_allclose(ours, theirs, atol=1e-13)
                name = "kappa" + (f"_{weighting}" if weighting else "")
                np.testing.assert_allclose(measure(name).value(y, f, w), theirs, atol=1e-13)


def test_measures_are_the_functions(seed):
    rng = np.random.default_rng(seed)
    for K in (2, 4):
        y, f = rng.integers(0, K, (2, 25))
        w = rng.integers(1, 5, 25)
        average = "binary" if K == 2 else "macro"
        for ours in (*RATES, specificity_score):
            name = ours.__name__.removesuffix("_score")
            assert measure(name).value(y, f, w) == pytest.approx(ours(y, f, average=average, sample_weight=w))
            for how in ("macro", "micro", "weighted"):
                if name != "specificity":
                    expected = ours(y, f, average=how, sample_weight=w)
                    assert measure(f"{name}_{how}").value(y, f, w) == pytest.approx(expected)
        assert measure("balanced_accuracy").value(y, f, w) == pytest.approx(
            balanced_accuracy_score(y, f, sample_weight=w)
        )
        assert measure("matthews").value(y, f, w) == pytest.approx(matthews_corrcoef(y, f, sample_weight=w))
        for m in PREDICTED:
            assert m.value(y, f, w) == pytest.approx(m.value(np.repeat(y, w), np.repeat(f, w)), rel=1e-12)
            assert m.range[0] <= m.value(y, f) <= m.range[1]
            assert m.loss(m.value(y, y)) <= m.loss(m.value(y, f))


def test_the_positive_class():
    y, f = ["no", "yes", "yes", "yes"], ["yes", "yes", "yes", "no"]
    assert measure("recall").value(y, f) == 2 / 3 and measure("specificity").value(y, f) == 0
    assert rate_measure("recall", "recall", f_parts(np.inf), positive="no").value(y, f) == 0.0
    with pytest.raises(DataError, match="the positive class 'yse' is not among the labels"):
        precision_score(y, f, pos_label="yse")
    with pytest.raises(DataError, match="there are 3 classes.*choose an average"):
        f1_score([0, 1, 2], [0, 1, 2])
    # a single class: 0 and False have no positive one, a text is what it is
    assert f1_score([0, 0], [0, 0]) == 0.0 == measure("f1").value([0, 0], [0, 0])
    assert measure("f1").value([1, 1], [1, 1]) == 1.0 == measure("f1").value(["no"], ["no"])
    assert measure("f1").value([False], [False]) == 0.0


@pytest.mark.parametrize(
    "name", ["f1", "precision_macro", "recall_weighted", "matthews", "kappa_linear", "balanced_accuracy"]
)
def test_leaving_out_in_one_pass_is_leaving_out_one_by_one(name, seed):
    rng = np.random.default_rng(seed)
    for n, K in ((3, 2), (6, 3), (25, 4)):
        y, f = rng.integers(0, K, (2, n))
        y[:K] = f[-K:] = np.arange(K)
        w, m = rng.random(n) + 0.1, measure(name)
        ours = _left_out(m.combine, m.items(y, f), w)
        for i in range(n):
            kept = np.delete(np.arange(n), i)
            t, p = y[kept], f[kept]
            if name.startswith(("f1", "precision", "kappa")) and len(set(t) | set(p)) < K:
                continue  # a class that nobody has any more is not counted by them, but is by us
            assert ours[i] == pytest.approx(m.value(t, p, w[kept]), rel=1e-9, nan_ok=True)


def test_intervals_of_shares_are_wilsons():
    y = np.r_[np.ones(20), np.zeros(30)].astype(int)
    f = np.r_[np.ones(15), np.zeros(5), np.ones(2), np.zeros(28)].astype(int)
    for name, k, n in (("recall", 15, 20), ("specificity", 28, 30), ("precision", 15, 17), ("accuracy", 43, 50)):
        expected = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose(measure(name).interval(y, f), expected, rtol=1e-12)
    low, high = measure("recall").interval(y, y)
    assert 0.8 < low < 0.9 and high == 1
    assert np.isnan(measure("precision").interval(y, np.zeros(50, dtype=int))).all()


@pytest.mark.parametrize("name", ["f1", "matthews", "kappa", "balanced_accuracy", "f1_macro", "recall", "accuracy"])
def test_intervals_cover(name, seed):
    """Three of ten are positive; 80 % of them and 90 % of the others are found: the population's table is known."""
    rng, m = np.random.default_rng(seed), measure(name)
    cells = np.array([0.63, 0.07, 0.06, 0.24])  # TN, FP, FN, TP
    truth = m.value([0, 0, 1, 1], [0, 1, 0, 1], cells)
    covered, runs = 0, 60
    for run in range(runs):
        drawn = rng.choice(4, 80, p=cells)
        low, high = m.interval(drawn // 2, drawn % 2, 0.9, run)
        assert low <= m.value(drawn // 2, drawn % 2) <= high
        covered += low <= truth <= high
    assert covered / runs >= 0.87 - 4 * np.sqrt(0.9 * 0.1 / runs)


def test_no_error_is_no_certainty():
    y = np.repeat([0, 1, 2], [20, 15, 5])
    wrong = 1 - wilson(np.ones(40), np.ones(40), 0.95)[0]
    for m in PREDICTED:
        for t in (y, y % 2):
            low, high = m.interval(t, t)
            if m.better == "higher":
                assert 0.6 < low < high == pytest.approx(1), m.name
            else:
                assert low == 0 and high == pytest.approx(wrong)
    assert measure("kappa").interval(y, y) == pytest.approx((1 - wrong, 1))
    assert measure("matthews").interval(y, y) == pytest.approx((1 - wrong, 1))
    assert measure("kappa_quadratic").interval(y, y) == pytest.approx((1 - wrong, 1))
    # as good as certain in the long run
    assert measure("f1").interval(np.tile(y, 500), np.tile(y, 500))[0] > 0.999


def test_many_items_and_many_classes(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 300, 3_000)
    f = np.where(rng.random(3_000) < 0.8, y, rng.integers(0, 300, 3_000))
    for name in ("f1", "balanced_accuracy", "matthews"):
        value, (low, high) = measure(name).value(y, f), measure(name).interval(y, f)
        assert low < value < high and 0.01 < high - low < 0.06
    near, far = (measure("matthews").interval(y[:n] % 3, f[:n] % 3) for n in (2_000, 2_001))
    np.testing.assert_allclose(near, far, atol=0.1 * np.ptp(near))


def test_degenerate_labels():
    for m in PREDICTED:
        assert np.isnan(m.interval([1], [1])).all()
        for y, f in (([1, 1, 1], [1, 1, 1]), ([1, 1], [0, 0]), (["a", "b", "c"], ["b", "c", "a"])):
            value, (low, high) = m.value(y, f), m.interval(y, f)
            if m.name == "kappa" and len(set(y) | set(f)) == 1:
                assert np.isnan(value) and np.isnan(low)
            else:
                assert m.range[0] <= value <= m.range[1]
                assert np.isnan(low) or m.range[0] <= low <= high <= m.range[1]
    assert measure("accuracy").value(["a", "z"], ["a", "a"], [1, 0]) == 1.0


def test_terms():
    y, f = ["a", "b", "b"], ["a", "a", "b"]
    assert measure("accuracy").terms(y, f).tolist() == [1, 0, 1] and measure("expected_cost").terms(y, f).tolist() == [
        0,
        1,
        0,
    ]
    with pytest.raises(TypeError, match="not a mean over items"):
        measure("f1").terms(y, f)


def test_refusals():
    for m in PREDICTED:
        with pytest.raises(TypeError, match="not distributions"):
            m.value([0, 1], Categorical([[1.0, 0.0], [1.0, 0.0]]))
        with pytest.raises(DataError, match="must agree"):
            m.value([0, 1], [0])
        with pytest.raises(DataError, match="one type"):
            m.value([0, 1], ["a", "b"])
        with pytest.raises(DataError, match="zero for every row"):
            m.value([0, 1], [0, 1], [0, 0])
    with pytest.raises(ParameterError, match="average"):
        f1_score([0, 1], [0, 1], average="samples")
    with pytest.raises(ParameterError, match="beta"):
        fbeta_score([0, 1], [0, 1], beta=-1)
    with pytest.raises(ParameterError, match="weights"):
        cohen_kappa_score([0, 1], [0, 1], weights="cubic")


class TestRegistry:
    def test_the_most_telling_first(self):
        names = [m.name for m in measures_for("classification")]
        assert names[:5] == ["log_loss", "accuracy", "roc_auc", "balanced_accuracy", "f1"]
        assert {"brier", "precision", "recall", "matthews", "kappa", "average_precision"} <= set(names)
        assert {"calibration_error", "expected_cost"} <= set(names) and len(set(names)) == len(names)

    def test_a_name_of_two_tasks(self):
        assert get_measure("calibration_error").tasks == ("regression",)
        assert get_measure("calibration_error", "classification").tasks == ("classification",)
        assert get_measure("calibration_error", "regression") is get_measure("calibration_error")
        with pytest.raises(DataError, match="unknown measure 'rmse' of classification"):
            get_measure("rmse", "classification")
        with pytest.raises(DataError, match="did you mean 'accuracy'"):
            get_measure("acuracy")

    def test_scikit_learn_scorers_are_understood(self):
        known = ("accuracy", "balanced", "f1", "precision", "recall", "jaccard", "roc_auc", "average", "matthews")
        for scorer in metrics.get_scorer_names():
            if scorer.startswith((*known, "neg_log", "neg_brier")) and not scorer.endswith("_samples"):
                assert get_measure(scorer).tasks == ("classification",), scorer

    def test_the_scorers_agree(self, seed):
        rng = np.random.default_rng(seed)
        for K in (2, 3):
            y, p = rng.integers(0, K, 40), rng.dirichlet(np.ones(K), 40)
            y[:K] = np.arange(K)
            f, dist = p.argmax(1), Categorical(p)
            for name in ("f1_macro", "precision_weighted", "recall_micro", "jaccard_macro"):
                function, _, average = name.partition("_")
                theirs = quiet(getattr(metrics, f"{function}_score"), y, f, average=average)
                assert get_measure(name).value(y, f) == pytest.approx(theirs)
            assert get_measure("matthews_corrcoef").value(y, f) == pytest.approx(metrics.matthews_corrcoef(y, f))
            assert get_measure("neg_log_loss").value(y, dist) == pytest.approx(metrics.log_loss(y, p))
            assert get_measure("neg_brier_score").value(y, dist) == pytest.approx(
                metrics.brier_score_loss(y, p if K > 2 else p[:, 1])
            )


def test_wilson_of_the_positives_with_weights():
    y, f, w = np.array([1, 1, 1, 0]), np.array([1, 1, 0, 1]), np.array([1.0, 2.0, 3.0, 9.0])
    np.testing.assert_allclose(
        measure("recall").interval(y, f, sample_weight=w), wilson(np.array([1.0, 1, 0]), w[:3], 0.95)
    )
