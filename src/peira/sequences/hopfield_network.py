r"""Hopfield network: patterns are valleys of an energy, and a cue rolls down into the nearest.

.. math:: E(s) = - \frac{1}{2} \sum_{ij} w_{ij} s_i s_j, \quad s_i \leftarrow sign \left( \sum_j w_{ij} s_j \right)

D units of values -1 and 1 are tied by symmetric weights without self-connections, learned from N patterns by a rule:

.. math:: W = \frac{1}{D} \sum_n x_n x_n^T \quad (Hebb)
.. math:: W = X^+ X \quad (pseudo-inverse)
.. math:: w_{ij} \leftarrow w_{ij} + \frac{1}{D} \left( x_i x_j - x_i h_{ji} - h_{ij} x_j \right) \quad (Storkey)

in the last, one pattern after the other, with the local fields :math:`h_{ij} = \sum_{k \neq i,j} w_{ik} x_k`. By Hebb's
rule, random patterns are recalled with few errors up to N = 0.138 D, and without any up to about D / (2 log D);
Storkey's holds more, the pseudo-inverse up to D independent patterns, correlated ones too.

**Use it** to complete or clean patterns by content, and to study memory. Besides the patterns there are valleys nobody
asked for: their negatives, and mixtures of three. For many patterns or continuous ones see
:class:`~peira.sequences.ModernHopfieldNetwork`.

**Cost.** N D^2 to learn (pseudo-inverse: N^2 D + N^3 besides), D^2 for the first fields of a cue, then D for each unit
that changes. Memory: D^2.

Reference: Hopfield (1982), Proc. Natl Acad. Sci. 79, 2554-2558; Personnaz, Guyon & Dreyfus (1985), J. Physique Lett.
46, 359-365; Storkey (1997), ICANN, 451-456; the capacity: Amit, Gutfreund & Sompolinsky (1985), Phys. Rev. Lett. 55,
1530-1533.
"""

import math
import warnings
from typing import Any, Literal

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from ..core import Card, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from .associative_memory import AssociativeMemory
from .hopfield_states import settle, settle_together


class HopfieldNetwork(AssociativeMemory):
    """Associative memory of binary patterns; what is recalled is -1 and 1.

    A `ConvergenceWarning` tells of cues that still change after all sweeps.

    Attributes
    ----------
    weights_ : array of shape (D, D)
        W, symmetric, zero on the diagonal.
    n_patterns_ : int
        How many were stored.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import HopfieldNetwork
    >>> patterns = np.array([[1, 1, 1, 1, -1, -1, -1, -1], [1, -1, 1, -1, 1, -1, 1, -1]])
    >>> memory = HopfieldNetwork().fit(patterns)
    >>> cue = patterns[:1].copy()
    >>> cue[0, 0] = -1
    >>> memory.transform(cue).astype(int)
    array([[ 1,  1,  1,  1, -1, -1, -1, -1]])
    """

    card = Card(
        tasks="representation",
        reference="Hopfield (1982); Personnaz, Guyon & Dreyfus (1985); Storkey (1997)",
        cost="N D^2",
        exact=True,
        on_request="it recalls patterns rather than describe rows",
    )
    rule: Literal["hebb", "pseudo-inverse", "storkey"] = param("hebb", "how the weights are learned")
    update: Literal["asynchronous", "synchronous"] = param(
        "asynchronous", "one unit at a time in a random order, or all at once, which may swing between two states"
    )
    sweeps: int = param(100, "most passes over the units at a recall", low=1)
    threshold: float = param(0.0, "a value above it is 1, any other -1", above=-math.inf, below=math.inf)
    random_state: Any = param(0, "seed of the order of the units; one order for all cues")

    def _store(self, data: Data) -> None:
        P = self._signs(data)
        W = {"hebb": _hebb, "pseudo-inverse": _pseudo_inverse, "storkey": _storkey}[self.rule](P)
        np.fill_diagonal(W, 0.0)
        self.weights_, self.n_patterns_ = (W + W.T) / 2, len(P)

    def _recalled(self, queries: Queries) -> torch.Tensor:
        """The valley of the energy that each cue rolls into, of -1 and 1."""
        S = self._signs(queries)
        if self.update == "synchronous":
            needed = settle_together(S, self.weights_, self.sweeps)
        else:
            rng = np.random.default_rng(self.seed_)
            orders = np.array([rng.permutation(S.shape[1]) for _ in range(self.sweeps)])
            needed = settle(S, S @ self.weights_, self.weights_, orders)
        if (late := int((needed > self.sweeps).sum())) and self.update == "asynchronous":
            warnings.warn(
                f"{late} of {len(S)} cues still change after {self.sweeps} sweeps; raise sweeps",
                ConvergenceWarning,
                stacklevel=3,
            )
        return torch.from_numpy(S).to(queries.device)

    def _energy(self, queries: Queries) -> torch.Tensor:
        S = self._signs(queries)
        return torch.from_numpy(-0.5 * ((S @ self.weights_) * S).sum(1)).to(queries.device)

    def _signs(self, queries: Queries) -> np.ndarray:
        return np.where(queries.X.numpy(force=True) > self.threshold, 1.0, -1.0)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        W, D = getattr(self, "weights_", None), self.n_features_in_
        if not (isinstance(W, np.ndarray) and W.shape == (D, D) and W.dtype == np.float64 and np.isfinite(W).all()):
            raise UnreadableError(f"weights_ of a stored HopfieldNetwork must be {D} x {D} finite numbers")
        if (W != W.T).any() or W.diagonal().any():
            raise UnreadableError("weights_ of a stored HopfieldNetwork must be symmetric, with zeros on the diagonal")
        if type(getattr(self, "seed_", None)) is not int or self.seed_ < 0:
            raise UnreadableError("seed_ of a stored HopfieldNetwork must be a whole number")


def _hebb(P: np.ndarray) -> np.ndarray:
    return P.T @ P / P.shape[1]


def _pseudo_inverse(P: np.ndarray) -> np.ndarray:
    """The projection onto the patterns, which makes each of them its own field; repeated patterns count once."""
    _, s, Vt = np.linalg.svd(P, full_matrices=False)
    kept = Vt[s > 1e-10 * s[0]]
    return kept.T @ kept


def _storkey(P: np.ndarray) -> np.ndarray:
    D = P.shape[1]
    W = np.zeros((D, D))
    for x in P:
        H = (W @ x)[:, None] - W * x - (W.diagonal() * x)[:, None]  # h_ij = sum over k of w_ik x_k, without i and j
        np.fill_diagonal(H, H.diagonal() + W.diagonal() * x)
        T = x[:, None] * H.T
        W += (np.outer(x, x) - T - T.T) / D
    return W
