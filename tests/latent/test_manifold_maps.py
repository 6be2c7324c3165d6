"""t-SNE and UMAP: affinities, gradients, pooled forces, groups that stay together."""

import numpy as np
import pytest
import torch
from scipy import sparse

from peira.core import DataError
from peira.latent import TSNE, UMAP
from peira.latent.graph_embedding import nearest_others
from peira.latent.t_sne_affinities import conditional, joint
from peira.latent.t_sne_forces import cross_entropy, pull, push
from peira.latent.t_sne_placing import settle
from peira.latent.t_sne_tree import push_pooled
from peira.latent.umap_graph import fuzzy_graph, memberships
from peira.latent.umap_layout import attraction, curve, epoch
from peira.measures.embedding import trustworthiness


def rows(seed, N=40, D=3):
    return torch.from_numpy(np.random.default_rng([seed, 6]).normal(size=(N, D)))


def groups(seed, N=90, D=5):
    rng = np.random.default_rng([seed, 7])
    label = np.arange(N) % 3
    return rng.normal(size=(N, D)) + 12 * np.eye(D)[label], label


def affinities(X, k, perplexity):
    d, near = nearest_others(X, k)
    return joint(conditional(d * d, perplexity)[0], near)


# ---------------------------------------------------------------------------- t-SNE


@pytest.mark.parametrize("perplexity", [1.5, 5.0, 30.0, 38.5])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_each_row_reaches_its_perplexity(perplexity, scale, seed):
    d, _ = nearest_others(rows(seed) * scale, 39)
    P, beta = conditional(d * d, perplexity)
    np.testing.assert_allclose(P.sum(1), 1, rtol=1e-12)
    entropy = -(P * np.log(np.maximum(P, 1e-300))).sum(1)
    np.testing.assert_allclose(np.exp(entropy), perplexity, rtol=1e-8)
    W = np.exp(-beta[:, None] * (d * d - d[:, :1] ** 2))
    np.testing.assert_allclose(P, W / W.sum(1, keepdims=True), rtol=1e-6, atol=1e-12)


def test_rows_of_very_different_scales_reach_it_too():
    d = np.outer([1e-12, 1.0, 1e9, 1e-3, 1e15], np.linspace(1, 2, 20))
    P, _ = conditional(d * d, 4.0)
    np.testing.assert_allclose(np.exp(-(P * np.log(P)).sum(1)), 4.0, rtol=1e-8)


def test_more_equal_items_than_the_perplexity_share_alike():
    d = np.array([[0.0, 0.0, 0.0, 0.0, 1.0, 2.0]])
    P, _ = conditional(d * d, 2.0)
    np.testing.assert_allclose(P, [[0.25, 0.25, 0.25, 0.25, 0, 0]], atol=1e-12)
    P, _ = conditional(np.zeros((1, 5)), 2.0)
    np.testing.assert_allclose(P, 0.2)


