r"""What a restricted Boltzmann machine computes: free energies, Gibbs steps, and its partition function.

.. math:: E(v, h) = - b^T v - c^T h - h^T W v, \quad p(v, h) = e^{-E(v, h)} / Z
.. math:: F(v) = - b^T v - \sum_k \log (1 + \exp(c_k + w_k^T v)), \quad p(v) = e^{-F(v)} / Z

Z is exact by enumerating the smaller layer, the other summed in closed form. Where that is too large, annealed
importance sampling goes from a machine without weights, whose Z is known, to this one, at inverse temperatures :math:`0
= \beta_0 < ... < \beta_S = 1`, with a Gibbs step at each,

.. math:: \log w = \sum_s \log p^*_{s}(v_s) - \log p^*_{s-1}(v_s), \quad Z \approx Z_0 \, mean(w)

Cost: exact 2^m (H + D), m the smaller layer; annealed 2 H D for each chain and temperature.

Reference: Hinton (2002), Neural Computation 14, 1771-1800; annealing: Neal (2001), Statistics and Computing 11,
125-139; Salakhutdinov & Murray (2008), ICML, eqs 16 to 20.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch.nn.functional import softplus

EXACT = 16  # units of the smaller layer up to which Z is enumerated
ROWS = 4096  # states of it held at once


@dataclass(frozen=True, eq=False)
class Machine:
    """Weights W (H, D), visible biases b (D,), hidden biases c (H,)."""

    W: torch.Tensor
    b: torch.Tensor
    c: torch.Tensor

    def free_energy(self, V: torch.Tensor, beta: float = 1.0) -> torch.Tensor:
        """F of each row of V (N, D), at an inverse temperature of weights and biases."""
        return -beta * (V @ self.b) - softplus(beta * (V @ self.W.T + self.c)).sum(1)

    def hidden(self, V: torch.Tensor) -> torch.Tensor:
        """Probabilities of the hidden units given visible ones, of shape (N, H)."""
        return torch.sigmoid(V @ self.W.T + self.c)

    def visible(self, H: torch.Tensor) -> torch.Tensor:
        """Probabilities of the visible units given hidden ones, of shape (N, D)."""
        return torch.sigmoid(H @ self.W + self.b)

    def step(self, V: torch.Tensor, generator: torch.Generator, k: int = 1) -> torch.Tensor:
        """k full steps of Gibbs sampling from visible states V (N, D)."""
        for _ in range(k):
            H = torch.bernoulli(self.hidden(V), generator=generator)
            V = torch.bernoulli(self.visible(H), generator=generator)
        return V

    def exact_log_partition(self) -> float:
        """log Z by enumeration of the smaller layer."""
        small = self if len(self.c) <= len(self.b) else Machine(self.W.T, self.c, self.b)
        parts = [
            (
                states(len(small.c), i, ROWS) @ small.c,
                softplus(states(len(small.c), i, ROWS) @ small.W + small.b).sum(1),
            )
            for i in range(0, 2 ** len(small.c), ROWS)
        ]
        return float(torch.logsumexp(torch.cat([a + s for a, s in parts]), 0))

    def annealed_log_partition(
        self, base: torch.Tensor, steps: int, chains: int, generator: torch.Generator
    ) -> tuple[float, float]:
        """log Z by annealed importance sampling, and its standard error.

        Parameters
        ----------
        base : tensor of shape (D,)
            Visible biases of the machine without weights from which it starts; log odds of the data's means are good.
        steps, chains : int
            Temperatures, and runs side by side.
        """
        betas = torch.linspace(0, 1, steps + 1, dtype=torch.float64).tolist()
        V = torch.bernoulli(torch.sigmoid(base).expand(chains, -1), generator=generator)
        logs = torch.zeros(chains, dtype=torch.float64)

        def height(V: torch.Tensor, beta: float) -> torch.Tensor:
            """log p* of a machine between the two: no weights and ``base`` at 0, this one at 1."""
            return (1 - beta) * (V @ base) + beta * (V @ self.b) + softplus(beta * (V @ self.W.T + self.c)).sum(1)

        for low, high in itertools.pairwise(betas):
            logs += height(V, high) - height(V, low)
            H = torch.bernoulli(torch.sigmoid(high * (V @ self.W.T + self.c)), generator=generator)
            drive = (1 - high) * base + high * (H @ self.W + self.b)
            V = torch.bernoulli(torch.sigmoid(drive), generator=generator)
        log_base = float(softplus(base).sum()) + len(self.c) * math.log(2)
        w = (logs - logs.max()).exp()
        error = float(w.std() / w.mean()) / math.sqrt(chains) if chains > 1 else math.inf
        return log_base + float(torch.logsumexp(logs, 0)) - math.log(chains), error


def states(units: int, start: int = 0, count: int | None = None) -> torch.Tensor:
    """All states of some units, or ``count`` of them from number ``start`` on, of shape (count, units).

    >>> states(2).tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    """
    stop = 2**units if count is None else min(start + count, 2**units)
    numbers = torch.arange(start, stop)[:, None]
    return ((numbers >> torch.arange(units)) & 1).to(torch.float64)
