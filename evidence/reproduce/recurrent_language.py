"""Rows 7.04 (back-propagation through time), 7.05 (the small LSTM on Penn Treebank) and 7.09 (nets that make names)."""

import random

import numpy as np

from evidence import Grid, check, data_path, reproduction

PTB = [f"text-ptb/ptb.{part}.txt.gz" for part in ("train", "valid", "test")]
NAMES = "text-names/names.txt.gz"


def lines(name):
    import gzip

    with gzip.open(data_path(name), "rt", encoding="utf-8") as file:
        return file.read().split("\n")


def ptb(part, words=None):
    """The words of a part of Penn Treebank as one text, in which a line ends with <eos>; the first ones if so told."""
    text = [word for line in lines(PTB[part]) if line.strip() for word in [*line.split(), "<eos>"]]
    return np.array(text[:words])


# ---------------------------------------------------------------------- 7.04


def elman_by_hand(weights, inputs, targets):
    """Loss and gradient of an Elman language model by the recursion of back-propagation through time, in NumPy."""
    E, W, U, b, c, V, a = weights  # vectors of symbols; input, recurrent and output weights; biases
    T, H = len(inputs), len(U)
    h, p = np.zeros((T + 1, H)), np.zeros((T, len(V)))
    for t in range(T):
        h[t + 1] = np.tanh(W @ E[inputs[t]] + b + U @ h[t] + c)
        s = V @ h[t + 1] + a
        p[t] = np.exp(s - s.max()) / np.exp(s - s.max()).sum()
    loss = -np.log(p[np.arange(T), targets]).mean()
    error = (p - np.eye(len(V))[targets]) / T
    dE, dW, dU, db, later = np.zeros_like(E), np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros(H)
    for t in reversed(range(T)):
        delta = (1 - h[t + 1] ** 2) * (V.T @ error[t] + later)  # delta_t = f'(z_t) (V' e_t + U' delta_{t+1})
        dE[inputs[t]] += W.T @ delta
        dW += np.outer(delta, E[inputs[t]])
        dU += np.outer(delta, h[t])
        db += delta
        later = U.T @ delta
    return loss, [dE, dW, dU, db, db, error.T @ h[1:], error.sum(0)]


def elman_net(K, H, seed, cell="elman"):
    import torch

    from peira.sequences.language_net import LanguageNet

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LanguageNet(
            K, K, None, H, H, 1, cell=cell, dropout=0.0, variational=True, tied=False
        ).double()  # fmt: skip


@reproduction(
    "7.04",
    claim="the gradient of the net is that of the recursion of back-propagation through time, within 1e-10",
    source="Werbos (1990), Backpropagation through time: what it does and how to do it, Proc. IEEE 78, 1550-1560",
    protocol="Elman language model of 6 symbols and 5 units, 40 steps, float64; the recursion over deltas in NumPy "
    "against autograd over the unrolled net",
    mark="C",
)
def recursion():
    import torch

    net, rng = elman_net(6, 5, 0), np.random.default_rng(0)
    inputs, targets = rng.integers(0, 6, 40), rng.integers(0, 6, 40)
    layer = net.recurrent.cells[0][0].layer
    weights = [net.embedding.weight, layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0,
               net.weight, net.bias]  # fmt: skip
    loss = net.nats(net(torch.from_numpy(inputs)[None])[0], torch.from_numpy(targets)[None])
    found = torch.autograd.grad(loss, weights)
    value, expected = elman_by_hand([w.detach().numpy() for w in weights], inputs, targets)
    yield check("loss", float(loss.detach()), value, tolerance=1e-12)
    worst = max(float(np.abs(g.numpy() - e).max()) for g, e in zip(found, expected, strict=True))
    yield check("largest difference of a derivative", worst, at_most=1e-10)


