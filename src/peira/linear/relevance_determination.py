r"""Automatic relevance determination: each weight has a precision of its own, and irrelevant ones are switched off.

.. math:: y = w_0 + w^T x + \epsilon, \quad w_j \sim N(0, \lambda_j^{-1}), \quad \epsilon \sim N(0, \alpha^{-1})

All precisions maximise the evidence (Bishop 2006, 7.2.1; Tipping 2001, section 2.3; MacKay 1992). With the posterior
mean m and covariance S of the weights, and gamma_j in [0, 1] how well the data determine weight j,

.. math:: S^{-1} = \mathrm{diag}(\lambda) + \alpha X^T X, \quad m = \alpha S X^T y

.. math:: \gamma_j = 1 - \lambda_j S_{jj}

.. math:: \lambda_j \leftarrow \frac{\gamma_j + 2 \lambda_1}{m_j^2 + 2 \lambda_2}

.. math:: \alpha \leftarrow \frac{N - \sum_j \gamma_j + 2 \alpha_1}{|y - X m|^2 + 2 \alpha_2}

At most maxima of the evidence many precisions are infinite; a weight whose precision passes ``threshold_lambda`` is
pruned and does not come back. X and y are centred, as in scikit-learn the constant has no uncertainty of its own.

Cost of a step with A active weights: A^3 while A <= N, from one Gram matrix; N^2 A + N^3 otherwise, through the
covariance of the targets C (the diagonal of S is all that is needed of it):

.. math:: C = \alpha^{-1} I + X \, \mathrm{diag}(\lambda)^{-1} X^T, \quad \gamma_j = \lambda_j^{-1} x_j^T C^{-1} x_j

Use it when few of many inputs matter and a predictive distribution is wanted. The maximum found is a local one, and it
depends on the scale of the inputs through the threshold: standardise them.
"""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from scipy import sparse
from torch.linalg import solve_triangular

from ..core import Card, DataError, iterate, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..core.predictive import Normal
from ..numerics.cholesky import cholesky
from ..numerics.moments import Moments, gram
from .folds import Split
from .gaussian_weights import GaussianWeights, check_stored, posterior
from .model import linear_map
from .streaming import StreamedRegressor
from .sufficient_statistics import Rows, Summary, summarise


