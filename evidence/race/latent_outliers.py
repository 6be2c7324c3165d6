"""Race 18.10: isolation forest and local outlier factor against scikit-learn."""

import numpy as np

from evidence import Sides, racing

QUALITY = {"quality": "area under the ROC curve of the planted outliers", "better": "higher"}


def planted(N, D, far):
    """Two clusters of different width, and one row in a hundred from a wide box."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D))
    X[::2] = 4 + 0.5 * X[::2]
    y = np.arange(N) % 100 == 0
    X[y] = rng.uniform(-far, far, size=(int(y.sum()), D))
    return X, y


def area(y, scores):
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(y))
    ranks[order] = np.arange(1, len(y) + 1)
    n = y.sum()
    return float((ranks[y].sum() - n * (n + 1) / 2) / (n * (len(y) - n)))


def forests(N, D):
    X, y = planted(N, D, 8.0)

    def ours():
        from peira.latent import IsolationForest

        return -IsolationForest(random_state=0).fit(X).score_samples(X)

    def peer():
        from sklearn.ensemble import IsolationForest

        return -IsolationForest(random_state=0).fit(X).score_samples(X)

    return Sides(ours, peer, quality=lambda scores: area(y, scores))


@racing("18.10", case="isolation forest, 100,000 rows of 20 columns, 100 trees", peer="scikit-learn", slack=0.01,
        rule="fit and score all rows", **QUALITY)  # fmt: skip
def isolation_forest():
    return forests(100_000, 20)


@racing("18.10", case="isolation forest, 1,000 rows of 5 columns, 100 trees", peer="scikit-learn", slack=0.02,
        rule="fit and score all rows", **QUALITY)  # fmt: skip
def isolation_forest_of_few_rows():
    return forests(1_000, 5)


def factors(N, D):
    X, y = planted(N, D, 6.0)

    def ours():
        from peira.latent import LocalOutlierFactor

        return -LocalOutlierFactor(20).fit(X).negative_outlier_factor_

    def peer():
        from sklearn.neighbors import LocalOutlierFactor

        return -LocalOutlierFactor(20).fit(X).negative_outlier_factor_

    return Sides(ours, peer, quality=lambda scores: area(y, scores))


@racing("18.10", case="local outlier factor, 50,000 rows of 3 columns, k = 20", peer="scikit-learn", slack=1e-6,
        rule="both find all neighbours", **QUALITY)  # fmt: skip
def local_outlier_factor_in_few_columns():
    return factors(50_000, 3)


@racing("18.10", case="local outlier factor, 20,000 rows of 20 columns, k = 20", peer="scikit-learn", slack=1e-6,
        rule="both find all neighbours", **QUALITY)  # fmt: skip
def local_outlier_factor_in_many_columns():
    return factors(20_000, 20)
