r"""Perceptrons that know how sure they are: what the methods of this family share.

A net with fixed weights gives one number, and no word on how much the data determine it. Each method of the family
gives S functions in its place, all of which go with the data, and averages what they say:

.. math:: p(y \mid x) = \frac{1}{S} \sum_s p(y \mid f_s(x))

Where the data determine the function the f_s agree, and what is left is noise; elsewhere they differ. For targets that
are numbers this is a mixture of S normal distributions, with

.. math:: \mu = \frac{1}{S} \sum_s \mu_s, \quad \sigma^2 = \frac{1}{S} \sum_s (\sigma_s^2 + \mu_s^2) - \mu^2

for labels the mean of S probabilities. The methods differ in where the functions come from.

Columns and target are standardised inside: what the net sees has mean 0 and standard deviation 1. It learns in
float32 and answers in float64.
"""

import math
from abc import abstractmethod
from typing import Any, Literal, Self

import numpy as np
import torch

from peira.core import DataError, ParameterError, ProbabilisticClassifier, Regressor, param
from peira.core.errors import UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.params import choice, log
from peira.core.predictive import Mixture, Normal
from peira.training import Training
from peira.training.network import Network

from .multilayer_perceptron import check_spread
from .standardising import spread, standardised

Activation = Literal[
    "identity", "logistic", "tanh", "relu", "leaky relu", "elu", "selu", "gelu", "softplus", "swish",
]  # fmt: skip
BEGINNING = 0.01, 2000  # learning rate and updates where nothing is said


