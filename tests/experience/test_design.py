"""The design matrix: each encoding against its formula, back again, and through a save."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from peira.core.errors import DataError, UnreadableError
from peira.core.persistence import load
from peira.experience import DesignMatrix, Table, infer_roles, read

DAYS = np.array(["2024-01-01", "2024-02-15T06:00", "2024-07-04T18:30", "NaT", "2025-12-31T23:59"], "datetime64[us]")
MIXED = {
    "x": np.array([1.0, 4.0, np.nan, 2.0, 9.0]),
    "word": np.array(["a", "b", "a", None, "a"], object),
    "yes": np.array(["no", "yes", "no", "no", "yes"], object),
    "size": np.array(["S", "L", "M", "M", "S"], object),
    "day": DAYS,
    "key": np.array([3.0, 1.0, 5.0, 2.0, 4.0]),
    "flat": np.full(5, 7.0),
}
KINDS = {"word": "categorical", "size": ["S", "M", "L"], "key": "identifier"}


def columns(design: DesignMatrix, X) -> dict[str, np.ndarray]:
    matrix = design.transform(X)
    return dict(zip(design.get_feature_names_out(), matrix.T, strict=True))


def test_every_encoding_by_its_formula():
    design = DesignMatrix(kinds=KINDS, intercept=True).fit(MIXED)
    got = columns(design, MIXED)
    filled = np.array([1, 4, 3, 2, 9.0])  # the median of 1, 4, 2, 9 is 3
    time = np.where(np.isnat(DAYS), 0, DAYS.astype(np.int64) / 86400e6)
    time[3] = np.median(time[[0, 1, 2, 4]])
    hour = np.array([0, 6, 18.5, 0, 23 + 59 / 60])
    month = np.array([0, 1 + 14 / 29, 6 + 3 / 31, 0, 11 + 30 / 31])
    weekday = np.array([0, 3, 3, 0, 2])  # Monday, Thursday, Thursday, missing, Wednesday
    there = ~np.isnat(DAYS)
    expected = {
        "intercept": np.ones(5),
        "x": (filled - filled.mean()) / filled.std(),
        "x=(missing)": [0, 0, 1, 0, 0],
        "word=b": [0, 1, 0, 0, 0],
        "word=(missing)": [0, 0, 0, 1, 0],
        "yes=yes": [0, 1, 0, 0, 1],
        "size": (np.array([0, 2, 1, 1, 0]) - 0.8) / np.std([0, 2, 1, 1, 0]),
        "day:time": (time - time.mean()) / time.std(),
        "day:month_sin": np.sin(2 * np.pi * month / 12) * there,
        "day:month_cos": np.cos(2 * np.pi * month / 12) * there,
        "day:weekday_sin": np.sin(2 * np.pi * weekday / 7) * there,
        "day:weekday_cos": np.cos(2 * np.pi * weekday / 7) * there,
        "day:hour_sin": np.sin(2 * np.pi * hour / 24) * there,
        "day:hour_cos": np.cos(2 * np.pi * hour / 24) * there,
    }
    assert list(got) == list(expected)  # the date is missing where the word is: one indicator is enough
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, atol=1e-12, err_msg=name)
    assert any("'key' is left out" in note for note in design.notes_)
    assert any("'day' is missing in the same rows as 'word'" in note for note in design.notes_)


def test_back_again():
    design = DesignMatrix(kinds=KINDS).fit(MIXED)
    back = design.inverse_transform(design.transform(MIXED))
    for name in ("word", "yes", "size"):
        np.testing.assert_array_equal(back[name], MIXED[name])
    np.testing.assert_allclose(back["x"], MIXED["x"], rtol=1e-14)
    np.testing.assert_array_equal(back["flat"], MIXED["flat"])
    there = ~np.isnat(DAYS)
    assert np.abs(back["day"][there] - DAYS[there]).max() < np.timedelta64(1, "ms")
    assert np.isnan(back["key"]).all()


@pytest.mark.parametrize("reference", [True, False])
def test_levels_come_back(reference, seed):
    word = np.random.default_rng(seed).choice(np.array(["a", "b", "c", "d", None], object), 100)
    design = DesignMatrix(reference=reference).fit({"word": word})
    matrix = design.transform({"word": word})
    assert matrix.shape[1] == 5 - reference
    np.testing.assert_array_equal(design.inverse_transform(matrix)["word"], word)


def test_without_standardising_numbers_are_themselves(seed):
    X = np.random.default_rng(seed).normal(size=(6, 3))
    np.testing.assert_array_equal(DesignMatrix(standardise=False).fit_transform(X), X)


@pytest.mark.parametrize(("impute", "fill"), [("median", 2.0), ("mean", 3.0), ("most_frequent", 1.0)])
def test_fills(impute, fill):
    X = np.array([[1.0], [1.0], [2.0], [np.nan], [2.5], [8.5]])
    design = DesignMatrix(impute=impute, standardise=False).fit(X)
    assert design.transform(X)[3].tolist() == [fill, 1.0]
    assert DesignMatrix(impute=impute, indicators=False).fit(X).transform(X).shape == (6, 1)


def test_rare_and_unknown_levels():
    word = np.array(["a"] * 60 + ["b"] * 30 + ["c"] * 6 + ["d"] * 3 + ["e"], object)
    ask = {"word": np.array(["a", "b", "d", "new", None], object)}
    pooled = DesignMatrix(min_share=0.05).fit({"word": word})
    assert pooled.get_feature_names_out().tolist() == ["word=b", "word=c", "word=(other)"]
    np.testing.assert_array_equal(pooled.transform(ask)[:4], [[0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]])
    assert any("2 rare levels in one column ('d', 'e'; 4 rows)" in note for note in pooled.notes_)
    assert pooled.unknown_levels(ask) == {"word": {"d": 1, "new": 1}}
    full = DesignMatrix(min_share=0.0).fit({"word": word})
    # Nothing is known about the level: the row counts as the average of those that were learned from.
    average = full.transform({"word": word}).mean(0)
    np.testing.assert_allclose(full.transform(ask)[3:], [average, average])
    most = DesignMatrix(max_levels=2).fit({"word": word})
    assert most.get_feature_names_out().tolist() == ["word=b", "word=(other)"]


def test_a_level_is_one_however_it_is_spelled():
    design = DesignMatrix(kinds={"v": "categorical"}).fit({"v": np.array([1.0, 2.0, 2.0, 0.5])})
    for spelled in (np.array([1.0, 2.0]), np.array(["1", "2"], object), np.array([1, 2])):
        np.testing.assert_array_equal(design.transform({"v": spelled}), [[0, 1], [0, 0]])


@pytest.mark.parametrize(
    "wrap", [lambda d: d, Table.of, pd.DataFrame, lambda d: pl.DataFrame({k: v.tolist() for k, v in d.items()})]
)
def test_any_frame_gives_the_same_matrix(wrap):
    expected = DesignMatrix(kinds=KINDS).fit_transform(MIXED)
    design = DesignMatrix(kinds=KINDS)
    np.testing.assert_array_equal(design.fit_transform(wrap(MIXED)), expected)
    assert design.feature_names_in_.tolist() == list(MIXED)


def test_tables_may_have_more_columns_in_any_order():
    design = DesignMatrix(kinds=KINDS).fit(MIXED)
    more = Table({"extra": np.zeros(5), **dict(reversed(MIXED.items()))})
    np.testing.assert_array_equal(design.transform(more), design.transform(MIXED))
    with pytest.raises(DataError, match="column 'x' of fit is missing"):
        design.transform(more.drop("x"))


def test_tensors_stay_tensors(seed):
    X = torch.from_numpy(np.random.default_rng(seed).normal(size=(5, 2)))
    design = DesignMatrix().fit(X)
    Z = design.transform(X)
    assert isinstance(Z, torch.Tensor) and torch.allclose(Z.mean(0), torch.zeros(2, dtype=Z.dtype), atol=1e-12)
    assert torch.allclose(design.inverse_transform(Z), X)


@pytest.mark.parametrize("together", [1, 50, 10**6])
@pytest.mark.parametrize("impute", ["median", "mean", "most_frequent"])
def test_columns_encoded_together_are_as_if_each_were_alone(impute, together, seed, monkeypatch):
    monkeypatch.setattr("peira.experience.design.TOGETHER", together)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(9, 14)).round(1) * 10.0 ** rng.integers(-3, 4, 14)
    X[rng.random(X.shape) < 0.2] = np.nan
    X[:, 3], X[:, 4], X[1:, 5], X[:, 6] = np.nan, 2.0, 1.0, rng.integers(0, 2, 9)
    table = {f"c{i}": column for i, column in enumerate(X.T)}
    table["c8"] = np.array([None, *"SMMLSML", "S"], object)
    kinds = {"c8": ["S", "M", "L"], "c2": "ignored"}
    design = DesignMatrix(kinds=kinds, impute=impute, indicators=False)
    alone = [
        DesignMatrix(kinds={n: k for n, k in kinds.items() if n == name}, impute=impute, indicators=False).fit(
            {name: v}
        )
        for name, v in table.items()
    ]
    expected = np.hstack([one.transform({name: table[name]}) for name, one in zip(table, alone, strict=True)])
    np.testing.assert_allclose(design.fit_transform(table), expected, rtol=1e-12, atol=1e-12)
    assert design.notes_ == [note for one in alone for note in one.notes_]
    table["c11"] = np.where(np.arange(9) == 6, np.inf, table["c11"])
    for refuse in (design.transform, design.fit):
        with pytest.raises(DataError, match=r"'c11' holds 1 infinite values \(first in row 7\)"):
            refuse(table)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("N", [1, 2, 3])
def test_little_and_extreme(N, scale, seed):
    X = np.random.default_rng(seed).normal(size=(N, 2)) * scale
    Z = DesignMatrix().fit_transform(X)
    assert Z.shape == (N, 2 if N > 1 else 0)
    np.testing.assert_allclose(Z.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(0), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("fit", "ask", "said"),
    [
        ({"x": [1.0, np.inf]}, None, r"'x' holds 1 infinite values \(first in row 2\)"),
        ({"x": [1.0, 2.0]}, {"x": [1.0, -np.inf]}, "'x' holds 1 infinite"),
        ({"x": [1.0, 2.0]}, {"x": ["1", "n.v."]}, "'x' holds 'n.v.' in row 2 where a number is expected"),
        ({"x": [1.0, 2.0]}, {"x": DAYS}, "'x' holds dates where numbers"),
        ({"d": DAYS}, {"d": [1.0, 2.0]}, "'d' holds .* in row 1 where a date is expected"),
    ],
)
def test_what_is_refused(fit, ask, said):
    with pytest.raises(DataError, match=said):
        design = DesignMatrix().fit(fit)
        design.transform(ask)


def test_numbers_may_come_as_words_or_not_at_all():
    design = DesignMatrix(kinds={"d": "datetime"}).fit({"x": np.array([1.0, 3.0]), "d": DAYS[:2]})
    got = design.transform({"x": np.array(["1", None], object), "d": np.array([None, None], object)})
    np.testing.assert_allclose(got[:, 0], [-1, 0])


def test_dates_may_come_as_words():
    kinds = {"d": "datetime"}
    words = np.array(["2024-01-01", "2024-02-15T06:00", "2024-07-04T18:30", None, "2025-12-31T23:59"], object)
    expected = DesignMatrix().fit_transform({"d": DAYS})
    np.testing.assert_array_equal(DesignMatrix(kinds=kinds).fit_transform({"d": words}), expected)


def test_words_outside_of_a_declared_order():
    kinds = {"size": ["S", "M", "L"]}
    with pytest.raises(DataError, match="'size' holds 'XL'"):
        DesignMatrix(kinds=kinds).fit({"size": ["S", "XL", "L"]})
    design = DesignMatrix(kinds=kinds).fit({"size": ["S", "M", "L"]})
    assert design.unknown_levels({"size": ["S", "XL", "XL"]}) == {"size": {"XL": 2}}
    np.testing.assert_array_equal(design.transform({"size": ["XL", None]}), design.transform({"size": ["M", "M"]}))


@pytest.mark.parametrize("kinds", [{"x": "numbers"}, {"x": 5}, {"y": "numeric"}])
def test_wrong_kinds(kinds):
    with pytest.raises(DataError):
        DesignMatrix(kinds=kinds).fit({"x": [1.0, 2.0]})


def test_saved_without_pickle(tmp_path):
    design = DesignMatrix(kinds=KINDS, intercept=True).fit(MIXED)
    again = load(design.save(tmp_path / "design"))
    np.testing.assert_array_equal(again.transform(MIXED), design.transform(MIXED))
    assert again.get_feature_names_out().tolist() == design.get_feature_names_out().tolist()


def test_a_damaged_model_is_refused(tmp_path):
    design = DesignMatrix(kinds=KINDS).fit(MIXED)
    for damage in (
        lambda plans: plans.pop(),
        lambda plans: plans[0].update(kind="pickle"),
        lambda plans: plans[0].update(mean=float("nan")),
        lambda plans: plans[0].update(mean="0"),
        lambda plans: plans[0].pop("name"),
        lambda plans: plans[1].update(shares=[0.5]),
        lambda plans: plans[1].update(levels=[1]),
        lambda plans: plans[4].update(parts=["century"]),
    ):
        plans = [dict(plan) for plan in design.plans_]
        damage(plans)
        broken = DesignMatrix(kinds=KINDS).fit(MIXED)
        broken.plans_ = plans
        path = broken.save(tmp_path / "broken")
        with pytest.raises(UnreadableError):
            load(path)


def test_inside_pipelines(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=60), "w": rng.choice(["a", "b"], 60)})
    frame.loc[3, "x"] = np.nan
    y = rng.normal(size=60)
    model = make_pipeline(DesignMatrix(), LinearRegression())
    assert cross_val_predict(model, frame, y, cv=3).shape == (60,)
    assert cross_val_predict(model, Table.of(frame), y, cv=3).shape == (60,)
    split = ColumnTransformer([("numbers", DesignMatrix(), ["x"]), ("words", DesignMatrix(), ["w"])])
    np.testing.assert_array_equal(split.fit_transform(frame), DesignMatrix().fit_transform(frame))
    out = DesignMatrix().set_output(transform="pandas").fit_transform(frame)
    assert out.columns.tolist() == ["x", "x=(missing)", "w=b" if (frame.w == "a").sum() >= 30 else "w=a"]


def test_fitted_inside_the_fold_only():
    X = np.arange(10.0)[:, None]
    design = DesignMatrix().fit(X[:5])
    assert design.plans_[0]["mean"] == 2.0
    np.testing.assert_allclose(design.transform(X)[7], (7 - 2) / np.sqrt(2))


def test_no_two_columns_of_a_real_table_depend_on_each_other():
    t = read("example:diabetes")
    t = Table({**t.to_dict(), "sex": np.where(t["sex"] > 0, "f", "m").astype(object)})
    roles = infer_roles(t, "progression")
    matrix = DesignMatrix(kinds=roles.kinds, intercept=True).fit_transform(roles.X)
    assert np.linalg.matrix_rank(matrix) == matrix.shape[1] == 11


def test_a_constant_is_left_out_as_one_also_where_it_was_said_before():
    """As in a study, whose roles have found the kinds: what is constant in these rows is called so."""
    table = {"same": [7.0] * 4, "none": [np.nan] * 4, "other": [1.0, 2.0, 3.0, 4.0], "x": [1.0, 2.0, 4.0, 3.0]}
    design = DesignMatrix(kinds={"same": "constant", "none": "constant", "other": "constant"}).fit(table)
    assert design.notes_ == [
        "column 'same' is left out: the same value in every row",
        "column 'none' is left out: no value at all",
        "column 'other' is left out: it is taken for constant",
    ]


def test_each_number_names_the_column_it_was_made_from():
    table = {"x": [1.0, np.nan, 3.0], "same": [7.0] * 3, "town": ["Ulm", "Bonn", "Ulm"]}
    design = DesignMatrix(kinds={"town": "categorical"}, intercept=True).fit(table)
    assert design.get_feature_names_out().tolist() == ["intercept", "x", "x=(missing)", "town=Bonn"]
    assert design.get_origins() == ["", "x", "x", "town"]
