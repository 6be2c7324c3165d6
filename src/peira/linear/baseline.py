r"""The mean of the target: what any regression has to beat.

.. math:: \hat y(x) = \bar y = \sum_n w_n y_n / \sum_n w_n

It learns nothing from the inputs. Its mean squared error on new data is the variance of the
target, so its R2 is 0; a method that does no better has found nothing. With unknown variance and
normal targets the predictive distribution is Student's,

.. math:: y \mid D \sim t_{N-1}\left(\bar y,\; s \sqrt{1 + 1/N}\right)

Rows may come in blocks: sums of weights, means and scatters add up (Chan, Golub & LeVeque 1983, eq. 2.1).

Cost: N. Reference: Gelman et al. (2013), Bayesian Data Analysis, 3.2.
"""

from typing import Any

import torch

from ..core import Card, Regressor
from ..core.inputs import Data, Queries


class MeanRegressor(Regressor):
    """Mean of the target, whatever the inputs.

    Attributes
    ----------
    constant_ : array of shape (K,)
        The weighted mean of each target.
    std_ : array of shape (K,)
        Weighted standard deviation about it, with N - 1 in the denominator; 0 for one row.
    n_samples_ : float
        Number of rows, or sum of the weights.

    Examples
    --------
    >>> from peira.linear.baseline import MeanRegressor
    >>> MeanRegressor().fit([[1.0], [2.0]], [3.0, 5.0]).predict([[9.0]])
    array([4.])
    """

    card = Card(
        tasks="regression",
        reference="Gelman et al. (2013) 3.2",
        cost="N",
        exact=True,
        incremental="equals one fit",
        sparse=True,
        multi_output=True,
        baseline=True,
    )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MeanRegressor":
        """Learn the mean.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            Checked, and otherwise ignored.
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        data = self._begin(X, y, sample_weight)
        return self._learn(data, *_sums(data))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MeanRegressor":
        """Learn from more rows; equals one fit to all of them, in any order. Parameters as in `fit`."""
        data = self._continue(X, y, sample_weight)
        n, mean, scatter = _sums(data)
        if hasattr(self, "constant_"):
            n_a, mean_a, n_b = self.n_samples_, data.tensor(self.constant_), n
            n, delta = n_a + n_b, mean - mean_a
            mean = mean_a + n_b / n * delta
            scatter = data.tensor(self.std_) ** 2 * max(n_a - 1, 1) + scatter + n_a * n_b / n * delta**2
        return self._learn(data, n, mean, scatter)

    def _learn(self, data: Data, n: float, mean: torch.Tensor, scatter: torch.Tensor) -> "MeanRegressor":
        self.n_samples_ = n
        self.constant_ = data.give(mean)
        self.std_ = data.give((scatter / max(n - 1, 1)).sqrt())
        return self

    def _predict(self, queries: Queries) -> torch.Tensor:
        return queries.tensor(self.constant_).expand(len(queries), -1)

    def predict_dist(self, X: Any) -> Any:
        """The predictive distribution of each row's target (module docstring).

        Returns
        -------
        StudentT
        """
        from ..core.predictive import StudentT

        queries = self._queries(X)
        shape = (len(queries), *self.target_shape_)
        loc = self._predict(queries).reshape(shape)
        scale = (queries.tensor(self.std_) * (1 + 1 / self.n_samples_) ** 0.5).expand(len(queries), -1).reshape(shape)
        df = torch.full(shape, max(self.n_samples_ - 1, 1.0), dtype=loc.dtype, device=loc.device)
        return StudentT(df, loc, scale, as_numpy=queries.as_numpy)


def _sums(data: Data) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Sum of the weights; means and scatters of the targets, (K,)."""
    w = torch.ones(len(data), dtype=data.Y.dtype, device=data.device) if data.w is None else data.w
    n = float(w.sum())
    mean = w @ data.Y / n
    return n, mean, w @ (data.Y - mean) ** 2
