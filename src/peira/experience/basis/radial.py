"""Gaussian and sigmoid basis functions: bumps and steps along each input.

Gaussian (Bishop 2006, equation 3.4):

.. math:: \\phi_j(x) = \\exp \\left( - \\frac{(x - \\mu_j)^2}{2 s^2} \\right)

Sigmoid (Bishop 2006, equations 3.5 and 3.6):

.. math:: \\phi_j(x) = \\sigma \\left( \\frac{x - \\mu_j}{s} \\right)

.. math:: \\sigma(a) = \\frac{1}{1 + e^{-a}}

The centres :math:`\\mu_j` are equally spaced from the smallest to the largest value of the input,
and :math:`s` is ``width`` times their spacing. Gaussians are local: far from the data they vanish,
and a prediction falls back to the constant. Sigmoids stay at 0 and 1 there.

Cost N D M in time and memory for M functions an input. With many inputs the functions of each
input alone no longer suffice, and those of all inputs together grow too many: use kernels then.
"""

import numpy as np
import torch

from peira.core import Card, integer, log, param

from .base import ColumnBasis, span


class _Bumps(ColumnBasis):
    """Functions of the distance to equally spaced centres. Abstract."""

    n_centres: int = param(10, "number of functions for each input", low=1, positional=True, tune=integer(3, 30))
    width: float = param(1.0, "scale s, in units of the spacing of the centres", above=0, tune=log(0.3, 3.0))

    def _learn(self, x: torch.Tensor) -> torch.Tensor:
        """Centres, then the scale."""
        low, high = span(x)
        M = self.n_centres
        steps = (
            torch.linspace(0, 1, M, dtype=x.dtype, device=x.device) if M > 1 else torch.full((1,), 0.5, dtype=x.dtype)
        )
        scale = self.width * (high - low) / max(M - 1, 1)
        return torch.cat([low + (high - low) * steps.to(x.device), scale.reshape(1)])

    def _distances(self, x: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
        """(x - mu) / s, of shape (N, M)."""
        return (x[:, None] - learned[:-1]) / learned[-1]


class GaussianBasis(_Bumps):
    """Gaussian basis functions.

    Examples
    --------
    >>> GaussianBasis(3).fit_transform([[0.0], [1.0], [2.0]]).round(3).tolist()
    [[1.0, 0.607, 0.135], [0.607, 1.0, 0.607], [0.135, 0.607, 1.0]]
    """

    card = Card(tasks="representation", reference="Bishop (2006) equation 3.4", cost="N D M", exact=True)

    def _functions(self, x: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
        return torch.exp(-0.5 * self._distances(x, learned) ** 2)  # (3.4)

    def _labels(self, name: str, learned: np.ndarray) -> list[str]:
        return [f"{name}:gauss{j}" for j in range(1, len(learned))]


class SigmoidBasis(_Bumps):
    """Sigmoid basis functions.

    Examples
    --------
    >>> SigmoidBasis(2).fit_transform([[0.0], [1.0]]).round(3).tolist()
    [[0.5, 0.269], [0.731, 0.5]]
    """

    card = Card(tasks="representation", reference="Bishop (2006) equations 3.5, 3.6", cost="N D M", exact=True)

    def _functions(self, x: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self._distances(x, learned))  # (3.5)

    def _labels(self, name: str, learned: np.ndarray) -> list[str]:
        return [f"{name}:sigmoid{j}" for j in range(1, len(learned))]
