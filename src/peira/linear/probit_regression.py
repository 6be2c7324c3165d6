r"""Probit regression: two classes, cut from a normal variable that nobody sees.

A response of mean :math:`w_0 + w^T x` and unit variance lies behind the label, which tells only its sign:

.. math:: y = 1\{ w_0 + w^T x + \epsilon > 0 \}, \quad \epsilon \sim N(0, 1)

.. math:: P(y = 1 \mid x) = \Phi(w_0 + w^T x)

with Phi the distribution function of the standard normal. The weights maximise the log likelihood with a squared
penalty, which does not touch the constant:

.. math:: F(w) = \sum_n v_n \log \Phi(t_n (w_0 + w^T x_n)) - \frac{1}{2} \alpha \| w \|^2

with t = 1 and -1 for the two classes and v the weights of the rows. F is concave; Newton's method with step halving
(`peira.linear.generalised_linear`) finds its maximum in a handful of steps. A, the negative second derivative there,
tells how well the weights are known:

.. math:: \mathrm{std}(w_j) = \sqrt{(A^{-1})_{jj}}

the classical standard errors from the observed information for ``alpha=0``, posterior standard deviations for a
normal prior of precision alpha otherwise.

**Against logistic regression.** The two curves nearly agree where data are (weights differ by a factor of about 1.6 to
1.8), but the tails of Phi are those of the normal: a mislabelled point far on the wrong side costs the square of its
distance, not the distance. So the probit is less robust; use it where a normal response behind the label is meant
(thresholds, doses, choices), or a table beside one from the literature.

**Separable classes.** If a plane parts the classes, the likelihood has no maximum: the weights grow without end. With
``alpha=0`` this is found and said; any alpha > 0 keeps them finite. The penalty acts on the columns as they are given:
bring them to one scale first. More than two classes are refused: they need correlated normal responses, of which no
closed form is known.

Cost: N D^2 + D^3 a step, some six steps. References: Bishop (2006), 4.3.5; McCullagh & Nelder (1989), Generalized
Linear Models, 4.3 and 4.4.
"""

import math
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils import Tags

from ..core import Card, DataError, ProbabilisticClassifier, iterate, log, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from .coefficient_table import CoefficientTable
from .gaussian_weights import GaussianWeights
from .generalised_linear import Ascent, Probit, Problem, laplace, newton
from .model import linear_map

SETTLED = 1e-3  # a step that moves no predictor by more has arrived; where classes are separable none ever does


