"""Logistic regression: its optimality conditions, other routes to the same answer, and laws of the data."""

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Peer

from peira.core import DataError, ParameterError, RankWarning
from peira.linear.logistic_regression import LogisticRegression

INF = float("inf")


def problem(seed: int, N: int = 120, D: int = 4, C: int = 2, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of correlated columns, and labels that are drawn from softmax probabilities."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) @ (np.eye(D) + 0.3 * rng.standard_normal((D, D))) + spread * rng.standard_normal(D)
    Z = (X - X.mean(0)) @ rng.standard_normal((D, C)) + rng.gumbel(size=(N, C))
    y = Z.argmax(1)
    y[:C] = np.arange(C)
    return X, y


def objective(parameters, X, y, classes, C, l1_ratio=0.0, w=None):
    """scikit-learn's objective by torch alone, from weights and constants (K, D + 1); C = inf: no penalty."""
    Z = X @ parameters[:, :-1].T + parameters[:, -1]
    if len(parameters) == 1:
        Z = torch.cat([torch.zeros_like(Z), Z], 1)
    losses = torch.nn.functional.cross_entropy(Z, torch.as_tensor(np.searchsorted(classes, y)), reduction="none")
    data = (losses if w is None else losses * torch.as_tensor(w)).sum()
    W = parameters[:, :-1]
    penalty = (1 - l1_ratio) / 2 * W.square().sum() + l1_ratio * W.abs().sum()
    return data if C == INF else C * data + penalty


def parameters(model) -> torch.Tensor:
    return torch.tensor(np.column_stack([model.coef_, model.intercept_]), requires_grad=True)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0, INF])
@pytest.mark.parametrize("solver", ["newton-cholesky", "lbfgs"])
def test_the_gradient_is_zero_for_every_parameter(classes, strength, solver, seed):
    X, y = problem(seed, C=classes)
    w = np.random.default_rng(seed).uniform(0.5, 2.0, len(y))
    model = LogisticRegression(C=strength, solver=solver, tol=1e-9, max_iter=1000).fit(X, y, w)
    p = parameters(model)
    value = objective(p, torch.tensor(X), y, model.classes_, strength, w=w)
    (g,) = torch.autograd.grad(value, p)
    assert g.abs().max() <= 1e-6 * (1 + float(value.detach())) ** 0.5
    assert model.history_["distance"][-1] <= 1e-9 and model.stopped_ == "converged"


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_scikit_learn_finds_the_same_minimum(classes, l1_ratio, fit_intercept, seed):
    X, y = problem(seed, N=80, C=classes, spread=0.3)
    settings = {"C": 0.7, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept, "tol": 1e-10}
    solver = "saga" if l1_ratio else "newton-cholesky"
    peer = Peer(**settings, solver=solver, max_iter=100_000, random_state=0).fit(X, y)
    ours = LogisticRegression(**settings).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), peer.predict_proba(X), atol=2e-7)
    if l1_ratio < 1 or classes == 2:  # else a shift of a column's weights between two medians costs nothing
        np.testing.assert_allclose(ours.coef_, peer.coef_, atol=2e-6)
    if fit_intercept:
        assert ours.history_["objective"][-1] == pytest.approx(
            float(objective(parameters(peer), torch.tensor(X), y, peer.classes_, 0.7, l1_ratio).detach()), rel=1e-9
        )


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_the_optimality_conditions_of_the_l1_penalty(classes, l1_ratio, seed):
    X, y = problem(seed, D=8, C=classes)
    model = LogisticRegression(C=0.2, l1_ratio=l1_ratio, tol=1e-8).fit(X, y)
    p = parameters(model)
    (g,) = torch.autograd.grad(0.2 * objective(p, torch.tensor(X), y, model.classes_, INF), p)
    W, g = model.coef_, g.numpy()
    slope = g[:, :-1] + (1 - l1_ratio) * W
    violation = np.where(W != 0, np.abs(slope + l1_ratio * np.sign(W)), np.maximum(np.abs(slope) - l1_ratio, 0))
    assert violation.max() < 1e-6 and np.abs(g[:, -1]).max() < 1e-9
    assert (W == 0).any(), "the penalty selects"


