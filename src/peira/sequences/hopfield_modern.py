r"""Modern Hopfield network: an associative memory of continuous patterns whose recall is softmax attention.

.. math:: E(\xi) = - \frac{1}{\beta} \log \sum_n \exp(\beta \, x_n^T \xi) + \frac{1}{2} \xi^T \xi + const
.. math:: \xi \leftarrow X^T \, softmax(\beta X \xi)

The cue is replaced by the mean of the stored patterns, weighed by how alike they are to it; this never raises E. One
such update is what a transformer's attention computes, with the patterns as keys and values. Where patterns lie far
enough apart for :math:`\beta`, one update goes to the nearest, to an error that falls exponentially with their
separation, and exponentially many in D can be stored; a small :math:`\beta` gives means of several instead.

**Assumes** patterns of about equal length, since :math:`x_n^T \xi` prefers long ones: ``normalise`` makes lengths
:math:`\sqrt{D}` before they are compared.

**Cost.** N D to store; for each cue and update 2 N D. Memory: the patterns.

Reference: Ramsauer et al. (2021), Hopfield networks is all you need, ICLR, eqs 2, 3 and 10; Krotov & Hopfield (2016),
NeurIPS 29.
"""

import math

import numpy as np
import torch

from ..core import Card, log, param
from ..core.errors import DataError, UnreadableError
from ..core.inputs import Data, Queries
from .associative_memory import AssociativeMemory

BLOCK = 1 << 22  # similarities held at once


class ModernHopfieldNetwork(AssociativeMemory):
    """Associative memory of continuous patterns.

    Attributes
    ----------
    patterns_ : array of shape (N, D)
        The rows that were stored.

    Examples
    --------
    >>> from peira.sequences import ModernHopfieldNetwork
    >>> memory = ModernHopfieldNetwork(beta=10.0).fit([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    >>> memory.transform([[0.9, 0.1, 0.2]]).round(3)
    array([[0.998, 0.002, 0.002]])
    """

    card = Card(
        tasks="representation",
        reference="Ramsauer et al. (2021), eq. 3",
        cost="N D",
        exact=True,
        on_request="it recalls rows rather than describe them",
    )
    beta: float = param(1.0, "inverse temperature: how much nearer patterns count", above=0, tune=log(0.01, 100.0))
    updates: int = param(1, "updates of a cue", low=1)
    normalise: bool = param(False, "compare patterns and cues as if all were of length sqrt(D)")

    def _store(self, data: Data) -> None:
        self.patterns_ = data.X.numpy(force=True).copy()
        self._recalled(data)  # refuses numbers whose products overflow

    def _recalled(self, queries: Queries) -> torch.Tensor:
        """Means of stored patterns, weighed by their likeness to the cue."""
        P = queries.tensor(self.patterns_)
        keys, rows = self._compared(P), max(1, BLOCK // len(P))
        found = queries.X.clone()
        for i in range(0, len(found), rows):
            part = found[i : i + rows]
            for _ in range(self.updates):
                part = (self.beta * (self._compared(part) @ keys.T)).softmax(1) @ P
            found[i : i + rows] = part
        if not bool(found.isfinite().all()):
            raise DataError(
                f"numbers up to {max(float(P.abs().max()), float(queries.X.abs().max())):.3g} overflow when "
                "ModernHopfieldNetwork compares them: rescale the columns, and fit again"
            )
        return found

    def _energy(self, queries: Queries) -> torch.Tensor:
        """With the constant that makes it at least 0 (eq. 2)."""
        P, xi = self._compared(queries.tensor(self.patterns_)), self._compared(queries.X)
        likeness = torch.logsumexp(self.beta * xi @ P.T, 1) / self.beta
        const = math.log(len(P)) / self.beta + 0.5 * float((P**2).sum(1).max())
        return 0.5 * (xi**2).sum(1) - likeness + const

    def _compared(self, X: torch.Tensor) -> torch.Tensor:
        if not self.normalise:
            return X
        lengths = torch.linalg.vector_norm(X, dim=1, keepdim=True)
        return X * (X.shape[1] ** 0.5 / torch.where(lengths > 0, lengths, 1.0))

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        P, D = getattr(self, "patterns_", None), self.n_features_in_
        if not (isinstance(P, np.ndarray) and P.ndim == 2 and P.shape[1] == D and len(P) and P.dtype == np.float64):
            raise UnreadableError(f"patterns_ of a stored ModernHopfieldNetwork must be rows of {D} numbers")
        if not np.isfinite(P).all():
            raise UnreadableError("patterns_ of a stored ModernHopfieldNetwork must be finite")
