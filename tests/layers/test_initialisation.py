"""First weights have the stated laws, and keep signals and errors at their size through many layers."""

import math

import numpy as np
import pytest
import torch
from sklearn.neural_network import MLPClassifier
from torch import nn

from peira.core.errors import ParameterError
from peira.layers import activation, dense_stack, fans, gain, initialise, zero_last
from peira.layers.initialisation import SCHEMES

LAYERS = [
    nn.Linear(30, 50), nn.Conv1d(6, 10, 5), nn.Conv2d(4, 8, (3, 5), stride=2), nn.Conv3d(2, 4, 3, groups=2),
    nn.ConvTranspose1d(6, 10, 4, stride=2), nn.ConvTranspose2d(4, 8, 3, stride=(1, 3)), nn.Conv2d(6, 6, 3, groups=6),
]  # fmt: skip


def reached(layer):
    """How many inputs reach an output and the other way, counted on the layer's own matrix, away from edges."""
    layer = nn.Linear(layer.in_features, layer.out_features, bias=False) if isinstance(layer, nn.Linear) else layer
    with torch.no_grad():
        layer.weight.fill_(1.0)
        if isinstance(layer, nn.Linear):
            x = torch.zeros(1, layer.in_features)
        else:
            x = torch.zeros(1, layer.in_channels, *(36,) * len(layer.kernel_size))
    matrix = torch.autograd.functional.jacobian(lambda x: layer(x).sum(0), x).squeeze(-x.dim())
    flat = matrix.reshape(-1, x.numel())
    period = max(getattr(layer, "stride", (1,)))
    return flat.sum(1), flat.sum(0), period


@pytest.mark.parametrize("layer", LAYERS[:2] + LAYERS[4:5], ids=str)
def test_fans_count_the_entries_of_the_layers_matrix(layer):
    inwards, outwards, period = reached(layer)
    D, H = fans(layer)
    if period == 1:
        assert inwards.max() == D
    else:  # a strided transpose reaches its outputs unequally: on the average
        middle = inwards.reshape(layer.out_channels, -1)[:, 10:30]
        assert middle.mean() == pytest.approx(D)
    assert outwards.max() == H


@pytest.mark.parametrize("layer", LAYERS[:3], ids=str)
def test_fans_are_torchs_where_there_are_no_groups(layer):
    assert fans(layer) == nn.init._calculate_fan_in_and_fan_out(layer.weight)


def test_schemes_are_torchs_where_torch_has_them(seed):
    theirs = {
        "glorot uniform": nn.init.xavier_uniform_,
        "glorot normal": nn.init.xavier_normal_,
        "he uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
        "he normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
        "lecun normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"),
        "lecun uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="linear"),
        "orthogonal": nn.init.orthogonal_,
    }
    for layer in LAYERS[:3]:
        for scheme, by_torch in theirs.items():
            expected = torch.empty_like(layer.weight)
            torch.manual_seed(seed)
            with torch.no_grad():
                by_torch(expected)
            torch.manual_seed(seed)
            assert initialise(layer, scheme) is layer
            torch.testing.assert_close(layer.weight.detach(), expected)
            assert not layer.bias.any()


def test_torchs_scheme_is_its_default(seed):
    torch.manual_seed(seed)
    layer = nn.Linear(30, 50)
    kept = [w.detach().clone() for w in layer.parameters()]
    torch.manual_seed(seed)
    initialise(layer, "torch")
    for w, expected in zip(layer.parameters(), kept, strict=True):
        torch.testing.assert_close(w.detach(), expected)


@pytest.mark.parametrize(("name", "factor"), [("relu", 6), ("logistic", 2)])
def test_scikit_learns_scheme(seed, name, factor):
    torch.manual_seed(seed)
    bound = math.sqrt(factor / (40 + 300))
    ours = initialise(nn.Linear(40, 300), "scikit-learn", gain=math.sqrt(factor / 6))
    theirs = MLPClassifier(activation=name)
    theirs._random_state, theirs.out_activation_ = np.random.RandomState(seed), "softmax"
    for mine, yours in zip(ours.parameters(), theirs._init_coef(40, 300, np.float64), strict=True):
        for values in (mine.detach().numpy(), yours):
            assert 0.95 * bound < abs(values).max() <= bound * (1 + 1e-6)
            assert values.var() == pytest.approx(bound**2 / 3, rel=0.25)


