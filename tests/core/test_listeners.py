"""Listeners: what is written of a fit, and what is shown of it."""

import json

import peira
from peira.core.iteration import announce, iterate, task
from peira.core.listeners import Progress, Recorder


def work(name="search"):
    with task(name, cells=2):
        for i in range(2):
            announce("cell", i, 2, {"score": float("nan") if i else 0.5})
        for step in iterate(None, 3, name="inner"):
            step.record(loss=1.0 / (1 + step.index))


def test_a_recorder_writes_lines_of_json_down_to_its_depth(tmp_path):
    path = tmp_path / "events.jsonl"
    with Recorder(path, depth=1) as shallow, Recorder(tmp_path / "all.jsonl") as deep, peira.observing(shallow, deep):
        work()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["kind"], line["path"]) for line in lines] == [("start", ["search"]), ("end", ["search"])]
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["path"] == ["search", "inner"] and line["kind"] == "step"]
    assert [line["values"]["loss"] for line in steps] == [1.0, 0.5, 1 / 3]
    cells = [line["values"]["score"] for line in lines if line["path"] == ["search", "cell"]]
    assert cells == [0.5, None]  # JSON has no NaN


def test_recorders_add_to_what_stands_there(tmp_path):
    for _ in range(2):
        with Recorder(tmp_path / "e.jsonl") as recorder, peira.observing(recorder):
            work()
    lines = (tmp_path / "e.jsonl").read_text().splitlines()
    assert len(lines) == 2 * (2 + 2 + 5)


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys):
    with peira.observing(Progress(every=0.0)):
        work("\x1b[2Jsearch")
    out, err = capsys.readouterr()
    assert not out and "\x1b" not in err
    assert "\\x1b[2Jsearch > cell 1/2  score 0.5" in err
    assert "done after" in err.splitlines()[-1]


def test_progress_in_a_terminal_writes_over_its_line(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    with peira.observing(Progress()), task("a" * 100):
        pass
    err = capsys.readouterr().err
    shown = err.replace("\x1b[2K", "").replace("\n", "").split("\r")
    assert max(len(line) for line in shown) <= 39 and err.endswith("\n")
