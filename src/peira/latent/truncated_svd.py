r"""Truncated singular value decomposition: the best approximation of a table by one of rank K, about the origin.

.. math:: X \approx U_K \, \mathrm{diag}(s) \, V_K^T, \qquad z = V_K^T x, \qquad
          | X - Z V_K^T |^2 = \sum_{k > K} s_k^2

No table of rank K is nearer (Eckart & Young 1936). It differs from principal components in one thing: the mean is not
subtracted. Zeros stay zeros, so that tables of counts with millions of zeros are decomposed as they lie; on tables of
words this is latent semantic analysis (Deerwester et al. 1990), where rows are weighted (tf-idf) first.

**Use it** for sparse tables, or where the origin means something. The first direction often is little more than the
mean; for dense tables with a mean of no interest use `PCA`, which also takes sparse ones.

Cost: 2 n_iter + 2 products with the stored entries, K + 10 columns each, and as many orthogonalisations.

Reference: Eckart & Young (1936), Psychometrika 1, 211-218; Halko, Martinsson & Tropp (2011), algorithms 4.4 and 5.1.
"""

from typing import Any, Literal

import torch

from ..core import Card, DataError, integer, param
from ..numerics.centred_rows import CentredRows
from .linear_components import LinearComponents
from .principal_components_svd import leading_directions


class TruncatedSVD(LinearComponents):
    """Singular value decomposition about the origin, for sparse tables too.

    Attributes
    ----------
    components_ : array of shape (K, D)
        The right singular vectors; in each the entry of largest magnitude is positive.
    singular_values_ : array of shape (K,)
    explained_variance_ : array of shape (K,)
        Variances of the codes, divisor N. They need not fall: singular values count the mean as well.
    explained_variance_ratio_ : array of shape (K,)
        Their shares of the variance of the columns.

    Examples
    --------
    >>> from peira.latent import TruncatedSVD
    >>> svd = TruncatedSVD(1, random_state=0).fit([[3.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    >>> svd.singular_values_.round(3), svd.transform([[2.0, 5.0]]).round(3)
    (array([3.]), array([[2.]]))
    """

    card = Card(
        tasks="reduction",
        reference="Eckart & Young (1936); Halko, Martinsson & Tropp (2011)",
        cost="N D K T",
        sparse=True,
    )
    n_components: int = param(2, "number of directions K", low=1, tune=integer(2, 50), positional=True)
    algorithm: Literal["randomized", "arpack", "auto"] = param(
        "randomized", "how to find them; 'auto' is exact where that is cheap"
    )
    n_iter: int = param(5, "rounds of 'randomized'", low=0)
    n_oversamples: int = param(10, "columns of the random start beyond K", low=0)
    tol: float = param(0.0, "relative tolerance of 'arpack'; 0 is rounding", low=0)
    random_state: object = param(None, "seed of the start: an int, a generator, or None to draw one")

    @classmethod
    def example(cls) -> "TruncatedSVD":
        return cls(2, random_state=0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "TruncatedSVD":
        """Find the directions.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If there are not so many directions.
        """
        data = self._begin(X, None, sample_weight)
        K, most = self.n_components, min(data.X.shape)
        if most < K:
            raise DataError(f"n_components={K} must be at most min(n_samples, n_features)={most}")
        found = leading_directions(
            data.X, K, self.algorithm, w=data.w, centred=False, generator=data.generator(),
            oversamples=self.n_oversamples, rounds=self.n_iter, tol=self.tol,
        )  # fmt: skip
        N = found.weight
        root = torch.ones(len(data), dtype=data.dtype, device=data.device) if data.w is None else data.w.sqrt()
        rows = CentredRows(data.X, torch.zeros_like(found.mean), root)
        mean = rows.back(root[:, None])[:, 0] / N
        total = float(CentredRows(data.X, mean, root).squares().sum()) / N
        variances = (found.squares / N - (mean @ found.vectors).square()).clamp(min=0)
        self.components_ = data.give(found.vectors.T.contiguous())
        self.singular_values_ = data.give(found.squares.sqrt())
        self.explained_variance_ = data.give(variances)
        self.explained_variance_ratio_ = data.give(variances / (total or 1.0))
        return self

    def _shapes(self, K: int, D: int) -> dict[str, tuple[int, ...]]:
        return {"components_": (K, D)} | dict.fromkeys(
            ("singular_values_", "explained_variance_", "explained_variance_ratio_"), (K,)
        )
