r"""Scores that are linear in the inputs: what the linear classifiers share.

.. math:: s_c(x) = w_{c0} + w_c^T x

The largest wins. For two classes only the difference of the scores matters, and it alone is kept, as scikit-learn
does: one row of weights, whose sign decides.
"""

import numpy as np
import torch

from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..core.kinds.classifier import Classifier
from .model import linear_map


class LinearClassifier(Classifier):
    """Base of the classifiers whose scores are linear in the inputs, and no probabilities.

    Attributes
    ----------
    coef_ : array of shape (C, D), or (1, D) for two classes
        Weights of the scores; for two classes those of the second against the first.
    intercept_ : array of shape (C,) or (1,)
        A class that cannot be has minus infinity.
    """

    def _learned(self, data: Data, coef: torch.Tensor, intercept: torch.Tensor) -> None:
        self.coef_, self.intercept_ = data.give(coef), data.give(intercept)

    def _scores(self, queries: Queries) -> torch.Tensor:
        S = linear_map(queries.X, queries.tensor(self.coef_)) + queries.tensor(self.intercept_)
        return torch.cat([torch.zeros_like(S), S], 1) if S.shape[1] == 1 else S

    def _check_learned(self) -> None:
        super()._check_learned()
        if not hasattr(self, "coef_"):
            return
        rows = 1 if len(self.classes_) == 2 else len(self.classes_)
        W, b = (np.asarray(v) for v in (self.coef_, getattr(self, "intercept_", None)))
        right = W.shape == (rows, self.n_features_in_) and b.shape == (rows,) and b.dtype.kind == W.dtype.kind == "f"
        if not (right and np.isfinite(W).all() and not np.isnan(b).any()):
            raise UnreadableError(
                f"{type(self).__name__} should have {rows} x {self.n_features_in_} finite weights and {rows} "
                f"constants, and has shapes {W.shape} and {b.shape}"
            )
