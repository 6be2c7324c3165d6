r"""What methods over a reservoir share: how it is drawn, fed and kept.

Steps are standardised, column by column, so that one scaling of the inputs means the same everywhere. What is read at a
step is :math:`z_t = (x_t, u_t)`, the state of the reservoir and the step itself. A missing number is fed in as the last
known one of its sequence, or as the mean where there is none yet.
"""

from abc import abstractmethod
from typing import Any, Literal

import numpy as np
import torch

from ..core import linear, log, param
from ..core.errors import DataError, UnreadableError
from ..core.inputs import Data, Queries
from ..core.kinds.sequence_method import SequenceMethod
from .reservoir import Reservoir
from .reservoir_readout import Readout, check_readout


class ReservoirMethod(SequenceMethod):
    """Base of the methods that read a reservoir linearly; a subclass says which reservoir.

    Attributes
    ----------
    reservoir_ : dict
        Its weights.
    input_mean_, input_scale_ : array of shape (D,)
        By which the steps are standardised.
    readout_, intercept_ : array of shape (F, K) and (K,)
    alpha_ : float
        The penalty of the readout, given or chosen.
    """

    alpha: float | Literal["auto"] = param("auto", "penalty of the readout, or choose it by cross-validation", low=0)
    standardise: bool = param(True, "bring the columns of the steps to mean 0 and standard deviation 1")
    random_state: Any = param(None, "seed of the reservoir's weights")

    @abstractmethod
    def _drawn(self, D: int, rng: np.random.Generator) -> Any:
        """A new reservoir for steps of D numbers."""

    @abstractmethod
    def _restored(self) -> Any:
        """The reservoir of ``reservoir_``."""

    def _prepare(self, data: Data) -> tuple[Any, np.ndarray]:
        """Learn the standardisation, draw the reservoir; gives it with the standardised steps (S, D)."""
        self._standardise(self._fed(data))
        return self._drawn(self.n_features_in_, np.random.default_rng(data.seed)), self._standardised(data)

    def _fed(self, queries: Queries) -> np.ndarray:
        """The steps (S, D) that are to be standardised and fed in."""
        return queries.X.numpy(force=True)

    def _standardise(self, X: np.ndarray) -> None:
        """Learn mean and scale of steps (S, D); missing numbers do not count."""
        D = X.shape[1]
        mean, scale = np.zeros(D), np.ones(D)
        known = ~np.isnan(X)
        if self.standardise:
            count = known.sum(0).clip(1)
            mean = np.where(known, X, 0.0).sum(0) / count
            scale = np.sqrt((np.where(known, X - mean, 0.0) ** 2).sum(0) / count)
            scale[~(scale > 1e-12 * np.abs(X).max(0, initial=0.0, where=known))] = 1.0  # a column that does not vary
        if not (np.isfinite(mean).all() and np.isfinite(scale).all()):
            raise DataError(
                f"numbers up to {np.abs(X[known]).max():.3g} overflow when {type(self).__name__} standardises them: "
                "divide the columns by a common unit first"
            )
        self.input_mean_, self.input_scale_ = mean, scale

    def _standardised(self, queries: Queries) -> np.ndarray:
        """The steps as they are fed in, (S, D): a missing number is the last known one, or else the mean."""
        U = (self._fed(queries) - self.input_mean_) / self.input_scale_
        return np.nan_to_num(last_known(U, beginnings(queries.lengths)))

    def _keep(self, reservoir: Any, readout: Readout) -> None:
        self.reservoir_ = reservoir.stored()
        self.readout_, self.intercept_ = readout.B.numpy(), readout.b.numpy()
        self.alpha_ = readout.alpha

    def _features(self, reservoir: Any) -> int:
        """F, how many numbers are read."""
        return reservoir.units + self.n_features_in_

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        owner, D = type(self).__name__, self.n_features_in_
        for name in ("input_mean_", "input_scale_"):
            a = getattr(self, name, None)
            if not (
                isinstance(a, np.ndarray) and a.shape == (D,) and a.dtype == np.float64 and np.isfinite(a).all()
            ) or (name == "input_scale_" and not (a > 0).all()):
                raise UnreadableError(f"{name} of a stored {owner} must hold a number for each of {D} columns")
        if not isinstance(getattr(self, "alpha_", None), float):
            raise UnreadableError(f"alpha_ of a stored {owner} must be a number")
        if not hasattr(self, "reservoir_"):
            raise UnreadableError(f"a stored {owner} needs reservoir_")
        features = self._features(self._restored())
        check_readout(owner, getattr(self, "readout_", None), getattr(self, "intercept_", None), features)


class EchoStateMethod(ReservoirMethod):
    """Base of the methods that read an echo state network, a reservoir of leaky units with tanh."""

    units: int = param(200, "units H of the reservoir", low=1, positional=True)
    spectral_radius: float = param(
        0.9, "largest modulus of an eigenvalue of the recurrent weights", low=0, tune=linear(0.3, 1.3)
    )
    leak: float = param(
        0.5, "share of the new value in a unit's next state: 1 forgets at once", above=0, high=1, tune=log(0.03, 1.0)
    )
    input_scaling: float = param(0.5, "largest input weight", low=0, tune=log(0.03, 3.0))
    bias_scaling: float = param(0.2, "largest constant input of a unit", low=0)
    connections: int = param(10, "recurrent connections of a unit", low=1)
    plasticity_epochs: int = param(0, "passes of intrinsic plasticity over the steps before the readout", low=0)
    plasticity_rate: float = param(0.0005, "step size of intrinsic plasticity", above=0)
    plasticity_spread: float = param(
        0.3, "standard deviation of a unit's output that plasticity aims at", above=0, high=1
    )

    def _drawn(self, D: int, rng: np.random.Generator) -> Reservoir:
        return Reservoir.draw(
            self.units,
            D,
            rng,
            spectral_radius=self.spectral_radius,
            connections=self.connections,
            input_scaling=self.input_scaling,
            bias_scaling=self.bias_scaling,
            leak=self.leak,
        )

    def _restored(self) -> Reservoir:
        return Reservoir.restored(self.reservoir_, self.n_features_in_)

    def _prepare(self, data: Data) -> tuple[Reservoir, np.ndarray]:
        reservoir, X = super()._prepare(data)
        if self.plasticity_epochs:
            rate, spread = self.plasticity_rate, self.plasticity_spread
            reservoir = reservoir.adapted(X, beginnings(data.lengths), self.plasticity_epochs, rate, spread, self)
        return reservoir, X

    @property
    def recurrent_weights_(self) -> Any:
        """W of shape (H, H), a sparse matrix."""
        return self._restored().matrix()


def beginnings(lengths: torch.Tensor) -> np.ndarray:
    """Which steps are the first of their sequence, truth values of shape (S,)."""
    L = lengths.numpy(force=True)
    first = np.zeros(int(L.sum()), dtype=bool)
    first[(np.cumsum(L) - L)[L > 0]] = True
    return first


def last_known(X: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Steps X (S, D) with the last known number of its sequence in place of each missing one, NaN if there is none."""
    known = ~np.isnan(X)
    if known.all():
        return X
    step = np.arange(len(X))[:, None]
    start = np.maximum.accumulate(np.where(first[:, None], step, 0))
    last = np.maximum.accumulate(np.where(known, step, -1))
    return np.where(last >= start, np.take_along_axis(X, last.clip(0), 0), np.nan)
