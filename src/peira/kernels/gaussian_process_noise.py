r"""Gaussian processes under noise that is not normal, or not the same everywhere: the two variational fits.

Both bound the evidence of a process y = f + noise by a normal q(f) under sites (`peira.kernels.site_posterior`), and
raise the bound until it stands still; its slope by a Gram matrix then has one form, :math:`(\alpha \alpha^T - R)/2`.

**Student-t noise** of scale sigma and nu degrees of freedom is a normal one whose precision varies by chance from
item to item, by a gamma variable (Tipping & Lawrence 2005). With d the mean squared residual under q,

.. math:: d_i = (y_i - m_i)^2 + S_{ii}

.. math:: F = \sum_i \log t_\nu(\sqrt{d_i} \mid 0, \sigma) - KL(q \| p)

is what is left of the bound when the distribution of these precisions is the best for q; and the best q has

.. math:: \tau_i = \frac{\nu + 1}{\nu \sigma^2 + d_i}

An item far from where the others expect it gets a small precision: an outlier is not averaged in, it is doubted. The
two are computed in turn until they agree, by Anderson mixing (`peira.kernels.anderson_mixing`) of log tau.

**Noise that depends on the place** (Lazaro-Gredilla & Titsias 2011): a second process g, of mean mu_0, is the
logarithm of the variance,

.. math:: y_i \sim N(f_i, e^{g_i}), \quad q(g) = N(\mu, \Sigma), \quad \Sigma = (K_g^{-1} + \Lambda)^{-1},
          \quad \mu = K_g \delta + \mu_0, \quad \delta = \lambda - 1/2

.. math:: F = \log N(y \mid 0, K_f + \mathrm{diag} \, r) - \frac{1}{4} \mathrm{tr} \Sigma - KL(q(g) \| p(g)),
          \quad r_i = e^{\mu_i - \Sigma_{ii} / 2}

.. math:: \partial F / \partial \lambda = (K_g + \frac{1}{2} \Sigma \circ \Sigma) (p - \delta),
          \quad p_i = \frac{1}{2} r_i (\alpha_i^2 - (C^{-1})_{ii}), \quad C = K_f + \mathrm{diag} \, r

The matrix is positive definite, so that lambda = 1/2 + p at the maximum: a squared residual above what is expected
raises the noise there. Since p falls by about lambda where r grows by a factor e, Newton's step is, but for small
terms,

.. math:: \lambda \leftarrow \lambda + (I + \Lambda K_g)^{-1} (1/2 + p - \lambda)

mixed as above, and halved until F does not fall.

Cost: N^3 a step (twice that for two processes); memory 3 N^2.

References: Tipping & Lawrence (2005), Variational inference for Student-t models, Neurocomputing 69; Lazaro-Gredilla &
Titsias (2011), Variational heteroscedastic Gaussian process regression, ICML, eqs 5 to 9.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..numerics.cholesky import NotPositiveDefiniteError
from .anderson_mixing import AndersonMixing
from .site_posterior import SitePosterior

MAX_ITER, TOL = 200, 1e-5
SHORTEST = 1e-5  # share of a step below which it is not worth another try


@dataclass(frozen=True)
class Space:
    """Where hyper-parameters of kernels and of noise are searched together: logarithms (P,), and bounds (P, 2)."""

    theta: np.ndarray
    bounds: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """A posterior at one value of the hyper-parameters.

    Parameters
    ----------
    bound : float
        F, nats.
    slopes : tensor
        dF by the noise's own hyper-parameters.
    processes : list of (alpha, SitePosterior)
        Of f, and of g where there is one.
    start : tensor of shape (N,)
        Where the next fit begins: the sites' precisions.
    gap : float
        Largest relative motion in the last step.
    """

    bound: float
    slopes: torch.Tensor
    processes: list[tuple[torch.Tensor, SitePosterior]]
    start: torch.Tensor
    gap: float


def gram_slope(alpha: torch.Tensor, posterior: SitePosterior) -> torch.Tensor:
    """dF / dK = (alpha alpha' - R) / 2."""
    return torch.outer(alpha / 2, alpha).sub_(posterior.R, alpha=0.5)


def fit_student_t(
    K: torch.Tensor,
    y: torch.Tensor,
    scale: float,
    df: float,
    start: torch.Tensor | None = None,
    *,
    max_iter: int = MAX_ITER,
    tol: float = TOL,
) -> Fitted:
    """The process under Student-t noise.

    Parameters
    ----------
    K : tensor of shape (N, N)
    y : tensor of shape (N,)
        Targets, less the mean of the process.
    scale, df : float
        sigma and nu.
    start : tensor of shape (N,), optional
        Precisions to begin with.
    max_iter : int, default 200
    tol : float, default 1e-5
        End when no precision moves by more, relatively.

    Returns
    -------
    Fitted
        ``slopes`` are by log sigma and log nu.
    """
    tau = torch.full_like(y, scale**-2) if start is None else start
    largest = (df + 1) / df / scale**2
    value, parts, d = _student_t(K, y, scale, df, tau)
    mixing = AndersonMixing()
    for step in range(max_iter + 1):
        target = (df + 1) / (df * scale**2 + d)
        motion = target.log() - tau.log()
        gap = float(motion.abs().max())
        if gap <= tol or step == max_iter:
            break
        there = mixing.step(tau.log(), motion, 1.0, gap).exp().clamp(max=largest)
        new = _student_t(K, y, scale, df, there)
        if not new[0] >= value - slack(value):  # the plain step never lowers F
            mixing, there = AndersonMixing(), target
            new = _student_t(K, y, scale, df, there)
        tau, (value, parts, d) = there, new
    share = d / (df * scale**2 + d)
    by_scale = ((df + 1) * share - 1).sum()
    half = torch.tensor([(df + 1) / 2, df / 2], dtype=torch.float64)
    psi = float(torch.digamma(half) @ torch.tensor([0.5, -0.5], dtype=torch.float64)) - 1 / (2 * df)
    by_df = df * (psi + (-share).log1p() / 2 + (df + 1) / (2 * df) * share).sum()
    return Fitted(value, torch.stack([by_scale, by_df]), parts, tau, gap)


def _student_t(
    K: torch.Tensor, y: torch.Tensor, scale: float, df: float, tau: torch.Tensor
) -> tuple[float, list[tuple[torch.Tensor, SitePosterior]], torch.Tensor]:
    """F, the process, and d."""
    posterior = SitePosterior(K, tau)
    alpha = tau * y - posterior.reduce(K @ (tau * y))
    m = K @ alpha
    d = (y - m).square() + posterior.variances()
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi * scale**2) / 2
    likelihood = len(y) * constant - (df + 1) / 2 * float((d / (df * scale**2)).log1p().sum())
    kl = (float(posterior.inverse.trace()) - len(y) + float(alpha @ m) + posterior.log_det) / 2
    return likelihood - kl, [(alpha, posterior)], d


