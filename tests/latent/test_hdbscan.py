"""HDBSCAN: the condensed tree by its definition, the order of the rows, scikit-learn's labels where no ties are."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import HDBSCAN as Reference
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import pairwise_distances

from peira.latent import HDBSCAN
from peira.latent.condensed_tree import condense, most_stable, stabilities
from peira.measures import adjusted_rand_score


def sets(seed):
    rng = np.random.default_rng(seed)
    yield make_moons(200, noise=0.08, random_state=seed)[0]
    yield make_blobs(200, 3, centers=5, random_state=seed)[0]
    yield rng.normal(size=(150, 2))


def clusters_by_definition(reach, m):
    """The condensed tree, from the connected parts of the graph of distances below each height."""
    found, N = [], len(reach)

    def descend(items, birth):
        left, now = np.full(N, np.nan), items
        while True:
            inner = reach[np.ix_(now, now)]
            for h in np.unique(inner[np.triu_indices(len(now), 1)])[::-1]:  # the height at which these items fall apart
                count, part = connected_components(inner < h)
                if count > 1:
                    break
            parts = [now[part == c] for c in range(count)] if len(now) > 1 else [now]
            big = [p for p in parts if len(p) >= m]
            if len(big) == 1:
                left[np.setdiff1d(now, big[0])] = 1 / h
                now = big[0]
                continue
            left[now] = 1 / h
            found.append((frozenset(items), birth, np.nansum(left[items] - birth)))
            for p in big:
                descend(p, 1 / h)
            return

    descend(np.arange(N), 0.0)
    return found


@pytest.mark.parametrize("m", [2, 3, 6])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("ties", [False, True])
def test_the_condensed_tree_is_that_of_the_parts_below_each_height(m, k, ties, seed):
    rng = np.random.default_rng([seed, m, k])
    X = rng.permutation(36)[:24, None] // np.array([6, 1]) % 6 * 1.0 if ties else rng.normal(size=(24, 2))
    d = pairwise_distances(X)
    core = np.sort(d, axis=1)[:, k - 1]
    reach = np.maximum(np.maximum(core[:, None], core), d)
    model = HDBSCAN(m, min_samples=k).fit(X)
    tree = condense(model.linkage_matrix_, m)
    S = stabilities(tree)
    inside = np.zeros((len(tree.parent), 24), dtype=bool)
    for c in range(len(tree.parent) - 1, -1, -1):
        inside[c] |= tree.cluster == c
        if c:
            inside[tree.parent[c]] |= inside[c]
    ours = {frozenset(np.flatnonzero(row)): (b, s) for row, b, s in zip(inside, tree.birth, S, strict=True)}
    expected = {items: (birth, s) for items, birth, s in clusters_by_definition(reach.round(12), m)}
    assert ours.keys() == expected.keys()
    for items, (birth, s) in expected.items():
        assert ours[items] == pytest.approx((birth, s), rel=1e-7, abs=1e-9)


def test_the_choice_has_the_largest_total_stability(seed):
    for X in sets(seed):
        tree = condense(HDBSCAN(8).fit(X).linkage_matrix_, 8)
        S, C = stabilities(tree), len(tree.parent)

        def best(c, tree=tree, S=S, C=C):
            below = sum(best(k) for k in range(1, C) if tree.parent[k] == c)
            return below if c == 0 else max(S[c], below)

        assert S[most_stable(tree, root=False, largest=np.inf)].sum() == pytest.approx(best(0))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"min_cluster_size": 15},
        {"min_cluster_size": 2},
        {"cluster_selection_method": "leaf"},
        {"allow_single_cluster": True, "min_cluster_size": 20},
        {"max_cluster_size": 30},
        {"metric": "manhattan", "alpha": 0.7},
    ],
)
def test_without_ties_labels_and_probabilities_are_scikit_learns(given, seed):
    for X in sets(seed):
        ours, theirs = HDBSCAN(**given, min_samples=1).fit(X), Reference(**given, min_samples=1, copy=True).fit(X)
        np.testing.assert_array_equal(ours.labels_ < 0, theirs.labels_ < 0)
        assert adjusted_rand_score(theirs.labels_, ours.labels_) == 1
        np.testing.assert_allclose(ours.probabilities_, theirs.probabilities_, rtol=1e-9)


def test_with_ties_clusters_are_much_the_same(seed):
    for X in list(sets(seed))[:2]:
        assert adjusted_rand_score(Reference(10, copy=True).fit(X).labels_, HDBSCAN(10).fit(X).labels_) > 0.9


@pytest.mark.parametrize("method", ["eom", "leaf"])
def test_the_order_of_the_rows_does_not_matter(method, seed):
    rng = np.random.default_rng(seed)
    for X in (rng.integers(0, 12, (150, 2)).astype(float), *sets(seed)):
        order = rng.permutation(len(X))
        first = HDBSCAN(5, cluster_selection_method=method).fit(X)
        second = HDBSCAN(5, cluster_selection_method=method).fit(X[order])
        assert adjusted_rand_score(first.labels_[order], second.labels_) == 1
        np.testing.assert_allclose(first.probabilities_[order], second.probabilities_, rtol=1e-9)


def test_epsilon_joins_what_was_born_below_it(seed):
    centres = np.array([[0.0, 0.0], [1.0, 0.0], [20.0, 0.0], [21.0, 0.0]])
    X = np.concatenate([c + 0.1 * np.random.default_rng(seed).normal(size=(30, 2)) for c in centres])
    assert HDBSCAN(10, cluster_selection_method="leaf").fit(X).labels_.max() >= 3
    joined = HDBSCAN(10, cluster_selection_method="leaf", cluster_selection_epsilon=2.0).fit(X)
    np.testing.assert_array_equal(joined.labels_, np.repeat([0, 1], 60))


def test_given_distances(seed):
    for X in sets(seed):
        d = pairwise_distances(X)
        given, direct = HDBSCAN(8, metric="precomputed").fit((d + d.T) / 2), HDBSCAN(8).fit(X)
        assert adjusted_rand_score(direct.labels_, given.labels_) > 0.95  # ties of rounded distances may part
        np.testing.assert_allclose(given.linkage_matrix_[:, 2], direct.linkage_matrix_[:, 2], rtol=1e-7)


def test_few_items_and_equal_ones():
    assert HDBSCAN(2, min_samples=1).fit([[0.0], [1.0]]).labels_.tolist() == [-1, -1]
    assert HDBSCAN(2, min_samples=1, allow_single_cluster=True).fit([[0.0], [0.0]]).labels_.tolist() == [0, 0]
    assert HDBSCAN(2).fit([[0.0], [1.0], [9.0]]).labels_.tolist() == [-1, -1, -1]
    X = np.repeat([[0.0], [1.0], [5.0]], 6, axis=0)
    model = HDBSCAN(4).fit(X)
    assert model.labels_.tolist() == [0] * 6 + [1] * 6 + [2] * 6 and (model.probabilities_ == 1).all()
    with pytest.raises(ValueError, match="n_samples = 1"):
        HDBSCAN().fit([[0.0]])
    with pytest.raises(ValueError, match=r"min_samples \(4\) must be at most .* \(3\)"):
        HDBSCAN(2, min_samples=4).fit([[0.0], [1.0], [9.0]])


def test_the_table_and_the_picture_hold_every_item_once(seed):
    X = next(sets(seed))
    model = HDBSCAN(10).fit(X)
    T = model.condensed_tree_
    assert sorted(T[:200, 1].tolist()) == list(range(200))
    for c in np.unique(T[:, 0]):
        whole = 200 if c == 200 else T[T[:, 1] == c, 3][0]
        assert T[T[:, 0] == c, 3].sum() == whole
    assert len(model.plot().collections) == len(T) - 199
