"""Race 3.06: linear support vector machines (C = 1), at the same objective.

The peer is scikit-learn's LinearSVC (LIBLINEAR). For the squared hinge, the default of both, it has its best tolerance,
the largest of 0.1, 0.01, ... that reaches the target, and ``dual=False``, which is what its "auto" takes here. For the
hinge it knows coordinate descent in the dual alone: it stops by itself on a9a, and after 100 sweeps on the dense rows,
where it is far from the target still. Both sides penalise the threshold alike (``intercept_scaling=1``).
"""

import gzip

import numpy as np

from evidence import Sides, data_path, racing

TARGET = 1e-6
RULE = {
    "quality": "objective above its minimum, as a fraction of it",
    "better": "lower",
    "target": TARGET,
    "rule": f"the largest tolerance at which a side is at most {TARGET:g} above the minimum",
}
N, D = 100_000, 50


def overlapping():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D)) @ (np.eye(D) + 0.6 * rng.standard_normal((D, D)) / np.sqrt(D))
    return X, np.sign(X @ rng.standard_normal(D) / 2 + rng.logistic(size=N))


def adult():
    from sklearn.datasets import load_svmlight_file

    with gzip.open(data_path("libsvm/a9a.gz")) as file:
        X, y = load_svmlight_file(file, n_features=123)
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    return X, y


def excess(X, y, loss):
    """The objective above its minimum: for squares half of Newton's decrement, by numpy alone; for the hinge the
    distance from the dual bound of a machine that is solved to 1e-10."""

    def measure(model):
        w, b = model.coef_[0], model.intercept_[0]
        paid = np.maximum(0, 1 - y * (X @ w + b))
        half = 0.5 * (w @ w + b * b)
        if loss == "squared_hinge":
            beta = 2 * y * paid
            slope = np.append(w - X.T @ beta, b - beta.sum())
            A = X[paid > 0]
            A = np.column_stack([A.toarray() if hasattr(A, "toarray") else A, np.ones(A.shape[0])])
            H = np.eye(len(slope)) + 2 * A.T @ A
            return float(0.5 * slope @ np.linalg.solve(H, slope) / (half + paid @ paid))
        from peira.kernels import LinearSVC

        sharp = LinearSVC(loss=loss, tol=1e-10).fit(X, y)
        return float((half + paid.sum()) / (sharp.objective_ * (1 - sharp.duality_gap_)) - 1)

    return measure


def sides(X, y, loss, tol, peer_tol, max_iter=1000):
    def ours():
        from peira.kernels import LinearSVC

        return LinearSVC(loss=loss, tol=tol).fit(X, y)

    def peer():
        import warnings

        from sklearn.svm import LinearSVC

        model = LinearSVC(loss=loss, dual=loss == "hinge", tol=peer_tol, max_iter=max_iter, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sweeps that were too few
            return model.fit(X, y)

    w, r = np.ones(X.shape[1]), np.ones(len(y))
    return Sides(ours, peer, quality=excess(X, y, loss), limit=lambda: (X @ w, X.T @ r))


ABOUT = {"peer": "scikit-learn", "limit": "one gradient's two products", **RULE}


@racing("3.06", case="LinearSVC n=100k d=50", **ABOUT)
def dense_squares():
    return sides(*overlapping(), "squared_hinge", 1e-4, 1e-3)


@racing("3.06", case="LinearSVC hinge, n=100k d=50", **ABOUT)
def dense_hinge():
    return sides(*overlapping(), "hinge", 1e-4, 1e-4, max_iter=100)


@racing("3.06", case="LinearSVC a9a, sparse", data="libsvm/a9a.gz", **ABOUT)
def sparse_squares():
    return sides(*adult(), "squared_hinge", 1e-4, 1e-4)


@racing("3.06", case="LinearSVC hinge, a9a, sparse", data="libsvm/a9a.gz", **ABOUT)
def sparse_hinge():
    return sides(*adult(), "hinge", 1e-4, 1e-6, max_iter=100_000)
