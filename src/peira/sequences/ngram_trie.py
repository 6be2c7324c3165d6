r"""All n-grams up to some length as one trie of flat arrays: counted in linear time, walked like an automaton.

Nodes stand level by level: the root, the words, the pairs, and so on; within a level in lexicographic order, so that
the children of a node, its continuations by one word, lie side by side and are sorted. The suffix of a node is the
n-gram without its first word, one level up. That is all that smoothing, scoring and drawing need:

.. math:: p(w \mid h) = p_{hw} \quad or, \; hw \; not \; seen, \quad p(w \mid h) = \gamma_h \, p(w \mid h')

with h' the suffix of h (Katz's form, into which every interpolated model can be brought). The state after some history
is the longest suffix of it that the trie knows and that may still be continued; each step of a sequence moves from
state to state in a few look-ups.

Counting sorts positions, not texts: those that end with the same word are brought together once, and a stable counting
sort by the n-gram before them (its place in the level below) puts a level in order. Cost: T steps for each of N levels;
memory is 16 bytes a step while counting, and about 80 for each distinct n-gram; 28 for each are kept.

Reference: trie of back-off models: Heafield (2011), KenLM: faster and smaller language model queries, section 3.2.
"""

from dataclasses import dataclass, fields

import numpy as np

from ..core.errors import DataError, UnreadableError
from ..numerics.compile import compiled

LARGEST = 2**31 - 2  # places that an int32 can name


@dataclass(frozen=True)
class NGramTrie:
    """The distinct n-grams of some sequences of words 0 ... V - 1; word V opens a sequence and never follows.

    M nodes, node 0 is the root, nodes 1 ... V + 1 are the words.
    """

    levels: np.ndarray  # (N + 2,) where each level begins; the last is M
    words: np.ndarray  # (M,) int32, last word of each node
    first: np.ndarray  # (M + 1,) int32, the children of node i are first[i] ... first[i + 1] - 1
    suffixes: np.ndarray  # (M,) int32, the node without its first word; the root's is the root

    @property
    def order(self) -> int:
        """N, words of the longest n-grams."""
        return len(self.levels) - 2

    @property
    def V(self) -> int:
        """How many words may follow."""
        return int(self.levels[2] - self.levels[1]) - 1

    @property
    def opening(self) -> int:
        """The state in which a sequence that has a beginning begins."""
        return self.V + 1 if self.order > 1 else 0

    def level(self, n: int) -> slice:
        """The nodes of n words."""
        return slice(int(self.levels[n]), int(self.levels[n + 1]))

    def parents(self) -> np.ndarray:
        """The node without its last word, of shape (M,); the root's is the root."""
        return np.concatenate([[0], np.repeat(np.arange(len(self.words)), np.diff(self.first))])

    def opens(self) -> np.ndarray:
        """Whether a node begins where a sequence does, of shape (M,)."""
        opens, children = self.words == self.V, np.diff(self.first)
        opens[0] = False
        for n in range(1, self.order):
            opens[self.level(n + 1)] = np.repeat(opens[self.level(n)], children[self.level(n)])
        return opens

    def check(self, owner: str) -> None:
        """Refuse arrays over which a walk could leave the trie; for models that were loaded."""
        kinds = {"levels": np.int64, "words": np.int32, "first": np.int32, "suffixes": np.int32}
        for field in fields(self):
            array = getattr(self, field.name)
            sound = isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype == kinds[field.name]
            _require(sound, owner)
        levels, words, first, suffixes = self.levels, self.words, self.first, self.suffixes
        M = len(words)
        _require(len(levels) >= 3 and levels[0] == 0 and levels[1] == 1 and levels[-1] == M, owner)
        _require(bool((np.diff(levels) >= 0).all()) and levels[2] >= 3, owner)
        _require(len(first) == M + 1 and len(suffixes) == M and first[0] == 1 and first[-1] == M, owner)
        _require(bool((np.diff(first) >= 0).all()) and bool((first[levels[1:]] == [*levels[2:], M]).all()), owner)
        _require(bool((words[: self.V + 2] == [-1, *range(self.V + 1)]).all()), owner)
        _require(bool((words[self.V + 2 :] >= 0).all() and (words[self.V + 2 :] < self.V).all()), owner)
        parents = self.parents()
        same = parents[1:] == parents[:-1]
        _require(bool((words[1:][same] > words[:-1][same]).all()), owner)
        depth = np.repeat(np.arange(self.order + 1), np.diff(levels))
        inside = (suffixes >= 0) & (suffixes < M)
        _require(bool(inside.all()) and bool((depth[suffixes] == np.maximum(depth - 1, 0)).all()), owner)


