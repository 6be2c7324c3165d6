"""Measures of sets of labels: scikit-learn as the oracle, definitions by hand, intervals, and the door."""

import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn import metrics

from peira.core.errors import DataError, ParameterError
from peira.core.predictive import Categorical
from peira.measures import (
    accuracy_score,
    average_precision_score,
    coverage_error,
    f1_score,
    fbeta_score,
    get_measure,
    hamming_loss,
    jaccard_score,
    label_ranking_average_precision_score,
    label_ranking_loss,
    measures_for,
    precision_score,
    recall_score,
    roc_auc_score,
    specificity_score,
)
from peira.measures.label_areas import label_area, label_area_interval, label_precision_interval

RATES = [precision_score, recall_score, f1_score, jaccard_score]
RANKINGS = [coverage_error, label_ranking_average_precision_score, label_ranking_loss]
SETS = measures_for("multilabel")


def problem(rng, N, L, levels=6):
    """Labels with empty and full sets among them, predictions, scores with many ties, and weights."""
    Y = (rng.random((N, L)) < rng.uniform(0.1, 0.9, (N, 1))).astype(int)
    S = (rng.integers(0, levels, (N, L)) + 2 * Y * rng.integers(0, 2, (N, L))) / (levels + 2)
    return Y, (S > 0.5).astype(int), S, rng.integers(1, 4, N)


