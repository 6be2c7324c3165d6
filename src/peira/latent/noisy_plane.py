r"""A Gaussian on a plane with noise around it: the density of probabilistic principal components.

.. math:: x = m + W z + \epsilon, \quad z \sim N(0, I_q), \quad \epsilon \sim N(0, \sigma^2 I_D), \qquad
          x \sim N(m, \, W W^T + \sigma^2 I)

With orthonormal directions V and variances :math:`\lambda` along them, :math:`W = V (\Lambda - \sigma^2 I)^{1/2}`, and

.. math:: -2 \log p(x) = D \log 2 \pi + \sum_k \log \lambda_k + (D - q) \log \sigma^2
          + \sum_k \frac{(v_k^T r)^2}{\lambda_k} + \frac{| r - V V^T r |^2}{\sigma^2}, \quad r = x - m

**Missing entries.** What is observed, o, is Gaussian too. With :math:`M_o = W_o^T W_o + \sigma^2 I`,

.. math:: E[z \mid x_o] = M_o^{-1} W_o^T (x_o - m_o), \qquad E[x \mid x_o] = m + W E[z \mid x_o]
.. math:: | W_o W_o^T + \sigma^2 I | = | M_o | \, \sigma^{2 (d_o - q)}

Cost: N D q; with missing entries N D q^2 + N q^3.

Reference: Tipping & Bishop (1999), J. R. Statist. Soc. B 61, 611-622, section 3; Bishop (2006), 12.2.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

ENTRIES = 1 << 21  # numbers in a block of M_o: 16 MiB


@dataclass(frozen=True, eq=False)
class NoisyPlane:
    """The density.

    Attributes
    ----------
    mean : tensor of shape (D,)
    W : tensor of shape (D, q)
        Orthogonal columns in `of`; of any directions in EM.
    noise : float
        sigma^2.
    """

    mean: torch.Tensor
    W: torch.Tensor
    noise: float

    @classmethod
    def of(cls, mean: torch.Tensor, V: torch.Tensor, variances: torch.Tensor, noise: float) -> "NoisyPlane":
        """From orthonormal directions (D, K), K <= D, and variances along them, largest first.

        A Gaussian in all D directions is a plane of D - 1 with the smallest variance as noise.
        """
        if V.shape[1] == len(mean):
            V, variances, noise = V[:, :-1], variances[:-1], float(variances[-1])
        return cls(mean, V * (variances - noise).clamp(min=0).sqrt(), noise)

    def degenerate(self) -> bool:
        """Whether there is no density: the noise is zero, up to the rounding of the largest variance."""
        D = len(self.mean)
        largest = float(self.W.square().sum(0).max()) if self.W.shape[1] else 0.0
        return self.noise <= D * torch.finfo(self.W.dtype).eps * largest or self.noise == 0

    def log_density(self, X: torch.Tensor) -> torch.Tensor:
        """log p of the observed entries of each row, (N,); 0 for a row in which nothing is."""
        out = X.new_empty(len(X))
        gaps = X.isnan().any(1)
        if bool((~gaps).any()):
            out[~gaps] = self._of_whole_rows(X[~gaps])
        if bool(gaps.any()):
            out[gaps] = torch.cat([part.log_density for _, part in self.posterior(X[gaps])])
        return out

    def _of_whole_rows(self, X: torch.Tensor) -> torch.Tensor:
        D, q = self.W.shape
        squares = self.W.square().sum(0)  # W has orthogonal columns here
        V = self.W / torch.where(squares > 0, squares.sqrt(), 1.0)
        R = X - self.mean
        Z = R @ V
        around = (R - Z @ V.T).square().sum(1) / self.noise
        along = (Z.square() / (squares + self.noise)).sum(1)
        log_det = float((squares + self.noise).log().sum()) + (D - q) * math.log(self.noise)
        return -(D * math.log(2 * math.pi) + log_det + along + around) / 2

    def filled(self, X: torch.Tensor) -> torch.Tensor:
        """The rows with each missing entry at its expectation given those observed."""
        gaps = X.isnan()
        some = gaps.any(1)
        if not bool(some.any()):
            return X
        out = X.clone()
        expected = torch.cat([self.mean + part.z @ self.W.T for _, part in self.posterior(X[some])])
        out[some] = torch.where(gaps[some], expected, X[some])
        return out

    def posterior(self, X: torch.Tensor) -> Iterator[tuple[slice, "Posterior"]]:
        """z given the observed entries, block by block of rows."""
        D, q = self.W.shape
        products = (self.W[:, :, None] * self.W[:, None, :]).reshape(D, q * q)
        eye = torch.eye(q, dtype=X.dtype, device=X.device)
        # Where there is no noise, M_o may be singular; a speck of it gives the limit.
        speck = max(self.noise, float(torch.finfo(X.dtype).eps * self.W.square().sum()), np.finfo(float).tiny)
        rows = max(1, ENTRIES // max(1, q * q))
        for i in range(0, len(X), rows):
            part = slice(i, min(i + rows, len(X)))
            seen = ~X[part].isnan()
            R = torch.where(seen, X[part] - self.mean, 0.0)
            M = (seen.to(X.dtype) @ products).view(len(R), q, q) + speck * eye
            L = torch.linalg.cholesky(M)
            b = R @ self.W
            z = torch.cholesky_solve(b[:, :, None], L)[:, :, 0]
            log_det = 2 * L.diagonal(dim1=1, dim2=2).log().sum(1)
            d = seen.sum(1).to(X.dtype)
            square = (R.square().sum(1) - (b * z).sum(1)) / speck
            log_density = -(d * math.log(2 * math.pi) + (d - q) * math.log(speck) + log_det + square) / 2
            yield part, Posterior(seen, z, L, speck, log_density)

    def sample(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        """n rows, (n, D)."""
        D, q = self.W.shape
        z, e = torch.from_numpy(rng.standard_normal((n, q))), torch.from_numpy(rng.standard_normal((n, D)))
        return self.mean + z.to(self.W) @ self.W.T + math.sqrt(self.noise) * e.to(self.W)


@dataclass(frozen=True, eq=False)
class Posterior:
    """z given what was seen of some rows: mean z (n, q), covariance noise (L L')^-1, and log p of what was seen."""

    seen: torch.Tensor
    z: torch.Tensor
    L: torch.Tensor
    noise: float
    log_density: torch.Tensor

    def covariance(self) -> torch.Tensor:
        """(n, q, q)."""
        return self.noise * torch.cholesky_inverse(self.L)
