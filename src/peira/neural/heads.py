r"""Heads: what the last layer of a net means.

A head says how many numbers a net gives for each target, which loss makes them what they stand for, and how they are
read. Each is the negative logarithm of a likelihood, or what its minimiser is known to be:

====================  ======================================================  ==============================
head                  loss of one target, with f what the net gives           f stands for
====================  ======================================================  ==============================
squared error         :math:`(y - f)^2 / 2`                                   mean
normal                :math:`\log(v)/2 + (y - f_1)^2 / (2 v)`                 mean; v from :math:`f_2`
absolute error        :math:`|y - f|`                                         median
Huber                 quadratic up to :math:`\delta`, linear beyond           between mean and median
quantiles             :math:`\max(p (y - f_p), (p - 1) (y - f_p))`            quantile at each level p
Poisson               :math:`e^f - y f`                                       logarithm of the mean
softmax               :math:`\log \sum_k e^{f_k} - f_c`                       log probabilities of the classes
logistic              :math:`\log(1 + e^f) - y f`                             log odds
====================  ======================================================  ==============================

Where the last layer is read by the canonical link of its likelihood (identity, exponential, softmax, logistic), the
gradient with respect to f is the residual: prediction less target (Bishop 2006, section 5.2; eqs 5.18 and 5.24). The
three heads that learn most nets say so themselves (`Head.loss_and_errors`), by the functions of torch that autograd
would call; a graph takes longer than a residual.

References: Bishop (2006), Pattern Recognition and Machine Learning, sections 5.2 and 5.6; Nix & Weigend (1994) for the
normal head with its own variance; Koenker & Bassett (1978) for quantiles; Huber (1964).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch.nn import functional

from peira.core.predictive import Normal as NormalForecast
from peira.core.predictive import Predictive

from .quantile_curve import QuantileCurve
from .standardising import spread

_aten = torch.ops.aten
MEAN, NONE = 1, -100  # torch's numbers for the reduction of a loss, and for the class that it is to leave out
LEAST_VARIANCE = 1e-6  # in units of the target's variance: without it, a single row is fitted to infinite density


class Head(ABC):
    """How the last layer of a net is taught and read.

    Attributes
    ----------
    width : int
        Numbers for each target.
    link : str
        The function of f that is the prediction, by scikit-learn's name.
    """

    width: int = 1
    link: ClassVar[str] = "identity"

    @abstractmethod
    def losses(self, F: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        """The loss of each item, of shape (N,): its mean over targets.

        Parameters
        ----------
        F : tensor of shape (N, K * width)
            What the net gives; the numbers of a target lie side by side.
        Y : tensor of shape (N, K), or the classes of the items, of shape (N,)
        """

    def loss(self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
        """The mean loss of some items, weighed by w of shape (N,) (whose mean over all items is to be one)."""
        losses = self.losses(F, Y)
        return losses.mean() if w is None else (losses * w).mean()

    def loss_and_errors(
        self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean loss, without a graph, and its gradient with respect to F, of the shape of F."""
        with torch.enable_grad():
            F = F.detach().requires_grad_()
            loss = self.loss(F, Y, w)
            (errors,) = torch.autograd.grad(loss, F)
        return loss.detach(), errors


