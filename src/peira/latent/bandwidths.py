r"""How wide? Bandwidths of a Gaussian kernel for N rows of D columns.

**normal_reference**: what minimises the mean integrated squared error, to leading order, if the density is a Gaussian
with the spread of the data (:math:`\sigma^2` the mean variance of the columns; 1.06 :math:`\sigma N^{-1/5}` for D = 1),

.. math:: h = \sigma \left( \frac{4}{D + 2} \right)^{1/(D+4)} N^{-1/(D+4)}

too wide for anything with several peaks. **scott** and **silverman** are scikit-learn's: :math:`N^{-1/(D+4)}` and the
above with :math:`\sigma = 1`, for columns that are standardised already.

**likelihood**: the most likely when each row is left out in turn,

.. math:: L(h) = \frac{1}{N} \sum_n \log p_{-n}(x_n), \quad p_{-n}(x_n) = \frac{1}{N - 1} \sum_{m \neq n} K_h(x_n - x_m)

**least_squares**: an unbiased estimate, but for a constant, of the integrated squared error. For a Gaussian kernel

.. math:: J(h) = \int p^2 - \frac{2}{N} \sum_n p_{-n}(x_n), \quad
          \int p^2 = \frac{1}{N^2} \sum_{nm} K_{\sqrt{2} h}(x_n - x_m)

**improved_sheather_jones**, one column: the error's leading terms need the roughness of the density's second
derivative, which is estimated with a bandwidth that needs that of the third, and so on; five such steps close in a
fixed point, found on the cosine transform of counts on a fine grid (Botev, Grotowski & Kroese 2010, algorithm 1). It
suits densities with several peaks.

Rows that repeat each other (rounded numbers, say) make both cross-validations favour a width of 0; that is refused.

Cost: N^2 D for each of some 25 widths tried; N for the plug-in ones.

References: Silverman (1986), Density Estimation, 3.4 and 4.3; Botev, Grotowski & Kroese (2010), Annals of Statistics
38, 2916-2957.
"""

import math
from typing import Literal

import numpy as np
import torch
from scipy.fft import dct
from scipy.optimize import brentq, minimize_scalar

from ..core import DataError
from .kernel_sums import log_kernel_sums, log_left_out

Rule = Literal["scott", "silverman", "normal_reference", "likelihood", "least_squares", "improved_sheather_jones"]
OCTAVES = np.arange(-6.0, 1.51, 0.5)  # powers of two of the reference that are tried first
GRID = 1 << 12


def bandwidth(rule: str, X: torch.Tensor, w: torch.Tensor | None) -> float:
    """The bandwidth of a Gaussian kernel by one of the rules.

    Parameters
    ----------
    rule : str
    X : tensor of shape (N, D)
    w : tensor of shape (N,), optional
        Weights > 0, as counts.

    Raises
    ------
    DataError
        If the rows do not vary, or the rule finds no width.
    """
    D, W = X.shape[1], float(len(X)) if w is None else float(w.sum())
    standard = (4 / (D + 2)) ** (1 / (D + 4)) * W ** (-1 / (D + 4))
    if rule in ("scott", "silverman"):
        return W ** (-1 / (D + 4)) if rule == "scott" else standard
    reference = standard * _spread(X, w)
    if rule == "normal_reference":
        return reference
    if rule == "improved_sheather_jones":
        return improved_sheather_jones(X, w)
    if W <= 1:
        raise DataError("one row can't be left out: give bandwidth a number, or more rows")
    loss = _unlikelihood if rule == "likelihood" else _squared_error
    tried = [loss(X, reference * 2**octave, w) for octave in OCTAVES]
    best = int(np.argmin(tried))
    if best == 0:
        raise DataError(
            f"the narrowest bandwidth looks best to bandwidth={rule!r}: rows repeat each other, or nearly; give a "
            "number, or use 'normal_reference'"
        )
    ends = OCTAVES[best - 1], OCTAVES[min(best + 1, len(OCTAVES) - 1)]
    found = minimize_scalar(
        lambda octave: loss(X, reference * 2**octave, w), bounds=ends, method="bounded", options={"xatol": 1e-4}
    )
    return reference * 2 ** float(found.x)


