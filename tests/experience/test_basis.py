"""Basis functions: each against its formula by another route, and the laws that they obey."""

import numpy as np
import pytest
import torch
from numpy.polynomial import polynomial
from scipy import interpolate
from sklearn import preprocessing

from peira.core.errors import DataError, ParameterError
from peira.core.persistence import load
from peira.experience.basis import (
    BasisUnion,
    FourierBasis,
    GaussianBasis,
    NaturalSpline,
    PolynomialFeatures,
    SigmoidBasis,
    SplineTransformer,
)

ALL = [
    GaussianBasis(4),
    SigmoidBasis(3),
    FourierBasis(2),
    PolynomialFeatures(3),
    SplineTransformer(4),
    SplineTransformer(6, knots="quantile", extrapolation="linear", degree=2),
    NaturalSpline(4),
    GaussianBasis(3) + FourierBasis(2, columns=[1]) + PolynomialFeatures(1, include_bias=False),
]


@pytest.fixture
def X(seed):
    return np.random.default_rng(seed).normal(size=(60, 2))


@pytest.mark.parametrize("basis", ALL, ids=lambda b: type(b).__name__)
def test_what_all_bases_share(basis, X, tmp_path):
    values = basis.fit(X).transform(X)
    names = basis.get_feature_names_out(["age", "size"]).tolist()
    assert values.shape == (60, len(names)) and len(set(names)) == len(names) and np.isfinite(values).all()
    np.testing.assert_array_equal(load(basis.save(tmp_path / "basis")).transform(X), values)
    tensor = torch.from_numpy(X).requires_grad_()
    np.testing.assert_array_equal(basis.transform(tensor).numpy(force=True), values)
    np.testing.assert_allclose(basis.transform(X[:1]), values[:1], rtol=1e-14)


@pytest.mark.parametrize("basis", ALL, ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("N", [1, 2, 3])
def test_few_rows_and_constant_inputs(basis, N):
    X = np.column_stack([np.full(N, 5.0), np.arange(N)])
    values = basis.fit(X).transform(X)
    assert len(values) == N and np.isfinite(values).all()


def test_polynomials_by_the_explicit_product(X):
    basis = PolynomialFeatures(3).fit(X)
    exponents = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3)]
    expected = np.column_stack([X[:, 0] ** a * X[:, 1] ** b for a, b in exponents])
    np.testing.assert_allclose(basis.transform(X), expected, rtol=1e-13)
    np.testing.assert_allclose(
        PolynomialFeatures(5).fit_transform(X[:, :1]), polynomial.polyvander(X[:, 0], 5), rtol=1e-13
    )


@pytest.mark.parametrize(
    "options", [{}, {"degree": 3}, {"degree": 0}, {"degree": 3, "interaction_only": True}, {"include_bias": False}]
)
@pytest.mark.parametrize("D", [1, 2, 3])
def test_polynomials_are_scikit_learns(options, D, seed):
    X = np.random.default_rng(seed).normal(size=(5, D))
    ours, theirs = PolynomialFeatures(**options).fit(X), preprocessing.PolynomialFeatures(**options).fit(X)
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), rtol=1e-13)
    assert ours.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()


def test_polynomials_without_functions_or_with_too_many():
    with pytest.raises(DataError, match="no functions"):
        PolynomialFeatures(0, include_bias=False).fit([[1.0]])
    with pytest.raises(DataError, match="more than 100,000"):
        PolynomialFeatures(4).fit(np.ones((1, 100)))


def test_gaussians_and_sigmoids_by_their_formulas(X):
    low, high = X[:, 1].min(), X[:, 1].max()
    centres = np.linspace(low, high, 5)
    s = 0.7 * (high - low) / 4
    z = (X[:, 1:] - centres) / s
    options = {"width": 0.7, "columns": [1]}
    np.testing.assert_allclose(GaussianBasis(5, **options).fit_transform(X), np.exp(-(z**2) / 2), rtol=1e-12)
    np.testing.assert_allclose(SigmoidBasis(5, **options).fit_transform(X), 1 / (1 + np.exp(-z)), rtol=1e-12)


def test_one_centre_lies_in_the_middle():
    values = GaussianBasis(1).fit([[0.0], [4.0]]).transform([[2.0], [0.0], [4.0]])[:, 0]
    assert values[0] == 1.0 and values[1] == values[2]


