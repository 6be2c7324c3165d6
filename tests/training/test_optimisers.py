"""Each rule of the update: its formula written out, torch's own loop, and what theory says of a quadratic loss."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from peira.core.errors import ParameterError
from peira.training import InMemory, Training, minimise
from peira.training.optimisers import RATES, optimiser_for

f64 = torch.float64
LAMBDA = 0.03  # weight decay in the trajectories


def adam(w, g, t, kept, eta, beta, gamma, eps, decoupled):
    if decoupled:
        w = w - eta * LAMBDA * w
    else:
        g = g + LAMBDA * w
    m = kept["m"] = beta * kept.get("m", 0) + (1 - beta) * g
    s = kept["s"] = gamma * kept.get("s", 0) + (1 - gamma) * g * g
    return w - eta * (m / (1 - beta**t)) / (np.sqrt(s / (1 - gamma**t)) + eps)


def scaled(w, g, kept, eta, eps, gamma=None):
    g = g + LAMBDA * w
    before = kept.get("s", 0)
    s = kept["s"] = before + g * g if gamma is None else gamma * before + (1 - gamma) * g * g
    return w - eta * g / (np.sqrt(s) + eps)


def heavy(w, g, kept, eta, beta, nesterov):
    g = g + LAMBDA * w
    v = kept["v"] = beta * kept.get("v", 0) + g
    return w - eta * (g + beta * v if nesterov else v)


def rprop(w, g, kept, eta):
    step, before = kept.get("step", np.full_like(w, eta)), kept.get("g", np.zeros_like(w))
    turned = g * before < 0
    step = np.clip(np.where(turned, 0.5, np.where(g * before > 0, 1.2, 1.0)) * step, 1e-6, 50)
    g = np.where(turned, 0.0, g)
    kept["step"], kept["g"] = step, g
    return w - np.sign(g) * step


# The docstring of `peira.training.optimisers`, line by line, with settings that are nobody's defaults.
RULES = {
    "sgd": ({}, lambda w, g, t, k: w - 0.05 * (g + LAMBDA * w)),
    "momentum": ({"momentum": 0.8}, lambda w, g, t, k: heavy(w, g, k, 0.05, 0.8, False)),
    "nesterov": ({"momentum": 0.8}, lambda w, g, t, k: heavy(w, g, k, 0.05, 0.8, True)),
    "adagrad": ({"epsilon": 1e-3}, lambda w, g, t, k: scaled(w, g, k, 0.05, 1e-3)),
    "rmsprop": ({"decay": 0.95, "epsilon": 0.5}, lambda w, g, t, k: scaled(w, g, k, 0.05, 0.5, 0.95)),
    "adam": (
        {"momentum": 0.7, "decay": 0.95, "epsilon": 1e-3},
        lambda w, g, t, k: adam(w, g, t, k, 0.05, 0.7, 0.95, 1e-3, False),
    ),
    "adamw": (
        {"momentum": 0.7, "decay": 0.95, "epsilon": 1e-3},
        lambda w, g, t, k: adam(w, g, t, k, 0.05, 0.7, 0.95, 1e-3, True),
    ),
    "rprop": ({}, lambda w, g, t, k: rprop(w, g, k, 0.05)),
}
TORCHS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, weight_decay=LAMBDA),
    "momentum": lambda p: torch.optim.SGD(p, 0.05, 0.8, weight_decay=LAMBDA),
    "nesterov": lambda p: torch.optim.SGD(p, 0.05, 0.8, weight_decay=LAMBDA, nesterov=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.05, weight_decay=LAMBDA, eps=1e-3),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.05, 0.95, 0.5, weight_decay=LAMBDA),
    "adam": lambda p: torch.optim.Adam(p, 0.05, (0.7, 0.95), 1e-3, weight_decay=LAMBDA),
    "adamw": lambda p: torch.optim.AdamW(p, 0.05, (0.7, 0.95), 1e-3, weight_decay=LAMBDA),
    "rprop": lambda p: torch.optim.Rprop(p, 0.05),
}


class Valley(nn.Module):
    """A loss with curved, ill-scaled level lines, whose gradient by hand is short."""

    def __init__(self, start, dtype=f64):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(start, dtype=dtype))
        self.register_buffer("a", torch.tensor([0.2, 2.0, 5.0], dtype=dtype))

    def forward(self, x):
        return (self.a * self.w**2 / 2 + torch.cos(self.w)).sum() + 0 * x.sum()

    @staticmethod
    def gradient(w):
        return np.array([0.2, 2.0, 5.0]) * w - np.sin(w)


START = [2.0, -1.5, 1.0]


def one_item(dtype=f64):
    return InMemory(torch.zeros(1, 1, dtype=dtype), size=None, seed=0, shuffle=False)


def trajectory(net, training, updates=100):
    """The weights after each update, by our loop: one training of U updates for each U would be the same."""
    seen = []

    def loss(x):
        seen.append(net.w.detach().clone())
        return net(x)

    minimise(net, loss, one_item(net.w.dtype), training._replace(updates=updates))
    return torch.stack([*seen[1:], net.w.detach()])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [f64, torch.float32])
def test_a_hundred_updates_are_those_of_the_formula_and_of_torch(rule, dtype):
    settings, formula = RULES[rule]
    decay = {} if rule == "rprop" else {"weight_decay": LAMBDA}
    training = Training(optimiser=rule, learning_rate=0.05, batch_size=None, **settings, **decay)
    ours = trajectory(Valley(START, dtype), training)

    theirs, net = [], Valley(START, dtype)
    optimiser = TORCHS[rule]([net.w])
    for _ in range(100):
        optimiser.zero_grad()
        net(torch.zeros(1)).backward()
        optimiser.step()
        theirs.append(net.w.detach().clone())
    tolerance = 1e-12 if dtype == f64 else 1e-6
    torch.testing.assert_close(ours, torch.stack(theirs), rtol=0, atol=tolerance)

    if dtype == f64:
        by_hand, w, kept = [], np.array(START), {}
        for t in range(1, 101):
            w = formula(w, Valley.gradient(w), t, kept)
            by_hand.append(w)
        torch.testing.assert_close(ours, torch.from_numpy(np.array(by_hand)), rtol=0, atol=1e-12)


def test_lbfgs_finds_the_minimum_in_a_few_steps_of_line_search():
    net = Valley(START)
    minimise(net, net, one_item(), Training(optimiser="lbfgs", batch_size=None, updates=30))
    assert np.abs(Valley.gradient(net.w.detach().numpy())).max() < 1e-11


def test_lbfgs_searches_along_the_line():
    """Rosenbrock's valley, where the first direction leads far away unless the search comes back."""
    w = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=f64))
    net, losses = nn.ParameterList([w]), []

    def loss(x):
        value = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2 + 0 * x.sum()
        losses.append(value.item())
        return value

    minimise(net, loss, one_item(), Training(optimiser="lbfgs", batch_size=None, updates=60))
    torch.testing.assert_close(w.detach(), torch.ones(2, dtype=f64), rtol=0, atol=1e-9)
    assert max(losses[2:]) < losses[0] * 100


