r"""The first two parts of a hidden Markov model: where the states begin, and how they follow each other.

.. math:: P(z_1 = j) = \pi_j, \quad P(z_{t+1} = j \mid z_t = i) = A_{ij}

A transition that is 0 at the start stays 0: that is all that a topology is. Left-to-right models (speech, handwriting)
begin in the first state and never go back; "linear" ones go one state on at a time, "bakis" ones may skip one, and in a
"cycle" the last state leads to the first.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..core import ParameterError
from .emissions import Moves, dirichlet_log_prior, moved_rows, probabilities, row_slopes

Topology = Literal["ergodic", "left-right", "linear", "bakis", "cycle"]
FORWARD = ("left-right", "linear", "bakis")


@dataclass(frozen=True)
class Chain:
    """Initial probabilities pi (K,) and transitions A (K, K)."""

    pi: np.ndarray
    A: np.ndarray

    @property
    def least(self) -> float:
        """The smallest of the probabilities."""
        return float(min(self.pi.min(), self.A.min()))

    def logs(self) -> tuple[np.ndarray, np.ndarray]:
        """log pi and log A, -inf for what is impossible."""
        with np.errstate(divide="ignore"):
            return np.log(self.pi), np.log(self.A)

    def maximise(self, first: np.ndarray, between: np.ndarray, priors: tuple[Any, Any], letters: str) -> "Chain":
        """The chain that is most probable given expected counts (Rabiner 1989, eqs 40a and 40b)."""
        return Chain(
            probabilities(first, self.pi, priors[0]) if "s" in letters else self.pi,
            probabilities(between, self.A, priors[1]) if "t" in letters else self.A,
        )

    def moved(self, by: Moves) -> "Chain":
        """The chain whose logarithms have been moved by so much; 0 stays 0."""
        return Chain(moved_rows(self.pi, by["s"]), moved_rows(self.A, by["t"]))

    def slopes(self, first: np.ndarray, between: np.ndarray, priors: tuple[Any, Any]) -> Moves:
        """The gradient by these moves, from expected counts."""
        return {"s": row_slopes(first, self.pi, priors[0]), "t": row_slopes(between, self.A, priors[1])}

    def log_prior(self, priors: tuple[Any, Any]) -> float:
        """The logarithm of the Dirichlet priors, up to a constant."""
        return dirichlet_log_prior(self.pi, priors[0]) + dirichlet_log_prior(self.A, priors[1])

    def draw(self, T: int, rng: np.random.Generator, first: np.ndarray | None = None) -> np.ndarray:
        """A path of T states; the first by ``first`` (K,), else by pi."""
        steps, u = self.A.cumsum(1), rng.random(T)
        start = (self.pi if first is None else first).cumsum()
        path = np.empty(T, dtype=np.int64)
        at = min(int(np.searchsorted(start, u[0] * start[-1], side="right")), len(start) - 1) if T else 0
        for t in range(T):
            if t:
                row = steps[at]
                at = min(int(np.searchsorted(row, u[t] * row[-1], side="right")), len(row) - 1)
            path[t] = at
        return path

    def stationary(self) -> np.ndarray:
        """The distribution that the transitions leave as it is (K,); of several, one."""
        K = len(self.A)
        system = np.vstack([self.A.T - np.eye(K), np.ones(K)])
        p = np.linalg.lstsq(system, np.r_[np.zeros(K), 1.0], rcond=None)[0].clip(min=0)
        return p / p.sum()


def allowed(topology: Any, K: int, owner: str) -> tuple[np.ndarray, np.ndarray]:
    """Which first states (K,) and transitions (K, K) a topology allows, as truth values."""
    i, j = np.indices((K, K))
    if isinstance(topology, str):
        masks = {
            "ergodic": i >= 0,
            "left-right": j >= i,
            "linear": (j == i) | (j == i + 1),
            "bakis": (j >= i) & (j <= i + 2),
            "cycle": (j == i) | (j == (i + 1) % K),
        }
        return np.arange(K) == 0 if topology in FORWARD else np.ones(K, dtype=bool), masks[topology]
    mask = np.asarray(topology)
    if mask.shape != (K, K) or mask.dtype.kind not in "biuf" or not (mask != 0).any(1).all():
        raise ParameterError(
            f"topology of {owner} must be a name, or an array of shape ({K}, {K}) with something in every row; "
            f"got shape {mask.shape}"
        )
    return np.ones(K, dtype=bool), mask != 0
