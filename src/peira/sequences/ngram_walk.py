r"""Walks through a trie of n-grams: scoring, the distribution of the next word, drawing.

A state is a node of at most N - 1 words. To read a word, look for it among the state's children; while it is not there,
pay the state's weight of backing off and go on from its suffix:

.. math:: \log p(w \mid h) = \log \gamma_h + \log \gamma_{h'} + \ldots + \log p_{h^{(k)} w}

Cost: a few look-ups by bisection a step: one more than the words of the longest n-gram that is known, when many steps
are scored; amortised as many when one is drawn after the other, as the state can shorten only as often as it has grown.

``logs`` (M, 2) holds log p and log gamma of each node, side by side as they are needed; see `NGramTrie` for the others.
"""

import numpy as np

from ..numerics.compile import compiled
from .ngram_trie import by_key

BLOCK = 2**17  # steps that are looked up side by side
CROWD = 16  # children for each word that is asked for, beyond which they are searched rather than all read


@compiled
def child(words, first, node, w):
    """The child of a node by a word, or -1."""
    if node == 0:
        return np.int64(1 + w)
    low = np.int64(first[node])
    left = np.int64(first[node + 1]) - low
    if left == 0:
        return np.int64(-1)
    while left > 1:  # without branches that depend on what is compared
        half = left >> 1
        low += half * np.int64(words[low + half - 1] < w)
        left -= half
    return low if words[low] == w else np.int64(-1)


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
def states(words, first, suffixes, logs, top, N, steps, lengths, opening):
    """The state after each sequence, of shape (N,): it rests on the last N - 1 steps, or on how the sequence opened."""
    found, end = np.empty(len(lengths), dtype=np.int64), 0
    for i in range(len(lengths)):
        end += lengths[i]
        last = min(N - 1, lengths[i])
        node = np.int64(opening if last == lengths[i] else 0)
        for t in range(end - last, end):
            node = read(words, first, suffixes, logs, top, node, steps[t])[1]
        found[i] = node
    return found


@compiled
def score(words, first, logs, N, V, steps, lengths, opening):
    """The logarithm of the probability of each step, of shape (S,).

    ``opening`` is the root or the node of a word. Each block is read with the N - 1 steps before it, on which it rests.
    """
    S = len(steps)
    told, begins, t = np.empty(S), np.zeros(S + 1, dtype=np.bool_), 0
    for length in lengths:
        begins[t] = True
        t += length
    for low in range(0, S, BLOCK):
        start, high = max(0, low - N + 1), min(S, low + BLOCK)
        here = steps[start:high].astype(np.int32)
        told[low:high] = _score_block(words, first, logs, N, V, here, begins[start:high], opening)[low - start :]
    return told


@compiled
def _score_block(words, first, logs, N, V, steps, begins, opening):
    """The same of one block, without what lies before it.

    Contexts of one word are looked up for all steps, then those of two, and so on: in the order of their nodes, so that
    memory is read from front to back, and a context is looked up once for all words that are asked of it.
    """
    B, told = len(steps), logs[1 + steps, 0]
    if N == 1:
        return told
    node, asked, left = np.zeros(B, dtype=np.int32), np.empty(B, dtype=np.int32), 0
    for t in range(B):
        if begins[t] or t > 0:
            node[t] = opening if begins[t] else 1 + steps[t - 1]
        if node[t] > 0:
            asked[left] = t
            left += 1
    asked = by_key(by_key(asked[:left], steps, V), node, V + 2)
    context, place = node[asked], np.zeros(V, dtype=np.int32)
    word, found = np.empty(left, dtype=np.int32), np.empty(left, dtype=np.int32)
    for _ in range(2, N + 1):  # short loops, so that the next look-up begins while memory still answers the last one
        for i in range(left):
            word[i] = steps[asked[i]]
        _find(words, first, context, word, found, place, left)
        for i in range(left):
            t, there = asked[i], found[i] >= 0
            own, shorter = logs[max(found[i], 0), 0], told[t] + logs[context[i], 1]
            told[t] = own if there else shorter
        kept = 0
        for i in range(left):
            after = asked[i] + 1
            context[kept], asked[kept] = found[i], after
            kept += found[i] >= 0 and after < B and not begins[after]
        left = kept
    return told


@compiled
def _find(words, first, context, word, found, place, left):
    """The children of nodes by words, or -1; equal nodes stand side by side.

    Where a node has not many more children than are asked for, each is written to the place of its word, and answers
    are read off; what others have left there does not lie among its children, nor does the root.
    """
    i = 0
    while i < left:
        node, j = context[i], i + 1
        while j < left and context[j] == node:
            j += 1
        low, high = first[node], first[node + 1]
        if high - low > CROWD * (j - i):
            for q in range(i, j):
                found[q] = child(words, first, node, word[q])
        else:
            for k in range(low, high):
                place[words[k]] = k
            for q in range(i, j):
                k = place[word[q]]
                found[q] = k if (low <= k) & (k < high) else -1
        i = j


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
