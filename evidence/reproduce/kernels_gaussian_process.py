"""Row 3.10: Gaussian process regression."""

from itertools import product
from types import SimpleNamespace

import numpy as np

from evidence import check, data, reproduction


@reproduction(
    "3.10",
    claim="the log marginal likelihood is the log density of a multivariate normal",
    source="Rasmussen & Williams (2006), eq. 2.30",
    mark="C",
    protocol="200 items of 3 columns from a fixed seed, four kernels; against scipy.stats.multivariate_normal",
)
def dense_formula():
    from scipy.stats import multivariate_normal

    from peira.kernels import RBF, ConstantKernel, WhiteKernel
    from peira.kernels.gaussian_process_regression import GaussianProcessRegressor
    from peira.kernels.matern import Matern

    rng = np.random.default_rng(310)
    X, y = rng.normal(size=(200, 3)), rng.normal(size=200)
    signals = [
        RBF(0.8),
        3.0 * RBF([0.5, 1.0, 2.0]),
        Matern(1.3, nu=2.5),
        2.0 * RBF(1.0) * Matern(3.0) + ConstantKernel(4.0),
    ]
    for signal in signals:
        kernel = signal + WhiteKernel(0.3)
        ours = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(X, y).log_marginal_likelihood_value_
        yield check(
            f"log p(y), {signal!r}",
            ours,
            reference=multivariate_normal.logpdf(y, np.zeros(200), kernel(X)),
            relative=1e-10,
        )


@reproduction(
    "3.10",
    claim="posterior means of length-scale, amplitude and noise of posteriordb's gp_pois_regr-gp_regr",
    source="stan-dev/posteriordb, reference posterior gp_pois_regr-gp_regr (means of 10,000 draws)",
    mark="V",
    protocol="the model's hyper-priors; posterior of the logarithms integrated on a lattice in the coordinates of its "
    "curvature at the mode, from marginal likelihood plus log prior; tolerance: four Monte Carlo errors of the draws",
    data="gp_regr.json",
)
def hyper_parameters():
    from peira.kernels import RBF, ConstantKernel, WhiteKernel
    from peira.kernels.gaussian_process_priors import Gamma, HalfNormal, log_prior
    from peira.kernels.gaussian_process_regression import GaussianProcessRegressor

    table = data("gp_regr.json")
    x, y = np.array(table["x"], dtype=float)[:, None], np.array(table["y"])
    kernel = ConstantKernel(4.0) * RBF(6.0) + WhiteKernel(1.0)
    priors = {
        "length_scale": Gamma(25.0, 4.0),
        "constant_value": HalfNormal(2.0, of_root=True),
        "noise_level": HalfNormal(1.0),
    }
    gp = GaussianProcessRegressor(kernel, alpha=0.0, hyper_priors=priors).fit(x, y)

    def log_posterior(theta):
        return gp.log_marginal_likelihood(theta) + log_prior(priors, kernel.with_theta(theta))[0]

    mode, h = gp.kernel_.theta, 1e-3
    slopes = [
        [
            log_posterior(mode + h * (a + b)) - log_posterior(mode + h * (a - b))
            - log_posterior(mode - h * (a - b)) + log_posterior(mode - h * (a + b))
            for b in np.eye(3)
        ]
        for a in np.eye(3)
    ]  # fmt: skip
    root = np.linalg.cholesky(np.linalg.inv(-np.array(slopes) / (4 * h * h)))
    lattice = np.array(list(product(np.arange(-8.0, 6.1, 0.7), repeat=3)))
    thetas = mode + lattice @ root.T
    weights = np.exp([log_posterior(theta) - log_posterior(mode) for theta in thetas])
    weights /= weights.sum()
    variance, rho, noise = np.exp(thetas.T)
    values = {"rho": rho, "alpha": np.sqrt(variance), "sigma": noise}
    for name, mean, error in zip(table["names"], table["mean_value"], table["mcse_mean"], strict=True):
        yield check(f"posterior mean of {name}", weights @ values[name], reference=mean, tolerance=4 * error)


