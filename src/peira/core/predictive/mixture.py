r"""Mixtures: one of C distributions, chosen by chance.

.. math:: F(x) = \sum_c w_c F_c(x)

.. math:: \log p(x) = \log \sum_c \exp (\log w_c + \log p_c(x))

.. math:: \mu = \sum_c w_c \mu_c

.. math:: \sigma^2 = \sum_c w_c (\sigma_c^2 + (\mu_c - \mu)^2)

Quantiles have no closed form; each lies between the smallest and the largest of the components'
and is bisected there to full precision. The entropy is integrated by quadrature between the
components' quantiles. So is the CRPS, but for normal components, which have

.. math:: CRPS(F, y) = \sum_c w_c A(y - \mu_c, \sigma_c) - \frac{1}{2} \sum_c \sum_d w_c w_d A(\mu_c - \mu_d, s_{cd})

.. math:: A(m, s) = E|m + s Z| = 2 s\, \varphi(m/s) + m\, (2 \Phi(m/s) - 1)

.. math:: s_{cd}^2 = \sigma_c^2 + \sigma_d^2

(Grimit, Gneiting, Berrocal and Johnson 2006, "The continuous ranked probability score for circular
variables and its application to mesoscale forecast ensemble verification", Quarterly Journal of
the Royal Meteorological Society 132).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .base import Predictive, refuse
from .categorical import Categorical
from .normal import Normal


def _expected_absolute(m: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """E|m + s Z| for a standard normal Z; |m| where s = 0."""
    z = m / torch.where(s > 0, s, 1.0)
    smooth = 2 * s * (-(z**2) / 2).exp() / math.sqrt(2 * math.pi) + m * torch.special.erf(z * math.sqrt(0.5))
    return torch.where(s > 0, smooth, m.abs())


class Mixture(Predictive):
    """Mixtures of C components over a batch of targets.

    Parameters
    ----------
    weights : array or tensor of shape (C,) or (*batch, C)
        Not negative; they sum to one within 1e-6, and are then scaled to do so exactly.
    components : sequence of C predictive distributions of one batch shape
        Over numbers. To mix distributions over labels, average their ``probs``.

    Raises
    ------
    ValueError
        If shapes differ, or weights are negative or do not sum to one.
    TypeError
        If a component is no predictive distribution over numbers.

    Examples
    --------
    >>> from peira.core.predictive import Mixture, Normal
    >>> d = Mixture([0.5, 0.5], [Normal([-2.0], [1.0]), Normal([2.0], [1.0])])
    >>> d.mean, d.variance
    (array([0.]), array([5.]))
    """

    def __init__(self, weights: Any, components: Sequence[Predictive], *, as_numpy: bool | None = None) -> None:
        self.components = tuple(components)
        if not self.components:
            raise ValueError("a mixture needs at least one component")
        for c in self.components:
            if not isinstance(c, Predictive) or isinstance(c, Categorical):
                raise TypeError(
                    f"components must be predictive distributions over numbers, got {type(c).__name__}"
                    + ("; average the probs of label distributions instead" if isinstance(c, Categorical) else "")
                )
        first = self.components[0]
        if any(c.shape != first.shape for c in self.components):
            raise ValueError(f"components must share a batch shape, got {[c.shape for c in self.components]}")
        w = torch.as_tensor(weights, dtype=torch.float64, device=first.device)
        C = len(self.components)
        if tuple(w.shape) not in {(C,), (*first.shape, C)}:
            raise ValueError(f"weights must have shape {(C,)} or {(*first.shape, C)}, got {tuple(w.shape)}")
        refuse(~(w >= 0), w, "weights must not be negative")
        total = w.sum(-1)
        refuse((total - 1).abs() > 1e-6, total, "the weights of a mixture must sum to 1")
        self._weights = (w / total[..., None]).expand(*first.shape, C)
        form = all(c.as_numpy for c in self.components) if as_numpy is None else as_numpy
        self._set(first.shape, first.device, form)

    @property
    def weights(self) -> Any:
        """Probabilities of the components, of shape (*batch, C)."""
        return self._give(self._weights)

    def _each(self, verb: str, *args: Any) -> torch.Tensor:
        """A private verb of every component, stacked along a new last axis."""
        return torch.stack([getattr(c, verb)(*args) for c in self.components], -1)

    def _average(self, values: torch.Tensor) -> torch.Tensor:
        # A component of weight zero has no say, even where its value is infinite or missing.
        return torch.where(self._weights > 0, self._weights * values, 0.0).sum(-1)

    def _mean(self) -> torch.Tensor:
        return self._average(self._each("_mean"))

    def _variance(self) -> torch.Tensor:
        m = self._each("_mean")
        return self._average(self._each("_variance") + (m - self._average(m)[..., None]) ** 2)

    def _log_prob(self, y: torch.Tensor) -> torch.Tensor:
        log_p = self._each("_log_prob", y)
        joint = torch.where(self._weights > 0, self._weights.log() + log_p, -torch.inf)
        return torch.logsumexp(joint, -1)

    def _cdf(self, y: torch.Tensor) -> torch.Tensor:
        return self._average(self._each("_cdf", y)).clamp(max=1)

    def _bracket(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, present = self._each("_quantile", q), self._weights > 0
        low = torch.where(present, x, torch.inf).amin(-1)
        high = torch.where(present, x, -torch.inf).amax(-1)
        return low, high

    def _quantile(self, q: torch.Tensor) -> torch.Tensor:
        start, end = self._bracket(q)
        inside = (q > 0) & (q < 1)
        x = super()._quantile(torch.where(inside, q, 0.5))
        return torch.where(inside, x, torch.where(q == 0, start, end))

    def _landmarks(self) -> torch.Tensor:
        marks = [c._landmarks() for c in self.components]
        # A component of weight zero crowds onto a point inside the others' range, where its panels are empty.
        centre = self._quantile(torch.full(self.shape, 0.5, dtype=torch.float64, device=self.device))
        present = self._weights.movedim(-1, 0) > 0
        return torch.cat([torch.where(p, m, centre) for p, m in zip(present, marks, strict=True)]).sort(0).values

    def _crps(self, y: torch.Tensor) -> torch.Tensor:
        if not all(isinstance(c, Normal) for c in self.components):
            return super()._crps(y)
        m, s, w = self._each("_mean"), self._each("_std"), self._weights
        score = (w * _expected_absolute(y[..., None] - m, s)).sum(-1)
        for c in range(len(self.components)):  # a row of pairs at a time, to hold N C values rather than N C^2
            pair = _expected_absolute(m[..., c, None] - m, torch.hypot(s[..., c, None], s))
            score = score - w[..., c] * (w * pair).sum(-1) / 2
        return score

    def _draw(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        steps = self._weights.cumsum(-1)
        u = torch.as_tensor(rng.random((n, *self.shape)), device=self.device) * steps[..., -1]
        chosen = (u[..., None] >= steps).sum(-1, keepdim=True).clamp(max=len(self.components) - 1)
        return self._each("_draw", n, rng).gather(-1, chosen)[..., 0]

    def _take(self, positions: torch.Tensor) -> "Mixture":
        weights = self._weights.reshape(math.prod(self.shape), len(self.components))[positions]
        return Mixture(weights, [c._take(positions) for c in self.components], as_numpy=self.as_numpy)
