"""The report of a classification: tables and drawings of labels, whatever the run recorded or lost."""

import itertools
import json
import math
import re

import numpy as np
import pytest
from markupsafe import Markup

from peira.study.classes import performance
from peira.study.report.plots.classes import Threshold
from peira.study.report.plots.regions import Regions
from peira.study.report.sections.classes import class_rows, error_rows, panels, plain_figure
from peira.study.report.svg import Canvas
from tests.study.report_sample import sample_report
from tests.study.test_report import HOSTILE, read, spoil


def plain(value):
    """As it comes back from JSON."""
    return json.loads(json.dumps(value, default=lambda v: v.tolist()))


def classified(seed=0, C=3, N=300, costs=None, labels=None):
    """A finished classification of C labels."""
    rng = np.random.default_rng(seed)
    Z = 2 * rng.normal(size=(N, C))
    P = np.exp(Z)
    P /= P.sum(1, keepdims=True)
    observed = (P.cumsum(1) < rng.random((N, 1))).sum(1).clip(0, C - 1)
    predicted = P.argmax(1)
    names = np.array(labels if labels is not None else [f"label {c}" for c in range(C)])
    part = performance(observed, predicted, P, names, costs)
    x, y = np.linspace(-2, 2, 30), np.linspace(-1, 1, 20)
    codes = np.add.outer(np.zeros(20, int), (np.arange(30) * C) // 30)
    points = np.column_stack([rng.uniform(-2, 2, 200), rng.uniform(-1, 1, 200)])
    part["regions"] = {
        "x": x, "y": y, "codes": codes, "top": rng.uniform(1 / C, 1, (20, 30)), "points": points,
        "labels": ((points[:, 0] + 2) / 4.001 * C).astype(int), "directions": ["0.8 age - 0.5 sex", "1 fare ..."],
    }  # fmt: skip
    whole = sample_report(seed, points=20)
    report = {key: whole[key] for key in ("target", "measure", "rows", "columns", "verdict")}  # the rest has its tests
    wrong = np.flatnonzero(observed != predicted)[:12]
    report |= {
        "task": "classification",
        "target": "species",
        "performance": part | {"measures": whole["performance"]["measures"]},
        "errors": [
            {
                "row": int(i),
                "observed": str(names[observed[i]]),
                "predicted": str(names[predicted[i]]),
                "probability": float(P[i, predicted[i]]),
                "truth": float(P[i, observed[i]]),
                "values": {"age": float(rng.normal()), "port": "S"},
            }
            for i in wrong
        ],
    }
    report["verdict"] |= {
        "plain": {"title": "accuracy", "value": 0.8123, "interval": [0.79, 0.84], "baseline": 0.616},
    }
    return plain(report)


def test_the_page_shows_what_was_recorded_of_the_labels(tmp_path, seed):
    page = read(classified(seed, 2, costs=[("label 1", "label 0", 4.0)]), tmp_path)
    for words in (
        "What became of each true label",
        "What a predicted label is worth",
        "Found against false alarms (ROC)",
        "Precision against recall",
        "Do probabilities keep their word?",
        "What each threshold costs",
        "used: 0.2",
        "Decision regions",
        "Label by label",
        "The most confident errors",
        "Which columns led to the answer for a row says peira explain",
        "Probability of the truth",
        "0.8 age - 0.5 sex",
        "always saying the most frequent label is right for 62 %",
        "79 % to 84 %",
    ):
        assert words in page.all, words
    assert "Residual" not in page.all and "predicted value" not in page.all


@pytest.mark.parametrize("C", [6, 12, 40])
def test_any_number_of_labels(tmp_path, seed, C):
    page = read(classified(seed, C, N=60 * C), tmp_path)
    assert "What became of each true label" in page.all and "Label by label" in page.all
    assert ("29 others" in page.all) == (C == 40)


def test_counts_and_shares_of_the_confusion_matrix_stand_in_the_cells(tmp_path):
    part = {"confusion": {"labels": ["no", "yes"], "counts": [[90, 10], [5, 0]]}}
    html = read({"performance": part}, tmp_path).html
    for words in ("90", "90 %", "10 %", "95 %", "100 %", "5.3 %"):  # within rows: 90, 10, 100; columns: 94.7, 5.3, 100
        assert f">{words}</text>" in html, words
    assert ">0</text>" not in html


def test_a_threshold_is_drawn_where_costs_were_stated_or_it_teaches_something():
    from peira.study.report.plots.classes import threshold

    grid = np.linspace(1, 0, 101)
    cost = 0.2 + (grid - 0.5) ** 2
    best = {"best": 0.5, "least": 0.2}
    assert threshold(Threshold("yes", False, (1, 1), grid, cost, 0.5, **best)) is None
    taught = threshold(Threshold("yes", False, (1, 1), grid, cost, 0.9, **best))
    assert "Far apart" in taught.caption and "no costs were stated" in taught.caption
    stated = threshold(Threshold("yes", True, (1, 1), grid, cost, 0.5, **best))
    assert "can be trusted" in stated.caption
    assert threshold(Threshold("yes", True, (1, 1), grid[:1], cost[:1], 0.5, **best)) is None


def test_cost_at_a_threshold_is_that_of_the_next_kept_one():
    t = Threshold("yes", True, (1, 1), np.array([0.9, 0.5, 0.1]), np.array([3.0, 1.0, 2.0]), None, None, None)
    assert [t.at(v) for v in (0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95)] == [2.0, 2.0, 1.0, 1.0, 3.0, 3.0, 3.0]


def test_areas_are_left_out_where_the_cut_tells_little(tmp_path, seed):
    report = classified(seed)
    assert "Decision regions" in read(report, tmp_path).all
    labels = report["performance"]["regions"]["labels"]
    report["performance"]["regions"]["labels"] = [(c + 1) % 3 for c in labels]
    page = read(report, tmp_path)
    assert "Decision regions" not in page.all and "The labels on their two best directions" in page.all
    assert re.search(r"right for only \d(\.\d)? % of these rows", page.all)  # those next to a border


def test_agreement_counts_rows_over_their_own_area():
    x, codes = np.array([0.0, 1.0]), np.array([[0, 1], [0, 1]])
    points = np.array([[0.1, 0.2], [0.9, 0.9], [0.8, 0.1], [0.0, 1.0]])
    r = Regions(x, x, codes, np.ones((2, 2)), points, np.array([0, 1, 0, 1]), ("a", "b"))
    assert r.agreement == 0.5


def test_recall_has_the_interval_of_wilson_and_rare_labels_are_marked():
    rows = class_rows(
        {
            "classes": [
                {"label": "a", "support": 180, "recall": 0.9, "precision": 0.9, "f1": 0.9},
                {"label": "b", "support": 3, "rare": True, "recall": 1 / 3, "precision": None, "f1": None},
            ]
        }
    )
    assert [r["rare"] for r in rows] == [False, True] and [r["never"] for r in rows] == [False, True]
    z, n, p = 1.959964, 3, 1 / 3
    centre, half = (p + z**2 / (2 * n)) / (1 + z**2 / n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = centre - half / (1 + z**2 / n), centre + half / (1 + z**2 / n)
    assert rows[1]["recall_interval"] == f"{low:.2f} to {high:.2f}"


def test_small_probabilities_are_never_called_none():
    rows = error_rows([{"observed": 3, "predicted": "<b>", "probability": 0.99999, "truth": 2.8e-12}, {}])
    assert rows[0] == {"observed": "3", "predicted": "<b>", "probability": "> 0.999", "truth": "2.8×10⁻¹²"}
    assert rows[1]["observed"] == "—" and rows[1]["truth"] == "—"


def test_the_plain_figure_needs_a_value_only():
    assert plain_figure(None, "95 %") is None and plain_figure({"title": "accuracy"}, "95 %") is None
    figure = plain_figure({"value": 0.5}, "95 %")
    assert figure["value"] == "50 %" and figure["detail"] == "no interval" and figure["note"] == ""


@pytest.mark.parametrize("offset", range(0, len(HOSTILE), 5))
def test_hostile_labels_stay_texts(tmp_path, seed, offset):
    strings = itertools.cycle(HOSTILE[offset:] + HOSTILE[:offset])
    names = [f"{next(strings)}{c}"[:330] for c in range(5)]
    report = classified(seed, 2, costs=[("label 1", "label 0", 2.0)])

    def renamed(value):
        if isinstance(value, dict):
            return {k: renamed(v) for k, v in value.items()}
        if isinstance(value, list):
            return [renamed(v) for v in value]
        if isinstance(value, str) and (match := re.fullmatch(r"label (\d)", value)):
            return names[int(match[1])]
        return next(strings) if isinstance(value, str) and value not in {"lower", "ok"} else value

    report["performance"], report["errors"] = renamed(report["performance"]), renamed(report["errors"])
    page = read(report, tmp_path)
    assert "<script" not in page.html.lower()


@pytest.mark.parametrize(
    "bad",
    [None, math.nan, -math.inf, 10**400, "<b>", [], {}, True, 0, -1, -0.0, 1e308, 5e-324, [1, "2", None]],
    ids=repr,
)
def test_odd_values_everywhere(tmp_path, seed, bad):
    report = classified(seed, 2)
    page = read(
        report | {"performance": spoil(report["performance"], bad), "errors": spoil(report["errors"], bad)}, tmp_path
    )
    assert "nan" not in page.all.lower().split() and "inf" not in page.all.lower().split()
    read(report | {"performance": dict.fromkeys(report["performance"], bad)}, tmp_path)


@pytest.mark.parametrize("bad", [None, 1e308], ids=repr)
def test_one_odd_value_takes_no_more_than_its_own_part_along(seed, bad, monkeypatch):
    monkeypatch.setattr(Canvas, "svg", lambda *_: Markup(""))  # all is put on the canvas; writing it takes long
    whole = classified(seed, 2, costs=[("label 1", "label 0", 2.0)])["performance"]
    assert len(panels(whole)) == 7
    for key in ("confusion", "reliability", "threshold", "regions"):
        drawn = len(panels({key: whole[key]}))
        for name, part in whole[key].items():
            first = [[bad, *part[1:]]] if isinstance(part, list) and part else []
            for value in (bad, *first):
                assert len(panels({key: whole[key] | {name: value}})) <= drawn, (key, name)
        assert len(panels(whole | {key: bad})) == 7 - drawn
    for name, part in whole["curves"][0].items():
        first = [[bad, *part[1:]]] if isinstance(part, list) and part else []
        for value in (bad, *first):
            assert len(panels({"curves": [whole["curves"][0] | {name: value}]})) in (1, 2), name


@pytest.mark.parametrize("fill", [math.nan, math.inf, None])
def test_numbers_missing_here_and_there(tmp_path, seed, fill):
    rng = np.random.default_rng(seed)

    def holes(value):
        if isinstance(value, dict):
            return {k: holes(v) for k, v in value.items()}
        if isinstance(value, list):
            return [holes(v) for v in value]
        return fill if isinstance(value, int | float) and rng.random() < 0.3 else value

    page = read(holes(classified(seed, 4)), tmp_path)
    assert "Label by label" in page.all


def test_parts_that_are_far_too_large_are_cut_or_left_out(tmp_path, seed):
    report = classified(seed, 3)
    part = report["performance"]
    part["confusion"] = {"labels": ["&" * 300] * 500, "counts": [[1] * 500] * 500}
    part["classes"] = [part["classes"][0] | {"label": "<" * 600}] * 10_000
    part["labels"] = ["&" * 600] * 10_000
    part["curves"] = [part["curves"][0] | {"label": "&" * 600, "fpr": [0.5] * 10**4, "tpr": [0.5] * 10**4}] * 10
    part["reliability"] = {k: (v * 1000 if isinstance(v, list) else "&" * 900) for k, v in part["reliability"].items()}
    plane = part["regions"]
    plane |= {"points": plane["points"] * 100, "labels": plane["labels"] * 100, "directions": ["&" * 900] * 9}
    page = read(report, tmp_path)
    assert "What became of each true label" not in page.all and "1,000 rows are shown" in page.all
