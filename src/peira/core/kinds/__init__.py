"""Kinds of methods: thin bases that answer the ecosystem's names. One file each."""

from .classifier import Classifier, ProbabilisticClassifier
from .clusterer import Clusterer, InductiveClusterer
from .density import Density
from .forecaster import Forecaster
from .label_set_classifier import LabelSetClassifier
from .outlier_detector import OutlierDetector
from .regressor import Regressor
from .sequence_method import SequenceMethod, SymbolMethod
from .tagger import Tagger
from .transformer import Transformer

__all__ = [
    "Classifier",
    "Clusterer",
    "Density",
    "Forecaster",
    "InductiveClusterer",
    "LabelSetClassifier",
    "OutlierDetector",
    "ProbabilisticClassifier",
    "Regressor",
    "SequenceMethod",
    "SymbolMethod",
    "Tagger",
    "Transformer",
]
