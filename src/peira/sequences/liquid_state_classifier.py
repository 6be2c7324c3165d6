r"""A label for a whole sequence, read from the spikes that it stirs up in a liquid (a liquid state machine).

.. math:: \tau \frac{dv}{dt} = -v + b + V u + s
.. math:: z = \left( \bar r_1, \bar u_1, ..., \bar r_K, \bar u_K \right), \quad s_c = \beta_c + b_c^T z

A net of spiking units (:mod:`~peira.sequences.liquid_state`), drawn once, hears the sequence; the means of its units'
fading spikes r over K equal sections of it are read linearly, as in an echo state network.

**Use it** to study what spiking nets keep of their inputs: different inputs lead to different states, the more so the
more they differ (separation). An echo state network needs no milliseconds within a step, and has fewer parameters to
set.

**Cost.** About H operations a millisecond of each step, and K for each spike; then N F^2 + F^3 for F = sections (H + D)
numbers read.

Reference: Maass, Natschlaeger & Markram (2002), Neural Computation 14, 2531-2560.
"""

import numpy as np

from ..core import Card, log, param
from .liquid_state import Liquid
from .reservoir_classifier import ReservoirClassifier


class LiquidStateClassifier(ReservoirClassifier):
    """Labels of sequences, read linearly from the spikes of a liquid.

    Attributes
    ----------
    reservoir_ : dict
        Its weights and time constants.
    input_mean_, input_scale_ : array of shape (D,)
        By which the steps are standardised before they are fed in.
    readout_, intercept_ : array of shape (F, C) and (C,)
    sharpness_ : float
        The factor of the scores in the softmax.
    alpha_ : float
        The penalty of the readout, given or chosen.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import LiquidStateClassifier
    >>> slow, fast = ([np.sin(f * np.arange(n)) for n in range(20, 40)] for f in (0.2, 0.8))
    >>> model = LiquidStateClassifier(random_state=0).fit(slow[::2] + fast[::2], ["slow"] * 10 + ["fast"] * 10)
    >>> model.predict([slow[1], fast[1]])
    array(['slow', 'fast'], dtype='<U4')
    """

    card = Card(
        tasks="classification",
        reference="Maass, Natschlaeger & Markram (2002)",
        cost="T H K + N H^2 + H^3 for T milliseconds in all, H units with K connections",
        data="sequences",
        missing=True,
        on_request="it is meant for the study of spiking nets",
    )
    units: int = param(135, "spiking units of the liquid", low=1, positional=True)
    connections: int = param(10, "units that a unit's spikes reach", low=0)
    strength: float = param(0.1, "mean jump of a current at an exciting spike; the threshold is 1", low=0)
    input_scaling: float = param(0.5, "largest input weight", low=0, tune=log(0.1, 3.0))
    bias: float = param(0.9, "mean constant current; above 1 a unit fires by itself", low=0)
    membrane: float = param(30.0, "time constant of the potential, ms", above=0, high=1e6)
    synapse: float = param(5.0, "time constant of the synaptic current, ms", above=0, high=1e6)
    trace: float = param(30.0, "time constant of the fading spikes that are read, ms", above=0, high=1e6)
    rest: int = param(3, "time without a spike after a spike, ms", low=0, high=10_000)
    duration: int = param(10, "how long a step of a sequence lasts, ms", low=1, high=10_000)

    @classmethod
    def example(cls) -> "LiquidStateClassifier":
        return cls(units=20, sections=1, duration=5, random_state=0)

    def _drawn(self, D: int, rng: np.random.Generator) -> Liquid:
        times = {name: float(getattr(self, name)) for name in ("membrane", "synapse", "trace")}
        return Liquid.draw(
            self.units, D, rng, strength=self.strength, connections=self.connections, bias=self.bias,
            input_scaling=self.input_scaling, rest=int(self.rest), duration=int(self.duration), **times,
        )  # fmt: skip

    def _restored(self) -> Liquid:
        return Liquid.restored(self.reservoir_, self.n_features_in_)
