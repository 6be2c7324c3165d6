"""Trustworthiness and continuity: by their definition, and where they are one."""

import numpy as np
import pytest

from peira.core import DataError
from peira.measures.embedding import continuity, trustworthiness


def spaces(seed, N=40):
    rng = np.random.default_rng([seed, 8])
    X = rng.normal(size=(N, 5))
    return X, X[:, :2] + 0.3 * rng.normal(size=(N, 2))


def ranks(X):
    d = np.sqrt(((X[:, None] - X) ** 2).sum(-1))
    np.fill_diagonal(d, np.inf)
    return d.argsort(1).argsort(1) + 1


@pytest.mark.parametrize("k", [1, 5, 19])
def test_both_are_what_their_definition_says(k, seed):
    X, Y = spaces(seed)
    r, s = ranks(X), ranks(Y)
    N = len(X)
    scale = 2 / (N * k * (2 * N - 3 * k - 1))
    shown = sum(r[i, j] - k for i in range(N) for j in range(N) if i != j and s[i, j] <= k < r[i, j])
    torn = sum(s[i, j] - k for i in range(N) for j in range(N) if i != j and r[i, j] <= k < s[i, j])
    assert trustworthiness(X, Y, n_neighbors=k) == pytest.approx(1 - scale * shown, rel=1e-12)
    assert continuity(X, Y, n_neighbors=k) == pytest.approx(1 - scale * torn, rel=1e-12)


def test_a_motion_keeps_everything_and_scikit_learn_agrees(seed):
    from sklearn.manifold import trustworthiness as theirs

    X, Y = spaces(seed)
    turned = 3 * X @ np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0] + 7
    assert trustworthiness(X, turned) == continuity(X, turned) == 1.0
    assert trustworthiness(X, Y, n_neighbors=7) == pytest.approx(theirs(X, Y, n_neighbors=7), rel=1e-12)
    S = np.sqrt(((X[:, None] - X) ** 2).sum(-1))
    assert trustworthiness(S, Y, metric="precomputed") == trustworthiness(X, Y)
    assert continuity(S, Y, metric="precomputed") == continuity(X, Y)
    assert trustworthiness(X, Y, metric="cosine") == pytest.approx(theirs(X, Y, metric="cosine"), rel=1e-12)


def test_a_random_map_is_little_trusted(seed):
    """Items at random places."""
    line = np.arange(20.0)[:, None]
    far = np.random.default_rng(seed).permutation(20)[:, None].astype(float)
    assert 0 <= trustworthiness(line, far, n_neighbors=3) < 0.9


@pytest.mark.parametrize("measure", [trustworthiness, continuity])
def test_what_makes_no_sense_is_refused(measure, seed):
    X, Y = spaces(seed)
    with pytest.raises(DataError, match="less than n_samples / 2"):
        measure(X, Y, n_neighbors=20)
    with pytest.raises(DataError, match="40 items, but 39 places|39 items, but 40 places"):
        measure(X, Y[:39])
    with pytest.raises(DataError, match="square matrix"):
        measure(X, Y, metric="precomputed")
    with pytest.raises(ValueError, match="unknown metric"):
        measure(X, Y, metric="euclid")
