r"""Gaussian emissions: log densities of steps under K Gaussians, and what each is learned from.

.. math:: \log b_k(x) = -\frac{1}{2} (x - \mu_k)^T \Sigma_k^{-1} (x - \mu_k) - \frac{1}{2} \log |2 \pi \Sigma_k|

Covariances are full, one for all states (tied), diagonal, or a multiple of the identity (spherical). Diagonal ones on
complete steps are two matrix products, of (x, x^2) with the states' coefficients and with the posteriors; where the
data lie so far from the origin, in standard deviations, that this would lose digits, and for full covariances,
:math:`x - \mu_k` is formed for each state. Of steps with gaps the densities are those of what was seen, and the sums
hold what is expected of the rest (the E step of missing data).

The M step has a normal-inverse-gamma (Wishart) prior in the form that is customary for speech: with mean m and weight
w, scale S and weight v of the covariances, and :math:`\gamma_t(k)` the posteriors of the states,

.. math:: \mu_k = (w m + \sum_t \gamma_t(k) x_t) / (w + N_k)
.. math:: \Sigma_k = (S + \sum_t \gamma_t(k) (x_t - \mu_k)(x_t - \mu_k)^T + w (\mu_k - m)(\mu_k - m)^T) / (N_k + v')

with :math:`v' = \max(v - 1, 0)` for diagonal and spherical, :math:`\max(v - D, 0)` for full and tied covariances.

Reference: Huang, Acero & Hon (2001), Spoken Language Processing, 443-445 (as hmmlearn has it); Bishop (2006), 13.2.1.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

from ..core import DataError
from ..numerics.compile import compiled
from .emissions import Emissions, Moves, Sums
from .gaussian_gaps import filled_moments, log_densities_seen

Shape = Literal["full", "tied", "diag", "spherical"]
LIMIT = 1e7  # times 2e-16 is what expanded squares may lose of a log density
LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class GaussianPrior:
    """Of the means: centre and weight; of the covariances: scale, of shape (D,) or (D, D), and weight."""

    mean: np.ndarray
    mean_weight: np.ndarray
    scale: np.ndarray
    weight: float

    def excess(self, shape: Shape, D: int) -> float:
        """What the prior adds to the number of steps that a covariance is learned from."""
        return max(self.weight - (D if shape in ("full", "tied") else 1), 0.0)


@dataclass(frozen=True)
class Extent:
    """What the steps of a fit have in common, looked up once: each column's ends, and whether there are gaps."""

    low: np.ndarray
    high: np.ndarray
    gaps: bool

    @classmethod
    def of(cls, X: np.ndarray) -> "Extent":
        columns = np.ascontiguousarray(X.T)  # along a row of memory, NumPy finds ends ten times as fast
        low, high = columns.min(1), columns.max(1)
        return cls(low, high, bool(np.isnan(low).any()))


