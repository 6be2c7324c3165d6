r"""A number for each sequence: method, and the unit of the target.

.. math:: \hat y(x) = \bar y + s\, f(z(x))

A method f that learns from sequences gets their standardised steps, one that learns from tables what sums them up, as
by `SequencesClassifier`; mean and standard deviation s of the target as by `TableRegressor`.

Cost: that of the method on N sequences.
"""

from typing import Any, Self

import numpy as np

from ..core import Card
from ..core.errors import UnreadableError
from ..core.registry import get_method
from .number_model import NumberModel
from .sequences_classifier import SequenceItemsModel


class SequencesRegressor(NumberModel, SequenceItemsModel):
    """A number for each sequence: method, and the unit of the target.

    Attributes
    ----------
    method_, target_mean_, target_scale_, residual_quantiles_
        See `NumberModel`.
    shape_, column_means_, column_scale_, target_
        See `ItemsModel`.
    step_means_, step_scales_, reading_
        See `SequenceItemsModel`.

    Examples
    --------
    >>> from peira import methods
    >>> from peira.study.sequences_regressor import SequencesRegressor
    >>> sequences = [[0.0, 1.0, 2.0], [0.0, 2.0, 4.0, 6.0], [5.0, 4.0], [9.0, 8.0, 7.0]]
    >>> model = SequencesRegressor(method=methods()["Ridge"](alpha=0.01), expansion="columns")
    >>> model.fit(sequences, [2.0, 6.0, 4.0, 7.0]).predict([[1.0, 2.0, 3.0]]).round().tolist()
    [3.0]
    """

    card = Card(
        tasks="regression",
        reference="Hastie, Tibshirani & Friedman (2009) 7.10.2; intervals: Lei et al. (2018)",
        cost="that of the method on N sequences",
        data="sequences",
        wraps=True,
    )

    @classmethod
    def example(cls) -> Self:
        return cls(method=get_method("BayesianLinearRegression")(), expansion="columns")

    def _asked(self, X: Any) -> Any:
        return self.numbers(X)

    def _check_answers(self) -> None:
        said = self.predict(np.zeros((1, 2, self.shape_[0])))
        if np.shape(said) != (1,) or not np.isfinite(said).all():
            raise UnreadableError(f"this {type(self).__name__} does not answer one sequence with a finite number")
