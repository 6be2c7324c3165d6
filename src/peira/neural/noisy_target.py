r"""Targets with normal noise of one size everywhere, which is given or learned beside the weights.

.. math:: y = f(x) + \epsilon, \quad \epsilon \sim N(0, \sigma^2)

.. math:: -\log p(y \mid f) = \log \sigma + \frac{(y - f)^2}{2 \sigma^2} + \frac{1}{2} \log 2 \pi

What is learned is :math:`\log \sigma`, in standard deviations of the target.
"""

import math

import torch

from peira.core import param
from peira.core.inputs import Queries

from .uncertain_perceptron import UncertainRegressor

FIRST = 0.5  # noise at the beginning, in standard deviations of the target


class NoisyTarget(UncertainRegressor):
    """Base of the regressors whose functions are means, and whose noise is the same for all items."""

    noise: float | None = param(
        None, "standard deviation of the noise, in the unit of the target; None learns it", above=0
    )

    def _outputs(self) -> int:
        return 1

    def _with_noise(self, net: torch.nn.Module, S: int = 1) -> torch.nn.Module:
        """The net, with the logarithm of the noise of each of S functions, or of all, where it is learned."""
        if self.noise is None:
            net.log_noise = torch.nn.Parameter(torch.full((S, 1), math.log(FIRST)))
        return net

    def _improbability(self, F: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        if self.noise is None:
            log_noise = self.net_.log_noise
        else:
            log_noise = F.new_tensor(self.noise / (self.target_scale_ or 1.0)).log()
        return log_noise + (t - F[..., 0]).square() / (2 * log_noise).exp() / 2 + math.log(2 * math.pi) / 2

    def _moments(self, queries: Queries) -> tuple[torch.Tensor, torch.Tensor]:
        f = self._answers(queries)[..., 0]
        if self.noise is None:
            noise = self.target_scale_ * self.net_.log_noise.detach().to(f).exp()
        else:
            noise = torch.full((1, 1), float(self.noise), dtype=f.dtype, device=f.device)
        return self.target_mean_ + self.target_scale_ * f, noise.expand_as(f)
