"""Multilayer perceptrons: scikit-learn's as the oracle, losses and gradients by hand, and what is added to them."""

import numpy as np
import pytest
import torch
from sklearn import neural_network as standard
from sklearn.exceptions import ConvergenceWarning

import peira
from peira.core import limiting
from peira.neural import MLPClassifier, MLPRegressor
from peira.training import Training

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def numbers(seed, N=80, K=None):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 3))
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=N)
    return X, y if K is None else np.column_stack([y + k for k in range(K)])


def classes(seed, N=90, C=3):
    X, y = numbers(seed, N)
    return X, np.digitize(y, np.quantile(y, np.arange(1, C) / C))


def begin_as(ours, theirs):
    """Give our net the weights of scikit-learn's."""
    with torch.no_grad():
        layers = [m for m in ours.net_ if isinstance(m, torch.nn.Linear)]
        for layer, W, b in zip(layers, theirs.coefs_, theirs.intercepts_, strict=True):
            layer.weight.copy_(torch.from_numpy(W.T))
            layer.bias.copy_(torch.from_numpy(b))


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_the_same_weights_give_the_same_answers_as_scikit_learn(seed, activation):
    X, y = classes(seed)
    named = {"hidden_layer_sizes": (5, 4), "activation": activation, "random_state": seed}
    theirs = standard.MLPClassifier(max_iter=3, **named).fit(X, y)
    ours = MLPClassifier(max_iter=3, standardise=False, **named).fit(X, y)
    begin_as(ours, theirs)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    assert ours.out_activation_ == theirs.out_activation_ and ours.n_layers_ == theirs.n_layers_
    assert ours.n_outputs_ == theirs.n_outputs_ and [c.shape for c in ours.coefs_] == [c.shape for c in theirs.coefs_]


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("weighted", [False, True])
def test_full_batches_follow_scikit_learn_step_by_step(seed, solver, weighted):
    X, y = numbers(seed)
    w = np.linspace(0.5, 2, len(y)) if weighted else None
    named = {"hidden_layer_sizes": (6,), "activation": "tanh", "solver": solver, "alpha": 5.0, "random_state": seed,
             "learning_rate_init": 0.01, "batch_size": len(y), "warm_start": True, "n_iter_no_change": 100}  # fmt: skip
    theirs = standard.MLPRegressor(max_iter=1, **named).fit(X, y, sample_weight=w)
    ours = MLPRegressor(max_iter=1, standardise=False, **named).fit(X, y, sample_weight=w)
    begin_as(ours, theirs)
    theirs.set_params(max_iter=20).fit(X, y, sample_weight=w)
    ours.set_params(max_iter=20).fit(X, y, sample_weight=w)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=2e-3)
    for mine, its in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, its, atol=2e-3)


@pytest.mark.parametrize("task", ["numbers", "classes", "two classes"])
def test_a_hidden_layer_of_none_is_the_convex_problem_of_scikit_learn(seed, task):
    X, y = numbers(seed) if task == "numbers" else classes(seed, C=2 if task == "two classes" else 3)
    kind = "MLPRegressor" if task == "numbers" else "MLPClassifier"
    named = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 2.0, "tol": 1e-7, "max_iter": 2000}
    ours = {"MLPRegressor": MLPRegressor, "MLPClassifier": MLPClassifier}[kind](standardise=False, **named).fit(X, y)
    theirs = getattr(standard, kind)(**named).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], atol=2e-4)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-5)
    assert ours.predict(X[:3]).dtype == theirs.predict(X[:3]).dtype


def test_the_loss_is_that_of_a_net_by_hand(seed):
    X, y = numbers(seed)
    method = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", alpha=3.0, standardise=False, max_iter=30,
                          random_state=seed).fit(X, y)  # fmt: skip
    (W1, W2), (b1, b2) = method.coefs_, method.intercepts_
    F = np.maximum(X @ W1 + b1, 0) @ W2 + b2
    np.testing.assert_allclose(method.predict(X), F[:, 0], rtol=1e-10)
    penalty = 3.0 / (2 * len(y)) * ((W1**2).sum() + (W2**2).sum())
    assert method.loss_ >= ((y - F[:, 0]) ** 2).mean() / 2 + penalty - 1e-12  # told before the last step
    with pytest.raises(ValueError, match="read-only"):
        W1[0, 0] = 1.0


def test_large_offsets_cost_no_digits(seed):
    X, y = numbers(seed)
    named = {"hidden_layer_sizes": (5,), "max_iter": 20, "random_state": seed}
    near = MLPRegressor(**named).fit(X, y).predict(X)
    far = MLPRegressor(**named).fit(X * 1e-3 + 1e6, y * 100 - 1e7).predict(X * 1e-3 + 1e6)
    np.testing.assert_allclose((far + 1e7) / 100, near, atol=1e-3)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "normal", "quantile", "poisson"])
@pytest.mark.parametrize("K", [None, 2])
def test_every_loss_learns(seed, loss, K):
    X, Y = numbers(seed, 300, K)
    Y = np.exp(Y) if loss == "poisson" else Y
    method = MLPRegressor(
        hidden_layer_sizes=(30,), loss=loss, max_iter=150, learning_rate_init=0.01, random_state=seed
    ).fit(X, Y)
    assert method.predict(X).shape == Y.shape and method.score(X, Y) > 0.6
    assert method.loss_curve_[-1] < method.loss_curve_[0] and method.loss_ == method.loss_curve_[-1]
    assert hasattr(method, "predict_dist") == (loss in ("normal", "quantile"))
    if loss in ("normal", "quantile"):
        low, high = method.predict_dist(X).interval(0.8)
        assert low.shape == Y.shape and 0.6 < ((low < Y) & (high > Y)).mean() < 0.97


