r"""Logistic regression: the log odds of the classes as linear functions of the inputs.

For two classes, and for C classes (softmax, one vector of weights a class):

.. math:: P(c_1 \mid x) = \frac{1}{1 + \exp(-(b + w^T x))}

.. math:: P(c_k \mid x) = \frac{\exp(b_k + w_k^T x)}{\sum_l \exp(b_l + w_l^T x)}

The weights minimise the negative log likelihood with a penalty, on scikit-learn's scale:

.. math:: C \sum_n v_n \log \frac{1}{P(y_n \mid x_n)} + \frac{1-\rho}{2} \| W \|^2 + \rho \| W \|_1

with v the weights of the rows and rho the ``l1_ratio``. It is convex. The constants b are not penalised.
``C=inf`` is maximum likelihood.

**Assumptions.** Log odds that are linear in the inputs (add basis functions where they are not); nothing about how
the inputs are distributed, which is what it has over Gaussian classes. Penalties compare weights: put the columns on
one scale.

**A maximum of the likelihood need not exist.** If a linear function tells the classes apart, completely or but for
ties, the likelihood rises forever as the weights grow. Without a penalty the fit notices, stops and says so; any
penalty makes the answer unique.

**What is known about the estimates** without a penalty: they are normal in large samples, with the inverse of the
observed information :math:`\nabla^2 (-\log L)` as covariance. From it come standard errors, z, p and intervals.

**Cost.** Chosen by shape (:mod:`~peira.linear.logistic_problem`): Newton's method N D^2 a step and six steps; for
many rows five to fifteen passes of 4 N D C over the data; coordinate descent for L1 penalties, or SAGA where these
leave many weights of sparse columns. Sparse X stays sparse.

**Use it** first wherever probabilities are asked for: they come out calibrated where the assumption holds, and the
weights can be read. Where classes are curved or interact, boosted trees or kernels do better.

Reference: Bishop (2006), 4.3.2 to 4.3.4; Hastie, Tibshirani & Friedman (2009), 4.4; standard errors: McCullagh &
Nelder (1989), 4.4.
"""

import math
import warnings
from typing import Any, Literal

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from ..core import Card, DataError, ParameterError, ProbabilisticClassifier, iterate, linear, log, param
from ..core.inputs import Data, Queries
from .coefficient_table import CoefficientTable
from .linear_scores import LinearClassifier
from .logistic_loss import LogisticLoss, contrasts_of
from .logistic_newton import Factor
from .logistic_problem import LogisticProblem, Progress, recedes, still_moving
from .model import linear_map

LARGEST_COVARIANCE = 4_000  # parameters
Solver = Literal["auto", "newton-cholesky", "lbfgs", "coordinate-descent", "saga"]


class LogisticClassifier(LinearClassifier, ProbabilisticClassifier):
    """Base of the logistic regressions: scores that are log probabilities up to a constant of the row."""

    def _scores(self, queries: Queries) -> torch.Tensor:
        S = super()._scores(queries)
        bad = ~torch.isfinite(S - S.amax(1, keepdim=True)).all(1)
        if not bool(bad.any()):
            return S
        # Products that overflow: differences first, of rows brought to a largest entry of one, then the size back.
        rows = bad.nonzero()[:, 0]
        X = queries.X[rows.numpy()].toarray() if not isinstance(queries.X, torch.Tensor) else queries.X[rows]
        X, b = queries.tensor(X), queries.tensor(self.intercept_)
        size = X.abs().amax(1, keepdim=True).clamp(min=1.0)
        A = linear_map(X / size, queries.tensor(self.coef_)) + torch.where(torch.isinf(b), b, b / size)
        A = torch.cat([torch.zeros_like(A), A], 1) if A.shape[1] == 1 else A
        S[rows] = (A - A.amax(1, keepdim=True)) * size
        return S