def fit_heteroscedastic(
    K: torch.Tensor,
    Kg: torch.Tensor,
    y: torch.Tensor,
    mean: float,
    start: torch.Tensor | None = None,
    *,
    max_iter: int = MAX_ITER,
    tol: float = TOL,
) -> Fitted:
    """The process f, and the process g of the logarithm of the noise's variance.

    Parameters
    ----------
    K, Kg : tensors of shape (N, N)
        Gram matrices of f and g.
    y : tensor of shape (N,)
        Targets, less the mean of f.
    mean : float
        mu_0.
    start : tensor of shape (N,), optional
        lambda to begin with.
    max_iter, tol
        As of `fit_student_t`; the gap is that of lambda.

    Returns
    -------
    Fitted
        ``slopes`` are by mu_0.
    """
    lam = torch.full_like(y, 0.5) if start is None else start
    value, parts, p = _heteroscedastic(K, Kg, y, mean, lam)
    mixing = AndersonMixing()
    for step in range(max_iter + 1):
        away = 0.5 + p - lam
        gap = float(away.abs().max())
        if gap <= tol or step == max_iter:
            break
        motion = away - parts[1][1].reduce(Kg @ away)
        there, scale = mixing.step(lam, motion, 1.0, gap), 1.0
        while not (new := _attempt(K, Kg, y, mean, torch.maximum(there, lam / 10)))[0] >= value - slack(value):
            if scale < SHORTEST:
                return Fitted(value, p.sum()[None], parts, lam, gap)  # what is left to gain is rounding
            mixing, there, scale = AndersonMixing(), lam + scale * motion, scale / 4
        lam, (value, parts, p) = torch.maximum(there, lam / 10), new  # precisions stay positive
    return Fitted(value, p.sum()[None], parts, lam, gap)


def slack(value: float) -> float:
    """By how much F may fall and still have been raised, but for rounding."""
    return 1e-11 * (1 + abs(value))


def _attempt(K: torch.Tensor, Kg: torch.Tensor, y: torch.Tensor, mean: float, lam: torch.Tensor) -> Any:
    """`_heteroscedastic`, with a bound of -inf where a step was so long that the noise overflows."""
    try:
        return _heteroscedastic(K, Kg, y, mean, lam)
    except NotPositiveDefiniteError:
        return -math.inf, None, None


def _heteroscedastic(
    K: torch.Tensor, Kg: torch.Tensor, y: torch.Tensor, mean: float, lam: torch.Tensor
) -> tuple[float, list[tuple[torch.Tensor, SitePosterior]], torch.Tensor]:
    """F, the two processes, and p."""
    noise = SitePosterior(Kg, lam)
    delta = lam - 0.5
    drift, S = Kg @ delta, noise.variances()
    log_r = mean + drift - S / 2
    signal = SitePosterior(K, (-log_r).exp())
    alpha = signal.precision * y - signal.reduce(K @ (signal.precision * y))
    p = (alpha.square() * log_r.exp() - signal.inverse.diagonal()) / 2  # r C^-1 is the inverse of B on the diagonal
    likelihood = -float(y @ alpha + log_r.sum()) / 2 - signal.log_det / 2 - len(y) / 2 * math.log(2 * math.pi)
    kl = (float(delta @ drift - lam @ S) + noise.log_det) / 2
    return likelihood - float(S.sum()) / 4 - kl, [(alpha, signal), (delta, noise)], p
