"""Rows of Gaussian classes in blocks, and scores in panels: every size of them gives what the definition gives."""

from itertools import product

import numpy as np
import pytest
import torch

from peira.linear import GaussianClassifier, QuadraticDiscriminantAnalysis, gaussian_rows, gaussian_scores
from peira.linear.gaussian_classes import ClassMoments
from peira.linear.gaussian_rows import dealt, gathered
from peira.linear.gaussian_scores import quadratic_scores

ROUTES = {"dealt": lambda R: lambda data, shift: dealt(data, shift, R), "gathered": lambda R: gathered}


def opened(X, y, w=None, C=3):
    return GaussianClassifier()._begin(X, y, w, classes=np.arange(C))


def definition(X, y, w, C=3):
    """Weights, means and scatters of the classes in extended precision."""
    X, w = X.astype(np.longdouble), np.asarray(w, dtype=np.longdouble)
    S, means = np.zeros((C, X.shape[1], X.shape[1]), dtype=np.longdouble), np.zeros((C, X.shape[1]), np.longdouble)
    for c in range(C):
        v = w[y == c]
        if v.sum():
            means[c] = v @ X[y == c] / v.sum()
            Z = X[y == c] - means[c]
            S[c] = (v[:, None] * Z).T @ Z
    return means, S


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("R", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("weights", ["none", "some zero", "falling", "rising"])
@pytest.mark.parametrize("N", [1, 2, 3, 60])
def test_blocks_of_any_size_give_the_scatters_of_the_definition(seed, monkeypatch, route, R, weights, N):
    """Offsets, columns that drift as they come, and first rows that are no rows like the others, cost no digits."""
    monkeypatch.setattr(gaussian_rows, "ROWS", R)
    monkeypatch.setattr(gaussian_rows, "BLOCK", 1)
    monkeypatch.setattr("peira.linear.gaussian_classes.class_blocks", ROUTES[route](R))
    rng = np.random.default_rng([seed, N])
    y = rng.integers(0, 3, N) if N > 3 else np.arange(N) % 2
    X = rng.normal(size=(N, 2)) + 2.0**27
    X[:, 1] += 1e4 * np.arange(N)
    X[0] -= 1e6
    w = {
        "none": np.ones(N),
        "some zero": rng.integers(0, 3, N) * (np.arange(N) > 0) + (np.arange(N) == N - 1),
        "falling": 1e-3 ** np.linspace(0, 4, N),
        "rising": 1e-3 ** np.linspace(4, 0, N),
    }[weights].astype(float)
    data = opened(X, y, None if weights == "none" else w)
    means, S = definition(X, y, w)
    size = np.sqrt(np.maximum(np.diagonal(S, axis1=1, axis2=2), 1e-300))
    for form in ("individual", "common", "individual diagonal", "common diagonal"):
        m = ClassMoments.of(data, form)
        np.testing.assert_allclose(m.weights, np.bincount(y, w, 3), rtol=1e-12)
        np.testing.assert_allclose(m.means, means.astype(float), rtol=1e-14)
        assert m.rows.tolist() == np.bincount(y[w > 0], minlength=3).tolist()
        # One rounding of an input, eps 2^27, in each column; and of a product.
        root = np.sqrt(np.bincount(y, w, 3))[:, None, None]
        unit = 2.0**-25 * root * (size[:, :, None] + size[:, None]) + 1e-12 * size[:, :, None] * size[:, None]
        expected, unit = S.astype(float), unit.astype(float)
        if form.startswith("common"):
            expected, unit = expected.sum(0, keepdims=True), unit.sum(0, keepdims=True)
        if form.endswith("diagonal"):
            expected, unit = (np.diagonal(v, axis1=1, axis2=2) for v in (expected, unit))
        assert (abs(m.within.numpy() - expected) <= unit + 1e-14 * w.sum()).all()


@pytest.mark.parametrize("route", ROUTES)
def test_each_row_is_in_one_block_of_its_class(seed, route):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(50, 2)), rng.choice([0, 2, 3], 50)
    w = rng.integers(0, 3, 50).astype(float)
    shift = torch.zeros(5, 2, dtype=torch.float64)
    found = []
    for block in ROUTES[route](4)(opened(X, y, w, 5), shift):
        rows = (block.Z / block.root[:, None] + shift[block.c]).numpy()
        found += [(block.c, *np.round(row, 12)) for row in rows]
        assert block.weight == pytest.approx(float((block.root**2).sum()))
        np.testing.assert_allclose(block.delta, np.average(rows, 0, (block.root**2).numpy()) - shift[block.c].numpy())
    assert sorted(found) == sorted((c, *np.round(x, 12)) for c, x, v in zip(y, X, w, strict=True) if v)


