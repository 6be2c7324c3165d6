r"""k nearest neighbours: do as the most similar cases did.

.. math:: P(c \mid x) = \sum_{n \in N_k(x)} w_n \, 1\{y_n = c\} \; / \sum_{n \in N_k(x)} w_n

.. math:: \hat y(x) = \sum_{n \in N_k(x)} w_n \, y_n \; / \sum_{n \in N_k(x)} w_n

with :math:`N_k(x)` the k training rows nearest to x. The votes w are all 1 ("uniform"), or 1/d for a neighbour at
distance d ("distance"; neighbours at distance 0, if any, then vote alone), or any function of the distances.

**Assumes** only that near inputs have like targets, in the metric chosen: columns must be on one scale, and must all
matter, since those that do not blur what is near. Nothing is fitted; k trades noise (k small) for blur (k large). As N
grows, the error of one neighbour is at most twice the least possible; with k growing too, and k/N vanishing, it
reaches the least. How soon depends badly on D.

**Weights of rows are counts.** A row of weight 2 is two rows: it takes two of the k places. In general the
neighbourhood is the nearest rows of total weight k, the last of them with what is left of it. Rows of weight 0 are not
there. Equally near rows come in the order of training.

**Sets of labels.** Where an item may have several labels, or none, the neighbours vote on each: its probability is the
share of the votes of those who have it.

**Probabilities.** k neighbours who agree would make it certain. With m prior votes, the shares :math:`\pi_c` of the
classes among all rows vote as well,

.. math:: P(c \mid x) = (k P_k(c \mid x) + m \pi_c) / (k + m)

so that nothing is impossible, and its logarithm finite (Cestnik 1990). Decisions hardly change.

**Use it** as the first non-linear method to try, and for metrics made for the data. Not where columns are many and
mostly idle, or where an answer must be quick: each asks all rows.

Cost: a fit only stores (and indexes when first asked); an answer costs at most 2 N D, for Euclid's norm mostly far
less (`peira.numerics.neighbours`), and about log N in few dimensions.

Reference: Cover & Hart (1967), IEEE Transactions on Information Theory 13, 21-27; Hastie, Tibshirani & Friedman
(2009), 2.3.2 and 13.3; Cestnik (1990), Estimating probabilities, in Proceedings of ECAI, 147-149; Dudani (1976), IEEE
Transactions on Systems, Man, and Cybernetics 6, 325-327, for votes that fall with the distance.
"""

from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.utils import Tags

from ..core import Card, LabelSetClassifier, Regressor, integer, log, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from .neighbourhoods import NeighbourMethod


class NeighbourClassifier(NeighbourMethod, LabelSetClassifier):
    """Base of the classifiers among them: labels of rows, and their votes."""

    class_weight: dict | Literal["balanced"] | None = param(
        None, "weights of the classes, or 'balanced' for equal ones"
    )

    prior_votes: float = param(
        0.0, "votes by the shares of the classes among all rows, beside those of the k neighbours", low=0,
        tune=log(0.1, 10.0),
    )  # fmt: skip

    def _learn(self, data: Data) -> Self:
        kept = self._keep(data)
        codes = data.codes if data.Y is None else data.Y.long()
        before = torch.as_tensor(getattr(self, "codes_", codes[:0]), device=data.device)
        self.codes_ = data.give(torch.cat([before, codes[kept]]))
        return self

    def _scores(self, queries: Queries) -> torch.Tensor:
        near, votes = self._votes(queries)
        said, total = self._sums(near, votes), votes.sum(1, keepdim=True)
        if self.prior_votes:
            N = self.n_samples_fit_
            w = queries.tensor(torch.ones(N) if self.row_weights_ is None else self.row_weights_)
            everywhere = self._sums(torch.arange(N, device=w.device)[None], w[None])
            said = self._k() * said / total + self.prior_votes * everywhere / w.sum()
            total = self._k() + self.prior_votes
        return (said / total).clamp(0, 1).logit() if self._several else said.log()

    def _sums(self, near: torch.Tensor, votes: torch.Tensor) -> torch.Tensor:
        """Votes (M, n) of the rows at near (M, n), summed up for each class, or each label that they have: (M, C)."""
        codes = torch.as_tensor(self.codes_, device=votes.device)[near]
        if self._several:
            return (votes[:, None, :] @ codes.to(votes.dtype))[:, 0]
        return votes.new_zeros(len(votes), len(self.classes_)).scatter_add_(1, codes, votes)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            codes, C = getattr(self, "codes_", None), len(self.classes_)
            shape, most = ((self.n_samples_fit_, C), 2) if self._several else ((self.n_samples_fit_,), C)
            codes = torch.as_tensor(codes) if isinstance(codes, np.ndarray | torch.Tensor) else torch.zeros(0)
            if codes.shape != shape or codes.dtype != torch.int64 or not ((codes >= 0) & (codes < most)).all():
                raise UnreadableError(
                    f"codes_ of a stored {type(self).__name__} must be {self.n_samples_fit_} positions in its classes, "
                    "or rows of 0s and 1s"
                )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # It stands for probabilities strictly between 0 and 1, too, and neighbours who agree leave nothing between.
        tags.classifier_tags.multi_label &= self.prior_votes > 0
        return tags