class UncertainPerceptron(Network):
    """Base of the family. Abstract: a subclass says how it learns and what its functions are.

    Attributes
    ----------
    input_mean_, input_scale_ : tensor of shape (D,)
        What the columns are moved and divided by.
    n_samples_fit_ : int
        The number of items.
    """

    _dtype = torch.float64  # of what comes in and goes out
    input_mean_: torch.Tensor
    input_scale_: torch.Tensor
    n_samples_fit_: int

    hidden_layer_sizes: tuple | list | int = param(
        (50,), "units of each hidden layer; none is a linear model", low=1, tune=choice((20,), (50,), (50, 50))
    )
    activation: Activation = param("relu", "what a hidden unit makes of its input", tune=choice("relu", "tanh"))
    random_state: int | np.random.RandomState | None = param(0, "seed of weights, batches and draws")
    device: str = param("cpu", "where the net learns: 'cpu', 'cuda', or 'auto' for the first accelerator there is")

    def _sizes(self) -> list[int]:
        """Units of each layer, from the columns to what the net gives."""
        hidden = self.hidden_layer_sizes
        return [self.n_features_in_, *([hidden] if isinstance(hidden, int | np.integer) else hidden), self._outputs()]

    def _check_parameters(self) -> None:
        super()._check_parameters()
        hidden = self.hidden_layer_sizes
        for units in hidden if isinstance(hidden, tuple | list) else ():
            if not isinstance(units, int | np.integer) or isinstance(units, bool) or units < 1:
                raise ParameterError(
                    f"parameter 'hidden_layer_sizes' of {type(self).__name__} must hold whole numbers >= 1, got "
                    f"{units!r}"
                )

    @abstractmethod
    def _find(self, data: Data, t: torch.Tensor) -> None:
        """Learn from opened items, whose targets are t (N,): standardised numbers, or codes of labels."""

    @abstractmethod
    def _outputs(self) -> int:
        """How many numbers the net gives for an item."""

    @abstractmethod
    def _improbability(self, F: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """-log p of targets t (N,) or (S, N), standardised, where S functions give F (S, N, outputs); shape (S, N)."""

    @abstractmethod
    def _functions(self, X: torch.Tensor) -> torch.Tensor:
        """What each of the S functions gives for standardised items, of shape (S, N, outputs), float64."""

    def _answers(self, queries: Queries) -> torch.Tensor:
        """The same for items as they come, on their device."""
        self.net_.to(self._device())
        X = standardised(queries.X, self.input_mean_, self.input_scale_)
        return self._functions(X.to(self._device())).to(queries.device)

    def _standardised(self, data: Data) -> torch.Tensor:
        """The items (N, D) in float32, on the device of the net; notes how they were standardised."""
        X = data.X.contiguous()
        self.n_samples_fit_ = len(X)
        self.input_mean_, self.input_scale_ = spread(X)
        return standardised(X, self.input_mean_, self.input_scale_).to(self._device(), torch.float32)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        name = type(self).__name__
        check_spread(self, "input", self.n_features_in_)
        seed = getattr(self, "seed_", None)
        if type(seed) is not int or not 0 <= seed < 2**32:
            raise UnreadableError(f"seed_ of a stored {name} must be a whole number from 0 to 2^32 - 1, found {seed!r}")
        if not isinstance(getattr(self, "net_", None), torch.nn.Module):
            raise UnreadableError(f"a stored {name} needs its net")


class DescendingPerceptron(UncertainPerceptron):
    """Base of those whose weights are found by going down the slope of a loss."""

    learning_rate: float = param(BEGINNING[0], "length of Adam's steps at first", above=0, tune=log(1e-3, 3e-2))
    updates: int = param(BEGINNING[1], "updates of the weights", low=1)
    training: Training | None = param(None, "another way to find the weights, in place of these two")

    def _training(self) -> Training:
        if self.training is None:
            return Training(optimiser="adam", learning_rate=self.learning_rate, updates=self.updates, schedule="cosine")
        return self.training

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.training is not None and (self.learning_rate, self.updates) != BEGINNING:
            raise ParameterError(
                f"parameter 'training' of {type(self).__name__} says everything about how the weights are found: leave "
                "learning_rate and updates out, or say them there"
            )


class UncertainRegressor(Regressor, UncertainPerceptron):
    """Base of the members of the family that predict numbers.

    Attributes
    ----------
    target_mean_, target_scale_ : float
        What the target is moved and divided by; a scale of 0 belongs to a constant target.
    """

    target_mean_: float
    target_scale_: float

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the functions that go with the data.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array or tensor of shape (N,)

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the data are malformed, or the loss is no number from the first update on.
        """
        data = self._begin(X, y)
        self._find(data, self._standardised_target(data))
        return self

    @abstractmethod
    def _moments(self, queries: Queries) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each of the S normal distributions, of shape (S, N), as the target is."""

    def predict_dist(self, X: Any) -> Mixture | Normal:
        """The distribution of the target of each row: a mixture of S normal ones; of one, that itself.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        Mixture or Normal
            All S have the same weight.
        """
        queries = self._queries(X)
        shape = (len(queries), *self.target_shape_)
        mean, std = self._moments(queries)
        if not torch.isfinite(mean + std).all():
            row = int((~torch.isfinite(mean + std)).any(0).nonzero()[0])
            raise DataError(
                f"{type(self).__name__} has no finite answer, first for row {row}: numbers this far from 1 overflow; "
                "rescale the columns and the target, and fit again"
            )
        form = queries.as_numpy
        parts = [Normal(m.reshape(shape), s.reshape(shape), as_numpy=form) for m, s in zip(mean, std, strict=True)]
        if len(parts) == 1:
            return parts[0]
        return Mixture(torch.full((len(parts),), 1 / len(parts), dtype=torch.float64), parts, as_numpy=form)

    def _predict(self, queries: Queries) -> torch.Tensor:
        return self._moments(queries)[0].mean(0)[:, None]

    def _standardised_target(self, data: Data) -> torch.Tensor:
        """The targets (N,) in float32, on the device of the net."""
        mean, scale = (float(v) for v in spread(data.Y))
        constant = len(data.Y.unique()) == 1
        self.target_mean_, self.target_scale_ = mean, 0.0 if constant else scale
        return ((data.Y[:, 0] - mean) / scale).to(self._device(), torch.float32)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        units = [getattr(self, name, None) for name in ("target_mean_", "target_scale_")]
        if not all(isinstance(v, float) and math.isfinite(v) for v in units) or units[1] < 0:
            raise UnreadableError(f"a stored {type(self).__name__} needs its target's mean and scale, found {units}")


class UncertainClassifier(ProbabilisticClassifier, UncertainPerceptron):
    """Base of the members of the family that predict labels."""

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the functions that go with the data.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array or tensor of shape (N,)
            Labels.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the data are malformed, there is only one class, or the loss is no number from the first update on.
        """
        data = self._begin(X, y)
        self._require_classes(data)
        self._find(data, data.codes.to(self._device()))
        return self

    def _outputs(self) -> int:
        return len(self.classes_)

    def _improbability(self, F: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return -F.log_softmax(-1).gather(-1, t.expand(F.shape[:-1])[..., None])[..., 0]

    def _scores(self, queries: Queries) -> torch.Tensor:
        """The logarithm of the mean of the S probabilities."""
        log_p = self._answers(queries).log_softmax(-1)
        return log_p.logsumexp(0) - math.log(len(log_p))
