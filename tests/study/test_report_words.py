"""Numbers and words of the report: digits follow from intervals, nothing invisible stays, docstrings become pages."""

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from peira.cli.printing import values
from peira.study.report import figures, formulas
from peira.study.report.escaping import breakable, clean, plain, prose, shorten
from peira.study.report.pages import method_page
from peira.study.report.sections.data import data
from peira.study.report.sections.results import errors
from peira.study.report.svg import Ticks


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (0.63123, [0.602, 0.661], "0.631"),
        (68432.1, [66012, 70839], "68,400"),
        (68432.1, [68400.0, 68464.2], "68,432"),
        (-0.0004, [-0.02, 0.02], "0.000"),
        (-3.14159, [-3.3, -3.0], "−3.14"),
        (0.5, [0.5, 0.5], "0.5"),
        (0.123456789, None, "0.1235"),
        (12345.678, None, "12,350"),
        (20640, None, "20,640"),
        (1.0, None, "1"),
        (0.0, None, "0"),
        (1.5e-7, [1.4e-7, 1.6e-7], "1.50×10⁻⁷"),
        (2.5e12, [2.4e12, 2.6e12], "2.50×10¹²"),
        (2.5e-9, None, "2.5×10⁻⁹"),
        (None, [1, 2], "—"),
        (math.nan, [1, 2], "—"),
        ("5", [1, 2], "—"),
        (True, [1, 2], "—"),
        (5.5, [2, 1], "5.5"),
        (10**400, None, "—"),
    ],
)
def test_digits_follow_from_the_interval(value, interval, text):
    assert figures.measured(value, interval) == text


def test_the_last_digit_shown_is_the_second_of_the_half_width(seed):
    rng = np.random.default_rng(seed)
    for _ in range(300):
        half = 10 ** rng.uniform(-3, 5)
        value = rng.normal() * 10 ** rng.uniform(-2, 6)
        pair = [value - half, value + half]
        shown = float(figures.measured(value, pair).replace(",", "").replace("−", "-"))
        step = 10.0 ** (math.floor(math.log10(pair[1] / 2 - pair[0] / 2)) - 1)
        assert abs(shown - value) <= 0.500001 * step, (value, half)


