"""What rolling origins tell: comparisons, widths of intervals, and logarithms of series."""

import numpy as np
import pytest
from scipy import stats

from peira.core.errors import DataError
from peira.core.predictive import Normal
from peira.experience.sequences import Sequences
from peira.experience.table import Table
from peira.study.logarithm import Exponential, logged, swings_grow
from peira.study.rolling import FEWEST, factor, factors, paired, strain
from peira.study.sequence_models import SeriesModel
from peira.study.series import series_of
from peira.study.timeline import Timeline


def test_a_comparison_is_newey_and_west_by_hand(seed):
    d, H = np.random.default_rng(seed).normal(0.4, 1, size=30), 3
    e = d - d.mean()
    variance = sum(max(0, 1 - abs(s - t) / (2 * H)) * e[s] * e[t] for s in range(30) for t in range(30)) / 30**2
    share = (30 + 1 - 2 * H + H * (H - 1) / 30) / 30
    expected = stats.t(30 / H - 1, d.mean(), np.sqrt(variance / share)).interval(0.95)
    found = paired(d, np.arange(30), H)
    np.testing.assert_allclose(found["interval"], expected)
    half = paired(d, np.arange(30), H, scale=0.5, rope=0.1)
    np.testing.assert_allclose(half["interval"], np.divide(expected, 2))
    assert found["better"] + found["equivalent"] + found["worse"] == pytest.approx(1)


def test_series_that_move_together_count_once(seed):
    d = np.random.default_rng(seed).normal(size=20)
    alone, twice = paired(d, np.arange(20), 2), paired(np.tile(d, 2), np.tile(np.arange(20), 2), 2)
    np.testing.assert_allclose(twice["interval"], alone["interval"])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_origins_are_never_clear(n):
    assert not paired(np.full(n, 5.0), np.arange(n), 4)["clear"]


def test_factors_learn_from_outcomes_that_were_known_and_hold_the_level(seed):
    rng = np.random.default_rng(seed)
    N, H = 400, 2
    observed = rng.normal(0, 3, size=(N, H, 1))  # the method believes in a deviation of 1
    z = stats.norm.ppf(0.95)
    s = strain(observed, np.zeros((N, H, 1)), np.full((N, H, 1), -z), np.full((N, H, 1), z))
    by = factors(s, np.arange(N), H, 0.9)
    first = FEWEST // H + H - 1
    assert np.isnan(by[:first]).all() and np.isfinite(by[first:]).all()
    np.testing.assert_array_equal(by[first], factor(s[: first - H + 1], 0.9))
    later = s.copy()
    later[200:] = 99.0  # what comes later changes nothing before its outcome is known
    np.testing.assert_array_equal(factors(later, np.arange(N), H, 0.9)[:202], by[:202])
    assert abs(np.mean(s[first:] <= by[first:]) - 0.9) < 0.04
    assert abs(by[-1].mean() - 3) < 0.5


def test_logarithms_where_swings_grow_with_the_level(seed):
    t, rng = np.arange(144), np.random.default_rng(seed)
    season = np.sin(2 * np.pi * t / 12) + 0.1 * rng.normal(size=144)
    growing, steady = np.exp(0.015 * t + 0.3 * season), 5 + 0.1 * t + season
    chosen = [
        swings_grow(Sequences(x[:, None], [len(x)])) for x in (growing, steady, growing - growing.min(), growing[:8])
    ]
    assert chosen == [True, False, False, False]
    X = Sequences(growing[:, None], [144])
    model = SeriesModel(logs=True).fit(X)
    assert model.least_ == pytest.approx(growing.min() / 10)
    inner = model.method_.predict_dist(logged(X, model.least_), 3)
    low, high = model.predict_dist(X, 3).interval(0.9)
    np.testing.assert_allclose([low, high], np.exp(inner.interval(0.9)))
    np.testing.assert_allclose(model.predict(X, 3), np.exp(inner.mean + inner.variance / 2))
    assert np.isfinite(model.score(X, horizon=3))


def test_the_exponential_of_a_normal_is_lognormal():
    found, law = Exponential(Normal([0.3], [0.5])), stats.lognorm(0.5, scale=np.exp(0.3))
    for ours, theirs in ((found.mean, law.mean()), (found.variance, law.var()), (found.cdf([2.0]), law.cdf(2))):
        np.testing.assert_allclose(ours, theirs)
    np.testing.assert_allclose(found.log_prob([2.0]), law.logpdf(2.0))
    assert found.log_prob([-1.0]) == -np.inf and found.cdf([-1.0]) == 0
    assert np.median(found.sample(4000, seed=0)) == pytest.approx(law.median(), rel=0.05)


def test_origins_are_as_many_as_asked_for():
    line = Timeline(Sequences(np.arange(50.0)[:, None], [50]))[np.arange(20, 50)]
    assert line.origins(5)[2].tolist() == list(range(20, 46))
    assert line.origins(5, most=9)[2].tolist() == list(range(20, 46, 3))


def test_days_written_as_numbers_are_days_and_gaps_are_told():
    days = np.array([20200130, 20200131, 20200201, 20200202, 20200209], dtype=float)
    found = series_of(Table({"day": days, "x": np.arange(5.0)}), sequence=None, time="day")
    assert found.times.astype(str).tolist()[1:3] == ["2020-01-31", "2020-02-01"]
    assert any("not equally far apart by 'day': 1 gaps" in note for note in found.notes)
    plain = series_of(Table({"day": days[:4] + 99, "x": np.arange(4.0)}), sequence=None, time="day")
    assert plain.times.dtype.kind == "f"


def test_numbers_of_rows_are_no_series():
    """A column that only counts the rows is left out and named, unless there is nothing else to see."""
    x = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])
    rows = np.arange(1.0, 7.0)
    found = series_of(Table({"rownames": rows, "x": x, "slow": rows / 2}), sequence=None, time=None)
    assert list(found.X.names) == ["x", "slow"]
    assert "left out, because it only counts the rows: 'rownames'" in found.notes
    each = Table({"t": np.tile(rows[:3], 2), "who": np.array(["a"] * 3 + ["b"] * 3, object), "x": x})
    assert list(series_of(each, sequence="who", time=None).X.names) == ["x"]
    assert list(series_of(Table({"t": rows}), sequence=None, time=None).X.names) == ["t"]
    word = Table({"id": rows, "word": np.array(list("abcabc"), object)})
    assert list(series_of(word, sequence=None, time=None, symbols=True).X.names) == ["word"]
    with pytest.raises(DataError, match="'t' is missing in 1 rows, first row 2"):
        series_of(Table({"t": np.array([1.0, np.nan]), "x": x[:2]}), sequence=None, time="t")


def test_numbers_that_are_names_are_written_as_one_writes_them():
    table = Table({"shop": np.array([3.0, 3.0, 1.0]), "x": np.array([1.0, 2.5, 4.0])})
    assert series_of(table, sequence="shop", time=None).X.ids.tolist() == ["3", "1"]
