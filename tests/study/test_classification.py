"""The main job for labels: protocol, decisions, and what is kept."""

import csv
import json

import numpy as np
import pytest

import peira
from peira.core.errors import DataError, ParameterError
from peira.study.classes import class_table, decision_regions, is_rare
from peira.study.classification import Classification
from peira.study.comparing import compare
from peira.study.learning import learn
from peira.study.planning import Study
from peira.study.table_classifier import TableClassifier, mistake_costs

FEW = ["LinearDiscriminantAnalysis", "GaussianNB"]


def table(seed, N=150, C=2):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, C, N)
    x = rng.normal(size=(N, 2)) + np.stack([1.5 * y, -y], 1)
    town = np.where(rng.random(N) < 0.5, "Ulm", "Bonn").astype(object)
    town[::13] = None
    return {"first": x[:, 0], "second": x[:, 1], "town": town, "kind": np.array(["ash", "birch", "cedar"])[y]}


def written(columns, path):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.fixture(params=[2, 3])
def source(request, tmp_path, seed):
    return written(table(seed, C=request.param), tmp_path / "table.csv")


def outcome(run):
    state = run.state
    return state["leaderboard"], state["verdict"], state["best"]


def test_a_run_is_complete_and_its_winner_answers(source, tmp_path, seed):
    run = learn(source, "kind", methods=FEW, output=tmp_path / "run", seed=seed, progress=False)
    state = run.state
    assert state["task"] == "classification" and state["measure"] == "log_loss" and state["state"] == "complete"
    best, verdict = state["leaderboard"][0], state["verdict"]
    assert best["method"] in FEW and best["score"] < verdict["baseline"]["score"]
    assert verdict["plain"]["value"] > verdict["plain"]["baseline"]
    model = peira.load(run.path)
    asked = peira.read(source)
    probs = model.predict_proba(asked)
    np.testing.assert_allclose(probs.sum(1), 1.0, rtol=1e-14)
    assert (model.predict(asked) == model.classes_[probs.argmax(1)]).all()
    report = run.read_json("report.json")
    assert {m["name"] for m in report["performance"]["measures"]} >= {"log_loss", "accuracy", "roc_auc", "brier"}
    counts = np.array(report["performance"]["confusion"]["counts"])
    assert counts.sum() == 150 and (counts.sum(1) == np.unique(asked["kind"], return_counts=True)[1]).all()
    with open(run.path / "predictions" / f"{best['id']}.csv") as file:
        kept = list(csv.DictReader(file))
    right = np.mean([row["observed"] == row["predicted"] for row in kept])
    accuracy = next(m["value"] for m in report["performance"]["measures"] if m["name"] == "accuracy")
    assert right == pytest.approx(accuracy)


def test_jobs_and_a_kill_change_nothing(source, tmp_path, seed):
    one = learn(source, "kind", methods=FEW, trials=2, output=tmp_path / "a", seed=seed, jobs=1, progress=False)
    two = learn(source, "kind", methods=FEW, trials=2, output=tmp_path / "b", seed=seed, jobs=2, progress=False)
    assert outcome(one) == outcome(two)
    lines = (two.path / "trials.jsonl").read_text().splitlines(keepends=True)
    (two.path / "trials.jsonl").write_text("".join(lines[:6]))
    two.update(state="running", best=None)
    assert outcome(learn(resume=two.path, progress=False)) == outcome(one)


def test_the_score_is_that_of_rows_not_seen(source, tmp_path, seed):
    run = learn(source, "kind", methods=["GaussianNB"], trials=1, output=tmp_path / "run", seed=seed, progress=False)
    study = Study(run.config, source)
    train, test = study.folds[0]
    from peira.linear import GaussianNB

    cell = next(line for line in run.lines("trials.jsonl") if line["candidate"] == "gaussian-nb" and line["fold"] == 0)
    model = TableClassifier(method=GaussianNB(), kinds=study.roles.kinds).fit(study.X[train], study.y[train])
    place = np.searchsorted(model.classes_, study.y[test])
    by_hand = -np.log(model.predict_proba(study.X[test])[np.arange(len(test)), place]).mean()
    assert cell["score"] == pytest.approx(by_hand)


