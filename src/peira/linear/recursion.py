r"""The Gaussian posterior one row at a time, in the order in which the rows come.

The posterior precision is held as a triangle U with unit diagonal and D weights d (no square roots), beside theta, the
mean in the triangle's coordinates:

.. math:: S^{-1} = U^T \mathrm{diag}(d) \, U, \quad \theta = U m

A row (phi, y) of precision omega is rotated into it by D planar rotations (Gentleman 1973, without square roots; his
algorithm AS 75, 1974, is this one). With x the row's k-th entry when its turn has come, step k is

.. math:: d_k' = d_k + \omega x^2, \quad s = \omega x / d_k', \quad \omega' = \omega d_k / d_k'

.. math:: \phi \leftarrow \phi - x \, u_k, \quad u_k \leftarrow u_k + s \, \phi, \quad
          y \leftarrow y - x \, \theta_k, \quad \theta_k \leftarrow \theta_k + s \, y

Each step takes the part along u_k out of the row before u_k changes, so what remains of y after the last one is the
error of the prediction that the earlier rows made; and omega has become one over its variance, with noise:

.. math:: y \rightarrow y - \phi^T m, \quad \omega \rightarrow (\omega^{-1} + \phi^T S \phi)^{-1}

No matrix is inverted and no positive quantity subtracted from another: U and d stay a proper posterior over any number
of rows. Cost: D^2 multiplications a row.

The order of the sums is that of row after row, the order of the work is not. ROWS rows first make STEPS steps on the
columns of these steps alone, where the second update reads :math:`u_k \leftarrow (d_k / d_k') u_k + s \phi`
with the old phi, so that a row waits for one multiplication of the row before it. Then, in pairs of rows, they make
these steps on all columns to the right: what is read from U serves two rows, what is read from a row four steps.
"""

import numpy as np

from ..numerics.compile import compiled

ROWS, STEPS = 8, 4


@compiled(fast=True)
def one_step_ahead(
    X: np.ndarray,
    Y: np.ndarray,
    origin: np.ndarray,
    U: np.ndarray,
    d: np.ndarray,
    theta: np.ndarray,
    precision: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Predict each row from those before it.

    Parameters
    ----------
    X : array of shape (N, D) or (N, D - 1)
        With one column fewer than ``U`` has, the last is the constant 1.
    Y : array of shape (N, K)
    origin : array of shape (X.shape[1] + K,)
        What is subtracted from the rows of X and Y.
    U : array of shape (D, D)
        Upper triangle of which nothing on or below the diagonal is read.
    d : array of shape (D,)
        Positive.
    theta : array of shape (D, K)
    precision : float
        Of the noise, in the unit of the posterior.

    Returns
    -------
    error : array of shape (N, K)
        Target minus the mean of its prediction.
    variance : array of shape (N,)
        Of the prediction, with the noise.
    """
    (N, columns), (D, K) = X.shape, theta.shape
    right = (D + STEPS - 1) // STEPS * STEPS  # columns of zeros fill up the last steps; the targets come after them
    A, weight = np.zeros((right, (right + K + 7) // 8 * 8)), np.ones(right)  # U and theta, d
    for k in range(D):
        A[k, k + 1 : D], A[k, right : right + K], weight[k] = U[k, k + 1 :], theta[k], d[k]
    error, variance = np.empty((N, K)), np.empty(N)
    rows, omega = np.zeros((ROWS, A.shape[1])), np.empty(ROWS)
    x, s, shrink = np.empty((STEPS, ROWS)), np.empty((STEPS, ROWS)), np.empty(ROWS)
    u, after = np.empty(ROWS + 1), np.empty(ROWS + 1)  # an entry of U, and a weight, after so many rows
    for begin in range(0, N, ROWS):
        count = min(ROWS, N - begin)
        omega[:count], omega[count:] = precision, 0.0  # rows of no weight change nothing
        for n in range(count):
            for j in range(columns):
                rows[n, j] = X[begin + n, j] - origin[j]
            for j in range(columns, right):
                rows[n, j] = 1.0 if j < D else 0.0
            for j in range(K):
                rows[n, right + j] = Y[begin + n, j] - origin[columns + j]
        for first in range(0, right, STEPS):
            last = first + STEPS
            for i in range(STEPS):
                for n in range(ROWS):
                    x[i, n] = rows[n, first + i]
            for i in range(STEPS):
                k = first + i
                after[0] = weight[k]
                for n in range(ROWS):
                    s[i, n] = omega[n] * x[i, n]
                for n in range(ROWS):
                    after[n + 1] = after[n] + s[i, n] * x[i, n]
                weight[k] = after[ROWS]
                for n in range(ROWS):
                    inverse = 1.0 / after[n + 1]
                    s[i, n] *= inverse
                    shrink[n] = after[n] * inverse
                    omega[n] *= shrink[n]
                for j in range(i + 1, STEPS):
                    u[0] = A[k, first + j]
                    for n in range(ROWS):
                        u[n + 1] = shrink[n] * u[n] + s[i, n] * x[j, n]
                    A[k, first + j] = u[ROWS]
                    for n in range(ROWS):
                        x[j, n] -= x[i, n] * u[n]
            panel = A[first:last, last:]
            for n in range(0, ROWS, 2):
                a, b = rows[n, last:], rows[n + 1, last:]
                x_a, x_b = (x[0, n], x[1, n], x[2, n], x[3, n]), (x[0, n + 1], x[1, n + 1], x[2, n + 1], x[3, n + 1])
                s_a, s_b = (s[0, n], s[1, n], s[2, n], s[3, n]), (s[0, n + 1], s[1, n + 1], s[2, n + 1], s[3, n + 1])
                for j in range(a.size):
                    left_a, left_b = a[j], b[j]
                    for i in range(STEPS):
                        v = panel[i, j]
                        left_a -= x_a[i] * v
                        v += s_a[i] * left_a
                        left_b -= x_b[i] * v
                        panel[i, j] = v + s_b[i] * left_b
                    a[j], b[j] = left_a, left_b
        for n in range(count):
            variance[begin + n] = 1.0 / omega[n]
            for k in range(K):
                error[begin + n, k] = rows[n, right + k]
    return error, variance