def test_the_elastic_net_by_brute_force(seed):
    """Positive and negative parts as variables with bounds, by a general optimiser."""
    X, y = problem(seed, N=40, D=3)
    s, D = 2.0 * y - 1, X.shape[1]

    def split(v):
        w, b = v[:D] - v[D : 2 * D], v[-1]
        t = -s * (X @ w + b)
        r = -s / (1 + np.exp(-t))
        g = 0.5 * (X.T @ r) + 0.6 * w
        return 0.5 * np.logaddexp(0, t).sum() + 0.3 * w @ w + 0.4 * v[:-1].sum(), np.r_[g + 0.4, 0.4 - g, 0.5 * r.sum()]

    bounds = [(0, None)] * (2 * D) + [(None, None)]
    best = minimize(split, np.zeros(2 * D + 1), jac=True, bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-10})
    model = LogisticRegression(C=0.5, l1_ratio=0.4, tol=1e-9).fit(X, y)
    np.testing.assert_allclose(model.coef_[0], best.x[:D] - best.x[D : 2 * D], atol=1e-5)
    assert model.history_["objective"][-1] <= best.fun + 1e-12


def test_the_distance_is_what_it_says(seed):
    """The last step included, the log odds are nearer to the minimum's than the distance before it."""
    X, y = problem(seed, N=300)
    exact = LogisticRegression(tol=1e-12).fit(X, y)
    for steps in (2, 3, 4):
        with pytest.warns(ConvergenceWarning, match="raise max_iter"):
            model = LogisticRegression(tol=1e-12, max_iter=steps).fit(X, y)
        p = exact.predict_proba(X)[:, 1]
        change = model.decision_function(X) - exact.decision_function(X)
        assert np.sqrt((p * (1 - p) * change**2).mean()) <= model.history_["distance"][-1]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("settings", [{}, {"C": INF}, {"l1_ratio": 0.5}])
def test_weights_are_repetitions(classes, settings, seed):
    X, y = problem(seed, C=classes)
    w = np.random.default_rng(seed).integers(0, 4, len(y))
    w[:classes] = 1
    weighted = LogisticRegression(tol=1e-9, **settings).fit(X, y, w)
    repeated = LogisticRegression(tol=1e-9, **settings).fit(np.repeat(X, w, 0), np.repeat(y, w))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-6)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-6)
    if settings.get("C") == INF:
        np.testing.assert_allclose(weighted.coef_std_, repeated.coef_std_, rtol=1e-6)


def test_class_weights_multiply_those_of_the_rows(seed):
    X, y = problem(seed, C=3)
    w = np.random.default_rng(seed).uniform(0.5, 2, len(y))
    each = {0: 2.0, 1: 0.5, 2: 3.0}
    one = LogisticRegression(class_weight=each).fit(X, y, w)
    other = LogisticRegression().fit(X, y, w * np.array([each[label] for label in y]))
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-12)
    balanced = LogisticRegression(class_weight="balanced", C=INF).fit(X, y)
    shares = [(balanced.predict_proba(X)[:, k] * (len(y) / (3 * np.bincount(y)))[y]).sum() for k in range(3)]
    np.testing.assert_allclose(shares, len(y) / 3, rtol=1e-6)  # the likelihood's equation for the constants


@pytest.mark.parametrize("settings", [{}, {"l1_ratio": 1.0}, {"C": INF}])
def test_the_names_and_order_of_labels_do_not_matter(settings, seed):
    X, y = problem(seed, C=3)
    names = np.array(["pear", "apple", "fig"])
    numbers = LogisticRegression(tol=1e-10, **settings).fit(X, y)
    words = LogisticRegression(tol=1e-10, **settings).fit(X, names[y])
    order = np.argsort(names)
    np.testing.assert_allclose(words.predict_proba(X), numbers.predict_proba(X)[:, order], atol=1e-8)
    swapped = LogisticRegression(tol=1e-10, **settings).fit(X, 1 - (y == 0))
    straight = LogisticRegression(tol=1e-10, **settings).fit(X, y == 0)
    np.testing.assert_allclose(swapped.coef_, -straight.coef_, atol=1e-8)