class LogisticRegression(LogisticClassifier):
    """Logistic regression, for two classes or more.

    Of scikit-learn's parameters it leaves out ``penalty`` (deprecated there: ``l1_ratio`` and ``C=inf`` say it),
    ``dual``, ``intercept_scaling`` (nothing here penalises the constant), ``warm_start`` (``fit`` forgets), ``verbose``
    (use `peira.observing`) and ``n_jobs``.

    Attributes
    ----------
    classes_ : array of shape (C,)
    coef_ : array of shape (C, D), or (1, D) for two classes
        Change of the log odds per unit of the input; for two classes those of the second.
    intercept_ : array of shape (C,) or (1,)
        Minus infinity for a class whose rows all have weight zero.
    n_iter_, history_, stopped_
        Steps; for each ``objective`` and ``distance`` (see ``tol``); why they ended: "separable" where the maximum of
        the likelihood does not exist.
    solver_ : str
        Which one was taken.
    coef_std_, intercept_std_ : like ``coef_`` and ``intercept_``
        Standard errors. NaN where the data do not determine a weight. These and the following: for ``C=inf`` only.
    log_likelihood_, deviance_, aic_ : float
        Of the (weighted) training rows, nats; -2 times it; and two more for each parameter.
    n_parameters_ : int

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` steps were too few, or the maximum of the likelihood does not exist.
    RankWarning
        For ``C=inf``, if columns are constant or depend on others.

    Examples
    --------
    >>> from peira.linear import LogisticRegression
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], ["no", "no", "yes", "no", "yes", "yes"]
    >>> model = LogisticRegression().fit(X, y)
    >>> model.predict([[0.5], [4.5]]).tolist(), model.predict_proba([[2.5]]).round(3).tolist()
    (['no', 'yes'], [[0.5, 0.5]])
    >>> print(LogisticRegression(C=float("inf")).fit(X, y).summary())
               estimate  std error       z       p      low   high
    intercept    -3.035      2.546  -1.192  0.2332   -8.025  1.954
    x0            1.214     0.9126    1.33  0.1834  -0.5746  3.003
    log odds of 'yes'; log likelihood -2.478, AIC 8.956
    """

    card = Card(
        tasks="classification",
        reference="Bishop (2006) 4.3.2 to 4.3.4; Hastie et al. (2009) 4.4",
        cost="N D^2 a step; 4 N D C a pass for many rows",
        sparse=True,
        linear_in_inputs=True,
    )
    C: float = param(
        1.0, "weight of the likelihood against the penalty; inf: none", above=0, high=math.inf, tune=log(1e-4, 1e4)
    )
    l1_ratio: float = param(0.0, "share of the L1 norm in the penalty", low=0, high=1, tune=linear(0.0, 1.0))
    fit_intercept: bool = param(True, "estimate a constant term")
    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")
    tol: float = param(1e-4, "how far the log odds may be from those at the minimum, root mean square", low=0)
    max_iter: int = param(100, "most steps of the solver", low=1)
    solver: Solver = param("auto", "'auto' chooses by shape")
    random_state: int | np.random.RandomState | None = param(
        0, "seed of the rows that L-BFGS starts from, and of those that SAGA draws"
    )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LogisticRegression":
        """Learn the weights.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array of shape (N,)
            Labels: texts, whole numbers or truth values; at least two different ones.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is only one class, shapes disagree, a value is not finite, or a parameter is out of range.
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        penalised = math.inf > self.C
        l1 = penalised and self.l1_ratio > 0
        self._require_suitable_solver(penalised, l1)
        problem = LogisticProblem(
            data,
            fit_intercept=self.fit_intercept,
            penalised=penalised,
            l1=l1,
            owner="LogisticRegression",
            solver=self.solver,
        )
        f = problem.loss(self.C, self.l1_ratio)
        self.solver_ = problem.solver(f, self.l1_ratio / self.C)
        V = self._descend(problem, f, data)
        coef, intercept = problem.back(V)
        self._learned(data, data.tensor(coef), data.tensor(intercept))
        if not penalised and self.stopped_ != "separable" and f.size <= LARGEST_COVARIANCE:
            self.log_likelihood_ = -f(V)[0]
            self._keep_standard_errors(problem, f, V, data)
        return self

    def _require_suitable_solver(self, penalised: bool, l1: bool) -> None:
        given, wrong = f"l1_ratio={self.l1_ratio!r}, C={self.C!r}", ""
        if l1 and self.solver in ("newton-cholesky", "lbfgs"):
            wrong = "has no L1 penalty"
        elif not l1 and self.solver == "coordinate-descent":
            wrong = "needs an L1 penalty"
        elif not penalised and self.solver == "saga":
            wrong = "needs a penalty: its rate and its certificate rest on one"
        if wrong:
            raise ParameterError(
                f"solver={self.solver!r} of LogisticRegression {wrong}; got {given}: take solver='auto', or another "
                "penalty"
            )

    def _descend(self, problem: LogisticProblem, f: LogisticLoss, data: Data) -> torch.Tensor:
        scale = self.C if problem.penalised else 1.0
        states = problem.solve(self.C, self.l1_ratio, data.generator())
        at: Progress | None = None
        for step in iterate(self, self.max_iter, name=self.solver_, expect={"objective": "decrease"}):
            before, at = at, next(states, at)
            step.record(objective=scale * at.value, distance=at.distance)
            if at is before and step.stop("precision"):
                break
            reached = step.reached("distance", self.tol)
            if not problem.penalised and (reached or step.index >= 5) and recedes(f, at):
                step.stop("separable")
                self._explain_separation(data)
                break
            if reached and (problem.penalised or not still_moving(f, at)):
                break
        return at.V

    def _explain_separation(self, data: Data) -> None:
        warnings.warn(
            f"LogisticRegression: a linear function of the inputs tells the classes {_listed(data.classes.tolist())} "
            "apart, completely or but for ties, so the likelihood has no maximum: it rises forever as the weights "
            "grow. The fit stopped on the way there, and its probabilities are near 0 and 1 without reason; set a "
            "penalty (C=1.0), or drop or merge the columns that separate (rare categories, often)",
            ConvergenceWarning,
            stacklevel=4,
        )

    # ------------------------------------------------------------------ what is known about the estimates

    def _keep_standard_errors(self, problem: LogisticProblem, f: LogisticLoss, V: torch.Tensor, data: Data) -> None:
        """Root of the diagonal of T Q H^-1 Q' T', with T the way back to the given columns."""
        covariance = Factor(f.hessian(V)).inverse().reshape(f.m, f.D + f.intercept, f.m, f.D + f.intercept)
        T = problem.design.map(self.fit_intercept)
        Q = contrasts_of(len(problem.present), V)
        own = torch.einsum("ka,aibj,kb->kij", Q, covariance, Q)
        std = ((T @ own) * T).sum(2).clamp(min=0).sqrt()
        D = self.n_features_in_
        left = torch.ones(D, dtype=torch.bool, device=std.device)
        left[problem.design.kept] = False
        std[:, :D][:, left] = math.nan
        if len(problem.present) < len(data.classes):
            full = std.new_full((len(data.classes), std.shape[1]), math.nan)
            full[problem.present] = std if len(std) > 1 else std / 2
            std = full
        self.coef_std_ = data.give(std[:, :D])
        self.intercept_std_ = data.give(std[:, D] if self.fit_intercept else std.new_zeros(len(std)))
        self.n_parameters_ = f.size

    @property
    def deviance_(self) -> float:
        """Minus twice the log likelihood of the training rows."""
        self._require_likelihood()
        return -2 * self.log_likelihood_

    @property
    def aic_(self) -> float:
        """Akaike's criterion: the deviance, and two for each parameter."""
        return self.deviance_ + 2 * self.n_parameters_

    def summary(self, level: float = 0.95, label: Any = None) -> CoefficientTable:
        """The table of coefficients with standard errors, z (under ``t``), p and intervals; for ``C=inf``.

        Parameters
        ----------
        level : float, default 0.95
            Probability of the intervals.
        label : optional
            Which class, where there are more than two (the first, if it is not given). Its log odds are those against
            the geometric mean of all classes.

        Returns
        -------
        CoefficientTable

        Raises
        ------
        ValueError
            If there was a penalty, or the maximum of the likelihood does not exist.
        """
        self._require_likelihood()
        labels = self.classes_.tolist()
        if label is None:
            label = labels[0] if len(labels) > 2 else labels[1]
        if label not in labels:
            raise DataError(f"no class {label!r}; there are: {_listed(labels)}")
        k = labels.index(label) if len(labels) > 2 else 0
        sign = -1.0 if len(labels) == 2 and label == labels[0] else 1.0
        values = (self.coef_, self.coef_std_, self.intercept_, self.intercept_std_)
        coef, std, start, start_std = (np.asarray(torch.as_tensor(v).cpu())[k] for v in values)
        names = [str(n) for n in getattr(self, "feature_names_in_", [f"x{j}" for j in range(len(coef))])]
        note = f"log odds of {label!r}; log likelihood {self.log_likelihood_:.4g}, AIC {self.aic_:.4g}"
        if self.fit_intercept:
            names, coef, std = ["intercept", *names], np.r_[start, coef], np.r_[start_std, std]
        return CoefficientTable.of(names, sign * coef, std, math.inf, level, note)

    def _require_likelihood(self) -> None:
        if not hasattr(self, "coef_std_"):
            raise DataError(
                "standard errors, deviance and AIC belong to the maximum of the likelihood: fit with C=inf, and to "
                f"data for which it exists (this fit: C={self.C!r}, ended {getattr(self, 'stopped_', 'not fitted')!r})"
            )


def _listed(labels: list) -> str:
    return ", ".join(repr(label) for label in labels[:10]) + (
        f" and {len(labels) - 10} more" if len(labels) > 10 else ""
    )
