r"""Bayesian logistic regression: class probabilities that know how little the data say about the weights.

Two classes: the log odds are a weighted sum of the inputs, and the weights have a normal prior,

.. math:: P(y = 1 \mid x) = \sigma(w_0 + w^T x), \quad w \sim N(0, \alpha^{-1} I)

C classes: each has weights of its own, of the same prior, and the softmax of the C sums decides; what all classes have
in common cancels, so the weights sum to zero over the classes, and K = C - 1 combinations of them are free.

**Posterior.** It has no closed form. Laplace's approximation (Bishop 2006, 4.4 and 4.5.1) is the normal distribution at
its mode, with the curvature there:

.. math:: p(\theta \mid X, y) \approx N(\theta \mid \hat \theta, A^{-1})

.. math:: A = - \nabla \nabla \log p(y, \hat \theta \mid X)

The mode is ordinary logistic regression with the penalty alpha / 2 on the squared weights, found by Newton's method
with step halving (`peira.linear.generalised_linear`).

**Prediction.** The score of a row is normal as well, and the probabilities are averaged over it (eqs 4.149 to
4.151):

.. math:: P(y = 1 \mid x) = \int \sigma(a) \, N(a \mid \mu(x), s^2(x)) \, da

They move towards 1/2 where data were few, which a point estimate does not. For two classes the integral is computed
to about 12 digits, for more by 1024 fixed points (`peira.numerics.logistic_normal`); ``predictive="probit"`` takes the
closed form of Bishop's eqs 4.153 to 4.155 instead, which is off by up to 0.02, or its extension to many classes, for
which 0.06 was seen:

.. math:: P(y = 1 \mid x) \approx \sigma(\mu / \sqrt{1 + \pi s^2 / 8})

**Evidence.** With M weights in all (eq. 4.137),

.. math:: \log p(y \mid X) \approx \log p(y, \hat \theta \mid X) + \frac{M}{2} \log 2 \pi - \frac{1}{2} \log |A|

compares models. With ``alpha=None`` its maximum chooses alpha (type II maximum likelihood). In the slope, with R
weights under alpha and S = 1/A,

.. math:: 2 \frac{d \log p(y)}{d \log \alpha} = R - \alpha \mathrm{tr} S_{ww} - \alpha \| w \|^2 - \mathrm{tr} (S \, dA)

the first two terms are the number of well-determined weights, and dA is how A changes as the mode moves. MacKay's
update (1992; Bishop 5.7.2) leaves the last term out and so ends beside the maximum; here it is kept.

**The constant** is normal with a broad standard deviation about 0, at the mean of the inputs. It must be proper: with
a flat one the evidence of separable classes grows without end as alpha falls (``intercept_prior_std=float("inf")`` is
allowed; the mode is then that of scikit-learn's LogisticRegression with C = 1 / alpha, for any number of classes).

The prior acts on columns as they are given, as in `BayesianLinearRegression`: bring them to one scale first. Later
blocks of rows (``partial_fit``) take the posterior as their prior; since that is approximate, their order matters a
little. Cost: N (K D)^2 + (K D)^3 a Newton step, some six for each of some eight values of alpha; memory (K D)^2. Not
for more than 3,000 weights or 100 classes (LogisticRegression goes there), nor for classes that a plane
parts with room to spare: their posterior is skewed, and the approximation poor.
"""

import math
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, ParameterError, ProbabilisticClassifier, iterate, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..numerics.logistic_normal import log_expected_sigmoid, log_expected_softmax, mean_field_softmax
from .coefficient_table import CoefficientTable
from .gaussian_weights import GaussianWeights, check_stored
from .generalised_linear import Problem, Softmax, laplace, mode, newton
from .laplace_evidence import LogAlphaSearch, evidence_slope, log_evidence, well_determined

WEIGHTS, CLASSES = 3000, 100  # beyond: a matrix of 72 MB and minutes a fit
BLOCK = 1 << 21


