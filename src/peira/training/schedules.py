r"""The course of the learning rate: a factor for each share s in [0, 1] of the updates done.

======================  ====================================================================================
constant, plateau       1 (a plateau is answered by the loop, which divides the rate by five)
linear                  :math:`1 - s`
cosine                  :math:`(1 + \cos \pi s) / 2` (Loshchilov & Hutter 2017, eq. 5, without restarts)
one cycle               a rise from 1/25 over the first 0.3, then a cosine to 1e-4 / 25 (Smith & Topin 2018)
steps                   1, 0.1 from one half, 0.01 from three quarters (He et al. 2016)
inverse square root     :math:`(1 + 9999 s)^{-1/2}`
======================  ====================================================================================

A warm-up multiplies the factor by :math:`s / w` over the first share :math:`w`.
"""

import math


def rate_factor(schedule: str, s: float, warmup: float = 0.0, step: float = 0.0) -> float:
    """The factor of the learning rate after the share ``s`` of the updates.

    Parameters
    ----------
    schedule : str
        A name in the table above.
    s : float, from 0 to 1
    warmup : float, from 0 to 1, default 0
        Share over which the rate rises.
    step : float, default 0
        Share of one update: the first one is then already a step, not one of length zero.

    Examples
    --------
    >>> from peira.training.schedules import rate_factor
    >>> rate_factor("cosine", 0.5)
    0.5
    """
    rise = min(1.0, (s + step) / warmup) if warmup else 1.0
    return rise * _FACTORS[schedule](s)


def _one_cycle(s: float, start: float = 1 / 25, end: float = 1e-4 / 25, top: float = 0.3) -> float:
    low, t = (start, 1 - s / top) if s < top else (end, (s - top) / (1 - top))
    return low + (1 - low) * (1 + math.cos(math.pi * t)) / 2


_FACTORS = {
    "constant": lambda s: 1.0,
    "plateau": lambda s: 1.0,
    "linear": lambda s: 1.0 - s,
    "cosine": lambda s: (1 + math.cos(math.pi * s)) / 2,
    "one cycle": _one_cycle,
    "steps": lambda s: 1.0 if s < 0.5 else 0.1 if s < 0.75 else 0.01,
    "inverse square root": lambda s: (1 + 9999 * s) ** -0.5,
}