def test_defaults_are_torchs():
    w = [nn.Parameter(torch.zeros(2))]
    usual = {"rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam,
             "adamw": torch.optim.AdamW, "rprop": torch.optim.Rprop}  # fmt: skip
    for rule, make in usual.items():
        ours, theirs = optimiser_for(Training(optimiser=rule), w).defaults, make(w).defaults
        for name in ("lr", "betas", "alpha", "eps", "etas", "step_sizes"):
            if name in theirs:
                same = name != "lr" or rule != "rmsprop"  # Hinton's 0.001 in place of torch's 0.01
                assert (ours[name] == theirs[name]) == same, (rule, name)
    assert set(RATES) == {*RULES, "lbfgs"}


@pytest.mark.parametrize(("rule", "name", "value"), [
    ("rprop", "weight_decay", 0.1), ("lbfgs", "weight_decay", 0.1), ("lbfgs", "clip", 1.0), ("lbfgs", "micro_batch", 2),
    ("lbfgs", "schedule", "cosine"), ("lbfgs", "warmup", 0.1), ("lbfgs", "precision", "bfloat16"),
])  # fmt: skip
def test_a_setting_without_a_place_is_refused(rule, name, value):
    with pytest.raises(ParameterError, match=name):
        optimiser_for(Training(optimiser=rule, **{name: value}), [nn.Parameter(torch.zeros(1))])


def test_nesterov_without_momentum_is_descent():
    rule = optimiser_for(Training(optimiser="nesterov", momentum=0.0), [nn.Parameter(torch.zeros(1))])
    assert rule.defaults["nesterov"] is False and rule.defaults["momentum"] == 0


