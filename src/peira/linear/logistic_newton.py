r"""Newton's method for the logistic loss: iteratively reweighted least squares with a safe step.

.. math:: H d = -g, \qquad V \leftarrow V + t d

with gradient g and Hessian H (:mod:`~peira.linear.logistic_loss`); without a penalty each full step is a weighted
least-squares fit, whence the other name (Bishop 2006, 4.3.3). Near the minimum the number of right digits doubles
with each step. Far from it a full step may overshoot, so t is halved until f falls by a share of what the slope
promises (Armijo's rule).

**How far the minimum is** follows from the decrement, :math:`\delta^2 = g^T H^{-1} g`: f lies
:math:`\delta^2 / 2` above its minimum, up to terms of third order (Boyd & Vandenberghe 2004, 9.5.1), and

.. math:: \delta^2 = \sum_n c_n \, d^T (S_n \otimes x_n x_n^T) \, d + d^T \mathrm{diag}(\lambda) d

is the squared change of the log odds that the step makes, weighted by their variance, plus the penalty's part. The
fits end when the root of its mean over the rows is at most ``tol``, a measure that does not depend on the units of
the columns.

**Cost.** N (m D)^2 + (m D)^3 / 3 a step, for m vectors of weights; memory (m D)^2. Five to eight steps.
"""

from collections.abc import Iterator

import torch

from ..numerics.cholesky import scaled_cholesky
from ..numerics.descent import Iterate, backtrack
from .logistic_loss import LogisticLoss


def newton(f: LogisticLoss, V: torch.Tensor) -> Iterator[Iterate]:
    """Newton's method from V: the iterates, until no step lowers f by more than rounding."""
    value, G = f(V)
    while True:
        d = Factor(f.hessian(V)).solve(-G)
        slope = float((G * d).sum())
        yield Iterate(V, value, slope, d)
        moved = backtrack(f, V, value, slope, d)
        if moved is None:
            return
        _, V, value, G = moved


class Factor:
    """The Cholesky factor of a Hessian."""

    def __init__(self, H: torch.Tensor):
        idle = H.diagonal() <= 0  # weights that f does not depend on stay where they are
        self.L, self.scale, self.jitter = scaled_cholesky(H + idle.to(H.dtype).diag() if bool(idle.any()) else H)

    def solve(self, G: torch.Tensor) -> torch.Tensor:
        """H^-1 g for g all entries of G, in the shape of G."""
        return self.solve_rows(G.reshape(1, -1)).reshape(G.shape)

    def solve_rows(self, G: torch.Tensor) -> torch.Tensor:
        """H^-1 g for each row g of G."""
        return torch.cholesky_solve((G / self.scale).T, self.L).T / self.scale

    def inverse(self) -> torch.Tensor:
        return torch.cholesky_inverse(self.L) / self.scale / self.scale[:, None]
