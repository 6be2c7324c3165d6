"""Scaling: places from distances, by eigenvectors, by majorisation, along a manifold."""

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import shortest_path

from peira.core import DataError, observing
from peira.latent import MDS, ClassicalMDS, Isomap
from peira.latent.graph_embedding import neighbour_graph


def rows(seed, N=30, D=3):
    return np.random.default_rng([seed, 2]).normal(size=(N, D))


def distances(X):
    return np.sqrt(((X[:, None] - X) ** 2).sum(-1))


def roll(seed, N=1500):
    """A Swiss roll, and its true coordinates: the length along the spiral, and the height."""
    rng = np.random.default_rng([seed, 3])
    t, h = 1.5 * np.pi * (1 + 2 * rng.random(N)), 21 * rng.random(N)
    s = (t * np.sqrt(1 + t * t) + np.arcsinh(t)) / 2
    return np.column_stack([t * np.cos(t), h, t * np.sin(t)]), np.column_stack([s, h])


@pytest.mark.parametrize("N", [2, 3, 4, 30])
def test_classical_scaling_recovers_points_up_to_a_motion(seed, N):
    X = rows(seed, N)
    K = min(3, N)
    method = ClassicalMDS(K, metric="precomputed").fit(distances(X))
    np.testing.assert_allclose(distances(method.embedding_), distances(X), atol=1e-7)
    C = X - X.mean(0)
    np.testing.assert_allclose(method.eigenvalues_[: N - 1], np.linalg.svd(C)[1][:K][: N - 1] ** 2, rtol=1e-9)
    np.testing.assert_allclose(ClassicalMDS(K).fit_transform(X), method.embedding_, atol=1e-7)


def test_classical_scaling_is_principal_components_for_new_items_too(seed):
    X, Q = rows(seed), rows(seed + 1, 7)
    method = ClassicalMDS(2).fit(X)
    V = np.linalg.svd(X - X.mean(0))[2][:2].T
    codes = (Q - X.mean(0)) @ V
    np.testing.assert_allclose(np.abs(method.transform(Q)), np.abs(codes), atol=1e-9)
    to_known = np.sqrt(((Q[:, None] - X) ** 2).sum(-1))
    given = ClassicalMDS(2, metric="precomputed").fit(distances(X))
    np.testing.assert_allclose(given.transform(to_known), method.transform(Q), atol=1e-9)


def test_many_rows_take_the_other_solver_to_the_same_places(seed):
    X = rows(seed, 650)
    big = ClassicalMDS(2).fit(X)
    values = np.linalg.svd(X - X.mean(0))[1][:2] ** 2
    np.testing.assert_allclose(big.eigenvalues_, values, rtol=1e-10)


def test_directions_that_are_not_there_are_zero():
    Y = ClassicalMDS(3).fit_transform([[0.0], [1.0], [3.0], [7.0]])
    np.testing.assert_allclose(np.abs(np.diff(Y[:, 0])), [1, 2, 4], atol=1e-12)
    np.testing.assert_array_equal(Y[:, 1:], 0)


@pytest.mark.parametrize("cls", [ClassicalMDS, MDS, Isomap])
@pytest.mark.parametrize(
    ("S", "words"),
    [
        ([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0]], "square"),
        ([[0.0, -1.0], [-1.0, 0.0]], "row 0, column 1 .* is negative"),
        ([[0.0, 1.0], [2.0, 0.0]], "mirror"),
        ([[1.0, 1.0], [1.0, 0.0]], "row 0, column 0"),
    ],
)
def test_what_are_no_distances_is_refused(cls, S, words):
    with pytest.raises(DataError, match=words):
        cls(metric="precomputed").fit(S)


@pytest.mark.parametrize("cls", [ClassicalMDS, MDS, Isomap])
def test_an_unknown_metric_is_answered_with_the_choices(cls, seed):
    with pytest.raises(DataError, match="unknown metric 'euclid'.*euclidean.*precomputed"):
        cls(metric="euclid").fit(rows(seed))


