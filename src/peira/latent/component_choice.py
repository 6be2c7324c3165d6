r"""How many components? Four answers, which ask different questions.

**A share** of the variance: as many as it takes to keep it. A matter of taste, good for compression.

**Minka's evidence**: the probability of the data under probabilistic principal components with K directions, all their
positions integrated out (Laplace's method). With the variances :math:`\lambda` from the largest down, v the mean of
those left out, :math:`m = D K - K (K + 1) / 2`, and :math:`\hat \lambda_j`
being :math:`\lambda_j` up to K and v beyond,

.. math:: \log p(X \mid K) \approx \log p(U) - \frac{N}{2} \sum_{j \leq K} \log \lambda_j - \frac{N (D - K)}{2} \log v
          + \frac{m + K}{2} \log 2 \pi - \frac{1}{2} \log | A | - \frac{K}{2} \log N
.. math:: \log p(U) = - K \log 2 + \sum_{i \leq K} \log \Gamma(\frac{D - i + 1}{2}) - \frac{D - i + 1}{2} \log \pi
.. math:: \log |A| = \sum_{i \leq K} \sum_{j > i}
          \log( (\hat \lambda_j^{-1} - \hat \lambda_i^{-1}) (\lambda_i - \lambda_j) N )

**Parallel analysis**: a component counts if its variance exceeds that of the same component of tables of pure noise
with as many rows and the same variances of columns.

**Cross-validation**: the K under which rows that were left out are most probable.

Reference: Minka (2000), Automatic choice of dimensionality for PCA, NIPS 13; Horn (1965), Psychometrika 30,
179-185; Jolliffe (2002), Principal Component Analysis, 6.1.
"""

import math
from typing import Any

import numpy as np
import torch
from scipy import sparse
from scipy.special import gammaln

from ..core.errors import DataError, ParameterError
from .principal_components_svd import Directions, degrees_of_freedom, leading_directions

DRAWS = 50  # tables of pure noise
QUANTILE = 0.95  # of their variances: what a component must exceed
FOLDS = 5


def choose(
    how: str | float | None,
    found: Directions,
    rng: np.random.Generator,
    X: Any = None,
    w: torch.Tensor | None = None,
) -> int:
    """The number of components by one of the ways: a share, "mle", "parallel" or "cv"; all that were found for None.

    ``found`` holds all directions; "cv" also needs the rows X and their weights.
    """
    if how is None:
        return len(found.squares)
    D, N = len(found.mean), found.weight
    if how == "mle":
        if N < D:
            raise DataError(
                f"n_components='mle' is only supported if n_samples >= n_features; got {N:g} rows and {D} columns: "
                "choose by 'parallel', 'cv' or a share"
            )
        variances = torch.cat([found.squares, found.squares.new_zeros(D - len(found.squares))]) / N
        return int(minka_evidence(variances, N).argmax()) + 1 if D > 1 else 1
    if how == "parallel":
        divisor = degrees_of_freedom(N)
        sd = ((found.vectors.square() @ found.squares) / divisor).sqrt()
        reference = parallel_analysis(sd, N, len(found.squares), rng)
        exceeds = found.squares.numpy(force=True) / divisor > reference
        return int(exceeds.argmin()) if not exceeds.all() else len(exceeds)
    if how == "cv":
        if sparse.issparse(X):
            raise ParameterError("n_components='cv' needs dense rows; choose by 'parallel' or a share")
        if len(X) < 3:
            raise DataError(f"n_components='cv' needs 3 rows at least, got {len(X)}")
        return int(held_out_likelihood(X, w, rng).argmax())
    return by_share(found.squares, found.total, float(how))


def by_share(squares: torch.Tensor, total: float, share: float) -> int:
    """The fewest components that keep more than a share of the sum of squares."""
    if total <= 0:
        return 1
    kept = squares.cumsum(0) / total
    return min(int((kept <= share).sum()) + 1, len(squares))


