r"""Kernels of functions that repeat.

.. math:: ExpSineSquared: \quad k(x, z) = \exp ( -2 \sin^2 ( \pi |x - z| / p ) / l^2 )
.. math:: Wave: \quad k(x, z) = \cos ( 2 \pi \sum_d (x_d - z_d) / p_d )

The first is an RBF kernel between points of a circle: any shape that repeats with the period p, smooth over fractions l
of it. The second knows nothing but sines and cosines of one plane wave.

``ExpSineSquared`` is valid for **one column**; several enter by their Euclidean distance, as in scikit-learn, and the
result is not positive semidefinite in general (`is_valid_kernel` shows where). Multiply one kernel for each column:
``ExpSineSquared(periodicity=12).on([0])``.

Reference: MacKay (1998), Introduction to Gaussian processes; Rasmussen & Williams (2006), eq. 4.31.
"""

import math

import numpy as np
import torch

from ..core.errors import DataError
from ..core.params import param
from .kernel import Bounds, Kernel, Pullback
from .pairs import products, squared_distances
from .wording import number, of_columns, subject


class ExpSineSquared(Kernel):
    """Periodic kernel: any shape that repeats.

    Examples
    --------
    >>> from peira.kernels import ExpSineSquared
    >>> ExpSineSquared(periodicity=12.0)([[0.0], [6.0], [12.0]])[0].round(4)
    array([1.    , 0.1353, 1.    ])
    """

    length_scale: float = param(1.0, "smoothness, in units of the circle's radius", above=0, positional=True)
    periodicity: float = param(1.0, "the period p, in the unit of the column", above=0, positional=True)
    length_scale_bounds: Bounds = param((1e-5, 1e5), "bounds of the length-scale, or 'fixed'", positional=True)
    periodicity_bounds: Bounds = param((1e-5, 1e5), "bounds of the period, or 'fixed'", positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        a = self._angles(X, Z)
        return torch.exp(-2 * (a.sin() / self._tensor("length_scale", X)).square())

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return X.new_ones(len(X))

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        a = self._angles(X, None)
        q = a.sin() / float(self.length_scale)
        K = torch.exp(-2 * q.square())

        def back(W: torch.Tensor) -> torch.Tensor:
            M = 4 * W * K * q
            by = {
                "length_scale": lambda: (M * q).sum(),
                "periodicity": lambda: (M * a * a.cos()).sum() / float(self.length_scale),
            }
            free = self._own_free()
            return torch.stack([by[name]() for name in free]) if free else K.new_zeros(0)

        return K, back

    def _angles(self, X: torch.Tensor, Z: torch.Tensor | None) -> torch.Tensor:
        r2 = squared_distances(X, Z)
        r = r2.clamp(min=torch.finfo(r2.dtype).tiny).sqrt() if r2.requires_grad else r2.sqrt_()  # no slope at 0
        return r * (math.pi / self._tensor("periodicity", X))

    def _words(self, columns: list[str] | None) -> str:
        shape = f"(length-scale {number(self.length_scale)} of its shape)"
        return f"a period of {number(self.periodicity)} {subject(columns).replace('of', 'in', 1)} {shape}"


class Wave(Kernel):
    """Cosine of the phase between two items: sines and cosines of one plane wave.

    Examples
    --------
    >>> from peira.kernels import Wave
    >>> Wave(periodicity=4.0)([[0.0], [1.0], [2.0]])[0].round(4)
    array([ 1.,  0., -1.])
    """

    periodicity: float | list | np.ndarray = param(1.0, "the period, one or one for each column", positional=True)
    periodicity_bounds: Bounds = param((1e-5, 1e5), "bounds of the periods, or 'fixed'", positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return products(self._features(X), None if Z is None else self._features(Z))

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return X.new_ones(len(X))

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        P = self._phases(X)
        F = self._features(X)

        def back(W: torch.Tensor) -> torch.Tensor:
            if not self._own_free():
                return P.new_zeros(0)
            c, s = F.T
            sines = s * (W @ c) - c * (W @ s)  # sum_j W_ij sin(a_i - a_j)
            columns = 2 * P.T @ sines
            return columns if np.ndim(self.periodicity) else columns.sum().reshape(1)

        return products(F), back

    def _n_features(self, D: int) -> int | None:
        return 2

    def _features(self, X: torch.Tensor) -> torch.Tensor:
        a = self._phases(X).sum(1)  # cos(a - b) = cos a cos b + sin a sin b
        return torch.stack([a.cos(), a.sin()], 1)

    def _phases(self, X: torch.Tensor) -> torch.Tensor:
        p = self._tensor("periodicity", X)
        if p.dim() and len(p) != X.shape[1]:
            raise DataError(f"Wave has {len(p)} periods, and the items {X.shape[1]} columns")
        return X * (2 * math.pi / p)

    def _words(self, columns: list[str] | None) -> str:
        return f"a wave {of_columns(columns, self.periodicity, 'period')}"