class NumberHead(Head):
    """Heads for numbers.

    Attributes
    ----------
    forecasts : bool
        Whether `predictive` knows a distribution.
    """

    forecasts: bool = False

    def units(self, Y: torch.Tensor, w: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Origin and unit in which targets are learned, of shape (K,): mean and deviation."""
        return spread(Y, w)

    def decide(self, F: torch.Tensor) -> torch.Tensor:
        """The prediction of each target, of shape (N, K)."""
        return F

    def predictive(self, F: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, *, as_numpy: bool) -> Predictive:
        """The distribution of targets that were learned as (y - mean) / scale."""
        raise TypeError(f"{type(self).__name__} knows no distribution")


@dataclass(frozen=True)
class SquaredError(NumberHead):
    """The mean, under normal noise of one size."""

    def losses(self, F: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        return ((F - Y) ** 2).mean(1) / 2

    def loss(self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
        return functional.mse_loss(F, Y) / 2 if w is None else super().loss(F, Y, w)

    def loss_and_errors(
        self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if w is not None:
            return super().loss_and_errors(F, Y, w)
        half = torch.full((), 0.5, dtype=F.dtype, device=F.device)
        return _aten.mse_loss.default(F, Y) / 2, _aten.mse_loss_backward.default(half, F, Y, MEAN)


@dataclass(frozen=True)
class Normal(NumberHead):
    """Mean and variance, both functions of the inputs (Nix & Weigend 1994; Bishop 2006, section 5.6)."""

    width: int = 2
    forecasts: bool = True

    def parts(self, F: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance of each target, of shape (N, K)."""
        mean, free = F.unflatten(1, (-1, 2)).unbind(2)
        return mean, functional.softplus(free) + LEAST_VARIANCE

    def losses(self, F: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        mean, variance = self.parts(F)
        return (variance.log() + (Y - mean) ** 2 / variance).mean(1) / 2

    def decide(self, F: torch.Tensor) -> torch.Tensor:
        return self.parts(F)[0]

    def predictive(self, F: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, *, as_numpy: bool) -> Predictive:
        m, variance = self.parts(F.double())
        return NormalForecast(mean + scale * m, scale * variance.sqrt(), as_numpy=as_numpy)


@dataclass(frozen=True)
class Absolute(NumberHead):
    """The median."""

    def losses(self, F: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        return (F - Y).abs().mean(1)


@dataclass(frozen=True)
class Huber(NumberHead):
    """The mean of what is not too far away.

    Parameters
    ----------
    delta : float, default 1.35
        Where squared errors turn into absolute ones, in standard deviations of the target.
    """

    delta: float = 1.35

    def losses(self, F: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        return functional.huber_loss(F, Y, reduction="none", delta=self.delta).mean(1)


@dataclass(frozen=True)
class Quantiles(NumberHead):
    """Quantiles at some levels, which cannot cross: each but the first is given as its distance from the one below.

    Parameters
    ----------
    levels : tuple of float in (0, 1), ascending
    """

    levels: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)

    @property
    def width(self) -> int:
        return len(self.levels)

    @property
    def forecasts(self) -> bool:
        return len(self.levels) > 1

    def curve(self, F: torch.Tensor) -> torch.Tensor:
        """The quantiles of each target, of shape (N, K, levels), ascending."""
        first, gaps = F.unflatten(1, (-1, self.width)).split((1, self.width - 1), 2)
        return torch.cat([first, functional.softplus(gaps) + LEAST_VARIANCE], 2).cumsum(2)

    def losses(self, F: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        e = Y[:, :, None] - self.curve(F)
        p = torch.tensor(self.levels, dtype=F.dtype, device=F.device)
        return torch.maximum(p * e, (p - 1) * e).mean((1, 2))

    def decide(self, F: torch.Tensor) -> torch.Tensor:
        return self.curve(F)[:, :, (self.width - 1) // 2]

    def predictive(self, F: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, *, as_numpy: bool) -> Predictive:
        values = mean[:, None] + scale[:, None] * self.curve(F.double())
        return QuantileCurve(self.levels, values, as_numpy=as_numpy)


@dataclass(frozen=True)
class Poisson(NumberHead):
    """The mean of a count; half of the Poisson deviance but for what does not depend on the net."""

    link: ClassVar[str] = "exp"

    def units(self, Y: torch.Tensor, w: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Zero and the mean: a deviance knows factors, but no other origin."""
        mean, _ = spread(Y, w)
        return torch.zeros_like(mean), torch.where(mean > 0, mean, 1.0)

    def losses(self, F: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        return (F.exp() - Y * F + torch.xlogy(Y, Y) - Y).mean(1)

    def decide(self, F: torch.Tensor) -> torch.Tensor:
        return F.exp()


@dataclass(frozen=True)
class Softmax(Head):
    """Classes: cross-entropy of the softmax.

    Parameters
    ----------
    smoothing : float in [0, 1), default 0
        Share of each label that is spread evenly over all classes (Szegedy et al. 2016, section 7).
    """

    smoothing: float = 0.0
    link: ClassVar[str] = "softmax"

    def losses(self, F: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        """The loss of each item; Y holds classes, of shape (N,), or their probabilities, of shape (N, C)."""
        return functional.cross_entropy(F, Y, label_smoothing=self.smoothing, reduction="none")

    def loss(self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
        if w is None:
            return functional.cross_entropy(F, Y, label_smoothing=self.smoothing)
        return super().loss(F, Y, w)

    def loss_and_errors(
        self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if w is not None or self.smoothing or Y.dim() > 1:
            return super().loss_and_errors(F, Y, w)
        log_p = torch.log_softmax(F, 1)
        loss, total = _aten.nll_loss_forward.default(log_p, Y, None, MEAN, NONE)
        errors = _aten.nll_loss_backward.default(torch.ones_like(loss), log_p, Y, None, MEAN, NONE, total)
        return loss, _aten._log_softmax_backward_data.default(errors, log_p, 1, F.dtype)

    def scores(self, F: torch.Tensor) -> torch.Tensor:
        """Log probabilities up to a constant of the row, of shape (N, C)."""
        return F


@dataclass(frozen=True)
class Logistic(Head):
    """Two classes by one number, or several labels that do not exclude each other: cross-entropy of the logistic.

    Parameters
    ----------
    smoothing : float in [0, 1), default 0
    """

    smoothing: float = 0.0
    link: ClassVar[str] = "logistic"

    def losses(self, F: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        """The loss of each item; Y is 0, 1, or a probability, of shape (N, K)."""
        return functional.binary_cross_entropy_with_logits(F, self._smooth(Y), reduction="none").sum(1)

    def loss(self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
        if w is None and F.shape[1] == 1:
            return functional.binary_cross_entropy_with_logits(F, self._smooth(Y))
        return super().loss(F, Y, w)

    def loss_and_errors(
        self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if w is not None or F.shape[1] > 1:
            return super().loss_and_errors(F, Y, w)
        return self.loss(F, Y), torch.sigmoid(F).sub_(self._smooth(Y)).div_(F.numel())

    def scores(self, F: torch.Tensor) -> torch.Tensor:
        """Log probabilities of two classes up to a constant of the row, of shape (N, 2)."""
        return torch.cat([torch.zeros_like(F), F], 1)

    def _smooth(self, Y: torch.Tensor) -> torch.Tensor:
        return Y * (1 - self.smoothing) + self.smoothing / 2 if self.smoothing else Y


@cache
def number_head(loss: str, levels: tuple[float, ...] = (0.5,), delta: float = 1.35) -> NumberHead:
    """The head that has the loss of that name."""
    heads: dict[str, NumberHead] = {
        "squared_error": SquaredError(),
        "normal": Normal(),
        "absolute_error": Absolute(),
        "huber": Huber(delta),
        "quantile": Quantiles(levels),
        "poisson": Poisson(),
    }
    return heads[loss]


@cache
def class_head(classes: int, smoothing: float = 0.0) -> Softmax | Logistic:
    """The head for so many classes: one number tells two apart."""
    return Logistic(smoothing) if classes == 2 else Softmax(smoothing)