def test_other_layouts_and_many_classes(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(600, 3)), rng.permutation(np.arange(600) % 200)
    expected = ClassMoments.of(opened(X, y, C=200), "individual")
    for other in (np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2]):
        np.testing.assert_array_equal(ClassMoments.of(opened(other, y, C=200), "individual").within, expected.within)
    monkeypatch.setattr(gaussian_rows, "PILES", 1)  # piles for 200 classes would not fit
    few = ClassMoments.of(opened(X, y, C=200), "individual")
    np.testing.assert_allclose(few.within, expected.within, atol=1e-12)


def problem(rng, N, D, C, apart):
    means = apart * rng.normal(size=(C, D))
    T = np.triu(rng.normal(size=(C, D, D))) + 2 * np.eye(D)
    X = means[rng.integers(0, C, N)] + rng.normal(size=(N, D))
    return X, means, T, rng.normal(size=C)


@pytest.mark.parametrize(("D", "C"), [*product([1, 2, 3, 17, 40], [2, 3]), (2, 50)])
@pytest.mark.parametrize("apart", [0.0, 1.0, 30.0, 1e7])
@pytest.mark.parametrize(("width", "block"), [(16, 1 << 16), (3, 64)])
def test_scores_in_panels_are_those_of_the_definition(seed, monkeypatch, D, C, apart, width, block):
    monkeypatch.setattr(gaussian_scores, "WIDTH", width)
    monkeypatch.setattr(gaussian_scores, "BLOCK", block)
    rng = np.random.default_rng([seed, D, C])
    for N in (1, 2, 3, 300):
        X, means, T, constants = problem(rng, N, D, C, apart)
        exact = np.stack(
            [
                k - (((X.astype(np.longdouble) - m) @ t) ** 2).sum(1) / 2
                for m, t, k in zip(means, T, constants, strict=True)
            ],
            1,
        )
        S = quadratic_scores(*(torch.from_numpy(v) for v in (X, means, T, constants))).numpy()
        # The nearest class has a small score; its digits must not depend on how far away the others are.
        np.testing.assert_allclose(S, exact.astype(float), rtol=1e-11, atol=1e-9)


def test_a_class_without_rows_does_not_move_the_centre(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    X, means, T, constants = problem(rng, 20, 3, 3, 1.0)
    X, means = X + 1e8, means + 1e8
    means[1], T[1], constants[1] = 0.0, 0.0, -np.inf
    given = [torch.from_numpy(v) for v in (X, means, T, constants)]
    S = quadratic_scores(*given)
    monkeypatch.setattr(gaussian_scores, "NEAR", 0.0)
    np.testing.assert_allclose(S, quadratic_scores(*given), rtol=1e-9)
    assert (S[:, 1] == -np.inf).all()


def test_answers_of_single_rows_are_those_of_all(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(700, 20)), rng.integers(0, 3, 700)
    model = QuadraticDiscriminantAnalysis().fit(X, y)
    P = model.predict_log_proba(X)
    for rows in (slice(3, 4), slice(600, 603)):
        np.testing.assert_allclose(model.predict_log_proba(X[rows]), P[rows], atol=1e-11)
    np.testing.assert_allclose(model.predict_log_proba(np.asfortranarray(X)), P, atol=1e-11)
