"""EM for linear dynamical systems: it climbs to a stationary point, with gaps too, and holds what is given."""

import numpy as np
import pytest

from peira.core.errors import DataError, ParameterError
from peira.sequences import LinearDynamicalSystem

C = np.array([[1.0, 0.0], [0.5, 1.0], [-1.0, 0.7]])
TRUE = {
    "transition": np.array([[0.9, 0.2], [-0.2, 0.9]]), "transition_cov": 0.1 * np.eye(2), "observation": C,
    "offset": np.array([1.0, 2.0, -3.0]), "observation_cov": np.diag([0.3, 0.2, 0.4]), "initial_mean": np.zeros(2),
    "initial_cov": np.eye(2),
}  # fmt: skip


@pytest.fixture(scope="module")
def known():
    return LinearDynamicalSystem(2, **TRUE).fit(np.zeros((2, 3)))


def series(known, seed, n=6, T=60, missing=0.0):
    X = list(known.sample(n, T, random_state=seed))
    rng = np.random.default_rng(seed)
    for x in X:
        x[rng.uniform(size=x.shape) < missing] = np.nan
    X[0] = X[0][: T // 3]
    return X


def test_what_is_given_is_held(known):
    for name, value in TRUE.items():
        np.testing.assert_allclose(getattr(known, name + "_"), value, atol=1e-12)
    assert not hasattr(known, "n_iter_")


def test_a_column_without_a_number_is_refused_where_it_should_be_learned():
    X = np.full((5, 3), np.nan)
    X[:, :2] = np.arange(10.0).reshape(5, 2)
    with pytest.raises(DataError, match="column x2 holds nothing but missing numbers"):
        LinearDynamicalSystem(2).fit(X)
    assert np.isfinite(LinearDynamicalSystem(2, **TRUE).fit(X).log_prob(X)).all()


@pytest.mark.parametrize("noise", ["diagonal", "full"])
@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_em_climbs_and_finds_as_good_a_model(known, seed, noise, missing):
    X = series(known, seed, missing=missing)
    model = LinearDynamicalSystem(2, noise=noise).fit(X)
    climbed = np.diff(model.history_["log_likelihood"])
    assert (climbed >= -1e-9 * abs(model.history_["log_likelihood"][-1])).all()
    assert model.stopped_ == "converged"
    assert model.score(X) > known.score(X)
    np.testing.assert_allclose(model.score(X) * len(X), model.history_["log_likelihood"][-1], rtol=1e-3)


def test_a_fixed_point_of_em_is_stationary(known, seed):
    """Where EM has ended the likelihood is flat: moving one of the learned values either way loses as much."""
    X = series(known, seed, n=3, T=30)
    held = {name: value for name, value in TRUE.items() if name not in ("transition", "offset")}
    model = LinearDynamicalSystem(2, **held, tol=1e-13, max_iter=3000).fit(X)
    h, best = 1e-4, sum(model.log_prob(X))
    for name, shape in (("transition", (2, 2)), ("offset", (3,))):
        for at in np.ndindex(shape):
            sides = []
            for sign in (1, -1):
                value = getattr(model, name + "_").copy()
                value[at] += sign * h
                moved = LinearDynamicalSystem(
                    2, **{**held, "transition": model.transition_, "offset": model.offset_, name: value}
                )
                sides.append(sum(moved.fit(X).log_prob(X)))
            curvature = (sides[0] + sides[1] - 2 * best) / h**2
            assert abs(sides[0] - sides[1]) / (2 * h) < 1e-3 * abs(curvature)


def test_gaps_are_filled_by_what_is_around(known, seed):
    full = list(known.sample(1, 80, random_state=seed))
    holed = [full[0].copy()]
    holed[0][30:34] = np.nan
    z, V = known.smooth(holed)[0]
    said = z[30:34] @ C.T + TRUE["offset"]
    std = np.sqrt(np.einsum("ik,tkl,il->ti", C, V[30:34], C) + np.diag(TRUE["observation_cov"]))
    assert (np.abs(said - full[0][30:34]) < 4.5 * std).all()
    assert known.filter(holed)[0][0].shape == (80, 2)


def test_forecasts_cover(known, seed):
    X = known.sample(400, 40, random_state=seed)
    low, high = known.predict_dist(list(X[:, :35]), 5).interval(0.9)
    share = ((low <= X[:, 35:]) & (X[:, 35:] <= high)).mean()
    assert abs(share - 0.9) < 0.02


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("transition", np.eye(3), r"\(2, 2\)"),
        ("offset", [1.0], r"\(3,\)"),
        ("transition_cov", [[1, 0], [0, -1]], "covariance"),
        ("observation_cov", np.ones((3, 3)) + np.eye(3), "noise='full'"),
        ("initial_mean", "start", r"\(2,\)"),
    ],
)
def test_what_is_given_must_fit(name, value, words):
    with pytest.raises(ParameterError, match=words):
        LinearDynamicalSystem(2, **{name: value}).fit(np.zeros((4, 3)))


@pytest.mark.parametrize("X", [[[1.0]], [[1.0, 2.0], [3.0]], [np.full(3, np.nan), np.arange(4.0)], [np.ones(20)]])
def test_tiny_and_constant_series(X):
    model = LinearDynamicalSystem(1, max_iter=20, tol=1.0).fit(X)
    assert np.isfinite(model.log_prob(X)).all()
    assert np.isfinite(model.predict_dist(X, 3).std).all()
