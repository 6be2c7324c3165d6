r"""Answers that are read linearly from the states of a reservoir: how they are learned, whatever they are.

What is read of a sequence of T steps is the mean over each of K equal sections of it of :math:`(x_t, u_t)`, the state
and the step; or only its last state and step.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch

from ..core import integer, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from .echo_state import ReservoirMethod, beginnings
from .reservoir_readout import Calibration, Readout, Sums, ridge
from .reservoir_steps import pool

GROUP = 512  # sequences whose means are held at once


class ReservoirReader(ReservoirMethod):
    """Base of the methods that answer by a readout of states; a subclass says what is read."""

    @abstractmethod
    def _read(self, reservoir: Any, U: np.ndarray, lengths: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """What is read of standardised steps U (S, D), some rows at a time, of shape (n, F)."""

    def _learn(self, data: Data, Y: torch.Tensor, w: torch.Tensor | None) -> tuple[Readout, Calibration]:
        """Draw a reservoir, and learn to read targets Y (N, K), with a weight for each; what was learned is kept."""
        reservoir, U = self._prepare(data)
        sums, rows_to_judge = Sums(self._features(reservoir), Y.shape[1]), Calibration(len(Y))
        for rows, Z in self._read(reservoir, U, data.lengths):
            targets, weights = Y[rows].to(Z), None if w is None else w[rows]
            sums.add((Z, targets), weights)
            rows_to_judge.add(rows, Z, targets, weights)
        readout = ridge(sums, self.alpha)
        self._keep(reservoir, readout)
        return readout, rows_to_judge

    def _all_read(self, queries: Queries) -> Iterator[torch.Tensor]:
        """What is read of what is asked, block by block."""
        for _, Z in self._read(self._restored(), self._standardised(queries), queries.lengths):
            yield Z

    def _said(self, queries: Queries) -> torch.Tensor:
        """What the readout says, of shape (N, K), on the device of what is asked."""
        B, b = torch.from_numpy(self.readout_), torch.from_numpy(self.intercept_)
        return torch.cat([Z @ B + b for Z in self._all_read(queries)]).to(queries.device)


class SequenceReader(ReservoirReader):
    """Base of those that answer once for a whole sequence.

    Attributes
    ----------
    sections_ : int
        Sections whose means are read; 0 where it is the last step.
    """

    reading: Literal["sections", "last"] = param(
        "sections", "read means over equal sections of each sequence, or only its last state and step"
    )
    sections: int = param(3, "sections of a sequence whose means are read", low=1, tune=integer(1, 5))

    def _learn_sequences(self, data: Data, Y: torch.Tensor) -> tuple[Readout, Calibration]:
        """Learn to read targets Y (N, K) of the sequences."""
        self.sections_ = self.sections if self.reading == "sections" else 0
        return self._learn(data, Y.cpu(), None if data.w is None else data.w.cpu())

    def _features(self, reservoir: Any) -> int:
        return max(self.sections_, 1) * super()._features(reservoir)

    def _read(self, reservoir: Any, U: np.ndarray, lengths: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        L, ends = lengths.cpu().numpy(), lengths.cpu().numpy().cumsum()
        K, F = max(self.sections_, 1), self._features(reservoir)
        for i in range(0, len(L), GROUP):
            group = slice(i, min(i + GROUP, len(L)))
            steps = slice(int(ends[i] - L[i]), int(ends[group.stop - 1]))
            X, first = U[steps], beginnings(lengths[group])
            total, at = np.zeros((group.stop - i, K, F // K)), np.array([-1, 0])
            for rows, S in reservoir.blocks(X, first):
                pool(S, X[rows], first[rows], L[group], at, total, self.sections_ == 0)
            yield group, torch.from_numpy(total.reshape(len(total), F))

    def _check_learned(self) -> None:
        if self.__sklearn_is_fitted__():
            K = getattr(self, "sections_", None)
            if type(K) is not int or not 0 <= K <= 10_000:
                raise UnreadableError(f"sections_ of a stored {type(self).__name__} must be a whole number, got {K!r}")
        super()._check_learned()
