r"""A regression on a table.

.. math:: \hat y(x) = \bar y + s\, f\left(\phi(z(x))\right)

with z the design, phi the basis functions, f the method, and the target's mean and standard
deviation s (`peira.study.number_model`).

Cost: that of the method, for N rows and D' columns of numbers.
"""

from typing import Self

from ..core import Card
from ..core.registry import get_method
from .model import TableModel
from .number_model import NumberModel


class TableRegressor(NumberModel, TableModel):
    """A number for each row of a table: design, basis functions, method.

    Attributes
    ----------
    design_, basis_, column_means_, column_scales_, target_
        See `TableModel`.
    method_, target_mean_, target_scale_, residual_quantiles_
        See `NumberModel`.

    Examples
    --------
    >>> from peira.study.table_regressor import TableRegressor
    >>> table = {"size": [1.0, 2.0, 3.0, None], "town": ["Ulm", "Bonn", "Ulm", "Bonn"]}
    >>> TableRegressor().fit(table, [1.0, 2.0, 3.0, 2.0]).predict(table)
    array([2., 2., 2., 2.])
    """

    card = Card(
        tasks="regression",
        reference="Hastie, Tibshirani & Friedman (2009) 5.1, 7.10.2; intervals: Lei et al. (2018)",
        cost="that of the method on N x D' numbers",
        missing=True,
    )

    @classmethod
    def example(cls) -> Self:
        return cls(method=get_method("BayesianLinearRegression")())
