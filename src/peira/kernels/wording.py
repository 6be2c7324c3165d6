"""Phrases with which kernels explain themselves."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def listed(names: Sequence[str]) -> str:
    """``["a", "b", "c"]`` -> ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def number(value: Any) -> str:
    """Three digits are enough for a phrase."""
    return f"{float(value):.3g}"


def subject(columns: list[str] | None) -> str:
    """What a kernel is about: ``of age and income``, ``of all columns`` where no name is known."""
    return "of all columns" if columns is None else f"of {listed(columns)}"


def of_columns(columns: list[str] | None, scale: Any, noun: str) -> str:
    """The columns with their scales: ``of age with length-scale 1.3``."""
    scales = np.asarray(scale, dtype=float)
    if not scales.ndim:
        return f"{subject(columns)} with {noun} {number(scales)}"
    names = columns if columns is not None else [f"column {d}" for d in range(len(scales))]
    return f"of {listed([f'{name} ({noun} {number(s)})' for name, s in zip(names, scales, strict=True)])}"
