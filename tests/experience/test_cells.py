"""Cells: numbers in all their spellings, dates, and words that stay words."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peira.experience.cells import MISSING, column_of


def decide(*cells: str, **options):
    notes: list[str] = []
    return column_of(list(cells), notes, **options), notes


@settings(derandomize=True, database=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_what_python_writes_is_read_back_exactly(numbers):
    column, _ = decide(*map(repr, numbers))
    assert column.dtype == np.float64 and column.tolist() == numbers


@settings(derandomize=True, database=None)
@given(st.lists(st.integers(-(10**12), 10**12), min_size=1))
def test_thousands_are_undone(numbers):
    column, notes = decide(*(f"{n:,}" for n in numbers))
    assert column.tolist() == numbers
    assert any("thousands" in note for note in notes) == any(abs(n) >= 1000 for n in numbers)


@settings(derandomize=True, database=None)
@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_decimal_commas_are_undone(numbers):
    cells = [f"{n / 100:_.2f}".replace(".", ",").replace("_", ".") for n in numbers]
    column, _ = decide(*cells, decimal_comma=True)
    assert column.tolist() == [float(f"{n / 100:.2f}") for n in numbers]


@pytest.mark.parametrize("spelling", sorted(MISSING))
def test_every_spelling_of_no_value(spelling):
    for cell in (spelling, spelling.upper(), f" {spelling} "):
        column, notes = decide("1", cell, "2.5")
        assert column.dtype == np.float64 and math.isnan(column[1]) and column[2] == 2.5
        assert (spelling.strip() == "") != any("missing" in note for note in notes)
        column, _ = decide("yes", cell, "no")
        assert column.tolist() == ["yes", None, "no"]


def test_nothing_but_missing():
    for cells in ((), ("",), ("NA", "?")):
        column, _ = decide(*cells)
        assert column.dtype == np.float64 and len(column) == len(cells) and np.isnan(column).all()


def test_a_few_words_among_numbers_become_missing_and_are_named():
    column, notes = decide(*map(str, range(40)), "n.v.", "broken", "n.v.")
    assert np.isnan(column[40:]).all() and column[:40].tolist() == list(range(40))
    assert notes == ["numbers except for 3 cells taken as missing: 'broken', 'n.v.' in rows 41, 42, 43"]


@pytest.mark.parametrize("n_words", [1, 2, 11])
def test_the_border_of_a_few_words(n_words):
    numbers = [str(k) for k in range(9 * n_words)]
    column, _ = decide(*numbers, *(f"word{k}" for k in range(n_words)))
    assert (column.dtype == np.float64) == (n_words <= 10)
    column, notes = decide(*numbers[1:], *(f"word{k}" for k in range(n_words)))
    assert column.dtype == object and any("kept as words" in note for note in notes)


@pytest.mark.parametrize(
    ("cells", "numbers", "said"),
    [
        (("$1,200", "$7"), [1200, 7], "'$'"),
        (("5%", "7.5 %"), [5, 7.5], "per cent"),
        (("1.234,5 €", "2,5 €", "1.000 €"), [1234.5, 2.5, 1000], "decimal comma"),
        (("1 234", "12 345 678"), [1234, 12345678], "blanks"),
        (("1'234.5", "2"), [1234.5, 2], "apostrophes"),
        (("1,5", "2,25"), [1.5, 2.25], "decimal comma"),
    ],
)
def test_other_styles_are_read_and_stated(cells, numbers, said):
    column, notes = decide(*cells)
    assert column.tolist() == numbers and any(said in note for note in notes)


def test_infinities_are_kept_and_stated():
    column, notes = decide("1", "inf", "-Infinity")
    assert column.tolist() == [1, math.inf, -math.inf] and "2 infinite values (first in row 2)" in notes[0]


@pytest.mark.parametrize(
    "cells",
    [
        ("01234", "99999"),
        ("12345678901234567890", "1"),
        ("1_000", "2_000"),
        ("١٢٣", "٤٥٦"),
        ("0x10", "0x11"),
        ("1-2", "3-4"),
        ("12:30", "13:45"),
        ("$5", "€5"),
        ("2020-02-30", "2020-01-01"),
        ("=cmd()", "=1+1"),
    ],
)
def test_words_that_look_like_numbers_or_dates_stay_words(cells):
    column, _ = decide(*cells)
    assert column.tolist() == list(cells)


@pytest.mark.parametrize(
    ("cells", "dates", "said"),
    [
        (("2020-02-29", "1969-12-31"), ["2020-02-29", "1969-12-31"], "year, month, day"),
        (("2020-02-29 13:45", "2020-03-01T00:00:01.5"), ["2020-02-29T13:45", "2020-03-01T00:00:01.5"], "year"),
        (("2020-02-29T10:00:00Z", "2020-01-01T10:00:00+02:00"), ["2020-02-29T10:00", "2020-01-01T08:00"], "UTC"),
        (("2020/2/9", "2020/12/31"), ["2020-02-09", "2020-12-31"], "year"),
        (("9.2.2020", "31.12.2020"), ["2020-02-09", "2020-12-31"], "day, month"),
        (("31/12/2020", "01/02/2021"), ["2020-12-31", "2021-02-01"], "day, month"),
        (("12/31/2020", "01/02/2021"), ["2020-12-31", "2021-01-02"], "month, day"),
        (("1/2/2020", "3/4/2020"), ["2020-01-02", "2020-03-04"], "nothing in it tells"),
        (("2020-01", "2020-12"), ["2020-01-01", "2020-12-01"], "year, month"),
    ],
)
def test_dates(cells, dates, said):
    column, notes = decide(*cells, "")
    assert np.array_equal(column, np.array([*dates, "NaT"], "datetime64[us]"), equal_nan=True)
    assert any(said in note for note in notes)
