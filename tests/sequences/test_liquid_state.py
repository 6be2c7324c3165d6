"""Liquids: the units' rate in closed form, the walk written out, and labels read from spikes."""

import numpy as np
import pytest

from peira.core.errors import UnreadableError
from peira.sequences import LiquidStateClassifier
from peira.sequences.liquid_state import Liquid

TIMES = {"membrane": 20.0, "synapse": 5.0, "trace": 30.0, "rest": 2, "duration": 4}


def test_the_walk_is_the_formula(seed):
    rng = np.random.default_rng(seed)
    liquid = Liquid.draw(12, 2, rng, strength=0.4, connections=4, input_scaling=1.0, bias=1.1, **TIMES)
    X, first = rng.normal(size=(30, 2)), np.isin(np.arange(30), (0, 11))
    got = np.concatenate([S.copy() for _, S in liquid.blocks(X, first)])
    W = np.zeros((12, 12))
    for j in range(12):
        for e in range(liquid.starts[j], liquid.starts[j + 1]):
            W[liquid.targets[e], j] += liquid.values[e]
    spikes = 0
    for t in range(30):
        if first[t]:
            v, s, r, resting = np.zeros(12), np.zeros(12), np.zeros(12), np.zeros(12)
        for _ in range(4):
            r *= np.exp(-1 / 30)
            current, free = liquid.inputs @ X[t] + liquid.bias + s, resting == 0
            v = np.where(free, current + (v - current) * np.exp(-1 / 20), v)
            fired = free & (v >= 1)
            resting = np.where(free, np.where(fired, 2, 0), resting - 1)
            v, r, s = np.where(fired, 0.0, v), r + fired, s * np.exp(-1 / 5) + W @ fired
            spikes += fired.sum()
        np.testing.assert_allclose(got[t], r, rtol=1e-9, atol=1e-12)
    assert spikes > 10


@pytest.mark.parametrize("current", [1.05, 1.5, 3.0])
def test_a_unit_fires_at_the_rate_of_the_closed_form(current):
    none = np.empty(0, dtype=np.int64)
    unit = Liquid(np.empty(0), none, np.zeros(2, dtype=np.int64), np.zeros((1, 1)), np.array([current]),
                  **TIMES | {"trace": 1e12})  # fmt: skip
    T = 5000
    fired = [S.copy() for _, S in unit.blocks(np.zeros((T, 1)), np.arange(T) == 0)][-1][-1, 0]
    interval = 2 + 20 * np.log(current / (current - 1))
    assert interval - 0.05 <= 4 * T / fired <= interval + 1.05  # a spike waits for the end of its millisecond


def test_labels_are_read_from_spikes(seed):
    rng = np.random.default_rng(seed)
    y = np.arange(60) % 2
    X = [np.sin((0.2 + 0.5 * c) * np.arange(30) + rng.uniform(0, 6)) for c in y]
    model = LiquidStateClassifier(units=60, random_state=seed).fit(X[:40], y[:40])
    assert model.score(X[40:], y[40:]) > 0.85


def test_what_no_fit_gives_is_refused(seed):
    liquid = Liquid.draw(
        5, 1, np.random.default_rng(seed), strength=0.1, connections=2, input_scaling=1, bias=1, **TIMES
    )
    kept = liquid.stored()
    assert Liquid.restored(kept, 1).units == 5
    for name, bad in (("targets", kept["targets"] + 5), ("starts", kept["starts"] * 2), ("trace", -1.0), ("rest", -1)):
        with pytest.raises(UnreadableError):
            Liquid.restored(kept | {name: bad}, 1)
