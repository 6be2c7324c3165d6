"""The encoder-decoder net and beam search."""

import itertools

import pytest
import torch
from torch.nn import functional

from peira.sequences.beam_search import beam_search
from peira.sequences.encoder_decoder import EncoderDecoder
from peira.training import InMemory, Training, minimise


def net_of(seed, reverse=True, cell="lstm", layers=1):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return EncoderDecoder(3, 2, 3, 4, layers, cell=cell, reverse=reverse).double().eval()


def log_prob(net, source, target):
    """log P(y | x) of one pair, step by step."""
    state, total = net.encode(torch.tensor([source]), torch.tensor([len(source)])), 0.0
    for before, after in itertools.pairwise([net.L, *target, net.L]):
        h, state = net.decoder(torch.tensor([[before]]), state)
        total += float(net.decoder.scores(h)[0, 0].log_softmax(-1)[after].detach())
    return total


@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_padding_changes_nothing_and_steps_add_up(cell, reverse, seed):
    net = net_of(seed, reverse, cell, layers=2)
    sources, targets = [[0, 2, 1], [1], [2, 2]], [[1, 0], [0], []]
    padded = torch.tensor([[*s, *[0] * (3 - len(s))] for s in sources])
    inputs = torch.tensor([[2, *y, *[0] * (2 - len(y))] for y in targets])
    logs = net(padded, torch.tensor([3, 1, 2]), inputs).log_softmax(-1)
    for n, (x, y) in enumerate(zip(sources, targets, strict=True)):
        whole = sum(float(logs[n, t, k].detach()) for t, k in enumerate([*y, 2]))
        assert abs(whole - log_prob(net, x, y)) < 1e-12


def test_a_wide_beam_finds_the_most_probable_of_all(seed):
    net = net_of(seed)
    sources = [[0, 1, 2], [2, 2, 0], [1, 1, 1]]
    state = net.encode(torch.tensor(sources), torch.tensor([3, 3, 3]))
    found, logs = beam_search(net.decoder, state, net.L, width=64, length=5)
    every = [list(y) for T in range(6) for y in itertools.product(range(2), repeat=T)]
    for x, y, log in zip(sources, found, logs.tolist(), strict=True):
        best = max(every, key=lambda z, x=x: log_prob(net, x, z))
        assert y == best and abs(log - log_prob(net, x, best)) < 1e-12
    for width in (1, 2, 4):
        narrow, its = beam_search(net.decoder, state, net.L, width=width, length=5)
        for x, y, log, top in zip(sources, narrow, its.tolist(), logs.tolist(), strict=True):
            assert log <= top + 1e-12 and abs(log - log_prob(net, x, y)) < 1e-12


def test_what_never_ends_is_cut(seed):
    net = net_of(seed)
    with torch.no_grad():
        net.decoder.bias[net.L] = -1e4
    state = net.encode(torch.tensor([[0]]), torch.tensor([1]))
    (found,), _ = beam_search(net.decoder, state, net.L, width=3, length=4)
    assert len(found) <= 4


def test_it_learns_to_write_backwards():
    words = [list(w) for T in range(1, 4) for w in itertools.product(range(3), repeat=T)]
    n = torch.tensor([len(w) for w in words])
    x = torch.tensor([[*w, *[0] * (3 - len(w))] for w in words])
    inputs = torch.tensor([[3, *w[::-1], *[0] * (3 - len(w))] for w in words])
    targets = torch.tensor([[*w[::-1], 3, *[-1] * (3 - len(w))] for w in words])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = EncoderDecoder(3, 3, 8, 24, cell="gru")

    def loss(x, n, inputs, targets):
        return functional.cross_entropy(net(x, n, inputs).flatten(0, 1), targets.flatten(), ignore_index=-1)

    training = Training(optimiser="adam", learning_rate=0.02, updates=250)
    minimise(net, loss, InMemory(x, n, inputs, targets, size=None, seed=0), training)
    with torch.no_grad():
        state = net.encode(x, n)
    for width in (1, 4):
        found, _ = beam_search(net.decoder, state, 3, width=width, length=6)
        assert sum(y == w[::-1] for y, w in zip(found, words, strict=True)) >= 0.9 * len(words)
