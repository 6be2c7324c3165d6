"""What stands between spaces, told apart without a Python object for each word.

The letters of all documents lie in one array. A run of them is looked up in a table by the number that its letters hash
to, and compared letter by letter with what stands there, so that equal words and no others get the same code.

Cost: a few operations a letter, and 16 bytes for each distinct word besides its entry in the table.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from peira.numerics.compile import compiled


def coded_runs(documents: Sequence[str], longest: int) -> tuple[list[str], np.ndarray, np.ndarray, int]:
    """Documents as positions in the list of what stands between their spaces.

    Parameters
    ----------
    documents : sequence of N str
    longest : int
        Letters after which a run is cut.

    Returns
    -------
    list of str, int32 array of shape (S,), int64 array of shape (N,), int
        As of `peira.experience.tokens.coded_words`.

    Examples
    --------
    >>> coded_runs(["to be  or", "", "to"], 100)
    (['to', 'be', 'or'], array([0, 1, 2, 0], dtype=int32), array([3, 0, 1]), 0)
    """
    joined, codes, lengths, starts, widths, cut = _runs(documents, longest)
    words = [joined[start : start + width] for start, width in zip(starts.tolist(), widths.tolist(), strict=True)]
    return words, codes, lengths, cut


def placed_runs(tokens: list[str], documents: list[str], longest: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Documents as positions in a list of K tokens, K for what is not there, and their lengths, without making words.

    None if a token is not distinct or is no run, so that it cannot be found in this way.

    >>> placed_runs(["be", "to"], ["to be  or", ""], 100)
    (array([1, 0, 2], dtype=int32), array([3, 0]))
    """
    K = len(tokens)
    _, codes, lengths, *_ = _runs(tokens + documents, longest)
    if (lengths[:K] != 1).any() or (codes[:K] != np.arange(K)).any():
        return None
    return np.minimum(codes[K:], K), lengths[K:]


def _runs(documents: Sequence[str], longest: int) -> tuple[Any, ...]:
    """All letters; code and count of the runs of each document; where each distinct run stands first; parts cut."""
    joined = "".join(documents)
    if joined.isascii():
        letters = np.frombuffer(joined.encode("ascii"), dtype=np.uint8)
    else:
        letters = np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32)
    sizes = np.fromiter(map(len, documents), dtype=np.int64, count=len(documents))
    # Room for as many runs as there are letters; memory is taken only where something is written.
    codes, lengths = np.empty(len(letters), dtype=np.int32), np.zeros(len(sizes), dtype=np.int64)
    starts, widths = np.empty(len(letters), dtype=np.int64), np.empty(len(letters), dtype=np.int32)
    numbers = np.empty(len(letters), dtype=np.uint64)
    table, place = np.full(4096, -1, dtype=np.int32), np.zeros(5, dtype=np.int64)
    while _fill(letters, sizes, longest, codes, lengths, starts, widths, numbers, table, place):
        table = _table(numbers[: place[3]], 4 * len(table))
    S, K, cut = place[2:].tolist()
    return joined, codes[:S].copy(), lengths, starts[:K], widths[:K], cut


@compiled(inline=True)
def _divides(letter):
    """Whether Python takes a character for a space."""
    if letter < 0x85:
        return 9 <= letter <= 13 or 28 <= letter <= 32
    wide = 0x2000 <= letter <= 0x200A or letter == 0x2028 or letter == 0x2029 or letter == 0x202F or letter == 0x205F
    return wide or letter == 0x85 or letter == 0xA0 or letter == 0x1680 or letter == 0x3000


@compiled
def _end(letters, at, stop, longest):
    """Where the run that begins at a place ends, and the number that its letters hash to (FNV-1a)."""
    number = np.uint64(0xCBF29CE484222325)
    stop = min(stop, at + longest)
    while at < stop and not _divides(letters[at]):
        number = (number ^ np.uint64(letters[at])) * np.uint64(0x100000001B3)
        at += 1
    return at, number


@compiled
def _same(letters, a, b, width):
    """Whether two runs of one width have the same letters."""
    i = 0
    while i < width and letters[a + i] == letters[b + i]:
        i += 1
    return i == width


@compiled
def _fill(letters, sizes, longest, codes, lengths, starts, widths, numbers, table, place):
    """Go on with a document, at a letter, after S runs, K distinct ones, and parts; True if the table is half full."""
    document, at, S, K, cut = place
    mask, before = np.uint64(len(table) - 1), sizes[:document].sum()
    while document < len(sizes):
        stop = before + sizes[document]
        while at < stop and len(table) > 2 * K:
            if _divides(letters[at]):
                at += 1
                continue
            start = at
            at, number = _end(letters, start, stop, longest)
            begins = start == before or _divides(letters[start - 1])
            cut += not (begins and (at == stop or _divides(letters[at])))
            slot = (number ^ (number >> np.uint64(32))) & mask
            while True:
                code = np.int64(table[slot])
                if code < 0:
                    code = table[slot] = K
                    starts[K], widths[K], numbers[K] = start, at - start, number
                    K += 1
                    break
                same = numbers[code] == number and widths[code] == at - start
                if same and _same(letters, starts[code], start, at - start):
                    break
                slot = (slot + np.uint64(1)) & mask
            codes[S] = code
            S += 1
            lengths[document] += 1
        if at < stop:
            break
        before, document = stop, document + 1
    place[0], place[1], place[2], place[3], place[4] = document, at, S, K, cut
    return document < len(sizes)


@compiled
def _table(numbers, size):
    """A table of so many places with all that is known so far."""
    table, mask = np.full(size, -1, dtype=np.int32), np.uint64(size - 1)
    for code in range(len(numbers)):
        number = numbers[code]
        slot = (number ^ (number >> np.uint64(32))) & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = code
    return table
