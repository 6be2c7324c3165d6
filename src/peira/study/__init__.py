"""The main job: learn, compare, the run folder and the report.

This package knows methods only through discovery and their verbs.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .comparing import compare
    from .learning import learn

_HOME = {"learn": ".learning", "compare": ".comparing"}

__all__ = ["compare", "learn"]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'peira.study' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name], __name__), name)
