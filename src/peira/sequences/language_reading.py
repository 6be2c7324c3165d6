"""Reading sequences with a language net that has learned: many side by side, some steps at a time.

Memory holds the scores of one window of steps, whatever the length of the sequences.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch

from .language_net import LanguageNet
from .unrolled_batches import Unrolled
from .vocabulary import Vocabulary

ASKED = 64  # sequences that are read side by side
SCORED = 1 << 23  # scores that are computed at a time


def read(
    net: LanguageNet, row: torch.Tensor, starts: torch.Tensor, counts: torch.Tensor
) -> Iterator[tuple[np.ndarray, int, torch.Tensor, torch.Tensor]]:
    """Read so many places of each sequence, from its own beginning.

    Parameters
    ----------
    net : LanguageNet
    row : int tensor of shape (S,)
    starts, counts : int tensors of shape (N,)
        As of `peira.sequences.unrolled_batches.Unrolled`.

    Yields
    ------
    which : int array of shape (n,)
        The sequences that are read, counted among those with any place to read; n may be less than B.
    before : int
        Places of them that were read before.
    h : tensor of shape (B, T, H)
        What is known at each place.
    targets : int tensor of shape (B, T)
        What comes next; -1 where a sequence has ended.
    """
    streams = max(1, min(ASKED, SCORED // net.C, len(starts)))
    unroll = max(1, SCORED // (net.C * streams))
    windows = Unrolled(row, starts, counts, streams=streams, cut=False, shuffle=False, unroll=unroll)
    state = None
    with torch.no_grad():
        for which, before, inputs, targets in windows.windows():
            h, state = net(inputs, state if before else None)
            yield which, before, h, targets


def told(
    net: LanguageNet, v: Vocabulary, row: torch.Tensor, starts: torch.Tensor, counts: torch.Tensor
) -> Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor]]:
    """Some steps at a time: which sequences (n,), log P of their targets (B, T), float64, and these targets."""
    whole = np.flatnonzero(counts.numpy(force=True) > 0)
    for which, _, h, targets in read(net, row, starts, counts):
        expected = targets.clamp(0, v.scored - 1)[..., None]
        with torch.no_grad():
            logs = net.scores(h).log_softmax(-1).gather(-1, expected)[..., 0].double()
        if v.unseen:
            logs = torch.where(targets > v.mark, math.log(v.unseen), logs + math.log1p(-v.unseen))
        yield whole[which], logs, targets


def summed(
    net: LanguageNet, v: Vocabulary, row: torch.Tensor, starts: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    """log P of each sequence, nats, float64 of shape (N,)."""
    sums = torch.zeros(len(starts), dtype=torch.float64, device=row.device)
    for which, logs, targets in told(net, v, row, starts, counts):
        sums[torch.from_numpy(which).to(row.device)] += torch.where(targets >= 0, logs, 0.0).sum(1)[: len(which)]
    return sums


def stepwise(
    net: LanguageNet, v: Vocabulary, row: torch.Tensor, starts: torch.Tensor, counts: torch.Tensor
) -> list[np.ndarray]:
    """log P of each step of each sequence, nats."""
    found = [[np.empty(0)] for _ in counts]
    for which, logs, targets in told(net, v, row, starts, counts):
        for i, log, target in zip(which, logs.numpy(force=True), targets.numpy(force=True), strict=False):
            found[i].append(log[target >= 0])
    return [np.concatenate(parts) for parts in found]


def next_probabilities(
    net: LanguageNet, v: Vocabulary, row: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """Probabilities of what comes next after each sequence, float64 of shape (N, V)."""
    n, parts, order = lengths.numpy(force=True), [], []
    for which, before, h, _ in read(net, row, starts, lengths + 1):
        last = n[which] - before
        here = np.flatnonzero((last >= 0) & (last < h.shape[1]))
        with torch.no_grad():
            parts.append(net.scores(h[torch.from_numpy(here), torch.from_numpy(last[here])]))
        order.append(which[here])
    P = torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(order)))].double().softmax(-1)
    if v.unseen:
        P, K = P * (1 - v.unseen), len(v.symbols)
        P = torch.cat([P[:, :K], torch.full_like(P[:, :1], v.unseen), P[:, K:]], 1)
    return P
