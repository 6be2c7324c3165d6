r"""The recursions of hidden Markov models: what is known of the states after each step, and after all of them.

With initial probabilities pi, transitions A and the densities b of the steps under each of K states,

.. math:: \alpha_1(j) = \pi_j \, b_j(x_1), \quad \alpha_t(j) = b_j(x_t) \sum_i \alpha_{t-1}(i) \, A_{ij}
.. math:: \beta_T(i) = 1, \quad \beta_t(i) = \sum_j A_{ij} \, b_j(x_{t+1}) \, \beta_{t+1}(j)

and the likelihood is :math:`\sum_j \alpha_T(j)`. Both vanish exponentially with T. So the densities of a step are
divided by the largest of them, and each :math:`\alpha_t` by its sum c; the logarithms of what was divided out add up
to the log likelihood, of a million steps as of ten. Then :math:`\alpha_t \beta_t` are the posteriors of the states, and
the expected numbers of transitions are

.. math:: \xi_{ij} = A_{ij} \sum_t \alpha_t(i) \, b_j(x_{t+1}) \, \beta_{t+1}(j) / c_{t+1}

gathered on the way back, so that nothing of size T K K is ever held. Where scaled numbers leave the range of floating
point although the sequence is possible (an outlier under a chain with forbidden transitions), the same is done with
logarithms, for that sequence only.

Cost: T K^2 additions and multiplications a pass; memory 2 T K numbers.

Reference: Rabiner (1989), Proceedings of the IEEE 77, 257-286, eqs 19 to 25, 27, 37 and section V.A (scaling).
"""

import math

import numpy as np

from ..numerics.compile import compiled

TINY = 1e-200  # a scale below this may have lost what matters
SMALLEST = 1e-30  # a transition above this makes up for whatever was lost in a step
DEEP = 700.0  # nats below the largest at which a density becomes 0 by scaling


@compiled
def scale_densities(log_b: np.ndarray, tops: np.ndarray) -> bool:
    """Take the largest log density (S, K) of each step off, in place, and note it; whether any falls to 0 by that."""
    S, K = log_b.shape
    deepest = 0.0
    for s in range(S):
        top = log_b[s, 0]
        for k in range(1, K):
            top = log_b[s, k] if log_b[s, k] > top else top
        top = top if top > -np.inf else 0.0
        tops[s] = top
        for k in range(K):
            v = log_b[s, k] - top
            log_b[s, k] = v
            v = v if v > -np.inf else 0.0
            deepest = v if v < deepest else deepest
    return deepest < -DEEP


@compiled(fast=True, inline=True)
def add_product(x: np.ndarray, A: np.ndarray, out: np.ndarray) -> None:
    """out = x A, four rows at a time: additions that wait for each other are what these passes spend their time on."""
    K = len(x)
    for j in range(K):
        out[j] = 0.0
    whole = K - K % 4
    for i in range(0, whole, 4):
        p, q, r, s = x[i], x[i + 1], x[i + 2], x[i + 3]
        for j in range(K):
            out[j] += (p * A[i, j] + q * A[i + 1, j]) + (r * A[i + 2, j] + s * A[i + 3, j])
    for i in range(whole, K):
        p = x[i]
        for j in range(K):
            out[j] += p * A[i, j]


