"""Layers of nets: activations, backpropagation, gradients that vanish and explode, first weights, convolution, pooling
and batch normalisation, each against its definition by hand; and a model of names that three first weights learn."""

import itertools
import math
import random
import warnings

import numpy as np

from evidence import check, data, reproduction

STEPS = 200_000  # updates of a model of names; the first half at 0.1, the second at 0.01
BY_HAND = "the definitions, written out in numpy (tests/layers/by_hand.py)"


def worst(left, right):
    """The relative error of two gradients, each a list of arrays, as vectors."""
    left, right = (np.concatenate([np.ravel(v) for v in side]) for side in (left, right))
    return float(np.linalg.norm(left - right) / max(np.linalg.norm(left), np.linalg.norm(right)))


@reproduction(
    "5.01",
    claim="activations and their slopes are their formulas to 1e-7; mean 0 and variance 1 are SELU's fixed point",
    source=f"{BY_HAND}; Klambauer et al. (2017), section 2",
    protocol="4,001 points from -20 to 20 (slopes: away from kinks), double precision; the moments by quadrature",
    mark="C",
)
def activations():
    import torch

    from peira.layers import activation
    from tests.layers.by_hand import FUNCTIONS, KINKS

    grid = np.linspace(-20, 20, 4001)
    for name, (f, slope) in FUNCTIONS.items():
        z = torch.tensor(grid, requires_grad=True)
        value = activation(name)(z)
        gradient = torch.autograd.grad(value.sum(), z)[0].numpy()
        smooth = np.min([abs(grid - kink) for kink in KINKS.get(name, [99])], axis=0) > 1e-9
        yield check(f"{name}: greatest difference", abs(value.detach().numpy() - f(grid)).max(), at_most=1e-7)
        yield check(f"{name}: of its slope", abs(gradient - slope(grid))[smooth].max(), at_most=1e-7)
    pairs = torch.tensor(np.random.default_rng(0).normal(size=(100, 12)) * 8)
    greater = np.maximum(pairs.numpy()[:, ::2], pairs.numpy()[:, 1::2])
    yield check("maxout: greatest difference", abs(activation("maxout")(pairs).numpy() - greater).max(), at_most=0.0)
    z = torch.linspace(-12, 12, 48001, dtype=torch.float64)
    p, h = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi), activation("selu")(z)
    mean = torch.trapezoid(p * h, z).item()
    yield check("mean of selu of a standard normal", mean, reference=0.0, tolerance=1e-7)
    variance = torch.trapezoid(p * h**2, z).item() - mean**2
    yield check("its variance", variance, reference=1.0, tolerance=1e-7)


@reproduction(
    "5.06",
    claim="backpropagation by hand, autograd and central differences agree for every layer: 1e-10 and 1e-7",
    source=BY_HAND,
    protocol="multilayer perceptrons of random shapes, each activation, without and with batch and layer "
    "normalisation; the other layers each alone; double precision; relative error of the whole gradient",
    mark="C",
)
def backpropagation():
    import torch

    from peira.layers import convolution, dense_stack, normalisation, pooling
    from tests.layers.by_hand import FUNCTIONS, KINKS, central_differences, squared_error, stack_of

    rng = np.random.default_rng(0)
    exact, measured = {}, {}
    for name, kind in itertools.product(FUNCTIONS, (None, "batch", "layer")):
        torch.manual_seed(0)
        sizes = [int(n) for n in rng.integers(3, 6, size=rng.integers(3, 5))]
        net = dense_stack(sizes, activation=name, normalisation=kind).double()
        hand, X, T = stack_of(net), rng.normal(size=(5, sizes[0])), rng.normal(size=(5, sizes[-1]))
        x = torch.tensor(X, requires_grad=True)
        error = (net(x) - torch.tensor(T)).square().sum() / 10
        slopes = torch.autograd.grad(error, [x, *net.parameters()])
        dx = hand.backward(squared_error(hand.forward(X), T)[1])
        gap = worst([dx, *hand.grads], slopes)
        exact[name] = max(gap, exact.get(name, 0.0))
        if not KINKS.get(name):

            def loss(hand=hand, X=X, T=T):
                return squared_error(hand.forward(X), T)[0]

            differences = [central_differences(loss, w) for w in [X, *hand.weights]]
            measured[name] = max(worst([dx, *hand.grads], differences), measured.get(name, 0.0))
    single = exact.pop("hard sigmoid")  # torch keeps its slope of 1/6 in single precision
    yield check("by hand and by autograd", max(exact.values()), at_most=1e-10)
    yield check("the same for hard sigmoid, whose slope of 1/6 torch rounds", single, at_most=1e-7)
    yield check("by hand and by central differences, smooth activations", max(measured.values()), at_most=1e-7)
    alone = {}
    for dims in (1, 2):
        kinds = {kind: normalisation(kind, 4, dims) for kind in ("batch", "layer", "group", "instance")}
        kinds |= {kind: pooling(kind, dims=dims) for kind in ("max", "average", "global max", "global average")}
        for mode in ("zeros", "reflect", "replicate", "circular"):
            kinds[f"convolution, {mode}"] = convolution(4, 3, stride=2, padding=1, padding_mode=mode, dims=dims)
        kinds["transposed convolution"] = convolution(4, 3, stride=2, padding=1, transposed=True, dims=dims)
        for name, layer in kinds.items():
            torch.manual_seed(0)
            layer = layer.double()
            x = torch.randn(3, 4, *(6, 5)[:dims], dtype=torch.float64, requires_grad=True)
            c = torch.randn_like(layer(x))
            slopes = torch.autograd.grad((layer(x) * c).sum(), [x, *layer.parameters()])

            def value(layer=layer, x=x, c=c):
                with torch.no_grad():
                    return (layer(x) * c).sum().item()

            found = [central_differences(value, w.detach().numpy()) for w in (x, *layer.parameters())]
            alone[name] = max(worst(slopes, found), alone.get(name, 0.0))
    yield check("other layers by central differences: the worst", max(alone.values()), at_most=1e-7)


