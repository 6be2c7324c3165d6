r"""Total variation: clean signals and images with few and sharp changes.

.. math:: \min_u \; \frac{1}{2} \| u - y \|^2 + \lambda \, \mathrm{TV}(u)

TV is the sum of the sizes of all changes from one place to the next (for images, of the lengths of the gradients). It
asks the same for one jump as for a slow rise, so edges stay where a filter would blur them, and what lies between comes
out flat, in steps. It is the estimate of greatest posterior probability for white Gaussian noise of variance
:math:`\sigma^2` and changes with a Laplace density, :math:`\lambda` being :math:`\sigma^2` over its scale.

**The weight** :math:`\lambda` may be given, in units of the rows. If not, it is the one by which each row loses as much
as the noise has put there (Rudin, Osher & Fatemi 1992),

.. math:: \| u - y \|^2 = D \sigma^2

with the noise known or estimated. A row that varies less than the noise comes out as its mean. This loses a little too
much, because part of the noise always stays.

**Signals** are solved exactly, by the taut string; **images** up to a duality gap, which bounds the squared distance
from the solution.

**Use it** for what is made of pieces: outlines, blocks, levels. Texture is lost, and slopes turn into stairs.

Cost: N D for signals (60 N D where the weight is sought); some hundred N D for images.

Reference: Rudin, Osher & Fatemi (1992), Physica D 60, 259-268; Davies & Kovac (2001), Annals of Statistics 29, 1-65;
Chambolle (2004), J. Mathematical Imaging and Vision 20, 89-97.
"""

import numpy as np
import torch

from ..core import Card, log, param
from ..core.iteration import warn_not_converged
from .denoiser import Denoiser
from .taut_string import taut_strings, weights_for_noise
from .total_variation_images import smooth_images


class TotalVariation(Denoiser):
    """Signals and images with few and sharp changes.

    Attributes
    ----------
    sigma_ : float
        Standard deviation of the noise.
    shape_ : list of two ints
        Height and width; 1 and D for signals.

    Examples
    --------
    >>> from peira.latent import TotalVariation
    >>> TotalVariation(weight=0.5).fit_transform([[0.0, 0.2, -0.2, 3.0, 3.1, 2.9]]).round(2)
    array([[0.17, 0.17, 0.17, 2.83, 2.83, 2.83]])
    """

    card = Card(tasks="representation", reference="Rudin, Osher & Fatemi (1992)", cost="T N D")
    weight: float | None = param(
        None, "weight of the variation; None: what is lost has the variance of the noise", low=0, tune=log(1e-3, 1e3)
    )
    tol: float = param(1e-5, "images: duality gap over half the squared norm of the image about its mean", above=0)
    max_num_iter: int = param(2000, "images: most steps", low=1)

    def _clean(self, Y: torch.Tensor) -> torch.Tensor:
        N, H, W = Y.shape
        mean = Y.mean((1, 2), keepdim=True)
        size = (Y - mean).abs().amax((1, 2))
        size = torch.where(size > 0, size, 1.0)
        Z = (Y - mean) / size[:, None, None]
        sigma = self.sigma_ / size
        if self.weight is None:
            none, all_noise = sigma == 0, Z.square().mean((1, 2)) <= sigma.square()
            lam = torch.where(all_noise, torch.inf, sigma)
        else:
            lam = (self.weight / size).clamp(max=1e300)
            none, all_noise = lam == 0, torch.zeros_like(lam, dtype=torch.bool)
        if min(H, W) == 1:
            U = self._strings(Z.reshape(N, -1), lam, sigma).reshape(Z.shape)
        else:
            U, work = torch.zeros_like(Z), ~(none | all_noise) & (Z != 0).any(2).any(1)
            if work.any():
                noise = sigma[work] * (H * W) ** 0.5 if self.weight is None else None
                U[work], gap = smooth_images(Z[work], lam[work], noise, self.tol, self.max_num_iter)
                if gap > self.tol:
                    warn_not_converged(self, "total variation", self.max_num_iter, "gap", gap, self.tol)
        U = torch.where(all_noise[:, None, None], 0.0, U)
        return torch.where(none[:, None, None], Y, mean + size[:, None, None] * U)

    def _strings(self, Z: torch.Tensor, lam: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        rows, weights = np.ascontiguousarray(Z.numpy(force=True)), np.array(lam.numpy(force=True))
        if self.weight is None:
            weights_for_noise(rows, np.square(sigma.numpy(force=True)), weights)
        U = np.empty_like(rows)
        taut_strings(rows, np.minimum(weights, 1e300), U)
        return torch.as_tensor(U, device=Z.device)
