r"""Sequence to sequence without attention: a sequence in, another one out, of whatever length.

.. math:: \log P(y \mid x) = \sum_{t=1}^{T+1} \log P(y_t \mid y_1, ..., y_{t-1}, s), \quad s = f(x_1, ..., x_S)

One recurrent net reads the source x to its end; its last state s is all that a second one knows of it when it writes
the target y, symbol by symbol, until the end (`peira.sequences.encoder_decoder`). It learns with the true symbols
before each. What is answered is the most probable symbol at each step, or, with ``beam_width`` above 1, the best that a
beam search finds.

**Use it** where lengths differ and nothing is aligned: dates into another form, spelling into sounds, short phrases.
All of the source passes through one state: for long sequences a net with attention is better.

Cost: an update of B pairs takes about :math:`6 B (S + T) c H (E + H)` operations, c = 4 for LSTM, 3 for GRU; memory
holds all pairs, filled up to the longest.

Reference: Sutskever, Vinyals & Le (2014), Sequence to sequence learning with neural networks; Cho et al. (2014).
"""

from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from peira.core import Card
from peira.core.errors import DataError, UnreadableError
from peira.core.inputs import Queries
from peira.core.kinds import SymbolMethod
from peira.core.params import choice, integer, linear, param
from peira.core.sequences import open_symbols
from peira.layers.recurrent import Cell
from peira.numerics.ragged import pad
from peira.training import Training
from peira.training.network import Network

from .beam_search import beam_search
from .encoder_decoder import EncoderDecoder
from .unrolled_batches import PAUSED

ANSWERED = 256  # sources that are translated at a time


