"""Gram matrices by tiles and by blocks are those of the whole."""

import numpy as np
import pytest
import torch

from peira.kernels import RBF, ConstantKernel, DotProduct, FunctionKernel, Laplacian, Matern, Spectrum, WhiteKernel
from peira.kernels.gram import AT_ONCE, blocks, gram
from peira.kernels.items import Items
from peira.kernels.pairs import TILE, products, squared_distances, symmetric

KERNELS = [
    RBF(),
    2.0 * Matern(nu=2.5) + WhiteKernel(0.1) + DotProduct(),
    Laplacian() * 0.5 + 1.0,
    ConstantKernel(2.0),
    WhiteKernel(),
    WhiteKernel(0.2) + RBF(),
]


def rows(seed, N, D):
    return torch.from_numpy(np.random.default_rng([seed, N, D]).normal(size=(N, D)))


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
@pytest.mark.parametrize("N", [1, 2, 3, TILE - 1, TILE, TILE + 1, 2 * TILE + 3])
@pytest.mark.parametrize("D", [1, 7])
def test_tiles_make_up_the_whole(kernel, N, D, seed):
    X = rows(seed, N, D)
    K = gram(kernel, X)
    torch.testing.assert_close(K, kernel._gram(X), rtol=1e-12, atol=1e-12)
    assert torch.equal(K, K.T)
    single = gram(kernel, X, torch.float32)
    assert single.dtype == torch.float32 and torch.equal(single, single.T)
    torch.testing.assert_close(single.double(), K, rtol=1e-5, atol=2e-5)


def test_nothing_that_is_asked_is_changed_or_recorded(seed):
    X = rows(seed, 5, 2).requires_grad_()
    before = X.detach().clone()
    assert not gram(RBF(), X).requires_grad
    assert torch.equal(X, before)


def test_half_of_the_tiles_are_computed():
    asked = []

    def between(i, j):
        asked.append((i.start, j.start))
        return torch.ones(len(range(700)[i]), len(range(700)[j]))

    symmetric(700, torch.empty(0), between)
    assert len(asked) == 6 and all(i >= j for i, j in asked)  # of three by three


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
@pytest.mark.parametrize(("N", "M"), [(1, 1), (2, 3), (50, 7), (7, 50)])
def test_blocks_are_rows_of_the_whole(kernel, N, M, seed):
    X, Z = rows(seed, N, 3), rows(seed + 1, M, 3)
    whole = kernel._gram(X, Z)
    for memory in (1, 8 * M * AT_ONCE * 3, 1 << 28):
        found = list(blocks(kernel, X, Z, memory))
        assert [r.start for r, _ in found] == sorted(r.start for r, _ in found)
        assert all(K.numel() * 8 * AT_ONCE <= max(memory, 8 * M * AT_ONCE) for _, K in found)
        torch.testing.assert_close(torch.cat([K for _, K in found]), whole, rtol=1e-12, atol=1e-12)


def test_items_have_no_tiles():
    texts = ["abc", "abd"]
    assert torch.equal(gram(Spectrum(2), Items(texts)), torch.from_numpy(Spectrum(2)(texts)))
    sets = FunctionKernel(lambda a, b: len(a & b), of="items")
    np.testing.assert_array_equal(gram(sets, Items([{1}, {1, 2}])), [[1, 1], [1, 2]])


@pytest.mark.parametrize("D", [1, 4, 5, 40])
@pytest.mark.parametrize("N", [1, 2, 3, 300])
def test_products_and_distances_by_brute_force(D, N, seed):
    X = rows(seed, N, D)
    X[-1] = X[0]
    differences = (X[:, None] - X).square().sum(2)
    for recorded in (False, True):
        U = X.clone().requires_grad_(recorded)
        r2, P = squared_distances(U).detach(), products(U).detach()
        torch.testing.assert_close(r2, differences, rtol=1e-10, atol=1e-11)
        torch.testing.assert_close(P, (X[:, None] * X).sum(2), rtol=1e-12, atol=1e-12)
        assert torch.equal(r2, r2.T) and torch.equal(P, P.T) and (r2.diagonal() == 0).all() and (r2 >= 0).all()
    torch.testing.assert_close(squared_distances(X, X[:2]), differences[:, :2], rtol=1e-10, atol=1e-11)
