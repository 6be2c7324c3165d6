r"""Sums of exponentials without overflow or loss.

.. math:: \log \sum_k w_k \exp(a_k) = m + \log \sum_k w_k \exp(a_k - m), \quad m = \max_k a_k
"""

import torch


def logsumexp(a: torch.Tensor, dim: int = -1, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Logarithm of a (weighted) sum of exponentials along one dimension.

    Parameters
    ----------
    a : tensor
        Logarithms; ``-inf`` stands for a term of zero.
    dim : int, default -1
    weights : tensor, optional
        Non-negative, broadcast against ``a``; a weight of zero removes its term, even where
        ``a`` is ``+inf`` or NaN.

    Returns
    -------
    tensor
        ``a`` without ``dim``; ``-inf`` where every term is zero.
    """
    if weights is not None:
        a = torch.where(weights > 0, a + torch.log(weights), -torch.inf)
    return torch.logsumexp(a, dim)
