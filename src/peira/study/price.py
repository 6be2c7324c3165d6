"""What a fit costs, reckoned from the formula on a method's card: for an order, not for a clock.

A card says what a fit costs in the letters of its page ("T N K D", "N D^2 + D^3"). The sizes of the table are put in
for N, D and C, and usual ones for what only the fit will know; words are passed over, and the reading ends where the
formula turns to another case (";", "to", "or", "for"). So the candidates can begin with what is cheap.
"""

import math
import re

USUAL = {"T": 100.0, "B": 256.0, "H": 100.0, "M": 100.0}
"""Steps, items in a batch, hidden units and inducing inputs; any other letter is ``SMALL``."""
SMALL = 10.0

_END = re.compile(r";| to | or | for ")
_TOKEN = re.compile(r"\b(?:\d+|[A-Zb-z]|min|log)\b|[-+^(),]")


def price(cost: str, sizes: dict[str, int]) -> float:
    """The number of operations that a formula comes to.

    Parameters
    ----------
    cost : str
        As a card states it.
    sizes : dict of str to int
        "N" rows, "D" columns, "C" classes.

    Examples
    --------
    >>> price("N D^2 + D^3", {"N": 100, "D": 10})
    11000.0
    >>> price("T (N D min(N, D)) a step; N D for D > N", {"N": 100, "D": 10})
    1000000.0
    """
    letters = USUAL | {letter: float(size) for letter, size in sizes.items()}
    letters["n"] = letters["N"]
    tokens = _TOKEN.findall(_END.split(cost)[0])
    try:
        return _sum(tokens, letters)
    except OverflowError:
        return math.inf


def _sum(tokens: list[str], letters: dict[str, float]) -> float:
    total = _product(tokens, letters)
    while tokens[:1] == ["+"]:
        tokens.pop(0)
        total += _product(tokens, letters)
    return total


def _product(tokens: list[str], letters: dict[str, float]) -> float:
    value = 1.0
    while tokens and tokens[0] not in ("+", ")", ","):
        value *= _power(tokens, letters)
    return value


def _power(tokens: list[str], letters: dict[str, float]) -> float:
    base = _atom(tokens, letters)
    if tokens[:1] != ["^"]:
        return base
    tokens.pop(0)
    return base ** _atom(tokens, letters)


def _atom(tokens: list[str], letters: dict[str, float]) -> float:
    token = tokens.pop(0) if tokens else "1"
    if token == "log":
        return math.log2(max(2.0, _atom(tokens, letters)))
    if token == "min":
        tokens.pop(0)
    if token in ("min", "("):
        values = [_sum(tokens, letters)]
        while tokens and tokens.pop(0) == ",":
            values.append(_sum(tokens, letters))
        return min(values)
    return float(token) if token.isdigit() else letters.get(token, SMALL)
