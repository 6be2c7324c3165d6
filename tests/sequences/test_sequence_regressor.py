"""Nets that read numbers off sequences: losses, units, targets of several columns, distributions."""

import numpy as np
import pytest
import torch

import peira
from peira.core.errors import DataError, ParameterError
from peira.core.predictive import Normal
from peira.neural.quantile_curve import QuantileCurve
from peira.sequences import SequenceRegressor, SymbolSequenceRegressor
from peira.training import Training

BRIEF = Training(optimiser="adam", learning_rate=0.04, updates=15, batch_size=None)


def some(seed, N=20, D=2):
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(n, D)) for n in rng.integers(1, 8, N)]
    return X, 10 + np.array([x.mean(0).sum() for x in X])


def taught(X, y, **given):
    given = {"cell": "elman", "training": BRIEF, **given}
    return SequenceRegressor(hidden=6, random_state=0, device="cpu", **given).fit(X, y)


def minus_log_normal(r, f):
    v = np.logaddexp(0, f[:, 1]) + 1e-6
    return np.mean(np.log(v) + (r - f[:, 0]) ** 2 / v) / 2


LOSSES = {
    "squared_error": lambda r, f: np.mean((r - f[:, 0]) ** 2) / 2,
    "absolute_error": lambda r, f: np.mean(np.abs(r - f[:, 0])),
    "huber": lambda r, f: np.mean(
        np.where(np.abs(r - f[:, 0]) < 1.35, (r - f[:, 0]) ** 2 / 2, 1.35 * (np.abs(r - f[:, 0]) - 0.675))
    ),
    "normal": minus_log_normal,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_minimised_is_the_loss_of_standardised_targets(loss, seed):
    X, y = some(seed)
    once = Training(optimiser="sgd", learning_rate=1e-9, updates=1, batch_size=None)
    model = taught(X, y, loss=loss, training=once)
    F = model._outputs(model._queries(X)).numpy()
    assert model.history_["loss"][0] == pytest.approx(LOSSES[loss]((y - y.mean()) / y.std(), F), rel=1e-4)


@pytest.mark.parametrize("cell", ["elman", "tcn"])
def test_predictions_are_in_the_unit_of_the_target(cell, seed):
    X, y = some(seed)
    plain = taught(X, y, cell=cell)
    assert plain.score(X, y) > 0.2
    grown = taught(X, 3 + 500 * y, cell=cell).predict(X)
    np.testing.assert_allclose(grown, 3 + 500 * plain.predict(X), rtol=1e-3)
    both = taught(X, np.stack([y, 5 * y], 1), cell=cell)
    assert both.predict(X).shape == (20, 2) and both.score(X, np.stack([y, 5 * y], 1)) > 0.2
    one = plain.predict(X[3:4])
    np.testing.assert_allclose(one, plain.predict(X)[3:4], rtol=1e-5)  # whatever it is asked beside


@pytest.mark.parametrize(("loss", "kind"), [("normal", Normal), ("quantile", QuantileCurve)])
def test_distributions(loss, kind, seed, tmp_path):
    X, y = some(seed)
    model = taught(X, y, loss=loss)
    dist = model.predict_dist(X)
    assert isinstance(dist, kind) and dist.mean.shape == (20,)
    assert (dist.quantile(0.1) < dist.quantile(0.9)).all()
    again = peira.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_dist(X).mean, dist.mean)
    assert model.predict(X, return_std=True)[1].shape == (20,) if loss == "normal" else True
    assert not hasattr(SequenceRegressor(), "predict_dist")
    assert taught(X, np.stack([y, y], 1), loss=loss).predict_dist(X).mean.shape == (20, 2)


def test_what_cannot_be_learned_is_refused(seed):
    X, y = some(seed)
    with pytest.raises(DataError, match=r"needs targets >= 0, got -3.0 in row 1"):
        taught(X, [1.0, -3.0, *y[2:]], loss="poisson")
    with pytest.raises(ParameterError, match="ascending numbers"):
        taught(X, y, loss="quantile", quantiles=(0.5, 0.1))
    with pytest.raises(DataError, match="20 rows, y has 19"):
        taught(X, y[:-1])


@pytest.mark.parametrize("N", [1, 2, 3])
def test_few_sequences_and_a_constant_target(N, seed):
    X, _ = some(seed, N)
    np.testing.assert_allclose(taught(X, np.full(N, 7.0)).predict(X), 7.0, atol=0.5)
    assert np.isfinite(taught(X, np.full(N, 0.0), loss="poisson").predict(X)).all()


def test_numbers_of_texts(seed):
    X = ["a", "ab", "abb", "abbb"] * 3
    model = SymbolSequenceRegressor(hidden=8, embedding=3, training=BRIEF, random_state=0, device="cpu")
    model.fit(X, [len(x) for x in X])
    assert model.score(X, [len(x) for x in X]) > 0.8
    assert torch.is_tensor(model.target_mean_)
    np.testing.assert_allclose(model.predict(["azb"]), model.predict([["a", None, "b"]]), rtol=1e-6)
