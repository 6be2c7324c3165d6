"""The main job on sequences without labels: which hidden states produce them?"""

import json

import numpy as np
import pytest

import peira
from peira.cli.commands import predict
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


@pytest.fixture
def spoken(tmp_path):
    """A long table of words: what machines say while they run or stall, now and then nothing, once a rare word."""
    rng = np.random.default_rng(1)
    lines = []
    for n in range(10):
        z = np.repeat(rng.permutation([0, 1, 0, 1]), 8)
        words = [["ok", "hum", "beep"][rng.choice(3, p=[[0.8, 0.2, 0], [0, 0.2, 0.8]][k])] for k in z]
        words[3], words[5] = "", "odd" if n == 4 else words[5]
        lines += [f"m{n},{t},{word}\n" for t, word in enumerate(words)]
    path = tmp_path / "spoken.csv"
    path.write_text("machine,t,said\n" + "".join(lines))
    return path


def test_sequences_of_words_have_states_as_well(spoken, tmp_path, capsys):
    run = peira.learn(spoken, sequence="machine", time="t", methods=["CategoricalHMM"], trials=2, cv=2, jobs=1,
                      output=tmp_path / "run", progress=False)  # fmt: skip
    verdict, report = run.state["verdict"], json.loads((run.path / "report.json").read_text())
    assert run.state["task"] == "density" and verdict["method"] == "CategoricalHMM" and verdict["gain"] > 0.1
    assert verdict["baseline"]["method"] == "IndependentSymbols" and verdict["structure"]["states"] == 2
    assert [f["title"] for f in report["looks"]["figures"]][-1] == "How the states follow each other"
    table = report["looks"]["tables"][0]
    assert table["head"][-1] == "said" and sorted(row[-1].split()[0] for row in table["rows"]) == ["beep", "ok"]
    assert any("one of 4 symbols" in said for said in report["data"]["decisions"])
    model = peira.load(run.path / "models" / run.state["best"])
    X, _ = inputs_for(model, spoken)
    said, shown = model.answers(X), X.values[:, 0]
    pairs = {(k, w) for k, w in zip(said["state"].tolist(), shown.tolist(), strict=True) if w in ("ok", "beep")}
    assert len(said["state"]) == 320 and len(pairs) == 2
    assert model.method_.symbols_.tolist() == ["beep", "hum", "odd", "ok"]
    predict(str(run.path), str(spoken), output=str(tmp_path / "states.csv"), level=None, proba=False)
    assert "320 predictions for 10 sequences written to" in capsys.readouterr().err


def test_chains_compete_where_steps_are_words(spoken):
    study = Study(config(sequence="machine", time="t"), spoken)
    assert {c.method for c in study.candidates} == {
        "IndependentSymbols", "MarkovChain", "CategoricalHMM", "VariationalCategoricalHMM"
    }  # fmt: skip
    train = np.flatnonzero(study.material.called(np.arange(10)) != "m4")  # without the rare word
    for c in study.candidates:
        settings = study.question.settings(c.parameters, 1)[0]
        model = study.question.model(c.make(0, **settings), "none", {}).fit(study.X[train])
        assert np.isfinite(model.log_prob(study.X)).all()
    named = Study(config(sequence="machine", time="t", methods="NGramModel,SymbolGenerator"), spoken)
    skips = {c.method: c.skip for c in named.candidates}
    assert skips["NGramModel"] is None and "where sequences end" in skips["SymbolGenerator"]


@pytest.mark.parametrize(
    ("words", "message"),
    [({"v": "a"}, "1 different word in 60"), ({"v": None}, "60 different words"), ({"v": "a", "u": "b"}, "more than")],
)
def test_words_that_tell_nothing_are_refused(words, message):
    columns = {name: np.array([w or f"w{i}" for i in range(60)], dtype=object) for name, w in words.items()}
    with pytest.raises(DataError, match=message):
        Study(config(time="t"), Table({"t": np.arange(60.0), **columns}))


def test_what_follows_what_is_told_of_a_chain(tmp_path):
    path = tmp_path / "pages.csv"
    words = np.random.default_rng(0).permuted(np.tile(list("abc"), (12, 10)), axis=1)
    words[:, 1::2] = np.char.upper(words[:, ::2])  # after a small letter comes the same, large
    path.write_text("id,page\n" + "".join(f"{n},{w}\n" for n, row in enumerate(words) for w in row))
    run = peira.learn(path, sequence="id", methods=["MarkovChain"], trials=1, cv=2, jobs=1,
                      output=tmp_path / "run", progress=False)  # fmt: skip
    report = json.loads((run.path / "report.json").read_text())
    assert "MarkovChain of order 1" in run.state["verdict"]["sentence"]
    rows = {row[0]: row for row in report["looks"]["tables"][0]["rows"]}
    assert all(rows[w][2].split()[0] == w.upper() for w in "abc") and sum(row[1] for row in rows.values()) == 360
    assert report["looks"]["figures"][0]["title"] == "How the symbols follow each other"
