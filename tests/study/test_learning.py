"""The main job: protocol, repeatability, and what survives a kill."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import peira
from peira.core.errors import DataError, ParameterError, UnreadableError
from peira.core.iteration import limiting
from peira.study import learning
from peira.study.learning import learn, parse_duration
from peira.study.planning import Study
from peira.study.run import Run
from peira.study.table_regressor import TableRegressor
from peira.study.verdict import clear_winner, ties

FEW = ["LinearRegression", "Ridge"]


def table(seed, N=120):
    rng = np.random.default_rng(seed)
    x, town = rng.normal(size=(N, 2)), rng.choice(["Ulm", "Bonn", None], size=N)
    y = 3 * x[:, 0] - x[:, 1] + 2.0 * (town == "Ulm") + 0.3 * rng.normal(size=N)
    first = x[:, 0].copy()
    first[::17] = np.nan
    return {"first": first, "second": x[:, 1], "town": town, "price": y}


@pytest.fixture
def source(tmp_path, seed):
    columns = table(seed)
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join("" if v is None or v != v else str(v) for v in row))
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def outcome(run):
    """What must not depend on the clock, the number of jobs, or a kill in between."""
    state = run.state
    return state["leaderboard"], state["verdict"], state["best"]


def test_a_run_is_complete_and_its_winner_predicts(source, tmp_path, seed):
    run = learn(source, "price", methods=FEW, output=tmp_path / "run", seed=seed, progress=False)
    state = run.state
    assert state["state"] == "complete" and state["stopped"] is None
    for name in (
        "config.toml",
        "trials.jsonl",
        "leaderboard.csv",
        "events.jsonl",
        "diagnosis.json",
        "report.html",
        "report.json",
    ):
        assert (run.path / name).stat().st_size > 0, name
    best = state["leaderboard"][0]
    assert best["method"] in FEW and best["score"] < state["verdict"]["baseline"]["score"] / 2
    model = peira.load(run.path)
    columns = table(seed)
    predicted = model.predict(peira.read(source))
    assert np.sqrt(np.mean((predicted - columns["price"]) ** 2)) < 1.2 * best["score"]
    low, high = model.interval(peira.read(source), 0.9)
    assert 0.8 < np.mean((low <= columns["price"]) & (columns["price"] <= high)) <= 1.0


def test_same_seed_same_leaderboard_whatever_the_jobs(source, tmp_path, seed):
    one = learn(source, "price", methods=FEW, trials=3, output=tmp_path / "a", seed=seed, jobs=1, progress=False)
    two = learn(source, "price", methods=FEW, trials=3, output=tmp_path / "b", seed=seed, jobs=2, progress=False)
    assert outcome(one) == outcome(two)


def test_nothing_is_overwritten(source, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("x")
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        learn(source, "price", methods=FEW, output=tmp_path / "run", progress=False)
    assert (tmp_path / "run" / "precious").read_text() == "x"


def test_scores_are_of_rows_not_seen_and_preprocessing_stays_inside_the_folds(source, tmp_path, seed):
    """The first fold again, by hand: design and method fitted to its training rows alone."""
    run = learn(source, "price", methods=["LinearRegression"], output=tmp_path / "run", seed=seed, progress=False)
    study = Study(run.config, source)
    train, test = study.folds[0]
    from peira.study.table_regressor import TableRegressor

    cell = next(
        line for line in run.lines("trials.jsonl") if line["candidate"] == "linear-regression" and line["fold"] == 0
    )
    model = TableRegressor(
        method=peira.methods()["LinearRegression"](), expansion=cell["chosen"]["expansion"], kinds=study.roles.kinds
    )
    by_hand = model.fit(study.X[train], study.y[train]).predict(study.X[test])
    np.testing.assert_allclose(run.read_predictions("linear-regression", 0)["predicted"], by_hand, rtol=1e-9)
    assert cell["score"] == pytest.approx(np.sqrt(np.mean((study.y[test] - by_hand) ** 2)), rel=1e-9)


def test_the_reported_score_is_that_of_the_whole_procedure(source, tmp_path, seed):
    """In each fold, the candidate that won on the inner folds; put together by hand."""
    run = learn(source, "price", methods=FEW, output=tmp_path / "run", seed=seed, progress=False)
    lines = run.lines("trials.jsonl")
    observed, predicted = [], []
    for fold in range(5):
        best = min((line for line in lines if line["fold"] == fold), key=lambda line: line["inner_score"])
        arrays = run.read_predictions(best["candidate"], fold)
        observed.append(arrays["observed"])
        predicted.append(arrays["predicted"])
    error = np.concatenate(observed) - np.concatenate(predicted)
    assert run.state["verdict"]["score"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-9)


SCRIPT = """import sys, peira
peira.learn(sys.argv[1], "price", methods=["LinearRegression", "Ridge"], output=sys.argv[2], jobs=1, progress=False)
"""


@pytest.mark.parametrize("lines", [1, 4, 9])
def test_a_killed_run_resumes_with_the_same_result(source, tmp_path, lines):
    whole = learn(source, "price", methods=FEW, output=tmp_path / "whole", progress=False)
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(source), str(tmp_path / "killed")])
    trials = tmp_path / "killed" / "trials.jsonl"
    limit = time.monotonic() + 120
    while time.monotonic() < limit and not (trials.exists() and trials.read_bytes().count(b"\n") >= lines):
        time.sleep(0.005)
    process.kill()
    process.wait()
    run = Run.open(tmp_path / "killed")
    before = len(run.lines("trials.jsonl"))
    assert before >= lines
    resumed = learn(resume=run.path, progress=False)
    assert outcome(resumed) == outcome(whole)
    written = (run.path / "report.html").stat().st_mtime_ns
    assert outcome(learn(resume=run.path, progress=False)) == outcome(whole)
    assert (run.path / "report.html").stat().st_mtime_ns == written  # a complete run is left alone


def test_a_torn_last_line_is_cut_off_and_its_cell_run_again(source, tmp_path):
    whole = learn(source, "price", methods=FEW, output=tmp_path / "whole", progress=False)
    torn = learn(source, "price", methods=FEW, output=tmp_path / "torn", progress=False)
    path = torn.path / "trials.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 40])
    torn.update(state="running")
    assert outcome(learn(resume=torn.path, progress=False)) == outcome(whole)
    for line in path.read_bytes().splitlines():
        json.loads(line)


def test_resuming_on_other_data_is_refused(source, tmp_path):
    run = learn(source, "price", methods=FEW, output=tmp_path / "run", progress=False)
    run.update(state="running")
    source.write_text(source.read_text().replace("Ulm", "Oslo"))
    with pytest.raises(DataError, match="has changed"):
        learn(resume=run.path, progress=False)


def test_ctrl_c_keeps_what_there_is_and_writes_the_report(source, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "peira",
            "learn",
            str(source),
            "-y",
            "price",
            "-o",
            str(tmp_path / "run"),
            "--jobs",
            "1",
            "--trials",
            "200",
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    trials = tmp_path / "run" / "trials.jsonl"
    limit = time.monotonic() + 120
    while time.monotonic() < limit and not (trials.exists() and trials.read_bytes().count(b"\n") >= 6):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()[-2000:]
    run = Run.open(tmp_path / "run")
    assert run.state["stopped"] == "interrupted"
    assert (run.path / "report.html").exists() and peira.load(run.path)
    assert any(row["status"] == "skipped" for row in run.state["leaderboard"])


def test_a_failing_candidate_is_a_row_with_its_reason(source, tmp_path, monkeypatch):
    Ridge = peira.methods()["Ridge"]
    name = "RidgeCV" if any(c.card.chooses_for == "Ridge" for c in peira.methods().values()) else "Ridge"
    broken = peira.methods()[name]

    def fit(self, X, y, sample_weight=None):
        raise ValueError("planted")

    monkeypatch.setattr(broken, "fit", fit)
    run = learn(source, "price", methods=["LinearRegression", name], output=tmp_path / "run", jobs=1, progress=False)
    row = next(row for row in run.state["leaderboard"] if row["method"] == name)
    assert row["status"] == "failed" and "planted" in row["reason"]
    assert list((run.path / "errors").iterdir())
    assert Ridge is peira.methods()["Ridge"]


def test_budget_spent_skips_and_says_so(source, tmp_path):
    run = learn(source, "price", budget=0.02, output=tmp_path / "run", jobs=1, progress=False)
    assert run.state["stopped"] == "budget"
    skipped = [row for row in run.state["leaderboard"] if row["status"] == "skipped"]
    assert skipped and all(
        "budget" in row["reason"] or "beyond" in row["reason"] or "named" in row["reason"] for row in skipped
    )


def test_other_tasks_are_refused_in_words(tmp_path):
    with pytest.raises(DataError, match="representation of a table is not there yet.*regression, classification"):
        learn("example:iris", task="representation", output=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("budget", "seconds"), [(None, None), (3, 3.0), ("90s", 90.0), ("5m", 300.0), ("1.5h", 5400.0)]
)
def test_durations(budget, seconds):
    assert parse_duration(budget) == seconds


@pytest.mark.parametrize("budget", ["", "m", "-5", "0", "nan", "inf", "5 days"])
def test_durations_that_are_none(budget):
    with pytest.raises(ParameterError, match="budget"):
        parse_duration(budget)


@pytest.mark.parametrize("named", ["first, price", ["first", "price"]])
def test_several_numbers_are_refused_with_what_to_do_in_their_place(named, seed):
    with pytest.raises(DataError, match="regression learns one target, and 2 were named: learn one at a time, as -y f"):
        learn(pd.DataFrame(table(seed)), named, task="regression", progress=False)


def test_folds_by_time_and_by_group(source, tmp_path, seed):
    columns = table(seed) | {
        "when": np.arange(120.0)[::-1],
        "who": np.array([f"p{i % 10}" for i in range(120)], object),
    }
    study = Study(
        {"cv": "time:when", "seed": 0, "task": "auto", "methods": FEW, "trials": 1, "target": "price", "source": ""},
        columns,
    )
    for train, test in study.folds:
        assert columns["when"][train].max() < columns["when"][test].min()
    study = Study(
        {"cv": "group:who", "seed": 0, "task": "auto", "methods": FEW, "trials": 1, "target": "price", "source": ""},
        columns,
    )
    for train, test in study.folds:
        assert not set(columns["who"][train]) & set(columns["who"][test])
    with pytest.raises(DataError, match="did you mean 'when'"):
        Study(
            {"cv": "time:wen", "seed": 0, "task": "auto", "methods": FEW, "trials": 1, "target": "price", "source": ""},
            columns,
        )


def test_opening_what_is_no_run(tmp_path):
    with pytest.raises(UnreadableError, match="no run"):
        Run.open(tmp_path)


def test_a_run_that_could_not_be_begun_leaves_nothing(source, tmp_path, monkeypatch):
    """A run's folder appears whole or not at all: a kill before it is in place leaves no half of one."""
    monkeypatch.setattr("pathlib.Path.rename", lambda *_: (_ for _ in ()).throw(OSError("planted")))
    with pytest.raises(OSError, match="planted"):
        learn(source, "price", methods=FEW, output=tmp_path / "runs" / "one", progress=False)
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_frame_in_memory_is_a_source(source, tmp_path):
    """The same table as a file and as a frame gives the same leaderboard; what is gone can't be resumed."""
    frame = pd.read_csv(source)
    by_file = learn(source, "price", methods=FEW, output=tmp_path / "file", progress=False)
    by_frame = learn(frame, "price", methods=FEW, output=tmp_path / "frame", test=frame[:40], progress=False)
    assert by_frame.state["leaderboard"] == by_file.state["leaderboard"]
    assert by_frame.state["verdict"]["test"]["rows"] == 40
    wider = frame[frame.columns[::-1]]  # the target among the inputs, and another order: columns are found by name
    np.testing.assert_array_equal(peira.load(by_frame.path).predict(wider), peira.load(by_file.path).predict(frame))
    by_frame.update(state="running")
    with pytest.raises(UnreadableError, match="frame in memory"):
        learn(resume=by_frame.path, progress=False)


