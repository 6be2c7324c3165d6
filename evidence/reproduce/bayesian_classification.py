"""Row 2.08, its Bayesian and probit side: tables of Stata, penalised likelihood, evidence and prediction by grids."""

import math

import numpy as np

from evidence import DataAbsent, check, data, reproduction

STATA = "Stata on Spector & Mazzeo (1980), its output as read in statsmodels 0.14, discrete/tests/results"


def spector():
    """GPA, TUCE and PSI of 32 students, and whether their grade improved; GPA in single precision, as Stata kept it."""
    try:
        from statsmodels.datasets.spector import load
    except ImportError as error:
        raise DataAbsent("needs the data set 'spector', which statsmodels bundles: make races") from error
    loaded = load()
    X = np.array(loaded.exog[["GPA", "TUCE", "PSI"]], dtype=np.float32)
    return X.astype(np.float64), np.array(loaded.endog, dtype=int)


@reproduction(
    "2.08",
    claim="probit link: coefficients, standard errors and likelihoods of the teaching-method data as Stata prints them",
    source=STATA,
    protocol="32 students; maximum likelihood with a constant, errors from the observed information",
    mark="V",
)
def spector_probit():
    from peira.linear.probit_regression import ProbitRegression

    model = ProbitRegression(alpha=0.0).fit(*spector())
    table = model.summary()
    coefficients = [-7.45232041607, 1.62581025407, 0.051728948442, 1.42633236818]
    yield check("constant, GPA, TUCE, PSI", table.estimate, coefficients, relative=1e-8)
    errors = [2.54247249731, 0.693882522754, 0.083890261293, 0.595037920474]
    yield check("their standard errors", table.std_error, errors, relative=1e-8)
    z = [-2.931131182, 2.343062695, 0.6166263836, 2.397044489]
    yield check("z values", table.t, z, relative=1e-8)
    p = [0.0033773013, 0.0191261688, 0.537481188, 0.0165279168]
    yield check("p values", table.p, p, relative=1e-7)
    likelihoods = [model.log_likelihood_, model.null_log_likelihood_]
    yield check(
        "log likelihood, and without inputs", likelihoods, [-12.8188033249334, -20.5917296966173], relative=1e-12
    )
    yield check("AIC", model.aic_, 33.637606649867, relative=1e-12)


@reproduction(
    "2.08",
    claim="logit link: with a vanishing prior the posterior has the coefficients and standard errors that Stata prints",
    source=STATA,
    protocol="32 students; prior precision 1e-12, flat constant",
    mark="V",
)
def spector_logit():
    from peira.linear.bayesian_logistic_regression import BayesianLogisticRegression

    model = BayesianLogisticRegression(1e-12, intercept_prior_std=math.inf, tol=1e-14)
    table = model.fit(*spector()).summary()
    coefficients = [-13.0213483201, 2.82611297201, 0.0951576702557, 2.37868772835]
    yield check("constant, GPA, TUCE, PSI", table.estimate, coefficients, relative=1e-8)
    errors = [4.93132462871, 1.26294114526, 0.141554207662, 1.06456430165]
    yield check("their standard errors", table.std_error, errors, relative=1e-8)


@reproduction(
    "2.08",
    claim="the most probable weights are logistic regression with a penalty, for two and for many classes",
    source="Bishop (2006), eq. 4.142; scikit-learn's LogisticRegression",
    protocol="bundled breast cancer and wine, columns standardised, alpha = 2, flat constant, C = 1/2",
    mark="C",
)
def penalised_likelihood():
    from sklearn.datasets import load_breast_cancer, load_wine
    from sklearn.linear_model import LogisticRegression

    from peira.linear.bayesian_logistic_regression import BayesianLogisticRegression

    for name, load in (("breast cancer", load_breast_cancer), ("wine", load_wine)):
        X, y = load(return_X_y=True)
        X = (X - X.mean(0)) / X.std(0)
        ours = BayesianLogisticRegression(2.0, intercept_prior_std=math.inf, tol=1e-12).fit(X, y)
        theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(X, y)
        yield check(f"{name}: weights", ours.coef_, theirs.coef_, tolerance=1e-5)
        P = np.exp(X @ ours.coef_.T + ours.intercept_)
        P = np.column_stack([np.ones(len(y)), P]) if P.shape[1] == 1 else P
        residual = (np.eye(P.shape[1])[y] - P / P.sum(1, keepdims=True))[:, -len(ours.coef_) :]
        gradient = residual.T @ X - 2.0 * ours.coef_
        yield check(f"{name}: gradient of the log posterior", np.abs(gradient).max(), 0.0, tolerance=1e-9)


@reproduction(
    "2.08",
    claim="Laplace evidence approaches the integral as rows grow, and alpha is where it is largest",
    source="Bishop (2006), eqs 4.137 and 4.145 to 4.155; Kass & Raftery (1995), 4.1: an error of order 1/N",
    protocol="South African heart disease, tobacco alone: sums over a grid of weight and constant, first N rows",
    mark="C",
    data="esl/saheart.csv.gz",
)
def evidence_by_integration():
    from scipy.special import expit, log_expit, logsumexp

    from peira.linear.bayesian_logistic_regression import BayesianLogisticRegression

    columns = data("esl/saheart.csv.gz")
    x, y = (np.array(columns[name], dtype=float) for name in ("tobacco", "chd"))
    x = (x - x.mean()) / x.std()
    w, b = np.meshgrid(np.linspace(-4, 6, 1201), np.linspace(-6, 6, 1201), indexing="ij")
    cell = math.log(10 / 1200 * 12 / 1200)
    for N, within in ((20, 0.1), (100, 0.02), (462, 0.005)):
        model = BayesianLogisticRegression(1.0, intercept_prior_std=2.0).fit(x[:N, None], y[:N].astype(int))
        log_p = -(w**2) / 2 - b**2 / 8 - math.log(2 * math.pi * 2)
        for value, label in zip(x[:N] - x[:N].mean(), y[:N], strict=True):
            log_p += log_expit((w * value + b) * (2 * label - 1))
        exact = logsumexp(log_p) + cell
        yield check(f"log evidence of {N} rows", model.log_evidence_, exact, tolerance=within)
        query = 3.0
        average = np.exp(log_p + cell - exact).ravel() @ expit(w * (query - x[:N].mean()) + b).ravel()
        p = model.predict_proba([[query]])[0, 1]
        yield check(f"P(disease) at {query:g} deviations, {N} rows", p, average, tolerance=3 * within)
    chosen = BayesianLogisticRegression(tol=1e-9).fit(x[:, None], y.astype(int))
    around = [
        BayesianLogisticRegression(chosen.alpha_ * f).fit(x[:, None], y.astype(int)).log_evidence_
        for f in (0.5, 0.9, 1.1, 2.0)
    ]
    yield check(
        "log evidence at alpha above that at alpha times 0.5 ... 2", chosen.log_evidence_ - max(around), at_least=0.0
    )
