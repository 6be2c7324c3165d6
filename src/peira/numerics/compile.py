"""The one decorator for scalar loops.

Coordinate descent, SMO, recursions over time: algorithms whose steps depend on each other and
are too small for a tensor operation. They are written as plain Python over NumPy arrays and
compiled by numba: once for each signature, cached on disk, with the interpreter's lock released.
"""

from collections.abc import Callable
from typing import TypeVar

from numba import njit

F = TypeVar("F", bound=Callable)


def compiled(function: F | None = None, /, *, fast: bool = False, inline: bool = False) -> F:
    """Compile a scalar loop to machine code.

    Parameters
    ----------
    function : callable
        A function of scalars and NumPy arrays in numba's subset of Python.
    fast : bool, default False
        Let the compiler reorder and fuse floating-point sums, so that dot products use vector
        instructions. NaN and infinity still behave. Not for code that compensates rounding.
    inline : bool, default False
        Insert the function's body at each place of call (for tiny helpers in a hot loop).

    Returns
    -------
    callable
        The compiled function; ``.py_func`` is the Python that it came from.

    Examples
    --------
    >>> import numpy as np
    >>> @compiled
    ... def total(x):
    ...     s = 0.0
    ...     for v in x:
    ...         s += v
    ...     return s
    >>> total(np.ones(3))
    3.0
    """
    flags = {"reassoc", "contract", "arcp", "nsz"} if fast else False
    decorate = njit(cache=True, nogil=True, fastmath=flags, inline="always" if inline else "never")
    return decorate if function is None else decorate(function)
