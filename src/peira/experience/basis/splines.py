"""B-splines: piecewise polynomials that join smoothly, as a sum of local bumps.

With knots :math:`t_0 < t_1 < \\ldots` the functions of degree 0 are 1 between two knots and 0
elsewhere, and higher degrees follow by the recursion of Cox and de Boor,

.. math:: B_{i,p}(x) = w_{i,p}(x) B_{i,p-1}(x) + (1 - w_{i+1,p}(x)) B_{i+1,p-1}(x)

.. math:: w_{i,p}(x) = \\frac{x - t_i}{t_{i+p} - t_i}

They are never negative, sum to one between the boundary knots, and only :math:`p + 1` of them
differ from zero at any place; so a weight acts only near its knots, unlike a polynomial's.

Knots, counts and names are those of scikit-learn's class of the same name: ``n_knots`` knots span
the data, ``degree`` more on each side continue their spacing, and there are
``n_knots + degree - 1`` functions an input. Since these sum to one, leave the bias out
(``include_bias=False``) before a method that estimates a constant without a penalty.

Cost N D (p+1)^2 in time. Hastie, Tibshirani & Friedman (2009), appendix to chapter 5, equation 5.78.
"""

from typing import Literal

import numpy as np
import torch

from peira.core import Card, integer, param
from peira.core.errors import DataError

from .base import ColumnBasis, span


class SplineTransformer(ColumnBasis):
    """B-spline basis functions.

    Examples
    --------
    >>> SplineTransformer(3, degree=1).fit_transform([[0.0], [1.0], [2.0]]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    card = Card(tasks="representation", reference="Hastie et al. (2009) equation 5.78", cost="N D p^2", exact=True)
    n_knots: int = param(
        5, "number of knots from the smallest to the largest value", low=2, positional=True, tune=integer(3, 20)
    )
    degree: int = param(3, "degree p of the pieces", low=0, positional=True)
    knots: Literal["uniform", "quantile"] = param(
        "uniform", "knots at equal distances, or with equally many values between them"
    )
    extrapolation: Literal["constant", "linear", "continue", "error"] = param(
        "constant",
        "beyond the boundary knots: stay at the value there, go straight on, follow the last piece, or refuse",
    )
    include_bias: bool = param(
        True, "keep all functions; otherwise the last, which follows from the others, is left out"
    )

    def _learn(self, x: torch.Tensor) -> torch.Tensor:
        """All knots: those within the data, and ``degree`` more on each side at the spacing there."""
        low, high = span(x)
        steps = torch.linspace(0, 1, self.n_knots, dtype=x.dtype, device=x.device)
        inner = low + (high - low) * steps
        if self.knots == "quantile" and x.min() < x.max():
            inner = torch.quantile(x, steps)
        outer = torch.arange(1, self.degree + 1, dtype=x.dtype, device=x.device)
        before = inner[0] - outer.flip(0) * (inner[1] - inner[0])
        after = inner[-1] + outer * (inner[-1] - inner[-2])
        return torch.cat([before, inner, after])

    def _functions(self, x: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
        p = self.degree
        low, high = learned[p], learned[len(learned) - 1 - p]
        inside = x.clamp(low, high)
        if self.extrapolation == "error" and (inside != x).any():
            row = int((inside != x).nonzero()[0])
            raise DataError(
                f"the value {float(x[row]):g} in row {row} lies outside of the knots, "
                f"which go from {float(low):g} to {float(high):g}"
            )
        if self.extrapolation == "continue":
            values = bspline(x, learned, p)
        else:
            values = bspline(inside, learned, p)
            if self.extrapolation == "linear" and p > 0:
                values = values + (x - inside)[:, None] * bspline_slope(inside, learned, p)
        return values if self.include_bias else values[:, :-1]

    def _labels(self, name: str, learned: np.ndarray) -> list[str]:
        count = len(learned) - self.degree - 1
        return [f"{name}_sp_{j}" for j in range(count if self.include_bias else count - 1)]


def bspline(x: torch.Tensor, knots: torch.Tensor, degree: int) -> torch.Tensor:
    """Values of all B-splines; beyond the boundary knots the last pieces go on.

    Parameters
    ----------
    x : tensor of shape (N,)
    knots : tensor of shape (T,), increasing
    degree : int

    Returns
    -------
    tensor of shape (N, T - degree - 1)
    """
    M = len(knots) - degree - 1
    # The piece of each x: from the last knot that is not above it, within the boundary knots. Where knots
    # coincide, pieces of no length are passed over.
    first = int(torch.searchsorted(knots, knots[degree], right=True)) - 1
    last = int(torch.searchsorted(knots, knots[M])) - 1
    i = (torch.searchsorted(knots, x.contiguous(), right=True) - 1).clamp(first, last)
    local = [torch.ones_like(x)]
    for p in range(1, degree + 1):
        above = [torch.zeros_like(x) for _ in range(p + 1)]
        for r, value in enumerate(local):
            # B_{i-p+1+r, p-1} feeds B_{i-p+r, p} on its right and B_{i-p+1+r, p} on its left.
            start, end = knots[i - p + 1 + r], knots[i + 1 + r]
            share = torch.where(end > start, (x - start) / (end - start), 0.0)  # 0 / 0 is 0 here
            above[r] = above[r] + (1 - share) * value
            above[r + 1] = above[r + 1] + share * value
        local = above
    places = i[:, None] - degree + torch.arange(degree + 1, device=x.device)
    return x.new_zeros(len(x), M).scatter(1, places, torch.stack(local, 1))


def bspline_slope(x: torch.Tensor, knots: torch.Tensor, degree: int) -> torch.Tensor:
    """First derivatives of all B-splines, of shape (N, T - degree - 1).

    .. math:: B'_{i,p} = \\frac{p}{t_{i+p} - t_i} B_{i,p-1} - \\frac{p}{t_{i+p+1} - t_{i+1}} B_{i+1,p-1}
    """
    # The outermost functions of the lower degree vanish within the boundary knots.
    lower = bspline(x, knots[1:-1], degree - 1)
    lower = torch.nn.functional.pad(lower, (1, 1))
    length = knots[degree:] - knots[: len(knots) - degree]
    scaled = torch.where(length > 0, lower * degree / length, 0.0)
    return scaled[:, :-1] - scaled[:, 1:]
