r"""Classification by least squares: a regression on indicators of the classes, and the largest value wins.

Each class is a target that is 1 for its own items and -1 for the others. The matrix of these targets is T, and

.. math:: \min_{w_0, W} \; \| \sqrt{V} \, (T - 1 w_0^T - X W) \|_F^2 + \alpha \| W \|_F^2

in the Frobenius norm, the sum of all squared entries; V holds the weights of the items. The columns of T do not know
of each other, so these are C regressions on the same inputs, and share one factor of

.. math:: W = (X^T V X + \alpha I)^{-1} X^T V T

with X and T centred. Two classes need one column. **With alpha = 0 it is the least-squares classifier of the text
books** (Bishop 4.1.3, with targets 1 and 0): values u on those targets and s on these are
tied by :math:`s = 2u - 1`, so the decisions are the same, and with a constant term

.. math:: \sum_c u_c(x) = 1, \quad \sum_c s_c(x) = 2 - C

holds for every x. All the same u is no probability: it may be negative or above one. Hence there are no
``predict_proba`` here.

**Use it** as a closed form that is quick on any number of rows and streams. For two classes with alpha = 0 it finds
Fisher's direction. **Its weaknesses** are those of squared errors on labels, which are not normal: items far on the
*right* side of the boundary are punished, so that a few of them move it (outliers); and with three or more classes
in a row, the middle one is *masked*: its value is nowhere the largest, however far apart the classes are. Basis
functions of degree C - 1 help (Hastie et al. 2009, 4.2); logistic regression and linear discriminant analysis have
neither fault.

Cost: N D^2 + D^3 / 3 + N D C, or N^2 D + N^3 / 3 for N < D.

Reference: Bishop (2006), 4.1.3, eq. 4.16; Hastie, Tibshirani & Friedman (2009), 4.2, eqs 4.3 to 4.6.
"""

from typing import Any, Literal, Self

import torch

from ..core import Card, log, param
from ..core.inputs import Data
from ..numerics.moments import Moments
from .linear_scores import LinearClassifier
from .ridge import solve
from .sufficient_statistics import (
    Rows,
    Summary,
    check_stored_summary,
    require_finite_squares,
    restored,
    stored,
    summarise,
)


class RidgeClassifier(LinearClassifier):
    """Least squares on indicators of the classes, with a squared penalty.

    Attributes
    ----------
    coef_ : array of shape (C, D), or (1, D) for two classes
    intercept_ : array of shape (C,) or (1,)
    classes_ : array of shape (C,)
    summary_ : dict
        Moments of the data (or its rows, if fewer than columns), for ``partial_fit``.

    Examples
    --------
    >>> from peira.linear import RidgeClassifier
    >>> model = RidgeClassifier(alpha=0.0).fit([[0.0], [1.0], [3.0], [4.0]], ["low", "low", "high", "high"])
    >>> model.predict([[0.5], [2.5]])
    array(['low', 'high'], dtype='<U4')
    """

    card = Card(
        tasks="classification",
        reference="Bishop (2006) 4.1.3; Hastie et al. (2009) 4.2",
        exact=True,
        incremental="equals one fit",
        cost="N D^2 + D^3",
        sparse=True,
        linear_in_inputs=True,
    )
    alpha: float = param(1.0, "strength of the penalty", low=0, tune=log(1e-4, 1e4), positional=True)
    fit_intercept: bool = param(True, "estimate a constant term for each class")
    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the weights.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array of shape (N,)
            Texts, whole numbers or truth values; at least two classes.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Warns
        -----
        RankWarning
            If the penalty is too small for the collinearity of the columns.
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        data.Y = _targets(data)
        return self._solve(data, summarise(data, centred=self.fit_intercept))

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more rows; equals one fit to all of them, in any order. Costs N D^2 + D^3 a call.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array, optional
            All labels, in the first call, if its ``y`` lacks some.
        """
        data = self._continue(X, y, sample_weight, classes=classes)
        self._require_classes(data)
        data.Y = _targets(data)
        block = Moments.of(data.X, data.Y, data.w, centred=self.fit_intercept)
        if hasattr(self, "summary_"):
            before = restored(self.summary_, data)
            block = (before.moments() if isinstance(before, Rows) else before).merge(block)
        require_finite_squares(block, data)
        return self._solve(data, block)

    def _solve(self, data: Data, summary: Summary) -> Self:
        K = data.Y.shape[1]
        W, _ = solve(summary, data.tensor(self.alpha).expand(K))
        self._learned(data, W.T, summary.y_mean - summary.x_mean @ W)
        self.summary_ = stored(summary, data)
        return self

    def _check_learned(self) -> None:
        super()._check_learned()
        if hasattr(self, "coef_"):
            name, K = type(self).__name__, len(self.coef_)
            check_stored_summary(name, getattr(self, "summary_", None), self.n_features_in_, K)


def _targets(data: Data) -> torch.Tensor:
    """1 for the items of a class and -1 for the others, of shape (N, C); one column for two classes."""
    T = 2 * data.indicators() - 1
    return T[:, 1:] if T.shape[1] == 2 else T
