"""Least squares against exact fractions, against itself under change of units, and against the textbook's formulas."""

import json
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse, stats

from peira.core.errors import RankWarning
from peira.linear.least_squares import LinearRegression
from peira.numerics.doubled import residuals, weighted_products
from peira.numerics.least_squares import by_gram, by_qr, from_triangle, reduced
from peira.numerics.refined_qr import independent

NIST = json.loads((Path(__file__).parents[2] / "evidence/data/nist/strd_linear.json").read_text())["sets"]


def solve_exactly(A, t, w):
    """Weighted least squares in fractions: coefficients, and the diagonal of (A'WA)^-1."""
    A, t, w = ([[Fraction(v) for v in row] for row in A.tolist()], *([Fraction(v) for v in z.tolist()] for z in (t, w)))
    P = len(A[0])
    M = []
    for j in range(P):
        gram = [sum(v * row[j] * row[k] for v, row in zip(w, A, strict=True)) for k in range(P)]
        right = sum(v * row[j] * y for v, row, y in zip(w, A, t, strict=True))
        M.append([*gram, right, *(Fraction(int(j == k)) for k in range(P))])
    for i in range(P):
        M[i] = [v / M[i][i] for v in M[i]]
        for k in range(P):
            if k != i:
                M[k] = [a - M[k][i] * b for a, b in zip(M[k], M[i], strict=True)]
    return np.array([float(row[P]) for row in M]), np.array([float(M[j][P + 1 + j]) for j in range(P)])


def table(N, D, K=1, *, seed, correlation=0.9):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) + correlation * rng.standard_normal((N, 1)) + 5
    return X, X @ rng.standard_normal((D, K)) + rng.standard_normal((N, K)), rng.uniform(0.1, 3, N)


def both(X, Y, w, **options):
    tensors = [None if v is None else torch.as_tensor(v) for v in (X, Y, w)]
    return by_gram(*tensors, **options), by_qr(*tensors, **options)


class TestDoubledPrecision:
    def test_residuals_are_exact_up_to_one_rounding(self, seed):
        rng = np.random.default_rng(seed)
        for N in (0, 1, 2, 3, 37, 600):
            X, B = 1e3 * rng.standard_normal((N, 4)), rng.standard_normal((4, 2))
            Y = X @ B + 1e-13 * rng.standard_normal((N, 2))  # all but the last digits cancel
            R = 1e-12 * rng.standard_normal((N, 2))
            F = residuals(np.ascontiguousarray(X.T), B, np.ascontiguousarray(Y.T), np.ascontiguousarray(R.T))
            for i in range(N):
                for k in range(2):
                    terms = [Fraction(X[i, j]) * Fraction(B[j, k]) for j in range(4)]
                    exact = Fraction(Y[i, k]) - Fraction(R[i, k]) - sum(terms)
                    assert abs(F[k, i] - float(exact)) <= 2.3e-16 * abs(float(exact)) + 1e-27

    def test_weighted_products_survive_cancellation(self, seed):
        rng = np.random.default_rng(seed)
        for N in (1, 2, 3, 16, 17, 100):
            X, w, r = rng.standard_normal((N, 3)), rng.random(N), rng.standard_normal(N)
            A = X * np.sqrt(w)[:, None]
            r -= X @ np.linalg.lstsq(A, np.sqrt(w) * r)[0]  # orthogonal up to rounding
            G = weighted_products(np.ascontiguousarray(X.T), w, r[None])
            for j in range(3):
                exact = float(sum(Fraction(X[i, j]) * Fraction(w[i]) * Fraction(r[i]) for i in range(N)))
                assert abs(G[j, 0] - exact) <= 4e-16 * abs(exact) + 1e-28