def _spread(X: torch.Tensor, w: torch.Tensor | None) -> float:
    """The root of the columns' mean variance."""
    w = torch.ones_like(X[:, 0]) if w is None else w
    C = X - (w @ X) / w.sum()
    W = float(w.sum())
    sigma = math.sqrt(float((w @ C.square()).mean()) / max(W - 1, 1.0))
    if not 0 < sigma < math.inf:
        raise DataError(
            f"the rows' variance is {sigma:g}, so that no bandwidth can be chosen (n_samples={len(X)}"
            f"{', 1 sample' if len(X) == 1 else ''}): give a number, or rescale the columns"
        )
    return sigma


def _unlikelihood(X: torch.Tensor, h: float, w: torch.Tensor | None) -> float:
    logs = log_left_out(X, h, w)
    return -float(logs.mean() if w is None else (w @ logs) / w.sum())


def _squared_error(X: torch.Tensor, h: float, w: torch.Tensor | None) -> float:
    D, W = X.shape[1], float(len(X)) if w is None else float(w.sum())
    u = torch.ones_like(X[:, 0]) if w is None else w
    wide = log_kernel_sums(X, X, math.sqrt(2) * h, "gaussian", w) - D * math.log(2 * h * math.sqrt(math.pi))
    return float((u @ wide.exp()) / W**2 - 2 / W * (u @ log_left_out(X, h, w).exp()))


def improved_sheather_jones(X: torch.Tensor, w: torch.Tensor | None) -> float:
    """Botev, Grotowski & Kroese (2010), algorithm 1, on a grid of 2^12 cells; N counts different values."""
    if X.shape[1] != 1:
        raise DataError(f"bandwidth='improved_sheather_jones' is for one column, got {X.shape[1]}: use 'likelihood'")
    x = X[:, 0].numpy(force=True)
    N, low, high = len(np.unique(x)), float(x.min()), float(x.max())
    R = 1.2 * (high - low)  # a tenth of the range is added on both sides
    shares, _ = np.histogram(x, GRID, (low - R / 12, high + R / 12), weights=None if w is None else w.numpy(force=True))
    a2 = (dct(shares / shares.sum())[1:] / 2) ** 2
    squares = np.arange(1, GRID, dtype=np.float64) ** 2

    def roughness(s: int, t: float) -> float:
        """The squared norm of the s-th derivative, smoothed by t."""
        return 2 * math.pi ** (2 * s) * float((squares**s * a2 * np.exp(-squares * math.pi**2 * t)).sum())

    def gap(t: float) -> float:
        f = roughness(7, t)
        for s in range(6, 1, -1):
            odd = math.prod(range(1, 2 * s, 2)) / math.sqrt(2 * math.pi)
            f = roughness(s, (2 * (1 + 0.5 ** (s + 0.5)) / 3 * odd / (N * f)) ** (2 / (3 + 2 * s)))
        return t - (2 * N * math.sqrt(math.pi) * f) ** -0.4

    starts = np.geomspace(1e-9, 0.1, 60)
    with np.errstate(all="ignore"):
        signs = [i for i in range(len(starts) - 1) if _safe(gap, starts[i]) < 0 <= _safe(gap, starts[i + 1])]
    if not signs:
        raise DataError("bandwidth='improved_sheather_jones' finds no fixed point on these rows: use 'likelihood'")
    i = signs[0]
    return R * math.sqrt(float(brentq(gap, starts[i], starts[i + 1], xtol=1e-16, rtol=1e-12)))


def _safe(function, t: float) -> float:
    try:
        return function(t)
    except (ZeroDivisionError, OverflowError):
        return math.nan
