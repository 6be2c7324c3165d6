r"""Porter's stemmer: English words without their endings.

A word is a sequence of runs of consonants C and of vowels V; *y* is a vowel behind a consonant. Its measure is m:

.. math:: [C] (V C)^m [V]

Five steps take off endings where enough of a word is left, each the longest ending of its list that fits:

1. plurals and participles: *caresses* to *caress*, *plastered* to *plaster*, *sky* stays and *happy* is *happi*;
2. to 4. double and single suffixes, where m > 0 or m > 1: *relational* to *relate*, *electrical* to *electric*,
   *adjustment* to *adjust*;
5. a last *e*, and one of two *l*.

The stems are no words, and need not be: what matters is that the forms of a word have one stem. It costs a few
comparisons a letter, for each distinct word.

Porter (1980), An algorithm for suffix stripping, Program 14(3), 130-137; with the three changes of its author's own
program: *bli* becomes *ble* (where the paper has *abli*, *able*), *logi* becomes *log*, and words of one or two letters
stay. Only small letters a to z are endings; other words stay as they are.
"""

from itertools import pairwise

_STEP_2 = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble"),
    ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
    ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
    ("iviti", "ive"), ("biliti", "ble"), ("logi", "log"),
)  # fmt: skip
_STEP_3 = (
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""),
)  # fmt: skip
_STEP_4 = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
)  # fmt: skip


def porter(word: str) -> str:
    """The stem of a word in small letters.

    Examples
    --------
    >>> [porter(word) for word in ("connection", "connected", "connecting", "relational", "skies", "sky", "by")]
    ['connect', 'connect', 'connect', 'relat', 'ski', 'sky', 'by']
    """
    if len(word) <= 2:
        return word
    for step in (_plurals, _participles, _last_y, _double_suffixes, _single_suffixes, _long_stems, _last_e, _last_l):
        word = step(word)
    return word


def _plurals(word: str) -> str:
    """Step 1a."""
    if not word.endswith("s"):
        return word
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word if word.endswith("ss") else word[:-1]


def _participles(word: str) -> str:
    """Step 1b: what is left of a participle gets the ending back that it lost, or loses one of two letters."""
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        stem = word.removesuffix(ending)
        if stem != word and _has_vowel(stem):
            if stem.endswith(("at", "bl", "iz")) or (_measure(stem) == 1 and _ends_short(stem)):
                return stem + "e"
            return stem[:-1] if _ends_double(stem) and stem[-1] not in "lsz" else stem
        if stem != word:
            return word
    return word


def _last_y(word: str) -> str:
    """Step 1c."""
    return word[:-1] + "i" if word.endswith("y") and _has_vowel(word[:-1]) else word


def _double_suffixes(word: str) -> str:
    """Step 2."""
    return _replaced(word, _STEP_2)


def _single_suffixes(word: str) -> str:
    """Step 3."""
    return _replaced(word, _STEP_3)


def _long_stems(word: str) -> str:
    """Step 4."""
    ending = _longest(word, _STEP_4)
    stem = word[: len(word) - len(ending)]
    if not ending or (ending == "ion" and not stem.endswith(("s", "t"))):
        return word
    return stem if _measure(stem) > 1 else word


def _last_e(word: str) -> str:
    """Step 5a."""
    stem = word.removesuffix("e")
    if stem == word:
        return word
    m = _measure(stem)
    return stem if m > 1 or (m == 1 and not _ends_short(stem)) else word


def _last_l(word: str) -> str:
    """Step 5b."""
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word


def _replaced(word: str, endings: tuple[tuple[str, str], ...]) -> str:
    ending = _longest(word, tuple(old for old, _ in endings))
    stem = word[: len(word) - len(ending)]
    return stem + dict(endings)[ending] if ending and _measure(stem) > 0 else word


def _longest(word: str, endings: tuple[str, ...]) -> str:
    """The longest of some endings that the word has; "" without any."""
    return max((ending for ending in endings if word.endswith(ending)), key=len, default="")


def _consonants(word: str) -> list[bool]:
    """For each letter, whether it is a consonant."""
    found: list[bool] = []
    for letter in word:
        found.append(letter not in "aeiou" and not (letter == "y" and bool(found) and found[-1]))
    return found


def _measure(stem: str) -> int:
    """m, the number of times that a consonant follows a vowel."""
    found = _consonants(stem)
    return sum(after and not before for before, after in pairwise(found))


def _has_vowel(stem: str) -> bool:
    return not all(_consonants(stem))


def _ends_double(stem: str) -> bool:
    """Porter's ``*d``."""
    return len(stem) > 1 and stem[-1] == stem[-2] and _consonants(stem)[-1]


def _ends_short(stem: str) -> bool:
    """Porter's ``*o``: consonant, vowel, consonant other than w, x and y."""
    return len(stem) > 2 and _consonants(stem)[-3:] == [True, False, True] and stem[-1] not in "wxy"
