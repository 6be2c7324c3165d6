"""Reading: the same table through every format, and what is found and stated."""

import gzip
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from peira.core.errors import DataError
from peira.experience import Table, read

DATA = Path(os.environ.get("PEIRA_DATA", Path(__file__).parents[3] / "shared" / "data"))
COLUMNS = {
    "x": np.array([1.5, np.nan, -3.0]),
    "word": np.array(["a", "b, c", None], object),
    "day": np.array(["2024-02-29", "2023-12-31", "NaT"], "datetime64[us]"),
}
CSV = 'x,word,day\n1.5,a,2024-02-29\nNA,"b, c",2023-12-31\n-3,,\n'


def same(a: Table, b: dict) -> bool:
    return a.names == list(b) and all(
        a[n].dtype.kind == v.dtype.kind
        and (np.array_equal(a[n], v) if v.dtype.kind == "O" else np.array_equal(a[n], v, equal_nan=True))
        for n, v in b.items()
    )


def text(content: str | bytes, **options) -> Table:
    return read(io.BytesIO(content.encode() if isinstance(content, str) else content), **options)


@pytest.fixture(params=["csv", "csv.gz", "tsv", "jsonl", "parquet", "parquet.gz", "pandas", "polars", "arrow", "dict"])
def source(request, tmp_path):
    """The table of COLUMNS in many forms."""
    kind = request.param
    path = tmp_path / f"table.{kind}"
    frame = pl.DataFrame({n: v if v.dtype.kind != "O" else v.tolist() for n, v in COLUMNS.items()})
    frame = frame.with_columns(pl.col("x").fill_nan(None))
    if kind.startswith(("csv", "tsv")):
        content = (CSV if kind[0] == "c" else CSV.replace(",", "\t").replace("b\t c", "b, c")).encode()
        path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    elif kind == "jsonl":
        path.write_text(
            '{"x": 1.5, "word": "a", "day": "2024-02-29"}\n'
            '{"x": null, "word": "b, c", "day": "2023-12-31"}\n'
            '{"x": -3}\n'
        )
    elif kind.startswith("parquet"):
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        path.write_bytes(gzip.compress(buffer.getvalue()) if kind.endswith("gz") else buffer.getvalue())
    else:
        return {"pandas": pd.DataFrame(COLUMNS), "polars": frame, "arrow": frame.to_arrow(), "dict": COLUMNS}[kind]
    return path


def test_every_form_gives_the_same_table(source):
    assert same(read(source), COLUMNS)


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(CSV.encode()))))
    assert same(read("-"), COLUMNS)


def test_npz_of_inputs_and_target(tmp_path):
    X = np.arange(6.0).reshape(3, 2)
    np.savez(
        tmp_path / "a.npz", X=X, y=np.array([1, 2, 3], np.int8), mask=np.ones((2, 3), bool), names=np.array(["p", "q"])
    )
    t = read(tmp_path / "a.npz")
    assert t.names == ["p", "q", "y"] and t.suggested_target == "y"
    np.testing.assert_array_equal(np.column_stack([t["p"], t["q"]]), X)
    assert any("left out" in note and "mask" in note for note in t.notes)


@pytest.mark.parametrize(
    ("name", "shape", "target", "feature"),
    [
        ("iris", (150, 5), "species", "petal width (cm)"),
        ("diabetes", (442, 11), "progression", "bmi"),
        ("wine", (178, 14), "cultivar", "flavanoids"),
        ("breast_cancer", (569, 31), "diagnosis", "mean radius"),
        ("digits", (1797, 65), "digit", "pixel_0_0"),
        ("linnerud", (20, 6), "Pulse", "Chins"),
    ],
)
def test_bundled_examples(name, shape, target, feature):
    t = read(f"example:{name}")
    assert t.shape == shape and t.names[-1] == t.suggested_target == target and feature in t


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
def test_encodings_are_found(encoding):
    words = "name,x\n" + "Müller,1\nGrün,2\n" * 20
    t = text(words.encode(encoding))
    assert t.names == ["name", "x"] and t["name"][0] == "Müller"
    assert (encoding == "utf-8") != any(
        e in note for note in t.notes for e in ("utf-16", "utf-32", "cp1252", "by its mark")
    )


