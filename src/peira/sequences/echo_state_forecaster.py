r"""An echo state network that goes on by itself: only its readout is learned, and it is fed with what it says.

.. math:: x_t = (1 - a) x_{t-1} + a \tanh(W x_{t-1} + V v_t + b + \nu_t)
.. math:: \hat v_{t+1} = \beta + B^T (x_t, v_t)

W and V are drawn once and stay as they are (:mod:`~peira.sequences.reservoir`). What is fed in, v, is the series or its
differences. While it learns, the reservoir is fed with the series itself (teacher forcing), with a little noise
:math:`\nu` on its units if asked for, and B is ridge regression of the next step on the states. A forecast closes the
loop: :math:`\hat v_{t+1}` takes the place of :math:`v_{t+1}`.

**What is chosen, and how sure it is.** The loop feeds errors back, so that a readout that is best one step ahead may
run away. Stretches of the series are held back, and readouts learned from the rest run freely over them
(:mod:`~peira.sequences.echo_state_loop`): that chooses the penalty and whether to difference, and its errors at each
step ahead are the standard deviations told with a forecast. A forecast that leaves ten times the range of what was
seen is refused.

**Missing steps.** A missing number is fed in as the last known one; a step that is not wholly known, or has no known
next one, is not learned from.

**Use it** for series whose next step follows from a longer past in a smooth, nonlinear way (chaotic and oscillating
systems), and where training must be cheap. The spectral radius, the leak and the input scaling matter most: slow series
want a small leak. Series with seasons far longer than the memory are for state-space models.

**Cost.** T (H K + H^2) for T steps, H units and K connections, and H^3 for the readout; twice that to choose whether to
difference, and as much again for 6,400 steps of free runs with each penalty. Memory: H^2, whatever the steps.

Reference: Jaeger (2001), GMD Report 148; Jaeger & Haas (2004), Science 304, 78-80.
"""

import copy
from operator import itemgetter
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, param
from ..core.errors import DataError, UnreadableError
from ..core.inputs import Data, Queries
from ..core.kinds.forecaster import Forecaster
from ..core.predictive import Normal
from ..numerics.ragged import owners, starts
from .echo_state import EchoStateMethod, beginnings, last_known
from .echo_state_loop import HeldBack, Loop, judge, reach_of, spread_ahead, within_reach
from .reservoir import Reservoir
from .reservoir_readout import PreciseSums, Sums, ridge, ridges

GROUP = 256  # histories that go on side by side