@pytest.mark.parametrize("sizes", [(20, 20), (20, 50), (50, 20)])
def test_orthogonal_rows_or_columns(seed, sizes):
    torch.manual_seed(seed)
    W = initialise(nn.Linear(*sizes).double(), "orthogonal", gain=3.0).weight.detach()
    small = W @ W.T if sizes[0] >= sizes[1] else W.T @ W
    torch.testing.assert_close(small, 9 * torch.eye(20, dtype=torch.float64))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nets_without_memory_can_be_initialised(scheme):
    with torch.device("meta"):
        assert initialise(nn.Sequential(*[type(LAYERS[0])(3, 4)]), scheme, gain="tanh")[0].weight.is_meta


@pytest.mark.parametrize(
    ("scheme", "gain", "message"),
    [
        ("xavier", None, "no initialisation 'xavier'"),
        ("he norml", None, "did you mean 'he normal'"),
        ("he normal", 0.0, "positive"),
        ("he normal", math.nan, "positive"),
        ("he normal", "rely", "did you mean 'relu'"),
    ],
)
def test_what_does_not_exist(scheme, gain, message):
    with pytest.raises(ParameterError, match=message):
        initialise(nn.Linear(2, 2), scheme, gain)


def through(H, L, name, scheme, runs, seed):
    """Mean squares of net inputs of the first and the last of L layers, and of the errors there, for each run."""
    torch.manual_seed(seed)
    found = []
    for _ in range(runs):
        layers = [initialise(nn.Linear(H, H, bias=False), scheme, gain=name) for _ in range(L)]
        f = activation(name)
        z = [layers[0](torch.randn(1, H) / gain(name))]
        z[0].retain_grad()
        for layer in layers[1:]:
            z.append(layer(f(z[-1])))
        z[-1].retain_grad()
        (z[-1] * torch.randn(1, H)).sum().backward()
        found.append([t.square().mean().item() for t in (z[0], z[-1], z[0].grad, z[-1].grad)])
    return np.array(found).T


@pytest.mark.parametrize("scheme", ["lecun normal", "lecun uniform"])
def test_relu_nets_of_30_layers_keep_signal_and_error(seed, scheme):
    H, L, runs = 128, 30, 60
    first, last, error, start = through(H, L, "relu", scheme, runs, seed)
    spread = math.sqrt((math.exp(5 * L / H) - 1) / runs)  # E f^4 / (E f^2)^2 - 1 = 5 for each layer of H units
    assert abs(last.mean() / first.mean() - 1) < 4 * spread
    assert abs(error.mean() / start.mean() - 1) < 4 * spread


@pytest.mark.parametrize("name", ["tanh", "selu", "sigmoid", "hard tanh"])
def test_30_layers_keep_the_signal_with_the_gain_of_their_activation(seed, name):
    first, last, *_ = through(512, 30, name, "lecun normal", 3, seed)
    assert last.mean() / first.mean() == pytest.approx(1, abs=0.35)


def test_orthogonal_linear_nets_keep_every_length(seed):
    first, last, error, start = through(64, 30, "identity", "orthogonal", 2, seed)
    np.testing.assert_allclose(last / first, 1, rtol=1e-4)
    np.testing.assert_allclose(error / start, 1, rtol=1e-4)


def test_other_gains_vanish_or_explode(seed):
    torch.manual_seed(seed)
    for g, low, high in ((1.0, 0, 1e-6), (2.0, 1e6, math.inf)):  # (g^2 / 2)^30
        x = torch.randn(1, 256)
        for _ in range(30):
            x = torch.relu(initialise(nn.Linear(256, 256), "lecun normal", gain=g)(x))
        assert low <= x.square().mean().item() <= high


def test_zero_last():
    net = zero_last(dense_stack([3, 5, 2], normalisation="layer"))
    assert not net(torch.randn(4, 3)).any()
    assert net.dense_1.weight.any()
    with pytest.raises(ParameterError, match="no weights"):
        zero_last(nn.ReLU())
