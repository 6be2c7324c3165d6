"""Candidates: which methods suit a task and the data at hand, and what each may try."""

import re
from dataclasses import dataclass, field
from typing import Any

from ..core.card import Card
from ..core.errors import DataError, closest
from ..core.method import Method
from ..core.params import Parameter
from ..core.registry import get_method, methods
from .model import SPLINE_DF, TableModel
from .price import price
from .question import Question, Targeted

_LARGEST_DESIGN = 5_000_000  # numbers in a design with basis functions, times the classes
_MANY_COLUMNS = 2_000  # beyond, basis functions of each take longer to make than they could be worth
_FEW_COLUMNS = 20  # up to here, all products of two columns are tried as well


@dataclass(frozen=True)
class Candidate:
    """One row of the leaderboard to be.

    Parameters
    ----------
    id : str
        A name for files and commands, made from the method's.
    method : str
        The method's name.
    expansions : tuple of str
        Basis functions to try (`peira.study.model`).
    trials : int
        How many settings to try.
    skip : str, optional
        Why it is left out, in words; None to run it.
    """

    id: str
    method: str
    expansions: tuple[str, ...] = ("none",)
    trials: int = 1
    skip: str | None = None
    baseline: bool = False
    parameters: dict[str, Parameter] = field(default_factory=dict, compare=False, repr=False)

    @property
    def cls(self) -> type[Method]:
        return get_method(self.method)

    @property
    def title(self) -> str:
        """The first line of the method's docstring."""
        return (self.cls.__doc__ or self.method).strip().splitlines()[0].rstrip(".")

    def make(self, seed: int, **settings: Any) -> Method:
        """The method with these settings, and the seed where it takes one."""
        if "random_state" in self.cls.parameters():
            settings = {"random_state": seed, **settings}
        return self.cls(**settings)


def candidates(
    question: Question, *, wanted: str | list[str] = "all", sizes: dict[str, int], trials: int
) -> list[Candidate]:
    """The candidates for a question, baseline first, then in order of what their fits cost: the cheap ones first.

    Parameters
    ----------
    question : Question
    wanted : "all" or list of str
        Names of methods; the baseline runs in any case.
    sizes : dict of str to int
        "N" rows and "D" columns of the design without basis functions; "C" classes, where there are any.
    trials : int
        The most settings for each.

    Raises
    ------
    DataError
        For a name that is not a method of this task, with the nearest one.
    """
    task = question.task
    usable = {
        name: cls for name, cls in methods(task).items() if not issubclass(cls, TableModel) and not cls.card.wraps
    }
    found = {name: cls for name, cls in usable.items() if question.offers(cls, named=True)}
    if wanted != "all":
        for name in wanted:
            if name not in found:
                of = f" of {question.data}" if name in usable else ""
                raise DataError(f"no method {name!r} for {task}{of}; {closest(name, found)}")
    baseline = question.baseline
    done_by_another = {
        cls.card.chooses_for
        for cls in found.values()
        if cls.card.chooses_for and question.offers(cls, named=False) and not _beyond(cls.card, sizes)
    }
    chosen = []
    for name in found:
        if name != baseline and wanted != "all" and name not in wanted:
            continue
        if wanted == "all" and name in done_by_another:
            continue  # RidgeCV is Ridge with its penalty chosen: one row for both
        if name != baseline and not question.offers(found[name], named=wanted != "all"):
            continue
        chosen.append(_candidate(name, question, name == baseline, sizes, trials, named=wanted != "all"))

    def turn(c: Candidate) -> tuple:
        card = c.cls.card
        # What learns from the things as they are comes before what sees their numbers as columns.
        other = card.data != question.data
        # With a target, closed forms are the quick and telling ones; without one they look at all pairs of rows.
        searches = not card.exact and isinstance(question, Targeted)
        spent = price(card.cost, sizes) * c.trials * len(c.expansions) if question.data == "table" else 0.0
        return not c.baseline, other, searches, spent, not card.exact, c.id

    return sorted(chosen, key=turn)


def _beyond(card: Card, sizes: dict[str, int], expansion: str = "none") -> str | None:
    """Why a table of these sizes is too large for a method, or None."""
    N, D, C = sizes["N"], sizes["D"], sizes.get("C", 1)
    D = {"splines": SPLINE_DF * D, "polynomial": D * (D + 3) // 2}.get(expansion, D)
    found = {"N": N, "D": D, "C": C, "CD": C * D}
    told = (
        f"{letter} = {found[letter]} is beyond the {limit} that it is offered for"
        for letter, limit in card.largest.items()
        if found[letter] > limit
    )
    if expansion != "none" and (N * D * C > _LARGEST_DESIGN or sizes["D"] > _MANY_COLUMNS):
        return f"{N} x {D} numbers for {C} classes are more than basis functions may have"
    return next(told, None)


def _candidate(
    name: str, question: Question, baseline: bool, sizes: dict[str, int], trials: int, named: bool
) -> Candidate:
    cls = get_method(name)
    parameters, card = cls.parameters(), cls.card
    expansions = question.expansions(cls) or ("none",)
    if expansions == ("none",) and card.linear_in_inputs and isinstance(question, Targeted):
        wider = ("splines", "polynomial") if sizes["D"] <= _FEW_COLUMNS else ("splines",)
        expansions += tuple(expansion for expansion in wider if not _beyond(card, sizes, expansion))
    skip = _beyond(card, sizes) or question.unfit(cls)
    if card.data == "table" and cls.example().__sklearn_tags__().input_tags.positive_only:
        skip = "it takes counts or amounts, and the columns of the design are standardised"
    if card.on_request and not named:
        skip = f"{card.on_request}: it runs when it is named among the methods"
    return Candidate(
        id=_identifier(name),
        method=name,
        expansions=expansions,
        trials=len(question.settings(parameters, question.trials(cls, trials))),
        skip=skip,
        baseline=baseline,
        parameters=parameters,
    )


def _identifier(name: str) -> str:
    """``BayesianRidge`` -> ``bayesian-ridge``: for files and commands."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()
