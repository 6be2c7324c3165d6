r"""A label for a whole sequence, read from the states of an echo state network.

.. math:: x_t = (1 - a) x_{t-1} + a \tanh(W x_{t-1} + V u_t + b)
.. math:: z = \left( \bar x_1, \bar u_1, ..., \bar x_K, \bar u_K \right), \quad s_c = \beta_c + b_c^T z

The reservoir (:mod:`~peira.sequences.reservoir`) turns each sequence, however long, into states; their means over K
equal sections of it, and those of the steps themselves, are read linearly: ridge regression on the indicators of the
classes. Scores become probabilities by a softmax with one factor, which makes the labels of left-out sequences most
probable.

**Use it** where sequences differ in length, training must be cheap, and what tells the classes apart is in the course
of the values rather than in a single moment. It is a strong, fast baseline for recurrent nets.

**Cost.** H (K + D) a step for H units with K connections, then N F^2 + F^3 for F = sections (H + D) numbers read.
Memory: F^2, whatever the sequences.

Reference: Jaeger, Lukosevicius, Popovici & Siewert (2007), Neural Networks 20, 335-352, section 4 (there the states of
a few equally spaced steps, without means).
"""

from ..core import Card
from .echo_state import EchoStateMethod
from .reservoir_classifier import ReservoirClassifier


class EchoStateClassifier(EchoStateMethod, ReservoirClassifier):
    """Labels of sequences, read linearly from an echo state network.

    Attributes
    ----------
    reservoir_ : dict
        Its weights.
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
    >>> from peira.sequences import EchoStateClassifier
    >>> slow, fast = ([np.sin(f * np.arange(n)) for n in range(20, 40)] for f in (0.2, 0.5))
    >>> model = EchoStateClassifier(units=50, random_state=0).fit(slow[::2] + fast[::2], ["slow"] * 10 + ["fast"] * 10)
    >>> model.predict([slow[1], fast[1]])
    array(['slow', 'fast'], dtype='<U4')
    """

    card = Card(
        tasks="classification",
        reference="Jaeger, Lukosevicius, Popovici & Siewert (2007)",
        cost="T H K + N H^2 + H^3 for T steps in all, H units with K connections",
        data="sequences",
        missing=True,
    )

    @classmethod
    def example(cls) -> "EchoStateClassifier":
        return cls(units=20, sections=1, random_state=0)
