"""Rows 1.01, 1.02, 1.03 and 1.05: least squares, its digits, its standard errors, its likelihood."""

import numpy as np

from evidence import check, data, reproduction

NIST = "nist/strd_linear.json"
HARD = ("Filip", "Wampler4", "Wampler5")  # the most ill-conditioned, and the noisiest two


def nist_design(table):
    x = np.array(table["x"], dtype=float)
    return x if x.ndim == 2 else x[:, None] ** np.arange(1, table["degree"] + 1)


@reproduction(
    "1.01",
    claim="nine correct digits of NIST's coefficients, standard errors, residual deviations; seven on the hardest sets",
    source="NIST Statistical Reference Datasets, linear regression: certified values",
    protocol="the eleven sets as printed; powers of x formed in float64, which alone costs Filip all but eight digits",
    mark="V",
    data=NIST,
)
def nist_linear():
    from peira.linear.least_squares import LinearRegression

    for name, table in data(NIST)["sets"].items():
        model = LinearRegression(fit_intercept=table["intercept"]).fit(nist_design(table), np.array(table["y"]))
        summary, digits = model.summary(), 7 if name in HARD else 9
        yield check(f"{name}: coefficients", summary.estimate, table["coefficients"], digits=digits)
        yield check(f"{name}: standard errors", summary.std_error, table["standard_errors"], digits=digits)
        yield check(f"{name}: residual standard deviation", model.residual_std_, table["residual_sd"], digits=digits)


@reproduction(
    "1.01",
    claim="on Filip's powers as rounded to float64, the coefficients are those of exact rational arithmetic",
    source="identity: Gaussian elimination on the normal equations in fractions",
    protocol="the design matrix as it enters the fit, in fractions; the solution rounded once",
    mark="C",
    data=NIST,
)
def filip_exactly():
    from fractions import Fraction

    from peira.linear.least_squares import LinearRegression

    table = data(NIST)["sets"]["Filip"]
    X, y = nist_design(table), np.array(table["y"])
    A = [[Fraction(1), *map(Fraction, row)] for row in X.tolist()]
    t = [Fraction(v) for v in y.tolist()]
    P = len(A[0])
    M = [
        [sum(row[j] * row[k] for row in A) for k in range(P)] + [sum(row[j] * v for row, v in zip(A, t, strict=True))]
        for j in range(P)
    ]
    for i in range(P):
        M[i] = [v / M[i][i] for v in M[i]]
        for k in range(P):
            if k != i:
                M[k] = [a - M[k][i] * b for a, b in zip(M[k], M[i], strict=True)]
    exact = [float(row[-1]) for row in M]
    yield check("coefficients", LinearRegression().fit(X, y).summary().estimate, exact, digits=14)


def prostate():
    """Inputs standardised over all 97 men, as in the book, and the target: training rows, then test rows."""
    table = data("esl/prostate.csv.gz")
    X = table.matrix(["lcavol", "lweight", "age", "lbph", "svi", "lcp", "gleason", "pgg45"])
    Z, y, train = (X - X.mean(0)) / X.std(0, ddof=1), table["lpsa"], table["train"] == "T"
    return Z[train], y[train], Z[~train], y[~train]


def test_error(y, prediction):
    """Mean squared error and its standard error."""
    squares = (y - prediction) ** 2
    return float(squares.mean()), float(squares.std(ddof=1) / len(squares) ** 0.5)


@reproduction(
    "1.02",
    claim="least squares on the prostate data: coefficients with standard errors, and test error 0.521 (0.179)",
    source="Hastie, Tibshirani, Friedman (2009), Tables 3.2 and 3.3",
    protocol="67 training and 30 test rows; inputs standardised over all 97",
    mark="V",
    data="esl/prostate.csv.gz",
)
def prostate_least_squares():
    from peira.linear.least_squares import LinearRegression

    X, y, X_test, y_test = prostate()
    model = LinearRegression().fit(X, y)
    table = model.summary()
    printed = [2.46, 0.68, 0.26, -0.14, 0.21, 0.31, -0.29, -0.02, 0.27]
    yield check("coefficients", table.estimate, printed, tolerance=0.00501)
    yield check("standard errors", table.std_error[:2], [0.09, 0.13], tolerance=0.00501)
    error, spread = test_error(y_test, model.predict(X_test))
    yield check("test error", error, 0.521, tolerance=0.0005)
    yield check("its standard error", spread, 0.179, tolerance=0.0005)
    base, _ = test_error(y_test, np.full(len(y_test), y.mean()))
    yield check("test error of the mean", base, 1.057, tolerance=0.0005)


