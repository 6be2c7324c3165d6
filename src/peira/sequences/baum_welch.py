r"""Expected counts of a hidden Markov model over ragged sequences: the E step of Baum and Welch, block by block.

.. math:: \gamma_t(k) = P(z_t = k \mid x), \quad \xi_{ij} = \sum_t P(z_t = i, z_{t+1} = j \mid x)

A block holds whole sequences, as many as fit the processor's cache: their densities, both passes, and the sums that
emissions are learned from. Memory is that of a block, or of the longest sequence.

Cost: S (K^2 + the emissions' cost) for S steps in all.

Reference: Baum, Petrie, Soules & Weiss (1970), Annals of Mathematical Statistics 41, 164-171; Rabiner (1989), eqs 27,
37 and 40.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, ParamSpec, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from .emissions import Emissions, Sums, added
from .forward_backward import SMALLEST, TINY, backward, forward, forward_backward_logs
from .state_chain import Chain
from .viterbi import best_paths

BLOCK = 1 << 17  # numbers of a block: steps times states

P = ParamSpec("P")
R = TypeVar("R")


def on_one_thread(work: Callable[P, R]) -> Callable[P, R]:
    """Products of thin blocks are faster on one thread of BLAS."""

    @functools.wraps(work)
    def alone(*given: P.args, **named: P.kwargs) -> R:
        with _pools().limit(limits=1, user_api="blas"):
            return work(*given, **named)

    return alone


@functools.cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


@dataclass(frozen=True)
class Steps:
    """Sequences as NumPy has them: steps X (S, D), one after the other, lengths (N,) and weights (N,)."""

    X: np.ndarray
    lengths: np.ndarray
    w: np.ndarray

    def blocks(self, K: int) -> Iterator[tuple[slice, slice]]:
        """Slices of sequences, and of their steps, a block each."""
        ends = np.cumsum(self.lengths)
        n = begin = 0
        while n < len(ends):
            m = max(int(np.searchsorted(ends, begin + max(BLOCK // K, 1), side="right")), n + 1)
            yield slice(n, m), slice(begin, int(ends[m - 1]))
            n, begin = m, int(ends[m - 1])


class Expected(NamedTuple):
    """Log likelihoods (N,), and expected counts: first states (K,), transitions (K, K), the emissions' sums."""

    logs: np.ndarray
    first: np.ndarray
    between: np.ndarray
    sums: Sums


