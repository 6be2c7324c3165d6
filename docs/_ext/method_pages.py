"""A page for every method, found by discovery: its card, its parameters, its page of theory, its verbs."""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from sphinx.application import Sphinx

from peira.core.params import describe
from peira.core.registry import key_of, registry

VERBS = (
    *("fit", "partial_fit", "predict", "predict_dist", "log_prob", "sample", "transform", "inverse_transform"),
    *("score", "adapt", "example"),
)


KEPT = re.compile(r"(``.*?``|`[^`]*`|^\s*:[^:`]+:|^\s*(?:\.\.|>>>).*$)")
BARS = re.compile(r"\|(\S(?:[^|]*\S)?)\|")
STAR = re.compile(r"(?<=[ (,])\*(?=\w+[),])")  # a shape (..., *batch)
LEARNED = re.compile(r"(?<![\w`.\\])([A-Za-z]\w*_)(?![\w`{_])")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "methods"))
    app.connect("autodoc-process-docstring", _read_docstring, priority=900)  # after napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(folder: Path) -> list[Path]:
    """Write each method's page (only where it changed, so that builds stay incremental) and drop those of the gone."""
    folder.mkdir(exist_ok=True)
    pages = {folder / f"{key}.rst": "\n".join(method_page(cls)) for key, cls in registry().items()}
    for path in set(folder.glob("*.rst")) - set(pages):
        path.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return sorted(pages)


def method_page(cls: type) -> Iterator[str]:
    """The page in reStructuredText."""
    yield from (cls.__name__, "=" * len(cls.__name__), "")
    yield from _facts(cls)
    yield from ("Parameters", "-" * 10, "", *_parameters(cls), "")
    theory = inspect.cleandoc(sys.modules[cls.__module__].__doc__ or "")
    yield from ("The method", "-" * 10, "", *as_prose(theory.splitlines()), "")
    yield from ("In use", "-" * 6, "", f".. autoclass:: {cls.__module__}.{cls.__qualname__}", "")
    for verb in VERBS:
        if getattr(getattr(cls, verb, None), "__module__", "").startswith("peira."):
            yield f"   .. automethod:: {verb}"


def as_prose(lines: Iterable[str]) -> Iterator[str]:
    """Docstrings are written to be read in a terminal too; outside of code and mathematics some things are markup there
    that are not meant so: a learned value such as coef_ (a link; it is code), the number of elements |A| (a
    substitution), a shape (..., *batch) (emphasis).
    """
    verbatim = None  # the indentation of a directive or of what announces a literal block
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.strip() and verbatim is not None and indent <= verbatim:
            verbatim = None
        if verbatim is not None:
            yield line
            continue
        if line.rstrip().endswith("::") or re.match(r"\s*\.\. \S+::", line):
            verbatim = indent
        parts = KEPT.split(line)
        yield "".join(part if i % 2 else _escaped(part) for i, part in enumerate(parts))


def _escaped(prose: str) -> str:
    return STAR.sub(r"\\*", BARS.sub(r"\\|\1|", LEARNED.sub(r"``\1``", prose)))


def _read_docstring(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = list(as_prose(lines))


def _facts(cls: type) -> Iterator[str]:
    card = cls.card
    facts = {
        "Tasks": ", ".join(card.tasks),
        "Reference": card.reference,
        "Cost of a fit": card.cost,
        "Answer": "exact" if card.exact else "to a tolerance",
        "``partial_fit``": card.incremental,
        "Takes": ", ".join(
            words
            for words, able in [
                ("sparse matrices", card.sparse),
                ("several targets", card.multi_output),
                ("missing values", card.missing),
                ("sample weights", "sample_weight" in inspect.signature(cls.fit).parameters),
            ]
            if able
        ),
        "Key": f"``{key_of(cls)}``",
    }
    yield from (f":{name}: {next(as_prose([text]))}" for name, text in facts.items() if text)
    yield ""


def _parameters(cls: type) -> Iterator[str]:
    parameters = cls.parameters()
    if not parameters:
        yield "None."
        return
    yield from (".. list-table::", "   :header-rows: 1", "   :widths: 18 14 28 40", "")
    yield from _row("name", "default", "values", "meaning")
    for name, p in parameters.items():
        values = ", ".join(filter(None, [describe(p.annotation), p.range]))
        tuned = (
            ""
            if p.tune is None
            else "; tuned "
            + (
                f"among {', '.join(map(_short, p.tune.choices))}"
                if p.tune.kind == "choice"
                else f"from {p.tune.low:g} to {p.tune.high:g} ({p.tune.kind})"
            )
        )
        yield from _row(f"``{name}``", f"``{p.default!r}``", _literal(values), _literal(p.doc + tuned))


def _short(choice: object) -> str:
    """A choice as in code, but for long lists of numbers."""
    if isinstance(choice, tuple) and len(choice) > 6:
        return f"{len(choice)} numbers from {choice[0]:g} to {choice[-1]:g}"
    return repr(choice)


def _row(*cells: str) -> Iterator[str]:
    yield from (f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(cells))


def _literal(text: str) -> str:
    """Plain words, nothing of which is markup."""
    return "".join("\\" + c if c in "\\*`_|" else c for c in text)
