r"""The most probable path of hidden states, by dynamic programming.

.. math:: \delta_1(j) = \log \pi_j + \log b_j(x_1)
.. math:: \delta_t(j) = \max_i (\delta_{t-1}(i) + \log A_{ij}) + \log b_j(x_t)

and the path is read off backwards: the last state has the largest :math:`\delta_T`, and the one before state j is
where the maximum was taken. Only that one maximum a step is searched again, so that no pointers need be kept. Of
equally probable paths the one with the lower states, read from the end, is taken.

Drawing a path from its posterior, rather than the best one, is the same walk backwards with chance in place of the
maximum (forward filtering, backward sampling).

Cost: T K^2 comparisons; memory T K numbers.

Reference: Viterbi (1967), IEEE Transactions on Information Theory 13, 260-269; Rabiner (1989), eqs 32 to 35;
Chib (1996), Journal of Econometrics 75, 79-97 (drawing paths).
"""

import numpy as np

from ..numerics.compile import compiled


@compiled
def best_paths(
    log_b: np.ndarray, log_pi: np.ndarray, log_A: np.ndarray, lengths: np.ndarray, paths: np.ndarray
) -> np.ndarray:
    """The most probable paths of N sequences that stand one after the other.

    Parameters
    ----------
    log_b : array of shape (S, K)
        Log densities; in their place stands delta afterwards.
    log_pi, log_A : arrays of shape (K,) and (K, K)
    lengths : int array of shape (N,)
    paths : int array of shape (S,)
        Is filled.

    Returns
    -------
    array of shape (N,)
        The joint log probability of path and sequence.
    """
    K, N = len(log_pi), len(lengths)
    values, best = np.empty(N), np.empty(K)
    start = 0
    for n in range(N):
        T = lengths[n]
        if T == 0:
            values[n] = 0.0
            continue
        for j in range(K):
            log_b[start, j] += log_pi[j]
        for s in range(start + 1, start + T):
            for j in range(K):
                best[j] = -np.inf
            for i in range(K):
                before = log_b[s - 1, i]
                for j in range(K):
                    v = before + log_A[i, j]
                    best[j] = v if v > best[j] else best[j]
            for j in range(K):
                log_b[s, j] += best[j]
        state = 0
        for j in range(1, K):
            if log_b[start + T - 1, j] > log_b[start + T - 1, state]:
                state = j
        values[n] = log_b[start + T - 1, state]
        paths[start + T - 1] = state
        for back in range(T - 1):
            s = start + T - 2 - back
            chosen, top = 0, log_b[s, 0] + log_A[0, state]
            for i in range(1, K):
                v = log_b[s, i] + log_A[i, state]
                if v > top:
                    chosen, top = i, v
            state = chosen
            paths[s] = state
        start += T
    return values


@compiled
def draw_paths(alpha: np.ndarray, A: np.ndarray, lengths: np.ndarray, u: np.ndarray, paths: np.ndarray) -> None:
    """Paths drawn from their posterior.

    Parameters
    ----------
    alpha : array of shape (S, K)
        Of `peira.sequences.forward_backward.forward`: what is known of each state from the steps up to it.
    A : array of shape (K, K)
    lengths : int array of shape (N,)
    u : array of shape (S,)
        Numbers drawn evenly from [0, 1).
    paths : int array of shape (S,)
        Is filled.
    """
    K = len(A)
    p = np.empty(K)
    end = 0
    for n in range(len(lengths)):
        end += lengths[n]
        for back in range(lengths[n]):
            s = end - 1 - back
            total = 0.0
            for i in range(K):
                p[i] = alpha[s, i] if back == 0 else alpha[s, i] * A[i, paths[s + 1]]
                total += p[i]
            rest, state = u[s] * total, 0
            for i in range(K):
                if p[i] > 0.0:
                    state = i
                    if rest < p[i]:
                        break
                    rest -= p[i]
            paths[s] = state
