r"""Naive Bayes for counts and for yes-or-no columns: within a class, no column knows of another.

By Bayes' theorem, with columns independent within each class (eq. 4.46 and below),

.. math:: \log P(c \mid x) = \log \pi_c + \sum_j \log p(x_j \mid c) - \log \sum_k \pi_k \prod_j p(x_j \mid k)

so a class is D one-dimensional distributions, estimated by counting. Let :math:`n_{cj}` be the sum of column j over the
items of class c, :math:`n_c = \sum_j n_{cj}` and :math:`N_c` their number, or sum of weights.

**Bernoulli** (does the word occur?), with :math:`x_j` 0 or 1:

.. math:: \theta_{cj} = \frac{n_{cj} + \alpha}{N_c + 2 \alpha}, \quad
          s_c = \log \pi_c + \sum_j x_j \log \theta_{cj} + (1 - x_j) \log (1 - \theta_{cj})

**Multinomial** (how often does it occur?), for counts or other amounts:

.. math:: \theta_{cj} = \frac{n_{cj} + \alpha}{n_c + \alpha D}, \quad s_c = \log \pi_c + \sum_j x_j \log \theta_{cj}

**Complement** (Rennie et al. 2003): a class is described by what stands in all *others*, which is more even if
classes differ in size; with :math:`n'_{cj} = \sum_{k \neq c} n_{kj}` and :math:`n'_c` its sum over j,

.. math:: s_c = - \sum_j x_j \log \frac{n'_{cj} + \alpha}{n'_c + \alpha D}

All are linear in x. The :math:`\alpha` is the number of items (words) imagined in advance, the posterior mean
under a Beta or Dirichlet prior; 1 is Laplace's rule, 0 the plain frequencies, by which something never seen in a class
is impossible there.

**Use it** for texts, wide sparse tables, streams, and few items: nothing is quicker, and it needs no tuning. The
labels are often right even where columns depend on each other; the probabilities then are not: evidence counts twice
and they go to 0 or 1 (Domingos & Pazzani 1997). Calibrate them, or use logistic regression, with as many numbers.

Cost: N D, or the stored entries of sparse X; counts add up, so the fits stream.

Reference: Bishop (2006), 4.2.3, eqs 4.81 and 4.82; Manning, Raghavan & Schütze (2008), chapter 13; Rennie, Shih,
Teevan & Karger (2003), ICML, table 4.
"""

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import Tags

from ..core import Card, DataError, ParameterError, ProbabilisticClassifier, log, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Matrix, Queries
from ..core.labels import class_weights
from .log_shares import log_priors, log_ratio, weighted_logs
from .model import linear_map


