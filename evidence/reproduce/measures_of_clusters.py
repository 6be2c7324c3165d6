"""Rows 18.07 and 18.08: how compact clusters are, and how well partitions agree."""

import numpy as np

from evidence import check, reproduction


def iris():
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


def kmeans(X, K):
    """The partition that is given: scikit-learn's, the best of ten starts (the lab's data are its bundled iris)."""
    from sklearn.cluster import KMeans

    return KMeans(K, n_init=10, random_state=0).fit_predict(X)


@reproduction(
    "18.07",
    claim="k-means on iris: silhouette 0.552819, Davies-Bouldin 0.661972, Calinski-Harabasz 561.6278 for three "
    "clusters, silhouette 0.681046 for two",
    source="recalled values of the field (the curriculum's row 18.07)",
    protocol="150 rows, four measurements, not scaled; the partitions are scikit-learn's k-means, taken as given",
    mark="R",
)
def iris_clusters():
    from peira.measures import get_measure

    X, _ = iris()
    three, two = kmeans(X, 3), kmeans(X, 2)

    def value(name, labels):
        return get_measure(name, "clustering").value(X, labels)

    yield check("silhouette, three clusters", value("silhouette", three), 0.552819, tolerance=5.1e-7)
    yield check("Davies-Bouldin", value("davies_bouldin", three), 0.661972, tolerance=5.1e-7)
    yield check("Calinski-Harabasz", value("calinski_harabasz", three), 561.6278, tolerance=5.1e-5)
    yield check("silhouette, two clusters", value("silhouette", two), 0.681046, tolerance=5.1e-7)


@reproduction(
    "18.07",
    claim="scatter in all = scatter within clusters + scatter between them; silhouette and Dunn are what their "
    "definitions give",
    source="identity; definitions of Rousseeuw (1987) and Dunn (1974)",
    protocol="iris with three clusters and with its species; all pairs of points written out",
    mark="C",
)
def scatter_and_definitions():
    from peira.measures import dunn_index, scatter, silhouette_samples

    X, species = iris()
    d = np.sqrt(((X[:, None] - X) ** 2).sum(-1))
    for what, labels in (("k-means", kmeans(X, 3)), ("species", species)):
        parts = scatter(X, labels)
        yield check(f"{what}: total scatter", parts.total, ((X - X.mean(0)) ** 2).sum(), relative=1e-13)
        yield check(f"{what}: within + between", parts.within + parts.between, parts.total, relative=1e-13)
        inside = np.array([[d[i, (labels == k) & (np.arange(150) != i)].mean() for k in range(3)] for i in range(150)])
        a = inside[np.arange(150), labels]
        b = np.where(labels[:, None] == np.arange(3), np.inf, inside).min(1)
        yield check(f"{what}: silhouettes", silhouette_samples(X, labels), (b - a) / np.maximum(a, b), tolerance=1e-12)
        same = labels[:, None] == labels
        yield check(f"{what}: Dunn", dunn_index(X, labels), d[~same].min() / d[same].max(), tolerance=1e-12)


@reproduction(
    "18.08",
    claim="agreement with the species of iris: adjusted Rand index 0.730238 for k-means and 0.903874 for a mixture of "
    "three Gaussians",
    source="recalled values of the field (the curriculum's row 18.08)",
    protocol="the partitions are scikit-learn's k-means and GaussianMixture (full covariances), taken as given",
    mark="R",
)
def iris_agreement():
    from sklearn.mixture import GaussianMixture

    from peira.measures import adjusted_rand_score

    X, species = iris()
    mixture = GaussianMixture(3, covariance_type="full", n_init=10, random_state=0).fit_predict(X)
    yield check("k-means", adjusted_rand_score(species, kmeans(X, 3)), 0.730238, tolerance=5.1e-7)
    yield check("mixture", adjusted_rand_score(species, mixture), 0.903874, tolerance=5.1e-7)


@reproduction(
    "18.08",
    claim="random partitions have adjusted agreement zero on average; all four averages of the information are "
    "scikit-learn's",
    source="Hubert and Arabie (1985), Vinh, Epps and Bailey (2010); scikit-learn",
    protocol="all 5,040 orders of seven items, exactly; 40 random pairs of partitions, the greatest difference",
    mark="C",
)
def chance_and_scikit_learn():
    from itertools import permutations

    from sklearn import metrics

    from peira import measures

    y, f = np.array([0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 1, 2])
    counts = {}
    for order in permutations(range(7)):
        relabelled = tuple(f[list(order)])
        counts[relabelled] = counts.get(relabelled, 0) + 1
    partitions, times = np.array(list(counts)), np.array(list(counts.values()))
    for name in ("adjusted_rand_score", "adjusted_mutual_info_score"):
        values = [getattr(measures, name)(y, g) for g in partitions]
        yield check(f"{name}: mean over all orders", times @ values / times.sum(), 0.0, tolerance=1e-12)
    rng = np.random.default_rng(0)
    worst = dict.fromkeys(("adjusted_rand_score", "normalized_mutual_info_score", "adjusted_mutual_info_score"), 0.0)
    for _ in range(40):
        n = rng.integers(10, 200)
        y, f = rng.integers(0, rng.integers(2, 8), n), rng.integers(0, rng.integers(2, 8), n)
        for name in worst:
            for how in ("arithmetic", "geometric", "min", "max") if "info" in name else (None,):
                kwargs = {} if how is None else {"average_method": how}
                ours, theirs = (getattr(m, name)(y, f, **kwargs) for m in (measures, metrics))
                worst[name] = max(worst[name], abs(ours - theirs))
    for name, difference in worst.items():
        yield check(f"{name}: greatest difference", difference, 0.0, tolerance=1e-10)
