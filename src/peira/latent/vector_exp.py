r"""Exponentials of many numbers below zero, eight at a time.

.. math:: \exp(-t) = 2^k \, \exp(r \ln 2), \quad k = \lfloor 1/2 - t / \ln 2 \rfloor, \quad |r| \leq 1/2

The second factor is Taylor's sum to the 13th power (what is left out is below 5e-18 of it), and the first is put
into the exponent bits of the float. A compiler turns such plain loops over arrays into vector instructions, which it
can't with a call of the mathematical library for each number; so contrast functions and weights that are made of
exponentials cost about as much as reading them.
"""

import numpy as np

from ..numerics.compile import compiled

PER_LN2 = 1 / np.log(2)
LN2 = np.log(2)
WHOLE = 1.5 * 2.0**52  # added to a whole number, it leaves that number in the lowest bits
DEEPEST = -1000.0  # 2^-1000 and what lies below count as one: still a normal number


@compiled(fast=True)
def exp_of_negative(t, e, shift):
    """Put exp(-t) into e, for t >= 0 (flat arrays of one length; ``shift`` is room to work in)."""
    for i in range(t.size):
        u = max(-t[i] * PER_LN2, DEEPEST)
        k = np.floor(u + 0.5)
        y = (u - k) * LN2
        p = 1 / 6227020800
        p = p * y + 1 / 479001600
        p = p * y + 1 / 39916800
        p = p * y + 1 / 3628800
        p = p * y + 1 / 362880
        p = p * y + 1 / 40320
        p = p * y + 1 / 5040
        p = p * y + 1 / 720
        p = p * y + 1 / 120
        p = p * y + 1 / 24
        p = p * y + 1 / 6
        p = p * y + 1 / 2
        p = p * y + 1
        e[i] = p * y + 1
        shift[i] = k + WHOLE
    bits, steps = e.view(np.int64), shift.view(np.int64)
    for i in range(t.size):
        bits[i] += steps[i] << 52