@pytest.mark.parametrize("settings", [{}, {"l1_ratio": 1.0}, {"C": INF}])
def test_a_shift_of_the_columns_moves_the_constant_alone(settings, seed):
    X, y = problem(seed, C=3)
    plain = LogisticRegression(tol=1e-9, **settings).fit(X, y)
    for offset, tolerance in ((10.0, 1e-6), (1e8, 1e-5)):
        moved = LogisticRegression(tol=1e-9, **settings).fit(X + offset, y)
        np.testing.assert_allclose(moved.coef_, plain.coef_, atol=tolerance)
        np.testing.assert_allclose(moved.predict_proba(X + offset), plain.predict_proba(X), atol=tolerance)


def test_two_classes_by_softmax_are_the_binary_model(seed):
    """Softmax weights of two classes are -w/2 and w/2, whose penalty is half of w's: the same as C doubled."""
    X, y = problem(seed)
    model = LogisticRegression(C=2.0, tol=1e-10).fit(X, y)

    def softmax(v):
        V = torch.tensor(v.reshape(2, -1), requires_grad=True)
        value = objective(V, torch.tensor(X), y, np.arange(2), 1.0)
        (g,) = torch.autograd.grad(value, V)
        return float(value.detach()), g.numpy().ravel()

    V = minimize(softmax, np.zeros(2 * 5), jac=True, method="BFGS", options={"gtol": 1e-8}).x.reshape(2, 5)
    np.testing.assert_allclose(V[1] - V[0], np.r_[model.coef_[0], model.intercept_], atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("settings", [{}, {"l1_ratio": 0.5}, {"C": INF}, {"solver": "lbfgs"}])
def test_sparse_and_dense_inputs_and_tensors_agree(classes, settings, seed):
    X, y = problem(seed, D=6, C=classes, spread=0.0)
    X[np.abs(X) < 0.8] = 0.0
    dense = LogisticRegression(tol=1e-9, **settings).fit(X, y)
    csr = LogisticRegression(tol=1e-9, **settings).fit(sparse.csr_array(X), y)
    tensor = LogisticRegression(tol=1e-9, **settings).fit(torch.tensor(X), torch.tensor(y))
    np.testing.assert_allclose(csr.coef_, dense.coef_, atol=1e-6)
    np.testing.assert_allclose(csr.predict_proba(sparse.csr_array(X)), dense.predict_proba(X), atol=1e-7)
    np.testing.assert_allclose(tensor.coef_.numpy(), dense.coef_, atol=1e-9)


# ---------------------------------------------------------------------- what is known about the estimates


@pytest.mark.parametrize("classes", [2, 3])
def test_standard_errors_by_automatic_differentiation(classes, seed):
    X, y = problem(seed, C=classes)
    model = LogisticRegression(C=INF, tol=1e-10).fit(X, y)
    p = parameters(model).detach()
    H = torch.autograd.functional.hessian(
        lambda v: objective(v.view_as(p), torch.tensor(X), y, model.classes_, INF), p.flatten()
    )
    std = torch.linalg.pinv(H, rtol=1e-9, hermitian=True).diagonal().sqrt().view_as(p).numpy()
    np.testing.assert_allclose(model.coef_std_, std[:, :-1], rtol=1e-6)
    np.testing.assert_allclose(model.intercept_std_, std[:, -1], rtol=1e-6)
    assert model.log_likelihood_ == pytest.approx(-float(objective(p, torch.tensor(X), y, model.classes_, INF)))
    assert model.n_parameters_ == (1 if classes == 2 else classes - 1) * 5
    assert model.aic_ == pytest.approx(-2 * model.log_likelihood_ + 2 * model.n_parameters_)


def test_the_table_of_coefficients(seed):
    X, y = problem(seed)
    model = LogisticRegression(C=INF).fit(X, np.where(y == 1, "yes", "no"))
    table, other = model.summary(), model.summary(label="no")
    assert table.name == ["intercept", "x0", "x1", "x2", "x3"] and "'yes'" in str(table)
    np.testing.assert_allclose(table.t, np.divide(table.estimate, table.std_error))
    np.testing.assert_allclose(np.subtract(table.high, table.estimate), 1.959964 * np.array(table.std_error), rtol=1e-6)
    np.testing.assert_allclose(other.estimate, -np.array(table.estimate))
    with pytest.raises(DataError, match="no class 'maybe'; there are: 'no', 'yes'"):
        model.summary(label="maybe")
    assert len(LogisticRegression(C=INF, fit_intercept=False).fit(X, y).summary()) == 4


def test_a_penalised_fit_has_no_standard_errors(seed):
    X, y = problem(seed)
    for model in (LogisticRegression(), LogisticRegression().fit(X, y)):
        for question in ("summary", "deviance_", "aic_"):
            with pytest.raises(DataError, match="fit with C=inf"):
                getattr(model, question)()


# ---------------------------------------------------------------------- where no maximum exists, and other hard data


@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
@pytest.mark.parametrize("classes", [2, 3])
def test_separable_classes_are_explained(solver, classes, seed):
    X, _ = problem(seed, C=classes)
    y = (X @ np.random.default_rng(seed).standard_normal((4, classes))).argmax(1)
    with pytest.warns(ConvergenceWarning, match=r"no maximum.*C=1\.0"):
        model = LogisticRegression(C=INF, solver=solver).fit(X, y)
    # The last step's direction may be the proof: the weights need not have arrived where it leads.
    assert model.stopped_ == "separable" and model.score(X, y) > 0.95
    assert not np.isnan(model.predict_proba(X)).any()
    with pytest.raises(DataError, match="separable"):
        model.summary()
    assert LogisticRegression(C=1e4).fit(X, y).stopped_ == "converged"


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("rare", [1, 5])
def test_classes_that_are_separated_but_for_ties_are_explained(classes, rare, seed):
    """A rare category that only one class has: its weight would be infinite, those of the other columns are not."""
    X, y = problem(seed, N=200, C=classes)
    rows = np.flatnonzero(y == 1)[:rare]
    X = np.column_stack([X, np.zeros(len(y))])
    X[rows, -1] = 1.0
    with pytest.warns(ConvergenceWarning, match="but for ties"):
        model = LogisticRegression(C=INF).fit(X, y)
    assert model.stopped_ == "separable"


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_maximum_far_out_is_not_taken_for_separation(scale, seed):
    X, y = problem(seed, N=400)
    Z = scale * 3 * (X - X.mean(0))[:, 0]
    y = (np.random.default_rng(seed).random(400) < 1 / (1 + np.exp(-Z))).astype(int)
    y[np.argmax(Z)], y[np.argmin(Z)] = 0, 1  # the furthest rows are wrong: certainly no separation by this column
    model = LogisticRegression(C=INF).fit(X[:, :1], y)
    assert model.stopped_ == "converged" and np.isfinite(model.coef_std_).all()


def test_columns_that_the_data_do_not_determine_are_named(seed):
    X, y = problem(seed)
    plain = LogisticRegression(C=INF, tol=1e-9).fit(X, y)
    wide = np.column_stack([X, np.full(len(y), 7.0), X[:, 0] - 2 * X[:, 1]])
    with pytest.warns(RankWarning, match="'x4'.*have rank 4"):
        model = LogisticRegression(C=INF, tol=1e-9).fit(wide, y)
    assert np.isnan(model.coef_std_).sum() == 2 and model.log_likelihood_ == pytest.approx(plain.log_likelihood_)
    np.testing.assert_allclose(model.predict_proba(wide), plain.predict_proba(X), atol=1e-7)
    LogisticRegression().fit(wide, y)  # with a penalty all is determined
    with pytest.warns(RankWarning), pytest.raises(DataError, match="no column varies"):
        LogisticRegression(C=INF).fit(np.ones((4, 2)), [0, 1, 0, 1])


@pytest.mark.parametrize("N", [1, 2, 3])
@pytest.mark.parametrize("settings", [{}, {"l1_ratio": 1.0, "C": 100.0}, {"fit_intercept": False}])
def test_very_few_rows(N, settings):
    X, y = np.arange(2.0 * N).reshape(N, 2), np.arange(N)
    if N == 1:
        with pytest.raises(DataError, match="at least 2 classes"):
            LogisticRegression(**settings).fit(X, y)
        return
    model = LogisticRegression(**settings).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1.0, atol=1e-15)


