"""Rows 7.01-7.03, 7.06-7.08 and 7.10: recurrent nets and temporal convolution."""

import numpy as np

from evidence import check, data, reproduction

BAI = "Bai, Kolter & Koltun (2018), arXiv 1803.01271"


def adding(N, T, seed):
    """The adding problem: numbers of [0, 1], two of them marked, one in each half; their sum."""
    rng = np.random.default_rng(seed)
    x = np.stack([rng.uniform(size=(N, T)), np.zeros((N, T))], 2).astype(np.float32)
    rows = np.arange(N)
    first, second = rng.integers(0, T // 2, N), rng.integers(T // 2, T, N)
    x[rows, first, 1] = x[rows, second, 1] = 1
    return x, (x[rows, first, 0] + x[rows, second, 0]).astype(np.float32)


def learned(kind, H, tensors, loss, training, seed=0, outputs=1, last=True, **options):
    """A body of peira.layers with a linear output, after the one training loop; from sequences to numbers."""
    import torch
    from torch import nn

    from peira.core.seeds import private_chance
    from peira.layers.recurrent import recurrent
    from peira.training import InMemory, minimise

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = recurrent(kind, tensors[0].shape[2], H, **options)
            self.output = nn.Linear(self.body.size, outputs)

        def forward(self, x, lengths=None):
            h, _ = self.body(x, lengths, ends=False)
            return self.output(h[:, -1] if last else h)

    with private_chance(seed, torch.device("cpu")):
        net = Net()
    tensors = [torch.as_tensor(part) for part in tensors]
    batches = InMemory(*tensors, size=training.batch_size, seed=seed)
    minimise(net, lambda *batch: loss(net(*batch[:-1]), batch[-1]), batches, training, seed=seed)
    return net.eval()


def squared(said, y):
    return ((said[:, 0] - y) ** 2).mean()


@reproduction(
    "7.01",
    claim="three shapes: many to one (adding), many to many (copying with a lag), one to many (a word from a vector)",
    source="the baseline by calculation: two uniform numbers have the variance 2/12",
    protocol="adding, T = 20: 5,000 sequences, GRU of 32 units, 1,000 updates of 50, other 1,000 to test; copying: 8 "
    "symbols, lag 3, 1,000 sequences to learn and 100 to test; 20 words from as many vectors of 8 normal numbers",
    mark="C",
    slow=True,
)
def shapes():
    import torch

    from peira.sequences import SymbolGenerator, SymbolTagger
    from peira.training import Training

    _, many = adding(200_000, 20, 9)
    yield check("squared error of always saying 1", float(((many - 1) ** 2).mean()), 1 / 6, relative=0.01)
    training = Training(optimiser="adam", learning_rate=5e-3, updates=1000, batch_size=50, clip=1.0, schedule="cosine")
    net = learned("gru", 32, adding(5000, 20, 1), squared, training)
    x, y = (torch.as_tensor(part) for part in adding(1000, 20, 2))
    with torch.no_grad():
        yield check("many to one: squared error of adding", float(squared(net(x), y)), at_most=2e-3)
    rng = np.random.default_rng(0)
    X = [rng.integers(0, 8, n) for n in rng.integers(8, 16, 1100)]
    echo = [np.concatenate([np.full(3, 8), x[:-3]]) for x in X]
    tagger = SymbolTagger(bidirectional=False, random_state=0).fit(X[:1000], echo[:1000])
    yield check("many to many: share of symbols copied", tagger.score(X[1000:], echo[1000:]), 1.0, tolerance=0.002)
    words = ["".join(rng.choice(list("abcdefgh"), n)) for n in rng.integers(3, 10, 20)]
    given = rng.normal(size=(20, 8))
    written = SymbolGenerator(random_state=0).fit(words, given=given).generate(given)
    right = np.mean(["".join(w) == word for w, word in zip(written, words, strict=True)])
    yield check("one to many: share of words written without a fault", float(right), 1.0)


@reproduction(
    "7.02",
    claim="Elman's net finds the structure of time: of the temporal XOR it predicts every third bit, and no other",
    source="Elman (1990), Cognitive Science 14, figure 2; the least squared errors .25, .25, 0 by calculation",
    protocol="two random bits, their exclusive or, and so on; 300 sequences of 30 bits, 16 hidden units, and other 300 "
    "sequences to test; squared errors of the probability of the next bit",
    mark="M",
    slow=True,
)
def temporal_xor():
    from peira.sequences import SymbolTagger
    from peira.training import Training

    def bits(seed):
        pairs = np.random.default_rng(seed).integers(0, 2, (300, 11, 2))
        return np.concatenate([pairs, pairs.sum(2, keepdims=True) % 2], 2).reshape(300, 33)[:, :31]

    training = Training(optimiser="adam", learning_rate=1e-2, updates=1500, batch_size=50, clip=1.0, schedule="cosine")
    X, Q = bits(0), bits(1)
    net = SymbolTagger(cell="elman", hidden=16, bidirectional=False, training=training, random_state=0)
    net.fit(list(X[:, :-1]), list(X[:, 1:]))
    p = net.predict_dist(list(Q[:, :-1])).probs[:, 1].reshape(300, 30)
    errors = ((p - Q[:, 1:]) ** 2)[:, 2:]  # from the first bit that is preceded by a whole triple
    for place, least in enumerate((0.25, 0.25, 0.0)):  # bit 3 is the first of a triple
        name = f"squared error of bit {place + 1} of a triple"
        yield check(name, float(errors[:, place::3].mean()), least, tolerance=0.02)


REBER = {0: "T1 P2", 1: "S1 X3", 2: "T2 V4", 3: "X2 S5", 4: "P3 V5"}


def reber(n, seed):
    """Strings of Reber's grammar, from B to E."""
    rng, found = np.random.default_rng(seed), []
    for coins in rng.integers(0, 2, (n, 200)):
        state, text = 0, "B"
        for coin in coins:
            arc = REBER[state].split()[coin]
            text, state = text + arc[0], int(arc[1])
            if state == 5:
                break
        found.append(text + "E")
    return found


def grammatical(text):
    states = 0
    for symbol in text[1:-1]:
        arcs = {arc[0]: int(arc[1]) for arc in REBER.get(states, "").split()}
        if symbol not in arcs:
            return False
        states = arcs[symbol]
    return states == 5


@reproduction(
    "7.02",
    claim="an Elman net that learned to predict accepts all strings of Reber's grammar, and no others",
    source="Cleeremans, Servan-Schreiber & McClelland (1989), Neural Computation 1: of 70,000 random strings all were "
    "sorted rightly; a string is accepted if every symbol was predicted above 0.3",
    protocol="2,000 strings to learn, 16 hidden units; 20,000 other strings of the grammar and 50,000 random strings "
    "of the same symbols; accepted if every symbol, the end among them, has a probability above 0.3",
    mark="M",
    slow=True,
)
def reber_grammar():
    from peira.sequences import SymbolTagger
    from peira.training import Training

    strings = reber(2000, 0)
    training = Training(optimiser="adam", learning_rate=1e-2, updates=1500, batch_size=50, clip=1.0, schedule="cosine")
    net = SymbolTagger(cell="elman", hidden=16, embedding=7, bidirectional=False, training=training, random_state=0)
    net.fit([s[:-1] for s in strings], [list(s[1:]) for s in strings])

    def accepted(texts):
        probabilities = net.predict_dist([t[:-1] for t in texts]).probs
        following = np.concatenate([list(t[1:]) for t in texts])
        said = probabilities[np.arange(len(following)), np.searchsorted(net.classes_, following)]
        starts = np.cumsum([0, *(len(t) - 1 for t in texts[:-1])])
        return np.minimum.reduceat(said, starts) > 0.3

    good = reber(20_000, 1)
    rng = np.random.default_rng(2)
    random = ["B" + "".join(rng.choice(list("TSXPV"), n)) + "E" for n in rng.integers(3, 12, 50_000)]
    truly = np.array([grammatical(t) for t in random])
    yield check("share of the grammar's strings that are accepted", float(accepted(good).mean()), at_least=0.999)
    right = float((accepted(random) == truly).mean())
    yield check(f"share of random strings sorted rightly ({truly.sum()} are grammatical)", right, at_least=0.999)


@reproduction(
    "7.03",
    claim="a Jordan net is an Elman net that hears its output, and learns serial order from plans",
    source="Jordan (1986), ICS report 8604; the identity by calculation",
    protocol="float64, 20 steps; and five orders of A and B, each from a plan vector, written without a fault",
    mark="C",
)
def jordan():
    import torch

    from peira.core.seeds import private_chance
    from peira.layers.recurrent_cells import JordanCell
    from peira.sequences import SymbolGenerator

    with private_chance(0, torch.device("cpu")):
        cell = JordanCell(3, 5, outputs=2, trace=0.0).double()
        traced = JordanCell(3, 5, outputs=2, trace=0.5).double()
        x = torch.randn(4, 20, 3, dtype=torch.float64)
    with torch.no_grad():
        cell.outputs.bias.zero_()
        said, _ = cell(x, None, None)
        h, gap = torch.zeros(4, 5, dtype=torch.float64), 0.0
        for t in range(20):
            h = torch.tanh(cell.inputs(x[:, t]) + h @ (cell.memory @ cell.outputs.weight).T)
            gap = max(gap, float((said[:, t] - cell.outputs(h)).abs().max()))
        yield check("without traces, less Elman's net with weights U V", gap, at_most=1e-12)
        said, _ = traced(x, None, None)
        y, s, gap = torch.zeros(4, 2, dtype=torch.float64), torch.zeros(4, 2, dtype=torch.float64), 0.0
        for t in range(20):
            s = 0.5 * s + y
            y = torch.tanh(x[:, t] @ traced.inputs.weight.T + traced.inputs.bias + s @ traced.memory.T)
            y = y @ traced.outputs.weight.T + traced.outputs.bias
            gap = max(gap, float((said[:, t] - y).abs().max()))
        yield check("with traces, less the equations one by one", gap, at_most=1e-12)
    orders = ["AAAB", "AABA", "ABAA", "BAAA", "AABB"]
    net = SymbolGenerator(cell="jordan", hidden=24, random_state=0).fit(orders, given=np.eye(5))
    yield check("orders written from their plans", ["".join(w) for w in net.generate(np.eye(5))], orders)


@reproduction(
    "7.06",
    claim="the copying task: who remembers nothing has the cross-entropy 10 ln 8 / (T + 20)",
    source=f"{BAI}, section 5.2: 0.0204 for T = 1,000",
    protocol="by calculation: zero at the T + 10 steps that are known, ln 8 at the ten that are not",
    mark="C",
)
def memoryless():
    entropy = np.concatenate([np.zeros(1010), np.full(10, -np.log(1 / 8))])  # of each step's best answer
    yield check("T = 1,000", float(entropy.mean()), 0.0204, tolerance=0.00005)


def add_across(T, plans):
    import torch

    from peira.training import Training

    tensors = adding(20_000, T, 1)
    x, y = (torch.as_tensor(part) for part in adding(1000, T, 2))
    for kind, (H, updates, clip, options, held) in plans.items():
        training = Training(optimiser="adam", learning_rate=4e-3, updates=updates, batch_size=32, clip=clip)
        net = learned(kind, H, tensors, squared, training, **options)
        with torch.no_grad():
            yield check(f"{kind}: squared error, T = {T}", float(squared(net(x), y)), **held)


@reproduction(
    "7.06",
    claim="scaled down to a lag of 60: a TCN and a GRU learn to add across it, an Elman net does not",
    source=f"{BAI}, table 1, T = 600: TCN 5.8e-5, GRU 5.3e-5, LSTM .164, RNN .177",
    protocol="SCALED DOWN from T = 600 to 60: 20,000 sequences, 700 updates of 32 by Adam; TCN of 5 blocks of 24 "
    "channels, window 5; GRU and Elman net of 64 units, gradients clipped at 1; chance is 1/6",
    mark="V",
    slow=True,
)
def adding_near():
    yield from add_across(
        60,
        {
            "tcn": (24, 700, None, {"layers": 5, "kernel_size": 5}, {"at_most": 0.02}),
            "gru": (64, 700, 1.0, {}, {"at_most": 0.01}),
            "elman": (64, 700, 1.0, {}, {"at_least": 0.1}),
        },
    )


@reproduction(
    "7.06",
    claim="scaled down to a lag of 200: a TCN and a GRU learn to add across it",
    source=f"{BAI}, table 1, T = 600: TCN 5.8e-5, GRU 5.3e-5, LSTM .164, RNN .177",
    protocol="SCALED DOWN from T = 600 to 200 for want of time: 20,000 sequences, 3,000 updates of 32 by Adam, "
    "TCN of 7 blocks of 24 channels, window 5; GRU of 64 units, gradients clipped at 1; chance is 1/6",
    mark="V",
    slow=True,
)
def adding_far():
    yield from add_across(
        200,
        {
            "tcn": (24, 3000, None, {"layers": 7, "kernel_size": 5}, {"at_most": 0.02}),
            "gru": (64, 3000, 1.0, {}, {"at_most": 0.02}),
        },
    )


@reproduction(
    "7.06",
    claim="an LSTM carries a symbol across an embedded string of Reber's grammar",
    source="Hochreiter & Schmidhuber (1997), section 5.1: nearly all trials succeed",
    protocol="B, T or P, a string of Reber's grammar, the same T or P, E; 2,000 strings to learn, 32 units; the share "
    "of 1,000 other strings whose last but one symbol is predicted rightly, against chance .5",
    mark="M",
    slow=True,
)
def embedded_reber():
    from peira.sequences import SymbolTagger
    from peira.training import Training

    def embedded(n, seed):
        sides = np.random.default_rng(seed + 100).choice(["T", "P"], n)
        return ["B" + side + inner + side + "E" for side, inner in zip(sides, reber(n, seed), strict=True)]

    training = Training(optimiser="adam", learning_rate=1e-2, updates=2000, batch_size=50, clip=1.0, schedule="cosine")
    strings, others = embedded(2000, 0), embedded(1000, 1)
    net = SymbolTagger(cell="lstm", hidden=32, embedding=8, bidirectional=False, training=training, random_state=0)
    net.fit([s[:-1] for s in strings], [list(s[1:]) for s in strings])
    said = net.predict([s[:-1] for s in others])
    right = np.mean([path[-2] == s[-2] for path, s in zip(said, others, strict=True)])
    yield check("last but one symbols that are right", float(right), at_least=0.99)


CHORALES = "music-jsb-chorales/jsb_chorales.npz"
HIGHER = {  # hexadecimal: semitones beyond 6 by which each chorale stands higher in the reference's JSB_Chorales.mat
    "train": "89b697342b482b4113bb9b374799b8b6b9b9394bbb1b42b66047b4b229b2172bb844a749bbb42"
    "29b2bb142bb2b64b1b099b2b3b42b9b2889149244996994912b8bb6b42b41146b6241b49b47b4"
    "69999b76bbb94484789290b91b6991262bb9129666840992689b7bb99441999244b044b8b99",
    "valid": "6697317b4999b977b74028b9bbbb74b499bb49b36194734697288b297b917b29942bbb168496",
    "test": "19986b741947946491040929794968274179bbb16289b9b91474637646bbb4b94986694697896",
}


def piano_rolls(part, stride=4):
    """Keys that sound, (T, 88) for each chorale, at every quarter note, in the keys of the reference's file."""
    stored, found, first = data(CHORALES), [], 0
    for n, higher in zip(stored[f"{part}_length"].astype(int), HIGHER[part], strict=True):
        notes = stored[f"{part}_notes"][first : first + n][::stride].astype(int)
        first += n
        notes[notes > 0] += 6 + int(higher, 16)
        roll = np.zeros((len(notes), 88), dtype=np.float32)
        steps, voices = np.nonzero(notes)
        roll[steps, notes[steps, voices] - 21] = 1
        found.append(roll)
    return found


@reproduction(
    "7.07",
    claim="a GRU predicts the next chord of Bach's chorales far better than the keys' frequencies do",
    source=f"{BAI}, table 1, JSB Chorales, nats a step: LSTM 8.45, GRU 8.43, RNN 8.91, TCN 8.10; on their data the "
    "keys' frequencies give 11.09",
    protocol="the same 382 chorales in the same parts of 229, 76 and 77, 13,807, 4,602 and 4,725 quarter notes as "
    "theirs, each moved into the key that it has there: all but 388 chords are theirs; rolls of 88 keys built from "
    "four pitches; the sum over keys of the cross-entropy, mean over all steps, as in their code. GRU of 300 units, "
    "dropout 0.5 before the outputs, whose biases begin at the log odds of the keys' frequencies; Adam, 1e-2 to 0 by "
    "a cosine, batches of 4 of like length, running mean of the weights; settings and weights by the validation set",
    mark="V",
    data=CHORALES,
    slow=True,
)
def chorales():
    import torch
    from torch import nn
    from torch.nn import functional

    from peira.core.seeds import private_chance
    from peira.layers.recurrent import SequenceDropout, recurrent
    from peira.numerics.ragged import within
    from peira.training import Stream, Training, minimise

    def padded(part):
        rolls = piano_rolls(part)
        n = torch.tensor([len(r) - 1 for r in rolls])
        X = torch.zeros(len(rolls), int(n.max()) + 1, 88)
        for i, roll in enumerate(rolls):
            X[i, : len(roll)] = torch.as_tensor(roll)
        return X[:, :-1], X[:, 1:], n

    parts = {name: padded(name) for name in ("train", "valid", "test")}
    X, Y, n = parts["train"]
    p = (Y.sum((0, 1)) + 0.5) / (n.sum() + 1)
    Z, m = parts["test"][1:]
    marginal = -torch.where(Z > 0, p.log(), (1 - p).log()).sum(2)
    floor = float(marginal[within(m, Z.shape[1])].mean())
    yield check("keys' frequencies", floor, 11.09, tolerance=0.01)
    H, size = 300, 4
    with private_chance(0, torch.device("cpu")), torch.no_grad():
        body, thin, keys = recurrent("gru", 88, H), SequenceDropout(0.5), nn.Linear(H, 88)
        keys.bias.copy_(torch.logit(p))
    net = nn.ModuleList([body, thin, keys])

    def nats(X, Y, n):
        T = int(n.max())
        h, _ = body(X[:, :T], n, ends=False)
        losses = functional.binary_cross_entropy_with_logits(keys(thin(h)), Y[:, :T], reduction="none").sum(2)
        return torch.where(within(n, T), losses, 0.0).sum() / n.sum()

    def alike(epoch):
        """Batches of chorales of like length, so that little is filled up."""
        rng = np.random.default_rng([0, epoch])
        order = torch.as_tensor(np.argsort(n.numpy() + rng.uniform(0, 16, len(n))))
        batches = order.split(size)
        for i in rng.permutation(len(batches)):
            yield X[batches[i]], Y[batches[i]], n[batches[i]]

    training = Training(
        optimiser="adam", learning_rate=1e-2, updates=700, clip=1.0, schedule="cosine", average=0.98,
        evaluate_every=50, patience=3,
    )  # fmt: skip
    batches = Stream(alike, -(-len(n) // size))
    minimise(net, nats, batches, training, seed=0, evaluate=lambda: {"nats": float(nats(*parts["valid"]))})
    with torch.no_grad():
        valid, reached = (float(nats(*parts[name])) for name in ("valid", "test"))
    yield check("GRU, nats a step", reached, at_most=8.43, note=f"of the validation set: {valid:.3f}")


@reproduction(
    "7.08",
    claim="scaled down: of digits read pixel by pixel, a TCN and a GRU learn more than an Elman net",
    source=f"{BAI}, table 1, sequential MNIST, 784 steps: TCN 99.0 %, GRU 96.2, LSTM 87.2, RNN 21.5",
    protocol="SCALED DOWN, since the full form takes hours: images of 14 x 14 (means of 2 x 2 pixels) as 196 steps, "
    "the first 3,000 digits, and the first 2,000 to test; 400 updates of 64; TCN of 6 blocks of 24 channels, window 5",
    mark="V",
    data=[f"mnist/{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")],
    slow=True,
)
def pixel_by_pixel():
    from evidence.reproduce.nearest_neighbours import mnist
    from peira.sequences import SequenceClassifier
    from peira.training import Training

    X, y, Q, t = mnist()
    X, Q = (part.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, 196, 1) for part in (X[:3000], Q[:2000]))
    training = Training(
        optimiser="adam", learning_rate=5e-3, updates=400, batch_size=64, clip=1.0, schedule="one cycle"
    )
    right = {}
    for cell, options in {"tcn": {"hidden": 24, "layers": 6, "kernel_size": 5}, "gru": {}, "elman": {}}.items():
        net = SequenceClassifier(cell=cell, summary="last", training=training, random_state=0, **options)
        right[cell] = 100 * net.fit(X, y[:3000]).score(Q, t[:2000])
    yield check("TCN, % right", right["tcn"], at_least=85)
    yield check("TCN less Elman", right["tcn"] - right["elman"], at_least=30)
    yield check("GRU less Elman", right["gru"] - right["elman"], at_least=0)


@reproduction(
    "7.10",
    claim="a leaky unit is the exact solution of its differential equation, and its time constant can be learned",
    source="by calculation; Yamashita & Tani (2008), eq. 1, for units of several time constants",
    protocol="one step against 100,000 small ones in float64; two units that integrate sums of sines of periods 10 and "
    "80 with time constants 3 and 40, learned from their courses alone, from 1 and 32 at the beginning",
    mark="C",
)
def leaky():
    import torch

    from peira.core.seeds import private_chance
    from peira.layers.recurrent_cells import LeakyCell
    from peira.training import InMemory, Training, minimise

    with private_chance(0, torch.device("cpu")):
        cell = LeakyCell(2, 3).double()
        x, h = torch.randn(1, 1, 2, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)
        with torch.no_grad():
            after, _ = cell(x, None, (h,))
            drive, tau, n = torch.tanh(cell.inputs(x[:, 0]) + h @ cell.memory.T), cell.log_tau.exp(), 100_000
            small = drive + (1 - 1 / (n * tau) + 0.5 / (n * tau) ** 2) ** n * (h - drive)
        yield check("one step less 100,000 small ones", float((after[:, 0] - small).abs().max()), at_most=1e-10)
        rng = np.random.default_rng(0)
        t, phase = np.arange(200), rng.uniform(0, 6.3, (30, 2, 1))
        x = np.sin(2 * np.pi * t / 10 + phase[:, 0]) + np.sin(2 * np.pi * t / 80 + phase[:, 1])
        rates, y, s = 1 - np.exp(-1 / np.array([3.0, 40.0])), np.zeros((30, 200, 2)), np.zeros((30, 2))
        for step in t:
            s = s + rates * (np.tanh(x[:, step, None]) - s)
            y[:, step] = s
        cell = LeakyCell(1, 2).double()
    with torch.no_grad():
        cell.memory.zero_()
        cell.inputs.weight.fill_(1.0)
        cell.inputs.bias.zero_()

    def errors(x, y):
        return ((cell(x, None, None)[0] - y) ** 2).mean()

    batches = InMemory(torch.as_tensor(x)[:, :, None], torch.as_tensor(y), size=30, seed=0)
    plan = Training(optimiser="adam", learning_rate=0.05, updates=300, batch_size=None, schedule="cosine")
    minimise(cell, errors, batches, plan, seed=0, parameters=[cell.log_tau])
    yield check("time constants learned", cell.log_tau.exp().tolist(), [3.0, 40.0], relative=0.01)


@reproduction(
    "7.10",
    claim="a clockwork net generates a long waveform that Elman's net and an LSTM of the same size do not hold",
    source="Koutnik et al. (2014), table 2 and section 5.1: mean NMSE near .007 to .06, less than the others'",
    protocol="a band-limited noise of 320 steps from no input; 40 units; 600 updates of Adam, from one seed; squared "
    "error over variance",
    mark="M",
    slow=True,
)
def waveform():
    from peira.sequences import SequenceGenerator
    from peira.training import Training

    rng = np.random.default_rng(0)
    t = np.arange(320)
    waves = [rng.normal() / k * np.sin(2 * np.pi * k * t / 320 + rng.uniform(0, 6.3)) for k in range(1, 25)]
    x = np.sum(waves, 0)
    plan = Training(optimiser="adam", learning_rate=1e-2, updates=600, batch_size=1, clip=1.0, schedule="cosine")
    left = {}
    for cell in ("clockwork", "elman", "lstm"):
        net = SequenceGenerator(cell=cell, hidden=40, training=plan, random_state=0).fit([x])
        left[cell] = float(((net.generate()[0] - x) ** 2).mean() / x.var())
    yield check("clockwork: share of the variance left over", left["clockwork"], at_most=0.06)
    yield check("Elman's over the clockwork's", left["elman"] / left["clockwork"], at_least=2)
    yield check("the LSTM's over the clockwork's", left["lstm"] / left["clockwork"], at_least=2)