def test_intervals_differences_counts_shares_and_times():
    assert figures.interval([66012, 70839]) == "66,000 to 70,800"
    assert figures.interval([math.nan, 1]) == figures.interval([2, 1]) == figures.interval(None) == "—"
    assert figures.signed(1200.4, [900, 1500]) == "+1,200" and figures.signed(-0.5) == "−0.5"
    assert figures.signed(0.0001, [-1, 1]) == "0.0" and figures.signed(None) == "—"
    assert figures.count(20640.0) == "20,640" and figures.count(None) == "—"
    shares = [
        (0, 5, "0 %"),
        (1, 2000, "< 0.1 %"),
        (1, 3, "33 %"),
        (1, 20, "5 %"),
        (1999, 2000, "> 99.9 %"),
        (5, 5, "100 %"),
        (1, 0, "—"),
    ]
    for part, whole, text in shares:
        assert figures.percent(part, whole) == text
    assert figures.percent(0.995) == "99.5 %" and figures.percent(0.95) == "95 %"
    times = [
        (0, "0 ms"),
        (0.00042, "0.42 ms"),
        (3.14, "3.1 s"),
        (59.7, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (-1, "—"),
    ]
    for seconds, text in times:
        assert figures.duration(seconds) == text
    assert figures.bounds([1, 2]) == (1.0, 2.0) and figures.bounds("12") is None
    assert np.isnan(figures.array([None, "x", math.inf, True])).all() and figures.array("abc").size == 0


def test_ticks_show_the_step_and_no_more():
    assert Ticks().format_ticks([0, 0.25, 0.5]) == ["0.00", "0.25", "0.50"]
    assert Ticks().format_ticks([0, 100_000, 200_000]) == ["0", "100k", "200k"]
    assert Ticks().format_ticks([12_500, 15_000]) == ["12.5k", "15.0k"]
    assert Ticks().format_ticks([-20_000_000, 20_000_000]) == ["−20M", "20M"]
    assert Ticks(" %").format_ticks([0, 50, 100]) == ["0 %", "50 %", "100 %"]
    assert len(set(Ticks().format_ticks([1e-9, 2e-9, 3e-9]))) == 3
    assert Ticks().format_ticks([]) == [] and Ticks()(5) == "5"


def test_nothing_invisible_stays_and_what_is_visible_stays_as_it_is():
    assert clean("a\x00\x1b[31m\x7f\x85\r\n\tb") == r"a\x00\x1b[31m\x7f\x85\r\n\tb"
    assert clean("\u202e\u2066\u200b\ufeff\u2028\ud800\U000e0041") == r"\u202e\u2066\u200b\ufeff\u2028\ud800\U000e0041"
    for text in ("naïve café", "名前", "می\u200cخواهم", "👩\u200d🔬", "<b>&\"'"):
        assert clean(text) == text
    assert clean("x" * 700) == "x" * 599 + "…" and len(clean("\x00" * 10**6)) < 2500
    assert prose("a\r\nb\tc\x00") == "a\nb\tc\\x00"
    assert shorten("abcdefghij", 7) == "abcd…ij" and shorten("abc", 3) == "abc"
    assert str(breakable("a_<b>_c")) == "a_&lt;b&gt;_<wbr>c"


def test_any_value_in_words():
    assert (
        plain(None) == "—" and plain(True) == "yes" and plain(0.1 + 0.2) == "0.3" and plain(math.nan) == "not a number"
    )
    assert plain([1, "a", None]) == "1, a, —" and plain({"a": [1, 2]}) == "a: 1, 2" and plain(-math.inf) == "−∞"
    assert len(plain([["x" * 999] * 99] * 99)) <= 120


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("One line.", "<p>One line.</p>"),
        ("Two\nlines.\n\nNext.", "<p>Two lines.</p><p>Next.</p>"),
        ("Title\n=====\nText.", "<h4>Title</h4><p>Text.</p>"),
        ("Text\nTitle\n-----\n", "<p>Text</p><h4>Title</h4>"),
        ("``a<b`` *em* **st** x*y*z", "<p><code>a&lt;b</code> <em>em</em> <strong>st</strong> x*y*z</p>"),
        (":class:`~peira.Ridge` and `name`", "<p><code>peira.Ridge</code> and <code>name</code></p>"),
        ("`here <javascript:alert(1)>`_ [1]_", "<p>here (javascript:alert(1)) [1]</p>"),
        ("* a\n* b\n  c\n", "<ul><li>a</li><li>b c</li></ul>"),
        ("1. a\n2. b\n", "<ol><li>a</li><li>b</li></ol>"),
        ("* a\n\n  more\n\n* b", "<ul><li><p>a</p><p>more</p></li><li>b</li></ul>"),
        ("Lead.\n\n* a\n\n  - b\n", "<p>Lead.</p><ul><li><p>a</p><ul><li>b</li></ul></li></ul>"),
        ("Code::\n\n    x = 1\n    y = 2\n\nEnd.", "<p>Code:</p><pre>x = 1\ny = 2</pre><p>End.</p>"),
        (">>> 1 + 1\n2\n\nEnd.", "<pre>&gt;&gt;&gt; 1 + 1\n2</pre><p>End.</p>"),
        (".. note:: Take *care*.", '<div class="note"><p>Take <em>care</em>.</p></div>'),
        (".. a comment\n   of two lines\n\nText.", "<p>Text.</p>"),
        (
            ".. [1] Bishop (2006),\n   section 3.3.\n\nEnd.",
            '<p class="reference"><span>[1]</span> Bishop (2006), section 3.3.</p><p>End.</p>',
        ),
        (":cost: N D^2\n:memory: D", "<dl><dt>cost</dt><dd>N D^2</dd><dt>memory</dt><dd>D</dd></dl>"),
        (
            "== ===\na  b c\n== ===\nd  e\n   *f*\ng  h\n== ===\n\nEnd.",
            "<table><tr><th>a</th><th>b c</th></tr><tr><td>d</td><td>e <em>f</em></td></tr>"
            "<tr><td>g</td><td>h</td></tr></table><p>End.</p>",
        ),
        ("Quote:\n\n    said.\n\nEnd.", "<p>Quote:</p><blockquote><p>said.</p></blockquote><p>End.</p>"),
        (
            "<script>alert(1)</script> & ``</code>``",
            "<p>&lt;script&gt;alert(1)&lt;/script&gt; &amp; <code>&lt;/code&gt;</code></p>",
        ),
        (".. raw:: html\n\n   <b>x</b>", "<p>html</p><p>&lt;b&gt;x&lt;/b&gt;</p>"),
    ],
)
def test_docstrings_become_pages(text, html):
    assert str(method_page(text)) == html


def test_pages_of_odd_shape_end_and_lose_no_word():
    for text in (
        "::",
        "*",
        "..",
        ".. math::",
        "-\n-",
        "=====",
        "== ==",
        "== ==\n  x\n\n",
        "   \n\t\n",
        "* " * 3000,
        "**" * 3000,
        "``" * 3001,
        "`" * 3001,
        "  " * 30 + "x",
    ):
        assert method_page(text) is not None
    deep = "\n".join("  " * k + f"* level {k}" for k in range(60))
    assert all(f"level {k}" in method_page(deep) for k in range(60))
    assert method_page(None) == "" == method_page(5)