@dataclass(frozen=True)
class GaussianEmissions(Emissions):
    """K Gaussians: means (K, D), covariances in the shape's own form."""

    shape: Shape
    means: np.ndarray
    covars: np.ndarray
    prior: GaussianPrior | None = None
    extent: Extent | None = None  # of the steps that it is asked about; None: looked up each time
    letters = "mc"

    @property
    def K(self) -> int:
        return len(self.means)

    def variances(self) -> np.ndarray:
        """The variance of each number of a step, of shape (K, D)."""
        if self.shape in ("full", "tied"):
            v = np.diagonal(self.covars, axis1=-2, axis2=-1)
        else:
            v = self.covars if self.shape == "diag" else self.covars[:, None]
        return np.broadcast_to(v, self.means.shape)

    def matrices(self) -> np.ndarray:
        """Covariances of shape (K, D, D)."""
        K, D = self.means.shape
        if self.shape in ("full", "tied"):
            return np.broadcast_to(self.covars, (K, D, D))
        return self.variances()[:, :, None] * np.eye(D)

    # ------------------------------------------------------------------ densities

    def log_densities(self, X: np.ndarray) -> np.ndarray:
        extent = self.extent or Extent.of(X)
        with np.errstate(over="ignore"):  # of a square beyond all numbers: its density is 0
            if self.shape in ("full", "tied"):
                return log_densities_seen(X, self.means, self.matrices()) if extent.gaps else self._factored(X)
            return self._expanded(X) if self._expands(extent) else self._squares(X)

    def _expands(self, extent: Extent) -> bool:
        """Whether squares may be expanded without a loss that matters."""
        if extent.gaps:
            return False
        centre = self.means.mean(0)
        reach = np.maximum(np.maximum(extent.high - centre, centre - extent.low), np.abs(self.means - centre))
        return bool((reach**2 / self.variances()).sum(1).max() < LIMIT)

    def _expanded(self, X: np.ndarray) -> np.ndarray:
        precisions = 1.0 / self.variances()
        mu = self.means - (centre := self.means.mean(0))
        head = -0.5 * ((mu**2 * precisions).sum(1) - np.log(precisions).sum(1) + X.shape[1] * LOG_2PI)
        return expansion(X, centre) @ np.hstack([head[:, None], mu * precisions, -0.5 * precisions]).T

    def _squares(self, X: np.ndarray) -> np.ndarray:
        """Differences to each mean, squared; a gap counts for nothing."""
        log_b, seen = np.empty((len(X), self.K)), ~np.isnan(X)
        for k, (mu, v) in enumerate(zip(self.means, self.variances(), strict=True)):
            terms = (X - mu) ** 2 / v + (np.log(v) + LOG_2PI)
            log_b[:, k] = -0.5 * np.where(seen, terms, 0.0).sum(1)
        return log_b

    def _factored(self, X: np.ndarray) -> np.ndarray:
        log_b, D = np.empty((len(X), self.K)), X.shape[1]
        for k, (mu, C) in enumerate(zip(self.means, self.matrices(), strict=True)):
            L = np.linalg.cholesky(C)
            E = (X - mu) @ np.linalg.inv(L).T
            log_b[:, k] = -0.5 * np.einsum("nd,nd->n", E, E) - np.log(np.diag(L)).sum() - 0.5 * D * LOG_2PI
        return log_b

    # ------------------------------------------------------------------ learning

    def statistics(self, X: np.ndarray, G: np.ndarray) -> Sums:
        """N, sum of g e and of g e e' (or e^2), about the means as they are: e = x - mu_k."""
        extent = self.extent or Extent.of(X)
        if extent.gaps:
            if self.shape in ("full", "tied"):
                return filled_moments(X, G, self.means, self.matrices())
            return self._seen_squares(X, G)
        K, D = self.means.shape
        if self.shape in ("full", "tied"):
            N = np.tile(G.sum(0)[:, None], D)
            d, S = np.empty((K, D)), np.empty((K, D, D))
            for k, mu in enumerate(self.means):
                E = X - mu
                weighted = E * G[:, k, None]
                d[k], S[k] = weighted.sum(0), weighted.T @ E
            return N, d, S
        if not self._expands(extent):
            return self._seen_squares(X, G)
        mu = self.means - (centre := self.means.mean(0))
        both = G.T @ expansion(X, centre)
        N, s, q = np.tile(both[:, :1], D), both[:, 1 : 1 + D], both[:, 1 + D :]
        d = s - N * mu
        return N, d, q - mu * (s + d)

    def _seen_squares(self, X: np.ndarray, G: np.ndarray) -> Sums:
        seen = ~np.isnan(X)
        d, S = np.empty(self.means.shape), np.empty(self.means.shape)
        for k, mu in enumerate(self.means):
            E = np.where(seen, X - mu, 0.0)
            d[k], S[k] = G[:, k] @ E, G[:, k] @ (E * E)
        return G.T @ seen.astype(np.float64), d, S

    def maximise(self, sums: Sums, letters: str) -> Self:
        N, d, S = sums
        p, D = self.prior, self.means.shape[1]
        assert p is not None, "emissions without a prior are not learned"
        means = self.means
        if "m" in letters:
            total = N + p.mean_weight
            step = (d + p.mean_weight * (p.mean - means)) / np.where(total > 0, total, 1.0)
            means = means + np.where(total > 0, step, 0.0)
        if "c" not in letters:
            return replace(self, means=means)
        e, off, more = means - self.means, means - p.mean, p.excess(self.shape, D)
        if self.shape in ("diag", "spherical"):
            top = p.scale + S - 2 * e * d + N * e * e + p.mean_weight * off * off
            count = N + more
            if self.shape == "spherical":
                top, count = top.sum(1), count.sum(1)
        else:
            S = (S + S.mT) / 2
            cross = e[:, :, None] * d[:, None, :]
            top = S - cross - cross.mT + N[:, :1, None] * e[:, :, None] * e[:, None, :]
            top = top + p.mean_weight[:, :1, None] * off[:, :, None] * off[:, None, :]
            tied = self.shape == "tied"
            top = p.scale + (top.sum(0) if tied else top)
            count = (N[:, 0].sum() if tied else N[:, 0, None, None]) + more
        found = replace(self, means=means, covars=_ratio(top, count, self.covars))
        bad = np.argwhere(~(found.variances() > 0))
        if len(bad):
            raise DataError(
                f"state {bad[0][0]} has shrunk onto one value of column {bad[0][1]}, where the likelihood has no upper "
                "bound: raise covars_prior, or lower n_components"
            )
        return found

    def take(self, states: np.ndarray) -> Self:
        p = self.prior
        prior = None if p is None else replace(p, mean=p.mean[states], mean_weight=p.mean_weight[states])
        covars = self.covars if self.shape == "tied" else self.covars[states]
        return replace(self, means=self.means[states], covars=covars, prior=prior)

    def moved(self, by: Moves) -> Self:
        """Means in standard deviations; logarithms of variances, or the lower factor M of L M M' L', with L L' here."""
        means = self.means + np.sqrt(self.variances()) * by["m"]
        if self.shape in ("diag", "spherical"):
            return replace(self, means=means, covars=self.covars * np.exp(by["c"]))
        i = np.arange(self.means.shape[1])
        M = np.tril(by["c"], -1)
        M[..., i, i] = np.exp(by["c"][..., i, i])
        L = np.linalg.cholesky(self.covars) @ M
        return replace(self, means=means, covars=L @ L.mT)

    def slopes(self, at: Self, sums: Sums) -> Moves:
        (N, d, S), p = sums, self.prior
        assert p is not None, "emissions without a prior are not learned"
        sd, off, more = np.sqrt(self.variances()), at.means - p.mean, p.excess(self.shape, self.means.shape[1])
        pull = d - p.mean_weight * off
        if self.shape in ("diag", "spherical"):
            v = at.variances()
            c = 0.5 * ((S + p.scale + p.mean_weight * off * off) / v - (N + more))
            return {"m": sd * pull / v, "c": c.sum(1) if self.shape == "spherical" else c}
        T = (S + S.mT) / 2 + p.mean_weight[:, :1, None] * off[:, :, None] * off[:, None, :]
        tied = self.shape == "tied"
        T, n = (T.sum(0) + p.scale, N[:, 0].sum() + more) if tied else (T + p.scale, N[:, :1, None] + more)
        first, L = np.linalg.cholesky(self.covars), np.linalg.cholesky(at.covars)
        inverse = np.linalg.inv(L)  # d/dM of -(n log |C| + tr(C^-1 T)) / 2 with C = L L', L = first M
        c = np.tril(first.mT @ (inverse.mT @ (inverse @ T @ inverse.mT - n * np.eye(T.shape[-1]))))
        i = np.arange(c.shape[-1])
        c[..., i, i] *= L[..., i, i] / first[..., i, i]
        return {"m": sd * np.linalg.solve(at.matrices(), pull[:, :, None])[:, :, 0], "c": c}

    def log_prior(self) -> float:
        p, D = self.prior, self.means.shape[1]
        if p is None:
            return 0.0
        off, more = self.means - p.mean, p.excess(self.shape, D)
        if self.shape in ("diag", "spherical"):
            v = self.variances()
            return float(-0.5 * ((p.mean_weight * off * off + p.scale) / v + more * np.log(v)).sum())
        C = self.covars[None] if self.shape == "tied" else self.covars
        value = -0.5 * (np.trace(np.linalg.solve(C, np.broadcast_to(p.scale, C.shape)), axis1=1, axis2=2)).sum()
        value -= 0.5 * more * np.linalg.slogdet(C)[1].sum()
        white = np.linalg.solve(self.matrices(), off[:, :, None])[:, :, 0]
        return float(value - 0.5 * (p.mean_weight[:, :1] * off * white).sum())

    # ------------------------------------------------------------------ drawing and counting

    def draw(self, states: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        z = rng.standard_normal((len(states), self.means.shape[1]))
        if self.shape in ("full", "tied"):
            return self.means[states] + np.einsum("nij,nj->ni", np.linalg.cholesky(self.matrices())[states], z)
        return self.means[states] + np.sqrt(self.variances())[states] * z

    def n_parameters(self) -> int:
        return self.means.size + covariance_parameters(self.shape, *self.means.shape)


@compiled
def expansion(X: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """(1, z, z^2) with z = x - centre, of shape (n, 1 + 2 D)."""
    n, D = X.shape
    F = np.empty((n, 1 + 2 * D))
    for s in range(n):
        F[s, 0] = 1.0
        for d in range(D):
            z = X[s, d] - centre[d]
            F[s, 1 + d] = z
            F[s, 1 + D + d] = z * z
    return F


def covariance_parameters(shape: Shape, K: int, D: int) -> int:
    """Free numbers of the covariances of K Gaussians."""
    return {"full": K * D * (D + 1) // 2, "tied": D * (D + 1) // 2, "diag": K * D, "spherical": K}[shape]


def covariance_ends(shape: Shape, K: int, D: int) -> tuple[int, ...]:
    """The shape of the array that holds the covariances of K Gaussians."""
    return {"full": (K, D, D), "tied": (D, D), "diag": (K, D), "spherical": (K,)}[shape]


def _ratio(top: np.ndarray, count: Any, before: np.ndarray) -> np.ndarray:
    """Covariances of what was counted; a state that no step belongs to keeps its own."""
    some = np.asarray(count) > 1e-5
    return np.where(some, top / np.where(some, count, 1.0), before)
