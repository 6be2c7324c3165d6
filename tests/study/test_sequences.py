"""The main job on sequences: labelled sequences, labels of steps, series, texts, recordings."""

import json

import numpy as np
import pytest

import peira
from peira.cli.commands import predict
from peira.core.errors import DataError, ParameterError
from peira.experience.reading import read
from peira.experience.sequences import Sequences
from peira.experience.text import Text
from peira.study.asking import inputs_for
from peira.study.forecasting import Forecasting
from peira.study.independent_symbols import IndependentSymbols
from peira.study.language import LanguageModelling
from peira.study.sequences_classifier import SequencesClassifier, summaries
from peira.study.series import filled, one_each, series_of
from peira.study.timeline import Timeline


@pytest.fixture
def walks(tmp_path):
    """A long table, its rows shuffled: rising and falling sequences, each with one label, and a label at each step."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(24):
        T, up = int(rng.integers(5, 9)), n % 2
        x = np.cumsum(rng.normal(0.5 if up else -0.5, 0.2, T))
        rows += [(f"w{n}", t, x[t], "up" if up else "down", "late" if t > 3 else "early") for t in range(T)]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    path = tmp_path / "walks.csv"
    path.write_text("walk,t,x,way,part\n" + "".join(f"{a},{b},{c:.5f},{d},{e}\n" for a, b, c, d, e in rows))
    return path


def learned(source, tmp_path, **options):
    return peira.learn(source, output=tmp_path / "run", progress=False, jobs=1, **options)


def test_a_long_table_becomes_sequences_in_the_order_of_time(walks):
    table = read(walks)
    series = series_of(table, sequence="walk", time="t", without=("way", "part"))
    assert series.X.names == ("x",)
    assert sorted(series.X.ids.tolist()) == sorted({f"w{n}" for n in range(24)})
    for i, part in enumerate(series.X):
        mine = table["walk"] == series.X.ids[i]
        assert part[:, 0].tolist() == table["x"][mine][np.argsort(table["t"][mine])].tolist()
    assert set(one_each(series.beside(table["way"]))) == {"up", "down"}
    assert one_each(series.beside(table["part"])) is None


def test_columns_that_are_missing_or_hold_no_numbers_are_named(walks):
    table = read(walks)
    with pytest.raises(DataError, match="'wlak'.*walk"):
        series_of(table, sequence="wlak", time=None)
    with pytest.raises(DataError, match="'way' holds no numbers"):
        series_of(table, sequence="walk", time="t", columns=["way"])
    with pytest.raises(DataError, match="no column of numbers is left"):
        series_of(table, sequence="walk", time="t", without=("x",))


def test_missing_numbers_are_filled_from_their_own_sequence():
    nan = np.nan
    X = Sequences(np.array([[nan], [1.0], [nan], [nan], [nan], [5.0]]), [3, 1, 2])
    done, said = filled(X)
    assert done.values[:, 0].tolist() == [1.0, 1.0, 1.0, 3.0, 5.0, 5.0]  # the one of its own has only the mean of all
    assert said.startswith("4 missing numbers")
    assert filled(done) == (done, None)


def test_summaries_of_a_sequence(seed):
    x = np.random.default_rng(seed).normal(size=(5, 2))
    found = summaries(Sequences(np.vstack([x, x[:1]]), [5, 1]))
    each = [x.mean(0), x.std(0), x.min(0), x.max(0), x[0], x[-1], np.abs(np.diff(x, axis=0)).mean(0)]
    np.testing.assert_allclose(found[0], [*np.stack(each, 1).ravel(), np.log(5)])
    assert found[1, 6] == 0 and found[1, -1] == 0


def test_sequences_with_a_label_each(walks, tmp_path):
    run = learned(walks, tmp_path, target="way", sequence="walk", time="t", methods=["LogisticRegression"])
    assert run.state["task"] == "classification"
    assert run.state["verdict"]["plain"]["value"] > 0.9
    model = peira.load(run.path / "models" / run.state["best"])
    assert isinstance(model, SequencesClassifier)
    X, labels = inputs_for(model, walks)
    assert np.mean(model.predict(X) == labels) > 0.9
    report = json.loads((run.path / "report.json").read_text())
    assert report["pictures"]["of"] == "sequences"
    assert {s["label"] for s in report["pictures"]["samples"]} == {"up", "down"}


def test_one_label_alone_is_refused(walks, tmp_path):
    walks.write_text(walks.read_text().replace("down", "up").replace("late", "early"))
    for options, message in ({"target": "way"}, "one way, up"), ({"target": "part", "task": "tagging"}, "is early"):
        with pytest.raises(DataError, match=message):
            learned(walks, tmp_path, sequence="walk", time="t", **options)


def test_labels_of_steps(walks, tmp_path):
    run = learned(walks, tmp_path, target="part", sequence="walk", time="t", methods=["FrequentLabel"])
    assert run.state["task"] == "tagging"
    table = read(walks)
    share = np.mean(table["part"] == "early")
    expected = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert run.state["verdict"]["score"] == pytest.approx(expected, abs=0.02)
    model = peira.load(run.path / "models" / run.state["best"])
    X, _ = inputs_for(model, walks)
    assert len(model.answers(X)["prediction"]) == len(table)


def test_a_series_is_forecast_from_what_came_before(tmp_path):
    t = np.arange(96)
    path = tmp_path / "series.csv"
    path.write_text("t,x\n" + "".join(f"{i},{v}\n" for i, v in zip(t, (t % 4) * 2.0, strict=True)))
    run = learned(path, tmp_path, task="forecast", time="t", horizon=3, methods=["SeasonalNaive"])
    assert run.state["task"] == "forecasting"
    assert run.state["verdict"]["score"] == pytest.approx(0, abs=1e-9)
    model = peira.load(run.path / "models" / run.state["best"])
    X, _ = inputs_for(model, path)
    np.testing.assert_allclose(model.answers(X)["x"], [0.0, 2.0, 4.0])
    with pytest.raises(DataError, match="intervals of 90 % as they are: leave --interval out"):
        predict(str(run.path), str(path), output=None, level=0.9, proba=False)


def test_folds_of_a_forecast_never_learn_from_what_comes_later():
    question = Forecasting(np.repeat([0, 1], [40, 60]), 3, {})
    owners, _ = question.read(None)
    place = np.concatenate([np.arange(40), np.arange(60)])
    for train, test in question.split(owners, 5, 0):
        for series in (0, 1):
            assert place[train][owners[train] == series].max() < place[test][owners[test] == series].min()
    with pytest.raises(DataError, match="too short to judge 9 steps"):
        Forecasting(np.repeat([0, 1], [40, 60]), 9, {}).split(owners, 5, 0)


def test_the_histories_of_a_timeline_end_where_its_steps_begin():
    series = Sequences(np.arange(10.0)[:, None], [6, 4])
    histories, came, firsts = Timeline(series)[np.array([2, 3, 4, 5, 8, 9])].origins(2)
    assert [h[:, 0].tolist() for h in histories] == [[0, 1], [0, 1, 2], [0, 1, 2, 3], [6, 7]]
    assert came[..., 0].tolist() == [[2, 3], [3, 4], [4, 5], [8, 9]]
    assert firsts.tolist() == [2, 3, 4, 8]
    assert Timeline(series)[np.array([0, 1, 6])].learned().lengths.tolist() == [2, 1]


def test_a_text_is_judged_in_bits(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\n".join("abcab" for _ in range(60)))
    run = learned(path, tmp_path, methods=["IndependentSymbols"])
    assert run.state["task"] == "language"
    p = {"a": 0.4, "b": 0.4, "c": 0.2}
    assert run.state["verdict"]["score"] == pytest.approx(-sum(v * np.log2(v) for v in p.values()), abs=0.03)
    model = peira.load(run.path / "models" / run.state["best"])
    X, _ = inputs_for(model, path)
    assert model.answers(X)["symbols"].tolist() == [5] * 60


def test_subwords_are_learned_in_each_fold_and_judged_by_characters(tmp_path):
    lines = ["the cat sat on the mat", "a rat sat on a hat", "the hat of the cat"] * 20
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(lines))
    run = learned(path, tmp_path, methods=["IndependentSymbols"], unit="subwords")
    model = peira.load(run.path / "models" / run.state["best"])
    X, _ = inputs_for(model, path)
    told = model.answers(X)
    assert told["symbols"].tolist() == [len(line) for line in lines]
    np.testing.assert_allclose(told["bits"], -model.method_.log_prob(lines) / np.log(2))
    part = LanguageModelling(60, 1000, "subword", False, {}).model(None, "none", {}).fit(X[:3])
    assert len(part.method_.encoder_.tokens_) < len(model.method_.encoder_.tokens_)  # fewer lines, fewer merges
    report = json.loads((run.path / "report.json").read_text())
    assert report["learning"]["history"] == {}  # merges are no steps of the model that counts symbols
    assert any("a unit is a subword" in said for said in report["data"]["decisions"])
    assert "--unit subwords" in report["reproduce"]["command"]


def test_one_long_text_is_judged_by_parts_that_lie_side_by_side():
    question = LanguageModelling(10, 1000, "character", True, {})
    for train, test in question.split(np.zeros(10), 5, 0):
        assert test.tolist() == list(range(test[0], test[0] + 2))
        assert sorted([*train, *test]) == list(range(10))
    ((train, test),) = question.hold_out(np.zeros(10), 0.2, 0)
    assert test.tolist() == [9] and len(train) == 9


def test_frequencies_of_symbols_leave_room_for_new_ones():
    model = IndependentSymbols().fit(["aab"])
    assert np.exp(model.log_prob(["z"])) == pytest.approx(1 / 6)
    assert model.log_prob([""]).tolist() == [0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence": "x"}, "--sequence is for long tables"),
        ({"unit": "letters"}, "--unit is one of"),
        ({"horizon": 3}, "--horizon is for forecasts"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message, tmp_path):
    source = Text(["ab" * 10] * 60)
    with pytest.raises((ParameterError, DataError), match=message):
        learned(source, tmp_path, **options)
    assert not (tmp_path / "run").exists()


def test_too_short_a_text_and_an_empty_one_are_refused(tmp_path):
    for documents, message in ((["short"], "too few"), (["", " "], "every document is empty")):
        with pytest.raises(DataError, match=message):
            learned(Text(documents), tmp_path)


def test_recordings_in_folders(tmp_path):
    import wave

    rng = np.random.default_rng(0)
    for label, pitch in (("low", 200), ("high", 900)):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for n in range(6):
            t = np.arange(int(rng.integers(1600, 2400))) / 8000
            x = np.sin(2 * np.pi * pitch * t) + 0.05 * rng.normal(size=len(t))
            with wave.open(str(tmp_path / "sounds" / label / f"{n}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes((x * 12_000).astype("<i2").tobytes())
    run = learned(tmp_path / "sounds", tmp_path, methods=["KNeighborsClassifier"], cv="3")
    assert run.state["task"] == "classification"
    model = peira.load(run.path / "models" / run.state["best"])
    X, labels = inputs_for(model, tmp_path / "sounds")
    assert (model.predict(X) == labels).all()
    report = json.loads((run.path / "report.json").read_text())
    assert report["pictures"]["of"] == "recordings" and report["item"] == "recording"
