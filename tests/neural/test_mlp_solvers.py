"""Multilayer perceptrons: Levenberg-Marquardt, the falling rate, sparse tables, and tables of float32."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy import optimize, sparse
from sklearn import neural_network as standard

from peira.core import observing
from peira.neural import MLPClassifier, MLPRegressor
from peira.neural.sparse_rows import SparseRows, spread_of_sparse
from peira.neural.standardising import spread, standardised
from tests.neural.test_mlp import begin_as, classes, numbers

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# ---------------------------------------------------------------------- Levenberg-Marquardt


@pytest.mark.parametrize("K", [None, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_least_squares_of_scipy_end_at_the_same_weights(seed, K, weighted):
    X, y = numbers(seed, 40, K)
    w = np.linspace(0.5, 2.0, len(X)) if weighted else np.ones(len(X))
    alpha, N = 0.5, len(X)
    method = MLPRegressor(hidden_layer_sizes=(3,), activation="tanh", solver="lm", alpha=alpha, tol=1e-9, max_iter=1,
                          standardise=False, warm_start=True, random_state=seed)  # fmt: skip
    method.fit(X, y, sample_weight=w)
    shapes = [part.shape for part in (*method.coefs_, *method.intercepts_)]
    sizes = np.cumsum([np.prod(shape) for shape in shapes])[:-1]

    def net(theta):
        W1, W2, b1, b2 = (part.reshape(shape) for part, shape in zip(np.split(theta, sizes), shapes, strict=True))
        return np.tanh(X @ W1 + b1) @ W2 + b2

    def residuals(theta):
        miss = (net(theta) - y.reshape(N, -1)) * np.sqrt(w / w.mean() / (N * (K or 1)))[:, None]
        return np.concatenate([miss.ravel(), np.sqrt(alpha / (N * w.mean())) * theta[: sizes[1]]])

    start = np.concatenate([part.ravel() for part in (*method.coefs_, *method.intercepts_)])
    theirs = optimize.least_squares(residuals, start, method="lm", xtol=1e-12, ftol=1e-14, gtol=1e-12)
    method.set_params(max_iter=500).fit(X, y, sample_weight=w)
    assert method.stopped_ == "converged" and method.loss_ == pytest.approx(theirs.cost, rel=1e-7)
    np.testing.assert_allclose(method.predict(X), net(theirs.x).reshape(y.shape), atol=1e-5)
    assert method.loss_curve_ == method.history_["loss"] and method.t_ == N * len(method.loss_curve_)


def test_levenberg_marquardt_needs_few_steps_and_tells_them(seed, capsys):
    X, y = numbers(seed, 200)
    named = {"hidden_layer_sizes": (5,), "activation": "tanh", "random_state": seed, "max_iter": 40}
    quick = MLPRegressor(solver="lm", verbose=True, **named).fit(X, y)
    assert quick.loss_ < 0.5 * MLPRegressor(solver="lbfgs", **named).fit(X, y).loss_
    assert capsys.readouterr().out.count("Iteration ") == quick.n_iter_


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"loss": "huber"}, "no place for loss='huber'"),
        ({"batch_size": 5}, "no place for batch_size=5"),
        ({"early_stopping": True}, "no place for early_stopping=True"),
        ({"dropout": 0.1}, "dropout or batch normalisation"),
        ({"hidden_layer_sizes": (4000,)}, "more than 0.54 GB"),
    ],
)
def test_what_levenberg_marquardt_has_no_place_for(seed, named, words):
    X, y = numbers(seed)
    with pytest.raises(ValueError, match=words):
        MLPRegressor(solver="lm", **named).fit(X, y)


def test_levenberg_marquardt_is_for_all_rows_and_for_squares(seed):
    with pytest.raises(ValueError, match="all rows at once"):
        MLPRegressor(solver="lm").partial_fit(*numbers(seed))
    with pytest.raises(ValueError, match="cross-entropy"):
        MLPClassifier(solver="lm").fit(*classes(seed))


# ---------------------------------------------------------------------- the falling rate


def test_the_rate_falls_by_the_formula_of_scikit_learn(seed):
    X, y = numbers(seed, 50)
    named = {"hidden_layer_sizes": (4,), "solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5,
             "power_t": 0.3, "batch_size": 20, "tol": 0.0, "max_iter": 4, "random_state": seed}  # fmt: skip
    theirs = standard.MLPRegressor(**named).fit(X, y)
    rates = []
    with observing(lambda event: rates.append(event.values.get("learning_rate"))):
        MLPRegressor(**named).fit(X, y)
    rates = [rate for rate in rates if rate is not None]
    assert rates == pytest.approx(np.repeat([0.5 / (50 * e + 1) ** 0.3 for e in range(4)], 3))
    assert theirs._optimizer.learning_rate == pytest.approx(0.5 / (50 * 4 + 1) ** 0.3)


def test_parts_with_a_falling_rate_follow_scikit_learn(seed):
    X, y = numbers(seed, 50)
    named = {"hidden_layer_sizes": (4,), "solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5,
             "activation": "tanh", "power_t": 0.3, "batch_size": 25, "shuffle": False, "momentum": 0.0}  # fmt: skip
    theirs = standard.MLPRegressor(**named).partial_fit(X, y)
    ours = MLPRegressor(standardise=False, random_state=seed, **named).partial_fit(X, y)
    begin_as(ours, theirs)
    for _ in range(5):
        theirs.partial_fit(X, y)
        ours.partial_fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-5)


# ---------------------------------------------------------------------- sparse tables


def thin(seed, N=60, D=12):
    rng = np.random.default_rng(seed)
    X = sparse.random(N, D, 0.2, "csr", random_state=rng)
    X = sparse.csr_array(sparse.hstack([X, 1e6 + rng.normal(size=(N, 1)), np.full((N, 1), 7.0), np.zeros((N, 1))]))
    return X, X[:, [0]].toarray()[:, 0] + np.sin(X[:, [12]].toarray()[:, 0]), rng.uniform(0.5, 2, N)


@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_rows_are_the_dense_ones(seed, weighted):
    X, _, w = thin(seed)
    dense, w = torch.from_numpy(X.toarray()), torch.from_numpy(w) if weighted else None
    units = spread_of_sparse(X, w)
    for got, expected in zip(units, spread(dense, w), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        SparseRows(X, *units, torch.float32).dense().double(), standardised(dense, *units), rtol=1e-6, atol=2e-6
    )
    rows = SparseRows(X, *units, torch.float64)
    assert len(rows[torch.tensor([3, 1])]) == 2 and rows.X.nnz == X.nnz
    net = torch.nn.Sequential(torch.nn.Linear(X.shape[1], 4), torch.nn.Tanh()).double()
    gradients = []
    for out in (rows.through(net), net(rows.dense())):
        (out**2).sum().backward()
        gradients.append((out.detach(), net[0].weight.grad.clone(), net[0].bias.grad.clone()))
        net.zero_grad()
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
        {"solver": "lbfgs"},
        {"solver": "lm", "hidden_layer_sizes": (2,)},
        {"early_stopping": True},
        {"dropout": 0.3, "normalisation": "batch", "standardise": False},
    ],
)
def test_a_sparse_table_gives_the_net_of_the_dense_one(seed, named):
    X, y, w = thin(seed)
    X = X[:, :12] if named.get("standardise") is False else X
    method = MLPRegressor(**{"hidden_layer_sizes": (6,), "max_iter": 8, "random_state": seed} | named)
    dense = method.fit(X.toarray(), y, sample_weight=w).predict(X.toarray())
    for thinned in (X, sparse.csc_matrix(X)):
        np.testing.assert_allclose(
            method.fit(thinned, y, sample_weight=w).predict(thinned), dense, rtol=1e-4, atol=1e-4
        )
    np.testing.assert_allclose(method.predict(X.toarray()), dense, rtol=1e-4, atol=1e-4)


def test_a_wide_sparse_table_never_becomes_dense(seed):
    columns = np.random.default_rng(seed).integers(20_000, size=20_000)
    X = sparse.csr_array((np.ones(20_000), columns, np.arange(0, 20_001, 20)), shape=(1000, 20_000))
    tracemalloc.start()
    method = MLPClassifier(hidden_layer_sizes=(2,), max_iter=1, random_state=seed).fit(X, np.arange(1000) % 3)
    method.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1000 * 20_000 / 10


# ---------------------------------------------------------------------- float32


def test_a_table_of_float32_is_learned_as_in_float64_and_not_copied_to_it(seed):
    X, y = numbers(seed)
    X, far = (100 + X).astype(np.float32), y + 1e9
    named = {"hidden_layer_sizes": (5,), "max_iter": 5, "random_state": seed}
    one, other = MLPRegressor(**named).fit(X, far), MLPRegressor(**named).fit(X.astype(np.float64), far)
    np.testing.assert_array_equal(one.predict(X), other.predict(X.astype(np.float64)))
    assert one.predict(torch.from_numpy(X)).dtype == torch.float64
    assert one._inputs(X).X.data_ptr() == X.ctypes.data
    lbfgs = MLPRegressor(solver="lbfgs", **named).fit(X, far)
    assert lbfgs.net_[0].weight.dtype == torch.float64


# ---------------------------------------------------------------------- weights of the rows, and constant targets


def test_weights_of_one_are_no_weights_to_the_last_bit(seed):
    """Sums that were taken in another order parted after some hundred steps of L-BFGS towards a narrow minimum."""
    X, y = numbers(seed, 60)
    X = X * 1.7 + 0.3
    for one, other in zip(spread(torch.tensor(X)), spread(torch.tensor(X), torch.ones(60)), strict=True):
        assert torch.equal(one, other)
    fitted = [MLPRegressor.example().fit(X, y, *w) for w in ((), (np.ones(60),))]
    np.testing.assert_array_equal(*(method.predict(X) for method in fitted))


def test_quasi_newton_ends_where_a_double_resolves_no_gain(seed):
    """It ended at gains of 1e-11, which on a narrow minimum is 1e-5 of the answer: here noise is small, so is v."""
    rng = np.random.default_rng([1, 7])
    X = rng.normal(size=(60, 4))
    y = X @ rng.normal(size=4) + 0.1 * rng.normal(size=60)
    method = MLPRegressor.example().set_params(tol=1e-10).fit(X, y)
    gains = -np.diff(method.history_["loss"])
    assert method.stopped_ == "no gain" and gains[-2:].max() < 1e-13


def test_a_constant_target_needs_no_long_training(seed):
    """The mean began anywhere, and the variance of a normal head fell to its floor long before it arrived."""
    X = np.random.default_rng(seed).normal(size=(60, 4))
    method = MLPRegressor.example().fit(X, np.full(60, -3.0))
    assert (method.predict(5 * X) == -3.0).all()
