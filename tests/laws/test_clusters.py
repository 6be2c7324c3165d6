"""Laws of clusterers: every item has one cluster, the numbers run from 0, and what is planted is found."""

import numpy as np

from peira.core import Clusterer, InductiveClusterer
from peira.measures import adjusted_rand_score
from tests.contract.discovery import as_array, experience, for_methods, reads_tables, takes_negative, taught

clustering = for_methods(lambda cls: issubclass(cls, Clusterer))


@clustering
def test_every_item_has_one_cluster_and_the_numbers_run_from_zero(cls, seed):
    data = experience(cls, seed)
    labels = as_array(taught(cls, seed)[0].labels_)
    assert labels.shape == (len(data),) and labels.dtype.kind == "i"
    found = set(labels.tolist()) - {-1}
    assert found == set(range(len(found)))
    np.testing.assert_array_equal(as_array(cls.example().fit_predict(data.X)), labels)


@for_methods(lambda cls: issubclass(cls, InductiveClusterer))
def test_what_was_seen_is_answered_as_it_was_learned(cls, seed):
    data, (method, _) = experience(cls, seed), taught(cls, seed)
    seen, labels = as_array(method.predict(data.X)), as_array(method.labels_)
    np.testing.assert_array_equal(seen[labels >= 0], labels[labels >= 0])


@for_methods(lambda cls: issubclass(cls, Clusterer) and takes_negative(cls) and not reads_tables(cls))
def test_groups_far_apart_are_found(cls, seed):
    parameters = {name: 3 for name in ("n_clusters", "n_components") if name in cls.parameters()}
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.arange(90) % 3)
    centres = 40.0 * np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    X = centres[group] + rng.normal(size=(90, 3))
    labels = as_array(cls.example().set_params(**parameters).fit(X).labels_)
    kept = labels >= 0
    assert kept.mean() > 0.9 and adjusted_rand_score(group[kept], labels[kept]) > 0.95
