"""Sets of labels in the main job: columns of 0 and 1 that are learned together."""

import csv

import numpy as np
import pytest

import peira
from peira.core.errors import DataError
from peira.experience import read
from peira.experience.splits import label_stratified
from peira.study.multilabel import Multilabel
from peira.study.planning import target_names
from peira.study.table_label_sets import TableLabelSets

FAST = {"methods": ["KNeighborsClassifier"], "trials": 1, "jobs": 1, "progress": False}


def weather(seed: int, N: int = 120) -> dict[str, np.ndarray]:
    """Rain where it is damp, wind where the pressure is low, each by itself; one row in four has neither."""
    rng = np.random.default_rng(seed)
    damp, pressure = rng.normal(size=(2, N))
    return {"damp": damp, "pressure": pressure, "rain": (damp > 0) * 1, "wind": (pressure < 0) * 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("sets") / "run"
    return peira.learn(_frame(weather(0)), "rain,wind", test=_frame(weather(1)), output=path, **FAST)


def _frame(columns):
    import polars as pl

    return pl.DataFrame(columns)


def test_two_planted_labels_are_learned_together_and_beat_their_frequencies(run):
    verdict, told = run.state["verdict"], run.read_json("report.json")
    assert run.state["task"] == "multilabel" and run.state["target"] == "rain, wind"
    assert verdict["baseline"]["method"] == "PriorClassifier"
    assert verdict["score"] < 0.6 * verdict["baseline"]["score"]
    assert verdict["test"]["rows"] == 120 and verdict["test"]["score"] < 0.6 * verdict["baseline"]["score"]
    assert [row["label"] for row in told["performance"]["label_sets"]] == ["rain", "wind"]
    assert sum(told["performance"]["set_sizes"]["observed"]) == 120


def test_what_the_report_says_of_labels_is_what_was_predicted_for_unseen_rows(run):
    with open(run.path / "predictions" / "k-neighbors-classifier.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    true, said = ([set(filter(None, row[who].split(";"))) for row in rows] for who in ("observed", "predicted"))
    data = weather(0)
    assert true == [{name for name in ("rain", "wind") if data[name][i]} for i in range(120)]
    for row in run.read_json("report.json")["performance"]["label_sets"]:
        label = row["label"]
        right = sum(label in t and label in s for t, s in zip(true, said, strict=True))
        assert row["precision"] == pytest.approx(right / sum(label in s for s in said))
        assert row["recall"] == pytest.approx(right / sum(label in t for t in true))


def test_a_stored_model_tells_sets_in_words_and_a_probability_for_each_label(run):
    model, table = peira.load(run.path), read(_frame(weather(2)))
    probs = model.predict_proba(table)
    words = model.answers(table)["prediction"].tolist()
    assert words == [";".join(n for n, p in zip(("rain", "wind"), row, strict=True) if p > 0.5) for row in probs]
    assert "" in words and "rain;wind" in words
    np.testing.assert_array_equal(model.predict(table), probs > 0.5)


def test_the_report_shows_each_label_and_the_errors_in_words(run):
    page = (run.path / "report.html").read_text()
    assert "Label by label" in page and "How many labels" in page and "Wrongly told" in page


def test_each_fold_holds_nearly_the_same_share_of_every_label(seed):
    Y = np.random.default_rng(seed).random((203, 6)) < [0.03, 0.1, 0.2, 0.4, 0.7, 0.0]
    folds = label_stratified(Y, 5, seed=seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(203))
    held = np.array([Y[test].sum(0) for _, test in folds])
    # The rarest label is dealt out first, as evenly as whole rows allow; the others by what that leaves.
    assert np.ptp(held[:, 0]) <= 1
    assert np.abs(held - Y.sum(0) / 5).max() <= 3


@pytest.mark.parametrize("N", [0, 1])
def test_too_few_rows_for_folds_are_refused(N):
    with pytest.raises(DataError, match=f"{N} rows cannot"):
        label_stratified(np.zeros((N, 2)), 2)


def test_names_with_a_comma_between_them_are_several_columns_unless_one_is_called_so():
    table = read(_frame({"a": [1, 2], "b": [1, 2], "a,b": [1, 2]}))
    assert target_names(table, "a,b") == ["a,b"]
    assert target_names(table, "a, b") == ["a", "b"] == target_names(table, ["a", "b"])


def test_what_is_no_set_of_labels_is_refused_in_words(tmp_path):
    table = _frame(weather(0) | {"hail": [0, 1, 2] * 40})
    with pytest.raises(DataError, match="column 'hail' holds 2: several targets are learned together as a set"):
        peira.learn(table, "rain,hail", output=tmp_path / "a", **FAST)
    with pytest.raises(DataError, match="needs a column of 0 and 1 for each label, and -y names only 'rain'"):
        peira.learn(table, "rain", task="multilabel", output=tmp_path / "b", **FAST)
    with pytest.raises(DataError, match="classification learns one target, and 2 were named: learn one at a time"):
        peira.learn(table, "rain,wind", task="classification", output=tmp_path / "c", **FAST)


def test_rows_without_all_their_labels_are_known_as_such():
    asked = Multilabel(np.array([[0.0, 1.0], [1.0, 0.0]]), "a, b", {"labels": ["a", "b"]})
    Y, known = asked.read(np.array([[1.0, np.nan], [0.0, 1.0]]))
    assert known.tolist() == [False, True] and Y[1].tolist() == [0, 1]


def test_the_model_names_its_labels_and_takes_sets_as_well():
    X = np.array([[0.0], [1.0], [2.0], [3.0]])
    model = TableLabelSets.example().fit(X, [{"a"}, set(), {"a", "b"}, {"a"}])
    assert model.classes_.tolist() == ["a", "b"] and all(isinstance(said, set) for said in model.predict(X))
