"""Kinds of methods: thin bases that answer the ecosystem's names. One file each."""

from .classifier import Classifier, ProbabilisticClassifier
from .regressor import Regressor
from .transformer import Transformer

__all__ = ["Classifier", "ProbabilisticClassifier", "Regressor", "Transformer"]
