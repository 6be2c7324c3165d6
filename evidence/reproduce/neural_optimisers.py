"""Rows 5.07, 5.08, 5.09 and 5.14: descent and its kin, sums of squares, and what keeps weights small."""

import math

import numpy as np

from evidence import check, reproduction


def bowl(curvatures, training, updates):
    """Distances from the minimum of sum a w^2 / 2 after each update of the training loop, from w = 1 on."""
    import torch

    from peira.training import InMemory, minimise

    class Bowl(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(len(curvatures), dtype=torch.float64))

        def forward(self, x):
            path.append(self.w.detach().norm().item())
            return (a * self.w**2).sum() / 2 + 0 * x.sum()

    a, path, net = torch.tensor(curvatures, dtype=torch.float64), [], Bowl()
    one = InMemory(torch.zeros(1, 1, dtype=torch.float64), size=None, seed=0, shuffle=False)
    minimise(net, net, one, training._replace(updates=updates, batch_size=None))
    return np.array([*path[1:], net.w.detach().norm().item()])


@reproduction(
    "5.07",
    claim="descent on a quadratic: the share (k - 1)/(k + 1) of the error is left, and beyond 2/lambda_max it diverges",
    source="identity: the error along each axis is multiplied by 1 - eta lambda",
    protocol="curvatures 1 to k; eta = 2/(1 + k); the mean share over the second half of 200 updates of the loop",
    mark="C",
)
def rate_of_descent():
    from peira.training import Training

    for k in (2, 10, 100):
        path = bowl([1.0, math.sqrt(k), k], Training(optimiser="sgd", learning_rate=2 / (1 + k)), 200)
        share = (path[-1] / path[99]) ** (1 / 100)
        yield check(f"share of the error left, k = {k}", share, (k - 1) / (k + 1), relative=1e-2)
    for eta in (1.99, 2.01):
        path = bowl([1.0, 7.0], Training(optimiser="sgd", learning_rate=eta / 7), 400)
        yield check(f"diverges at eta = {eta}/lambda_max", bool(path[-1] > path[200]), eta > 2)


