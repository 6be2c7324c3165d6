"""Kinds of methods: thin bases that answer the ecosystem's names. One file each."""

from .classifier import Classifier, ProbabilisticClassifier
from .outlier_detector import OutlierDetector
from .regressor import Regressor
from .transformer import Transformer

__all__ = ["Classifier", "OutlierDetector", "ProbabilisticClassifier", "Regressor", "Transformer"]