class TestDigits:
    @pytest.mark.parametrize("name", sorted(NIST))
    def test_certified_values(self, name):
        given = NIST[name]
        x = np.array(given["x"], dtype=float)
        X = x if x.ndim == 2 else x[:, None] ** np.arange(1, given["degree"] + 1)
        model = LinearRegression(fit_intercept=given["intercept"]).fit(X, given["y"])
        summary = model.summary()
        pairs = [(summary.estimate, "coefficients"), (summary.std_error, "standard_errors")]
        for value, key in [*pairs, ([model.residual_std_], "residual_sd")]:
            reference = np.atleast_1d(given[key])
            error = np.abs(value - reference) / np.where(reference == 0, 1, np.abs(reference))
            assert error.max() < (1e-7 if name in ("Filip", "Wampler4", "Wampler5") else 1e-9)

    @pytest.mark.parametrize("intercept", [True, False])
    def test_ill_conditioned_designs_are_solved_to_the_last_digit(self, seed, intercept):
        x = np.random.default_rng(seed).uniform(1, 2, 25)
        X, w = x[:, None] ** np.arange(1, 8), np.linspace(0.5, 2, 25)
        y = np.cos(3 * x)
        model = LinearRegression(fit_intercept=intercept).fit(X, y, w)
        A = np.column_stack([np.ones(25), X]) if intercept else X
        b, variances = solve_exactly(A, y, w)
        np.testing.assert_allclose(model.summary().estimate, b, rtol=1e-13)
        rss = (w * (y - A @ b) ** 2).sum()
        expected = np.sqrt(variances * rss / (w.sum() - A.shape[1]))
        np.testing.assert_allclose(
            model.summary().std_error, expected, rtol=1e-6
        )  # rss of double residuals is the limit

    def test_variances_are_refined_too(self, seed):
        x = np.random.default_rng(seed).uniform(1, 2, 25)
        X, w = x[:, None] ** np.arange(1, 9), np.ones(25)
        s = by_qr(torch.as_tensor(X), torch.as_tensor(np.cos(x))[:, None], None, intercept=True)
        _, variances = solve_exactly(np.column_stack([np.ones(25), X]), np.cos(x), w)
        np.testing.assert_allclose(s.variances.numpy(), variances, rtol=1e-12)


class TestRoutes:
    @pytest.mark.parametrize("intercept", [True, False])
    @pytest.mark.parametrize("weighted", [True, False])
    def test_gram_and_qr_agree(self, seed, intercept, weighted):
        X, Y, w = table(200, 5, 3, seed=seed)
        gram, qr = both(X, Y, w if weighted else None, intercept=intercept)
        for name in ("coef", "intercept", "rss", "variances", "mean"):
            np.testing.assert_allclose(getattr(gram, name), getattr(qr, name), rtol=1e-10, err_msg=name)
        np.testing.assert_allclose(gram.root @ gram.root.T, qr.root @ qr.root.T, rtol=1e-9)
        assert gram.weight == pytest.approx(qr.weight)
        # The triangles differ by signs of rows; their products, the raw moments, do not.
        scatter = [(s.triangle.T @ s.triangle)[: -Y.shape[1]] for s in (gram, qr)]
        np.testing.assert_allclose(scatter[0], scatter[1], rtol=1e-10, atol=1e-8)

    def test_gram_refuses_what_would_cost_digits(self, seed):
        X, Y, _ = table(200, 3, seed=seed)
        X[:, 2] = X[:, 0] + 1e-3 * X[:, 2]
        gram, qr = both(X, Y, None, intercept=True)
        assert gram is None
        assert qr.rank == 3

    def test_large_problems_take_the_gram_route_and_keep_their_digits(self, seed):
        rng = np.random.default_rng(seed)
        X = rng.integers(-9, 10, (40_000, 30)).astype(float)
        y = np.rint(X @ rng.standard_normal(30) * 4 + rng.standard_normal(40_000) * 20)
        A = np.column_stack([np.ones(len(X)), X])  # whole numbers: these products are exact
        G, c = A.T @ A, A.T @ y
        exact = np.linalg.solve(G, c).astype(np.longdouble)
        for _ in range(4):
            exact += np.linalg.solve(G, (c - (G.astype(np.longdouble) * exact).sum(1)).astype(float))
        table = LinearRegression().fit(X, y).summary()
        np.testing.assert_allclose(table.estimate, exact.astype(float), rtol=1e-12)

    @pytest.mark.parametrize("offset", [0.0, 1e6])
    def test_sparse_equals_dense(self, seed, offset):
        rng = np.random.default_rng(seed)
        X = sparse.random(80, 6, 0.4, "csr", random_state=seed)
        y = X @ rng.standard_normal(6) + rng.standard_normal(80) + offset
        w = rng.uniform(0, 2, 80)
        a, b = LinearRegression().fit(X, y, w), LinearRegression().fit(X.toarray(), y, w)
        np.testing.assert_allclose(a.summary().estimate, b.summary().estimate, rtol=1e-9)
        np.testing.assert_allclose(a.summary().std_error, b.summary().std_error, rtol=1e-9)
        np.testing.assert_allclose(a.predict_dist(X[:5]).std, b.predict_dist(X.toarray()[:5]).std, rtol=1e-9)


