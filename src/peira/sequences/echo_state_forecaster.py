r"""An echo state network that goes on by itself: only its readout is learned, and it is fed with what it says.

.. math:: x_t = (1 - a) x_{t-1} + a \tanh(W x_{t-1} + V y_t + b + \nu_t)
.. math:: \hat y_{t+1} = \beta + B^T (x_t, y_t)

W and V are drawn once and stay as they are (:mod:`~peira.sequences.reservoir`). While it learns, the reservoir is fed
with the series itself (teacher forcing), with a little noise :math:`\nu` on its units if asked for, and B is ridge
regression of the next step on the states. A forecast closes the loop: :math:`\hat y_{t+1}` takes the place of
:math:`y_{t+1}`.

**How sure.** One-step errors have the covariance that generalised cross-validation expects. They are fed back, too:
paths with drawn errors run beside the one without, and their distance from it is the standard deviation at every step.
That counts what a small error becomes, not that another reservoir would have said something else.

**Use it** for series whose next step follows from a longer past in a smooth, nonlinear way (chaotic and oscillating
systems), and where training must be cheap. The spectral radius, the leak and the input scaling matter most: slow series
want a small leak. A series that leaves the range it was learned in, or with seasons far longer than the memory, is for
state-space models; differences or seasonal differences help.

**Cost.** T (H K + H^2) for T steps, H units and K connections, and H^3 for the readout. Memory: H^2, whatever the
steps.

Reference: Jaeger (2001), GMD Report 148; Jaeger & Haas (2004), Science 304, 78-80.
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, param
from ..core.errors import DataError, UnreadableError
from ..core.inputs import Data, Queries
from ..core.kinds.forecaster import Forecaster
from ..core.predictive import Normal
from ..numerics.ragged import owners, starts
from .echo_state import EchoStateMethod, beginnings
from .reservoir import Reservoir
from .reservoir_readout import PreciseSums, Sums, ridge
from .reservoir_steps import run_free

PATHS = 63  # simulated ones, beside the one without errors


class EchoStateForecaster(EchoStateMethod, Forecaster):
    """Forecasts by an echo state network that is fed with what it says.

    Attributes
    ----------
    reservoir_ : dict
        Its weights.
    input_mean_, input_scale_ : array of shape (D,)
        By which the steps are standardised before they are fed in.
    readout_ : array of shape (H + D, D)
        B, for states and standardised steps.
    intercept_ : array of shape (D,)
    covariance_ : array of shape (D, D)
        Of the errors of one step.
    alpha_ : float
        The penalty of the readout, given or chosen.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import EchoStateForecaster
    >>> t = np.arange(400)
    >>> wave = np.sin(t / 5) + np.sin(t / 11)
    >>> model = EchoStateForecaster(units=100, random_state=0).fit(wave[:380])
    >>> bool(np.abs(model.predict(wave[:380], horizon=20) - wave[380:]).max() < 0.1)
    True
    """

    card = Card(
        tasks="forecasting",
        reference="Jaeger (2001), GMD Report 148; Jaeger & Haas (2004)",
        cost="T H^2 + H^3 for T steps and H units",
        data="sequences",
    )
    washout: int | Literal["auto"] = param(
        "auto", "first steps of each series that only warm the reservoir up; a tenth of it, 100 at most", low=0
    )
    noise: float = param(0.0, "largest noise on the drive of a unit while it learns: makes free runs stable", low=0)

    direct: bool = param(True, "read the last step beside the states; without, forecasts stay bounded")
    precise: bool = param(True, "keep small variations of the states apart, which series without noise need; 2 x time")

    @classmethod
    def example(cls) -> "EchoStateForecaster":
        return cls(units=20, washout=1, random_state=0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "EchoStateForecaster":
        """Draw a reservoir, and learn to read the next step from its states.

        Parameters
        ----------
        X : sequences
            N series, of D numbers a step.
        y : ignored
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal series.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If no series has more steps than the washout and one to forecast.
        """
        data = self._begin(X, None, sample_weight)
        kept, w = self._learned_from(data)
        reservoir, U = self._prepare(data)
        D = U.shape[1]
        sums = (PreciseSums if self.precise else Sums)(reservoir.units + D, D)
        steps, inputs = data.X.cpu(), torch.from_numpy(U) * self.direct
        noise = np.random.default_rng([data.seed, 1])
        for rows, S in reservoir.blocks(U, beginnings(data.lengths), self.noise, noise):
            at = kept[rows].nonzero()[:, 0]
            block = torch.from_numpy(S) if len(at) == len(S) else torch.from_numpy(S)[at]
            at = at + rows.start
            sums.add((block, inputs[at], steps[at + 1]), None if w is None else w[at])
        readout = ridge(sums, self.alpha)
        self._keep(reservoir, readout)
        self.covariance_ = readout.variance.numpy()
        if not (np.isfinite(self.readout_).all() and np.isfinite(self.covariance_).all()):
            raise DataError(
                f"numbers up to {float(data.X.abs().max()):.3g} overflow when EchoStateForecaster squares them: divide "
                "the columns by a common unit first"
            )
        return self

    def _learned_from(self, data: Data) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Which steps have a next one and lie beyond the washout, of shape (S,), and the steps' weights."""
        lengths = data.lengths.cpu()
        owner = owners(lengths)
        place = torch.arange(len(owner)) - starts(lengths)[owner]
        washout = (lengths // 10).clamp(max=100) if self.washout == "auto" else torch.full_like(lengths, self.washout)
        kept = (place >= washout[owner]) & (place + 1 < lengths[owner])
        w = None if data.w is None else data.w.cpu()[owner]
        if not kept.any() or (w is not None and not float(w[kept].sum())):
            raise DataError(
                f"EchoStateForecaster learns from steps beyond the washout ({self.washout}) that have a next one; the "
                f"longest series has {int(lengths.max())} steps: lower washout, or give longer series"
            )
        return kept, w

    def _forecast(self, queries: Queries, horizon: int) -> Normal:
        reservoir = self._restored()
        last = queries.X.cpu()[queries.lengths.cpu().cumsum(0) - 1].numpy()
        N, D = last.shape
        said, spread = np.empty((N, horizon, D)), np.empty((N, horizon, D))
        run_free(
            self._last_states(reservoir, queries), np.ascontiguousarray(last), self._errors(horizon), said, spread,
            reservoir.values, reservoir.columns, reservoir.starts, reservoir.inputs, reservoir.bias, reservoir.leak,
            np.ascontiguousarray(self.readout_), self.intercept_, self.input_mean_, self.input_scale_,
        )  # fmt: skip
        if not (np.isfinite(said).all() and np.isfinite(spread).all()):
            h = int((~np.isfinite(said + spread)).any(axis=(0, 2)).argmax())
            raise DataError(
                f"EchoStateForecaster's own forecasts, fed back, grow without bound by step {h + 1}: raise alpha, "
                "learn with noise, or give direct=False"
            )
        parts = (torch.from_numpy(a).to(queries.device) for a in (said, spread))
        return Normal(*parts, as_numpy=queries.as_numpy)

    def _last_states(self, reservoir: Reservoir, queries: Queries) -> np.ndarray:
        """The state after each history, of shape (N, H)."""
        ends = queries.lengths.cpu().numpy().cumsum() - 1
        found = np.empty((len(ends), reservoir.units))
        n = 0
        for rows, S in reservoir.blocks(self._standardised(queries), beginnings(queries.lengths)):
            m = int(np.searchsorted(ends, rows.stop))
            found[n:m] = S[ends[n:m] - rows.start]
            n = m
        return found

    def _errors(self, horizon: int) -> np.ndarray:
        """Errors of each step for the paths (horizon, D, 1 + PATHS), none for the first.

        The others have exactly the covariance of the one-step errors, where there are more paths than numbers a step.
        """
        D = len(self.intercept_)
        E = np.random.default_rng([self.seed_, 2]).standard_normal((horizon, PATHS, D))
        if D < PATHS:
            E = np.linalg.qr(E - E.mean(1, keepdims=True))[0] * np.sqrt(PATHS)
        values, V = np.linalg.eigh(self.covariance_)
        root = V * np.sqrt(values.clip(0))
        return np.concatenate([np.zeros((horizon, D, 1)), root @ E.transpose(0, 2, 1)], 2)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, C = self.n_features_in_, getattr(self, "covariance_", None)
        if self.readout_.shape[1] != D:
            raise UnreadableError(f"readout_ of a stored EchoStateForecaster must have {D} columns")
        if not (isinstance(C, np.ndarray) and C.shape == (D, D) and C.dtype == np.float64 and np.isfinite(C).all()):
            raise UnreadableError(f"covariance_ of a stored EchoStateForecaster must be {D} x {D} finite numbers")
        if type(getattr(self, "seed_", None)) is not int or self.seed_ < 0:
            raise UnreadableError("seed_ of a stored EchoStateForecaster must be a whole number")