def quiet(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def forecast(S):
    return Categorical(np.stack([1 - S, S], 2))


def answer(measure, F, S):
    return forecast(S) if measure.needs == "predict_dist" else F


@pytest.mark.parametrize("shape", [(1, 2), (3, 3), (40, 5)])
@pytest.mark.parametrize("average", ["micro", "macro", "weighted", "samples", None])
def test_scikit_learn_agrees_on_rates(shape, average, seed):
    rng = np.random.default_rng([seed, *shape])
    for _ in range(2):
        Y, F, _, w = problem(rng, *shape)
        for weight in (None, w):
            for zero in (0.0, 1.0, np.nan):
                kwargs = {"average": average, "sample_weight": weight, "zero_division": zero}
                for ours in RATES[: 4 if zero == zero else 3]:  # scikit-learn has no NaN for Jaccard's index
                    theirs = quiet(getattr(metrics, ours.__name__), Y, F, **kwargs)
                    np.testing.assert_allclose(ours(Y, F, **kwargs), theirs, rtol=1e-13, err_msg=ours.__name__)
                theirs = quiet(metrics.fbeta_score, Y, F, beta=2.0, **kwargs)
                np.testing.assert_allclose(fbeta_score(Y, F, beta=2.0, **kwargs), theirs, rtol=1e-13)
            if average in ("micro", "macro", None):  # the specificity is the recall of the complement
                complement = quiet(metrics.recall_score, 1 - Y, 1 - F, average=average, sample_weight=weight)
                np.testing.assert_allclose(
                    specificity_score(Y, F, average=average, sample_weight=weight), complement, atol=1e-14
                )
            chosen = [1, 0]
            theirs = quiet(metrics.f1_score, Y, F, labels=chosen, average=average, sample_weight=weight)
            ours = f1_score(Y, F, labels=chosen, average=average, sample_weight=weight)
            np.testing.assert_allclose(ours, theirs, rtol=1e-13)


@pytest.mark.parametrize("shape", [(1, 2), (2, 2), (3, 3), (40, 5)])
def test_scikit_learn_agrees_on_sets_and_their_order(shape, seed):
    rng = np.random.default_rng([seed, *shape])
    for _ in range(5):
        Y, F, S, w = problem(rng, *shape)
        for weight in (None, w):
            for ours in (accuracy_score, hamming_loss):
                theirs = getattr(metrics, ours.__name__)(Y, F, sample_weight=weight)
                assert ours(Y, F, sample_weight=weight) == pytest.approx(theirs, rel=1e-13), ours.__name__
            for ours in RANKINGS:
                theirs = getattr(metrics, ours.__name__)(Y, S, sample_weight=weight)
                assert ours(Y, S, sample_weight=weight) == pytest.approx(theirs, rel=1e-13), ours.__name__


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", "samples", None])
def test_scikit_learn_agrees_on_areas(average, seed):
    rng = np.random.default_rng(seed)
    for shape in ((4, 2), (40, 5)):
        Y, _, S, w = problem(rng, *shape)
        Y[:2], Y[2:4, 0], Y[2:4, 1:] = [[0] + [1] * (shape[1] - 1), [1] + [0] * (shape[1] - 1)], [1, 0], [[0], [1]]
        if average == "samples":  # of an item with no label or all of them, scikit-learn says NaN, or 0
            part = (Y.sum(1) > 0) & (Y.sum(1) < shape[1])
            Y, S, w = Y[part], S[part], w[part]
        for weight in (None, w):
            for ours in (roc_auc_score, average_precision_score):
                theirs = getattr(metrics, ours.__name__)(Y, S, average=average, sample_weight=weight)
                np.testing.assert_allclose(ours(Y, S, average=average, sample_weight=weight), theirs, rtol=1e-12)


def test_by_hand():
    """Three items of three labels; the last has none, and none is said of it."""
    Y = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0]])
    F = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]])
    S = np.array([[0.9, 0.2, 0.3], [0.1, 0.8, 0.8], [0.1, 0.2, 0.3]])
    values = {
        "accuracy": Fraction(1, 3), "hamming_loss": Fraction(2, 9),
        "f1_micro": Fraction(2 * 2, 3 + 3), "f1_macro": (1 + 0 + 1) / 3, "f1_samples": (2 / 3 + 2 / 3 + 0) / 3,
        "precision_micro": Fraction(2, 3), "precision_macro": (1 + 0 + 1) / 3, "precision_samples": (1 + 1 / 2 + 0) / 3,
        "recall_micro": Fraction(2, 3), "recall_macro": (1 + 0 + 1) / 3, "recall_samples": (1 / 2 + 1 + 0) / 3,
        "jaccard_micro": Fraction(2, 4), "jaccard_macro": (1 + 0 + 1) / 3, "jaccard_samples": (1 / 2 + 1 / 2 + 0) / 3,
        "coverage_error": (3 + 2 + 0) / 3,
        "label_ranking_average_precision": ((1 + 2 / 3) / 2 + 1 / 2 + 1) / 3,
        "label_ranking_loss": (1 / 2 + 1 / 2 + 0) / 3,
        "roc_auc": (1 + 0.25 + 1) / 3, "average_precision": (1 + 1 / 3 + 1) / 3,
    }  # fmt: skip
    for name, value in values.items():
        measure = get_measure(name, "multilabel")
        assert measure.value(Y, answer(measure, F, S)) == pytest.approx(float(value), rel=1e-13), name
    expected = -np.log([[0.9, 0.2, 0.7], [0.9, 0.2, 0.8], [0.9, 0.8, 0.7]]).mean()
    assert get_measure("log_loss", "multilabel").value(Y, forecast(S)) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("measure", SETS, ids=lambda m: m.name)
def test_weights_are_repetitions(measure, seed):
    rng = np.random.default_rng(seed)
    for N in (2, 3, 12):
        Y, F, S, w = problem(rng, N, 3)
        said = answer(measure, F, S)
        again = answer(measure, np.repeat(F, w, 0), np.repeat(S, w, 0))
        assert measure.value(Y, said, w) == pytest.approx(measure.value(np.repeat(Y, w, 0), again), nan_ok=True)
        assert measure.range[0] <= np.nan_to_num(measure.value(Y, said, w), nan=0.5) <= measure.range[1]


@pytest.mark.parametrize("measure", SETS, ids=lambda m: m.name)
def test_functions_and_measures_are_one(measure, seed):
    name, _, average = measure.name.rpartition("_")
    Y, F, S, w = problem(np.random.default_rng(seed), 30, 4)
    functions = {"accuracy": accuracy_score, "hamming_loss": hamming_loss, "coverage_error": coverage_error,
                 "label_ranking_loss": label_ranking_loss, "roc_auc": roc_auc_score,
                 "label_ranking_average_precision": label_ranking_average_precision_score,
                 "average_precision": average_precision_score}  # fmt: skip
    of = dict(zip(("precision", "recall", "f1", "jaccard"), RATES, strict=True)) | functions
    if measure.name == "log_loss":
        return
    function, more = (of[measure.name], {}) if measure.name in of else (of[name], {"average": average})
    said = S if measure.needs == "predict_dist" else F
    assert function(Y, said, sample_weight=w, **more) == pytest.approx(measure.value(Y, answer(measure, F, S), w))