def test_more_columns_than_rows_by_the_dual(seed):
    """With an L2 penalty the weights are combinations of the rows, so the inner products hold all there is to know."""
    X, y = problem(seed, N=15, D=60)
    model = LogisticRegression(tol=1e-9, max_iter=1000, fit_intercept=False).fit(X, y)
    lower = np.linalg.cholesky(X @ X.T)  # rows in 15 orthonormal directions: the same inner products
    small = LogisticRegression(tol=1e-9, fit_intercept=False).fit(lower, y)
    np.testing.assert_allclose(model.decision_function(X), small.decision_function(lower), atol=1e-6)


def test_a_thousand_classes(seed):
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(1000), rng.integers(0, 1000, 500)]
    X = rng.standard_normal((1000, 10))[y] + 0.3 * rng.standard_normal((1500, 10))
    model = LogisticRegression(C=0.1, tol=1e-2).fit(X, y)
    p = model.predict_proba(X)
    assert p.shape == (1500, 1000) and model.coef_.shape == (1000, 10) and model.score(X, y) > 0.1
    np.testing.assert_allclose(p.sum(1), 1.0, atol=1e-12)


@pytest.mark.parametrize("settings", [{}, {"l1_ratio": 0.5}, {"C": INF}])
def test_a_class_without_weight_cannot_be(settings, seed):
    X, y = problem(seed, C=3)
    w = (y != 1).astype(float)
    model = LogisticRegression(tol=1e-9, **settings).fit(X, y, w)
    among = LogisticRegression(tol=1e-9, **settings).fit(X[y != 1], y[y != 1])
    p = model.predict_proba(X)
    assert model.classes_.tolist() == [0, 1, 2] and (p[:, 1] == 0).all() and model.coef_.shape == (3, 4)
    np.testing.assert_allclose(p[:, [0, 2]], among.predict_proba(X), atol=1e-9)
    with pytest.raises(DataError, match="positive weight"):
        LogisticRegression(**settings).fit(X, y, (y == 1).astype(float))


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_of_inputs_that_are_very_far_out(classes, seed):
    X, y = problem(seed, C=classes)
    model = LogisticRegression().fit(X, y)
    rng = np.random.default_rng(seed)
    for size in (1e8, 1e150, 1e307):
        for Q in (size * rng.uniform(-1, 1, (50, 4)), size * rng.choice([-1.0, 1.0], (50, 4))):
            p = model.predict_proba(Q)
            assert not np.isnan(p).any() and not np.isnan(model.predict_log_proba(Q)).any()
            np.testing.assert_allclose(p.sum(1), 1.0, atol=1e-15)
            assert (model.classes_[p.argmax(1)] == model.predict(Q)).all()
            np.testing.assert_array_equal(p, model.predict_proba(sparse.csr_array(Q)))
            nearer = model.predict(Q / size * 1e6)  # the constant no longer matters: the same side
            assert (model.predict(Q) == nearer).all()