@compiled(fast=True)
def forward(
    b: np.ndarray, pi: np.ndarray, A: np.ndarray, lengths: np.ndarray, alpha: np.ndarray, inverse: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The scaled forward pass over N sequences that stand one after the other.

    Parameters
    ----------
    b : array of shape (S, K)
        Densities, each step divided by its largest.
    pi : array of shape (K,)
    A : array of shape (K, K)
    lengths : int array of shape (N,)
    alpha : array of shape (S, K)
        Is filled; each row adds up to one.
    inverse : array of shape (S,)
        Is filled with 1 / c.

    Returns
    -------
    log_likelihood : array of shape (N,)
        Without what the densities were divided by; -inf where a scale is 0.
    least : array of shape (N,)
        The smallest scale of each sequence.
    """
    K, N = len(pi), len(lengths)
    total, least, before, now = np.empty(N), np.empty(N), np.empty(K), np.empty(K)
    s = 0
    for n in range(N):
        product, logs, low, r = 1.0, 0.0, 1.0, 1.0
        for t in range(lengths[n]):
            if t == 0:
                for j in range(K):
                    now[j] = pi[j]
            else:
                add_product(before, A, now)
            c = 0.0
            for j in range(K):  # the sum of the step before is divided out only here, while the product was under way
                v = now[j] * (b[s, j] * r)
                before[j] = v
                c += v
            low = min(low, c)
            r = 1.0 / c if c > 0.0 else 0.0
            for j in range(K):
                alpha[s, j] = before[j] * r
            inverse[s] = r
            if c < TINY:  # a logarithm only where the product of scales would underflow
                logs += math.log(c) if c > 0.0 else -np.inf
            else:
                product *= c
                if product < 1e-100:
                    logs += math.log(product)
                    product = 1.0
            s += 1
        total[n], least[n] = logs + math.log(product), low
    return total, least


@compiled(fast=True)
def backward(
    b: np.ndarray,
    A: np.ndarray,
    lengths: np.ndarray,
    weights: np.ndarray,
    alpha: np.ndarray,
    inverse: np.ndarray,
    first: np.ndarray,
    between: np.ndarray,
) -> None:
    """The scaled backward pass: posteriors in the place of alpha, and expected counts.

    Parameters
    ----------
    b, A, lengths, alpha, inverse
        As in `forward`, after it.
    weights : array of shape (N,)
        Of the sequences; their posteriors are multiplied by them.
    first : array of shape (K,)
        The expected first states are added.
    between : array of shape (K, K)
        The expected transitions are added.
    """
    K, N = len(A), len(lengths)
    AT = np.ascontiguousarray(A.T)
    u, beta, M = np.empty(K), np.empty(K), np.zeros((K, K))
    end = 0
    for n in range(N):
        end += lengths[n]
        for j in range(K):
            beta[j] = weights[n]
        for t in range(lengths[n] - 1):
            s = end - 1 - t
            r = inverse[s]
            for j in range(K):
                u[j] = b[s, j] * beta[j] * r
            for j in range(K):
                alpha[s, j] *= beta[j]
            add_product(u, AT, beta)
            for i in range(K):
                before = alpha[s - 1, i]
                for j in range(K):
                    M[i, j] += before * u[j]
        s = end - lengths[n]
        if lengths[n] > 0:
            for j in range(K):
                alpha[s, j] *= beta[j]
                first[j] += alpha[s, j]
    for i in range(K):
        for j in range(K):
            between[i, j] += M[i, j] * A[i, j]


@compiled
def log_total(x: np.ndarray) -> float:
    """log of the sum of exponentials, -inf for nothing."""
    top = x.max()
    if top == -np.inf:
        return top
    s = 0.0
    for v in x:
        s += math.exp(v - top)
    return top + math.log(s)


@compiled
def forward_backward_logs(
    log_b: np.ndarray,
    log_pi: np.ndarray,
    log_A: np.ndarray,
    weight: float,
    posterior: np.ndarray,
    first: np.ndarray,
    between: np.ndarray,
) -> float:
    """Both passes for one sequence, with logarithms throughout: slower, and nothing is lost.

    The log densities are of shape (T, K). Fills ``posterior`` (T, K), adds to ``first`` and ``between``, and returns
    the log likelihood. Of an impossible sequence nothing is counted.
    """
    T, K = log_b.shape
    alpha, beta, terms = np.empty((T, K)), np.zeros((T, K)), np.empty(K)
    for j in range(K):
        alpha[0, j] = log_pi[j] + log_b[0, j]
    for t in range(1, T):
        for j in range(K):
            for i in range(K):
                terms[i] = alpha[t - 1, i] + log_A[i, j]
            alpha[t, j] = log_total(terms) + log_b[t, j]
    total = log_total(alpha[T - 1])
    if total == -np.inf:
        posterior[:] = 0.0
        return total
    for back in range(T - 1):
        t = T - 2 - back
        for i in range(K):
            for j in range(K):
                terms[j] = log_A[i, j] + log_b[t + 1, j] + beta[t + 1, j]
                between[i, j] += weight * math.exp(alpha[t, i] + terms[j] - total)
            beta[t, i] = log_total(terms)
    for t in range(T):
        for j in range(K):
            posterior[t, j] = weight * math.exp(alpha[t, j] + beta[t, j] - total)
    for j in range(K):
        first[j] += posterior[0, j]
    return total
