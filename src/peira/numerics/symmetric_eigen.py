r"""Leading eigenvectors of a symmetric matrix, largest first, with signs that do not depend on chance.

.. math:: S v_k = \lambda_k v_k, \quad \lambda_1 \geq \lambda_2 \geq \ldots

An eigenvector is known up to its sign. Here the entry of largest magnitude is positive (the first of several), which
is scikit-learn's rule too.

Cost: about 9 D^3 for all of them; a few of many take the reduction to a tridiagonal matrix, 4 D^3 / 3, and 4 D^2 each.
"""

import torch
from scipy.linalg import eigh

FEW = 4  # a quarter of the eigenvectors or fewer are found one by one
SMALL = 128  # matrices below this size are decomposed whole: there is nothing to save


def leading_eigenvectors(S: torch.Tensor, K: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The K largest eigenvalues of a symmetric matrix and their vectors.

    Parameters
    ----------
    S : tensor of shape (D, D)
        Symmetric and finite.
    K : int, optional
        How many, all D without it.

    Returns
    -------
    values : tensor of shape (K,)
        From the largest down.
    vectors : tensor of shape (D, K)
        Orthonormal columns, signs as `with_signs` has them.

    Examples
    --------
    >>> values, V = leading_eigenvectors(torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64), 1)
    >>> float(values), V[:, 0].tolist()
    (3.0, [0.7071067811865475, 0.7071067811865475])
    """
    D = len(S)
    K = D if K is None else min(K, D)
    if S.device.type == "cpu" and D >= SMALL and 0 < K <= D // FEW:
        values, V = map(torch.from_numpy, eigh(S.numpy(), subset_by_index=(D - K, D - 1), driver="evr"))
    else:
        values, V = torch.linalg.eigh(S)
        values, V = values[D - K :], V[:, D - K :]
    return values.flip(0), with_signs(V.flip(1))


def with_signs(V: torch.Tensor) -> torch.Tensor:
    """The same columns, each with its entry of largest magnitude positive."""
    if not V.numel():
        return V
    largest = V.gather(0, V.abs().argmax(0, keepdim=True))
    return V * torch.where(largest < 0, -1.0, 1.0).to(V)
