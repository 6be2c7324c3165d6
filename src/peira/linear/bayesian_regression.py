r"""Bayesian linear regression with its exact posterior.

Weights have a Gaussian prior with mean m_0 and precision P (0 in a direction: flat there), targets are normal:

.. math:: y = w_0 + w^T x + \epsilon, \quad \epsilon \sim N(0, \beta^{-1}), \quad w \sim N(m_0, P^{-1})

Known noise precision beta (Bishop 2006, eqs 3.50, 3.51): the posterior is N(m_N, S_N),

.. math:: S_N^{-1} = P + \beta X^T X, \quad m_N = S_N (P m_0 + \beta X^T y)

and the prediction is normal with the variance of the noise and of the function (eqs 3.58, 3.59):

.. math:: \sigma_N^2(x) = \beta^{-1} + x^T S_N x

Unknown noise (``beta=None``; Murphy 2012, 7.6.3): P is in units of the noise's precision and the variance has an
inverse-gamma prior,

.. math:: w \mid \sigma^2 \sim N(m_0, \sigma^2 P^{-1}), \quad \sigma^2 \sim IG(a_0, b_0)

so that the mean is that of ridge regression, and with F flat directions

.. math:: a_N = a_0 + (N - F) / 2, \quad b_N = b_0 + \frac{1}{2} \min_w [ |y - X w|^2 + (w - m_0)^T P (w - m_0) ]

.. math:: y \mid x \sim t_{2 a_N} \left( x^T m_N, \; (b_N / a_N) (1 + x^T S_N x) \right)

The constant w_0 has a flat prior, and is integrated out exactly by centring: given the weights it is normal about
the mean of the targets with variance 1 / (beta N), which enters every prediction. For a prior on the constant set
``fit_intercept=False`` and add a column of ones. Limits: P = 0 is least squares with its classical t intervals, no
data is the prior (`BayesianLinearRegression.prior_dist`), and many data forget the prior.

The log evidence integrates weights, constant and noise out of p(y | X). A flat prior counts with density 1 (for the
variance: 1 / variance), so evidences are comparable between models with the same flat parts.

Data enter by their moments only, so ``partial_fit`` in any order and in any blocks equals one fit, and posteriors
learned on different machines merge. Cost: N D^2 + D^3, or N^2 D with fewer rows than columns (dual form).
Not for columns collinear to more than seven digits with a flat prior (`LinearRegression` factorises X itself), nor
for outliers.
"""

import math
from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..core import Card, DataError, log, param
from ..core.inputs import Data, Queries
from ..core.predictive import Normal, Predictive, StudentT
from ..numerics.moments import Moments
from .gaussian_weights import GaussianWeights, check_stored, posterior
from .model import LinearRegressor
from .recursion import one_step_ahead
from .sufficient_statistics import Rows, Summary, restored, stored, summarise

LOG_2PI = math.log(2 * math.pi)


