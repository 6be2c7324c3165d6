r"""Beam search: the most probable sequence, looked for among a few at a time.

A net tells the probability of each next symbol, not that of whole sequences, of which there are too many. A beam keeps
the W most probable beginnings b, extends each by every symbol, and keeps the best W again:

.. math:: \log P(b \, k) = \log P(b) + \log P(k \mid b)

Since a sequence only becomes less probable as it grows, the search is over as soon as the best that has ended is as
probable as the best beginning. With W as large as the number of beginnings it is exact; with W = 1 it follows the most
probable symbol at each step, and ends where that is most probable. Long answers are at a disadvantage, as they are
under the model itself.

Reference: Lowerre (1976), The HARPY speech recognition system; Sutskever, Vinyals & Le (2014), section 3.2.
"""

import torch

from peira.layers.recurrent_cells import State

from .language_net import LanguageNet


@torch.no_grad()
def beam_search(
    net: LanguageNet, state: State, mark: int, *, width: int, length: int
) -> tuple[list[list[int]], torch.Tensor]:
    """The most probable continuations of some states.

    Parameters
    ----------
    net : LanguageNet
        Its last score is that of the end.
    state : tuple of tensors of shape (N, ...)
    mark : int
        What goes in first; as a score, the end.
    width : int
        W, beginnings that are kept of each.
    length : int
        The most symbols.

    Returns
    -------
    list of N lists of int
    tensor of shape (N,)
        Their log probabilities with the end, nats; -inf where none ended within ``length``, and the most probable
        beginning stands in its place.
    """
    N, device = len(state[0]), state[0].device
    rows = torch.arange(N, device=device).repeat_interleave(width)
    state = tuple(part[rows] for part in state)
    last = torch.full((N * width, 1), mark, device=device)
    logs = torch.full((N, width), -torch.inf, dtype=torch.float64, device=device)
    logs[:, 0] = 0.0  # at first all W beginnings are the same, and one counts
    written = torch.empty(N, width, 0, dtype=torch.int64, device=device)
    best = torch.full((N,), -torch.inf, dtype=torch.float64, device=device)
    found: list[list[int]] = [[] for _ in range(N)]
    for t in range(length + 1):
        h, state = net(last, state)
        step = net.scores(h[:, -1]).double().log_softmax(-1).reshape(N, width, -1)
        total = logs[..., None] + step
        ended, which = total[..., mark].max(1)
        for i in (ended > best).nonzero()[:, 0].tolist():
            best[i], found[i] = ended[i], written[i, which[i]].tolist()
        if t == length or bool((best >= logs.max(1).values).all()):
            break
        open_ = total.clone()
        open_[..., mark] = -torch.inf
        C = open_.shape[-1]
        logs, place = open_.flatten(1).topk(width, 1)
        source, symbol = place // C, place % C
        written = torch.cat([written.gather(1, source[..., None].expand(-1, -1, t)), symbol[..., None]], 2)
        rows = (torch.arange(N, device=device)[:, None] * width + source).flatten()
        state, last = tuple(part[rows] for part in state), symbol.reshape(-1, 1)
    for i in torch.isinf(best).nonzero()[:, 0].tolist():
        found[i] = written[i, int(logs[i].argmax())].tolist()
    return found, best
