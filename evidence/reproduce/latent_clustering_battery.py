"""Row 4.15, the battery: the adjusted Rand index of every clusterer on sets with planted clusters.

Every clusterer that the package has is run: with the planted number of clusters where it takes one, else with its
defaults on columns of one scale (DBSCAN: with the radius that the knee of the neighbours' distances suggests). Reported
is the whole table; held are the sets that a method is made for.
"""

import warnings

import numpy as np

from evidence import Grid, check, data_path, reproduction

SETS = (
    "fcps_atom", "fcps_chainlink", "fcps_engytime", "fcps_hepta", "fcps_lsun", "fcps_target", "fcps_tetra",
    "fcps_twodiamonds", "fcps_wingnut", "sipu_a1", "sipu_aggregation", "sipu_d31", "sipu_flame", "sipu_jain",
    "sipu_r15", "sipu_s1", "sipu_s2", "sipu_spiral", "sipu_unbalance",
)  # fmt: skip
CHAINS = ("fcps_atom", "fcps_chainlink", "fcps_hepta", "fcps_lsun", "fcps_target", "sipu_spiral")
ROUND = ("fcps_hepta", "fcps_tetra", "sipu_r15", "sipu_s1")
"""Clusters that hang together and are apart; clusters that are round, of like size."""
EXPECTED = {
    "AgglomerativeClustering single": (*CHAINS, "fcps_wingnut"),
    "AgglomerativeClustering ward": ROUND,
    "AgglomerativeClustering average": ROUND,
    "DBSCAN": ("fcps_hepta", "fcps_target", "sipu_spiral"),
    "HDBSCAN": ("fcps_atom", "fcps_chainlink", "fcps_hepta", "fcps_lsun", "fcps_target", "fcps_wingnut"),
    "KMeans": ROUND,
    "GaussianMixture": ("fcps_engytime", "fcps_hepta", "fcps_tetra", "fcps_twodiamonds"),
    "SpectralClustering nearest_neighbors": (
        "fcps_atom", "fcps_chainlink", "fcps_hepta", "fcps_lsun", "fcps_tetra", "fcps_wingnut", "sipu_aggregation",
        "sipu_jain", "sipu_r15",
    ),
}  # fmt: skip
ALSO = {
    "AgglomerativeClustering": [{"linkage": rule} for rule in ("single", "complete", "average", "ward")],
    "SpectralClustering": [{"affinity": "nearest_neighbors"}],
}
ARI = 0.95
SOFTER = {"GaussianMixture fcps_engytime": 0.8}  # two Gaussians that overlap


def planted(name):
    """Rows, and the reference labels."""
    with np.load(data_path(f"clustering/{name}.npz"), allow_pickle=False) as file:
        return file["X"].astype(np.float64), file["labels0"].astype(np.int64)


def knee(X, m=5):
    """A radius for DBSCAN: where the sorted distances to the m-th neighbour leave the chord between their ends most."""
    from scipy.spatial import cKDTree

    d = np.sort(cKDTree(X).query(X, k=m)[0][:, -1])
    chord = np.linspace(d[0], d[-1], len(d))
    return float(d[np.argmax(chord - d)])


def contestants(X, K):
    """Every clusterer of the package, ready to be fitted, by name."""
    from peira.core import Clusterer
    from peira.core.registry import registry

    for cls in registry().values():
        takes = cls.parameters()
        if (
            not issubclass(cls, Clusterer)
            or not cls.__module__.startswith("peira.latent.")
            or cls.card.largest.get("N", len(X)) < len(X)
        ):
            continue
        number = next((n for n in ("n_clusters", "n_components") if n in takes), None)
        given = {number: K} if number else {}
        if "random_state" in takes:
            given["random_state"] = 0
        if "n_init" in takes and cls.__name__ == "KMeans":
            given["n_init"] = 10
        if cls.__name__ == "DBSCAN":
            given["eps"] = knee(X)
        for more in ALSO.get(cls.__name__, [{}]):
            yield " ".join((cls.__name__, *map(str, more.values()))), cls(**given, **more)


def table(sets=SETS):
    """The adjusted Rand index by set and method; NaN where a method does not take the set."""
    from peira.measures import adjusted_rand_score

    for name in sets:
        X, y = planted(name)
        Z = (X - X.mean(0)) / X.std(0).mean()  # one unit for all columns: their shapes are the task
        for method, learner in contestants(Z, len(np.unique(y))):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    labels = learner.fit_predict(Z)
                except ValueError:  # counts, say, which these columns are not
                    continue
            yield name, method, adjusted_rand_score(y, labels)


@reproduction(
    "4.15",
    claim="planted clusters are found by the methods that are made for them: an adjusted Rand index above 0.95",
    source="reference labels of the batteries FCPS (Ultsch 2005) and SIPU (Fränti & Sieranoja 2018)",
    protocol="19 sets, every clusterer of the package; the true number of clusters given where a method takes one",
    mark="C(design)",
    data=tuple(f"clustering/{name}.npz" for name in SETS),
    slow=True,
)
def battery():
    found = {(name, method): ari for name, method, ari in table()}
    methods = sorted({method for _, method in found})
    yield Grid("adjusted Rand index", list(SETS), methods, [[found.get((n, m)) for m in methods] for n in SETS])
    for method, sets in EXPECTED.items():
        for name in sets:
            if method in methods:
                floor = SOFTER.get(f"{method} {name}", ARI)
                yield check(f"{method} on {name}", found[name, method], at_least=floor)