def test_waves_by_their_formula_and_their_orthogonality():
    x = np.arange(8.0)[:, None]
    F = FourierBasis(3, period=8.0).fit_transform(x)
    expected = [f(2 * np.pi * k * x[:, 0] / 8) for k in (1, 2, 3) for f in (np.sin, np.cos)]
    np.testing.assert_allclose(F, np.transpose(expected), atol=1e-14)
    np.testing.assert_allclose(F.T @ F, 4 * np.eye(6), atol=1e-13)
    assert FourierBasis(1, period=8.0).fit(x).get_feature_names_out().tolist() == ["x0:sin1", "x0:cos1"]


def test_waves_repeat_far_away():
    basis = FourierBasis(5, period=0.5).fit([[0.0]])
    np.testing.assert_array_equal(basis.transform([[0.125]]), basis.transform([[0.125 + 2.0**40]]))
    np.testing.assert_array_equal(basis.transform([[-0.375]]), basis.transform([[0.125]]))


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("knots", ["uniform", "quantile"])
def test_b_splines_against_scipy(degree, knots, X):
    basis = SplineTransformer(6, degree=degree, knots=knots).fit(X[:, :1])
    t = basis.learned_[0]
    expected = interpolate.BSpline.design_matrix(X[:, 0], t, degree).toarray() if degree else None
    values = basis.transform(X[:, :1])
    if expected is not None:
        np.testing.assert_allclose(values, expected, atol=1e-14)
    # Partition of unity, no negative values, and degree + 1 of them at most at any place.
    np.testing.assert_allclose(values.sum(1), 1, rtol=1e-14)
    assert values.min() >= 0 and (values > 0).sum(1).max() <= degree + 1


@pytest.mark.parametrize("extrapolation", ["constant", "linear", "continue"])
@pytest.mark.parametrize("include_bias", [True, False])
def test_b_splines_are_scikit_learns_inside_and_outside(extrapolation, include_bias, X):
    options = {"n_knots": 5, "extrapolation": extrapolation, "include_bias": include_bias}
    ours, theirs = SplineTransformer(**options).fit(X), preprocessing.SplineTransformer(**options).fit(X)
    far = np.vstack([X, 2 * X])
    np.testing.assert_allclose(ours.transform(far), theirs.transform(far), atol=1e-12)
    assert ours.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()


def test_going_straight_on_is_following_the_last_piece_of_a_straight_spline(X):
    # Degree 1, where scikit-learn 1.9.1 gives something else.
    straight, on = (SplineTransformer(5, degree=1, extrapolation=e).fit(X) for e in ("linear", "continue"))
    np.testing.assert_allclose(straight.transform(3 * X), on.transform(3 * X), atol=1e-12)


def test_the_slope_outside_is_the_slope_at_the_border(X):
    basis = SplineTransformer(5, extrapolation="linear").fit(X[:, :1])
    low, high = X[:, 0].min(), X[:, 0].max()
    h = 1e-6
    for border, outwards in ((low, -1), (high, 1)):
        inside = (basis.transform([[border]]) - basis.transform([[border - outwards * h]])) / h
        outside = basis.transform([[border + outwards]]) - basis.transform([[border]])
        np.testing.assert_allclose(inside, outside, atol=1e-4)


def test_values_outside_can_be_refused():
    basis = SplineTransformer(3, extrapolation="error").fit([[0.0], [1.0]])
    with pytest.raises(DataError, match="the value 2 in row 1 lies outside of the knots, which go from 0 to 1"):
        basis.transform([[0.5], [2.0]])


def test_knots_that_fall_together():
    X = np.array([[0, 0, 0, 0, 1, 2, 3, 3, 3.0]]).T
    for degree in (1, 2, 3):
        values = SplineTransformer(5, degree=degree, knots="quantile").fit_transform(X)
        np.testing.assert_allclose(values.sum(1), 1)
        theirs = preprocessing.SplineTransformer(5, degree=degree, knots="quantile").fit_transform(X)
        whole = np.isclose(theirs.sum(1), 1)  # scikit-learn 1.9.1 gives zeros where the last two knots coincide
        np.testing.assert_allclose(values[whole], theirs[whole], atol=1e-12)


