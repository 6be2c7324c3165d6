r"""The recursion of a reservoir, one step after the other over the diagonals of its matrix.

.. math:: x_t = (1 - a) x_{t-1} + a \tanh(W x_{t-1} + d_t)

with the drive :math:`d_t` (inputs, bias, noise) prepared for a block of steps by one matrix product. All sequences run
in one pass: at the first step of each the state is zero again, so that nothing is padded.

The hyperbolic tangent is written so that vector instructions compute it: with :math:`t = e^z - 1` at :math:`z = 2x/64`
by its Taylor series, six doublings and one division,

.. math:: e^{2z} - 1 = t (t + 2), \quad \tanh x = t / (t + 2)

to within 1e-14 of the library's function, and with full relative accuracy near 0.

Costs, for H units with K connections each: H (K + 1) multiplications a step, and as many numbers read; for P paths side
by side P times that, in vector instructions throughout.
"""

import numpy as np

from ..numerics.compile import compiled

DOUBLINGS = 6
FACTORIALS = tuple(1.0 / float(np.prod(np.arange(1.0, k + 1))) for k in range(15, 0, -1))


@compiled(fast=True, inline=True)
def tanh(x):
    """The hyperbolic tangent of one number."""
    z = min(max(x, -20.0), 20.0) * (2.0 / 64.0)
    t = FACTORIALS[0]
    for k in range(1, 15):
        t = t * z + FACTORIALS[k]
    t = t * z
    for _ in range(DOUBLINGS):
        t = t * (t + 2.0)
    return t / max(t + 2.0, 0.5)  # t > -1: the bound only tells the compiler that nothing is divided by zero


@compiled(fast=True)
def run(S, first, x, values, distances, leak):
    """Turn the drives S (T, H) of consecutive steps into states, in place; ``x`` (H,) is carried between blocks.

    values (K, H), distances (K,): unit i hears the units (i + distance) mod H.
    """
    T, H = S.shape
    ring = np.empty(2 * H)  # the state twice: what lies at a distance is one piece
    for t in range(T):
        if first[t]:
            x[:] = 0.0
        ring[:H] = x
        ring[H:] = x
        s = S[t]
        for k in range(len(distances)):
            heard, w = ring[distances[k] : distances[k] + H], values[k]
            for i in range(H):
                s[i] += w[i] * heard[i]
        for i in range(H):
            x[i] += leak * (tanh(s[i]) - x[i])
            s[i] = x[i]


@compiled(fast=True)
def run_free(X, U, said, values, distances, inputs, bias, leak, B, b, mean, scale):
    """Let P paths go on side by side, each fed with what it said itself.

    X (H, P) are the states after the histories, U (D, P) the last steps, standardised; both are overwritten. What is
    said goes to said (horizon, D, P). ``B`` (H + D, D) and ``b`` (D,) read states and standardised steps.
    """
    H, D = inputs.shape
    P, A = X.shape[1], np.empty_like(X)
    for h in range(len(said)):
        for d in range(D):
            y = said[h, d]
            y[:] = b[d]
            for i in range(H):
                w = B[i, d]
                for p in range(P):
                    y[p] += w * X[i, p]
            for j in range(D):
                w = B[H + j, d]
                for p in range(P):
                    y[p] += w * U[j, p]
        if h + 1 == len(said):
            break
        for d in range(D):
            for p in range(P):
                U[d, p] = (said[h, d, p] - mean[d]) / max(scale[d], 1e-300)
        for i in range(H):
            row = A[i]
            row[:] = bias[i]
            for d in range(D):
                w = inputs[i, d]
                for p in range(P):
                    row[p] += w * U[d, p]
            for k in range(len(distances)):
                w, j = values[k, i], (i + distances[k]) % H
                for p in range(P):
                    row[p] += w * X[j, p]
        for i in range(H):
            for p in range(P):
                X[i, p] += leak * (tanh(A[i, p]) - X[i, p])


@compiled(fast=True)
def pool(S, X, first, lengths, at, total, last):
    """Add states S (T, H) and steps X (T, D) to the means of the sections of their sequences.

    ``total`` (N, sections, H + D) holds the means; ``at`` (2,) says which sequence runs, and at which of its steps, and
    is carried from block to block. Section k of T steps are those from k T / K on, and one at the least; with ``last``,
    only the last step counts.
    """
    T, H = S.shape
    D, K = X.shape[1], total.shape[1]
    for t in range(T):
        if first[t]:
            at[0] += 1
            at[1] = 0
        n, step = at[0], at[1]
        L = lengths[n]
        for k in range(K):
            low = L - 1 if last else k * L // K
            high = max(low + 1, (k + 1) * L // K)
            if low <= step < high:
                share = 1.0 / max(high - low, 1)
                row = total[n, k]
                for i in range(H):
                    row[i] += share * S[t, i]
                for d in range(D):
                    row[H + d] += share * X[t, d]
        at[1] += 1


@compiled
def adapt(drives, first, values, distances, leak, gain, shift, rate, spread):
    """One pass of intrinsic plasticity: each unit changes its gain and shift (H,) so that its output, seen over time,
    becomes normal with mean 0 and this spread. Returns the mean square of all outputs."""
    T, H = drives.shape
    x, y, total = np.zeros(H), np.zeros(H), 0.0
    s2 = spread * spread
    for t in range(T):
        if first[t]:
            x[:] = 0.0
        for i in range(H):
            a = drives[t, i]
            for k in range(len(distances)):
                a += values[k, i] * x[(i + distances[k]) % H]
            y[i] = np.tanh(gain[i] * a + shift[i])
            total += y[i] * y[i]
            # Schrauwen et al. (2008), eqs 9 and 10, with mean 0
            db = -rate * y[i] / s2 * (2.0 * s2 + 1.0 - y[i] * y[i])
            gain[i] += rate / gain[i] + db * a
            shift[i] += db
            gain[i] = max(gain[i], 1e-3)
        for i in range(H):
            x[i] += leak * (y[i] - x[i])
    return total / max(T * H, 1)
