"""The main job without a target: noise is called noise, and groups that were planted are found."""

import tempfile

import numpy as np

from evidence import check, data, reproduction

PLANTED = {"hepta": 7, "tetra": 4}


def learned(table, seed=0, **options):
    """The state of a run of the main job on a table, and its report."""
    import peira

    with tempfile.TemporaryDirectory() as folder:
        run = peira.learn(
            peira.read(table), task="clustering", seed=seed, jobs=1, output=f"{folder}/run", progress=False, **options
        )
        return run.state, run.read_json("report.json")


def named(X, labels=None):
    columns = {f"x{j}": X[:, j] for j in range(X.shape[1])}
    return columns if labels is None else columns | {"label": np.asarray(labels).astype(str)}


@reproduction(
    "4.09",
    claim="no clear structure on uniform noise in at least 19 of 20 seeds, nor on one normal cloud",
    source="design: references of Tibshirani, Walther & Hastie (2001), JRSS B 63, 411-423, section 4",
    protocol="20 tables of 200 rows and 2 columns, uniform, and 20 normal ones; k-means with 2 to 10 clusters, the "
    "main job's own verdict",
    mark="C(design)",
    slow=True,
)
def noise_has_no_structure():
    for kind in ("uniform", "normal"):
        said = 0
        for seed in range(20):
            X = getattr(np.random.default_rng(seed), kind)(size=(200, 2))
            state, _ = learned(named(X), seed, methods=["KMeans"], cv=2)
            said += state["verdict"]["sentence"].startswith("No clear structure")
        yield check(f"tables of {kind} noise, of 20, without clear structure", said, at_least=19)


@reproduction(
    "4.09",
    claim="two separated normal clouds, Hepta and Tetra have clear structure, and the groups are the planted ones",
    source="Ultsch (2005), Clustering with SOM: U*C, WSOM, 75-82 (the Fundamental Clustering Problems Suite)",
    protocol="clouds 6 standard deviations apart along the diagonal (along an axis, standardising the columns "
    "squeezes the very direction that tells them apart, and the index is 0.90), 100 rows each; Hepta (212 rows, "
    "7 groups), Tetra (400 rows, 4 groups); k-means with 2 to 10 clusters; adjusted Rand index with the planted groups",
    data=tuple(f"clustering/fcps_{name}.npz" for name in PLANTED),
    mark="C(design)",
    slow=True,
)
def planted_groups_are_found():
    rng = np.random.default_rng(0)
    apart = np.vstack([rng.normal(size=(100, 2)), rng.normal(6 / 2**0.5, size=(100, 2))])
    sets = {"two clouds": (apart, np.repeat([0, 1], 100), 2)}
    for name, K in PLANTED.items():
        stored = data(f"clustering/fcps_{name}.npz")
        sets[name] = (stored["X"], stored["labels0"], K)
    for name, (X, labels, K) in sets.items():
        state, report = learned(named(X, labels), judge="label", methods=["KMeans"], cv=2)
        found = state["verdict"]["structure"]
        measured = {m["name"]: m["value"] for m in report["performance"]["measures"]}
        yield check(f"{name}: clear structure", found["clear"], True)
        yield check(f"{name}: clusters", found["clusters"], K)
        yield check(f"{name}: adjusted Rand index on unseen rows", measured["adjusted_rand"], at_least=0.95)
