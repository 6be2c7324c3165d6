"""Detectors of outliers: calibrated p-values for all, and each one's score by another route."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import chi2, kstest
from sklearn.neighbors import LocalOutlierFactor as PeerLOF

from peira.core import DataError, ParameterError
from peira.core.kinds.outlier_detector import FINE, _thinned
from peira.kernels import OneClassSVM
from peira.latent import (
    HBOS,
    DensityOutlierDetector,
    EllipticEnvelope,
    GaussianMixture,
    IsolationForest,
    KernelDensity,
    KNNOutlierDetector,
    LocalOutlierFactor,
    PCAOutlierDetector,
)
from peira.latent.isolation_trees import average_path, grow, path_lengths
from peira.measures import roc_auc_score

DETECTORS = [
    HBOS(),
    DensityOutlierDetector(KernelDensity(bandwidth=0.6)),
    EllipticEnvelope(random_state=0),
    IsolationForest(random_state=0),
    KNNOutlierDetector(10),
    LocalOutlierFactor(20, novelty=True),
    OneClassSVM(nu=0.1, gamma=0.1),
    PCAOutlierDetector(),
]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: type(d).__name__)
def test_p_values_of_new_usual_items_are_uniform_and_those_of_outliers_small(seed, detector):
    rng = np.random.default_rng(seed)
    model = detector.fit(rng.normal(size=(3000, 2)))
    p = model.p_value(rng.normal(size=(1000, 2)))
    assert p.min() >= 1 / 3001 and p.max() <= 1
    assert kstest(p, "uniform").statistic < 1.95 * math.sqrt(1 / 1000 + 1 / 3000) + 0.01  # two samples, 0.1 %
    far = np.array([[7.0, 7.0], [-8.0, 6.0]])
    assert (model.p_value(far) < 0.01).all() and (model.predict(far) == -1).all()
    tensor = model.p_value(torch.from_numpy(far))
    assert isinstance(tensor, torch.Tensor) and np.array_equal(tensor.numpy(), model.p_value(far))


def test_p_values_count_and_where_they_are_rounded_they_are_rounded_up(seed):
    rng = np.random.default_rng(seed)
    for N in (1, 2, 3, 200, 20_000):
        scores, w = rng.normal(size=N).round(3), rng.integers(0, 3, N).astype(float)
        w[0] = 1
        for weights in (None, w):
            kept = _thinned(scores, weights)
            s = np.r_[scores, rng.normal(size=50), -99.0, 99.0]
            got = (1 + kept["below"][np.searchsorted(kept["scores"], s, side="right")]) / (1 + kept["below"][-1])
            counts = np.repeat(scores, 1 if weights is None else w.astype(int))
            true = (1 + np.searchsorted(np.sort(counts), s, side="right")) / (1 + len(counts))
            assert (got >= true * (1 - 1e-12)).all() and (got <= true * math.exp(1 / FINE) + 1e-12).all()
            if N <= FINE // 2:
                np.testing.assert_allclose(got, true, rtol=1e-12)
    assert len(kept["scores"]) < 2600


@pytest.mark.parametrize("detector", DETECTORS[:4] + DETECTORS[-1:], ids=lambda d: type(d).__name__)
@pytest.mark.parametrize("share", [0.02, 0.2])
def test_the_contamination_is_the_share_of_outliers(seed, detector, share):
    X = np.random.default_rng(seed).normal(size=(500, 3))
    labels = type(detector)(**detector.get_params(deep=False) | {"contamination": share}).fit_predict(X)
    assert abs((labels == -1).sum() - 500 * share) <= 1


# ---------------------------------------------------------------------- isolation forest


def test_the_average_path_is_that_of_all_random_search_trees():
    def unsuccessful(keys):  # summed depth of the places between the keys, inserted in this order
        if not keys:
            return 0
        root, rest = keys[0], keys[1:]
        left, right = [k for k in rest if k < root], [k for k in rest if k > root]
        return len(keys) + 1 + unsuccessful(left) + unsuccessful(right)

    for n in range(2, 8):  # n items are the n places between n - 1 keys
        orders = list(itertools.permutations(range(n - 1)))
        mean = sum(unsuccessful(list(order)) for order in orders) / len(orders) / n
        assert float(average_path(n)) == pytest.approx(mean, rel=1e-12)
    assert float(average_path(1)) == 0
    assert float(average_path(256)) == pytest.approx(2 * (math.log(255) + 0.5772156649) - 2 * 255 / 256, abs=0.005)


def test_the_trees_hold_every_item_at_its_depth(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3))
    X[:, 1] = 2.0  # constant: never cut
    X[7] = X[8]
    rows = np.stack([rng.permutation(40)[:16] for _ in range(5)])
    forest = grow(X, rows, np.tile(np.arange(3), (5, 1)), 6, rng)
    assert not (forest.columns[np.isfinite(forest.thresholds)] == 1).any()

    def walk(node, items, depth):
        if forest.children[node] == node:
            assert forest.lengths[node] == pytest.approx(depth + float(average_path(max(len(items), 1))))
            same = (X[items] == X[items[0]]).all()
            assert len(items) == 1 or depth == 6 or same
            return
        j, t, left = forest.columns[node], forest.thresholds[node], forest.children[node]
        goes = X[items, j] > t
        assert 0 < goes.sum() < len(items)
        walk(left, items[~goes], depth + 1)
        walk(left + 1, items[goes], depth + 1)

    for t, root in enumerate(forest.roots):
        walk(root, rows[t], 0)

    def slow(x):
        total = 0.0
        for root in forest.roots:
            node = root
            while forest.children[node] != node:
                node = forest.children[node] + (x[forest.columns[node]] > forest.thresholds[node])
            total += forest.lengths[node]
        return total / len(forest.roots)

    np.testing.assert_allclose(path_lengths(X, forest, 6), [slow(x) for x in X], rtol=1e-14)


def test_isolation_of_two_items_and_of_one():
    model = IsolationForest(random_state=0).fit([[0.0], [1.0]])
    np.testing.assert_allclose(model.score_samples([[0.0], [1.0]]), -0.5)  # one cut, as is average for two
    np.testing.assert_allclose(IsolationForest(random_state=0).fit([[3.0]]).score_samples([[3.0]]), -1.0)


# ---------------------------------------------------------------------- neighbours


@pytest.mark.parametrize("D", [1, 2, 7])
def test_local_outlier_factors_are_those_of_scikit_learn(seed, D):
    rng = np.random.default_rng(seed)
    X, Q = 300 * rng.normal(size=(150, D)), 300 * rng.normal(size=(30, D))
    for k in (1, 5, 20):
        mine = LocalOutlierFactor(k, novelty=True).fit(X)
        peer = PeerLOF(k, novelty=True, algorithm="kd_tree").fit(X)
        np.testing.assert_allclose(mine.negative_outlier_factor_, peer.negative_outlier_factor_, rtol=1e-12)
        np.testing.assert_allclose(mine.score_samples(Q), peer.score_samples(Q), rtol=1e-12)
        peer = PeerLOF(k, contamination=0.1)
        np.testing.assert_array_equal(LocalOutlierFactor(k, contamination=0.1).fit_predict(X), peer.fit_predict(X))


def test_local_outlier_factors_do_not_depend_on_the_unit(seed):
    X = np.random.default_rng(seed).normal(size=(60, 2))
    fine, tiny = (LocalOutlierFactor(5).fit(X * s).negative_outlier_factor_ for s in (1.0, 1e-12))
    np.testing.assert_allclose(tiny, fine, rtol=1e-7)


def test_verbs_for_the_experience_and_for_new_items_are_kept_apart(seed):
    X = np.random.default_rng(seed).normal(size=(30, 2))
    for cls in (LocalOutlierFactor, KNNOutlierDetector):
        old, new = cls(5, novelty=False).fit(X), cls(5, novelty=True).fit(X)
        for verb in ("predict", "decision_function", "score_samples", "p_value"):
            assert hasattr(new, verb) and not hasattr(old, verb)
        assert hasattr(old, "fit_predict") and not hasattr(new, "fit_predict")
        assert ((old.fit_predict(X) == -1).sum()) <= 3 + 6 * (cls is LocalOutlierFactor)


def test_distances_to_neighbours_by_sorting_all(seed):
    rng = np.random.default_rng(seed)
    X, Q = rng.normal(size=(40, 3)), rng.normal(size=(9, 3))
    own = np.sort(cdist(X, X), axis=1)[:, 1:]
    for k, (method, reduce) in itertools.product(
        (1, 4, 5), (("largest", np.max), ("mean", np.mean), ("median", np.median))
    ):
        model = KNNOutlierDetector(k, method=method).fit(X)
        np.testing.assert_allclose(model.decision_scores_, reduce(own[:, :k], axis=1), rtol=1e-12)
        far = reduce(np.sort(cdist(Q, X), axis=1)[:, :k], axis=1)
        np.testing.assert_allclose(-model.score_samples(Q), far, rtol=1e-12)


def test_too_few_rows_for_the_neighbours_are_refused():
    for cls in (LocalOutlierFactor, KNNOutlierDetector):
        with pytest.raises(DataError, match="needs 4 rows"):
            cls(3).fit([[0.0], [1.0], [2.0]])


# ---------------------------------------------------------------------- components, histograms, densities


def test_all_components_weighted_are_the_distance_of_mahalanobis(seed):
    rng = np.random.default_rng(seed)
    X, Q = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)), rng.normal(size=(9, 4))
    d = Q - X.mean(0)
    expected = (d @ np.linalg.inv(np.cov(X.T)) * d).sum(1)
    for standardization in (True, False):
        model = PCAOutlierDetector(standardization=standardization).fit(X)
        np.testing.assert_allclose(-model.score_samples(Q), expected, rtol=1e-6)


def test_the_residual_is_what_a_projection_leaves(seed):
    rng = np.random.default_rng(seed)
    X, Q = rng.normal(size=(50, 5)) * [5, 4, 3, 2, 1], rng.normal(size=(9, 5))
    model = PCAOutlierDetector(n_components=2, method="reconstruction", standardization=False).fit(X)
    _, _, V = np.linalg.svd(X - X.mean(0))
    rest = (Q - X.mean(0)) @ V[2:].T
    np.testing.assert_allclose(-model.score_samples(Q), (rest**2).sum(1), rtol=1e-10)
    assert PCAOutlierDetector(n_components=0.5, standardization=False).fit(X).n_components_ == 2 - (
        X[:, 0].var() > 0.5 * X.var(0).sum()
    )
    with pytest.raises(ParameterError, match="more than"):
        PCAOutlierDetector(n_components=6).fit(X)


def test_leaving_the_plane_of_the_training_items_stands_out(seed):
    X = np.random.default_rng(seed).normal(size=(60, 2))
    X = np.column_stack([X, X.sum(1), np.full(60, 3.0)])
    model = PCAOutlierDetector().fit(X)
    inside = model.score_samples(X)
    assert inside.min() > -20  # as of two columns, whatever their sum and the constant one add
    for step in ([0, 0, 0.1, 0], [0, 0, 0, 0.1]):
        assert (model.score_samples(X + np.array(step)) < -1e4).all()


def test_heights_of_the_histograms_by_hand():
    X = np.array([[0.0], [0.1], [0.2], [0.3], [1.0]])
    model = HBOS(n_bins=2, alpha=0.1, tol=0.5).fit(X)
    np.testing.assert_allclose(model.heights_, [1.0, 0.25])
    queries = [[0.2], [0.9], [1.2], [1.3], [-0.2], [-0.3]]  # cells are half a unit wide: a quarter is still inside
    expected = np.log([1.1, 0.35, 0.35, 0.1, 1.1, 0.1])
    np.testing.assert_allclose(model.score_samples(queries), expected, rtol=1e-12)
    missing = (4 * np.log(1.1) + np.log(0.35)) / 5
    np.testing.assert_allclose(model.score_samples([[np.nan]]), [missing])
    constant = HBOS().fit(np.column_stack([X[:, 0], np.ones(5)]))
    assert constant.predict([[0.2, 1.0]]) == 1 and constant.predict([[0.2, 1.5]]) == -1


def test_a_density_is_a_detector(seed):
    rng = np.random.default_rng(seed)
    X = np.vstack([rng.normal(size=(80, 2)), rng.normal(size=(80, 2)) + 12])
    default = DensityOutlierDetector().fit(X)
    assert isinstance(default.density_, GaussianMixture) and default.predict([[6.0, 6.0]]) == -1
    mixture = GaussianMixture(2, random_state=1)
    model = DensityOutlierDetector(mixture).fit(X)
    np.testing.assert_array_equal(model.score_samples(X), mixture.fit(X).log_prob(X))
    with pytest.raises(ParameterError, match="density"):
        DensityOutlierDetector(HBOS()).fit(X)


def test_every_detector_finds_what_is_planted(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(400, 4)), np.arange(400) < 20
    X[y] += rng.choice([-6, 6], size=(20, 4))
    for detector in DETECTORS:
        assert roc_auc_score(y, -detector.fit(X).score_samples(X)) > 0.95, type(detector).__name__


def test_the_robust_distance_beyond_the_quantile_is_the_automatic_choice(seed):
    X = np.random.default_rng(seed).normal(size=(2000, 3))
    model = EllipticEnvelope(contamination="auto", random_state=0).fit(X)
    assert model.offset_ == -chi2.ppf(0.975, 3)
    assert (model.predict(X) == -1).mean() == pytest.approx(0.025, abs=0.012)


def test_p_values_of_local_factors_compare_with_rows_that_are_left_out(seed):
    X = np.random.default_rng(seed).normal(size=(40, 2))
    for k in (4, 7):
        scores = []
        for n in range(40):
            rest = LocalOutlierFactor(k, novelty=True).fit(np.delete(X, n, axis=0))
            scores.append(rest.score_samples(X[n : n + 1])[0])
        kept = LocalOutlierFactor(k, novelty=True).fit(X).reference_["scores"]
        np.testing.assert_allclose(kept, np.sort(scores), rtol=1e-7)
