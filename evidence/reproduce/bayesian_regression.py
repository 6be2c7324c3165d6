"""Rows 1.06 and 1.10 to 1.13: Bayesian linear regression, its limits, its stream, its predictions, its evidence."""

import numpy as np

from evidence import check, data, reproduction


def prml_points():
    """The ten points of Figure 1.2 and the polynomial design matrix of order 9."""
    points = data("prml_curve_fitting.json")
    return np.vander(np.arange(10) / 9, 10, increasing=True), np.array(points["t"])


@reproduction(
    "1.06",
    claim="the most probable weights are ridge regression's; a flat prior gives maximum likelihood, no data the prior",
    source="Bishop (2006), eqs 1.66, 1.67, 3.52-3.55",
    protocol="diabetes, against a quasi-Newton maximiser of the log posterior and against least squares",
    mark="C",
)
def limits_of_the_posterior():
    from scipy.optimize import minimize
    from sklearn.datasets import load_diabetes

    from peira.linear.bayesian_regression import BayesianLinearRegression

    X, y = load_diabetes(return_X_y=True, scaled=False)
    X, y = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    alpha, beta = 30.0, 2.0

    def negative_log_posterior(w):
        r = y - X @ w
        return (beta * r @ r + alpha * w @ w) / 2, -beta * X.T @ r + alpha * w

    best = minimize(negative_log_posterior, np.zeros(10), jac=True, method="BFGS", options={"gtol": 1e-10})
    model = BayesianLinearRegression(alpha, beta=beta).fit(X, y)
    yield check("posterior mean = maximiser of the log posterior", model.coef_, best.x, tolerance=1e-8)
    ridge = np.linalg.solve(X.T @ X + alpha / beta * np.eye(10), X.T @ y)
    yield check("posterior mean = ridge at alpha / beta", model.coef_, ridge, tolerance=1e-12)
    least_squares = np.linalg.lstsq(X, y, rcond=None)[0]
    yield check(
        "flat prior = maximum likelihood", BayesianLinearRegression(0.0).fit(X, y).coef_, least_squares, tolerance=1e-12
    )
    before = BayesianLinearRegression(alpha, beta=beta, prior_mean=0.3, fit_intercept=False)
    dist = before.prior_dist(X)
    yield check("no data = prior, mean", dist.mean, 0.3 * X.sum(1), tolerance=1e-12)
    yield check("no data = prior, variance", dist.variance, 1 / beta + (X**2).sum(1) / alpha, tolerance=1e-12)
    nothing = before.fit(X, y, np.full(len(y), 1e-12))
    yield check("rows of weight 1e-12 = prior", nothing.coef_, np.full(10, 0.3), tolerance=1e-9)


@reproduction(
    "1.06",
    claim="PRML Table 1.2, ln lambda = 0, holds with lambda multiplied by N = 10",
    source="Bishop (2006), Table 1.2 and eq. 1.4; the points of Figure 1.2",
    protocol="order 9 polynomial on the ten points, the constant penalised as in the book",
    mark="R",
    data="prml_curve_fitting.json",
    public="curvefitting.txt, which accompanies the book",
)
def prml_table_1_2():
    from peira.linear.bayesian_regression import BayesianLinearRegression

    Phi, t = prml_points()
    printed = [0.13, -0.05, -0.06, -0.05, -0.03, -0.02, -0.01, -0.00, 0.00, 0.01]

    def weights(strength):
        return BayesianLinearRegression(strength, fit_intercept=False).fit(Phi, t).coef_

    yield check("w0 ... w9 with 10 lambda", weights(10.0), printed, tolerance=0.005)
    yield check(
        "w0 ... w9 with lambda",
        weights(1.0),
        printed,
        tolerance=0.005,
        refuted="eq. 1.4 with lambda = 1 gives 0.46, -0.34, ...; the printed column is the solution for lambda = 10, "
        "that is, for the mean of the squared errors in place of their sum",
    )
    objective = [np.sum((t - Phi @ w) ** 2) + np.sum(w**2) for w in (weights(1.0), np.array(printed))]
    yield check("eq. 1.4 at our weights, less at the printed ones", objective[0] - objective[1], at_most=0.0)


