r"""Tied emissions: several states of a hidden Markov model that show the same.

.. math:: b_k(x) = b_{g(k)}(x)

with g(k) the group of state k. Two states that share an emission differ in what comes next, so that a chain of them
says how long something lasts (a sum of geometric times, in place of one), and the same sound may stand in several words
(Rabiner 1989, section IV.D; Young & Woodland 1994). Counts of the states of a group are added before the M step:

.. math:: \gamma_t(g) = \sum_{k : g(k) = g} \gamma_t(k)

Reference: Rabiner (1989), Proceedings of the IEEE 77, 257-286, section IV.D (parameter tying); Young & Woodland (1994),
Computer Speech and Language 8, 369-383.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ..core import ParameterError
from .emissions import Emissions, Moves, Sums


@dataclass(frozen=True)
class TiedEmissions(Emissions):
    """The emissions of G groups, and the group of each of K states, any family's."""

    shared: Emissions
    group: np.ndarray

    @property
    def letters(self) -> str:  # type: ignore[override]
        return self.shared.letters

    @property
    def K(self) -> int:
        return len(self.group)

    def log_densities(self, X: np.ndarray) -> np.ndarray:
        return self.shared.log_densities(X).take(self.group, axis=1)

    def scaled(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        b, tops, lost = self.shared.scaled(X)
        return b.take(self.group, axis=1), tops, lost

    def statistics(self, X: np.ndarray, G: np.ndarray) -> Sums:
        return self.shared.statistics(X, G @ np.eye(self.shared.K)[self.group])

    def maximise(self, sums: Sums, letters: str) -> Self:
        return replace(self, shared=self.shared.maximise(sums, letters))

    def take(self, states: np.ndarray) -> Self:
        return replace(self, group=self.group[states])

    def moved(self, by: Moves) -> Self:
        return replace(self, shared=self.shared.moved(by))

    def slopes(self, at: Self, sums: Sums) -> Moves:
        return self.shared.slopes(at.shared, sums)

    def apart(self) -> Emissions:
        return self.shared.take(self.group)

    def draw(self, states: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self.shared.draw(self.group[states], rng)

    def n_parameters(self) -> int:
        return self.shared.n_parameters()

    def log_prior(self) -> float:
        return self.shared.log_prior()


def groups_of_states(tied: Any, K: int, owner: str) -> tuple[np.ndarray, np.ndarray]:
    """The first state of each group (G,), and the group of each state (K,).

    >>> [found.tolist() for found in groups_of_states([[1, 3]], 4, "HMM")]
    [[0, 1, 2], [0, 1, 2, 1]]
    """
    first = np.arange(K)
    named = [state for group in tied or [] for state in np.ravel(group).tolist()]
    wrong = [state for state in named if type(state) is not int or not 0 <= state < K or named.count(state) > 1]
    if wrong:
        raise ParameterError(
            f"tied of {owner} must be groups of different states from 0 to {K - 1}, such as [[0, 1]]; got {wrong[0]!r} "
            f"in {tied!r}"
        )
    for group in tied or []:
        first[np.ravel(group).astype(int)] = min(np.ravel(group).tolist(), default=0)
    return np.unique(first, return_inverse=True)