def test_folds_hold_the_same_share_of_every_label(tmp_path, seed):
    columns = table(seed, N=200)
    columns["kind"] = np.where(np.arange(200) % 10 == 0, "rare", "usual")
    columns["kind"][:3] = ["odd", "odder", "oddest"]  # single rows are dealt out with the others
    study = Study({**DEFAULT, "source": "", "target": "kind"}, written(columns, tmp_path / "t.csv"))
    assert sorted(np.concatenate([test for _, test in study.folds]).tolist()) == list(range(200))
    assert all(3 <= (study.y[test] == "rare").sum() <= 5 for _, test in study.folds)
    told = " ".join(study.question.decisions)
    assert "stratified" in told and "fewer than 20 to learn from" in told and "unbalanced" in told


DEFAULT = {
    "task": "auto", "measure": None, "methods": FEW, "trials": 1, "cv": "5", "seed": 0, "kinds": None, "costs": None,
    "calibration": None,
}  # fmt: skip


def test_a_label_that_a_fold_lacks_costs_no_candidate(tmp_path, seed):
    columns = table(seed, N=60)
    columns["kind"] = columns["kind"].astype(object)
    columns["kind"][7] = "single"
    run = learn(
        written(columns, tmp_path / "t.csv"), "kind", methods=["GaussianNB"], trials=1, output=tmp_path / "run",
        seed=seed, progress=False,
    )  # fmt: skip
    assert all(row["status"] == "ok" and np.isfinite(row["score"]) for row in run.state["leaderboard"])


def test_costs_move_the_decision_and_are_what_counts(tmp_path, seed):
    source = written(table(seed), tmp_path / "t.csv")
    plain = learn(source, "kind", methods=FEW[:1], output=tmp_path / "a", seed=seed, progress=False)
    dear = learn(
        source, "kind", methods=FEW[:1], costs=[("birch", "ash", 20.0)], output=tmp_path / "b", seed=seed,
        progress=False,
    )  # fmt: skip
    assert dear.state["measure"] == "expected_cost"
    asked = peira.read(source)
    few, many = ((peira.load(run.path).predict(asked) == "birch").sum() for run in (plain, dear))
    assert many > few
    model = peira.load(dear.path)
    probs = model.predict_proba(asked)
    assert ((model.predict(asked) == "birch") == (probs[:, 1] * 20 > probs[:, 0])).all()
    threshold = dear.read_json("report.json")["performance"]["threshold"]
    assert threshold["used"] == pytest.approx(1 / 21) and threshold["stated"]


def test_scores_without_probabilities_are_calibrated(source, tmp_path, seed):
    run = learn(source, "kind", methods=["RidgeClassifier"], output=tmp_path / "run", seed=seed, progress=False)
    best = run.state["leaderboard"][0]
    assert best["method"] == "RidgeClassifier" and best["status"] == "ok"
    assert type(peira.load(run.path).method_).__name__ == "CalibratedClassifierCV"


@pytest.mark.parametrize("calibration", ["sigmoid", "isotonic", "temperature"])
def test_calibration_when_asked(tmp_path, seed, calibration):
    source = written(table(seed), tmp_path / "t.csv")
    run = learn(
        source, "kind", methods=["GaussianNB"], calibration=calibration, trials=1, output=tmp_path / "run", seed=seed,
        progress=False,
    )  # fmt: skip
    assert peira.load(run.path).method_.method == calibration
    assert calibration in json.dumps(run.read_json("report.json")["data"]["decisions"])


def test_a_further_table_is_a_test(tmp_path, seed):
    source = written(table(seed), tmp_path / "t.csv")
    further = written(table(seed + 1, N=80), tmp_path / "u.csv")
    run = learn(source, "kind", methods=FEW[:1], test=further, output=tmp_path / "run", seed=seed, progress=False)
    test = run.state["verdict"]["test"]
    assert test["rows"] == 80 and test["interval"][0] < test["score"] < test["interval"][1]
    columns = table(seed + 1, N=80)
    columns["kind"][4] = "oak"
    with pytest.raises(DataError, match="'oak'"):
        learn(
            source, "kind", methods=FEW[:1], test=written(columns, tmp_path / "v.csv"), output=tmp_path / "other",
            seed=seed, progress=False,
        )  # fmt: skip


def test_runs_are_compared_by_the_probabilities_they_kept(tmp_path, seed):
    source = written(table(seed), tmp_path / "t.csv")
    for method in FEW:
        learn(source, "kind", methods=[method], output=tmp_path / method, seed=seed, progress=False)
    rows = compare([tmp_path / method for method in FEW])
    assert rows[0]["measure"] == "log_loss" and rows[0]["score"] <= rows[1]["score"]
    on = compare([tmp_path / method for method in FEW], on=source, measure="accuracy")
    assert {row["name"] for row in on} == set(FEW) and 0.5 < on[0]["score"] <= 1


