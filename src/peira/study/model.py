"""A method on a table: the design that turns columns into numbers, and the method that learns from them.

This is what a run fits in every fold, keeps as its winner and loads to predict. Everything that
is estimated from the rows (levels, medians, scales, knots, weights) is estimated in one ``fit``,
so that a fold's test rows never leak into its training.
"""

from typing import Any, Literal, Self

import numpy as np
from sklearn.utils.metaestimators import available_if

from ..core import Card, DataError, Method, param
from ..core.registry import get_method
from ..core.tasks import TASKS
from ..experience.basis import NaturalSpline, Polynomial
from ..experience.design import DesignMatrix

Expansion = Literal["none", "splines", "polynomial"]


class TableModel(Method):
    """A design, optional basis functions, and a method.

    Attributes
    ----------
    design_ : DesignMatrix
    basis_ : Method or None
    method_ : Method
    residual_quantiles_ : array of shape (Q,), optional
        Quantiles, at Q even levels from 0 to 1, of residuals on rows that the model had not
        seen; in units of the predictive standard deviation where the method has one. Set by
        `calibrate`.
    """

    card = Card(tasks="regression", reference="Hastie, Tibshirani & Friedman (2009) 5.1, 7.10.2", missing=True, cost="the method's")
    method: Method | None = param(None, "what learns from the numbers; None is the task's baseline")
    expansion: Expansion = param("none", "basis functions of the numeric columns")
    kinds: dict | None = param(None, "kinds of columns, by name, as the roles decided; None infers them")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn design, basis and method from a table and its targets."""
        self._check_parameters()
        method = self.method if self.method is not None else get_method(TASKS["regression"].baseline)()
        design = DesignMatrix(kinds=self.kinds)
        Z = design.fit_transform(X)
        basis = _basis(self.expansion)
        if basis is not None:
            Z = basis.fit_transform(Z)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        learner = type(method)(**method.get_params(deep=False)).fit(Z, y, **weights)
        for name in [n for n in vars(self) if n.endswith("_")]:
            delattr(self, name)
        self.design_, self.basis_, self.method_ = design, basis, learner
        self.n_features_in_ = design.n_features_in_
        return self
