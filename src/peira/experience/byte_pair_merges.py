r"""Byte-pair merges: learned, and applied, in loops over integers.

The distinct words stand one after the other, each letter linked with the one before and the one behind it. For every
pair of neighbours there is its count (times the count of its word), and a chain of the places where it was ever seen.
Merging a pair walks its own chain only, and mends the counts of the neighbours:

.. math:: n(l, a) \to n(l, a) - w, \quad n(l, ab) \to n(l, ab) + w
.. math:: n(b, r) \to n(b, r) - w, \quad n(ab, r) \to n(ab, r) + w

Each merge takes a letter away, so all chains together never have more than three links a letter.
"""

import numpy as np

from peira.numerics.compile import compiled

_EMPTY = np.int64(-1)


@compiled(inline=True)
def _slot(keys, key):
    """Where a key stands in a table of open addresses, or the free place where it belongs."""
    mask = np.uint64(len(keys) - 1)
    # Fibonacci hashing; the high half, which all bits of the key have reached.
    at = ((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & mask
    while keys[np.int64(at)] != -1 and keys[np.int64(at)] != key:
        at = (at + np.uint64(1)) & mask
    return np.int64(at)


@compiled
def _there(symbols, behind, at, a, b):
    """Whether the pair (a, b) still begins at a place."""
    return symbols[at] == a and behind[at] >= 0 and symbols[behind[at]] == b


@compiled
def _note(keys, ids, pairs, counts, heads, firsts, chain, place, sizes, a, b, at, weight):
    """Count a pair at a place, and put the place into its chain; ``sizes`` are the numbers of pairs and of links."""
    key = (np.int64(a) << 32) | np.int64(b)
    slot = _slot(keys, key)
    if keys[slot] == -1:
        keys[slot] = key
        ids[slot] = sizes[0]
        pairs[sizes[0]] = key
        heads[sizes[0]] = -1
        firsts[sizes[0]] = at
        sizes[0] += 1
    pair = ids[slot]
    counts[pair] += weight
    firsts[pair] = min(firsts[pair], at)
    chain[sizes[1]] = heads[pair]
    place[sizes[1]] = at
    heads[pair] = sizes[1]
    sizes[1] += 1


@compiled
def count_pairs(symbols, lengths, weights):
    """Where merging begins: the letters linked, and all pairs of neighbours counted.

    Parameters
    ----------
    symbols : int32 array of shape (M,)
        Letters of the distinct words, one after the other; merging overwrites them.
    lengths, weights : int64 arrays of shape (W,)
        Letters of each word, and how often it occurs.

    Returns
    -------
    tuple
        What `merge_pairs` works on.
    """
    M, W = len(symbols), len(lengths)
    behind, before = np.empty(M, np.int64), np.empty(M, np.int64)
    weight = np.empty(M, np.int64)
    at = 0
    for word in range(W):
        for i in range(lengths[word]):
            before[at] = at - 1 if i > 0 else -1
            behind[at] = at + 1 if i + 1 < lengths[word] else -1
            weight[at] = weights[word]
            at += 1
    room = 3 * M + 1
    size = 1
    while size < 2 * room:
        size *= 2
    keys, ids = np.full(size, _EMPTY), np.empty(size, np.int64)
    pairs, counts, heads = np.empty(room, np.int64), np.zeros(room, np.int64), np.empty(room, np.int64)
    firsts = np.empty(room, np.int64)  # where a pair begins first, or a place before
    chain, place = np.empty(room, np.int64), np.empty(room, np.int64)
    sizes = np.zeros(2, np.int64)
    for at in range(M):
        if behind[at] >= 0:
            _note(
                keys, ids, pairs, counts, heads, firsts, chain, place, sizes,
                symbols[at], symbols[behind[at]], at, weight[at],
            )  # fmt: skip
    return symbols, behind, before, weight, keys, ids, pairs, counts, heads, firsts, chain, place, sizes


@compiled
def merge_pairs(state, n_symbols, n_merges, min_count):
    """Merge the most frequent pair, again and again (Sennrich, Haddow & Birch 2016, Algorithm 1).

    Parameters
    ----------
    state : tuple
        Of `count_pairs`; changed, so that the next call goes on.
    n_symbols : int
        Symbols there are so far; merges are numbered from here.
    n_merges : int
        Merges to make, at most.
    min_count : int
        Pairs that occur less often are not merged.

    Returns
    -------
    int64 array of shape (R, 2)
        Of equally frequent pairs, the one that occurs first in the words as they stand is merged first.
    int64 array of shape (R,)
        How often each pair occurred when it was merged; never more than the one before.
    """
    symbols, behind, before, weight, keys, ids, pairs, counts, heads, firsts, chain, place, sizes = state
    M = len(symbols)
    merges, found = np.empty((n_merges, 2), np.int64), np.empty(n_merges, np.int64)
    for merge in range(n_merges):
        best = np.int64(0)
        for pair in range(sizes[0]):
            best = max(best, counts[pair])
        if best < min_count or best < 1:
            return merges[:merge], found[:merge]
        chosen, earliest = -1, M
        for pair in range(sizes[0]):
            if counts[pair] == best and firsts[pair] < earliest:
                a, b = pairs[pair] >> 32, pairs[pair] & 0xFFFFFFFF
                if not _there(symbols, behind, firsts[pair], a, b):
                    first, link = M, heads[pair]
                    while link >= 0:
                        if place[link] < first and _there(symbols, behind, place[link], a, b):
                            first = place[link]
                        link = chain[link]
                    firsts[pair] = first
                if firsts[pair] < earliest:
                    chosen, earliest = pair, firsts[pair]
        a, b = pairs[chosen] >> 32, pairs[chosen] & 0xFFFFFFFF
        new = n_symbols + merge
        merges[merge, 0], merges[merge, 1], found[merge] = a, b, best
        K, link = 0, heads[chosen]
        while link >= 0:
            K += 1
            link = chain[link]
        places, link = np.empty(K, np.int64), heads[chosen]
        for i in range(K):
            places[i] = place[link]
            link = chain[link]
        heads[chosen] = -1
        places.sort()
        for at in places:
            if not _there(symbols, behind, at, a, b):
                continue
            second, w = behind[at], weight[at]
            left, right = before[at], behind[second]
            counts[chosen] -= w
            if left >= 0:
                counts[ids[_slot(keys, (np.int64(symbols[left]) << 32) | a)]] -= w
            if right >= 0:
                counts[ids[_slot(keys, (b << 32) | np.int64(symbols[right]))]] -= w
            symbols[at], symbols[second] = new, -1
            behind[at] = right
            if left >= 0:
                _note(
                    keys, ids, pairs, counts, heads, firsts, chain, place, sizes, symbols[left], new, left, w
                )  # fmt: skip
            if right >= 0:
                before[right] = at
                _note(
                    keys, ids, pairs, counts, heads, firsts, chain, place, sizes, new, symbols[right], at, w
                )  # fmt: skip
    return merges, found


@compiled
def apply_merges(symbols, lengths, merges, n_symbols):
    """Words as the symbols that merges make of their letters, the earliest learned merge first.

    Parameters
    ----------
    symbols : int64 array of shape (M,)
        Letters of the words, one after the other; overwritten.
    lengths : int64 array of shape (W,)
        Overwritten by how many symbols each word has become.
    merges : int64 array of shape (R, 2)
    n_symbols : int
        The number of the first merge.

    Returns
    -------
    int64 array
        The symbols of the words, one after the other.
    """
    size = 2
    while size < 2 * len(merges) + 2:
        size *= 2
    keys, ranks = np.full(size, _EMPTY), np.empty(size, np.int64)
    for rank in range(len(merges)):
        slot = _slot(keys, (merges[rank, 0] << 32) | merges[rank, 1])
        if keys[slot] == -1:
            keys[slot] = (merges[rank, 0] << 32) | merges[rank, 1]
            ranks[slot] = rank
    start, written = 0, 0
    for word in range(len(lengths)):
        L = lengths[word]
        part = symbols[start : start + L]
        start += L
        while L > 1:
            best = len(merges)
            for i in range(L - 1):
                slot = _slot(keys, (part[i] << 32) | part[i + 1])
                if keys[slot] != -1 and ranks[slot] < best:
                    best = ranks[slot]
            if best == len(merges):
                break
            a, b = merges[best, 0], merges[best, 1]
            i, kept = 0, 0
            while i < L:
                if i + 1 < L and part[i] == a and part[i + 1] == b:
                    part[kept] = n_symbols + best
                    i += 2
                else:
                    part[kept] = part[i]
                    i += 1
                kept += 1
            L = kept
        for i in range(L):  # the words before never take more room than they had
            symbols[written + i] = part[i]
        written += L
        lengths[word] = L
    return symbols[:written].copy()
