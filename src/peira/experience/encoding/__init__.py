"""How one column becomes numbers, and back.

Each encoder is learned from a column and from then on only computes. Its fields are plain values,
so that a fitted `DesignMatrix` is stored as JSON and checked field by field when it is loaded.
"""

from .base import Dropped, Encoder
from .dates import Dates
from .levels import Levels
from .numeric import Numeric

ENCODERS: dict[str, type[Encoder]] = {cls.kind: cls for cls in (Numeric, Levels, Dates, Dropped)}

__all__ = ["ENCODERS", "Dates", "Dropped", "Encoder", "Levels", "Numeric"]
