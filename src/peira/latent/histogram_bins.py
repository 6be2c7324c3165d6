r"""How many bins? Rules for the cells of a histogram in D columns, of N rows.

**By the smoothness of a Gaussian.** The widths that minimise the mean integrated squared error for it (Scott 1979;
1992, theorem 3.5), and the same with a spread that outliers leave alone (Freedman & Diaconis 1981, for D = 1):

.. math:: h_d = 3.5 \, \sigma_d \, N^{-1/(D+2)}, \quad h_d = 2 \, \mathrm{IQR}_d \, N^{-1/(D+2)}

**By the evidence.** Shares of M equal cells, of which nothing is known but Jeffreys's prior, make counts n_k as
probable as (Knuth 2006, eq. 31)

.. math:: \log P(M) = N \log M + \log \Gamma(M/2) - M \log \Gamma(1/2) - \log \Gamma(N + M/2)
          + \sum_k \log \Gamma(n_k + 1/2)

**By leaving one out.** An estimate without bias, but for a constant, of the integrated squared error (Rudemo 1982,
eq. 2.8), in units of the volume of all cells:

.. math:: J(M) = \frac{2 M}{N - 1} - \frac{M (N + 1)}{N - 1} \sum_k (n_k / N)^2

The last two try the same number of bins for all columns, 1, 2, ... up to as many as make N cells.

References: Scott (1979), Biometrika 66, 605-610; Freedman & Diaconis (1981), Zeitschrift fuer
Wahrscheinlichkeitstheorie 57, 453-476; Knuth (2006), arXiv physics/0605197; Rudemo (1982), Scandinavian Journal of
Statistics 9, 65-78.
"""

import math

import numpy as np
import torch
from scipy.special import gammaln

from ..core import DataError
from ..numerics.quantiles import quantile

MOST = 500  # bins of a column that are tried
LARGEST = 2**62  # cells that can be numbered


def numbers_of_bins(rule: str, T: torch.Tensor, w: torch.Tensor | None) -> np.ndarray:
    """Bins of each column, (D,), for columns T (N, D) that reach from 0 to 1."""
    D = T.shape[1]
    if rule in ("scott", "fd"):
        W = float(len(T)) if w is None else float(w.sum())
        share = np.array([_spread(rule, T[:, d], w) for d in range(D)]) * W ** (-1 / (D + 2))
        return np.ceil(1 / np.minimum(share, 1.0)).astype(np.int64)
    value = _evidence if rule == "knuth" else _left_out
    best, K = -math.inf, 1
    counts = np.ones(len(T)) if w is None else w.numpy(force=True)
    W = float(counts.sum())
    for k in range(1, max(1, min(MOST, math.floor(W ** (1 / D)))) + 1):
        n = np.bincount(np.unique(cells(T, np.full(D, k)).numpy(force=True), return_inverse=True)[1], weights=counts)
        if (found := value(n, float(k) ** D, W)) > best:
            best, K = found, k
    return np.full(D, K, dtype=np.int64)


def cells(T: torch.Tensor, K: np.ndarray) -> torch.Tensor:
    """The number of the cell of each row of T (N, D) in [0, 1], of K (D,) bins, first column slowest."""
    code = torch.zeros(len(T), dtype=torch.int64, device=T.device)
    for d, k in enumerate(K.tolist()):
        code = code * k + (T[:, d] * k).long().clamp(max=k - 1)
    return code


def require_cells(K: np.ndarray) -> None:
    """Refuse grids with more cells than whole numbers tell apart."""
    if sum(math.log2(k) for k in K.tolist()) > math.log2(LARGEST):
        raise DataError(
            f"a grid of {' x '.join(map(str, K.tolist()[:8]))}{' ...' if len(K) > 8 else ''} bins over {len(K)} "
            "columns has too many cells to be numbered, and nearly all would be empty: take fewer columns"
        )


def _spread(rule: str, t: torch.Tensor, w: torch.Tensor | None) -> float:
    """What is multiplied by N^(-1/(D+2)); Scott's where half of the values are equal."""
    if rule == "fd" and (iqr := quantile(t, 0.75, w) - quantile(t, 0.25, w)) > 0:
        return 2 * iqr
    w = torch.ones_like(t) if w is None else w
    m = (w @ t) / w.sum()
    return 3.5 * float((w @ (t - m).square() / w.sum()).sqrt())


def _evidence(n: np.ndarray, M: float, N: float) -> float:
    occupied = (gammaln(n + 0.5) - gammaln(0.5)).sum()  # an empty cell adds nothing
    return float(N * math.log(M) + gammaln(M / 2) - gammaln(N + M / 2) + occupied)


def _left_out(n: np.ndarray, M: float, N: float) -> float:
    if N <= 1:
        return 0.0
    return float(M * (N + 1) / (N - 1) * ((n / N) ** 2).sum() - 2 * M / (N - 1))
