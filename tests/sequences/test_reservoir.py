"""A reservoir: its recursion by another route, its spectral radius, its blocks, and its readout."""

import numpy as np
import pytest
import torch

from peira.core.errors import UnreadableError
from peira.sequences.reservoir import ROWS, Reservoir, spectral_radius_of
from peira.sequences.reservoir_readout import PreciseSums, Sums, ridge, sharpness
from peira.sequences.reservoir_steps import tanh


def drawn(seed, units=30, D=2, **given):
    given = {"leak": 0.4, "bias_scaling": 0.3} | given
    return Reservoir.draw(units, D, np.random.default_rng(seed), **given)


def beginnings(lengths):
    first = np.zeros(sum(lengths), dtype=bool)
    first[np.cumsum([0, *lengths[:-1]])] = True
    return first


def test_the_hyperbolic_tangent_is_that_of_the_library():
    x = np.r_[np.linspace(-30, 30, 999), 0.0, -1e-300, 1e-12, -5e-3, 1e300, -1e300]
    np.testing.assert_allclose([tanh(v) for v in x], np.tanh(x), rtol=5e-15, atol=0)


@pytest.mark.parametrize("units", [1, 2, 3, 30])
def test_the_recursion_is_the_formula_and_every_sequence_starts_anew(seed, units):
    pool, lengths = drawn(seed, units), [4, 1, ROWS + 7, 3]
    X = np.random.default_rng(seed).normal(size=(sum(lengths), 2))
    W, got = pool.matrix().toarray(), np.empty((len(X), units))
    for rows, S in pool.blocks(X, beginnings(lengths)):
        got[rows] = S
    start = 0
    for T in lengths:
        x = np.zeros(units)
        for t in range(start, start + T):
            x = 0.6 * x + 0.4 * np.tanh(W @ x + pool.inputs @ X[t] + pool.bias)
            np.testing.assert_allclose(got[t], x, rtol=1e-11, atol=1e-13)
        start += T


@pytest.mark.parametrize("units", [1, 2, 3, 64, 65, 200])
@pytest.mark.parametrize("connections", [1, 5, 1000])
def test_the_spectral_radius_is_the_one_asked_for(seed, units, connections):
    pool = drawn(seed, units, connections=connections, spectral_radius=0.7)
    W = pool.matrix().toarray()
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(0.7, rel=1e-5)
    assert ((W != 0).sum(1) == min(connections, units)).all()
    assert spectral_radius_of(pool.matrix()) == pytest.approx(0.7, rel=1e-5)


def test_plasticity_brings_the_outputs_to_their_spread(seed):
    pool = drawn(seed, 40, D=1, leak=1.0, input_scaling=3.0)
    X = np.random.default_rng(seed).normal(size=(2000, 1))
    first = np.arange(2000) == 0
    adapted = pool.adapted(X, first, 20, 0.0005, 0.2)

    def spread(p):
        return np.concatenate([S.copy() for _, S in p.blocks(X, first)]).std()

    assert abs(spread(adapted) - 0.2) < 0.05 < abs(spread(pool) - 0.2)


def test_what_is_stored_comes_back_and_what_no_fit_gives_is_refused(seed):
    pool = drawn(seed)
    kept = pool.stored()
    again = Reservoir.restored(kept, 2)
    assert (again.matrix() != pool.matrix()).nnz == 0
    for name, bad in (
        ("distances", kept["distances"] + 30),
        ("distances", -1 - kept["distances"]),
        ("distances", kept["distances"][:-1]),
        ("values", kept["values"][:-1]),
        ("inputs", kept["inputs"].T.copy()),
        ("bias", kept["bias"] * np.nan),
        ("leak", 0.0),
        ("leak", 2.0),
    ):
        with pytest.raises(UnreadableError):
            Reservoir.restored(kept | {name: bad}, 2)
    with pytest.raises(UnreadableError):
        Reservoir.restored({}, 2)


def rows(seed, N=50, F=6, K=2):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(N, F)) * np.geomspace(1, 1e-2, F) + 5
    return torch.from_numpy(Z), torch.from_numpy(Z @ rng.normal(size=(F, K)) + 0.1 * rng.normal(size=(N, K)))


def summed(kind, Z, Y, w=None, block=7):
    sums = kind(Z.shape[1], Y.shape[1])
    for i in range(0, len(Z), block):
        part = slice(i, i + block)
        sums.add((Z[part, :2], Z[part, 2:], Y[part]), None if w is None else w[part])
    return sums


