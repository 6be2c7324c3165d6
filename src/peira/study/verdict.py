"""What the cells say: the leaderboard, and a verdict that does not flatter.

Three numbers are kept apart. A *candidate's score* is its measure over all rows, each predicted by
a fit that had not seen it. The *difference* of two candidates is judged over folds, with an
interval that knows that folds share training rows (Nadeau & Bengio, 2003). The *reported score*
belongs to the whole procedure, choice included: in each fold it takes the candidate that did best
on that fold's inner folds, which the test rows never touched.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..measures import Measure, bayesian_comparison, corrected_t_test
from ..measures.wording import quantity
from .candidates import Candidate
from .evaluating import Cell

LEVEL = 0.95
_ROPE = 0.01  # differences below one hundredth of the baseline's score are nothing to act on


@dataclass(frozen=True)
class Pooled:
    """A candidate's (or the procedure's) predictions for all rows that were tested."""

    rows: np.ndarray
    folds: np.ndarray
    arrays: dict[str, np.ndarray]

    @classmethod
    def of(cls, cells: Sequence[Cell], tests: Sequence[np.ndarray]) -> "Pooled":
        names = set.intersection(*({*cell.arrays} for cell in cells))
        return cls(
            np.concatenate([tests[cell.fold] for cell in cells]),
            np.concatenate([np.full(len(tests[cell.fold]), cell.fold) for cell in cells]),
            {name: np.concatenate([cell.arrays[name] for cell in cells]) for name in sorted(names)},
        )