def test_learning_from_columns_that_are_very_far_from_one(seed):
    X, y = problem(seed)
    scale = np.array([1e150, 1.0, 1e-150, 1e60])
    plain = LogisticRegression(C=INF, tol=1e-9).fit(X, y)
    for wide in (X * scale, sparse.csr_array(X * scale)):
        model = LogisticRegression(C=INF, tol=1e-9).fit(wide, y)
        np.testing.assert_allclose(model.predict_proba(wide), plain.predict_proba(X), atol=1e-6)
        np.testing.assert_allclose(model.coef_ * scale, plain.coef_, rtol=1e-5)
        with pytest.raises(DataError, match="rescale"):
            LogisticRegression(l1_ratio=1.0).fit(wide, y)
    assert not np.isnan(LogisticRegression().fit(X * scale, y).predict_proba(X * scale)).any()


@pytest.mark.parametrize("weight", [1e-12, 1e12])
def test_the_unit_of_weights_does_not_matter_without_a_penalty(weight, seed):
    X, y = problem(seed)
    one = LogisticRegression(C=INF).fit(X, y, np.full(len(y), weight))
    np.testing.assert_allclose(one.coef_, LogisticRegression(C=INF).fit(X, y).coef_, rtol=1e-9)


def test_words_of_errors(seed):
    X, y = problem(seed)
    with pytest.raises(ParameterError, match="has no L1 penalty"):
        LogisticRegression(l1_ratio=0.5, solver="lbfgs").fit(X, y)
    with pytest.raises(ParameterError, match="needs an L1 penalty"):
        LogisticRegression(solver="coordinate-descent").fit(X, y)
    with pytest.raises(DataError, match="at least 2 classes"):
        LogisticRegression().fit(X, np.ones(len(y)))
    with pytest.raises(ParameterError, match="> 0"):
        LogisticRegression(C=0.0).fit(X, y)
