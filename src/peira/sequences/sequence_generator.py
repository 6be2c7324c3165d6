r"""Recurrent nets that unroll a vector into a series: one in, many out.

A vector g enters at every step, and what differs from step to step is the state of the net alone:

.. math:: x_t = V h_t + c + \epsilon_t, \quad h_t = \mathrm{body}(g, h_{t-1}), \quad
          \epsilon_{td} \sim N(0, s_d^2)

The weights minimise squared errors of all steps, and :math:`s_d^2` is what is left of them. No true step is ever fed
back, so that what is generated is what was learned from. Without vectors the net learns one series, or the mean course
of several.

This is the oldest test of a memory for time: a net of few units has to keep count of where it is. Units of several
speeds (``cell="clockwork"`` or ``"mtrnn"``) hold long series that an Elman net loses.

**Use it** to generate curves from settings (a movement from its goal, a melody's contour from its number). To continue
a series that has begun, take `SequenceForecaster`; for symbols, `SymbolGenerator`.

Cost: an update of B series of T steps takes about :math:`6 B T \cdot 3 H (G + H)` operations with a GRU.

Reference: Jordan (1986) for series from a plan vector; Koutnik et al. (2014), section 5.1, for series from nothing.
"""

from typing import Any, Self

import numpy as np
import torch
from torch import nn

from peira.core.card import Card
from peira.core.errors import UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.seeds import draw_seed
from peira.numerics.ragged import owners, within
from peira.training import Training

from .padded_batches import PaddedBatches
from .recurrent_inputs import VectorInputs
from .recurrent_method import recurrent_example
from .vector_generator import VectorGenerator


