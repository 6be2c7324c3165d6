"""Kinds of methods: thin bases that answer the ecosystem's names. One file each."""

from .classifier import Classifier, ProbabilisticClassifier
from .clusterer import Clusterer, InductiveClusterer
from .density import Density
from .outlier_detector import OutlierDetector
from .regressor import Regressor
from .transformer import Transformer

__all__ = [
    "Classifier",
    "Clusterer",
    "Density",
    "InductiveClusterer",
    "OutlierDetector",
    "ProbabilisticClassifier",
    "Regressor",
    "Transformer",
]
