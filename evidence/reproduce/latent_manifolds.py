"""Rows 6.16 and 9.02: maps of the digits, and manifolds laid flat."""

import numpy as np

from evidence import check, reproduction


def digits():
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def one_neighbour(Y, labels):
    """The accuracy of one nearest neighbour in ten stratified folds, in the order of the rows."""
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    return cross_val_score(KNeighborsClassifier(1), Y, labels, cv=10).mean()


def trusted(X, Y):
    from peira.measures.embedding import trustworthiness

    return trustworthiness(X, Y, n_neighbors=12)


@reproduction(
    "6.16",
    claim="digits on the plane: t-SNE has trustworthiness (12 neighbours) 0.9917 and 0.9805 accuracy of one nearest "
    "neighbour; principal components 0.8296 and 0.5748; all 64 pixels 0.9750",
    source="recalled values of the field (the curriculum's row 6.16)",
    protocol="1,797 digits, 64 pixels, not scaled; perplexity 30, start from principal components; accuracy in ten "
    "stratified folds without shuffling",
    mark="R",
)
def maps_of_the_digits():
    from peira.latent.pca import PCA
    from peira.latent.t_sne import TSNE

    X, y = digits()
    Y = TSNE(perplexity=30, random_state=0).fit_transform(X)
    yield check("t-SNE: trustworthiness", trusted(X, Y), 0.9917, tolerance=0.0005)
    yield check("t-SNE: accuracy", one_neighbour(Y, y), 0.9805, tolerance=0.003)
    plane = PCA(2).fit_transform(X)
    yield check("principal components: trustworthiness", trusted(X, plane), 0.8296, tolerance=5.1e-5)
    yield check("principal components: accuracy", one_neighbour(plane, y), 0.5748, tolerance=5.1e-5)
    yield check("64 pixels: accuracy", one_neighbour(X, y), 0.9750, tolerance=5.1e-5)


@reproduction(
    "6.16",
    claim="Isomap of the digits has trustworthiness 0.8367 and accuracy 0.6677; UMAP keeps neighbourhoods nearly as "
    "well as t-SNE",
    source="recalled values of the field (the curriculum's row 6.16); scikit-learn, for the same geodesics",
    protocol="10 neighbours; 62 digits have ties at the tenth place, which each library breaks in its own way: hence "
    "the tolerance, and the second check on pixels moved by 1e-6, where no two distances tie. UMAP: 15 neighbours",
    mark="R",
)
def isomap_and_umap_of_the_digits():
    from sklearn.manifold import Isomap as Other

    from peira.latent.isomap import Isomap
    from peira.latent.umap import UMAP

    X, y = digits()
    Y = Isomap(n_neighbors=10).fit_transform(X)
    yield check("Isomap: trustworthiness", trusted(X, Y), 0.8367, tolerance=0.002)
    yield check("Isomap: accuracy", one_neighbour(Y, y), 0.6677, tolerance=0.005)
    moved = X + 1e-6 * np.random.default_rng(0).normal(size=X.shape)
    ours, theirs = Isomap(n_neighbors=10).fit(moved), Other(n_neighbors=10).fit(moved)
    apart = np.abs(ours.dist_matrix_ - theirs.dist_matrix_).max() / theirs.dist_matrix_.max()
    yield check("Isomap, no ties: largest difference of a geodesic from scikit-learn's", apart, 0.0, tolerance=1e-12)
    yield check(
        "Isomap, no ties: error left by two coordinates",
        ours.reconstruction_error(),
        theirs.reconstruction_error(),
        relative=1e-9,
    )
    Y = UMAP(n_neighbors=15, random_state=0).fit_transform(X)
    yield check("UMAP: trustworthiness", trusted(X, Y), at_least=0.98)
    yield check("UMAP: accuracy", one_neighbour(Y, y), at_least=0.96)


