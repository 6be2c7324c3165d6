"""Race 18.11: kernel densities against scikit-learn's tree and KDEpy."""

import numpy as np

from evidence import Sides, racing

TERMS = {"quality": "largest error of 50 log densities against the sum of all kernels", "better": "lower"}


def sides(N, M, D, h, peer):
    rng = np.random.default_rng(0)
    X, Q = rng.normal(size=(N, D)), rng.normal(size=(M, D))
    d2 = ((Q[:50, None] - X) ** 2).sum(2) / (2 * h * h)
    least = d2.min(1)
    exact = np.log(np.exp(least[:, None] - d2).mean(1)) - least - D * np.log(h * np.sqrt(2 * np.pi))

    def ours():
        from peira.latent import KernelDensity

        return KernelDensity(bandwidth=h).fit(X).score_samples(Q)

    return Sides(ours, lambda: peer(X, Q, h), quality=lambda logs: float(np.abs(logs[:50] - exact).max()))


def by_scikit_learn(X, Q, h):
    from sklearn.neighbors import KernelDensity

    return KernelDensity(bandwidth=h).fit(X).score_samples(Q)


@racing("18.11", case="10,000 rows and 2,000 queries of 2 columns, h = 0.2", peer="scikit-learn", target=1e-9,
        rule="fit and ask; Gaussian kernel, sums complete (atol = rtol = 0)", **TERMS)  # fmt: skip
def two_columns():
    return sides(10_000, 2_000, 2, 0.2, by_scikit_learn)


@racing("18.11", case="10,000 rows and 2,000 queries of 8 columns, h = 0.6", peer="scikit-learn", target=1e-9,
        rule="fit and ask; Gaussian kernel, sums complete (atol = rtol = 0)", **TERMS)  # fmt: skip
def eight_columns():
    return sides(10_000, 2_000, 8, 0.6, by_scikit_learn)


@racing("18.11", case="20,000 rows and 2,000 queries of one column, h = 0.1, sums of all kernels", peer="KDEpy",
        target=1e-9, rule="fit and ask; Gaussian kernel, KDEpy's complete sums", **TERMS)  # fmt: skip
def one_column():
    def peer(X, Q, h):
        from KDEpy import NaiveKDE

        return np.log(NaiveKDE(kernel="gaussian", bw=h).fit(X).evaluate(Q))

    return sides(20_000, 2_000, 1, 0.1, peer)
