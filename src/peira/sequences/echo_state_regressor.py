r"""A number for a whole sequence, or several, read from the states of an echo state network.

.. math:: x_t = (1 - a) x_{t-1} + a \tanh(W x_{t-1} + V u_t + b)
.. math:: z = \left( \bar x_1, \bar u_1, ..., \bar x_K, \bar u_K \right), \quad \hat y = \beta_0 + B^T z

The reservoir (:mod:`~peira.sequences.reservoir`) turns each sequence, however long, into states; their means over K
equal sections of it, and those of the steps themselves, are read by ridge regression.

Ridge regression is the mean of a posterior: with normal errors of variance :math:`\sigma^2` and a normal prior of
variance :math:`\sigma^2 / \alpha` on each weight, the distribution of the next answer is

.. math:: y \mid z \sim t_{N-1} \left( \hat y, \; \sigma^2 (1 + h(z)) \right)
.. math:: h(z) = 1/N + (z - \bar z)^T (S_{zz} + \alpha I)^{-1} (z - \bar z)

so that it is wide for a sequence unlike those learned from. The variance of the errors is the one by which left-out
sequences lie as far from what is said of them as this promises, :math:`\sigma^2 = \mathrm{mean} \; r_n^2 / (1 - h_n)`
with the residuals r. That the reservoir was drawn by chance, and the penalty chosen, the distribution does not know.

**Use it** where sequences differ in length, training must be cheap, and the number depends on the course of the values:
a strong, fast baseline for recurrent nets, which ask for more sequences.

**Cost.** H (K + D) a step for H units with K connections, then N F^2 + F^3 for F = sections (H + D) numbers read.
Memory: F^2, whatever the sequences.

Reference: Jaeger, Lukosevicius, Popovici & Siewert (2007), Neural Networks 20, 335-352, section 4 (there for labels);
the distribution: Murphy (2012), Machine Learning, 7.6.3; left-out residuals: Hastie, Tibshirani & Friedman (2009), eq.
7.64.
"""

from typing import Any, Self

import numpy as np
import torch

from ..core import Card
from ..core.errors import DataError, UnreadableError
from ..core.inputs import Queries
from ..core.kinds import Regressor
from ..core.predictive import StudentT
from .echo_state import EchoStateMethod
from .reservoir_reading import SequenceReader
from .reservoir_readout import Readout


class EchoStateRegressor(EchoStateMethod, SequenceReader, Regressor):
    """Numbers of sequences, read linearly from an echo state network.

    Attributes
    ----------
    reservoir_ : dict
        Its weights.
    input_mean_, input_scale_ : array of shape (D,)
        By which the steps are standardised before they are fed in.
    readout_, intercept_ : array of shape (F, K) and (K,)
    alpha_ : float
        The penalty of the readout, given or chosen.
    noise_ : array of shape (K,)
        The variance of the errors of each target.
    read_mean_, whitening_ : array of shape (F,) and (F, F)
        The mean of what is read, and by what differences from it become numbers whose squares add up to h.
    weight_ : float
        N, or the sum of the weights of the sequences.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import EchoStateRegressor
    >>> pitch, steps = np.linspace(0.2, 0.6, 60), np.random.default_rng(0).integers(20, 40, 60)
    >>> X = [np.sin(f * np.arange(n)) for f, n in zip(pitch, steps)]
    >>> model = EchoStateRegressor(units=50, random_state=0).fit(X[::2], pitch[::2])
    >>> bool(model.score(X[1::2], pitch[1::2]) > 0.95)
    True
    """

    card = Card(
        tasks="regression",
        reference="Jaeger, Lukosevicius, Popovici & Siewert (2007); Murphy (2012) 7.6.3",
        cost="T H K + N H^2 + H^3 for T steps in all, H units with K connections",
        data="sequences",
        missing=True,
        multi_output=True,
    )

    @classmethod
    def example(cls) -> Self:
        return cls(units=20, sections=1, random_state=0)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Draw a reservoir, and learn to read numbers from its states.

        Parameters
        ----------
        X : sequences
            N of them, of D numbers a step; a missing number is taken as the last known one of its sequence.
        y : array of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal sequences.

        Returns
        -------
        self
        """
        data = self._begin(X, y, sample_weight)
        readout, rows_to_judge = self._learn_sequences(data, data.Y)
        self.noise_ = rows_to_judge.noise(readout).numpy()
        self.read_mean_, self.whitening_ = readout.mean.numpy(), readout.whitening().numpy()
        self.weight_ = float(readout.weight)
        return self

    def _predict(self, queries: Queries) -> torch.Tensor:
        return self._said(queries)

    def predict_dist(self, X: Any) -> StudentT:
        """The predictive distribution of each sequence's numbers (module docstring).

        Parameters
        ----------
        X : sequences
            N of them.

        Returns
        -------
        StudentT

        Raises
        ------
        DataError
            If the numbers of a sequence are so far from those learned from that the answer overflows.
        """
        queries = self._queries(X)
        B, b, mean, W, noise = map(
            torch.from_numpy, (self.readout_, self.intercept_, self.read_mean_, self.whitening_, self.noise_)
        )
        readout = Readout(B, b, self.alpha_, mean, lambda: W, self.weight_)
        said, h = zip(*((readout.scores(Z), readout.leverage(Z)) for Z in self._all_read(queries)), strict=True)
        shape = (len(queries), *self.target_shape_)
        loc, scale = torch.cat(said), (noise * (1 + torch.cat(h))).sqrt()
        if not torch.isfinite(scale.sum() + loc.sum()):
            i = int((~torch.isfinite(scale + loc)).any(1).nonzero()[0])
            raise DataError(f"EchoStateRegressor has no answer: the numbers of sequence {i} overflow; rescale them")
        df = torch.full(shape, max(self.weight_ - 1, 1.0), dtype=loc.dtype)
        parts = (part.reshape(shape).to(queries.device) for part in (df, loc, scale))
        return StudentT(*parts, as_numpy=queries.as_numpy)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        F, K = self.readout_.shape
        for name, shape in (("noise_", (K,)), ("read_mean_", (F,)), ("whitening_", (F, F))):
            a = getattr(self, name, None)
            if not (isinstance(a, np.ndarray) and a.dtype == np.float64 and a.shape == shape and np.isfinite(a).all()):
                raise UnreadableError(f"{name} of a stored EchoStateRegressor must be finite, of shape {shape}")
        if (self.noise_ < 0).any() or not 0 < getattr(self, "weight_", 0.0) < float("inf"):
            raise UnreadableError("a stored EchoStateRegressor needs noise_ not below 0, and a positive weight_")
