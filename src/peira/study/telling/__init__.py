"""What was found, in words and for pictures: one file for each task without a target.

Each is asked by `peira.study.found.conclude` with the outcome, all cells and the verdict so far.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ..account import Outcome
from ..evaluating import Cell
from ..told import Told
from .anomalies import tell_anomalies
from .clusters import tell_clusters
from .density import tell_density
from .reduction import tell_reduction
from .sequences import tell_forecast, tell_language, tell_states, tell_tags

__all__ = ["TELLERS"]


def _tell_density(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """How likely rows of a table are, or sequences."""
    tell = tell_density if outcome.study.material.data == "table" else tell_states
    return tell(outcome, cells, verdict)


TELLERS: dict[str, Callable[[Outcome, Sequence[Cell], dict[str, Any]], Told]] = {
    "clustering": tell_clusters,
    "density": _tell_density,
    "anomaly": tell_anomalies,
    "reduction": tell_reduction,
    "language": tell_language,
    "forecasting": tell_forecast,
    "tagging": tell_tags,
}
