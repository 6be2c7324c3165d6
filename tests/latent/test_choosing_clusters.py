"""The number of clusters: planted ones are found, none are found where none are, and the tables are what they say."""

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from peira.latent import FuzzyCMeans, KMeans
from peira.latent.choosing_clusters import choose_n_clusters
from peira.latent.cluster_plot import plot_clusters
from peira.measures import scatter, silhouette_score

CENTRES = np.array([[0.0, 0.0], [0.0, 8.0], [14.0, -3.0], [30.0, 10.0]])  # at distances of their own


def groups(seed, K=3, n=25):
    rng = np.random.default_rng([seed, 1])
    return np.repeat(CENTRES[:K], n, axis=0) + rng.normal(size=(n * K, 2))


@pytest.mark.parametrize("by", ["silhouette", "gap", "stability"])
@pytest.mark.parametrize("K", [3, 4])
def test_planted_clusters_are_counted(by, K, seed):
    X = groups(seed, K)
    found = choose_n_clusters(KMeans(n_init=3), X, range(1, 7), by=by, n_references=10, random_state=seed)
    assert found.answer == K
    assert found.why and f"{K} by {by}" in repr(found)


def test_the_elbow_counts_clusters_that_are_equally_far_apart(seed):
    angles = 2 * np.pi * np.arange(4) / 4
    X = np.repeat(12 * np.c_[np.cos(angles), np.sin(angles)], 20, axis=0)
    X += np.random.default_rng(seed).normal(size=X.shape)
    assert choose_n_clusters(KMeans(n_init=3), X, range(1, 8), by="elbow", random_state=seed).answer == 4


def test_the_gap_and_stability_can_say_one(seed):
    X = np.random.default_rng(seed).uniform(size=(120, 3))
    for by in ("gap", "stability"):
        found = choose_n_clusters(KMeans(n_init=3), X, range(1, 5), by=by, n_references=10, random_state=seed)
        assert found.answer == 1, found


def test_the_tables_hold_what_they_say(seed):
    X = groups(seed)
    found = choose_n_clusters(KMeans(n_init=3), X, range(1, 5), by="silhouette", random_state=seed)
    assert found.table["n_clusters"].tolist() == [2, 3, 4]
    labels = KMeans(3, n_init=3, random_state=0).fit_predict(X)
    assert found.table["value"][1] == pytest.approx(silhouette_score(X, labels))
    gap = choose_n_clusters(KMeans(n_init=3), X, [1, 2, 3, 4], by="gap", n_references=5, random_state=seed)
    assert gap.table["log_within"][2] == pytest.approx(np.log(scatter(X, labels).within))
    np.testing.assert_allclose(gap.table["value"], gap.table["without_clusters"] - gap.table["log_within"])
    elbow = choose_n_clusters(KMeans(n_init=3), X, range(1, 6), by="elbow", random_state=seed)
    assert elbow.table["value"][0] == pytest.approx(((X - X.mean(0)) ** 2).sum())
    assert elbow.table["below_chord"][[0, -1]] == pytest.approx([0, 0], abs=1e-12)


def test_the_same_seed_gives_the_same_table_and_the_method_stays_as_it_was(seed):
    X, method = groups(seed), FuzzyCMeans(m=1.5)
    one, two = (choose_n_clusters(method, X, [1, 2, 3], by="gap", n_references=3, random_state=4) for _ in range(2))
    np.testing.assert_array_equal(one.table["value"], two.table["value"])
    assert method.n_clusters == 8 and not hasattr(method, "labels_")


def test_what_cannot_be_answered_is_refused(seed):
    X = groups(seed)
    with pytest.raises(ValueError, match="no likelihood"):
        choose_n_clusters(KMeans(), X, [1, 2], by="bic")
    with pytest.raises(ValueError, match="finds its number of clusters by itself"):
        choose_n_clusters(DBSCAN(), X)
    with pytest.raises(ValueError, match="between 1 and the 75 rows"):
        choose_n_clusters(KMeans(), X, [0, 2])
    with pytest.raises(ValueError, match="silhouette, gap"):
        choose_n_clusters(KMeans(), X, by="luck")
    with pytest.raises(ValueError, match="three numbers"):
        choose_n_clusters(KMeans(), X, [1, 2], by="elbow")
    with pytest.raises(ValueError, match="nothing varies within 2"):
        choose_n_clusters(KMeans(random_state=0), np.repeat([[0.0], [1.0]], 9, axis=0), [1, 2], by="gap")


def test_the_pictures_show_every_cluster(seed):
    X = groups(seed)
    found = choose_n_clusters(KMeans(n_init=3), X, range(1, 6), by="elbow", random_state=seed)
    ax = found.plot()
    assert ax.get_xlabel() == "number of clusters" and len(ax.lines) == 3
    model = KMeans(3, random_state=seed).fit(X)
    assert len(model.plot(X).get_legend().get_texts()) == 3
    wide = np.c_[X, X, np.ones(len(X))]
    assert "principal direction 1" in KMeans(3, random_state=seed).fit(wide).plot(wide).get_xlabel()
    one = plot_clusters(X[:, :1], np.r_[-1, model.labels_[1:]])
    assert any("none" in text.get_text() for text in one.get_legend().get_texts())
    plot_clusters(X[:1], [0])
    plot_clusters(np.ones((3, 4)), [0, 0, 1])