class SequenceTranslator(SymbolMethod, Network):
    """Recurrent encoder and decoder: sequences of symbols into others.

    Attributes
    ----------
    symbols_, target_symbols_ : arrays of shape (K,) and (L,)
        The symbols of sources and targets, sorted.
    longest_ : int
        Symbols of the longest target; answers have at most twice as many, and ten.
    net_ : Module

    Examples
    --------
    >>> from peira.training import Training
    >>> words = ["ab", "ba", "abb", "bba", "a", "b", "bab"]
    >>> brief = Training(optimiser="adam", learning_rate=0.02, updates=200)
    >>> model = SequenceTranslator(hidden_size=16, training=brief, random_state=0)
    >>> model.fit(words, [word[::-1] for word in words]).predict(["abb", "b"])
    ['bba', 'b']
    """

    card = Card(
        tasks="translation",
        reference="Sutskever, Vinyals & Le (2014); Cho et al. (2014)",
        cost="U updates of B pairs: 6 B (S + T) 3 H (E + H) each",
        data="symbols",
    )
    _dtype = torch.float32

    cell: Cell = param("gru", "the recurrent layer", tune=choice("lstm", "gru"))
    hidden_size: int = param(128, "units of a recurrent layer, H", low=1, tune=integer(64, 256))
    layers: int = param(1, "recurrent layers of either side", low=1)
    embedding_size: int = param(32, "numbers of a symbol's vector, E", low=1)
    dropout: float = param(0.0, "probability that what goes into or out of a layer is dropped", low=0, below=1,
                           tune=linear(0.0, 0.5))  # fmt: skip
    reverse: bool = param(True, "read the source from its end")
    beam_width: int = param(1, "beginnings that are kept while an answer is written; 1 keeps the best", low=1)
    training: Training | None = param(None, "how the weights are found; None: as `default_training` says")
    device: str = param("auto", "where the net learns: 'cpu', 'cuda', or 'auto' for the first accelerator there is")
    random_state: object = param(None, "seed of first weights, order of pairs, and dropout")

    @classmethod
    def example(cls) -> Self:
        brief = Training(optimiser="adam", learning_rate=0.02, updates=30)
        return cls(hidden_size=6, embedding_size=4, training=brief, random_state=0, device="cpu")

    @classmethod
    def default_training(cls) -> Training:
        """How the net learns when no ``training`` is given."""
        return Training(optimiser="adamw", learning_rate=5e-3, updates=2000, batch_size=64, clip=1.0,
                        schedule="one cycle")  # fmt: skip

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the weights of both nets.

        Parameters
        ----------
        X : Sequences, list of texts, or list of lists of symbols
            N sources.
        y : the same
            N targets; they may be empty.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there are not as many targets as sources.
        """
        data = self._begin(X, supervised=False)
        targets, self.target_symbols_ = open_symbols(y, owner=type(self).__name__, empty_ok=True, name="y")
        if not len(self.target_symbols_):
            raise DataError(f"{type(self).__name__} got only empty targets: there is no symbol to write")
        tensors = self._paired(data, targets)
        self.longest_ = int(targets.lengths.max())
        self._learn(tensors, self.training or self.default_training(), data.seed)
        return self

    def build(self) -> nn.Module:
        """Encoder and decoder."""
        return EncoderDecoder(
            len(self.symbols_), len(self.target_symbols_), self.embedding_size, self.hidden_size, self.layers,
            cell=self.cell, dropout=self.dropout, reverse=self.reverse,
        )  # fmt: skip

    def loss(self, *batch: torch.Tensor) -> torch.Tensor:
        """Mean of -log P of a symbol of the targets, ends included; see `_paired` for what a batch is."""
        sources, lengths, inputs, targets, n = batch
        S, T = max(1, int(lengths.max())), int(n.max())
        scores = self.net_(sources[:, :S], lengths, inputs[:, :T])
        return functional.cross_entropy(scores.flatten(0, 1), targets[:, :T].flatten(), ignore_index=PAUSED)

    def _paired(self, queries: Queries, y: Queries) -> tuple[torch.Tensor, ...]:
        """Sources (N, S) and lengths; what goes into the decoder and what is expected of it, (N, T); and lengths."""
        N, L = len(queries), len(self.target_symbols_)
        if len(y) != N:
            raise DataError(f"{type(self).__name__} got {N} sources as X and {len(y)} targets as y")
        targets = functional.pad(pad(y.X[:, 0], y.lengths, PAUSED), (0, 1), value=PAUSED)
        targets[torch.arange(N), y.lengths] = L
        inputs = functional.pad(targets[:, :-1].clamp(min=0), (1, 0), value=L)
        device = self._device()
        parts = (pad(queries.X[:, 0], queries.lengths, 0), queries.lengths, inputs, targets, y.lengths + 1)
        return tuple(part.to(device) for part in parts)

    def log_prob(self, X: Any, y: Any) -> Any:
        """log P(y | x) of each pair, nats, of shape (N,)."""
        queries = self._queries(X)
        owner = type(self).__name__
        opened, _ = open_symbols(y, owner=owner, symbols=self.target_symbols_, empty_ok=True, name="y")
        logs = []
        for sources, lengths, inputs, targets, _ in zip(
            *(t.split(ANSWERED) for t in self._paired(queries, opened)), strict=True
        ):
            with torch.no_grad():
                step = self.net_(sources, lengths, inputs).log_softmax(-1)
            told = step.gather(-1, targets.clamp(min=0)[..., None])[..., 0].double()
            logs.append(torch.where(targets >= 0, told, 0.0).sum(1))
        return queries.give(torch.cat(logs).to(queries.device))

    def score(self, X: Any, y: Any) -> float:
        """The mean of `log_prob`; higher is better."""
        return float(np.mean(np.asarray(self.log_prob(X, y))))

    def predict(self, X: Any) -> list[Any]:
        """The target of each source.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        list of N texts, if all symbols of targets are single characters, else of N arrays of symbols
        """
        queries, net = self._queries(X), self.net_.to(self._device()).eval()
        sources, lengths = pad(queries.X[:, 0], queries.lengths, 0).to(self._device()), queries.lengths
        found: list[list[int]] = []
        for part, n in zip(sources.split(ANSWERED), lengths.split(ANSWERED), strict=True):
            with torch.no_grad():
                state = net.encode(part[:, : int(n.max())], n.to(part.device))
            found += beam_search(
                net.decoder, state, net.L, width=self.beam_width, length=2 * self.longest_ + 10
            )[0]  # fmt: skip
        parts = [self.target_symbols_[np.array(codes, dtype=np.int64)] for codes in found]
        return ["".join(part) for part in parts] if self.target_symbols_.dtype == np.dtype("U1") else parts

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        net, longest, symbols = (getattr(self, name, None) for name in ("net_", "longest_", "target_symbols_"))
        if not isinstance(net, nn.Module) or not all(torch.isfinite(w).all() for w in net.parameters()):
            raise UnreadableError("a stored SequenceTranslator needs net_, a net whose weights are finite numbers")
        if type(longest) is not int or longest < 0 or not isinstance(symbols, np.ndarray) or symbols.ndim != 1:
            raise UnreadableError("a stored SequenceTranslator needs longest_, and target_symbols_ in one row")
