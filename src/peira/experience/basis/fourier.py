"""Fourier basis functions: waves along each input.

.. math:: \\phi_{2k-1}(x) = \\sin \\frac{2 \\pi k x}{P}

.. math:: \\phi_{2k}(x) = \\cos \\frac{2 \\pi k x}{P}

for :math:`k = 1 \\ldots K`. Whatever is fitted with them repeats with the period :math:`P`. Give the
period where it is known (12 for months, 24 for hours); otherwise it is the range of the input, and
the two ends of the data are then tied together.

On equally spaced points of a whole period the functions are orthogonal, so each weight is a Fourier
coefficient. Cost 2 N D K. (Bishop 2006, section 3.1.)
"""

import math

import numpy as np
import torch

from peira.core import Card, integer, param

from .base import ColumnBasis, span


class FourierBasis(ColumnBasis):
    """Fourier basis functions.

    Examples
    --------
    >>> FourierBasis(1, period=4.0).fit_transform([[0.0], [1.0], [2.0]]).round(3).tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0]]
    """

    card = Card(tasks="representation", reference="Bishop (2006) 3.1", cost="N D K", exact=True)
    order: int = param(3, "number K of waves for each input", low=1, positional=True, tune=integer(1, 10))
    period: float | None = param(None, "P, in the unit of the input; None takes the range of the input", above=0)

    def _learn(self, x: torch.Tensor) -> torch.Tensor:
        low, high = span(x)
        return (high - low if self.period is None else x.new_tensor(self.period)).reshape(1)

    def _functions(self, x: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
        k = torch.arange(1, self.order + 1, dtype=x.dtype, device=x.device)
        # The remainder first: sin of a large argument loses digits, the remainder of a division does not.
        angle = 2 * math.pi * k * (torch.remainder(x[:, None], learned) / learned)
        return torch.stack([torch.sin(angle), torch.cos(angle)], 2).reshape(len(x), -1)

    def _labels(self, name: str, learned: np.ndarray) -> list[str]:
        return [f"{name}:{wave}{k}" for k in range(1, self.order + 1) for wave in ("sin", "cos")]
