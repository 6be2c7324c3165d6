"""Races 4.07 and 4.13: k-means from the same centres to convergence, and fuzzy c-means."""

import numpy as np

from evidence import Sides, racing

STEPS = 300
TERMS = {
    "quality": "sum of squares within clusters",
    "better": "lower",
    "limit": "one product of all rows and centres in double precision",
}


def blobs(N=200_000, D=32, K=64):
    """Overlapping normal clusters around normal centres, and the first K rows as centres to start from."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(K, D))[rng.integers(K, size=N)] + rng.normal(size=(N, D))
    return X, X[:K].copy()


def noise(N=200_000, D=32, K=64):
    """One normal cloud: no clusters, so that bounds have least to say."""
    X = np.random.default_rng(0).normal(size=(N, D))
    return X, X[:K].copy()


def cost(X, C):
    from peira.latent.k_means_nearest import nearest_centre

    return float(((X - C[nearest_centre(X, C)]) ** 2).sum())


def sides(X, start, peer, steps=STEPS, dtype=np.float64):
    K, Y = len(start), X.astype(dtype)

    def ours():
        from peira.latent import KMeans

        return KMeans(K, init=start, tol=0.0, max_iter=steps).fit(X).cluster_centers_

    def limit():
        for i in range(0, len(X), 1024):
            X[i : i + 1024] @ start.T

    first = start.astype(dtype)
    return Sides(ours, lambda: peer(Y, first), quality=lambda C: cost(X, C.astype(float)), limit=limit)


def scikit_learn(X, start, steps=STEPS):
    import warnings

    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = KMeans(len(start), init=start, n_init=1, tol=0.0, max_iter=steps, algorithm="lloyd")
        return model.fit(X).cluster_centers_


@racing(
    "4.07", case="200k x 32 in 64 overlapping clusters, K = 64, to convergence", peer="scikit-learn",
    rule="the same first centres, until no label changes", slack=20.0, **TERMS,
)  # fmt: skip
def against_scikit_learn():
    return sides(*blobs(), scikit_learn)


@racing(
    "4.07", case="200k x 32 of one normal cloud, K = 64, 100 steps", peer="scikit-learn",
    rule="the same first centres, 100 steps (neither has converged)", slack=20.0, **TERMS,
)  # fmt: skip
def against_scikit_learn_without_clusters():
    import warnings

    X, start = noise()
    both = sides(X, start, lambda Y, C: scikit_learn(Y, C, 100), steps=100)

    def ours():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return both.ours()

    return Sides(ours, both.peer, quality=both.quality, limit=both.limit)


@racing(
    "4.07", case="200k x 32 in 64 overlapping clusters, K = 64, to convergence", peer="faiss",
    rule="the same first centres; FAISS, in single precision, runs the steps that ours took (else it stops earlier)",
    slack=100.0, **TERMS,
)  # fmt: skip
def against_faiss():
    from peira.latent import KMeans

    X, start = blobs()
    steps = KMeans(len(start), init=start, tol=0.0, max_iter=STEPS).fit(X).n_iter_

    def peer(Y, C):
        import faiss

        faiss.omp_set_num_threads(1)
        engine = faiss.Kmeans(
            Y.shape[1], len(C), niter=steps, max_points_per_centroid=len(Y), seed=0, early_stop_threshold=-1.0
        )
        engine.train(Y, init_centroids=C)
        return engine.centroids

    return sides(X, start, peer, dtype=np.float32)


@racing(
    "4.13", case="100k x 8 in 10 overlapping clusters, K = 10, m = 2, 30 steps", peer="scikit-fuzzy",
    rule="30 steps each from the memberships that the first ten rows give", quality="objective J", better="lower",
    slack=1.0,
)  # fmt: skip
def fuzzy():
    import warnings

    rng = np.random.default_rng(0)
    X = 3 * rng.normal(size=(10, 8))[rng.integers(10, size=100_000)] + rng.normal(size=(100_000, 8))
    start = X[:10].copy()

    def degrees(C):
        d = ((X**2).sum(1)[:, None] - 2 * X @ C.T + (C**2).sum(1)).clip(1e-12)
        return (1 / d) / (1 / d).sum(1, keepdims=True), d

    first = np.ascontiguousarray(degrees(start)[0].T)

    def ours():
        from peira.latent import FuzzyCMeans

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return FuzzyCMeans(10, init=start, max_iter=30, tol=0.0).fit(X).cluster_centers_

    def peer():
        import skfuzzy

        return skfuzzy.cluster.cmeans(X.T, 10, 2.0, error=0.0, maxiter=30, init=first)[0]

    def objective(C):
        U, d = degrees(C)
        return float((U**2 * d).sum())

    return Sides(ours, peer, quality=objective)
