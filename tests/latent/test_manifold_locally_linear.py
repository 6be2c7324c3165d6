"""Locally linear embedding: weights, quadratic forms and null vectors, each by another route."""

import numpy as np
import pytest
import torch

from peira.core import DataError
from peira.latent import LocallyLinearEmbedding
from peira.latent.graph_embedding import nearest_others
from peira.latent.local_alignment import alignment_matrix, barycentre_weights

METHODS = ("standard", "modified", "hessian", "ltsa")


def rows(seed, N=30, D=4):
    return torch.from_numpy(np.random.default_rng([seed, 4]).normal(size=(N, D)))


def plane(seed, N=60):
    """A plane in five dimensions, and the coordinates on it."""
    rng = np.random.default_rng([seed, 5])
    Z = rng.uniform(size=(N, 2))
    return Z @ rng.normal(size=(2, 5)), Z


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_weights_sum_to_one_and_write_each_item_best(seed, k):
    X = rows(seed)
    _, near = nearest_others(X, k)
    D = X[torch.from_numpy(near)] - X[:, None]
    w = barycentre_weights(D, 1e-3)
    np.testing.assert_allclose(w.sum(1), 1, rtol=1e-12)
    for i in range(len(X)):  # stationary under the constraint: all partial derivatives agree
        G = D[i] @ D[i].T
        slope = (G + 1e-3 * torch.trace(G) * torch.eye(k, dtype=torch.float64)) @ w[i]
        np.testing.assert_allclose(slope, slope.mean(), rtol=1e-8)


def test_equal_neighbours_share_alike():
    w = barycentre_weights(torch.zeros(2, 4, 3, dtype=torch.float64), 1e-3)
    np.testing.assert_allclose(w, 0.25)


@pytest.mark.parametrize("method", METHODS)
def test_the_form_is_symmetric_positive_and_blind_to_constants(method, seed):
    X = rows(seed)
    M = alignment_matrix(X, nearest_others(X, 8)[1], 2, method, 1e-3).toarray()
    np.testing.assert_allclose(M, M.T, atol=1e-12)
    np.testing.assert_allclose(M.sum(1), 0, atol=1e-9)
    assert np.linalg.eigvalsh(M)[0] > -1e-9 * np.abs(M).max()


@pytest.mark.parametrize("method", ["modified", "hessian", "ltsa"])
def test_affine_functions_of_flat_data_are_null(method, seed):
    X, Z = plane(seed)
    X = torch.from_numpy(X)
    M = alignment_matrix(X, nearest_others(X, 8)[1], 2, method, 1e-9)
    assert np.abs(M @ Z).max() < 1e-6 * np.abs(M).max()


@pytest.mark.parametrize("method", ["hessian", "ltsa"])
def test_flat_data_come_back_up_to_an_affine_map(method, seed):
    X, Z = plane(seed)
    Y = LocallyLinearEmbedding(n_neighbors=9, method=method).fit_transform(X)
    design = np.column_stack([Y, np.ones(len(Y))])
    left = Z - design @ np.linalg.lstsq(design, Z)[0]
    assert np.abs(left).max() < 1e-6


def test_the_hessian_lets_no_square_pass(seed):
    """Squares of the tangent's coordinates have no value in "ltsa" only; "hessian" sees nothing beyond them."""
    X, Z = plane(seed)
    X = torch.from_numpy(X)
    near = nearest_others(X, 20)[1]
    hessian, ltsa = (alignment_matrix(X, near, 2, m, 1e-3) for m in ("hessian", "ltsa"))
    square, cube = Z[:, 0] ** 2, Z[:, 0] ** 3
    assert square @ (hessian @ square) == pytest.approx(square @ (ltsa @ square), rel=1e-6)
    assert cube @ (hessian @ cube) < cube @ (ltsa @ cube) * (1 - 1e-6)


