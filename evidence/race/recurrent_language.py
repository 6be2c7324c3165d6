"""Race 7.05: a recurrent language model, against a loop written by hand."""

import gzip

import numpy as np

from evidence import Sides, data_path, racing

PTB = "text-ptb/ptb.train.txt.gz"
B, U, E, K = 20, 20, 200, 10_000


def words(S):
    """The first S words of the training text as numbers, in the order of their first appearance."""
    with gzip.open(data_path(PTB), "rt") as file:
        text = file.read(12 * S + 1000).replace("\n", " <eos> ").split()[:S]
    place: dict[str, int] = {}
    return np.array([place.setdefault(word, len(place)) for word in text])


def model(updates, *, device="cpu"):
    from peira.sequences import LanguageModel
    from peira.training import Training

    sgd = Training(optimiser="sgd", learning_rate=4.0, clip=0.25, batch_size=B, updates=updates)
    return LanguageModel(
        hidden_size=E, layers=2, dropout=0.0, unroll=U, ends=False, initial_range=0.1, training=sgd,
        device=device, random_state=0,
    )  # fmt: skip


class ByHand:
    """The net and the loop that one writes oneself, with whole tensors and the fastest forms that torch has."""

    def __init__(self):
        import torch
        from torch import nn

        torch.manual_seed(0)
        self.embedding, self.lstm, self.out = nn.Embedding(K, E), nn.LSTM(E, E, 2), nn.Linear(E, K)
        self.weights = [w for part in (self.embedding, self.lstm, self.out) for w in part.parameters()]
        for w in self.weights:
            nn.init.uniform_(w, -0.1, 0.1)

    def learn(self, codes, updates):
        import torch
        from torch import nn
        from torch.nn import functional

        sgd = torch.optim.SGD(self.weights, lr=4.0, fused=True)
        streams = torch.from_numpy(codes[: len(codes) // B * B].reshape(B, -1)).T.contiguous()
        state = None
        for t in range(0, updates * U, U):
            h, state = self.lstm(self.embedding(streams[t : t + U]), state)
            state = tuple(part.detach() for part in state)
            loss = functional.cross_entropy(self.out(h).flatten(0, 1), streams[t + 1 : t + U + 1].flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(self.weights, 0.25)
            sgd.step()
            sgd.zero_grad(set_to_none=True)
        return self

    def nats(self, codes):
        import torch
        from torch.nn import functional

        with torch.no_grad():
            x = torch.from_numpy(codes)[:, None]
            scores = self.out(self.lstm(self.embedding(x[:-1]))[0])
            return float(functional.cross_entropy(scores.flatten(0, 1), x[1:].flatten()))


@racing(
    "7.05",
    case="20 updates of the small LSTM on Penn Treebank, against a loop by hand",
    peer="torch",
    quality="nats a word of the 2,000 words that follow",
    better="lower",
    slack=0.05,
    rule="20 updates of 20 streams x 20 steps, 2 x 200 units, 10,000 words; SGD, rate 4, gradient at most 0.25",
    data=PTB,
)
def updates_on_words():
    updates = 20
    S = updates * B * U + B
    codes = words(S + 2000)
    learned, asked = codes[:S], codes[S:]

    def ours():
        return model(updates).fit(learned, symbols=np.arange(K))

    def peer():
        return ByHand().learn(learned, updates)

    def quality(answer):
        if isinstance(answer, ByHand):
            return answer.nats(asked)
        return -float(answer.log_prob([asked])[0]) / len(asked)

    return Sides(ours, peer, quality=quality)
