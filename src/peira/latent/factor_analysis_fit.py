r"""The most likely factors of a table.

Given the noise :math:`\Psi`, the best loadings are known (Joreskog 1967): with eigenvalues :math:`\theta` and vectors U
of :math:`\Psi^{-1/2} S \Psi^{-1/2}`,

.. math:: W = \Psi^{1/2} U_K ( \Theta_K - I )_+^{1/2}
.. math:: - \frac{2}{N} \log L = D \log 2 \pi + \sum_d \log \psi_d + \sum_{k \leq K} ( \log \theta_k + 1 )
          + \sum_{j > K} \theta_j

(with 0 and :math:`\theta_k` in place of :math:`\log \theta_k` and 1 where :math:`\theta_k < 1`). What remains is a
function of :math:`t = \log \psi` alone. Each round takes the best of three steps, none of which lowers the likelihood:

- two M-steps of EM for the noise, :math:`\psi_d = S_{dd} - | w_d |^2`;
- their extrapolation (SQUAREM; Varadhan & Roland 2008, scheme S3), where they creep;
- Newton's step, which ends the search in a few rounds. Sums being over :math:`m > K`, the derivatives are

.. math:: g_i = \sum_m (1 - \theta_m) u_{im}^2, \qquad P = \sum_m u_m u_m^T, \quad Q = \sum_m \theta_m u_m u_m^T
.. math:: H_{ij} = P_{ij} Q_{ij} + \sum_{n \leq K} u_{in} u_{jn}
          \sum_m \frac{(\theta_m - 1)(\theta_m + \theta_n)}{\theta_m - \theta_n} u_{im} u_{jm}

Columns are brought to one standard deviation first: the answer does not depend on units.

Cost of a round: four decompositions of a D x D matrix (of the N x N Gram matrix for N < D) and D^3 K.

Reference: Rubin & Thayer (1982), Psychometrika 47, 69-76; Joreskog (1967), Psychometrika 32, 443-482; Clarke (1970),
Brit. J. Math. Stat. Psych. 23, 43-52; Varadhan & Roland (2008), Scand. J. Stat. 35, 335-353.
"""

import math
from dataclasses import dataclass

import torch

from ..core import Method, iterate
from ..numerics.moments import gram
from ..numerics.symmetric_eigen import leading_eigenvectors

FLOOR = 1e-5  # least share of a column's variance that is noise
FARTHEST = 3.0  # of a step of Newton's, in logarithms of a noise
MANY = 1000  # columns beyond which the matrix of second derivatives is not formed


@dataclass(frozen=True, eq=False)
class Factors:
    """Noise psi (D,), eigenvalues theta (R,) with vectors U (D, R), loadings W (D, K), log likelihood of the rows."""

    psi: torch.Tensor
    theta: torch.Tensor
    U: torch.Tensor
    W: torch.Tensor
    log_likelihood: float