@pytest.mark.parametrize("kind", [Sums, PreciseSums])
@pytest.mark.parametrize("alpha", [0.0, 0.3, "auto"])
@pytest.mark.parametrize("N", [3, 50])
def test_the_readout_is_ridge_regression(seed, kind, alpha, N):
    Z, Y = (v[:N] for v in rows(seed))
    readout = ridge(summed(kind, Z, Y), alpha)
    C, R = Z - Z.mean(0), Y - Y.mean(0)
    if N > 6 or readout.alpha > 0:
        B = torch.linalg.lstsq(
            torch.cat([C, readout.alpha**0.5 * torch.eye(6, dtype=C.dtype)]), torch.cat([R, R.new_zeros(6, 2)])
        ).solution
        np.testing.assert_allclose(readout.B, B, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(readout.scores(Z).mean(0), Y.mean(0), rtol=1e-9)


@pytest.mark.parametrize("kind", [Sums, PreciseSums])
def test_weights_are_repetitions(seed, kind):
    Z, Y = rows(seed)
    counts = torch.from_numpy(np.random.default_rng(seed).integers(0, 3, len(Z)))
    again = torch.repeat_interleave(torch.arange(len(Z)), counts)
    a, b = ridge(summed(kind, Z, Y, counts.double()), 0.1), ridge(summed(kind, Z[again], Y[again]), 0.1)
    np.testing.assert_allclose(a.B, b.B, rtol=1e-8)


@pytest.mark.parametrize("kind", [Sums, PreciseSums])
def test_what_is_left_out_is_what_a_fit_without_it_says(seed, kind):
    Z, Y = rows(seed, 20)
    said = ridge(summed(kind, Z, Y), 0.2).left_out(Z, Y)
    for n in (0, 7, 19):
        others = np.arange(20) != n
        alone = ridge(summed(kind, Z[others], Y[others]), 0.2)
        np.testing.assert_allclose(said[n], alone.scores(Z[n : n + 1])[0], rtol=1e-6, atol=1e-8)


def test_generalised_cross_validation_is_its_formula(seed):
    Z, Y = rows(seed, 12, 30, 1)  # fewer rows than columns
    chosen = ridge(summed(Sums, Z, Y), "auto").alpha
    C, R = (Z - Z.mean(0)).numpy(), (Y - Y.mean(0)).numpy()

    def value(alpha):
        H = C @ np.linalg.solve(C.T @ C + alpha * np.eye(30), C.T)
        return ((R - H @ R) ** 2).sum() / (11 - np.trace(H)) ** 2

    grid = [a for a in Sums.grid if a > 1e-4]  # below, this route has lost its digits
    best = min(grid, key=value)
    assert chosen <= 1e-4 or value(chosen) <= value(best) * (1 + 1e-6)


def test_precise_sums_of_fewer_rows_than_columns_are_ridge_regression(seed):
    Z, Y = rows(seed, 40, 60)
    C = (Z - Z.mean(0)).numpy()
    for alpha in (1e-6, 1.0):
        B = C.T @ np.linalg.solve(C @ C.T + alpha * np.eye(40), (Y - Y.mean(0)).numpy())
        np.testing.assert_allclose(ridge(summed(PreciseSums, Z, Y), alpha).B, B, rtol=1e-5, atol=1e-8)


def test_precise_sums_tell_small_variations_apart(seed):
    rng = np.random.default_rng(seed)
    A = np.linalg.qr(rng.normal(size=(400, 8)))[0] * np.geomspace(1, 1e-10, 8)
    Z = torch.from_numpy(A @ np.linalg.qr(rng.normal(size=(8, 8)))[0])
    Y = Z @ torch.ones(8, 1, dtype=torch.float64) + torch.from_numpy(A[:, -1:]) * 1e3

    def error(kind):
        return float((ridge(summed(kind, Z, Y, block=40), 1e-24).scores(Z) - Y).norm() / Y.norm())

    assert error(PreciseSums) < 1e-9


def test_what_never_varied_gets_no_weight_without_a_penalty(seed):
    Z, Y = rows(seed, 200, 8)
    Z[:, 3] = 0.3
    weights = ridge(summed(PreciseSums, Z, Y, block=40), 0.0).B
    assert float(weights[3].abs().max()) < 1e-9 < float(weights.abs().max())


def test_the_factor_of_the_scores_is_the_most_probable_one(seed):
    rng = np.random.default_rng(seed)
    S = torch.from_numpy(rng.normal(size=(300, 3)))
    codes = torch.from_numpy(np.array([rng.choice(3, p=p) for p in (2.5 * S).softmax(1).numpy()]))
    beta = sharpness(S, codes)

    def loss(b):
        return -float((b * S).log_softmax(1).gather(1, codes[:, None]).sum())

    assert loss(beta) <= min(loss(beta * 1.01), loss(beta * 0.99)) and 1.5 < beta < 4
