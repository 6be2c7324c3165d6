"""Race 4.10: Gaussian mixtures of four shapes, 20 steps of EM from the same start, at equal likelihood."""

import numpy as np

from evidence import Sides, racing

RULE = {
    "quality": "mean log likelihood of a row at the returned parameters, by numpy",
    "better": "higher",
    "slack": 1e-4,
    "rule": "20 steps of EM from the same weights, means and precisions; labels of all rows",
}
K, D, N = 10, 10, 100_000


def rows():
    """Ten groups with covariances of their own, and the start."""
    rng = np.random.default_rng(0)
    means, roots = 3 * rng.normal(size=(K, D)), np.eye(D) + 0.5 * rng.normal(size=(K, D, D))
    group = rng.integers(0, K, N)
    X = means[group] + np.einsum("nij,nj->ni", roots[group], rng.normal(size=(N, D)))
    return X, X[rng.choice(N, K, replace=False)]


def mean_log_likelihood(X, weights, means, covariances):
    """The measure of both sides: covariances of shape (K, D, D)."""
    logs = []
    for pi, mu, C in zip(weights, means, covariances, strict=True):
        L = np.linalg.cholesky(C)
        white = np.linalg.solve(L, (X - mu).T)
        logs.append(np.log(pi) - 0.5 * (white**2).sum(0) - np.log(np.diag(L)).sum() - 0.5 * D * np.log(2 * np.pi))
    return float(np.logaddexp.reduce(logs).mean())


def as_matrices(covariances, shape):
    """Covariances of any shape as (K, D, D)."""
    if shape == "tied":
        return np.broadcast_to(covariances, (K, D, D))
    if shape == "full":
        return covariances
    return np.stack([np.diag(np.broadcast_to(c, (D,))) for c in covariances])


def sides(shape):
    X, start = rows()
    v = X.var(0)
    precisions = {
        "full": np.stack([np.diag(1 / v)] * K),
        "tied": np.diag(1 / v),
        "diag": np.stack([1 / v] * K),
        "spherical": np.full(K, 1 / v.mean()),
    }[shape]
    given = {
        "covariance_type": shape, "tol": 0.0, "max_iter": 20, "weights_init": np.full(K, 1 / K), "means_init": start,
        "precisions_init": precisions,
    }  # fmt: skip

    def ours():
        import warnings

        from peira.latent import GaussianMixture

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return GaussianMixture(K, **given).fit(X)

    def peer():
        import warnings

        from sklearn.mixture import GaussianMixture

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mixture = GaussianMixture(K, **given)
            mixture.labels_ = mixture.fit_predict(X)
            return mixture

    def quality(m):
        return mean_log_likelihood(X, m.weights_, m.means_, as_matrices(m.covariances_, shape))

    return Sides(ours, peer, quality)


@racing("4.10", case="full, n=100k d=10 k=10", peer="scikit-learn", **RULE)
def full():
    return sides("full")


@racing("4.10", case="tied, n=100k d=10 k=10", peer="scikit-learn", **RULE)
def tied():
    return sides("tied")


@racing("4.10", case="diagonal, n=100k d=10 k=10", peer="scikit-learn", **RULE)
def diagonal():
    return sides("diag")


@racing("4.10", case="spherical, n=100k d=10 k=10", peer="scikit-learn", **RULE)
def spherical():
    return sides("spherical")


@racing("4.10", case="full, n=100k d=10 k=10, against pomegranate", peer="pomegranate", **RULE)
def full_against_pomegranate():
    ours = sides("full")
    X, start = rows()

    def peer():
        import torch
        from pomegranate.distributions import Normal
        from pomegranate.gmm import GeneralMixtureModel

        covariance = torch.diag(torch.tensor(X.var(0)))
        parts = [Normal(torch.tensor(mu), covariance.clone(), covariance_type="full") for mu in start]
        model = GeneralMixtureModel(parts, priors=torch.full((K,), 1 / K, dtype=torch.float64), max_iter=20, tol=-1.0)
        model.fit(torch.tensor(X))
        model.labels_ = model.predict(torch.tensor(X))
        return model

    def quality(m):
        if hasattr(m, "weights_"):
            return ours.quality(m)
        parts = [(d.means.numpy(), d.covs.numpy()) for d in m.distributions]
        return mean_log_likelihood(X, m.priors.numpy(), *map(np.stack, zip(*parts, strict=True)))

    return Sides(ours.ours, peer, quality)
