r"""Bayesian ridge regression: the strength of the penalty learned from the data that it penalises.

Weights share one unknown precision lambda, the noise has an unknown precision alpha (Bishop's alpha and beta; the
names here are scikit-learn's):

.. math:: y = w_0 + w^T x + \epsilon, \quad w \sim N(0, \lambda^{-1} I), \quad \epsilon \sim N(0, \alpha^{-1})

Both maximise the evidence, the density of the targets with the weights integrated out (Bishop 2006, 3.5; MacKay 1992),

.. math:: p(y \mid X, \alpha, \lambda) = N(y \mid 0, \; \alpha^{-1} I + \lambda^{-1} X X^T)

times Gamma priors that are flat unless asked for. With gamma the number of well-determined weights (eqs 3.91, 3.92 and
3.95, and Tipping 2001, appendix A, for the Gamma terms):

.. math:: \gamma = \sum_i \frac{\alpha e_i}{\lambda + \alpha e_i}

.. math:: \lambda \leftarrow \frac{\gamma + 2 \lambda_1}{m^T m + 2 \lambda_2}

.. math:: \alpha \leftarrow \frac{N - \gamma + 2 \alpha_1}{|y - X m|^2 + 2 \alpha_2}

One eigendecomposition serves all steps. With e_i the eigenvalues of X'X (or of X X', if that is smaller) and u_i the
coordinates of y along the left singular vectors, the posterior mean has the coordinates

.. math:: c_i = \sqrt{e_i} \, u_i \, \alpha / (\lambda + \alpha e_i)

and so each step costs min(N, D). Fixed points are those of the evidence; a step may pass over the maximum, so it need
not increase it (Wipf & Nagarajan 2008). X and y are centred; the constant has no uncertainty of its own here, as in
scikit-learn (`BayesianLinearRegression` integrates it out).

Cost: N D min(N, D) + min(N, D)^3, memory min(N, D) (N + D); N rows beyond D only stream through the moments. Use it
when all inputs are alike in scale and may matter; with many irrelevant inputs see `ARDRegression`. The moments keep
about half of the digits when columns are nearly collinear.
"""

import math
import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..core import Card, DataError, iterate, param
from ..core.errors import RankWarning, UnreadableError
from ..core.inputs import Data, Queries
from ..core.predictive import Normal
from ..numerics.moments import gram
from .model import LinearRegressor, linear_map
from .sufficient_statistics import Rows, Summary, restored, squares_of, stored, summarise, without_constants


