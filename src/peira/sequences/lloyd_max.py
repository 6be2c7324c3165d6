r"""The best levels for a number with a known density: the fixed point of Lloyd and Max.

.. math:: t_k = (y_{k-1} + y_k) / 2, \quad y_k = E[ x \mid t_k < x < t_{k+1} ]

For a density whose logarithm is strictly concave, such as the normal one, there is only one such set of levels, and it
is the best (Fleischer 1964). Newton's method on these K equations, each of which holds three levels, finds it in a few
steps; where it would go astray, Lloyd's step (each level to the mean of its cell) takes its place. From data,
`peira.sequences.ScalarQuantiser` learns levels.

Cost: a few thousand values of the density a step.

Reference: Lloyd (1982; 1957), IEEE Transactions on Information Theory 28, 129-137; Max (1960), IRE Transactions on
Information Theory 6, 7-12.
"""

import contextlib
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_banded
from sklearn.exceptions import ConvergenceWarning

from ..core import ParameterError, iterate

_PANELS, _NODES = 2000, 10


class Levels(NamedTuple):
    """Levels (K,), the thresholds between them (K - 1,), and the mean squared error."""

    levels: np.ndarray
    thresholds: np.ndarray
    error: float


def lloyd_max(
    density: Callable[[np.ndarray], np.ndarray],
    n_levels: int,
    low: float,
    high: float,
    *,
    tol: float = 1e-12,
    max_iter: int = 1000,
) -> Levels:
    """The levels that lose the least of a number with some density.

    Parameters
    ----------
    density : callable
        p at an array of points; it need not be normalised.
    n_levels : int
        K.
    low, high : float
        Where the density begins and ends; beyond it, it should hold nothing that matters.
    tol : float, default 1e-12
        How far levels may lie from the means of their cells, over ``high - low``.
    max_iter : int, default 1000

    Returns
    -------
    Levels

    Raises
    ------
    ParameterError
        If the density does not integrate to a positive number.

    Warns
    -----
    ConvergenceWarning
        If the steps ran out.

    Notes
    -----
    Integrals are Gauss-Legendre sums of 10 points on each of 2,000 panels: a kink of the density costs digits unless it
    lies between two of them, as the middle does.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> best = lloyd_max(norm.pdf, 2, -10, 10)
    >>> best.levels.round(4).tolist(), round(best.error, 6)
    ([-0.7979, 0.7979], 0.36338)
    """
    if n_levels < 1 or not -np.inf < low < high < np.inf:
        raise ParameterError(f"lloyd_max takes n_levels >= 1 and low < high, got {n_levels}, {low} and {high}")
    integrals = _Integrals(density, low, high)
    grid = np.linspace(low, high, 20_001)
    share = np.cumsum(np.cbrt(np.maximum(density(grid), 0.0)))  # many levels stand as the cube root of the density
    y = np.interp((np.arange(n_levels) + 0.5) / n_levels, share / share[-1], grid)
    mean, parts, J = _cells(density, integrals, y, low, high)
    for step in iterate(None, max_iter, name="Lloyd-Max"):
        gap = float(np.abs(mean - y).max()) / (high - low)
        step.record(gap=gap)
        if gap <= tol:
            break
        with np.errstate(all="ignore"), contextlib.suppress(np.linalg.LinAlgError):
            tried = y + solve_banded((1, 1), J, mean - y)
            if low < tried[0] and tried[-1] < high and (np.diff(tried) > 0).all():
                found = _cells(density, integrals, tried, low, high)
                if np.abs(found[0] - tried).max() < np.abs(mean - y).max():
                    y, (mean, parts, J) = tried, found
                    continue
        y = mean  # Lloyd's step, which never makes it worse
        mean, parts, J = _cells(density, integrals, y, low, high)
    else:
        warnings.warn(
            f"lloyd_max: levels still move by {gap:.3g} of the range after {max_iter} steps: raise max_iter or tol",
            ConvergenceWarning,
            stacklevel=2,
        )
    mass, first, second = parts
    return Levels(y, (y[:-1] + y[1:]) / 2, float((second - 2 * y * first + y**2 * mass).sum() / mass.sum()))


def _cells(
    density: Callable[[np.ndarray], np.ndarray], integrals: "_Integrals", y: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean of each level's cell (K,), its integrals (3, K), and I less the means' derivatives by the levels, as
    three diagonals (3, K)."""
    t = np.concatenate([[low], (y[:-1] + y[1:]) / 2, [high]])
    mass, first, _ = parts = np.diff(integrals.up_to(t))
    safe = np.where(mass > 0, mass, 1.0)
    mean = np.where(mass > 0, first / safe, y)  # a cell without mass keeps its level
    p = density(t)
    p[[0, -1]] = 0.0  # the ends do not move
    below, above = p[:-1] * (mean - t[:-1]) / safe / 2, p[1:] * (t[1:] - mean) / safe / 2
    J = np.zeros((3, len(y)))
    J[0, 1:], J[1], J[2, :-1] = -above[:-1], 1 - below - above, -below[1:]
    return mean, parts, J


class _Integrals:
    """Integrals of p, x p and x^2 p from the lower end to some points: panels summed up, and a part of one."""

    def __init__(self, density: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> None:
        self.density = density
        self.nodes, self.weights = np.polynomial.legendre.leggauss(_NODES)
        self.edges = np.linspace(low, high, _PANELS + 1)
        panels = self._between(self.edges[:-1], self.edges[1:])
        self.sums = np.pad(np.cumsum(panels, 1), ((0, 0), (1, 0)))
        if not 0 < self.sums[0, -1] < np.inf:
            raise ParameterError(f"the density integrates to {self.sums[0, -1]:g} between {low:g} and {high:g}")

    def up_to(self, t: np.ndarray) -> np.ndarray:
        """The three integrals up to each of the points t (n,), of shape (3, n)."""
        panel = np.clip(np.searchsorted(self.edges, t, side="right") - 1, 0, _PANELS - 1)
        return self.sums[:, panel] + self._between(self.edges[panel], t)

    def _between(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        half = (b - a)[:, None] / 2
        x = a[:, None] + half * (1 + self.nodes)
        p = self.density(x) * self.weights * half
        return np.stack([(p * x**power).sum(1) for power in range(3)])
