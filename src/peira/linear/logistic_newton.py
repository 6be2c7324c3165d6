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
from dataclasses import dataclass

import torch

from ..numerics.cholesky import scaled_cholesky
from .logistic_loss import LogisticLoss

EPS = torch.finfo(torch.float64).eps
SLOPE = 1e-4  # share of the slope's promise that a step must keep


@dataclass
class Iterate:
    """Where a solver is.

    Attributes
    ----------
    V : tensor of shape (m, D + 1)
    value, slope : float
        f at V, and the derivative of f along ``direction``: minus the squared decrement.
    direction : tensor like V
        The next step.
    """

    V: torch.Tensor
    value: float
    slope: float
    direction: torch.Tensor


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


def backtrack(
    f: LogisticLoss, V: torch.Tensor, value: float, slope: float, d: torch.Tensor
) -> tuple[float, torch.Tensor, float, torch.Tensor] | None:
    """The first of the steps t = 1, 1/2, 1/4 ... that lowers f enough: t, V + t d, f and its gradient there.

    Where f changes by rounding alone, a step that takes most of the slope away counts as well (Hager & Zhang 2005).
    None if nothing does: then V is as good as floating-point numbers allow.
    """
    t, rounding = 1.0, 100 * EPS * abs(value)
    for _ in range(60):
        there = V + t * d
        new, G = f(there)
        if -t * slope <= rounding:
            flatter = abs(float((G * d).sum())) < -0.5 * slope
            return (t, there, new, G) if flatter and new <= value + rounding else None
        if new <= value + SLOPE * t * slope:
            return t, there, new, G
        # The minimum of the parabola through the two values and the slope, kept between a tenth and a half.
        bend = 2 * (new - value - t * slope)
        t *= min(max(-t * slope / bend, 0.1), 0.5) if bend < float("inf") else 0.1
    return None