@reproduction(
    "3.10",
    claim="the kernel of Rasmussen & Williams for the carbon dioxide at Mauna Loa",
    source="scikit-learn's example plot_gpr_co2 (0.20 to 0.23), after Rasmussen & Williams (2006) 5.4.3",
    mark="M",
    protocol="weekly series of 1958 to 2001 averaged by month (521 months), targets less their mean, alpha = 0; the "
    "example's kernel with the book's hyper-parameters, and learned from the example's start",
    data="time-series/co2_weekly_mauna_loa.csv.gz",
)
def mauna_loa():
    from sklearn.gaussian_process import GaussianProcessRegressor as Peer
    from sklearn.gaussian_process import kernels as theirs

    from peira.kernels import RBF, WhiteKernel
    from peira.kernels.gaussian_process_regression import GaussianProcessRegressor
    from peira.kernels.periodic import ExpSineSquared
    from peira.kernels.stationary import RationalQuadratic

    table = data("time-series/co2_weekly_mauna_loa.csv.gz")
    known = np.isfinite(table["co2"])
    date, co2 = table["date"][known].astype(int), table["co2"][known]
    months, at = np.unique(date // 100, return_inverse=True)
    X = (months // 100 + (months % 100 - 1) / 12)[:, None]
    y = np.bincount(at, co2) / np.bincount(at)
    y -= y.mean()

    def kernel(of, *v, **bounds):
        periodic = of.ExpSineSquared(v[3], 1.0, **bounds)
        return (
            v[0] ** 2 * of.RBF(v[1]) + v[2] ** 2 * of.RBF(v[4]) * periodic
            + v[5] ** 2 * of.RationalQuadratic(v[6], v[7]) + v[8] ** 2 * of.RBF(v[9]) + of.WhiteKernel(v[10] ** 2)
        )  # fmt: skip

    ours = SimpleNamespace(
        RBF=RBF, WhiteKernel=WhiteKernel, ExpSineSquared=ExpSineSquared, RationalQuadratic=RationalQuadratic
    )
    book = 66.0, 67.0, 2.4, 1.3, 90.0, 0.66, 1.2, 0.78, 0.18, 0.134, 0.19
    start = 50.0, 50.0, 2.0, 1.0, 100.0, 0.5, 1.0, 1.0, 0.1, 0.1, 0.1
    yield check("months", len(y), reference=521)
    fixed = GaussianProcessRegressor(kernel(ours, *book), alpha=0.0, optimizer=None).fit(X, y)
    yield check("log p(y), the book's", fixed.log_marginal_likelihood_value_, reference=-117.023, tolerance=5e-4)
    settings = {"periodicity_bounds": "fixed"}
    gp = GaussianProcessRegressor(kernel(ours, *start, **settings), alpha=0.0, random_state=0).fit(X, y)
    value = gp.log_marginal_likelihood_value_
    yield check("log p(y), learned", value, reference=-115.050, tolerance=5e-4)
    peer = Peer(kernel(theirs, *start, **settings), alpha=0.0, optimizer=None).fit(X, y)
    there = peer.log_marginal_likelihood(gp.kernel_.theta, clone_kernel=False)
    yield check("scikit-learn's value at the learned hyper-parameters", there, reference=value, relative=1e-8)
    yield check(
        "log p(y), learned, as printed for an older series",
        value,
        reference=-83.214,
        tolerance=5e-4,
        refuted="the number belongs to the series that the example took from mldata.org, which is closed; on the "
        "weekly series that replaced it the same recipe ends at -115.050",
    )


@reproduction(
    "3.10",
    claim="90 % intervals hold 90 +- 2 % of targets drawn from the model",
    source="simulation-based calibration",
    mark="C",
    protocol="400 worlds of 30 + 10 items of 2 columns from the prior; at the true hyper-parameters, and learned from "
    "120 items in 40 worlds",
)
def calibration():
    from peira.kernels import RBF, WhiteKernel
    from peira.kernels.gaussian_process_regression import GaussianProcessRegressor

    truth = 2.0 * RBF([1.0, 2.0]) + WhiteKernel(0.3)
    rng = np.random.default_rng(90)

    def coverage(worlds, N, **settings):
        held = []
        for _ in range(worlds):
            X = rng.uniform(-3, 3, (2 * N, 2))
            y = np.linalg.cholesky(truth(X)) @ rng.normal(size=2 * N)
            gp = GaussianProcessRegressor(truth, alpha=0.0, random_state=0, **settings).fit(X[:N], y[:N])
            low, high = gp.predict_dist(X[N:]).interval(0.9)
            held.append(((low <= y[N:]) & (y[N:] <= high)).mean())
        return np.mean(held)

    yield check("coverage, hyper-parameters known", coverage(400, 30, optimizer=None), at_least=0.88, at_most=0.92)
    yield check("coverage, hyper-parameters learned", coverage(40, 120), at_least=0.88, at_most=0.92)
