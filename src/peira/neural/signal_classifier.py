r"""The convolutional classifier for signals: windows that slide along time.

A signal x has C channels at T times. As in `ConvClassifier`, each stage looks through windows that are the same at
every time, halves the number of times, and passes on what is above the mean,

.. math:: h_l = a(N(\mathrm{pool}(V_l * h_{l-1}))), \quad l = 1, ..., L, \quad h_0 = (x - m) / d

but then the mean of each channel over all times is what the scores of the classes are linear in,

.. math:: P(c \mid x) \propto \exp(w_c^T g + b_c), \quad g_k = \frac{1}{T_L} \sum_t h_{L, k, t}

so that it matters what happens in a signal, hardly when. ``hidden`` puts a dense layer in place of the mean, for
signals that begin at a common moment.

**Use it** for time series, spectra and other rows whose columns stand in an order and in one unit. In a table of age,
income and rooms neighbouring columns mean nothing to each other.

Cost: an update of B signals takes about :math:`6 B \sum_l T_l k C_{l-1} C_l` operations, for N signals as for more.

Reference: Wang, Yan & Oates (2017), Time series classification from scratch with deep neural networks, IJCNN: the fully
convolutional net, which has no pooling between its stages; Lin, Chen & Yan (2014) for the mean over places.
"""

from typing import Any, Self

import numpy as np
import torch

from peira.core import Card, param
from peira.core.errors import DataError, UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.params import choice, integer, linear
from peira.training import Training

from .conv_stack import ConvStack


class SignalClassifier(ConvStack):
    """A convolutional net for signals.

    Signals are the rows of an array or frame of shape (N, T). With ``n_channels=C``, they are an array of shape
    (N, T, C), or rows of T C numbers in which the channels of one time stand side by side. The net computes in float64.

    Attributes
    ----------
    signal_shape_ : list of int
        Channels and times of the signals.
    channel_mean_, channel_scale_ : array of shape (C,)
        What the channels are standardised by.
    net_ : Module
        From signals of shape (N, C, T) to scores of the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.neural import SignalClassifier
    >>> from peira.training import Training
    >>> rng = np.random.default_rng(0)
    >>> waves = rng.integers(0, 2, 200)
    >>> phase = rng.uniform(0, 6, (200, 1))
    >>> signals = np.sin(np.linspace(0, 12, 64) * (1 + waves[:, None]) + phase) + 0.3 * rng.normal(size=(200, 64))
    >>> brief = Training(updates=60, learning_rate=0.01, schedule="one cycle")
    >>> model = SignalClassifier(training=brief, random_state=0).fit(signals[:150], waves[:150])
    >>> model.score(signals[150:], waves[150:])
    1.0
    """

    card = Card(
        tasks=("classification", "multilabel"),
        reference="Wang, Yan & Oates (2017); LeCun et al. (1998)",
        cost="U updates of B signals: 3 U B products of T k channels in and out, summed over stages",
        on_request="the columns must be a signal: values of one quantity in an order",
    )
    _dims = 1
    _dtype = torch.float64

    n_channels: int = param(1, "channels of a signal, C", low=1)
    channels: tuple | list = param((32, 64, 64), "filters of each stage", tune=choice((32, 64), (32, 64, 64)))
    kernel_size: int = param(7, "length of the window", low=1, tune=choice(3, 7, 11))
    hidden: int | None = param(None, "units of a dense layer in place of the means over times", low=1,
                               tune=integer(32, 256))  # fmt: skip
    dropout: float = param(0.1, "probability that a feature is dropped", low=0, below=1, tune=linear(0.0, 0.5))
    signal_shape_: list[int]

    def _shape(self) -> tuple[int, ...]:
        return tuple(self.signal_shape_)

    # -------------------------------------------------------------- the door: (N, T, C) stands as rows of T C numbers

    def _begin(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, **known: Any
    ) -> Data:
        data = super()._begin(self._rows(X), y, sample_weight, supervised=supervised, **known)
        if self.n_features_in_ % self.n_channels:
            raise DataError(
                f"{type(self).__name__} got rows of {self.n_features_in_} numbers, which are no whole number of times "
                f"in {self.n_channels} channels"
            )
        self.signal_shape_ = [self.n_channels, self.n_features_in_ // self.n_channels]
        data.X = self._signals(data.X)
        return data

    def _queries(self, X: Any) -> Queries:
        queries = super()._queries(self._rows(X))
        queries.X = self._signals(queries.X)
        return queries

    def _rows(self, X: Any) -> Any:
        """Signals of several channels as rows, which the door of tables checks like any."""
        if self.n_channels == 1 or not (isinstance(X, np.ndarray | torch.Tensor) and X.ndim == 3):
            return X
        if X.shape[2] != self.n_channels:
            raise DataError(
                f"X of shape {tuple(X.shape)} holds signals of {X.shape[2]} channels, but n_channels of "
                f"{type(self).__name__} is {self.n_channels}"
            )
        return X.reshape(len(X), X.shape[1] * X.shape[2])

    def _signals(self, rows: torch.Tensor) -> torch.Tensor:
        C, T = self.signal_shape_
        return rows.reshape(len(rows), T, C).mT.contiguous()

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        shape = getattr(self, "signal_shape_", None)
        whole = isinstance(shape, list) and len(shape) == 2 and all(type(n) is int and n >= 1 for n in shape)
        if not whole or shape[0] * shape[1] != self.n_features_in_:
            raise UnreadableError(f"{type(self).__name__}.signal_shape_ is {shape!r}, not the shape of its signals")

    @classmethod
    def example(cls) -> Self:
        """A small net without chance inside."""
        return cls(
            channels=(8,), kernel_size=3, hidden=16, normalisation=None, dropout=0.0, random_state=0, device="cpu",
            training=Training(optimiser="adam", learning_rate=0.01, updates=100),
        )  # fmt: skip
