r"""Least squares: the line, plane or hyperplane with the smallest squared errors.

.. math:: y_n = w_0 + w^T x_n + \epsilon_n

.. math:: \hat w = \arg\min_w \sum_n v_n (y_n - w_0 - w^T x_n)^2

with v_n the weights of the rows. It is the maximum of the likelihood if the errors are independent and normal with
one variance; without normality it is still the best unbiased estimate that is linear in y (Gauss and Markov).

**What is known about the estimates.** With C the inverse of the centred scatter of the inputs, P parameters, N rows,

.. math:: s^2 = \frac{RSS}{N - P}, \quad \mathrm{std}(w_j) = s \sqrt{C_{jj}}

.. math:: y(x) \sim t_{N-P}\left(w_0 + w^T x, \; s \sqrt{1 + 1/N + (x - \bar x)^T C (x - \bar x)}\right)

The maximum-likelihood estimate of the noise variance divides by N instead: it is biased low, and not
``residual_std_``.

**How it is computed.** By QR of centred, scaled columns with refinement in doubled precision, or for large
well-conditioned problems by the Gram matrix with refinement (`peira.numerics.least_squares`): as many digits as the
data hold, whatever the units. Columns that depend on others are named in a warning, never dropped in silence; the
solution is then the shortest, as by the pseudo-inverse. Cost: N D^2 + D^3 in time, D^2 in memory beside the data.

**Weights** count as repetitions: a row of weight 2 is two rows, also in N.

**Use it** with many more rows than columns, and when the coefficients themselves are of interest. With many or
collinear columns, ridge or lasso predict better; outliers pull hard, since errors count squared.

Reference: Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, 3.2, eqs 3.3 to 3.15;
the predictive distribution: Gelman et al. (2013), Bayesian Data Analysis, 14.2.
"""

import math
import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..core import Card, param
from ..core.errors import DataError, RankWarning, UnreadableError
from ..core.inputs import Data
from ..core.predictive import StudentT
from ..numerics.least_squares import Solution, from_triangle, least_squares, reduced
from .coefficient_table import CoefficientTable
from .model import LinearRegressor, linear_map


