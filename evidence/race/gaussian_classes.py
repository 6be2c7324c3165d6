"""Races 2.05 and 2.06: Gaussian classes with a common and with individual covariances, at equal probabilities."""

import numpy as np

from evidence import Sides, racing

CLASSES, COLUMNS = 5, 50


def clouds(rows=100_000):
    """Five overlapping Gaussian classes in 50 correlated columns, each with a shape of its own."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, rows)
    means = 0.5 * rng.standard_normal((CLASSES, COLUMNS))
    shapes = np.eye(COLUMNS) + 0.2 * rng.standard_normal((CLASSES, COLUMNS, COLUMNS)) / np.sqrt(COLUMNS)
    X = rng.standard_normal((rows, COLUMNS))
    for c in range(CLASSES):
        X[y == c] = means[c] + X[y == c] @ shapes[c]
    return X, y


def largest_difference(X, exact):
    """The measure of both sides: their probabilities of the first 10,000 rows against numpy's, from the definition."""

    def measure(model):
        return float(np.abs(model.predict_proba(X[:10_000]) - exact).max())

    return measure


def by_definition(X, y, common):
    means = np.stack([X[y == c].mean(0) for c in range(CLASSES)])
    S = np.stack([np.cov(X[y == c].T, bias=True) for c in range(CLASSES)])
    shares = np.bincount(y) / len(y)
    if common:
        S[:] = np.tensordot(shares, S, 1)
    scores = np.stack(
        [
            np.log(shares[c])
            - np.linalg.slogdet(S[c])[1] / 2
            - ((X[:10_000] - means[c]) @ np.linalg.inv(S[c]) * (X[:10_000] - means[c])).sum(1) / 2
            for c in range(CLASSES)
        ],
        1,
    )
    P = np.exp(scores - scores.max(1, keepdims=True))
    return P / P.sum(1, keepdims=True)


RULE = {
    "quality": "largest difference of 10,000 x 5 probabilities from those by the definition, in numpy",
    "better": "lower",
    "target": 1e-8,
    "rule": "a closed form: fit to all rows, and where so said predict the labels of all rows",
    "limit": "one product X'X by BLAS",
}
LEAST = "by BLAS, the products X'X of the rows of each class, sorted beforehand"
FIT = {**RULE, "limit": LEAST}
ANSWER = {**RULE, "limit": f"{LEAST}, and of all rows with a triangular matrix for each class, in blocks"}


def sides(name, solver, common, answer=False):
    X, y = clouds()

    def run(model):
        model.fit(X, y)
        if answer:
            model.predict(X)
        return model

    def ours():
        import peira.linear as methods

        return run(getattr(methods, name)())

    def peer():
        from sklearn import discriminant_analysis as peers

        return run(getattr(peers, name)(solver=solver))

    def limit():
        from scipy.linalg.blas import dsyrk, dtrmm

        if common:
            return X.T @ X
        for own in apart:
            dsyrk(1.0, own.T)
        for start in range(0, len(X) if answer else 0, len(block)):
            for _ in range(CLASSES):
                block[:] = X[start : start + len(block)]
                dtrmm(1.0, triangle, block.T, lower=1, overwrite_b=1)

    apart, block, triangle = [X[y == c] for c in range(CLASSES)], np.empty((1000, COLUMNS)), np.eye(COLUMNS)
    return Sides(ours, peer, largest_difference(X, by_definition(X, y, common)), limit=limit)


LDA, QDA = "LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"
SIZE = "n=100k d=50 5 classes"


@racing("2.05", case=f"{SIZE}, fit, peer's svd", peer="scikit-learn", **RULE)
def linear_svd():
    return sides(LDA, "svd", True)


@racing("2.05", case=f"{SIZE}, fit, peer's lsqr", peer="scikit-learn", **RULE)
def linear_lsqr():
    return sides(LDA, "lsqr", True)


@racing("2.05", case=f"{SIZE}, fit, peer's eigen", peer="scikit-learn", **RULE)
def linear_eigen():
    return sides(LDA, "eigen", True)


@racing("2.05", case=f"{SIZE}, fit and predict, peer's lsqr", peer="scikit-learn", **RULE)
def linear_answers():
    return sides(LDA, "lsqr", True, answer=True)


@racing("2.06", case=f"{SIZE}, fit, peer's svd", peer="scikit-learn", **FIT)
def quadratic_svd():
    return sides(QDA, "svd", False)


@racing("2.06", case=f"{SIZE}, fit, peer's eigen", peer="scikit-learn", **FIT)
def quadratic_eigen():
    return sides(QDA, "eigen", False)


@racing("2.06", case=f"{SIZE}, fit and predict, peer's svd", peer="scikit-learn", **ANSWER)
def quadratic_answers_svd():
    return sides(QDA, "svd", False, answer=True)


@racing("2.06", case=f"{SIZE}, fit and predict, peer's eigen", peer="scikit-learn", **ANSWER)
def quadratic_answers_eigen():
    return sides(QDA, "eigen", False, answer=True)
