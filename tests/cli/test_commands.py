"""The command line as scripts see it: what is printed where, and the exit code."""

import json
import subprocess
import sys

import numpy as np
import pytest


def peira(*arguments, stdin=None, timeout=240):
    return subprocess.run(
        [sys.executable, "-m", "peira", *map(str, arguments)], input=stdin, capture_output=True, timeout=timeout, check=False
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run on bundled data, made from the command line, and what it printed."""
    folder = tmp_path_factory.mktemp("cli") / "diabetes"
    done = peira("learn", "example:diabetes", "--methods", "LinearRegression,Ridge", "--jobs", "1", "-o", folder, "--json")
    assert done.returncode == 0, done.stderr.decode()
    return folder, done


def test_learn_prints_one_json_object(run):
    folder, done = run
    (line,) = done.stdout.decode().splitlines()
    said = json.loads(line)
    assert said["run"] == str(folder) and said["task"] == "regression" and said["measure"] == "rmse"
    assert said["best"]["method"] in ("LinearRegression", "Ridge", "RidgeCV")
    low, high = said["best"]["interval"]
    assert low < said["best"]["score"] < high < said["baseline"]["score"]
    assert {"leaderboard", "verdict"} <= said.keys()
    assert b"cell" in done.stderr  # progress goes to stderr, in plain lines where it is no terminal


def test_predict_gives_a_row_a_row(run, tmp_path):
    folder, _ = run
    done = peira("predict", folder, "example:diabetes", "--interval", "0.9")
    assert done.returncode == 0, done.stderr.decode()
    header, *lines = done.stdout.decode().splitlines()
    assert header == "prediction,low,high" and len(lines) == 442
    values = np.array([[float(v) for v in line.split(",")] for line in lines])
    assert (values[:, 1] < values[:, 0]).all() and (values[:, 0] < values[:, 2]).all()
    out = tmp_path / "out.csv"
    assert peira("predict", folder, "example:diabetes", "-o", out).returncode == 0
    assert peira("predict", folder, "example:diabetes", "-o", out).returncode == 2  # nothing is overwritten


def test_the_other_commands(run):
    folder, _ = run
    for command in (
        ["report", folder],
        ["diagnose", folder],
        ["diagnose", folder, "--json"],
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
        assert done.returncode == 0 and done.stdout.strip(), (command, done.stderr.decode())
        if "--json" in command:
            json.loads(done.stdout)


def test_compare_on_a_table_agrees_with_the_definition(run):
    folder, _ = run
    (row,) = json.loads(peira("compare", folder, "--on", "example:diabetes", "--json").stdout)
    from peira import load, read

    table = read("example:diabetes")
    error = table["progression"] - load(folder).predict(table) if "progression" in table else None
    if error is not None:
        assert row["score"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["learn"], 2, "SOURCE"),
        (["learn", "example:diabetes", "--nonsense"], 2, "nonsense"),
        (["learn", "example:diabetes", "--budget", "soon"], 2, "budget"),
        (["learn", "nowhere.csv", "-y", "a"], 3, "nowhere.csv"),
        (["learn", "example:diabetis"], 3, "diabetes"),
        (["learn", "example:iris"], 3, "cannot do yet"),
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
def test_errors_are_a_sentence_and_a_code(arguments, code, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = peira(*arguments)
    err = done.stderr.decode()
    assert done.returncode == code, err
    assert says in err and "Traceback" not in err
    assert not done.stdout


def test_requirements_decide_the_exit_code(tmp_path):
    learn = ["learn", "example:diabetes", "--methods", "LinearRegression", "--jobs", "1"]
    assert peira(*learn, "-o", tmp_path / "a", "--require", "rmse<=1000", "--require", "r2>0.1").returncode == 0
    done = peira(*learn, "-o", tmp_path / "b", "--require", "rmse<=1")
    assert done.returncode == 4 and b"required rmse <= 1, reached" in done.stderr


def test_stdin_is_kept_for_resuming(tmp_path):
    rng = np.random.default_rng(0)
    text = "a,b,y\n" + "\n".join(f"{a},{b},{a - b}" for a, b in rng.normal(size=(60, 2)))
    done = peira("learn", "-", "-y", "y", "--methods", "LinearRegression", "-o", tmp_path / "run", "--json", stdin=text.encode())
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "run" / "data" / "stdin").read_bytes() == text.encode()