def test_modified_forms_are_those_of_the_paper(seed):
    """MLLE step by step (Zhang & Wang 2007), item by item."""
    X = rows(seed).numpy()
    k, K, N = 7, 2, len(X)
    near = nearest_others(torch.from_numpy(X), k)[1]
    spectra = []
    for i in range(N):
        D = X[near[i]] - X[i]
        values, V = np.linalg.eigh(D @ D.T)
        spectra.append((values[::-1].clip(min=0), V[:, ::-1], D))
    eta = np.sort([v[K:].sum() / v[:K].sum() for v, _, _ in spectra])[(N - 1) // 2]
    M = np.zeros((N, N))
    for i, (v, V, D) in enumerate(spectra):
        s = max([n for n in range(1, k - K + 1) if v[k - n :].sum() / v[: k - n].sum() < eta], default=1)
        G = D @ D.T
        w = np.linalg.solve(G + 1e-3 * np.trace(G) * np.eye(k), np.ones(k))
        w /= w.sum()
        V = V[:, k - s :]
        alpha = np.linalg.norm(V.T @ np.ones(k)) / np.sqrt(s)
        h = alpha * np.ones(s) - V.T @ np.ones(k)
        h = h / np.linalg.norm(h) if np.linalg.norm(h) > 1e-12 else 0 * h
        W = (1 - alpha) * np.outer(w, np.ones(s)) + V @ (np.eye(s) - 2 * np.outer(h, h))
        np.testing.assert_allclose(W.sum(0), 1, atol=1e-9)
        own = np.zeros((N, s))
        own[near[i]] = W
        own[i] = -1
        M += own @ own.T
    ours = alignment_matrix(torch.from_numpy(X), near, K, "modified", 1e-3).toarray()
    np.testing.assert_allclose(ours, M, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_coordinates_are_the_lowest_eigenvectors(method, seed):
    X = rows(seed, 40)
    model = LocallyLinearEmbedding(n_neighbors=8, method=method).fit(X.numpy())
    M = alignment_matrix(X, nearest_others(X, 8)[1], 2, method, 1e-3).toarray()
    Y = model.embedding_
    np.testing.assert_allclose(Y.T @ Y, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(Y.sum(0), 0, atol=1e-9)
    assert model.reconstruction_error_ == pytest.approx(np.linalg.eigvalsh(M)[1:3].sum(), abs=1e-9)
    assert np.trace(Y.T @ M @ Y) == pytest.approx(model.reconstruction_error_, abs=1e-9)


def test_scikit_learn_agrees_where_it_follows_the_papers(seed):
    from sklearn.datasets import make_swiss_roll
    from sklearn.manifold import LocallyLinearEmbedding as Other

    X, _ = make_swiss_roll(300, random_state=seed)
    for method in ("standard", "ltsa"):
        ours = LocallyLinearEmbedding(n_neighbors=12, method=method).fit(X)
        theirs = Other(n_neighbors=12, method=method, eigen_solver="dense").fit(X)
        agreement = np.linalg.svd(ours.embedding_.T @ theirs.embedding_)[1]
        np.testing.assert_allclose(agreement, 1, atol=1e-6)
        assert ours.reconstruction_error_ == pytest.approx(theirs.reconstruction_error_, rel=1e-4, abs=1e-12)


def test_new_items_are_written_by_their_neighbours(seed):
    X = rows(seed, 50).numpy()
    model = LocallyLinearEmbedding(n_neighbors=3, reg=1e-9).fit(X)
    _, near = nearest_others(torch.from_numpy(X), 2)
    i = 7  # the middle of an item and its nearest two, weighed equally, as long as these are its nearest
    query = (X[i] + X[near[i]].sum(0)) / 3
    d = np.linalg.norm(X - query, axis=1)
    if set(np.argsort(d)[:3]) == {i, *near[i]}:
        expected = (model.embedding_[i] + model.embedding_[near[i]].sum(0)) / 3
        np.testing.assert_allclose(model.transform(query[None])[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "k", "words"),
    [("modified", 2, ">= 3"), ("ltsa", 2, ">= 3"), ("hessian", 5, ">= 6")],
)
def test_too_few_neighbours_for_a_variant_are_refused(method, k, words, seed):
    with pytest.raises(DataError, match=f"needs n_neighbors {words}"):
        LocallyLinearEmbedding(n_neighbors=k, method=method).fit(rows(seed).numpy())


@pytest.mark.parametrize("N", [1, 2, 3])
def test_tiny_experiences_answer_or_explain_themselves(N, seed):
    try:
        Y = LocallyLinearEmbedding(n_neighbors=1).fit_transform(rows(seed, N).numpy())
    except DataError as error:
        assert f"n_samples = {N}" in str(error)
    else:
        assert Y.shape == (N, 2) and np.isfinite(Y).all()
