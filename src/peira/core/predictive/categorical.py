r"""A distribution over finitely many labels.

.. math:: P(y = \ell_c) = \pi_c

Entropy and log probabilities are those of the labels. Where the labels are numbers, the
distribution is also one over numbers, and mean, variance, quantiles, distribution function and
CRPS (the ranked probability score, Epstein 1969, over unequal steps) follow:

.. math:: CRPS(F, y) = \sum_c \pi_c |\ell_c - y| - \sum_{c < C} F_c (1 - F_c) (\ell_{c+1} - \ell_c)
"""

import math
from typing import Any

import numpy as np
import torch

from .base import Predictive, refuse


class Categorical(Predictive):
    """Distributions over C labels for a batch of targets.

    Parameters
    ----------
    probs : array or tensor of shape (N, C), or (N, K, C)
        Not negative; each row sums to one within 1e-6, and is then scaled to do so exactly.
    labels : array of shape (C,), optional
        Distinct numbers or texts; 0 ... C - 1 if left out.
    as_numpy : bool, optional
        The form of answers; by default that of ``probs``.

    Raises
    ------
    ValueError
        If a probability is negative, a row does not sum to one, or labels repeat or do not fit.
    TypeError
        From the verbs of numbers (mean, quantile, crps, ...) if the labels are not numbers.

    Examples
    --------
    >>> from peira.core.predictive import Categorical
    >>> d = Categorical([[0.2, 0.8], [0.9, 0.1]], ["no", "yes"])
    >>> d.mode()
    array(['yes', 'no'], dtype='<U3')
    """

    def __init__(self, probs: Any, labels: Any = None, *, as_numpy: bool | None = None) -> None:
        form = not isinstance(probs, torch.Tensor) if as_numpy is None else as_numpy
        p = torch.as_tensor(probs, dtype=torch.float64)
        if p.ndim < 1 or p.shape[-1] < 1:
            raise ValueError(f"probs must have a last axis over at least one label, got shape {tuple(p.shape)}")
        refuse(~(p >= 0), p, "probabilities must not be negative")
        total = p.sum(-1)
        refuse((total - 1).abs() > 1e-6, total, "the probabilities of each target must sum to 1")
        self._probs = p / total[..., None]
        self.labels = np.arange(p.shape[-1]) if labels is None else np.array(labels)
        if self.labels.shape != (p.shape[-1],):
            raise ValueError(f"there are {p.shape[-1]} probabilities, but labels of shape {self.labels.shape}")
        self._order = np.argsort(self.labels, kind="stable")
        ascending = self.labels[self._order]
        if (again := ascending[1:] == ascending[:-1]).any():
            raise ValueError(f"the label {ascending[1:][again].tolist()[0]!r} stands twice")
        self._numeric = self.labels.dtype.kind in "iufb"
        self._set(p.shape[:-1], p.device, form)

    @property
    def probs(self) -> Any:
        """Probabilities, of shape (*batch, C), in the order of ``labels``."""
        return self._give(self._probs)

    def mode(self) -> Any:
        """The most probable label of each target (the first of several); NumPy for texts."""
        return self._give_labels(self._probs.argmax(-1))

    def _give_labels(self, codes: torch.Tensor) -> Any:
        chosen = self.labels[codes.numpy(force=True)]
        return chosen if self.as_numpy or not self._numeric else torch.as_tensor(chosen, device=self.device)

    def log_prob(self, y: Any) -> Any:
        """Log probability of the labels y, in nats; -inf for what is not among the labels.

        Parameters
        ----------
        y : label, or array of labels of shape (..., *batch)
        """
        y = y.numpy(force=True) if isinstance(y, torch.Tensor) else np.asarray(y)
        if y.ndim == 0:
            y = np.broadcast_to(y, self.shape)
        if y.ndim < len(self.shape) or y.shape[y.ndim - len(self.shape) :] != self.shape:
            raise ValueError(f"y has shape {y.shape}, but this distribution is over targets of shape {self.shape}")
        if (y.dtype.kind in "iufb") != self._numeric:
            raise TypeError(f"y holds {y.dtype} values, but the labels are like {self.labels.tolist()[0]!r}")
        ascending = self.labels[self._order]
        place = np.minimum(np.searchsorted(ascending, y), len(ascending) - 1)
        codes = torch.as_tensor(self._order[place], device=self.device)
        known = torch.as_tensor(ascending[place] == y, device=self.device)
        probs = self._probs.expand(*y.shape, -1).gather(-1, codes[..., None])[..., 0]
        return self._give(torch.where(known, probs, 0.0).log())

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> Any:
        """Draw n labels for each target, of shape (n, *batch)."""
        if n < 0:
            raise ValueError(f"n must be 0 or more, got {n}")
        return self._give_labels(self._codes(int(n), np.random.default_rng(seed)))

    def _codes(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        steps = self._probs.cumsum(-1)
        u = torch.as_tensor(rng.random((*self.shape, n)), device=self.device) * steps[..., -1:]
        # right=True steps over labels of probability zero, also at u = 0
        return torch.searchsorted(steps, u, right=True).clamp(max=len(self.labels) - 1).movedim(-1, 0)

    def _entropy(self) -> torch.Tensor:
        return -torch.special.xlogy(self._probs, self._probs).sum(-1)

    # --- labels that are numbers -------------------------------------------------------------
    def _points(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The labels in ascending order (C,), and their probabilities (*batch, C)."""
        if not self._numeric:
            raise TypeError(
                f"labels like {self.labels.tolist()[0]!r} have no mean, order or distance; "
                "use probs, mode(), log_prob(y), sample(n) and entropy()"
            )
        order = torch.as_tensor(self._order, device=self.device)
        labels = torch.as_tensor(self.labels.astype(np.float64), device=self.device)
        return labels[order], self._probs[..., order]

    def _mean(self) -> torch.Tensor:
        x, p = self._points()
        return p @ x

    def _variance(self) -> torch.Tensor:
        x, p = self._points()
        return (p * (x - (p @ x)[..., None]) ** 2).sum(-1)

    def _log_prob(self, y: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.log_prob(y), device=self.device)

    def _cdf(self, y: torch.Tensor) -> torch.Tensor:
        x, p = self._points()
        return ((x <= y[..., None]) * p).sum(-1).clamp(max=1)

    def _quantile(self, q: torch.Tensor) -> torch.Tensor:
        x, p = self._points()
        steps = p.cumsum(-1)
        reached = steps.expand(*q.shape, -1) >= torch.minimum(q.clamp(min=5e-324)[..., None], steps[..., -1:])
        return x[reached.to(torch.int8).argmax(-1)]

    def _crps(self, y: torch.Tensor) -> torch.Tensor:
        x, p = self._points()
        F = p.cumsum(-1)[..., :-1]
        return (p * (x - y[..., None]).abs()).sum(-1) - (F * (1 - F) * x.diff()).sum(-1)

    def _draw(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        labels = torch.as_tensor(self.labels.astype(np.float64), device=self.device)
        return labels[self._codes(n, rng)]

    def _take(self, positions: torch.Tensor) -> "Categorical":
        probs = self._probs.reshape(math.prod(self.shape), len(self.labels))[positions]
        return Categorical(probs, self.labels, as_numpy=self.as_numpy)