def test_joint_probabilities_are_symmetric_and_sum_to_one(seed):
    P = affinities(rows(seed), 12, 4.0)
    assert P.sum() == pytest.approx(1.0) and np.abs((P - P.T).toarray()).max() == 0
    assert (P.diagonal() == 0).all()


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("N", [2, 3, 40])
def test_the_gradient_is_that_of_the_divergence(N, K, seed):
    P = affinities(rows(seed, N), min(12, N - 1), min(4.0, 0.9 * N))
    Y = np.random.default_rng(seed).normal(size=(K, N))
    half, F, R = sparse.csr_array(sparse.triu(P, 1)), np.zeros_like(Y), np.zeros_like(Y)
    Z = push(Y, R)
    pull(Y, half.indptr, half.indices, half.data, F)
    T = torch.tensor(Y.T.copy(), requires_grad=True)
    W = 1 / (1 + ((T[:, None] - T) ** 2).sum(-1))
    W = W - torch.diag(W.diagonal())
    linked = torch.from_numpy(P.toarray()) > 0
    p = torch.from_numpy(P.toarray())[linked]
    kl = (p * (p / (W / W.sum())[linked]).log()).sum()
    kl.backward()
    np.testing.assert_allclose(4 * (F - R / Z).T, T.grad, rtol=1e-9, atol=1e-12)
    entropy = float(P.data @ np.log(P.data))
    ours = entropy + 2 * cross_entropy(Y, half.indptr, half.indices, half.data) + np.log(Z)
    assert ours == pytest.approx(float(kl.detach()), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("N", [1, 2, 3, 9, 500])
def test_the_tree_pools_nothing_at_angle_zero_and_little_at_one_half(N, K, seed):
    rng = np.random.default_rng(seed)
    Y = 10 * rng.normal(size=(K, N)) + 30 * rng.integers(0, 3, N)
    F, G = np.zeros_like(Y), np.zeros_like(Y)
    Z = push(Y, F)
    assert push_pooled(Y, 0.0, G) == pytest.approx(Z, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(G, F, rtol=1e-9, atol=1e-12 * max(np.abs(F).max(), 1))
    for angle, error in ((0.2, 0.01), (0.5, 0.06)):
        assert push_pooled(Y, angle, G) == pytest.approx(Z, rel=error / 2, abs=1e-12)
        assert np.linalg.norm(G - F) <= error * np.linalg.norm(F) + 1e-12


@pytest.mark.parametrize("equal", [3, 50])
def test_items_at_one_place_push_each_other_nowhere(equal, seed):
    Y = np.concatenate([np.zeros((2, equal)), np.random.default_rng(seed).normal(size=(2, 20))], axis=1)
    F, G = np.zeros_like(Y), np.zeros_like(Y)
    Z = push(Y, F)
    assert push_pooled(Y, 0.0, G) == pytest.approx(Z)
    np.testing.assert_allclose(G, F, atol=1e-10)
    assert push_pooled(np.zeros((2, equal)), 0.5, np.zeros((2, equal))) == pytest.approx(equal * (equal - 1))


@pytest.mark.parametrize("method", ["exact", "barnes_hut"])
def test_groups_part_on_the_map(method, seed):
    X, label = groups(seed)
    model = TSNE(perplexity=8, method=method, random_state=seed, max_iter=500).fit(X)
    d = np.linalg.norm(model.embedding_[:, None] - model.embedding_, axis=-1)
    np.fill_diagonal(d, np.inf)
    assert (label[d.argmin(1)] == label).all()
    assert model.kl_divergence_ == model.history_["kl_divergence"][-1] > 0
    np.testing.assert_allclose(model.embedding_.mean(0), 0, atol=1e-9)


def test_the_tree_leads_to_a_map_as_good(seed, monkeypatch):
    X, _ = groups(seed, 150)
    direct = TSNE(perplexity=10, random_state=seed, max_iter=600).fit(X)
    monkeypatch.setattr("peira.latent.t_sne.DIRECT", 10)
    pooled = TSNE(perplexity=10, random_state=seed, max_iter=600).fit(X)
    assert not np.array_equal(direct.embedding_, pooled.embedding_)
    assert pooled.kl_divergence_ == pytest.approx(direct.kl_divergence_, rel=0.1)
    kept = [trustworthiness(X, m.embedding_, n_neighbors=10) for m in (direct, pooled)]
    assert kept[1] == pytest.approx(kept[0], abs=0.02)


def test_with_all_neighbours_both_methods_are_one(seed):
    X = rows(seed, 25).numpy()
    first, second = (
        TSNE(perplexity=20, method=m, random_state=0, max_iter=100).fit(X) for m in ("exact", "barnes_hut")
    )
    np.testing.assert_array_equal(first.embedding_, second.embedding_)


def test_given_distances_are_those_of_the_rows(seed):
    X = rows(seed, 30)
    S = torch.cdist(X, X, compute_mode="donot_use_mm_for_euclid_dist")
    given = TSNE(perplexity=5, metric="precomputed", random_state=1, max_iter=20).fit(S)
    plain = TSNE(perplexity=5, init="random", random_state=1, max_iter=20).fit(X)
    np.testing.assert_allclose(given.embedding_, plain.embedding_, rtol=1e-6, atol=1e-12)


def test_it_stops_where_nothing_moves():
    """Two items: all of p lies on their pair, q too, and the gradient is zero from the start."""
    model = TSNE(perplexity=1, max_iter=1000, random_state=0).fit([[0.0], [1.0]])
    assert model.stopped_ == "converged" and model.n_iter_ == 251
    assert model.kl_divergence_ == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("perplexity", [5.0, 30.0])
def test_a_perplexity_of_all_items_is_refused(perplexity, seed):
    with pytest.raises(DataError, match=rf"perplexity \({perplexity:g}\) must be less than n_samples \(5\).*lower it"):
        TSNE(perplexity=perplexity).fit(rows(seed, 5).numpy())


def test_new_items_settle_where_their_own_divergence_is_least(seed):
    Y = np.ascontiguousarray(rows(seed, 60, 2).numpy() * 5)
    rng = np.random.default_rng(seed)
    near = np.array([rng.permutation(60)[:6] for _ in range(4)])
    P = rng.dirichlet(np.ones(6), 4)
    places = settle(Y, P, near)
    for y, p, n in zip(places, P, near, strict=True):
        t = torch.tensor(y, requires_grad=True)
        s = 1 + ((t - torch.from_numpy(Y)) ** 2).sum(1)
        f = torch.from_numpy(p) @ s[torch.from_numpy(n)].log() + (1 / s).sum().log()
        f.backward()
        assert float(t.grad.norm()) < 1e-4


@pytest.mark.parametrize("cls", [TSNE, UMAP])
def test_new_items_join_their_group_alone_or_together(cls, seed):
    X, label = groups(seed, 120)
    method = (
        TSNE(perplexity=8, random_state=0) if cls is TSNE else UMAP(n_neighbors=8, n_epochs=150, random_state=0)
    ).fit(X[:90])
    new = method.transform(X[90:])
    d = np.linalg.norm(new[:, None] - method.embedding_, axis=-1)
    assert (label[:90][d.argmin(1)] == label[90:]).all()
    np.testing.assert_array_equal(method.transform(X[95:96]), new[5:6])
    np.testing.assert_array_equal(method.transform(X[:90]), method.embedding_)


@pytest.mark.parametrize("cls", [TSNE, UMAP])
@pytest.mark.parametrize("K", [1, 2, 3])
def test_repeated_rows_and_any_number_of_coordinates(cls, K, seed):
    X = np.repeat(rows(seed, 8).numpy(), 6, axis=0)
    Y = cls.example().set_params(n_components=K).fit_transform(X)
    assert Y.shape == (48, K) and np.isfinite(Y).all()


@pytest.mark.parametrize("cls", [TSNE, UMAP])
@pytest.mark.parametrize("N", [1, 2, 3, 4, 5])
def test_tiny_experiences_answer_or_explain_themselves(cls, N, seed):
    method = TSNE(perplexity=1, max_iter=50) if cls is TSNE else UMAP(n_epochs=20)
    try:
        Y = method.fit_transform(rows(seed, N).numpy())
    except DataError as error:
        assert f"n_samples = {N}" in str(error)
    else:
        assert Y.shape == (N, 2) and np.isfinite(Y).all()


# ---------------------------------------------------------------------------- UMAP


@pytest.mark.parametrize("k", [5, 15, 30])
def test_memberships_sum_to_the_logarithm_and_start_at_one(k, seed):
    d, _ = nearest_others(rows(seed), k - 1)
    M = memberships(d, float(k))
    np.testing.assert_allclose(M.sum(1), np.log2(k), rtol=1e-8)
    np.testing.assert_array_equal(M[:, 0], 1)
    assert (np.diff(M, axis=1) <= 0).all()


def test_the_graph_is_the_probabilistic_union(seed):
    d, near = nearest_others(rows(seed), 7)
    A = np.zeros((40, 40))
    np.put_along_axis(A, near, memberships(d, 8.0), 1)
    np.testing.assert_allclose(fuzzy_graph(d, near, 8.0).toarray(), A + A.T - A * A.T, atol=1e-15)


def test_umap_learn_has_the_same_curve():
    """Its defaults give a = 1.577 and b = 0.895, as its documentation prints."""
    a, b = curve(0.1, 1.0)
    assert (round(a, 3), round(b, 3)) == (1.577, 0.895)
    for spread in (1e-3, 1e3):  # the unit of the map is nothing special
        scaled, same = curve(0.1 * spread, spread)
        assert (scaled * spread ** (2 * b), same) == pytest.approx((a, b), rel=1e-9)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_step_follows_the_gradient_of_the_cross_entropy(strength, seed):
    """One edge and one push from the only other item, short enough that no coordinate is cut."""
    a, b, rate = 1.6, 0.9, 1e-3
    Y = np.random.default_rng(seed).normal(size=(2, 2))
    Y[1] += 3
    edge = np.array([0]), np.array([1])
    moved, one = Y.copy(), np.ones(1)
    epoch(moved, *edge, one, one.copy(), 1.0, a, b, rate, 0, strength, np.array([7], dtype=np.uint64))
    T = torch.tensor(Y, requires_grad=True)
    s = ((T[0] - T[1]) ** 2).sum()
    torch.log(1 + a * s**b).backward()
    np.testing.assert_allclose(moved - Y, -rate * T.grad.numpy(), rtol=1e-9)
    pushed = moved.copy()
    state = np.array([7], dtype=np.uint64)
    epoch(pushed, *edge, one, np.full(1, 2.0), 1.0, a, b, rate, 5, strength, state)
    np.testing.assert_array_equal(pushed, moved)  # it is not this edge's turn
    assert attraction(Y, *edge, one, a, b) == pytest.approx(float(torch.log(1 + a * s.detach() ** b)))


def test_the_push_is_that_of_the_paper(seed):
    """With an edge of no length only the push is left: 2 b / ((0.001 + s)(1 + a s^b)), against one of three items."""
    a, b, rate = 1.6, 0.9, 1e-2
    Y = np.array([[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]])
    moved, one = Y.copy(), np.ones(1)
    epoch(
        moved, np.array([0]), np.array([2]), one, one.copy(), 1.0, a, b, rate, 1, 1.5, np.array([11], dtype=np.uint64)
    )
    s = 5.0
    full = rate * 2 * 1.5 * b / ((0.001 + s) * (1 + a * s**b)) * (Y[0] - Y[1])
    np.testing.assert_array_equal(moved[1:], Y[1:])
    assert np.allclose(moved[0], full, rtol=1e-12) or (moved[0] == 0).all()  # drawn was item 1, or one at no distance


def test_edges_have_their_turn_in_proportion_to_their_weight():
    Y = np.random.default_rng(0).normal(size=(4, 2))
    head, tail, every = np.array([0, 2]), np.array([1, 3]), np.array([1.0, 4.0])
    due, turns = every.copy(), np.zeros(2)
    for n in range(1, 101):
        before = due.copy()
        state = np.array([3], dtype=np.uint64)
        epoch(Y, head, tail, every, due, float(n), 1.0, 1.0, 0.0, 0, 0.0, state)
        turns += due > before
    assert turns.tolist() == [100, 25]


def test_groups_part_on_the_umap_too_and_the_seed_decides(seed):
    X, label = groups(seed)
    first, second = (UMAP(n_neighbors=8, n_epochs=150, random_state=seed).fit(X) for _ in range(2))
    other = UMAP(n_neighbors=8, n_epochs=150, random_state=seed + 1).fit_transform(X)
    np.testing.assert_array_equal(first.embedding_, second.embedding_)
    assert not np.array_equal(first.embedding_, other)
    for Y in (first.embedding_, other):
        d = np.linalg.norm(Y[:, None] - Y, axis=-1)
        np.fill_diagonal(d, np.inf)
        assert (label[d.argmin(1)] == label).all()
    assert first.history_["attraction"][-1] < np.log(2)  # an edge is as likely as not, or likelier


def test_min_dist_above_spread_is_refused(seed):
    with pytest.raises(DataError, match=r"min_dist \(2\) must not be above spread \(1\)"):
        UMAP(min_dist=2.0).fit(rows(seed).numpy())
