"""Race 2.08: logistic regression with the default penalty (C = 1), at the same objective.

The peer is scikit-learn's fastest solver for each case among those that reach the objective (lbfgs, newton-cg,
newton-cholesky, liblinear, sag and saga were tried, each at the largest of tol = 0.1, 0.01, ... that reaches it):
newton-cholesky for two classes and for a9a, lbfgs for five classes. Both sides scale the objective alike and leave
the constant unpenalised (liblinear, which penalises it, minimises another objective).
"""

import gzip

import numpy as np

from evidence import Sides, data_path, racing

TARGET = 1e-8
RULE = {
    "quality": "objective above its minimum, as a fraction of it",
    "better": "lower",
    "target": TARGET,
    "rule": f"the largest tolerance at which a side is at most {TARGET:g} above the minimum",
}
N, D = 100_000, 50


def correlated(classes):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D)) @ (np.eye(D) + 0.6 * rng.standard_normal((D, D)) / np.sqrt(D))
    W = rng.standard_normal((D, classes)) / 4
    return X, (X @ W + rng.gumbel(size=(N, classes))).argmax(1)


def excess(X, y):
    """Half of Newton's decrement at the answer over the objective, by numpy alone, with one vector a class."""
    classes = np.unique(y)
    K, Y = len(classes), (y[:, None] == classes).astype(float)
    dense = X.toarray() if hasattr(X, "toarray") else X
    A = np.column_stack([dense, np.ones(len(y))])
    ridge = np.append(np.ones(X.shape[1]), 0.0)

    def measure(model):
        W = np.column_stack([model.coef_, model.intercept_])
        binary = len(W) == 1
        Z = A @ W.T
        if binary:
            Z = np.column_stack([np.zeros(len(y)), Z])
        top = Z.max(1, keepdims=True)
        log_sum = top[:, 0] + np.log(np.exp(Z - top).sum(1))
        value = (log_sum - (Y * Z).sum(1)).sum() + 0.5 * (ridge * W**2).sum()
        P = np.exp(Z - log_sum[:, None])
        vectors = [1] if binary else range(K)
        g = ((P - Y).T @ A)[vectors] + ridge * W
        H = np.zeros((len(W), A.shape[1], len(W), A.shape[1]))
        for a, k in enumerate(vectors):
            for b, other in enumerate(vectors):
                H[a, :, b] = (A * (P[:, k] * ((k == other) - P[:, other]))[:, None]).T @ A
            H[a, range(len(ridge)), a, range(len(ridge))] += ridge
        step = np.linalg.lstsq(H.reshape(g.size, g.size), g.ravel(), rcond=1e-13)[0]
        return float(step @ g.ravel() / 2 / value)

    return measure


def sides(X, y, solver, tol, limit):
    def ours():
        from peira.linear.logistic_regression import LogisticRegression

        return LogisticRegression().fit(X, y)

    def peer():
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(solver=solver, tol=tol, max_iter=1_000).fit(X, y)

    return Sides(ours, peer, quality=excess(X, y), limit=limit)


@racing("2.08", case="n=100k d=50, 2 classes", peer="scikit-learn", limit="one gradient's two products by BLAS", **RULE)
def two_classes():
    X, y = correlated(2)
    w, r = np.ones(D), np.ones(N)
    return sides(X, y, "newton-cholesky", 1e-4, lambda: (X @ w, X.T @ r))


@racing("2.08", case="n=100k d=50, 5 classes", peer="scikit-learn", limit="one gradient's two products by BLAS", **RULE)
def five_classes():
    X, y = correlated(5)
    W, R = np.ones((D, 5)), np.ones((N, 5))
    return sides(X, y, "lbfgs", 5e-6, lambda: (X @ W, X.T @ R))


@racing(
    "2.08",
    case="a9a, sparse",
    peer="scikit-learn",
    limit="one gradient's two sparse products",
    data="libsvm/a9a.gz",
    **RULE,
)
def a9a():
    from sklearn.datasets import load_svmlight_file

    with gzip.open(data_path("libsvm/a9a.gz")) as file:
        X, y = load_svmlight_file(file, n_features=123)
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    w, r = np.ones(123), np.ones(len(y))
    return sides(X, y, "newton-cholesky", 1e-4, lambda: (X @ w, X.T @ r))