@reproduction(
    "7.04",
    claim="the bias of the truncated gradient shrinks with the steps it sees, and is nothing when it sees them all",
    source="Williams & Peng (1990); the comparison is by definition",
    protocol="language models of 8 symbols and 16 units (elman, gru, lstm) after 300 updates on a text that repeats a "
    "word of 8 letters with noise; 64 steps of 32 streams, gradients of segments of 1 to 64 steps with carried state, "
    "summed, against that of the whole; float64",
    mark="C",
)
def truncation():
    import torch

    from peira.sequences.language_net import Carrying
    from peira.training import Training, minimise
    from peira.training.batches import InMemory

    rng, T, B = np.random.default_rng(0), 64, 32
    text = np.tile(rng.permutation(8), (B, T // 8 + 1))
    text = np.where(rng.random(text.shape) < 0.15, rng.integers(0, 8, text.shape), text)
    x, y = torch.from_numpy(text[:, :T]), torch.from_numpy(text[:, 1 : T + 1])
    spans, table = (1, 2, 4, 8, 16, 32, 64), []
    for cell in ("elman", "gru", "lstm"):
        net = elman_net(8, 16, 1, cell)
        some = Training(optimiser="adam", learning_rate=0.01, updates=300)
        minimise(net, lambda a, b, net=net: net.nats(net(a)[0], b), InMemory(x, y, size=8, seed=0), some)
        whole = torch.cat([g.flatten() for g in torch.autograd.grad(net.nats(net(x)[0], y), list(net.parameters()))])
        row = []
        for span in spans:
            carrying, total = Carrying(net, B), 0.0
            for t in range(0, T, span):
                h = carrying(x[:, t : t + span], torch.tensor(float(t > 0)))
                loss = net.nats(h, y[:, t : t + span]) * span / T
                total = total + torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])
            row.append(float((total - whole).norm() / whole.norm()))
        table.append(row)
        yield check(f"{cell}: bias of segments of {T} steps", row[-1], at_most=1e-10)
        yield check(f"{cell}: bias of 32 steps as a share of that of 1", row[-2] / row[0], at_most=0.5)
    yield Grid("bias of the truncated gradient, a share of the whole", ["elman", "gru", "lstm"],
               [f"{span} steps" for span in spans], np.array(table))  # fmt: skip


@reproduction(
    "7.04",
    claim="scaled down: a recurrent net learns words of Penn Treebank, and beats their frequencies",
    source="Mikolov et al. (2011), Extensions of recurrent neural network language model, as the "
    "curriculum has it: Kneser-Ney 5-gram 141; mixed with it, nets 113, and 106 by back-propagation through time",
    protocol="SCALED DOWN, since the whole takes hours: the first 60,000 of 929,589 words, those seen less than 3 "
    "times unknown; a GRU of 64 units, 600 updates of 16 streams x 16 steps; the first 20,000 words of the test text",
    mark="V",
    data=PTB,
    slow=True,
)
def words_of_ptb():
    from peira.sequences import LanguageModel
    from peira.training import Training

    train, test = ptb(0, 60_000), ptb(2, 20_000)
    training = Training(
        optimiser="adam", learning_rate=5e-3, updates=600, batch_size=16, clip=0.5, schedule="one cycle"
    )
    net = LanguageModel(
        cell="gru", hidden_size=64, unroll=16, dropout=0.2, min_count=3, ends=False, training=training,
        random_state=0, device="cpu",
    ).fit([train])  # fmt: skip
    known = set(net.symbols_.tolist())
    labels, counts = np.unique([w if w in known else "<unk>" for w in train.tolist()], return_counts=True)
    share = dict(zip(labels.tolist(), counts / counts.sum(), strict=True))
    frequencies = np.exp(-np.mean([np.log(share[w if w in known else "<unk>"]) for w in test.tolist()]))
    found = net.perplexity([test])
    yield check("perplexity of the net", found, at_most=230)
    yield check("as a share of that of the frequencies", found / frequencies, at_most=0.6)


# ---------------------------------------------------------------------- 7.05

ZAREMBA = "Zaremba, Sutskever & Vinyals (2014), arXiv:1409.2329, Table 1: small, non-regularized LSTM: 120.7 and 114.5"


def small_lstm(epochs):
    """The small LSTM, and its perplexity on the validation text after each epoch."""
    from peira.sequences import LanguageModel
    from peira.training import Training

    train, valid = ptb(0), ptb(1)
    sgd = Training(optimiser="sgd", learning_rate=20.0, clip=0.25, batch_size=20, epochs=1)
    net = LanguageModel(
        hidden_size=200, layers=2, dropout=0.0, unroll=20, ends=False, initial_range=0.1, training=sgd,
        random_state=0,
    )  # fmt: skip
    course = []
    for epoch in range(epochs):
        rate = 20.0 * 0.5 ** max(0, epoch - 3)
        net.set_params(training=sgd._replace(learning_rate=rate)).partial_fit([train])
        course.append(net.perplexity([valid]))
    return net, course


@reproduction(
    "7.05",
    claim="the small LSTM, 2 x 200 units, has a perplexity of at most 114.5 on the test text of Penn Treebank",
    source=ZAREMBA,
    protocol="13 epochs of 20 streams x 20 steps, weights first in +-0.1, state carried; SGD at rate 1, halved in each "
    "epoch from the fifth on, the gradient's norm at most 5 (of the loss summed over 20 steps: 20 and 0.25 "
    "of the mean)",
    mark="V",
    data=PTB,
    slow=True,
)
def small_lstm_whole():
    net, course = small_lstm(13)
    yield check("perplexity, validation", course[-1], at_most=120.7)
    yield check("perplexity, test", net.perplexity([ptb(2)]), at_most=114.5)
    yield Grid("perplexity on the validation text", ["validation"], [f"epoch {e + 1}" for e in range(13)],
               np.array([course]))  # fmt: skip


