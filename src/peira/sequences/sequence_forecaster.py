r"""Recurrent nets that say how a series goes on: a normal distribution for the next step, again and again.

The net reads a series and gives mean and variance of each number of the next step, in standardised units,

.. math:: p(x_{t+1} \mid x_1, ..., x_t) = N(m_t, v_t), \quad m_t = A x_t + V h_t + b, \quad v_t = \log(1 + e^{u_t})

with u linear in the outputs h too. The matrix A begins as the identity, so that the net starts from "it stays as it is"
and learns what else happens. It learns from all steps at once, each predicted from the true ones before it:

.. math:: E = \frac{1}{2 S} \sum_{n,t,d} e_{ntd}, \quad
          e_{ntd} = \log v_{ntd} + \frac{(x_{n,t+1,d} - m_{ntd})^2}{v_{ntd}}

*Any horizon, by recursion.* Further steps follow from drawn ones: P paths go on from the end of the history, each step
drawn from its distribution and read in its turn. At each step ahead the answer is the normal distribution with the mean
and variance of the mixture over paths,

.. math:: M = \frac{1}{P} \sum_p m_p, \quad \frac{1}{P} \sum_p v_p + \frac{1}{P} \sum_p (m_p - M)^2

which is exact for one step. The draws come in pairs of opposite sign, and are the same for every series and every call.

*What is held out.* Of 20 series and more, a tenth of them; of fewer, the last tenth of each. Training ends when they
gain no more.

**Use it** for many series of one kind, or a long one, whose next steps depend on what happened lately in a way that no
linear model knows. For one short series a structural model or the seasonal naive forecast is better; so is it for
series that grow beyond every level seen.

Cost: an update of B windows of W steps takes about :math:`6 B W \cdot 3 H (D + H)` operations with a GRU; a forecast
:math:`P` times that of a step for each step ahead.

Reference: Nix & Weigend (1994) for the head; Graves (2013), section 2, for prediction step by step; Salinas et al.
(2020), DeepAR, for paths.
"""

from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional

from peira.core.card import Card
from peira.core.errors import DataError
from peira.core.inputs import Queries
from peira.core.params import choice, param
from peira.core.predictive import Normal
from peira.core.seeds import derive, torch_generator
from peira.neural.heads import LEAST_VARIANCE
from peira.numerics.ragged import within

from .padded_batches import PADDED, PaddedBatches
from .plotted_forecaster import PlottedForecaster
from .recurrent_inputs import VectorInputs
from .recurrent_method import RecurrentMethod, SequenceNet, recurrent_example
from .windows import windows

DRAWS = 6  # seed of the draws along the paths, which are part of the formula rather than of the learning


class ForecastNet(SequenceNet):
    """Mean and variance of the next step; the mean has a direct way from the present one."""

    def __init__(self, net: SequenceNet, D: int) -> None:
        super().__init__(net.entrance, net.body, net.dropout.p, net.scores)
        self.D = D
        self.direct = nn.Linear(D, D, bias=False)
        nn.init.eye_(self.direct.weight)

    def forward(
        self,
        x: torch.Tensor,
        lengths: torch.Tensor | None = None,
        state: tuple[torch.Tensor, ...] | None = None,
        *,
        ends: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, ...]]:
        """From steps (N, T, D and gaps) to means and variances of the next, both (N, T, D), and the last state."""
        h, state = self.body(x, lengths, state, ends=ends)
        m, u = self.scores(self.dropout(h)).unflatten(2, (2, self.D)).unbind(2)
        return self.direct(x[..., : self.D]) + m, functional.softplus(u) + LEAST_VARIANCE, state


