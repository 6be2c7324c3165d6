r"""The parts of a hidden Markov model as posteriors rather than numbers: what variational Bayes iterates.

.. math:: q(\pi) = Dir(a), \quad q(A_i) = Dir(b_i), \quad q(B_k) = Dir(e_k)
.. math:: q(\mu_k, \Lambda_k) = N(\mu_k ; m_k, (\beta_k \Lambda_k)^{-1}) \, W(\Lambda_k ; W_k, \nu_k)

The recursions take :math:`\exp E[\log \pi]`, :math:`\exp E[\log A]` and :math:`E[\log b]` for probabilities (they add
up to less than one); counts added to the prior give the next posterior. The prior's part of the bound is minus the
divergence of each posterior from its prior, so that the same loop as for Baum-Welch raises the bound.

Reference: Beal (2003), Variational Algorithms for Approximate Bayesian Inference, chapter 3; Bishop (2006), 10.2.1 and
appendix B.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.special import digamma, gammaln, multigammaln

from .categorical_hmm import CategoricalEmissions
from .emissions import Sums, rows_of
from .gaussian_emissions import GaussianEmissions
from .state_chain import Chain


def expected_log(a: np.ndarray) -> np.ndarray:
    """exp E[log p] under Dirichlet distributions with rows a; 0 where a is 0, which is impossible."""
    some = np.where(a > 0, a, 1.0)
    return np.where(a > 0, np.exp(digamma(some) - digamma(a.sum(-1, keepdims=True))), 0.0)


def dirichlet_divergence(a: np.ndarray, prior: np.ndarray) -> float:
    """KL(Dir(a) || Dir(prior)) over all rows, over what is possible."""
    told = a > 0
    x, y = np.where(told, a, 1.0), np.where(told, prior, 1.0)
    gap = np.where(told, (x - y) * (digamma(x) - digamma(a.sum(-1, keepdims=True))) - gammaln(x) + gammaln(y), 0.0)
    return float(gap.sum() + (gammaln(a.sum(-1)) - gammaln(np.where(told, prior, 0.0).sum(-1))).sum())


@dataclass(frozen=True)
class VariationalChain(Chain):
    """Dirichlet posteriors a (K,) and b (K, K); pi and A are exponentials of expected logarithms."""

    a: np.ndarray
    b: np.ndarray

    @classmethod
    def of(cls, a: np.ndarray, b: np.ndarray) -> Self:
        return cls(expected_log(a), expected_log(b), a, b)

    def maximise(self, first: np.ndarray, between: np.ndarray, priors: tuple[Any, Any], letters: str) -> "Chain":
        a = np.where(self.a > 0, priors[0] + first, 0.0) if "s" in letters else self.a
        b = np.where(self.b > 0, priors[1] + between, 0.0) if "t" in letters else self.b
        return VariationalChain.of(a, b)

    def log_prior(self, priors: tuple[Any, Any]) -> float:
        a, b = (np.broadcast_to(p, q.shape) for p, q in zip(priors, (self.a, self.b), strict=True))
        return -dirichlet_divergence(self.a, a) - dirichlet_divergence(self.b, b)


@dataclass(frozen=True)
class VariationalCategorical(CategoricalEmissions):
    """Dirichlet posteriors e (K, V); B holds exponentials of expected logarithms, the prior one number or (K, V)."""

    e: np.ndarray | None = None

    @classmethod
    def of(cls, e: np.ndarray, prior: np.ndarray) -> Self:
        return cls(expected_log(e), prior, e)

    def maximise(self, sums: Sums, letters: str) -> Self:
        return type(self).of(self.prior + sums[0], self.prior) if "e" in letters else self

    def take(self, states: np.ndarray) -> Self:
        return type(self).of(self.e[states], rows_of(self.prior, states))

    def log_prior(self) -> float:
        return -dirichlet_divergence(self.e, np.broadcast_to(self.prior, self.e.shape))


@dataclass(frozen=True)
class NormalWishart:
    """m (K, D), beta (K,), inverse scales (K, D, D), nu (K,); diagonal: (K, D) of one-dimensional ones."""

    m: np.ndarray
    beta: np.ndarray
    inverse: np.ndarray
    nu: np.ndarray

    @property
    def full(self) -> bool:
        return self.inverse.ndim == 3

    def take(self, states: np.ndarray) -> "NormalWishart":
        """Those of some states."""
        return NormalWishart(self.m[states], self.beta[states], self.inverse[states], self.nu[states])

    def expected_covariance(self) -> np.ndarray:
        """The inverse of the expected precision."""
        return self.inverse / (self.nu[:, None, None] if self.full else self.nu[:, None])

    def log_det(self) -> np.ndarray:
        """E[log |Lambda|] of each state (K,) (Bishop 2006, eq. 10.65)."""
        if not self.full:
            return (digamma(self.nu / 2)[:, None] + math.log(2) - np.log(self.inverse)).sum(1)
        D = self.m.shape[1]
        halves = digamma((self.nu[:, None] - np.arange(D)) / 2).sum(1)
        return halves + D * math.log(2) - np.linalg.slogdet(self.inverse)[1]

    def divergence(self, other: "NormalWishart") -> float:
        """KL(self || other), added up over the states."""
        D, off, ratio = self.m.shape[1], self.m - other.m, other.beta / self.beta
        if self.full:
            W = np.linalg.inv(self.inverse)
            square = np.einsum("kd,kde,ke->k", off, W, off)
            trace = np.einsum("kde,ked->k", other.inverse, W)
        else:
            square, trace = (off**2 / self.inverse).sum(1), (other.inverse / self.inverse).sum(1)
        means = 0.5 * (D * (ratio - 1 - np.log(ratio)) + other.beta * self.nu * square)
        wishart = self._log_normaliser() - other._log_normaliser() + 0.5 * (self.nu - other.nu) * self.log_det()
        return float((means + wishart + 0.5 * self.nu * (trace - D)).sum())

    def _log_normaliser(self) -> np.ndarray:
        """log B(W, nu) of each state (Bishop 2006, eq. B.79); diagonal: of D one-dimensional ones."""
        D, half = self.m.shape[1], self.nu / 2
        if not self.full:
            return half * (np.log(self.inverse).sum(1) - D * math.log(2)) - D * gammaln(half)
        gammas = np.array([multigammaln(v, D) for v in half])
        return half * (np.linalg.slogdet(self.inverse)[1] - D * math.log(2)) - gammas


@dataclass(frozen=True)
class VariationalGaussian(GaussianEmissions):
    """Normal-Wishart posteriors of K Gaussians, full or diagonal, and their prior."""

    q: NormalWishart | None = None
    p: NormalWishart | None = None

    @classmethod
    def of(cls, q: NormalWishart, p: NormalWishart, extent: Any) -> Self:
        return cls("full" if q.full else "diag", q.m, q.expected_covariance(), None, extent, q, p)

    def log_densities(self, X: np.ndarray) -> np.ndarray:
        """E[log N] (Bishop 2006, eq. 10.64): that at the expected precision, and what its doubt costs."""
        log_b, D = super().log_densities(X), X.shape[1]
        dets = -np.linalg.slogdet(self.covars)[1] if self.q.full else -np.log(self.covars).sum(1)
        return log_b + 0.5 * (self.q.log_det() - dets - D / self.q.beta)

    def maximise(self, sums: Sums, letters: str) -> Self:
        """Bishop (2006), eqs 10.60 to 10.63, from sums about the means as they are."""
        p, (N, d, S) = self.p, sums
        n = N[:, 0]
        beta, nu = p.beta + n, p.nu + n
        m = self.means + (d + p.beta[:, None] * (p.m - self.means)) / beta[:, None]
        off, back = p.m - self.means, m - self.means
        if self.q.full:
            outer = [x[:, :, None] * x[:, None, :] for x in (off, back)]
            inverse = p.inverse + (S + S.mT) / 2 + p.beta[:, None, None] * outer[0] - beta[:, None, None] * outer[1]
        else:
            inverse = p.inverse + S + p.beta[:, None] * off**2 - beta[:, None] * back**2
        return type(self).of(replace(p, m=m, beta=beta, inverse=inverse, nu=nu), p, self.extent)

    def take(self, states: np.ndarray) -> Self:
        return type(self).of(self.q.take(states), self.p.take(states), self.extent)

    def log_prior(self) -> float:
        return -self.q.divergence(self.p)