class NeighbourRegressor(NeighbourMethod, Regressor):
    """Base of the regressors among them: targets of rows, and their means."""

    def _learn(self, data: Data) -> Self:
        kept = self._keep(data)
        before = data.tensor(getattr(self, "targets_", data.Y[:0]))
        self.targets_ = data.give(torch.cat([before, data.Y[kept]]))
        return self

    def _predict(self, queries: Queries) -> torch.Tensor:
        return self._means(*self._votes(queries))

    def _means(self, near: torch.Tensor, votes: torch.Tensor) -> torch.Tensor:
        """The mean target of the rows at near (M, n), by their votes (M, n): (M, K)."""
        Y = torch.as_tensor(self.targets_, device=votes.device)[near]
        return (votes / votes.sum(1, keepdim=True))[:, None, :].matmul(Y)[:, 0]

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            expected = (self.n_samples_fit_, (self.target_shape_ or [1])[0])
            if tuple(getattr(getattr(self, "targets_", None), "shape", ())) != expected:
                raise UnreadableError(f"targets_ of a stored {type(self).__name__} must have shape {expected}")


class KNeighborsClassifier(NeighbourClassifier):
    """k nearest neighbours: the shares of the classes among them.

    Attributes
    ----------
    classes_ : array of shape (C,)
    rows_ : array of shape (N, D), or dict
        The training rows of positive weight; for sparse ones the three arrays of a csr matrix.
    codes_ : array of shape (N,), or (N, C)
        Their classes, as positions in ``classes_``; 1 for each of several labels that they have, and 0.
    row_weights_ : array of shape (N,), or None
        Their weights times ``class_weight``; None if all are 1.
    n_samples_fit_ : int
    effective_metric_ : str

    Notes
    -----
    scikit-learn's class of this name has no weights of rows and classes, and no ``partial_fit``; of its parameters,
    ``leaf_size`` and ``n_jobs`` are missing.

    Examples
    --------
    >>> from peira.linear import KNeighborsClassifier
    >>> model = KNeighborsClassifier(3).fit([[0.0], [1.0], [2.0], [9.0]], ["a", "a", "b", "b"])
    >>> model.predict([[1.1]]), model.predict_proba([[1.1]]).round(2)
    (array(['a'], dtype='<U1'), array([[0.67, 0.33]]))
    >>> KNeighborsClassifier(1).fit([[0.0], [1.0], [2.0]], [set(), {"wet"}, {"cold", "wet"}]).predict([[1.1]])
    [{'wet'}]
    """

    card = Card(
        tasks=("classification", "multilabel"),
        reference="Cover & Hart (1967); Hastie et al. (2009) 13.3",
        cost="N D",
        exact=True,
        incremental="equals one fit",
        sparse=True,
        largest={"N": 20_000},
    )
    n_neighbors: int = param(
        5, "number of neighbours, or their total weight", low=1, tune=integer(1, 25), positional=True
    )

    @classmethod
    def example(cls) -> "KNeighborsClassifier":
        return cls(3)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KNeighborsClassifier":
        """Keep the rows and their labels.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            Sparse for the metrics "euclidean" (the default) and "cosine".
        y : array of shape (N,), matrix of 0s and 1s of shape (N, C), or list of N sets
            Texts, whole numbers or truth values; 1 for the labels that a row has, or sets of them.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        return self._learn(self._begin(X, y, sample_weight))._ready()

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "KNeighborsClassifier":
        """Keep more rows; equals one fit to all of them, up to the order of equally near ones.

        ``classes`` names all labels in the first call, if its ``y`` lacks some.
        """
        return self._learn(self._continue(X, y, sample_weight, classes=classes))

    def _k(self) -> int:
        return self.n_neighbors


class KNeighborsRegressor(NeighbourRegressor):
    """k nearest neighbours: the mean of their targets.

    Attributes
    ----------
    rows_ : array of shape (N, D), or dict
        The training rows of positive weight; for sparse ones the three arrays of a csr matrix.
    targets_ : array of shape (N, K)
        Their targets.
    row_weights_ : array of shape (N,), or None
        Their weights; None if all are 1.
    n_samples_fit_ : int
    effective_metric_ : str

    Examples
    --------
    >>> from peira.linear import KNeighborsRegressor
    >>> KNeighborsRegressor(2).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 4.0]).predict([[1.9]])
    array([2.5])
    """

    card = Card(
        tasks="regression",
        reference="Hastie et al. (2009) 2.3.2, eq. 2.8",
        cost="N D",
        exact=True,
        incremental="equals one fit",
        sparse=True,
        multi_output=True,
        largest={"N": 20_000},
    )
    n_neighbors: int = param(
        5, "number of neighbours, or their total weight", low=1, tune=integer(1, 25), positional=True
    )

    @classmethod
    def example(cls) -> "KNeighborsRegressor":
        return cls(3)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KNeighborsRegressor":
        """Keep the rows and their targets.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            Sparse for the metrics "euclidean" (the default) and "cosine".
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        return self._learn(self._begin(X, y, sample_weight))._ready()

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KNeighborsRegressor":
        """Keep more rows; equals one fit to all of them, up to the order of equally near ones."""
        return self._learn(self._continue(X, y, sample_weight))

    def _k(self) -> int:
        return self.n_neighbors