class BayesianRidge(LinearRegressor):
    """Bayesian ridge regression, evidence maximisation.

    Attributes
    ----------
    coef_ : array of shape (D,)
        Posterior mean of the weights.
    intercept_ : float
    alpha_, lambda_ : float
        Precision of the noise, and of the weights.
    log_evidence_ : float
        log p(y | X, ``alpha_``, ``lambda_``) of the centred targets, nats.
    scores_ : array of shape (T + 1,)
        Log evidence plus log hyperprior before each step and at the end; only with ``compute_score``.
    sigma_ : array of shape (D, D)
        Posterior covariance of the weights; computed when asked for, D^2 min(N, D).
    n_iter_, stopped_, history_
        The loop's record: ``log_evidence``, and ``change``, the sum of absolute changes of the weights (their Euclidean
        norm while that alone exceeds ``tol``).
    eigenvalues_, basis_, summary_
        The decomposition, and the data's moments (or rows, when fewer than columns).
    target_mean_ : float

    Examples
    --------
    >>> from peira.linear.evidence_maximisation import BayesianRidge
    >>> model = BayesianRidge().fit([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], [0.0, 1.0, 2.0])
    >>> model.predict([[1.0, 1.0]]).round(6)
    array([1.])
    """

    card = Card(
        tasks="regression",
        reference="MacKay (1992); Bishop (2006) 3.5, eqs 3.86-3.95; Tipping (2001) appendix A",
        cost="N D min(N, D) + min(N, D)^3",
        incremental="equals one fit",
        sparse=True,
        linear_in_inputs=True,
    )

    max_iter: int = param(300, "most steps", low=1)
    tol: float = param(1e-3, "stop when the weights change by less, summed over their absolute values", above=0)
    alpha_1: float = param(1e-6, "shape of the Gamma prior of the noise precision", low=0)
    alpha_2: float = param(1e-6, "rate of the Gamma prior of the noise precision", low=0)
    lambda_1: float = param(1e-6, "shape of the Gamma prior of the weights' precision", low=0)
    lambda_2: float = param(1e-6, "rate of the Gamma prior of the weights' precision", low=0)
    alpha_init: float | None = param(None, "first noise precision; None: 1 / variance of the target", above=0)
    lambda_init: float | None = param(None, "first precision of the weights; None: 1", above=0)
    compute_score: bool = param(False, "keep the objective of every step in scores_")
    fit_intercept: bool = param(True, "estimate a constant term")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "BayesianRidge":
        """Learn weights and both precisions.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If the data are malformed, or the evidence has no maximum (a perfect fit, with hyperpriors of zero).

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` steps were not enough.
        RankWarning
            If a column varies, yet by so little that it is lost in the rounding of the others.
        """
        data = self._begin(X, y, sample_weight)
        mean = float(data.Y.mean() if data.w is None else data.w @ data.Y[:, 0] / data.w.sum())
        return self._maximise(data, summarise(data, centred=self.fit_intercept), mean, direct=True)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "BayesianRidge":
        """Learn more rows: what `fit` on all of them gives, from the sums of their moments.

        Cost: N D^2 for the block and D^3 to maximise the evidence anew.
        """
        data = self._continue(X, y, sample_weight)
        summary = summarise(data, centred=self.fit_intercept, stream=True)
        total = float(data.Y.sum() if data.w is None else data.w @ data.Y[:, 0])
        if hasattr(self, "summary_"):
            before = restored(self.summary_, data)
            total += self.target_mean_ * before.weight
            summary = (before.moments() if isinstance(before, Rows) else before) + summary
        return self._maximise(data, summary, total / summary.weight, direct=False)

    def predict_dist(self, X: Any) -> Normal:
        """Predictive distribution of each row's target, with the precisions at their estimates.

        Variance: 1 / alpha + (x - mean)' sigma (x - mean). Costs N D min(N, D).
        """
        queries = self._queries(X)
        Z = torch.from_numpy(queries.X.toarray()) if sparse.issparse(queries.X) else queries.X
        e, Q, summary = self._decomposition(queries)
        Z = Z - summary.x_mean
        shrunk = 1 / (self.lambda_ + self.alpha_ * e)
        if isinstance(summary, Rows):  # in the span of the rows the prior's variance is shrunk, elsewhere not
            explained = ((Z @ summary.A.T) @ Q).square_() @ shrunk * self.alpha_
            variance = (Z.square().sum(1) - explained).clamp_(min=0) / self.lambda_
        else:
            variance = (Z @ Q).square_() @ shrunk
        loc = self._predict(queries)[:, 0]
        return Normal(loc, (variance + 1 / self.alpha_).sqrt(), as_numpy=queries.as_numpy)

    @property
    def sigma_(self) -> Any:
        """Posterior covariance of the weights, (D, D)."""
        D = self.n_features_in_
        queries = Queries(torch.empty(0, D), isinstance(self.coef_, np.ndarray), torch.as_tensor(self.coef_).device)
        e, Q, summary = self._decomposition(queries)
        shrunk = 1 / (self.lambda_ + self.alpha_ * e)
        if not isinstance(summary, Rows):
            return queries.give(gram((Q * shrunk.sqrt()).T))
        S = gram((Q * (self.alpha_ * shrunk).sqrt()).T @ summary.A).neg_()
        S.diagonal().add_(1.0)
        return queries.give(S / self.lambda_)

    # ------------------------------------------------------------------ private

    def _maximise(self, data: Data, summary: Summary, target_mean: float, *, direct: bool) -> "BayesianRidge":
        W = summary.weight
        e, u, rest, Q = spectrum(summary)
        _warn_of_lost_columns(summary, e, data)
        root = e.sqrt()
        if isinstance(summary, Rows):

            def weights(c: torch.Tensor) -> torch.Tensor:
                """From coordinates in the eigenbasis to weights."""
                return summary.A.T @ (Q @ torch.where(e > 0, c / root, 0.0))

            yy = float(summary.B.square().sum())
        else:

            def weights(c: torch.Tensor) -> torch.Tensor:
                return Q @ c

            yy = float(summary.yy)
            if direct and rest < 1e-6 * yy:
                # A nearly perfect fit: the difference of squares has lost its digits. Take the residuals.
                w = weights(torch.where(e > 0, u / root, 0.0))[None]
                r = (data.Y - summary.y_mean)[:, 0] - (linear_map(data.X, w)[:, 0] - summary.x_mean @ w[0])
                rest = float(r.square().sum() if data.w is None else data.w @ r.square())
        variance = yy / W - (0.0 if self.fit_intercept else target_mean**2)
        alpha = 1 / (variance + np.finfo(float).eps) if self.alpha_init is None else float(self.alpha_init)
        lam = 1.0 if self.lambda_init is None else float(self.lambda_init)
        scores, before = [], torch.zeros_like(e)
        for step in iterate(self, self.max_iter, name="evidence maximisation"):
            shrunk = 1 / (lam + alpha * e)
            c = alpha * root * u * shrunk  # eq. 3.53 in the eigenbasis
            change = float((c - before).norm())
            if change <= self.tol:
                change = float(weights(c - before).abs().sum())
            evidence = float(log_evidence(e, u, rest, W, alpha, lam))
            scores.append(evidence + self._log_hyperprior(alpha, lam))
            step.record(log_evidence=evidence, change=change)
            gamma = float((alpha * e * shrunk).sum())  # eq. 3.91
            sse = rest + float((lam * u * shrunk).square().sum())
            lam, alpha = self._updated(gamma, float(c @ c), sse, W)
            before = c
            if step.index and step.reached("change", self.tol):
                break
        self.log_evidence_ = float(log_evidence(e, u, rest, W, alpha, lam))
        if self.compute_score:
            self.scores_ = np.array([*scores, self.log_evidence_ + self._log_hyperprior(alpha, lam)])
        self.alpha_, self.lambda_, self.target_mean_ = alpha, lam, target_mean
        self.eigenvalues_, self.basis_ = data.give(e), data.give(Q)
        self.summary_ = stored(summary, data)
        w = weights(alpha * root * u / (lam + alpha * e))[None]
        self._learned(data, w, summary.y_mean - w @ summary.x_mean)
        return self

    def _updated(self, gamma: float, norm: float, sse: float, W: float) -> tuple[float, float]:
        """Eqs 3.92 and 3.95, with Gamma priors."""
        above, below = norm + 2 * self.lambda_2, sse + 2 * self.alpha_2
        if W + 2 * self.alpha_1 <= gamma:
            raise DataError(
                f"the sample weights sum to {W:.6g}, but the rows determine {gamma:.6g} weights: nothing is left to "
                "tell the noise; scale sample_weight up, or give alpha_1 > 0"
            )
        if min(above, below, gamma + 2 * self.lambda_1) <= 0:
            raise DataError(
                "the evidence has no maximum: the fit is perfect or all weights are 0, and the hyperpriors are 0; "
                "give positive alpha_1, alpha_2, lambda_1 and lambda_2"
            )
        return (gamma + 2 * self.lambda_1) / above, (W - gamma + 2 * self.alpha_1) / below

    def _log_hyperprior(self, alpha: float, lam: float) -> float:
        terms = ((self.alpha_1, self.alpha_2, alpha), (self.lambda_1, self.lambda_2, lam))
        return sum(shape * math.log(value) - rate * value for shape, rate, value in terms)

    def _decomposition(self, queries: Queries) -> tuple[torch.Tensor, torch.Tensor, Summary]:
        return queries.tensor(self.eigenvalues_), queries.tensor(self.basis_), restored(self.summary_, queries)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        R, D = (*np.shape(getattr(self, "eigenvalues_", 0)), 0)[0], self.n_features_in_
        rows = np.shape(self.summary_["A"]) if "A" in getattr(self, "summary_", {}) else None
        if np.shape(getattr(self, "basis_", 0)) != (R, R) or (rows or (D,))[0] != R or (rows or (0, D))[1] != D:
            raise UnreadableError(f"BayesianRidge should hold a decomposition for {D} columns, and does not")