@reproduction(
    "5.10",
    claim="in sigmoid nets the gradient shrinks at least as fast as (1/4)^L times the product of the weights' norms; "
    "with relu and He's weights its mean square is kept",
    source="the chain rule, slopes of at most 1/4; He et al. (2015), eq. 14",
    protocol="50 layers: 200 chains of single units with weights uniform on [-2, 2]; nets of 100 units with spectral "
    "norms; 100 nets of 256 relu units, for which the mean has a standard error of 0.13",
    mark="C",
)
def vanishing_gradient():
    import torch

    from peira.layers import activation, dense_stack, initialise

    L = 50
    torch.manual_seed(0)
    rooms = []
    for _ in range(200):
        w, h = torch.empty(L, dtype=torch.float64).uniform_(-2, 2), torch.randn((), dtype=torch.float64)
        x = h.requires_grad_()
        for v in w:
            h = activation("sigmoid")(v * h)
        slope = torch.autograd.grad(h, x)[0].abs().item()
        rooms.append(math.log10(slope) - L * math.log10(w.abs().max().item() / 4) if slope else -math.inf)
    yield check("chains: log10 of gradient over (1/4)^L max|w|^L, the greatest", max(rooms), at_most=0.0)
    net = dense_stack([100] * (L + 1), activation="sigmoid", initialisation="glorot normal").double()
    x = torch.randn(1, 100, dtype=torch.float64, requires_grad=True)
    net(x).sum().backward()
    layers = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
    bound = sum(math.log10(torch.linalg.matrix_norm(layer.weight, 2).item()) for layer in layers)
    bound += (L - 1) * math.log10(1 / 4) + math.log10(10)  # the error of the outputs is a vector of 100 ones
    yield check("wide net: log10 of the gradient", math.log10(x.grad.norm().item()), at_most=bound)
    yield check("its first layer's gradient over its last one's",
                (layers[0].weight.grad.norm() / layers[-1].weight.grad.norm()).item(), at_most=1e-15)  # fmt: skip
    ratios = []
    for _ in range(100):
        net = dense_stack([256] * L, activation="relu")[:-1]  # ends in a relu
        initialise(net, "he normal")
        x = torch.randn(1, 256, requires_grad=True)
        (net(x) * (error := torch.randn(1, 256))).sum().backward()
        ratios.append((x.grad.square().sum() / error.square().sum()).item())
    yield check("relu and He: mean square of the gradient, last layer to first", float(np.mean(ratios)),
                at_least=0.6, at_most=1.5)  # fmt: skip


