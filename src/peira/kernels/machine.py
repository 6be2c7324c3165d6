r"""One trained machine: multipliers and threshold, and how far the two objectives are apart.

With signed multipliers :math:`\beta` the function is :math:`f(x) = \sum_i \beta_i k(x_i, x) - \rho`, and its squared
norm :math:`|w|^2 = \beta^T K \beta`. Any feasible :math:`\beta` gives a dual value, any f a primal one, and

.. math:: D(\beta) \leq D(\beta^*) = P(f^*) \leq P(f)

so their difference bounds what is left to gain. For two classes (signs s), for targets z, and for one class:

.. math:: P = |w|^2 / 2 + \sum_i C_i \max(0, 1 - s_i f(x_i)), \quad D = \sum_i |\beta_i| - |w|^2 / 2
.. math:: P = |w|^2 / 2 + \sum_i C_i \max(0, |z_i - f(x_i)| - \epsilon), \quad
          D = \sum_i (z_i \beta_i - \epsilon |\beta_i|) - |w|^2 / 2
.. math:: P = |w|^2 / 2 + \sum_i C_i \max(0, \rho - g_i) - \nu N \rho, \quad D = -|w|^2 / 2, \quad g = f + \rho

Reference: Schoelkopf & Smola (2002), Learning with Kernels, chapters 7 to 9.
"""

from dataclasses import dataclass

import numpy as np

from ..numerics.compile import compiled
from .smo import Solution


@dataclass(frozen=True, eq=False)
class Machine:
    """A trained machine.

    Attributes
    ----------
    beta : array of shape (N,)
        Signed multipliers of the training rows.
    rho : float
    products : array of shape (N,)
        K beta: the function at the training rows, before the threshold.
    dual, primal : float
        The objectives.
    gap : float
        Largest violation of the optimality conditions, in units of f.
    n_iter : int
    n_pairs : int
        Of the last problem that was solved for it.
    converged : bool
    """

    beta: np.ndarray
    rho: float
    products: np.ndarray
    dual: float
    primal: float
    gap: float
    n_iter: int
    n_pairs: int
    converged: bool

    @property
    def decisions(self) -> np.ndarray:
        """f at the training rows, also at those that were held out with a bound of zero."""
        return self.products - self.rho

    @property
    def squared_norm(self) -> float:
        return float(max(self.beta @ self.products, 0.0))


def classifying(solution: Solution, s: np.ndarray, p: float, C: np.ndarray) -> Machine:
    """The machine of two classes; a nu-solution is brought to margins of 1, where it is that of the bound C / r."""
    r = abs(solution.r) or 1.0
    beta, products, rho = s * solution.alpha / r, s * (solution.gradient - p) / r, solution.rho / r
    half = 0.5 * float(beta @ products)
    slack = np.maximum(0.0, 1 - s * (products - rho))
    primal = half + _cost(C / r, slack)
    if C.max(initial=0.0) == np.inf:  # a hard margin: shrink w until all rows keep it
        nearest = float((s * (products - rho))[C > 0].min())
        primal = half / nearest**2 if nearest > 0 else np.inf
    dual = float(np.abs(beta).sum()) - half
    return _machine(solution, beta, rho, products, dual, primal, r)


def regressing(solution: Solution, p: np.ndarray, z: np.ndarray, epsilon: float, C: np.ndarray) -> Machine:
    """The machine of a regression, of which p (2 N,) was the linear term."""
    N = len(z)
    beta, rho = solution.alpha[:N] - solution.alpha[N:], solution.rho
    products = (solution.gradient - p)[:N]
    half = 0.5 * float(beta @ products)
    slack = np.maximum(0.0, np.abs(z - products + rho) - epsilon)
    dual = float(z @ beta - epsilon * np.abs(beta).sum()) - half
    return _machine(solution, beta, rho, products, dual, half + _cost(C, slack))


def enclosing(solution: Solution, C: np.ndarray) -> Machine:
    """The machine of one class."""
    beta, products, rho = solution.alpha, solution.gradient, solution.rho
    half = 0.5 * float(beta @ products)
    primal = half + _cost(C, np.maximum(0.0, rho - products)) - rho * float(beta.sum())
    return _machine(solution, beta, rho, products, -half, primal)


@compiled
def fill(a, bound, total):
    """Multipliers near ``a`` that sum to ``total`` within their bounds: scaled down, or filled up from the first on."""
    now = 0.0
    for i in range(a.size):
        now += min(a[i], bound[i])
    filled, missing = np.empty(a.size), max(total - now, 0.0)
    share = min(1.0, total / now) if now > 0.0 else 1.0
    for i in range(a.size):
        kept = min(a[i], bound[i]) * share
        added = min(missing, bound[i] - kept) if missing > 0.0 else 0.0
        filled[i] = kept + added
        missing -= added
    return filled


def _cost(C: np.ndarray, slack: np.ndarray) -> float:
    """The sum of C slack, where infinity times nothing is nothing."""
    return float((np.where(slack > 0, C, 0.0) * slack).sum())


def _machine(
    solution: Solution, beta: np.ndarray, rho: float, products: np.ndarray, dual: float, primal: float, r: float = 1.0
) -> Machine:
    reached = solution.gap / r, solution.n_iter, solution.n_pairs, solution.converged
    return Machine(beta, float(rho), products, float(dual), float(primal), *reached)
