r"""One machine for each pair of classes: their order, their storage, and the decision of all.

The pairs (i, j), i < j, come in the order (0, 1), (0, 2), ..., (1, 2), ...; a positive decision speaks for i. A support
vector of class i takes part in the C - 1 machines of its class, so that its coefficients fill a column of a
(C - 1, S) matrix (LIBSVM's ``sv_coef``): its weight against class j stands in row j - 1 if j > i and in row j if j < i.

Each machine has one vote. Votes tie, and say nothing about how sure they are; the score of a class, as scikit-learn
defines it, adds the machines' decisions in its favour, squeezed so that they never outweigh a vote:

.. math:: s_c = v_c + \sigma_c / (3 (|\sigma_c| + 1)), \quad \sigma_c = \sum_{j > c} d_{cj} - \sum_{i < c} d_{ic}

Reference: Knerr, Personnaz & Dreyfus (1990), Single-layer learning revisited; Chang & Lin (2011), LIBSVM: a library for
support vector machines, ACM TIST 2(3), section 7.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch


def pairs(C: int) -> list[tuple[int, int]]:
    """All pairs of C classes, in order."""
    return list(combinations(range(C), 2))


@dataclass(frozen=True, eq=False)
class Support:
    """The support vectors of all machines.

    Attributes
    ----------
    rows : int array of shape (S,)
        Which rows they are: class by class, ascending within each.
    counts : int array of shape (C,)
        How many each class has.
    coefficients : array of shape (C - 1, S)
    """

    rows: np.ndarray
    counts: np.ndarray
    coefficients: np.ndarray

    @classmethod
    def of(cls, found: list[tuple[np.ndarray, np.ndarray]], codes: np.ndarray, C: int) -> "Support":
        """From the rows and signed multipliers of each pair's machine, in the order of the pairs.

        Parameters
        ----------
        found : list of (rows, multipliers)
        codes : int array of shape (N,)
            Class of each row.
        C : int
        """
        N = len(codes)
        whole = np.zeros((C - 1, N))
        for (i, j), (rows, beta) in zip(pairs(C), found, strict=True):
            whole[np.where(codes[rows] == i, j - 1, i), rows] = beta
        rows = np.flatnonzero(whole.any(0))
        rows = rows[np.argsort(codes[rows], kind="stable")]
        return cls(rows, np.bincount(codes[rows], minlength=C), whole[:, rows])


def pair_decisions(
    K: torch.Tensor, coefficients: torch.Tensor, counts: list[int], intercept: torch.Tensor
) -> torch.Tensor:
    """Decisions of all machines, (M, P), from the kernel between M items and the support vectors, (M, S).

    One product for each class gives what its support vectors say in its C - 1 machines: M S (C - 1) in all.
    """
    C = len(counts)
    i, j = torch.triu_indices(C, C, 1, device=K.device)
    said = K.new_zeros(C, len(K), C - 1)
    start = 0
    for c, n in enumerate(counts):
        torch.matmul(K[:, start : start + n], coefficients[:, start : start + n].mT, out=said[c])
        start += n
    return said[i, :, j - 1].T + said[j, :, i].T + intercept


def votes(decisions: torch.Tensor, C: int) -> torch.Tensor:
    """How many machines speak for each class, (M, C)."""
    i, j = torch.triu_indices(C, C, 1, device=decisions.device)
    first = (decisions >= 0).to(decisions.dtype)
    return decisions.new_zeros(len(decisions), C).index_add_(1, i, first).index_add_(1, j, 1 - first)


def class_scores(decisions: torch.Tensor, C: int) -> torch.Tensor:
    """The score of each class, (M, C): its votes, and how clearly they were cast."""
    i, j = torch.triu_indices(C, C, 1, device=decisions.device)
    clear = decisions.new_zeros(len(decisions), C).index_add_(1, i, decisions).index_add_(1, j, -decisions)
    return votes(decisions, C) + clear / (3 * (clear.abs() + 1))
