r"""Gaussians and steps with gaps: densities of what was seen, moments with what is expected of the rest.

With o what was seen of a step and m what was not, under each Gaussian

.. math:: E[x_m | x_o] = \mu_m + \Sigma_{mo} \Sigma_{oo}^{-1} (x_o - \mu_o)
.. math:: Cov[x_m | x_o] = \Sigma_{mm} - \Sigma_{mo} \Sigma_{oo}^{-1} \Sigma_{om}

Steps with the same gaps are done together. A step of which nothing was seen has density 1 and adds nothing.

Reference: Little & Rubin (2019), Statistical Analysis with Missing Data, 11.2; Bishop (2006), eqs 2.81 and 2.82.
"""

import math
from collections.abc import Iterator

import numpy as np

LOG_2PI = math.log(2 * math.pi)


def patterns(X: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What was seen (D,), as truth values, and the rows of which just that was seen."""
    seen = ~np.isnan(X)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(which.reshape(-1), minlength=len(kinds)))
    yield from zip(kinds, np.split(order, ends[:-1]), strict=True)


def log_densities_seen(X: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Log densities of what was seen of each step (n, D), of shape (n, K)."""
    log_b = np.zeros((len(X), len(means)))
    for o, rows in patterns(X):
        if not o.any():
            continue
        Z = X[np.ix_(rows, o)]
        for k, (mu, C) in enumerate(zip(means, covariances, strict=True)):
            L = np.linalg.cholesky(C[np.ix_(o, o)])
            E = (Z - mu[o]) @ np.linalg.inv(L).T
            log_b[rows, k] = -0.5 * (E**2).sum(1) - np.log(np.diag(L)).sum() - 0.5 * o.sum() * LOG_2PI
    return log_b


def filled_moments(
    X: np.ndarray, G: np.ndarray, means: np.ndarray, covariances: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (K, D), and expected sums of e and e e', (K, D) and (K, D, D), with e = x - mu_k."""
    K, D = means.shape
    N, d, S = np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D))
    for o, rows in patterns(X):
        if not o.any():
            continue
        g, m = G[rows], ~o
        N += g.sum(0)
        for k, (mu, C) in enumerate(zip(means, covariances, strict=True)):
            E = np.empty((len(rows), D))
            E[:, o] = X[np.ix_(rows, o)] - mu[o]
            W = np.linalg.solve(C[np.ix_(o, o)], C[np.ix_(o, m)])
            E[:, m] = E[:, o] @ W
            weighted = E * g[:, k, None]
            d[k] += weighted.sum(0)
            S[k] += weighted.T @ E
            S[k][np.ix_(m, m)] += g[:, k].sum() * (C[np.ix_(m, m)] - C[np.ix_(m, o)] @ W)
    return np.tile(N[:, None], D), d, S
