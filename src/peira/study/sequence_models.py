r"""What a study keeps of sequences without a label each: a method, and how a further source is read for it.

The method gets the sequences as they are; what it is asked and what is written of its answers differs with the task:
`TextModel` (how likely is a text?), `SeriesModel` (how does a series go on?), `StepsModel` (which label has a step?),
`StatesModel` (how likely is a sequence, and which hidden state has a step?).

.. math:: p(x_1, \ldots, x_T), \quad p(x_{T+h} \mid x_1, \ldots, x_T), \quad P(y_t \mid x_1, \ldots, x_T)

Cost: that of the method on S steps.

References: Shannon (1948), A mathematical theory of communication; Hyndman & Athanasopoulos (2021), Forecasting,
chapter 5; Bishop (2006), Pattern Recognition and Machine Learning, chapter 13.
"""

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from ..core import Card, Method, UnreadableError, param
from ..core.inputs import Queries
from ..core.kinds.forecaster import Forecaster
from ..core.registry import get_method
from ..core.sequences import open_sequences, open_symbols
from ..experience.byte_pairs import BytePairEncoder
from ..experience.sequences import Sequences
from .logarithm import Exponential, logged, swings_grow
from .rolling import widened
from .timeline import Tagged, Timeline

LEVEL = 0.9
"""Probability that an interval of a forecast is meant to have."""


class SequencesModel(Method):
    """Base of these models.

    Attributes
    ----------
    method_ : Method
    reading_ : dict
        How a source is read; set by a run.
    """

    method: Method | None = param(None, "what learns; None is the baseline")
    _usual: ClassVar[str]

    def fit(self, X: Any, y: Any = None) -> Self:
        """Let the method learn.

        Parameters
        ----------
        X : sequences
        y : ignored, but of a tagger: the label of each step
        """
        self._check_parameters()
        method = self._learner()
        fitted = self._teach(type(method)(**method.get_params(deep=False)), X, y)
        for name in [n for n in vars(self) if n.endswith("_")]:
            delattr(self, name)
        self.method_, self.n_features_in_ = fitted, fitted.n_features_in_
        return self

    def _learner(self) -> Method:
        """What learns, with its settings."""
        return self.method if self.method is not None else get_method(self._usual)()

    def prepare(self, X: Any) -> Any:
        """What the method learns from: the sequences as they are."""
        return X

    def numbers(self, X: Any) -> Any:
        """What the method is asked about: the sequences as they are."""
        return X

    @abstractmethod
    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """All that is said of each sequence or step, by the name of the column."""

    def _teach(self, method: Method, X: Any, y: Any) -> Method:
        """Fit the method, which is this model's own."""
        return method.fit(X)

    @property
    def _data(self) -> str:
        """What the card of the method says that it learns from."""
        return self.card.data

    def _queries(self, X: Any) -> Queries:
        return self.method_._queries(X)

    @classmethod
    def example(cls) -> Self:
        return cls(method=get_method(cls._usual)())

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        method = getattr(self, "method_", None)
        if not isinstance(method, Method) or not method.__sklearn_is_fitted__():
            raise UnreadableError(f"a stored {type(self).__name__} needs method_ to be a method that has learned")
        if method.card.data != self._data or not set(method.card.tasks) & set(self.card.tasks):
            raise UnreadableError(f"{type(method).__name__} cannot be the method of a {type(self).__name__}")