@pytest.mark.parametrize(("measure", "says"), [("rmse", "% below"), ("r2", "better than"), ("nll", "better than")])
def test_a_gain_is_a_share_only_where_the_measure_has_a_true_zero(source, tmp_path, measure, says):
    run = learn(source, "price", methods=FEW, measure=measure, output=tmp_path / "run", progress=False)
    assert says in run.state["verdict"]["sentence"]


def test_noise_has_no_winner_over_the_baseline(tmp_path, seed):
    rng = np.random.default_rng(seed)
    noise = {"a": rng.normal(size=200), "b": rng.normal(size=200), "y": rng.normal(size=200)}
    run = learn(noise, "y", methods=FEW, output=tmp_path / "run", progress=False)
    assert run.state["verdict"]["sentence"].startswith(("Nothing here is clearly better", "No method learned"))
    assert not run.state["verdict"]["clear_winner"] or run.state["best"] == "mean-regressor"


def test_more_columns_than_rows_leave_a_prediction_without_a_spread(tmp_path, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, 60))
    wide = {f"c{j}": X[:, j] for j in range(60)} | {"y": X[:, 0] + 0.1 * rng.normal(size=30)}
    run = learn(wide, "y", methods=["LinearRegression"], output=tmp_path / "run", progress=False)
    row = next(row for row in run.state["leaderboard"] if row["method"] == "LinearRegression")
    assert row["status"] == "ok" and np.isfinite(row["score"])


