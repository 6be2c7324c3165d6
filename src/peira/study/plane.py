r"""Principal directions of a design, for a picture and for references: a singular value decomposition and no more.

With Z centred, :math:`Z = U S V^T`: the columns of V are the directions, :math:`U S` the scores, and
:math:`s_k^2 / N` the variances along them.

Cost: N D min(N, D).
"""

from dataclasses import dataclass

import numpy as np

_ROUNDS = 20
_WIDE = 200  # columns from which on fewer rounds have to do


@dataclass(frozen=True)
class Principal:
    """Scores (N, K), directions (D, K), the variance along each (K,), and the mean (D,)."""

    scores: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    mean: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """The share of the whole variance along each direction."""
        return self.variances / max(self.variances.sum(), np.finfo(float).tiny)


def principal(Z: np.ndarray) -> Principal:
    """All principal directions of the rows of Z (N, D), each with its largest loading positive."""
    mean = Z.mean(0)
    U, s, Vt = np.linalg.svd(Z - mean, full_matrices=False)
    sign = np.sign(Vt[np.arange(len(Vt)), np.abs(Vt).argmax(1)])
    sign[sign == 0] = 1.0
    return Principal(U * s * sign, (Vt * sign[:, None]).T, s**2 / len(Z), mean)


def parallel_analysis(Z: np.ndarray, seed: int) -> tuple[int, np.ndarray]:
    """How many directions carry more variance than those of the same columns, each shuffled by itself.

    Returns
    -------
    count : int
        Directions above the 95th percentile of the shuffled ones, from the first on without a gap.
    noise : array of shape (min(N, D),)
        That percentile for each direction.

    References
    ----------
    Horn (1965), A rationale and test for the number of factors in factor analysis, Psychometrika 30, 179-185.
    """
    rng = np.random.default_rng(seed)
    rounds = _ROUNDS if Z.shape[1] <= _WIDE else _ROUNDS // 4
    found = np.linalg.svd(Z - Z.mean(0), compute_uv=False) ** 2 / len(Z)
    shuffled = [
        np.linalg.svd(rng.permuted(Z, axis=0) - Z.mean(0), compute_uv=False) ** 2 / len(Z) for _ in range(rounds)
    ]
    noise = np.quantile(shuffled, 0.95, axis=0)
    below = np.flatnonzero(found <= noise)
    return int(below[0]) if len(below) else len(found), noise
