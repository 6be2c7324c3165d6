r"""Kernel density: each training item spreads its share over its surroundings.

.. math:: p(x) = \frac{1}{N h^D} \sum_{n=1}^{N} K\left( \frac{x - x_n}{h} \right)

with a kernel K of unit mass (:mod:`~peira.latent.smoothing_kernels`) and a bandwidth h, which is what matters: too
narrow, and p shows the sample; too wide, and it shows the kernel. To leading order its mean squared error is

.. math:: \frac{h^4}{4} \mu^2 \int (p'')^2 + \frac{R}{N h}, \quad R = \int K^2, \quad \mu = \int u^2 K(u) \, du

in one column, least for h proportional to :math:`N^{-1/5}`, where it falls as :math:`N^{-4/5}`; in D columns as
:math:`N^{-4/(D+4)}`. Rules and cross-validation choose h (:mod:`~peira.latent.bandwidths`); what they find for a
Gaussian kernel is carried over to others by canonical scaling, except for "scott" and "silverman", which are
scikit-learn's.

**Assumes** a density without jumps, smooth on one scale in all columns: standardise them. Mass leaks over sharp borders
(a duration's zero). More than some five columns need very many rows; a mixture then fits better, and asks faster.

**Cost.** A fit stores the rows, and tries some 25 bandwidths at N^2 D each if it is to choose by cross-validation; a
question costs N D and N exponentials (:mod:`~peira.latent.kernel_sums`). Memory: the rows.

Reference: Parzen (1962), Annals of Mathematical Statistics 33, 1065-1076; Silverman (1986), Density Estimation,
chapters 3 and 4; Bishop (2006), 2.5.1, eq. 2.250.
"""

import math
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, Density, choice, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from ..core.seeds import draw_seed
from .bandwidths import bandwidth
from .density_plot import plot_density
from .kernel_sums import log_kernel_sums
from .smoothing_kernels import Kernel, canonical_ratio, draw, log_mass


class KernelDensity(Density):
    """Density by smoothing the training items with a kernel.

    Of scikit-learn's parameters it leaves out those of its tree (``algorithm``, ``atol``, ``rtol``, ``leaf_size``,
    ``breadth_first``: sums here are complete) and of metrics other than Euclid's. ``score`` is the mean log density of
    an item, scikit-learn's the sum.

    Attributes
    ----------
    bandwidth_ : float
        h.
    rows_ : array or tensor of shape (N, D)
        The training rows of positive weight.
    row_weights_ : array or tensor of shape (N,), or None
        Their weights, if any are not 1.

    Examples
    --------
    >>> from peira.latent import KernelDensity
    >>> model = KernelDensity(bandwidth=0.5).fit([[0.0], [1.0], [1.2]])
    >>> model.log_prob([[1.0], [5.0]]).round(3)
    array([ -0.602, -30.161])
    """

    card = Card(
        tasks="density", reference="Parzen (1962); Silverman (1986)", cost="N^2 D", largest={"N": 20_000, "D": 10}
    )
    bandwidth: float | Literal[
        "scott", "silverman", "normal_reference", "likelihood", "least_squares", "improved_sheather_jones"
    ] = param(
        1.0, "width h of the kernel, or how to choose it", above=0,
        tune=choice("likelihood", "least_squares", "normal_reference"),
    )  # fmt: skip
    kernel: Kernel = param("gaussian", "shape of the kernel")

    @classmethod
    def example(cls) -> "KernelDensity":
        return cls(bandwidth="normal_reference")

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "KernelDensity":
        """Keep the rows, and choose the bandwidth.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal rows.

        Returns
        -------
        self
        """
        data = self._begin(X, None, sample_weight)
        kept = slice(None) if data.w is None else data.w > 0
        rows, w = data.X[kept], None if data.w is None else data.w[kept]
        w = None if w is None or bool((w == 1).all()) else w
        h = self.bandwidth
        if isinstance(h, str):
            chosen = bandwidth(h, rows, w)
            own_unit = h in ("scott", "silverman")
            h = chosen if own_unit else chosen * canonical_ratio(self.kernel, rows.shape[1])
        self.bandwidth_ = float(h)
        self.rows_, self.row_weights_ = data.give(rows.clone()), None if w is None else data.give(w.clone())
        first = Queries(rows[:1], data.as_numpy, data.device)
        if not math.isfinite(float(self._log_density(first))):
            raise DataError(
                f"the bandwidth {self.bandwidth_:.3g} does not fit numbers up to {float(data.X.abs().max()):.3g}: "
                "rescale the columns, or give another bandwidth"
            )
        return self

    def _log_density(self, queries: Queries) -> torch.Tensor:
        X, h, D = queries.tensor(self.rows_), self.bandwidth_, self.n_features_in_
        w = None if self.row_weights_ is None else queries.tensor(self.row_weights_)
        W = float(len(X)) if w is None else float(w.sum())
        sums = log_kernel_sums(queries.X, X, h, self.kernel, w)
        return sums - math.log(W) - D * math.log(h) - log_mass(self.kernel, D)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Draw items: a training row and a step from it, of shape (n_samples, D)."""
        rng = np.random.default_rng(draw_seed(random_state))
        rows = np.asarray(torch.as_tensor(self.rows_).cpu())
        w = None if self.row_weights_ is None else np.asarray(torch.as_tensor(self.row_weights_).cpu())
        chosen = rng.choice(len(rows), n_samples, p=None if w is None else w / w.sum())
        return rows[chosen] + self.bandwidth_ * draw(self.kernel, n_samples, rows.shape[1], rng)

    def plot(self, X: Any = None, ax: Any = None) -> Any:
        """Draw the density over one or two columns; see `plot_density` for the parameters."""
        rows = np.asarray(torch.as_tensor(self.rows_).cpu())
        return plot_density(self, rows.min(0) - 3 * self.bandwidth_, rows.max(0) + 3 * self.bandwidth_, X, ax)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        h, rows, w = (getattr(self, name, "") for name in ("bandwidth_", "rows_", "row_weights_"))
        if not isinstance(h, float) or not 0 < h < math.inf:
            raise UnreadableError("bandwidth_ of a stored KernelDensity must be a number above 0")
        rows = torch.as_tensor(rows) if isinstance(rows, np.ndarray | torch.Tensor) else torch.zeros(0, 0)
        sound = rows.dim() == 2 and rows.shape[1] == self.n_features_in_ and len(rows) > 0
        if not sound or rows.dtype != torch.float64 or not bool(rows.isfinite().all()):
            raise UnreadableError("rows_ of a stored KernelDensity must be rows of finite numbers")
        if w is None:
            return
        w = torch.as_tensor(w) if isinstance(w, np.ndarray | torch.Tensor) else torch.zeros(0)
        if w.shape != (len(rows),) or w.dtype != torch.float64 or not bool((w > 0).all() and w.sum().isfinite()):
            raise UnreadableError("row_weights_ of a stored KernelDensity must be a weight above 0 for each row")
