"""Which rows belong together, or that there is no clear structure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...measures import adjusted_rand_score
from ..account import Outcome
from ..evaluating import Cell
from ..nothing import LEAST, against_nothing
from ..profiles import describe_groups
from ..report.figures import number
from ..showing import on_plane, others, rows_table
from ..told import Told
from .parts import STABLE, UNUSUAL, choice, figure, run_of, tied_words, titled

_TYPICAL = 12  # rows in a table of typical ones
_PROFILES = 20


def tell_clusters(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """Which rows belong together, or that there is no clear structure."""
    study, model, X = outcome.study, outcome.model, outcome.study.X
    Z, labels, K = model.numbers(X), model.labels_, model.n_clusters_
    nothing = against_nothing(model, Z, study.config["seed"])
    stability = float(np.mean([cell.arrays["stability"][0] for cell in outcome.cells]))
    clear = nothing["clear"] and stability >= STABLE and K > 1
    method = outcome.best.method
    most = max(nothing[kind]["max"] for kind in ("uniform", "normal"))
    where = "" if nothing["where"] == "in all columns" else f" {nothing['where']} of the clusters"
    compared = f"silhouette {nothing['silhouette']:.2f}{where}, at most {most:.2f} in data without structure"
    chosen = choice(outcome, "number of clusters", nothing)
    if clear:
        sentence = (
            f"{method} finds {K} clusters in {number(len(Z))} rows: {compared}; of the two halves of the table, one "
            f"finds what the other finds (stability {stability:.2f})."
        )
        sentence += tied_words(verdict)
        next_ = [
            "Read the profiles: clusters that make no sense to somebody who knows the rows are not worth acting on.",
            f"Give new rows their cluster: peira predict {run_of(outcome)} TABLE",
        ]
        tried = zip(chosen.get("numbers", []), chosen.get("scores", []), strict=True)
        near = [f"{n} ({score:.2f})" for n, score in tried if n != K and score > most + LEAST and not where]
        if near:
            next_.append(
                f"Other numbers of clusters exceed data without structure too, as silhouettes: {', '.join(near[:4])}. "
                "Groups may hold groups: look at the picture before settling on one."
            )
    else:
        why = (
            "its clusters are no more compact and apart than those that it finds in data without structure "
            f"({compared})"
            if not nothing["clear"]
            else f"one half of the table finds other clusters than the other half (stability {stability:.2f})"
        )
        few = "one cluster" if K == 1 else f"{K} clusters"
        sentence = f"No clear structure. The best method, {method}, gives {few}, but {why}."
        next_ = [
            "Do not act on clusters of these rows: a cut through one cloud is a convention, not a finding. "
            "For a few typical kinds of rows it may still serve.",
            "Look for structure elsewhere: other columns, ratios of columns, or few directions (--task reduction).",
        ]
    profiles = describe_groups(X, study.roles.kinds, labels)
    alike = others(cells, outcome.best.id, "predicted", adjusted_rand_score)
    far, typical = _from_centres(Z, labels)
    names = [_cluster(c) for c in range(labels.max() + 1)]
    structure = {
        "map": on_plane(Z, model.get_names(), {"codes": labels, "names": names}),
        "choice": chosen,
        "profiles": [p | {"name": _cluster(p["code"])} for p in profiles[:_PROFILES]],
        "profiles_left_out": max(len(profiles) - _PROFILES, 0),
        "others": titled(outcome, alike),
        "others_title": "Do other methods find the same?",
        "others_caption": "Rand's adjusted index between their clusters and the winner's, on the same rows: 1 the "
        "same, 0 as much as chance.",
        "tables": [
            rows_table(
                X, "The most typical rows", "Those nearest to the middle of each cluster.", typical,
                {"Cluster": [_cluster(c) for c in labels[typical]]},
            ),
            rows_table(
                X, "The most unusual rows",
                "Those furthest from the middle of their cluster, in units of its own spread.",
                (worst := np.argsort(-far, kind="stable")[:UNUSUAL]),
                {"Cluster": [_cluster(c) for c in labels[worst]], "Distance": far[worst].round(2).tolist()},
            ),
        ],
    }  # fmt: skip
    sizes = [p["rows"] for p in profiles if p["code"] >= 0]
    facts = {
        "clear": clear, "against_nothing": nothing, "stability": stability, "clusters": K, "sizes": sizes,
        "noise": int((labels < 0).sum()), "alike": alike[:5],
    }  # fmt: skip
    figures = [
        figure("Clusters", str(K), f"the largest: {number(max(sizes, default=0))} rows, the smallest: "
                f"{number(min(sizes, default=0))}"),
        figure("Without structure, at most", f"{most:.2f}",
                f"against {nothing['silhouette']:.2f} here: mean silhouettes of 40 references"),
        figure("Stability", f"{stability:.2f}", "agreement of two halves: 1 the same clusters, 0 as much as chance"),
    ]  # fmt: skip
    return Told(sentence, structure, next_, facts, figures)


def _cluster(code: int) -> str:
    return "no cluster" if code < 0 else f"cluster {code}"


def _from_centres(Z: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each row is from the middle of its cluster (or the nearest one), and the rows nearest to each middle."""
    codes = np.unique(labels[labels >= 0])
    if not len(codes):
        return np.zeros(len(Z)), np.empty(0, dtype=np.intp)
    each = max(1, _TYPICAL // len(codes))
    distance = np.empty((len(Z), len(codes)))
    typical = []
    for j, code in enumerate(codes):
        inside = np.flatnonzero(labels == code)
        middle = Z[inside].mean(0)
        away = np.linalg.norm(Z - middle, axis=1)
        typical.append(inside[np.argsort(away[inside], kind="stable")[:each]])
        distance[:, j] = away / max(np.sqrt(np.mean(away[inside] ** 2)), 1e-12)
    place = np.searchsorted(codes, labels)
    own = np.where(labels >= 0, distance[np.arange(len(Z)), np.minimum(place, len(codes) - 1)], distance.min(1))
    return own, np.concatenate(typical)[:_TYPICAL]
