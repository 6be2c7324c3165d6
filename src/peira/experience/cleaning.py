"""Cleaning: what differs in writing and not in meaning becomes alike.

Every step is asked for by name and none is taken by itself, since each also loses something: small letters lose names
(*us* and *US*), stripped accents lose words (*résumé*), and a model of characters learns its spaces from the text.
The steps are taken in the order in which the parameters stand.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from typing import Literal, get_args

from peira.core.errors import DataError, closest

_TAG = re.compile(r"<(?:/?[A-Za-z][^<>]{0,1000}|!--.{0,10000}?--)>", re.DOTALL)
_SPACES = re.compile(r"\s+")
_DIGITS = re.compile(r"\d")
Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
_CASES: dict[str, Callable[[str], str]] = {"lower": str.lower, "fold": str.casefold, "upper": str.upper}


def clean(
    document: str,
    *,
    markup: str = "keep",
    form: Form | None = None,
    accents: str = "keep",
    case: str = "keep",
    digits: str = "keep",
    controls: str = "keep",
    spaces: str = "keep",
) -> str:
    r"""One document, cleaned.

    Parameters
    ----------
    document : str
    markup : "keep" or "strip", default "keep"
        "strip" takes tags such as ``<b>`` and comments out, and turns ``&amp;`` into the character that it stands for.
    form : "NFC", "NFD", "NFKC" or "NFKD", optional
        Unicode form: NFC writes an accented letter as one character, NFKC also full-width letters and ligatures as
        plain ones.
    accents : "keep" or "strip", default "keep"
        "strip" leaves the letters below: *é* becomes *e*. Letters such as *ø* and *ß* are no accented ones and stay.
    case : "keep", "lower", "fold" or "upper", default "keep"
        "fold" is "lower" made for comparing: *ß* becomes *ss*.
    digits : "keep", "zero" or "strip", default "keep"
        "zero" keeps the form of numbers and forgets their values: *1984* becomes *0000*.
    controls : "keep" or "strip", default "keep"
        "strip" takes out characters that are not seen: controls other than tab and line break, marks of direction,
        spaces without width.
    spaces : "keep" or "single", default "keep"
        "single" writes every run of spaces, tabs and line breaks as one space, and none at the ends.

    Returns
    -------
    str

    Raises
    ------
    DataError
        For a value that no step has.

    Examples
    --------
    >>> clean("  Stra\u00dfe &amp; <i>Caf\u00e9</i>\n 1984 ", markup="strip", case="fold", spaces="single")
    'strasse & café 1984'
    """
    _check("markup", markup, ("keep", "strip"))
    _check("accents", accents, ("keep", "strip"))
    _check("case", case, ("keep", *_CASES))
    _check("digits", digits, ("keep", "zero", "strip"))
    _check("controls", controls, ("keep", "strip"))
    _check("spaces", spaces, ("keep", "single"))
    if form is not None:
        _check("form", form, get_args(Form))
    if markup == "strip":
        document = html.unescape(_TAG.sub("", document)).replace("\0", "\ufffd")
    if form is not None:
        document = unicodedata.normalize(form, document)
    if accents == "strip" and not document.isascii():
        apart = unicodedata.normalize("NFD", document)
        document = unicodedata.normalize("NFC", "".join(c for c in apart if unicodedata.category(c) != "Mn"))
    if case != "keep":
        document = _CASES[case](document)
    if digits != "keep":
        document = _DIGITS.sub("0" if digits == "zero" else "", document)
    if controls == "strip" and not document.isprintable():
        document = "".join(c for c in document if c in "\t\n" or unicodedata.category(c) not in ("Cc", "Cf"))
    return _SPACES.sub(" ", document).strip() if spaces == "single" else document


def _check(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise DataError(f"cleaning knows no {name}={value!r}; {closest(value, allowed)}")