def _require(sound: bool, owner: str) -> None:
    if not sound:
        raise UnreadableError(f"trie_ of a stored {owner} holds no n-grams in order")


def count(
    steps: np.ndarray, lengths: np.ndarray, V: int, order: int, weights: np.ndarray | None = None
) -> tuple[NGramTrie, np.ndarray]:
    """Every n-gram of up to ``order`` words that some sequences hold, and how often.

    Parameters
    ----------
    steps : int array of shape (S,)
        Words 0 ... V - 1 of all sequences, one after the other; V where a sequence is to know that it begins.
    lengths : int array of shape (N,)
        Steps of each sequence; an n-gram lies within one.
    V : int
    order : int, at least 1
    weights : array of shape (N,), optional
        What each sequence counts, more than 0.

    Returns
    -------
    trie : NGramTrie
    counts : float array of shape (M,)
        The root's is the number of steps without the openings.

    Raises
    ------
    DataError
        If there are more steps, or distinct n-grams, than an int32 can number.

    Notes
    -----
    Cost: S ``order`` steps.
    """
    if len(steps) > LARGEST:
        raise DataError(f"there are {len(steps):,} steps, and at most {LARGEST:,} are counted at once")
    stream = np.ascontiguousarray(steps, dtype=np.int32)
    ends = np.cumsum(lengths)
    opening = np.zeros(len(stream) + 1, dtype=bool)
    opening[ends - lengths] = True
    shares = np.ones(0) if weights is None else np.repeat(np.asarray(weights, dtype=np.float64), lengths)
    by_word = by_key(np.arange(len(stream), dtype=np.int32), stream, V + 1)
    here = stream.copy()  # the place in its level of the n-gram that ends at each step
    counted = np.bincount(stream, shares if len(shares) else None, minlength=V + 1).astype(np.float64)
    words, parents = [np.array([-1]), np.arange(V + 1)], [np.zeros(V + 1, dtype=np.int64)]
    suffixes, counts = [np.zeros(V + 2, dtype=np.int64)], [counted[:V].sum(keepdims=True), counted]
    offsets, size = [0, 1, V + 2], V + 1
    for _ in range(1, order):
        there = np.full(len(stream), -1, dtype=np.int32)
        last, parent, suffix, number = _extend(stream, here, there, opening, by_word, size, shares)
        words.append(last)
        parents.append(parent.astype(np.int64) + offsets[-2])
        suffixes.append(suffix.astype(np.int64) + offsets[-2])
        counts.append(number)
        size, here = len(last), there
        offsets.append(offsets[-1] + size)
    return _assembled(offsets, words, parents, suffixes), np.concatenate(counts)


def _assembled(
    offsets: list[int], words: list[np.ndarray], parents: list[np.ndarray], suffixes: list[np.ndarray]
) -> NGramTrie:
    """The trie of what was found level by level; the root has no parent."""
    if (M := offsets[-1]) > LARGEST:
        raise DataError(f"there are {M:,} distinct n-grams, and at most {LARGEST:,} can be told apart; lower the order")
    children = np.bincount(np.concatenate(parents), minlength=M)
    return NGramTrie(
        np.array(offsets, dtype=np.int64),
        np.concatenate(words).astype(np.int32),
        np.concatenate([[1], 1 + np.cumsum(children)]).astype(np.int32),
        np.concatenate(suffixes).astype(np.int32),
    )


