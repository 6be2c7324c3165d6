r"""Principal components of rows that arrive in blocks and are not kept.

**Up to a thousand columns** the moments of all rows seen so far are carried along. They add up (Chan, Golub & LeVeque
1983): with ``delta`` the difference of two means,

.. math:: S = S_a + S_b + \frac{W_a W_b}{W_a + W_b} \, \delta \delta^T, \qquad S v_k = s_k^2 \, v_k

so that blocks of any size in any order give the components of one fit to all rows, exactly.

**Beyond**, twice as many directions as asked for are carried along instead (`peira.latent.svd_merge`), exact as long as
the rows span no more. What they lose shows in how fast ``singular_values_`` fall.

**Use it** where the rows do not fit into memory, or never end. `PCA` is the same in one go, and has a density.

Cost: N D^2 for a block of N rows and 9 D^3 once the components are asked for, D^2 numbers; beyond a thousand columns
(N + 2 K)^2 D a block and 2 K D numbers.

Reference: Ross, Lim, Lin & Yang (2008), Int. J. Comput. Vis. 77, 125-141; Chan, Golub & LeVeque (1983).
"""

from typing import Any

import torch
from scipy import sparse

from ..core import Card, UnreadableError, integer, param
from ..core.inputs import Data
from ..linear.sufficient_statistics import check_stored_summary, require_finite_squares, restored, stored
from ..numerics.moments import Moments
from ..numerics.symmetric_eigen import leading_eigenvectors
from .linear_components import LinearComponents
from .principal_components_svd import degrees_of_freedom
from .svd_merge import Sketch

MOMENTS = 1024  # columns up to which a D x D matrix is carried along


class IncrementalPCA(LinearComponents):
    """Principal components, learned block by block.

    Attributes
    ----------
    components_ : array of shape (K, D)
        The directions; in each the entry of largest magnitude is positive.
    explained_variance_, explained_variance_ratio_, singular_values_ : array of shape (K,)
        As of `PCA`.
    mean_, var_ : array of shape (D,)
        Of the columns; variances with divisor N.
    noise_variance_ : float
        Mean variance of the D - K directions left out.
    n_components_ : int
        Fewer than ``n_components`` until so many rows were seen.
    n_samples_seen_ : int
    batch_size_ : int
        Rows that ``fit`` takes at a time.
    summary_ : dict
        What is carried along.

    Examples
    --------
    >>> from peira.latent import IncrementalPCA
    >>> ipca = IncrementalPCA(n_components=1)
    >>> for block in ([[0.0, 0.0], [1.0, 1.0]], [[2.0, 2.0], [3.0, 3.0]]):
    ...     ipca = ipca.partial_fit(block)
    >>> ipca.components_.round(3), ipca.explained_variance_.round(3)
    (array([[0.707, 0.707]]), array([3.333]))
    """

    card = Card(
        tasks="reduction",
        reference="Ross, Lim, Lin & Yang (2008); Chan, Golub & LeVeque (1983)",
        incremental="approximate",
        cost="N D^2 + D^3",
        sparse=True,
    )
    n_components: int | None = param(
        None, "how many components; None for all", low=1, tune=integer(2, 20), positional=True
    )
    whiten: bool = param(False, "divide codes by their standard deviations")
    batch_size: int | None = param(None, "rows that fit takes at a time; None for 5 D", low=1)

    @classmethod
    def example(cls) -> "IncrementalPCA":
        return cls(2, batch_size=16)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "IncrementalPCA":
        """Forget, and learn from the rows, some at a time.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        data = self._begin(X, None, sample_weight)
        N, D = data.X.shape
        carried, rows = self._nothing(data), self.batch_size or 5 * D
        for i in range(0, N, rows):
            w = None if data.w is None else data.w[i : i + rows]
            carried = self._absorbed(carried, data.X[i : i + rows], w)
        return self._describe(data, carried, rows)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "IncrementalPCA":
        """Learn from more rows; a block of any size.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
        """
        data = self._continue(X, None, sample_weight)
        carried = self._carried(data) if hasattr(self, "summary_") else self._nothing(data)
        return self._describe(data, self._absorbed(carried, data.X, data.w), self.batch_size or 5 * data.X.shape[1])

    def _nothing(self, data: Data) -> Moments | Sketch:
        D = data.X.shape[1]
        empty = torch.empty(0, dtype=data.dtype, device=data.device)
        return Moments.empty(D, 0, device=data.device) if D <= MOMENTS else Sketch.empty(D, empty)

    def _carried(self, data: Data) -> Moments | Sketch:
        if "xx" in self.summary_:
            return restored(self.summary_, data)
        parts = {k: v if isinstance(v, int | float) else data.tensor(v) for k, v in self.summary_.items()}
        return Sketch(**parts)

    def _absorbed(self, carried: Moments | Sketch, X: Any, w: torch.Tensor | None) -> Moments | Sketch:
        if isinstance(carried, Moments):
            none = torch.empty(X.shape[0], 0, dtype=self._dtype, device=carried.xx.device)
            return carried.merge(Moments.of(X, none, w))
        X = torch.from_numpy(X.toarray()) if sparse.issparse(X) else X
        return carried.merged(X, w, 2 * (self.n_components or X.shape[1]))

    def _describe(self, data: Data, carried: Moments | Sketch, rows: int) -> "IncrementalPCA":
        D = data.X.shape[1]
        K = min(self.n_components or D, D, carried.n)
        if isinstance(carried, Moments):
            require_finite_squares(carried, data)
            mean, column_squares = carried.x_mean, carried.xx.diagonal()
            squares, V = leading_eigenvectors(carried.xx, K)
        else:
            mean, column_squares = carried.mean, carried.column_squares
            squares, V = (v[..., :K] for v in carried.directions())
        squares, total = squares.clamp(min=0), float(column_squares.sum())
        divisor = degrees_of_freedom(carried.weight)
        self.components_ = data.give(V.T.contiguous())
        self.explained_variance_ = data.give(squares / divisor)
        self.explained_variance_ratio_ = data.give(squares / (total or 1.0))
        self.singular_values_ = data.give(squares.sqrt())
        self.mean_, self.var_ = data.give(mean), data.give(column_squares / (carried.weight or 1.0))
        left = max(total - float(squares.sum()), 0.0)
        self.noise_variance_ = left / divisor / (D - K) if K < D else 0.0
        self.n_components_, self.n_samples_seen_, self.batch_size_ = K, carried.n, rows
        self.summary_ = stored(carried, data)
        return self

    def _shapes(self, K: int, D: int) -> dict[str, tuple[int, ...]]:
        each = dict.fromkeys(("explained_variance_", "explained_variance_ratio_", "singular_values_"), (K,))
        return {"components_": (K, D), "mean_": (D,), "var_": (D,), **each}

    def _never_negative(self) -> tuple[str, ...]:
        return "explained_variance_", "var_"

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, summary = self.n_features_in_, getattr(self, "summary_", None)
        if D <= MOMENTS:
            check_stored_summary("summary_ of this IncrementalPCA", summary, D, 0)
            return
        if not isinstance(summary, dict) or summary.keys() != Sketch.__annotations__.keys():
            raise UnreadableError("this IncrementalPCA should hold the directions of the rows seen, and does not")
        shapes = {k: tuple(v.shape) for k, v in summary.items() if hasattr(v, "shape")}
        if shapes.get("mean") != (D,) or shapes.get("column_squares") != (D,) or shapes.get("rows", (0, 0))[1:] != (D,):
            raise UnreadableError(f"this IncrementalPCA holds directions of shapes {shapes} for {D} columns")