class CountingNaiveBayes(ProbabilisticClassifier):
    """Base of the naive Bayes classifiers that are learned by adding up columns within classes.

    Attributes
    ----------
    class_count_ : array of shape (C,)
        Number of items, or sum of their weights.
    feature_count_ : array of shape (C, D)
        Sum of each column within each class.
    class_log_prior_ : array of shape (C,)
        Minus infinity for a class without items.
    feature_log_prob_ : array of shape (C, D)
    """

    feature_log_prob_: Any

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Count.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array of shape (N,)
            Texts, whole numbers or truth values.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        return self._count(self._begin(X, y, sample_weight))

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Count more items; equals one fit to all of them, in any order.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array, optional
            All labels, in the first call, if its ``y`` lacks some.
        """
        return self._count(self._continue(X, y, sample_weight, classes=classes))

    @abstractmethod
    def _amounts(self, queries: Queries) -> Matrix:
        """The inputs as this method counts them, checked."""

    @abstractmethod
    def _estimate(self, data: Data, n: torch.Tensor, N: torch.Tensor) -> torch.Tensor:
        """The logarithms to keep, (C, D), from the sums n (C, D) and the numbers of items N (C,)."""

    def _count(self, data: Data) -> Self:
        X, C = self._amounts(data), len(data.classes)
        w = torch.ones(len(data), dtype=data.dtype, device=data.device) if data.w is None else data.w
        N = torch.zeros(C, dtype=data.dtype, device=data.device).index_add(0, data.codes, w)
        if sparse.issparse(X):
            members = sparse.csr_array((w.numpy(), (data.codes.numpy(), np.arange(len(data)))), shape=(C, len(data)))
            n = torch.from_numpy((members @ X).toarray())
        else:
            n = X.new_zeros(C, X.shape[1]).index_add(0, data.codes, X * w[:, None])
        if hasattr(self, "class_count_"):
            N, n = N + data.tensor(self.class_count_), n + data.tensor(self.feature_count_)
        if not n.sum().isfinite():
            raise DataError("the sums of the columns are too large for floating point: choose another unit")
        self.class_count_, self.feature_count_ = data.give(N), data.give(n)
        self.class_log_prior_ = data.give(log_priors(N, self.fit_prior, self.class_prior, type(self).__name__))
        self.feature_log_prob_ = data.give(self._estimate(data, n, N))
        return self

    def _check_learned(self) -> None:
        super()._check_learned()
        if not hasattr(self, "classes_"):
            return
        C, D = len(self.classes_), self.n_features_in_
        for name, shape in {"class_count_": (C,), "feature_count_": (C, D)}.items():
            value = np.asarray(getattr(self, name, None))
            if value.dtype.kind != "f" or value.shape != shape or not (np.isfinite(value) & (value >= 0)).all():
                raise UnreadableError(f"{type(self).__name__}.{name} should hold counts, of shape {shape}")
        for name, shape in {"class_log_prior_": (C,), "feature_log_prob_": (C, D)}.items():
            value = np.asarray(getattr(self, name, None))
            if value.dtype.kind != "f" or value.shape != shape or np.isnan(value).any():
                raise UnreadableError(f"{type(self).__name__}.{name} should hold logarithms, of shape {shape}")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # on clouds of points, which are no counts
        return tags


class WordNaiveBayes(CountingNaiveBayes):
    """Base of the naive Bayes classifiers for amounts that are never negative.

    Weights of classes are an argument of ``fit`` here, and not a parameter as elsewhere: scikit-learn's
    ``check_estimator`` fits whatever has a parameter ``class_weight`` to numbers below zero, which these must refuse.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Self:
        """Count.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            Numbers that are 0 or more.
        y : array of shape (N,)
            Texts, whole numbers or truth values.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        class_weight : dict or "balanced", optional
            Weight of each class, by which its rows are multiplied; "balanced": such that all classes weigh the same.

        Raises
        ------
        ValueError
            If an amount is negative; the message names the first.
        """
        return self._count(self._weighted(self._begin(X, y, sample_weight), class_weight))

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, class_weight: Any = None
    ) -> Self:
        """Count more items; equals one fit to all of them, in any order.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array, optional
            All labels, in the first call, if its ``y`` lacks some.
        class_weight : dict, optional
            Weight of each class in this call; "balanced" would need all rows at once.
        """
        if isinstance(class_weight, str):
            raise ParameterError(
                f"class_weight={class_weight!r} needs all rows at once, and partial_fit of {type(self).__name__} sees "
                "them in blocks: give the weights as a dict"
            )
        return self._count(self._weighted(self._continue(X, y, sample_weight, classes=classes), class_weight))

    def _weighted(self, data: Data, class_weight: Any) -> Data:
        if class_weight is None:
            return data
        w = class_weights(class_weight, data, owner=type(self).__name__)
        return replace(data, w=w if data.w is None else data.w * w)

    def _amounts(self, queries: Queries) -> Matrix:
        X = queries.X
        if (X.data.min(initial=0.0) if sparse.issparse(X) else X.min()) < 0:
            places = sparse.coo_array(X < 0).coords if sparse.issparse(X) else (X < 0).nonzero().T.numpy(force=True)
            row, column = int(places[0][0]), int(places[1][0])
            name = repr(queries.names[column]) if queries.names else str(column)
            raise DataError(
                f"Negative values in data passed to {type(self).__name__} (input X): column {name} holds "
                f"{float(X[row, column])!r} in row {row}; amounts are 0 or more: shift the columns, or use GaussianNB"
            )
        return X

    @property
    def decision_function(self) -> Any:
        """Not here, as in scikit-learn: ask ``predict_log_proba``."""
        raise AttributeError(f"{type(self).__name__} has no decision_function; ask predict_log_proba")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


