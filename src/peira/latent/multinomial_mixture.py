r"""Mixtures of multinomials: clusters of counts, such as texts by their words.

.. math:: p(x) = \sum_k \pi_k \, M! \prod_j p_{kj}^{x_j} / x_j!, \quad M = \sum_j x_j

A row is so many draws from the distribution of its component: one topic a text. The number of draws, M, is not
modelled: the density of a row is that given M. EM:

.. math:: p_{kj} = \sum_n r_{nk} x_{nj} / \sum_{nj} r_{nk} x_{nj}

**Use it** for counts in which the total says nothing: words, purchases, species. Long rows make responsibilities go to
0 or 1, as in naive Bayes, whose unsupervised form this is; for several topics a text take topic models.

Cost: 2 N K D a step; memory is the data.

Reference: Nigam, McCallum, Thrun & Mitchell (2000), Text classification from labeled and unlabeled documents using EM,
Machine Learning 39, 103-134, eqs 1 to 6; Bishop (2006), exercise 9.19.
"""

import numpy as np
import torch
from sklearn.utils import Tags

from ..core import Card, DataError, UnreadableError, log, param
from ..core.inputs import Data, Queries
from .binary_components import MultinomialComponents
from .mixture import Mixture
from .mixture_components import Rows

LARGEST = 2.0**53


class MultinomialMixture(Mixture):
    """Mixture of multinomials by EM: clusters of counts.

    Attributes
    ----------
    weights_ : array of shape (K,)
    probabilities_ : array of shape (K, D)
        Shares of the columns in each component; rows add up to one.
    trials_ : int
        The mean total of a row, rounded: so many draws has a row of ``sample``.
    labels_, lower_bound_, converged_, n_iter_, restarts_
        As of `Mixture`.

    Examples
    --------
    >>> from peira.latent import MultinomialMixture
    >>> X = [[9, 1, 0], [8, 2, 0], [9, 1, 0], [0, 1, 9], [0, 2, 8], [0, 1, 9]]
    >>> sorted(MultinomialMixture(2, random_state=0).fit(X).probabilities_[:, 0].round(3).tolist())
    [0.0, 0.867]
    """

    card = Card(
        tasks=("clustering", "density"),
        reference="Nigam, McCallum, Thrun & Mitchell (2000)",
        cost="T N K D",
    )
    floor: float = param(1e-6, "least probability, as a fraction of 1 / D", above=0, below=1, tune=log(1e-9, 0.1))

    @classmethod
    def example(cls) -> "MultinomialMixture":
        return cls(n_components=2, max_iter=5000, tol=1e-6, random_state=0)

    def _amounts(self, queries: Queries) -> torch.Tensor:
        X = queries.X
        if (X < 0).any():
            row, column = (int(i) for i in (X < 0).nonzero()[0])
            name = queries.names[column] if queries.names else column
            raise DataError(
                f"Negative values in data passed to MultinomialMixture: column {name!r} holds "
                f"{float(X[row, column]):g} in row {row}; it needs counts"
            )
        return X

    def _rows(self, data: Data) -> Rows:
        X = self._amounts(data)
        totals = X.sum(1)
        if not float(totals.max()) <= LARGEST:
            row = int(totals.argmax())
            raise DataError(
                f"the counts of row {row} add up to {float(totals[row]):.3g}, and MultinomialMixture takes at most "
                f"{LARGEST:.3g}, where floating point still tells one count from the next; choose a larger unit"
            )
        self.trials_ = max(1, round(float(totals.mean() if data.w is None else totals @ data.w / data.w.sum())))
        return CountedRows(X.T.contiguous(), data.w)

    def _start(self, rows: Rows, R: torch.Tensor) -> MultinomialComponents:
        return MultinomialComponents.start(rows, R, self.floor / len(rows.Z), trials=self.trials_)

    def _keep(self, data: Data, components: MultinomialComponents) -> None:
        self.probabilities_ = data.give(components.probabilities)

    def _components(self, like: Queries) -> MultinomialComponents:
        p = like.tensor(self.probabilities_)
        return MultinomialComponents(like.tensor(self.weights_), p, self.floor / p.shape[1], self.trials_)

    def _n_parameters(self) -> int:
        K, D = self.probabilities_.shape
        return K - 1 + K * (D - 1)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            p = np.asarray(getattr(self, "probabilities_", None))
            if p.shape != (len(self.weights_), self.n_features_in_) or p.dtype.kind != "f" or not (p > 0).all():
                raise UnreadableError(
                    "MultinomialMixture.probabilities_ should be positive, one a component and column"
                )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.estimator_type = "density_estimator"  # as scikit-learn's mixtures: its checks of clusterers go below zero
        return tags


class CountedRows(Rows):
    """Rows whose start compares shares, not totals."""

    def filled(self) -> torch.Tensor:
        X = self.points()
        return X / X.sum(1, keepdim=True).clamp(min=1e-300)
