r"""The evidence of a generalised linear model by Laplace's approximation, its slope, and where it is largest.

.. math:: \log p(y) \approx F(\hat \theta) + \frac{1}{2} \log |Q| - \frac{1}{2} \log |A| + \frac{f}{2} \log 2 \pi

with F the log likelihood and the exponent of the prior at the mode, Q the prior's precision, A the negative Hessian,
and f the number of directions in which the prior is flat; these count with density 1 (Bishop 2006, eq. 4.137). For a
normal likelihood it is exact.
"""

import math
from typing import cast

import torch

from .gaussian_weights import GaussianWeights
from .generalised_linear import Problem, Softmax

RANGE = math.log(1e9)  # how far alpha may move from its start, either way
LARGEST = 700.0  # size of log alpha for which alpha is still a number


def log_evidence(problem: Problem, weights: GaussianWeights, log_det_prior: float | None = None) -> float:
    """log p(y); ``log_det_prior`` is log |Q| of a full precision, which is then taken to be proper."""
    flat = 0
    if log_det_prior is None:
        proper = problem.precision[problem.precision > 0]
        log_det_prior, flat = float(proper.log().sum()), len(problem.precision) - len(proper)
    value = problem.log_posterior(weights.mean[:, 0])
    return value + (log_det_prior - weights.log_det + flat * math.log(2 * math.pi)) / 2


def well_determined(weights: GaussianWeights, alpha: float, K: int, D: int) -> float:
    """gamma, the number of weights under alpha that the data determine: K D - alpha tr S_ww (Bishop 2006, eq. 3.91)."""
    variances = weights.covariance().diagonal().reshape(K, -1)[:, :D]
    return float((1 - alpha * variances).sum().clamp(0, K * D))


def evidence_slope(problem: Problem, weights: GaussianWeights, alpha: float, D: int) -> float:
    """Derivative of the log evidence by log alpha, the first D weights of each predictor being under alpha.

    The mode's motion is - S (alpha w), and it moves A; the link, a `Softmax`, tells how. Costs N (K P)^2.
    """
    K, P = problem.link.K, problem.Z.shape[1]
    S = weights.covariance()
    pull = torch.zeros(K, P, dtype=S.dtype, device=S.device)
    pull[:, :D] = alpha * weights.mean.reshape(K, P)[:, :D]
    motion = problem.predictors(-S @ pull.flatten())
    dC = cast(Softmax, problem.link).curvature_along(problem.predictors(weights.mean[:, 0]), motion)
    if problem.w is not None:
        dC = dC * problem.w[:, None, None]
    S = S.reshape(K, P, K, P)
    moved = 0.0
    for k in range(K):
        for j in range(k + 1):  # blocks off the diagonal stand twice
            moved += (1 if j == k else 2) * float(dC[:, k, j] @ ((problem.Z @ S[k, :, j]) * problem.Z).sum(1))
    norm = float(weights.mean.reshape(K, P)[:, :D].square().sum())
    return (well_determined(weights, alpha, K, D) - alpha * norm - moved) / 2


class LogAlphaSearch:
    """The zero of a falling slope over log alpha: strides until the slope turns, then secants or halves in between.

    Attributes
    ----------
    at : float
        Where the slope is asked for next.
    """

    def __init__(self, start: float) -> None:
        self.at = min(max(start, -LARGEST + RANGE), LARGEST - RANGE)
        self.low, self.high = self.at - RANGE, self.at + RANGE
        self._turned = {False: False, True: False}  # whether the slope was seen to fall, to rise
        self._before, self._step = (math.nan, math.nan), 1.0

    def move(self, slope: float) -> str | None:
        """Go on from the slope at ``at``; gives a reason to stop where there is nowhere to go."""
        rising, here = slope > 0, self.at
        if here == (self.high if rising else self.low):
            return "alpha at the end of its range"
        if rising:
            self.low = here
        else:
            self.high = here
        if self.high - self.low < 1e-14 * max(1.0, abs(here)):
            return "converged"
        self._turned[rising] = True
        where, was = self._before
        self._before = (here, slope)
        if not all(self._turned.values()):
            self._step *= 2
            self.at = min(here + self._step, self.high) if rising else max(here - self._step, self.low)
            return None
        secant = here + slope * (here - where) / (was - slope) if was != slope else math.nan
        # a secant that does not at least halve the last step is not trusted
        trusted = self.low < secant < self.high and abs(secant - here) < abs(here - where) / 2
        self.at = secant if trusted else (self.low + self.high) / 2
        return None
