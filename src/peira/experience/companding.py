r"""Fewer bits for a sample: uniform steps (PCM), and steps that grow with the sample (mu-law, A-law).

Uniform rounding to b bits has steps of Delta = 2^(1-b); where its error is uniform within a step, a sine of full scale
stands above it by

.. math:: 10 \log_{10} \frac{1/2}{\Delta^2/12} = 6.02 b + 1.76 \; dB

Mu-law first bends the scale, so that quiet samples get fine steps and loud ones coarse,

.. math:: F(x) = sign(x) \frac{\log(1 + \mu |x|)}{\log(1 + \mu)}

.. math:: F^{-1}(y) = sign(y) \frac{(1 + \mu)^{|y|} - 1}{\mu}

and the error is then in proportion to the sample over some 40 dB.

Reference: Bennett (1948), Bell System Technical Journal 27, 446-472 (uniform steps); Smith (1957), Bell System
Technical Journal 36, 653-709 (mu-law); ITU-T Recommendation G.711 (1988) (the eight-bit codes of telephony).
"""

import functools

import numpy as np

from peira.core.errors import ParameterError

BITS = (8, 16, 24, 32)


def to_pcm(x: np.ndarray, bits: int) -> np.ndarray:
    """Samples as whole numbers of some bits, two's complement; beyond full scale they are clipped.

    Parameters
    ----------
    x : array, full scale from -1 to 1
    bits : int between 2 and 32

    Returns
    -------
    int32 array
        Between -2^(bits-1) and 2^(bits-1) - 1.

    Examples
    --------
    >>> to_pcm(np.array([-1.0, 0.0, 0.5, 1.0]), 16).tolist()
    [-32768, 0, 16384, 32767]
    """
    if not 2 <= bits <= 32:
        raise ParameterError(f"samples have 2 to 32 bits, got bits={bits}")
    full = 2.0 ** (bits - 1)
    return np.clip(np.rint(np.asarray(x, np.float64) * full), -full, full - 1).astype(np.int32)


def from_pcm(codes: np.ndarray, bits: int) -> np.ndarray:
    """Whole numbers of some bits as samples between -1 and 1, float64."""
    return np.asarray(codes, np.float64) / 2.0 ** (bits - 1)


def mu_law_encode(x: np.ndarray, mu: int = 255) -> np.ndarray:
    """Samples as mu + 1 symbols: the companded scale in even steps.

    Parameters
    ----------
    x : array, full scale from -1 to 1
        Beyond it samples are clipped.
    mu : int, default 255
        One less than the number of symbols.

    Returns
    -------
    int64 array, between 0 and mu

    Examples
    --------
    >>> mu_law_encode(np.array([-1.0, 0.0, 0.01, 1.0])).tolist()
    [0, 128, 157, 255]
    """
    return np.floor((compress(np.clip(x, -1, 1), mu) + 1) / 2 * mu + 0.5).astype(np.int64)


def mu_law_decode(codes: np.ndarray, mu: int = 255) -> np.ndarray:
    """The samples in the middle of the steps of `mu_law_encode`, float64.

    >>> mu_law_decode(np.array([0, 255])).round(12).tolist()
    [-1.0, 1.0]
    """
    codes = np.asarray(codes)
    if codes.size and (codes.min() < 0 or codes.max() > mu):
        raise ParameterError(f"symbols of mu-law lie between 0 and mu={mu}, got {codes.min()} to {codes.max()}")
    return expand(2 * (codes / mu) - 1, mu)


def compress(x: np.ndarray, mu: float = 255.0) -> np.ndarray:
    """F(x), the bent scale."""
    return np.sign(x) * np.log1p(mu * np.abs(x)) / np.log1p(mu)


def expand(y: np.ndarray, mu: float = 255.0) -> np.ndarray:
    """The inverse of F."""
    return np.sign(y) * np.expm1(np.abs(y) * np.log1p(mu)) / mu


def sqnr(x: np.ndarray, rounded: np.ndarray) -> float:
    """Signal to quantisation noise in dB: the power of the samples over that of their error."""
    x = np.asarray(x, np.float64)
    noise = float(np.sum((x - rounded) ** 2))
    return float("inf") if noise == 0 else 10 * float(np.log10(np.sum(x**2) / noise))


@functools.cache
def mu_law_table() -> np.ndarray:
    """The sample of each eight-bit code of G.711 mu-law, float32 of shape (256,)."""
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code >> 4).astype(np.int64) & 7, code.astype(np.int64) & 15
    size = (((2 * step + 33) << segment) - 33) << 2
    return (np.where(code & 128, -size, size) / 2.0**15).astype(np.float32)


@functools.cache
def a_law_table() -> np.ndarray:
    """The sample of each eight-bit code of G.711 A-law, float32 of shape (256,)."""
    code = np.arange(256) ^ 0x55
    segment, step = (code >> 4) & 7, code & 15
    size = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0)) << 3
    return (np.where(code & 128, size, -size) / 2.0**15).astype(np.float32)
