r"""Bayesian online change points: how long has it been like this?

The run length r is the number of steps since the last change. A change comes with probability h at each step; within a
run the numbers are Gaussian with unknown mean and variance, of which the conjugate (normal-gamma) belief starts anew
after a change:

.. math:: p(r_t = r + 1, x_{1..t}) = (1 - h) \; p(x_t \mid r) \; p(r_{t-1} = r, x_{1..t-1})

.. math:: p(r_t = 0, x_{1..t}) = h \sum_r p(x_t \mid r) \; p(r_{t-1} = r, x_{1..t-1})

:math:`p(x_t \mid r)` is Student's t with the numbers of the run. It needs nothing of the future, and so raises the
alarm while the series is still coming in; for the best segmentation of a whole series take
`peira.sequences.change_points`.

Cost: T R, R the run lengths that are still believed in (a probability above 1e-12 by default).

Reference: Adams & MacKay (2007), algorithm 1; Murphy (2007), section 3.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln, logsumexp

from ..core.errors import DataError, ParameterError
from ..core.sequences import open_sequences


@dataclass(frozen=True)
class RunLengths:
    """What is believed after each step.

    Attributes
    ----------
    probability : array of shape (T, T + 1)
        Of each run length after each step.
    expected : array of shape (T,)
        Mean run length.
    log_likelihood : float
        Of the whole series, nats.
    """

    probability: np.ndarray
    expected: np.ndarray
    log_likelihood: float

    def recent(self, steps: int = 1) -> np.ndarray:
        """The probability (T,) that the run began within the last ``steps`` steps, or begins with the next."""
        return self.probability[:, : steps + 1].sum(1)


def online_change_points(
    x: Any,
    *,
    hazard: float = 0.01,
    mean: float = 0.0,
    strength: float = 1.0,
    shape: float = 1.0,
    rate: float = 1.0,
    least: float = 1e-12,
) -> RunLengths:
    """Follow the run length through one series of numbers.

    Parameters
    ----------
    x : array of shape (T,)
        NaN is missing: it says nothing, and a change may come all the same.
    hazard : float in (0, 1), default 0.01
        The probability of a change at a step.
    mean, strength : floats
        What is expected of a segment's mean, and how many numbers that is worth.
    shape, rate : floats
        Of the gamma distribution of a segment's precision.
    least : float, default 1e-12
        Run lengths less probable than this are forgotten.

    Returns
    -------
    RunLengths
        T (T + 1) numbers.

    Examples
    --------
    >>> x = np.concatenate([np.zeros(30), np.full(10, 8.0)]) + 0.5 * np.sin(np.arange(40) ** 2)
    >>> found = online_change_points(x, hazard=0.02)
    >>> int(found.probability[-1].argmax())
    10
    """
    opened = open_sequences(x, owner="online_change_points", missing_ok=True)
    if len(opened) != 1 or opened.X.shape[1] != 1:
        raise DataError(f"online_change_points follows one series of numbers, got {len(opened)} of {opened.X.shape[1]}")
    if not (0 < hazard < 1 and strength > 0 and shape > 0 and rate > 0 and math.isfinite(mean) and 0 <= least < 0.1):
        raise ParameterError("hazard must lie between 0 and 1, strength, shape and rate be positive, least below 0.1")
    values = opened.X[:, 0].numpy(force=True)
    T = len(values)
    probability, total = np.zeros((T, T + 1)), 0.0
    runs, logs = np.zeros(1, dtype=np.int64), np.zeros(1)
    m, k, a, b = (np.array([v]) for v in (mean, strength, shape, rate))
    for t, v in enumerate(values.tolist()):
        says = np.zeros(len(runs))
        if v == v:
            spread = b * (k + 1) / (a * k)  # squared scale of Student's t with 2 a degrees of freedom
            says = (
                gammaln(a + 0.5) - gammaln(a) - 0.5 * np.log(2 * math.pi * a * spread)
                - (a + 0.5) * np.log1p((v - m) ** 2 / (2 * a * spread))
            )  # fmt: skip
        joint = logs + says
        norm = float(logsumexp(joint))
        total += norm
        on, new = joint - norm + math.log1p(-hazard), math.log(hazard)
        if v == v:
            b = b + k * (v - m) ** 2 / (2 * (k + 1))
            m, k, a = (k * m + v) / (k + 1), k + 1, a + 0.5
        keep = on > (math.log(least) if least else -math.inf)
        runs, logs = np.append(0, runs[keep] + 1), np.append(new, on[keep])
        m, k, a, b = (np.append(first, part[keep]) for first, part in ((mean, m), (strength, k), (shape, a), (rate, b)))
        logs = logs - logsumexp(logs)
        probability[t, runs] = np.exp(logs)
    return RunLengths(probability, probability @ np.arange(T + 1), total)