@reproduction(
    "1.10",
    claim="posterior means and deviations equal posteriordb's reference draws",
    source="posteriordb: kidiq-kidscore_momiq and sblri-blr, 10 chains x 1000 reference draws each",
    protocol="weights by the conjugate posterior for each noise level, the noise level by quadrature over evidence "
    "times its stated prior; within 3 Monte Carlo standard errors of the draws",
    mark="V",
    data=("bayes-reference-posteriors/kidiq-kidscore_momiq.json.gz", "bayes-reference-posteriors/sblri-blr.json.gz"),
)
def reference_posteriors():
    kidiq = data("bayes-reference-posteriors/kidiq-kidscore_momiq.json.gz")
    X = np.array(kidiq["data"]["mom_iq"])[:, None]
    # beta flat; sigma half-Cauchy(0, 2.5)
    log_prior = lambda sigma: -np.log1p((sigma / 2.5) ** 2)  # noqa: E731
    found = marginals(X, kidiq["data"]["kid_score"], 0.0, True, log_prior, (14.0, 24.0))
    yield from against_draws("kidiq", found, kidiq["reference"])

    sblri = data("bayes-reference-posteriors/sblri-blr.json.gz")
    # beta[d] ~ normal(0, 10), a precision of 0.01; sigma half-normal(0, 10)
    log_prior = lambda sigma: -0.5 * (sigma / 10) ** 2  # noqa: E731
    found = marginals(sblri["data"]["X"], sblri["data"]["y"], 0.01, False, log_prior, (0.6, 1.7))
    yield from against_draws("sblri", found, sblri["reference"])


def marginals(X, y, alpha, intercept, log_prior, between):
    """Mean and standard deviation of each weight (constant first) and of sigma, by Gauss-Legendre quadrature."""
    from peira.linear.bayesian_regression import BayesianLinearRegression

    X = np.array(X)
    nodes, steps = np.polynomial.legendre.leggauss(64)
    sigma = (between[0] + between[1]) / 2 + (between[1] - between[0]) / 2 * nodes
    models = [BayesianLinearRegression(alpha, beta=1 / s**2, fit_intercept=intercept).fit(X, y) for s in sigma]
    log = np.array([m.log_evidence_ for m in models]) + log_prior(sigma)
    p = steps * np.exp(log - log.max())
    p /= p.sum()
    means = np.array([([m.intercept_] if intercept else []) + list(m.coef_) for m in models])
    origin = np.zeros((1, X.shape[1]))  # the constant is the function's value there
    variances = np.array(
        [
            ([m.predict_dist(origin, noise=False).variance[0]] if intercept else []) + list(np.diag(m.coef_cov_))
            for m in models
        ]
    )
    mean = p @ means
    sd = np.sqrt(p @ (variances + (means - mean) ** 2))  # total variance
    spread = np.sqrt(p @ sigma**2 - (p @ sigma) ** 2)
    return np.append(mean, p @ sigma), np.append(sd, spread)


def against_draws(name, found, reference):
    for parameter, mean, sd in zip(reference, *found, strict=True):
        draws = reference[parameter]
        error = draws["se_of_mean"]
        yield check(f"{name}: mean of {parameter}", mean, draws["mean"], tolerance=3 * error)
        # The standard error of a normal sample's standard deviation is that of its mean over the root of two.
        yield check(f"{name}: sd of {parameter}", sd, draws["sd"], tolerance=3 * error / np.sqrt(2))


@reproduction(
    "1.11",
    claim="one row at a time, in any order, and in merged parts: the posterior of one fit",
    source="Bishop (2006), 3.3.1 and Figure 3.7",
    protocol="a0 = -0.3, a1 = 0.5, beta = 25, alpha = 2, twenty points, x uniform on [-1, 1]; 20 orders",
    mark="C",
)
def sequential_learning():
    from peira.linear.bayesian_regression import BayesianLinearRegression

    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 20)
    X, y = np.column_stack([np.ones(20), x]), -0.3 + 0.5 * x + 0.2 * rng.normal(size=20)

    def new():
        return BayesianLinearRegression(2.0, beta=25.0, fit_intercept=False)

    batch = new().fit(X, y)
    S = np.linalg.inv(2.0 * np.eye(2) + 25.0 * X.T @ X)
    yield check("batch mean = eq. 3.53", batch.coef_, 25.0 * S @ X.T @ y, tolerance=1e-13)
    yield check("batch covariance = eq. 3.54", batch.coef_cov_, S, tolerance=1e-14)
    gaps, evidences = [], []
    for _ in range(20):
        model = new()
        for n in rng.permutation(20):
            model.partial_fit(X[n : n + 1], y[n : n + 1])
        gaps += [np.abs(model.coef_ - batch.coef_).max(), np.abs(model.coef_cov_ - batch.coef_cov_).max()]
        evidences.append(model.log_evidence_)
    yield check("one row at a time, 20 orders: largest difference", max(gaps), 0.0, tolerance=1e-12)
    yield check("log evidence in 20 orders", evidences, np.full(20, batch.log_evidence_), tolerance=1e-11)
    merged = new().fit(X[:7], y[:7]).merge(new().fit(X[7:], y[7:]))
    yield check("two machines merged", merged.coef_, batch.coef_, tolerance=1e-12)
    one_step = new().predict_then_learn(X, y).log_prob(y).sum()
    yield check("one-step-ahead densities multiply to the evidence", one_step, batch.log_evidence_, tolerance=1e-10)
    deviations = np.abs(batch.coef_ - [-0.3, 0.5]) / np.sqrt(np.diag(batch.coef_cov_))
    yield check("true weights, in posterior standard deviations from the mean", deviations, at_most=3.0)