class TextModel(SequencesModel):
    """How likely a text is, symbol by symbol.

    Attributes
    ----------
    method_, reading_
        See `SequencesModel`; ``reading_`` says what a symbol is. With ``n_merges`` the method is a
        `TokenisedLanguageModel`: texts come as characters, and its subwords are learned from the text of the fit alone.

    Examples
    --------
    >>> from peira.study.sequence_models import TextModel
    >>> TextModel().fit(["abab", "abba"]).log_prob(["ab"]).round(3).tolist()
    [-1.577]
    """

    card = Card(
        tasks="language", reference="Shannon (1948)", cost="that of the method on S steps", data="symbols", wraps=True
    )
    _usual = "IndependentSymbols"
    n_merges: int | None = param(
        None, "subwords, by so many merges at most, are the symbols; None: the symbols are", low=0
    )

    def _learner(self) -> Method:
        method = super()._learner()
        if self.n_merges is None:
            return method
        return get_method("TokenisedLanguageModel")(BytePairEncoder(n_merges=self.n_merges), method)

    def log_prob(self, X: Any) -> Any:
        """The logarithm of the probability of each text, in nats."""
        return self.method_.log_prob(X)

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the bits that a symbol takes."""
        return float(np.sum(np.asarray(self.log_prob(X)))) / np.log(2) / max(1, int(lengths_of(X).sum()))

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """Bits, and bits a symbol, of each text."""
        bits, lengths = -np.asarray(self.log_prob(X)) / np.log(2), lengths_of(X)
        return {"symbols": lengths, "bits": bits, "bits_per_symbol": bits / np.maximum(lengths, 1)}


class SeriesModel(SequencesModel):
    """How series go on.

    Attributes
    ----------
    method_, reading_
        See `SequencesModel`; ``reading_`` also holds the horizon.
    least_ : float
        0 where the numbers are learned as they are; else logarithms are, and numbers below it count as that.
    widths_ : array of shape (H, D)
        By what `answers` multiplies the sides of the method's intervals; set by a run, from errors on unseen parts.

    Examples
    --------
    >>> from peira import methods
    >>> from peira.study.sequence_models import SeriesModel
    >>> model = SeriesModel(method=methods()["SeasonalNaive"](period=2)).fit([[1.0, 2.0, 1.0, 2.0, 1.0]])
    >>> model.predict([[1.0, 2.0, 1.0, 2.0, 1.0]], 3).tolist()
    [[2.0, 1.0, 2.0]]
    """

    card = Card(
        tasks="forecasting", reference="Hyndman & Athanasopoulos (2021) 5", cost="that of the method on S steps",
        data="sequences", missing=True, wraps=True,
    )  # fmt: skip
    logs: bool = param(False, "learn logarithms where numbers are positive and their swings grow with their level")
    _usual = "SeasonalNaive"

    score = Forecaster.score
    _checked = Forecaster._checked

    def fit(self, X: Any, y: Any = None) -> Self:
        """Let the method learn.

        Parameters
        ----------
        X : sequences
        y : ignored
        """
        X = X.learned() if isinstance(X, Timeline) else X
        least = 0.0
        if self.logs and isinstance(X, Sequences) and swings_grow(X):
            least = float(np.nanmin(X.values)) / 10
        super().fit(logged(X, least) if least else X)
        self.least_ = least
        return self

    def predict(self, X: Any, horizon: int = 1) -> Any:
        """The mean of the next steps."""
        if not self.least_:
            return self.method_.predict(X, horizon)
        mean = self.predict_dist(X, horizon).mean
        return mean[..., 0] if self._queries(X).single else mean

    def predict_dist(self, X: Any, horizon: int = 1) -> Any:
        """What the next steps may be."""
        if not self.least_:
            return self.method_.predict_dist(X, horizon)
        return Exponential(self.method_.predict_dist(logged(X, self.least_), horizon))

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """The next steps of each series: mean and interval of each number."""
        reading = getattr(self, "reading_", {})
        horizon = int(reading.get("horizon", 1))
        dist = self.predict_dist(X, horizon)
        mean = np.asarray(dist.mean)
        low, high = (np.asarray(end) for end in dist.interval(LEVEL))
        if hasattr(self, "widths_"):
            low, high = widened({"predicted": mean, "low": low, "high": high}, self.widths_)
        N, H, D = mean.shape
        ids = getattr(X, "ids", np.arange(N).astype(str))
        names = getattr(X, "names", None) or [f"x{d}" for d in range(D)]
        columns: dict[str, np.ndarray] = {
            "sequence": np.repeat(ids, H),
            "ahead": np.tile(np.arange(1, H + 1), N),
        }
        for d, name in enumerate(names):
            for what, values in (("", mean), ("_low", low), ("_high", high)):
                columns[f"{name}{what}"] = values[..., d].ravel()
        return columns

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__() and not (isinstance(self.least_, float) and 0 <= self.least_ < np.inf):
            raise UnreadableError(f"a stored SeriesModel needs least_ to be a number from 0, not {self.least_!r}")
        widths = getattr(self, "widths_", None)
        if widths is None:
            return
        shape = int(getattr(self, "reading_", {}).get("horizon", 1)), self.n_features_in_
        if not (isinstance(widths, np.ndarray) and widths.shape == shape and (widths >= 0).all()):
            raise UnreadableError(f"a stored SeriesModel needs widths_ to hold {shape} numbers that are not negative")


class StepsModel(SequencesModel):
    """Which label belongs to each step.

    Attributes
    ----------
    method_, reading_
        See `SequencesModel`.
    classes_ : array of shape (C,)

    Examples
    --------
    >>> from peira.study.sequence_models import StepsModel
    >>> StepsModel().fit([[1.0, 2.0, 3.0]], [["a", "a", "b"]]).predict([[5.0, 6.0]])[0].tolist()
    ['a', 'a']
    """

    card = Card(
        tasks="tagging",
        reference="Bishop (2006) 13",
        cost="that of the method on S steps",
        data="sequences",
        wraps=True,
    )
    _usual = "FrequentLabel"

    def fit(self, X: Any, y: Any = None) -> Self:
        """Let the method learn.

        Parameters
        ----------
        X : sequences
            S steps in all.
        y : list of arrays, or Sequences
            The label of each step.
        """
        if isinstance(X, Tagged):
            X, y = X.X, X.labels
        super().fit(X, y)
        self.classes_ = self.method_.classes_
        return self

    def predict(self, X: Any) -> list[np.ndarray]:
        """The label of every step."""
        return self.method_.predict(X)

    def predict_dist(self, X: Any) -> Any:
        """The probabilities of the labels of all steps."""
        return self.method_.predict_dist(X)

    def score(self, X: Any, y: Any) -> float:
        """The share of steps whose label is right."""
        return self.method_.score(X, y)

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """The label of every step, and how probable it is held."""
        probability = np.asarray(self.predict_dist(X).probs).max(1)
        return _steps_of(X) | {"prediction": np.concatenate(self.predict(X)), "probability": probability}

    def _teach(self, method: Method, X: Any, y: Any) -> Method:
        return method.fit(X, y)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__() and not np.array_equal(getattr(self, "classes_", None), self.method_.classes_):
            raise UnreadableError("a stored StepsModel needs classes_ to be those of its method")


class StatesModel(SequencesModel):
    """How likely a sequence is, and the hidden state of each of its steps.

    Attributes
    ----------
    method_, reading_
        See `SequencesModel`.

    Examples
    --------
    >>> from peira import methods
    >>> from peira.study.sequence_models import StatesModel
    >>> model = StatesModel(method=methods()["GaussianHMM"](2, random_state=0)).fit([[0.0, 0.1, 5.0, 5.1, 0.0, 0.1]])
    >>> model.answers([[0.1, 0.0, 5.0]])["state"].tolist() in ([0, 0, 1], [1, 1, 0])
    True
    """

    card = Card(
        tasks="density", reference="Bishop (2006) 13", cost="that of the method on S steps", data="sequences",
        missing=True, wraps=True,
    )  # fmt: skip
    symbols: list | None = param(None, "the symbols there are, whether or not the data hold them; None: numbers")
    _usual = "IndependentSteps"

    def log_prob(self, X: Any) -> Any:
        """The logarithm of the density of each sequence, in nats."""
        return self.method_.log_prob(X)

    def score(self, X: Any, y: Any = None) -> float:
        """The log likelihood of a step, in nats."""
        return float(np.sum(np.asarray(self.log_prob(X)))) / max(1, int(lengths_of(X).sum()))

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """The state of every step, and how sure it is; without states, how likely each sequence is."""
        if not hasattr(self.method_, "predict_proba"):
            lengths, logs = lengths_of(X), np.asarray(self.log_prob(X))
            return {"sequence": _ids_of(X), "steps": lengths, "log_likelihood": logs}
        states, P = np.concatenate(self.method_.predict(X)), np.concatenate(self.method_.predict_proba(X))
        return _steps_of(X) | {"state": states, "probability": P[np.arange(len(P)), states]}

    def _learner(self) -> Method:
        without = self.method is None and self.symbols is not None
        return get_method("IndependentSymbols")() if without else super()._learner()

    def _teach(self, method: Method, X: Any, y: Any) -> Method:
        if self.symbols is None:
            return method.fit(X)
        if "symbols" in method.parameters():
            return method.set_params(symbols=self.symbols).fit(X)
        return method.fit(X, symbols=self.symbols)

    @property
    def _data(self) -> str:
        return "sequences" if self.symbols is None else "symbols"


def _ids_of(X: Any) -> np.ndarray:
    return getattr(X, "ids", np.arange(len(lengths_of(X))).astype(str))


def _steps_of(X: Any) -> dict[str, np.ndarray]:
    """The sequence that each step belongs to, and its place in that."""
    lengths = lengths_of(X)
    steps = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return {"sequence": np.repeat(_ids_of(X), lengths), "step": steps}


def lengths_of(X: Any) -> np.ndarray:
    """How many steps each sequence has."""
    if isinstance(X, Sequences):
        return np.asarray(X.lengths)
    try:
        opened = open_sequences(X, owner="a study", missing_ok=True, empty_ok=True)
    except ValueError:
        opened = open_symbols(X, owner="a study", missing_ok=True, empty_ok=True)[0]
    return opened.lengths.numpy(force=True)
