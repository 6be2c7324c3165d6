r"""Walks through a trie of n-grams: scoring, the distribution of the next word, drawing.

A state is a node of at most N - 1 words. To read a word, look for it among the state's children; while it is not there,
pay the state's weight of backing off and go on from its suffix:

.. math:: \log p(w \mid h) = \log \gamma_h + \log \gamma_{h'} + \ldots + \log p_{h^{(k)} w}

Cost: amortised a few look-ups by bisection a step, as the state can shorten only as often as it has grown.

``logs`` (M, 2) holds log p and log gamma of each node, side by side as they are needed; see `NGramTrie` for the others.
"""

import numpy as np

from ..numerics.compile import compiled


@compiled
def child(words, first, node, w):
    """The child of a node by a word, or -1."""
    if node == 0:
        return np.int64(1 + w)
    low, end = np.int64(first[node]), np.int64(first[node + 1])
    left = end - low
    while left > 0:  # without branches that depend on what is compared
        half = left >> 1
        beyond = words[low + half] < w
        low = low + half + 1 if beyond else low
        left = left - half - 1 if beyond else half
    return low if low < end and words[low] == w else -1


@compiled
def read(words, first, suffixes, logs, top, node, w):
    """The logarithm of the probability of a word in a state, and the state after it."""
    total, found = 0.0, child(words, first, node, w)
    while found < 0:
        total += logs[node, 1]
        node = np.int64(suffixes[node])
        found = child(words, first, node, w)
    return total + logs[found, 0], (np.int64(suffixes[found]) if found >= top else found)


@compiled
def score(words, first, suffixes, logs, top, steps, lengths, opening):
    """The logarithm of the probability of each step, of shape (S,), and the state after each sequence, (N,)."""
    seen, states = np.empty(len(steps)), np.empty(len(lengths), dtype=np.int64)
    t = 0
    for i in range(len(lengths)):
        node = np.int64(opening)
        for _ in range(lengths[i]):
            seen[t], node = read(words, first, suffixes, logs, top, node, steps[t])
            t += 1
        states[i] = node
    return seen, states


@compiled
def distribution(words, first, suffixes, logs, node, p):
    """Write the probabilities of every word in a state into p (V,): the shortest context first, the others over it."""
    V, depth, i = len(p), 0, node
    while i != 0:
        i, depth = suffixes[i], depth + 1
    for w in range(V):
        p[w] = np.exp(logs[1 + w, 0])
    for above in range(depth - 1, -1, -1):
        i = node
        for _ in range(above):
            i = suffixes[i]
        gamma = np.exp(logs[i, 1])
        for w in range(V):
            p[w] *= gamma
        for c in range(first[i], first[i + 1]):
            if words[c] < V:
                p[words[c]] = np.exp(logs[c, 0])


@compiled
def distributions(words, first, suffixes, logs, states, V):
    """The probabilities of every word in some states, of shape (N, V)."""
    P = np.empty((len(states), V))
    for i in range(len(states)):
        distribution(words, first, suffixes, logs, states[i], P[i])
    return P


@compiled
def draw(words, first, suffixes, logs, top, V, states, uniforms, end, barred, coldness, top_k):
    """Draw sequences of at most T words that go on from some states, of shape (N, T); -1 after the word ``end``.

    ``uniforms`` (N, T) are the chance. The word ``barred`` (-1: none) is not drawn. p is raised to the power
    ``coldness``; only the ``top_k`` most probable words (0: all) are drawn from.
    """
    N, T = uniforms.shape
    drawn, p = np.full((N, T), -1, dtype=np.int64), np.empty(V)
    for n in range(N):
        node = np.int64(states[n])
        for t in range(T):
            distribution(words, first, suffixes, logs, node, p)
            if barred >= 0:
                p[barred] = 0.0
            if coldness != 1.0:
                largest = p.max()
                for w in range(V):
                    p[w] = (p[w] / largest) ** coldness
            if 0 < top_k < V:
                order = np.argsort(-p, kind="mergesort")
                for k in range(top_k, V):
                    p[order[k]] = 0.0
            left, w = uniforms[n, t] * p.sum(), -1
            for v in range(V):  # the word at which the sum passes the share drawn; never one of probability 0
                if p[v] > 0:
                    w = v
                    left -= p[v]
                    if left < 0:
                        break
            drawn[n, t] = w
            if w == end:
                break
            node = read(words, first, suffixes, logs, top, node, w)[1]
    return drawn


@compiled
def score_with_gaps(words, first, suffixes, logs, top, V, steps, lengths, opening):
    """The logarithm of the probability of each sequence, (N,), summed over what may stand where a step is -1.

    The states that are possible are carried along with their probabilities; after N - 1 steps that were seen there is
    one again. Cost: a gap costs V look-ups for each possible state.
    """
    totals, M = np.zeros(len(lengths)), len(words)
    p, q = np.zeros(M), np.zeros(M)
    here, there = np.empty(M, dtype=np.int64), np.empty(M, dtype=np.int64)
    end = 0
    for i in range(len(lengths)):
        end += lengths[i]
        here[0], p[opening], possible = opening, 1.0, 1
        for t in range(end - lengths[i], end):
            low, high = (0, V) if steps[t] < 0 else (steps[t], steps[t] + 1)
            total, reached = 0.0, 0
            for a in range(possible):
                for w in range(low, high):
                    log, state = read(words, first, suffixes, logs, top, here[a], w)
                    share = p[here[a]] * np.exp(log)
                    if share > 0:
                        if q[state] == 0:
                            there[reached], reached = state, reached + 1
                        q[state] += share
                        total += share
                p[here[a]] = 0.0
            totals[i] += np.log(total) if total > 0 else -np.inf
            for b in range(reached):
                q[there[b]] /= total
            p, q, here, there, possible = q, p, there, here, reached
        for a in range(possible):
            p[here[a]] = 0.0
    return totals
