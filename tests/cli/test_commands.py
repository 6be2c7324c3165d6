"""The command line as scripts see it: what is printed where, and the exit code."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from peira import load, read
from peira.cli.printing import print_summary


@pytest.fixture(scope="module")
def run(tmp_path_factory, peira):
    """One run on bundled data, made from the command line, and what it printed."""
    folder = tmp_path_factory.mktemp("cli") / "diabetes"
    done = peira(
        "learn", "example:diabetes", "--methods", "LinearRegression,Ridge", "--jobs", "1", "-o", folder, "--json"
    )
    assert done.code == 0, done.err
    return folder, done


def test_learn_prints_one_json_object(run):
    folder, done = run
    (line,) = done.out.splitlines()
    said = json.loads(line)
    assert said["run"] == str(folder) and said["task"] == "regression" and said["measure"] == "rmse"
    assert said["best"]["method"] in ("LinearRegression", "Ridge", "RidgeCV")
    low, high = said["best"]["interval"]
    assert low < said["best"]["score"] < high < said["baseline"]["score"]
    assert {"leaderboard", "verdict"} <= said.keys()
    assert "search" in done.err  # progress goes to stderr, in plain lines where it is no terminal


def test_what_has_no_score_is_told_in_full_below_the_board(capsys):
    ok = {"status": "ok", "score": 1.0, "interval": [0.9, 1.1], "params": {}, "baseline": False, "reason": None}
    reason = "thousands of updates for each of many fits, and so on " * 3
    rows = [{**ok, "method": "Ridge"}] + [{"method": n, "status": "skipped", "reason": reason} for n in ("A", "B")]
    run = SimpleNamespace(state={"measure_title": "error", "verdict": {"next": []}})
    print_summary(run, {"leaderboard": rows, "verdict": "It learns.", "stopped": None, "report": "r"})
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("thousands") == 3 and f"skipped: A, B: {reason.strip()}" in told


def test_predict_gives_a_row_a_row(run, tmp_path, peira):
    folder, _ = run
    done = peira("predict", folder, "example:diabetes", "--interval", "0.9")
    assert done.code == 0, done.err
    header, *lines = done.out.splitlines()
    assert header == "prediction,low,high" and len(lines) == 442
    values = np.array([[float(v) for v in line.split(",")] for line in lines])
    assert (values[:, 1] < values[:, 0]).all() and (values[:, 0] < values[:, 2]).all()
    out = tmp_path / "out.csv"
    assert peira("predict", folder, "example:diabetes", "-o", out).code == 0
    assert peira("predict", folder, "example:diabetes", "-o", out).code == 2  # nothing is overwritten
    done = peira("predict", folder, "example:diabetes", "--proba")
    assert done.code == 3 and "predicts no labels" in done.err and "TableRegressor" not in done.err


def test_the_other_commands(run, peira):
    folder, _ = run
    for command in (
        ["report", folder],
        ["diagnose", folder],
        ["diagnose", folder, "--json"],
        ["explain", folder],
        ["explain", folder, "--json"],
        ["compare", folder, "--json"],
        ["methods", "--json"],
        ["methods", "Ridge"],
        ["methods", "--task", "regression"],
        ["data", "example:diabetes"],
        ["data", "example:iris", "--json"],
        ["doctor", "--json"],
        ["--version"],
        ["learn", "example:diabetes", "--dry-run"],
    ):
        done = peira(*command)
        assert done.code == 0 and done.out.strip(), (command, done.err)
        if "--json" in command:
            json.loads(done.out)


def test_compare_on_a_table_agrees_with_the_definition(run, peira):
    folder, _ = run
    (row,) = json.loads(peira("compare", folder, "--on", "example:diabetes", "--json").out)
    table = read("example:diabetes")
    error = table["progression"] - load(folder).predict(table)
    assert row["score"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["learn"], 2, "SOURCE"),
        (["learn", "example:diabetes", "--nonsense"], 2, "nonsense"),
        (["learn", "example:diabetes", "--budget", "soon"], 2, "budget"),
        (["learn", "nowhere.csv", "-y", "a"], 3, "nowhere.csv"),
        (["learn", "example:diabetis"], 3, "diabetes"),
        (["learn", "example:iris", "--cost", "setosa"], 2, "TRUE:PREDICTED=COST"),
        (["learn", "example:iris", "--cost", "setosa:rose=2"], 3, "rose"),
        (["learn", "example:diabetes", "-y", "progresion"], 3, "did you mean"),
        (["learn", "example:diabetes", "--methods", "Rigde"], 3, "did you mean 'Ridge'"),
        (["learn", "example:diabetes", "-M", "rmes"], 3, "rmse"),
        (["learn", "--resume", "nowhere"], 6, "no run"),
        (["predict", "nowhere", "example:diabetes"], 6, "nothing at"),
        (["report", "."], 6, "no run"),
        (["methods", "Rigde"], 3, "did you mean 'Ridge'"),
        (["methods", "--task", "regresion"], 3, "did you mean 'regression'"),
    ],
)
def test_errors_are_a_sentence_and_a_code(arguments, code, says, tmp_path, monkeypatch, peira):
    monkeypatch.chdir(tmp_path)
    done = peira(*arguments)
    assert done.code == code, done.err
    assert says in done.err and "Traceback" not in done.err
    assert not done.out


def test_requirements_decide_the_exit_code(tmp_path, peira):
    learn = ["learn", "example:diabetes", "--methods", "LinearRegression", "--jobs", "1"]
    assert peira(*learn, "-o", tmp_path / "a", "--require", "rmse<=1000", "--require", "r2>0.1").code == 0
    done = peira(*learn, "-o", tmp_path / "b", "--require", "rmse<=1")
    assert done.code == 4 and "required rmse <= 1, reached" in done.err


def test_stdin_is_kept_for_resuming(tmp_path):
    rng = np.random.default_rng(0)
    text = "a,b,y\n" + "\n".join(f"{a},{b},{a - b}" for a, b in rng.normal(size=(60, 2)))
    command = [
        sys.executable,
        "-m",
        "peira",
        "learn",
        "-",
        "-y",
        "y",
        "--methods",
        "LinearRegression",
        "-o",
        str(tmp_path / "run"),
        "--json",
    ]
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["best"]["method"] == "LinearRegression"
    assert (tmp_path / "run" / "data" / "stdin").read_bytes() == text.encode()


def test_explain_a_row_in_words_a_table_and_a_picture(run, tmp_path, peira):
    folder, _ = run
    done = peira("explain", folder, "--row", "7", "--json")
    told = json.loads(done.out)
    written = folder / "explain" / "row-7"
    assert done.code == 0 and told["folder"] == str(written)
    assert json.loads((written / "explanation.json").read_text())["columns"] == told["columns"]
    assert (written / "columns.csv").read_text().splitlines()[0] == "name,value,usual,share,low,high"
    assert (written / "columns.png").read_bytes().startswith(b"\x89PNG")
    assert (written / "explanation.txt").read_text().splitlines() == told["words"]
    done = peira("explain", folder, "example:diabetes", "--row", "7")  # nothing is overwritten
    assert done.code == 0 and "predicts 'progression' = " in done.out and "diabetes-row-7" in done.out
    assert "diabetes-row-7-2" in peira("explain", folder, "example:diabetes", "--row", "7").out
    done = peira("explain", folder, "example:diabetes", "-o", tmp_path / "here")
    assert done.code == 0 and "shuffling" in done.out
    assert {path.name for path in (tmp_path / "here").iterdir()} == {
        "explanation.json",
        "explanation.txt",
        "columns.csv",
    }


def test_explain_says_what_it_needs(run, tmp_path, peira):
    folder, _ = run
    (model,) = (folder / "models").iterdir()
    for arguments, code, says in (
        ([folder, "--row", "443"], 2, "its rows are numbered from 1 to 442"),
        ([folder, "example:iris", "--row", "1"], 3, "columns that the model learned from are missing"),
        ([model], 2, "name the SOURCE"),
        ([model, "--row", "1"], 2, "name the SOURCE"),
        ([folder, "-o", tmp_path / "a"], 2, "give a SOURCE or --row"),
        ([folder, "--row", "1", "-o", tmp_path], 2, "nothing is overwritten"),
        ([tmp_path], 6, "no run"),
    ):
        done = peira("explain", *arguments)
        assert done.code == code and says in done.err and not done.out, (arguments, done)