def spectrum(summary: Summary) -> tuple[torch.Tensor, torch.Tensor, float, torch.Tensor]:
    """The decomposition that serves every alpha and lambda.

    Returns
    -------
    e : tensor of shape (R,)
        Eigenvalues of X'X (moments; R = D) or X X' (rows; R = N); those that are rounding are zeros.
    u : tensor of shape (R,)
        Coordinates of the first target along the left singular vectors.
    rest : float
        Square of what of the target lies outside of all of them.
    Q : tensor of shape (R, R)
        The eigenvectors, in columns.
    """
    wide = isinstance(summary, Rows)
    e, Q = torch.linalg.eigh(gram(summary.A.T) if wide else summary.xx)
    real = e > len(e) * torch.finfo(e.dtype).eps * e[-1].clamp(min=0)
    e = torch.where(real, e, 0.0)
    if wide:
        return e, Q.T @ summary.B[:, 0], 0.0, Q
    u = torch.where(real, Q.T @ summary.xy[:, 0] / e.sqrt(), 0.0)
    return e, u, max(float(summary.yy[0, 0] - u @ u), 0.0), Q


def _warn_of_lost_columns(summary: Summary, e: torch.Tensor, data: Data) -> None:
    squares = squares_of(without_constants(summary))[0]
    lost = ((squares > 0) & (squares <= len(e) * torch.finfo(e.dtype).eps * e.max())).nonzero()[:, 0].tolist()
    if lost:
        warnings.warn(
            f"column {data.names[lost[0]]!r}{f' and {len(lost) - 1} more' if lost[1:] else ''} of BayesianRidge varies "
            f"so little beside column {data.names[int(squares.argmax())]!r} that rounding hides it: bring the columns "
            "to one scale",
            RankWarning,
            stacklevel=5,
        )


def log_evidence(e: torch.Tensor, u: torch.Tensor, rest: Any, W: float, alpha: Any, lam: Any) -> torch.Tensor:
    r"""Log density of the targets for given precisions (Bishop 2006, eq. 3.86), in the eigenbasis; costs R.

    .. math:: \frac{N}{2} \log \frac{\alpha}{2 \pi} - \frac{1}{2} E - \frac{1}{2} \sum_i \log (1 + \alpha e_i / \lambda)

    .. math:: E = \alpha \rho + \sum_i \frac{\alpha \lambda u_i^2}{\lambda + \alpha e_i}

    with rho the square of what lies outside (``rest``). alpha and lambda may be tensors that carry gradients.
    """
    N_log = W * torch.log(torch.as_tensor(alpha / (2 * math.pi), dtype=e.dtype))
    energy = alpha * rest + (alpha * lam * u**2 / (lam + alpha * e)).sum()
    return (N_log - energy - torch.log1p(alpha * e / lam).sum()) / 2
