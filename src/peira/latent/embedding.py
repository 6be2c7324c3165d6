"""Embeddings: few coordinates in which the items of an experience lie as they do in many.

What is learned is the places of the items that were shown, ``fit_transform``. Every method here has a rule for new ones
as well, ``transform``, which leaves the others where they are.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from ..core import DataError, Transformer, UnreadableError
from ..core.inputs import Data, Queries
from ..numerics.distances import Metric, metric
from .graph_embedding import nearest

CPU = torch.device("cpu")


class Embedding(Transformer):
    """Base of the methods that place items in few dimensions.

    A subclass writes ``fit`` and the private ``_place``. An item at distance zero from one of the experience keeps that
    one's place. All is computed, and kept, on the CPU; answers go to the device of the inputs.

    Attributes
    ----------
    embedding_ : array of shape (N, K)
        The places of the items learned from.
    rows_ : array of shape (N, D)
        These items; with metric="precomputed" their distances.
    """

    embedding_: Any
    rows_: Any

    @abstractmethod
    def _place(self, queries: Queries) -> torch.Tensor:
        """The coordinates of new items, of shape (M, K), each from itself alone."""

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Learn, and give the coordinates of the items learned from.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            With metric="precomputed" the distances (N, N).
        y : ignored

        Returns
        -------
        array or tensor of shape (N, K)
        """
        Y = self.fit(X).embedding_
        return Y.to(X.device) if isinstance(X, torch.Tensor) else Y

    def transform(self, X: Any) -> Any:
        """The coordinates of each item.

        Parameters
        ----------
        X : array, frame or tensor of shape (M, D)
            With metric="precomputed" the distances (M, N) to the items learned from.

        Returns
        -------
        array or tensor of shape (M, K)

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, or a value is not finite.
        """
        queries = self._queries(X)
        home, queries.X, queries.device = queries.device, queries.X.cpu(), CPU
        d, near = nearest(queries.X, queries.tensor(self.rows_), 1, self._metric())
        known = torch.from_numpy(d[:, 0] == 0)
        Y = queries.tensor(self.embedding_)[torch.from_numpy(near[:, 0])]
        if not known.all():
            new = Queries(queries.X[~known], queries.as_numpy, queries.device, queries.dtype, queries.names)
            Y[~known] = self._place(new)
        return queries.give(Y.to(home))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The name of the method and a number, for each coordinate."""
        name = type(self).__name__.lower()
        return np.array([f"{name}{k}" for k in range(np.shape(self.embedding_)[1])], dtype=object)

    def plot(self, ax: Any = None, labels: Any = None) -> Any:
        """Draw the items in the first two coordinates, coloured by ``labels`` (N,) where given.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Drawn on new axes otherwise.
        labels : array of shape (N,), optional
            Numbers with many values colour by a scale, everything else by groups.

        Returns
        -------
        matplotlib Axes
        """
        from .embedding_plot import plot_embedding

        return plot_embedding(self.embedding_, ax, labels)

    def _begin(self, *given: Any, **named: Any) -> Data:
        data = super()._begin(*given, **named)
        data.X, data.device = data.X.cpu(), CPU
        return data

    def _metric(self) -> Metric | None:
        """The metric that is named, None where distances are given."""
        name = getattr(self, "metric", "euclidean")
        if name == "precomputed":
            return None
        try:
            return metric(name)
        except ValueError as error:
            raise DataError(f"parameter 'metric' of {type(self).__name__}: {error}, precomputed") from error

    def _check_distances(self, data: Data) -> None:
        """Refuse what cannot be the distances between items."""
        S, owner = data.X, type(self).__name__
        if S.shape[0] != S.shape[1]:
            raise DataError(
                f"{owner} with metric='precomputed' takes a square matrix of distances, got shape {tuple(S.shape)}"
            )
        wrong = [(S < 0, "is negative"), ((S - S.T).abs() > 1e-8 * S.abs().max(), "differs from its mirror image")]
        wrong.append(
            (torch.diag(S.diagonal() > 1e-6 * S.abs().max()), "is not the zero of an item's distance to itself")
        )
        for where, what in wrong:
            if where.any():
                i, j = (int(v) for v in where.nonzero()[0])
                raise DataError(
                    f"{owner} takes distances, and the one of row {i}, column {j} ({float(S[i, j])}) {what}"
                )

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            self._check_arrays(embedding_=(None, None))
            self._check_arrays(rows_=(len(self.embedding_), self.n_features_in_))

    def _check_arrays(self, **shapes: tuple[int | None, ...]) -> None:
        """Refuse learned arrays that are not finite numbers of these shapes; None stands for any size above zero."""
        for name, shape in shapes.items():
            value = getattr(self, name, None)
            array = np.asarray(value) if isinstance(value, np.ndarray | torch.Tensor) else np.zeros(())
            fits = array.ndim == len(shape) and array.dtype == np.float64
            fits = fits and all(n == m or (m is None and n > 0) for n, m in zip(array.shape, shape, strict=True))
            if not (fits and np.isfinite(array).all()):
                expected = ", ".join("any" if m is None else str(m) for m in shape)
                raise UnreadableError(f"{name} of a stored {type(self).__name__} must be numbers of shape ({expected})")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = getattr(self, "metric", None) == "precomputed"
        return tags
