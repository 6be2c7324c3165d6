"""The confusion matrix: by hand, against scikit-learn, as a table and as a picture."""

import numpy as np
import pytest
from sklearn import metrics

from peira.core.errors import DataError, ParameterError
from peira.core.predictive import Categorical
from peira.measures import ConfusionMatrix, confusion_matrix


def test_a_table_by_hand():
    y = ["cat", "ant", "cat", "cat", "ant", "bird"]
    f = ["ant", "ant", "cat", "cat", "ant", "cat"]
    np.testing.assert_array_equal(confusion_matrix(y, f), [[2, 0, 0], [0, 0, 1], [1, 0, 2]])
    np.testing.assert_allclose(confusion_matrix(y, f, normalize="true"), [[1, 0, 0], [0, 0, 1], [1 / 3, 0, 2 / 3]])
    np.testing.assert_allclose(
        confusion_matrix(y, f, normalize="pred"), [[2 / 3, 0, 0], [0, 0, 1 / 3], [1 / 3, 0, 2 / 3]]
    )
    np.testing.assert_array_equal(confusion_matrix(y, f, labels=["cat", "ant"]), [[2, 1], [0, 2]])


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
@pytest.mark.parametrize("kind", ["int", "str", "bool", "object"])
def test_scikit_learn_agrees(normalize, kind, seed):
    rng = np.random.default_rng(seed)
    for n in (2, 3, 40):
        K = 2 if kind == "bool" else 4
        y, f = rng.integers(0, K, (2, n))
        y[:2] = 0, 1  # theirs warns of a single label
        turn = {"int": lambda a: a - 1, "str": lambda a: a.astype(str), "bool": lambda a: a.astype(bool)}
        turn["object"] = lambda a: np.array([f"c{v}" for v in a], dtype=object)
        y, f = turn[kind](y), turn[kind](f)
        w = rng.integers(1, 4, n)
        labels = np.unique(np.r_[y, f])
        theirs = metrics.confusion_matrix(y, f, labels=labels, normalize=normalize)
        np.testing.assert_allclose(confusion_matrix(y, f, normalize=normalize), theirs, atol=1e-15)
        np.testing.assert_allclose(
            confusion_matrix(y, f, labels=labels[::-1], normalize=normalize, sample_weight=w),
            metrics.confusion_matrix(y, f, labels=labels[::-1], normalize=normalize, sample_weight=w),
            atol=1e-15,
        )
        np.testing.assert_allclose(
            confusion_matrix(y, f, sample_weight=w), confusion_matrix(np.repeat(y, w), np.repeat(f, w))
        )


def test_a_subset_of_labels_and_labels_nobody_has(seed):
    y, f = np.random.default_rng(seed).integers(0, 5, (2, 60))
    for labels in ([3, 1], [4, 0, 9], [7, 2]):
        np.testing.assert_array_equal(
            confusion_matrix(y, f, labels=labels), metrics.confusion_matrix(y, f, labels=labels)
        )
    with pytest.raises(DataError, match="not one of the labels"):
        confusion_matrix(y, f, labels=[8, 9])


def test_a_thousand_classes():
    y = np.arange(1000)
    matrix = ConfusionMatrix.of(y, np.roll(y, 1))
    assert matrix.counts.shape == (1000, 1000) and matrix.counts.sum() == 1000 and not matrix.counts.diagonal().any()
    assert "980 more are in the sums" in str(matrix) and str(matrix).count("\n") == 23


def test_the_text():
    lines = str(ConfusionMatrix.of(["no", "no", "yes", "yes"], ["no", "yes", "yes", "yes"])).splitlines()
    assert [line.split() for line in lines] == [
        ["observed", "|", "predicted", "no", "yes", "|", "all", "recall"],
        ["no", "1", "1", "|", "2", "0.500"],
        ["yes", "0", "2", "|", "2", "1.000"],
        ["all", "1", "3", "|", "4"],
        ["precision", "1.000", "0.667"],
    ]
    assert "\x1b" not in str(ConfusionMatrix.of(["\x1b[2J"], ["\x1b[2J"]))
    assert "0.5" in str(ConfusionMatrix.of([0, 1], [0, 1], sample_weight=[0.5, 2]))


def test_the_picture():
    axes = ConfusionMatrix.of(["a", "b", "b"], ["a", "b", "a"]).plot()
    assert [t.get_text() for t in axes.texts] == ["1", "0", "1", "1"]
    assert axes.get_xlabel() == "predicted" and axes.get_ylabel() == "observed"
    assert not ConfusionMatrix.of(np.arange(40), np.arange(40)).plot(normalize=None).texts
    assert ConfusionMatrix.of(["a"], ["a"]).plot(axes) is axes


def test_refusals():
    with pytest.raises(DataError, match="y has 2 labels, but the prediction has 1"):
        confusion_matrix([0, 1], [0])
    with pytest.raises(DataError, match="one type, but y holds labels like 0 and the prediction holds labels like 'a'"):
        confusion_matrix([0, 1], ["a", "b"])
    with pytest.raises(DataError, match="no values"):
        confusion_matrix([], [])
    with pytest.raises(DataError, match="NaN or None"):
        confusion_matrix(np.array(["a", None], dtype=object), ["a", "b"])
    with pytest.raises(DataError, match="continuous"):
        confusion_matrix([0.5, 1.0], [0.0, 1.0])
    with pytest.raises(DataError, match="each label once"):
        confusion_matrix([0, 1], [0, 1], labels=[0, 0])
    with pytest.raises(ParameterError, match="normalize"):
        confusion_matrix([0, 1], [0, 1], normalize="rows")
    with pytest.raises(TypeError, match="not distributions"):
        confusion_matrix([0, 1], Categorical([[1.0, 0.0], [1.0, 0.0]]))
