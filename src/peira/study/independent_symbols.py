r"""Independent symbols: what any model of a text has to beat.

.. math:: p(x_1, \ldots, x_T) = \prod_t p(x_t), \quad p(s) = (n_s + 1) / (n + K)

with n symbols counted, n_s the count of each, and K kinds of them, one for all that were never seen (Laplace's rule).
It knows which symbols are frequent, and nothing of what follows what. A symbol that is missing counts for nothing.

**Cost.** One pass. Reference: Shannon (1951), Prediction and entropy of printed English, the estimate F_1.
"""

from typing import Any

import torch

from ..core import Card, Density, Method, SymbolMethod, UnreadableError
from ..core.inputs import Queries
from ..numerics.ragged import owners


def check_logs(method: Method, name: str, count: int) -> None:
    """Refuse a learned value that is not the logarithms of so many probabilities."""
    value = getattr(method, name, None)
    if not (isinstance(value, torch.Tensor) and value.shape == (count,) and value.dtype == torch.float64) or not (
        torch.isfinite(value).all() and (value <= 0).all()
    ):
        raise UnreadableError(f"a stored {type(method).__name__} needs {name} to be logarithms of {count} shares")


class IndependentSymbols(SymbolMethod, Density):
    """Independent symbols, each by its frequency.

    Attributes
    ----------
    log_frequencies_ : tensor of shape (K + 1,)
        The last one is for a symbol that was never seen.

    Examples
    --------
    >>> from peira.study.independent_symbols import IndependentSymbols
    >>> import numpy as np
    >>> np.exp(IndependentSymbols().fit("aab").log_prob(["ab"])).round(4)  # 3/6 times 2/6
    array([0.1667])
    """

    card = Card(
        tasks=("language", "density"),
        reference="Shannon (1951)",
        cost="S",
        exact=True,
        missing=True,
        baseline=True,
        data="symbols",
    )
    _empty_ok = True
    _unknown_ok = True

    def fit(self, X: Any, y: Any = None, *, symbols: Any = None) -> "IndependentSymbols":
        """Count the symbols.

        Parameters
        ----------
        X : sequences of symbols
        y : ignored
        symbols : sequence of symbols, optional
            Those there are, where some may be missing from ``X``.
        """
        data = self._begin(X, symbols=symbols)
        steps = data.X[:, 0]
        counts = torch.bincount(steps[steps >= 0], minlength=len(self.symbols_) + 1).double()
        self.log_frequencies_ = ((counts + 1) / (counts + 1).sum()).log()
        return self

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            check_logs(self, "log_frequencies_", len(self.symbols_) + 1)

    def _log_density(self, queries: Queries) -> torch.Tensor:
        steps = queries.X[:, 0]
        each = torch.where(steps >= 0, self.log_frequencies_.to(queries.device)[steps], 0.0)
        total = torch.zeros(len(queries), dtype=torch.float64, device=queries.device)
        return total.index_add(0, owners(queries.lengths), each)
