r"""A series as the sum of a level, a slope, a season and noise, written as a state-space model.

The parts and the letters are those of `peira.sequences.structural_forecaster`. A state holds the level, the slope
(where there is one), and two numbers for each harmonic of the season (one for the harmonic of period 2).
"""

import math
from dataclasses import dataclass

import numpy as np

from .kalman import StateSpace


@dataclass(frozen=True)
class Structure:
    """Which parts a series has.

    Parameters
    ----------
    trend : "none", "local" or "damped"
    period : int
        1 for no season.
    harmonics : int
        Of the season.
    """

    trend: str
    period: int
    harmonics: int

    @property
    def names(self) -> tuple[str, ...]:
        """The variances that are learned, in their order."""
        return ("irregular", "level", *(("slope",) * (self.trend != "none")), *(("season",) * (self.harmonics > 0)))

    @property
    def parts(self) -> dict[str, slice]:
        """Where each part stands in the state."""
        first = 1 + (self.trend != "none")
        found = {"level": slice(0, 1)}
        if self.trend != "none":
            found["slope"] = slice(1, 2)
        if self.harmonics:
            found["season"] = slice(first, first + self._season)
        return found

    @property
    def K(self) -> int:
        """Numbers of a state."""
        return 1 + (self.trend != "none") + self._season

    @property
    def _season(self) -> int:
        return 2 * self.harmonics - (2 * self.harmonics == self.period)

    def model(self, variances: np.ndarray, damping: float, proper: bool = False) -> StateSpace:
        """The model with these variances, for a series of mean 0 and variance 1.

        Nothing is known of the start of a series, except where ``proper``: then as much as is known of a stretch of
        one (level and season of the order of the series, a slope that crosses it in ten steps).
        """
        K = self.K
        A, C, q = np.zeros((K, K)), np.zeros((1, K)), np.zeros(K)
        by_name = dict(zip(self.names, variances, strict=True))
        start = np.ones(K)
        A[0, 0] = C[0, 0] = 1.0
        q[0] = by_name["level"]
        S = np.zeros((K, K))
        if self.trend != "none":
            A[0, 1] = 1.0
            A[1, 1] = damping if self.trend == "damped" else 1.0
            q[1], start[1] = by_name["slope"], 0.1
            if self.trend == "damped":
                start[1] = 0.0
                S[1, 1] = math.sqrt(q[1] / (1 - damping**2))
        i = 1 + (self.trend != "none")
        for h in range(1, self.harmonics + 1):
            angle = 2 * math.pi * h / self.period
            C[0, i] = 1.0
            if 2 * h == self.period:
                A[i, i] = -1.0
                q[i] = by_name["season"]
                i += 1
                continue
            A[i : i + 2, i : i + 2] = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
            q[i : i + 2] = by_name["season"]
            i += 2
        W = np.diag((start > 0).astype(float))
        if proper:
            S, W = S + np.diag(start), np.zeros((K, K))
        R = np.full((1, 1), by_name["irregular"])
        return StateSpace(A, np.zeros(K), np.diag(np.sqrt(q)), C, np.zeros(1), R, np.zeros(K), S, W)

    def gathered(self, slope_Q: np.ndarray, slope_R: np.ndarray) -> np.ndarray:
        """A gradient in Q and R as one in the variances."""
        total = [slope_R[0]]
        for part in self.parts.values():
            total.append(np.diag(slope_Q)[part].sum())
        return np.array(total)
