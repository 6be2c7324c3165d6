"""Partial correlations: least squares by hand, the recursion, the inverse, simulation; the picture."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from peira.core.errors import DataError, ParameterError
from peira.measures.correlation import correlation, correlation_matrix
from peira.measures.partial_correlation import partial_correlation, partial_correlation_matrix


def dependent(seed, N=40, D=5):
    rng = np.random.default_rng([seed, N])
    return rng.normal(size=(N, D)) @ rng.normal(size=(D, D))


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_residuals_of_least_squares(kind, seed):
    X = dependent(seed)
    A = stats.rankdata(X, axis=0) if kind == "spearman" else X
    Z = np.column_stack([np.ones(40), A[:, 2:]])
    left = A[:, :2] - Z @ np.linalg.lstsq(Z, A[:, :2], rcond=None)[0]
    found = partial_correlation(X[:, 0], X[:, 1], X[:, 2:], kind)
    assert found.coefficient == pytest.approx(np.corrcoef(left.T)[0, 1], abs=1e-12)
    assert (found.n, found.given, found.kind) == (40, 3, kind)


def test_the_recursion_of_the_first_order(seed):
    X = dependent(seed, D=3)
    r = np.corrcoef(X.T)
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert partial_correlation(X[:, 0], X[:, 1], X[:, 2]).coefficient == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_the_matrix_holds_every_pair_given_the_rest(kind, seed):
    X = dependent(seed)
    found = partial_correlation_matrix(X, kind, names=list("abcde"))
    for i in range(5):
        for j in range(i):
            one = partial_correlation(X[:, i], X[:, j], np.delete(X, [i, j], 1), kind)
            pair = found["abcde"[i], "abcde"[j]]
            for name in ("coefficient", "low", "high", "p_value"):
                assert getattr(pair, name) == pytest.approx(getattr(one, name), abs=1e-9), name
            assert (pair.n, pair.given) == (one.n, one.given)
    np.testing.assert_array_equal(found.coefficient.diagonal(), 1)
    assert repr(found).startswith(f"partial {kind} correlation of 5 columns")


def test_the_test_is_that_of_the_coefficient_in_the_regression(seed):
    """Testing the partial correlation is testing x's coefficient in the regression of y on x and Z."""
    X = dependent(seed)
    Z = np.column_stack([np.ones(40), X[:, 0], X[:, 2:]])
    B, rss, *_ = np.linalg.lstsq(Z, X[:, 1], rcond=None)
    t = B[1] / np.sqrt(rss[0] / 35 * np.linalg.inv(Z.T @ Z)[1, 1])
    found = partial_correlation(X[:, 0], X[:, 1], X[:, 2:])
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(t), 35), rel=1e-9)


def test_nothing_held_fixed_is_the_plain_correlation(seed):
    x, y = np.random.default_rng(seed).normal(size=(2, 20))
    plain, none = correlation(x, y), partial_correlation(x, y, np.empty((20, 0)))
    for name in ("coefficient", "low", "high", "p_value", "n"):
        assert getattr(plain, name) == pytest.approx(getattr(none, name), abs=1e-14)
    constant = partial_correlation(x, y, np.ones(20))
    assert constant.coefficient == pytest.approx(plain.coefficient) and constant.p_value == pytest.approx(plain.p_value)


def test_intervals_cover_and_p_values_are_uniform(seed):
    rng, covered, p = np.random.default_rng(seed), 0, []
    for _ in range(200):
        z, a, b = rng.normal(size=(3, 30))
        found = partial_correlation(z + a, 2 * z + b, z, level=0.9)
        covered += found.low <= 0 <= found.high
        p.append(found.p_value)
    assert covered / 200 >= 0.9 - 4 * np.sqrt(0.09 / 200)
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_missing_rows_frames_and_what_is_not_defined(seed):
    X = dependent(seed, D=4)
    gaps = X.copy()
    gaps[3, 0] = gaps[5, 2] = np.nan
    whole = np.delete(X, [3, 5], 0)
    for given in (gaps[:, 2:], pd.DataFrame(gaps[:, 2:], columns=["u", "v"])):
        found = partial_correlation(gaps[:, 0], gaps[:, 1], given)
        assert found == partial_correlation(whole[:, 0], whole[:, 1], whole[:, 2:]) and found.n == 38
    explained = partial_correlation(X[:, 0], X[:, 1], X[:, [0, 2]])
    few = partial_correlation(X[:4, 0], X[:4, 1], X[:4, 2:])
    for undefined in (explained, few, partial_correlation([1.0], [1.0], [1.0])):
        assert np.isnan(undefined.coefficient) and np.isnan(undefined.p_value)
    twice = partial_correlation(X[:, 0], X[:, 1], X[:, [2, 2]])
    assert twice.p_value == pytest.approx(partial_correlation(X[:, 0], X[:, 1], X[:, 2]).p_value)


def test_refusals(seed):
    X = dependent(seed)
    with pytest.raises(DataError, match="fixed columns"):
        partial_correlation(X[:, 0], X[:, 1], X[:9, 2])
    with pytest.raises(ParameterError, match="kendall"):
        partial_correlation(X[:, 0], X[:, 1], X[:, 2], "kendall")
    with pytest.raises(DataError, match="'x1' is constant"):
        partial_correlation_matrix(np.column_stack([X[:, 0], np.ones(40), X[:, 1]]))
    with pytest.raises(DataError, match="depend on each other"):
        partial_correlation_matrix(np.column_stack([X, X[:, 0] + X[:, 1]]))
    with pytest.raises(DataError, match="too few"):
        partial_correlation_matrix(X[:5])


# ------------------------------------------------------------------ the matrix, fast and to look at


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
@pytest.mark.parametrize("N", [1, 2, 3, 4, 50])
def test_one_product_gives_what_the_pairs_give(kind, N, seed):
    X = np.round(np.random.default_rng([seed, N]).normal(size=(N, 4)), 1)
    X[:, 3] = 7.0
    found = correlation_matrix(X, kind)
    for i in range(4):
        for j in range(4):
            one, pair = correlation(X[:, i], X[:, j], kind), found[f"x{i}", f"x{j}"]
            for name in ("coefficient", "low", "high", "p_value", "n"):
                a, b = getattr(one, name), getattr(pair, name)
                # near one, the p-value and the interval's ends magnify rounding in r
                close = dict(abs=1e-6) if abs(one.coefficient) > 0.999 else dict(rel=1e-9, abs=1e-12)
                assert a == pytest.approx(b, nan_ok=True, **close), (i, j, name)


def test_the_picture_puts_together_what_goes_together(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 200))
    X = np.column_stack([a, b, -a, -b, a]) + 0.3 * rng.normal(size=(200, 5))
    found = correlation_matrix(X, names=["a", "b", "a'", "b'", 'a"'])
    ax = found.plot()
    order = [label.get_text() for label in ax.get_xticklabels()]
    assert {order[0][0], order[-1][0]} == {"a", "b"} and "".join(name[0] for name in order) in ("aaabb", "bbaaa")
    grey = [text for text in ax.texts if text.get_color() == "0.6"]
    assert len(ax.texts) == 20 and 8 <= len(grey) <= 12
    assert [t.get_text() for t in found.plot(order=False).get_xticklabels()] == found.names
    for D in (1, 2):
        assert correlation_matrix(X[:, :D]).plot() is not None
    X[:, 1] = 1.0
    assert correlation_matrix(X).plot(ax) is ax