@reproduction(
    "1.12",
    claim="predictive variance = noise + x'Sx, never growing with data; intervals cover what they say",
    source="Bishop (2006), eqs 3.58, 3.59; Murphy (2012), 7.6.3",
    protocol="weights, noise, data and a new target drawn from the prior 10,000 times, 8 rows and 3 inputs each",
    mark="C",
)
def predictive_distribution():
    from peira.linear.bayesian_regression import BayesianLinearRegression

    rng = np.random.default_rng(0)
    X, Q = rng.normal(size=(40, 3)), rng.normal(size=(25, 3))
    y = X.sum(1) + rng.normal(size=40)
    variances, formula = [], []
    for n in range(1, 41):
        model = BayesianLinearRegression(2.0, beta=4.0, fit_intercept=False).fit(X[:n], y[:n])
        variances.append(model.predict_dist(Q).variance)
        S = np.linalg.inv(2.0 * np.eye(3) + 4.0 * X[:n].T @ X[:n])
        formula.append(0.25 + np.einsum("nd,de,ne->n", Q, S, Q))
    yield check("eq. 3.59 at 25 points for N = 1 ... 40", variances, formula, tolerance=1e-12)
    yield check("largest growth from N to N + 1", np.diff(variances, axis=0).max(), at_most=1e-14)
    for name, beta in (("known noise", 4.0), ("unknown noise", None)):
        inside = []
        for _ in range(100):  # 100 designs, 100 regressions on each
            X = rng.normal(size=(9, 3))
            variance = np.full(100, 0.25) if beta else 1 / rng.gamma(3.0, 1 / 2.0, 100)
            W = rng.normal(size=(3, 100)) * np.sqrt(1 / 2.0 if beta else variance / 2.0)
            Y = X @ W + np.sqrt(variance) * rng.normal(size=(9, 100))
            model = BayesianLinearRegression(2.0, beta=beta, a0=3.0, b0=2.0, fit_intercept=False).fit(X[:8], Y[:8])
            low, high = model.predict_dist(X[8:]).interval(0.95)
            inside.append((low <= Y[8:]) & (Y[8:] <= high))
        yield check(f"coverage of the 95 % interval, {name}", np.mean(inside), 0.95, tolerance=0.01)


@reproduction(
    "1.13",
    claim="the fixed point of evidence maximisation on diabetes, a maximum of the density of the targets",
    source="scikit-learn 1.9 BayesianRidge on its bundled diabetes data; Bishop (2006), eqs 3.86-3.95",
    protocol="default hyperpriors; evidence against the dense normal density, maximum by Nelder-Mead on that density",
    mark="R",
)
def evidence_maximisation():
    from scipy.optimize import minimize
    from scipy.stats import multivariate_normal
    from sklearn.datasets import load_diabetes

    from peira.linear.evidence_maximisation import BayesianRidge

    X, y = load_diabetes(return_X_y=True)
    model = BayesianRidge().fit(X, y)
    yield check("alpha", model.alpha_, 3.4102e-4, tolerance=5e-9)
    yield check("lambda", model.lambda_, 1.14623e-5, tolerance=5e-11)
    A, b = X - X.mean(0), y - y.mean()

    def log_density(alpha, lam):
        return multivariate_normal(np.zeros(len(b)), np.eye(len(b)) / alpha + A @ A.T / lam).logpdf(b)

    yield check(
        "log evidence = log density of the targets",
        model.log_evidence_,
        log_density(model.alpha_, model.lambda_),
        relative=1e-10,
    )

    def objective(logs):
        alpha, lam = np.exp(logs)
        return -log_density(alpha, lam) - 1e-6 * (logs.sum() - alpha - lam)

    start = np.log([1 / y.var(), 1e-4])
    best = minimize(objective, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-11, "maxiter": 500})
    exact = BayesianRidge(tol=1e-10, max_iter=5000).fit(X, y)
    yield check(
        "alpha and lambda = maximum found by Nelder-Mead", [exact.alpha_, exact.lambda_], np.exp(best.x), relative=1e-5
    )
    ridge = np.linalg.solve(A.T @ A + model.lambda_ / model.alpha_ * np.eye(10), A.T @ b)
    yield check("weights = ridge at lambda / alpha", model.coef_, ridge, relative=1e-9)
