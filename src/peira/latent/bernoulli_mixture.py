r"""Mixtures of Bernoullis: clusters of yes-or-no answers (latent class analysis).

.. math:: p(x) = \sum_k \pi_k \prod_j \mu_{kj}^{x_j} (1 - \mu_{kj})^{1 - x_j}

Within a class the columns are independent; what makes columns go together is the class. EM:

.. math:: \mu_{kj} = \sum_n r_{nk} x_{nj} / \sum_n r_{nk}

**Use it** for questionnaires, presence of words or species, black and white images. Columns that depend on each other
within a class split it into several.

Not every mixture of Bernoullis is determined by its distribution (Gyllenberg et al. 1994): with few columns different
tables give the same likelihood.

Cost: 2 N K D a step; memory is the data.

Reference: Bishop (2006), Pattern Recognition and Machine Learning, 9.3.3, eqs 9.47 to 9.60; Lazarsfeld & Henry (1968).
"""

import math
from typing import Literal

import numpy as np
import torch

from ..core import Card, DataError, UnreadableError, log, param
from ..core.inputs import Data, Queries
from .binary_components import BernoulliComponents
from .mixture import Mixture
from .mixture_components import Rows


class BernoulliMixture(Mixture):
    """Mixture of Bernoullis by EM: latent classes of yes-or-no columns.

    Attributes
    ----------
    weights_ : array of shape (K,)
    probabilities_ : array of shape (K, D)
        How often each column is 1 in each component.
    thresholds_ : array of shape (D,)
        Values above are 1; absent for ``binarize=None``.
    labels_, lower_bound_, converged_, n_iter_, restarts_
        As of `Mixture`.

    Examples
    --------
    >>> from peira.latent import BernoulliMixture
    >>> X = [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]]
    >>> sorted(BernoulliMixture(2, random_state=0).fit(X).probabilities_[:, 0].round(3).tolist())
    [0.0, 1.0]
    """

    card = Card(
        tasks=("clustering", "density"),
        reference="Bishop (2006) 9.3.3; Lazarsfeld & Henry (1968)",
        cost="T N K D",
        on_request="it sees only whether a value is high or low: name it where columns are yes or no",
    )
    binarize: float | Literal["midrange"] | None = param(
        "midrange",
        "values above are 1, the others 0; 'midrange' is halfway between a column's ends; None demands zeros and ones",
        above=-math.inf,
    )
    floor: float = param(1e-6, "least probability of a 0 and of a 1", above=0, below=0.5, tune=log(1e-9, 0.1))

    @classmethod
    def example(cls) -> "BernoulliMixture":
        return cls(n_components=2, max_iter=5000, tol=1e-6, random_state=0)

    def _amounts(self, queries: Queries) -> torch.Tensor:
        X = queries.X
        if self.binarize is not None:
            return (queries.tensor(self.thresholds_) < X).to(X.dtype)
        odd = (X != 0) & (X != 1)
        if odd.any():
            row, column = (int(i) for i in odd.nonzero()[0])
            name = queries.names[column] if queries.names else column
            raise DataError(
                f"column {name!r} holds {float(X[row, column]):g} in row {row}; BernoulliMixture needs zeros and ones: "
                "set binarize to a threshold"
            )
        return X

    def _rows(self, data: Data) -> Rows:
        X = data.X if data.w is None else data.X[data.w > 0]
        if self.binarize == "midrange":
            low, high = X.amin(0), X.amax(0)
            # A column of one value is compared with half of it: ones stay ones, zeros zeros.
            self.thresholds_ = data.give(torch.where(low == high, low / 2, low / 2 + high / 2))
        elif self.binarize is not None:
            self.thresholds_ = data.give(torch.full_like(X[0], self.binarize))
        return Rows(self._amounts(data).T.contiguous(), data.w)

    def _start(self, rows: Rows, R: torch.Tensor) -> BernoulliComponents:
        return BernoulliComponents.start(rows, R, self.floor)

    def _keep(self, data: Data, components: BernoulliComponents) -> None:
        self.probabilities_ = data.give(components.probabilities)

    def _components(self, like: Queries) -> BernoulliComponents:
        return BernoulliComponents(like.tensor(self.weights_), like.tensor(self.probabilities_), self.floor)

    def _n_parameters(self) -> int:
        K, D = self.probabilities_.shape
        return K - 1 + K * D

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        shape = (len(self.weights_), self.n_features_in_)
        p = np.asarray(getattr(self, "probabilities_", None))
        t = np.asarray(getattr(self, "thresholds_", np.zeros(shape[1])))
        if p.shape != shape or p.dtype.kind != "f" or not (np.abs(p - 0.5) < 0.5).all():
            raise UnreadableError(f"BernoulliMixture.probabilities_ should lie between 0 and 1, of shape {shape}")
        if t.shape != shape[1:] or t.dtype.kind != "f" or np.isnan(t).any():
            raise UnreadableError(f"BernoulliMixture.thresholds_ should be numbers of shape {shape[1:]}")
