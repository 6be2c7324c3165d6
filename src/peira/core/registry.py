"""Discovery: which methods are there?

Every class of the package that states a card is a method. There is no list to edit: the files of
the package are read once, those that state a card are imported, and what they define is found. A
method's key is its module path below the package and its name, such as ``linear.ridge.Ridge``;
stored models know it by that.
"""

import importlib
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peira

from .errors import closest
from .tasks import get_task

if TYPE_CHECKING:
    from .method import Method


@cache
def registry() -> dict[str, type["Method"]]:
    """All methods by their key; imports the modules that define them at the first call."""
    from .method import Method

    root = Path(peira.__file__).parent
    for path in sorted(root.rglob("*.py")):
        # Only what states a card can define a method: the rest (plots, command line) need not be loaded to know.
        if "card = Card(" in path.read_text(encoding="utf-8"):
            importlib.import_module("peira." + ".".join(path.relative_to(root).with_suffix("").parts))
    found: dict[str, type[Method]] = {}
    classes = [Method]
    while classes:
        cls = classes.pop()
        classes += cls.__subclasses__()
        if "card" in vars(cls) and cls.__module__.startswith("peira."):
            found[key_of(cls)] = cls
    return dict(sorted(found.items()))


def key_of(cls: type) -> str:
    """The key of a method's class, or "" for a class from outside of the package."""
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("peira.") if cls.__module__.startswith("peira.") else ""


def methods(task: str | None = None) -> dict[str, type["Method"]]:
    """The methods that Peira has, by name.

    Parameters
    ----------
    task : str, optional
        Only those whose card names this task.

    Returns
    -------
    dict
        Name -> class, in alphabetical order.

    Raises
    ------
    DataError
        For an unknown task, naming the nearest one.

    Examples
    --------
    >>> import peira
    >>> "Ridge" in peira.methods(task="regression")
    True
    """
    if task is not None:
        get_task(task)
    found = {cls.__name__: cls for cls in registry().values() if task is None or task in cls.card.tasks}
    return dict(sorted(found.items()))


def offer(chapter: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` for a chapter's package: its methods by name, found when asked for.

    So ``from peira.linear import Ridge`` works, and a new method is one new file. ``import *`` gives these methods, and
    what the package itself imports from its files.
    """

    def found() -> "dict[str, type[Method]]":
        return {cls.__name__: cls for cls in registry().values() if cls.__module__.startswith(f"{chapter}.")}

    def names() -> list[str]:
        there = vars(sys.modules[chapter]).items()
        imported = {name for name, value in there if getattr(value, "__module__", "").startswith(f"{chapter}.")}
        return sorted(imported | found().keys())

    def __getattr__(name: str) -> Any:
        if name == "__all__":
            return names()
        if name.startswith("_") or name.islower():  # a module or a dunder, which the import system asks for
            raise AttributeError(f"module {chapter!r} has no attribute {name!r}")
        offered = found()
        if name not in offered:
            raise AttributeError(f"module {chapter!r} has no method {name!r}; {closest(name, names())}")
        return offered[name]

    return __getattr__, names


def get_method(name: str) -> type["Method"]:
    """The method of that name, or of that key; KeyError names the nearest one."""
    by_name = methods()
    cls = by_name.get(name) or registry().get(name)
    if cls is None:
        raise KeyError(f"unknown method {name!r}; {closest(name, by_name)}")
    return cls
