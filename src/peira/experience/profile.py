"""Profiles: what a column holds, in numbers that fit on a page.

One sort of a column gives everything: range, quantiles, number of different values, histogram.
"""

from collections import Counter
from typing import Any

import numpy as np

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TOP = 10
BINS = 20


def missing_in(column: np.ndarray) -> np.ndarray:
    """Which values of a column are missing."""
    if column.dtype.kind == "O":
        return np.equal(column, None)
    if column.dtype.kind == "M":
        return np.isnat(column)
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)


def count_levels(column: np.ndarray) -> list[tuple[str, int]]:
    """The different words (or truth values) of a column with their counts, the most frequent first, then by name."""
    counts = Counter(column.tolist() if column.dtype.kind == "O" else map(str, column.tolist()))
    counts.pop(None, None)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def summarise(column: np.ndarray) -> dict[str, Any]:
    """A summary of one column, ready for JSON.

    Returns
    -------
    dict
        ``n``, ``n_missing``, ``n_unique``, and for numbers and dates ``min``, ``max``, ``mean``,
        ``std``, ``quantiles`` and ``histogram``; for words and truth values ``levels``, the ten most frequent with
        their counts, and ``mean_length`` and ``mean_words``.
    """
    gone = missing_in(column)
    held = column[~gone] if gone.any() else column
    summary: dict[str, Any] = {"n": len(column), "n_missing": int(gone.sum()), "n_unique": 0}
    if column.dtype.kind in "Ob":
        levels = count_levels(held)
        summary["n_unique"] = len(levels)
        summary["levels"] = [{"level": level, "count": count} for level, count in levels[:TOP]]
        if column.dtype.kind == "O" and levels:
            total = sum(count for _, count in levels)
            summary["mean_length"] = sum(len(level) * count for level, count in levels) / total
            summary["mean_words"] = sum((level.count(" ") + 1) * count for level, count in levels) / total
        return summary
    dates = column.dtype.kind == "M"
    values = held.astype("datetime64[us]").astype(np.float64) if dates else held
    finite = values[np.isfinite(values)]
    summary["n_infinite"] = len(values) - len(finite)
    ordered = np.sort(finite)
    if not len(ordered):
        return summary
    summary["n_unique"] = 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))
    low, high = float(ordered[0]), float(ordered[-1])
    place = np.array(QUANTILES) * (len(ordered) - 1)
    below = place.astype(np.intp)
    above = np.minimum(below + 1, len(ordered) - 1)
    t = place - below
    at = ordered[below] * (1 - t) + ordered[above] * t
    # Halves first: the difference of two huge numbers overflows, that of their halves does not.
    edges = 2 * (low / 2 + (high / 2 - low / 2) * np.linspace(0, 1, BINS + 1))
    counts = np.diff(np.searchsorted(ordered, edges[1:-1], side="left"), prepend=0, append=len(ordered))
    show = _date if dates else float
    summary |= {"min": show(low), "max": show(high)}
    summary["quantiles"] = {f"{q:g}": show(v) for q, v in zip(QUANTILES, at.tolist(), strict=True)}
    summary["histogram"] = {
        "low": show(low),
        "high": show(high),
        "counts": counts.tolist() if high > low else [len(ordered)],
    }
    if not dates:
        scale = 2.0 ** (int(np.frexp(max(abs(low), abs(high)))[1]) - 1)  # exact, and the squares cannot overflow
        mean = float((ordered / scale).mean())
        summary["mean"] = mean * scale
        summary["std"] = float(np.sqrt(((ordered / scale - mean) ** 2).mean())) * scale
        summary["whole"] = bool((ordered == np.floor(ordered)).all())
    return summary


def _date(microseconds: float) -> str:
    return str(np.datetime64(int(microseconds), "us").astype("datetime64[s]"))


def repeated_rows(columns: list[np.ndarray], N: int) -> int:
    """How many rows repeat an earlier row in every column (missing equals missing).

    Rows are hashed to 64 bits column by column, and rows of equal hash are then compared, so the
    count is exact. Time N D + N log N.
    """
    if N < 2 or not columns:
        return 0
    mix = np.zeros(N, np.uint64)
    for column in columns:
        mix = (mix ^ _bits(column)) * np.uint64(0x9E3779B97F4A7C15)
        mix ^= mix >> np.uint64(29)
    order = np.argsort(mix, kind="stable")
    same = mix[order[1:]] == mix[order[:-1]]
    before, after = order[:-1][same], order[1:][same]
    for column in columns:
        values = column if column.dtype.kind == "O" else _bits(column)
        equal = values[before] == values[after]
        before, after = before[equal], after[equal]
    return len(after)


def _bits(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind == "O":
        # Python's hash of a word is 64 bits; None has one of its own.
        return np.fromiter(map(hash, column.tolist()), np.int64, len(column)).view(np.uint64)
    if column.dtype.kind == "f":
        plain = column.astype(np.float64) + 0.0  # -0.0 and 0.0 are one value
        plain[np.isnan(plain)] = np.nan
        return plain.view(np.uint64)
    return column.astype(np.int64).view(np.uint64)