def test_nothing_to_learn_from_is_said_before_a_run_is_made(tmp_path, seed):
    rng = np.random.default_rng(seed)
    with pytest.raises(DataError, match="no column is left"):
        learn({"id": np.arange(50.0), "y": rng.normal(size=50)}, "y", output=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_predictions_that_are_no_arrays_are_refused(source, tmp_path):
    run = learn(source, "price", methods=FEW, output=tmp_path / "run", progress=False)
    path = run.path / "predictions" / "ridge" / "fold-0.npz"
    for content in (b"", b"PK\x03\x04nothing", b"\x80\x04."):
        path.write_bytes(content)
        with pytest.raises(UnreadableError, match="fold-0"):
            run.read_predictions("ridge", 0)


def test_a_short_budget_is_not_spent_on_starting_processes(source, tmp_path, monkeypatch):
    monkeypatch.setattr("peira.study.learning._PATIENCE", 0.0)
    monkeypatch.setattr("peira.study.learning.Parallel", None)  # would fail
    run = learn(source, "price", methods=FEW, budget="15s", output=tmp_path / "run", progress=False)
    assert all(row["status"] == "ok" for row in run.state["leaderboard"])


def test_columns_of_which_the_model_takes_nothing_may_be_absent(seed):
    columns = table(seed) | {"same": np.ones(120)}
    y = columns.pop("price")
    model = TableRegressor().fit(columns, y)
    for frame in (columns, pd.DataFrame(columns)):
        given = {name: frame[name] for name in columns if name != "same"}
        given = given if isinstance(frame, dict) else pd.DataFrame(given)
        np.testing.assert_array_equal(model.predict(given), model.predict(columns))
        with pytest.raises(DataError, match="a column that the model learned from is missing: 'town'"):
            model.predict({name: given[name] for name in ("first", "second")})


def test_nothing_ties_with_a_baseline_that_won():
    """Where the baseline is the best, there is no winner to choose in place of others that are as good."""
    best, tied = {"status": "ok", "difference": None}, {"status": "ok", "difference": {"clear": False}}
    mean, ridge = {"method": "MeanRegressor", "baseline": True}, {"method": "Ridge", "baseline": False}
    assert ties([mean | best, ridge | tied]) == [] and clear_winner([mean | best, ridge | tied]) is None
    assert ties([ridge | best, mean | tied]) == ["MeanRegressor"]


def test_a_short_budget_is_spent_in_one_process(monkeypatch):
    """One rule for tables and images: below it no process is started, and shares are reckoned for one fit at a time."""
    X = {"a": np.arange(40.0), "y": np.arange(40.0) % 7}
    plain = {"source": "t", "task": "regression", "methods": FEW, "trials": 1, "cv": "2", "seed": 0}
    study = Study({**plain, "target": "y"}, X)
    shares = []
    monkeypatch.setattr(learning, "_PATIENCE", 0.0)
    monkeypatch.setattr(learning, "cpu_count", lambda: 4)
    monkeypatch.setattr(learning, "evaluate", lambda *_, share=None, until=None: shares.append(share))
    monkeypatch.setattr(type(study.question), "shares_time", True, raising=False)
    todo = [(candidate, fold) for candidate in study.candidates for fold in (0, 1)]
    with limiting(0.9 * learning._STARTING):
        assert len(list(learning._cells(study, list(todo), -1))) == len(todo)
    assert shares[0] == pytest.approx(0.9 * learning._STARTING / len(todo), rel=0.05)
    started = []
    monkeypatch.setattr(learning, "Parallel", lambda n_jobs, **_: started.append(n_jobs) or iter)
    with limiting(1.5 * learning._STARTING), contextlib.suppress(AttributeError):  # what stands in has nothing to close
        list(learning._cells(study, list(todo), -1))
    assert started == [4]
