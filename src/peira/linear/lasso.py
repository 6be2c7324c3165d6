r"""The lasso: least squares with a penalty on the absolute weights, which sets most of them to zero.

.. math:: \min_{w, w_0} \; \frac{1}{2N} \sum_n (y_n - w_0 - w^T x_n)^2 + \alpha \| w \|_1

It is the elastic net with nothing but the L1 norm. With :math:`q = X^T(y - Xw)` on centred data, w is a solution if
and only if for each column

.. math:: q_j = N \alpha \, \mathrm{sign}(w_j) \;\; \mathrm{where} \; w_j \neq 0

.. math:: |q_j| \leq N \alpha \;\; \mathrm{elsewhere}

so at least one weight enters as alpha falls below :math:`\max_j |x_j^T y| / N`, and at most min(N, D) are non-zero
(some solution has no more). For orthonormal columns the solution is the soft threshold of least squares.

**Assumptions.** One scale for all columns; a linear target; few columns matter and these are not nearly copies of
others. **When.** Selection and prediction at once, D up to far above N. Not for correlated groups (elastic net), not
for unbiased weights. The Bayesian reading: the mode under independent Laplace priors.

**Algorithm and cost** as of the elastic net (:mod:`~peira.linear.elastic_net`). :mod:`~peira.linear.lars` follows the
whole path exactly instead.

Reference: Tibshirani (1996), Regression shrinkage and selection via the lasso, JRSS B 58; Hastie, Tibshirani &
Friedman (2009), 3.4.2.
"""

from ..core import Card
from .cross_validated_path import PenaltySearch
from .elastic_net import PenalisedRegressor


class Lasso(PenalisedRegressor):
    """Lasso: least squares with a penalty on the absolute weights.

    Of scikit-learn's parameters it leaves out ``precompute`` and ``copy_X`` (the form is chosen by shape, the data are
    never written to), ``warm_start`` (``fit`` forgets; `LassoCV` and ``elastic_net_path`` start warm), and
    ``selection`` with ``random_state`` (columns are swept in order).

    Attributes
    ----------
    coef_ : array of shape (D,) or (K, D)
    intercept_ : float or array of shape (K,)
    dual_gap_ : float or array of shape (K,)
        How far the objective may lie above its minimum, in the objective's unit.
    history_ : dict
        ``objective``, and ``gap`` as a fraction of the target's squared norm, for each round.
    n_iter_ : int
        Rounds made.
    moments_ : dict
        Moments of the rows, where they were formed (few columns, or ``partial_fit``).

    Examples
    --------
    >>> from peira.linear.lasso import Lasso
    >>> model = Lasso(0.1).fit([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]], [0.0, 1.0, 2.0])
    >>> model.coef_.round(3)
    array([0.85, 0.  ])
    """

    card = Card(
        tasks="regression",
        reference="Tibshirani (1996); Friedman, Hastie & Tibshirani (2010) eq. 5",
        cost="N D^2 + D^2 a sweep; N D a round for D > N",
        incremental="equals one fit",
        sparse=True,
        multi_output=True,
        linear_in_inputs=True,
    )

    def _share(self) -> float:
        return 1.0


class LassoCV(PenaltySearch):
    """Lasso with the penalty chosen by cross-validation.

    Of scikit-learn's parameters it leaves out ``precompute``, ``copy_X``, ``selection`` with ``random_state`` (see
    `Lasso`), ``verbose`` (use `peira.observing`) and ``n_jobs`` (folds share their moments); ``rule`` is added.

    Attributes
    ----------
    alpha_ : float
        The chosen penalty.
    alphas_ : array of shape (M,)
        The penalties tried, decreasing.
    mse_path_ : array of shape (M, F)
        Mean squared error of each penalty on each fold.
    coef_, intercept_, dual_gap_
        As of `Lasso`, from all rows.
    history_ : dict
        ``objective`` and ``gap`` along the path that leads to ``alpha_`` on all rows.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.linear.lasso import LassoCV
    >>> X = np.arange(20.0).reshape(10, 2) % 7
    >>> LassoCV(cv=2).fit(X, X[:, 0]).coef_.round(2)
    array([1., 0.])
    """

    card = Card(
        tasks="regression",
        reference="Tibshirani (1996); Hastie, Tibshirani & Friedman (2009) 7.10.1",
        incremental="approximate",
        cost="N D^2 + D^2 a fold and penalty; N D a fold and penalty for D > N",
        sparse=True,
        linear_in_inputs=True,
        chooses_for="Lasso",
    )

    def _shares(self) -> list[float]:
        return [1.0]