class TestUncertainty:
    def test_the_textbooks_formulas(self, seed):
        X, Y, _ = table(30, 3, seed=seed)
        y = Y[:, 0]
        model, A = LinearRegression().fit(X, y), np.column_stack([np.ones(30), X])
        C = np.linalg.inv(A.T @ A)
        s2 = ((y - model.predict(X)) ** 2).sum() / 26
        assert model.residual_std_**2 == pytest.approx(s2)
        np.testing.assert_allclose(model.summary().std_error, np.sqrt(s2 * np.diag(C)), rtol=1e-9)
        q = np.array([[1.0, 2.0, 3.0], [9.0, 0.0, -4.0]])
        a = np.column_stack([np.ones(2), q])
        d = model.predict_dist(q)
        np.testing.assert_allclose(d.mean, a @ np.linalg.solve(A.T @ A, A.T @ y))
        np.testing.assert_allclose(d.scale, np.sqrt(s2 * (1 + np.einsum("ij,jk,ik->i", a, C, a))), rtol=1e-9)
        assert (d.df == 26).all()

    def test_p_values_are_those_of_one_slope(self, seed):
        x = np.random.default_rng(seed).standard_normal(20)
        y = x + np.random.default_rng(seed + 1).standard_normal(20)
        summary, reference = LinearRegression().fit(x[:, None], y).summary(level=0.9), stats.linregress(x, y)
        assert summary.p[1] == pytest.approx(reference.pvalue)
        reach = stats.t.ppf(0.95, 18) * reference.stderr
        assert (summary.low[1], summary.high[1]) == pytest.approx((reference.slope - reach, reference.slope + reach))
        assert set(summary.to_dict()) == {"name", "estimate", "std_error", "t", "p", "low", "high"}
        assert len(str(summary).splitlines()) == 4

    def test_intervals_cover(self, seed):
        rng = np.random.default_rng(seed)
        hits, X = [], rng.standard_normal((12, 3))
        for _ in range(400):
            y = X @ [1.0, -1.0, 0.5] + rng.standard_normal(12)
            low, high = LinearRegression().fit(X, y).predict_dist(X[:1] + 1).interval(0.8)
            new = (X[0] + 1) @ [1.0, -1.0, 0.5] + rng.standard_normal()
            hits.append(low[0] <= new <= high[0])
        assert abs(np.mean(hits) - 0.8) < 4 * np.sqrt(0.16 / 400)

    def test_no_degrees_of_freedom_is_said(self):
        model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
        assert np.isnan(model.residual_std_)
        with pytest.raises(ValueError, match="degrees of freedom"):
            model.predict_dist([[0.5]])


class TestInvariance:
    def test_units_and_offsets_of_columns_change_nothing_else(self, seed):
        X, Y, w = table(40, 4, 2, seed=seed)
        unit, offset = np.array([1e-150, 1.0, 3e7, 1e150]), np.array([0.0, 1e4, -1e9, 0.0])
        a, b = LinearRegression().fit(X, Y, w), LinearRegression().fit(X * unit + offset, Y, w)
        np.testing.assert_allclose(b.coef_ * unit, a.coef_, rtol=1e-7)
        np.testing.assert_allclose(b.coef_std_ * unit, a.coef_std_, rtol=1e-7)
        np.testing.assert_allclose(b.predict(X * unit + offset), a.predict(X), rtol=1e-7)
        np.testing.assert_allclose(b.residual_std_, a.residual_std_, rtol=1e-9)

    def test_weights_are_repetitions_and_zero_is_absence(self, seed):
        X, Y, _ = table(15, 3, seed=seed)
        times = np.arange(15) % 4
        a, b = (
            LinearRegression().fit(X, Y[:, 0], times),
            LinearRegression().fit(X.repeat(times, 0), Y[:, 0].repeat(times)),
        )
        for name in ("estimate", "std_error", "p"):
            np.testing.assert_allclose(getattr(a.summary(), name), getattr(b.summary(), name), rtol=1e-9)

    @pytest.mark.parametrize("intercept", [True, False])
    def test_the_gradient_is_zero(self, seed, intercept):
        X, Y, w = table(50, 4, 2, seed=seed)
        model = LinearRegression(fit_intercept=intercept).fit(X, Y, w)
        W = torch.tensor(model.coef_, requires_grad=True)
        b = torch.tensor(np.broadcast_to(model.intercept_, 2).copy(), requires_grad=True)
        loss = (torch.as_tensor(w)[:, None] * (torch.as_tensor(Y) - torch.as_tensor(X) @ W.T - b) ** 2).sum()
        loss.backward()
        assert W.grad.abs().max() < 1e-10 * float(np.abs(X).max() * np.abs(Y).sum())
        assert not intercept or b.grad.abs().max() < 1e-10 * np.abs(Y).sum()


