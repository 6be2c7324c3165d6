"""Hopfield networks: rules by their definitions, energies, valleys by brute force, attention by another route."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from peira.sequences import HopfieldNetwork, ModernHopfieldNetwork
from peira.sequences.hopfield_network import _storkey


def patterns(seed, N=3, D=12):
    return np.random.default_rng(seed).choice([-1.0, 1.0], (N, D))


def test_the_rules_are_their_definitions(seed):
    P = patterns(seed)
    _N, D = P.shape
    hebb = HopfieldNetwork().fit(P).weights_
    off = ~np.eye(D, dtype=bool)
    np.testing.assert_allclose(hebb[off], (sum(np.outer(x, x) for x in P) / D)[off])
    np.testing.assert_allclose(
        HopfieldNetwork(rule="pseudo-inverse").fit(P).weights_[off], (np.linalg.pinv(P) @ P)[off], atol=1e-12
    )
    W = np.zeros((D, D))
    for x in P:
        H = np.array([[sum(W[i, k] * x[k] for k in range(D) if k not in (i, j)) for j in range(D)] for i in range(D)])
        W = W + (np.outer(x, x) - x[:, None] * H.T - H * x) / D
    np.testing.assert_allclose(_storkey(P), W, atol=1e-12)


@pytest.mark.parametrize("rule", ["hebb", "pseudo-inverse", "storkey"])
def test_recall_ends_in_a_valley(seed, rule):
    P = patterns(seed, 3, 8)
    memory = HopfieldNetwork(rule=rule, random_state=seed).fit(P)
    every = np.array(list(itertools.product([-1.0, 1.0], repeat=8)))
    ends, W = memory.transform(every), memory.weights_
    assert (memory.energy(ends) <= memory.energy(every) + 1e-12).all()
    np.testing.assert_allclose(memory.energy(every), [-0.5 * s @ W @ s for s in every], atol=1e-12)
    for i in range(8):  # no single unit leads lower
        turned = ends.copy()
        turned[:, i] *= -1
        assert (memory.energy(turned) >= memory.energy(ends) - 1e-12).all()


def test_independent_patterns_are_fixed_points_of_the_pseudo_inverse(seed):
    P = patterns(seed, 10, 40)
    P[1] = np.where(np.arange(40) < 36, P[0], -P[0])  # alike
    assert (HopfieldNetwork(rule="pseudo-inverse").fit(P).transform(P) == P).all()
    assert (HopfieldNetwork(rule="pseudo-inverse").fit(np.repeat(P, 3, 0)).transform(P) == P).all()


def test_all_units_at_once_may_swing_and_end(seed):
    P = np.array([[1.0, 1.0]])
    memory = HopfieldNetwork(update="synchronous").fit(P)
    np.testing.assert_array_equal(memory.transform(P), P)
    swung = HopfieldNetwork(update="synchronous", sweeps=3).fit(P).transform([[1.0, -1.0]])
    np.testing.assert_array_equal(swung, [[-1.0, 1.0]])
    P = patterns(seed, 4, 200)
    cue = np.where(np.random.default_rng(seed).random(P.shape) < 0.15, -P, P)
    np.testing.assert_array_equal(HopfieldNetwork(update="synchronous").fit(P).transform(cue), P)


def test_too_few_sweeps_are_told(seed):
    P = patterns(seed, 30, 60)
    with pytest.warns(ConvergenceWarning, match="raise sweeps"):
        HopfieldNetwork(sweeps=1).fit(P).transform(patterns(seed + 1, 20, 60))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        HopfieldNetwork().fit(P).transform(patterns(seed + 1, 20, 60))


def test_zeros_and_ones_are_patterns_too():
    P = np.array([[1, 1, 0, 0, 1], [0, 1, 1, 0, 0]])
    np.testing.assert_array_equal(HopfieldNetwork().fit(P).weights_, HopfieldNetwork().fit(2 * P - 1).weights_)


@pytest.mark.parametrize("N", [1, 2, 30])
def test_an_update_is_softmax_attention_and_goes_downhill(seed, N):
    rng = np.random.default_rng(seed)
    X, xi = rng.normal(size=(N, 16)), rng.normal(size=(5, 16))
    memory = ModernHopfieldNetwork(beta=0.25).fit(X)
    K, Q = torch.from_numpy(X)[None], torch.from_numpy(xi)[None]
    attended = torch.nn.functional.scaled_dot_product_attention(Q, K, K)[0]
    np.testing.assert_allclose(memory.transform(xi), attended, atol=1e-12)
    assert (memory.energy(memory.transform(xi)) <= memory.energy(xi) + 1e-12).all()
    assert (memory.energy(xi) >= -1e-12).all()
    twice = ModernHopfieldNetwork(beta=0.25, updates=2).fit(X)
    np.testing.assert_allclose(twice.transform(xi), memory.transform(memory.transform(xi)), atol=1e-12)


def test_an_update_is_a_step_of_the_energys_gradient(seed):
    rng = np.random.default_rng(seed)
    memory = ModernHopfieldNetwork(beta=2.0).fit(rng.normal(size=(6, 4)))
    xi = rng.normal(size=4)
    slope = [
        (memory.energy([xi + h])[0] - memory.energy([xi - h])[0]) / 2e-6 for h in 1e-6 * np.eye(4)
    ]  # E' = xi - X' softmax(beta X xi)
    np.testing.assert_allclose(xi - slope, memory.transform([xi])[0], atol=1e-7)


def test_lengths_may_be_left_out_of_the_comparison(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(6, 4))
    a = ModernHopfieldNetwork(beta=50.0, normalise=True).fit(X * np.geomspace(1, 100, 6)[:, None])
    np.testing.assert_allclose(a.transform(X), X * np.geomspace(1, 100, 6)[:, None], rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(a.transform(X * 7), a.transform(X))
    assert np.isfinite(a.transform(np.zeros((1, 4)))).all()
