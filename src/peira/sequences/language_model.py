r"""The recurrent language model: what comes next, given everything that came before.

A sequence of symbols has the probability that its steps have one after the other, without any loss (the chain rule),

.. math:: P(x_1, ..., x_T) = \prod_{t=1}^{T} P(x_t \mid x_1, ..., x_{t-1})

An n-gram model forgets what is more than n - 1 steps back. A recurrent net sums up the past in a state, and reads off
what comes next from it:

.. math:: h_t = f(h_{t-1}, e(x_t)), \quad P(x_{t+1} = k \mid x_1, ..., x_t) \propto \exp(v_k^T h_t + b_k)

Each symbol k has a vector e(k) by which it goes in, and one, v_k, by which it is expected; ``tied=True`` makes them one
(Press & Wolf 2017; Inan et al. 2017), which spares weights where there are many symbols. The first symbol is read off
from a mark that stands before every sequence. With ``ends=True`` sequences also end, as names and sentences do:
the mark is then predicted like a symbol, and the probabilities of all sequences, of any length, sum to one. With
``ends=False`` a sequence is a piece of text, of whatever length, which just breaks off.

**Unknown symbols.** Those seen less than ``min_count`` times, and those not seen at all, are the symbol ``<unk>``;
where no symbol was that rare, the unseen has the probability of what was seen once (see `peira.sequences.vocabulary`).
In a closed vocabulary (``open_vocabulary=False``, or if ``fit`` is told which symbols there are) they are an error.

**Learning** is truncated back-propagation through time: the net reads B streams of text in parallel, ``unroll`` steps
an update; the state is carried from one update to the next, the gradient is not. So the net can make use of what is
further back than ``unroll`` steps, but it is not told how to keep it. Under a budget of time (`peira.limiting`) the
rate falls to its end within it, however few updates there are time for.

**Dropout** (Zaremba et al. 2014) thins what goes into and out of the recurrent layers, never what goes from step to
step, where it would wipe out memory. One mask stays for all steps of a segment (Gal & Ghahramani 2016), or, with
``variational=False``, each step has its own.

**Use it** for texts of more than some ten thousand symbols; for less, and as a check, n-gram models are better. Answers
are in nats; `bits_per_symbol` and `perplexity` are the units of the field, with ends counted as symbols. By default it
learns from 100,000 characters in some 20 seconds of one core.

Cost: an update of B streams and U steps takes about :math:`6 B U (4 H (E + H) L + H K)` operations for L layers of LSTM
with K symbols; one step of each stream has to wait for the one before.

Reference: Mikolov et al. (2010); Hochreiter & Schmidhuber (1997) for the LSTM; Williams & Peng (1990) for truncated
back-propagation; Zaremba, Sutskever & Vinyals (2014), arXiv:1409.2329.
"""

import math
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from peira.core import Card
from peira.core.errors import DataError, ParameterError, UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.kinds import Density
from peira.core.params import choice, integer, linear, log, param
from peira.core.predictive import Categorical
from peira.core.seeds import derive, draw_seed, private_chance, torch_generator
from peira.layers.recurrent import Cell
from peira.training import Training, minimise, share
from peira.training.network import Network

from .language_net import Carrying, LanguageNet
from .language_reading import next_probabilities, stepwise, summed
from .language_sampling import check_drawing, drawn
from .unrolled_batches import PAUSED, Unrolled, marked, put_aside
from .vocabulary import VocabularyMethod


