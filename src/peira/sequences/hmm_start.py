r"""Where Baum-Welch begins: a guess at the state of each step, and what follows from it.

States of a left-to-right model are cut evenly out of each sequence (the flat start of speech recognition); other
models begin with groups of similar steps by k-means. From the guesses z,

.. math:: \pi_j \propto 1 + n(z_1 = j), \quad A_{ij} \propto 1 + n(z_t = i, z_{t+1} = j)

over what the topology allows.
"""

import numpy as np
import torch

from ..core.seeds import torch_generator
from ..latent.k_means import assign, k_means
from ..latent.k_means_seeding import plus_plus
from .baum_welch import Steps

MOST = 20_000  # steps that the groups are found from; all are then given to the nearest


def even_segments(lengths: np.ndarray, K: int) -> np.ndarray:
    """The state of each step if every sequence is cut into K even parts.

    >>> even_segments(np.array([4, 1]), 2).tolist()
    [0, 0, 1, 1, 0]
    """
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return within * K // np.repeat(lengths, lengths)


def groups(X: np.ndarray, K: int, seed: int, *, again: bool) -> np.ndarray:
    """The group of each step (S,) by k-means over standardised columns; -1 for a step with a gap.

    ``again`` draws centres far apart instead, so that restarts begin at different places.
    """
    labels = np.full(len(X), -1)
    seen = np.flatnonzero(~np.isnan(X).any(1))
    if not len(seen):
        return labels
    rng = np.random.default_rng(seed)
    Z = X[seen] / np.where((sd := X[seen].std(0)) > 0, sd, 1.0)
    few = Z if len(Z) <= MOST else Z[np.sort(rng.choice(len(Z), MOST, replace=False))]
    few = few[np.isfinite(few).all(1)]
    if len(few) < K:
        labels[seen] = np.arange(len(seen)) % K
        return labels
    rows, generator = torch.from_numpy(np.ascontiguousarray(few)), torch_generator(seed)
    centres = plus_plus(rows, K, generator) if again else k_means(rows, K, generator=generator).centres
    labels[seen] = assign(torch.from_numpy(np.ascontiguousarray(Z)), centres).numpy()
    return labels


def indicators(labels: np.ndarray, K: int, weights: np.ndarray) -> np.ndarray:
    """Responsibilities (S, K) that believe the guesses; zeros where there is none."""
    G = np.zeros((len(labels), K))
    told = np.flatnonzero(labels >= 0)
    G[told, labels[told]] = weights[told]
    return G


def transition_guess(
    labels: np.ndarray, steps: Steps, first: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Initial probabilities and transitions from guesses, one more of each that is allowed."""
    K, ends = len(first), np.cumsum(steps.lengths)
    some = steps.lengths > 0
    begin = (ends - steps.lengths)[some]
    pi = first + np.where(first, np.bincount(labels[begin][labels[begin] >= 0], minlength=K), 0.0)
    inner = np.ones(len(labels), dtype=bool)
    inner[ends[some] - 1] = False
    at = np.flatnonzero(inner)
    at = at[(labels[at] >= 0) & (labels[np.minimum(at + 1, len(labels) - 1)] >= 0)]
    moves = np.bincount(labels[at] * K + labels[at + 1], minlength=K * K) if len(at) else np.zeros(K * K)
    A = mask + np.where(mask, moves.reshape(K, K), 0.0)
    return pi / pi.sum(), A / A.sum(1, keepdims=True)


def drawn_chain(first: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Initial probabilities all alike, and transitions half of which are chance, where nothing is known of states."""
    K = len(first)
    A = np.where(mask, rng.dirichlet(np.ones(K), K) + 1.0 / K + np.eye(K), 0.0)
    return first / first.sum(), A / A.sum(1, keepdims=True)