@reproduction(
    "5.11",
    claim="in a recurrent net of spectral radius 1.5 the gradient grows by 1.5 a step; clipped, it is torch's "
    "clip_grad_norm_ to the last digits, never longer than asked for, and the net learns",
    source="Pascanu, Mikolov & Bengio (2013), section 2 and algorithm 1; torch.nn.utils.clip_grad_norm_",
    protocol="linear recurrent net of 20 units; gradients over 20 to 60 steps; one update with the largest norms 0.01 "
    "to 1e9; 60 updates on the mean of 30 inputs, with and without clipping",
    mark="C",
)
def exploding_gradient():
    import torch
    from torch import nn

    from peira.training import InMemory, Player, Training, minimise

    class Recurrent(nn.Module):
        """h_t = W h_(t-1) + V x_t; the answer is u h_T."""

        def __init__(self, seed, dtype=torch.float32):
            super().__init__()
            torch.manual_seed(seed)
            W = torch.randn(20, 20, dtype=torch.float64)
            W *= 1.5 / torch.linalg.eigvals(W).abs().max()
            self.W = nn.Parameter(W.to(dtype))
            self.V = nn.Parameter(torch.randn(20, 1, dtype=dtype))
            self.u = nn.Parameter(torch.randn(20, dtype=dtype) / 20)

        def forward(self, x):
            h = torch.zeros(len(x), 20, dtype=x.dtype)
            for t in range(x.shape[1]):
                h = h @ self.W.T + x[:, t, None] * self.V.T
            return h @ self.u

    X = torch.randn(256, 60, generator=torch.Generator().manual_seed(0))
    lengths, slopes = (20, 40, 60), []
    for T in lengths:
        first = X[:1, :T].double().clone().requires_grad_()
        answer = Recurrent(0, torch.float64)(first)
        slopes.append(torch.autograd.grad(answer, first)[0][0, 0].abs().item())
    growth = math.exp((math.log(slopes[-1]) - math.log(slopes[0])) / 40)
    yield check("growth of d(answer)/d(first input) a step", growth, reference=1.5, tolerance=0.1)

    x, y = X[:, :30], X[:, :30].mean(1)

    def loss(net, x, y):
        return (net(x) - y).square().mean()

    for c in (0.01, 1.0, 1e9):
        ours, theirs = Recurrent(0), Recurrent(0)
        player = Player(ours, Training(optimiser="sgd", learning_rate=1.0, clip=c), 1)
        before = [w.detach().clone() for w in ours.parameters()]
        player.minimise(loss(ours, x, y))
        loss(theirs, x, y).backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), c)
        torch.optim.SGD(theirs.parameters(), lr=1.0).step()
        gap = max((a - b).abs().max().item() for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
        yield check(f"clipped at {c:g}: greatest difference of weights from torch's", gap, at_most=0.0)
        now = [w.detach() for w in ours.parameters()]
        moved = math.sqrt(sum((a - b).square().sum().item() for a, b in zip(now, before, strict=True)))
        if c <= 1:
            yield check(f"clipped at {c:g}: norm of the update over that", moved / c, at_most=1 + 1e-4)
    ends = {}
    for clip in (None, 1.0):
        net = Recurrent(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            training = Training(optimiser="sgd", learning_rate=0.01, updates=60, batch_size=32, clip=clip)
            try:
                minimise(net, lambda x, y, net=net: loss(net, x, y), InMemory(x, y, size=32, seed=0), training)
                ends[clip] = loss(net, x, y).item()
            except ValueError:  # the loss was no number from the start
                ends[clip] = math.nan
    start = loss(Recurrent(0), x, y).item()
    yield check("loss after clipped learning over that before", ends[1.0] / start, at_most=1e-3)
    held = math.isfinite(ends[None]) and ends[None] < start
    yield check("without clipping it learns", held, reference=False)


@reproduction(
    "5.12",
    claim="after 30 layers the variance of net inputs is 1 +- 0.05 of the first: He with relu, Glorot and orthogonal "
    "with linear units; Glorot with relu halves it in each",
    source="He et al. (2015), eq. 10; Glorot & Bengio (2010), eq. 12; Saxe et al. (2014)",
    protocol="256 units; the mean over 3,000 nets for relu, 1,200 for linear units (standard error 0.016), 20 "
    "orthogonal ones; one standard normal item a net",
    mark="C",
    slow=True,
)
def variance_through_thirty_layers():
    import torch

    from peira.layers import initialise

    torch.manual_seed(0)
    layer = torch.nn.Linear(256, 256, bias=False)

    def ratio(scheme, nets, f, gain=None):
        found = []
        with torch.no_grad():
            for _ in range(nets):
                first = z = initialise(layer, scheme, gain)(torch.randn(1, 256))
                for _ in range(30):
                    z = initialise(layer, scheme, gain)(f(z))
                found.append((z.square().mean() / first.square().mean()).item())
        return float(np.mean(found))

    yield check("he normal, relu", ratio("he normal", 3000, torch.relu), reference=1.0, tolerance=0.05)
    linear = {"scheme": "glorot normal", "nets": 1200, "f": lambda z: z}
    yield check("glorot normal, linear", ratio(**linear), reference=1.0, tolerance=0.05)
    yield check("orthogonal, linear", ratio("orthogonal", 20, lambda z: z), reference=1.0, tolerance=1e-3)
    yield check("glorot normal, relu: log2", math.log2(ratio("glorot normal", 50, torch.relu)),
                reference=-30.0, tolerance=1.5)  # fmt: skip


def names():
    """Contexts of three characters and the next one, of 80 % and of the next 10 % of the shuffled names."""
    import torch

    words = data("text-names/names.txt.gz").split()
    random.Random(42).shuffle(words)
    parts = []
    for part in (words[: int(0.8 * len(words))], words[int(0.8 * len(words)) : int(0.9 * len(words))]):
        codes = [[0, 0, 0, *(ord(letter) - 96 for letter in word), 0] for word in part]
        windows = torch.tensor([code[i : i + 4] for code in codes for i in range(len(code) - 3)])
        parts.append((windows[:, :3].contiguous(), windows[:, 3].contiguous()))
    return parts


def learn_names(first_weights, normalisation=None):
    """Validation loss of the perceptron of names before and after learning, and the net."""
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    from peira.layers import dense_stack
    from peira.training import InMemory, Training, minimise

    (X, Y), (X_valid, Y_valid) = names()
    torch.manual_seed(0)
    stack = dense_stack([30, 200, 27], activation="tanh", normalisation=normalisation)
    first_weights(stack)
    net = nn.Sequential(nn.Embedding(27, 10), nn.Flatten(), stack)

    def loss(x, y):
        return cross_entropy(net(x), y)

    def validation():
        net.eval()
        with torch.no_grad():
            return loss(X_valid, Y_valid).item()

    before = validation()
    for half, rate in enumerate((0.1, 0.01)):
        training = Training(optimiser="sgd", learning_rate=rate, updates=STEPS // 2)
        minimise(net, loss, InMemory(X, Y, size=32, seed=half), training)
    return before, validation(), net


def as_drawn(stack):
    """Everything standard normal: confidently wrong, and saturated."""
    import torch

    for weights in stack.parameters():
        torch.nn.init.normal_(weights)


def principled(stack):
    """A gain of 5/3 into tanh, and outputs of almost zero."""
    from peira.layers import initialise

    initialise(stack[:-1], "lecun normal", gain=5 / 3)
    initialise(stack.output, "lecun normal", gain=0.01 * math.sqrt(200))


NAMES = dict(  # what both rows of names say
    source="Karpathy, Neural Networks: Zero to Hero, makemore part 3, the table of losses",
    data="text-names/names.txt.gz",
    mark="V",
    slow=True,
)
NAMES_PROTOCOL = (
    "32,033 names shuffled, 80 % to learn from and 10 % to measure on; three characters, embedding 10, 200 tanh units; "
    f"{STEPS:,} updates of 32 items (dealt without replacement) at 0.1, then 0.01 from the half"
)


@reproduction(
    "5.12",
    claim="names: better first weights lower the validation loss from 2.168 to between 2.102 and 2.107",
    protocol=NAMES_PROTOCOL,
    **NAMES,
)
def names_by_first_weights():
    (X, _), (X_valid, _) = names()
    yield check("items to learn from and to measure on", [len(X), len(X_valid)], reference=[182625, 22655])
    before, after, _ = learn_names(as_drawn)
    yield check("standard normal weights: loss before learning, nats", before, at_least=20.0)
    yield check("standard normal weights: validation loss, nats", after, reference=2.168, tolerance=0.015)
    before, better, _ = learn_names(principled)
    yield check("gain 5/3: loss before learning", before, reference=math.log(27), tolerance=0.02)
    yield check("gain 5/3: validation loss", better, reference=2.107, tolerance=0.01)
    yield check("gain", after - better, at_least=0.04)


@reproduction(
    "5.19",
    claim="names: with batch normalisation the validation loss is 2.105",
    protocol=NAMES_PROTOCOL + "; running means move by 0.001",
    **NAMES,
)
def names_with_batch_normalisation():
    def begin(stack):
        principled(stack)
        stack.normalisation_1.momentum = 0.001

    _, after, _ = learn_names(begin, "batch")
    yield check("validation loss, nats", after, reference=2.105, tolerance=0.01)


@reproduction(
    "5.19",
    claim="batch normalisation is its formula while learning, answers by the running means, and equals torch's "
    "both ways",
    source="Ioffe & Szegedy (2015), algorithms 1 and 2; torch.nn.BatchNorm",
    protocol="10 batches of 16 rows, signals and images in double precision",
    mark="C",
)
def batch_normalisation():
    import torch
    from torch import nn

    from peira.layers import normalisation

    for dims, theirs in ((0, nn.BatchNorm1d), (1, nn.BatchNorm1d), (2, nn.BatchNorm2d)):
        torch.manual_seed(0)
        ours, theirs = normalisation("batch", 5, dims).double(), theirs(5).double()
        mean, variance, gaps = np.zeros(5), np.ones(5), []
        for _ in range(10):
            x = 3 * torch.randn(16, 5, *(4, 3)[:dims], dtype=torch.float64) + 1
            rows = np.moveaxis(x.numpy(), 1, -1).reshape(-1, 5)
            y = ours(x).detach()
            by_hand = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5)
            gaps += [
                abs(np.moveaxis(y.numpy(), 1, -1).reshape(-1, 5) - by_hand).max(),
                (y - theirs(x)).abs().max().item(),
            ]
            mean, variance = 0.9 * mean + 0.1 * rows.mean(0), 0.9 * variance + 0.1 * rows.var(0, ddof=1)
        yield check(f"{dims} axes of positions, learning: greatest difference", max(gaps), at_most=1e-12)
        answer = np.moveaxis(ours.eval()(x).detach().numpy(), 1, -1).reshape(-1, 5)
        gaps = [abs(answer - (rows - mean) / np.sqrt(variance + 1e-5)).max(),
                (ours(x) - theirs.eval()(x)).abs().max().item()]  # fmt: skip
        yield check(f"{dims} axes of positions, answering: greatest difference", max(gaps), at_most=1e-12)


@reproduction(
    "5.17",
    claim="convolutions are their sum, forwards and backwards, and torch's to 1e-6; Fourier transforms give the same; "
    "sizes follow the law; a transposed convolution is the transpose",
    source=f"{BY_HAND}; Dumoulin & Visin (2016), relationships 6 and 14; torch.nn.functional.conv2d",
    protocol="windows 1, 2, 3, 5, strides 1 to 3, padding 0 to 2, dilations 1, 2; 2 images of 3 x 9 x 8, double "
    "precision",
    mark="C",
)
def convolutions():
    import torch
    from torch.nn import functional as F

    from peira.layers import convolution, output_size
    from tests.layers.by_hand import convolve, convolve_back

    torch.manual_seed(0)
    by_hand, by_torch, transposes, shapes, cases = [], [], [], 0, 0
    for k, s, p, d in itertools.product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2)):
        if 8 + 2 * p <= d * (k - 1):
            continue
        cases += 1
        x = torch.randn(2, 3, 9, 8, dtype=torch.float64, requires_grad=True)
        layer = convolution(3, 4, k, stride=s, padding=p, dilation=d).double()
        (w, b), y = layer.parameters(), layer(x)
        delta = torch.randn_like(y)
        each = ((s, s), (p, p), (d, d))
        slopes = [v.numpy() for v in torch.autograd.grad(y, [x, w, b], delta)]
        given = x.detach().numpy(), w.detach().numpy()
        by_hand.append(worst([y.detach()], [convolve(*given, b.detach().numpy(), *each)]))
        by_hand.append(worst(slopes, convolve_back(*given, delta.numpy(), *each)))
        theirs = F.conv2d(x, w, b, s, p, d)
        by_torch.append(worst([y.detach()], [theirs.detach()]))
        by_torch.append(worst(slopes, [v.numpy() for v in torch.autograd.grad(theirs, [x, w, b], delta)]))
        law = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n in (9, 8))
        shapes += tuple(y.shape[2:]) == law == output_size((9, 8), k, s, p, d)
        least = output_size(law, k, s, p, d, transposed=True) if p <= d * (k - 1) // 2 else (0, 0)
        more = tuple(n - m for n, m in zip((9, 8), least, strict=True))
        if max(more) < max(s, d):
            back = convolution(
                4, 3, k, stride=s, padding=p, dilation=d, transposed=True, output_padding=more, bias=False
            )
            back.weight = w
            inner = ((y - b[:, None, None]) * delta).sum().item()
            transposes.append(abs(inner - (x * back(delta)).sum().item()) / abs(inner))
    yield check("the definition, forwards and backwards: worst relative error", max(by_hand), at_most=1e-12)
    yield check("torch.nn.functional.conv2d: worst relative error", max(by_torch), at_most=1e-6)
    yield check("sizes by the law", shapes, reference=cases)
    yield check("<conv x, y> = <x, transposed y>: worst relative error", max(transposes), at_most=1e-10)
    yield check("transposes that were looked at", len(transposes), at_least=30)
    x, layer = torch.randn(2, 3, 16, 12, dtype=torch.float64), convolution(3, 4, 5, padding_mode="circular").double()
    flipped = torch.fft.rfft2(layer.weight.detach().flip(-2, -1), s=(16, 12))
    product = torch.einsum("nchw,kchw->nkhw", torch.fft.rfft2(x), flipped)
    fourier = torch.fft.irfft2(product, s=(16, 12)).roll((-2, -2), (-2, -1)) + layer.bias.detach()[:, None, None]
    yield check("by Fourier transform: worst relative error", worst([layer(x).detach()], [fourier]), at_most=1e-12)