class TestStream:
    @pytest.mark.parametrize("intercept", [True, False])
    def test_parts_in_any_order_equal_one_fit(self, seed, intercept):
        X, Y, w = table(23, 3, 2, seed=seed)
        whole = LinearRegression(fit_intercept=intercept).fit(X, Y, w)
        cuts = [np.arange(0, 1), np.arange(1, 2), np.arange(2, 9), np.arange(9, 23)]
        for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
            model = LinearRegression(fit_intercept=intercept)
            for i in order:  # the first rows alone determine nothing, and no warning says so
                model.partial_fit(X[cuts[i]], Y[cuts[i]], w[cuts[i]])
            for name in ("estimate", "std_error", "p"):
                np.testing.assert_allclose(getattr(model.summary(), name), getattr(whole.summary(), name), rtol=1e-9)
            np.testing.assert_allclose(model.predict_dist(X).std, whole.predict_dist(X).std, rtol=1e-9)

    def test_fit_may_be_continued(self, seed):
        X, Y, _ = table(20, 3, seed=seed)
        model = LinearRegression().fit(X[:12], Y[:12, 0]).partial_fit(X[12:], Y[12:, 0])
        np.testing.assert_allclose(model.coef_, LinearRegression().fit(X, Y[:, 0]).coef_, rtol=1e-10)

    def test_a_constant_column_is_still_seen_in_a_stream(self, seed):
        X, Y, _ = table(20, 2, seed=seed)
        X = np.column_stack([X, np.full(20, 0.1)])
        model = LinearRegression()
        with pytest.warns(RankWarning, match="'x2'"):
            model.partial_fit(X[:11], Y[:11, 0])
        with pytest.warns(RankWarning, match="'x2'"):
            model.partial_fit(X[11:], Y[11:, 0])
        assert model.rank_ == 2

    def test_the_triangle_keeps_the_condition_and_not_its_square(self):
        x = np.linspace(1, 2, 60)
        X, y = torch.as_tensor(x[:, None] ** np.arange(1, 6)), torch.as_tensor(np.sin(x))[:, None]
        T = None
        for i in range(0, 60, 7):
            T = reduced(X[i : i + 7], y[i : i + 7], above=T)
        exact = by_qr(X, y, None, intercept=True)
        np.testing.assert_allclose(from_triangle(T, 1, 60.0).coef, exact.coef, rtol=1e-6)


class TestRank:
    def test_dependent_columns_are_named_and_the_others_keep_their_errors(self, seed):
        X, Y, _ = table(30, 3, seed=seed)
        X = np.column_stack([X, X[:, 0] - 2 * X[:, 1], np.full(30, 7.0)])
        with pytest.warns(RankWarning, match=r"'x0', 'x1', 'x3', 'x4'.*rank 3"):
            model = LinearRegression().fit(X, Y[:, 0])
        assert np.isnan(model.coef_std_).tolist() == [True, True, False, True, True]
        reduced_model = LinearRegression().fit(X[:, :3], Y[:, 0])
        np.testing.assert_allclose(model.predict(X), reduced_model.predict(X[:, :3]), rtol=1e-10)
        assert model.coef_std_[2] == pytest.approx(reduced_model.coef_std_[2])
        np.testing.assert_allclose(model.predict_dist(X).std, reduced_model.predict_dist(X[:, :3]).std, rtol=1e-9)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 2), (2, 5), (3, 3), (3, 2), (5, 9)])
    @pytest.mark.parametrize("intercept", [True, False])
    def test_the_shortest_solution(self, seed, shape, intercept):
        rng = np.random.default_rng(seed)
        X, Y = rng.standard_normal(shape), rng.standard_normal((shape[0], 2))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RankWarning)
            model = LinearRegression(fit_intercept=intercept).fit(X, Y)
        x, y = (X.mean(0), Y.mean(0)) if intercept else (0.0, 0.0)
        expected = np.linalg.pinv(X - x, rcond=1e-10) @ (Y - y)
        np.testing.assert_allclose(model.coef_, expected.T, atol=1e-12)
        np.testing.assert_allclose(model.predict(X), y + (X - x) @ expected, atol=1e-12)

    def test_one_hot_columns_without_a_reference_level(self, seed):
        rng = np.random.default_rng(seed)
        X = np.eye(4)[rng.integers(0, 4, 50)]
        with pytest.warns(RankWarning, match="rank 3"):
            model = LinearRegression().fit(X, rng.standard_normal(50))
        assert model.rank_ == 3
        LinearRegression(fit_intercept=False).fit(X, rng.standard_normal(50))

    def test_independent_finds_a_basis(self, seed):
        rng = np.random.default_rng(seed)
        for _ in range(20):
            A = rng.standard_normal((12, 4)) @ rng.integers(-2, 3, (4, 9))
            A = np.column_stack([A[:, :3], A[:, :2], A[:, 3:]])
            norm = np.linalg.norm(A, axis=0)
            R = torch.linalg.qr(torch.as_tensor(A / np.where(norm > 0, norm, 1)))[1]
            kept = independent(R, torch.full((R.shape[1],), 1e-12, dtype=torch.float64)).numpy()
            assert len(kept) == np.linalg.matrix_rank(A, tol=1e-9) == np.linalg.matrix_rank(A[:, kept], tol=1e-9)