class BernoulliNB(CountingNaiveBayes):
    """Naive Bayes for columns that are 0 or 1, or are made so at a threshold.

    Attributes
    ----------
    class_count_, feature_count_, class_log_prior_ : array of shape (C,), (C, D), (C,)
    feature_log_prob_ : array of shape (C, D)
        Log probability of a one.

    Examples
    --------
    >>> from peira.linear import BernoulliNB
    >>> model = BernoulliNB().fit([[1, 0], [1, 1], [0, 1]], ["spam", "spam", "mail"])
    >>> model.predict_proba([[1, 0]]).round(3)
    array([[0.129, 0.871]])
    """

    card = Card(
        tasks="classification",
        reference="Bishop (2006) eq. 4.81; Manning et al. (2008) 13.3",
        exact=True,
        incremental="equals one fit",
        cost="N D",
        sparse=True,
    )
    alpha: float = param(1.0, "items imagined in advance, of each class and value", low=0, tune=log(1e-3, 1e2))
    binarize: float | None = param(0.0, "values above count as 1; None: inputs are 0 and 1 already", above=-math.inf)
    fit_prior: bool = param(True, "classes are as probable as they are frequent; else all alike")
    class_prior: list | tuple | np.ndarray | None = param(None, "probabilities of the classes, in sorted order")
    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")

    @classmethod
    def example(cls) -> Self:
        """A threshold that splits small positive numbers too."""
        return cls(binarize=1.5)

    def _amounts(self, queries: Queries) -> Matrix:
        X = queries.X
        if self.binarize is None:
            values = X.data if sparse.issparse(X) else X
            if not ((values == 0) | (values == 1)).all():
                raise DataError("BernoulliNB(binarize=None) needs inputs of 0 and 1; give the threshold as binarize")
            return X
        if not sparse.issparse(X):
            return X.gt(self.binarize).to(X.dtype)
        if self.binarize < 0:
            raise ParameterError(
                f"binarize={self.binarize} makes ones of all the zeros of a sparse X; give 0 or more, or X.toarray()"
            )
        ones = sparse.csr_array(X)
        return sparse.csr_array(((ones.data > self.binarize).astype(float), ones.indices, ones.indptr), ones.shape)

    def _estimate(self, data: Data, n: torch.Tensor, N: torch.Tensor) -> torch.Tensor:
        return log_ratio(n + self.alpha, N[:, None] + 2 * self.alpha, 2)  # eq. of theta

    def _scores(self, queries: Queries) -> torch.Tensor:
        X, ones = self._amounts(queries), queries.tensor(self.feature_log_prob_)
        zeros = torch.log(-torch.expm1(ones))
        sure = torch.isinf(zeros)  # columns that are 1 in all items of a class, without alpha
        finite = zeros.masked_fill(sure, 0.0)
        S = weighted_logs(X, ones, -finite) + finite.sum(1)
        if sure.any():
            absent = sure.sum(1) - linear_map(X, sure.to(finite.dtype))
            S = S.masked_fill(absent > 0, -torch.inf)
        return S + queries.tensor(self.class_log_prior_)


