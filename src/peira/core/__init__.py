"""The contract: what a method is, what goes in and what comes out."""

from .card import Card
from .errors import DataError, ParameterError, RankWarning, UnreadableError, closest
from .iteration import Event, iterate, limiting, observing
from .kinds import (
    Classifier,
    Clusterer,
    Density,
    Forecaster,
    InductiveClusterer,
    LabelSetClassifier,
    OutlierDetector,
    ProbabilisticClassifier,
    Regressor,
    SequenceMethod,
    SymbolMethod,
    Tagger,
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
    "Forecaster",
    "InductiveClusterer",
    "LabelSetClassifier",
    "Method",
    "OutlierDetector",
    "ParameterError",
    "ProbabilisticClassifier",
    "RankWarning",
    "Regressor",
    "SequenceMethod",
    "SymbolMethod",
    "Tagger",
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
