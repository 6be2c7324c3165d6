r"""Least angle regression: columns enter one at a time, each only as far as it deserves.

Forward selection fits the best column fully before it looks at the next; least angle regression moves the weight of
the best column only until another is as correlated with the residual, then moves both together, and so on:

.. math:: \max_j |x_j^T (y - Xw)| = |x_i^T (y - Xw)| \quad \mathrm{for \; all} \; i \in A

With one change (a weight that reaches zero leaves) the same steps give every solution of the lasso, exactly:

.. math:: \min_{w, w_0} \; \frac{1}{2N} \sum_n (y_n - w_0 - w^T x_n)^2 + \alpha \| w \|_1

as a piecewise linear function of alpha, known by its knots. The algorithm is in :mod:`~peira.linear.lars_path`.

**Assumptions.** One scale for all columns: standardise first. **Cost.** N D^2 for few columns, then D |A| for a step
with |A| active columns; N D a step for D above N. **When.** To see the order in which columns enter, to have all
lasso solutions at once, to count degrees of freedom (their number is |A|, Zou, Hastie & Tibshirani 2007). For one
penalty, or D in the thousands, coordinate descent is faster and less sensitive to nearly equal columns.

Reference: Efron, Hastie, Johnstone & Tibshirani (2004), Least angle regression, Annals of Statistics 32(2).
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..core import Card, DataError, iterate, log, param
from ..core.inputs import Data
from ..numerics.moments import Moments
from .elastic_net_path import GramProblem, Problem, problems
from .folds import Split
from .lars_path import Knot, least_angle_path
from .path_plot import plot_path
from .streaming import StreamedRegressor


class AnglePath(StreamedRegressor):
    """Base of the methods that follow the path of least angles."""

    fit_intercept: bool = param(True, "estimate a constant term")

    @abstractmethod
    def _follow(self, data: Data, problem: Problem, total: float) -> Self:
        """Learn from the problem, of rows whose weights sum to ``total``."""

    def _learn(self, data: Data) -> Self:
        """Learn from all rows at once, on the Gram matrix or on the columns."""
        settings = {"fit_intercept": self.fit_intercept, "positive": self._positive(), "penalties": min(data.X.shape)}
        (problem,), moments = problems(data.X, data.Y, data.w, **settings)
        if moments is not None:
            self._remember(data, [moments])
        return self._follow(data, problem, float(len(data) if data.w is None else data.w.sum()))

    def _solve(self, data: Data, whole: Moments, splits: Iterator[Split]) -> Self:
        return self._follow(data, GramProblem(whole, 0, self._positive()), whole.weight)

    def _positive(self) -> bool:
        return getattr(self, "positive", False)

    def _walk(self, problem: Problem, total: float, most_steps: int | None, end: float, **how: Any) -> list[Knot]:
        """All knots down to the penalty ``end``."""
        following = least_angle_path(problem, smallest=end * total, **how)
        knots = [next(following)]
        ahead = next(following, None)
        for step in iterate(self, most_steps, name="path", expect={"penalty": "decrease"}):
            if ahead is not None:
                knots.append(ahead)
                ahead = next(following, None)
            step.record(penalty=knots[-1].penalty / total, active=len(knots[-1].active))
            if ahead is None:
                step.stop("converged")
                break
            step.reached("penalty", end)
        return knots

    def _keep(self, data: Data, problem: Problem, total: float, knots: list[Knot], chosen: int) -> None:
        w = knots[chosen].weights
        self._learned(data, data.tensor(w)[None], data.tensor([problem.y_mean - problem.x_mean @ w]))
        self.alphas_ = np.array([knot.penalty / total for knot in knots])
        self.coef_path_ = np.stack([knot.weights for knot in knots], 1)
        self.active_ = [int(j) for j in knots[chosen].active]

    def plot_path(self, ax: Any = None) -> Any:
        """Draw the weights against their L1 norm, from all zero to the end of the path.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Drawn on new axes otherwise.

        Returns
        -------
        matplotlib Axes
        """
        check_is_fitted(self, "coef_path_")
        return plot_path(self.coef_path_, getattr(self, "feature_names_in_", None), ax)


class Lars(AnglePath):
    """Least angle regression.

    Of scikit-learn's parameters it leaves out ``precompute`` and ``copy_X`` (the form is chosen by shape, the data are
    never written to), ``fit_path`` (the path is always kept), ``eps``, ``jitter`` with ``random_state`` (columns that
    depend on others are set aside instead), and ``verbose``; ``sample_weight`` is added.

    Attributes
    ----------
    coef_, intercept_
        At the end of the path.
    alphas_ : array of shape (M,)
        The common absolute correlation over N, at each knot.
    coef_path_ : array of shape (D, M)
        The weights at each knot.
    active_ : list of int
        Columns in order of entry.
    history_ : dict
        ``penalty`` (as ``alphas_``) and number of ``active`` columns.
    parts_ : list of dict
        Moments of the rows, where they were formed (few columns, or ``partial_fit``).

    Examples
    --------
    >>> from peira.linear.lars import Lars
    >>> X, y = [[-1.0, 1.0], [0.0, -1.0], [1.0, 1.0], [0.0, -1.0]], [0.0, -3.0, 4.0, -3.0]
    >>> model = Lars().fit(X, y)
    >>> model.active_, model.alphas_
    ([1, 0], array([2.5, 1. , 0. ]))
    """

    card = Card(
        tasks="regression",
        reference="Efron, Hastie, Johnstone & Tibshirani (2004) eq. 2.13",
        cost="N D^2 + D^3; N D a step for D > N",
        exact=True,
        incremental="equals one fit",
        sparse=True,
        linear_in_inputs=True,
    )
    n_nonzero_coefs: int = param(500, "most columns that may enter", low=1)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Lars":
        """Follow the path of least angles.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a value is not finite, or shapes disagree.
        """
        return self._learn(self._begin(X, y, sample_weight))

    def _follow(self, data: Data, problem: Problem, total: float) -> Self:
        knots = self._walk(problem, total, None, 0.0, lasso=False, most=self.n_nonzero_coefs)
        self._keep(data, problem, total, knots, -1)
        return self


class LassoLars(AnglePath):
    """Lasso by least angles: the exact path down to one penalty.

    Of scikit-learn's parameters it leaves out the same as `Lars`.

    Attributes
    ----------
    coef_, intercept_
        At ``alpha``.
    alphas_ : array of shape (M,)
        The penalty at each knot, ending at ``alpha`` (or the largest one, where all weights are zero).
    coef_path_ : array of shape (D, M)
        The weights at each knot; the lasso's solution is linear between two.
    active_ : list of int
        The columns of non-zero weight at the end, in order of entry.
    history_ : dict
        ``penalty`` and number of ``active`` columns.
    parts_ : list of dict
        Moments of the rows, where they were formed (few columns, or ``partial_fit``).

    Examples
    --------
    >>> from peira.linear.lars import LassoLars
    >>> X, y = [[-1.0, 1.0], [0.0, -1.0], [1.0, 1.0], [0.0, -1.0]], [0.0, -3.0, 4.0, -3.0]
    >>> model = LassoLars(0.5).fit(X, y)
    >>> model.coef_, model.alphas_
    (array([1., 2.]), array([2.5, 1. , 0.5]))
    """

    card = Card(
        tasks="regression",
        reference="Efron, Hastie, Johnstone & Tibshirani (2004) 3.1",
        cost="N D^2 + D |A| a step; N D a step for D > N",
        exact=True,
        incremental="equals one fit",
        sparse=True,
        linear_in_inputs=True,
    )
    alpha: float = param(
        1.0,
        "strength of the penalty (unit: the target's times the input's)",
        low=0,
        tune=log(1e-4, 1e1),
        positional=True,
    )
    max_iter: int = param(500, "most steps", low=1)
    positive: bool = param(False, "allow no negative weights")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LassoLars":
        """Follow the lasso's path from all weights zero down to ``alpha``.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a value is not finite, shapes disagree, or a parameter is out of range.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` steps do not reach ``alpha``.
        """
        return self._learn(self._begin(X, y, sample_weight))

    def _follow(self, data: Data, problem: Problem, total: float) -> Self:
        knots = self._walk(problem, total, self.max_iter, float(self.alpha), lasso=True)
        self._keep(data, problem, total, knots, -1)
        return self


class LassoLarsIC(AnglePath):
    r"""Lasso with the penalty chosen by an information criterion along the exact path.

    With :math:`RSS_k` and the number :math:`d_k` of non-zero weights at a knot, and the noise's variance
    :math:`\hat\sigma^2` from least squares on all columns, it takes the least of

    .. math:: N \log(2 \pi \hat\sigma^2) + RSS_k / \hat\sigma^2 + m \, d_k, \qquad m = 2 \; (AIC), \; \log N \; (BIC)

    (Zou, Hastie & Tibshirani 2007: the number of non-zero weights is an unbiased estimate of the lasso's
    degrees of freedom). No folds are needed, one path serves.

    Attributes
    ----------
    alpha_ : float
        The chosen penalty.
    criterion_ : array of shape (M,)
        The criterion at each knot.
    noise_variance_ : float
        At least 1e-15 of the target's variance, so that a perfect fit has a criterion too.
    alphas_, coef_path_, coef_, intercept_, active_, parts_
        As of `LassoLars`.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.linear.lars import LassoLarsIC
    >>> X = np.arange(20.0).reshape(10, 2) % 7
    >>> LassoLarsIC("bic").fit(X, X[:, 0] + np.arange(10) % 2 / 10).active_
    [0]
    """

    card = Card(
        tasks="regression",
        reference="Zou, Hastie & Tibshirani (2007)",
        cost="N D^2 + D |A| a step",
        exact=True,
        incremental="equals one fit",
        sparse=True,
        linear_in_inputs=True,
        chooses_for="LassoLars",
    )
    criterion: Literal["aic", "bic"] = param("aic", "Akaike's or the Bayesian information criterion", positional=True)
    max_iter: int = param(500, "most steps", low=1)
    positive: bool = param(False, "allow no negative weights")
    noise_variance: float | None = param(None, "variance of the noise; None: from least squares", above=0)

    def fit(self, X: Any, y: Any) -> "LassoLarsIC":
        """Follow the lasso's path and keep the knot of least criterion.

        Parameters
        ----------
        X, y
            As of `LassoLars`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a value is not finite, shapes disagree, or there are too few rows to estimate the noise.
        """
        data = self._begin(X, y)
        if lacking := self._lacking(data.X.shape[1], len(data)):
            raise DataError(lacking)
        return self._learn(data)

    def partial_fit(self, X: Any, y: Any) -> "LassoLarsIC":  # type: ignore[override]  # as fit, it takes no weights
        """Learn from more rows; the result equals one fit of all rows so far, in any order.

        Keeps the moments of the rows (D^2 numbers), not the rows. Rows too few to estimate the noise are taken in all
        the same; until there are enough, a question is answered with what is missing.

        Parameters
        ----------
        X, y
            As of `LassoLars`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As in ``fit``, except for too few rows; or if it was fitted to so many columns that no moments were kept.
        """
        return super().partial_fit(X, y)

    def _follow(self, data: Data, problem: Problem, total: float) -> Self:
        given = self.noise_variance
        self.noise_variance_ = self._noise(problem, total) if given is None else float(given)
        knots = self._walk(problem, total, self.max_iter, 0.0, lasso=True)
        rss = np.array([knot.residual for knot in knots])
        df = np.array([np.count_nonzero(knot.weights) for knot in knots])
        factor = 2.0 if self.criterion == "aic" else np.log(total)
        self.criterion_ = total * np.log(2 * np.pi * self.noise_variance_) + rss / self.noise_variance_ + factor * df
        best = int(self.criterion_.argmin())
        self._keep(data, problem, total, knots, best)
        self.alpha_ = float(self.alphas_[best])
        return self

    def _lacking(self, D: int, n: int) -> str:
        if self.noise_variance is not None or n > D + self.fit_intercept:
            return ""
        return (
            f"{type(self).__name__} can't estimate the noise from {n} rows (n_samples={n}) and {D} columns: give "
            "noise_variance, or use LassoCV"
        )

    def _noise(self, problem: Problem, total: float) -> float:
        problem.round(0.0, 0.0, 0.0)  # least squares
        spare = total - len(problem.w) - self.fit_intercept
        return max(problem.residual / spare, 1e-15 * problem.yy / total, np.finfo(float).tiny)