def test_groups_have_settings_of_their_own():
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    rule = optimiser_for(
        Training(optimiser="sgd", learning_rate=0.1), [{"params": [a], "lr": 0.5, "weight_decay": 1.0}, {"params": [b]}]
    )
    (a.sum() + b.sum()).backward()
    rule.step()
    assert a.item() == pytest.approx(1 - 0.5 * 2) and b.item() == pytest.approx(0.9)
    module = nn.Linear(2, 1)
    for given in ([{"params": module.parameters()}], [{"params": module.weight}, {"params": module.bias}],
                  module.named_parameters(), [{"params": module.named_parameters()}]):  # fmt: skip
        assert sum(len(group["params"]) for group in optimiser_for(Training(), given).param_groups) == 2
    with pytest.raises(ParameterError, match="no weight to learn"):
        optimiser_for(Training(), [])


# ---------------------------------------------------------------------- theory on a quadratic loss


class Quadratic(nn.Module):
    """sum a w^2 / 2, from w = 1 on."""

    def __init__(self, *curvatures):
        super().__init__()
        self.a = torch.tensor(curvatures, dtype=f64)
        self.w = nn.Parameter(torch.ones_like(self.a))

    def forward(self, x):
        return (self.a * self.w**2).sum() / 2 + 0 * x.sum()


def rate(training, *curvatures, updates=200):
    """The share of the error that an update leaves, over the second half of the updates."""
    course = trajectory(Quadratic(*curvatures), training, updates).norm(dim=1)
    half = updates // 2
    return float((course[-1] / course[half - 1]) ** (1 / (updates - half)))


@pytest.mark.parametrize("k", [2.0, 10.0, 50.0])
def test_descent_at_its_best_rate(k):
    training = Training(optimiser="sgd", learning_rate=2 / (1 + k), batch_size=None)
    assert rate(training, 1.0, k) == pytest.approx((k - 1) / (k + 1), rel=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99, 1.01, 1.5])
def test_descent_diverges_beyond_two_over_the_largest_curvature(share):
    b = 7.0
    eta = share * 2 / b
    left = rate(Training(optimiser="sgd", learning_rate=eta, batch_size=None), 1.0, b, updates=400)
    assert left == pytest.approx(max(abs(1 - eta), abs(1 - eta * b)), rel=1e-6)
    assert (left > 1) == (share > 1)


@pytest.mark.parametrize("k", [4.0, 25.0, 100.0])
def test_heavy_ball_at_its_best(k):
    """The two roots of each curvature meet, so the error falls like t times the t-th power: slowly seen."""
    root = math.sqrt(k)
    training = Training(
        optimiser="momentum",
        learning_rate=4 / (1 + root) ** 2,
        momentum=((root - 1) / (root + 1)) ** 2,
        batch_size=None,
    )
    updates = int(30 * root)
    course = trajectory(Quadratic(1.0, k), training, updates).norm(dim=1)
    t = torch.arange(1, updates + 1)
    left = (course / t)[updates // 2 :]
    measured = float((left[-1] / left[0]) ** (1 / (len(left) - 1)))
    assert measured == pytest.approx((root - 1) / (root + 1), rel=0.01)


class Centre(nn.Module):
    """As many weights as columns, each of which learns its column's mean: a (w - x)^2 / 2 with a = 1."""

    def __init__(self, D):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(D, dtype=f64))

    def forward(self, x):
        return ((self.w - x) ** 2).sum() / 2


@pytest.mark.parametrize("eta", [0.05, 0.4])
def test_noise_floor_of_stochastic_descent(seed, eta):
    """w <- w - eta (w - x), with x of variance 1: the variance of w settles at eta / (2 - eta), about eta / 2."""
    net, D = Centre(4000), 4000
    updates = int(8 / eta)
    x = torch.randn(updates, D, dtype=f64, generator=torch.Generator().manual_seed(seed))
    how = Training(optimiser="sgd", learning_rate=eta, batch_size=1, updates=updates)
    minimise(net, net, InMemory(x, size=1, seed=seed), how)
    assert float(net.w.detach().var()) == pytest.approx(eta / (2 - eta), rel=4 * math.sqrt(2 / D))


def test_averaging_weights_lowers_the_noise_floor(seed):
    x = torch.randn(400, 200, dtype=f64, generator=torch.Generator().manual_seed(seed))
    left = {}
    for average in (None, 0.98):
        net = Centre(200)
        how = Training(optimiser="sgd", learning_rate=0.4, batch_size=1, updates=400, average=average)
        minimise(net, net, InMemory(x, size=1, seed=seed), how)
        left[average] = float(net.w.detach().var())
    assert left[0.98] < 0.1 * left[None]


