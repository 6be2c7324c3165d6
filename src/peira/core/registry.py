"""Discovery: which methods are there?

Every class of the package that states a card is a method. There is no list to edit: the modules
of the package are walked once, and what they define is found. A method's key is its module path
below the package and its name, such as ``linear.ridge.Ridge``; stored models know it by that.
"""

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

import peira

from .errors import closest
from .tasks import get_task

if TYPE_CHECKING:
    from .method import Method

_NOT_SEARCHED = {"cli", "serving"}


@cache
def registry() -> dict[str, type["Method"]]:
    """All methods by their key; imports the package's modules at the first call."""
    from .method import Method

    for module in pkgutil.walk_packages(peira.__path__, "peira."):
        if module.name.split(".")[1] not in _NOT_SEARCHED and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
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


def get_method(name: str) -> type["Method"]:
    """The method of that name, or of that key; KeyError names the nearest one."""
    by_name = methods()
    cls = by_name.get(name) or registry().get(name)
    if cls is None:
        raise KeyError(f"unknown method {name!r}; {closest(name, by_name)}")
    return cls