@pytest.mark.parametrize("ordinal", [False, True])
@pytest.mark.parametrize("init", ["random", "classical_mds"])
def test_the_stress_never_rises_and_is_what_it_says(ordinal, init, seed):
    X = rows(seed)
    method = MDS(metric_mds=not ordinal, init=init, max_iter=3000, random_state=seed, normalized_stress=False).fit(X)
    stress = np.array(method.history_["stress"])
    assert (np.diff(stress) <= 1e-12 * stress[0]).all() and method.stopped_ == "converged"
    if not ordinal:
        pairs = np.triu_indices(30, 1)
        gap = (distances(X) - distances(method.embedding_))[pairs]
        assert method.stress_ == pytest.approx(float((gap**2).sum()))
        np.testing.assert_array_equal(method.dissimilarity_matrix_, method.dissimilarity_matrix_.T)


def test_at_the_solution_the_gradient_of_the_stress_is_zero(seed):
    X = rows(seed, 20)
    method = MDS(eps=1e-14, max_iter=20_000, random_state=0).fit(X)
    Y = torch.tensor(method.embedding_, requires_grad=True)
    i, j = np.triu_indices(20, 1)
    gap = torch.from_numpy(distances(X)[i, j]) - (Y[i] - Y[j]).norm(dim=1)
    (gap**2).sum().backward()
    assert float(Y.grad.abs().max()) < 1e-4 * method.stress_


def test_distances_that_fit_have_no_stress(seed):
    X = rows(seed, 15, 2)
    method = MDS(init="random", n_init=4, random_state=seed, eps=1e-12, max_iter=5000).fit(X)
    assert method.stress_ < 1e-4
    np.testing.assert_allclose(distances(method.embedding_), distances(X), atol=0.02)


def test_only_the_order_counts_without_a_metric(seed):
    """The dissimilarities cubed have the same order, so the same places; the fit is as good as for the distances."""
    X = rows(seed, 15, 2)
    S = distances(X)
    plain, cubed = (
        MDS(metric_mds=False, metric="precomputed", init="random", random_state=seed, max_iter=3000).fit(d)
        for d in (S, S**3)
    )
    np.testing.assert_allclose(plain.embedding_, cubed.embedding_, atol=1e-9)
    assert plain.stress_ < 0.2


def test_the_best_start_is_kept(seed):
    events = []
    with observing(events.append):
        method = MDS(init="random", n_init=5, random_state=seed, max_iter=2000).fit(rows(seed))
    ends = [e.values["stress"] for e in events if e.kind == "step" and e.path[-1] == "MDS.SMACOF"]
    assert method.history_["stress"][-1] <= min(ends) * (1 + 1e-6) and method.stress_ == method.history_["stress"][-1]


def test_geodesics_of_a_line_are_its_lengths():
    t = np.array([0.0, 1.0, 2.2, 3.6, 5.2])  # each nearest to the one before it
    method = Isomap(n_neighbors=1, n_components=1).fit(np.column_stack([t, 2 * t]))
    np.testing.assert_allclose(method.dist_matrix_, np.sqrt(5) * np.abs(t[:, None] - t), rtol=1e-12)
    np.testing.assert_allclose(np.abs(np.diff(method.embedding_[:, 0])), np.sqrt(5) * np.diff(t), rtol=1e-9)
    assert method.reconstruction_error() < 1e-6


def test_shortest_paths_are_those_of_all_paths(seed):
    X = rows(seed, 9)
    G = neighbour_graph(torch.from_numpy(X), 2, mode="distance").toarray()
    D = np.where(G > 0, G, np.inf)
    np.fill_diagonal(D, 0)
    for k in range(9):  # Floyd and Warshall
        D = np.minimum(D, D[:, k, None] + D[k])
    if np.isinf(D).any():
        pytest.skip("this draw falls into parts")
    np.testing.assert_allclose(Isomap(n_neighbors=2).fit(X).dist_matrix_, D, rtol=1e-12)


