r"""All products of p columns, weighted such that their inner products are powers of inner products.

.. math:: (u^T v)^p = \sum_{|a| = p} \frac{p!}{a_1! \cdots a_D!} \prod_d (u_d v_d)^{a_d}

There are :math:`\binom{D + p - 1}{p}` of them.
"""

import math
from itertools import combinations_with_replacement

import numpy as np
import torch


def number_of_monomials(D: int, p: int) -> int:
    """How many products of p among D columns there are, each column being taken any number of times."""
    return math.comb(D + p - 1, p)


def monomials(U: torch.Tensor, p: int) -> torch.Tensor:
    """Features (N, M) of rows (N, D), with phi(u)' phi(v) = (u'v)^p."""
    taken = np.array(list(combinations_with_replacement(range(U.shape[1]), p)), dtype=np.int64).reshape(-1, p)
    weight = np.full(len(taken), math.factorial(p), dtype=float)
    run = np.ones(len(taken))
    for k in range(1, p):  # a! as the product over runs of equal columns: 1 * 2 * ... * a
        run = np.where(taken[:, k] == taken[:, k - 1], run + 1, 1.0)
        weight /= run
    columns = U.T.contiguous()  # whole columns are multiplied, where they lie in one piece
    Phi = torch.as_tensor(np.sqrt(weight), dtype=U.dtype, device=U.device)[:, None].expand(-1, len(U))
    for k in range(p):
        Phi = Phi * columns.index_select(0, torch.as_tensor(taken[:, k], device=U.device))
    return Phi.T
