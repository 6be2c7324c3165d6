r"""A liquid: a fixed, random net of spiking units, whose recent spikes are its state.

.. math:: \tau \frac{dv}{dt} = -v + I(t), \quad I = b + V u + s

A unit (leaky integrate-and-fire) spikes when v reaches 1, goes back to 0 and rests for a while. A spike of unit j jumps
to the synaptic currents s of its targets by their weights; s decays with its own time constant. Four in five units
excite, the others inhibit, four times as strongly, so that activity neither dies nor explodes. Each step of a sequence
lasts several milliseconds, during which the inputs stand still and v is integrated exactly; what is read of a unit is
its spikes, each fading with a time constant,

.. math:: r \leftarrow r e^{-1 / \tau_r} + (spike)

At a constant current I > 1 a unit without synapses fires at the rate

.. math:: f = \left( t_{rest} + \tau \log \frac{I}{I - 1} \right)^{-1}

Costs, a millisecond: H steps for H units, and K for each spike of a unit with K targets.

Reference: Maass, Natschlaeger & Markram (2002), Neural Computation 14, 2531-2560 (there connections depend on distance,
and synapses on their use); the rate: Gerstner & Kistler (2002), Spiking Neuron Models, eq. 4.9.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..core.errors import UnreadableError
from ..numerics.compile import compiled
from .reservoir import check_weights

ROWS = 512  # steps in a block
NUMBERS = ("membrane", "synapse", "trace")
WHOLES = ("rest", "duration")


@dataclass(frozen=True, eq=False)
class Liquid:
    """The weights of H spiking units for inputs of D numbers; times in milliseconds.

    Attributes
    ----------
    values, targets, starts : array of shape (E,), (E,), (H + 1,)
        Weights of the outgoing connections of each unit.
    inputs, bias : array of shape (H, D), (H,)
    membrane, synapse, trace : float
        Time constants of v, of s, and of what is read.
    rest, duration : int
        How long a unit rests after a spike, and how long a step lasts.
    """

    values: np.ndarray
    targets: np.ndarray
    starts: np.ndarray
    inputs: np.ndarray
    bias: np.ndarray
    membrane: float
    synapse: float
    trace: float
    rest: int
    duration: int

    @classmethod
    def draw(
        cls, units: int, D: int, rng: np.random.Generator, *, strength: float, connections: int, input_scaling: float,
        bias: float, **times: Any,
    ) -> Self:  # fmt: skip
        """Draw a liquid; ``strength`` is the mean jump of an excited current, ``bias`` the mean constant current."""
        K = min(connections, units)
        targets = np.concatenate([rng.choice(units, K, replace=False) for _ in range(units)])
        sign = np.where(rng.permutation(units) < 0.8 * units, 1.0, -4.0)
        values = strength * np.repeat(sign, K) * rng.uniform(0, 2, units * K)
        V = input_scaling * rng.uniform(-1, 1, (units, D))
        return cls(values, targets, np.arange(units + 1) * K, V, bias * rng.uniform(0.8, 1.2, units), **times)

    @property
    def units(self) -> int:
        return len(self.bias)

    def blocks(self, X: np.ndarray, first: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """What is read after each of consecutive steps X (S, D), a block at a time, overwritten by the next."""
        v, s, r = (np.zeros(self.units) for _ in range(3))
        resting, room = np.zeros(self.units, dtype=np.int64), np.empty((min(ROWS, len(X)), self.units))
        fade_v, fade_s, fade_r = (float(np.exp(-1.0 / getattr(self, name))) for name in NUMBERS)
        for i in range(0, len(X), ROWS):
            rows = slice(i, min(i + ROWS, len(X)))
            S = np.matmul(X[rows], self.inputs.T, out=room[: rows.stop - i])
            S += self.bias
            run_liquid(
                S, first[rows], v, s, r, resting, self.values, self.targets, self.starts, fade_v, fade_s, fade_r,
                self.rest, self.duration,
            )  # fmt: skip
            yield rows, S

    def stored(self) -> dict[str, Any]:
        """Plain arrays and numbers, for keeping among what was learned."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def restored(cls, kept: dict[str, Any], D: int) -> Self:
        """The inverse of `stored`; refuses what no fit gives."""
        if not isinstance(kept, dict) or kept.keys() != cls.__dataclass_fields__.keys():
            raise UnreadableError(f"a stored liquid needs {', '.join(cls.__dataclass_fields__)}")
        check_weights("liquid", kept, ("values", "inputs", "bias"), ("targets", "starts"))
        values, targets, starts, inputs, bias = (
            kept[name] for name in ("values", "targets", "starts", "inputs", "bias")
        )
        H = len(bias) if bias.ndim == 1 else 0
        if not H or inputs.shape != (H, D) or len(starts) != H + 1 or values.shape != targets.shape:
            raise UnreadableError("the parts of a stored liquid do not fit together")
        if starts[0] != 0 or starts[-1] != len(values) or (np.diff(starts) < 0).any():
            raise UnreadableError("the units of a stored liquid do not follow each other")
        if len(targets) and not (targets.min() >= 0 and targets.max() < H):
            raise UnreadableError("a stored liquid has connections to units that it does not have")
        if not all(isinstance(kept[name], float) and 0 < kept[name] < 1e9 for name in NUMBERS):
            raise UnreadableError("the time constants of a stored liquid must be positive numbers")
        if not all(type(kept[name]) is int and 0 <= kept[name] <= 10_000 for name in WHOLES) or not kept["duration"]:
            raise UnreadableError("the durations of a stored liquid must be whole milliseconds, at most 10,000")
        return cls(**kept | {"inputs": np.ascontiguousarray(inputs)})


@compiled
def run_liquid(S, first, v, s, r, resting, values, targets, starts, fade_v, fade_s, fade_r, rest, duration):
    """Turn the currents S (T, H) of consecutive steps into what is read after each, in place.

    v, s, r and the times that units still rest, of shape (H,), are carried from block to block.
    """
    T, H = S.shape
    fired = np.empty(H, dtype=np.int64)
    for t in range(T):
        if first[t]:
            v[:] = 0.0
            s[:] = 0.0
            r[:] = 0.0
            resting[:] = 0
        for _ in range(duration):
            count = 0
            for i in range(H):
                r[i] *= fade_r
                if resting[i] > 0:
                    resting[i] -= 1
                else:
                    current = S[t, i] + s[i]
                    v[i] = current + (v[i] - current) * fade_v
                    if v[i] >= 1.0:
                        v[i] = 0.0
                        resting[i] = rest
                        r[i] += 1.0
                        fired[count] = i
                        count += 1
                s[i] *= fade_s
            for k in range(count):
                for e in range(starts[fired[k]], starts[fired[k] + 1]):
                    s[targets[e]] += values[e]
        for i in range(H):
            S[t, i] = r[i]
