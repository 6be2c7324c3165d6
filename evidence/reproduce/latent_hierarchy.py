"""Row 4.15: hierarchical clustering, and which planted clusters which method finds."""

import numpy as np

from evidence import check, data, reproduction

RULES = ("single", "complete", "average", "weighted", "ward", "centroid", "median")


@reproduction(
    "4.15",
    claim="linkage matrices equal SciPy's to 1e-12, all seven rules",
    source="SciPy's scipy.cluster.hierarchy.linkage",
    protocol="random rows; lattice rows full of ties for the rules that take ties in a stated order",
    mark="C",
)
def as_scipy():
    import torch
    from scipy.cluster.hierarchy import linkage as peer

    from peira.latent.linkage import linkage

    rng = np.random.default_rng(0)
    plain, ties = rng.normal(size=(400, 4)), rng.integers(0, 4, (300, 4)).astype(float)
    for rule in RULES:
        yield check(f"{rule}", linkage(torch.tensor(plain), rule), peer(plain, rule), tolerance=1e-12)
    for rule in RULES[:5]:
        yield check(f"{rule}, ties", linkage(torch.tensor(ties), rule), peer(ties, rule), tolerance=1e-12)


@reproduction(
    "4.15",
    claim="USArrests: cophenetic correlations 0.570251 (single), 0.763693 (complete), 0.765898 (average), 0.760961 "
    "(ward); the last join of complete linkage at 293.6228",
    source="recomputed values of the field (the curriculum's row 4.15)",
    protocol="50 states, four columns as they are, Euclid's distance",
    mark="R",
    data="statistics/USArrests.csv.gz",
)
def us_arrests():
    from peira.latent import AgglomerativeClustering

    X = data("statistics/USArrests.csv.gz").matrix(["Murder", "Assault", "UrbanPop", "Rape"])
    printed = {"single": 0.570251, "complete": 0.763693, "average": 0.765898, "ward": 0.760961}
    for rule, r in printed.items():
        model = AgglomerativeClustering(4, linkage=rule).fit(X)
        yield check(f"cophenetic correlation, {rule}", model.cophenetic_correlation(X), r, tolerance=5.1e-7)
        if rule == "complete":
            yield check("last join, complete", float(model.distances_[-1]), 293.6228, tolerance=5.1e-5)
