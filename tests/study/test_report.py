"""The report: everything that it shows is escaped, bounded, legible, and allowed by its own content-security policy."""

import base64
import copy
import hashlib
import itertools
import json
import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from peira.study.report import render
from peira.study.report.escaping import policy
from tests.study.report_sample import sample_report

VOID = {"meta", "link", "br", "wbr", "hr", "img", "input"}
ELEMENTS = """
    html head meta title link style body a header nav main section footer h1 h2 h3 h4 p ul ol li dl dt dd div span
    strong em code pre small table caption thead tbody tr th td figure figcaption details summary blockquote wbr
    svg g path use text defs clippath rect
"""
ATTRIBUTES = """
    lang charset http-equiv content name rel href class id title aria-label aria-labelledby aria-hidden role scope
    colspan tabindex viewbox preserveaspectratio d x y width height transform clip-path fill stroke stroke-width
    stroke-opacity fill-opacity opacity stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin text-anchor
    font-weight font-size
"""
HOSTILE = [
    "<script>alert(1)</script>",
    '"onload="alert(1)',
    "'onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title></svg><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "$\\frac{1}{2",
    "[[0]]",
    "a\x00b\x1b[31mc\x7f\x85",
    "abc\u202edef\u2066\u2028\ufeff",
    "\ud800 lone",
    "=cmd()|' /C calc'!A0",
    "x" * 300,
    "名前 اسم नाम 🙂",
    "&lt;script&gt;",
    "-->]]>",
    "",
]


class Page(HTMLParser):
    """Reads a page strictly: every element closed, every element and attribute from the list of those that we write."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.targets, self.text, self.styles, self.meta = [], [], [], [], [], {}
        self.tables, self.figures, self.headings = 0, 0, []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        assert tag in ELEMENTS.split(), f"element {tag}"
        names = [k for k, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in {tag}: {names}"
        for name, value in attrs:
            assert name in ATTRIBUTES.split(), f"attribute {name} in {tag}"
            if name == "href":
                assert value.startswith("#") or value == "data:,", value
                self.targets.append(value[1:] if value.startswith("#") else None)
            if name == "clip-path":
                assert re.fullmatch(r"url\(#[\w-]+\)", value)
                self.targets.append(value[5:-1])
        values = dict(attrs)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "meta" and "http-equiv" in values:
            self.meta[values["http-equiv"]] = values["content"]
        if tag in {"h1", "h2"}:
            self.headings.append(tag)
        if tag == "svg":
            assert values.get("aria-label") or values.get("aria-hidden") == "true"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        (self.styles if self.open and self.open[-1] == "style" else self.text).append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data!r}")

    def unknown_decl(self, data):
        raise AssertionError(f"a declaration: {data!r}")


def read(report, tmp_path):
    """Render, check all that must hold for every page, and give it back."""
    before = json.dumps(report, default=str, ensure_ascii=True)
    path = render(report, tmp_path / "report.html")
    assert json.dumps(report, default=str, ensure_ascii=True) == before, "the dict was changed"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"], "a draft was left behind"
    assert path.stat().st_size < 3_000_000
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    page.html, page.all = html, " ".join(" ".join(page.text).split())
    assert len(page.ids) == len(set(page.ids)), "an identifier twice"
    assert {t for t in page.targets if t} <= set(page.ids), "a link that leads nowhere"
    assert page.headings[0] == "h1" and page.headings.count("h1") == 1
    assert len(page.styles) == 1
    assert "@import" not in html and not re.search(r"url\((?!#)", html)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]", html)
    return page


def test_the_page_shows_every_section_in_order(tmp_path, seed):
    page = read(sample_report(seed), tmp_path)
    order = [
        "verdict",
        "diagnosis",
        "leaderboard",
        "data",
        "performance",
        "learning",
        "explanation",
        "errors",
        "method",
        "reproduce",
    ]
    assert [i for i in page.ids if i in order] == order
    for words in (
        "Clear winner?",
        "The target is cut off",
        "13 columns after coding",
        "the time budget was spent LARS",  # reasons, with the names of those that share them
        "<1H OCEAN",
        "With twice the rows",
        "Assumptions",
    ):
        assert words in page.all, words
    assert "not settled" in page.all and "as good" in page.all and "baseline" in page.all


def test_the_policy_allows_the_style_sheet_and_nothing_else(tmp_path, seed):
    page = read(sample_report(seed), tmp_path)
    rules = dict(rule.split(" ", 1) for rule in page.meta["Content-Security-Policy"].split("; "))
    digest = base64.b64encode(hashlib.sha256(page.styles[0].encode()).digest()).decode()
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert policy("") == policy("") != policy(" ")


def test_the_same_dict_gives_the_same_bytes(tmp_path, seed):
    report = sample_report(seed)
    assert render(report, tmp_path / "a.html").read_bytes() == render(report, tmp_path / "b.html").read_bytes()


def test_an_older_report_is_replaced_and_a_failure_leaves_nothing(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("older")
    render({"target": "price"}, path)
    assert "price" in path.read_text()
    with pytest.raises(FileNotFoundError):
        render({}, tmp_path / "nowhere" / "report.html")
    with pytest.raises(TypeError, match="must be a dict, got list"):
        render([], path)
    folder = tmp_path / "folder.html"
    folder.mkdir()
    with pytest.raises(OSError):
        render({}, folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.html", "report.html"]


def test_nothing_at_all_still_makes_a_page_that_says_why(tmp_path):
    page = read({}, tmp_path)
    assert page.all.count("This run did not record it.") == 6
    reasons = {"learning": "Too few rows to cut further.", "method_page": "It has no page."}
    page = read({"stopped": "budget", "absent": reasons}, tmp_path)
    assert (
        "It has no page." in page.all
        and "Too few rows to cut further." in page.all
        and "its time budget was spent" in page.all
    )
    assert "spent its time budget" in page.all


def test_all_failed_and_one_alone(tmp_path, seed):
    report = sample_report(seed)
    failed = {
        "leaderboard": [{"id": "a", "title": "Ridge", "status": "failed", "reason": "LinAlgError: singular"}] * 3,
        "diagnosis": [],
    }
    page = read(failed, tmp_path)
    assert (
        "LinAlgError: singular" in page.all
        and "No candidate succeeded" in page.all
        and "All checks passed" not in page.all
    )
    report["leaderboard"] = report["leaderboard"][:1]
    page = read(report, tmp_path)
    assert "The best, closer" not in page.all
    report["leaderboard"][0] |= {"interval": None, "fold_scores": [], "baseline": True}
    assert "(baseline)" in read(report, tmp_path).all


def replace(value, strings, rng):
    """The same tree with every text, keys included, replaced by hostile ones; numbers stay."""
    if isinstance(value, dict):
        known = {k: v for k, v in value.items() if k not in {"values", "params", "card", "environment", "history"}}
        new = {k: replace(v, strings, rng) for k, v in known.items()}
        for k in value.keys() - known.keys():
            new[k] = {next(strings) + str(i): replace(v, strings, rng) for i, v in enumerate(value[k].values())}
        return new
    if isinstance(value, list):
        return [replace(v, strings, rng) for v in value]
    return (
        next(strings)
        if isinstance(value, str) and value not in {"ok", "failed", "skipped", "warning", "lower", "target"}
        else value
    )


@pytest.mark.parametrize("offset", range(0, len(HOSTILE), 3))
def test_hostile_texts_stay_texts_everywhere(tmp_path, seed, offset):
    strings = itertools.cycle(HOSTILE[offset:] + HOSTILE[:offset])
    report = replace(sample_report(seed, points=60), strings, np.random.default_rng(seed))
    page = read(report, tmp_path)  # the strict reader would meet any element or attribute that is not ours
    assert "<script" not in page.html.lower() and "alert(1)" in page.all
    assert r"a\x00b\x1b[31mc\x7f\x85" in page.all and r"\u202e" in page.all and r"\ud800" in page.all
    assert "{{ 7*7 }}" in page.all and "49{%" not in page.all


def test_a_hostile_name_stands_in_the_drawings_as_it_is(tmp_path, seed):
    report = sample_report(seed, points=60)
    report["explanation"]["coefficients"] = []
    report["explanation"]["importance"] = [{"name": n, "mean": 1.0, "low": 0.5, "high": 1.5} for n in HOSTILE]
    page = read(report, tmp_path)
    assert len(re.findall(r"<text [^<>]*>&lt;script&gt;alert\(1\)&lt;/script&gt;</text>", page.html)) == 2, (
        "once for a wide page, once for a phone"
    )
    assert "$\\frac{1}{2</text>" in page.html and ">[[0]]</text>" in page.html


def spoil(value, bad):
    """The same tree with every number, text and list of numbers replaced by something that does not belong there."""
    if isinstance(value, dict):
        return {k: spoil(v, bad) for k, v in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return [spoil(v, bad) for v in value]
    if isinstance(value, list):
        return [bad] * len(value)
    return bad


@pytest.mark.parametrize(
    "bad",
    [None, math.nan, math.inf, -math.inf, 10**400, "<b>", [], {}, True, 0, -0.0, 1e308, 5e-324, [1, "2", None]],
    ids=repr,
)
def test_odd_values_everywhere(tmp_path, seed, bad):
    report = spoil(sample_report(seed, points=30), bad)
    page = read(report, tmp_path)
    assert "nan" not in page.all.lower().split() and "inf" not in page.all.lower().split()
    read(dict.fromkeys(report, bad), tmp_path)


@pytest.mark.parametrize("fill", [math.nan, math.inf, None])
def test_numbers_missing_here_and_there(tmp_path, seed, fill):
    rng = np.random.default_rng(seed)

    def holes(value):
        if isinstance(value, dict):
            return {k: holes(v) for k, v in value.items()}
        if isinstance(value, list):
            return [holes(v) for v in value]
        return fill if isinstance(value, float) and rng.random() < 0.3 else value

    page = read(holes(sample_report(seed, points=300)), tmp_path)
    assert "Leaderboard" in page.all


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8])
def test_few_rows(tmp_path, seed, n):
    report = sample_report(seed, points=50)
    part = report["performance"]
    for key in ("observed", "predicted", "low", "high"):
        part[key] = part[key][:n]
    report["errors"] = report["errors"][:n]
    report["learning"] = {k: v[:n] for k, v in report["learning"].items() if isinstance(v, list)}
    page = read(report, tmp_path)
    assert ("Predicted and observed" in page.all) == (n >= 2)
    part["predicted"] = [5.0] * n
    part["observed"] = [5.0] * n
    read(report, tmp_path)


def test_large_tables_are_cut_and_say_so(tmp_path, seed):
    report = sample_report(seed)
    column = report["data"]["columns"][-1]
    levels = [["&" * 300, 10]] * 50
    report["data"]["columns"] += [
        column | {"name": f"c{i}" + '"' * 300, "reason": "&" * 900, "summary": {"levels": levels}}
        for i in range(10_000)
    ]
    report["data"]["decisions"] = ["<" * 700] * 10_000
    report["leaderboard"] = [
        row | {"id": f"{i}-{row['id']}", "params": {f"p{k}&&": "<" * 500 for k in range(50)}, "reason": "&" * 1000}
        for i, row in itertools.product(range(100), report["leaderboard"])
    ]
    report["explanation"]["coefficients"] = [
        {"name": "&" * 300 + str(i), "value": i, "low": i - 1, "high": i + 1} for i in range(10_000)
    ]
    report["errors"] = [
        e | {"values": {f"{'&' * 300}{k}": "<" * 500 for k in range(1000)}} for e in report["errors"] * 20
    ]
    report["diagnosis"] = [
        {"code": "&" * 900, "title": "<" * 900, "severity": "problem", "evidence": "<" * 900, "fix": "<" * 900}
    ] * 1000
    report["performance"] |= {k: report["performance"][k] * 50 for k in ("observed", "predicted", "low", "high")}
    report["learning"]["history"] = {f"h{k}": np.linspace(0, 1, 100_000).tolist() for k in range(20)}
    report["method_page"]["parameters"] *= 1000
    report["method_page"]["text"] = ".. math::\n\n" + "    x_{1} + y^{2} = \\frac{a}{b} \\alpha \\beta \\gamma\n" * 5000
    report["reproduce"]["environment"] = {str(k): "&" * 900 for k in range(1000)}
    page = read(report, tmp_path)
    assert "The first 100 of 10,010 columns; the other 9,910" in page.all
    assert "The first 20 of 10000" in page.all and "9960 more decisions" in page.all


def test_drawings_are_well_formed(tmp_path, seed):
    page = read(sample_report(seed), tmp_path)
    drawings = re.findall(r"<svg class=\"(?:plot|spark).*?</svg>", page.html, re.DOTALL)
    assert len(drawings) > 20
    for drawing in drawings:
        root = ET.fromstring(drawing)
        assert "nan" not in drawing.lower() and root.get("viewBox")
        for node in root.iter():
            assert "#0000" not in " ".join(node.attrib.values()), "an ink that did not become a class"


def test_scores_stand_best_first_whatever_the_direction(tmp_path, seed):
    report = sample_report(seed)
    for better, order in (("lower", ["Alpha", "Beta"]), ("higher", ["Beta", "Alpha"])):
        report["measure"]["better"] = better
        report["leaderboard"] = [
            {"id": "a", "title": "Alpha", "score": 1.0},
            {"id": "b", "title": "Beta", "score": 2.0},
        ]
        html = read(copy.deepcopy(report), tmp_path).html
        board = html[html.index("<tbody>", html.index('class="board"')) :]
        assert sorted(order, key=board.index) == order
        assert f"Further {'left' if better == 'lower' else 'right'} is better." in html


def test_a_method_gone_astray_does_not_flatten_the_others():
    from peira.study.report.plots.leaderboard import Entry, _limits

    none = np.empty(0)
    entries = [
        Entry("a", 1.0, (0.9, 1.1), none, "best"),
        Entry("b", 2.0, (1.9, 2.1), none, "baseline", True),
        Entry("c", 1e6, (1e5, 2e6), none, "other"),
    ]
    low, high = _limits(entries)
    assert low < 0.9 and 2.1 < high < 2.5


@pytest.mark.parametrize(
    ("doubling", "words"),
    [
        (61.99, "would hardly help"),
        (63.0, "would hardly help"),
        (61.0, "smaller than the differences"),
        (50.0, "kind would help."),
        (None, "From 200 to 400"),
    ],
)
def test_what_more_data_would_bring_is_said_in_words(tmp_path, doubling, words):
    scores = {"sizes": [100, 200, 400], "validation": [[90, 92], [70, 72], [60, 64]], "doubling": doubling}
    page = read({"learning": scores, "measure": {"title": "RMSE", "better": "lower", "units": "kg"}}, tmp_path)
    assert words in page.all and "62.0 kg" in page.all
    assert ("Open dot" in page.all) == (doubling is not None)


def test_a_curve_out_of_chaos_is_cut_where_its_end_can_be_read():
    from peira.study.report.plots.learning import Curve, _limits

    validation = [np.array([1e6, 2e7]), np.array([12.0, 13.0]), np.array([10.0, 11.0]), np.array([9.0, 10.0])]
    low, high = _limits(Curve.of(np.array([5.0, 50.0, 100.0, 200.0]), validation, [], None))
    assert low < 9 and 13 < high < 30


def test_the_words_against_the_best_never_say_more_than_the_interval(tmp_path):
    best = {"id": "a", "title": "A", "score": 1.0}
    cases = [
        ({"mean": 2, "interval": [1, 3], "better": 0.99, "equivalent": 0.01, "worse": 0.0}, "worse"),
        ({"mean": 0, "interval": [-1, 1], "better": 0.01, "equivalent": 0.98, "worse": 0.01}, "as good"),
        ({"mean": 0, "interval": [-1, 1], "better": 0.5, "equivalent": 0.4, "worse": 0.1}, "not settled"),
        ({"mean": 2, "interval": [-1, 5], "better": 0.96, "equivalent": 0.01, "worse": 0.03}, "not settled"),
        ({"mean": 2, "interval": [1, 3]}, "worse"),
        ({"mean": 0, "interval": [-1, 3]}, "not settled"),
    ]
    for difference, words in cases:
        rows = [best, {"id": "b", "title": "B", "score": 2.0, "difference": difference}]
        html = read({"leaderboard": rows, "measure": {"better": "lower"}}, tmp_path).html
        assert f"<td>{words}</td>" in html, difference