FORMULAS = [
    r"p(\mathbf{t} \mid \mathbf{w}) = \prod_{n=1}^{N} \mathcal{N}(t_n \mid \mathbf{w}^\top \boldsymbol{\phi}_n, \beta)",
    r"\hat{\mathbf{w}} = \arg\min_{w} \tfrac{1}{2} \lVert \mathbf{y} - \mathbf{Xw} \rVert^2 + \lambda \sum_j |w_j|",
    r"\ln p(\mathbf{t}) = \frac{D}{2} \ln \alpha - \frac{1}{2} \ln |\mathbf{A}|, \quad \tr(A) \text{ if } x > 0",
    r"\bigl( \mathbb{E}[x] \bigr)^2 \leq \operatorname*{max}_i \left\| x_i \right\|",
]


@pytest.mark.parametrize("source", FORMULAS)
def test_formulas_become_drawings_that_say_their_source(source):
    html = str(method_page(f"Text\n\n.. math::\n\n    {source}\n"))
    assert html.count("<svg") == 1 and "<pre" not in html
    drawing = ET.fromstring(re.search(r"<svg.*</svg>", html)[0])
    assert drawing.get("aria-label") == source and drawing.get("role") == "img"
    inside = str(method_page(f"where :math:`{source}` holds"))
    assert inside.count("<svg") == 1 and inside.startswith("<p>where <svg") and inside.endswith("</svg> holds</p>")


def test_each_line_of_a_block_is_a_formula():
    html = str(formulas.display("a = b\nc = d \\\\ e = f\n\n"))
    assert html.count("<svg") == 3
    assert str(formulas.display("a = \\frac{1}{2\n  b}\nc \\le d")).count("<svg") == 2, "open braces go on"
    assert str(formulas.display("\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned}")).count("<svg") == 2


@pytest.mark.parametrize(
    "source",
    [r"\nosuchmacro{x}", r"\frac{1", "a $ b", "<b>x</b> é", "{" * 40 + "}" * 40, "x" * 501, r"\sqrt{" * 30, r"\quad"],
)
def test_what_is_no_formula_is_shown_as_its_source(source):
    html = str(formulas.display(source))
    assert html.startswith('<pre class="source">') and "<svg" not in html and "<b>" not in html
    assert str(formulas.inline(source)).startswith("<code>")


def test_a_formula_stands_on_the_line():
    """The depth below the line is a class, one twentieth of an em a number, and the height holds it."""
    flat, deep = str(formulas.inline("x")), str(formulas.inline("x_{y_{z}}"))
    depth = [int(re.search(r'class="tex d(\d+)"', html)[1]) for html in (flat, deep)]
    assert depth[0] <= 1 < depth[1]


def test_dates_are_told_as_one_reads_them():
    column = {
        "name": "day",
        "kind": "datetime",
        "summary": {"min": "2021-03-01T00:00:00", "max": "2021-04-02T10:30:00"},
    }
    (told,) = data({"data": {"columns": [column]}})["columns"]
    assert told["numbers"] == [("from", "2021-03-01"), ("to", "2021-04-02 10:30")]
    rows = [
        {"row": 1, "observed": 1.0, "predicted": 2.0, "values": {"day": "2021-03-01T00:00:00.000000", "code": "T00:00"}}
    ]
    assert errors({"errors": rows})["rows"][0]["values"] == ["2021-03-01", "T00:00"]
    assert values(column["summary"]) == "2021-03-01 to 2021-04-02 10:30"


def test_levels_that_a_summary_leaves_out_are_counted():
    levels = [[f"K{i}", 1] for i in range(10)]
    names = [
        [level["name"] for level in data({"rows": 420, "data": {"columns": [column]}})["columns"][0]["levels"]]
        for column in (
            {"name": "id", "unique": 420, "summary": {"levels": levels}},
            {"name": "few", "unique": 4, "summary": {"levels": levels[:4]}},
        )
    ]
    assert names == [["K0", "K1", "K2", "K3", "416 more"], ["K0", "K1", "K2", "K3"]]


def test_whole_numbers_have_no_decimals_where_a_column_is_described():
    summary = {"min": 1.0, "max": 3.0, "quartiles": [2.0, 3.0, 3.0]}
    (told,) = data({"data": {"columns": [{"name": "class", "summary": summary}]}})["columns"]
    assert told["numbers"] == [("least", "1"), ("median", "3"), ("greatest", "3")]
    (told,) = data({"data": {"columns": [{"name": "age", "summary": summary | {"min": 0.42}}]}})["columns"]
    assert told["numbers"] == [("least", "0.42"), ("median", "3.00"), ("greatest", "3.00")]