def minka_evidence(variances: torch.Tensor, N: float) -> np.ndarray:
    """The logarithm of the evidence for K = 1, ..., D - 1, up to a constant.

    Parameters
    ----------
    variances : tensor of shape (D,)
        All of them, with divisor N, from the largest down.
    N : float
        Rows.

    Returns
    -------
    array of shape (D - 1,)
        Minus infinity where a kept variance is zero; plus infinity where those left out all are.

    Examples
    --------
    >>> evidence = minka_evidence(torch.tensor([10.0, 5.0, 1.0, 0.99], dtype=torch.float64), 100)
    >>> int(evidence.argmax()) + 1
    2
    """
    lam = variances.numpy(force=True).clip(min=0)
    D = len(lam)
    noise = D * np.finfo(float).eps * max(lam[0], np.finfo(float).tiny)
    rank = int((lam > noise).sum())
    inside = np.maximum(lam, noise)
    K = np.arange(1, D)
    v = inside[::-1].cumsum()[::-1][1:] / (D - K)
    i = np.arange(D)
    sphere = (gammaln((D - i) / 2) - (D - i) / 2 * math.log(math.pi) - math.log(2)).cumsum()[:-1]
    apart = np.log(np.maximum(inside[:, None] - inside, noise)) + math.log(N)
    inverse = np.log(np.maximum(1 / inside - 1 / inside[:, None], np.finfo(float).eps / inside[:, None]))
    upper = np.triu(np.ones((D, D)), 1)
    among = (inverse * upper).sum(0).cumsum()[:-1]  # i < j <= K
    spans = (apart * upper).sum(1).cumsum()[:-1]  # i <= K, j > i
    against = np.log(np.maximum(1 / v[:, None] - 1 / inside, np.finfo(float).eps / v[:, None]))
    across = (D - K) * (against * (i < K[:, None])).sum(1)  # i <= K < j
    m = D * K - K * (K + 1) / 2
    evidence = (
        sphere
        - N / 2 * np.log(inside).cumsum()[:-1]
        - N * (D - K) / 2 * np.log(v)
        + (m + K) / 2 * math.log(2 * math.pi)
        - (among + spans + across) / 2
        - K / 2 * math.log(N)
    )
    evidence[rank < K] = -np.inf
    if rank in K:
        evidence[rank - 1] = np.inf
    return evidence


def parallel_analysis(deviations: torch.Tensor, N: float, R: int, rng: np.random.Generator) -> np.ndarray:
    """What the R largest variances of pure noise reach, in all but one of twenty tables.

    Parameters
    ----------
    deviations : tensor of shape (D,)
        Standard deviations of the columns; the noise has the same.
    N : float
        Rows.
    R : int
        min(N, D).
    rng : numpy Generator

    Returns
    -------
    array of shape (R,)
    """
    sd, D = deviations.numpy(force=True), len(deviations)
    n = max(round(N) - 1, 1)
    found = np.empty((DRAWS, R))
    for t in range(DRAWS):
        if n >= D:  # the scatter of n independent rows, without drawing them (Bartlett's decomposition)
            root = np.tril(rng.standard_normal((D, D)), -1)
            root[np.diag_indices(D)] = np.sqrt(rng.chisquare(n - np.arange(D)))
            root = root.T
        else:
            root = rng.standard_normal((n, D))
        length = np.sqrt((root**2).sum(0))
        root = root / np.where(length > 0, length, 1.0) * sd
        values = np.linalg.eigvalsh(root @ root.T if n < D else root.T @ root)[::-1]
        found[t] = np.pad(values, (0, max(0, R - len(values))))[:R]
    return np.quantile(found, QUANTILE, axis=0)


def held_out_likelihood(X: torch.Tensor, w: torch.Tensor | None, rng: np.random.Generator) -> np.ndarray:
    """Mean log density of rows left out, under K = 0, 1, ... components learned from the others.

    Parameters
    ----------
    X : tensor of shape (N, D)
    w : tensor of shape (N,), optional
    rng : numpy Generator
        Deals the rows to the folds.

    Returns
    -------
    array of shape (R,)
        For K = 0, ..., R - 1, R being the least rank among the folds.
    """
    N, D = X.shape
    folds = np.array_split(rng.permutation(N), min(FOLDS, N))
    scores, most = [], D
    for fold in folds:
        out = torch.zeros(N, dtype=torch.bool, device=X.device)
        out[torch.as_tensor(fold, device=X.device)] = True
        v = None if w is None else w[~out]
        found = leading_directions(X[~out], None, w=v)
        lam = found.squares / found.weight
        rank = int((lam > D * torch.finfo(lam.dtype).eps * lam[0]).sum())
        most = min(most, rank)
        R = X[out] - found.mean
        share = torch.ones(len(R), dtype=X.dtype, device=X.device) if w is None else w[out]
        along = share @ (R @ found.vectors).square() / share.sum()  # mean squares along each direction
        whole = share @ R.square().sum(1) / share.sum()
        K = torch.arange(rank, device=X.device)
        total = found.total / found.weight
        zero = lam.new_zeros(1)
        kept = torch.cat([zero, lam.cumsum(0)])[:rank]
        noise = ((total - kept) / (D - K)).clamp(min=torch.finfo(lam.dtype).tiny)
        logs = torch.cat([zero, lam.clamp(min=1e-300).log().cumsum(0)])[:rank] + (D - K) * noise.log()
        inside = torch.cat([zero, (along / lam.clamp(min=1e-300)).cumsum(0)])[:rank]
        outside = (whole - torch.cat([zero, along.cumsum(0)])[:rank]).clamp(min=0) / noise
        scores.append((-(D * math.log(2 * math.pi) + logs + inside + outside) / 2).numpy(force=True))
    return np.mean([s[:most] for s in scores], axis=0)