class ProbitRegression(ProbabilisticClassifier):
    """Binary probit regression by penalised maximum likelihood.

    Attributes
    ----------
    classes_ : array of shape (2,)
        The second is the one whose probability is Phi of the predictor.
    coef_, intercept_ : array of shape (1, D) and (1,)
    coef_std_, intercept_std_ : like ``coef_`` and ``intercept_``
        Standard errors; with a penalty, posterior standard deviations.
    log_likelihood_, null_log_likelihood_ : float
        At the maximum, and of the frequencies of the classes alone (of 1/2 without a constant), nats.
    deviance_, aic_ : float
        -2 log likelihood, and that plus twice the number of coefficients (NaN with a penalty: they count for less).
    n_iter_, stopped_, history_
        The loop's record: ``objective`` F, ``gain`` that the step promised, ``reach``: how far it moved a predictor.

    Examples
    --------
    >>> from peira.linear.probit_regression import ProbitRegression
    >>> X, y = [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]], ["no", "no", "yes", "no", "yes", "yes"]
    >>> model = ProbitRegression(alpha=0.0).fit(X, y)
    >>> model.predict_proba([[3.5]]).round(6)
    array([[0.5, 0.5]])
    >>> print(model.summary())
               estimate  std error       z       p      low   high
    intercept    -2.659      1.982  -1.342  0.1796   -6.543  1.225
    x0           0.7598     0.5346   1.421  0.1552  -0.2879  1.807
    log likelihood -2.41864, without inputs -4.15888; AIC 8.83729
    """

    card = Card(
        tasks="classification",
        reference="Bishop (2006) 4.3.5; McCullagh & Nelder (1989) 4.3",
        cost="T (N D^2 + D^3)",
        linear_in_inputs=True,
        largest={"D": 2000, "C": 2},
    )
    alpha: float = param(1.0, "strength of the squared penalty; 0 is maximum likelihood", low=0, tune=log(1e-4, 1e4))
    fit_intercept: bool = param(True, "estimate a constant term, which is not penalised")
    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")
    max_iter: int = param(100, "most Newton steps", low=1)
    tol: float = param(1e-10, "stop when a step promises to raise the objective by less, nats", above=0)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "ProbitRegression":
        """Maximise the penalised likelihood.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Labels of two classes.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If there are not two classes, or ``alpha=0`` and the data have no finite or no unique maximum.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` steps were not enough.
        """
        data = self._begin(X, y, sample_weight)
        counts = self._counts(data)
        centre = data.X.new_zeros(data.X.shape[1])
        if self.fit_intercept:
            centre = data.X.mean(0) if data.w is None else data.w @ data.X / data.w.sum()
        Z = _design(data.X - centre, self.fit_intercept)
        prior = data.tensor(np.r_[np.full(data.X.shape[1], float(self.alpha)), np.zeros(int(self.fit_intercept))])
        problem = Problem(Probit(), Z, data.codes, data.w, torch.zeros_like(prior), prior)
        if not self.alpha:
            _require_rank(problem, data.names)
        theta = self._ascend(problem)
        self._keep(data, theta, laplace(problem, theta), centre)
        self.log_likelihood_ = problem.log_likelihood(theta)
        share = counts / counts.sum() if self.fit_intercept else torch.full_like(counts, 0.5)
        self.null_log_likelihood_ = float(counts @ share.log())
        self.deviance_ = -2 * self.log_likelihood_
        self.aic_ = math.nan if self.alpha else self.deviance_ + 2 * len(theta)
        return self

    def summary(self, level: float = 0.95) -> CoefficientTable:
        """The table of coefficients with standard errors, z values (under t), p and intervals.

        Parameters
        ----------
        level : float, default 0.95
            Probability of the intervals, from the normal distribution.
        """
        coef, std = _numpy(self.coef_)[0], _numpy(self.coef_std_)[0]
        names = [str(n) for n in getattr(self, "feature_names_in_", [f"x{j}" for j in range(len(coef))])]
        if self.fit_intercept:
            start, start_std = _numpy(self.intercept_), _numpy(self.intercept_std_)
            names, coef, std = ["intercept", *names], np.r_[start, coef], np.r_[start_std, std]
        note = f"log likelihood {self.log_likelihood_:.6g}, without inputs {self.null_log_likelihood_:.6g}"
        note += f"; posterior under a prior of precision {self.alpha:g}" if self.alpha else f"; AIC {self.aic_:.6g}"
        return CoefficientTable.of(names, coef, std, math.inf, level, note)

    # ------------------------------------------------------------------ private

    def _counts(self, data: Data) -> torch.Tensor:
        """The weight of each class, after the refusals."""
        self._require_classes(data)
        C = len(data.classes)
        if C > 2:
            raise DataError(
                "Only binary classification is supported. The type of the target is multiclass: ProbitRegression "
                f"tells two classes apart, and y holds {C}: {data.classes.tolist()[:20]!r}; "
                "use LogisticRegression, or give it to sklearn.multiclass.OneVsRestClassifier"
            )
        w = torch.ones(len(data), dtype=data.dtype, device=data.device) if data.w is None else data.w
        counts = torch.zeros(2, dtype=data.dtype, device=data.device).index_add(0, data.codes, w)
        if bool((counts == 0).any()):
            label = data.classes.tolist()[int(counts.argmin())]
            raise DataError(
                f"class {label!r} has no rows of positive weight: ProbitRegression needs rows of two classes"
            )
        return counts

    def _ascend(self, problem: Problem) -> torch.Tensor:
        steps = newton(problem, torch.zeros_like(problem.mean))
        for step in iterate(self, self.max_iter, name="Newton", expect={"objective": "increase"}):
            at = next(steps)
            step.record(objective=at.value, gain=at.gain, reach=at.reach)
            if not self.alpha:
                _refuse_separation(problem, at)
            if (self.alpha or at.reach < SETTLED) and step.reached("gain", self.tol):
                break
        return at.theta

    def _keep(self, data: Data, theta: torch.Tensor, weights: GaussianWeights, centre: torch.Tensor) -> None:
        D = len(centre)
        self.coef_ = data.give(theta[None, :D])
        S = weights.covariance()
        self.coef_std_ = data.give(S.diagonal()[None, :D].sqrt())
        constant, constant_std = theta.new_zeros(1), theta.new_zeros(1)
        if self.fit_intercept:
            at_zero = torch.cat([-centre, centre.new_ones(1)])[None]
            constant, constant_std = at_zero @ theta, weights.variance(at_zero).sqrt()
        self.intercept_, self.intercept_std_ = data.give(constant), data.give(constant_std)

    def _scores(self, queries: Queries) -> torch.Tensor:
        eta = linear_map(queries.X, queries.tensor(self.coef_)) + queries.tensor(self.intercept_)
        return torch.special.log_ndtr(torch.cat([-eta, eta], 1))

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        found = [np.shape(getattr(self, name, None)) for name in ("coef_", "coef_std_", "intercept_", "intercept_std_")]
        D = self.n_features_in_
        finite = all(bool(np.isfinite(_numpy(getattr(self, n, math.nan))).all()) for n in ("coef_", "intercept_"))
        if found != [(1, D), (1, D), (1,), (1,)] or not finite or len(self.classes_) != 2:
            raise UnreadableError(
                f"ProbitRegression of {D} columns should hold finite weights for two classes: {found}"
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def _design(X: torch.Tensor, constant: bool) -> torch.Tensor:
    return torch.cat([X, X.new_ones(len(X), 1)], 1) if constant else X


def _numpy(value: Any) -> np.ndarray:
    return value.numpy(force=True) if isinstance(value, torch.Tensor) else np.asarray(value)


def _require_rank(problem: Problem, names: tuple[str, ...]) -> None:
    """Without a penalty every column must be told from the others: pivots of the scaled Gram matrix say whether."""
    Z = problem.Z if problem.w is None else problem.Z[problem.w > 0]
    lengths = Z.norm(dim=0)
    floor = 1e-13 * problem.Z.abs().amax(0).clamp(min=torch.finfo(Z.dtype).tiny)
    R = torch.linalg.qr(Z / torch.where(lengths > floor, lengths, 1.0), mode="r")[1].diagonal().abs()
    short = torch.cat([R, R.new_zeros(Z.shape[1] - len(R))])
    flat = (short < 1e-10) | (lengths <= floor)
    if bool(flat.any()):
        name = ([*names, "the constant"])[int(flat.nonzero()[0])]
        raise DataError(
            f"without a penalty the data do not determine the weight of column {name!r} (it is constant, a combination "
            "of columns before it, or rows are fewer than columns): drop it, or give alpha > 0"
        )


def _refuse_separation(problem: Problem, at: Ascent) -> None:
    """The likelihood has no maximum if a plane parts the classes (Albert & Anderson 1984)."""
    t = problem.predictors(at.theta)[:, 0] * (2 * problem.codes - 1)
    t = t if problem.w is None else t[problem.w > 0]
    if bool((t > 0).all()):
        how = "a plane parts the two classes completely"
    elif at.gain < 1e-14 and at.reach > SETTLED:  # nothing is left to gain, and yet the weights move on
        how = "a plane parts the two classes but for points that lie on it"
    else:
        return
    raise DataError(
        f"the likelihood of ProbitRegression has no maximum: {how}, and the weights grow without end. "
        "Give alpha > 0, or more rows; or drop the column that tells the classes apart"
    )
