"""Experience: what is learned from: tables and images.

==================  ====================================================================
`Table`             named columns of equal length
`read`              a table from a file, a stream, a frame or a bundled example
`infer_roles`       what each column is, and why; what the task is
`DesignMatrix`      a table as a matrix of numbers
`basis`             functions of the inputs that make linear methods curve
`splits`            parts to learn from and parts to be judged on
`Images`            pictures of one size, `read_images` from folders and files
`Augmentation`      changes of images that leave their meaning alone
==================  ====================================================================
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import basis, splits
    from .augmentation import Augmentation
    from .design import DesignMatrix
    from .image_sources import looks_like_images, read_images
    from .images import Images
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
    "Images": "images",
    "read_images": "image_sources",
    "looks_like_images": "image_sources",
    "Augmentation": "augmentation",
}
_PARTS = ("basis", "splits")

__all__ = [
    "Augmentation",
    "ColumnProfile",
    "DesignMatrix",
    "Images",
    "Roles",
    "Table",
    "basis",
    "infer_roles",
    "looks_like_images",
    "read",
    "read_images",
    "splits",
    "task_of",
]


def __getattr__(name: str) -> Any:
    # DesignMatrix and the bases need torch; reading a table must not wait for it.
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    return value
