"""The tree as a method: cuts, cophenetic distances, what is refused, the picture."""

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import cophenet, fcluster
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import AgglomerativeClustering as Reference

from peira.latent import AgglomerativeClustering
from peira.latent.linkage import RULES
from peira.measures import adjusted_rand_score

MONOTONE = ["single", "complete", "average", "weighted", "ward"]


def rows(seed, N=60, D=3):
    return np.random.default_rng([seed, N, D]).normal(size=(N, D))


@pytest.mark.parametrize("linkage", ["ward", "complete", "average", "single"])
@pytest.mark.parametrize("K", [1, 2, 7, 60])
def test_the_clusters_are_scikit_learns(linkage, K, seed):
    X = rows(seed)
    model = AgglomerativeClustering(K, linkage=linkage).fit(X)
    assert adjusted_rand_score(Reference(K, linkage=linkage).fit(X).labels_, model.labels_) == 1
    assert model.n_clusters_ == K and model.n_leaves_ == 60 and model.children_.shape == (59, 2)
    _, first = np.unique(model.labels_, return_index=True)
    assert (np.diff(first) > 0).all(), "numbered by first appearance"


@pytest.mark.parametrize("linkage", MONOTONE)
def test_a_height_cuts_like_a_number(linkage, seed):
    X = rows(seed)
    tree = AgglomerativeClustering(1, linkage=linkage).fit(X).linkage_matrix_
    height = tree[-4:-2, 2].mean()
    model = AgglomerativeClustering(None, distance_threshold=float(height), linkage=linkage).fit(X)
    assert model.n_clusters_ == 4
    assert adjusted_rand_score(fcluster(tree, height, "distance"), model.labels_) == 1
    exactly = AgglomerativeClustering(None, distance_threshold=float(tree[-3, 2]), linkage=linkage).fit(X)
    assert exactly.n_clusters_ == 4, "joins at the threshold are not made"


@pytest.mark.parametrize("linkage", RULES)
def test_the_cophenetic_correlation_is_scipys(linkage, seed):
    X = rows(seed)
    model = AgglomerativeClustering(linkage=linkage).fit(X)
    expected, _ = cophenet(model.linkage_matrix_, pdist(X))
    assert model.cophenetic_correlation(X) == pytest.approx(expected, abs=1e-12)
    shifted = AgglomerativeClustering(linkage=linkage).fit(X + 1e6)
    assert shifted.cophenetic_correlation(X + 1e6) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("linkage", MONOTONE)
def test_cophenetic_distances_are_an_ultrametric(linkage, seed):
    c = squareform(cophenet(AgglomerativeClustering(linkage=linkage).fit(rows(seed, 25)).linkage_matrix_))
    assert (c[:, None] <= np.maximum(c[:, :, None], c.T[None]).transpose(0, 2, 1) + 1e-12).all()


def test_the_correlation_of_constants_is_unknown():
    X = [[0.0], [1.0]]
    assert np.isnan(AgglomerativeClustering(1).fit(X).cophenetic_correlation(X))
    with pytest.raises(ValueError, match="2 items, and X holds 3"):
        AgglomerativeClustering(1).fit(X).cophenetic_correlation([[0.0], [1.0], [2.0]])


@pytest.mark.parametrize("N", [2, 3])
def test_few_items(N, seed):
    X = rows(seed, N)
    assert AgglomerativeClustering(N).fit(X).labels_.tolist() == list(range(N))
    assert AgglomerativeClustering(1).fit(X).labels_.tolist() == [0] * N


def test_repeated_rows_stay_together(seed):
    X = np.repeat(rows(seed, 5), 4, axis=0)
    for linkage in RULES:
        labels = AgglomerativeClustering(5, linkage=linkage).fit(X).labels_
        np.testing.assert_array_equal(labels, np.repeat(np.arange(5), 4))


def test_what_cannot_be_is_refused(seed):
    X = rows(seed, 4)
    with pytest.raises(ValueError, match="n_clusters = 5 is more than the n_samples = 4"):
        AgglomerativeClustering(5).fit(X)
    with pytest.raises(ValueError, match="n_samples = 1"):
        AgglomerativeClustering(1).fit(X[:1])
    with pytest.raises(ValueError, match="exactly one"):
        AgglomerativeClustering(2, distance_threshold=1.0).fit(X)
    with pytest.raises(ValueError, match="exactly one"):
        AgglomerativeClustering(None).fit(X)
    with pytest.raises(ValueError, match="about centres"):
        AgglomerativeClustering(2, linkage="ward", metric="manhattan").fit(X)


@pytest.mark.parametrize(
    ("S", "words"),
    [
        ([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0]], "square"),
        ([[0.0, -1.0], [-1.0, 0.0]], "negative: that from item 0 to item 1"),
        ([[0.0, 1.0], [2.0, 0.0]], "symmetric: from item 0 to item 1 it is 1, back 2"),
        ([[0.0, 1.0], [1.0, 3.0]], "distance of item 1 to itself is 3"),
    ],
)
def test_given_distances_must_be_distances(S, words):
    with pytest.raises(ValueError, match=words):
        AgglomerativeClustering(1, linkage="average", metric="precomputed").fit(S)


def test_given_distances_are_distances(seed):
    X = rows(seed)
    d = squareform(pdist(X, "cityblock"))
    given = AgglomerativeClustering(4, linkage="average", metric="precomputed").fit(d)
    direct = AgglomerativeClustering(4, linkage="average", metric="manhattan").fit(X)
    np.testing.assert_array_equal(given.labels_, direct.labels_)
    np.testing.assert_array_equal(given.predict(d[:5]), given.labels_[:5])
    assert isinstance(AgglomerativeClustering(2).fit(torch.tensor(X)).children_, torch.Tensor)


def test_the_dendrogram_has_a_bracket_for_each_join(seed):
    model = AgglomerativeClustering(3).fit(rows(seed, 12))
    ax = model.plot(names=[f"item {i}" for i in range(12)])
    assert sum(len(c.get_paths()) for c in ax.collections) == 11
    assert {t.get_text() for t in ax.get_xticklabels()} == {f"item {i}" for i in range(12)}
    assert "ward" in ax.get_ylabel()
    assert AgglomerativeClustering(1).fit(rows(seed, 50)).plot(most=10) is not ax