class BayesianLogisticRegression(ProbabilisticClassifier):
    """Bayesian logistic and softmax regression by Laplace's approximation.

    Attributes
    ----------
    coef_, intercept_ : array of shape (1, D) and (1,); (C, D) and (C,) for C > 2 classes
        The most probable weights.
    alpha_ : float
        Precision of the prior: ``alpha``, or the one of greatest evidence.
    log_evidence_ : float
        log p(y | X, ``alpha_``) by Laplace's approximation, nats.
    effective_df_ : float
        Number of weights that the data determine, between 0 and (C - 1) D.
    n_iter_, stopped_, history_
        The loop's record. Newton: ``log_posterior``, and ``gain``, what the step promised. Evidence:
        ``log_evidence``, ``log_alpha``, and ``slope``, the size of its derivative.
    class_count_ : array of shape (C,)
        Sum of the weights of each class's rows. A class without any has probability 0, until some come.
    posterior_, centre_ : dict and array of shape (D,)
        The factored posterior of the free weights, and the mean of the inputs, where the constant stands.

    Examples
    --------
    >>> from peira.linear.bayesian_logistic_regression import BayesianLogisticRegression
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"]
    >>> model = BayesianLogisticRegression(alpha=1.0).fit(X, y)
    >>> model.predict_proba([[1.5], [3.0], [300.0]]).round(3)
    array([[0.5  , 0.5  ],
           [0.268, 0.732],
           [0.098, 0.902]])
    """

    card = Card(
        tasks="classification",
        reference="Bishop (2006) 4.4, 4.5; MacKay (1992); Spiegelhalter & Lauritzen (1990)",
        cost="T (N K^2 D^2 + K^3 D^3)",
        incremental="approximate",
        linear_in_inputs=True,
        largest={"CD": 300, "C": 30},
    )
    alpha: float | None = param(
        None, "precision of the prior of the weights; None: chosen by the evidence", above=0, positional=True
    )
    intercept_prior_std: float = param(
        10.0, "standard deviation of the prior of the constant, log odds; inf is flat", above=0, high=math.inf
    )
    fit_intercept: bool = param(True, "estimate a constant term")
    predictive: Literal["integral", "probit"] = param(
        "integral", "average the probabilities over the posterior by quadrature, or by the probit approximation"
    )
    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")
    max_iter: int = param(100, "most steps: of Newton's method, or values of alpha that are tried", low=1)
    tol: float = param(1e-6, "stop when a step promises less, or the evidence slopes less per factor e, nats", above=0)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "BayesianLogisticRegression":
        """Learn the posterior.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Labels of two classes or more.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If the data are malformed, there is a single class, or too many weights for this method.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` steps were not enough.
        """
        return self._first(self._begin(X, y, sample_weight))

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> "BayesianLogisticRegression":
        """Learn more rows: the posterior so far is their prior. Approximate; alpha stays that of the first block."""
        data = self._continue(X, y, sample_weight, classes=classes)
        if not hasattr(self, "posterior_"):
            return self._first(data)
        before = GaussianWeights.restored(self.posterior_, data)
        self._count(data)
        root = before.factor * before.scale[:, None]
        problem = self._problem(data, before.mean[:, 0], root @ root.T)
        weights = self._find_mode(problem)
        evidence = self.log_evidence_ + log_evidence(problem, weights, before.log_det)
        return self._keep(data, weights, evidence)

    def sample_functions(self, X: Any, n: int, seed: int | None = None, *, prior: bool = False) -> Any:
        """Draw weights, and give the class probabilities that each draw would predict at the rows of X.

        Parameters
        ----------
        X : array, frame or tensor of shape (Q, D)
        n : int
            Number of functions.
        seed : int, optional
            The same int gives the same functions; None draws afresh.
        prior : bool, default False
            From the prior with precision ``alpha_``, not from the posterior.

        Returns
        -------
        array or tensor of shape (n, Q, C)
            Its mean over many draws is ``predict_proba``, where every class has rows.
        """
        queries = self._queries(X)
        link, rng = Softmax(len(self.classes_), queries.X), np.random.default_rng(seed)
        if prior:
            precision = self._prior(link, queries)
            if not bool((precision > 0).all()):
                raise ParameterError("functions cannot be drawn from a flat prior: give a finite intercept_prior_std")
            theta = queries.tensor(rng.standard_normal((n, len(precision)))) / precision.sqrt()
        else:
            weights = GaussianWeights.restored(self.posterior_, queries)
            theta = weights.mean[:, 0] + weights.draw(n, rng)
        eta = torch.einsum("qp,skp->sqk", self._design(queries), theta.reshape(n, link.K, -1))
        return queries.give(link.scores(eta).softmax(2))

    def summary(self, level: float = 0.95, label: Any = None) -> CoefficientTable:
        """The table of weights with posterior standard deviations and intervals.

        Under t stands the weight over its deviation, under p twice the posterior probability of the other sign.

        Parameters
        ----------
        level : float, default 0.95
            Posterior probability of the intervals.
        label : optional
            Whose weights, with more than two classes; the first one's by default.
        """
        labels = self.classes_.tolist()
        if label is not None and label not in labels:
            raise DataError(f"{label!r} is not among the classes {labels[:20]!r}")
        row = 0 if label is None or len(labels) == 2 else labels.index(label)
        S = self._covariance()[row, :, row]
        W = torch.cat([torch.as_tensor(self.intercept_)[:, None], torch.as_tensor(self.coef_)], 1)[row]
        names = [str(n) for n in getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)])]
        shown = slice(0 if self.fit_intercept else 1, None)
        estimate, std = (v.numpy(force=True)[shown] for v in (W, S.diagonal().sqrt()))
        which = labels[1] if len(labels) == 2 else labels[row]
        note = f"class {which!r}; prior precision {self.alpha_:.4g}, log evidence {self.log_evidence_:.6g}"
        return CoefficientTable.of(["intercept", *names][shown], estimate, std, math.inf, level, note)

    @property
    def coef_cov_(self) -> Any:
        """Posterior covariance of ``coef_``, flattened row by row: (D, D), or (C D, C D)."""
        S = self._covariance()[:, 1:, :, 1:]
        S = S.reshape(S.shape[0] * S.shape[1], -1)
        return S if isinstance(self.coef_, torch.Tensor) else S.numpy()

    # ------------------------------------------------------------------ learning

    def _first(self, data: Data) -> "BayesianLogisticRegression":
        self._require_classes(data)
        C, D = len(data.classes), data.X.shape[1]
        M = (C - 1) * (D + self.fit_intercept)
        if C > CLASSES or M > WEIGHTS:
            raise DataError(
                f"BayesianLogisticRegression keeps a covariance of all weights, for at most {CLASSES} classes and "
                f"{WEIGHTS} weights; {C} classes and {D} columns would be {M} weights: use LogisticRegression, "
                "or fewer columns"
            )
        self._count(data)
        if self.fit_intercept and math.isinf(self.intercept_prior_std) and not (self.class_count_ > 0).all():
            label = data.classes.tolist()[int(self.class_count_.argmin())]
            raise DataError(
                f"class {label!r} has no rows of positive weight, and with a flat prior its constant has no finite "
                "mode: give a finite intercept_prior_std"
            )
        centre = data.X.new_zeros(D)
        if self.fit_intercept:
            centre = data.X.mean(0) if data.w is None else data.w @ data.X / data.w.sum()
        self.centre_ = data.give(centre)
        if self.alpha is None:
            return self._maximise_evidence(data)
        self.alpha_ = float(self.alpha)
        problem = self._problem(data)
        weights = self._find_mode(problem)
        return self._keep(data, weights, log_evidence(problem, weights))

    def _count(self, data: Data) -> None:
        before = data.tensor(getattr(self, "class_count_", np.zeros(len(self.classes_))))
        w = torch.ones(len(data), dtype=data.dtype, device=data.device) if data.w is None else data.w
        self.class_count_ = data.give(before.index_add(0, data.codes, w))

    def _problem(self, data: Data, mean: torch.Tensor | None = None, precision: torch.Tensor | None = None) -> Problem:
        link = Softmax(len(self.classes_), data.X)
        precision = self._prior(link, data) if precision is None else precision
        mean = torch.zeros_like(precision) if mean is None else mean
        return Problem(link, self._design(data), data.codes, data.w, mean, precision)

    def _prior(self, link: Softmax, queries: Queries) -> torch.Tensor:
        """Precisions of the free weights (K P,): alpha, and that of the constant at the end of each row."""
        row = np.full(self.n_features_in_ + self.fit_intercept, self.alpha_)
        if self.fit_intercept:
            row[-1] = self.intercept_prior_std**-2
        return queries.tensor(np.tile(row, link.K))

    def _find_mode(self, problem: Problem) -> GaussianWeights:
        steps = newton(problem, problem.mean)
        for step in iterate(self, self.max_iter, name="Newton", expect={"log_posterior": "increase"}):
            at = next(steps)
            step.record(log_posterior=at.value, gain=at.gain)
            if step.reached("gain", self.tol):
                break
        return laplace(problem, at.theta)

    def _maximise_evidence(self, data: Data) -> "BayesianLogisticRegression":
        # The prior under which w'x varies about as much as a logistic variable: alpha then scales as the columns do.
        Z = self._design(data)[:, : self.n_features_in_]
        variance = Z.square().mean(0) if data.w is None else data.w @ Z.square() / data.w.sum()
        search, theta = LogAlphaSearch(math.log(float(variance.sum()) or 1.0)), None
        for step in iterate(self, self.max_iter, name="evidence maximisation"):
            self.alpha_ = math.exp(search.at)
            problem = self._problem(data)
            theta = mode(problem, problem.mean if theta is None else theta)
            weights = laplace(problem, theta)
            evidence = log_evidence(problem, weights)
            slope = evidence_slope(problem, weights, self.alpha_, self.n_features_in_)
            step.record(log_evidence=evidence, log_alpha=search.at, slope=abs(slope))
            if step.reached("slope", self.tol):
                break
            if (reason := search.move(slope)) is not None:
                step.stop(reason)
                break
        return self._keep(data, weights, evidence)

    def _keep(self, data: Data, weights: GaussianWeights, evidence: float) -> "BayesianLogisticRegression":
        self.posterior_ = {k: data.give(v) if isinstance(v, torch.Tensor) else v for k, v in vars(weights).items()}
        self.log_evidence_ = evidence
        self.effective_df_ = well_determined(weights, self.alpha_, len(self.classes_) - 1, self.n_features_in_)
        link, D = Softmax(len(self.classes_), data.X), self.n_features_in_
        W = link.scores(weights.mean.reshape(link.K, -1).T).T[-1 if link.K == 1 else 0 :]  # (C, P), or (1, P)
        self.coef_ = data.give(W[:, :D])
        constant = W[:, D] - W[:, :D] @ data.tensor(self.centre_) if self.fit_intercept else W.new_zeros(len(W))
        self.intercept_ = data.give(constant)
        return self

    # ------------------------------------------------------------------ answering

    def _design(self, queries: Queries) -> torch.Tensor:
        """Z (N, P): centred inputs and ones, or the inputs as they are without a constant."""
        Z = queries.X - queries.tensor(self.centre_)
        return torch.cat([Z, Z.new_ones(len(Z), 1)], 1) if self.fit_intercept else Z

    def _scores(self, queries: Queries) -> torch.Tensor:
        weights = GaussianWeights.restored(self.posterior_, queries)
        link, Z = Softmax(len(self.classes_), queries.X), self._design(queries)
        seen = torch.where(queries.tensor(self.class_count_) > 0, 0.0, -torch.inf)
        mean = link.scores(Z @ weights.mean.reshape(link.K, -1).T)
        far = Z.abs().amax(1, keepdim=True).clamp(min=1.0)  # squares of what is left are in range
        Z = Z / far
        if link.K == 1 and self.predictive == "integral":
            return log_expected_sigmoid(mean[:, 1], weights.variance(Z).sqrt() * far[:, 0]) + seen
        average = log_expected_softmax if self.predictive == "integral" else mean_field_softmax
        eye = torch.eye(len(weights.scale), dtype=Z.dtype, device=Z.device)
        U = torch.linalg.solve_triangular(weights.factor.T, eye, upper=True) / weights.scale[:, None]  # S = U U'
        U = U.reshape(link.K, -1, len(U))
        # The points know K of the classes by their place. These are the ones with the largest weights, so that nothing
        # depends on how the classes are named; T gives the scores of all from theirs.
        size = link.scores(weights.mean.reshape(link.K, -1).T).norm(dim=0)
        G = link.H[size.argsort(descending=True)[: link.K]]
        T = torch.linalg.solve(G, link.H, left=False)
        parts = []
        for rows in torch.arange(len(Z), device=Z.device).split(max(1, BLOCK // U[:, 0].numel())):
            V = G @ torch.einsum("np,kpm->nkm", Z[rows], U)
            V = V @ V.mT
            V.diagonal(dim1=1, dim2=2).add_(V.diagonal(dim1=1, dim2=2).amax(1, keepdim=True) * 1e-13 + 1e-300)
            root = T @ torch.linalg.cholesky(V) * far[rows, :, None]
            parts.append(average(mean[rows], root))
        return torch.cat(parts) + seen

    def _covariance(self) -> torch.Tensor:
        """Posterior covariance of constants (at x = 0) and weights, (R, 1 + D, R, 1 + D) for the R rows of coef_."""
        as_numpy, device = isinstance(self.coef_, np.ndarray), torch.as_tensor(self.coef_).device
        form = Queries(torch.empty(0, self.n_features_in_, dtype=torch.float64, device=device), as_numpy, device)
        link, D = Softmax(len(self.classes_), form.X), self.n_features_in_
        S = GaussianWeights.restored(self.posterior_, form).covariance()
        P = len(S) // link.K
        M = torch.zeros(1 + D, P, dtype=S.dtype, device=S.device)  # from the centre to the origin
        M[1:, :D] = torch.eye(D)
        if self.fit_intercept:
            M[0, :D], M[0, D] = -form.tensor(self.centre_), 1.0
        G = torch.kron(link.H[-1:] if link.K == 1 else link.H, M)
        return (G @ S @ G.T).reshape(-1, 1 + D, len(G) // (1 + D), 1 + D)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, C = self.n_features_in_, len(self.classes_)
        check_stored(type(self).__name__, getattr(self, "posterior_", None), (C - 1) * (D + self.fit_intercept), 1)
        rows = 1 if C == 2 else C
        found = [np.shape(getattr(self, name, None)) for name in ("coef_", "intercept_", "centre_", "class_count_")]
        alpha = getattr(self, "alpha_", None)
        if found != [(rows, D), (rows,), (D,), (C,)] or not (isinstance(alpha, float) and 0 < alpha < math.inf):
            raise UnreadableError(f"BayesianLogisticRegression of {D} columns and {C} classes does not fit: {found}")
