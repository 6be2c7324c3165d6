r"""Which settings to try, in an order that is good to stop at any time.

The space is the product of the ``tune=`` intervals of a method's parameters. The first trial is
the method's defaults. One parameter is then tried on an even grid of its own scale, several on
the points of Halton's sequence,

.. math:: u_i^{(d)} = \sum_k a_k(i)\, p_d^{-k-1}, \quad i = \sum_k a_k(i)\, p_d^k

with the d-th prime as base: every prefix of the sequence covers the space evenly, and no two
trials share a coordinate, which is why a few random-like points beat a grid when only some of
the parameters matter (Bergstra & Bengio, 2012). The sequence is fixed, so a search is repeatable.

Reference: Halton (1960), Numerische Mathematik 2, 84-90.
"""

from collections.abc import Iterator
from typing import Any

from ..core.params import Parameter, Space

_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)


def trials(parameters: dict[str, Parameter], budget: int) -> Iterator[dict[str, Any]]:
    """Settings to try: first the defaults, then points that cover the space.

    Parameters
    ----------
    parameters : dict of str to Parameter
        As ``Method.parameters()`` gives them; those without ``tune`` stay at their default.
    budget : int
        The most settings to give, at least 1. Without anything to tune, the defaults alone.

    Yields
    ------
    dict
        The tuned parameters' values; an empty dict stands for the defaults.

    Examples
    --------
    >>> from peira.core.params import log, Parameter
    >>> list(trials({"alpha": Parameter(1.0, "", tune=log(0.01, 100.0))}, 4))
    [{}, {'alpha': 0.01}, {'alpha': 1.0}, {'alpha': 100.0}]
    """
    spaces = {name: p.tune for name, p in parameters.items() if p.tune is not None}
    yield {}
    if not spaces:
        return
    for i in range(budget - 1):
        yield {
            name: space.at(u) for (name, space), u in zip(spaces.items(), _point(spaces, i, budget - 1), strict=True)
        }


def _point(spaces: dict[str, Space], i: int, n: int) -> list[float]:
    if len(spaces) == 1:
        (space,) = spaces.values()
        if space.kind == "choice":
            return [(i % len(space.choices) + 0.5) / len(space.choices)]
        return [i / (n - 1) if n > 1 else 0.5]
    return [radical_inverse(i + 1, _PRIMES[d % len(_PRIMES)]) for d in range(len(spaces))]


def radical_inverse(i: int, base: int) -> float:
    """The digits of ``i`` in the base, mirrored about the point: in [0, 1).

    >>> [radical_inverse(i, 2) for i in (1, 2, 3)]
    [0.5, 0.25, 0.75]
    """
    u, scale = 0.0, 1.0 / base
    while i:
        i, digit = divmod(i, base)
        u += digit * scale
        scale /= base
    return u
