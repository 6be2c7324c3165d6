"""Experience: what is learned from. Tables first: reading, roles, numbers, bases, splits.

==================  ====================================================================
`Table`             named columns of equal length
`read`              a table from a file, a stream, a frame or a bundled example
`infer_roles`       what each column is, and why; what the task is
`DesignMatrix`      a table as a matrix of numbers
`basis`             functions of the inputs that make linear methods curve
`splits`            parts to learn from and parts to be judged on
==================  ====================================================================
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import basis, splits
    from .design import DesignMatrix
    from .reading import read
    from .roles import ColumnProfile, Roles, infer_roles, task_of
    from .table import Table

_HOME = {
    "Table": "table",
    "read": "reading",
    "infer_roles": "roles",
    "Roles": "roles",
    "ColumnProfile": "roles",
    "task_of": "roles",
    "DesignMatrix": "design",
}
_PARTS = ("basis", "splits")

__all__ = ["ColumnProfile", "DesignMatrix", "Roles", "Table", "basis", "infer_roles", "read", "splits", "task_of"]


def __getattr__(name: str) -> Any:
    # DesignMatrix and the bases need torch; reading a table must not wait for it.
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    return value
