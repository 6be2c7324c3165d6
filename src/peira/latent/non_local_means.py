r"""Non-local means: a pixel is the mean of the pixels that have the same surroundings.

Signals and images repeat themselves, next to a place and far from it. With the mean squared difference
:math:`d_{ij}^2` of the patches around i and j, and the noise's variance :math:`\sigma^2`,

.. math:: \hat u_i = \frac{\sum_j w_{ij} \, y_j}{\sum_j w_{ij}}, \quad
          w_{ij} = \exp(-\max(d_{ij}^2 - 2 \sigma^2, 0) / h^2)

over j in a window around i. Two patches of the same content differ by :math:`2 \sigma^2` on average from noise alone,
so these have full weight. Edges and texture stay where they occur more than once; what is unique keeps its noise.
Beyond the ends, rows and images are mirrored.

**Use it** for textures and repeating signals; total variation for flat pieces. The strength h is about the noise: less
leaves noise, more blurs.

Cost: N D (S P) for windows of S places and the sum P of a patch's sides; T stands for their product on the card.

Reference: Buades, Coll & Morel (2005), A non-local algorithm for image denoising, CVPR 2, 60-65; Buades, Coll & Morel
(2011), Non-local means denoising, Image Processing On Line 1, 208-212 (the weights).
"""

import numpy as np
import torch

from ..core import Card, ParameterError, linear, log, param
from .denoiser import Denoiser
from .patch_means import patch_means


class NonLocalMeans(Denoiser):
    """A pixel is the mean of the pixels that have the same surroundings.

    Attributes
    ----------
    sigma_ : float
        Standard deviation of the noise.
    shape_ : list of two ints
        Height and width; 1 and D for signals.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import NonLocalMeans
    >>> clean = np.tile([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]], (1, 30))
    >>> noisy = clean + 0.1 * np.random.default_rng(0).normal(size=clean.shape)
    >>> found = NonLocalMeans(sigma=0.1, patch_distance=40).fit_transform(noisy)
    >>> bool(((found - clean) ** 2).mean() < 0.5 * 0.1**2)
    True
    """

    card = Card(tasks="representation", reference="Buades, Coll & Morel (2005)", cost="N D T")
    patch_size: int = param(5, "places along a side of a patch, odd", low=1)
    patch_distance: int = param(10, "places from the centre of the window to its ends", low=1)
    h: float | None = param(None, "strength; None: ``strength`` times the noise", low=0, tune=log(1e-3, 1e3))
    strength: float = param(
        0.4, "strength over the noise's standard deviation, for h=None", above=0, tune=linear(0.2, 1)
    )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.patch_size % 2 == 0:
            raise ParameterError(f"patch_size of NonLocalMeans must be odd, got {self.patch_size}")

    def _clean(self, Y: torch.Tensor) -> torch.Tensor:
        h = self.strength * self.sigma_ if self.h is None else float(self.h)
        if not h:
            return Y
        images = Y.numpy(force=True)
        largest = float(np.abs(images).max())
        h = max(h, 1e-100 * largest)  # below that, no other patch counts, and differences would be beyond range
        reach = tuple(self.patch_size // 2 if n > 1 else 0 for n in Y.shape[1:])
        search = tuple(self.patch_distance if n > 1 else 0 for n in Y.shape[1:])
        pads = [(0, 0), *((r + s, r + s) for r, s in zip(reach, search, strict=True))]
        out = np.empty(images.shape)
        patch_means(np.pad(images / h, pads, mode="symmetric"), reach, search, 2 * (self.sigma_ / h) ** 2, out)
        return torch.as_tensor(out * h, device=Y.device)
