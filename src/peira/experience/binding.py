r"""Binding: which property belongs to which thing.

*A yellow circle and a blue triangle*: the sum of the patterns of *yellow*, *circle*, *blue* and *triangle* is that of a
blue circle and a yellow triangle as well. So each filler is bound to its role first, by a product, and then summed.

**Tensor product** (Smolensky 1990). With roles whose vectors are orthonormal, what was bound comes back exactly:

.. math:: S = \sum_i f_i r_i^T, \quad S r_j = f_j \quad \mathrm{where} \quad r_i^T r_j = [i = j]

It needs the product of both sizes, and once more for every level of structures within structures. With roles that are
only linearly independent, unbind with their dual vectors (`dual`).

**Holographic reduced representation** (Plate 1995). Circular convolution keeps the size; correlation undoes it up to
noise, which a memory of all known patterns cleans up (`nearest`):

.. math:: (a * b)_j = \sum_k a_k b_{j - k}, \quad (a \# t)_j = \sum_k a_k t_{j + k}
.. math:: a \# (a * b) = b + \mathrm{noise}

indices modulo D. By the fast Fourier transform, it costs D log D. Over k pairs and m known patterns with entries
N(0, 1 / D), the right pattern is met with product 1, a wrong one with 0, and with variances of about

.. math:: \sigma_r^2 = (k + 5) / D, \quad \sigma_w^2 = (k + 1) / D

so that the number of pairs that a trace holds grows with D (`expected_retrieval`). Unitary cues are undone exactly.

Smolensky (1990), Tensor product variable binding and the representation of symbolic structures in connectionist
systems, Artificial Intelligence 46, 159-216; Plate (1995), Holographic reduced representations, IEEE Transactions on
Neural Networks 6(3), 623-641.
"""

from typing import Any

import numpy as np
import torch
from scipy.special import ndtr, roots_hermitenorm

from peira.core.errors import DataError


def tensor_product(fillers: Any, roles: Any) -> Any:
    """The sum of the products of fillers with their roles.

    Parameters
    ----------
    fillers : array or tensor of shape (..., R, F)
    roles : array or tensor of shape (..., R, G)

    Returns
    -------
    array or tensor of shape (..., F, G)

    Examples
    --------
    >>> shapes, colours = np.eye(2), np.eye(3)[:2]             # circle and triangle, yellow and blue
    >>> scene = tensor_product(shapes, colours)                # a yellow circle and a blue triangle
    >>> unbind_product(scene, colours[1]).tolist()             # what is blue? the triangle
    [0.0, 1.0]
    """
    (f, r), give = _tensors(fillers, roles)
    return give(torch.einsum("...rf,...rg->...fg", f, r))


def unbind_product(structure: Any, role: Any) -> Any:
    """The filler of a role: exact for orthonormal roles, and for the `dual` of independent ones.

    Parameters
    ----------
    structure : array or tensor of shape (..., F, G)
    role : array or tensor of shape (..., G)

    Returns
    -------
    array or tensor of shape (..., F)
    """
    (s, r), give = _tensors(structure, role)
    return give(torch.einsum("...fg,...g->...f", s, r))


def dual(roles: Any) -> Any:
    """The vectors that meet their own role with product 1 and the others with 0.

    Parameters
    ----------
    roles : array or tensor of shape (R, G)

    Returns
    -------
    array or tensor of shape (R, G)

    Raises
    ------
    DataError
        If the roles depend on each other: there are no such vectors then.
    """
    (r,), give = _tensors(roles)
    if r.dim() != 2 or int(torch.linalg.matrix_rank(r)) < len(r):
        raise DataError(f"roles of shape {tuple(r.shape)} are not linearly independent; take fewer, or longer vectors")
    return give(torch.linalg.pinv(r).T)


def convolve(a: Any, b: Any) -> Any:
    """Bind by circular convolution.

    Parameters
    ----------
    a, b : arrays or tensors of shape (..., D)

    Returns
    -------
    array or tensor of shape (..., D)

    Examples
    --------
    >>> convolve(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0])).round(12).tolist()
    [3.0, 1.0, 2.0]
    """
    (x, y), give = _tensors(a, b)
    return give(torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(y), n=x.shape[-1]))


def correlate(cue: Any, trace: Any) -> Any:
    """Unbind by circular correlation: what the cue was bound to, with noise; exactly, if the cue is `unitary`.

    Parameters
    ----------
    cue, trace : arrays or tensors of shape (..., D)

    Returns
    -------
    array or tensor of shape (..., D)
    """
    (x, t), give = _tensors(cue, trace)
    return give(torch.fft.irfft(torch.fft.rfft(x).conj() * torch.fft.rfft(t), n=t.shape[-1]))


def unitary(vectors: Any) -> Any:
    """The vectors with every frequency at amplitude 1; their length is 1."""
    (x,), give = _tensors(vectors)
    spectrum = torch.fft.rfft(x)
    size = spectrum.abs()
    turned = torch.where(size > 0, spectrum / size.clamp_min(torch.finfo(x.dtype).tiny), torch.ones_like(spectrum))
    return give(torch.fft.irfft(turned, n=x.shape[-1]))


def nearest(vectors: Any, memory: Any) -> Any:
    """The clean-up memory: for each vector the row of the memory that meets it with the largest product.

    Parameters
    ----------
    vectors : array or tensor of shape (..., D)
    memory : array or tensor of shape (M, D)

    Returns
    -------
    int array or tensor of shape (...)
    """
    (v, m), give = _tensors(vectors, memory)
    return give((v @ m.T).argmax(-1))


def expected_retrieval(n_pairs: int, n_items: int, dimension: int) -> float:
    r"""The probability that a holographic trace gives the right pattern back: how many units are enough?

    .. math:: P = \int N(z | 0, 1) \, \Phi \left( \frac{1 + \sigma z}{\sigma_w} \right)^{m - 1} dz
    .. math:: \sigma = \frac{k}{k + 1} \sigma_r

    The products are taken as normal. The factor before the spread of the right one is there since what comes back is
    longer where that product is larger, and the wrong products with it. Below some 100 units it is a rough guide.

    Parameters
    ----------
    n_pairs : int
        k, pairs in the trace.
    n_items : int
        m, patterns in the clean-up memory.
    dimension : int
        D.

    Examples
    --------
    >>> [round(expected_retrieval(5, 200, D), 2) for D in (64, 128, 256)]
    [0.68, 0.95, 1.0]
    """
    k = n_pairs
    nodes, weights = roots_hermitenorm(100)[:2]
    right, wrong = k / (k + 1) * ((k + 5) / dimension) ** 0.5, ((k + 1) / dimension) ** 0.5
    return float(weights @ ndtr((1 + right * nodes) / wrong) ** (n_items - 1) / weights.sum())


def _tensors(*values: Any) -> tuple[list[torch.Tensor], Any]:
    """Values as tensors of one type, and the way back: tensors stay tensors."""
    tensors = [v if isinstance(v, torch.Tensor) else torch.from_numpy(np.asarray(v, dtype=np.float64)) for v in values]
    stay = any(isinstance(v, torch.Tensor) for v in values)
    kind = next((v.dtype for v in values if isinstance(v, torch.Tensor)), torch.float64)
    return [t.to(kind) for t in tensors], (lambda t: t) if stay else (lambda t: t.numpy())
