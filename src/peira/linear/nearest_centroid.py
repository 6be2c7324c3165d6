r"""Nearest centroid, and nearest shrunken centroids: which class mean is closest, and which columns say so?

.. math:: \hat c(x) = \arg\min_c \| x - \mu_c \|^2

It is the Gaussian classifier with one spherical covariance: the variance, pooled over the classes and columns, makes
distances into probabilities,

.. math:: P(c \mid x) \propto \pi_c \exp(- \| x - \mu_c \|^2 / (2 \sigma^2)), \quad \sigma^2 = \mathrm{tr}\, S_W / (W D)

**Shrunken centroids** (``shrink_threshold``) move each centroid towards the overall one, column by column, in units of
its standard error. With :math:`s_j` the pooled standard deviation within the classes and :math:`s_0` the median of all,

.. math:: d_{cj} = \frac{\mu_{cj} - \bar x_j}{m_c (s_j + s_0)}, \quad m_c = \sqrt{1/W_c - 1/W}

.. math:: d'_{cj} = \mathrm{sign}(d_{cj}) \, \max(|d_{cj}| - \Delta, 0)

.. math:: \mu'_{cj} = \bar x_j + m_c (s_j + s_0) \, d'_{cj}

A column whose d' are all zero no longer takes part: thousands of columns and few rows become a short list. Distances
are then measured in standard deviations, which gives the discriminant scores of the method,

.. math:: \log P(c \mid x) = - \sum_j \frac{(x_j - \mu'_{cj})^2}{2 (s_j + s_0)^2} + \log \pi_c + \mathrm{constant}

**Weights of classes** multiply the weights of their items, and so "empirical" priors; a dictionary multiplies "uniform"
priors too, since nothing else would move the decision. "balanced" makes all classes weigh the same, as these do.

**Use it** as the first thing to try, on texts (sparse rows) and on wide tables such as gene expressions. It neglects
correlations; linear discriminant analysis does not.

Cost: N D; C D for each query. A sparse X stays sparse.

Reference: Tibshirani, Hastie, Narasimhan & Chu (2002), PNAS 99, 6567-6572; Hastie, Tibshirani & Friedman (2009),
18.2, eqs 18.2 (scores), 18.4 and 18.5 (deviations, whose :math:`m_c` this is).
"""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, ProbabilisticClassifier, linear, param
from ..core.errors import DataError, UnreadableError
from ..core.inputs import Data, Queries
from ..core.labels import class_weights
from .gaussian_classes import ClassMoments
from .gaussian_model import checked_priors
from .gaussian_scores import linear_scores


