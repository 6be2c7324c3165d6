r"""Memberships of fuzzy c-means, and one step of it in one pass over the rows.

.. math:: u_{nk} = r_k \, / \, \sum_j r_j, \quad r_k = (\min_j d_{nj}^2 / d_{nk}^2)^{1/(m-1)}

The ratios lie between 0 and 1, so that nothing overflows however near m is to 1 or an item to a centre. While a row is
at hand its memberships, its share of the sums and of the objective are taken all at once.

Cost: 3 N K D a pass.

Reference: Bezdek (1981), Pattern Recognition with Fuzzy Objective Function Algorithms, section 11, A11.1.
"""

import numpy as np

from ..numerics.compile import compiled

ROWS = 256  # a block of distances stays in the cache


def fuzzy_pass(
    X: np.ndarray, w: np.ndarray, C: np.ndarray, m: float, U: np.ndarray
) -> tuple[float, float, float, np.ndarray]:
    """One step: memberships at the centres C, and the next centres.

    Columns come first: X is (D, N), about its mean, so that an objective from sums alone keeps its digits; U is (K, N),
    and holds the memberships before and after.

    Returns
    -------
    J at C, J at the next centres, the largest change of a membership, the next centres (K, D)
    """
    K = len(C)
    sums, weights, squares = np.zeros(C.shape), np.zeros(K), np.zeros(K)
    J, change = _pass(X, w, C, m, U, sums, weights, squares)
    full = weights > 0
    new = np.where(full[:, None], sums / np.where(full, weights, 1.0)[:, None], C)
    after = float((squares - (sums * new).sum(1))[full].sum())
    return J, max(0.0, after), change, new


@compiled
def memberships(X, C, m):
    """The degree (N, K) to which each row of X belongs to each centre."""
    U = np.empty((X.shape[0], C.shape[0]))
    d = np.empty(C.shape[0])
    for n in range(X.shape[0]):
        _squares(X[n], C, d)
        _degrees(d, m, U[n])
    return U


@compiled(fast=True)
def _squares(x, C, d):
    for k in range(C.shape[0]):
        s = 0.0
        for j in range(C.shape[1]):
            t = x[j] - C[k, j]
            s += t * t
        d[k] = s


@compiled
def _degrees(d, m, u):
    """Memberships from squared distances; an item at a centre, or at several equal ones, belongs to these alone."""
    least, total = d.min(), 0.0
    for k in range(len(d)):
        r = 1.0 if d[k] == least else least / d[k]
        u[k] = r if m == 2 else r ** (1 / (m - 1))
        total += u[k]
    for k in range(len(d)):
        u[k] /= total


@compiled
def _pass(X, w, C, m, U, sums, weights, squares):
    """All in blocks of rows, and along the rows, so that it runs on vectors."""
    (D, N), K = X.shape, C.shape[0]
    d, r = np.empty((K, ROWS)), np.empty((K, ROWS))
    least, total, own, moved = np.empty(ROWS), np.empty(ROWS), np.empty(ROWS), np.zeros(ROWS)
    ones = np.ones(ROWS)
    J = 0.0
    for start in range(0, N, ROWS):
        n = min(ROWS, N - start)
        own[:n], least[:n], total[:n] = 0.0, np.inf, 0.0
        for j in range(D):
            _add_square(X[j, start : start + n], 0.0, own)
        for k in range(K):
            d[k, :n] = 0.0
            for j in range(D):
                _add_square(X[j, start : start + n], C[k, j], d[k])
            for i in range(n):
                least[i] = d[k, i] if d[k, i] < least[i] else least[i]
        for k in range(K):
            _ratio(d[k], least, m, r[k], total, n)
        v = w[start : start + n]
        for k in range(K):
            _share(r[k], total, v, m, U[k, start : start + n], moved)
            J += _dot(r[k], d[k], n)
            squares[k] += _dot(r[k], own, n)
            weights[k] += _dot(r[k], ones, n)
            for j in range(D):
                sums[k, j] += _dot(r[k], X[j, start : start + n], n)
    return J, moved.max()


@compiled(fast=True)
def _add_square(x, c, out):
    for i in range(len(x)):
        t = x[i] - c
        out[i] += t * t


@compiled(fast=True)
def _dot(a, b, n):
    s = 0.0
    for i in range(n):
        s += a[i] * b[i]
    return s


@compiled(fast=True)
def _ratio(d, least, m, r, total, n):
    """Ratios r of the page; np.divide does not raise where 0 is divided by 0, which is not taken."""
    for i in range(n):
        ratio = np.divide(least[i], d[i])
        r[i] = 1.0 if d[i] == least[i] else ratio
    if m != 2:
        for i in range(n):
            r[i] = r[i] ** (1 / (m - 1))
    for i in range(n):
        total[i] += r[i]


@compiled(fast=True)
def _share(r, total, w, m, u, moved):
    """Memberships from ratios, how far they moved, and, in place of the ratios, their weighted m-th powers."""
    for i in range(len(u)):
        new = np.divide(r[i], total[i])
        change = abs(new - u[i])
        change = change if w[i] > 0 else 0.0
        moved[i] = change if change > moved[i] else moved[i]
        u[i] = new
        r[i] = new * new * w[i]
    if m != 2:
        for i in range(len(u)):
            r[i] = u[i] ** m * w[i]
