"""What the report shows of structure that was found: a map of the rows, rows worth a look, and loadings in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..experience.table import Table
from .plane import Principal, principal
from .run import plain
from .untargeted import few

DRAWN = 1_500
_NAMED = 3
_COLUMNS = 12


def on_plane(Z: np.ndarray, names: Sequence[str], colour: dict[str, Any]) -> dict[str, Any]:
    """The rows on their two leading principal directions, with a colour for each.

    Parameters
    ----------
    Z : array of shape (N, D')
    names : sequence of str
        Of the columns of Z.
    colour : dict
        ``codes`` (N,) and ``names``, or ``values`` (N,), ``title``, ``flagged`` (N,) and ``flag``: what the colour
        says of each row.
    """
    plane = principal(Z)
    K = min(2, plane.scores.shape[1])
    points = np.zeros((len(Z), 2))
    points[:, :K] = plane.scores[:, :K]
    axes = [f"{in_words(plane.directions[:, k], names)}" for k in range(K)]
    return on_map(points, colour) | {"axes": axes, "shares": plane.shares[:K], "of": "principal directions"}


def on_map(points: np.ndarray, colour: dict[str, Any]) -> dict[str, Any]:
    """The rows where a map puts them, at most `DRAWN` of them."""
    shown = few(len(points), DRAWN)
    told = {name: np.asarray(colour[name])[shown] for name in ("codes", "values", "flagged") if name in colour}
    told |= {name: colour[name] for name in ("names", "title", "flag") if name in colour}
    return {"points": points[shown, :2], "rows": len(points), **told}


def in_words(direction: np.ndarray, names: Sequence[str]) -> str:
    """The columns that weigh most in a direction: "more a and b, less c"."""
    weight = np.abs(direction)
    telling = [j for j in np.argsort(-weight, kind="stable")[:_NAMED] if weight[j] >= 0.4 * weight.max()]
    parts = []
    for sign, word in ((1, "more"), (-1, "less")):
        some = [str(names[j]) for j in telling if np.sign(direction[j]) == sign]
        if some:
            parts.append(f"{word} {' and '.join([', '.join(some[:-1]), some[-1]] if len(some) > 1 else some)}")
    return ", ".join(parts)


def loadings(plane: Principal, names: Sequence[str], count: int) -> list[dict[str, Any]]:
    """The leading directions in words, with the share of the variance along each."""
    return [
        {"name": f"direction {k + 1}", "share": plane.shares[k], "words": in_words(plane.directions[:, k], names)}
        for k in range(min(count, plane.directions.shape[1]))
    ]


def rows_table(X: Table, title: str, caption: str, rows: np.ndarray, said: dict[str, Sequence[Any]]) -> dict[str, Any]:
    """Rows of the table with what is said of each.

    Parameters
    ----------
    X : Table
    title, caption : str
    rows : array of positions
    said : dict of str to sequence
        Further columns before those of the table: numbers, or words.
    """
    return {
        "title": title,
        "caption": caption,
        "said": list(said),
        "rows": [
            {
                "row": int(X.rows[row]),
                "said": [plain(values[i]) for values in said.values()],
                "values": {name: plain(X[name][row]) for name in X.names[:_COLUMNS]},
            }
            for i, row in enumerate(rows)
        ],
    }


def others(cells: Sequence[Any], best: str, name: str, compare: Any) -> list[dict[str, Any]]:
    """How alike each other candidate's answers are to the winner's on the same rows: the mean over folds."""
    mine = {cell.fold: cell.arrays for cell in cells if cell.candidate == best and cell.status == "ok"}
    told = []
    for other in dict.fromkeys(cell.candidate for cell in cells if cell.candidate != best):
        theirs = {c.fold: c.arrays for c in cells if c.candidate == other and c.status == "ok"}
        if mine.keys() == theirs.keys() and all(name in arrays for arrays in theirs.values()):
            alike = [compare(mine[fold][name], theirs[fold][name]) for fold in mine]
            told.append({"id": other, "alike": float(np.mean(alike))})
    return sorted(told, key=lambda row: -row["alike"])
