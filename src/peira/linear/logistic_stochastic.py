r"""Logistic regression by SAGA: steps along the gradient of one row, corrected by a memory of all others.

.. math:: P(W) = \sum_n c_n \ell_n(W x_n) + \sum_{kj} \frac{\lambda_j}{2} w_{kj}^2 + \mu_j |w_{kj}|

For each row the residual :math:`r_n = c_n (p_n - y_n)` is remembered as it was when the row was last drawn, and
:math:`G = \sum_n r_n x_n^T` is kept. A step draws row n with probability :math:`q_n`, computes its residual
:math:`r_n'` anew and sets (Defazio, Bach & Lacoste-Julien 2014, eq. 1 and 2, for rows that are not drawn alike)

.. math:: W \leftarrow \mathrm{prox} ( W - \eta ( (r_n' - r_n) x_n^T / q_n + G ) )

.. math:: \mathrm{prox}(w) = \mathrm{sign}(w) \, \max(|w| - \eta \mu_j, 0) / (1 + \eta \lambda_j)

The direction is the gradient of the loss on average, and its noise vanishes as the memory becomes right, so that a
constant step leads to the minimum, at a linear rate. That rate suffers neither from the number of rows nor from the
size of one of them alone: with :math:`L_n = c_n \|x_n\|^2 / 4` (/ 2 for more than two classes) the largest curvature
of a row's loss, half of the draws are uniform and half go by :math:`L_n` (compare Schmidt et al. 2015, 3.2).

**An epoch** is N draws: systematic sampling in a random order, so that each row comes as often as :math:`N q_n` says,
rounded down or up; with equal rows, once. Epochs begin with :math:`\eta` four times as long as the proof's
:math:`1 / (3 \max_n L_n / q_n)`; if P did not fall, the epoch is taken back, and the step is halved.

**Columns.** Dense columns are shifted to mean zero and scaled to variance one as they are read, sparse ones scaled by
the root mean square of their stored entries, and the penalties with them: a gradient step, unlike Newton's, depends
on units.

**Sparse rows** cost their stored entries. A column that has none in the rows drawn since it was last looked at moves
by prox steps along a constant :math:`G_{kj}`; with :math:`h = G_{kj} + \mu_j \, \mathrm{sign}(w)`, m of them without a
change of sign are

.. math:: w \leftarrow a^m w - (1 - a^m) h / \lambda_j, \quad a = 1 / (1 + \eta \lambda_j)

and the sign changes at most twice, so that all that a column has missed is made up for when a row asks for it.

**The end.** After each epoch the constants are set to their minimum and the duality gap of
:mod:`~peira.linear.logistic_state` is computed, with no memory of the way. It is a bound, not an estimate, and with a
weak squared penalty alone a wide one.

**Cost.** N D C an epoch in scalar steps, or the stored entries times C; N C numbers of memory.
"""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse

from ..numerics.compile import compiled
from .logistic_loss import LogisticLoss, products
from .logistic_state import EPS, Round, State

BOLD = 4.0  # times the step of the proof
SMALLEST = 0.05  # of that step; an epoch that does not lower P even then fails by rounding


def saga(f: LogisticLoss, l1: torch.Tensor, W: torch.Tensor, rng: np.random.Generator) -> Iterator[Round]:
    """Epochs from W, until none lowers P by more than rounding.

    Parameters
    ----------
    f : LogisticLoss
        Without contrasts, on the CPU, with a squared penalty on every column unless ``l1`` is positive.
    l1 : tensor of shape (D,)
        mu, the L1 penalties of the columns, >= 0.
    W : tensor of shape (C, D + 1), or (1, D + 1) for two classes; without the last column if there is no constant
    rng : numpy.random.Generator
        Draws the rows.
    """
    at = State(f, l1, W.clone())
    at.set_constants()
    value, gap = at.value(), at.gap()
    rows = _Rows(f, l1)
    rows.remember(at)
    length, best = BOLD, np.inf
    while True:
        yield Round(at.W.clone(), value, gap)
        while True:
            there = State(f, l1, rows.epoch(at.W, length, rng))
            if f.m > 1:
                there.take_out_common()
            there.set_constants()
            new = there.value()
            if new < value - 4 * EPS * abs(value):
                break
            gap_there = there.gap()
            if gap_there < 0.9 * best and new <= value + 4 * EPS * abs(value):  # the gap has digits that P has not
                break
            length /= 2
            if length < SMALLEST:
                return
            rows.remember(at)
        at, value, gap = there, new, there.gap()
        best = min(best, gap)


