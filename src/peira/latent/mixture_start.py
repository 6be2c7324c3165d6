r"""Where EM for a mixture begins: responsibilities of K components for N rows.

.. math:: r_{nk} \geq 0, \quad \sum_k r_{nk} = 1

From k-means (rows belong to the nearest of its centres), from K rows drawn far apart (k-means++) or evenly (rows
belong to the nearest of them), or at random. The first three cost N K D a step; the last forgets the data, and EM then
has far to go.
"""

from typing import Literal

import torch

from .k_means import assign, k_means
from .k_means_seeding import plus_plus, random_rows
from .mixture_components import Rows

Start = Literal["kmeans", "k-means++", "random", "random_from_data"]


def responsibilities(rows: Rows, K: int, how: Start, generator: torch.Generator) -> torch.Tensor:
    """Responsibilities of shape (K, N).

    Parameters
    ----------
    rows : Rows
    K : int
    how : "kmeans", "k-means++", "random" or "random_from_data"
    generator : torch.Generator
    """
    X, w = rows.filled(), rows.all_weights
    if how == "random":
        R = torch.rand(K, len(X), generator=generator, dtype=X.dtype, device=X.device)
        return R / R.sum(0)
    X = X.contiguous()
    if how == "kmeans":
        codes = k_means(X, K, w=w, generator=generator)[1]
    else:
        codes = assign(X, (plus_plus if how == "k-means++" else random_rows)(X, K, generator, w))
    return torch.nn.functional.one_hot(codes, K).T.to(X.dtype)