class EchoStateForecaster(EchoStateMethod, Forecaster):
    """Forecasts by an echo state network that is fed with what it says.

    Attributes
    ----------
    reservoir_ : dict
        Its weights.
    input_mean_, input_scale_ : array of shape (D,)
        By which the steps, or their differences, are standardised before they are fed in.
    readout_ : array of shape (H + D, D)
        B, for states and standardised steps.
    intercept_ : array of shape (D,)
    spread_ : array of shape (V, D)
        Root mean squares of errors 1 to V steps ahead, in runs over what was held back.
    reach_ : array of shape (3, D)
        The least and the greatest number of each column, and its standard deviation.
    differences_ : int
        0 if the series was fed in as it is, 1 if its differences were.
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
        missing=True,
    )
    differences: Literal["auto", 0, 1] = param(
        "auto", "feed in the series (0) or its differences (1), or take what errs less on steps held back"
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
        steps = data.X.numpy(force=True)
        lengths = data.lengths.cpu()
        owner = owners(lengths)
        w = None if data.w is None else data.w.cpu()[owner]
        held = HeldBack(self._usable(data, owner, w), lengths, w)
        self.reach_ = reach_of(steps)
        orders = (0, 1) if self.differences == "auto" else (self.differences,)
        best = min((self._tried(data, held, d) for d in orders), key=itemgetter(0))
        _, alpha, self.spread_, sums, loop = best
        self.input_mean_, self.input_scale_, self.differences_ = loop.mean, loop.scale, loop.order
        self._keep(loop.reservoir, ridge(sums, alpha))
        if not (np.isfinite(self.readout_).all() and np.isfinite(self.spread_).all()):
            raise DataError(
                f"numbers up to {np.abs(self.reach_[:2]).max():.3g} overflow when EchoStateForecaster squares them: "
                "divide the columns by a common unit first"
            )
        return self

    def _usable(self, data: Data, owner: torch.Tensor, w: torch.Tensor | None) -> torch.Tensor:
        """Which steps, of shape (S,), are known, have a known next one and a weight, and lie beyond the washout."""
        lengths = data.lengths.cpu()
        place = torch.arange(len(owner)) - starts(lengths)[owner]
        washout = (lengths // 10).clamp(max=100) if self.washout == "auto" else torch.full_like(lengths, self.washout)
        known = ~data.X.cpu().isnan().any(1)
        usable = (place >= washout[owner]) & (place + 1 < lengths[owner]) & known & known.roll(-1)
        if w is not None:
            usable &= w > 0
        if not usable.any():
            raise DataError(
                f"EchoStateForecaster learns from known steps beyond the washout ({self.washout}) that have a known "
                f"next one; the longest series has {int(lengths.max())} steps: lower washout, or give longer series"
            )
        return usable

    def _fed(self, queries: Queries) -> np.ndarray:
        X = queries.X.numpy(force=True)
        if not self.differences_:
            return X
        first = beginnings(queries.lengths)
        return np.where(first[:, None], 0.0, np.nan_to_num(np.diff(last_known(X, first), axis=0, prepend=X[:1])))

    def _tried(self, data: Data, held: HeldBack, order: int) -> tuple[Any, ...]:
        """The loss on what is held back, the penalty, the errors ahead, the sums of all steps, and the loop."""
        self.differences_ = int(order)
        reservoir, U = self._prepare(data)
        loop = Loop(reservoir, self.input_mean_, self.input_scale_, self.differences_)
        sums = (PreciseSums if self.precise else Sums)(reservoir.units + U.shape[1], U.shape[1])
        targets, inputs = torch.from_numpy(self._fed(data)), torch.from_numpy(U * self.direct)
        late = [torch.empty(0, reservoir.units, dtype=torch.float64)]

        def count(into: Sums, states: torch.Tensor, at: torch.Tensor) -> None:
            into.add((states, inputs[at], targets[at + 1]), None if held.w is None else held.w[at])

        noise = np.random.default_rng([data.seed, 1])
        for rows, S in reservoir.blocks(U, beginnings(data.lengths), self.noise, noise):
            states, fold = torch.from_numpy(S), held.fold[rows]
            at = (fold == -1).nonzero()[:, 0]
            count(sums, states if len(at) == len(S) else states[at], at + rows.start)
            late.append(states[fold >= 0])
        kept, at = torch.cat(late), (held.fold >= 0).nonzero()[:, 0]
        steps, levels, size = data.X.numpy(force=True), self._levels(data), self.reach_[2]
        loss: Any = 0.0
        squares, weights = np.zeros((1, 1, 1)), np.zeros((1, 1))
        for turn in range(held.turns):
            part, others = copy.deepcopy(sums), held.fold[at] != turn
            count(part, kept[others], at[others])
            readouts = ridges(part, self.alpha)
            rows, truth, w = held.runs(turn, steps)
            begin = kept[torch.searchsorted(at, torch.from_numpy(rows))].numpy(), U[rows], levels[rows]
            square, lost = judge(loop, begin, truth, w, readouts, self.reach_)
            weight = (w[:, None, None] * ~np.isnan(truth)).sum(0)
            squares, weights = squares + square, weights + weight
            loss = loss + np.where(lost, np.inf, (square / weight.clip(1e-300) / size**2).mean((1, 2)))
        count(sums, kept, at)
        if not held.turns:
            return np.inf, self.alpha, size[None], sums, loop
        i = int(loss.argmin()) if np.isfinite(loss).any() else len(loss) - 1
        spread = np.sqrt(np.maximum.accumulate(squares[i] / weights.clip(1e-300)))
        return loss[i], readouts[i].alpha, spread, sums, loop

    def _levels(self, queries: Queries) -> np.ndarray:
        """The last known numbers at each step (S, D); midway between the extremes where there is none yet."""
        X = last_known(queries.X.numpy(force=True), beginnings(queries.lengths))
        return np.where(np.isnan(X), self.reach_[:2].mean(0), X)

    def _forecast(self, queries: Queries, horizon: int) -> Normal:
        loop = Loop(self._restored(), self.input_mean_, self.input_scale_, self.differences_)
        ends = queries.lengths.cpu().numpy().cumsum() - 1
        states = self._last_states(loop.reservoir, queries, ends)
        fed, last = self._standardised(queries)[ends], self._levels(queries)[ends]
        said = np.empty((len(ends), horizon, fed.shape[1]))
        for i in range(0, len(ends), GROUP):
            g = slice(i, i + GROUP)
            said[g] = loop.run(states[g], fed[g], last[g], self.readout_, self.intercept_, horizon)
        lost = ~within_reach(said, last, self.reach_).all(2)
        if lost.any():
            n = int(lost.any(1).argmax())
            raise DataError(
                f"EchoStateForecaster's own forecasts, fed back, grow without bound: after sequence {n} they are ten "
                f"ranges of the series away from it by step {int(lost[n].argmax()) + 1}; raise alpha, learn with "
                "noise, forecast differences (differences=1), or fewer steps"
            )
        spread = spread_ahead(self.spread_, horizon, self.differences_, self.reach_[2])
        parts = (torch.from_numpy(a).to(queries.device) for a in (said, np.broadcast_to(spread, said.shape).copy()))
        return Normal(*parts, as_numpy=queries.as_numpy)

    def _last_states(self, reservoir: Reservoir, queries: Queries, ends: np.ndarray) -> np.ndarray:
        """The state after each history, of shape (N, H)."""
        found = np.empty((len(ends), reservoir.units))
        n = 0
        for rows, S in reservoir.blocks(self._standardised(queries), beginnings(queries.lengths)):
            m = int(np.searchsorted(ends, rows.stop))
            found[n:m] = S[ends[n:m] - rows.start]
            n = m
        return found

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D = self.n_features_in_
        if self.readout_.shape[1] != D:
            raise UnreadableError(f"readout_ of a stored EchoStateForecaster must have {D} columns")
        for name, rows in (("spread_", None), ("reach_", 3)):
            a = getattr(self, name, None)
            if not (isinstance(a, np.ndarray) and a.dtype == np.float64 and a.ndim == 2 and np.isfinite(a).all()):
                raise UnreadableError(f"{name} of a stored EchoStateForecaster must be a matrix of finite numbers")
            if a.shape != (rows or max(len(a), 1), D) or (a[-1] < 0).any():
                raise UnreadableError(f"{name} of a stored EchoStateForecaster has shape {a.shape} for {D} columns")
        if type(getattr(self, "differences_", None)) is not int or self.differences_ not in (0, 1):
            raise UnreadableError("differences_ of a stored EchoStateForecaster must be 0 or 1")
