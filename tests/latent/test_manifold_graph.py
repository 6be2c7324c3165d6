"""Graphs of neighbours, their lowest eigenvectors, and what depends on them."""

import numpy as np
import pytest
import torch
from scipy import sparse

from peira.core import DataError
from peira.latent import Isomap, LocallyLinearEmbedding, SpectralEmbedding
from peira.latent.graph_embedding import (
    DisconnectedGraphWarning,
    nearest_others,
    neighbour_graph,
    parts_of,
    spectral_coordinates,
    spectral_embedding,
)
from peira.latent.lowest_eigenvectors import lowest_eigenvectors


def rows(seed, N=40, D=3):
    return torch.from_numpy(np.random.default_rng([seed, 1]).normal(size=(N, D)))


def laplacian(W):
    d = W.sum(1)
    return np.diag((d > 0).astype(float)) - W / np.sqrt(np.outer(d, d))


@pytest.mark.parametrize("N", [2, 3, 4, 40])
def test_neighbours_are_those_of_all_distances(seed, N):
    X = rows(seed, N)
    k = min(3, N - 1)
    d, near = nearest_others(X, k)
    S = torch.cdist(X, X).numpy()
    np.fill_diagonal(S, np.inf)
    np.testing.assert_array_equal(near, np.argsort(S, 1)[:, :k])
    np.testing.assert_allclose(d, np.sort(S, 1)[:, :k], rtol=1e-12)
    W = neighbour_graph(X, k, mode="distance").toarray()
    linked = np.zeros((N, N), dtype=bool)
    np.put_along_axis(linked, near, True, 1)
    np.testing.assert_allclose(W, np.where(linked | linked.T, np.where(np.isinf(S), 0, S), 0), rtol=1e-12)


def test_given_distances_and_rows_have_the_same_neighbours(seed):
    X = rows(seed)
    for given, found in zip(nearest_others(torch.cdist(X, X), 5, None), nearest_others(X, 5), strict=True):
        np.testing.assert_allclose(given, found, rtol=1e-12)


def test_equal_rows_are_neighbours_at_distance_zero(seed):
    X = rows(seed, 4).repeat(6, 1)
    d, near = nearest_others(X, 3)
    assert (d == 0).all() and (near != np.arange(24)[:, None]).all()
    assert all(len(set(line)) == 3 for line in near.tolist())
    W = neighbour_graph(X, 3, mode="distance")
    assert W.nnz >= 24 * 3, "an edge of length zero is an edge"


def test_too_few_items_are_all_neighbours_and_one_has_none(seed):
    assert nearest_others(rows(seed, 3), 10)[1].shape == (3, 2)
    with pytest.raises(DataError, match="n_samples = 1"):
        nearest_others(rows(seed, 1), 3)


@pytest.mark.parametrize(("N", "bound"), [(30, None), (700, None), (700, 2.0)])
def test_lowest_eigenvectors_are_those_of_a_dense_solver(seed, N, bound):
    W = neighbour_graph(rows(seed, N, 2), 6).toarray()
    L = laplacian(W)
    null = np.sqrt(W.sum(1))[:, None] / np.sqrt(W.sum())
    assert parts_of(sparse.csr_array(W))[0] == 1
    values, vectors = lowest_eigenvectors(sparse.csr_array(L), 3, null, bound)
    expected, V = np.linalg.eigh(L)
    np.testing.assert_allclose(values, expected[1:4], atol=1e-9)
    np.testing.assert_allclose(np.abs(vectors.T @ V[:, 1:4]), np.eye(3), atol=1e-6)
    assert (vectors[np.abs(vectors).argmax(0), range(3)] > 0).all()


@pytest.mark.parametrize("N", [12, 2500])  # products do not converge for the long one, a factorisation does
def test_a_path_has_the_cosines(N):
    """The normalised Laplacian of a path of N: 1 - cos(pi k / (N - 1)), with cosines as coordinates."""
    line = torch.arange(N, dtype=torch.float64)[:, None]
    values, Y, C = spectral_coordinates(neighbour_graph(line, 1), 3)
    k = np.arange(1, 4)
    assert C == 1
    np.testing.assert_allclose(values, 1 - np.cos(np.pi * k / (N - 1)), atol=1e-12)
    cosines = np.cos(np.pi * np.outer(np.arange(N), k) / (N - 1))
    np.testing.assert_allclose(np.abs(Y / np.abs(Y).max(0)), np.abs(cosines), atol=1e-5 if N > 100 else 1e-9)