class SequenceGenerator(VectorInputs, VectorGenerator):
    """A recurrent net that unrolls a vector into a series of numbers or vectors.

    Attributes
    ----------
    mean_, scale_ : array of shape (D,)
        What the numbers of a step are centred and scaled by.
    given_mean_, given_scale_ : array of shape (G,)
        What the given numbers are centred and scaled by.
    noise_ : array of shape (D,)
        Standard deviations s of what the net leaves over.
    longest_ : int
        Steps of the longest series.
    net_ : Module
        From vectors, repeated at every step, to standardised steps.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import SequenceGenerator
    >>> speed = np.array([[1.0], [2.0], [3.0]])
    >>> X = [np.sin(v * np.arange(20) / 4) for v in speed[:, 0]]
    >>> model = SequenceGenerator(hidden=32, random_state=0).fit(X, given=speed)
    >>> bool(np.abs(model.generate(speed) - X).max() < 0.3)
    True
    """

    card = Card(
        tasks="density",
        reference="Jordan (1986); Koutnik et al. (2014) section 5.1",
        cost="U updates of B sequences: 18 U B T H (G + H) for a GRU",
        data="sequences",
        missing=True,
    )
    noise_: np.ndarray
    longest_: int
    targets_: float

    @classmethod
    def default_training(cls) -> Training:
        """Many updates with clipped gradients, since a series is to be remembered."""
        return Training(optimiser="adam", learning_rate=1e-2, updates=1000, batch_size=32, clip=1.0, schedule="cosine")

    @classmethod
    def example(cls) -> Self:
        return recurrent_example(cls)

    def _entrance(self) -> tuple[nn.Module, int]:
        return nn.Identity(), max(1, len(self.given_mean_))

    def build(self) -> nn.Module:
        """Body, and the numbers of a step."""
        return self._net(len(self.mean_))

    def loss(
        self, z: torch.Tensor, there: torch.Tensor, lengths: torch.Tensor, given: torch.Tensor, w: torch.Tensor
    ) -> torch.Tensor:
        """Squared errors of the steps of a batch, so scaled that a number counts alike in every batch."""
        counts = (there > 0) & within(lengths, z.shape[1])[:, :, None]
        errors = torch.where(counts, (self._unroll(given, lengths) - z) ** 2, 0.0)
        return (errors * w[:, None, None]).sum() / (len(z) * self.targets_)

    def _teach_from(self, data: Data, vectors: torch.Tensor) -> None:
        device, D = self._device(), self.n_features_in_
        self.longest_ = int(data.lengths.max())
        self._measure_depth(self.longest_)
        w, there = self._weights(data), ~torch.isnan(data.X)
        owner = owners(data.lengths)
        counts = torch.zeros(len(data), device=data.device).index_add_(0, owner, there.sum(1).float())
        self.targets_ = max(float((w * counts).sum() / len(data)), 1e-12)
        z = self._read(data)[:, :D]
        of_steps = [z.to(device), there.float().to(device)]
        self._teach(PaddedBatches(data.lengths.to(device), of_steps, [vectors, w.to(device)]), data.seed)
        errors = torch.where(there, (self._courses(data, vectors).to(data.device) - z) ** 2, 0.0).double()
        weight = (w[owner][:, None] * there).double()
        s2 = (weight * errors).sum(0) / weight.sum(0).clamp(min=1e-12)
        self.noise_ = (data.tensor(self.scale_) * s2.sqrt().clamp(min=1e-6)).numpy(force=True)

    def generate(self, given: Any = None, length: int | None = None) -> np.ndarray:
        """The mean course.

        Parameters
        ----------
        given : array, frame or tensor of shape (N, G), optional
            What each series is to be unrolled from; without vectors there is one.
        length : int, optional
            Steps; those of the longest series learned from, without it.

        Returns
        -------
        array of shape (N, length, D); (N, length) if the steps were single numbers
        """
        vectors, T = self._read_given(given), self.longest_ if length is None else length
        lengths = torch.full((len(vectors),), T)
        with torch.no_grad():
            m = self._unroll(vectors.to(self._device()), lengths.to(self._device())).double().numpy(force=True)
        courses = self.mean_ + self.scale_ * m
        return courses[:, :, 0] if courses.shape[2] == 1 else courses

    def sample(self, n: int, given: Any = None, length: int | None = None, seed: Any = None) -> np.ndarray:
        """Draw n series.

        Parameters
        ----------
        n : int
        given : array of shape (G,), optional
            The vector that all of them are unrolled from.
        length : int, optional
        seed : int, optional

        Returns
        -------
        array of shape (n, length, D); (n, length) if the steps were single numbers
        """
        course = self.generate(None if given is None else np.atleast_2d(given), length)
        rng = np.random.default_rng(draw_seed(seed))
        noise = self.noise_ if course.ndim == 3 else self.noise_[0]
        return course + noise * rng.standard_normal((n, *course.shape[1:]))

    def _given_density(self, queries: Queries, vectors: torch.Tensor) -> torch.Tensor:
        m = queries.tensor(self.mean_) + queries.tensor(self.scale_) * self._courses(queries, vectors).to(queries.X)
        s = queries.tensor(self.noise_)
        logs = -0.5 * ((queries.X - m) / s) ** 2 - s.log() - 0.5 * np.log(2 * np.pi)
        total = torch.zeros(len(queries), dtype=torch.float64, device=queries.device)
        return total.index_add_(0, owners(queries.lengths), logs.nan_to_num(nan=0.0).sum(1))

    @torch.no_grad()
    def _courses(self, queries: Queries, vectors: torch.Tensor) -> torch.Tensor:
        """The mean of every step in standard units, (S, D)."""
        device = self._device()
        self.net_.to(device)
        lengths, vectors = queries.lengths.to(device), vectors.to(device)
        batches = PaddedBatches(lengths, [])
        m = torch.empty(len(queries.X), self.n_features_in_, device=device)
        for rows in batches.parts(torch.arange(len(queries), device=device), self._numbers()):
            place, alive = batches.places(rows)
            m[place[alive]] = self._unroll(vectors[rows], lengths[rows])[alive]
        return m

    def _unroll(self, given: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Mean courses of shape (N, T, D), T the longest; 0 beyond the end of each."""
        x = given if given.shape[1] else given.new_zeros(len(given), 1)
        T = int(lengths.max())
        alive = within(lengths, T)[:, :, None]
        return torch.where(alive, self.net_(x[:, None].expand(-1, T, -1), lengths), 0.0)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        noise, D = getattr(self, "noise_", None), self.n_features_in_
        if not (
            isinstance(noise, np.ndarray) and noise.shape == (D,) and noise.dtype == np.float64 and (noise > 0).all()
        ):
            raise UnreadableError(f"a stored SequenceGenerator needs noise_ to be {D} numbers above 0")
        if type(getattr(self, "longest_", None)) is not int or self.longest_ < 1:
            raise UnreadableError("a stored SequenceGenerator needs longest_, a number of steps")