def test_a_byte_without_character_in_cp1252_makes_it_latin_1():
    t = text(b"a,b\n\x81\xe9,1\nx,2\n")
    assert t["a"][0] == "\x81é" and any("latin-1" in note for note in t.notes)


def test_a_given_encoding_is_taken():
    assert text("a,b\n你好,1\n世界,2\n".encode("utf-16-le"), encoding="utf-16-le")["a"][1] == "世界"
    assert text("a,b\nпривет,1\nмир,2\n".encode("koi8-r"), encoding="koi8-r")["a"][1] == "мир"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_found(delimiter, end):
    rows = [["alpha", "beta", "gamma"], ["1", "2.5", "3"], ["4", "-5e3", "6"]]
    t = text(end.join(delimiter.join(row) for row in rows))
    assert t.names == rows[0] and t["beta"].tolist() == [2.5, -5000.0]


def test_decimal_commas_between_semicolons():
    t = text("a;b\n1,5;2\n-2,25;3\n1.000,5;4\n")
    assert t["a"].tolist() == [1.5, -2.25, 1000.5] and any("decimal comma" in note for note in t.notes)


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("a,b\n1,2\n", True),
        ("1,2\n3,4\n", False),
        ("M,0.455,15\nF,0.53,9\n", False),
        ("?,M,3\n1,F,4\n", False),
        (",M,x\n1,F,x\n", False),
        ("kind,colour\ncat,red\ndog,red\n", True),
        ("p,x\ne,x\np,y\n", False),
        ("emma\nava\n", False),
        ("0,1,2,3,4,label\n5,1,2,3,4,a\n", True),
        ("country,1990,1991,1992,1993,1994\nPeru,1,2,3,4,5.5\n", True),
        (",a,b\nr1,1,2\nr2,3,4\n", True),
    ],
)
def test_a_row_of_names_is_found(content, header):
    n = content.count("\n")
    t = text(content)
    assert len(t) == n - header
    assert len(text(content, header=True)) == n - 1 and len(text(content, header=False)) == n


def test_names_of_rows_as_r_writes_them():
    for delimiter in ", ":
        t = text(f"a{delimiter}b\nr1{delimiter}1{delimiter}2\nr2{delimiter}3{delimiter}4\n")
        assert t.names == ["row_name", "a", "b"] and any("row_name" in note for note in t.notes)


def test_quoted_cells_hold_anything():
    t = text('a,b\n"x, ""y""\nz",1\n"w",2\n')
    assert t["a"].tolist() == ['x, "y"\nz', "w"]


def test_repeated_and_empty_names():
    t = text("a,a,b,a,\n1,2,3,4,5\n")
    assert t.names == ["a", "a_2", "b", "a_3", "x4"]
    assert text("a,a,a_2\n1,2,3\n").names == ["a", "a_3", "a_2"]


def test_notes_that_columns_share_are_one_note():
    t = text("a,b,c\n1,?,?\n2,?,3\n3,4,5\n")
    assert [n for n in t.notes if "?" in n] == ["columns 'b', 'c': '?' read as missing"]


SETS = {
    "california-housing/housing.csv.gz": (20640, 10, 207),
    "titanic/titanic_train.csv.gz": (891, 12, 866),
    "classification/abalone.csv.gz": (4177, 9, 0),
    "classification/adult-train.csv.gz": (32561, 15, 4262),
    "classification/breast-cancer-wisconsin.csv.gz": (699, 10, 16),
    "classification/ionosphere.csv.gz": (351, 35, 0),
    "classification/wine.csv.gz": (178, 14, 0),
    "statistics/Hitters.csv.gz": (322, 21, 59),
    "statistics/airquality.csv.gz": (153, 7, 44),
    "esl/prostate.csv.gz": (97, 11, 0),
}


@pytest.mark.parametrize("name", SETS)
def test_real_tables(name):
    if not (DATA / name).is_file():
        pytest.skip(f"needs {name} in the folder that PEIRA_DATA names")
    t = read(DATA / name)
    missing = sum(int((np.equal(t[n], None) if t[n].dtype.kind == "O" else np.isnan(t[n])).sum()) for n in t.names)
    assert (*t.shape, missing) == SETS[name]


def test_a_source_that_is_none():
    for source in (5, None, b"a,b\n1,2\n", "", "no/such/file.csv", "example:iri"):
        with pytest.raises(DataError):
            read(source)