@dataclass(frozen=True, eq=False)
class Correlations:
    """What is asked of the standardised columns.

    Attributes
    ----------
    diagonal : tensor of shape (D,)
        1, or 0 for a column that is constant.
    weight : float
        Sum of the weights of the rows.
    C : tensor of shape (D, D), or None
        Their correlation matrix.
    A : tensor of shape (N, D), or None
        For a wide table, in its place: rows with C = A'A.
    """

    diagonal: torch.Tensor
    weight: float
    C: torch.Tensor | None = None
    A: torch.Tensor | None = None

    def best(self, psi: torch.Tensor, K: int) -> Factors:
        """The best loadings for a noise."""
        root = psi.sqrt()
        if self.A is None:
            theta, U = leading_eigenvectors(self.C / torch.outer(root, root))
            theta = theta.clamp(min=0)
        else:
            Z = self.A / root
            theta, V = leading_eigenvectors(gram(Z.T))
            theta = theta.clamp(min=0)
            real = theta > len(theta) * torch.finfo(theta.dtype).eps * theta[0]
            theta, U = theta[real], Z.T @ V[:, real] / theta[real].sqrt()
        first = theta[:K]
        W = torch.zeros(len(psi), K, dtype=psi.dtype, device=psi.device)
        W[:, : len(first)] = root[:, None] * U[:, :K] * (first - 1).clamp(min=0).sqrt()
        rest = (self.diagonal / psi).sum() - first.sum()
        within = torch.where(first > 1, first.clamp(min=1).log() + 1, first).sum()
        value = len(psi) * math.log(2 * math.pi) + float(psi.log().sum() + within + rest)
        return Factors(psi, theta, U, W, -self.weight / 2 * value)

    def em_step(self, found: Factors) -> Factors:
        """The M-step for the noise, and the best loadings for it."""
        psi = (self.diagonal - found.W.square().sum(1)).clamp(min=FLOOR)
        return self.best(psi, found.W.shape[1])

    def extrapolated(self, t: torch.Tensor, first: torch.Tensor, second: torch.Tensor, K: int) -> Factors | None:
        """Where two steps of the logarithms of the noise lead to, if they point ahead."""
        step = first - t
        bend = second - first - step
        length = float(step.norm() / bend.norm()) if float(bend.norm()) > 0 else 0.0
        return self._at(t + 2 * length * step + length**2 * bend, K) if length > 1 else None

    def newton_step(self, found: Factors) -> Factors | None:
        """Newton's step in the logarithms of the noise; those at the floor that would fall stay there."""
        D, K = found.W.shape
        if D > MANY:
            return None
        theta, U = found.theta, found.U
        lead, rest, u = theta[:K], theta[K:], U[:, K:]
        eye = torch.eye(D, dtype=U.dtype, device=U.device)
        P = eye - U[:, :K] @ U[:, :K].T
        Q = (u * rest) @ u.T
        g = P.diagonal() - Q.diagonal()
        H = near = P * Q
        beyond = eye - U @ U.T  # directions in which a wide table does not vary: theta is 0 there
        for n in range(len(lead)):
            gap = (rest - lead[n]).clamp(max=-1e-12 * float(lead[0]))
            c = (rest - 1) * (rest + lead[n]) / gap
            H = H + torch.outer(U[:, n], U[:, n]) * ((u * c) @ u.T + beyond)
        t = found.psi.log()
        free = ((t > math.log(FLOOR) + 1e-9) | (g < 0)) & (self.diagonal > 0)
        L, failed = torch.linalg.cholesky_ex(H[free][:, free])
        if failed:  # not convex here; this part of H always is (Joreskog's approximation)
            L, failed = torch.linalg.cholesky_ex(near[free][:, free])
        if failed or not bool(free.any()):
            return None
        step = torch.zeros_like(t)
        step[free] = torch.cholesky_solve(g[free][:, None], L)[:, 0].clamp(-FARTHEST, FARTHEST)
        return self._at(t - step, K)

    def _at(self, t: torch.Tensor, K: int) -> Factors:
        return self.best(t.clamp(math.log(FLOOR), 0.0).exp(), K)


def most_likely(owner: Method, table: Correlations, K: int, start: torch.Tensor, max_iter: int, tol: float) -> Factors:
    """Rounds of the best of three steps, until the log likelihood gains no more than ``tol``."""
    now = table.best(start, K)
    for this in iterate(owner, max_iter, name="EM", expect={"log_likelihood": "increase"}):
        first = table.em_step(now)
        second = table.em_step(first)
        ahead = table.extrapolated(now.psi.log(), first.psi.log(), second.psi.log(), K)
        steps = [found for found in (now, second, ahead, table.newton_step(now)) if found is not None]
        now = max(steps, key=lambda found: found.log_likelihood)
        this.record(log_likelihood=now.log_likelihood)
        if this.converged("log_likelihood", tol):
            break
    return now
