"""The main job on sequences with a number each."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import peira
from peira.cli.commands import predict
from peira.core.errors import DataError
from peira.linear import Ridge
from peira.sequences.recurrent_method import RecurrentMethod
from peira.study.asking import inputs_for
from peira.study.evaluating import evaluate
from peira.study.item_regression import ItemRegression
from peira.study.planning import Study
from peira.study.regression import _calibration
from peira.study.sequences_classifier import summaries
from peira.study.sequences_regressor import SequencesRegressor
from peira.training import Training


@pytest.fixture
def walks(tmp_path):
    """A long table of 30 random walks; beside each stand how far it went, and in how many steps."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(30):
        T = int(rng.integers(4, 8))
        x = np.cumsum(rng.normal(size=T))
        rows += [(f"w{n}", t, x[t], x[-1] - x[0], T) for t in range(T)]
    path = tmp_path / "walks.csv"
    path.write_text("walk,t,x,far,steps\n" + "".join(f"{a},{b},{c:.5f},{d:.5f},{e}\n" for a, b, c, d, e in rows))
    return path


def test_a_number_is_learned_from_sequences(walks, tmp_path, capsys):
    run = peira.learn(
        walks, "far", sequence="walk", time="t", methods=["RidgeCV"], cv=2, jobs=1, output=tmp_path / "run",
        progress=False,
    )  # fmt: skip
    assert run.state["task"] == "regression"
    assert run.state["verdict"]["score"] < 0.2 * run.state["verdict"]["baseline"]["score"]
    model = peira.load(run.path / "models" / run.state["best"])
    assert isinstance(model, SequencesRegressor)
    X, far = inputs_for(model, walks)
    low, high = model.interval(X, 0.9)
    assert np.mean((low <= far) & (far <= high)) > 0.6
    report = json.loads((run.path / "report.json").read_text())
    assert [s["count"] for s in report["pictures"]["samples"]] == [8, 8, 7, 7]
    assert not report["pictures"]["confusions"]
    assert report["performance"]["calibration"]["rows"] == 30
    assert set(report["errors"][0]["values"]) == {
        "steps",
        *(f"{s} of {c}" for s in ("mean", "last") for c in ("x", "steps")),
    }
    assert "Some of each range of far" in (run.path / "report.html").read_text()
    predict(str(run.path / "models" / run.state["best"]), str(walks), output=None, level=0.9, proba=False)
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == "sequence,prediction,low,high"
    assert "of 30 known targets" in told.err


def planned(source, **given):
    return Study({"task": "auto", "methods": "all", "trials": 8, "cv": "auto", "seed": 0, "source": str(source),
                  "sequence": "walk", "time": "t", **given}, source)  # fmt: skip


def test_few_whole_numbers_are_labels_unless_numbers_are_asked_for(walks):
    assert planned(walks, target="far").task == "regression"
    assert planned(walks, target="steps").task == "classification"
    study = planned(walks, target="steps", task="regression")
    assert study.task == study.material.task == "regression"
    names = {c.method for c in study.candidates if c.skip is None}
    assert names == {
        "MeanRegressor", "RidgeCV", "KNeighborsRegressorCV", "EchoStateRegressor", "SequenceRegressor"
    }  # fmt: skip
    assert isinstance(study.question, ItemRegression)
    with pytest.raises(DataError, match="reduction of sequences is not there yet; .* regression"):
        planned(walks, target="far", task="reduction")


@pytest.mark.parametrize(
    ("task", "name"), [("regression", "SequenceRegressor"), ("classification", "SequenceClassifier")]
)
def test_of_nets_two_kinds_are_tried_while_their_share_of_a_budget_lasts(walks, monkeypatch, task, name):
    brief = Training(optimiser="adam", updates=1, batch_size=None)
    monkeypatch.setattr(RecurrentMethod, "default_training", classmethod(lambda cls: brief))
    study = planned(walks, target="steps", task=task)
    assert {c.method: c.trials for c in study.candidates if c.trials > 1} == {name: 2}
    net = next(c for c in study.candidates if c.method == name)

    def tried(share):
        cell = evaluate(net, study.X, study.y, *study.folds[0], 0, study.protocol, share=share)
        assert cell.status == "ok"
        return [t["settings"] for t in cell.tried]

    assert tried(None) == tried(100.0) == [{}, {"cell": "tcn"}]
    assert tried(1e-3) == [{}]


def test_methods_of_tables_see_summaries_and_standardised_targets(seed):
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(n, 2)) for n in rng.integers(2, 9, 20)]
    y = np.array([x.max() for x in X])
    model = SequencesRegressor(method=Ridge(alpha=0.1), expansion="columns").fit(X, y)
    Z = model.numbers(X)
    by_hand = Ridge(alpha=0.1).fit(Z, (y - y.mean()) / y.std())
    np.testing.assert_allclose(model.predict(X), y.mean() + y.std() * by_hand.predict(Z))
    assert Z.shape == (20, 15) and summaries(model._gather(X)[0]).shape == Z.shape


def test_intervals_of_a_single_part_are_judged_half_by_half(seed):
    errors = np.random.default_rng(seed).normal(size=400)
    part = {"observed": errors, "predicted": np.zeros(400)}
    told = _calibration(SimpleNamespace(unseen=SimpleNamespace(arrays=part), cells=[SimpleNamespace(arrays=part)]))
    np.testing.assert_allclose(told["empirical"], told["nominal"], atol=0.15)
