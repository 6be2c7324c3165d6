"""Races 4.02 and 4.03: principal components of a tall and of a wide table, at equal reconstruction."""

import numpy as np

from evidence import Sides, racing

RULE = {
    "quality": "mean squared error of the reconstruction, over the least that 10 components can have, less 1",
    "better": "lower",
    "target": 1e-3,
    "rule": "fit 10 components; the peer by the solver named",
}


def table(rows, columns):
    """Twenty directions of falling variance in noise, and means that differ."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, columns))
    X += (rng.standard_normal((rows, 20)) * np.geomspace(8, 0.5, 20)) @ rng.standard_normal((20, columns))
    return X + rng.standard_normal(columns)


def least(X):
    """What 10 components must lose, by the smaller of the two products."""
    R = X - X.mean(0)
    values = np.linalg.eigvalsh(R.T @ R if len(X) >= X.shape[1] else R @ R.T)
    return values[:-10].sum()


def sides(rows, columns, solver, package="sklearn"):
    X = table(rows, columns)
    total, possible = ((X - X.mean(0)) ** 2).sum(), least(X)

    def ours():
        from peira.latent import PCA

        return PCA(10).fit(X)

    def peer():
        from importlib import import_module

        PCA = import_module(f"{package}.decomposition").PCA
        return PCA(10, svd_solver=solver, random_state=0).fit(X)

    def lost(pca):
        V = pca.components_
        kept = ((X - X.mean(0)) @ V.T) ** 2
        return float((total - kept.sum()) / possible - 1)

    def limit():
        from scipy.linalg.blas import dsyrk

        return dsyrk(1.0, X.T, trans=int(rows < columns))

    return Sides(ours, peer, lost, limit=limit)


@racing("4.02", case="50k x 500, peer's auto", peer="scikit-learn", limit="one symmetric product X'X by BLAS", **RULE)
def tall_auto():
    return sides(50_000, 500, "auto")


@racing(
    "4.02", case="50k x 500, peer's covariance", peer="scikit-learn", limit="one symmetric product X'X by BLAS", **RULE
)
def tall_covariance():
    return sides(50_000, 500, "covariance_eigh")


@racing(
    "4.02", case="50k x 500, peer's covariance, by oneDAL", peer="scikit-learn-intelex", environment="intelex",
    limit="one symmetric product X'X by BLAS", **RULE,
)  # fmt: skip
def tall_onedal():
    return sides(50_000, 500, "covariance_eigh", package="sklearnex")


@racing("4.02", case="500 x 50k, peer's auto", peer="scikit-learn", limit="one symmetric product XX' by BLAS", **RULE)
def wide_auto():
    return sides(500, 50_000, "auto")


@racing(
    "4.02", case="500 x 50k, peer's auto, by oneDAL", peer="scikit-learn-intelex", environment="intelex",
    limit="one symmetric product XX' by BLAS", **RULE,
)  # fmt: skip
def wide_onedal():
    return sides(500, 50_000, "auto", package="sklearnex")


@racing("4.02", case="500 x 50k, peer's full", peer="scikit-learn", limit="one symmetric product XX' by BLAS", **RULE)
def wide_full():
    return sides(500, 50_000, "full")


@racing("4.02", case="500 x 50k, peer's arpack", peer="scikit-learn", limit="one symmetric product XX' by BLAS", **RULE)
def wide_arpack():
    return sides(500, 50_000, "arpack")


@racing(
    "4.03", case="63 x 2308, peer's randomised", peer="scikit-learn", limit="one symmetric product XX' by BLAS", **RULE
)
def few_rows():
    return sides(63, 2308, "randomized")


@racing("4.03", case="63 x 2308, peer's auto", peer="scikit-learn", limit="one symmetric product XX' by BLAS", **RULE)
def few_rows_auto():
    return sides(63, 2308, "auto")
