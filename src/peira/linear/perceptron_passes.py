r"""The perceptron's scalar loops: one pass over the rows, on weights or on a Gram matrix, and the vote.

A row x of class y is shown; r is the strongest of the other classes. If it is not strictly weaker than y, that is a
mistake, and with a step h (Kesler's construction, Duda, Hart & Stork 2001, 5.12)

.. math:: w_y \leftarrow w_y + h x, \quad w_r \leftarrow w_r - h x

A tie is a mistake: all rows are right only with a positive margin. Each mistake is noted, by its place in the order
of showing and the class that was said: weights are sums over mistakes, and so the notes are all that a kernel, the
average or the vote needs.
"""

import numpy as np

from ..numerics.compile import compiled


@compiled(inline=True)
def strongest_rival(s, y):
    """The class with the largest score apart from y, the first of several."""
    r = 1 if y == 0 else 0
    for c in range(r + 1, s.size):
        if c != y and s[c] > s[r]:
            r = c
    return r


@compiled(fast=True)
def pass_over_rows(X, codes, step, order, constant, W, when, said):
    """Show each row once, and correct the weights in place.

    Parameters
    ----------
    X : array of shape (N, D)
    codes : int array of shape (N,)
        Class of each row.
    step : array of shape (N,)
        Size of a correction at each row.
    order : int array of shape (N,)
    constant : float
        What the last column of W is multiplied with: 1, or 0 for no constant term.
    W : array of shape (C, D + 1), changed in place
    when, said : int arrays of shape (N,), filled
        Position in ``order`` and wrong class of each mistake.

    Returns
    -------
    int
        The number of mistakes.
    """
    C, D = W.shape[0], X.shape[1]
    s = np.empty(C)
    made = 0
    for t in range(order.size):
        i = order[t]
        x = X[i]
        for c in range(C):
            w = W[c]
            total = constant * w[D]
            for j in range(D):
                total += w[j] * x[j]
            s[c] = total
        y = codes[i]
        r = strongest_rival(s, y)
        if s[y] <= s[r]:
            h, right, wrong = step[i], W[y], W[r]
            for j in range(D):
                right[j] += h * x[j]
                wrong[j] -= h * x[j]
            right[D] += h * constant
            wrong[D] -= h * constant
            when[made], said[made] = t, r
            made += 1
    return made


@compiled(fast=True)
def pass_over_sparse_rows(data, columns, starts, codes, step, order, constant, W, when, said):
    """The same on the rows of a CSR matrix; costs their stored entries."""
    C, D = W.shape[0], W.shape[1] - 1
    s = np.empty(C)
    made = 0
    for t in range(order.size):
        i = order[t]
        for c in range(C):
            w = W[c]
            total = constant * w[D]
            for k in range(starts[i], starts[i + 1]):
                total += w[columns[k]] * data[k]
            s[c] = total
        y = codes[i]
        r = strongest_rival(s, y)
        if s[y] <= s[r]:
            h, right, wrong = step[i], W[y], W[r]
            for k in range(starts[i], starts[i + 1]):
                right[columns[k]] += h * data[k]
                wrong[columns[k]] -= h * data[k]
            right[D] += h * constant
            wrong[D] -= h * constant
            when[made], said[made] = t, r
            made += 1
    return made


@compiled
def pass_over_gram(G, codes, step, S, when, said):
    """The same in the dual form: scores S (N, C) of the rows, in the order of showing, are kept up to date.

    A mistake at row t adds h times the kernel with it, row t of the Gram matrix G (N, N), to the scores of the rows
    still to come; what is right costs nothing.
    """
    N = len(codes)
    made = 0
    for t in range(N):
        y = codes[t]
        r = strongest_rival(S[t], y)
        if S[t, y] <= S[t, r]:
            for n in range(t + 1, N):
                S[n, y] += step[t] * G[t, n]
                S[n, r] -= step[t] * G[t, n]
            when[made], said[made] = t, r
            made += 1
    return made


@compiled
def count_votes(K, row, label, said, step, survived, votes):
    """Let each vector of the perceptron's history vote for its strongest class, as often as it survived.

    Parameters
    ----------
    K : array of shape (N, M')
        Kernel between the queries and the rows of the mistakes.
    row, label, said : int arrays of shape (M,)
        Mistakes in their order: the column of K, the right class and the wrong one.
    step, survived : arrays of shape (M,)
        Size of the correction, and how many showings the corrected vector lived through.
    votes : array of shape (N, C), added to in place
    """
    N, C = votes.shape
    s = np.empty(C)
    for n in range(N):
        s[:] = 0.0
        for m in range(row.size):
            k = step[m] * K[n, row[m]]
            s[label[m]] += k
            s[said[m]] -= k
            best = 0
            for c in range(1, C):
                if s[c] > s[best]:
                    best = c
            votes[n, best] += survived[m]