class BayesianLinearRegression(LinearRegressor):
    """Bayesian linear regression, conjugate prior.

    Attributes
    ----------
    coef_ : array of shape (D,) or (K, D)
        Posterior mean of the weights.
    intercept_ : float or array of shape (K,)
        Posterior mean of the constant.
    log_evidence_ : float
        log p(y | X), nats; summed over outputs. NaN while the posterior of the noise is improper (too few rows).
    noise_shape_ : float
        a_N of the inverse-gamma posterior of the noise variance; absent when ``beta`` is given.
    noise_rate_ : array of shape (K,)
        b_N of each output, squared unit of the target; absent when ``beta`` is given.
    summary_, posterior_ : dict
        Moments of the data (or its rows, when fewer than columns), and the factored posterior.

    Examples
    --------
    >>> from peira.linear.bayesian_regression import BayesianLinearRegression
    >>> model = BayesianLinearRegression(beta=25.0).fit([[0.0], [1.0], [2.0]], [0.1, 0.9, 2.1])
    >>> low, high = model.predict_dist([[1.0]]).interval(0.95)
    >>> bool(low[0] < 1.0 < high[0])
    True
    """

    card = Card(
        tasks="regression",
        reference="Bishop (2006) 3.3; Murphy (2012) 7.6",
        cost="N D^2 + D^3",
        exact=True,
        incremental="equals one fit",
        sparse=True,
        multi_output=True,
        linear_in_inputs=True,
    )

    alpha: float = param(
        1.0, "precision of the Gaussian prior on every weight; 0 is flat", low=0, tune=log(1e-6, 1e6), positional=True
    )
    beta: float | None = param(None, "precision of the noise; None: unknown, with an inverse-gamma prior", above=0)
    prior_mean: object = param(None, "mean of the prior: a number or D numbers; None is 0")
    prior_precision: object = param(
        None, "precision of the prior in place of alpha: a number, D numbers, or a D x D positive semi-definite matrix"
    )
    a0: float = param(0.0, "shape of the inverse-gamma prior of the noise variance; 0 and 0: scale-invariant", low=0)
    b0: float = param(0.0, "rate of the inverse-gamma prior of the noise variance, squared unit of the target", low=0)
    fit_intercept: bool = param(True, "estimate a constant term, with a flat prior")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "BayesianLinearRegression":
        """Learn the posterior.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
            Several targets share the posterior covariance (in units of their noise).
        sample_weight : array of shape (N,), optional
            A row of weight v has noise precision v times that of others; weights of 2 are repeated rows.

        Raises
        ------
        ValueError
            If the data or the prior are malformed, or the prior is flat in a direction that the data don't determine.
        """
        data = self._begin(X, y, sample_weight)
        return self._learn(data, summarise(data, centred=self.fit_intercept))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "BayesianLinearRegression":
        """Learn more rows; after any blocks in any order, what `fit` on all of them gives.

        Cost: N D^2 for the block, D^3 for the posterior after it.
        """
        data = self._continue(X, y, sample_weight)
        block = summarise(data, centred=self.fit_intercept, stream=True)
        return self._learn(data, self._moments() + block if hasattr(self, "summary_") else block)

    def merge(self, other: "BayesianLinearRegression") -> "BayesianLinearRegression":
        """A new method that has learned what this one and another one have, fitted on different rows.

        Raises
        ------
        ValueError
            If the two have different parameters, columns or targets.
        """
        data, theirs = self._form(), other._form()
        mine, its = (repr({k: np.asarray(v).tolist() for k, v in m.get_params().items()}) for m in (self, other))
        if mine != its or data.names != theirs.names or self.target_shape_ != other.target_shape_:
            raise DataError(
                "merge needs two methods with the same parameters (the prior among them), columns and targets"
            )
        merged = type(self)(**self.get_params())
        kept = ("n_features_in_", "feature_names_in_", "target_shape_")
        vars(merged).update({k: v for k, v in vars(self).items() if k in kept})
        return merged._learn(data, self._moments() + other._moments())

    def predict_dist(self, X: Any, noise: bool = True) -> Predictive:
        """Predictive distribution of each row's target.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        noise : bool, default True
            Of a new observation; False: of the function's value, without the noise.

        Returns
        -------
        Normal, or StudentT with 2 a_N degrees of freedom when the noise is unknown

        Raises
        ------
        ValueError
            If the noise is unknown and there are too few rows to estimate it (a_N = 0, say for one row).
        """
        queries = self._queries(X)
        weights, x_mean, constant = self._belief(queries)
        q = weights.variance(_dense(queries) - x_mean)[:, None] + constant
        shape = (len(queries), *self.target_shape_)
        loc = self._predict(queries)
        if self.beta is not None:
            std = (q + (1 / self.beta if noise else 0.0)).sqrt().expand_as(loc)
            return Normal(loc.reshape(shape), std.reshape(shape), as_numpy=queries.as_numpy)
        a, b = self._noise(queries)
        scale = (b / a * (q + (1.0 if noise else 0.0))).sqrt()
        df = torch.full_like(loc, 2 * a)
        return StudentT(df.reshape(shape), loc.reshape(shape), scale.reshape(shape), as_numpy=queries.as_numpy)

    def predict_then_learn(self, X: Any, y: Any) -> Predictive:
        """Predict each row from all rows before it, learning as it goes (prequential).

        The method must have learned something before, unless prior and noise are proper and there is no constant.
        Afterwards it knows all rows, as after ``partial_fit``. Cost: D^2 a row, compiled.

        Returns
        -------
        Normal or StudentT
            One-step-ahead predictive distribution of each target, as `predict_dist` would give it just before.
        """
        data = self._continue(X, y)
        if not hasattr(self, "summary_"):
            self._learn(data, Moments.empty(self.n_features_in_, data.Y.shape[1], centred=self.fit_intercept))
        weights, x_mean, constant = self._belief(data)
        shape = (len(data), *self.target_shape_)
        U, d = weights.triangle()
        theta = U @ weights.mean
        if constant:
            U = torch.block_diag(U, U.new_ones(1, 1))
            d, theta = torch.cat([d, d.new_tensor([1 / constant])]), torch.cat([theta, torch.zeros_like(theta[:1])])
        origin = torch.cat([x_mean, data.tensor(self.summary_["y_mean"])])
        given = (_dense(data), data.Y, origin, U, d, theta)
        arrays = (np.ascontiguousarray(t.numpy(force=True)) for t in given)
        error, total = (data.tensor(v) for v in one_step_ahead(*arrays, self.beta or 1.0))
        loc, total = data.Y - error, total[:, None]
        if self.beta is not None:
            dist = Normal(loc.reshape(shape), total.sqrt().expand_as(loc).reshape(shape), as_numpy=data.as_numpy)
        else:
            a, b = self._noise(data)
            a = a + 0.5 * torch.arange(len(data), dtype=loc.dtype, device=loc.device)[:, None]
            gained = (error**2 / (2 * total)).cumsum(0)
            b = b + torch.cat([torch.zeros_like(gained[:1]), gained[:-1]])
            scale = (b / a * total).sqrt()
            dist = StudentT(
                (2 * a).expand_as(loc).reshape(shape), loc.reshape(shape), scale.reshape(shape), as_numpy=data.as_numpy
            )
        self._learn(data, self._moments() + summarise(data, centred=self.fit_intercept, stream=True))
        return dist

    def prior_dist(self, X: Any, noise: bool = True) -> Predictive:
        """What `predict_dist` says before any data; needs no fit, and a proper prior.

        Raises
        ------
        ValueError
            If the prior of a weight, the constant or the noise is flat: nothing can be predicted from it.
        """
        return self._before_data(X).predict_dist(X, noise)

    def sample_functions(self, X: Any, n: int, seed: int | None = None, *, prior: bool = False) -> Any:
        """Draw functions, and give their values at the rows of X.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        n : int
            Number of functions.
        seed : int, optional
            The same int gives the same functions; None draws afresh.
        prior : bool, default False
            From the prior, not the posterior; needs no fit, and a proper prior.

        Returns
        -------
        array or tensor of shape (n, N) or (n, N, K)
        """
        if prior:
            return self._before_data(X).sample_functions(X, n, seed)
        queries = self._queries(X)
        weights, x_mean, constant = self._belief(queries)
        rng = np.random.default_rng(seed)
        K = weights.mean.shape[1]
        W = weights.draw(n * K, rng).reshape(n, K, -1)
        c = queries.tensor(rng.standard_normal((n, K))) * constant**0.5
        if self.beta is None:
            a, b = self._noise(queries)
            sigma = (b / queries.tensor(rng.standard_gamma(a, (n, K)))).sqrt()
            W, c = W * sigma[..., None], c * sigma
        steps = torch.einsum("skd,nd->snk", W, _dense(queries) - x_mean) + c[:, None, :]
        return queries.give((self._predict(queries) + steps).reshape(n, len(queries), *self.target_shape_))

    @property
    def coef_cov_(self) -> Any:
        """Posterior covariance of the weights, (D, D), or (K, D, D) where outputs have noises of their own."""
        data = self._form()
        S = GaussianWeights.restored(self.posterior_, data).covariance()
        if self.beta is not None:
            return data.give(S)
        a, b = self._noise(data)
        variance = b / (a - 1) if a > 1 else torch.full_like(b, torch.inf)
        S = S * variance.reshape(-1, 1, 1)
        return data.give(S[0] if not self.target_shape_ else S)

    # ------------------------------------------------------------------ private

    def _learn(self, data: Data, summary: Summary) -> "BayesianLinearRegression":
        D, K = len(summary.x_mean), len(summary.y_mean)
        P, m0 = self._prior(D, data)
        weights, energy = posterior(summary, P, self.beta or 1.0, m0, data.names)
        if P.dim() == 1:
            proper = P[P > 0]
        else:
            proper = torch.linalg.eigvalsh(P)
            proper = proper[proper > 1e-12 * proper[-1].clamp(min=0)]
        constant = self.fit_intercept and summary.weight > 0
        freedom = summary.weight - (D - len(proper)) - constant  # rows that are left to tell the noise
        # log p(Y | X): normalisers of the proper part of the prior, of the posterior, and of the constant
        evidence = K * (float(proper.log().sum()) - weights.log_det - freedom * LOG_2PI) / 2
        evidence -= K * math.log(summary.weight) / 2 if constant else 0.0
        if self.beta is not None:
            evidence += float((summary.weight - constant) * K * math.log(self.beta) - energy.sum()) / 2
        else:
            a, b = self.a0 + freedom / 2, self.b0 + energy / 2
            self.noise_shape_, self.noise_rate_ = float(a), data.give(b)
            evidence += K * (math.lgamma(a) if a > 0 else math.nan) - a * float(b.log().sum())
            if self.a0 > 0 and self.b0 > 0:
                evidence += K * (self.a0 * math.log(self.b0) - math.lgamma(self.a0))
        self.log_evidence_ = float(evidence)
        self.summary_ = stored(summary, data)
        self.posterior_ = {k: data.give(v) if isinstance(v, torch.Tensor) else v for k, v in vars(weights).items()}
        m = weights.mean.T
        self._learned(data, m, summary.y_mean - m @ summary.x_mean)
        return self

    def _prior(self, D: int, data: Data) -> tuple[torch.Tensor, torch.Tensor]:
        """Precision, (D,) or (D, D), and mean, (D,), of the prior."""
        mean = data.tensor(np.array(0.0 if self.prior_mean is None else self.prior_mean, dtype=np.float64))
        given = self.alpha if self.prior_precision is None else self.prior_precision
        P = data.tensor(np.array(given, dtype=np.float64))
        for name, value, shapes in (("prior_mean", mean, [(), (D,)]), ("prior_precision", P, [(), (D,), (D, D)])):
            if tuple(value.shape) not in shapes or not value.isfinite().all():
                raise DataError(
                    f"{name} must be finite and of shape {' or '.join(map(str, shapes))}, got {tuple(value.shape)}"
                )
        P = P if P.dim() == 2 else P.expand(D)
        smallest = float(P.min() if P.dim() == 1 else torch.linalg.eigvalsh(P).min())
        if smallest < -1e-12 * float(P.abs().max()) or (P.dim() == 2 and not torch.allclose(P, P.T, rtol=1e-12)):
            raise DataError(
                f"prior_precision must be symmetric positive semi-definite; its smallest eigenvalue is {smallest:.3g}"
            )
        return P, mean.expand(D)

    def _belief(self, queries: Queries) -> tuple[GaussianWeights, torch.Tensor, float]:
        """The weights, the point about which they turn, and the variance of the constant there."""
        weight = self.summary_["weight"]
        if self.fit_intercept and not weight:
            raise DataError(
                "the constant has a flat prior, so nothing can be predicted before the first row; for a prior on it "
                "set fit_intercept=False and add a column of ones"
            )
        constant = 1 / (weight * (self.beta or 1.0)) if self.fit_intercept else 0.0
        return GaussianWeights.restored(self.posterior_, queries), queries.tensor(self.summary_["x_mean"]), constant

    def _noise(self, queries: Queries) -> tuple[float, torch.Tensor]:
        """Shape and rates (K,) of the noise variance's posterior."""
        if self.noise_shape_ <= 0:
            raise DataError(
                f"the noise can't be told from {self.summary_['n']} rows: give its precision (beta), a proper prior "
                "for it (a0 > 0, b0 > 0), or more rows"
            )
        return self.noise_shape_, queries.tensor(self.noise_rate_)

    def _before_data(self, X: Any) -> "BayesianLinearRegression":
        """This method after learning nothing, for one target."""
        new = type(self)(**self.get_params())
        data = new._begin(X, supervised=False)
        data.squeeze, new.target_shape_ = True, []
        return new._learn(data, Moments.empty(new.n_features_in_, 1, centred=self.fit_intercept, device=data.device))

    def _moments(self) -> Moments:
        summary = restored(self.summary_, self._form())
        return summary.moments() if isinstance(summary, Rows) else summary

    def _form(self) -> Data:
        """An empty door in the form of the data that were learned."""
        X = torch.as_tensor(self.posterior_["scale"])
        names = tuple(getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)]))
        as_numpy = isinstance(self.posterior_["scale"], np.ndarray)
        return Data(X[None], as_numpy, X.device, names=names, squeeze=not self.target_shape_)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            K = self.target_shape_[0] if self.target_shape_ else 1
            check_stored(type(self).__name__, getattr(self, "posterior_", None), self.n_features_in_, K)


def _dense(queries: Queries) -> torch.Tensor:
    return torch.from_numpy(queries.X.toarray()) if sparse.issparse(queries.X) else queries.X
