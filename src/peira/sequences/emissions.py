r"""Emissions: the third part of a hidden Markov model, what the states show.

.. math:: p(x_t \mid z_t = k) = b_k(x_t)

Everything else (recursions, paths, learning, forecasts) needs of a family of emissions the log densities of steps,
sums over the steps weighted by how probable each state is, and new parameters, or a gradient, from those sums. Sums
of blocks add up, so that learning never holds more than a block. A step that was not observed has log density 0 under
every state and adds nothing to any sum.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np

from .forward_backward import scale_densities

Sums: TypeAlias = tuple[np.ndarray, ...]
Moves: TypeAlias = dict[str, np.ndarray]  # how far each part is moved, or its slope, by the part's letter


class Emissions(ABC):
    """What K states show. Immutable."""

    letters: str  # names of the parts, as ``params`` says which of them are learned

    @property
    @abstractmethod
    def K(self) -> int:
        """How many states."""

    @abstractmethod
    def log_densities(self, X: np.ndarray) -> np.ndarray:
        """Log densities of steps (n, D) under the states, a new array of shape (n, K)."""

    @abstractmethod
    def statistics(self, X: np.ndarray, G: np.ndarray) -> Sums:
        """Sums over the steps, weighted by G (n, K): all that `maximise` needs to know."""

    @abstractmethod
    def maximise(self, sums: Sums, letters: str) -> Self:
        """The emissions that are most probable given the sums; parts whose letter is absent stay."""

    @abstractmethod
    def take(self, states: np.ndarray) -> Self:
        """The emissions of some of the states, by their positions."""

    @abstractmethod
    def moved(self, by: Moves) -> Self:
        """Emissions that stand elsewhere, in coordinates without bounds in which these stand at zero."""

    @abstractmethod
    def slopes(self, at: Self, sums: Sums) -> Moves:
        """What the expected log density and the log prior of ``at`` gain by these coordinates, from ``at``'s sums."""

    def apart(self) -> "Emissions":
        """The emissions of each state by itself, where some share one."""
        return self

    @abstractmethod
    def draw(self, states: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A step for each state of a path (n,), of shape (n, D)."""

    @abstractmethod
    def n_parameters(self) -> int:
        """How many free numbers there are."""

    def log_prior(self) -> float:
        """The logarithm of the prior density, up to a constant; 0 without a prior."""
        return 0.0

    def scaled(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """Densities, each step divided by its largest; logarithms of those (n,); whether any was lost in that."""
        log_b, tops = self.log_densities(X), np.empty(len(X))
        lost = scale_densities(log_b, tops)
        return np.exp(log_b, out=log_b), tops, lost


@dataclass(frozen=True)
class RowEmissions(Emissions):
    """A row B (K, V) of probabilities for each state, and their Dirichlet prior; learned from counts."""

    B: np.ndarray
    prior: Any = 1.0
    letters = "e"

    @property
    def K(self) -> int:
        return len(self.B)

    def maximise(self, sums: Sums, letters: str) -> Self:
        return replace(self, B=probabilities(sums[0], self.B, self.prior)) if "e" in letters else self

    def take(self, states: np.ndarray) -> Self:
        return replace(self, B=self.B[states], prior=rows_of(self.prior, states))

    def moved(self, by: Moves) -> Self:
        return replace(self, B=moved_rows(self.B, by["e"]))

    def slopes(self, at: Self, sums: Sums) -> Moves:
        return {"e": row_slopes(sums[0], at.B, self.prior)}

    def n_parameters(self) -> int:
        return self.B.size - len(self.B)

    def log_prior(self) -> float:
        return dirichlet_log_prior(self.B, self.prior)


def rows_of(prior: Any, states: np.ndarray) -> Any:
    """The prior of some states; one that all share is theirs as well."""
    return prior[states] if np.ndim(prior) == 2 else prior


def added(a: Sums | None, b: Sums) -> Sums:
    """The sums of two blocks."""
    return b if a is None else tuple(u + v for u, v in zip(a, b, strict=True))


def probabilities(counts: np.ndarray, before: np.ndarray, prior: Any = 1.0) -> np.ndarray:
    """Rows of probabilities from counts and a Dirichlet prior (its mode).

    What was impossible before stays so, and a row of which nothing was counted stays as it was.
    """
    counts = np.where(before > 0, np.maximum(counts + (np.asarray(prior) - 1.0), 0.0), 0.0)
    total = counts.sum(-1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1.0), before)


def moved_rows(p: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Rows of probabilities whose logarithms have been moved: p exp(by), made to add up to one; 0 stays 0."""
    moved = p * np.exp(by - np.where(p > 0, by, -np.inf).max(-1, keepdims=True))
    return moved / moved.sum(-1, keepdims=True)


def row_slopes(counts: np.ndarray, p: np.ndarray, prior: Any) -> np.ndarray:
    """The gradient of sum c log p by the moves of `moved_rows`: counts, less what p makes of their sum."""
    c = np.where(p > 0, counts + (np.asarray(prior) - 1.0), 0.0)
    return c - c.sum(-1, keepdims=True) * p


def dirichlet_log_prior(p: np.ndarray, prior: Any) -> float:
    """sum (alpha - 1) log p over what is possible."""
    excess = np.broadcast_to(np.asarray(prior, dtype=np.float64) - 1.0, p.shape)
    told = (excess != 0) & (p > 0)
    return float((excess[told] * np.log(p[told])).sum())
