"""Batches of truncated back-propagation through time: every symbol is predicted once, from what stood before it."""

import numpy as np
import pytest
import torch

from peira.sequences.unrolled_batches import PAUSED, Unrolled, marked, put_aside

RAGGED = {
    "one step": [1],
    "one text": [1000],
    "names": [5, 0, 7, 1, 3, 12, 4, 4, 9, 2] * 7,
    "long and short": [400, 3, 2, 90, 1, 1, 64, 33, 32, 31],
    "empty ones alone": [0, 0, 0],
}


def laid_out(lengths, seed):
    rng = np.random.default_rng(seed)
    lengths = torch.tensor(lengths)
    symbols = torch.from_numpy(rng.integers(0, 9, int(lengths.sum())))
    return marked(symbols, lengths, 9), lengths


@pytest.mark.parametrize("streams", [1, 3, 16, None])
@pytest.mark.parametrize("unroll", [1, 4, 5, 32])
@pytest.mark.parametrize("case", RAGGED)
def test_each_symbol_is_a_target_once_and_what_precedes_it_goes_in(case, streams, unroll, seed):
    (row, starts), lengths = laid_out(RAGGED[case], seed)
    places = torch.arange(len(row))  # each place is a symbol of its own
    batches = Unrolled(places, starts, lengths + 1, streams=streams, unroll=unroll, seed=seed)
    for epoch in range(2):
        found, number, state = [], 0, None
        for inputs, targets, carried in batches.epoch(epoch):
            assert inputs.shape == targets.shape and len(inputs) == batches.B and inputs.shape[1] <= unroll
            there = targets != PAUSED
            assert (targets[there] == inputs[there] + 1).all()
            if float(carried):  # streams go on where they stood
                on = there[:, 0]
                assert (inputs[on, 0] == state[on]).all()
            state = targets[:, -1]
            found += targets[there].tolist()
            number += 1
        assert number == len(batches)
        assert sorted(found) == list(range(1, len(row)))


def test_the_order_follows_from_the_seed_and_goes_on_at_any_batch(seed):
    (row, starts), lengths = laid_out(RAGGED["names"], seed)

    def dealt(epoch, start=0):
        return list(Unrolled(row, starts, lengths + 1, streams=4, unroll=5, seed=seed).epoch(epoch, start))

    whole = dealt(3)
    for start in range(len(whole) + 1):
        rest = dealt(3, start)
        assert len(rest) == len(whole) - start
        assert all(
            torch.equal(a, b) for x, y in zip(rest, whole[start:], strict=True) for a, b in zip(x, y, strict=True)
        )
    assert any(not torch.equal(a[0], b[0]) for a, b in zip(dealt(0), dealt(1), strict=True))


def test_a_text_is_cut_into_streams_of_like_length():
    row = torch.arange(1001)
    batches = Unrolled(row, torch.tensor([0]), torch.tensor([1000]), streams=10, unroll=20, seed=0)
    assert len(batches) == 5 and batches.B == 10
    first = next(batches.epoch(0))[0]
    assert sorted(first[:, 0].tolist()) == list(range(0, 1000, 100))


def test_little_is_padded(seed):
    rng = np.random.default_rng(seed)
    lengths = torch.from_numpy(rng.integers(1, 16, 2000))
    row, starts = marked(torch.zeros(int(lengths.sum()), dtype=torch.int64), lengths, 1)
    batches = Unrolled(row, starts, lengths + 1, streams=32, unroll=16, seed=seed)
    paused = [float((targets == PAUSED).double().mean()) for _, targets, _ in batches.epoch(0)]
    assert np.mean(paused) < 0.2


def test_whole_sequences_or_the_end_of_a_single_one_are_put_aside(seed):
    starts, counts = torch.tensor([0, 10, 15, 40]), torch.tensor([10, 5, 25, 8])
    first, n, (held, m) = put_aside(starts, counts, 0.25, seed)
    assert len(held) == 1 and sorted([*first.tolist(), *held.tolist()]) == starts.tolist()
    assert int(n.sum() + m.sum()) == 48
    first, n, (held, m) = put_aside(starts[:1], counts[:1], 0.2, seed)
    assert (first.tolist(), n.tolist(), held.tolist(), m.tolist()) == ([0], [8], [8], [2])
    assert len(put_aside(starts, counts, 0.0, seed)[2][0]) == 0
    assert len(put_aside(starts[:1], torch.tensor([1]), 0.2, seed)[2][0]) == 0
