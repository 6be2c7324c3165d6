r"""One logistic regression as a problem to solve: the rows and classes that count, the solver, and the way back.

.. math:: \min_{W, b} \; \sum_n v_n \log (1 / p_{y_n}(x_n))
          + \frac{1}{C} \left( \frac{1 - \rho}{2} \| W \|^2 + \rho \| W \|_1 \right)

with v the weights of the rows and rho the ``l1_ratio``; C times it is scikit-learn's objective.

**Which solver, by shape.** With P = m (D + 1) coordinates, m = 1 for two classes and C - 1 for more:

========================================  ====================================================================
an L1 penalty, sparse X, many weights     SAGA (:mod:`~peira.linear.logistic_stochastic`); many: more than 4,000
                                          gradients exceed the penalty at the frequencies of the classes
any other L1 penalty                      coordinate descent (:mod:`~peira.linear.logistic_coordinate_descent`)
no penalty, P up to 4,000                 Newton, which sees whether a maximum of the likelihood exists
N at least 8,000, 80 P and P^2 / 2        L-BFGS with the curvature of a sample of the rows: about as many passes
                                          over the data as Newton takes steps, at the price of gradients
P up to 400                               Newton (:mod:`~peira.linear.logistic_newton`)
anything else                             L-BFGS with a cheaper guess (:mod:`~peira.linear.logistic_quasi_newton`)
========================================  ====================================================================

Coordinate descent forms the Gram matrix of the columns that take part, which SAGA is spared. Measured on one thread,
with log odds certified to 1e-2, on sparse rows of unit length with columns of falling frequency:

=====================================  ============  ======================  ==========
N x D, entries a row, classes, C       such weights  coordinate descent, s   SAGA, s
=====================================  ============  ======================  ==========
50,000 x 5,000, 40, 2, C=0.3           707           0.33                    2.4
20,000 x 50,000, 80, 2, C=1            740           0.19                    2.0
20,000 x 3,000, 40, 4, C=1             4,024         12                      4.4
50,000 x 5,000, 40, 2, C=3             4,188         7.1                     8.8
=====================================  ============  ======================  ==========

and with 7,672 of them (100,000 x 20,000, 40, 2, C=1) SAGA was within 2e-9 of the minimum after 9 s, where coordinate
descent after 12 s was 7e-5 above it. With a squared penalty alone SAGA won nowhere: at N = 100,000 it took 1.0 s for
D = 50 dense columns (L-BFGS: 0.05 s to the same excess of 1e-6), and 9.6 s for 20,000 sparse ones (L-BFGS: 0.25 s).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from ..core.errors import DataError
from ..core.inputs import Data
from ..numerics.descent import lbfgs
from .logistic_coordinate_descent import descend
from .logistic_design import Design
from .logistic_loss import LogisticLoss, contrasts_of
from .logistic_newton import newton
from .logistic_quasi_newton import start, start_at_frequencies, suits_sample
from .logistic_stochastic import saga

NEWTON_ALWAYS = 4_000
NEWTON_BEST = 400
STOCHASTIC = 4_000


@dataclass
class Progress:
    """Where a solver is.

    Attributes
    ----------
    V : tensor of shape (m, R + 1)
        The best answer by now, its last step included.
    value : float
        The objective above, before that step.
    distance : float
        Root of the mean squared distance of the log odds from those at the minimum, weighted by their variances;
        estimated from the decrement, or bounded by the duality gap.
    direction : tensor like V, or None
        The last step.
    """

    V: torch.Tensor
    value: float
    distance: float
    direction: torch.Tensor | None = None


class LogisticProblem:
    """Rows of positive weight, classes that have some, and columns as a solver wants them.

    Parameters
    ----------
    data : Data
    fit_intercept, penalised, l1 : bool
        Whether there is a constant, any penalty, an L1 penalty.
    owner : str
        Who asks, for messages.
    solver : str, default "auto"
        "auto" chooses by shape.

    Attributes
    ----------
    present : tensor of shape (C',)
        Positions of the classes that have rows.
    """

    def __init__(self, data: Data, *, fit_intercept: bool, penalised: bool, l1: bool, owner: str, solver: str = "auto"):
        X, codes, self.intercept = data.X, data.codes, fit_intercept
        self.w = data.tensor(torch.ones(len(data))) if data.w is None else data.w
        if not bool((self.w > 0).all()):
            rows = (self.w > 0).nonzero()[:, 0]
            X, codes, self.w = X[rows.numpy()] if sparse.issparse(X) else X[rows], codes[rows], self.w[rows]
        self.present, self.codes = codes.unique(return_inverse=True)
        if len(self.present) < 2:
            raise DataError(
                f"{owner} needs at least 2 classes with rows of positive weight, got {len(self.present)} class; "
                "are the weights right?"
            )
        self.all_classes, self.penalised, self.l1, self.asked = len(data.classes), penalised, l1, solver
        if (l1 or solver == "saga") and not sparse.issparse(X):  # scalar loops
            X, self.codes, self.w = X.cpu(), self.codes.cpu(), self.w.cpu()
        self.design = Design.of(X, self.w, fit_intercept, scaled=not l1)
        D = X.shape[1]
        if not penalised and self._size(D) <= NEWTON_ALWAYS:
            self.design = self.design.independent(self.w, fit_intercept, data.names)

    def _size(self, D: int) -> int:
        m = 1 if len(self.present) == 2 else len(self.present) - 1
        return m * (D + self.intercept)

    def loss(self, C: float, l1_ratio: float, contrasts: bool | None = None) -> LogisticLoss:
        """The smooth part of the objective; without contrasts where there is an L1 penalty, if not asked otherwise."""
        ridge = (1 - l1_ratio) / C / self.design.scale[self.design.kept].square()
        return LogisticLoss(
            self.design.X,
            self.codes,
            len(self.present),
            self.w,
            ridge.clamp(max=1e200),
            self.intercept,
            contrasts=not self.l1 if contrasts is None else contrasts,
        )

    def solver(self, f: LogisticLoss, l1: float) -> str:
        """The solver that fits the shape, or the one asked for; ``l1`` is rho / C."""
        if self.asked != "auto":
            return self.asked
        if self.l1:
            return "saga" if self._many_take_part(f, l1) else "coordinate-descent"
        if not self.penalised and f.size <= NEWTON_ALWAYS:
            return "newton-cholesky"
        return "newton-cholesky" if f.size <= NEWTON_BEST and not suits_sample(f) else "lbfgs"

    def _many_take_part(self, f: LogisticLoss, l1: float) -> bool:
        if not sparse.issparse(f.X) or f.m * f.D <= STOCHASTIC:
            return False
        _, G = f(start_at_frequencies(f))
        return int((G[:, : f.D].abs() > l1).sum()) > STOCHASTIC

    def solve(
        self, C: float, l1_ratio: float, generator: torch.Generator, begin: torch.Tensor | None = None
    ) -> Iterator[Progress]:
        """The way of a solver to the minimum, from ``begin`` if given; ends where rounding forbids more."""
        f = self.loss(C, l1_ratio)
        solver = self.solver(f, l1_ratio / C)
        if solver in ("coordinate-descent", "saga"):
            yield from self._by_rounds(solver, C, l1_ratio, generator, begin)
            return
        if solver == "newton-cholesky":
            steps = newton(f, f.zeros() if begin is None else begin)
        else:
            steps = lbfgs(f, *start(f, generator, begin))
        for at in steps:
            distance = (max(-at.slope, 0.0) / f.total) ** 0.5
            yield Progress(at.V + at.direction if distance < 0.1 else at.V, at.value, distance, at.direction)

    def _by_rounds(
        self, solver: str, C: float, l1_ratio: float, generator: torch.Generator, begin: torch.Tensor | None
    ) -> Iterator[Progress]:
        """The solvers that know a duality gap, and move a vector of weights for each class."""
        f = self.loss(C, l1_ratio, contrasts=False)
        mu = f.ridge.new_full((f.D,), l1_ratio / C)
        Q = contrasts_of(f.classes, mu) if f.m > 1 and not self.l1 else None
        W = f.zeros() if begin is None else begin if Q is None else Q @ begin
        if solver == "saga":
            rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator, device=generator.device)))
            rounds = saga(f, mu, W, rng)
        else:
            rounds = descend(f, mu, W)
        for r in rounds:
            yield Progress(r.W if Q is None else Q.T @ r.W, r.value, (2 * max(r.gap, 0.0) / f.total) ** 0.5)

    def back(self, V: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights and constants of all classes in scikit-learn's shapes; an absent class has the constant -inf."""
        binary = len(self.present) == 2
        W = V if binary or self.l1 else contrasts_of(len(self.present), V) @ V
        coef, intercept = self.design.back(W, self.intercept)
        if not bool(torch.isfinite(coef).all() and torch.isfinite(intercept).all()):
            raise DataError("the weights overflow: a column is further than 1e150 from one; rescale it, and fit again")
        if not binary and self.intercept:
            intercept = intercept - intercept.mean()
        if self.all_classes == len(self.present):
            return coef, intercept
        if binary:
            coef, intercept = torch.cat([-coef / 2, coef / 2]), torch.cat([-intercept / 2, intercept / 2])
        full = coef.new_zeros(self.all_classes, coef.shape[1])
        constants = coef.new_full((self.all_classes,), -torch.inf)
        full[self.present], constants[self.present] = coef, intercept
        return full, constants


def recedes(f: LogisticLoss, at: Progress) -> bool:
    """Whether f falls forever along the weights or the last step: then it has no minimum.

    That is so if every row's class wins, or ties with its rivals, by the scores that the direction alone gives
    (Albert & Anderson 1984: the classes are separated, completely or but for ties); ties are told to a millionth.
    """
    for direction in (at.V, at.direction):
        margins = f.margins(direction)
        if margins.max() > 0 and margins.min() >= -1e-6 * margins.max():
            return True
    return False


def still_moving(f: LogisticLoss, at: Progress) -> bool:
    """Whether the last step moved some row's log odds although the likelihood hardly rose."""
    return float(f.margins(at.direction).abs().max()) > 0.1
