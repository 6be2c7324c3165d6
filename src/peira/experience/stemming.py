"""Stemmers by name: Porter's for English (`peira.experience.porter`), and those of other languages.

The others are the Snowball stemmers (Porter, 2001) of the ``snowballstemmer`` package, which Peira does not need: it
comes with ``pip install peira[text]``.
"""

from collections.abc import Callable

from peira.core.errors import DataError, closest

from .porter import porter


def stemmer(name: str) -> Callable[[str], str]:
    """The function that takes a word in small letters to its stem.

    Parameters
    ----------
    name : str
        "porter", or a language of Snowball such as "english" (Porter's later rules), "german", "french".

    Raises
    ------
    DataError
        If nothing has that name, or the package is not installed.

    Examples
    --------
    >>> stemmer("porter")("relational")
    'relat'
    """
    if name == "porter":
        return porter
    try:
        import snowballstemmer
    except ImportError:
        raise DataError(
            f"the stemmer {name!r} needs the package snowballstemmer: pip install 'peira[text]'; "
            "'porter' (English) needs nothing"
        ) from None
    languages = snowballstemmer.algorithms()
    if name not in languages:
        raise DataError(f"there is no stemmer {name!r}; {closest(name, ['porter', *languages])}")
    return snowballstemmer.stemmer(name).stemWord
