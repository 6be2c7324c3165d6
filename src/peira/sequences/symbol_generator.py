r"""Recurrent nets that write a sequence of symbols from a vector: one in, many out.

Each symbol is drawn from what the vector g and the symbols before it make probable, until the end is drawn, which is a
symbol of its own:

.. math:: \log P(s_1, ..., s_T \mid g) = \sum_{t=1}^{T+1} \log P(s_t \mid s_1, ..., s_{t-1}, g), \quad
          s_{T+1} = \mathrm{end}

.. math:: P(s_t = k \mid ...) \propto \exp(v_k^T h_t + b_k), \quad h_t = \mathrm{body}(s_{t-1}, g, h_{t-1})

so that sequences of all lengths together have probability 1. It learns with the true symbols before each.

**Use it** for names from a kind, captions from the features of an image, and small translations of settings into
commands. Without vectors it is a language model for whole sequences; for long texts take `LanguageModel`.

Cost: an update of B sequences of T steps takes about :math:`6 B T \cdot 3 H (E + G + H)` operations with a GRU.

Reference: Vinyals et al. (2015), Show and tell, section 3, where g enters at the first step only.
"""

from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from peira.core.card import Card
from peira.core.inputs import Data, Queries
from peira.core.seeds import draw_seed, torch_generator
from peira.numerics.ragged import within
from peira.training import Training

from .padded_batches import PaddedBatches
from .recurrent_inputs import SymbolInputs
from .recurrent_method import SequenceNet, recurrent_example
from .vector_generator import VectorGenerator