class LanguageModel(VocabularyMethod, Density, Network):
    """A recurrent net that predicts the next symbol of a sequence.

    Attributes
    ----------
    symbols_ : array of shape (K,)
        The symbols that are known, sorted.
    vocabulary_ : array of shape (V,)
        What may come next: the symbols, the unknown (``<unk>``), and the end (an empty text), where there are such;
        among numbers, these are the second and the first after the last.
    unknown_ : int
        The position of ``<unk>``: among the symbols if it is one of them, else behind; -1 if there is none.
    unseen_ : float
        Probability of a symbol that was never seen, where nothing could be learned about it; else 0.
    net_ : Module
        The embedding, the recurrent layers, and the scores.
    updates_ : int
        Updates of the weights so far, over all calls of ``partial_fit``.

    Examples
    --------
    >>> from peira.sequences import LanguageModel
    >>> from peira.training import Training
    >>> brief = Training(optimiser="adam", learning_rate=0.01, updates=60)
    >>> model = LanguageModel(hidden_size=16, training=brief, random_state=0).fit(["abab" * 5, "baba" * 5] * 8)
    >>> model.perplexity(["abababab"]) < 2
    True
    >>> model.predict_dist(["aba"]).mode().tolist()
    ['b']
    """

    card = Card(
        tasks=("language", "density"),
        reference="Mikolov et al. (2010); Zaremba, Sutskever & Vinyals (2014); Williams & Peng (1990)",
        cost="T updates of B streams and U steps: 6 B U (4 H (E + H) + H K) each",
        data="symbols",
        incremental="approximate",
    )
    _dtype = torch.float32
    _empty_ok = True
    net_: LanguageNet

    cell: Cell = param("lstm", "the recurrent layer", tune=choice("lstm", "gru"))
    hidden_size: int = param(128, "units of a recurrent layer, H", low=1, tune=integer(64, 256))
    layers: int = param(1, "recurrent layers, one above the other", low=1, tune=integer(1, 2))
    embedding_size: int | None = param(None, "numbers of a symbol's vector, E; None: as many as units", low=1)
    tied: bool = param(False, "expect a symbol by the vector that it goes in with", tune=choice(False, True))
    dropout: float = param(
        0.1, "probability that what goes into or out of a recurrent layer is dropped", low=0, below=1,
        tune=linear(0.0, 0.5),
    )  # fmt: skip
    variational: bool = param(True, "drop the same at all steps of a segment")
    unroll: int = param(32, "steps of a stream that an update sees", low=1)
    initial_range: float | None = param(
        None, "first weights are uniform within plus or minus this; None: as each layer likes it", above=0,
        tune=log(0.03, 0.3),
    )  # fmt: skip
    training: Training | None = param(None, "how the weights are found; None: as `default_training` says")
    device: str = param("auto", "where the net learns: 'cpu', 'cuda', or 'auto' for the first accelerator there is")
    random_state: object = param(None, "seed of first weights, order of sequences, and dropout")

    @classmethod
    def example(cls) -> Self:
        return cls(
            hidden_size=8, dropout=0.0, unroll=8, random_state=0, device="cpu",
            training=Training(optimiser="adam", learning_rate=0.02, updates=30, batch_size=16),
        )  # fmt: skip

    @classmethod
    def default_training(cls) -> Training:
        """How the net learns when no ``training`` is given; a batch is that many streams."""
        return Training(
            optimiser="adamw", learning_rate=0.01, updates=2000, batch_size=16, clip=1.0, schedule="one cycle",
            validation_fraction=0.05,
        )  # fmt: skip

    # ------------------------------------------------------------------ learning

    def fit(self, X: Any, y: Any = None, *, symbols: Any = None) -> Self:
        """Learn the weights of the net.

        Parameters
        ----------
        X : Sequences, list of texts, or list of lists of symbols
            A text is a sequence of characters; a single text, or a single list of symbols, is one sequence.
        y : None
            Not used.
        symbols : sequence of symbols, optional
            Those there are, where some of them may be missing from ``X``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is no symbol to learn from, or a parameter will not do.
        """
        return self._begin_with(X, symbols, self.training or self.default_training())

    def partial_fit(self, X: Any, y: Any = None, *, symbols: Any = None) -> Self:
        """Learn from more sequences: one pass over them, from the present weights.

        Parameters
        ----------
        X : as in `fit`
            Of symbols that the first call knew.
        y : None
            Not used.
        symbols : sequence of symbols, optional
            Those there are, for the first call.

        Returns
        -------
        self
        """
        training = (self.training or self.default_training())._replace(epochs=1.0)
        if not self.__sklearn_is_fitted__():
            return self._begin_with(X, symbols, training)
        return self._teach(self._continue(X), training)

    def _begin_with(self, X: Any, symbols: Any, training: Training) -> Self:
        """Settle the vocabulary, draw first weights, and learn."""
        data = self._begin_words(X, symbols)
        self.updates_ = 0
        with private_chance(derive(data.seed, 1), self._device()):
            self.net_ = self.build().to(self._device())
        return self._teach(data, training)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        training = self.training or self.default_training()
        if self.tied and self.embedding_size not in (None, self.hidden_size):
            raise ParameterError(
                f"{type(self).__name__}: tied vectors have as many numbers as a layer has units; leave out "
                f"embedding_size={self.embedding_size}, or set it to {self.hidden_size}"
            )
        if training.optimiser == "lbfgs" or training.micro_batch is not None or share()[1] > 1:
            raise ParameterError(
                f"{type(self).__name__} carries its state from update to update, each of which it makes once and "
                "whole: it learns without optimiser='lbfgs', without micro_batch, and in one process"
            )

    def build(self) -> LanguageNet:
        """Embedding, recurrent layers, scores."""
        v, H = self._vocabulary, self.hidden_size
        net = LanguageNet(
            v.rows, v.scored, v.unknown if v.unseen else None, self.embedding_size or H, H, self.layers,
            cell=self.cell, dropout=self.dropout, variational=self.variational, tied=self.tied,
        )  # fmt: skip
        if self.initial_range is not None:
            net.begin_within(self.initial_range)
        return net

    def loss(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean of -log P over targets (B, T), of which -1 are none; inputs (B, T) begin in an empty state."""
        return self.net_.nats(self.net_(inputs)[0], targets)

    def _teach(self, data: Data, training: Training) -> Self:
        seed = data.seed
        row, starts, counts = self._laid_out(data)
        net = self.net_.to(row.device)
        starts, counts, aside = put_aside(starts, counts, training.validation_fraction, derive(seed, 2))
        batches = Unrolled(
            row, starts, counts,
            streams=training.batch_size, unroll=self.unroll, seed=derive(seed, 3, self.updates_),
        )  # fmt: skip
        carrying, strange = Carrying(net, batches.B), bool((row > self._vocabulary.mark).any())

        def objective(inputs: torch.Tensor, targets: torch.Tensor, carried: torch.Tensor) -> torch.Tensor:
            h = carrying(inputs, carried)
            if strange:  # there is no learning to expect what was never seen
                targets = torch.where(targets < net.C, targets, PAUSED)
                if (targets == PAUSED).all():
                    return 0.0 * h.sum()
            return net.nats(h, targets)

        def measure() -> dict[str, float]:
            return {"loss": -float(summed(net, self._vocabulary, row, *aside).sum() / aside[1].sum())}

        player = minimise(
            carrying, objective, batches, training, owner=self, seed=derive(seed, 4, self.updates_),
            evaluate=measure if len(aside[0]) else None,
        )  # fmt: skip
        self.updates_ += player.done
        return self

    def _laid_out(self, data: Queries) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All sequences in one array, where each begins, and how many symbols of it there are to predict."""
        row, starts = marked(data.X[:, 0], data.lengths, self._vocabulary.mark)
        return row.to(self._device()), starts, data.lengths + int(self.ends)

    # ------------------------------------------------------------------ answering

    def _log_density(self, queries: Queries) -> torch.Tensor:
        return summed(self._reader(), self._vocabulary, *self._laid_out(queries)).to(queries.device)

    def step_log_prob(self, X: Any) -> list[np.ndarray]:
        """The logarithm of the probability of each symbol, in nats; with ``ends``, that of the end comes last.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        list of N arrays
        """
        return stepwise(self._reader(), self._vocabulary, *self._laid_out(self._queries(X)))

    def predict_dist(self, X: Any) -> Categorical:
        """What comes next after each of some sequences.

        Parameters
        ----------
        X : Sequences, list of texts, or list of lists of symbols
            N beginnings; an empty one asks for the first symbol.

        Returns
        -------
        Categorical
            Of shape (N,), over ``vocabulary_``.
        """
        queries = self._queries(X)
        row, starts, _ = self._laid_out(queries)
        P = next_probabilities(self._reader(), self._vocabulary, row, starts, queries.lengths)
        return Categorical(P.to(queries.device), self.vocabulary_, as_numpy=queries.as_numpy)

    def _reader(self) -> LanguageNet:
        return self.net_.to(self._device()).eval()

    def sample(
        self,
        n: int = 1,
        given: Any = None,
        *,
        length: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: Any = None,
    ) -> list[Any]:
        """Draw sequences.

        Parameters
        ----------
        n : int, default 1
        given : sequence of symbols, or text, optional
            How they begin; it is not repeated in what is drawn.
        length : int, default 200
            The most steps; with ``ends``, sequences may end before.
        temperature : float, at least 0, default 1
            Below 1, more of what is probable anyhow; 0 is the most probable symbol at each step.
        top_k : int, optional
            Draw among so many of the most probable symbols only.
        random_state : int, generator or None
            None draws a seed.

        Returns
        -------
        list of n texts, if all symbols are single characters, else of n arrays of symbols
            What was never seen is never drawn; what was too rare is "<unk>".

        Raises
        ------
        ValueError
            If ``given`` holds a symbol that was not learned, or a number is out of its range.
        """
        check_drawing(type(self).__name__, n, length, temperature, top_k)
        prompt = self._queries([given if given is not None else ""])
        net, device, v = self._reader(), self._device(), self._vocabulary
        codes = torch.cat([torch.tensor([v.mark]), prompt.X[:, 0].cpu()])[None].to(device)
        with torch.no_grad():
            h, state = net(codes)
        state = tuple(part.expand(n, *part.shape[1:]) for part in state)
        found, lengths = drawn(
            net, state, h[:, -1].expand(n, -1), length=length, end=v.mark if v.ends else None,
            temperature=temperature, top_k=top_k, generator=torch_generator(draw_seed(random_state)),
        )  # fmt: skip
        parts = [self.vocabulary_[part[:T]] for part, T in zip(found, lengths, strict=True)]
        return ["".join(part) for part in parts] if self.symbols_.dtype == np.dtype("U1") else parts

    def bits_per_symbol(self, X: Any) -> float:
        """Bits that a symbol of some sequences takes, -log2 P on average; with ``ends``, an end is one."""
        queries = self._queries(X)
        n = int(queries.lengths.sum()) + self.ends * len(queries)
        if n == 0:
            raise DataError(f"{type(self).__name__} got only empty sequences: there is no symbol to tell the bits of")
        return -float(self._log_density(queries).sum()) / n / math.log(2)

    def perplexity(self, X: Any) -> float:
        """Among how many symbols, all alike, it would be as hard to tell the next one: 2 to the `bits_per_symbol`."""
        return 2 ** self.bits_per_symbol(X)

    # ------------------------------------------------------------------ loading

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        net, updates = getattr(self, "net_", None), getattr(self, "updates_", None)
        if not isinstance(net, nn.Module) or not all(torch.isfinite(w).all() for w in net.parameters()):
            raise UnreadableError("a stored LanguageModel needs net_, a net whose weights are finite numbers")
        if type(updates) is not int or updates < 0 or type(getattr(self, "seed_", None)) is not int:
            raise UnreadableError("a stored LanguageModel needs updates_ and seed_, whole numbers")

    def _check_answers(self) -> None:
        answer = np.asarray(self.log_prob([self.symbols_[:1]]))
        if answer.shape != (1,) or not np.isfinite(answer).all():
            raise UnreadableError("this LanguageModel does not answer one sequence with one logarithm")
