"""Race 4.15: trees and dense regions of clusters, against the libraries that are made for them."""

import numpy as np

from evidence import Sides, racing

TREE = {
    "quality": "correct digits of the heights, against SciPy's",
    "better": "higher",
    "rule": "the linkage matrix from the rows, in full",
    "slack": 1.0,
}
FOUND = {"better": "higher", "rule": "labels from the rows; the same parameters", "slack": 0.01}


def digits(Z, exact):
    return float(min(15.0, -np.log10(max(np.abs(Z[:, 2] - exact[:, 2]).max() / exact[-1, 2], 1e-16))))


def tree(rule, N, D, peer):
    from scipy.cluster.hierarchy import linkage

    X = np.random.default_rng(0).normal(size=(N, D))
    exact = linkage(X, rule)

    def ours():
        import torch

        from peira.latent.linkage import linkage

        return linkage(torch.from_numpy(X), rule)

    return Sides(ours, lambda: peer(X, rule), quality=lambda Z: digits(Z, exact))


def by_scipy(X, rule):
    from scipy.cluster.hierarchy import linkage

    return linkage(X, rule)


def by_fastcluster(X, rule):
    import fastcluster

    return fastcluster.linkage(X, rule)


@racing("4.15", case="single linkage, 10,000 rows of 10 columns", peer="scipy", **TREE)
def single_scipy():
    return tree("single", 10_000, 10, by_scipy)


@racing("4.15", case="single linkage, 10,000 rows of 10 columns", peer="fastcluster", **TREE)
def single_fastcluster():
    return tree("single", 10_000, 10, by_fastcluster)


@racing("4.15", case="ward, 5,000 rows of 10 columns", peer="scipy", **TREE)
def ward_scipy():
    return tree("ward", 5_000, 10, by_scipy)


@racing("4.15", case="ward, 5,000 rows of 10 columns", peer="fastcluster", **TREE)
def ward_fastcluster():
    return tree("ward", 5_000, 10, by_fastcluster)


@racing("4.15", case="average linkage, 5,000 rows of 10 columns", peer="fastcluster", **TREE)
def average_fastcluster():
    return tree("average", 5_000, 10, by_fastcluster)


def agreement(labels, y):
    from peira.measures import adjusted_rand_score

    return adjusted_rand_score(y, labels)


def blobs(N, D):
    from sklearn.datasets import make_blobs

    return make_blobs(N, D, centers=20, random_state=0)


@racing("4.15", case="DBSCAN, 50,000 rows of 3 columns", peer="scikit-learn", quality="ARI with scikit-learn's labels",
        **FOUND)  # fmt: skip
def dbscan():
    from sklearn.cluster import DBSCAN as Peer

    X, _ = blobs(50_000, 3)
    reference = Peer(eps=0.3).fit_predict(X)

    def ours():
        from peira.latent import DBSCAN

        return DBSCAN(0.3).fit_predict(X)

    return Sides(ours, lambda: Peer(eps=0.3).fit_predict(X), quality=lambda v: agreement(v, reference))


def hdbscan_of(N, D, peer):
    X, y = blobs(N, D)

    def ours():
        from peira.latent import HDBSCAN

        return HDBSCAN(20).fit_predict(X)

    return Sides(ours, lambda: peer(X), quality=lambda labels: agreement(labels, y))


def by_scikit_learn(X):
    from sklearn.cluster import HDBSCAN

    return HDBSCAN(20, copy=True).fit_predict(X)


def by_hdbscan(X):
    import hdbscan

    return hdbscan.HDBSCAN(20).fit_predict(X)


@racing("4.15", case="HDBSCAN, 10,000 rows of 10 columns", peer="scikit-learn", quality="ARI with the planted clusters",
        **FOUND)  # fmt: skip
def hdbscan_scikit_learn():
    return hdbscan_of(10_000, 10, by_scikit_learn)


@racing("4.15", case="HDBSCAN, 10,000 rows of 10 columns", peer="hdbscan", quality="ARI with the planted clusters",
        **FOUND)  # fmt: skip
def hdbscan_hdbscan():
    return hdbscan_of(10_000, 10, by_hdbscan)


@racing("4.15", case="HDBSCAN, 10,000 rows of 2 columns", peer="hdbscan", quality="ARI with the planted clusters",
        **FOUND)  # fmt: skip
def hdbscan_flat():
    return hdbscan_of(10_000, 2, by_hdbscan)