def test_noise_that_depends_on_the_inputs_is_found(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, size=(800, 1))
    y = x[:, 0] + np.where(x[:, 0] > 0, 1.0, 0.1) * rng.normal(size=800)
    std = MLPRegressor(loss="normal", hidden_layer_sizes=(20,), activation="tanh", learning_rate_init=0.01,
                       random_state=seed).fit(x, y).predict_dist([[-0.7], [0.7]]).std  # fmt: skip
    assert std[1] > 4 * std[0]


def test_counts_below_zero_are_named():
    with pytest.raises(ValueError, match="row 1"):
        MLPRegressor(loss="poisson").fit([[0.0], [1.0], [2.0]], [1.0, -2.0, 3.0])


def test_early_stopping_keeps_the_best_weights(seed):
    X, y = classes(seed, 200)
    method = MLPClassifier(early_stopping=True, max_iter=60, learning_rate_init=0.05, random_state=seed).fit(X, y)
    assert len(method.validation_scores_) == len(method.loss_curve_) == method.n_iter_
    assert method.best_validation_score_ == max(method.validation_scores_) and method.best_loss_ is None
    assert MLPClassifier(max_iter=2).fit(X, y).validation_scores_ is None
    with pytest.raises(ValueError, match="too small"):
        MLPClassifier(early_stopping=True).fit(X[:9], y[:9])


def test_patience_and_the_plateau_of_sgd(seed):
    X, y = numbers(seed)
    named = {"solver": "sgd", "tol": 10.0, "n_iter_no_change": 3, "max_iter": 500, "random_state": seed}
    constant = MLPRegressor(**named).fit(X, y)
    assert constant.stopped_ == "no gain" and constant.n_iter_ == 5
    adaptive = MLPRegressor(learning_rate="adaptive", **named).fit(X, y)
    assert adaptive.n_iter_ > 5 * constant.n_iter_


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_learning_in_calls_goes_on_where_it_was(seed, solver):
    X, y = classes(seed)
    parts = MLPClassifier(hidden_layer_sizes=(5,), solver=solver, batch_size=90, random_state=seed)
    for _ in range(6):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    assert parts.t_ == 6 * len(y) and len(parts.loss_curve_) == 6
    whole = MLPClassifier(
        hidden_layer_sizes=(5,), solver=solver, batch_size=90, max_iter=6, random_state=seed, tol=0.0
    ).fit(X, y)
    if solver != "lbfgs":
        np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-4)


def test_a_warm_start_goes_on_and_refuses_other_data(seed):
    X, y = numbers(seed)
    method = MLPRegressor(hidden_layer_sizes=(8,), warm_start=True, max_iter=10, random_state=seed).fit(X, y)
    first = method.loss_
    assert method.fit(X, y).loss_ < first and len(method.loss_curve_) == 20
    with pytest.raises(ValueError, match="warm_start"):
        method.fit(X[:, :2], y)
    assert method.predict(X).shape == y.shape


def test_a_training_says_all_about_the_solver(seed):
    X, y = classes(seed)
    method = MLPClassifier(training=Training(optimiser="rmsprop", epochs=30, batch_size=16), random_state=seed)
    assert method.fit(X, y).n_iter_ == 30 and method.score(X, y) > 0.6
    with pytest.raises(ValueError, match="leave max_iter at its default"):
        MLPClassifier(training=Training(), max_iter=3).fit(X, y)


def test_evaluations_of_lbfgs_are_counted(seed):
    X, y = numbers(seed)
    method = MLPRegressor(solver="lbfgs", max_fun=7, random_state=seed).fit(X, y)
    assert method.stopped_ == "max_fun" and method.n_iter_ < 7


def test_dropout_and_normalisation_are_of_the_learning_alone(seed):
    X, y = classes(seed)
    method = MLPClassifier(dropout=0.3, normalisation="batch", max_iter=20, batch_size=30, random_state=seed).fit(X, y)
    np.testing.assert_array_equal(method.predict_proba(X), method.predict_proba(X))
    np.testing.assert_allclose(method.predict_proba(X[:1]), method.predict_proba(X)[:1], atol=1e-6)
    with pytest.raises(ValueError, match="lbfgs"):
        MLPClassifier(dropout=0.3, solver="lbfgs").fit(X, y)


def test_a_float32_net_is_stored_whole(seed, tmp_path):
    X, y = classes(seed)
    method = MLPClassifier(
        hidden_layer_sizes=[6], normalisation="batch", max_iter=5, batch_size=30, random_state=seed, verbose=False
    ).fit(X, y)
    back = peira.load(method.save(tmp_path / "net"))
    np.testing.assert_array_equal(back.predict_proba(X), method.predict_proba(X))


def test_no_budget_left_keeps_what_was_learned(seed):
    X, y = numbers(seed)
    with limiting(seconds=0.05):
        method = MLPRegressor(max_iter=100_000, tol=0.0, random_state=seed).fit(X, y)
    assert method.stopped_ == "out of time" and np.isfinite(method.predict(X)).all()


def test_the_passes_are_told(seed, capsys):
    X, y = numbers(seed)
    MLPRegressor(max_iter=2, verbose=True, random_state=seed).fit(X, y)
    assert capsys.readouterr().out.count("Iteration ") == 2
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        MLPRegressor(max_iter=2, random_state=seed).fit(X, y)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": (2.5,)}, "hidden_layer_sizes"),
        ({"quantiles": (0.5, 0.1)}, "ascending"),
        ({"quantiles": ()}, "ascending"),
    ],
)
def test_what_makes_no_sense_is_refused(named, words):
    with pytest.raises(ValueError, match=words):
        MLPRegressor(**named).fit([[0.0], [1.0]], [0.0, 1.0])
