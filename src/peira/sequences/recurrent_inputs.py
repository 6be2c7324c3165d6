r"""What goes into a net of sequences: standardised vectors, or learned vectors of symbols.

A number is centred and scaled by its mean and deviation over all steps of all sequences (by their weights),

.. math:: z = (x - m) / d

and one that was not observed becomes 0, the mean. Of each number that was missing somewhere while the net learned, a
further one says whether it is there; a number that never was is taken for its mean when it is missing later, since the
net knows nothing of gaps in it. A symbol becomes a vector of E numbers that is learned with the net; a missing one, and
one that was not seen while learning, becomes the zero vector.
"""

from abc import abstractmethod

import numpy as np
import torch
from torch import nn

from peira.core.errors import UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.kinds.sequence_method import SequenceMethod, SymbolMethod
from peira.core.method import Method
from peira.core.params import integer, param


class SequenceInputs(Method):
    """Base of the two doors of nets for sequences."""

    @abstractmethod
    def _learn_inputs(self, data: Data) -> None:
        """Note what is needed to read steps."""

    @abstractmethod
    def _read(self, queries: Queries) -> torch.Tensor:
        """The steps as the net takes them, of shape (S, ...)."""

    @abstractmethod
    def _entrance(self) -> tuple[nn.Module, int]:
        """The first layer of the net, and the numbers of a step that it gives."""


class VectorInputs(SequenceMethod, SequenceInputs):
    """Steps that are vectors.

    Attributes
    ----------
    mean_, scale_ : array of shape (D,)
        What each number of a step is centred and scaled by; the scale of a constant one is 1.
    gaps_ : bool array of shape (D,)
        Of which numbers the net is told whether they are there.
    """

    _dtype = torch.float64
    mean_: np.ndarray
    scale_: np.ndarray
    gaps_: np.ndarray

    def _learn_inputs(self, data: Data) -> None:
        there = ~torch.isnan(data.X)
        w = there if data.w is None else data.w.repeat_interleave(data.lengths)[:, None] * there
        count = w.sum(0).to(data.X)
        mean = (w * data.X.nan_to_num()).sum(0) / torch.where(count > 0, count, 1.0)
        spread = ((w * (data.X.nan_to_num() - mean) ** 2).sum(0) / torch.where(count > 0, count, 1.0)).sqrt()
        constant = spread <= 1e-12 * mean.abs()
        self.mean_ = mean.numpy(force=True)
        self.scale_ = torch.where(constant | (spread == 0), 1.0, spread).numpy(force=True)
        self.gaps_ = (~there.all(0)).numpy(force=True)

    def _read(self, queries: Queries) -> torch.Tensor:
        z = ((queries.X - queries.tensor(self.mean_)) / queries.tensor(self.scale_)).float()
        if not self.gaps_.any():
            return z.nan_to_num()
        return torch.cat([z.nan_to_num(), (~torch.isnan(z[:, self.gaps_])).float()], 1)

    def _entrance(self) -> tuple[nn.Module, int]:
        return nn.Identity(), len(self.mean_) + int(self.gaps_.sum())

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        owner, D = type(self).__name__, self.n_features_in_
        for name in ("mean_", "scale_"):
            value = getattr(self, name, None)
            if not (isinstance(value, np.ndarray) and value.shape == (D,) and value.dtype == np.float64):
                raise UnreadableError(f"a stored {owner} needs {name} to be {D} numbers, one for each of a step")
        if not np.isfinite(self.mean_).all() or not (self.scale_ > 0).all() or not np.isfinite(self.scale_).all():
            raise UnreadableError(f"a stored {owner} needs finite mean_, and scale_ above 0")
        gaps = getattr(self, "gaps_", None)
        if not (isinstance(gaps, np.ndarray) and gaps.shape == (D,) and gaps.dtype == np.bool_):
            raise UnreadableError(f"a stored {owner} needs gaps_ to be {D} truth values")


class SymbolInputs(SymbolMethod, SequenceInputs):
    """Steps that are symbols."""

    _unknown_ok = True

    embedding: int = param(32, "numbers of the vector that stands for a symbol, E", low=1, tune=integer(8, 128))

    def _learn_inputs(self, data: Data) -> None:
        """Symbols are noted by the door."""

    def _read(self, queries: Queries) -> torch.Tensor:
        codes, K = queries.X[:, 0], len(self.symbols_)
        return torch.where(codes < 0, K, codes)

    def _entrance(self) -> tuple[nn.Module, int]:
        K = len(self.symbols_)
        return nn.Embedding(K + 1, self.embedding, padding_idx=K), self.embedding