class ARDRegression(StreamedRegressor):
    """Bayesian regression with automatic relevance determination.

    Attributes
    ----------
    coef_ : array of shape (D,)
        Posterior mean of the weights; exactly 0 where pruned.
    intercept_ : float
    alpha_ : float
        Precision of the noise.
    lambda_ : array of shape (D,)
        Precisions of the weights; of a pruned weight, the value at which it was pruned.
    sigma_ : array of shape (A, A)
        Posterior covariance of the weights that are active (``lambda_ < threshold_lambda``); computed when asked for.
    log_evidence_ : float
        log p(y | X, ``alpha_``, ``lambda_``) of the centred targets with the active weights, nats.
    scores_ : array of shape (T + 1,)
        Log evidence plus log hyperprior before each step and at the end; only with ``compute_score``.
    n_iter_, stopped_, history_
        The loop's record: ``log_evidence``, ``active`` (how many weights) and ``change`` (sum of absolute changes).
    active_, posterior_, input_mean_
        Positions of the active weights, their factored posterior, and the means of all inputs.
    parts_ : list of dict
        Moments of the data (or its rows, if fewer than columns), for ``partial_fit``.
    target_mean_ : float

    Examples
    --------
    >>> import numpy as np
    >>> from peira.linear.relevance_determination import ARDRegression
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> ARDRegression().fit(X, 2 * X[:, 1] + 1).coef_.round(6)
    array([0., 2., 0.])
    """

    card = Card(
        tasks="regression",
        reference="Tipping (2001) 2.3; MacKay (1992); Bishop (2006) 7.2.1, eqs 7.87-7.89",
        cost="N D^2 + T A^3, or T N^2 A for A > N active weights",
        incremental="equals one fit",
        sparse=True,
        linear_in_inputs=True,
    )

    max_iter: int = param(300, "most steps", low=1)
    tol: float = param(1e-3, "stop when the weights change by less, summed over their absolute values", low=0)
    alpha_1: float = param(1e-6, "shape of the Gamma prior of the noise precision", low=0)
    alpha_2: float = param(1e-6, "rate of the Gamma prior of the noise precision", low=0)
    lambda_1: float = param(1e-6, "shape of the Gamma prior of the weights' precisions", low=0)
    lambda_2: float = param(1e-6, "rate of the Gamma prior of the weights' precisions", low=0)
    compute_score: bool = param(False, "keep the objective of every step in scores_")
    threshold_lambda: float = param(1e4, "prune weights of a higher precision", low=0)
    fit_intercept: bool = param(True, "estimate a constant term")

    @classmethod
    def example(cls) -> "ARDRegression":
        # Priors by which the evidence of two rows, too, has a maximum that is soon found.
        return cls(lambda_1=0.02, lambda_2=0.02)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn weights and all precisions.

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
        """
        data = self._begin(X, y, sample_weight)
        summary = summarise(data, centred=self.fit_intercept)
        self._remember(data, [summary])
        return self._solve(data, summary, iter(()))

    def _solve(self, data: Data, whole: Summary, splits: Iterator[Split]) -> Self:
        W, D = whole.weight, len(whole.x_mean)
        weight, total = (len(data), data.Y.sum()) if data.w is None else (float(data.w.sum()), data.w @ data.Y[:, 0])
        before = getattr(self, "target_mean_", 0.0) * (W - weight)
        self.target_mean_ = (before + float(total)) / W
        if isinstance(whole, Moments) and whole.n < D:
            whole = _few_rows(whole)
        problem = _Problem(data, whole)
        lam = torch.ones(D, dtype=data.dtype, device=data.device)
        variance = problem.yy / W - (0.0 if self.fit_intercept else self.target_mean_**2)
        alpha = 1 / (max(variance, 0.0) + np.finfo(float).eps)
        before, scores = torch.zeros_like(lam), []
        for step in iterate(self, self.max_iter, name="evidence maximisation"):
            active = problem.active
            m, gamma, sse, evidence = problem.step(alpha, lam[active])
            scores.append(evidence + self._log_hyperprior(alpha, lam[active]))
            lam[active], alpha = self._updated(gamma, m, sse, W)  # eqs 7.87 and 7.88
            keep = lam[active] < self.threshold_lambda
            coef = torch.zeros_like(lam)
            coef[active[keep]] = m[keep]
            change = float((coef - before).abs().sum())
            step.record(log_evidence=evidence, active=int(keep.sum()), change=change)
            problem.prune(keep)
            before = coef
            if step.index and step.reached("change", self.tol):
                break
            if not len(problem.active):
                step.stop("no weight is left")
                break
        return self._finish(data, problem, alpha, lam, scores)

    def predict_dist(self, X: Any) -> Normal:
        """Predictive distribution of each row's target, with the precisions at their estimates.

        Variance: 1 / alpha + (x - mean)' sigma (x - mean), over the active inputs. Costs N A^2.
        """
        queries = self._queries(X)
        Z = torch.from_numpy(queries.X.toarray()) if sparse.issparse(queries.X) else queries.X
        Z = (Z - queries.tensor(self.input_mean_))[:, torch.as_tensor(self.active_, device=queries.device)]
        variance = GaussianWeights.restored(self.posterior_, queries).variance(Z)
        loc = self._predict(queries)[:, 0]
        return Normal(loc, (variance + 1 / self.alpha_).sqrt(), as_numpy=queries.as_numpy)

    @property
    def sigma_(self) -> Any:
        """Posterior covariance of the active weights, (A, A)."""
        coef = torch.as_tensor(self.coef_)
        queries = Queries(coef[None], isinstance(self.coef_, np.ndarray), coef.device)
        return queries.give(GaussianWeights.restored(self.posterior_, queries).covariance())

    # ------------------------------------------------------------------ private

    def _updated(self, gamma: torch.Tensor, m: torch.Tensor, sse: float, W: float) -> tuple[torch.Tensor, float]:
        determined = float(gamma.sum())
        if W + 2 * self.alpha_1 <= determined:
            raise DataError(
                f"the sample weights sum to {W:.6g}, but the rows determine {determined:.6g} weights: nothing is left "
                "to tell the noise; scale sample_weight up, or give alpha_1 > 0"
            )
        above, below = m**2 + 2 * self.lambda_2, sse + 2 * self.alpha_2
        if below <= 0 or bool((above <= 0).any()):
            raise DataError(
                "the evidence has no maximum: the fit is perfect or a weight is zero, and the hyperpriors are zero; "
                "give positive alpha_1, alpha_2, lambda_1 and lambda_2"
            )
        return (gamma + 2 * self.lambda_1) / above, (W - determined + 2 * self.alpha_1) / below

    def _log_hyperprior(self, alpha: float, lam: torch.Tensor) -> float:
        return float(
            self.alpha_1 * np.log(alpha)
            - self.alpha_2 * alpha
            + (self.lambda_1 * lam.log() - self.lambda_2 * lam).sum()
        )

    def _finish(self, data: Data, problem: "_Problem", alpha: float, lam: torch.Tensor, scores: list[float]) -> Self:
        active = problem.active
        m, _, _, evidence = problem.step(alpha, lam[active])
        if self.compute_score:
            self.scores_ = np.array([*scores, evidence + self._log_hyperprior(alpha, lam[active])])
        self.log_evidence_, self.alpha_, self.lambda_ = evidence, alpha, data.give(lam)
        part = problem.part()
        names = tuple(data.names[int(j)] for j in active)
        weights, _ = posterior(part, lam[active], alpha, torch.zeros_like(lam[active]), names)
        self.posterior_ = {k: data.give(v) if isinstance(v, torch.Tensor) else v for k, v in vars(weights).items()}
        self.active_, self.input_mean_ = data.give(active), data.give(problem.summary.x_mean)
        w = torch.zeros_like(lam)[None]
        w[0, active] = m
        self._learned(data, w, problem.summary.y_mean - w @ problem.summary.x_mean)
        return self

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        active, D = np.asarray(getattr(self, "active_", [-1])), self.n_features_in_
        if active.ndim != 1 or active.dtype.kind != "i" or ((active < 0) | (active >= D)).any():
            raise UnreadableError(f"ARDRegression should name active columns below {D}, and does not")
        check_stored("ARDRegression", getattr(self, "posterior_", None), len(active), 1)


def _few_rows(m: Moments) -> Rows:
    """Rows with these moments of one target, no more than made them: of a stream that has only begun.

    With :math:`S_{xx} = Q E Q^T`, they are :math:`A = E^{1/2} Q^T` and :math:`b = E^{-1/2} Q^T s_{xy}`, and below them
    a row of zeros with what b does not explain.
    """
    e, Q = torch.linalg.eigh(m.xx)
    kept = e > len(e) * torch.finfo(e.dtype).eps * e[-1].clamp(min=0)
    root, Q = e[kept].sqrt(), Q[:, kept]
    b = (Q.T @ m.xy) / root[:, None]
    rest = (m.yy - b.T @ b).clamp(min=0).sqrt()
    A = torch.cat([root[:, None] * Q.T, Q.new_zeros(1, len(e))])
    return Rows(m.n, m.weight, m.x_mean, m.y_mean, A, torch.cat([b, rest]), m.centred)


class _Problem:
    """The regression on the weights that are still active, in whichever form is smaller."""

    def __init__(self, data: Data, summary: Summary) -> None:
        self.data, self.summary = data, summary
        self.active = torch.arange(len(summary.x_mean), device=data.device)
        if isinstance(summary, Rows):
            self.A, self.b, self.G = summary.A, summary.B[:, 0], None
            self.xy, self.yy = self.A.T @ self.b, float(self.b @ self.b)
        else:
            self.G, self.xy, self.yy = summary.xx, summary.xy[:, 0], float(summary.yy[0, 0])

    def prune(self, keep: torch.Tensor) -> None:
        """Go on with some of the active weights."""
        if bool(keep.all()) or not len(keep):
            return
        self.active, self.xy = self.active[keep], self.xy[keep]
        if isinstance(self.summary, Rows):
            self.A = self.A[:, keep]
        if self.G is not None:
            self.G = self.G[keep][:, keep]
        elif len(self.active) <= len(self.A):
            self.G = gram(self.A)

    def step(self, alpha: float, lam: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float, float]:
        """Posterior mean, gamma, the residual's square and the log evidence for given precisions."""
        if not len(lam):
            m = gamma = lam
            sse, log_det = self.yy, 0.0
        elif self.G is None:
            m, gamma, log_det = self._dual_step(alpha, lam)
            sse = float((self.b - self.A @ m).square().sum())
        else:
            m, gamma, log_det = self._primal_step(alpha, lam)
            sse = float(self.yy - 2 * m @ self.xy + m @ (self.G @ m))
            if sse < 1e-6 * self.yy and self.summary.n == len(self.data):
                sse = self._residual_square(m)  # the difference has lost its digits, and all rows are at hand
            sse = max(sse, 0.0)
        W = self.summary.weight
        energy = alpha * sse + float((lam * m**2).sum())
        return m, gamma, sse, (W * float(np.log(alpha / (2 * np.pi))) - energy - log_det) / 2

    def _primal_step(self, alpha: float, lam: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Posterior mean, gamma, and the log determinant of I + alpha G / lambda."""
        root = lam.sqrt()
        H = alpha * self.G / torch.outer(root, root)  # in units of the prior: eigenvalues from 1 upwards
        H.diagonal().add_(1.0)
        L, _ = cholesky(H)
        eye = torch.eye(len(lam), dtype=lam.dtype, device=lam.device)
        gamma = 1 - solve_triangular(L, eye, upper=False).square_().sum(0)
        m = torch.cholesky_solve((alpha * self.xy / root)[:, None], L)[:, 0] / root
        return m, gamma.clamp_(min=0), 2 * float(L.diagonal().log().sum())

    def _dual_step(self, alpha: float, lam: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
        Z = self.A / lam.sqrt()
        C = gram(Z.T).mul_(alpha)  # alpha times the covariance of the targets
        C.diagonal().add_(1.0)
        L, _ = cholesky(C)
        V = solve_triangular(L, Z, upper=False).mul_(alpha**0.5)
        v = solve_triangular(L, self.b[:, None], upper=False)[:, 0] * alpha**0.5
        return V.T @ v / lam.sqrt(), V.square().sum(0), 2 * float(L.diagonal().log().sum())

    def _residual_square(self, m: torch.Tensor) -> float:
        if isinstance(self.summary, Rows):
            return float((self.b - self.A @ m).square().sum())
        w = torch.zeros_like(self.summary.x_mean)[None]
        w[0, self.active] = m
        r = (self.data.Y - self.summary.y_mean - linear_map(self.data.X, w) + w @ self.summary.x_mean)[:, 0]
        return float(r.square().sum() if self.data.w is None else self.data.w @ r.square())

    def part(self) -> Summary:
        """The summary of the active columns alone."""
        s, a = self.summary, self.active
        if self.G is None:
            return Rows(s.n, s.weight, s.x_mean[a], s.y_mean, self.A, s.B, s.centred)
        yy = torch.full((1, 1), self.yy, dtype=self.xy.dtype, device=self.xy.device)
        return Moments(s.n, s.weight, s.x_mean[a], s.y_mean, self.G, self.xy[:, None], yy, s.centred)