@reproduction(
    "1.03",
    claim="polynomials of order 0, 1, 3 and 9 have the coefficients of PRML's Table 1.1",
    source="Bishop (2006), Table 1.1; the points of Figure 1.2",
    protocol="ten points, x = i/9, t to six decimals; least squares; orders 0, 1 and most of 9 recalled",
    mark="R",
    data="prml_curve_fitting.json",
    public="curvefitting.txt, which accompanies the book",
)
def prml_polynomials():
    from peira.linear.least_squares import LinearRegression

    x, t = np.arange(10) / 9, np.array(data("prml_curve_fitting.json")["t"])
    printed = {
        0: [0.19],
        1: [0.82, -1.27],
        3: [0.31, 7.99, -25.43, 17.37],
        9: [0.35, 232.37, -5321.83, 48568.31, -231639.30, 640042.26, -1061800.52, 1042400.18, -557682.99, 125201.43],
    }
    for M, reference in printed.items():
        if M == 0:  # no powers: the constant alone
            w = LinearRegression(fit_intercept=False).fit(np.ones((10, 1)), t).coef_
        else:
            model = LinearRegression().fit(x[:, None] ** np.arange(1, M + 1), t)
            w = np.r_[model.intercept_, model.coef_]
        # Half a unit of the table's last digit, and what half a unit of the points' sixth can do to each coefficient.
        reach = 0.00501 + 0.5e-6 * np.abs(np.linalg.pinv(np.vander(x, M + 1, increasing=True))).sum(1)
        yield check(f"M = {M}", w, reference, tolerance=reach)


@reproduction(
    "1.05",
    claim="maximum likelihood: the gradient in the weights and the noise precision vanishes, and 1/beta = RSS/N",
    source="Bishop (2006), eqs 3.11-3.21; NIST's Longley residual deviation 304.854073561965",
    protocol="Longley, columns standardised; the log likelihood differentiated by autograd at the solution",
    mark="V",
    data=NIST,
)
def maximum_likelihood():
    import torch

    from peira.linear.least_squares import LinearRegression

    table = data(NIST)["sets"]["Longley"]
    X, y = nist_design(table), np.array(table["y"])
    raw = LinearRegression().fit(X, y)
    yield check("residual standard deviation", raw.residual_std_, table["residual_sd"], digits=9)

    X = (X - X.mean(0)) / X.std(0)
    model, N = LinearRegression().fit(X, y), len(y)
    rss = float(((y - model.predict(X)) ** 2).sum())
    yield check(
        "1/beta = (N - P) s^2 / N = RSS / N", model.df_residual_ * model.residual_std_**2 / N, rss / N, relative=1e-12
    )
    w = torch.tensor(np.r_[model.intercept_, model.coef_], requires_grad=True)
    log_beta = torch.tensor(np.log(N / rss), requires_grad=True)
    residual = torch.as_tensor(y) - torch.cat([torch.ones(N, 1), torch.as_tensor(X)], 1) @ w
    log_likelihood = N / 2 * (log_beta - np.log(2 * np.pi)) - log_beta.exp() / 2 * residual.square().sum()
    log_likelihood.backward()
    scale = float(residual.detach().abs().sum()) * N / rss  # the size of the terms that cancel
    yield check("gradient in the weights, relative to its terms", w.grad.numpy() / scale, np.zeros(7), tolerance=1e-10)
    yield check("gradient in log beta", float(log_beta.grad), 0.0, tolerance=1e-10 * N)