def test_what_makes_no_sense_is_said_before_a_run_is_made(tmp_path, seed):
    columns = table(seed)
    source = written(columns, tmp_path / "t.csv")
    for target, options, error, words in (
        ("kind", {"costs": [("ash", "oak", 2.0)]}, DataError, "oak"),
        ("kind", {"costs": [("ash", "birch", -2.0)]}, DataError, "-2"),
        ("first", {"task": "classification"}, DataError, "fractions"),
        ("first", {"calibration": "sigmoid"}, ParameterError, "labels"),
        ("kind", {"measure": "rmse"}, DataError, "rmse"),
        ("kind", {"task": "regression"}, DataError, "words"),
    ):
        with pytest.raises(error, match=words):
            learn(source, target, output=tmp_path / "run", progress=False, **options)
        assert not (tmp_path / "run").exists()


def test_a_table_of_classes_by_hand():
    rows = class_table(np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 1]), np.array(["a", "b", "c"]))
    assert [row["label"] for row in rows] == ["a", "b", "c"] and [row["support"] for row in rows] == [3, 1, 1]
    assert rows[0]["precision"] == 1.0 and rows[0]["recall"] == pytest.approx(2 / 3)
    assert rows[1]["precision"] == pytest.approx(1 / 3) and rows[1]["recall"] == 1.0
    assert all(row["rare"] for row in rows), "fewer than 20 rows each"
    assert is_rare(np.array([900, 100, 99])).tolist() == [False, False, False]
    assert is_rare(np.array([950, 50])).tolist() == [False, True]
    assert rows[2]["precision"] is None and rows[2]["recall"] == 0.0 and rows[2]["f1"] == 0.0


def test_costs_as_a_matrix():
    L = mistake_costs([("a", "b", 3.0)], np.array(["a", "b"]))
    assert L.tolist() == [[0.0, 3.0], [1.0, 0.0]]
    assert mistake_costs([("1", "0", 5.0)], np.array([0, 1])).tolist() == [[0.0, 1.0], [5.0, 0.0]]


def test_regions_show_the_models_own_decisions(seed):
    columns = table(seed, C=3)
    y = columns.pop("kind")
    from peira.linear import LinearDiscriminantAnalysis

    model = TableClassifier(method=LinearDiscriminantAnalysis()).fit(columns, y)
    shown = decision_regions(model, columns, y, model.classes_)
    assert shown["codes"].shape == (60, 60) and set(np.unique(shown["codes"])) <= {0, 1, 2}
    points, labels = shown["points"], shown["labels"]
    nearest = shown["codes"][
        np.abs(shown["y"][:, None] - points[:, 1]).argmin(0), np.abs(shown["x"][:, None] - points[:, 0]).argmin(0)
    ]
    assert np.mean(nearest == labels) > 0.7, "most rows stand in the region of their label"


def test_truth_values_and_numbers_are_labels_by_their_names():
    question = Classification(np.array([0.0, 1.0, 1.0, 0.0]), "y", {})
    assert question.classes.tolist() == [0, 1] and question.wanted == "one of 2 labels (0, 1)"
    labels, known = question.read(np.array([1.0, np.nan]))
    assert known.tolist() == [True, False] and labels[0] == 1
    with pytest.raises(DataError, match="'7'"):
        question.read(np.array([1.0, 7.0]))


def test_labels_spelt_otherwise_are_taken_as_meant_and_that_is_said():
    question = Classification(np.array(["<=50K", ">50K", "<=50K", ">50K"], dtype=object), "income", {})
    labels, known = question.read(np.array(["<=50K.", ">50K.", None], dtype=object))
    assert labels[:2].tolist() == ["<=50K", ">50K"] and known.tolist() == [True, True, False]
    assert "'<=50K.' for '<=50K'" in question.decisions[-1]
    for strange in ("50K.", "<=50K|"):
        with pytest.raises(DataError, match="were not there to learn"):
            question.read(np.array(["<=50K.", strange], dtype=object))
    several = Classification(np.array(["a", "A", "a", "A"], dtype=object), "y", {})
    with pytest.raises(DataError, match="were not there"):
        several.read(np.array(["a."], dtype=object))
