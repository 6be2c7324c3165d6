"""The contract: what a method is, what goes in and what comes out."""

from .card import Card
from .errors import DataError, ParameterError, RankWarning, UnreadableError, closest
from .iteration import Event, iterate, limiting, observing
from .kinds import (
    Classifier,
    Clusterer,
    Density,
    InductiveClusterer,
    OutlierDetector,
    ProbabilisticClassifier,
    Regressor,
    Transformer,
)
from .method import Method
from .params import choice, integer, linear, log, param

__all__ = [
    "Card",
    "Classifier",
    "Clusterer",
    "DataError",
    "Density",
    "Event",
    "InductiveClusterer",
    "Method",
    "OutlierDetector",
    "ParameterError",
    "ProbabilisticClassifier",
    "RankWarning",
    "Regressor",
    "Transformer",
    "UnreadableError",
    "choice",
    "closest",
    "integer",
    "iterate",
    "limiting",
    "linear",
    "log",
    "observing",
    "param",
]
