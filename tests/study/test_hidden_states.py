"""The main job on sequences without labels: which hidden states produce them?"""

import json

import numpy as np
import pytest

import peira
from peira.core.errors import DataError, ParameterError
from peira.experience.table import Table
from peira.study.asking import inputs_for
from peira.study.hidden_states import HiddenStates
from peira.study.independent_steps import IndependentSteps
from peira.study.planning import Study
from peira.study.sequence_models import StatesModel


@pytest.fixture
def machines(tmp_path):
    """A long table: machines that idle (about 0) or run (about 9), for ten steps at least."""
    rng = np.random.default_rng(0)
    z = [np.repeat(rng.permutation([0, 1, 0, 1]), 10) for _ in range(12)]
    lines = [f"m{n},{t},{9 * k + rng.normal():.4f},{k}\n" for n, row in enumerate(z) for t, k in enumerate(row)]
    path = tmp_path / "machines.csv"
    path.write_text("machine,t,load,running\n" + "".join(lines))
    return path


def config(**given):
    return {
        "source": "x",
        "task": "auto",
        "target": None,
        "methods": "all",
        "trials": 8,
        "cv": "auto",
        "seed": 0,
    } | given


def test_sequences_without_labels_are_told_by_their_states(machines, tmp_path):
    rows = [line.rsplit(",", 1)[0] for line in machines.read_text().splitlines()]
    machines.write_text("\n".join(rows))
    run = peira.learn(machines, sequence="machine", time="t", methods=["GaussianHMM"], trials=2, cv=2, jobs=1,
                      output=tmp_path / "run", progress=False)  # fmt: skip
    verdict, report = run.state["verdict"], json.loads((run.path / "report.json").read_text())
    assert run.state["task"] == "density" and verdict["method"] == "GaussianHMM" and verdict["gain"] > 0.5
    assert "2 hidden states" in verdict["sentence"] and verdict["structure"]["states"] == 2
    assert [f["title"] for f in report["looks"]["figures"]][-1] == "How the states follow each other"
    assert all(f["png"] for f in report["looks"]["figures"])
    table = report["looks"]["tables"][0]
    assert table["head"][-1] == "load" and sorted(round(float(row[-1])) for row in table["rows"]) == [0, 9]
    model = peira.load(run.path / "models" / run.state["best"])
    X, labels = inputs_for(model, machines)
    said = model.answers(X)
    load = X.values[:, 0]
    assert labels is None and len(said["state"]) == 480 and said["probability"].min() > 0.5
    assert len({(k, x > 4.5) for k, x in zip(said["state"].tolist(), load.tolist(), strict=True)}) == 2
    assert (run.path / "predictions").is_dir() and "hidden states" in (run.path / "report.html").read_text()


def test_a_few_long_ones_are_judged_in_pieces(tmp_path):
    x = np.arange(200.0)
    study = Study(config(time="t"), Table({"t": x[::-1], "x": x}))
    assert isinstance(study.question, HiddenStates) and study.material.cut and study.material.item == "piece"
    assert study.X.lengths.tolist() == [10] * 20 and study.X.values[:, 0].tolist() == x[::-1].tolist()
    for train, test in study.folds:
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(20))
        assert np.array_equal(test, np.arange(test[0], test[-1] + 1))
    assert {c.method for c in study.candidates if c.skip is None} >= {"IndependentSteps", "GaussianHMM", "GMMHMM"}
    assert "cannot be compared" in next(c.skip for c in study.candidates if c.method == "PoissonHMM")
    assert study.candidates[0].baseline and study.question.settings(study.candidates[-1].parameters, 3)[-1]
    with pytest.raises(DataError, match="too few"):
        Study(config(sequence="s"), Table({"s": np.array(["a"] * 20), "x": x[:20]}))
    with pytest.raises(ParameterError, match="horizon"):
        Study(config(time="t", horizon=3), Table({"t": x, "x": x}))


def test_the_value_is_that_of_a_step_and_its_interval_covers(seed):
    question = HiddenStates(np.array([3, 1, 2, 4]), False, {})
    measure = question.measure("log_likelihood")
    arrays = {"log_prob": np.array([-3.0, -2.0, -2.0, -8.0]), "steps": np.array([3, 1, 2, 4])}
    assert question.value(arrays, measure) == -1.5
    low, high = question.interval(arrays, measure, 0.95)
    assert low < -1.5 < high
    rng, inside = np.random.default_rng(seed), 0
    for _ in range(300):
        steps = rng.integers(5, 20, 25)
        arrays = {"log_prob": np.array([rng.normal(-1, 1, n).sum() for n in steps]), "steps": steps}
        low, high = question.interval(arrays, measure, 0.9)
        inside += low < -1 < high
    assert 0.84 < inside / 300 < 0.96


def test_independent_steps_are_normal(seed):
    rng = np.random.default_rng(seed)
    X = [rng.normal(3, 2, (T, 2)) for T in (5, 1, 9)]
    x = np.vstack(X)
    model = IndependentSteps().fit(X)
    z = (x - x.mean(0)) / x.std(0)
    each = (-0.5 * z**2 - np.log(x.std(0)) - 0.5 * np.log(2 * np.pi)).sum(1)
    np.testing.assert_allclose(model.log_prob(X), [each[:5].sum(), each[5], each[6:].sum()])
    X[0][2, 1] = np.nan
    assert np.isfinite(model.fit(X).log_prob(X)).all()
    np.testing.assert_allclose(StatesModel().fit(X).answers(X)["log_likelihood"], model.log_prob(X))
    with pytest.raises(DataError, match="no value at all"):
        model.fit([[np.nan, np.nan]])