class MultinomialNB(WordNaiveBayes):
    """Naive Bayes for counts of words, or other amounts that are never negative.

    Attributes
    ----------
    class_count_, feature_count_, class_log_prior_ : array of shape (C,), (C, D), (C,)
    feature_log_prob_ : array of shape (C, D)
        Log probability that the next word of a class is this one.

    Examples
    --------
    >>> from peira.linear import MultinomialNB
    >>> model = MultinomialNB().fit([[2, 1], [1, 0], [0, 3]], ["spam", "spam", "mail"])
    >>> model.predict([[1, 0], [1, 4]])
    array(['spam', 'mail'], dtype='<U4')
    """

    card = Card(
        tasks="classification",
        reference="Manning et al. (2008) 13.2",
        exact=True,
        incremental="equals one fit",
        cost="N D",
        sparse=True,
    )
    alpha: float = param(1.0, "words imagined in advance, of each class and kind", low=0, tune=log(1e-3, 1e2))
    fit_prior: bool = param(True, "classes are as probable as they are frequent; else all alike")
    class_prior: list | tuple | np.ndarray | None = param(None, "probabilities of the classes, in sorted order")

    def _estimate(self, data: Data, n: torch.Tensor, N: torch.Tensor) -> torch.Tensor:
        n = n + self.alpha
        return log_ratio(n, n.sum(1, keepdim=True), n.shape[1])

    def _scores(self, queries: Queries) -> torch.Tensor:
        S = weighted_logs(self._amounts(queries), queries.tensor(self.feature_log_prob_))
        return S + queries.tensor(self.class_log_prior_)


class ComplementNB(WordNaiveBayes):
    """Naive Bayes by what stands in all other classes, for classes of unequal size.

    Attributes
    ----------
    class_count_, feature_count_, class_log_prior_ : array of shape (C,), (C, D), (C,)
    feature_log_prob_ : array of shape (C, D)
        Weight of each word for each class: minus the log probability in the other classes.

    Examples
    --------
    >>> from peira.linear import ComplementNB
    >>> model = ComplementNB().fit([[2, 1], [1, 0], [0, 3]], ["spam", "spam", "mail"])
    >>> model.predict([[1, 0], [1, 4]])
    array(['spam', 'mail'], dtype='<U4')
    """

    card = Card(
        tasks="classification",
        reference="Rennie et al. (2003) table 4",
        exact=True,
        incremental="equals one fit",
        cost="N D",
        sparse=True,
    )
    alpha: float = param(1.0, "words imagined in advance, of each class and kind", low=0, tune=log(1e-3, 1e2))
    norm: bool = param(False, "divide the weights of each class by their sum")
    fit_prior: bool = param(True, "only matters for a single class, as in scikit-learn")
    class_prior: list | tuple | np.ndarray | None = param(None, "as fit_prior")

    def _estimate(self, data: Data, n: torch.Tensor, N: torch.Tensor) -> torch.Tensor:
        nothing = torch.zeros_like(n[:1])  # sums before and after each class: no differences, so zeros stay zeros
        before, after = torch.cat([nothing, n[:-1]]).cumsum(0), torch.cat([nothing, n.flip(0)[:-1]]).cumsum(0).flip(0)
        others = before + after + self.alpha
        weights = -log_ratio(others, others.sum(1, keepdim=True), n.shape[1])
        if not self.norm:
            return weights
        total = weights.sum(1, keepdim=True)
        if (bad := torch.isinf(weights)).any():
            c, j = (int(v) for v in bad.nonzero()[0])
            label = data.classes.tolist()[c]
            raise DataError(
                f"ComplementNB(norm=True, alpha=0): column {data.names[j]!r} stands in class {label!r} alone, which "
                "makes its weight infinite; set alpha > 0"
            )
        return torch.where(total > 0, weights / torch.where(total > 0, total, 1.0), 0.0)

    def _scores(self, queries: Queries) -> torch.Tensor:
        S = weighted_logs(self._amounts(queries), queries.tensor(self.feature_log_prob_))
        return S.masked_fill(queries.tensor(self.class_count_) == 0, -torch.inf)
