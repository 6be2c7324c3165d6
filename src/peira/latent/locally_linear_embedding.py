r"""Locally linear embedding: coordinates in which every neighbourhood looks as it does in the inputs.

Each item is written by its k nearest as well as these can, and the coordinates are those that are written by the same
weights best:

.. math:: \min_W \sum_i | x_i - \sum_j W_{ij} x_j |^2, \qquad \sum_j W_{ij} = 1

.. math:: \min_Y \sum_i | y_i - \sum_j W_{ij} y_j |^2 = tr( Y^T M Y ), \qquad M = ( I - W )^T ( I - W )

under :math:`Y^T Y = I, Y^T 1 = 0`: the lowest eigenvectors of M but the constant one. The variants replace M (see
`peira.latent.local_alignment`): "modified" uses several weight vectors for each item, "hessian" and "ltsa" fit the
tangent at each item; they bend less where the standard weights are hardly determined (k > D).

**Assumes** a smooth manifold, densely sampled, in one piece: parts of the graph collapse, each to a point, and a
warning says so. Lengths are not kept, only the local affine geometry, and the scale of each coordinate is arbitrary.

Cost: the neighbours, N k^3, and one sparse factorisation of M. A new item: its neighbours and k^3.

Reference: Roweis & Saul (2000), Science 290, 2323-2326; Saul & Roweis (2003), JMLR 4, 119-155 (section 6.1 for new
items); Donoho & Grimes (2003), PNAS 100, 5591-5596; Zhang & Zha (2004), SIAM J. Scientific Computing 26, 313-338;
Zhang & Wang (2007), MLLE, in Advances in Neural Information Processing Systems 19.
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, integer, log, param
from ..core.inputs import Queries
from .embedding import Embedding
from .graph_embedding import nearest, nearest_others, neighbour_graph, parts_of, warn_of_parts
from .local_alignment import alignment_matrix, barycentre_weights
from .lowest_eigenvectors import lowest_eigenvectors


class LocallyLinearEmbedding(Embedding):
    """Locally linear embedding, standard, modified, by the Hessian or by tangents.

    Attributes
    ----------
    embedding_ : array of shape (N, K)
        Columns of length one and mean zero.
    reconstruction_error_ : float
        tr(Y^T M Y), the sum of the eigenvalues.
    rows_ : array of shape (N, D)

    Notes
    -----
    "hessian" keeps the quadratic functions alone, as the paper does; scikit-learn's keeps all but the affine ones,
    which is "ltsa".

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import LocallyLinearEmbedding
    >>> t = np.linspace(0, 3, 40)
    >>> y = LocallyLinearEmbedding(n_neighbors=4, n_components=1).fit_transform(np.column_stack([np.cos(t), np.sin(t)]))
    >>> bool((np.diff(y[:, 0]) > 0).all() or (np.diff(y[:, 0]) < 0).all())  # the order along the arc
    True
    """

    card = Card(
        tasks="reduction", reference="Roweis & Saul (2000); Saul & Roweis (2003)", cost="N^2 D + N K", exact=True,
        largest={"N": 20_000},
    )  # fmt: skip
    n_neighbors: int = param(5, "neighbours k that write an item; all others where fewer", low=1, tune=integer(5, 30))
    n_components: int = param(2, "number of coordinates K", low=1, tune=integer(1, 3))
    reg: float = param(1e-3, "regularisation of the weights, times the trace of G", above=0, tune=log(1e-5, 1e-1))
    method: Literal["standard", "modified", "hessian", "ltsa"] = param("standard", "which agreement is asked for")

    @classmethod
    def example(cls) -> "LocallyLinearEmbedding":
        return cls(n_neighbors=10)

    def fit(self, X: Any, y: Any = None) -> "LocallyLinearEmbedding":
        """Find the weights, then the coordinates.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored

        Raises
        ------
        ValueError
            If there are no more items than coordinates, or too few neighbours for the variant.

        Warns
        -----
        DisconnectedGraphWarning
            If the graph of neighbours falls into parts.
        """
        data = self._begin(X)
        N, D = data.X.shape
        k, K = self.n_neighbors, self.n_components
        rows = data.X.contiguous()
        _, near = nearest_others(rows, k)
        self._check_sizes(N, D, near.shape[1], K)
        C, part = parts_of(neighbour_graph(rows, k))
        if C > 1:
            warn_of_parts(
                type(self).__name__, part, "Each part has a null space of its own, and may shrink to a point."
            )
        M = alignment_matrix(rows, near, K, self.method, self.reg)
        if not np.isfinite(M.data).all():
            raise DataError("squares of the inputs overflow: rescale the columns, and fit again")
        values, Y = lowest_eigenvectors(M, K, np.full((N, 1), N**-0.5))
        self.embedding_, self.reconstruction_error_ = data.give(torch.from_numpy(Y)), float(values.sum())
        self.rows_ = data.give(rows.clone())
        return self

    def _check_sizes(self, N: int, D: int, k: int, K: int) -> None:
        if K > N - 1:
            raise DataError(f"n_components = {K} must be below n_samples = {N}: lower it, or bring more rows")
        if self.method == "standard":
            return
        least = {"modified": K + 1, "ltsa": K + 1, "hessian": 1 + K + K * (K + 1) // 2}[self.method]
        if k < least:
            raise DataError(f"method={self.method!r} needs n_neighbors >= {least} for n_components = {K}, got {k}")
        if K > D:
            raise DataError(f"a tangent of n_components = {K} dimensions needs as many columns, got n_features = {D}")

    def _place(self, queries: Queries) -> torch.Tensor:
        rows, Y = queries.tensor(self.rows_), queries.tensor(self.embedding_)
        _, near = nearest(queries.X, rows, self.n_neighbors)
        index = torch.from_numpy(near)
        w = barycentre_weights(rows[index] - queries.X[:, None], self.reg)
        return (w[:, None, :] @ Y[index])[:, 0]
