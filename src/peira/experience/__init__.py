"""Experience: what is learned from: tables, images, sequences, texts and sounds.

==================  ====================================================================
`Table`             named columns of equal length
`read`              a table from a file, a stream, a frame or a bundled example
`infer_roles`       what each column is, and why; what the task is
`DesignMatrix`      a table as a matrix of numbers
`basis`             functions of the inputs that make linear methods curve
`splits`            parts to learn from and parts to be judged on
`Images`            pictures of one size, `read_images` from folders and files
`Augmentation`      changes of images that leave their meaning alone
`Sequences`         sequences of different lengths, of numbers, vectors or symbols
`Text`              documents, `read_text` from files and folders
`Vocabulary`        the tokens of texts, as numbers; `BytePairEncoder` learns parts of words
`Audio`             recordings, `read_audio` from files and folders
==================  ====================================================================
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import basis, splits
    from .audio import Audio
    from .audio_sources import read_audio
    from .augmentation import Augmentation
    from .byte_pairs import BytePairEncoder
    from .design import DesignMatrix
    from .image_sources import looks_like_images, read_images
    from .images import Images
    from .reading import read
    from .roles import ColumnProfile, Roles, infer_roles, task_of
    from .sequences import Sequences
    from .table import Table
    from .text import Text
    from .text_files import looks_like_text, read_text
    from .vocabulary import Vocabulary

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
    "Sequences": "sequences",
    "Text": "text",
    "read_text": "text_files",
    "looks_like_text": "text_files",
    "Vocabulary": "vocabulary",
    "BytePairEncoder": "byte_pairs",
    "Audio": "audio",
    "read_audio": "audio_sources",
}
_PARTS = ("basis", "splits")

__all__ = [
    "Audio",
    "Augmentation",
    "BytePairEncoder",
    "ColumnProfile",
    "DesignMatrix",
    "Images",
    "Roles",
    "Sequences",
    "Table",
    "Text",
    "Vocabulary",
    "basis",
    "infer_roles",
    "looks_like_images",
    "looks_like_text",
    "read",
    "read_audio",
    "read_images",
    "read_text",
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
