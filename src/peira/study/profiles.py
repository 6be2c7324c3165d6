"""Groups of rows in words: what sets a group apart from all other rows, column by column."""

import re
from typing import Any

import numpy as np

from ..experience.profile import missing_in
from ..experience.table import Table
from .report.figures import number, percent

CLEAR = 0.5
"""Standard deviations by which a mean has to differ to be worth a word; of a share, half of it in proportion."""
_TOLD = 4
_LEVELS = 12
_ABSENT = 0.8  # what a level that is there less often counts beside one that is there more often
_ROUGH = 3  # significant digits of a mean in words


def describe_groups(X: Table, kinds: dict[str, Any], codes: np.ndarray) -> list[dict[str, Any]]:
    """A profile of each group, the largest first.

    Parameters
    ----------
    X : Table
    kinds : dict
        The kind of each column, as `Roles.kinds` gives them.
    codes : array of shape (N,)
        The group of each row; -1 belongs to none, and has a profile at the end.

    Returns
    -------
    list of dict
        ``code``, ``rows``, ``share``, and ``words``: what sets the group apart, the most telling first.
    """
    groups, counts = np.unique(codes, return_counts=True)
    order = sorted(range(len(groups)), key=lambda g: (groups[g] < 0, -counts[g], groups[g]))
    return [
        {
            "code": int(groups[g]),
            "rows": int(counts[g]),
            "share": float(counts[g] / len(codes)),
            "words": describe(X, kinds, codes == groups[g]) if counts[g] < len(codes) else [],
        }
        for g in order
    ]


def describe(X: Table, kinds: dict[str, Any], inside: np.ndarray) -> list[str]:
    """What sets the rows inside apart from the others, in words, the most telling first."""
    told = []
    for name in X.names:
        kind = kinds.get(name)
        if kind in ("identifier", "text", "constant", "ignored"):
            continue
        column = X[name]
        known = ~missing_in(column)
        a, b = column[known & inside], column[known & ~inside]
        if not len(a) or not len(b):
            continue
        if column.dtype.kind == "O" or kind == "boolean":
            told += _levels(name, a, b)
        else:
            told += _numbers(name, a, b)
    told.sort(key=lambda found: -found[0])
    return [words for _, words in told[:_TOLD]]


def _numbers(name: str, a: np.ndarray, b: np.ndarray) -> list[tuple[float, str]]:
    dates = a.dtype.kind == "M"
    x, y = (v.astype("datetime64[s]").astype(np.float64) if dates else v.astype(np.float64) for v in (a, b))
    spread = np.concatenate([x, y]).std()
    effect = (x.mean() - y.mean()) / spread if spread > 0 else 0.0
    if abs(effect) < CLEAR:
        return []
    if dates:
        ends = [str(np.datetime64(int(v.mean()), "s"))[:10] for v in (x, y)]
        return [(abs(effect), f"{'later' if effect > 0 else 'earlier'} {name} ({ends[0]} against {ends[1]})")]
    means = f"{number(x.mean(), _ROUGH)} against {number(y.mean(), _ROUGH)}"
    if re.fullmatch(r"age|.*[_ .]age|age[_ .].*", name.lower()):
        return [(abs(effect), f"{'older' if effect > 0 else 'younger'} ({name} {means})")]
    return [(abs(effect), f"{'higher' if effect > 0 else 'lower'} {name} ({means})")]


def _levels(name: str, a: np.ndarray, b: np.ndarray) -> list[tuple[float, str]]:
    """The level whose share differs most, if it differs much."""
    a, b = (np.array([f"{v:g}" if isinstance(v, float) else str(v) for v in side.tolist()]) for side in (a, b))
    levels, counts = np.unique(np.concatenate([a, b]), return_counts=True)
    best: tuple[float, str] | None = None
    for level in levels[np.argsort(-counts, kind="stable")][:_LEVELS]:
        p, q = float(np.mean(a == level)), float(np.mean(b == level))
        whole = float(np.mean(np.concatenate([a, b]) == level))
        effect = (p - q) / max((whole * (1 - whole)) ** 0.5, 1e-12)
        worth = abs(effect) * (1.0 if effect > 0 else _ABSENT)
        if abs(effect) >= CLEAR and (best is None or worth > best[0]):
            much = "mostly" if p > 0.5 and effect > 0 else "more often" if effect > 0 else "less often"
            best = (worth, f"{much} {name} {str(level)!r} ({percent(p)} against {percent(q)})")
    return [] if best is None else [best]