def roll(N=2000):
    """A Swiss roll, and its true coordinates: the length along the spiral r = t, and the height."""
    rng = np.random.default_rng(0)
    t, h = 1.5 * np.pi * (1 + 2 * rng.random(N)), 21 * rng.random(N)
    s = (t * np.sqrt(1 + t * t) + np.arcsinh(t)) / 2
    return np.column_stack([t * np.cos(t), h, t * np.sin(t)]), np.column_stack([s, h])


def distances(A):
    from scipy.spatial.distance import pdist

    return pdist(A)


def left_of(truth, Y):
    """The share of the truth's variance that no affine map of Y explains."""
    design = np.column_stack([Y, np.ones(len(Y))])
    left = truth - design @ np.linalg.lstsq(design, truth, rcond=None)[0]
    return float((left**2).sum() / ((truth - truth.mean(0)) ** 2).sum())


@reproduction(
    "9.02",
    claim="distances along the graph of neighbours are the geodesic ones of a Swiss roll to 5 %; Isomap lays it flat "
    "with its lengths, Hessian and tangent-space embeddings up to an affine map; principal components do not",
    source="closed form: a roll is isometric to the plane of arc length and height (Tenenbaum et al. 2000; Donoho & "
    "Grimes 2003)",
    protocol="2,000 points of the roll r = t, 1.5 pi < t < 4.5 pi, 0 < h < 21; 12 neighbours; pairs more than 5 apart",
    mark="C",
)
def the_swiss_roll():
    from scipy.spatial.distance import squareform

    from peira.latent.isomap import Isomap
    from peira.latent.locally_linear_embedding import LocallyLinearEmbedding
    from peira.latent.multidimensional_scaling import ClassicalMDS

    X, flat = roll()
    model = Isomap(n_neighbors=12).fit(X)
    true, found = distances(flat), squareform(model.dist_matrix_, checks=False)
    far = true > 5
    ratio = found[far] / true[far]
    yield check("median of graph distance over geodesic distance", float(np.median(ratio)), 1.0, tolerance=0.05)
    yield check("share of pairs within 5 %", float((np.abs(ratio - 1) <= 0.05).mean()), at_least=0.9)
    on_map = distances(model.embedding_)[far] / true[far]
    yield check("median of distance on the map over geodesic distance", float(np.median(on_map)), 1.0, tolerance=0.05)
    yield check(
        "Isomap: variance of the flat coordinates not explained", left_of(flat, model.embedding_), at_most=0.005
    )
    for method in ("modified", "hessian", "ltsa"):
        Y = LocallyLinearEmbedding(n_neighbors=12, method=method).fit_transform(X)
        yield check(f"locally linear, {method}: not explained", left_of(flat, Y), at_most=0.02)
    plane = ClassicalMDS(2).fit_transform(X)
    yield check("principal coordinates: not explained", left_of(flat, plane), at_least=0.2)


@reproduction(
    "9.02",
    claim="classical scaling of Euclidean distances recovers the points up to a motion; metric and non-metric scaling "
    "reach scikit-learn's stress from the same start",
    source="Torgerson (1952); SMACOF of scikit-learn",
    protocol="40 normal points of 4 columns; from classical scaling on, until the stress stands still",
    mark="C",
)
def scaling():
    from sklearn.manifold import MDS as Other

    from peira.latent.multidimensional_scaling import MDS, ClassicalMDS

    X = np.random.default_rng(0).normal(size=(40, 4))
    same = np.abs(distances(ClassicalMDS(4).fit_transform(X)) - distances(X)).max()
    yield check("classical: largest difference of a distance", float(same), 0.0, tolerance=1e-12)
    for metric in (True, False):
        shared = {"metric_mds": metric, "init": "classical_mds", "max_iter": 5000, "eps": 1e-10}
        ours, theirs = MDS(2, **shared).fit(X).stress_, Other(2, **shared).fit(X).stress_
        words = "metric" if metric else "non-metric"
        yield check(f"{words}: stress", ours, theirs, relative=1e-6)
