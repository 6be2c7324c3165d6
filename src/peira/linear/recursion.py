r"""The Gaussian posterior one row at a time, in the order in which the rows come.

With mean m and covariance S (unit or known noise precision beta) before the row (phi, y):

.. math:: q = \phi^T S \phi, \quad g = S \phi \, (\beta^{-1} + q)^{-1}, \quad m \leftarrow m + g (y - m^T \phi)

.. math:: S \leftarrow S - g \, (S \phi)^T

the identity of Sherman and Morrison applied to Bishop (2006), eq. 3.54; D^2 a row. What comes out on the way are the
one-step-ahead predictions. Each change of S is made in the pass that multiplies it by the next row. Rounding makes S
drift over very many rows; start again from the moments now and then.
"""

import numpy as np

from ..numerics.compile import compiled


@compiled(fast=True)
def one_step_ahead(
    Phi: np.ndarray, Y: np.ndarray, mean: np.ndarray, S: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Predict each row from those before it.

    Parameters
    ----------
    Phi : array of shape (N, D)
    Y : array of shape (N, K)
    mean : array of shape (K, D)
    S : array of shape (D, D)
    noise : float
        Variance of the noise in the unit of S.

    Returns
    -------
    loc : array of shape (N, K)
        The prediction's mean.
    q : array of shape (N,)
        Its variance without the noise.
    """
    N, D = Phi.shape
    K = Y.shape[1]
    m, S = mean.copy(), S.copy()
    loc, q = np.empty((N, K)), np.empty(N)
    s, before = np.zeros(D), np.zeros(D)
    gain = 0.0
    for n in range(N):
        phi = Phi[n]
        s, before = before, s
        for i in range(D):  # S <- S - gain before before', and s = S phi
            row, step, total = S[i], gain * before[i], 0.0
            for j in range(D):
                v = row[j] - step * before[j]
                row[j] = v
                total += v * phi[j]
            s[i] = total
        total = 0.0
        for i in range(D):
            total += s[i] * phi[i]
        q[n] = total
        gain = 1.0 / (noise + total)
        for k in range(K):
            total = 0.0
            for j in range(D):
                total += m[k, j] * phi[j]
            loc[n, k] = total
            step = gain * (Y[n, k] - total)
            for j in range(D):
                m[k, j] += step * s[j]
    return loc, q
