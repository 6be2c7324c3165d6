"""Best subset against all subsets."""

import itertools

import numpy as np
import pytest
from sklearn.model_selection import KFold

from peira.core.errors import RankWarning
from peira.linear.least_squares import LinearRegression
from peira.linear.subset import BestSubsetRegression, leaps_and_bounds


def table(N, D, *, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) @ rng.standard_normal((D, D)) + 5
    return X, X[:, : min(3, D)].sum(1) / 5 + rng.standard_normal(N), rng.uniform(0.1, 3, N)


def rss_of(X, y, w, columns, intercept):
    A = np.column_stack([np.ones(len(y))] * intercept + [X[:, list(columns)]]) * np.sqrt(w)[:, None]
    b = np.sqrt(w) * y
    return float(((b - A @ np.linalg.lstsq(A, b)[0]) ** 2).sum()) if A.size else float(b @ b)


@pytest.mark.parametrize("D", [1, 2, 3, 7])
@pytest.mark.parametrize("intercept", [True, False])
def test_every_size_is_the_best_of_all_subsets(seed, D, intercept):
    for repeat in range(5):
        X, y, w = table(25, D, seed=100 * seed + repeat)
        model = BestSubsetRegression(fit_intercept=intercept).fit(X, y, w)
        for k, (subset, rss) in enumerate(zip(model.subsets_, model.rss_path_, strict=True)):
            best = min((rss_of(X, y, w, S, intercept), S) for S in itertools.combinations(range(D), k))
            assert subset == list(best[1])
            assert rss == pytest.approx(best[0], rel=1e-9)


def test_coefficients_are_least_squares_on_the_subset(seed):
    X, y, w = table(30, 6, seed=seed)
    for size in range(7):
        model = BestSubsetRegression(size).fit(X, y, w)
        assert model.support_.sum() == model.size_ == size
        if size:
            part = LinearRegression().fit(X[:, model.support_], y, w)
            np.testing.assert_allclose(model.coef_[model.support_], part.coef_, rtol=1e-8)
            np.testing.assert_allclose(model.predict(X), part.predict(X[:, model.support_]), rtol=1e-9)
        assert (model.coef_[~model.support_] == 0).all()


def test_criteria(seed):
    X, y, _ = table(40, 5, seed=seed)
    N, p = 40, np.arange(6) + 1
    fits = {name: BestSubsetRegression(name).fit(X, y) for name in ("aic", "bic", "cp")}
    rss = fits["aic"].rss_path_
    expected = {
        "aic": N * np.log(rss / N) + 2 * p,
        "bic": N * np.log(rss / N) + np.log(N) * p,
        "cp": rss / (rss[-1] / (N - 6)) - N + 2 * p,
    }
    for name, model in fits.items():
        np.testing.assert_allclose(model.criterion_path_, expected[name], rtol=1e-9)
        assert model.size_ == expected[name].argmin()
    assert fits["cp"].criterion_path_[-1] == pytest.approx(6)  # of the full model, by construction


def test_folds_search_anew_and_one_standard_error_is_simpler(seed):
    X, y, w = table(40, 4, seed=seed)
    folds = KFold(5, shuffle=True, random_state=seed)
    best, simple = (BestSubsetRegression("cv", cv=folds, rule=r).fit(X, y, w) for r in ("best", "one_se"))
    for f, (train, test) in enumerate(folds.split(X)):
        for k in range(5):
            part = BestSubsetRegression(k).fit(X[train], y[train], w[train])
            error = np.average((y[test] - part.predict(X[test])) ** 2, weights=w[test])
            assert best.mse_path_[k, f] == pytest.approx(error, rel=1e-8)
    mean = best.mse_path_.mean(1)
    bound = mean.min() + best.mse_path_[mean.argmin()].std(ddof=1) / 5**0.5
    assert best.size_ == mean.argmin()
    assert simple.size_ == np.flatnonzero(mean <= bound)[0]


def test_weights_are_repetitions_and_units_do_not_matter(seed):
    X, y, _ = table(30, 5, seed=seed)
    times = 1 + np.arange(30) % 2
    a = BestSubsetRegression().fit(X, y, times)
    b = BestSubsetRegression().fit(X.repeat(times, 0), y.repeat(times))
    c = BestSubsetRegression().fit(X * [1e-6, 1, 1e6, 1e3, 1], y, times)
    assert a.subsets_ == b.subsets_ == c.subsets_
    assert a.size_ == b.size_ == c.size_
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-9)


def test_constant_and_duplicate_columns(seed):
    X, y, _ = table(30, 3, seed=seed)
    model = BestSubsetRegression().fit(np.column_stack([X, np.full(30, 4.0)]), y)
    assert len(model.subsets_) == 4 and not model.support_[3]
    with pytest.warns(RankWarning, match="collinear"):
        model = BestSubsetRegression(3).fit(np.column_stack([X, X[:, 0]]), y)
    assert model.rss_path_[3] == pytest.approx(rss_of(X, y, np.ones(30), [0, 1, 2], True))


def test_refusals(seed):
    X, y, _ = table(70, 61, seed=seed)
    with pytest.raises(ValueError, match="too many subsets"):
        BestSubsetRegression().fit(X, y)
    with pytest.raises(ValueError, match="n_samples=5"):
        BestSubsetRegression().fit(X[:5, :4], y[:5])
    with pytest.raises(ValueError, match="n_samples=5"):
        BestSubsetRegression("cv", cv=2).fit(X[:10, :4], y[:10])
    with pytest.raises(ValueError, match="size"):
        BestSubsetRegression("bix").fit(X[:, :2], y)


def test_the_search_in_plain_python(seed):
    X, y, _ = table(15, 3, seed=seed)
    X, y = X - X.mean(0), y - y.mean()
    arguments = np.linalg.inv(X.T @ X), X.T @ y, float(y @ y), 2
    np.testing.assert_array_equal(leaps_and_bounds(*arguments)[1:], leaps_and_bounds.py_func(*arguments)[1:])
