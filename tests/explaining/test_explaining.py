"""Explanations against closed forms."""

import itertools

import numpy as np
import pytest

from peira.core.errors import DataError
from peira.experience.table import Table
from peira.explaining import bootstrap_coefficients, permutation_importance, shapley_values


def test_permutation_importance_of_a_linear_model(seed):
    r"""For y = w x with squared error, shuffling costs E[w^2 (x - x')^2] = 2 w^2 var(x)."""
    rng = np.random.default_rng(seed)
    table = Table({"a": rng.normal(size=4000), "b": 2 * rng.normal(size=4000), "c": rng.normal(size=4000)})
    y = 3 * table["a"] + table["b"]
    found = permutation_importance(
        lambda t: float(np.mean((y - 3 * t["a"] - t["b"]) ** 2)), table, repeats=10, seed=seed
    )
    by_name = {column["name"]: column for column in found}
    assert by_name["a"]["mean"] == pytest.approx(2 * 9 * np.var(table["a"]), rel=0.05)
    assert by_name["b"]["mean"] == pytest.approx(2 * np.var(table["b"]), rel=0.05)
    assert by_name["c"]["mean"] == 0.0
    assert [c["name"] for c in found] == ["a", "b", "c"]
    assert all(c["low"] <= c["mean"] <= c["high"] for c in found)


def test_bootstrap_intervals_have_the_width_of_theory(seed):
    """For least squares with known design, the spread is sigma sqrt((X'X)^-1)."""
    from peira.linear.least_squares import LinearRegression

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(500, 2))
    y = X @ [2.0, 0.0] + rng.normal(size=500)
    method = LinearRegression().fit(X, y)
    found = {c["name"]: c for c in bootstrap_coefficients(method, X, y, ["a", "b"], draws=400, seed=seed)}
    standard_error = 1 / np.sqrt(500)
    for j, name in enumerate("ab"):
        assert found[name]["value"] == method.coef_[j]
        assert found[name]["high"] - found[name]["low"] == pytest.approx(2 * 1.96 * standard_error, rel=0.25)


def test_too_few_draws_give_no_interval(seed):
    from peira.linear.ridge import Ridge

    X = np.arange(6.0).reshape(3, 2)
    found = bootstrap_coefficients(Ridge().fit(X, [1.0, 2.0, 3.0]), X, np.array([1.0, 2.0, 3.0]), ["a", "b"], draws=5)
    assert all(c["low"] is None for c in found)


def brute_force(answer, x, background, groups):
    """Shapley values by walking through all orders, a column at a time."""
    G = groups.max() + 1
    phi, orders = np.zeros(G), list(itertools.permutations(range(G)))
    for order in orders:
        Z = background.copy()
        before = answer(Z).mean()
        for j in order:
            Z[:, groups == j] = x[groups == j]
            after = answer(Z).mean()
            phi[j] += (after - before) / len(orders)
            before = after
    return phi


def tangled(Z):
    """All orders of interaction."""
    return np.prod(1 + 0.5 * Z, axis=1) + np.sin(Z.sum(1))


@pytest.mark.parametrize("G", [1, 2, 3, 4])
def test_shapley_values_equal_those_of_all_orders(seed, G):
    rng = np.random.default_rng(seed)
    groups = np.r_[np.arange(G), rng.integers(G, size=2)]  # some groups of several numbers
    x, background = rng.normal(size=G + 2), rng.normal(size=(3, G + 2))
    found = shapley_values(tangled, x, background, groups, seed=seed)
    assert found.values == pytest.approx(brute_force(tangled, x, background, groups), abs=1e-12)
    assert found.prediction == pytest.approx(tangled(x[None])[0])
    assert found.base == pytest.approx(tangled(background).mean())


def test_shapley_values_by_drawn_orders(seed):
    """They add up whatever the model, are exact for effects of at most two columns, and settle at the exact ones."""
    rng = np.random.default_rng(seed)
    groups, x, background = np.arange(5), rng.normal(size=5), rng.normal(size=(4, 5))

    def of_two(Z):
        return Z @ [1.0, -2.0, 0.5, 0.0, 3.0] + Z[:, 0] * Z[:, 1] - 2 * Z[:, 2] * Z[:, 4] ** 2

    drawn = shapley_values(of_two, x, background, groups, pairs=1, seed=seed)
    assert drawn.values == pytest.approx(brute_force(of_two, x, background, groups), abs=1e-12)
    assert drawn.values[3] == pytest.approx(0, abs=1e-12)
    one = shapley_values(tangled, x, background, groups, pairs=1, seed=seed)
    assert one.base + one.values.sum() == pytest.approx(one.prediction)
    many = np.mean([shapley_values(tangled, x, background, groups, pairs=1, seed=s).values for s in range(400)], axis=0)
    exact = brute_force(tangled, x, background, groups)
    assert many == pytest.approx(exact, abs=0.05 * np.abs(exact).max())


def test_shapley_values_of_a_linear_model_have_the_error_of_the_mean(seed):
    """For f = w x the share is w (x - mean), with the standard error of that mean."""
    rng = np.random.default_rng(seed)
    w, x, background = np.array([2.0, -1.0]), np.array([1.0, 1.0]), rng.normal(size=(30, 2))
    found = shapley_values(lambda Z: Z @ w, x, background, np.arange(2))
    assert found.values == pytest.approx(w * (x - background.mean(0)))
    assert found.errors == pytest.approx(np.abs(w) * background.std(0, ddof=1) / np.sqrt(30))
    assert np.isnan(shapley_values(lambda Z: Z @ w, x, background[:1], np.arange(2)).errors).all()


def test_shapley_values_refuse_what_does_not_fit():
    with pytest.raises(DataError, match="there is none"):
        shapley_values(tangled, np.zeros(2), np.zeros((0, 2)), np.arange(2))
    with pytest.raises(DataError, match=r"shape \(2,\), got \(3,\)"):
        shapley_values(tangled, np.zeros(3), np.zeros((1, 2)), np.arange(2))