@pytest.mark.parametrize("measure", SETS, ids=lambda m: m.name)
def test_intervals_hold_the_value_and_know_the_edges(measure, seed):
    Y, F, S, _ = problem(np.random.default_rng(seed), 60, 4)
    said = answer(measure, F, S)
    low, high = measure.interval(Y, said)
    assert measure.range[0] <= low < measure.value(Y, said) < high <= measure.range[1]
    assert measure.interval(Y, said) == (low, high), "the same seed"
    assert np.isnan(measure.interval(Y[:1], answer(measure, F[:1], S[:1]))).all(), "one item tells no spread"
    if measure.name.startswith(("average_precision", "log_loss", "coverage")):
        return
    best = answer(measure, Y, 0.25 + 0.5 * Y)  # nothing wrong was seen, which is no certainty
    full = Y.any(1) & ~Y.all(1)
    best, Y = (best, Y) if measure.needs == "predict_dist" else (Y[full], Y[full])
    ends = measure.interval(Y, best)
    right = 1.0 if measure.better == "higher" else 0.0
    assert measure.value(Y, best) == right and right in ends and 0.005 < abs(ends[0] - ends[1]) < 0.3


def correlated(rng, N):
    """Sets of three labels that come together, with predictions and scores that are right or wrong together."""
    fond = rng.random((N, 1)) < 0.5
    Y = (rng.random((N, 3)) < np.where(fond, 0.8, 0.2)).astype(int)
    mood = rng.normal(size=(N, 1))
    S = 1 / (1 + np.exp(-(1.5 * (2 * Y - 1) + mood + rng.normal(size=(N, 3)))))
    return Y, (S > 0.5).astype(int), S


@pytest.mark.parametrize(
    "name", ["f1_micro", "f1_macro", "jaccard_samples", "hamming_loss", "label_ranking_loss", "roc_auc_micro",
             "roc_auc", "average_precision"],
)  # fmt: skip
def test_intervals_cover_though_labels_hang_together(name, seed):
    """Items are what is drawn: intervals that took answers for independent would be too narrow by half."""
    rng, runs, measure = np.random.default_rng(seed), 50, get_measure(name, "multilabel")
    Y, F, S = correlated(np.random.default_rng(99), 20_000)
    truth = measure.value(Y, answer(measure, F, S))
    covered = 0
    for _ in range(runs):
        Y, F, S = correlated(rng, 60)
        low, high = measure.interval(Y, answer(measure, F, S), 0.8)
        covered += low <= truth <= high
    assert covered / runs >= 0.78 - 3.5 * np.sqrt(0.8 * 0.2 / runs), covered


@pytest.mark.parametrize("how", ["micro", "macro"])
def test_the_influence_is_the_derivative_by_a_weight(how, seed):
    Y, S = (problem(np.random.default_rng(seed), 300, 3)[k] for k in (0, 2))
    T, w, h = Y > 0, np.ones(300), 1e-5
    _, phi = label_area(T, S, w, how)
    up, down = (label_area(T, S, w + e * (np.arange(300) == 7), how)[0] for e in (h, -h))
    assert (up - down) / (2 * h) * 300 == pytest.approx(phi[7], rel=0.02, abs=1e-6)


def test_many_items_have_the_normal_interval_of_few(seed):
    """At the number of answers where the bootstrap ends, both say nearly the same."""
    rng = np.random.default_rng(seed)
    Y, _, S = correlated(rng, 660)
    for how in ("micro", "macro"):
        few = label_precision_interval(Y > 0, S, np.ones(660), 0.95, 0, how)
        Y2, S2 = np.vstack([Y, Y[:10]]), np.vstack([S, S[:10]])
        many = label_precision_interval(Y2 > 0, S2, np.ones(670), 0.95, 0, how)
        np.testing.assert_allclose(few, many, atol=0.01)


