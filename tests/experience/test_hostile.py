"""Hostile tables: a clear error or a stated decision, never a crash from the depths."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peira.core.errors import DataError
from peira.experience import infer_roles, read
from peira.experience.opening import MAX_LINE


def stream(content: bytes, name: str = "table.csv") -> io.BytesIO:
    source = io.BytesIO(content)
    source.name = name
    return source


def refused(content: bytes, *said: str, name: str = "table.csv", **options) -> None:
    with pytest.raises(DataError) as caught:
        read(stream(content, name), **options)
    message = str(caught.value)
    assert all(word in message for word in said), message
    assert caught.type is DataError and len(message) < 700


def test_ragged_rows_are_named_and_counted():
    refused(b"a,b,c\n1,2,3\n1,2\n1,2,3,4\n5,6,7\n", "row 2 of", "line 3", "2 cells", "3", "2 of 4 rows", "row 3 with 4")


@pytest.mark.parametrize("content", [b"", b"\n\n \n", gzip.compress(b"", mtime=0)])
def test_empty(content):
    refused(content, "empty")


def test_header_only():
    refused(b"a,b,c\n", "names", "no rows of data")


def test_nul_bytes_and_binaries():
    refused(b"a,b\n1,2\n3,\x004\n", "line 3", "NUL")
    for content, said in (
        (b"PAR1xx", "parquet"),
        (b"PK\x03\x04xx", "zip"),
        (b"\x80\x04K\x01.", "pickle"),
        (b"%PDF-1", "PDF"),
    ):
        refused(content, said)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("unit", [b"x", b"1,"])
def test_an_endless_line(packed, unit):
    content = b"a,b\n1,2\n" + unit * (50_000_000 // len(unit))
    refused(gzip.compress(content, 1) if packed else content, "line 3", f"{MAX_LINE:,}")


def test_the_longest_line_that_is_read():
    cell = b"x" * 1000
    row = b",".join([cell] * ((MAX_LINE - 100) // 1001))
    t = read(stream(row + b"\n" + row + b"\n"), header=False)
    assert len(t) == 2


@pytest.mark.parametrize("unit", [b"\n", b"1,2\n"])
def test_a_gzip_bomb_stops_at_the_limit(unit):
    refused(gzip.compress(unit * 5_000_000, 1), "1,000,000 bytes", "max_bytes", max_bytes=1_000_000)


@pytest.mark.parametrize(
    "content", [b"\x1f\x8bjunkjunkjunk", gzip.compress(b"a,b\n1,2\n" * 1000)[:-10]], ids=["junk", "cut"]
)
def test_damaged_gzip(content):
    refused(content, "gzip", "damaged")


def test_quotation_marks():
    refused(b'a,b\n1,"2\n3,4\n', "line 2", "quotation mark", "not closed")
    refused(b'a,b\n1,"2\n' + b"3,4\n" * 50_000, "line 2", "not closed")
    refused(b'a,b\n1,"2"x\n', "line 2", "follows a closing")


def test_encodings():
    refused("a,b\nü,1\n".encode("latin-1"), "not utf-8", "line 2", encoding="utf-8")
    for name in ("utf-nine", "rot13", "zlib"):
        refused(b"a,b\n1,2\n", "no text encoding", encoding=name)


@pytest.mark.parametrize("cell", ["1", "w", ""])
def test_ten_thousand_columns(cell):
    names = ",".join(f"c{d}" for d in range(10_000))
    row = ",".join([cell] * 9_999)
    t = read(stream(f"{names}\n{row},0\n{row},1\n{row},2\n".encode()))
    assert t.shape == (3, 10_000) and len(t.notes) < 10
    roles = infer_roles(t, "c9999")
    assert roles.profiles["c0"].kind == "constant"


def test_too_many_columns():
    refused(b",".join([b"1"] * 100_001), "100,001 columns", "100,000")


def test_markup_formulas_and_control_characters_are_only_words():
    t = read(stream(b"<script>alert(1)</script>,=cmd()|' /C calc'!A0,\x1b[31mred\n1,=1+1,x\n2,@SUM(A1),y\n"))
    assert t.names == ["<script>alert(1)</script>", "=cmd()|' /C calc'!A0", "\x1b[31mred"]
    assert t[t.names[1]].tolist() == ["=1+1", "@SUM(A1)"]


@pytest.mark.parametrize(
    "line", [b"[1, 2]", b"{a: 1}", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b'"word"', b'{"a": 1} {"a": 2}']
)
def test_lines_that_are_no_json_objects(line):
    refused(b'{"a": 1}\n' + line + b"\n", "line 2", name="table.jsonl")


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            z.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def test_archives_of_arrays():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{}, 1], object))
    refused(buffer.getvalue(), "pickled", name="t.npz")
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    refused(archive(X=head.getvalue() + b"1" * 80), "promises", name="t.npz")
    refused(archive(X=b"\0" * 10_000_000), "10,000,000", "max_bytes", name="t.npz", max_bytes=10**6)
    refused(archive(X=b"junk"), "not a NumPy array", name="t.npz")
    refused(b"junk", "not an archive", name="t.npz")
    refused(archive(), "no table", name="t.npz")
    refused(b"PAR1 junk PAR1", "parquet", name="t.parquet")


def test_targets_that_teach_nothing():
    t = read(stream(b"height,flat,gone,word\n" + b"".join(b"%d,5,NA,w%d\n" % (k, k) for k in range(12))))
    for target, said in (
        ("flat", "constant: 5.0 in all 12 rows"),
        ("gone", "missing in every row"),
        ("heigth", "did you mean 'height'"),
    ):
        with pytest.raises(DataError, match=said):
            infer_roles(t, target)


@settings(derandomize=True, database=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_at_all(content):
    for name in ("t.csv", "t.jsonl", "t.npz", "t.parquet"):
        try:
            t = read(stream(content, name))
        except DataError:
            continue
        assert len(t) >= 1 and len(t.names) >= 1


@settings(derandomize=True, database=None, max_examples=300)
@given(st.text(alphabet='ab,;"\n\r\t 01.?-', max_size=60))
def test_any_text_at_all(content):
    try:
        t = read(stream(content.encode()))
    except DataError:
        return
    assert len(t) >= 1 and len(set(t.names)) == len(t.names)
    assert all(len(t[name]) == len(t) for name in t.names)
