"""Races 1.11 (streams, against river) and 1.13 (evidence maximisation, against scikit-learn)."""

import numpy as np

from evidence import Sides, racing

BLOCK = 10_000
STREAM = {
    "peer": "river",
    "quality": "largest difference from the exact posterior mean",
    "better": "lower",
    "target": 1e-9,
}


def stream(N, D):
    """Rows, targets, the exact posterior mean for alpha = beta = 1, and a measure of the distance to it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D))
    y = X @ rng.normal(size=D) + rng.normal(size=N)
    exact = np.linalg.solve(np.eye(D) + X.T @ X, X.T @ y)
    return X, y, lambda w: float(np.abs(np.asarray(w) - exact).max())


def dictionaries(X, y):
    """The form in which river takes a stream; made before the clock starts."""
    return [dict(enumerate(row)) for row in X.tolist()], y.tolist()


def weights_of(model, D):
    return [model.predict_one({j: 1.0}) for j in range(D)]


def predict_and_learn(N, D):
    """Each row is predicted, as a distribution, from all rows before it, and then learned."""
    X, y, distance = stream(N, D)
    rows, targets = dictionaries(X, y)

    def ours():
        from peira.linear.bayesian_regression import BayesianLinearRegression

        model = BayesianLinearRegression(1.0, beta=1.0, fit_intercept=False)
        for i in range(0, N, BLOCK):
            dist = model.predict_then_learn(X[i : i + BLOCK], y[i : i + BLOCK])
            assert len(dist.std) == len(y[i : i + BLOCK])
        return model.coef_

    def peer():
        from river.linear_model import BayesianLinearRegression

        model = BayesianLinearRegression(alpha=1, beta=1)
        for row, target in zip(rows, targets, strict=True):
            model.predict_one(row, with_dist=True)
            model.learn_one(row, target)
        return weights_of(model, D)

    return Sides(ours, peer, quality=distance)


def learn(N, D, *, batches):
    """The rows are learned in order: ours in blocks, the peer row by row or in the same blocks."""
    X, y, distance = stream(N, D)
    rows, targets = ([], []) if batches else dictionaries(X, y)

    def ours():
        from peira.linear.bayesian_regression import BayesianLinearRegression

        model = BayesianLinearRegression(1.0, beta=1.0, fit_intercept=False)
        for i in range(0, N, BLOCK):
            model.partial_fit(X[i : i + BLOCK], y[i : i + BLOCK])
        return model.coef_

    def peer():
        from river.linear_model import BayesianLinearRegression

        model = BayesianLinearRegression(alpha=1, beta=1)
        for row, target in zip(rows, targets, strict=True):
            model.learn_one(row, target)
        return weights_of(model, D)

    def peer_in_batches():
        import pandas as pd
        from river.linear_model import BayesianLinearRegression

        model, frame, series = BayesianLinearRegression(alpha=1, beta=1), pd.DataFrame(X), pd.Series(y)
        for i in range(0, N, BLOCK):
            model.learn_many(frame[i : i + BLOCK], series[i : i + BLOCK])
        return weights_of(model, D)

    return Sides(ours, peer_in_batches if batches else peer, quality=distance, limit=lambda: X.T @ X)


RULE = "every row predicted from those before it (mean and deviation), then learned"


@racing("1.11", case="predict and learn each row, d=10", rule=RULE, **STREAM)
def predict_and_learn_10():
    return predict_and_learn(50_000, 10)


@racing("1.11", case="predict and learn each row, d=100", rule=RULE, **STREAM)
def predict_and_learn_100():
    return predict_and_learn(10_000, 100)


@racing("1.11", case="learn rows, d=10", rule="river row by row, Peira in blocks of 10,000", limit="X'X", **STREAM)
def learn_10():
    return learn(100_000, 10, batches=False)


@racing("1.11", case="learn rows, d=100", rule="river row by row, Peira in blocks of 10,000", limit="X'X", **STREAM)
def learn_100():
    return learn(20_000, 100, batches=False)


@racing("1.11", case="learn blocks, d=100", rule="both in blocks of 10,000 (learn_many)", limit="X'X", **STREAM)
def learn_blocks_100():
    return learn(100_000, 100, batches=True)


TOL = 1e-6
EVIDENCE = {
    "peer": "scikit-learn",
    "quality": "largest difference of the weights from the fixed point, relative to the largest weight",
    "better": "lower",
    "target": 1e-6,
    "rule": f"both stop when the weights change by less than {TOL:g} (sum of absolute changes)",
}


def regression(N, D, relevant):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D))
    w = rng.normal(size=D) * (rng.random(D) < relevant)
    return X, X @ w + 3.0 * rng.normal(size=N)


def fixed_point(X, y):
    """The fixed point by plain NumPy: one eigendecomposition, steps until nothing moves."""
    A, b = X - X.mean(0), y - y.mean()
    wide = A.shape[0] < A.shape[1]
    e, Q = np.linalg.eigh(A @ A.T if wide else A.T @ A)
    e = e.clip(min=1e-10 * e[-1])
    u = Q.T @ b if wide else Q.T @ (A.T @ b) / np.sqrt(e)
    rest = b @ b - u @ u
    alpha, lam = 1 / y.var(), 1.0
    for _ in range(100_000):
        d = lam + alpha * e
        gamma, norm, sse = (alpha * e / d).sum(), (e * (alpha * u / d) ** 2).sum(), rest + ((lam * u / d) ** 2).sum()
        before = alpha, lam
        alpha, lam = (len(y) - gamma + 2e-6) / (sse + 2e-6), (gamma + 2e-6) / (norm + 2e-6)
        if abs(alpha / before[0] - 1) + abs(lam / before[1] - 1) < 1e-13:
            break
    c = np.sqrt(e) * alpha * u / (lam + alpha * e)
    return A.T @ (Q @ (c / np.sqrt(e))) if wide else Q @ c


def evidence_maximisation(N, D):
    X, y = regression(N, D, 0.2)

    def ours():
        from peira.linear.evidence_maximisation import BayesianRidge

        return BayesianRidge(tol=TOL, max_iter=2000).fit(X, y).coef_

    def peer():
        from sklearn.linear_model import BayesianRidge

        return BayesianRidge(tol=TOL, max_iter=2000).fit(X, y).coef_

    def distance(w):
        exact = fixed_point(X, y)
        return float(np.abs(w - exact).max() / np.abs(exact).max())

    def limit():
        return X.T @ X if N >= D else np.linalg.eigh(X @ X.T)

    return Sides(ours, peer, quality=distance, limit=limit)


@racing("1.13", case="evidence maximisation, n=100k d=100", limit="X'X", **EVIDENCE)
def evidence_tall():
    return evidence_maximisation(100_000, 100)


@racing("1.13", case="evidence maximisation, n=1,000 d=5,000", limit="X X' and its eigenvectors", **EVIDENCE)
def evidence_wide():
    return evidence_maximisation(1000, 5000)


@racing(
    "1.13",
    case="relevance determination, n=500 d=2,000",
    peer="scikit-learn",
    quality="mean squared error of the weights against the truth",
    better="lower",
    slack=1e-6,
    rule="both with default tolerance and threshold",
)
def relevance_wide():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2000))
    w = rng.normal(size=2000) * (rng.random(2000) < 0.02)
    y = X @ w + 0.5 * rng.normal(size=500)

    def ours():
        from peira.linear.relevance_determination import ARDRegression

        return ARDRegression().fit(X, y).coef_

    def peer():
        from sklearn.linear_model import ARDRegression

        return ARDRegression().fit(X, y).coef_

    return Sides(ours, peer, quality=lambda c: float(((c - w) ** 2).mean()))
