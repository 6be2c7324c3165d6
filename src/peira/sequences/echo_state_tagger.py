r"""A label for every step, read from the state of an echo state network at that step.

.. math:: x_t = (1 - a) x_{t-1} + a \tanh(W x_{t-1} + V u_t + b)
.. math:: s_{tc} = \beta_c + b_c^T (x_t, u_t)

The state remembers the steps before; a ridge regression on the indicators of the labels reads it. Scores become
probabilities by a softmax with one factor, which makes the labels of left-out steps most probable. What is still to
come is not known to the state: with ``delay`` d, the label of step t is read at step t + d, when the d steps after it
have been seen (at the end of a sequence its last step is fed in again).

**Use it** for labels that follow from the recent past, and where training must be cheap. Labels that follow each other
by rules (a grammar) are for hidden Markov models, which decide jointly.

**Cost.** S (H K + H^2) for S steps, H units and K connections, and H^3. Memory: H^2, whatever the steps.

Reference: Lukosevicius & Jaeger (2009), Computer Science Review 3, 127-149, section 8.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from ..core import Card, integer, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from ..core.kinds.tagger import Tagger
from ..numerics.ragged import owners, starts
from .echo_state import EchoStateMethod, beginnings
from .reservoir import Reservoir
from .reservoir_reading import ReservoirReader
from .reservoir_readout import check_sharpness


class EchoStateTagger(EchoStateMethod, ReservoirReader, Tagger):
    """Labels of steps, read linearly from an echo state network.

    Attributes
    ----------
    reservoir_ : dict
        Its weights.
    input_mean_, input_scale_ : array of shape (D,)
        By which the steps are standardised before they are fed in.
    readout_, intercept_ : array of shape (H + D, C) and (C,)
    sharpness_ : float
        The factor of the scores in the softmax.
    alpha_ : float
        The penalty of the readout, given or chosen.
    delay_ : int
        How many steps later a label is read.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import EchoStateTagger
    >>> wave = np.sin(np.arange(200) / 5)
    >>> rising = np.where(np.cos(np.arange(200) / 5) > 0, "up", "down")
    >>> model = EchoStateTagger(units=50, random_state=0).fit([wave], [rising])
    >>> float(model.score([wave], [rising])) > 0.95
    True
    """

    card = Card(
        tasks="tagging",
        reference="Lukosevicius & Jaeger (2009), section 8",
        cost="T H^2 + H^3 for T steps and H units",
        data="sequences",
        missing=True,
    )
    delay: int = param(0, "steps after a step that are seen before its label is read", low=0, tune=integer(0, 5))

    @classmethod
    def example(cls) -> "EchoStateTagger":
        return cls(units=20, random_state=0)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "EchoStateTagger":
        """Draw a reservoir, and learn to read labels from its states.

        Parameters
        ----------
        X : sequences
            N of them, of D numbers a step.
        y : list of N arrays, or Sequences
            One label a step.
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal sequences.

        Returns
        -------
        self
        """
        data = self._begin(X, y, sample_weight)
        self.delay_ = int(self.delay)
        w = None if data.w is None else data.w.cpu()[owners(data.lengths.cpu())]
        indicators = data.codes.cpu()[:, None] == torch.arange(len(data.classes))
        readout, rows_to_judge = self._learn(data, indicators, w)
        self.sharpness_ = rows_to_judge.sharpness(readout)
        return self

    def _read(self, reservoir: Reservoir, U: np.ndarray, lengths: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        lengths, d = lengths.cpu(), self.delay_
        if not d:
            for rows, S in reservoir.blocks(U, beginnings(lengths)):
                yield rows, torch.from_numpy(np.concatenate([S, U[rows]], 1))
            return
        owner, longer = owners(lengths + d), lengths + d
        place = torch.arange(len(owner)) - starts(longer)[owner]
        fed = (starts(lengths)[owner] + torch.minimum(place, lengths[owner] - 1)).numpy()  # the last step again
        told, done = (place >= d).numpy(), 0
        for rows, S in reservoir.blocks(U[fed], beginnings(longer)):
            found = S[told[rows]]
            at = slice(done, done + len(found))
            done = at.stop
            yield at, torch.from_numpy(np.concatenate([found, U[at]], 1))

    def _log_probs(self, queries: Queries) -> torch.Tensor:
        return (self.sharpness_ * self._said(queries)).log_softmax(1)

    def _check_learned(self) -> None:
        super()._check_learned()
        check_sharpness(self)
        d = getattr(self, "delay_", None)
        if type(d) is not int or not 0 <= d <= 1_000_000:
            raise UnreadableError(f"delay_ of a stored EchoStateTagger must be a whole number, got {d!r}")
