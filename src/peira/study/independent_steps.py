r"""Independent steps: what any model of sequences of numbers has to beat.

.. math:: p(x_1, \ldots, x_T) = \prod_t \prod_d N(x_{td} ; \mu_d, \sigma_d^2)

with the means and variances of all steps, each number by itself. It knows how the numbers are spread, and nothing of
what comes when: a model that explains unseen sequences no better has found nothing in their order. A number that is
missing counts for nothing; one without spread gets the variance that rounding leaves.

**Cost.** S D, in one pass. Reference: Bishop (2006), Pattern Recognition and Machine Learning, 2.3.4.
"""

import math
from typing import Any

import torch

from ..core import Card, DataError, Density, SequenceMethod
from ..core.inputs import Queries
from ..numerics.ragged import owners
from .independent_normals import FLOOR, check_moments


class IndependentSteps(SequenceMethod, Density):
    """Independent steps, each number normal by itself.

    Attributes
    ----------
    mean_, variance_ : array of shape (D,)

    Examples
    --------
    >>> from peira.study.independent_steps import IndependentSteps
    >>> IndependentSteps().fit([[0.0, 2.0], [0.0, 2.0]]).log_prob([[1.0, 1.0]]).round(4)
    array([-1.8379])
    """

    card = Card(
        tasks="density",
        reference="Bishop (2006) 2.3.4",
        cost="S D",
        exact=True,
        missing=True,
        baseline=True,
        data="sequences",
    )

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "IndependentSteps":
        """Learn means and variances.

        Parameters
        ----------
        X : sequences of numbers
        y : ignored
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal sequences.
        """
        data = self._begin(X, None, sample_weight)
        x, there = data.X.nan_to_num(), ~data.X.isnan()
        w = there * (torch.ones(len(data)).to(x) if data.w is None else data.w)[owners(data.lengths), None]
        n = w.sum(0)
        if (empty := n == 0).any():
            raise DataError(f"column {int(empty.int().argmax())} holds no value at all: drop it")
        mean = (w * x).sum(0) / n
        variance = (w * (x - mean) ** 2).sum(0) / n
        floor = FLOOR * (x**2).amax(0).clamp(min=1.0)
        self.mean_, self.variance_ = data.give(mean), data.give(torch.maximum(variance, floor))
        return self

    def _log_density(self, queries: Queries) -> torch.Tensor:
        mean, variance = queries.tensor(self.mean_), queries.tensor(self.variance_)
        terms = -0.5 * ((queries.X - mean) ** 2 / variance + variance.log() + math.log(2 * math.pi))
        each = terms.nan_to_num(nan=0.0, neginf=-math.inf).sum(1)
        return each.new_zeros(len(queries)).index_add(0, owners(queries.lengths), each)

    def _check_learned(self) -> None:
        super()._check_learned()
        check_moments(self)
