"""The public face of distances: SciPy's and scikit-learn's values, identities, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import pairwise_distances as theirs

from peira.measures.distances import mahalanobis, pairwise_distances, pairwise_distances_chunked

METRICS = ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "minkowski", "cosine", "correlation", "hamming",
           "mahalanobis", "l1", "l2", "cityblock"]  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 1, 3), (3, 3, 4), (20, 30, 5), (9, 8, 100)])
@pytest.mark.parametrize("metric", METRICS)
def test_values_of_scipy(seed, shape, metric):
    N, M, D = shape
    rng = np.random.default_rng(seed)
    X, Y = (rng.integers(0, 4, (n, D)) + (0.0 if metric == "hamming" else rng.random((n, D))) for n in (N, M))
    V = np.cov(rng.normal(size=(D, 3 * D)))
    ours = {"p": 3.0} if metric == "minkowski" else {"V": V} if metric == "mahalanobis" else {}
    also = {"p": 3.0} if metric == "minkowski" else {"VI": np.linalg.inv(V)} if metric == "mahalanobis" else {}
    name = {"manhattan": "cityblock", "l1": "cityblock", "l2": "euclidean"}.get(metric, metric)
    np.testing.assert_allclose(
        pairwise_distances(X, Y, metric, **ours), cdist(X, Y, name, **also), rtol=1e-12, atol=1e-14
    )
    alone = pairwise_distances(X, metric=metric, **ours)
    np.testing.assert_allclose(alone, cdist(X, X, name, **also), rtol=1e-9, atol=1e-14)
    assert (alone == alone.T).all() and (alone.diagonal() == 0).all() and alone.dtype == np.float64


def test_values_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(9, 4)), rng.normal(size=(7, 4))
    X[2], Y[3] = 0.0, 0.0  # rows without a direction
    for metric in ("cosine", "euclidean", "manhattan", "mahalanobis"):
        if metric != "mahalanobis":  # for which theirs wants to be told the covariance
            np.testing.assert_allclose(pairwise_distances(X, Y, metric), theirs(X, Y, metric), rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(
            pairwise_distances(X, metric=metric), theirs(X, metric=metric), rtol=1e-7, atol=1e-14
        )


def test_forms_of_input(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(6, 3)).round(1) * (rng.random((6, 3)) < 0.6)
    expected = pairwise_distances(X)
    np.testing.assert_allclose(pairwise_distances(pd.DataFrame(X)), expected, rtol=1e-12)
    assert isinstance(pairwise_distances(torch.tensor(X)), torch.Tensor)
    for A, B in ((sparse.csr_array(X), None), (sparse.csc_matrix(X), X), (X, sparse.csr_array(X))):
        np.testing.assert_allclose(pairwise_distances(A, B), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(pairwise_distances(X.tolist(), X[:2].tolist()), expected[:, :2], rtol=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "mahalanobis"])
def test_blocks_are_the_rows_of_the_whole(seed, metric):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(11, 3)), rng.normal(size=(5, 3))
    X[4] = 0.0
    for rows in (None, 1, 4, 11, 100):
        for other in (None, Y):
            blocks = list(pairwise_distances_chunked(X, other, metric, rows=rows))
            assert {len(b) for b in blocks[:-1]} <= {rows}
            np.testing.assert_allclose(np.vstack(blocks), pairwise_distances(X, other, metric), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(metric="euclid"), "did you mean 'euclidean'"),
        (dict(Y=np.zeros((2, 4))), "X has 3 columns, Y has 4"),
        (dict(metric="minkowski", p=0.5), "p >= 1"),
        (dict(metric="mahalanobis", V=np.eye(2)), r"shape \(3, 3\)"),
        (dict(metric="mahalanobis", V=np.ones((3, 3))), "singular"),
        (dict(metric="mahalanobis", V=np.eye(3), VI=np.eye(3)), "not both"),
        (dict(metric="mahalanobis"), "covariance of 2 rows of 3 columns"),
    ],
)
def test_what_cannot_be_is_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        pairwise_distances(np.arange(6.0).reshape(2, 3), **arguments)


def test_bad_values_and_sparse_rows_of_other_metrics_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        pairwise_distances([[1.0, np.nan]])
    with pytest.raises(TypeError, match="manhattan"):
        pairwise_distances(sparse.csr_array(np.eye(2)), metric="manhattan")
    with pytest.raises(ValueError, match="rows must be"):
        pairwise_distances_chunked([[1.0]], rows=0)


@pytest.mark.parametrize("D", [1, 2, 3, 8])
def test_mahalanobis_does_not_change_under_affine_maps(seed, D):
    rng = np.random.default_rng(seed)
    X, A, b = rng.normal(size=(40, D)), rng.normal(size=(D, D)) + 2 * np.eye(D), 1e6 * rng.normal(size=D)
    np.testing.assert_allclose(mahalanobis(X @ A + b), mahalanobis(X), rtol=1e-7)
    V = np.cov(X.T).reshape(D, D)
    np.testing.assert_allclose(
        mahalanobis(X[:7] @ A + b, X.mean(0) @ A + b, A.T @ V @ A), mahalanobis(X[:7], X.mean(0), V), rtol=1e-7
    )


@pytest.mark.parametrize("D", [1, 2, 5])
def test_mahalanobis_squares_sum_to_the_trace(seed, D):
    """The sum of the squared distances to the mean is tr(V^-1 S) = D (N - 1)."""
    X = np.random.default_rng(seed).normal(size=(3 * D, D)) + 1e8
    assert mahalanobis(X, squared=True).sum() == pytest.approx(D * (3 * D - 1), rel=1e-7)


def test_mahalanobis_of_scikit_learn(seed):
    X = np.random.default_rng(seed).normal(size=(30, 4))
    fitted = EmpiricalCovariance().fit(X)
    ours = mahalanobis(X, fitted.location_, fitted.covariance_, squared=True)
    np.testing.assert_allclose(ours, fitted.mahalanobis(X), rtol=1e-10)
    np.testing.assert_allclose(mahalanobis(torch.tensor(X), X.mean(0), np.cov(X.T)), mahalanobis(X), rtol=1e-12)


def test_mahalanobis_refuses_what_does_not_fit():
    X = np.arange(8.0).reshape(4, 2) ** 2
    for arguments, words in (
        ((X, [0.0]), "mean must be 2"),
        ((X, None, np.eye(3)), r"shape \(2, 2\)"),
        ((X[:2],), "more rows than columns"),
        ((np.column_stack([X[:, 0], 2 * X[:, 0]]),), "singular"),
        ((X, [0.0, np.inf]), "finite"),
    ):
        with pytest.raises(ValueError, match=words):
            mahalanobis(*arguments)
