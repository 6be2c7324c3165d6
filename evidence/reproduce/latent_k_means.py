"""Rows 4.07, 4.08, 4.09 and 4.13: k-means, its starts, the number of clusters, and fuzzy c-means."""

import numpy as np

from evidence import check, reproduction


def iris():
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


def largest_rise(values):
    """The most that a sequence rises from one value to the next; negative if it always falls."""
    return float(np.diff(values).max(initial=-np.inf))


@reproduction(
    "4.07",
    claim="k-means on iris: sum of squares 78.851441 for three clusters (the proved optimum), 152.3480 for two; "
    "adjusted Rand index .7302 with the species; neither half-step raises it",
    source="recalled values of the field (the curriculum's row 4.07); optimum proved by du Merle, Hansen, Jaumard & "
    "Mladenovic (1999)",
    protocol="150 rows, four measurements, not scaled; the best of 50 starts by k-means++",
    mark="R",
)
def iris_optimum():
    from peira.latent import KMeans
    from peira.measures import adjusted_rand_score

    X, species = iris()
    three = KMeans(3, n_init=50, random_state=0).fit(X)
    yield check("sum of squares, K = 3", three.inertia_, 78.851441, tolerance=5e-7)
    yield check("adjusted Rand index, K = 3", adjusted_rand_score(species, three.labels_), 0.7302, tolerance=5e-5)
    two = KMeans(2, n_init=50, random_state=0).fit(X)
    yield check("sum of squares, K = 2", two.inertia_, 152.3480, tolerance=5e-5)
    rises = []
    for seed in range(100):
        history = KMeans(3, init="random", n_init=1, random_state=seed).fit(X).history_
        steps = np.column_stack([history["inertia_assigned"], history["inertia_updated"]]).ravel()
        rises.append(largest_rise(steps))
    yield check("largest rise in a half-step, 100 runs", max(rises), at_most=1e-11)


@reproduction(
    "4.07",
    claim="k-means finds the partition with the least sum of squares of all",
    source="all partitions written out",
    protocol="20 sets of 8 normal rows in two columns, K = 3, the best of 50 starts against all 966 partitions",
    mark="C",
)
def brute_force():
    from itertools import product

    from peira.latent import KMeans

    partitions = [p for p in product(range(3), repeat=8) if set(p) == {0, 1, 2}]
    worst = 0.0
    for seed in range(20):
        X = np.random.default_rng(seed).normal(size=(8, 2))
        least = min(sum(((X[r] - X[r].mean(0)) ** 2).sum() for r in (np.equal(p, k) for k in range(3)))
                    for p in partitions)  # fmt: skip
        worst = max(worst, KMeans(3, n_init=50, random_state=seed).fit(X).inertia_ / least - 1)
    yield check("relative excess, worst of 20 sets", worst, at_most=1e-12)


@reproduction(
    "4.08",
    claim="digits, K = 10: the least sum of squares is 1,165,154",
    source="recalled value of the field (the curriculum's row 4.08)",
    protocol="scikit-learn's 1,797 digits, 64 pixels from 0 to 16, not scaled; the best of 50 starts by k-means++",
    mark="R",
)
def digits_optimum():
    from sklearn.datasets import load_digits

    from peira.latent import KMeans

    found = KMeans(10, n_init=50, tol=0.0, random_state=0).fit(load_digits().data)
    yield check("sum of squares", found.inertia_, 1_165_154, relative=1e-5)


@reproduction(
    "4.08",
    claim="the expected cost of k-means++'s centres is at most 8 (log K + 2) times the least, and far below that of "
    "random rows",
    source="Arthur & Vassilvitskii (2007), Theorem 1.1",
    protocol="iris, K = 3, the least cost being 78.851441: 1,000 starts of each kind, costs before any step of Lloyd; "
    "then 25 centres drawn evenly from a 15-dimensional cube of side 500 with 400 normal rows around each (the paper's "
    "Norm-25), 100 starts",
    mark="C",
)
def expected_cost():
    import torch

    from peira.latent.k_means_seeding import plus_plus, random_rows

    def ratios(X, K, least, seeding, starts):
        rows, out = torch.from_numpy(X), []
        for seed in range(starts):
            C = seeding(rows, K, torch.Generator().manual_seed(seed))
            out.append(float(torch.cdist(rows, C).square().amin(1).sum()) / least)
        return np.array(out)

    X, _ = iris()
    spread, any_rows = (ratios(X, 3, 78.851441, seeding, 1000) for seeding in (plus_plus, random_rows))
    yield check("iris, k-means++: mean ratio", spread.mean(), at_least=1.0, at_most=8 * (np.log(3) + 2))
    yield check("iris, random rows over k-means++", any_rows.mean() / spread.mean(), at_least=1.2)
    rng = np.random.default_rng(0)
    centres = rng.uniform(0, 500, size=(25, 15))
    X = np.repeat(centres, 400, axis=0) + rng.normal(size=(10_000, 15))
    least = ((X.reshape(25, 400, 15) - X.reshape(25, 400, 15).mean(1, keepdims=True)) ** 2).sum()
    spread, any_rows = (ratios(X, 25, least, seeding, 100) for seeding in (plus_plus, random_rows))
    yield check("Norm-25, k-means++: mean ratio", spread.mean(), at_least=1.0, at_most=8 * (np.log(25) + 2))
    yield check("Norm-25, random rows over k-means++", any_rows.mean() / spread.mean(), at_least=1000.0)