class NearestCentroid(ProbabilisticClassifier):
    """The class with the nearest, perhaps shrunken, mean.

    Without a threshold the distance is Euclidean; with one, columns are measured in their pooled standard deviations
    (plus the median of these), as the paper has it: labels and probabilities follow from the same scores.

    Attributes
    ----------
    classes_ : array of shape (C,)
    centroids_ : array of shape (C, D)
        Shrunken.
    deviations_ : array of shape (C, D)
        The d above, after shrinking.
    within_class_std_dev_ : array of shape (D,)
        The s above, with W - C degrees of freedom.
    class_prior_ : array of shape (C,)
    surviving_ : array of shape (M,)
        Positions of the columns that still tell classes apart.

    Examples
    --------
    >>> from peira.linear import NearestCentroid
    >>> X = [[0.0, 5.0], [1.0, 6.0], [8.0, 5.5], [9.0, 6.5]]
    >>> model = NearestCentroid(shrink_threshold=1.0).fit(X, ["low", "low", "high", "high"])
    >>> model.predict([[2.0, 7.0]]), model.surviving_
    (array(['low'], dtype='<U4'), array([0]))
    """

    card = Card(
        tasks="classification",
        reference="Tibshirani, Hastie, Narasimhan & Chu (2002); Hastie et al. (2009) 18.2",
        exact=True,
        incremental="equals one fit",
        cost="N D",
        sparse=True,
    )
    shrink_threshold: float | None = param(
        None, "standard errors by which centroids move towards the overall one; None: none, and Euclidean distances",
        low=0, tune=linear(0.0, 5.0),
    )  # fmt: skip
    priors: Literal["uniform", "empirical"] | list | tuple | np.ndarray = param(
        "uniform", "probabilities of the classes: alike, as frequent as in the data, or given in the order of classes_"
    )
    class_weight: dict | Literal["balanced"] | None = param(
        None, "weight of each class, which multiplies its prior unless that is given; 'balanced': all weigh the same"
    )

    @classmethod
    def example(cls) -> "NearestCentroid":
        """Priors from the data, which weights of rows change, as those of their classes do."""
        return cls(priors="empirical")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "NearestCentroid":
        """Find the centroids.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array of shape (N,)
            Texts, whole numbers or truth values.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If centroids are to be shrunk, and a column tells classes apart without varying within any.
        """
        data = self._begin(X, y, sample_weight)
        return self._settle(data, ClassMoments.of(data, "common diagonal"), streaming=False)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "NearestCentroid":
        """Learn from more rows; equals one fit to all of them, in any order.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array of shape (C,), optional
            All labels, needed in the first call if its ``y`` lacks some.
        """
        data = self._continue(X, y, sample_weight, classes=classes)
        moments = ClassMoments.of(data, "common diagonal")
        if hasattr(self, "moments_"):
            moments = ClassMoments.restored(self.moments_, data).merge(moments)
        return self._settle(data, moments, streaming=True)

    def _settle(self, data: Data, moments: ClassMoments, *, streaming: bool) -> "NearestCentroid":
        W, seen = moments.total, moments.weights > 0
        D = moments.means.shape[1]
        free = float(W) - int(seen.sum())
        s = (moments.within[0] / free).sqrt() if free > 0 else torch.zeros_like(moments.means[0])
        centre = moments.weights @ moments.means / W
        difference = torch.where(seen[:, None], moments.means - centre, 0.0)
        m = torch.where(seen, (1 / torch.where(seen, moments.weights, 1.0) - 1 / W).clamp(min=0).sqrt(), 0.0)
        unit = s + s.quantile(0.5)
        ms = m[:, None] * unit
        # Where no class differs from the centre in more than rounding, the deviation is 0, not 0 / 0.
        size = moments.means.abs().amax(0)
        d = torch.where(difference.abs() > 1e-14 * size, difference / torch.where(ms > 0, ms, 1.0), 0.0)
        endless = ((ms == 0) & (d != 0)).any(0)
        if self.shrink_threshold is not None and endless.any() and not streaming:
            raise DataError(
                f"column {data.names[int(endless.nonzero()[0])]!r} tells classes apart but varies within none, nor do "
                "half of the columns: shrink_threshold has no unit to shrink by; leave it None"
            )
        if self.shrink_threshold is not None:
            d = d.sign() * (d.abs() - self.shrink_threshold).clamp(min=0)
            difference = ms * d
            variance = unit.square()
        else:
            variance = (moments.within.mean() / W).expand(D)
        self.moments_ = moments.stored(data)
        self.centroids_, self.deviations_ = data.give(centre + difference), data.give(d)
        self.within_class_std_dev_, self.variance_ = data.give(s), data.give(variance.clone())
        self.surviving_ = (difference != 0).any(0).nonzero()[:, 0].numpy(force=True)
        given = self.priors
        if isinstance(given, str):  # empirical: the weights of the rows, in which those of the classes are counted
            given = None if given == "empirical" else self._uniform_priors(data)
        self.class_prior_ = data.give(
            checked_priors(given, moments.weights, list(data.classes), owner="NearestCentroid")
        )
        return self

    def _uniform_priors(self, data: Data) -> np.ndarray:
        """All alike, or as the classes are weighted."""
        v = np.ones(len(data.classes))
        if isinstance(self.class_weight, dict):
            each = replace(data, codes=torch.arange(len(v), device=data.device))
            v = class_weights(self.class_weight, each, owner="NearestCentroid").numpy(force=True)
        return v / v.sum()

    def _scores(self, queries: Queries) -> torch.Tensor:
        M, variance = queries.tensor(self.centroids_), queries.tensor(self.variance_)
        log_priors = queries.tensor(self.class_prior_).log()
        centre, points = M.mean(0), not bool(variance.any())
        # Without any spread within the classes the nearest centroid is certain.
        precision = torch.ones_like(variance) if points else torch.where(variance > 0, 1 / variance, 0.0)
        moved = (M - centre) * precision
        S = linear_scores(queries.X, centre, moved, -((M - centre) * moved).sum(1) / 2)
        S = torch.where(S.amax(1, keepdim=True) == S, 0.0, -torch.inf) if points and len(M) > 1 else S
        return S + log_priors

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            C, D = len(self.classes_), self.n_features_in_
            shapes = [np.shape(v) for v in (self.centroids_, self.variance_, self.class_prior_)]
            if shapes != [(C, D), (D,), (C,)] or np.shape(self.moments_["within"]) != (1, D):
                raise UnreadableError(f"NearestCentroid of {C} classes and {D} columns cannot have shapes {shapes}")
