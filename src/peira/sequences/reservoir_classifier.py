"""Labels of sequences from a linear readout of any reservoir: the part that does not depend on its kind."""

from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
import torch

from ..core import integer, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from ..core.kinds.classifier import ProbabilisticClassifier
from .echo_state import ReservoirMethod, beginnings
from .reservoir_readout import Calibration, Sums, ridge
from .reservoir_steps import pool

GROUP = 512  # sequences whose means are held at once


class ReservoirClassifier(ReservoirMethod, ProbabilisticClassifier):
    """Base of the classifiers that read the states of a reservoir; a subclass says which reservoir."""

    reading: Literal["sections", "last"] = param(
        "sections", "read means over equal sections of each sequence, or only its last state and step"
    )
    sections: int = param(3, "sections of a sequence whose means are read", low=1, tune=integer(1, 5))

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Draw a reservoir, and learn to read labels from its states.

        Parameters
        ----------
        X : sequences
            N of them, of D numbers a step; a missing number is taken as the last known one of its sequence.
        y : array of shape (N,)
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal sequences.

        Returns
        -------
        self
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        reservoir, U = self._prepare(data)
        self.sections_ = self.sections if self.reading == "sections" else 0
        Y, w = data.indicators().cpu(), None if data.w is None else data.w.cpu()
        sums, rows_to_judge = Sums(self._features(reservoir), Y.shape[1]), Calibration(len(data))
        for rows, Z in self._read(reservoir, U, data.lengths):
            weights = None if w is None else w[rows]
            sums.add((Z, Y[rows]), weights)
            rows_to_judge.add(rows, Z, data.codes.cpu()[rows], weights)
        readout = ridge(sums, self.alpha)
        self._keep(reservoir, readout)
        self.sharpness_ = rows_to_judge.sharpness(readout)
        return self

    def _features(self, reservoir: Any) -> int:
        return max(self.sections_, 1) * super()._features(reservoir)

    def _read(self, reservoir: Any, U: np.ndarray, lengths: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """What is read of each sequence, some sequences at a time, of shape (n, F)."""
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

    def _scores(self, queries: Queries) -> torch.Tensor:
        reservoir, U = self._restored(), self._standardised(queries)
        B, b = torch.from_numpy(self.readout_), torch.from_numpy(self.intercept_)
        S = torch.cat([Z @ B + b for _, Z in self._read(reservoir, U, queries.lengths)])
        return self.sharpness_ * S.to(queries.device)

    def _check_learned(self) -> None:
        if self.__sklearn_is_fitted__():
            owner, K = type(self).__name__, getattr(self, "sections_", None)
            if type(K) is not int or not 0 <= K <= 10_000:
                raise UnreadableError(f"sections_ of a stored {owner} must be a whole number, got {K!r}")
            beta = getattr(self, "sharpness_", None)
            if not isinstance(beta, float) or not 0 < beta < 1e6:
                raise UnreadableError(f"sharpness_ of a stored {owner} must be a positive number, got {beta!r}")
        super()._check_learned()
        if self.__sklearn_is_fitted__() and len(self.intercept_) != len(self.classes_):
            raise UnreadableError(f"a stored {type(self).__name__} does not score each of its classes")
