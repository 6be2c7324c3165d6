r"""Random Fourier features: a kernel of distances as an inner product of a few hundred cosines.

A kernel that depends on x - z alone is the mean of cosines over its spectral density (Bochner's theorem). For the RBF
kernel that density is normal,

.. math:: \exp(-\gamma |x - z|^2) = E \cos( w^T (x - z) ), \quad w \sim N(0, 2 \gamma I)

With M frequencies drawn from it and phases b uniform on a circle,

.. math:: \phi(x) = \sqrt{2 / M} \, ( \cos(w_1^T x + b_1), \ldots, \cos(w_M^T x + b_M) ), \quad
          E \, \phi(x)^T \phi(z) = k(x, z)

The error of each entry has mean zero and a variance that no number of columns changes,

.. math:: ( 1 + k^4 / 2 - k^2 ) / M \leq 1 / M

so four times the features halve it. A linear method on these features is a kernel method at the cost of a linear one.

**Use it** where N is too large for N^2 and a few hundred features are accurate enough; `Nystroem` looks at the data and
needs fewer where they are alike.

Cost: D M numbers; N D M for N rows.

Reference: Rahimi & Recht (2007), Random features for large-scale kernel machines, algorithm 1; Sutherland & Schneider
(2015), On the error of random Fourier features.
"""

import math
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, Transformer, integer, log, param
from ..core.errors import UnreadableError
from .similarity import default_gamma


class RBFSampler(Transformer):
    """Random Fourier features of the RBF kernel.

    Attributes
    ----------
    random_weights_ : array of shape (D, M)
        The frequencies w.
    random_offset_ : array of shape (M,)
        The phases b.
    gamma_ : float

    Examples
    --------
    >>> from peira.kernels import RBFSampler
    >>> Z = RBFSampler(gamma=0.5, n_components=1000, random_state=0).fit_transform([[0.0], [1.0]])
    >>> (Z @ Z.T).round(1)
    array([[1. , 0.6],
           [0.6, 1. ]])
    """

    card = Card(tasks="representation", reference="Rahimi & Recht (2007) algorithm 1", cost="D K")
    gamma: float | Literal["scale"] = param(
        1.0, "the kernel's gamma; 'scale' for 1 / (D variance of X)", above=0, tune=log(1e-3, 10.0)
    )
    n_components: int = param(100, "number of features M", low=1, tune=integer(50, 500))
    random_state: object = param(None, "seed of frequencies and phases: an int, a generator, or None to draw one")

    @classmethod
    def example(cls) -> "RBFSampler":
        return cls(gamma=0.2, n_components=7, random_state=0)

    def fit(self, X: Any, y: Any = None) -> "RBFSampler":
        """Draw the frequencies; of the data, the number of columns matters (and the variance, for "scale").

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        """
        data = self._begin(X)
        self.gamma_ = default_gamma(data.X, None, "scale") if self.gamma == "scale" else float(self.gamma)
        rng = data.rng()
        shape = (data.X.shape[1], self.n_components)
        self.random_weights_ = data.give(data.tensor(rng.standard_normal(shape) * math.sqrt(2 * self.gamma_)))
        self.random_offset_ = data.give(data.tensor(rng.uniform(0.0, 2 * math.pi, self.n_components)))
        return self

    def transform(self, X: Any) -> Any:
        """The features of each row, of shape (N, M), between -sqrt(2 / M) and sqrt(2 / M).

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        """
        queries = self._queries(X)
        w, b = queries.tensor(self.random_weights_), queries.tensor(self.random_offset_)
        return queries.give(torch.addmm(b, queries.X, w).cos_().mul_(math.sqrt(2 / len(b))))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """``rbfsampler0``, ``rbfsampler1``, ..."""
        return np.array([f"rbfsampler{m}" for m in range(len(self.random_offset_))], dtype=object)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        w, b = np.shape(self.random_weights_), np.shape(self.random_offset_)
        if len(b) != 1 or w != (self.n_features_in_, *b):
            raise UnreadableError(f"RBFSampler has weights of shape {w} and offsets of shape {b}")