class SequenceForecaster(VectorInputs, RecurrentMethod, PlottedForecaster):
    """A recurrent net that forecasts series, as far ahead as is asked.

    Attributes
    ----------
    mean_, scale_ : array of shape (D,)
        What the numbers of a step are centred and scaled by.
    targets_ : float
        Steps that count in a window, on average.
    net_ : Module
        From standardised steps to means and variances of the next.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import SequenceForecaster
    >>> rng = np.random.default_rng(0)
    >>> series = [np.sin(np.arange(60) / 3 + phase) + 0.1 * rng.normal(size=60) for phase in rng.uniform(0, 6, 20)]
    >>> model = SequenceForecaster(hidden=16, random_state=0).fit(series[1:])
    >>> model.predict([series[0][:40]], horizon=5).shape
    (1, 5)
    >>> bool(model.score(series[:1], horizon=5) > -0.3)
    True
    """

    card = Card(
        tasks="forecasting",
        reference="Nix & Weigend (1994); Graves (2013) section 2; Salinas et al. (2020)",
        cost="U updates of B windows of W steps: 18 U B W H (D + H) for a GRU",
        data="sequences",
        missing=True,
    )

    window: int = param(100, "steps that are learned from at once; a history is read whole", low=1,
                        tune=choice(50, 100, 200))  # fmt: skip
    paths: int = param(100, "paths by which steps beyond the next are forecast; half of them mirror the others", low=2)
    targets_: float

    @classmethod
    def example(cls) -> Self:
        return recurrent_example(cls, paths=10)

    def build(self) -> nn.Module:
        """Body, two numbers for each of the next step, and the direct way."""
        D = len(self.mean_)
        return ForecastNet(self._net(2 * D), D)

    def loss(
        self,
        x: torch.Tensor,
        y: torch.Tensor,
        counts: torch.Tensor,
        lengths: torch.Tensor,
        w: torch.Tensor,
    ) -> torch.Tensor:
        """Minus the log likelihood of the next steps, but for a constant, so scaled that each counts alike."""
        m, v, _ = self.net_(x, lengths)
        losses = torch.where(counts, v.log() + (y - m) ** 2 / v, 0.0)
        return 0.5 * (losses * w[:, None, None]).sum() / (len(x) * self.targets_)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn how series go on.

        Parameters
        ----------
        X : sequences
            N series, of which at least one has two steps.
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; of the series.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a series is empty, a value is infinite, or none has two steps.
        """
        data = self._begin(X, sample_weight=sample_weight)
        self._learn_inputs(data)
        device, D = self._device(), self.n_features_in_
        training = self.training or self.default_training()
        chance = torch_generator(derive(data.seed, 5))
        cut = windows(data.lengths.cpu(), self.window, training.validation_fraction, chance)
        if not len(cut.firsts):
            raise DataError(f"{type(self).__name__} learns from steps that follow others; no series has two steps")
        self._measure_depth(int(cut.lengths.max()) - 1)
        w = self._weights(data)[cut.owners.to(data.device)]
        self.targets_ = float(((cut.lengths - 1 - cut.skipped).to(w) * w).sum() / len(w))
        seen = torch.cat([self._read(data), (~torch.isnan(data.X)).float()], 1).to(device)

        def next_steps(batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            steps, n, skipped, w = batch
            read, there = steps[..., :-D], steps[..., -D:] > 0
            t = torch.arange(steps.shape[1] - 1, device=device)
            counts = there[:, 1:] & (t >= skipped[:, None])[:, :, None] & within(n - 1, len(t))[:, :, None]
            return read[:, :-1], read[:, 1:, :D], counts, n - 1, w

        of_items = [cut.skipped.to(device), w.to(device)]
        batches = PaddedBatches(cut.lengths.to(device), [seen], of_items, cut.firsts.to(device))
        self._teach(batches, data.seed, held_out=cut.held_out, change=next_steps)
        return self

    @torch.no_grad()
    def _forecast(self, queries: Queries, horizon: int) -> Normal:
        device, D = self._device(), self.n_features_in_
        self.net_.to(device)
        batches = PaddedBatches(queries.lengths.to(device), [self._read(queries).to(device)])
        mean = torch.empty(len(queries), horizon, D, dtype=torch.float64, device=device)
        variance = torch.empty_like(mean)
        at_once = max(1, PADDED // (self.paths * self._numbers()))
        for part in batches.parts(torch.arange(len(queries), device=device), self._numbers()):
            for rows in part.split(at_once):
                mean[rows], variance[rows] = self._follow(*batches.take(rows), horizon)
        if not torch.isfinite(mean).all() or not torch.isfinite(variance).all():
            h = int((~torch.isfinite(mean + variance)).any(2).any(0).nonzero()[0])
            raise DataError(
                f"this {type(self).__name__} runs away, beyond all numbers {h + 1} steps ahead; ask for less"
            )
        scale = torch.as_tensor(self.scale_, device=device)
        mean = torch.as_tensor(self.mean_, device=device) + scale * mean
        std = scale * variance.sqrt()
        return Normal(mean.to(queries.device), std.to(queries.device), as_numpy=queries.as_numpy)

    def _follow(self, x: torch.Tensor, lengths: torch.Tensor, horizon: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Means and variances of the steps ahead, of shape (N, horizon, D), in standardised units."""
        N, P, D = len(x), 2 * (self.paths // 2), self.n_features_in_
        chance = torch_generator(DRAWS)
        m, v, state = self.net_(x, lengths, ends=True)
        last = (torch.arange(N, device=x.device), lengths - 1)
        m, v = m[last][:, None], v[last][:, None]  # (N, paths, D)
        state = tuple(part.repeat_interleave(P, 0) for part in state)
        means, variances = [], []
        for h in range(horizon):
            m64, v64 = m.double(), v.double()
            means.append(m64.mean(1))
            variances.append(v64.mean(1) + m64.var(1, correction=0))
            if h + 1 < horizon:
                half = torch.randn(P // 2, D, generator=chance).to(x.device)
                drawn = m + v.sqrt() * torch.cat([half, -half])
                step = drawn.reshape(N * P, 1, D)
                step = torch.cat([step, step.new_ones(len(step), 1, int(self.gaps_.sum()))], 2)
                m, v, state = self.net_(step, None, state, ends=True)
                m, v = m.view(N, P, D), v.view(N, P, D)
        return torch.stack(means, 1), torch.stack(variances, 1)