class _Rows:
    """The rows as the loops want them, in coordinates v = w / t for columns (x - o) t; and the memory.

    Attributes
    ----------
    memory : array of shape (N, m)
        The residuals r_n.
    G : array of shape (m, D + 1)
        Their products with the columns.
    """

    def __init__(self, f: LogisticLoss, l1: torch.Tensor):
        self.f, D = f, f.D
        self.c, self.codes = f.c.numpy(), f.codes.numpy()
        if sparse.issparse(f.X):
            self.offset = np.zeros(D)
            total, count = np.zeros(D), np.bincount(f.X.indices, minlength=D)
            np.add.at(total, f.X.indices, f.X.data**2)
            spread = np.sqrt(total / np.maximum(count, 1))
            self.t = 1 / np.where(spread > 0, spread, 1.0)
            self.data = f.X.data * self.t[f.X.indices]
            square = np.add.reduceat(np.r_[self.data**2, 0.0], f.X.indptr[:-1]) * (np.diff(f.X.indptr) > 0)
        else:
            share = f.c / f.total
            mean = share @ f.X
            spread = (share @ f.X.square() - mean.square()).clamp(min=0).sqrt()
            spread = torch.where(spread > 1e-7 * mean.abs(), spread, torch.where(mean != 0, mean.abs(), 1.0)).numpy()
            self.offset = mean.numpy() * f.intercept
            if not f.intercept:
                spread = np.hypot(spread, mean.numpy())
            self.t = 1 / spread
            self.X = np.ascontiguousarray(f.X.numpy())
            square = row_squares(self.X, self.offset, self.t)
        self.l1, self.l2 = l1.numpy() * self.t, f.ridge.numpy() * self.t**2
        L = self.c * (square + f.intercept) * (0.25 if f.m == 1 else 0.5)
        L = np.maximum(L, EPS * L.max()) if L.max() > 0 else np.ones_like(L)
        self.q = 0.5 / f.N + 0.5 * L / L.sum()
        self.step = 1 / (3 * (L / self.q).max())

    def remember(self, at: State) -> None:
        """Start the memory from the residuals of all rows at a point."""
        f = self.f
        total = at.R.sum(1).numpy()
        G = (products(at.R, f.X).numpy() - total[:, None] * self.offset) * self.t
        self.G = np.column_stack([G, total * f.intercept])
        self.memory = np.ascontiguousarray(at.R.numpy().T)

    def epoch(self, W: torch.Tensor, length: float, rng: np.random.Generator) -> torch.Tensor:
        """Where N steps from W lead."""
        f, W = self.f, W.numpy()
        V = np.zeros((f.m, f.D + 1))
        V[:, : f.D] = W[:, : f.D] / self.t
        if f.intercept:
            V[:, f.D] = W[:, f.D] + W[:, : f.D] @ self.offset
        order = self._draw(rng)
        constants = (self.codes, self.c, order, self.q, length * self.step, self.l1, self.l2, float(f.intercept))
        if sparse.issparse(f.X):
            sparse_epoch(self.data, f.X.indices, f.X.indptr, *constants, V, self.G, self.memory)
        else:
            dense_epoch(self.X, self.offset, self.t, *constants, V, self.G, self.memory)
        V[:, : f.D] *= self.t
        V[:, f.D] -= V[:, : f.D] @ self.offset
        return torch.from_numpy(V[:, : f.D + f.intercept].copy())

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        """N rows, each floor(N q) or ceil(N q) times, in random order."""
        N = self.f.N
        marks = (np.arange(N) + rng.random()) / N
        drawn = np.searchsorted(np.cumsum(self.q) / self.q.sum(), marks, side="right")
        return rng.permutation(np.minimum(drawn, N - 1))


# ---------------------------------------------------------------------- the loops


@compiled(fast=True)
def row_squares(X, offset, t):
    """Squared lengths of the shifted and scaled rows."""
    N, D = X.shape
    total = np.zeros(N)
    for n in range(N):
        for j in range(D):
            x = (X[n, j] - offset[j]) * t[j]
            total[n] += x * x
    return total


@compiled
def set_change(z, y, c, memory, change):
    """From the logits z of a row, overwritten, of class y: the new residual into ``memory``, what it gained into
    ``change``."""
    m = z.size
    if m == 1:
        # p - y, with its digits, from the exponential of a negative number
        e = np.exp(-abs(z[0]))
        p = 1 / (1 + e) if z[0] >= 0 else e / (1 + e)
        rest = e / (1 + e) if z[0] >= 0 else 1 / (1 + e)
        new = -c * rest if y == 1 else c * p
        change[0], memory[0] = new - memory[0], new
        return
    top = z[0]
    for k in range(1, m):
        top = max(top, z[k])
    total = 0.0
    for k in range(m):
        z[k] = np.exp(z[k] - top)
        total += z[k]
    for k in range(m):
        new = c * z[k] / total
        if k == y:
            new -= c
        change[k], memory[k] = new - memory[k], new


