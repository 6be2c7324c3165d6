"""The least-squares classifier against the textbook's formula, scikit-learn, and its known weaknesses."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_iris, load_wine
from sklearn.linear_model import RidgeClassifier as Reference

from peira.experience.basis import PolynomialFeatures
from peira.linear import LinearRegression, RidgeClassifier


def table(N, D, C, *, seed):
    rng = np.random.default_rng(seed)
    y = np.arange(N) % C
    return rng.standard_normal((N, D)) + 0.7 * y[:, None] + 5, y, rng.uniform(0.2, 3, N)


@pytest.mark.parametrize("shape", [(2, 1, 2), (3, 1, 2), (3, 2, 3), (9, 4, 3), (40, 5, 4), (6, 20, 2), (6, 20, 3)])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_gradient_of_the_frobenius_norm_is_zero(seed, shape, intercept):
    X, y, w = table(*shape, seed=seed)
    alpha, C = 0.3, shape[2]
    model = RidgeClassifier(alpha, fit_intercept=intercept).fit(X, y, w)
    T = np.where(y[:, None] == np.arange(C), 1.0, -1.0)[:, 1 if C == 2 else 0 :]
    W = torch.tensor(model.coef_, requires_grad=True)
    b = torch.tensor(model.intercept_, requires_grad=True)
    off = torch.tensor(T) - torch.tensor(X) @ W.T - b
    loss = (
        torch.linalg.matrix_norm(off * torch.tensor(w).sqrt()[:, None]) ** 2 + alpha * torch.linalg.matrix_norm(W) ** 2
    )
    loss.backward()
    scale = np.abs(X).max() * w.sum()
    assert W.grad.abs().max() < 1e-10 * scale
    assert not intercept or b.grad.abs().max() < 1e-10 * scale


@pytest.mark.parametrize("shape", [(12, 3, 2), (30, 4, 5)])
def test_without_penalty_it_is_the_classifier_of_indicators_zero_and_one(seed, shape):
    X, y, _ = table(*shape, seed=seed)
    C = shape[2]
    model = RidgeClassifier(0.0).fit(X, y)
    A = np.column_stack([np.ones(len(X)), X])
    U = A @ np.linalg.lstsq(A, np.eye(C)[y], rcond=None)[0]  # Bishop eq. 4.16
    np.testing.assert_allclose(U.sum(1), 1.0, rtol=1e-10)
    assert (model.predict(X) == U.argmax(1)).all()
    said = model.decision_function(X)
    if C == 2:
        np.testing.assert_allclose(said, 2 * U[:, 1] - 1, atol=1e-9)
    else:
        np.testing.assert_allclose(said, 2 * U - 1, atol=1e-9)
        np.testing.assert_allclose(said.sum(1), 2 - C, atol=1e-9)
    np.testing.assert_allclose(
        model.decision_function(X).reshape(len(X), -1)[:, -1],
        LinearRegression().fit(X, 2.0 * (y == C - 1) - 1).predict(X),
        atol=1e-9,
    )


@pytest.mark.parametrize("load", [load_iris, load_wine])
@pytest.mark.parametrize("options", [{}, {"alpha": 7.0, "class_weight": "balanced"}, {"fit_intercept": False}])
def test_scikit_learn(load, options):
    X, y = load(return_X_y=True)
    for labels in (y, y == 1):
        ours, theirs = RidgeClassifier(**options).fit(X, labels), Reference(solver="cholesky", **options).fit(X, labels)
        np.testing.assert_allclose(ours.coef_.ravel(), np.ravel(theirs.coef_), rtol=1e-6, atol=1e-10)
        np.testing.assert_allclose(
            ours.intercept_, np.broadcast_to(theirs.intercept_, ours.intercept_.shape), rtol=1e-6
        )
        np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=1e-6, atol=1e-8)
        assert (ours.predict(X) == theirs.predict(X)).all()


@pytest.mark.parametrize("shape", [(24, 3, 2), (24, 3, 4), (8, 15, 3)])
def test_parts_in_any_order_and_sparse_rows(seed, shape):
    X, y, w = table(*shape, seed=seed)
    whole = RidgeClassifier().fit(X, y, w)
    for order in (slice(None), slice(None, None, -1)):
        model = RidgeClassifier()
        for part in np.array_split(np.arange(shape[0]), 7)[order]:
            model.partial_fit(X[part], y[part], range(shape[2]), w[part])
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-9)
        np.testing.assert_allclose(model.intercept_, whole.intercept_, rtol=1e-9)
    np.testing.assert_allclose(RidgeClassifier().fit(sparse.csr_array(X), y, w).coef_, whole.coef_, rtol=1e-9)
    going_on = RidgeClassifier().fit(X[:5], y[:5] % 2).partial_fit(X[5:], y[5:] % 2)
    np.testing.assert_allclose(going_on.coef_, RidgeClassifier().fit(X, y % 2).coef_, rtol=1e-9)


def test_a_far_row_on_the_right_side_moves_the_boundary_and_three_in_a_row_mask_the_middle(seed):
    """The weaknesses that the page names."""
    x = np.r_[np.linspace(-2, -1, 20), np.linspace(1, 2, 20)]
    y = np.repeat([0, 1], 20)
    boundary = [-m.intercept_[0] / m.coef_[0, 0] for m in (
        RidgeClassifier(0.0).fit(x[:, None], y),
        RidgeClassifier(0.0).fit(np.r_[x, [60.0] * 5][:, None], np.r_[y, [1] * 5]),
    )]  # fmt: skip
    assert abs(boundary[0]) < 1e-9 and boundary[1] > 0.9
    X = np.concatenate([np.full(30, c) + np.linspace(-0.1, 0.1, 30) for c in (0.0, 1.0, 2.0)])[:, None]
    y = np.repeat([0, 1, 2], 30)
    assert (RidgeClassifier(0.0).fit(X, y).predict(X) == 1).sum() == 0
    squares = PolynomialFeatures(degree=2)
    Z = squares.fit_transform(X)
    assert (RidgeClassifier(0.0).fit(Z, y).predict(Z) == y).mean() == 1.0


def test_data_at_the_edge(seed):
    rng = np.random.default_rng(seed)
    with pytest.raises(ValueError, match="1 class"):
        RidgeClassifier().fit([[0.0], [1.0]], ["a", "a"])
    X = np.eye(1000)
    assert RidgeClassifier(1e-3).fit(X, np.arange(1000)).score(X, np.arange(1000)) == 1.0
    constant = np.column_stack([np.full(10, 3.0), rng.standard_normal(10)])
    model = RidgeClassifier(0.0).fit(constant, np.arange(10) % 2)
    assert model.coef_[0, 0] == 0
    X, y, _ = table(30, 3, 2, seed=seed)
    w = np.r_[np.ones(20), np.zeros(10)]
    np.testing.assert_allclose(
        RidgeClassifier().fit(X, y, w).coef_, RidgeClassifier().fit(X[:20], y[:20]).coef_, rtol=1e-10
    )
    shifted = RidgeClassifier().fit(X + 1e8, y)
    np.testing.assert_allclose(shifted.coef_, RidgeClassifier().fit(X, y).coef_, rtol=1e-5)
    far = np.array([[1e150, -1e150, 1e150]])
    assert np.isfinite(shifted.decision_function(far)).all() and shifted.predict(-far)[0] != shifted.predict(far)[0]
    with pytest.raises(ValueError, match="too large"):
        RidgeClassifier().fit(X * 1e160, y)
