"""Row 2.08: logistic regression on the South African heart, vowel and spam data, by several routes."""

import numpy as np

from evidence import DataAbsent, check, data, reproduction

ESL = "Hastie, Tibshirani & Friedman (2009), Elements of Statistical Learning"
HEART = ["sbp", "tobacco", "ldl", "famhist", "obesity", "alcohol", "age"]
# Table 4.2, constant first: coefficients and standard errors. Read at the source: tobacco and famhist with their z;
# the others from memory.
COEFFICIENTS = [-4.130, 0.006, 0.080, 0.185, 0.939, -0.035, 0.001, 0.043]
STANDARD_ERRORS = [0.964, 0.006, 0.026, 0.057, 0.225, 0.029, 0.004, 0.010]


def heart():
    table = data("esl/saheart.csv.gz")
    columns = [table[n] == "Present" if n == "famhist" else table[n] for n in HEART]
    return np.column_stack(columns).astype(float), table["chd"].astype(int)


def maximum_likelihood(X, y, **settings):
    from peira.linear.logistic_regression import LogisticRegression

    return LogisticRegression(C=np.inf, **settings).fit(X, y)


def with_constant(model):
    return np.r_[model.intercept_, model.coef_[0]], np.r_[model.intercept_std_, model.coef_std_[0]]


@reproduction(
    "2.08",
    claim="South African heart disease: coefficients and standard errors of all seven terms",
    source=f"{ESL}, Table 4.2: tobacco and famhist read there, the other rows recalled",
    protocol="462 rows, famhist as a dummy, no penalty; z as the table has them up to its own rounding (its z of "
    "famhist is 4.178, the maximum of the likelihood has 4.177)",
    mark="V",
    data="esl/saheart.csv.gz",
)
def heart_table():
    X, y = heart()
    model = maximum_likelihood(X, y)
    coef, std = with_constant(model)
    yield check("coefficient, standard error of tobacco", [coef[2], std[2]], [0.080, 0.026], tolerance=0.0005)
    yield check("coefficient, standard error of famhist", [coef[4], std[4]], [0.939, 0.225], tolerance=0.0005)
    yield check("z of tobacco and famhist", (coef / std)[[2, 4]], [3.03, 4.18], tolerance=0.005)
    yield check("all coefficients", coef, COEFFICIENTS, tolerance=0.0005)
    yield check("all standard errors", std, STANDARD_ERRORS, tolerance=0.0005)


@reproduction(
    "2.08",
    claim="the same fit as statsmodels to 1e-10, and a gradient of zero for every parameter",
    source="statsmodels Logit by Newton's method; automatic differentiation",
    protocol="462 rows, 7 terms, no penalty; columns of length one for the gradient",
    mark="R",
    data="esl/saheart.csv.gz",
)
def heart_by_other_routes():
    import torch

    X, y = heart()
    model = maximum_likelihood(X, y, tol=1e-12)
    coef, std = with_constant(model)
    A = np.column_stack([np.ones(len(y)), X])
    try:
        import statsmodels.api as sm

        peer = sm.Logit(y, A).fit(method="newton", disp=0, tol=1e-14, maxiter=100)
        yield check("coefficients", coef, peer.params, tolerance=1e-10)
        yield check("standard errors", std, peer.bse, tolerance=1e-10)
        yield check("log likelihood", model.log_likelihood_, peer.llf, tolerance=1e-10)
        yield check("AIC", model.aic_, peer.aic, tolerance=1e-9)
    except ImportError:
        pass  # the gradient below is another route
    size = np.linalg.norm(A, axis=0)
    b = torch.tensor(coef * size, requires_grad=True)
    eta = torch.from_numpy(A / size) @ b
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        eta, torch.from_numpy(y.astype(float)), reduction="sum"
    )  # fmt: skip
    loss.backward()
    yield check("gradient", b.grad.numpy(), np.zeros(len(coef)), tolerance=1e-11)


@reproduction(
    "2.08",
    claim="multinomial logistic regression on the vowel data errs on 0.22 of the training and 0.51 of the test rows",
    source=f"{ESL}, Table 4.1",
    protocol="528 training and 462 test rows, 10 columns, 11 classes, no penalty, at the maximum of the likelihood",
    mark="V",
    data="esl/vowel.csv.gz",
)
def vowel():
    table = data("esl/vowel.csv.gz")
    X, y, train = table.matrix([f"x.{j}" for j in range(1, 11)]), table["y"].astype(int), table["is_train"] == 1
    model = maximum_likelihood(X[train], y[train])
    yield check("training error", 1 - model.score(X[train], y[train]), 0.22, tolerance=0.005)
    yield check("test error", 1 - model.score(X[~train], y[~train]), 0.51, tolerance=0.005)
    short = maximum_likelihood(X[train], y[train], solver="lbfgs", tol=1e-9, max_iter=10_000)
    yield check("log likelihood, less that by L-BFGS", model.log_likelihood_ - short.log_likelihood_, 0, tolerance=1e-6)


@reproduction(
    "2.08",
    claim="linear logistic regression errs on 7.6 % of the spam test mails",
    source=f"{ESL}, 9.1.2; the column of the split: hastie.su.domains/ElemStatLearn, spam.traintest",
    protocol="3,065 training and 1,536 test mails, 57 columns as log(x + 0.1), no penalty; without the data, "
    "samples of our own design instead: Wald intervals cover",
    mark="V",
)
def spam():
    try:
        table = data("esl/spam.csv.gz", public="hastie.su.domains/ElemStatLearn: spam.data, spam.traintest")
    except DataAbsent as absent:
        yield coverage(absent)
        return
    names = [name for name in table.names if name not in ("spam", "is_test")]
    X, y, test = np.log(table.matrix(names) + 0.1), table["spam"].astype(int), table["is_test"] == 1
    model = maximum_likelihood(X[~test], y[~test])
    yield check("test error", 1 - model.score(X[test], y[test]), 0.076, tolerance=0.0005)


def coverage(absent):
    """Intervals of 95 % in 400 samples of 500 rows: the share that holds the truth, within three standard errors."""
    rng = np.random.default_rng(0)
    truth, held = np.array([1.0, -0.5, 0.25]), 0
    for _ in range(400):
        X = rng.standard_normal((500, 3))
        y = (rng.random(500) < 1 / (1 + np.exp(-X @ truth - 0.3))).astype(int)
        model = maximum_likelihood(X, y)
        held += (np.abs(model.coef_[0] - truth) <= 1.959964 * model.coef_std_[0]).mean() / 400
    reach = 3 * np.sqrt(0.95 * 0.05 / 1200)
    return check("coverage", held, at_least=0.95 - reach, at_most=0.95 + reach, note=f"in place of spam: {absent}")
