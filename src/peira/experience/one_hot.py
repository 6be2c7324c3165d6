r"""One-hot code: each symbol has a unit of its own.

.. math:: x(v_k) = e_k, \quad x_j = [j = k], \quad j = 1, \ldots, K

All symbols are equally unlike, at a distance of the square root of 2: nothing is claimed about them. A linear function
of the code is a table with one entry a symbol, and the cross-entropy between the code and predicted probabilities is
the negative log-likelihood of the symbol,

.. math:: - \sum_j x_j \log p_j = - \log p_k

It costs K numbers a step; where K is large, give nets the positions of the symbols and let them look up a row.

Localist coding as in Hinton, McClelland & Rumelhart (1986), Distributed representations, in: Parallel Distributed
Processing, volume 1.
"""

import torch

from peira.core.card import Card
from peira.core.inputs import Data

from .coding import SymbolCode


class OneHotCode(SymbolCode):
    """Symbols as vectors with a single one.

    Examples
    --------
    >>> code = OneHotCode().fit(["abba", "cab"])
    >>> code.transform(["ca"])[0].tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    >>> code.inverse_transform([[[0.1, 0.7, 0.2]]])[0].tolist()
    ['b']
    """

    card = Card(
        tasks="representation",
        reference="Hinton, McClelland & Rumelhart (1986)",
        cost="T K",
        exact=True,
        data="symbols",
    )

    def _rows(self, data: Data) -> torch.Tensor:
        return torch.eye(len(self.symbols_), dtype=torch.float64)
