"""How many bits a symbol takes under a model of texts.

.. math:: b = -\\frac{\\sum_n \\log_2 p(x_n)}{\\sum_n T_n}

over texts of T_n symbols: a ratio of two means, whose interval is that of a function of means over texts. Perplexity is
2 to the power of it.

Reference: Shannon (1951), Prediction and entropy of printed English.
"""

from typing import Any

import numpy as np

from .measure import Measure


def _bits_and_symbols(y: Any, answer: Any, w: Any = None) -> np.ndarray:
    """Of each text, its bits under the model and its symbols: y holds lengths, the answer log probabilities in nats."""
    return np.column_stack([-np.asarray(answer, dtype=np.float64) / np.log(2), np.asarray(y, dtype=np.float64)])


def _ratio(means: np.ndarray) -> np.ndarray:
    return means[:, 0] / means[:, 1]


MEASURES = (
    Measure("bits", "bits per symbol", "lower", (0, float("inf")), "bits", "log_prob", _bits_and_symbols, _ratio,
            statistic="function", tasks=("language",), aliases=("bits_per_symbol", "bits_per_character")),
    Measure("perplexity", "perplexity", "lower", (1, float("inf")), "symbols", "log_prob", _bits_and_symbols,
            lambda means: 2 ** _ratio(means), statistic="function", tasks=("language",)),
)  # fmt: skip