@reproduction(
    "5.07",
    claim="stochastic descent ends in a noise floor, of variance eta sigma^2/(a (2 - eta a)): about eta sigma^2/(2 a)",
    source="identity: the stationary variance of w <- (1 - eta a) w + eta noise",
    protocol="4000 weights learn the mean of unit noise from batches of one item (a = sigma = 1); variance across them",
    mark="C",
)
def noise_floor():
    import torch

    from peira.training import InMemory, Training, minimise

    D = 4000
    for eta in (0.02, 0.1, 0.4):
        updates = int(6 / eta)
        x = torch.randn(updates, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        w = torch.nn.Parameter(torch.zeros(D, dtype=torch.float64))
        net = torch.nn.ParameterList([w])
        how = Training(optimiser="sgd", learning_rate=eta, batch_size=1, updates=updates)
        minimise(net, lambda item, w=w: ((w - item) ** 2).sum() / 2, InMemory(x, size=1, seed=0), how)
        four_errors = 4 * math.sqrt(2 / D)
        yield check(f"variance at eta = {eta}", float(w.detach().var()), eta / (2 - eta), relative=four_errors)
    yield check("over the approximation eta/2, at 0.02", 1 / (2 - 0.02) / 0.5, 1.0, tolerance=0.011)


@reproduction(
    "5.08",
    claim="a hundred updates of each rule are those of torch.optim",
    source="identity: torch.optim with unfused updates, in a loop written by hand",
    protocol="a curved loss of six weights, weight decay 0.03 where the rule has it; float32",
    mark="C",
)
def trajectories():
    import torch

    from peira.training import InMemory, Training, minimise

    torchs, eta, decay = torch.optim, 0.05, 0.03
    plain = {"foreach": False, "weight_decay": decay}
    rules = {
        "sgd": lambda w: torchs.SGD(w, eta, **plain),
        "momentum": lambda w: torchs.SGD(w, eta, 0.9, **plain),
        "nesterov": lambda w: torchs.SGD(w, eta, 0.9, nesterov=True, **plain),
        "adagrad": lambda w: torchs.Adagrad(w, eta, **plain),
        "rmsprop": lambda w: torchs.RMSprop(w, eta, **plain),
        "adam": lambda w: torchs.Adam(w, eta, **plain),
        "adamw": lambda w: torchs.AdamW(w, eta, **plain),
        "rprop": lambda w: torchs.Rprop(w, eta, foreach=False),
    }
    curvatures = torch.tensor([0.1, 0.3, 0.5, 2.0, 3.0, 5.0])

    def loss(w):
        return (curvatures * w**2 / 2 + torch.cos(w + 0.3)).sum()

    for name, make in rules.items():
        path, theirs = [], []
        w = torch.nn.Parameter(torch.linspace(-2, 2, 6))
        net = torch.nn.ParameterList([w])

        def told(x, w=w, path=path):
            path.append(w.detach().clone())
            return loss(w) + 0 * x.sum()

        how = Training(optimiser=name, learning_rate=eta, batch_size=None, updates=100)
        how = how if name == "rprop" else how._replace(weight_decay=decay)
        minimise(net, told, InMemory(torch.zeros(1, 1), size=None, seed=0, shuffle=False), how)
        v = torch.nn.Parameter(torch.linspace(-2, 2, 6))
        rule = make([v])
        for _ in range(100):
            rule.zero_grad()
            loss(v).backward()
            rule.step()
            theirs.append(v.detach().clone())
        ours = torch.stack([*path[1:], w.detach()])
        yield check(name, ours.numpy(), torch.stack(theirs).numpy(), tolerance=1e-6)


@reproduction(
    "5.08",
    claim="the heavy ball at its best leaves the share (sqrt k - 1)/(sqrt k + 1) of the error",
    source="Polyak (1964); identity: both roots of z^2 - (1 + beta - eta a) z + beta meet at sqrt beta",
    protocol="curvatures 1 and k, Polyak's eta and beta; by the double root the error is t q^t: its path over t",
    mark="C",
)
def heavy_ball():
    from peira.training import Training

    for k in (4, 25, 100):
        root = math.sqrt(k)
        eta, beta = 4 / (1 + root) ** 2, ((root - 1) / (root + 1)) ** 2
        T = int(30 * root)
        path = bowl([1.0, k], Training(optimiser="momentum", learning_rate=eta, momentum=beta), T)
        path = path / np.arange(1, T + 1)
        share = (path[-1] / path[T // 2]) ** (1 / (T - 1 - T // 2))
        yield check(f"share of the error left, k = {k}", share, (root - 1) / (root + 1), relative=1e-2)


@reproduction(
    "5.09",
    claim="Levenberg-Marquardt finds all twenty-seven certified solutions of NIST's nonlinear sets from both starts",
    source="NIST Statistical Reference Datasets, nonlinear regression: certified values",
    protocol="one setting for all, tol 1e-12, derivatives by autograd; eight digits asked of coefficients and standard "
    "deviations; Lanczos1's sum of squares, 1e-25, is rounding in float64, and its standard deviations with it",
    mark="V",
    data="nist/strd_nonlinear.json",
)
def nist_nonlinear():
    from evidence.nist_nonlinear import SETS, problem
    from peira.training.levenberg_marquardt import levenberg_marquardt

    for name in SETS:
        table, residuals = problem(name)
        for start in (1, 2):
            fit = levenberg_marquardt(residuals, table[f"start_{start}"], tol=1e-12)
            which = f"{name}, start {start}"
            yield check(f"{which}: coefficients", fit.parameters, table["coefficients"], digits=8)
            if name != "Lanczos1":
                yield check(f"{which}: standard deviations", fit.std, table["standard_errors"], digits=8)
                yield check(f"{which}: sum of squares", fit.rss, table["rss"], digits=8)


@reproduction(
    "5.09",
    claim="L-BFGS in the training loop reaches the minimum of Rosenbrock's valley",
    source="Moré, Garbow, Hillstrom (1981), problem 1: minimum 0 at (1, 1)",
    protocol="from (-1.2, 1), 60 updates with a search along the line, float64",
    mark="C",
)
def rosenbrock_by_lbfgs():
    import torch

    from peira.training import InMemory, Training, minimise

    w = torch.nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    net = torch.nn.ParameterList([w])
    one = InMemory(torch.zeros(1, 1, dtype=torch.float64), size=None, seed=0, shuffle=False)
    minimise(
        net,
        lambda x: 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2 + 0 * x.sum(),
        one,
        Training(optimiser="lbfgs", batch_size=None, updates=60),
    )
    yield check("the minimum", w.detach(), [1.0, 1.0], tolerance=1e-9)


# ---------------------------------------------------------------------- row 5.14


def regression():
    import torch

    g = torch.Generator().manual_seed(0)
    X = torch.randn(30, 4, dtype=torch.float64, generator=g) * torch.tensor([3.0, 1.0, 0.5, 0.2], dtype=torch.float64)
    y = X @ torch.tensor([1.0, -2.0, 1.0, 3.0], dtype=torch.float64)
    return X, y + torch.randn(30, dtype=torch.float64, generator=g)


def descended(X, y, **how):
    import torch

    from peira.training import InMemory, Training, minimise

    net = torch.nn.Linear(X.shape[1], 1, bias=False).double()
    torch.nn.init.zeros_(net.weight)
    batches = InMemory(X, y, size=None, seed=0, shuffle=False)
    training = Training(**{"optimiser": "sgd", "batch_size": None} | how)
    minimise(net, lambda x, t: ((net(x)[:, 0] - t) ** 2).mean() / 2, batches, training)
    return net.weight.detach()[0]


def ridge(X, y, alpha):
    import torch

    return torch.linalg.solve(X.T @ X / len(X) + alpha * torch.eye(X.shape[1], dtype=X.dtype), X.T @ y / len(X))


@reproduction(
    "5.14",
    claim="weight decay is ridge; early stopping is ridge with alpha = 1/(eta t) where eta t lambda is small",
    source="identities: stationarity; 1 - (1 - eta lambda)^t along each axis (Bishop 2006, exercise 5.25)",
    protocol="30 items, 4 inputs of unequal spread, linear model by full-batch descent in float64",
    mark="C",
)
def decay_and_early_stopping():
    import torch

    X, y = regression()
    w = descended(X, y, learning_rate=0.1, weight_decay=0.3, updates=800)
    yield check("weight decay against ridge", w, ridge(X, y, 0.3), tolerance=1e-9)
    S, axes = torch.linalg.eigh(X.T @ X / len(X))
    full, eta = axes.T @ ridge(X, y, 0.0), 0.02
    for t in (5, 50):
        learned = (axes.T @ descended(X, y, learning_rate=eta, updates=t)) / full
        yield check(f"share learned after {t} updates", learned, 1 - (1 - eta * S) ** t, tolerance=1e-9)
        small = eta * t * S < 0.05
        shrunk = S / (S + 1 / (eta * t))
        yield check(f"against ridge where small, t = {t}", learned[small], shrunk[small], relative=0.05)


@reproduction(
    "5.14",
    claim="noise at the inputs is Tikhonov's penalty: for a linear model exactly, else to the fourth order",
    source="Bishop (1995), Training with noise is equivalent to Tikhonov regularization, eqs 9-18",
    protocol="linear: the noise's second moments by symmetric points, learned by the loop; tanh model: expectation by "
    "Gauss-Hermite with 40 nodes, penalty sigma^2/2 E[f'^2 + (f - t) f''], error at sigma against sigma/2",
    mark="C",
)
def noise_is_a_penalty():
    import torch

    X, y = regression()
    D, sigma = X.shape[1], 0.4
    points = sigma * math.sqrt(D) * torch.cat([torch.eye(D, dtype=X.dtype), -torch.eye(D, dtype=X.dtype)])
    Z, t = (X[:, None] + points).reshape(-1, D), y.repeat_interleave(2 * D)
    w = descended(Z, t, learning_rate=0.1, updates=1500)
    yield check("linear model against ridge", w, ridge(X, y, sigma**2), tolerance=1e-9)

    x = torch.linspace(-2, 2, 21, dtype=torch.float64)
    target = torch.sin(2 * x)

    def f(v):
        return 1.3 * torch.tanh(1.1 * v - 0.2) - 0.7 * torch.tanh(2 * v + 0.4)

    v = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(f(v).sum(), v, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), v)
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(40))
    weights = weights / weights.sum()

    def error(sigma):
        noisy = (((f(x[:, None] + sigma * nodes) - target[:, None]) ** 2) @ weights).mean() / 2
        penalty = (slope**2 + (f(x) - target) * bend).mean() * sigma**2 / 2
        return float((noisy - ((f(x) - target) ** 2).mean() / 2 - penalty).detach())

    for sigma in (0.1, 0.05):
        ratio = error(sigma) / error(sigma / 2)
        yield check(f"error at sigma = {sigma} over that at half of it", ratio, 16.0, relative=0.1)


@reproduction(
    "5.14",
    claim="smoothed labels end the growth of logits: the gap to the other classes is log(1 + K (1 - eps)/eps)",
    source="identity: the minimum of cross-entropy to q is the softmax that equals q; Szegedy et al. (2016), section 7",
    protocol="one item of class 0 of K = 5, five free logits, L-BFGS in float64",
    mark="C",
)
def label_smoothing():
    import torch

    from peira.training import InMemory, Training, minimise

    K = 5
    for eps in (0.05, 0.2):
        net = torch.nn.Linear(1, K, bias=False).double()
        torch.nn.init.zeros_(net.weight)
        x, label = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.long)
        loss = torch.nn.CrossEntropyLoss(label_smoothing=eps)
        how = Training(optimiser="lbfgs", batch_size=None, updates=40)
        minimise(net, lambda x, y, net=net, loss=loss: loss(net(x), y), InMemory(x, label, size=None, seed=0), how)
        z = net.weight.detach()[:, 0]
        yield check(f"gap at eps = {eps}", z[0] - z[1:], [math.log(1 + K * (1 - eps) / eps)] * (K - 1), tolerance=1e-8)