class LinearRegression(LinearRegressor):
    """Ordinary, weighted and multi-output least squares.

    Attributes
    ----------
    coef_, intercept_ : array of shape (D,) and float; (K, D) and (K,) for K targets
    coef_std_, intercept_std_ : like ``coef_`` and ``intercept_``
        Standard errors; NaN where the data do not determine a coefficient, or leave no degree of freedom.
    residual_std_ : float, or array of shape (K,)
        Estimate s of the errors' standard deviation, with N - P in the denominator.
    df_residual_ : float
        N - P: sum of the weights less the number of parameters.
    rank_ : int
        Of the (centred) inputs.
    n_samples_ : float
        Rows, or the sum of their weights.

    Warns
    -----
    RankWarning
        If columns are constant, or depend linearly on others: their coefficients are not determined.

    Examples
    --------
    >>> from peira.linear import LinearRegression
    >>> model = LinearRegression().fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 8.0])
    >>> model.coef_.round(6), round(model.intercept_, 6)
    (array([2.3]), 0.8)
    >>> print(model.summary())
               estimate  std error      t       p      low   high
    intercept       0.8      0.324  2.469  0.1323  -0.5942  2.194
    x0              2.3     0.1732  13.28  0.0056    1.555  3.045
    residual standard deviation 0.3873 on 2 degrees of freedom
    """

    card = Card(
        tasks="regression",
        reference="Hastie et al. (2009) 3.2; refinement: Björck (1967)",
        exact=True,
        incremental="equals one fit",
        cost="N D^2 + D^3",
        sparse=True,
        multi_output=True,
        linear_in_inputs=True,
    )
    fit_intercept: bool = param(True, "estimate a constant term")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LinearRegression":
        """Estimate coefficients and their standard errors.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        data = self._begin(X, y, sample_weight)
        self._keep(data, least_squares(data.X, data.Y, data.w, intercept=self.fit_intercept))
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LinearRegression":
        """Learn from more rows; equals one fit to all of them, in any order.

        Keeps a triangle of (1 + D + K)^2 numbers and no rows, so the data need not fit into memory. Standard errors
        lose as many digits as the inputs' condition number has, not twice as many. Costs N D^2 + D^3 a call.
        Dependent columns are named once there have been as many rows as coefficients.
        """
        data = self._continue(X, y, sample_weight)
        if sparse.issparse(data.X):
            data.X = torch.from_numpy(data.X.toarray())
        above = data.tensor(self.triangle_) if hasattr(self, "triangle_") else None
        T = reduced(data.X, data.Y, data.w, intercept=self.fit_intercept, above=above)
        weight = getattr(self, "n_samples_", 0.0) + float(len(data) if data.w is None else data.w.sum())
        self._keep(data, from_triangle(T, data.Y.shape[1], weight, intercept=self.fit_intercept), T)
        return self

    def _keep(self, data: Data, s: Solution, triangle: torch.Tensor | None = None) -> None:
        short = triangle is not None and len(triangle) < len(s.coef) + self.fit_intercept  # a stream that only begins
        if s.undetermined and not short:
            _warn_of_rank(data.names, s)
        self._learned(data, s.coef.T, s.intercept)
        self.rank_, self.n_samples_ = s.rank, s.weight
        self.df_residual_ = s.weight - s.rank - self.fit_intercept
        variance = s.rss / self.df_residual_ if self.df_residual_ > 0 else torch.full_like(s.rss, math.nan)
        std = (variance[:, None] * s.variances).sqrt()
        std[:, [1 + j for j in s.undetermined]] = math.nan
        if data.squeeze:
            self.coef_std_, self.intercept_std_ = data.give(std[0, 1:]), float(std[0, 0])
            self.residual_std_ = float(variance[0].sqrt())
        else:
            self.coef_std_, self.intercept_std_ = data.give(std[:, 1:]), data.give(std[:, 0])
            self.residual_std_ = data.give(variance.sqrt())
        self.mean_, self.root_ = data.give(s.mean), data.give(s.root)
        self.triangle_ = data.give(s.triangle if triangle is None else triangle)

    def predict_dist(self, X: Any) -> StudentT:
        """The predictive distribution of each row's target; its intervals are the classical prediction intervals.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        StudentT
            With ``df_residual_`` degrees of freedom.

        Raises
        ------
        ValueError
            If the fit left no degrees of freedom to estimate the noise from.
        """
        queries = self._queries(X)
        if not self.df_residual_ > 0:
            raise DataError(
                f"{self.n_samples_:g} rows leave no degrees of freedom for the noise beside "
                f"{self.rank_ + self.fit_intercept} parameters: give more rows, or use BayesianLinearRegression"
            )
        root, mean = queries.tensor(self.root_), queries.tensor(self.mean_)
        leverage = (linear_map(queries.X, root.T) - mean @ root).square().sum(1) + self.fit_intercept / self.n_samples_
        shape = (len(queries), *self.target_shape_)
        scale = (1 + leverage).sqrt()[:, None] * queries.tensor(self.residual_std_).reshape(1, -1)
        loc = self._predict(queries).reshape(shape)
        return StudentT(self.df_residual_, loc, scale.reshape(shape), as_numpy=queries.as_numpy)

    def summary(self, level: float = 0.95, output: int = 0) -> CoefficientTable:
        """The table of coefficients with standard errors, t, p and intervals.

        Parameters
        ----------
        level : float, default 0.95
            Probability of the intervals.
        output : int, default 0
            Which target, if there are several.
        """
        parts = [np.atleast_1d(_numpy(v)) for v in (self.intercept_, self.intercept_std_, self.residual_std_)]
        start, start_std, residual_std = (v[output] for v in parts)
        coef, std = (_numpy(v).reshape(-1, self.n_features_in_)[output] for v in (self.coef_, self.coef_std_))
        names = [str(n) for n in getattr(self, "feature_names_in_", [f"x{j}" for j in range(len(coef))])]
        note = f"residual standard deviation {residual_std:.4g} on {self.df_residual_:g} degrees of freedom"
        if self.fit_intercept:
            names, coef, std = ["intercept", *names], np.r_[start, coef], np.r_[start_std, std]
        return CoefficientTable.of(names, coef, std, self.df_residual_, level, note)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not hasattr(self, "coef_"):
            return
        D, root = self.n_features_in_, np.shape(self.root_)
        width = D + np.size(self.intercept_) + int(self.fit_intercept)
        triangle = np.shape(self.triangle_)
        if root != (D, self.rank_) or np.shape(self.mean_) != (D,) or triangle[1:] != (width,) or triangle[0] > width:
            raise UnreadableError(
                f"LinearRegression of {D} columns and rank {self.rank_} should hold a root of shape "
                f"({D}, {self.rank_}) and a triangle of {width} columns, and has {root} and {triangle}"
            )


def _numpy(value: Any) -> np.ndarray:
    return value.numpy(force=True) if isinstance(value, torch.Tensor) else np.asarray(value)


def _warn_of_rank(names: tuple[str, ...], s: Solution) -> None:
    columns = [repr(names[j]) for j in s.undetermined]
    listed = ", ".join(columns[:10]) + (f" and {len(columns) - 10} more" if len(columns) > 10 else "")
    warnings.warn(
        f"the data do not determine the coefficients of {listed}: the {len(names)} columns have rank {s.rank} (they "
        "are constant, combinations of each other, or more than the rows). The shortest solution was taken, and their "
        "standard errors are NaN; drop columns, or use Ridge",
        RankWarning,
        stacklevel=4,
    )
