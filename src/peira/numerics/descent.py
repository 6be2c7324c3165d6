r"""Descent on smooth functions: a step that is halved until it gains, and L-BFGS.

A quasi-Newton method needs gradients alone, and learns the curvature from how they change. With the last M steps
:math:`s_i` and changes of the gradient :math:`y_i`, the product of the inverse Hessian's estimate with a gradient
takes two short loops around a first guess :math:`H_0` (Nocedal & Wright 2006, algorithm 7.4).

Functions give a value and a gradient; infinity says that a step was too long.

Reference: Nocedal & Wright (2006), Numerical Optimization, 3.1 and 7.2.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

EPS = torch.finfo(torch.float64).eps
SLOPE = 1e-4  # share of the slope's promise that a step must keep
PAIRS = 10  # steps that are remembered

Objective = Callable[[torch.Tensor], tuple[float, torch.Tensor]]
Metric = Callable[[torch.Tensor], torch.Tensor]


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


def lbfgs(f: Objective, V: torch.Tensor, metric: Metric) -> Iterator[Iterate]:
    """L-BFGS from V with the first guess ``metric`` of the inverse Hessian: the iterates."""
    value, G = f(V)
    pairs: deque = deque(maxlen=PAIRS)
    while True:
        d = -two_loops(G, pairs, metric)
        slope = float((G * d).sum())
        yield Iterate(V, value, slope, d)
        moved = backtrack(f, V, value, slope, d)
        if moved is None:
            if not pairs:
                return
            pairs.clear()  # once more by the first guess alone
            continue
        t, V, value, G_new = moved
        y, s = G_new - G, t * d
        G = G_new
        if (curvature := float((y * s).sum())) > 0:
            pairs.append((s, y, curvature))


def two_loops(G: torch.Tensor, pairs: deque, metric: Metric) -> torch.Tensor:
    """The estimated inverse Hessian times G (Nocedal & Wright 2006, algorithm 7.4)."""
    q, alphas = G.clone(), []
    for s, y, curvature in reversed(pairs):
        alphas.append(a := float((s * q).sum()) / curvature)
        q -= a * y
    r = metric(q)
    for (s, y, curvature), a in zip(pairs, reversed(alphas), strict=True):
        r += s * (a - float((y * r).sum()) / curvature)
    return r


def backtrack(
    f: Objective, V: torch.Tensor, value: float, slope: float, d: torch.Tensor
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
