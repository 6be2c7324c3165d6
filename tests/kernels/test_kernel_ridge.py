"""Kernel ridge: primal and dual are one, leave-one-out is what leaving one out gives, scikit-learn agrees."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge as Theirs
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

import peira
from peira.core.errors import DataError, ParameterError, RankWarning
from peira.kernels import (
    RBF,
    DotProduct,
    FunctionKernel,
    KernelRidge,
    KernelRidgeCV,
    Laplacian,
    Linear,
    Polynomial,
    Sigmoid,
    Spectrum,
    WhiteKernel,
)

EXPLICIT = [
    Linear(),
    DotProduct(2.0),
    Polynomial(2),
    Polynomial(3, 0.2, 0.5),
    Linear() + 0.5 * Polynomial(2),
    Linear() * Linear(),
]


def problem(seed, N=30, D=2, K=2):
    rng = np.random.default_rng([seed, N])
    X = rng.normal(size=(N, D))
    weights = rng.uniform(0.2, 2.0, N)
    weights[N // 3 : N // 3 + 1 if N > 3 else N // 3] = 0.0
    return X, np.sin(X @ rng.normal(size=(D, K))) + 3.0, weights


@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "laplacian", "cosine"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.3, [0.05, 2.0]])
def test_equals_scikit_learns(kernel, weighted, alpha, seed):
    X, Y, w = problem(seed)
    w = w if weighted else None
    settings = {"kernel": kernel, "gamma": 0.4, "degree": 2, "coef0": 0.7}
    ours = KernelRidge(alpha, **settings).fit(X, Y, w)
    theirs = Theirs(alpha=alpha, **settings).fit(X, Y, sample_weight=w)
    np.testing.assert_allclose(ours.predict(X + 0.1), theirs.predict(X + 0.1), atol=1e-10)
    np.testing.assert_allclose(ours.dual_coef_, theirs.dual_coef_, atol=1e-9)
    np.testing.assert_array_equal(ours.X_fit_, X)


@pytest.mark.parametrize("kernel", EXPLICIT, ids=repr)
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("alpha", [0.1, [0.3, 5.0]])
def test_primal_equals_dual(kernel, constant, alpha, seed):
    X, Y, w = problem(seed)
    for weights in (None, w):
        primal = KernelRidge(alpha, kernel=kernel, fit_intercept=constant).fit(X, Y, weights)
        dual = KernelRidge(alpha, kernel="precomputed", fit_intercept=constant).fit(kernel(X), Y, weights)
        assert hasattr(primal, "feature_coef_") and not hasattr(dual, "feature_coef_")
        np.testing.assert_allclose(primal.predict(X + 0.1), dual.predict(kernel(X + 0.1, X)), atol=1e-10)
        np.testing.assert_allclose(primal.dual_coef_, dual.dual_coef_, atol=1e-9)
        np.testing.assert_allclose(primal.leave_one_out(), dual.leave_one_out(), atol=1e-9)
        np.testing.assert_allclose(primal.intercept_, dual.intercept_, atol=1e-9)


def test_the_shape_decides(seed):
    X, Y, _ = problem(seed)
    assert not hasattr(KernelRidge(kernel="poly", degree=7).fit(X, Y), "feature_coef_")  # 36 features of 30 rows
    assert hasattr(KernelRidge(kernel="poly", degree=6).fit(X, Y), "feature_coef_")  # 28


@pytest.mark.parametrize("kernel", [RBF(0.8), Polynomial(2), Laplacian()], ids=repr)
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("N", [2, 3, 12])
def test_leave_one_out_is_leaving_one_out(kernel, constant, N, seed):
    X, Y, w = problem(seed, N)
    for weights in (None, w):
        model = KernelRidge([0.2, 1.5], kernel=kernel, fit_intercept=constant).fit(X, Y, weights)
        found = model.leave_one_out()
        for n in range(N):
            rest = np.arange(N) != n
            if weights is not None and weights[n] == 0:
                assert np.isnan(found[n]).all()
                continue
            again = KernelRidge([0.2, 1.5], kernel=kernel, fit_intercept=constant)
            again.fit(X[rest], Y[rest], None if weights is None else weights[rest])
            np.testing.assert_allclose(found[n], Y[n] - again.predict(X[n : n + 1])[0], atol=1e-10)


def test_the_gradient_is_zero_at_the_solution(seed):
    X, Y, w = problem(seed)
    kernel = RBF(0.8)
    K = torch.from_numpy(kernel(X))
    for constant in (False, True):
        model = KernelRidge(0.2, kernel=kernel, fit_intercept=constant).fit(X, Y, w)
        a = torch.tensor(model.dual_coef_, requires_grad=True)
        c = torch.tensor(np.broadcast_to(model.intercept_, 2).copy(), requires_grad=True)
        loss = (torch.from_numpy(w)[:, None] * (torch.from_numpy(Y) - K @ a - c) ** 2).sum() + 0.2 * (a * (K @ a)).sum()
        by_a, by_c = torch.autograd.grad(loss, (a, c))
        assert by_a.abs().max() < 1e-10
        assert not constant or by_c.abs().max() < 1e-10


def test_a_linear_kernel_is_ridge(seed):
    X, Y, w = problem(seed)
    for constant in (False, True):
        ridge = Ridge(0.7, fit_intercept=constant).fit(X, Y, w)
        model = KernelRidge(0.7, fit_intercept=constant).fit(X, Y, w)
        np.testing.assert_allclose(model.predict(X), ridge.predict(X), atol=1e-10)
        np.testing.assert_allclose(model.dual_coef_.T @ X, ridge.coef_, atol=1e-10)


def test_no_penalty_interpolates(seed):
    X, Y, _ = problem(seed)
    model = KernelRidge(0.0, kernel=Laplacian()).fit(X, Y)
    np.testing.assert_allclose(model.predict(X), Y, atol=1e-9)
    single = KernelRidge(0.0, kernel="rbf").fit([[1.0]], [5.0])
    assert single.predict([[1.0]]) == pytest.approx(5.0) and single.leave_one_out() == pytest.approx(5.0)
    single = KernelRidge(1.0, kernel="rbf", fit_intercept=True).fit([[1.0]], [5.0])
    assert single.predict([[9.0]]) == pytest.approx(5.0) and np.isnan(single.leave_one_out()).all()


def test_duplicates_without_a_penalty_are_told(seed):
    X, Y, _ = problem(seed)
    X[1] = X[0]
    with pytest.warns(RankWarning, match="was added to alpha"):
        KernelRidge(0.0, kernel="rbf").fit(X, Y)


def test_functions_and_precomputed_matrices(seed):
    X, Y, _ = problem(seed)
    object_ = KernelRidge(0.2, kernel=RBF()).fit(X, Y)
    function = KernelRidge(0.2, kernel=lambda x, z: np.exp(-((x - z) ** 2).sum() / 2)).fit(X, Y)
    np.testing.assert_allclose(function.predict(X + 1), object_.predict(X + 1), atol=1e-12)
    texts = ["kernel", "colonel", "colon", "column"]
    K = Spectrum(2)(texts)
    model = KernelRidge(0.1, kernel="precomputed").fit(K, [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(K @ np.linalg.solve(K + 0.1 * np.eye(4), [1.0, 2, 3, 4]), model.predict(K), atol=1e-12)
    grid = GridSearchCV(KernelRidge(kernel="precomputed"), {"alpha": [0.1, 1.0]}, cv=2).fit(K, [1.0, 2.0, 3.0, 4.0])
    assert grid.predict(K).shape == (4,)


def test_what_is_refused(seed):
    X, Y, _ = problem(seed)
    K = RBF()(X)
    crooked = K.copy()
    crooked[2, 5] += 1.0
    for make, words in (
        (lambda: KernelRidge(1e-9, kernel="precomputed").fit(K - 0.5 * np.eye(30), Y), "is_valid_kernel"),
        (lambda: KernelRidge(1e-9, kernel=Sigmoid(2.0, -1.0)).fit(X, Y), "is_valid_kernel"),
        (lambda: KernelRidgeCV(kernel=Sigmoid(2.0, -1.0)).fit(X, Y), "is_valid_kernel"),
        (lambda: KernelRidge(kernel="precomputed").fit(X, Y), "square"),
        (lambda: KernelRidge(kernel="precomputed").fit(crooked, Y), "symmetric.*rows 2 and 5"),
        (lambda: KernelRidge(kernel="rfb").fit(X, Y), "rbf"),
        (lambda: KernelRidge(kernel=Spectrum()).fit(X, Y), "precomputed"),
        (lambda: KernelRidge([1.0, 2.0, 3.0]).fit(X, Y), "3 penalties for 2"),
        (lambda: KernelRidge([-1.0, 2.0]).fit(X, Y), "'alpha'"),
        (lambda: KernelRidgeCV([]).fit(X, Y), "'alphas'"),
        (lambda: KernelRidgeCV([0.0, 1.0]).fit(X, Y), "'alphas'"),
        (lambda: KernelRidgeCV().fit([[1.0]], [1.0]), "two rows"),
    ):
        with pytest.raises((DataError, ParameterError), match=words):
            make()


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_path_is_a_fit_for_each_penalty(constant, weighted, seed):
    X, Y, w = problem(seed)
    w = w if weighted else None
    alphas = [1e-3, 0.1, 1.0, 50.0]
    path = KernelRidgeCV(alphas, kernel=RBF(0.7), fit_intercept=constant, alpha_per_target=True).fit(X, Y, w)
    share = np.ones(30) / 30 if w is None else w / w.sum()
    for p, alpha in enumerate(sorted(alphas, reverse=True)):
        single = KernelRidge(alpha, kernel=RBF(0.7), fit_intercept=constant).fit(X, Y, w)
        errors = np.nan_to_num(single.leave_one_out()) ** 2
        np.testing.assert_allclose(path.mse_path_[p], share @ errors, rtol=1e-9)
    np.testing.assert_array_equal(path.alphas_[path.mse_path_.argmin(0)], path.alpha_)
    np.testing.assert_allclose(path.best_score_, -path.mse_path_.min(0))
    single = KernelRidge(path.alpha_, kernel=RBF(0.7), fit_intercept=constant).fit(X, Y, w)
    np.testing.assert_allclose(path.predict(X + 0.2), single.predict(X + 0.2), atol=1e-10)
    np.testing.assert_allclose(path.leave_one_out_, single.leave_one_out(), atol=1e-10)
    together = KernelRidgeCV(alphas, kernel=RBF(0.7), fit_intercept=constant).fit(X, Y, w)
    np.testing.assert_allclose(together.mse_path_, path.mse_path_.mean(1))


def test_one_standard_error(seed):
    X, Y, _ = problem(seed)
    best, simple = (KernelRidgeCV(kernel=RBF(), rule=rule).fit(X, Y[:, 0]) for rule in ("best", "one_se"))
    b = int(best.mse_path_.argmin())
    assert simple.alpha_ >= best.alpha_ == best.alphas_[b]
    within = best.mse_path_ <= best.mse_path_[b] + best.mse_std_error_[b]
    assert simple.alpha_ == best.alphas_[np.flatnonzero(within)[0]]


def test_a_dead_kernel_learns_nothing(seed):
    """Noise alone is shared by no two rows: the best that is left is the mean."""
    X, Y, _ = problem(seed)
    model = KernelRidge(0.1, kernel=WhiteKernel(), fit_intercept=True).fit(X, Y)
    np.testing.assert_allclose(model.predict(X), np.broadcast_to(Y.mean(0), Y.shape), atol=1e-12)


@pytest.mark.parametrize(
    "model",
    [
        KernelRidge(0.2, kernel=2.0 * RBF([0.5, 1.0]) + Linear().on([1])),
        KernelRidge(kernel="poly"),
        KernelRidgeCV([0.1, 1.0], kernel="laplacian"),
    ],
    ids=repr,
)
def test_stored_models_answer_alike(model, tmp_path, seed):
    X, Y, w = problem(seed)
    model.fit(X, Y, w).save(tmp_path / "model")
    again = peira.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.kernel_ == model.kernel_


def test_a_function_is_not_stored(tmp_path, seed):
    X, Y, _ = problem(seed)
    model = KernelRidge(kernel=FunctionKernel(lambda x, z: float(x @ z))).fit(X, Y)
    with pytest.raises(TypeError, match="never stored"):
        model.save(tmp_path / "model")


def test_predictions_in_blocks_are_the_whole(monkeypatch, seed):
    X, Y, _ = problem(seed)
    for kernel in (RBF(), Polynomial(2)):
        model = KernelRidge(0.1, kernel=kernel).fit(X, Y)
        whole = model.predict(X)
        monkeypatch.setattr("peira.kernels.kernel_expansion.MEMORY", 4096)
        np.testing.assert_allclose(model.predict(X), whole, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_units_that_nobody_scaled(scale, seed):
    X, Y, _ = problem(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = KernelRidgeCV(kernel="rbf").fit(X * [scale, 1 / scale], Y * scale)
    assert np.isfinite(model.predict(X)).all()
