r"""All states of a small Boltzmann machine, and walks among them.

.. math:: p(s) = \frac{1}{Z} \exp \left( b^T s + \sum_{i<j} w_{ij} s_i s_j \right) = \frac{1}{Z} e^{\theta^T \phi(s)}

The statistics :math:`\phi(s)` are the units and their products; the first units of a state are visible. Enumerated,
states are ordered so that the number of a state, modulo :math:`2^D`, is the number of its visible part.
"""

import numpy as np
import torch

from ..numerics.compile import compiled
from .restricted_boltzmann import states


class AllStates:
    """The statistics of all states of U units, the first D of them visible."""

    def __init__(self, U: int, D: int) -> None:
        self.U, self.D = U, D
        S = states(U)
        self.i, self.j = torch.triu_indices(U, U, 1)
        self.phi = torch.cat([S, S[:, self.i] * S[:, self.j]], 1)

    def logs(self, theta: torch.Tensor) -> torch.Tensor:
        """log p of every state, of shape (2^(U - D), 2^D)."""
        return (self.phi @ theta).log_softmax(0).reshape(-1, 2**self.D)

    def moments(self, P: torch.Tensor) -> torch.Tensor:
        """Means of the statistics under probabilities P of the states."""
        return P.reshape(-1) @ self.phi

    def covariance(self, P: torch.Tensor) -> torch.Tensor:
        """Fisher's information of theta: the covariance of the statistics under P."""
        m = self.moments(P)
        return (self.phi * P.reshape(-1, 1)).T @ self.phi - torch.outer(m, m)

    def unpacked(self, theta: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """W (U, U) and b (U,) of theta."""
        W = theta.new_zeros(self.U, self.U)
        W[self.i, self.j] = W[self.j, self.i] = theta[self.U :]
        return W.numpy(), theta[: self.U].clone().numpy()

    def packed(self, W: np.ndarray, b: np.ndarray) -> torch.Tensor:
        """theta of W and b."""
        return torch.cat([torch.from_numpy(b), torch.from_numpy(W)[self.i, self.j]])


@compiled
def sweep(S, W, b, draws, first):
    """Gibbs sampling: draw the units from number ``first`` on anew, one after the other given all others; in place.

    S (M, U) holds zeros and ones; ``draws`` (sweeps, M, U) are uniform between 0 and 1.
    """
    M, U = S.shape
    for t in range(len(draws)):
        for m in range(M):
            for i in range(first, U):
                field = b[i]
                for j in range(U):
                    field += W[i, j] * S[m, j]
                S[m, i] = 1.0 if draws[t, m, i] < 1.0 / (1.0 + np.exp(-field)) else 0.0
