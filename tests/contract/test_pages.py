"""A method's file is a page: what it assumes, what it costs, where it comes from, and an example that runs."""

import doctest
import importlib
import inspect
import re
from functools import cache

from peira.core.registry import methods, registry
from peira.core.tasks import TASKS
from tests.contract.discovery import for_methods, has


def test_names_are_unique():
    assert len(methods()) == len(registry())


@for_methods(data="any")
def test_the_card_is_complete(cls):
    card = cls.card
    assert card.tasks and set(card.tasks) <= TASKS.keys()
    assert re.search(r"\d{4}", card.reference), "author and year"
    assert card.cost and re.search(r"[NDKTS]", card.cost), "cost in the letters N, D, K, T, S"
    assert any(has(TASKS[name].verbs[0])(cls) for name in card.tasks), "the first verb of its task answers it"


@for_methods(data="any")
def test_the_module_is_a_page(cls):
    page = importlib.import_module(cls.__module__).__doc__ or ""
    assert ".. math::" in page, "the model in display mathematics"
    assert re.search(r"[Cc]osts?\b", page), "what it costs"
    assert re.search(r"\(?\d{4}", page + cls.card.reference), "the reference"
    lines = len(inspect.getsource(importlib.import_module(cls.__module__)).splitlines())
    assert lines <= 400, f"{lines} lines are two ideas"


def formulas(page):
    """The lines of every ``.. math::`` block: what stands behind the directive, and what is indented below it."""
    depth = None
    for line in page.splitlines():
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith(".. math::"):
            depth = indent
            line = line.split("::", 1)[1]
        elif line.strip() and depth is not None and indent <= depth:
            depth = None
        if depth is not None and line.strip():
            yield line.strip()


def test_formulas_are_found_in_every_form():
    page = "Text.\n\n.. math:: a\n\n.. math::\n\n    b\n    c\n\nText :math:`d`.\n\n  .. math:: e\n    f\n  text"
    assert list(formulas(page)) == ["a", "b", "c", "e", "f"]


@for_methods(data="any")
def test_the_mathematics_of_the_page_can_be_drawn(cls):
    for formula in formulas(importlib.import_module(cls.__module__).__doc__ or ""):
        draw(formula)


@cache
def draw(formula):
    from matplotlib.mathtext import MathTextParser

    MathTextParser("path").parse(f"${formula}$")


@for_methods(data="any")
def test_the_docstrings_are_complete(cls):
    doc = inspect.getdoc(cls)
    title = doc.splitlines()[0]
    assert len(title) < 80 and title != cls.__name__
    assert ">>>" in doc, "an example that runs"
    for verb in ("fit", "partial_fit", "predict_dist", "transform", "inverse_transform"):
        if callable(getattr(cls, verb, None)):
            assert inspect.getdoc(getattr(cls, verb)), f"{verb} says what it does"
    assert "Parameters\n----------" in inspect.getdoc(cls.fit), "fit names its data and their shapes"


@for_methods(data="any")
def test_the_examples_run(cls):
    assert examples_run(cls.__module__)


@cache
def examples_run(name):
    """How many examples a module has, all of which ran; once for all methods of the module."""
    module = importlib.import_module(name)
    runner, ran = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), 0
    for test in doctest.DocTestFinder().find(module, module.__name__):
        result = runner.run(test)
        ran += result.attempted
        assert result.failed == 0, test.name
    return ran


@for_methods(data="any")
def test_learned_values_are_described(cls):
    """Every attribute that the class documents is there after a fit, and ends in an underscore."""
    doc = inspect.getdoc(cls)
    if "Attributes\n----------" not in doc:
        return
    section = re.split(r"\n\w+\n-{3,}\n", doc.split("Attributes\n----------\n")[1])[0]
    for line in section.splitlines():
        if line and not line.startswith(" "):
            names = line.split(":")[0]
            assert all(n.strip().endswith("_") for n in names.split(",")), line