@reproduction(
    "5.18",
    claim="pooling is the maximum or mean of its windows; it forgives small translations, not scale or orientation",
    source="the definitions in numpy; the course's statement on scale and orientation is refuted by example",
    protocol="windows 1 to 4, strides 1 to 4, padding 0, 1; noise shifted by one pixel; a bar turned by 90 "
    "degrees and one twice as long",
    mark="C",
)
def pools():
    import torch

    from peira.layers import pooling

    torch.manual_seed(0)
    x = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    gaps = {"max": 0.0, "average": 0.0}
    for k, s, p in itertools.product((1, 2, 3, 4), (1, 2, 3, 4), (0, 1)):
        if p > k / 2:
            continue
        padded = np.pad(x.numpy(), [(0, 0), (0, 0), (p, p), (p, p)], constant_values=np.nan)
        seen = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(2, 3))[:, :, ::s, ::s]
        for kind, of in (("max", np.nanmax), ("average", np.nanmean)):
            found = pooling(kind, k, stride=s, padding=p)(x).numpy()
            gaps[kind] = max(gaps[kind], abs(found - of(seen, axis=(-2, -1))).max())
    for kind, gap in gaps.items():
        yield check(f"{kind}: greatest difference", gap, at_most=1e-14)
    for kind, of in (("global max", np.max), ("global average", np.mean)):
        gap = abs(pooling(kind)(x).numpy() - of(x.numpy(), axis=(2, 3))).max()
        yield check(f"{kind}: greatest difference", gap, at_most=1e-14)
    pool = pooling("max", 4)
    image = torch.randn(20, 1, 32, 32)
    whole = (pool(image.roll(4, 3)) - pool(image).roll(1, 3)).abs().max().item()
    yield check("a shift by a whole stride shifts the answer: greatest difference", whole, at_most=0.0)
    peak = torch.zeros(1, 1, 32, 32)
    peak[..., 12, 12] = 1.0
    inside = [(pool(peak.roll((i, j), (2, 3))) - pool(peak)).abs().sum().item() for i in range(4) for j in range(4)]
    yield check("shifts of a peak inside its window that change the answer", int(np.count_nonzero(inside)), reference=0)

    def change(a, b):
        return ((a - b).norm() / (a - a.mean()).norm()).item()

    moved = image.roll(1, 3)
    pooled, plain = change(pool(image), pool(moved)), change(image, moved)
    yield check("change by a shift of one pixel, pooled over unpooled", pooled / plain, at_most=0.75)
    bar = torch.zeros(1, 1, 32, 32)
    bar[..., 8, 4:12] = 1.0
    longer = torch.zeros(1, 1, 32, 32)
    longer[..., 8, 4:20] = 1.0
    yield check("change of the pooled bar when turned", change(pool(bar), pool(bar.transpose(2, 3))), at_least=0.95)
    yield check("change of the pooled bar when twice as long", change(pool(bar), pool(longer)), at_least=0.95)
