"""A row's run reports what happened: held, not held, failed, without data."""

import gzip
import json
import warnings

import numpy as np
import pytest

from evidence import DataAbsent, check, data, data_path, rows, sources
from evidence.__main__ import main
from evidence.reproducing import reproduce
from evidence.rows import Reproduction


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PEIRA_DATA", str(tmp_path))
    return tmp_path


def row(compute, id="9.99", claim="a claim", **about) -> Reproduction:
    about = {"source": "a book", "protocol": "once", "data": (), "mark": "C", "public": None} | about
    return Reproduction(id, claim, compute=compute, **about)


def test_held():
    def compute():
        yield check("first", 1.0, 1.0, tolerance=0)
        yield check("second", 2.0, 2.0, tolerance=0)

    entry = reproduce("9.99", [row(compute)])
    assert entry["held"]
    assert (entry["id"], entry["claim"], entry["reference"], entry["value"], entry["tolerance"]) == (
        "9.99",
        "a claim",
        1.0,
        1.0,
        0,
    )
    assert [c["name"] for c in entry["checks"]] == ["first", "second"]


def test_the_headline_is_the_check_that_did_not_hold():
    entry = reproduce("9.99", [row(lambda: [check("a", 1, 1), check("b", 2, 3)])])
    assert not entry["held"]
    assert (entry["value"], entry["reference"]) == (2, 3)


def test_a_failure_is_a_result_and_keeps_what_was_found():
    def compute():
        yield check("first", 1, 1)
        raise RuntimeError("singular")

    entry = reproduce("9.99", [row(compute)])
    assert not entry["held"]
    assert "RuntimeError: singular (test_reproducing.py:" in entry["failed"]
    assert len(entry["checks"]) == 1


def test_a_row_without_checks_does_not_hold():
    entry = reproduce("9.99", [row(list)])
    assert not entry["held"]
    assert "no check" in entry["failed"]


def test_parts_are_put_together():
    entry = reproduce("9.99", [row(lambda: [check("a", 1, 1)]), row(lambda: [check("b", 1, 2)], claim="another")])
    assert entry["claim"] == "a claim; another"
    assert [c["held"] for c in entry["checks"]] == [True, False]
    assert not entry["held"]


def test_prints_stay_off_stdout_and_warnings_are_told(capsys):
    def compute():
        print("noise")
        warnings.warn("loose", stacklevel=1)
        yield check("a", 1, 1)

    entry = reproduce("9.99", [row(compute)])
    assert capsys.readouterr().out == ""
    assert entry["warnings"] == ["UserWarning: loose"]


def test_absent_data_name_their_public_source(folder):
    entry = reproduce("9.99", [row(lambda: [check("a", 1, 1)], data=("esl/nothing.csv.gz",))])
    assert not entry["held"]
    assert not entry["checks"]
    assert "needs esl/nothing.csv.gz" in entry["missing"]
    assert "Elements-of-Statistical-Learning" in entry["missing"]
    entry = reproduce("9.99", [row(lambda: [check("a", 1, 1)], data=("new/x.csv",), public="archive of X")])
    assert "Public source: archive of X" in entry["missing"]


def test_reading_tables(folder):
    with gzip.open(folder / "t.csv.gz", "wt") as file:
        file.write("a,b,c\n1,,x\n2.5,4,\n")
    table = data("t.csv.gz")
    assert table.names == ["a", "b", "c"]
    assert len(table) == 2
    np.testing.assert_array_equal(table["b"], [np.nan, 4])
    np.testing.assert_array_equal(table["c"], ["x", ""])
    np.testing.assert_array_equal(table.matrix(["a", "b"]), [[1, np.nan], [2.5, 4]])
    with pytest.raises(KeyError, match="the table has a, b, c"):
        table["d"]


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_reading_tables_of_few_rows(folder, rows):
    (folder / "t.csv").write_text("a,b\n" + "1,2\n" * rows)
    assert len(data("t.csv")) == rows
    assert data("t.csv").matrix().shape == (rows, 2)


def test_reading_without_a_header(folder):
    (folder / "t.csv").write_text("1;2\n3;4\n")
    table = data("t.csv", header=False, delimiter=";")
    assert table.names == ["x0", "x1"]
    np.testing.assert_array_equal(table.matrix(), [[1, 2], [3, 4]])


def test_reading_other_formats(folder):
    np.savez(folder / "t.npz", X=np.eye(2))
    (folder / "t.json").write_text('{"a": 1}')
    (folder / "t.txt").write_text("words")
    np.testing.assert_array_equal(data("t.npz")["X"], np.eye(2))
    assert data("t.json") == {"a": 1}
    assert data("t.txt") == "words"


def test_objects_in_npz_are_refused(folder):
    np.savez(folder / "t.npz", X=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        data("t.npz")


def test_nothing_named(monkeypatch):
    monkeypatch.delenv("PEIRA_DATA", raising=False)
    with pytest.raises(DataAbsent, match="PEIRA_DATA is not set"):
        data_path("esl/nothing.csv.gz")


def test_every_source_is_stated():
    assert all(sources().values())


@pytest.fixture
def declared(monkeypatch):
    """Two rows and no other."""
    monkeypatch.setattr("evidence.__main__.discover", lambda: None)
    for name in ("REPRODUCTIONS", "RACES"):
        monkeypatch.setattr(rows, name, [])
        monkeypatch.setattr(f"evidence.__main__.{name}", [])
    import evidence.__main__ as program

    program.REPRODUCTIONS += [
        row(lambda: [check("a", 1, 1)], id="1.02"),
        row(lambda: [check("a", np.float64("nan"), 1.0, tolerance=1)], id="1.03"),
    ]


def test_program_one_row_one_object_many_rows_a_list(declared, capsys):
    assert main(["reproduce", "1.02", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["held"]
    assert main(["reproduce", "1", "--json"]) == 1
    assert [entry["held"] for entry in json.loads(capsys.readouterr().out)] == [True, False]


def test_program_lists_every_row(declared, capsys):
    assert main(["list", "--json"]) == 0
    states = {entry["id"]: entry["state"] for entry in json.loads(capsys.readouterr().out)}
    assert states["1.02"] == "ready"
    assert states["1.14"] == "to do"
    assert main(["list"]) == 0
    assert "1.14" in capsys.readouterr().out


def test_program_answers_unknown_rows(declared, capsys):
    assert main(["reproduce", "1.14"]) == 2
    assert "row 1.14 has no reproduction yet; rows with a reproduction: 1.02 1.03" in capsys.readouterr().err
    assert main(["reproduce", "7"]) == 2
    assert "there is no row '7'" in capsys.readouterr().err
    assert main(["race", "1.02"]) == 2


def test_program_shows_a_table(declared, capsys):
    assert main(["reproduce", "all"]) == 1
    shown = capsys.readouterr().out
    assert "✓ 1.02" in shown
    assert "✗ 1.03" in shown