def test_labels_without_items_are_left_out():
    Y, S = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1]]), np.array([[0.9, 0.5, 0.1], [0.2, 0.4, 0.2], [0.6, 0.1, 0.3]])
    assert roc_auc_score(Y, S) == 1.0 and average_precision_score(Y, S) == 1.0  # of the first; of first and last
    assert np.isnan(roc_auc_score(Y, S, average=None)).tolist() == [False, True, True]
    none = np.zeros((3, 2), dtype=int)
    assert np.isnan(roc_auc_score(none, S[:, :2])) and np.isnan(average_precision_score(none, S[:, :2]))
    for name in ("roc_auc", "average_precision", "roc_auc_micro", "average_precision_micro"):
        measure = get_measure(name, "multilabel")
        assert np.isnan(measure.value(none, forecast(S[:, :2])))
        assert np.isnan(measure.interval(none, forecast(S[:, :2]))).all()
    assert np.isnan(roc_auc_score([[1, 1], [0, 0]], S[:2, :2], average="samples"))
    assert np.isnan(label_area_interval(Y > 0, S, np.ones(3), 0.9, "macro")).all(), "one item without the first label"
    assert [f1_score(none, none, average="samples", zero_division=z) for z in (0.0, 1.0)] == [0.0, 1.0]
    assert np.isnan(f1_score(none, none, average="samples", zero_division=np.nan))


def test_sets_come_in_any_form(seed):
    Y, F, S, w = problem(np.random.default_rng(seed), 9, 3)
    Y[0], F[1] = [1, 0, 1], [0, 1, 1]
    names = np.array(["rain", "snow", "wind"])
    expected = f1_score(Y, F, average="macro", sample_weight=w), jaccard_score(Y, F, average="samples")
    order = coverage_error(Y, S)

    def sets(Y):
        return [set(names[row > 0].tolist()) for row in Y]

    forms = (
        np.ndarray.tolist, sparse.csr_array, sparse.csc_matrix, torch.from_numpy, lambda Y: Y > 0, sets,
        lambda Y: pd.Series(sets(Y)), lambda Y: tuple(frozenset(s) for s in sets(Y)),
        lambda Y: pd.DataFrame(Y, columns=names), lambda Y: pl.DataFrame(Y, schema=names.tolist()),
    )  # fmt: skip
    for form in forms:
        found = (
            f1_score(form(Y), form(F), average="macro", sample_weight=w),
            jaccard_score(form(Y), form(F), average="samples"),
        )
        np.testing.assert_allclose(found, expected, rtol=1e-13)
        assert hamming_loss(form(Y), form(F)) == pytest.approx(hamming_loss(Y, F))
        assert coverage_error(form(Y), S, labels=names) == pytest.approx(order)
    back = ["wind", "rain", "snow"]
    assert roc_auc_score(sets(Y), S[:, [2, 0, 1]], labels=back) == pytest.approx(roc_auc_score(Y, S))
    assert f1_score([{1}, {2, 3}], [{1}, {2}], average=None).tolist() == [1.0, 1.0, 0.0]
    assert hamming_loss(["a", "b"], ["a", "c"]) == 0.5, "one label an item"


@pytest.mark.parametrize(
    ("y", "said", "message"),
    [
        ([[0, 1], [2, 0]], [[0, 1], [1, 0]], "got 2 in row 1, column 0"),
        ([[0, 1], [1, 0]], [[0, 1], [np.nan, 0]], "the prediction must hold 1 .* got nan in row 1, column 0"),
        ([[0, 1], [1, 0]], [[0, 1, 0], [1, 0, 0]], "y has the columns .* must agree"),
        ([[0, 1], [1, 0]], [[0, 1]], "y has 2 items, but the prediction has 1"),
        ([{1}, {2}], [[0, 1], [1, 0]], "both lists of sets, or both matrices"),
        ([{1}, {2}], [{1}], "y has 2 items, but the prediction has 1"),
        ([{1}, None], [{1}, {2}], "row 1 holds None: give every item a set"),
        ([{1}, {"a"}], [{1}, {"a"}], "mixes int and str"),
        ([set(), set()], [set(), set()], "no label at all"),
        ([["a", "b"], ["c", "d"]], [["a", "b"], ["c", "d"]], "a list of sets of labels, or a matrix"),
        (pd.DataFrame({"a": [0, 1], "b": [1, 0]}), pd.DataFrame({"b": [0, 1], "a": [1, 0]}), "columns .* must agree"),
    ],
)
def test_what_are_no_sets_is_refused(y, said, message):
    for function in (hamming_loss, accuracy_score, lambda y, f: f1_score(y, f, average="micro")):
        with pytest.raises(DataError, match=message):
            function(y, said)