class WritingNet(SequenceNet):
    """Scores of the next symbol, the vector standing beside each symbol that was written."""

    def forward(
        self,
        codes: torch.Tensor,
        given: torch.Tensor,
        lengths: torch.Tensor | None = None,
        state: tuple[torch.Tensor, ...] | None = None,
        *,
        ends: bool = False,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """From symbols (N, T) and vectors (N, G) to scores (N, T, K + 1), and the state at the end."""
        x = self.entrance(codes)
        x = torch.cat([x, given[:, None].expand(-1, x.shape[1], -1)], 2)
        h, state = self.body(x, lengths, state, ends=ends)
        return self.scores(self.dropout(h)), state


class SymbolGenerator(SymbolInputs, VectorGenerator):
    """A recurrent net that writes sequences of symbols from vectors.

    Attributes
    ----------
    symbols_ : array of shape (K,)
        The symbols, sorted.
    given_mean_, given_scale_ : array of shape (G,)
        What the given numbers are centred and scaled by.
    mean_length_ : float
        Symbols of a sequence on average, by weight, the end among them.
    net_ : Module
        From symbols and vectors to scores of the next symbol.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import SymbolGenerator
    >>> model = SymbolGenerator(hidden=32, random_state=0).fit(["one", "two", "three"], given=[[1.0], [2.0], [3.0]])
    >>> ["".join(word) for word in model.generate([[1.0], [3.0]])]
    ['one', 'three']
    """

    card = Card(
        tasks="density",
        reference="Vinyals et al. (2015) section 3; Graves (2013)",
        cost="U updates of B sequences: 18 U B T H (E + G + H) for a GRU",
        data="symbols",
    )
    _unknown_ok = False
    _empty_ok = True
    mean_length_: float

    @classmethod
    def default_training(cls) -> Training:
        """Updates without a held-out part: a small collection is to be remembered."""
        return Training(optimiser="adam", learning_rate=5e-3, updates=500, batch_size=32, clip=1.0, schedule="cosine")

    @classmethod
    def example(cls) -> Self:
        return recurrent_example(cls, embedding=4)

    def build(self) -> nn.Module:
        """Embedding, body, scores of the symbols and the end."""
        net = self._net(len(self.symbols_) + 1, extra=len(self.given_mean_))
        return WritingNet(net.entrance, net.body, net.dropout.p, net.scores)

    def loss(self, codes: torch.Tensor, lengths: torch.Tensor, given: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Minus the log likelihood of the sequences of a batch, divided by the mean number of symbols."""
        return -(w * self._logs(codes, lengths, given)).mean() / self.mean_length_

    def _teach_from(self, data: Data, vectors: torch.Tensor) -> None:
        device = self._device()
        self.mean_length_ = 1 + self._mean_of(data.lengths, data)
        self._measure_depth(int(data.lengths.max()) + 1)
        of_items = [vectors, self._weights(data).to(device)]
        self._teach(PaddedBatches(data.lengths.to(device), [data.X[:, 0].to(device)], of_items), data.seed)

    def generate(self, given: Any = None, length: int = 100) -> list[np.ndarray]:
        """Write one sequence from each vector, always with the most probable symbol.

        Parameters
        ----------
        given : array, frame or tensor of shape (N, G), optional
        length : int, default 100
            The most symbols of a sequence.

        Returns
        -------
        list of N arrays
        """
        return self._write(self._read_given(given), length, lambda scores: scores.argmax(1))

    def sample(self, n: int, given: Any = None, length: int = 100, seed: Any = None) -> list[np.ndarray]:
        """Draw n sequences.

        Parameters
        ----------
        n : int
        given : array of shape (G,), optional
            The vector that all of them are written from.
        length : int, default 100
            The most symbols of a sequence.
        seed : int, optional

        Returns
        -------
        list of n arrays
        """
        vector = self._read_given(None if given is None else np.atleast_2d(given), 1)
        chance = torch_generator(draw_seed(seed))
        return self._write(
            vector.expand(n, -1), length, lambda scores: scores.softmax(1).cpu().multinomial(1, generator=chance)[:, 0]
        )

    @torch.no_grad()
    def _given_density(self, queries: Queries, vectors: torch.Tensor) -> torch.Tensor:
        device = self._device()
        self.net_.to(device)
        batches = PaddedBatches(queries.lengths.to(device), [queries.X[:, 0].to(device)], [vectors.to(device)])
        logs = torch.empty(len(queries), dtype=torch.float64, device=device)
        for rows in batches.parts(torch.arange(len(queries), device=device), self._numbers() + 2 * len(self.symbols_)):
            logs[rows] = self._logs(*batches.take(rows)).double()
        return logs.to(queries.device)

    def _logs(self, codes: torch.Tensor, lengths: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """Log probabilities of sequences and their ends, of shape (N,)."""
        N, K = len(codes), len(self.symbols_)
        before = torch.cat([codes.new_full((N, 1), K), codes], 1)
        after = torch.cat([codes, codes.new_zeros(N, 1)], 1)
        after[torch.arange(N, device=codes.device), lengths] = K
        scores, _ = self.net_(before, given, lengths + 1)
        losses = functional.cross_entropy(scores.mT, after, reduction="none")
        return -torch.where(within(lengths + 1, after.shape[1]), losses, 0.0).sum(1)

    @torch.no_grad()
    def _write(self, given: torch.Tensor, length: int, choose: Any) -> list[np.ndarray]:
        """Symbol after symbol for all vectors at once, until each has ended or has so many."""
        device, K, N = self._device(), len(self.symbols_), len(given)
        self.net_.to(device)
        given, state = given.to(device), None
        last = torch.full((N, 1), K, device=device)
        written = torch.full((N, length), K, device=device)
        going = torch.ones(N, dtype=torch.bool, device=device)
        for t in range(length):
            scores, state = self.net_(last, given, None, state, ends=True)
            chosen = choose(scores[:, 0]).to(device)
            going = going & (chosen != K)
            if not bool(going.any()):
                break
            last = torch.where(going, chosen, K)[:, None]
            written[:, t] = last[:, 0]
        counts = (written < K).sum(1).tolist()
        return [self._written(row[:count]) for row, count in zip(written, counts, strict=True)]
