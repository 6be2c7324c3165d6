r"""What every predictive distribution answers.

A method that predicts a distribution F for each target says more than one that predicts a
number: how sure it is. Few things must be known of F (mean, variance, density, distribution
function, a way to draw); all other verbs follow from them and are written here once:

.. math:: Q(q) = \inf \{ x : F(x) \geq q \}

.. math:: H = -\int p(x) \log p(x)\, dx

.. math:: CRPS(F, y) = \int (F(x) - 1\{x \geq y\})^2\, dx

Subclasses replace what they know in closed form. The *batch shape* is the shape of the targets,
(N,) or (N, K); each entry is a distribution of its own over one number (a joint covariance over
entries is an extra that `Normal` may carry). All computation is in float64. What was built from
NumPy answers in NumPy; what was built from tensors answers in tensors on their device.

References: Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and
estimation", Journal of the American Statistical Association 102(477), section 4.2.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch

from .numeric import LEVELS, bisect, panel, panels


def open_parameters(as_numpy: bool | None, first: Any, **others: Any) -> tuple[bool, list[torch.Tensor]]:
    """Parameters of a family as finite float64 tensors of the first one's shape.

    The other parameters are single numbers, or have as many axes as the first and stretch to its
    shape. ``as_numpy`` left at None is False if any parameter is a tensor.
    """
    given = (first, *others.values())
    tensors = [v for v in given if isinstance(v, torch.Tensor)]
    device = tensors[0].device if tensors else torch.device("cpu")
    lead = torch.as_tensor(first, dtype=torch.float64, device=device)
    out = [lead]
    for name, value in others.items():
        t = torch.as_tensor(value, dtype=torch.float64, device=device)
        stretches = t.ndim in (0, lead.ndim) and all(
            a in (1, b) for a, b in zip(t.shape, lead.shape if t.ndim else (), strict=True)
        )
        if not stretches:
            raise ValueError(
                f"{name} has shape {tuple(t.shape)}, but the targets have shape {tuple(lead.shape)}; "
                "pass a number or an array of that shape"
            )
        out.append(t.expand(lead.shape))
    return (not tensors if as_numpy is None else as_numpy), out


def refuse(bad: torch.Tensor, values: torch.Tensor, what: str) -> None:
    """Raise a ValueError that names the first value for which ``bad`` is true."""
    if bad.any():
        where = tuple(int(i) for i in bad.nonzero()[0])
        at = f" at {where if len(where) > 1 else where[0]}" if where else ""
        raise ValueError(f"{what}, got {float(values[where].detach()):g}{at} ({int(bad.sum())} such values)")


class Predictive(ABC):
    """A distribution for each target of a batch.

    Subclasses set ``shape`` (the batch shape), ``device`` and ``as_numpy`` through `_set`, and write
    `_mean`, `_variance`, `_log_prob`, `_cdf`, `_draw` and `_take`, all on float64 tensors.
    """

    shape: tuple[int, ...]
    device: torch.device
    as_numpy: bool

    def _set(self, shape: tuple[int, ...], device: torch.device, as_numpy: bool) -> None:
        self.shape, self.device, self.as_numpy = tuple(shape), device, as_numpy

    # --- what a family must know, on tensors -------------------------------------------------
    @abstractmethod
    def _mean(self) -> torch.Tensor:
        """Expectation, of the batch shape; NaN where there is none."""

    @abstractmethod
    def _variance(self) -> torch.Tensor:
        """Variance, of the batch shape; inf or NaN where there is none."""

    @abstractmethod
    def _log_prob(self, y: torch.Tensor) -> torch.Tensor:
        """Log density at y of shape (..., *batch), in nats."""

    @abstractmethod
    def _cdf(self, y: torch.Tensor) -> torch.Tensor:
        """Probability of at most y, for y of shape (..., *batch)."""

    @abstractmethod
    def _draw(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        """n draws, of shape (n, *batch)."""

    @abstractmethod
    def _take(self, positions: torch.Tensor) -> "Predictive":
        """The part at positions (integers of any shape, into the flattened batch)."""

    # --- what follows, on tensors; replaced where a closed form is known ---------------------
    def _std(self) -> torch.Tensor:
        return self._variance().sqrt()

    def _bracket(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Numbers below and above the quantiles q: steps that double, from the mean outwards."""
        centre = torch.nan_to_num(self._mean(), nan=0.0).expand(q.shape)
        step = torch.nan_to_num(self._std(), nan=1.0, posinf=1.0).clamp(min=1e-300).expand(q.shape)
        low = high = centre
        while (far := (self._cdf(low) > q) & low.isfinite()).any():
            low, step = torch.where(far, low - step, low), step * 2
        step = torch.maximum(high - low, torch.nan_to_num(self._std(), nan=1.0, posinf=1.0).clamp(min=1e-300))
        while (far := (self._cdf(high) < q) & high.isfinite()).any():
            high, step = torch.where(far, high + step, high), step * 2
        return low, high

    def _quantile(self, q: torch.Tensor) -> torch.Tensor:
        """Quantiles for q of shape (..., *batch), strictly between 0 and 1 or at these ends."""
        inside = q.clamp(1e-300, 1 - 2**-53)
        x = bisect(self._cdf, inside, *self._bracket(inside))
        return torch.where(q == 0, -torch.inf, torch.where(q == 1, torch.inf, x))

    def _landmarks(self) -> torch.Tensor:
        """Ascending points (L, *batch) between which all mass but 2e-14 lies: the edges for quadrature."""
        q = torch.as_tensor(LEVELS, device=self.device)[(..., *[None] * len(self.shape))]
        points = self._quantile(q.expand((-1, *self.shape)))
        return torch.nan_to_num(points, posinf=1e300, neginf=-1e300)

    def _crps(self, y: torch.Tensor) -> torch.Tensor:
        def squares(x: torch.Tensor) -> torch.Tensor:
            F = self._cdf(x)
            return torch.stack([F**2, (1 - F) ** 2], 1)

        # Panels are integrated once for all targets: F^2 up to each edge, (1 - F)^2 from each edge on.
        # A target then adds the part of its own panel, from the edge before it.
        marks = self._landmarks()
        zero = torch.zeros_like(marks[:1])
        below, above = panels(squares, marks).unbind(1)
        left = torch.cat([zero, below.cumsum(0)])
        right = torch.cat([above.flip(0).cumsum(0).flip(0), zero])
        edges = marks.movedim(0, -1).contiguous()
        targets = self._flat(y)
        before = torch.searchsorted(edges, targets.movedim(0, -1).contiguous()).movedim(-1, 0)
        a, up_to, onwards = (v.gather(0, (before - 1).clamp(min=0)) for v in (marks, left, right))
        part_below, part_above = panel(squares, a, targets)
        return (up_to + part_below + onwards - part_above).reshape(y.shape)

    def _entropy(self) -> torch.Tensor:
        def integrand(x: torch.Tensor) -> torch.Tensor:
            log_p = self._log_prob(x)
            return torch.where(log_p.isfinite(), -log_p * log_p.exp(), 0.0)

        marks = self._landmarks()
        mass = panels(lambda x: self._log_prob(x).exp(), marks).sum(0)
        # What the density does not hold sits on single points, and there entropy has no bottom.
        return torch.where(mass < 1 - 1e-9, -torch.inf, panels(integrand, marks).sum(0))

    # --- the verbs ---------------------------------------------------------------------------
    def _give(self, value: torch.Tensor) -> Any:
        return value.numpy(force=True)[()] if self.as_numpy else value

    def _flat(self, y: torch.Tensor) -> torch.Tensor:
        """The axes before the batch as one: (..., *batch) to (M, *batch)."""
        return y.reshape(math.prod(y.shape[: y.ndim - len(self.shape)]), *self.shape)

    def _targets(self, y: Any) -> torch.Tensor:
        """Targets as a tensor of shape (..., *batch); a single number stands for all."""
        t = torch.as_tensor(y, dtype=torch.float64, device=self.device)
        if t.ndim == 0:
            return t.expand(self.shape)
        if t.ndim < len(self.shape) or tuple(t.shape[t.ndim - len(self.shape) :]) != self.shape:
            raise ValueError(
                f"y has shape {tuple(t.shape)}, but this distribution is over targets of shape {self.shape}; "
                "pass that shape (more axes may stand before it) or a number"
            )
        return t

    @property
    def mean(self) -> Any:
        """Expectation, of the batch shape, in the unit of the target; NaN where there is none."""
        return self._give(self._mean())

    @property
    def variance(self) -> Any:
        """Variance, of the batch shape, in the squared unit of the target."""
        return self._give(self._variance())

    @property
    def std(self) -> Any:
        """Standard deviation, of the batch shape, in the unit of the target."""
        return self._give(self._std())

    @property
    def median(self) -> Any:
        """The 0.5 quantile, of the batch shape, in the unit of the target."""
        return self.quantile(0.5)

    def quantile(self, q: Any) -> Any:
        """The smallest number that the target stays at or below with probability q.

        Parameters
        ----------
        q : float or array of shape (Q,)
            Probabilities in [0, 1]. At 0 and 1 the ends of the support, infinite for densities
            on the whole line.

        Returns
        -------
        array or tensor of the batch shape, or (Q, *batch) for an array of levels

        Raises
        ------
        ValueError
            If a level is outside of [0, 1].
        """
        levels = torch.as_tensor(q, dtype=torch.float64, device=self.device)
        if levels.ndim > 1:
            raise ValueError(f"q must be a number or a list of numbers, got shape {tuple(levels.shape)}")
        refuse(~((levels >= 0) & (levels <= 1)), levels, "q must lie in [0, 1]")
        each = levels[(..., *[None] * len(self.shape))]
        return self._give(self._quantile(each.expand((*levels.shape, *self.shape))))

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """Ends of the central interval that holds the target with probability ``level``.

        Parameters
        ----------
        level : float, default 0.95
            In (0, 1); the same probability is left out on either side.

        Returns
        -------
        low, high : arrays or tensors of the batch shape
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
        low, high = self.quantile([(1 - level) / 2, (1 + level) / 2])
        return low, high

    def log_prob(self, y: Any) -> Any:
        """Log density at y, in nats; elementwise.

        Parameters
        ----------
        y : float or array of shape (..., *batch)

        Returns
        -------
        array or tensor of y's shape
        """
        return self._give(self._log_prob(self._targets(y)))

    def cdf(self, y: Any) -> Any:
        """Probability that the target is at most y; elementwise, y as in `log_prob`."""
        return self._give(self._cdf(self._targets(y)))

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> Any:
        """Draw targets.

        Parameters
        ----------
        n : int
            Draws for each entry of the batch.
        seed : int, Generator or None, default None
            The same int gives the same draws on every device; None draws afresh.

        Returns
        -------
        array or tensor of shape (n, *batch)
        """
        if n < 0:
            raise ValueError(f"n must be 0 or more, got {n}")
        return self._give(self._draw(int(n), np.random.default_rng(seed)))

    def entropy(self) -> Any:
        """Differential entropy, of the batch shape, in nats; -inf where mass sits on a point."""
        return self._give(self._entropy())

    def crps(self, y: Any) -> Any:
        """Continuous ranked probability score at y, in the unit of the target; lower is better.

        It is the absolute error when the prediction is a single point. y as in `log_prob`.
        """
        return self._give(self._crps(self._targets(y)))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"a {type(self).__name__} over a single target has no length")
        return self.shape[0]

    def __getitem__(self, index: Any) -> "Predictive":
        """The part of the batch that NumPy's indexing picks."""
        if isinstance(index, torch.Tensor):
            index = index.numpy(force=True)
        size = math.prod(self.shape)
        positions = np.asarray(np.arange(size).reshape(self.shape)[index])
        return self._take(torch.as_tensor(positions.copy(), device=self.device))

    def __repr__(self) -> str:
        return f"{type(self).__name__} over targets of shape {self.shape}"