@compiled(fast=True)
def dense_epoch(X, offset, t, codes, c, order, q, eta, l1, l2, constant, V, G, memory):
    """Steps along the rows in ``order``; V, G and memory are changed in place."""
    m, D = V.shape[0], X.shape[1]
    x, z, change = np.empty(D), np.empty(m), np.empty(m)
    threshold, shrink = eta * l1, 1 / (1 + eta * l2)
    no_l1 = not np.any(l1 > 0)
    for i in order:
        row = X[i]
        for j in range(D):
            x[j] = (row[j] - offset[j]) * t[j]
        for k in range(m):
            v, total = V[k], constant * V[k, D]
            for j in range(D):
                total += v[j] * x[j]
            z[k] = total
        set_change(z, codes[i], c[i], memory[i], change)
        for k in range(m):
            v, g, d = V[k], G[k], change[k]
            s = eta * d / q[i]
            if no_l1:
                for j in range(D):
                    v[j] = (v[j] - s * x[j] - eta * g[j]) * shrink[j]
                    g[j] += d * x[j]
            else:
                for j in range(D):
                    u = v[j] - s * x[j] - eta * g[j]
                    cut = threshold[j] if u > threshold[j] else (-threshold[j] if u < -threshold[j] else u)
                    v[j] = (u - cut) * shrink[j]
                    g[j] += d * x[j]
            v[D] -= constant * (s + eta * g[D])
            g[D] += constant * d


@compiled
def sparse_epoch(data, columns, starts, codes, c, order, q, eta, l1, l2, constant, V, G, memory):
    """The same along the rows of a CSR matrix; a column moves when a row needs it, and at the end."""
    m, D = V.shape[0], l1.size
    z, change, seen = np.empty(m), np.empty(m), np.zeros(D, np.int64)
    for step in range(order.size):
        i = order[step]
        for k in range(m):
            z[k] = constant * V[k, D]
        for a in range(starts[i], starts[i + 1]):
            j = columns[a]
            missed = step - seen[j]
            for k in range(m):
                if missed > 0:
                    V[k, j] = proximal_steps(V[k, j], G[k, j], missed, eta, l1[j], l2[j])
                z[k] += V[k, j] * data[a]
            seen[j] = step
        set_change(z, codes[i], c[i], memory[i], change)
        for a in range(starts[i], starts[i + 1]):
            j = columns[a]
            for k in range(m):
                # this step's own part; that along G follows with the next steps that the column has missed
                d = change[k] * data[a]
                u = V[k, j] - eta * (d / q[i] + G[k, j])
                V[k, j] = soft(u, eta * l1[j]) / (1 + eta * l2[j])
                G[k, j] += d
            seen[j] = step + 1
        for k in range(m):
            V[k, D] -= constant * eta * (change[k] / q[i] + G[k, D])
            G[k, D] += constant * change[k]
    for j in range(D):
        missed = order.size - seen[j]
        if missed > 0:
            for k in range(m):
                V[k, j] = proximal_steps(V[k, j], G[k, j], missed, eta, l1[j], l2[j])


@compiled
def soft(u, threshold):
    if u > threshold:
        return u - threshold
    if u < -threshold:
        return u + threshold
    return 0.0


@compiled
def proximal_steps(w, g, steps, eta, l1, l2):
    """Where ``steps`` steps w <- soft(w - eta g, eta l1) / (1 + eta l2) lead (module docstring)."""
    while steps > 0:
        if w == 0.0 and abs(g) <= l1:
            return 0.0
        sign = 1.0 if w > 0 or (w == 0.0 and g < 0) else -1.0
        u, h = sign * w, sign * g + l1
        after = same_sign_steps(u, h, steps, eta, l2)
        if after >= 0:
            return sign * after
        # zero is reached after u / (eta h) steps, or sooner as weights decay; then comes the step that may cross it
        whole = int(np.log1p(l2 * u / h) / np.log1p(eta * l2) if l2 > 0 else u / (eta * h))
        whole = min(max(whole, 0), steps - 1)
        w = sign * max(same_sign_steps(u, h, whole, eta, l2), 0.0)
        w = soft(w - eta * g, eta * l1) / (1 + eta * l2)
        steps -= whole + 1
    return w


@compiled
def same_sign_steps(u, h, steps, eta, l2):
    """Where ``steps`` steps u <- (u - eta h) / (1 + eta l2) lead."""
    if l2 > 0:
        return u + np.expm1(-steps * np.log1p(eta * l2)) * (u + h / l2)
    return u - steps * eta * h
