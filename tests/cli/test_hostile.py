"""Tables made to do harm: a clear sentence or a stated decision, no traceback, no hang, no script in the report."""

import html
import re
import time
from html.parser import HTMLParser

import numpy as np
import pytest

METHODS = ["--methods", "LinearRegression", "--jobs", "1", "--trials", "1"]


@pytest.fixture
def learn(peira):
    def command(path, target, folder, *more):
        began = time.monotonic()
        done = peira("learn", path, "-y", target, "-o", folder, *METHODS, *more)
        done.seconds = time.monotonic() - began
        assert "Traceback" not in done.err and "internal error" not in done.err
        assert "\x1b" not in done.err + done.out
        return done

    return command


def rows(names, seed, N=60):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(N, len(names)))
    values[:, -1] += values[:, 0]
    return [[f"{v:.6f}" for v in row] for row in values]


def write(path, names, cells):
    path.write_text("\n".join([",".join(names), *(",".join(row) for row in cells)]) + "\n")
    return path


class Scripts(HTMLParser):
    """Collects what could run or fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "iframe", "object", "embed", "base", "form"):
            self.found.append(tag)
        self.found += [
            n
            for n, v in attrs
            if n.startswith("on") or (n in ("href", "src") and not str(v).startswith(("#", "data:")))
        ]


def report_of(folder):
    text = (folder / "report.html").read_text()
    parser = Scripts()
    parser.feed(text)
    assert not parser.found
    assert "default-src 'none'" in html.unescape(text)
    return text


def test_a_header_of_script(learn, tmp_path, seed):
    names = ["<script>alert(1)</script>", '"onload="alert(2)', "\x1b[2Jclear", "y"]
    done = learn(
        write(tmp_path / "t.csv", [f'"{n.replace(chr(34), chr(34) * 2)}"' for n in names], rows(names, seed)),
        "y",
        tmp_path / "run",
    )
    assert done.code == 0, done.err
    text = report_of(tmp_path / "run")
    assert "<script>" not in text and "&lt;script&gt;" in text


def test_cells_that_a_spreadsheet_would_execute(learn, tmp_path, seed):
    cells = rows(["a", "y"], seed)
    levels = ["=cmd()", "+1+1", "@SUM(A1)", "-2-2"]
    cells = [[levels[i % 4], *row] for i, row in enumerate(cells)]
    done = learn(write(tmp_path / "t.csv", ["=HYPERLINK(1)", "a", "y"], cells), "y", tmp_path / "run")
    assert done.code == 0, done.err
    for path in (tmp_path / "run").rglob("*.csv"):
        for line in path.read_text().splitlines():
            for cell in line.split(","):
                assert not cell.strip('"').startswith(("=", "@")), (path, line)
    report_of(tmp_path / "run")


def test_ten_thousand_columns(learn, tmp_path, seed):
    names = [f"c{j}" for j in range(9_999)] + ["y"]
    few = ("--cv", "2", "--trials", "1", "--methods", "Ridge")
    done = learn(write(tmp_path / "t.csv", names, rows(names, seed, N=20)), "y", tmp_path / "run", *few)
    assert done.code == 0, done.err
    assert (tmp_path / "run" / "report.html").stat().st_size < 3 * 2**20
    report_of(tmp_path / "run")


def test_one_line_of_fifty_megabytes(learn, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,y\n" + b"x" * 50_000_000)
    done = learn(path, "y", tmp_path / "run")
    assert done.code == 3 and "line" in done.err and done.seconds < 30


def test_nul_bytes(learn, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,y\n1,2\n\0\0\0,3\n")
    done = learn(path, "y", tmp_path / "run")
    assert done.code == 3 and "NUL" in done.err


def test_duplicate_names_are_renamed_and_said(learn, tmp_path, seed):
    done = learn(write(tmp_path / "t.csv", ["a", "a", "y"], rows("aby", seed)), "y", tmp_path / "run")
    assert done.code == 0, done.err
    assert "a_2" in (tmp_path / "run" / "data" / "profile.json").read_text()


@pytest.mark.parametrize(
    ("column", "target", "says"),
    [("1.0", "y", "y"), ("", "y", "missing"), (None, "absent", "did you mean|there are: a, b, y")],
)
def test_a_target_that_is_constant_missing_or_absent(learn, tmp_path, seed, column, target, says):
    cells = rows(["a", "b", "y"], seed)
    if column is not None:
        cells = [[*row[:-1], column] for row in cells]
    done = learn(write(tmp_path / "t.csv", ["a", "b", "y"], cells), target, tmp_path / "run")
    assert done.code == 3, done.err
    assert re.search(says, done.err)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty|no "),
        (b"a,y\n", "row|data"),
        (b"a,y\n1,2\n1,2,3\n", "row|line"),
        (b'a,y\n"1,2\n', "quot"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "text|binary|NUL"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.", "text|binary|NUL"),
    ],
)
def test_what_is_no_table(learn, tmp_path, content, says):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    done = learn(path, "y", tmp_path / "run")
    assert done.code == 3, done.err
    assert re.search(says, done.err), done.err
