r"""Scaling by majorising a complicated function: distances that fit dissimilarities, step by step, never worse.

.. math:: \sigma(Y) = \sum_{i<j} ( \hat d_{ij} - d_{ij}(Y) )^2, \qquad d_{ij}(Y) = | y_i - y_j |

lies below a quadratic function of Y that touches it at the present Y (by Cauchy-Schwarz), whose minimum is the
Guttman transform

.. math:: Y \leftarrow \frac{1}{N} B(Y) \, Y, \qquad B_{ij} = - \hat d_{ij} / d_{ij}, \qquad B_{ii} = - \sum_{j} B_{ij}

so the stress never rises. **Metric**: the disparities :math:`\hat d` are the dissimilarities. **Non-metric**: only
the order of these counts, and the disparities are the nearest numbers to the distances that keep it (isotonic
regression; equal dissimilarities may part), scaled to a mean square of 1. That too can only lower the stress, since
the projection onto a cone, scaled, is the nearest point of the cone on a sphere.

**A new item** at the others' fixed places is a Guttman transform of one row, from the trilateration of its disparities
on; these are read off the curve of dissimilarity and disparity.

Cost: N^2 K a step; N^2 log N for the order, once, and as much a step where dissimilarities tie. Memory: some N^2.

Reference: de Leeuw (1977), Applications of convex analysis to multidimensional scaling; Borg & Groenen (2005), Modern
Multidimensional Scaling, 8.4 to 8.6 and 9.2; Kruskal (1964), Psychometrika 29, 115-129 (primary approach to ties).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import isotonic_regression

from ..core.iteration import iterate
from ..numerics.compile import compiled

STEPS = 500  # of a new item, at most


@dataclass(frozen=True, eq=False)
class Scaled:
    """Where SMACOF ended.

    Attributes
    ----------
    Y : tensor of shape (N, K)
    stress : float
    size : float
        The sum of squared distances over pairs.
    curve : array of shape (2, B)
        Dissimilarities, rising, and their disparities; between them the curve is straight.
    """

    Y: torch.Tensor
    stress: float
    size: float
    curve: np.ndarray


def smacof(owner: Any, delta: torch.Tensor, Y: torch.Tensor, *, ordinal: bool, max_iter: int, eps: float) -> Scaled:
    """Majorise from Y (N, K) on until the stress falls by less than eps times the sum of squared distances.

    Parameters
    ----------
    owner : Method
        Keeps the history.
    delta : tensor of shape (N, N)
        Dissimilarities.
    ordinal : bool
        Whether only their order counts.
    """
    N = len(delta)
    monotone = _Monotone(delta) if ordinal else None
    d = _distances(Y)
    target = monotone(d) if monotone else delta
    stress, size = _stress(target, d), 0.0
    for step in iterate(owner, max_iter, name="SMACOF", expect={"stress": "decrease"}):
        if step.index and monotone:
            target = monotone(d)
        ratio = torch.where(d > 0, target / d, 0.0)
        Y = (ratio.sum(1, keepdim=True) * Y - ratio @ Y) / N
        d, before = _distances(Y), stress
        stress, size = _stress(target, d), float(d.square().sum()) / 2
        step.record(stress=stress, decrease=(before - stress) / size if size > 0 else 0.0)
        if step.reached("decrease", eps):
            break
    ends = np.array([0.0, max(float(delta.max()), 1e-300)])
    return Scaled(Y, stress, size, monotone.curve(target) if monotone else np.stack([ends, ends]))


def _distances(Y: torch.Tensor) -> torch.Tensor:
    return torch.cdist(Y, Y, compute_mode="donot_use_mm_for_euclid_dist")


def _stress(target: torch.Tensor, d: torch.Tensor) -> float:
    return float((target - d).square().sum()) / 2


class _Monotone:
    """The nearest disparities to given distances that are in the order of the dissimilarities."""

    def __init__(self, delta: torch.Tensor) -> None:
        self.pairs = np.triu_indices(len(delta), 1)
        self.delta = delta.numpy()[self.pairs]
        self.order = np.argsort(self.delta, kind="stable")
        self.tied = len(np.unique(self.delta)) < len(self.delta)

    def __call__(self, d: torch.Tensor) -> torch.Tensor:
        flat = d.numpy()[self.pairs]
        order = np.lexsort((flat, self.delta)) if self.tied else self.order
        values = np.empty_like(flat)
        values[order] = isotonic_regression(flat[order]).x
        length = float(np.sqrt((values * values).sum()))
        if length > 0:
            values *= np.sqrt(len(values)) / length
        target = np.zeros(d.shape)
        target[self.pairs] = values
        return torch.from_numpy(target + target.T)

    def curve(self, target: torch.Tensor) -> np.ndarray:
        """The ends of the steps of the curve; equal dissimilarities with their mean disparity."""
        values = target.numpy()[self.pairs]
        x, where, count = np.unique(self.delta, return_inverse=True, return_counts=True)
        y = np.bincount(where, values) / count
        inner = np.zeros(len(x), dtype=bool)
        inner[1:-1] = (y[1:-1] == y[:-2]) & (y[1:-1] == y[2:])
        return np.stack([x[~inner], y[~inner]])


def place_one_by_one(target: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """The places (M, K) of new items with disparities (M, N) to those at Y (N, K)."""
    C = Y - Y.mean(0)
    own = (C * C).sum(1)
    # Squared disparities less their mean are linear in the place: -2 C y + own - mean(own), in least squares.
    gap = own - own.mean() - (target**2 - (target**2).mean(1, keepdims=True))
    start = gap @ np.linalg.pinv(2 * C).T + Y.mean(0)
    return _guttman(np.ascontiguousarray(target), np.ascontiguousarray(Y), np.ascontiguousarray(start))


@compiled
def _guttman(target, Y, places):
    N, K = Y.shape
    for i in range(len(target)):
        y = places[i]
        for _ in range(STEPS):
            new, moved, size = np.zeros(K), 0.0, 0.0
            for j in range(N):
                s = 0.0
                for c in range(K):
                    s += (y[c] - Y[j, c]) ** 2
                ratio = target[i, j] / np.sqrt(s) if s > 0.0 else 0.0
                for c in range(K):
                    new[c] += (Y[j, c] + ratio * (y[c] - Y[j, c])) / N
            for c in range(K):
                moved += (new[c] - y[c]) ** 2
                size += new[c] ** 2
                y[c] = new[c]
            if moved <= 1e-24 * size:
                break
    return places
