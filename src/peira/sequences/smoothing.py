r"""Smoothing of n-gram counts: what is left for words that were not seen to follow, and how it is shared out.

c(hw) is how often the word w followed the context h, V the number of words, h' the context without its first word,
N(h .) the number of distinct words that followed. Each gives the probability of what was seen, and the weight
of the shorter context for what was not.

**Additive** (Laplace, Lidstone), which knows no shorter contexts:

.. math:: p(w \mid h) = (c(hw) + \alpha) / (c(h) + \alpha V)

**Interpolated** (Witten & Bell): the more different words followed, the more the shorter context weighs,

.. math:: p(w \mid h) = [c(hw) + N(h .) \, p(w \mid h')] / [c(h) + N(h .)]

**Modified Kneser-Ney** (Chen & Goodman): one discount for what was seen once, twice, or more often,

.. math:: p(w \mid h) = [a(hw) - D(a(hw))] / \sum_v a(hv) + \gamma(h) \, p(w \mid h')

.. math:: D_1 = 1 - 2 Y n_2 / n_1, \quad D_2 = 2 - 3 Y n_3 / n_2, \quad D_{3+} = 3 - 4 Y n_4 / n_3

with Y = n1 / (n1 + 2 n2), n_r the number of n-grams of that length seen r times. In the longest n-grams a is the
count; in shorter ones it is the number of distinct words before them, so that a word is expected in new company if it
has been in many; n-grams that open a sequence have no word before them, and keep their counts.

Kneser-Ney as it was before the modification takes one discount off all counts.

The last shorter context is the uniform distribution over V words, or, where one of them stands for all that were never
seen, that one: what the discounts leave is then its own.

Reference: Chen & Goodman (1998), An empirical study of smoothing techniques for language modeling, TR-10-98, sections
2 and 3; Kneser & Ney (1995), Improved backing-off for m-gram language modeling; Witten & Bell (1991), The
zero-frequency problem.
"""

import numpy as np

from ..numerics.compile import compiled
from .ngram_trie import NGramTrie

Smoothed = tuple[np.ndarray, np.ndarray]  # probabilities and weights of backing off, each of shape (M,)
CONVENTIONAL = np.array([0.5, 1.0, 1.5])  # where counts of counts tell no discounts


def additive(trie: NGramTrie, counts: np.ndarray, alpha: float) -> Smoothed:
    """Add ``alpha`` to each count of the longest contexts; a context that was never left is uniform."""
    parents, whole, V = trie.parents(), _whole_contexts(trie), trie.V
    seen = _follow(trie, counts)
    total = _over_children(trie.first, seen) + alpha * V
    left = whole & (total > 0)
    divisor = np.where(left, total, 1.0)
    p = np.where(left[parents], (seen + alpha) / divisor[parents], 1.0 / V)
    p[[0, V + 1]] = 1.0, 0.0
    return p, np.where(left, alpha * V / divisor, 1.0)


def interpolated(trie: NGramTrie, counts: np.ndarray, heir: int = -1) -> Smoothed:
    """Witten & Bell's shares of the shorter context; the last goes to the word ``heir``, or to all for -1."""
    seen = _follow(trie, counts)
    total, distinct = _over_children(trie.first, seen), _over_children(trie.first, seen > 0)
    gamma = np.where(total > 0, distinct / np.maximum(total + distinct, 1e-300), 1.0)
    return _interpolate(trie, seen, total + distinct, gamma, heir)