def totals(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The sum over the steps of each sequence; 0 for an empty one."""
    ends = np.concatenate([[0], np.cumsum(lengths)])
    sums = np.zeros(len(lengths))
    full = lengths > 0
    if full.any():
        sums[full] = np.add.reduceat(values, ends[:-1][full])
    return sums


@on_one_thread
def expect(chain: Chain, emissions: Emissions, steps: Steps, keep: np.ndarray | None = None) -> Expected:
    """One E step; posteriors of the states are left in ``keep`` (S, K) where that is given."""
    K = len(chain.pi)
    first, between, sums, logs = np.zeros(K), np.zeros((K, K)), None, np.empty(len(steps.lengths))
    for some, rows in steps.blocks(K):
        X, lengths, w = steps.X[rows], steps.lengths[some], steps.w[some]
        b, tops, lost = emissions.scaled(X)
        G, inverse = np.empty_like(b), np.empty(len(b))
        total, least = forward(b, chain.pi, chain.A, lengths, G, inverse)
        again = doubtful(least, lost, chain)
        backward(b, chain.A, lengths, np.where(again, 0.0, w), G, inverse, first, between)
        logs[some] = total + totals(tops, lengths)
        if again.any():
            ends = np.cumsum(lengths)
            log_pi, log_A = chain.logs()
            for n in np.flatnonzero(again):
                part = slice(ends[n] - lengths[n], ends[n])
                log_b = emissions.log_densities(X[part])
                logs[some.start + n] = forward_backward_logs(log_b, log_pi, log_A, w[n], G[part], first, between)
        sums = added(sums, emissions.statistics(X, G))
        if keep is not None:
            keep[rows] = G
    return Expected(logs, first, between, sums)


@on_one_thread
def evaluate(chain: Chain, emissions: Emissions, steps: Steps, alpha: np.ndarray | None = None) -> np.ndarray:
    """Log likelihoods (N,) by the forward pass alone; what is known at each step is left in ``alpha`` (S, K)."""
    logs = np.empty(len(steps.lengths))
    for some, rows in steps.blocks(len(chain.pi)):
        X, lengths = steps.X[rows], steps.lengths[some]
        b, tops, lost = emissions.scaled(X)
        filtered, inverse = np.empty_like(b), np.empty(len(b))
        total, least = forward(b, chain.pi, chain.A, lengths, filtered, inverse)
        logs[some] = total + totals(tops, lengths)
        again = doubtful(least, lost, chain)
        if again.any():
            logs[some.start + np.flatnonzero(again)] = _by_logs(chain, emissions, X, lengths, again, filtered)
        if alpha is not None:
            alpha[rows] = filtered
    return logs


def _by_logs(
    chain: Chain, emissions: Emissions, X: np.ndarray, lengths: np.ndarray, again: np.ndarray, filtered: np.ndarray
) -> np.ndarray:
    """Log likelihoods of the doubtful sequences; the last row of what was filtered is put right for each."""
    K, ends = len(chain.pi), np.cumsum(lengths)
    log_pi, log_A = chain.logs()
    logs = []
    for n in np.flatnonzero(again):
        part = slice(ends[n] - lengths[n], ends[n])
        posterior = np.empty((lengths[n], K))
        log_b = emissions.log_densities(X[part])
        logs.append(forward_backward_logs(log_b, log_pi, log_A, 1.0, posterior, np.zeros(K), np.zeros((K, K))))
        filtered[ends[n] - 1] = posterior[-1]  # the last posterior is the last that was filtered
    return np.array(logs)


def doubtful(least: np.ndarray, lost: bool, chain: Chain) -> np.ndarray:
    """Sequences of which scaled numbers may say too little: something vanished, and nothing makes up for it."""
    return (least < TINY) | (lost and chain.least < SMALLEST)


@on_one_thread
def decode(chain: Chain, emissions: Emissions, steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    """The most probable paths (S,), and their joint log probabilities with the sequences (N,)."""
    log_pi, log_A = chain.logs()
    paths, values = np.empty(len(steps.X), dtype=np.int64), np.empty(len(steps.lengths))
    for some, rows in steps.blocks(len(chain.pi)):
        log_b = emissions.log_densities(steps.X[rows])
        values[some] = best_paths(log_b, log_pi, log_A, steps.lengths[some], paths[rows])
    return paths, values


@on_one_thread
def count_paths(chain: Chain, emissions: Emissions, steps: Steps) -> Expected:
    """The counts along the most probable paths, for Viterbi training; the logs are joint ones of path and sequence."""
    paths, values = decode(chain, emissions, steps)
    K, ends = len(chain.pi), np.cumsum(steps.lengths)
    some = steps.lengths > 0
    first = np.bincount(paths[(ends - steps.lengths)[some]], weights=steps.w[some], minlength=K)
    per_step = np.repeat(steps.w, steps.lengths)
    inner = np.ones(len(paths), dtype=bool)
    inner[ends[some] - 1] = False
    at = np.flatnonzero(inner)
    pairs = paths[at] * K + paths[at + 1] if len(at) else at
    between = np.bincount(pairs, weights=per_step[at], minlength=K * K).reshape(K, K)
    sums = None
    for _, rows in steps.blocks(K):
        G = np.zeros((rows.stop - rows.start, K))
        G[np.arange(len(G)), paths[rows]] = per_step[rows]
        sums = added(sums, emissions.statistics(steps.X[rows], G))
    return Expected(values, first, between, sums)