def test_the_swiss_roll_is_laid_flat(seed):
    X, flat = roll(seed)
    method = Isomap(n_neighbors=10).fit(X)
    true = distances(flat)
    far = true > 10
    assert np.abs(np.median(method.dist_matrix_[far] / true[far]) - 1) < 0.05
    Z = method.embedding_ - method.embedding_.mean(0)
    C = flat - flat.mean(0)
    U, _, V = np.linalg.svd(Z.T @ C)
    assert ((Z @ U @ V - C) ** 2).sum() / (C**2).sum() < 0.01  # after the best rotation


def test_edges_of_length_zero_lead_on(seed):
    """Equal rows stand at one point of the graph."""
    X = np.repeat(rows(seed, 12), 2, axis=0)
    method = Isomap(n_neighbors=9).fit(X)
    np.testing.assert_allclose(method.dist_matrix_[::2, ::2], method.dist_matrix_[1::2, ::2], atol=1e-12)
    assert shortest_path(neighbour_graph(torch.from_numpy(X), 5, mode="distance"), directed=False)[0, 1] == 0


@pytest.mark.parametrize("cls", [ClassicalMDS, MDS, Isomap])
@pytest.mark.parametrize("N", [1, 2, 3])
def test_tiny_experiences_answer_or_explain_themselves(cls, N, seed):
    method = cls(n_neighbors=1) if cls is Isomap else cls()
    try:
        Y = method.fit_transform(rows(seed, N))
    except DataError as error:
        assert f"n_samples = {N}" in str(error)
    else:
        assert Y.shape == (N, 2) and np.isfinite(Y).all()


@pytest.mark.parametrize("ordinal", [False, True])
def test_a_new_item_has_the_least_stress_against_the_others(ordinal, seed):
    X, Q = rows(seed), rows(seed + 1, 4)
    method = MDS(metric_mds=not ordinal, max_iter=3000).fit(X)
    d = np.sqrt(((Q[:, None] - X) ** 2).sum(-1))
    target = np.interp(d, *method.curve_) * np.maximum(d / method.curve_[0, -1], 1)
    assert ordinal or np.allclose(target, d, rtol=1e-12)
    for place, wanted in zip(method.transform(Q), target, strict=True):
        y = torch.tensor(place, requires_grad=True)
        gap = torch.from_numpy(wanted) - (y - torch.from_numpy(method.embedding_)).norm(dim=1)
        (gap**2).sum().backward()
        assert float(y.grad.norm()) < 1e-6 * wanted.sum()


def test_the_curve_rises_and_passes_through_the_disparities(seed):
    method = MDS(metric_mds=False, max_iter=3000).fit(rows(seed))
    assert (np.diff(method.curve_[0]) > 0).all() and (np.diff(method.curve_[1]) >= 0).all()
    pairs = np.triu_indices(30, 1)
    shown, said = distances(method.embedding_)[pairs], np.interp(distances(rows(seed))[pairs], *method.curve_)
    size = (shown**2).sum()
    assert np.sqrt(((said - shown) ** 2).sum() / size) == pytest.approx(method.stress_, rel=1e-9)


def test_pictures_show_every_item_once_by_colour_of_its_label(seed):
    X = rows(seed)
    label = np.array(["a", "b", "c"])[np.arange(30) % 3]
    model = ClassicalMDS(2).fit(X)
    ax = model.plot(labels=label)
    assert [len(c.get_offsets()) for c in ax.collections] == [10, 10, 10]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]
    assert len(model.plot().collections[0].get_offsets()) == 30 and model.plot().get_legend() is None
    shaded = model.plot(labels=np.linspace(0, 1, 30))
    assert len(shaded.collections) == 1 and len(shaded.figure.axes) == 2
    bars = ClassicalMDS(1).fit(X).plot(labels=label)
    assert sum(patch.get_height() for patch in bars.patches) == 30
    assert model.plot(ax=bars) is bars
    with pytest.raises(ValueError, match="30 items, but 29 labels"):
        model.plot(labels=label[1:])
