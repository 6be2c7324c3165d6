"""The docs' own code: pages of methods, and names in prose (the build itself is `make docs`)."""

import re
import sys
from pathlib import Path

import pytest

from peira.core.registry import registry
from peira.core.tasks import TASKS

pytest.importorskip("sphinx", reason="the docs need the extra [docs]")
DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def method_pages(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "docs" / "_ext")
    import method_pages

    yield method_pages
    del sys.modules["method_pages"]


def test_every_method_has_a_page_and_pages_of_the_gone_go(method_pages, tmp_path):
    (tmp_path / "linear.gone.Gone.rst").write_text("gone")
    pages = method_pages.write_pages(tmp_path)
    assert {page.stem for page in pages} == set(registry()) == {page.stem for page in tmp_path.iterdir()}
    for key, cls in registry().items():
        text = (tmp_path / f"{key}.rst").read_text(encoding="utf-8")
        assert text.startswith(f"{cls.__name__}\n{'=' * len(cls.__name__)}\n")
        assert cls.card.reference in text
        assert all(f"``{name}``" in text for name in cls.parameters())


def test_a_long_list_of_numbers_is_told_by_its_ends(method_pages):
    page = "\n".join(method_pages.method_page(registry()["linear.ridge_cv.RidgeCV"]))
    assert "tuned among 41 numbers from 0.0001 to 1e+06" in page and "0.00017" not in page


def test_pages_that_did_not_change_are_not_written_again(method_pages, tmp_path):
    pages = method_pages.write_pages(tmp_path)
    before = [page.stat().st_mtime_ns for page in pages]
    assert [page.stat().st_mtime_ns for page in method_pages.write_pages(tmp_path)] == before


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("the weights coef_ and n_iter_.", "the weights ``coef_`` and ``n_iter_``."),
        ("``coef_`` stays", "``coef_`` stays"),
        (">>> model.coef_", ">>> model.coef_"),
        ("model.coef_ of a model", "model.coef_ of a model"),
        (".. math:: x_ + y_", ".. math:: x_ + y_"),
        (":ivar coef_: as in alpha_", ":ivar coef_: as in ``alpha_``"),
        ("x_j and m_N", "x_j and m_N"),
        ("N D |A| for |A| columns", r"N D \|A| for \|A| columns"),
        ("``|A|`` and :math:`|A|`", "``|A|`` and :math:`|A|`"),
        ("of shape (..., *batch)", r"of shape (..., \*batch)"),
        ("really *so* and **so**", "really *so* and **so**"),
        ("", ""),
    ],
)
def test_prose_is_no_markup(method_pages, line, expected):
    assert list(method_pages.as_prose([line])) == [expected]


def test_mathematics_and_code_are_left_alone(method_pages):
    lines = [".. math::", "", "   |q_j| = x_", "", "so |A| it is::", "", "    coef_ = |A|", "", "and coef_ again"]
    expected = [*lines[:4], r"so \|A| it is::", *lines[5:8], "and ``coef_`` again"]
    assert list(method_pages.as_prose(lines)) == expected


def test_the_example_of_the_measures_page_runs(capsys):
    page = (Path(__file__).parents[1] / "docs" / "measures.md").read_text(encoding="utf-8")
    exec(page.split("```python\n")[1].split("```")[0], {})
    rmse, crps = capsys.readouterr().out.splitlines()
    assert 0.8 < float(rmse.split()[0]) < 1.2
    assert 0.4 < float(crps) < 0.8


def test_the_example_of_sets_of_labels_runs(capsys):
    page = (Path(__file__).parents[1] / "docs" / "measures.md").read_text(encoding="utf-8")
    exec(page.split("## Sets of labels")[1].split("```python\n")[1].split("```")[0], {})
    said, f1, areas, interval = capsys.readouterr().out.splitlines()
    assert said.startswith("[{'") and float(f1) == 1.0 and areas == "[1. 1.]" and interval.startswith("(")


@pytest.mark.parametrize("number", [0, 2, 3, 4])  # 1 is the main job, whose tests are elsewhere
def test_first_steps_run(number, capsys):
    block = (DOCS / "start.md").read_text(encoding="utf-8").split("```python\n")[1:][number].split("```")[0]
    exec(block, {})
    said = capsys.readouterr().out
    if number == 2:
        assert float(said) > 0.97
    if number == 4:
        errors = {line.split()[0]: float(line.split()[1]) for line in said.splitlines()}
        assert max(errors, key=errors.get) == "Ridge" and len(errors) == 4


def test_the_page_on_choosing_names_what_exists():
    page = (DOCS / "choosing.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z]\w+)`", page))
    assert len(named) > 40 and named <= {cls.__name__ for cls in registry().values()}
    tasks = re.findall(r"^\| [^|]+\? \|[^|]*\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    assert len(tasks) == 10
    assert set(re.findall(r"\w+", " ".join(tasks))) - {"forecast"} <= TASKS.keys()  # as `peira learn --task` says it


def test_names_of_methods_lead_to_their_pages(monkeypatch):
    from docutils import nodes
    from docutils.utils import new_document

    monkeypatch.syspath_prepend(DOCS / "_ext")
    import method_links

    document, title, prose = new_document(""), nodes.title(), nodes.paragraph()
    title += nodes.literal(text="Ridge")
    prose += [nodes.literal(text="Ridge"), nodes.literal(text="ridge"), nodes.reference()]
    prose[2] += nodes.literal(text="Ridge")
    prose += nodes.title_reference(text="Ridge")
    document += [title, prose]
    method_links.link(document, {"Ridge": "there"}, lambda page, text: nodes.reference("", "", text, refuri=page))
    led = [node.get("refuri") for node in document.findall(nodes.reference)]
    assert led == ["there", None, "there"]
    del sys.modules["method_links"]
