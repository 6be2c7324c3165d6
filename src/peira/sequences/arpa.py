r"""N-gram models as ARPA text, which KenLM, SRILM, speech recognisers and translators read.

A line holds log10 p, the n-gram, and log10 of the weight of backing off. What is not seen is there implicitly:

.. math:: p(w \mid h) = \gamma_h \, p(w \mid h')

Words in it are divided by blanks. A word that has a blank or another control in it (the characters of a text have) is
written with their code points, such as ``<U+0020>``.
"""

import re
from pathlib import Path
from typing import TextIO

import numpy as np

from ..core.errors import DataError
from .ngram_trie import NGramTrie

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
NEVER = -99.0  # what the format's readers take for a probability of 0
LINES = 100_000  # that are written at a time


def write(path: str | Path, words: list[str], trie: NGramTrie, log_p: np.ndarray, log_gamma: np.ndarray) -> Path:
    """Write a trie of n-grams.

    Parameters
    ----------
    path : path
        Must not exist.
    words : list of V str
        As they are to stand in the file.
    trie : NGramTrie
    log_p, log_gamma : arrays of shape (M,)
        Natural logarithms of probabilities and of weights of backing off.

    Returns
    -------
    Path

    Notes
    -----
    Cost: a pass over the M n-grams; memory is the text of two lengths of them.
    """
    path = Path(path)
    written = [_escaped(word) for word in words]
    if len(set(written)) < len(written) or START in written:
        twice = START if START in written else next(w for w in written if written.count(w) > 1)
        raise DataError(f"two words would be written as {twice!r} in ARPA text; rename one")
    absent = [mark for mark in (UNKNOWN, END) if mark not in written]
    p10, gamma10 = (np.maximum(logs / np.log(10), NEVER) for logs in (log_p, log_gamma))
    texts, parents = [*written, START], trie.parents()
    p10[trie.V + 1] = NEVER
    sizes = [int(n) for n in np.diff(trie.levels)[1:]]
    with open(path, "x", encoding="utf-8", newline="\n") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={size + (len(absent) if n == 1 else 0)}\n" for n, size in enumerate(sizes, 1))
        for n in range(1, trie.order + 1):
            level = trie.level(n)
            if n > 1:
                before = (parents[level] - trie.levels[n - 1]).tolist()
                last = trie.words[level].tolist()
                texts = [f"{texts[b]} {written[w]}" for b, w in zip(before, last, strict=True)]
            file.write(f"\n\\{n}-grams:\n")
            if n == 1:
                file.writelines(f"{NEVER:g}\t{mark}\t0\n" for mark in absent)
            _write_level(file, p10[level], texts, gamma10[level] if n < trie.order else None)
        file.write("\n\\end\\\n")
    return path


def _write_level(file: TextIO, p10: np.ndarray, texts: list[str], gamma10: np.ndarray | None) -> None:
    for i in range(0, len(texts), LINES):
        rows = zip(p10[i : i + LINES].tolist(), texts[i : i + LINES], strict=True)
        if gamma10 is None:
            file.writelines(f"{p:.7g}\t{text}\n" for p, text in rows)
        else:
            more = gamma10[i : i + LINES].tolist()
            file.writelines(f"{p:.7g}\t{text}\t{g:.7g}\n" for (p, text), g in zip(rows, more, strict=True))


def _escaped(word: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]", lambda found: f"<U+{ord(found[0]):04X}>", word)
