r"""A language model of documents: tokens that are learned, and a model of which token follows which.

.. math:: \log P(d) = \log P(c_1, ..., c_T), \quad c = \mathrm{encode}(d)

The encoder and the model learn from the same documents, and are kept together: what is asked later is taken apart in
the same way, and what is drawn is put together again.

How surprising a document is does not depend on how it was taken apart, as long as nothing was lost on the way. So the
bits that it needs for a character compare models of characters, subwords and words on equal terms, which perplexities
over different tokens do not:

.. math:: \mathrm{bits\ per\ character} = - \frac{\log_2 P(d)}{|d|}

It counts one way of writing a document in tokens, the one that the encoder takes, and so is an upper bound on what all
ways together need (Mielke 2019; Cao & Rimell 2021).

Costs what its parts cost: T for the encoder, T tokens for the model.

Mielke (2019), Can you compare perplexity across different segmentations?; Cao & Rimell (2021), You should evaluate your
language model on marginal likelihood over tokenisations, EMNLP.
"""

from typing import Any, Self

import numpy as np
import torch

from peira.core.card import Card
from peira.core.errors import DataError, ParameterError, UnreadableError
from peira.core.inputs import Queries
from peira.core.kinds import Density, SymbolMethod
from peira.core.method import Method
from peira.core.params import param
from peira.experience.byte_pairs import BytePairEncoder
from peira.experience.sequences import Sequences
from peira.experience.tokeniser import Tokeniser
from peira.experience.vocabulary import UNKNOWN


class TokenisedLanguageModel(SymbolMethod, Density):
    """A tokeniser and a language model that belong together: documents in and out.

    Attributes
    ----------
    encoder_ : Tokeniser
    method_ : Method
        The language model; its symbols are the positions in ``encoder_.tokens_``.

    Examples
    --------
    >>> from peira.sequences import NGramModel, TokenisedLanguageModel
    >>> text = ["the cat sat on the mat", "the rat sat on the hat"] * 5
    >>> model = TokenisedLanguageModel(BytePairEncoder(n_merges=40), NGramModel(3)).fit(text)
    >>> model.bits_per_character(["the cat sat on the hat"]) < model.bits_per_character(["the hat sat on the cat"])
    True
    >>> model.sample(1, given="the cat sat", length=2, top_k=1, random_state=0)
    [' on the']
    """

    card = Card(
        tasks=("language", "density"),
        reference="Mielke (2019); Cao & Rimell (2021)",
        cost="T for the encoder, and what the model takes for its tokens",
        data="symbols",
        wraps=True,
    )
    encoder: Tokeniser | None = param(None, "what takes documents apart; None is BytePairEncoder()", positional=True)
    method: Method | None = param(None, "the language model; None is NGramModel()", positional=True)

    @classmethod
    def example(cls) -> Self:
        return cls(BytePairEncoder(n_merges=5))

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the tokens, then which follows which.

        Parameters
        ----------
        X : Text, list of str, or sequences of characters
            Sequences of words, if the encoder is a `Vocabulary`.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If ``method`` is no language model over symbols.
        """
        self._check_parameters()
        encoder, method = self._parts()
        if "language" not in method.card.tasks or method.card.data != "symbols":
            raise ParameterError(
                f"parameter 'method' must be a language model over symbols, got {type(method).__name__}"
            )
        encoder.fit(X)
        positions = list(range(len(encoder.tokens_)))
        method.fit(Sequences(*encoder._encoded(X)), symbols=positions)
        if method.symbols_.tolist() != positions:
            raise ParameterError("parameter 'method' must keep all tokens: min_count belongs to the encoder")
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("__")]:
            delattr(self, name)
        self.encoder_, self.method_, self.n_features_in_ = encoder, method, 1
        for part in (encoder, method):  # of two parts that iterate, the model tells how its learning went
            for name in ("history_", "n_iter_", "stopped_"):
                if hasattr(part, name):
                    setattr(self, name, getattr(part, name))
        return self

    def _parts(self) -> tuple[Tokeniser, Method]:
        from .ngram_model import NGramModel

        encoder: Tokeniser = BytePairEncoder() if self.encoder is None else self.encoder
        method = NGramModel() if self.method is None else self.method
        return type(encoder)(**encoder.get_params(deep=False)), type(method)(**method.get_params(deep=False))

    def _queries(self, X: Any) -> Queries:
        self._check_is_fitted()
        codes, lengths = (torch.from_numpy(np.array(part)) for part in self.encoder_._encoded(X))
        opened = Queries(codes[:, None], True, codes.device, lengths=lengths, single=True)  # positions are its symbols
        return self.method_._queries(opened)

    def _log_density(self, queries: Queries) -> torch.Tensor:
        return self.method_._log_density(queries)

    def bits_per_character(self, X: Any) -> float:
        """Bits that a character of some documents takes; their ends are counted as the model counts them.

        Parameters
        ----------
        X : Text or list of str

        Returns
        -------
        float

        Raises
        ------
        DataError
            If the documents hold what the encoder does not know, or no character at all: these are not their bits.
        """
        self._check_is_fitted()
        documents = self.encoder_._documents(X)
        if documents is None:
            raise DataError("bits per character are those of documents: pass texts")
        size = sum(map(len, documents))
        if not size:
            raise DataError("there is no character in X to tell the bits of")
        if self.encoder_.tokens_[0] == UNKNOWN and (unknown := int((self.encoder_._encoded(X)[0] == 0).sum())):
            raise DataError(
                f"{unknown} tokens of X are unknown, and how they are written is not told: the bits of these documents "
                "cannot be known; take BytePairEncoder(), which writes any text"
            )
        return -float(np.sum(self.log_prob(X))) / size / float(np.log(2))

    def sample(
        self,
        n: int = 1,
        given: str | None = None,
        *,
        length: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: Any = None,
    ) -> list[Any]:
        """Draw documents, or continuations of a beginning.

        Parameters
        ----------
        n : int, default 1
        given : str, optional
            What they begin with; it is not repeated in the answer. End it with a word rather than with a space, since a
            space belongs to the word behind it.
        length : int, default 200
            Most tokens.
        temperature, top_k, random_state
            As the language model has them.

        Returns
        -------
        list of n str, or of n arrays of words where the encoder is a `Vocabulary`
        """
        self._check_is_fitted()
        prompt = None if given is None else self.encoder_.transform([given])[0]
        drawn = self.method_.sample(
            n, prompt, length=length, temperature=temperature, top_k=top_k, random_state=random_state
        )
        return self.encoder_.inverse_transform([np.asarray(row).astype(np.int64) for row in drawn])

    def _check_is_fitted(self) -> None:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)

    def _check_learned(self) -> None:
        if not self.__sklearn_is_fitted__():
            return
        encoder: Any = getattr(self, "encoder_", None)
        method: Any = getattr(self, "method_", None)
        for part, kind in ((encoder, Tokeniser), (method, SymbolMethod)):
            if not isinstance(part, kind) or not part.__sklearn_is_fitted__():
                raise UnreadableError(
                    "a stored TokenisedLanguageModel needs an encoder_ and a method_ that have learned"
                )
        if "language" not in method.card.tasks or method.symbols_.tolist() != list(range(len(encoder.tokens_))):
            raise UnreadableError("the symbols of method_ are not the tokens of encoder_")

    def _check_answers(self) -> None:
        answer = np.asarray(self.log_prob(["a"]))
        if answer.shape != (1,) or np.isnan(answer).any():
            raise UnreadableError("this TokenisedLanguageModel does not answer one document with one logarithm")