def test_parts_come_first_and_tell_the_items_apart(seed):
    X = torch.cat([rows(seed, 8), rows(seed, 12) + 100, rows(seed, 10) - 100])
    W = neighbour_graph(X, 4)
    C, part = parts_of(W)
    assert C == 3 and np.bincount(part).tolist() == [12, 10, 8]
    values, Y, _ = spectral_coordinates(W, 4, drop_first=False)
    np.testing.assert_allclose(values[:3], 0, atol=1e-12)
    assert values[3] > 1e-3
    corners = np.array([Y[part == c, :3].mean(0) for c in range(3)])
    np.testing.assert_allclose(Y[:, :3], corners[part], atol=1e-12)
    assert np.linalg.matrix_rank(corners) == 3
    d = W.sum(1)
    np.testing.assert_allclose(Y.T @ (d[:, None] * Y), np.eye(4), atol=1e-9)


def test_an_item_without_edges_is_a_part(seed):
    W = sparse.csr_array(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=float))
    assert np.isfinite(spectral_embedding(W, 2)).all()


@pytest.mark.parametrize("cls", [Isomap, LocallyLinearEmbedding, SpectralEmbedding])
def test_graphs_in_parts_are_explained(cls, seed):
    X = np.concatenate([rows(seed, 10).numpy(), rows(seed, 15).numpy() + 50])
    with pytest.warns(DisconnectedGraphWarning, match=r"2 parts \(of 15, 10 items\).*Raise n_neighbors"):
        Y = cls(n_neighbors=4).fit_transform(X)
    assert np.isfinite(Y).all()
    if cls is Isomap:
        assert np.linalg.norm(Y[:10].mean(0) - Y[10:].mean(0)) > 50


def test_spectral_embedding_minimises_its_form(seed):
    """Orthonormal in the degrees, and each coordinate's form is its eigenvalue: what no other coordinates go below."""
    X = rows(seed, 50).numpy()
    method = SpectralEmbedding(3, affinity="rbf", gamma=0.7).fit(X)
    W = np.exp(-0.7 * ((X[:, None] - X) ** 2).sum(-1))
    np.fill_diagonal(W, 0)
    d, Y = W.sum(1), method.embedding_
    np.testing.assert_allclose(Y.T @ (d[:, None] * Y), np.eye(3), atol=1e-10)
    np.testing.assert_allclose(d @ Y, 0, atol=1e-10)
    form = Y.T @ (np.diag(d) - W) @ Y
    np.testing.assert_allclose(form, np.diag(method.eigenvalues_), atol=1e-10)
    np.testing.assert_allclose(method.eigenvalues_, np.linalg.eigvalsh(laplacian(W))[1:4], atol=1e-10)


@pytest.mark.parametrize("affinity", ["rbf", "nearest_neighbors"])
def test_the_rule_for_new_items_holds_for_old_ones(affinity, seed):
    """An item that is known lies at the mean of its neighbours over 1 - lambda: the rule, without looking it up."""
    X = rows(seed, 40).numpy()
    method = SpectralEmbedding(2, affinity=affinity, gamma=0.5, n_neighbors=39).fit(X)
    W = np.exp(-0.5 * ((X[:, None] - X) ** 2).sum(-1)) if affinity == "rbf" else np.ones((40, 40))
    np.fill_diagonal(W, 0)
    Y = method.embedding_
    mean = (W @ Y) / W.sum(1, keepdims=True)
    np.testing.assert_allclose(mean / (1 - method.eigenvalues_), Y, atol=1e-8)


@pytest.mark.parametrize("cls", [Isomap, LocallyLinearEmbedding, SpectralEmbedding])
def test_new_items_lie_where_their_neighbours_do(cls, seed):
    t = np.linspace(0, 3, 120)
    X = np.column_stack([np.cos(t), np.sin(t), t])
    method = cls(n_components=1, n_neighbors=4).fit(X)
    Y, between = method.embedding_[:, 0], method.transform((X[20:-21] + X[21:-20]) / 2)[:, 0]
    step = np.abs(np.diff(Y)).max()
    assert np.abs(between - (Y[20:-21] + Y[21:-20]) / 2).max() < 2 * step
    np.testing.assert_array_equal(method.transform(X), method.embedding_)
