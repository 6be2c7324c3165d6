r"""Linear support vector machines: the widest margin in the space of the inputs themselves, for many rows.

With a constant feature :math:`\kappa` below each row x, the machine for signs :math:`s_n = \pm 1` minimises

.. math:: \frac{1}{2} \| w \|^2 + C \sum_n v_n \max(0, 1 - s_n w^T x_n)

(``loss="hinge"``), or the sum of the squares of these losses (``"squared_hinge"``), or has the sum of absolute values
:math:`\| w \|_1` in place of the squares, which sets weights to zero (``penalty="l1"``). The regression has, for
targets y,

.. math:: \frac{1}{2} \| w \|^2 + C \sum_n v_n \max(0, |y_n - w^T x_n| - \epsilon)

or squares; v are the weights of the rows. The threshold is :math:`b = \kappa w_{D+1}`, which the penalty counts in: not
the machine of `SVC`, whose threshold is free, but the same problem as that of LIBLINEAR and scikit-learn. A larger
``intercept_scaling`` sets the threshold freer. More than two classes: each against all others, the largest score wins.

**Assumptions.** Columns of one scale, since the penalty compares weights; put them there first. The scores are no
probabilities (`CalibratedClassifier` makes some of them).

**How.** Chosen by shape; all ways end with the same certificate, the gap between the objective and its dual
(:mod:`~peira.kernels.linear_svm_problem`):

===========================================  ===================================================================
``penalty="l1"``                             coordinate descent (:mod:`~peira.kernels.linear_svm_l1`)
a hinge, D up to N and 1,000 (sparse: 300)   interior point (:mod:`~peira.kernels.linear_svm_interior`)
a square, D up to N                          Newton (:mod:`~peira.kernels.linear_svm_newton`)
D up to 300                                  these two as well, whatever N is
anything else                                dual coordinate descent (:mod:`~peira.kernels.linear_svm_dual`)
===========================================  ===================================================================

``dual=True`` asks for the last one, ``dual=False`` for one of the others.

**Cost.** N D^2 a step of the first ones, ten to thirty steps; N D a sweep of coordinate descent.

**Use it** in place of `SVC` with a linear kernel for more than a few thousand rows, and for texts, whose columns are
many and sparse.

Reference: Fan, Chang, Hsieh, Wang & Lin (2008), LIBLINEAR, JMLR 9, 1871-1874; Hsieh, Chang, Lin, Keerthi &
Sundararajan (2008), A dual coordinate descent method for large-scale linear SVM, ICML; Ho & Lin (2012), Large-scale
linear support vector regression, JMLR 13, 3323-3348.
"""

import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from ..core import Card, DataError, ParameterError, iterate, log, param
from ..core.inputs import Data
from ..core.iteration import warn_not_converged
from ..linear.linear_scores import LinearClassifier
from ..linear.model import LinearRegressor
from .linear_svm_dual import descend
from .linear_svm_interior import interior_point
from .linear_svm_l1 import descend_columns
from .linear_svm_newton import newton
from .linear_svm_problem import Losses, Progress, Rows

LARGEST_DENSE = 1_000  # columns for which an interior point's matrices pay
LARGEST_SPARSE = 300
ALWAYS = 300  # columns that are few even beside fewer rows
LARGEST_SQUARE = 1e250  # sum of squares that leaves room for weights
Dual = bool | Literal["auto"]