def kneser_ney(
    trie: NGramTrie, counts: np.ndarray, discount: float | None = None, heir: int = -1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Modified Kneser-Ney, or with one ``discount``; also the discounts (N, 3), and which were estimated (N,).

    What they leave at the bottom goes to the word ``heir``, or to all for -1.
    """
    adjusted, N = _follow(trie, _adjusted(trie, counts)), trie.order
    D, known = np.zeros((N, 3)), np.zeros(N, dtype=bool)
    off = np.zeros(len(counts))
    for n in range(1, N + 1):
        a = adjusted[trie.level(n)]
        D[n - 1], known[n - 1] = discounts(a) if discount is None else (np.full(3, discount), False)
        off[trie.level(n)] = np.concatenate([[0.0], D[n - 1]])[np.minimum(a, 3).astype(np.int64)]
    total, taken = _over_children(trie.first, adjusted), _over_children(trie.first, off)
    gamma = np.where(total > 0, taken / np.where(total > 0, total, 1.0), 1.0)
    return *_interpolate(trie, adjusted - off, total, gamma, heir), D, known


def discounts(a: np.ndarray) -> tuple[np.ndarray, bool]:
    """Chen & Goodman's three discounts from the counts of one length, and whether the counts tell them.

    Where they do not (too few n-grams were seen once, twice, three or four times, or a discount is outside of 0 and the
    count that it is taken from), the discounts are 0.5, 1 and 1.5.

    Examples
    --------
    >>> D, known = discounts(np.array([1.0] * 40 + [2] * 15 + [3] * 8 + [4] * 5))
    >>> D.round(3).tolist(), known
    ([0.571, 1.086, 1.571], True)
    """
    n1, n2, n3, n4 = (float((a == r).sum()) for r in (1, 2, 3, 4))
    if min(n1, n2, n3) > 0:
        Y = n1 / (n1 + 2 * n2)
        D = np.array([1 - 2 * Y * n2 / n1, 2 - 3 * Y * n3 / n2, 3 - 4 * Y * n4 / n3])
        if (D >= 0).all() and (D <= [1, 2, 3]).all():
            return D, True
    return CONVENTIONAL, False


def _whole_contexts(trie: NGramTrie) -> np.ndarray:
    """The contexts that cannot be longer: of N - 1 words, or from the beginning of a sequence on."""
    whole = trie.opens()
    whole[trie.level(trie.order - 1) if trie.order > 1 else slice(0, 1)] = True
    whole[trie.level(trie.order)] = False
    return whole


def _follow(trie: NGramTrie, counts: np.ndarray) -> np.ndarray:
    """Counts of what follows something: the opening follows nothing, nor does the root."""
    counts = counts.copy()
    counts[[0, trie.V + 1]] = 0.0
    return counts


def _adjusted(trie: NGramTrie, counts: np.ndarray) -> np.ndarray:
    """Distinct words before each n-gram; counts for the longest, and for those that open a sequence."""
    before = np.bincount(trie.suffixes[trie.levels[2] :], minlength=len(counts)).astype(np.float64)
    kept = trie.opens()
    kept[trie.level(trie.order)] = True
    return np.where(kept, counts, before)


def _interpolate(trie: NGramTrie, own: np.ndarray, total: np.ndarray, gamma: np.ndarray, heir: int) -> Smoothed:
    """Level after level: the own share of each n-gram and that of its suffix."""
    p, V = np.zeros(len(own)), trie.V  # the opening follows nothing, and stays at 0
    p[0] = 1.0
    if total[0] > 0:
        p[1 : V + 1] = own[1 : V + 1] / total[0]
    p[slice(1, V + 1) if heir < 0 else heir + 1] += gamma[0] / (V if heir < 0 else 1)
    _descend(trie.first, trie.suffixes, own, total, gamma, p)
    return p, gamma


@compiled
def _descend(first, suffixes, own, total, gamma, p):
    """Go on from the probabilities of single words to those of longer n-grams."""
    for h in range(1, len(p)):
        for hw in range(first[h], first[h + 1]):
            p[hw] = (own[hw] / total[h] if total[h] > 0 else 0.0) + gamma[h] * p[suffixes[hw]]


@compiled
def _over_children(first, values):
    """The sum of some values over the children of each node, of shape (M,)."""
    sums = np.empty(len(values))
    for h in range(len(values)):
        total = 0.0
        for hw in range(first[h], first[h + 1]):
            total += values[hw]
        sums[h] = total
    return sums