# ---------------------------------------------------------------------- 7.09


def windows(words, context):
    """Each letter of each name, and the letters before it; 0 is the mark of beginning and end."""
    X, y = [], []
    for word in words:
        before = [0] * context
        for code in [*(ord(c) - 96 for c in word), 0]:
            X.append(before)
            y.append(code)
            before = [*before[1:], code]
    return np.array(X), np.array(y)


def parts_of_names():
    """80, 10 and 10 % of the names, as the lectures deal them."""
    words = [line for line in lines(NAMES) if line]
    random.Random(42).shuffle(words)
    n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
    return words[:n1], words[n1:n2]


def name_nets():
    """The nets of the lectures by name: the context that each sees, and its layers."""
    from torch import nn

    from peira.layers import conv_block, dense_stack

    def mlp(context, norm):
        stack = dense_stack([10 * context, 200, 27], activation="tanh", normalisation=norm)
        return nn.Sequential(nn.Embedding(27, 10), nn.Flatten(), stack)

    class Hierarchy(nn.Module):
        """Neighbours two by two, three times: 8 letters become 4, 2, 1."""

        def __init__(self):
            super().__init__()
            self.embedding, self.out = nn.Embedding(27, 24), nn.Linear(128, 27)
            pair = {"dims": 1, "stride": 2, "padding": 0, "normalisation": "batch", "activation": "tanh"}
            self.blocks = nn.Sequential(*(conv_block(C, 128, 2, **pair) for C in (24, 128, 128)))

        def forward(self, x):
            return self.out(self.blocks(self.embedding(x).transpose(1, 2))[:, :, 0])

    return {
        "MLP, 3 letters": (3, lambda: mlp(3, None), 2.168),
        "MLP, 3 letters, batch normalisation": (3, lambda: mlp(3, "batch"), 2.105),
        "MLP, 8 letters, batch normalisation": (8, lambda: mlp(8, "batch"), 2.027),
        "hierarchy of 8 letters (WaveNet)": (8, Hierarchy, 1.993),
    }


@reproduction(
    "7.09",
    claim="nets that see 3 or 8 letters of a name err, in nats a letter, on held-out names as in the lectures or less",
    source="Karpathy (2022), Neural Networks: Zero to Hero, makemore parts 2 to 5: 2.168, 2.105, 2.027, 1.993",
    protocol="32,033 names, 80 % to learn, the next 10 % to measure, dealt by seed 42; the lectures' layers and sizes, "
    "but AdamW in one cycle of the learning rate, 16,000 updates of 256 letters in place of 200,000 of 32 by SGD",
    mark="V",
    data=NAMES,
    slow=True,
)
def names_by_windows():
    import torch
    from torch.nn import functional

    from peira.training import Training, minimise
    from peira.training.batches import InMemory

    learned, held_out = parts_of_names()
    how = Training(optimiser="adamw", learning_rate=0.01, weight_decay=0.01, updates=16_000, batch_size=256,
                   schedule="one cycle")  # fmt: skip
    for name, (context, build, printed) in name_nets().items():
        X, y = (torch.from_numpy(part) for part in windows(learned, context))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = build()
        minimise(
            net, lambda x, y, net=net: functional.cross_entropy(net(x), y), InMemory(X, y, size=256, seed=0), how
        )  # fmt: skip
        with torch.no_grad():
            Q, t = (torch.from_numpy(part) for part in windows(held_out, context))
            nats = float(functional.cross_entropy(net(Q), t))
        yield check(f"{name}: nats a letter", nats, at_most=printed + 0.02, note=f"{printed} in the lectures")


@reproduction(
    "7.09",
    claim="the recurrent language model, by default, errs less on names than the hierarchy of the lectures",
    source="the library's own promise, against the 1.993 of Karpathy (2022), makemore part 5",
    protocol="the same names; LanguageModel() as it comes, but 4,000 updates of 64 names",
    mark="C(design)",
    data=NAMES,
    slow=True,
)
def names_by_a_recurrent_net():
    from peira.sequences import LanguageModel

    learned, held_out = parts_of_names()
    training = LanguageModel.default_training()._replace(updates=4000, batch_size=64)
    net = LanguageModel(training=training, random_state=0, device="cpu").fit(learned)
    yield check("nats a letter", net.bits_per_symbol(held_out) * np.log(2), at_most=1.993)