def test_natural_splines_by_their_formula(X):
    x = X[:, 0]
    basis = NaturalSpline(4).fit(x[:, None])
    xi = np.quantile(x, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(basis.learned_[0], xi, rtol=1e-14)

    def d(k):
        return (np.maximum(x - xi[k], 0) ** 3 - np.maximum(x - xi[4], 0) ** 3) / (xi[4] - xi[k])

    dense = np.column_stack([np.ones_like(x), x, *(d(k) - d(3) for k in range(3))])
    ours = np.column_stack([np.ones_like(x), basis.transform(x[:, None])])
    # The same functions up to their scale: every column of one is a combination of the other's.
    for a, b in ((dense, ours), (ours, dense)):
        np.testing.assert_allclose(a @ np.linalg.lstsq(a, b, rcond=None)[0], b, atol=1e-9)


def test_natural_splines_interpolate_as_scipys_do(seed):
    x = np.linspace(-1, 2, 6)
    y = np.random.default_rng(seed).normal(size=6)
    basis = NaturalSpline(5).fit(x[:, None])
    weights = np.linalg.solve(np.column_stack([np.ones(6), basis.transform(x[:, None])]), y)
    q = np.linspace(-1, 2, 50)
    ours = np.column_stack([np.ones(50), basis.transform(q[:, None])]) @ weights
    np.testing.assert_allclose(ours, interpolate.CubicSpline(x, y, bc_type="natural")(q), rtol=1e-9, atol=1e-10)


def test_natural_splines_are_straight_beyond_the_data(X):
    basis = NaturalSpline(5).fit(X)
    for start in (X.max() + 0.1, X.min() - 10):
        values = basis.transform(np.repeat(np.linspace(start, start + 9, 10)[:, None], 2, 1))
        np.testing.assert_allclose(np.diff(values, n=2, axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("values", [[0, 1], [0, 0, 0, 1], [0, 1, 1, 2, 2, 2]])
def test_natural_splines_of_few_different_values(values):
    x = np.array(values, float)[:, None]
    design = np.column_stack([np.ones(len(x)), NaturalSpline(4).fit_transform(x)])
    assert design.shape[1] <= len(np.unique(x)) and np.linalg.matrix_rank(design) == design.shape[1]


def test_unions_stand_side_by_side(X):
    a, b, c = GaussianBasis(2), FourierBasis(1, columns=[0]), GaussianBasis(2)
    union = (a + b + c).fit(X)
    assert isinstance(union, BasisUnion) and len(union.parts_) == 3
    np.testing.assert_array_equal(union.transform(X), np.hstack([p.fit_transform(X) for p in (a, b, c)]))
    names = union.get_feature_names_out().tolist()
    assert names[:4] == ["x0:gauss1", "x0:gauss2", "x1:gauss1", "x1:gauss2"] and len(set(names)) == 10
    assert [p.get_params() for p in union.parts] == [p.get_params() for p in (a, b, c)]


@pytest.mark.parametrize("columns", [["nosuch"], [2], [-3], [0.5], [], [0, 0], [0, -2]])
def test_columns_that_cannot_be_expanded(columns, X):
    for basis in (GaussianBasis(2, columns=columns), PolynomialFeatures(columns=columns)):
        with pytest.raises(DataError, match="column"):
            basis.fit(X)


def test_columns_by_name():
    import pandas as pd

    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": [1.0, 2.0, 3.0]})
    assert GaussianBasis(2, columns=["b"]).fit(frame).get_feature_names_out().tolist() == ["b:gauss1", "b:gauss2"]
    with pytest.raises(DataError, match="there are: a, b"):
        GaussianBasis(2, columns=["c"]).fit(frame)


def test_a_range_that_no_float_holds():
    for basis in (GaussianBasis(3), FourierBasis(), SplineTransformer(), PolynomialFeatures(2)):
        with pytest.raises(DataError, match=r"too (wide|large) for a float"):
            basis.fit_transform([[-1.7e308], [0.0], [1.7e308]])


@pytest.mark.parametrize("parts", [None, [], ["GaussianBasis"]])
def test_unions_of_nothing(parts, X):
    with pytest.raises(ParameterError, match="parts"):
        BasisUnion(parts).fit(X)


def test_only_bases_are_added():
    with pytest.raises(TypeError):
        GaussianBasis(2) + 1