class LinearSVC(LinearClassifier):
    """Linear support vector classification.

    Of scikit-learn's parameters it leaves out ``verbose`` (use `peira.observing`) and ``multi_class`` (always one
    class against the others). ``tol`` is the gap to reach; ``dual=False`` knows the hinge as well.

    Attributes
    ----------
    classes_ : array of shape (C,)
    coef_ : array of shape (C, D), or (1, D) for two classes
    intercept_ : array of shape (C,) or (1,)
    objective_, duality_gap_ : float, or arrays of shape (C,) for more than two classes
        What was minimised, and how far above its minimum it may be, as a share of it.
    solver_ : str
        "newton", "interior point", "dual coordinate descent" or "coordinate descent".
    n_iter_, history_, stopped_
        Steps, the most that a class took; for each the ``objective`` of the best weights by then and the ``gap``, or
        for each class at its end; why they ended.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` steps were too few for ``tol``, once, with the largest gap.

    Examples
    --------
    >>> from peira.kernels import LinearSVC
    >>> model = LinearSVC().fit([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [3.0, 1.0]], ["no", "no", "yes", "yes"])
    >>> model.predict([[3.0, 0.0], [0.0, 1.0]]).tolist(), model.coef_.round(2).tolist()
    (['yes', 'no'], [[0.74, -0.61]])
    """

    card = Card(
        tasks="classification",
        reference="Fan et al. (2008); Hsieh et al. (2008)",
        cost="N D^2 a step, or N D a sweep; for each class",
        sparse=True,
    )
    penalty: Literal["l1", "l2"] = param("l2", "squares of the weights, or absolute values, which select columns")
    loss: Literal["hinge", "squared_hinge"] = param("squared_hinge", "price of a row inside of the margin")
    dual: Dual = param("auto", "solve by the multipliers (True), by the weights (False), or choose by shape")
    tol: float = param(1e-4, "gap to the minimum, as a share of the objective", low=0)
    C: float = param(1.0, "price of an error", above=0, tune=log(1e-4, 1e3))
    fit_intercept: bool = param(True, "estimate a threshold")
    intercept_scaling: float = param(1.0, "the constant feature: the larger, the freer the threshold", above=0)
    class_weight: dict | Literal["balanced"] | None = param(None, "factors of C: 'balanced', or a dictionary")
    random_state: int | np.random.RandomState | None = param(0, "seed of the order of the sweeps")
    max_iter: int = param(1000, "most steps or sweeps of the solver", low=1)

    @classmethod
    def example(cls) -> "LinearSVC":
        """To the end: tiny data cost nothing."""
        return cls(tol=1e-20)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LinearSVC":
        """Learn the weights.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array of shape (N,)
            Labels: texts, whole numbers or truth values; at least two different ones.
        sample_weight : array of shape (N,), optional
            Factors of C; a weight of two counts as two equal rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is only one class, a value is not finite, or penalty, loss and dual do not go together.
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        l1, squared = self.penalty == "l1", self.loss == "squared_hinge"
        if l1 and not (squared and self.dual is not True):
            raise ParameterError(
                f"LinearSVC with penalty='l1' needs loss='squared_hinge' and dual='auto' or False; got "
                f"loss={self.loss!r}, dual={self.dual!r}"
            )
        rows, kept = _open_rows(data, self.intercept_scaling * self.fit_intercept, type(self).__name__)
        C, codes = self.C * _weights(data)[kept], data.codes.numpy(force=True)[kept]
        positive = [1] if len(data.classes) == 2 else range(len(data.classes))
        problems = (Losses.hinge(np.where(codes == k, 1.0, -1.0), C, squared) for k in positive)
        self.solver_ = "coordinate descent" if l1 else choose(rows, squared, self.dual)
        W, objectives, gaps = _solve_all(self, rows, problems, len(positive), data)
        one = len(positive) == 1
        self.objective_, self.duality_gap_ = (float(v[0]) if one else np.array(v) for v in (objectives, gaps))
        W = data.tensor(W)
        self._learned(data, W[:, : rows.D].clone(), self.intercept_scaling * W[:, rows.D])
        return self


class LinearSVR(LinearRegressor):
    """Linear support vector regression.

    Of scikit-learn's parameters it leaves out ``verbose`` (use `peira.observing`). ``tol`` is the gap to reach;
    ``dual=False`` knows both losses.

    Attributes
    ----------
    coef_ : array of shape (D,)
    intercept_ : float
    objective_, duality_gap_ : float
        What was minimised, and how far above its minimum it may be, as a share of it.
    solver_ : str
        "newton", "interior point" or "dual coordinate descent".
    n_iter_, history_, stopped_
        Steps; for each the ``objective`` of the best weights by then and the ``gap``; why they ended.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` steps were too few for ``tol``, with the gap.

    Examples
    --------
    >>> from peira.kernels import LinearSVR
    >>> model = LinearSVR(C=10.0, tol=1e-8).fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 70.0])
    >>> model.coef_.round(2).tolist(), round(model.intercept_, 2)
    ([2.0], 1.0)
    """

    card = Card(
        tasks="regression",
        reference="Ho & Lin (2012)",
        cost="N D^2 a step, or N D a sweep",
        sparse=True,
    )
    epsilon: float = param(0.0, "deviation that costs nothing, in the unit of the target", low=0)
    tol: float = param(1e-4, "gap to the minimum, as a share of the objective", low=0)
    C: float = param(1.0, "price of a deviation", above=0, tune=log(1e-4, 1e3))
    loss: Literal["epsilon_insensitive", "squared_epsilon_insensitive"] = param(
        "epsilon_insensitive", "price of what exceeds epsilon, or of its square"
    )
    fit_intercept: bool = param(True, "estimate a constant term")
    intercept_scaling: float = param(1.0, "the constant feature: the larger, the freer the constant term", above=0)
    dual: Dual = param("auto", "solve by the multipliers (True), by the weights (False), or choose by shape")
    random_state: int | np.random.RandomState | None = param(0, "seed of the order of the sweeps")
    max_iter: int = param(1000, "most steps or sweeps of the solver", low=1)

    @classmethod
    def example(cls) -> "LinearSVR":
        """A nearly free constant term, and to the end: tiny data cost nothing."""
        return cls(loss="squared_epsilon_insensitive", intercept_scaling=1e4, tol=1e-17)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LinearSVR":
        """Learn the weights.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array of shape (N,)
        sample_weight : array of shape (N,), optional
            Factors of C; a weight of two counts as two equal rows.

        Returns
        -------
        self
        """
        data = self._begin(X, y, sample_weight)
        squared = self.loss == "squared_epsilon_insensitive"
        rows, kept = _open_rows(data, self.intercept_scaling * self.fit_intercept, type(self).__name__)
        y = data.Y[:, 0].numpy(force=True)[kept]
        losses = Losses.tube(y, self.epsilon, self.C * _weights(data)[kept], squared)
        self.solver_ = choose(rows, squared, self.dual)
        W, (self.objective_,), (self.duality_gap_,) = _solve_all(self, rows, iter([losses]), 1, data)
        W = data.tensor(W)
        self._learned(data, W[:, : rows.D].clone(), self.intercept_scaling * W[:, rows.D])
        return self


def choose(rows: Rows, squared: bool, dual: Dual) -> str:
    """The solver for squares as a penalty, by shape if ``dual`` is "auto"."""
    direct = "newton" if squared else "interior point"
    if dual == "auto":
        most = np.inf if squared else LARGEST_SPARSE if rows.sparse else LARGEST_DENSE
        dual = min(max(rows.N, ALWAYS), most) < rows.D
    return "dual coordinate descent" if dual else direct


def solve(solver: str, rows: Rows, losses: Losses, rng: np.random.Generator) -> Iterator[Progress]:
    """The way of a solver to the minimum."""
    if solver == "interior point":
        return interior_point(rows, losses)
    by_name = {"newton": newton, "dual coordinate descent": descend, "coordinate descent": descend_columns}
    return by_name[solver](rows, losses, rng)


def _solve_all(
    owner: LinearSVC | LinearSVR, rows: Rows, problems: Iterator[Losses], count: int, data: Data
) -> tuple[np.ndarray, list[float], list[float]]:
    """Weights (count, D + 1), objectives and gaps of the machines."""
    if count == 1:
        ends = [_watched(owner, solve(owner.solver_, rows, next(problems), data.rng()))]
    else:
        ends = _one_by_one(owner, rows, problems, count, data)
    worst = max(at.gap for at in ends)
    if count > 1 and owner.stopped_ == "max_iter":  # of a single machine the loop has warned
        warn_not_converged(owner, owner.solver_, owner.max_iter, "gap", worst, owner.tol)
    elif owner.stopped_ == "precision":
        warnings.warn(
            f"{type(owner).__name__}: {owner.solver_} ended where rounding forbids more, with a gap of {worst:.3g} and "
            f"tol {owner.tol:.3g}: the columns are far from zero against their spread, or of very different size; "
            "standardise them",
            ConvergenceWarning,
            stacklevel=4,
        )
    W = np.zeros((count, rows.D + 1))
    for k, at in enumerate(ends):
        W[k, : rows.size] = at.w
    return W, [at.primal for at in ends], [at.gap for at in ends]


def _one_by_one(
    owner: LinearSVC | LinearSVR, rows: Rows, problems: Iterator[Losses], count: int, data: Data
) -> list[Progress]:
    ends: list[Progress] = []
    most, worst = 0, 0.0
    for step in iterate(owner, count, name="class"):
        made = 0
        for at in islice(solve(owner.solver_, rows, next(problems), data.rng()), owner.max_iter):
            made += 1
            if at.gap <= owner.tol:
                break
        ends.append(at)
        most, worst = max(most, made), max(worst, at.gap)
        step.record(objective=at.primal, gap=at.gap)
        reason = "converged" if worst <= owner.tol else "max_iter" if most == owner.max_iter else "precision"
        if len(ends) == count and step.stop(reason):
            break
    else:  # a spent budget: the other classes stay where their solver begins
        ends += [next(solve(owner.solver_, rows, losses, data.rng())) for losses in problems]
    owner.n_iter_ = most
    return ends


def _watched(owner: LinearSVC | LinearSVR, states: Iterator[Progress]) -> Progress:
    at: Progress | None = None
    for step in iterate(owner, owner.max_iter, name=owner.solver_, expect={"objective": "decrease"}):
        there = next(states, None)
        at = there or at
        step.record(objective=at.primal, gap=at.gap)
        if step.reached("gap", owner.tol) or (there is None and step.stop("precision")):
            break
    return at


def _open_rows(data: Data, constant: float, owner: str) -> tuple[Rows, np.ndarray | slice]:
    """The rows of positive weight, and which they are."""
    X = sparse.csr_array(data.X) if sparse.issparse(data.X) else data.X.numpy(force=True)
    kept: np.ndarray | slice = slice(None)
    if data.w is not None and not bool((data.w > 0).all()):
        kept = (data.w > 0).nonzero()[:, 0].numpy(force=True)
        X = X[kept]
    rows = Rows(X if sparse.issparse(X) else np.ascontiguousarray(X), constant)
    with np.errstate(over="ignore"):
        total = rows.squares().sum()
    if not total < LARGEST_SQUARE:
        largest = float(abs(X).max())
        raise DataError(f"{owner}: the inputs reach {largest:.3g}, and their squares overflow: standardise the columns")
    return rows, kept


def _weights(data: Data) -> np.ndarray:
    return np.ones(len(data)) if data.w is None else data.w.numpy(force=True)
