"""Peira: one library for the whole field of machine learning.

A method learns from experience E with respect to tasks T and performance measure P, if its
performance at T, measured by P, improves with E (Mitchell, 1997).

The public face is short, and nothing heavy is imported before it is used::

    import peira

    run = peira.learn("example:diabetes", budget="20s", output="runs/diabetes")   # compare all methods, report
    model = peira.load("runs/diabetes")                                          # the winner, ready to predict
    peira.methods(task="regression")                                             # what there is to choose from
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .core.iteration import limiting, observing
    from .core.persistence import load
    from .core.registry import methods
    from .experience.reading import read
    from .study import compare, learn

_HOME = {
    "learn": "peira.study",
    "compare": "peira.study",
    "methods": "peira.core.registry",
    "load": "peira.core.persistence",
    "read": "peira.experience.reading",
    "observing": "peira.core.iteration",
    "limiting": "peira.core.iteration",
}

__all__ = ["compare", "learn", "limiting", "load", "methods", "observing", "read"]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'peira' has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