def merged(parts: list[tuple[NGramTrie, np.ndarray, np.ndarray]], V: int) -> tuple[NGramTrie, np.ndarray]:
    """The n-grams of several tries of one order in one, and their counts added up.

    Parameters
    ----------
    parts : list of (trie, counts, places)
        With counts of shape (M,), and rising places (V,) of a trie's words among those of the whole.
    V : int
        Words of the whole.

    Returns
    -------
    trie, counts
        As if all sequences had been counted at once.
    """
    names = [np.append(places, V) for _, _, places in parts]
    nodes = [np.concatenate([[0], 1 + name, np.zeros(len(trie.words) - len(name) - 1, dtype=np.int64)])
             for (trie, _, _), name in zip(parts, names, strict=True)]  # fmt: skip
    above = [trie.parents() for trie, _, _ in parts]
    words, parents, suffixes = [np.array([-1])], [], [np.zeros(1, dtype=np.int64)]
    totals, offsets = [np.array([sum(counts[0] for _, counts, _ in parts)])], [0, 1]
    for n in range(1, parts[0][0].order + 1):
        levels = [trie.level(n) for trie, _, _ in parts]
        keys = [
            at[up[level]] * (V + 1) + name[trie.words[level]]
            for (trie, _, _), level, at, up, name in zip(parts, levels, nodes, above, names, strict=True)
        ]
        found, place = np.unique(np.concatenate([np.arange(V + 1), *keys] if n == 1 else keys), return_inverse=True)
        place = place[len(place) - sum(map(len, keys)) :]
        suffix, number = np.zeros(len(found), dtype=np.int64), np.zeros(len(found))
        begin = 0
        for (trie, counts, _), level, at in zip(parts, levels, nodes, strict=True):
            here = place[begin : (begin := begin + level.stop - level.start)]
            at[level], suffix[here] = offsets[-1] + here, at[trie.suffixes[level]]
            number[here] += counts[level]  # n-grams of one trie are distinct
        words.append(found % (V + 1))
        parents.append(found // (V + 1))
        suffixes.append(suffix)
        totals.append(number)
        offsets.append(offsets[-1] + len(found))
    return _assembled(offsets, words, parents, suffixes), np.concatenate(totals)


def without_gaps(
    steps: np.ndarray, lengths: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The pieces between missing steps (-1), as sequences of their own, with the weights of those they are from."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    piece = np.cumsum((steps < 0) | np.diff(owner, prepend=-1).astype(bool))
    kept = steps >= 0
    _, begins, sizes = np.unique(piece[kept], return_index=True, return_counts=True)
    return steps[kept], sizes, None if weights is None else weights[owner[kept][begins]]


@compiled
def by_key(positions, keys, K):
    """Some positions in the order of their keys 0 ... K - 1; those of one key as they stand."""
    place = np.zeros(K + 1, dtype=np.int64)
    for t in positions:
        place[keys[t] + 1] += 1
    for k in range(K):
        place[k + 1] += place[k]
    order = np.empty(len(positions), dtype=np.int32)
    for t in positions:
        k = keys[t]
        order[place[k]] = t
        place[k] += 1
    return order


@compiled
def _extend(stream, here, there, opening, by_word, size, shares):
    """The next level: from the n-gram that ends at each step to the one that is a word longer; -1 where none ends."""
    place = np.zeros(size + 1, dtype=np.int64)
    for t in range(1, len(stream)):
        if not opening[t] and here[t - 1] >= 0:
            place[here[t - 1] + 1] += 1
    for i in range(size):
        place[i + 1] += place[i]
    ordered = np.empty(place[size], dtype=np.int32)
    for t in by_word:
        if t > 0 and not opening[t] and here[t - 1] >= 0:
            i = here[t - 1]
            ordered[place[i]] = t
            place[i] += 1
    S = len(ordered)  # room for as many n-grams as steps; memory is taken only where something is written
    words, parents = np.empty(S, dtype=np.int32), np.empty(S, dtype=np.int32)
    suffixes, counts = np.empty(S, dtype=np.int32), np.empty(S)
    at, node, word = -1, -1, -1
    for t in ordered:
        if here[t - 1] != node or stream[t] != word:
            at, node, word = at + 1, here[t - 1], stream[t]
            words[at], parents[at], suffixes[at], counts[at] = word, node, here[t], 0.0
        there[t] = at
        counts[at] += shares[t] if len(shares) > 0 else 1.0
    return words[: at + 1], parents[: at + 1], suffixes[: at + 1], counts[: at + 1]
