"""The start of a map: items along their main directions, the first of unit spread."""

import numpy as np
import torch

from .principal_components_svd import leading_directions


def principal_plane(X: torch.Tensor, K: int, rng: np.random.Generator) -> np.ndarray:
    """The first K principal components (N, K), over the standard deviation of the first.

    Directions that the items do not vary in get a hundredth of a normal number, so that coordinates can part.
    """
    N, D = X.shape
    Y = 0.01 * rng.normal(size=(N, K))
    k = min(K, N, D)
    found = leading_directions(X, k, "covariance_eigh")
    spread = float(found.squares[0].clamp(min=0) / N) ** 0.5
    varies = found.squares > 1e-12 * found.squares[0]
    if spread > 0:
        codes = ((X - found.mean) @ (found.vectors / spread)).numpy()
        Y[:, :k] = np.where(varies.numpy(), codes, Y[:, :k])
    return Y