# ---------------------------------------------------------------------- what keeps a linear model small


def regression(seed, N=30, D=4):
    g = torch.Generator().manual_seed(seed)
    X = torch.randn(N, D, dtype=f64, generator=g) * torch.tensor([3.0, 1.0, 0.5, 0.2], dtype=f64)
    return X, X @ torch.tensor([1.0, -2.0, 1.0, 3.0], dtype=f64) + torch.randn(N, dtype=f64, generator=g)


def descended(X, y, training, seed=0, change=None):
    net = nn.Linear(X.shape[1], 1, bias=False).double()
    nn.init.zeros_(net.weight)
    batches = InMemory(X, y, size=training.batch_size, seed=seed, shuffle=False, change=change)
    minimise(net, lambda x, t: ((net(x)[:, 0] - t) ** 2).mean() / 2, batches, training)
    return net.weight.detach()[0]


@pytest.mark.parametrize("rule", ["sgd", "momentum", "nesterov"])
def test_weight_decay_as_a_penalty_is_ridge(seed, rule):
    X, y = regression(seed)
    decay, eta = 0.3, {"sgd": 0.1, "momentum": 0.02, "nesterov": 0.02}[rule]
    how = Training(optimiser=rule, learning_rate=eta, weight_decay=decay, batch_size=None, updates=600)
    w = descended(X, y, how)
    ridge = torch.linalg.solve(X.T @ X / len(X) + decay * torch.eye(4, dtype=f64), X.T @ y / len(X))
    torch.testing.assert_close(w, ridge, rtol=1e-5, atol=1e-5)


def test_decoupled_decay_does_not_depend_on_the_size_of_gradients():
    """AdamW forgets at the rate eta lambda whatever the loss's scale; a penalty in Adam is divided by that scale."""
    one = trajectory(Quadratic(0.0), Training(optimiser="adamw", learning_rate=0.01, weight_decay=0.5, batch_size=None))
    torch.testing.assert_close(one[:, 0], 0.995 ** torch.arange(1, 101, dtype=f64))
    one = trajectory(Quadratic(0.0), Training(optimiser="adam", learning_rate=0.01, weight_decay=0.5, batch_size=None))
    torch.testing.assert_close(one[:20, 0], 1 - 0.01 * torch.arange(1, 21, dtype=f64), rtol=0.02, atol=0)


def test_early_stopping_is_shrinkage_along_each_axis(seed):
    """After t updates descent has learned the share 1 - (1 - eta s)^t along the axis of curvature s: as ridge learns
    s / (s + alpha), which is the same to first order where eta t s is small, with alpha = 1 / (eta t)."""
    X, y = regression(seed)
    S, axes = torch.linalg.eigh(X.T @ X / len(X))
    best = torch.linalg.solve(X.T @ X, X.T @ y)
    eta = 0.5 / float(S[-1])
    for t in (1, 3, 10, 50):
        w = descended(X, y, Training(optimiser="sgd", learning_rate=eta, batch_size=None, updates=t))
        torch.testing.assert_close(axes.T @ w, (1 - (1 - eta * S) ** t) * (axes.T @ best), rtol=1e-9, atol=1e-12)
        share, ridge = 1 - (1 - eta * S) ** t, S / (S + 1 / (eta * t))
        small = eta * t * S < 0.05
        torch.testing.assert_close(share[small], ridge[small], rtol=0.06, atol=0)
        assert ((share >= ridge - 1e-12) & (share <= 1)).all()


def test_noise_at_the_inputs_is_a_penalty(seed):
    """For a linear model the expectation is exactly ridge with the noise's variance (Bishop 1995, section 3)."""
    X, y = regression(seed)
    sigma, copies = 0.4, 50
    Z, t = X.repeat(copies, 1), y.repeat(copies)

    def noisy(batch, generator):
        x, target = batch
        return x + sigma * torch.randn(x.shape, dtype=x.dtype, generator=generator), target

    how = Training(optimiser="sgd", learning_rate=0.05, batch_size=None, updates=800, schedule="linear")
    w = descended(Z, t, how, seed, change=noisy)
    ridge = torch.linalg.solve(X.T @ X / len(X) + sigma**2 * torch.eye(4, dtype=f64), X.T @ y / len(X))
    plain = torch.linalg.solve(X.T @ X, X.T @ y)
    assert (w - ridge).abs().max() < 0.02 < (plain - ridge).abs().max()
