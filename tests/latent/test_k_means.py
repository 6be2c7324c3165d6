"""k-means against all partitions, against plain Lloyd and scikit-learn, and where data are degenerate."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.cluster import KMeans as Reference
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from peira.latent import KMeans, SphericalKMeans
from peira.latent.k_means import assign, k_means
from peira.latent.k_means_bounds import BoundedAssignment
from peira.latent.k_means_lloyd import PlainAssignment
from peira.latent.k_means_nearest import nearest_centre
from peira.latent.k_means_seeding import plus_plus, plus_plus_rows, random_rows
from peira.measures import adjusted_rand_score


def exhaustive(X, K, cost):
    """The least cost of all partitions into at most K clusters."""
    return min(sum(cost(X[np.equal(p, k)]) for k in set(p)) for p in product(range(K), repeat=len(X)) if p[0] == 0)


def halves(history):
    return np.column_stack([history["inertia_assigned"], history["inertia_updated"]]).ravel()


def nearest_by_differences(X, C):
    return ((X[:, None] - C) ** 2).sum(-1).argmin(1)


@pytest.mark.parametrize(("N", "K"), [(1, 1), (2, 1), (2, 2), (3, 2), (7, 2), (7, 3)])
def test_the_least_cost_of_all_partitions(N, K, seed):
    for s in range(3):
        X = np.random.default_rng([seed, s]).normal(size=(N, 2))
        found = KMeans(K, n_init=30, random_state=seed).fit(X)
        assert found.inertia_ == pytest.approx(exhaustive(X, K, lambda Y: ((Y - Y.mean(0)) ** 2).sum()), abs=1e-12)


def test_iris_reaches_its_proved_optimum(seed):
    found = KMeans(3, n_init=50, random_state=seed).fit(load_iris().data)
    assert found.inertia_ == pytest.approx(78.851441, abs=5e-7)


def test_no_half_step_raises_the_cost_and_the_trace_ends_at_the_cost(seed):
    rng = np.random.default_rng(seed)
    X, w = rng.normal(size=(300, 5)) + 100.0, rng.uniform(size=300)
    for weights in (None, w):
        model = KMeans(9, tol=0.0, random_state=seed).fit(X, sample_weight=weights)
        steps = halves(model.history_)
        assert (np.diff(steps) <= 1e-10).all()
        assert model.stopped_ == "converged" and steps[-1] == pytest.approx(model.inertia_, rel=1e-10)
        costs = ((X - model.cluster_centers_[model.labels_]) ** 2).sum(1)
        assert model.inertia_ == pytest.approx(costs @ (np.ones(300) if weights is None else w), rel=1e-12)
        assert model.score(X, sample_weight=weights) == pytest.approx(-model.inertia_, rel=1e-10)


@pytest.mark.parametrize("kind", ["normal", "clusters", "grid", "offset", "outlier", "binary"])
def test_bounds_give_what_looking_at_every_row_gives(kind, seed):
    for s, (N, D, K) in enumerate([(40, 1, 3), (200, 3, 17), (1500, 20, 12), (300, 70, 5)]):
        rng = np.random.default_rng([seed, s])
        X = rng.normal(size=(N, D))
        if kind == "clusters":
            X += 4 * rng.normal(size=(K, D))[rng.integers(K, size=N)]
        elif kind == "grid":
            X = X.round()
        elif kind == "offset":
            X += 1e7
        elif kind == "outlier":
            X[0] = 1e9
        elif kind == "binary":
            X = (X > 0.5).astype(float)
        C = X[rng.permutation(N)[:K]] if kind != "binary" else X[:K] + rng.normal(size=(K, D))
        steps = []
        both = [BoundedAssignment(X, None, C, bounds=b) for b in (True, False)]
        for _ in range(70):  # beyond the step at which the sums are added anew
            changed = [rows.assign(C) for rows in both]
            np.testing.assert_array_equal(both[0].codes, both[1].codes)
            np.testing.assert_array_equal(both[0].codes, nearest_by_differences(X, C))
            assert changed[0] == changed[1]
            np.testing.assert_array_equal(both[0].sums, both[1].sums)
            objective = ((X - C[both[0].codes]) ** 2).sum()
            spread = ((X - X.mean(0)) ** 2).sum()
            assert both[0].objective(C) / both[0].unit ** 2 == pytest.approx(objective, rel=1e-9, abs=1e-12 * spread)
            steps.append(changed[0])
            C = both[0].means(C)


@pytest.mark.parametrize("algorithm", ["auto", "lloyd", "elkan"])
def test_the_same_steps_as_scikit_learn(algorithm, seed):
    rng = np.random.default_rng(seed)
    for N, D, K in ((50, 2, 4), (400, 10, 8), (300, 3, 20)):
        X, w = rng.normal(size=(N, D)), rng.uniform(0.1, 2, N)
        start = X[:K]
        ours = KMeans(K, init=start, tol=0.0, algorithm=algorithm).fit(X, sample_weight=w)
        theirs = Reference(K, init=start, n_init=1, tol=0.0, algorithm="lloyd").fit(X, sample_weight=w)
        np.testing.assert_array_equal(ours.labels_, theirs.labels_)
        np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, atol=1e-10)
        assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-12)
        np.testing.assert_allclose(ours.transform(X), theirs.transform(X), atol=1e-7)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1.0, 1e30, 1e200])
def test_the_nearest_centre_is_that_of_all_differences(scale, seed):
    rng = np.random.default_rng(seed)
    for N, D, K in ((1, 1, 1), (3, 1, 2), (2000, 33, 40)):
        X = rng.normal(size=(N, D))
        C = X[rng.integers(N, size=K)] + 1e-7 * rng.normal(size=(K, D))  # nearly equal: single precision can't tell
        expected = nearest_by_differences(X, C)
        np.testing.assert_array_equal(assign(torch.tensor(X * scale), torch.tensor(C * scale)).numpy(), expected)
    np.testing.assert_array_equal(nearest_centre(X, np.repeat(C[:1], 5, 0)), 0)  # the first of equal ones


def test_rows_are_bounded_by_what_is_true(seed):
    rng = np.random.default_rng(seed)
    X, C = rng.normal(size=(500, 6)), rng.normal(size=(7, 6))
    rows = BoundedAssignment(X, None, C)
    for _ in range(5):
        rows.assign(C)
        d = np.sqrt(((X[:, None] - C) ** 2).sum(-1)) * rows.unit
        own = d[np.arange(500), rows.codes]
        d[np.arange(500), rows.codes] = np.inf
        assert (own <= rows.up + rows.moves[rows.codes] + 1e-12).all()
        assert (d.min(1) >= rows.low - rows.other_moves[rows.codes] - 1e-12).all()
        C = C + 0.05 * rng.normal(size=C.shape)


def test_the_order_of_rows_changes_only_their_order(seed):
    rng = np.random.default_rng(seed)
    X, order = rng.normal(size=(200, 3)), rng.permutation(200)
    for init in ("k-means++", "random"):
        straight, turned = (KMeans(5, init=init, random_state=seed).fit(Y) for Y in (X, X[order]))
        np.testing.assert_array_equal(straight.labels_[order], turned.labels_)
        np.testing.assert_allclose(straight.cluster_centers_, turned.cluster_centers_, atol=1e-12)


def test_weights_are_repetitions(seed):
    rng = np.random.default_rng(seed)
    X, counts = rng.normal(size=(120, 3)), rng.integers(0, 4, 120)
    weighted = KMeans(6, n_init=3, random_state=seed).fit(X, sample_weight=counts)
    repeated = KMeans(6, n_init=3, random_state=seed).fit(np.repeat(X, counts, axis=0))
    np.testing.assert_allclose(weighted.cluster_centers_, repeated.cluster_centers_, atol=1e-12)
    assert weighted.inertia_ == pytest.approx(repeated.inertia_, rel=1e-12)


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_rows_give_what_dense_rows_give(form, seed):
    rng = np.random.default_rng(seed)
    X = np.where(rng.uniform(size=(150, 30)) < 0.2, rng.normal(size=(150, 30)), 0.0)
    for init in ("k-means++", "random", X[:6] + 0.01):
        dense, thin = (KMeans(6, init=init, n_init=2, random_state=seed).fit(Y) for Y in (X, form(X)))
        np.testing.assert_array_equal(dense.labels_, thin.labels_)
        np.testing.assert_allclose(dense.cluster_centers_, thin.cluster_centers_, atol=1e-12)
        np.testing.assert_allclose(dense.transform(X), thin.transform(form(X)), atol=1e-10)
        assert dense.inertia_ == pytest.approx(thin.inertia_, rel=1e-12)


def test_both_forms_of_a_step_agree(seed):
    rng = np.random.default_rng(seed)
    X, w = rng.normal(size=(90, 4)), rng.uniform(size=90)
    C = X[:5].copy()
    fast, plain = BoundedAssignment(X, w, C), PlainAssignment(torch.tensor(X), torch.tensor(w), C)
    for _ in range(6):
        assert fast.assign(C) == plain.assign(C)
        np.testing.assert_array_equal(fast.codes, plain.codes)
        np.testing.assert_array_equal(fast.members, plain.members)
        np.testing.assert_allclose(fast.means(C), plain.means(C), atol=1e-12)
        np.testing.assert_allclose(fast.costs(C) / fast.unit**2, plain.costs(C), atol=1e-12)
        assert fast.objective(C) / fast.unit**2 == pytest.approx(plain.objective(C), rel=1e-11)
        C = fast.means(C)


def test_as_many_clusters_as_rows_and_one_cluster(seed):
    X = np.random.default_rng(seed).normal(size=(12, 2))
    each = KMeans(12, random_state=seed).fit(X)
    assert each.inertia_ < 1e-28 and sorted(each.labels_) == list(range(12))
    one = KMeans(1, random_state=seed).fit(X)
    np.testing.assert_allclose(one.cluster_centers_[0], X.mean(0), atol=1e-15)
    assert one.inertia_ == pytest.approx(((X - X.mean(0)) ** 2).sum()) and (one.labels_ == 0).all()


def test_more_clusters_than_rows_are_refused():
    with pytest.raises(ValueError, match=r"n_samples=2 should be >= n_clusters=3.*lower n_clusters"):
        KMeans(3).fit([[0.0], [1.0]])
    with pytest.raises(ValueError, match="2 rows of positive weight"):
        KMeans(3).fit([[0.0], [1.0], [2.0]], sample_weight=[1.0, 1.0, 0.0])


@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_repeated_rows_give_the_distinct_ones_and_say_so(init, seed):
    X = np.repeat([[0.0, 1.0], [5.0, 5.0]], 10, axis=0)
    with pytest.warns(ConvergenceWarning, match=r"only 2 distinct clusters.*n_clusters=2"):
        model = KMeans(4, init=init, random_state=seed).fit(X)
    assert set(model.labels_.tolist()) == {0, 1} and model.inertia_ == 0
    np.testing.assert_array_equal(model.predict(X), model.labels_)


def test_the_rounding_of_a_mean_is_no_distance(seed):
    """180 rows of 4 kinds for 10 centres: a mean of equal rows differs from them in the last digit, for ever."""
    kinds = np.array([[0.1, 0.7], [0.1, -1.3], [-2.9, 0.7], [-2.9, -1.3]]) + 1e3
    X = kinds[np.random.default_rng(seed).integers(0, 4, 180)]
    with pytest.warns(ConvergenceWarning, match="only 4 distinct clusters"):
        method = KMeans(n_clusters=10, n_init=1, random_state=seed).fit(X)
    assert len(np.unique(method.labels_)) == 4
    assert method.inertia_ < 1e-20 * len(X) * 1e6


def test_an_empty_cluster_takes_the_farthest_row():
    X = np.array([[0.0], [1.0], [2.0], [3.0], [100.0]])
    start = np.array([[1.0], [3.0], [-500.0]])  # nothing is nearest to the last
    model = KMeans(3, init=start, tol=0.0).fit(X)
    assert model.history_["refilled"][0] == 1 and set(model.labels_.tolist()) == {0, 1, 2}
    assert model.labels_.tolist().count(model.labels_[-1]) == 1
    assert (np.diff(halves(model.history_)) <= 1e-10).all()
    theirs = Reference(3, init=start, n_init=1, tol=0.0).fit(X)
    np.testing.assert_array_equal(model.labels_, theirs.labels_)


def test_first_centres_of_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3, 2\).*got shape \(2, 2\)"):
        KMeans(3, init=[[0.0, 1.0], [1.0, 0.0]]).fit(np.eye(5)[:, :2])
    with pytest.raises(ValueError, match="finite"):
        KMeans(1, init=[[np.nan, 1.0]]).fit(np.eye(5)[:, :2])


def test_a_start_never_draws_what_weighs_nothing_and_never_the_same_row_twice(seed):
    rng = np.random.default_rng(seed)
    X, w = torch.tensor(rng.normal(size=(40, 2))), torch.tensor((rng.uniform(size=40) < 0.5).astype(float))
    K = int(w.sum())
    generator = torch.Generator().manual_seed(seed)
    for seeding in (plus_plus, random_rows):
        C = seeding(X, K, generator, w)
        assert len(C.unique(dim=0)) == K and bool((torch.cdist(C, X[w > 0]) == 0).any(1).all())


def test_the_second_start_is_drawn_by_squared_distance():
    """With one trial a step (greedy for K = 2 takes two), the pairs have the probabilities of the definition."""
    X = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    draws = 1500
    pairs = np.zeros((3, 3))
    for _ in range(draws):
        i, j = plus_plus_rows(X, 2, generator)
        pairs[i, j] += 1
    d = (X - X.T).square().numpy()
    left = np.array([[d[:, [i, j]].min(1).sum() for j in range(3)] for i in range(3)])
    expected = np.zeros((3, 3))
    for i in range(3):
        P = d[i] / d[i].sum()
        for a, b in product(range(3), repeat=2):  # the better of two draws, the first of equal ones
            expected[i, a if left[i, a] <= left[i, b] else b] += P[a] * P[b] / 3
    assert (np.abs(pairs / draws - expected) < 5 * np.sqrt(expected / draws) + 1e-9).all()


def test_the_function_is_quiet_and_repeats_itself(seed):
    X = torch.tensor(np.random.default_rng(seed).normal(size=(60, 3)))
    one, two = (k_means(X, 4, generator=torch.Generator().manual_seed(seed), max_iter=1) for _ in range(2))
    assert torch.equal(one.centres, two.centres) and one.n_iter == 1
    assert torch.equal(one.codes, assign(X, one.centres))


def test_directions_are_clustered_whatever_their_length(seed):
    rng = np.random.default_rng(seed)
    truth = np.arange(90) % 3
    X = (5 * np.eye(3)[truth] + 0.5 * rng.normal(size=(90, 3))) * rng.uniform(0.01, 100, size=(90, 1))
    model = SphericalKMeans(3, n_init=5, random_state=seed).fit(X)
    assert adjusted_rand_score(truth, model.labels_) == 1.0
    np.testing.assert_allclose(np.linalg.norm(model.cluster_centers_, axis=1), 1.0, rtol=1e-12)
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosines = (U * model.cluster_centers_[model.labels_]).sum(1)
    assert model.inertia_ == pytest.approx((1 - cosines).sum(), rel=1e-9)
    np.testing.assert_allclose(model.transform(X).min(1), 1 - cosines, atol=1e-12)
    for k in range(3):  # the centre is the direction of the sum
        total = U[model.labels_ == k].sum(0)
        np.testing.assert_allclose(model.cluster_centers_[k], total / np.linalg.norm(total), atol=1e-6)
    assert (np.diff(halves(model.history_)) <= 1e-10).all()


def test_a_row_of_zeros_has_no_direction(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, 4))
    Y = np.vstack([X, np.zeros((2, 4))])
    model, without = (SphericalKMeans(3, random_state=seed).fit(Z) for Z in (Y, X))
    assert (model.labels_[30:] == 0).all() and model.inertia_ == pytest.approx(without.inertia_, rel=1e-12)
    np.testing.assert_allclose(model.transform(Y[30:]), 1.0, rtol=1e-15)
    with pytest.raises(ValueError, match="no direction"):
        SphericalKMeans(1).fit(np.zeros((3, 2)))


@pytest.mark.parametrize("N", [1, 2, 3])
def test_a_few_directions_against_all_partitions(N, seed):
    X = np.random.default_rng(seed).normal(size=(N + 3, 2))
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    least = exhaustive(U, 2, lambda Y: len(Y) - np.linalg.norm(Y.sum(0)))
    assert SphericalKMeans(2, n_init=20, tol=0.0, random_state=seed).fit(X).inertia_ == pytest.approx(least, abs=1e-12)
