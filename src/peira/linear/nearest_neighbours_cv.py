r"""k nearest neighbours, with k chosen by leaving one row out: one search for all k.

A row's neighbours among the others are those of its own query, itself left out. One search for the K nearest others
of every row therefore holds the leave-one-out prediction of every k up to K:

.. math:: E(k) = \sum_n w_n \, L(y_n, \hat y_k^{(-n)}(x_n)) \; / \sum_n w_n

with L one for a wrong label and zero for a right one (of several labels, the share of wrong ones), or the squared
difference; of a row of weight w, w - 1 stays. The k of least error is chosen, the largest of several: it has the least
variance.

**Use it** instead of a search over k by folds, which fits as many models and estimates the error of fewer rows. The
error of the chosen k is a little too good, as of any choice that was made by it. Rows that come in groups, or twice,
are their own neighbours: leave out whole groups instead.

Cost: one search among the N rows, N^2 D at most, and K N (K + C) for C classes.

Reference: Cover (1969), in Methodologies of Pattern Recognition, 111-132 (the estimate that leaves one out, for
nearest neighbours); Hastie, Tibshirani & Friedman (2009), 7.10 and 13.3.
"""

from abc import abstractmethod
from typing import Any, Self

import torch

from ..core import Card, DataError, log, param
from ..core.errors import UnreadableError
from .nearest_neighbours import NeighbourClassifier, NeighbourRegressor
from .neighbourhoods import NeighbourMethod, taken


class ChosenNeighbours(NeighbourMethod):
    """Base of the two: the search, the errors of every k, and the choice."""

    max_neighbors: int = param(30, "the most neighbours to try", low=1, positional=True)

    def _k(self) -> int:
        return self.n_neighbors_

    @abstractmethod
    def _loss(self, near: torch.Tensor, votes: torch.Tensor) -> torch.Tensor:
        """What each training row's prediction by these votes of others costs, (N,)."""

    def _choose(self) -> Self:
        rows, N = self._training(), self.n_samples_fit_
        w = rows.tensor(torch.ones(N) if self.row_weights_ is None else self.row_weights_)
        K = min(self.max_neighbors, int(float(w.sum()) * (1 + 1e-12)) - 1)
        if K < 1:
            raise DataError(
                f"leave-one-out needs two rows, got n_samples={N} that count, of total weight {float(w.sum()):.6g}: "
                "a weight of one counts as one row"
            )
        d, near, others_w = self._nearest_of_weight(rows, K, own=True)
        errors = [
            (w * self._loss(near, self._cast(rows, d, taken(others_w, k)))).sum() / w.sum() for k in range(1, K + 1)
        ]
        path = torch.stack(errors)
        self.n_neighbors_ = int((path <= path.min() * (1 + 1e-12)).nonzero()[-1]) + 1  # but for rounding
        self.best_score_, self.error_path_ = -float(path.min()), rows.give(path)
        return self

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            k = getattr(self, "n_neighbors_", None)
            if type(k) is not int or not 1 <= k <= self.max_neighbors:
                raise UnreadableError(f"n_neighbors_ of a stored {type(self).__name__} must be a number of neighbours")


class KNeighborsClassifierCV(ChosenNeighbours, NeighbourClassifier):
    """k nearest neighbours, with k chosen: the shares of the classes among them.

    Attributes
    ----------
    n_neighbors_ : int
        The number chosen.
    best_score_ : float
        Minus its leave-one-out error.
    error_path_ : array of shape (K,)
        Share of wrong labels for 1, 2, ... K neighbours, by leaving each row out.
    classes_, rows_, codes_, row_weights_, n_samples_fit_, effective_metric_
        As of `KNeighborsClassifier`.

    Examples
    --------
    >>> from peira.linear import KNeighborsClassifierCV
    >>> X, y = [[0.0], [1.0], [2.0], [7.0], [8.0], [9.0]], [0, 0, 0, 1, 1, 1]
    >>> model = KNeighborsClassifierCV().fit(X, y)
    >>> model.n_neighbors_, model.error_path_
    (3, array([0. , 0. , 0. , 0.5, 1. ]))
    """

    card = Card(
        tasks=("classification", "multilabel"),
        reference="Cover (1969); Hastie et al. (2009) 13.3",
        cost="N^2 D",
        exact=True,
        sparse=True,
        chooses_for="KNeighborsClassifier",
        largest={"N": 20_000},
    )
    prior_votes: float = param(
        1.0, "votes by the shares of the classes among all rows, beside those of the k neighbours", low=0,
        tune=log(0.1, 10.0),
    )  # fmt: skip

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KNeighborsClassifierCV":
        """Keep the rows and their labels, and choose k.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            At least two rows. Sparse for the metrics "euclidean" (the default) and "cosine".
        y : array of shape (N,), matrix of 0s and 1s of shape (N, C), or list of N sets
        sample_weight : array of shape (N,), optional
            Non-negative; counts in the neighbourhoods and in the errors. One is left out of each row.
        """
        return self._learn(self._begin(X, y, sample_weight))._choose()

    def _loss(self, near: torch.Tensor, votes: torch.Tensor) -> torch.Tensor:
        said, codes = self._sums(near, votes), torch.as_tensor(self.codes_, device=votes.device)
        if self._several:
            return ((2 * said > votes.sum(1, keepdim=True)) != (codes > 0)).to(votes.dtype).mean(1)
        return (said.argmax(1) != codes).to(votes.dtype)


class KNeighborsRegressorCV(ChosenNeighbours, NeighbourRegressor):
    """k nearest neighbours, with k chosen: the mean of their targets.

    Attributes
    ----------
    n_neighbors_ : int
        The number chosen.
    best_score_ : float
        Minus its leave-one-out error.
    error_path_ : array of shape (K,)
        Mean squared error for 1, 2, ... K neighbours, over rows left out and targets.
    rows_, targets_, row_weights_, n_samples_fit_, effective_metric_
        As of `KNeighborsRegressor`.

    Examples
    --------
    >>> from peira.linear import KNeighborsRegressorCV
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
    >>> KNeighborsRegressorCV(2).fit(X, y).error_path_
    array([1.   , 1.125])
    """

    card = Card(
        tasks="regression",
        reference="Hastie et al. (2009) 7.10, 13.3",
        cost="N^2 D",
        exact=True,
        sparse=True,
        multi_output=True,
        chooses_for="KNeighborsRegressor",
        largest={"N": 20_000},
    )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KNeighborsRegressorCV":
        """Keep the rows and their targets, and choose k.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            At least two rows. Sparse for the metrics "euclidean" (the default) and "cosine".
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            Non-negative; counts in the neighbourhoods and in the errors. One is left out of each row.
        """
        return self._learn(self._begin(X, y, sample_weight))._choose()

    def _loss(self, near: torch.Tensor, votes: torch.Tensor) -> torch.Tensor:
        Y = torch.as_tensor(self.targets_, device=votes.device)
        return (self._means(near, votes) - Y).square().mean(1)
