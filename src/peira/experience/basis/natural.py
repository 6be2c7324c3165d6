"""Natural cubic splines: cubic between knots, straight beyond the last ones.

With knots :math:`\\xi_1 < \\ldots < \\xi_K` (Hastie, Tibshirani & Friedman 2009, equations 5.4 and 5.5),

.. math:: N_1(x) = 1

.. math:: N_2(x) = x

.. math:: N_{k+2}(x) = d_k(x) - d_{K-1}(x)

.. math:: d_k(x) = \\frac{(x - \\xi_k)_+^3 - (x - \\xi_K)_+^3}{\\xi_K - \\xi_k}

for :math:`k = 1 \\ldots K - 2`. The cubic and quadratic terms cancel beyond :math:`\\xi_K`, so the
fit is straight where there are no data to say more: that is why the ends do not swing as those of
a polynomial do. The constant is left to the linear method, so K = df + 1 knots give df functions:
the boundary knots at the smallest and largest value, the others at quantiles between them.

The input is first mapped to [0, 1] between the boundary knots, which changes no fit and keeps the
cubes of comparable size. Cost N D K.
"""

import numpy as np
import torch

from peira.core import Card, integer, param

from .base import ColumnBasis, span


class NaturalSpline(ColumnBasis):
    """Natural cubic spline basis functions.

    An input with few different values may give fewer than ``df`` functions, since knots that fall
    together are one.

    Examples
    --------
    >>> NaturalSpline(2).fit_transform([[0.0], [0.5], [1.0]]).round(3).tolist()
    [[0.0, 0.0], [0.5, 0.125], [1.0, 0.75]]
    """

    card = Card(tasks="representation", reference="Hastie et al. (2009) equations 5.4, 5.5", cost="N D K", exact=True)
    df: int = param(
        4,
        "functions for each input (degrees of freedom without the constant)",
        low=1,
        positional=True,
        tune=integer(2, 8),
    )

    def _learn(self, x: torch.Tensor) -> torch.Tensor:
        low, high = span(x)
        values = x.unique()
        if 1 < len(values) <= self.df + 1:
            return values  # more knots than values would leave functions undetermined
        steps = torch.linspace(0, 1, self.df + 1, dtype=x.dtype, device=x.device)[1:-1]
        inner = torch.quantile(x, steps)
        inner = inner[(inner > low) & (inner < high)]
        return torch.cat([low.reshape(1), inner.unique(), high.reshape(1)])

    def _functions(self, x: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
        low, length = learned[0], learned[-1] - learned[0]
        u = ((x - low) / length)[:, None]
        xi = (learned - low) / length
        cubes = (u - xi[:-1]).clamp(min=0) ** 3 - (u - 1).clamp(min=0) ** 3
        d = cubes / (1 - xi[:-1])  # (5.5)
        return torch.cat([u, d[:, :-1] - d[:, -1:]], 1)  # (5.4)

    def _labels(self, name: str, learned: np.ndarray) -> list[str]:
        return [f"{name}:spline{k}" for k in range(1, len(learned))]