def test_what_cannot_be_asked_is_refused_in_words():
    Y, S = [[0, 1], [1, 0]], [[0.3, 0.9], [0.8, 0.1]]
    with pytest.raises(ParameterError, match="sets of labels, so average is 'micro'.* got 'binary'"):
        f1_score(Y, Y)
    with pytest.raises(ParameterError, match="sets of labels, so average"):
        roc_auc_score(Y, S, average="all")
    with pytest.raises(ParameterError, match="max_fpr asks for one label"):
        roc_auc_score(Y, S, max_fpr=0.5)
    with pytest.raises(DataError, match="the label 7 is not among"):
        f1_score(Y, Y, average="macro", labels=[7])
    with pytest.raises(DataError, match="which column of the scores belongs to which label"):
        coverage_error([{1}, {2}], S)
    with pytest.raises(DataError, match="holds the label 3, which is not among"):
        coverage_error([{1}, {3}], S, labels=[1, 2])
    with pytest.raises(DataError, match=r"y has shape \(2, 2\), items by labels, but the scores have \(2, 3\)"):
        coverage_error(Y, [[1, 2, 3], [1, 2, 3]])
    with pytest.raises(DataError, match="scores holds 1 values that are not finite"):
        label_ranking_loss(Y, [[0.3, np.inf], [0.8, 0.1]])
    with pytest.raises(TypeError, match="Categorical of shape .* over 0 and 1"):
        get_measure("log_loss", "multilabel").value(Y, np.array(S))
    with pytest.raises(TypeError, match="over 0 and 1"):
        get_measure("roc_auc", "multilabel").value(Y, Categorical([[0.2, 0.8], [0.5, 0.5]]))
    with pytest.raises(TypeError, match="judges predicted labels"):
        get_measure("f1_micro", "multilabel").value(Y, forecast(np.array(S)))


def test_a_score_past_rounding_is_no_certainty_and_labels_may_stand_in_any_order():
    m = get_measure("log_loss", "multilabel")
    p = np.array([[[0.0, 1.0], [0.75, 0.25]]])
    assert m.value([[0, 1]], Categorical(p)) == pytest.approx((36.04365338911715 - np.log(0.25)) / 2)
    assert m.value([[0, 1]], Categorical(p[..., ::-1].copy(), [1, 0])) == m.value([[0, 1]], Categorical(p))
    assert m.value([[0, 1]], Categorical(torch.from_numpy(p))) == m.value([[0, 1]], Categorical(p))


class TestRegistry:
    def test_the_most_telling_first(self):
        names = [m.name for m in SETS]
        assert names[:6] == ["log_loss", "f1_micro", "f1_macro", "f1_samples", "accuracy", "hamming_loss"]
        assert len(set(names)) == len(names) and all(m.tasks == ("multilabel",) for m in SETS)

    def test_names_of_one_label_stay_what_they_were(self):
        assert get_measure("f1_macro").tasks == get_measure("roc_auc").tasks == ("classification",)
        assert get_measure("hamming_loss") is get_measure("hamming", "multilabel")
        assert get_measure("f1_samples").tasks == get_measure("jaccard_samples").tasks == ("multilabel",)

    def test_the_scorers_agree(self, seed):
        Y, F, S, _ = problem(np.random.default_rng(seed), 40, 4)
        for name in ("f1_weighted", "precision_samples", "recall_weighted", "jaccard_macro"):
            function, _, average = name.partition("_")
            theirs = quiet(getattr(metrics, f"{function}_score"), Y, F, average=average)
            assert get_measure(name, "multilabel").value(Y, F) == pytest.approx(theirs)
        for name in ("roc_auc", "average_precision", "label_ranking_average_precision"):
            theirs = getattr(metrics, f"{name}_score")(Y, S)
            assert get_measure(name, "multilabel").value(Y, forecast(S)) == pytest.approx(theirs)