@reproduction(
    "4.09",
    claim="iris: mean silhouette .6810 for two clusters, .5528 for three, so that the silhouette picks two",
    source="recalled values of the field (the curriculum's row 4.09)",
    protocol="four measurements, not scaled; k-means, the best of 20 starts; two to eight clusters",
    mark="R",
)
def iris_silhouette():
    from peira.latent import KMeans
    from peira.latent.choosing_clusters import choose_n_clusters

    X, _ = iris()
    found = choose_n_clusters(KMeans(n_init=20), X, range(2, 9), by="silhouette", random_state=0)
    yield check("silhouette, K = 2", found.table["value"][0], 0.6810, tolerance=5e-5)
    yield check("silhouette, K = 3", found.table["value"][1], 0.5528, tolerance=5e-5)
    yield check("its answer", found.answer, 2)


@reproduction(
    "4.09",
    claim="the gap statistic finds planted clusters, and one where there are none",
    source="Tibshirani, Walther & Hastie (2001), section 5: scenarios (a), no clusters in ten dimensions, and (b), "
    "three clusters in the plane",
    protocol="20 sets each: (a) 200 rows even in the unit cube of 10 dimensions; (b) 25, 25 and 50 normal rows around "
    "(0, 0), (0, 5) and (5, -3); k-means, the best of 3 starts, one to six clusters, 10 reference sets along the "
    "principal directions",
    mark="C",
)
def gap():
    from peira.latent import KMeans
    from peira.latent.choosing_clusters import choose_n_clusters

    none, three = [], []
    for seed in range(20):
        rng = np.random.default_rng([seed, 9])
        X = rng.uniform(size=(200, 10))
        none.append(
            choose_n_clusters(KMeans(n_init=3), X, range(1, 7), by="gap", n_references=10, random_state=seed).answer
        )
        centres = np.repeat([[0.0, 0.0], [0.0, 5.0], [5.0, -3.0]], [25, 25, 50], axis=0)
        X = centres + rng.normal(size=(100, 2))
        three.append(
            choose_n_clusters(KMeans(n_init=3), X, range(1, 7), by="gap", n_references=10, random_state=seed).answer
        )
    yield check("sets without clusters answered by one, of 20", none.count(1), at_least=19)
    yield check("sets of three clusters answered by three, of 20", three.count(3), at_least=18)


@reproduction(
    "4.13",
    claim="fuzzy c-means on iris, c = 3, m = 2: J = 60.505711, partition coefficient .78340, 16 errors",
    source="recalled values of the field (the curriculum's row 4.13)",
    protocol="four measurements, not scaled, until no membership changes by more than 1e-12; an error is a row outside "
    "of the species that most of its cluster has",
    mark="R",
)
def fuzzy_iris():
    from peira.latent import FuzzyCMeans

    X, species = iris()
    model = FuzzyCMeans(3, m=2.0, tol=1e-12, max_iter=1000, random_state=0).fit(X)
    yield check("J", model.inertia_, 60.505711, tolerance=5e-7)
    yield check("partition coefficient", model.partition_coefficient_, 0.78340, tolerance=5e-6)
    counts = np.zeros((3, 3), dtype=int)
    np.add.at(counts, (model.labels_, species), 1)
    yield check("errors", int(150 - counts.max(1).sum()), 16)
    steps = np.column_stack([model.history_["inertia_assigned"], model.history_["inertia_updated"]]).ravel()
    yield check("largest rise in a half-step", largest_rise(steps), at_most=1e-11)
