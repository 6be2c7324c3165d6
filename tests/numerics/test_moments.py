"""Moments against direct sums, by every partition, in any order, with offsets that would cancel."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from peira.numerics import moments as module
from peira.numerics.moments import Moments, gram


def draw(seed, N, D=3, K=2, offset=0.0):
    g = torch.Generator().manual_seed(seed)
    X = torch.randn(N, D, generator=g, dtype=torch.float64) + offset
    return X, torch.randn(N, K, generator=g, dtype=torch.float64) - offset, torch.rand(N, generator=g).double()


def same(a, b, rtol=1e-12, atol=1e-12):
    assert a.n == b.n and a.centred == b.centred
    assert math.isclose(a.weight, b.weight, rel_tol=rtol, abs_tol=atol)
    for name in ("x_mean", "y_mean", "xx", "xy", "yy"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=rtol, atol=atol)


def by_hand(X, Y, w):
    """The definition, in numpy."""
    X, Y, w = (np.asarray(a) for a in (X, Y, w))
    x, y = np.average(X, axis=0, weights=w), np.average(Y, axis=0, weights=w)
    A, B = X - x, Y - y
    return [x, y, (A.T * w) @ A, (A.T * w) @ B, (B.T * w) @ B]


@pytest.mark.parametrize("N", [1, 2, 3, 50])
@pytest.mark.parametrize("block", [1, 20, 1 << 18])
def test_definition(seed, N, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    monkeypatch.setattr(module, "ROWS", 1)
    X, Y, w = draw(seed, N)
    m = Moments.of(X, Y, w)
    assert m.n == N and math.isclose(m.weight, float(w.sum()))
    for ours, theirs in zip((m.x_mean, m.y_mean, m.xx, m.xy, m.yy), by_hand(X, Y, w), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
    assert torch.equal(m.xx, m.xx.T)


def test_no_rows():
    m = Moments.of(torch.zeros(0, 3), torch.zeros(0, 1))
    same(m, Moments.empty(3, 1))
    assert m.n == 0 and m.weight == 0 and not m.xx.any()


def test_weights_are_repetitions(seed):
    X, Y, _ = draw(seed, 20)
    times = torch.arange(20) % 4  # zero among them
    many = Moments.of(X.repeat_interleave(times, 0), Y.repeat_interleave(times, 0))
    same(Moments.of(X, Y, times.double())._replaced(n=many.n), many)


def test_every_order_of_merging_gives_the_same(seed):
    X, Y, w = draw(seed, 12)
    pieces = [Moments.of(X[s], Y[s], w[s]) for s in (slice(0, 1), slice(1, 6), slice(6, 6), slice(6, 12))]
    whole = Moments.of(X, Y, w)
    for a, b, c, d in itertools.permutations(pieces):
        same(a + b + c + d, whole)
        same((a + b) + (c + d), whole)
        same(a + (b + (c + d)), whole)


def test_empty_is_neutral_to_the_bit(seed):
    X, Y, w = draw(seed, 5)
    m, zero = Moments.of(X, Y, w), Moments.empty(3, 2)
    same(m + zero, m, 0, 0)
    same(zero + m, m, 0, 0)
    assert (zero + zero).weight == 0


def test_minus_undoes_merge(seed):
    X, Y, w = draw(seed, 30)
    a, b = Moments.of(X[:20], Y[:20], w[:20]), Moments.of(X[20:], Y[20:], w[20:])
    same((a + b) - b, a, 1e-11, 1e-11)
    same(b - b, Moments.empty(3, 2))
    with pytest.raises(ValueError, match="can't be part"):
        b - a


def test_a_mean_of_1e8_costs_no_digits_of_the_spread(seed):
    """Against exact rational arithmetic on the same floating-point numbers."""
    X, Y, _ = draw(seed, 40, D=2, K=1, offset=1e8)
    Z = [[Fraction(float(v)) for v in row] for row in torch.cat([X, Y], 1)]
    mean = [sum(c) / 40 for c in zip(*Z, strict=True)]
    exact = [[float(sum((r[i] - mean[i]) * (r[j] - mean[j]) for r in Z)) for j in range(3)] for i in range(3)]
    parts = Moments.of(X[:9], Y[:9]) + Moments.of(X[9:], Y[9:])
    # Stored means are rounded to 1.5e-8, which a merge multiplies by W times the difference of the means.
    for m, atol in ((Moments.of(X, Y), 1e-9), (Moments.of(sp.csr_matrix(X.numpy()), Y), 1e-9), (parts, 1e-6)):
        S = torch.cat([torch.cat([m.xx, m.xy], 1), torch.cat([m.xy.T, m.yy], 1)])
        np.testing.assert_allclose(S, exact, rtol=1e-9, atol=atol)
    raw = X.T @ X - 40 * torch.outer(X.mean(0), X.mean(0))
    assert abs(float(raw[0, 0]) - exact[0][0]) > 1e-2  # what the textbook formula would have lost


def test_float32_is_summed_in_double(seed):
    X, Y, _ = draw(seed, 3000, offset=100.0)
    m = Moments.of(X.float(), Y.float())
    assert m.xx.dtype == torch.float64
    same(m, Moments.of(X.float().double(), Y.float().double()), 1e-13, 0)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_sparse_equals_dense(seed, centred, weighted):
    X, Y, w = draw(seed, 60, D=5, offset=3.0)
    X = X * (torch.rand(60, 5, generator=torch.Generator().manual_seed(seed)) < 0.3)
    X[:, 4] = 1e6 + X[:, 4]  # a column without zeros and far from the origin
    w = w if weighted else None
    S = sp.csr_matrix(X.numpy())
    same(Moments.of(S, Y, w, centred=centred), Moments.of(X, Y, w, centred=centred), 1e-10, 1e-9)
    assert abs(S - sp.csr_matrix(X.numpy())).nnz == 0  # the input is untouched
    same(Moments.of(S[:0], Y[:0]), Moments.empty(5, 2))


def test_raw_moments(seed):
    X, Y, w = draw(seed, 10)
    m = Moments.of(X, Y, w, centred=False)
    torch.testing.assert_close(m.xx, (X.T * w) @ X)
    assert not m.x_mean.any() and not m.y_mean.any()
    parts = Moments.of(X[:4], Y[:4], w[:4], centred=False) + Moments.of(X[4:], Y[4:], w[4:], centred=False)
    same(parts, m)
    with pytest.raises(ValueError, match="raw"):
        m + Moments.of(X, Y, w)
    with pytest.raises(ValueError, match="can't be combined"):
        m + Moments.of(X[:, :2], Y, w, centred=False)


def test_weights_of_zero_are_no_data(seed):
    X, Y, _ = draw(seed, 5)
    same(Moments.of(X, Y, torch.zeros(5)), Moments.empty(3, 2)._replaced(n=5))
    same(Moments.of(sp.csr_matrix(X.numpy()), Y, torch.zeros(5)), Moments.empty(3, 2)._replaced(n=5))


def test_dictionary_and_back_to_the_bit(seed):
    m = Moments.of(*draw(seed, 7))
    d = m.to_dict()
    assert all(isinstance(v, int | float | bool | np.ndarray) for v in d.values())
    same(Moments.from_dict(d), m, 0, 0)
    same(m.map(torch.clone), m, 0, 0)
    assert repr(m).startswith("Moments(n=7, weight=")


@pytest.mark.parametrize("columns", [0, 1, 2, 3, 700])
def test_gram_is_the_product(seed, columns):
    Z = torch.randn(4, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    torch.testing.assert_close(gram(Z), Z.T @ Z, rtol=1e-13, atol=1e-13)
    assert torch.equal(gram(Z), gram(Z).T)
