"""The multilayer perceptron that learns several labels of an item: scikit-learn's as the oracle, and its door."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn import neural_network as standard

import peira
from peira.neural import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def labels(seed, N=90, K=4):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 3))
    return X, (X @ rng.normal(size=(3, K)) + 0.5 * rng.normal(size=(N, K)) > 0.3).astype(int)


def small(seed, **named):
    return MLPClassifier(**{"hidden_layer_sizes": (5,), "max_iter": 20, "random_state": seed} | named)


@pytest.mark.parametrize("K", [2, 4])
def test_the_convex_problem_is_that_of_scikit_learn(seed, K):
    X, Y = labels(seed, K=K)
    named = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 2.0, "tol": 1e-7, "max_iter": 2000}
    ours = MLPClassifier(standardise=False, **named).fit(X, Y)
    theirs = standard.MLPClassifier(**named).fit(X, Y)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], atol=2e-4)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-5)
    for name in ("predict", "classes_", "n_outputs_", "out_activation_"):
        mine, its = (getattr(m, name) for m in (ours, theirs))
        np.testing.assert_array_equal(*(v(X) if callable(v) else v for v in (mine, its)))
    w = np.linspace(0, 1, len(X))
    assert ours.score(X, Y, w) == pytest.approx(theirs.score(X, Y, w))


def test_the_verbs_agree(seed, tmp_path):
    X, Y = labels(seed)
    method = small(seed).fit(X, Y)
    P = method.predict_proba(X)
    assert P.shape == Y.shape and method.score(X, Y) == (method.predict(X) == Y).all(1).mean()
    np.testing.assert_array_equal(method.predict(X), P > 0.5)
    np.testing.assert_allclose(method.decision_function(X), np.log(P / (1 - P)), atol=1e-9)
    np.testing.assert_allclose(method.predict_log_proba(X), np.log(P), atol=1e-9)
    forecast = method.predict_dist(X)
    np.testing.assert_array_equal(forecast.mode(), method.predict(X))
    np.testing.assert_allclose(forecast.log_prob(Y), np.where(Y, np.log(P), np.log1p(-P)), atol=1e-9)
    tensor = method.predict(torch.from_numpy(X))
    assert isinstance(tensor, torch.Tensor) and (tensor.numpy() == method.predict(X)).all()
    back = peira.load(method.save(tmp_path / "labels"))
    np.testing.assert_array_equal(back.predict_proba(X), P)


def test_labels_come_in_any_form(seed):
    X, Y = labels(seed)
    expected = small(seed).fit(X, Y).predict_proba(X)
    for form in (sparse.csr_array, sparse.csc_matrix, np.ndarray.tolist, torch.from_numpy, lambda Y: Y > 0):
        method = small(seed).fit(X, form(Y))
        np.testing.assert_array_equal(method.predict_proba(X), expected)
        assert method.score(X, form(Y)) == (method.predict(X) == Y).all(1).mean()


def test_weights_are_repetitions_and_early_stopping_goes_by_whole_sets(seed):
    X, Y = labels(seed)
    times = np.arange(len(X)) % 3
    named = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 0.0, "max_iter": 300}
    weighed = small(seed, **named).fit(X, Y, sample_weight=times)
    again = np.repeat(np.arange(len(X)), times)
    repeated = small(seed, **named).fit(X[again], Y[again])
    np.testing.assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X), atol=1e-4)
    stopped = small(seed, early_stopping=True, max_iter=5).fit(X, Y)
    assert len(stopped.validation_scores_) == 5 and {round(9 * s, 6) % 1 for s in stopped.validation_scores_} == {0.0}


def test_parts_go_on_with_the_labels_of_the_first(seed):
    X, Y = labels(seed)
    method = small(seed).partial_fit(X, Y, classes=range(4)).partial_fit(X, Y)
    assert method.t_ == 2 * len(X)
    with pytest.raises(ValueError, match="matrix of 0s and 1s"):
        method.partial_fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="numbers of their 2 columns"):
        method.partial_fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="has learned targets"):
        small(seed).fit(X, Y[:, 0]).partial_fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="warm_start"):
        small(seed, warm_start=True).fit(X, np.arange(len(X)) % 4).fit(X, Y)
    assert method.fit(X, Y[:, 0]).predict(X).shape == (len(X),)


def test_what_is_no_matrix_of_labels_is_refused(seed):
    X, Y = labels(seed)
    wrong = Y.copy()
    wrong[7, 2] = 3
    with pytest.raises(ValueError, match="got 3 in row 7, column 2"):
        small(seed).fit(X, wrong)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small(seed).fit(X, Y[:-1])
    with pytest.raises(ValueError, match="give sample_weight"):
        small(seed, class_weight="balanced").fit(X, Y)
    with pytest.raises(ValueError, match="numbers of their 4 columns"):
        small(seed).partial_fit(X, Y, classes=range(5))
