"""Races 1.01 (least squares) and 1.07 (ridge, the penalty by leave-one-out)."""

import numpy as np

from evidence import Sides, racing

N, D = 100_000, 100


def whole_numbers():
    """Rows of small whole numbers, so that every product sum is exact in float64, and the solution beyond float64.

    The normal equations are formed without any error and solved by refinement with residuals in extended precision.
    """
    rng = np.random.default_rng(0)
    X = rng.integers(-50, 51, (N, D)).astype(float)
    X[:, 1::2] += X[:, ::2]  # neighbours are correlated
    y = np.rint(X @ rng.normal(size=D) + 100 * rng.normal(size=N)) + 1000.0
    A = np.column_stack([np.ones(N), X])
    G, c = A.T @ A, A.T @ y
    exact = np.linalg.solve(G, c).astype(np.longdouble)
    for _ in range(5):
        residual = c.astype(np.longdouble) - (G.astype(np.longdouble) * exact).sum(1)
        exact += np.linalg.solve(G, residual.astype(float))
    return X, y, exact


def least_squares_digits(exact):
    def digits(model):
        w = np.r_[model.intercept_, model.coef_].astype(np.longdouble)
        worst = float((np.abs(w - exact) / np.abs(exact)).max())
        return min(15.95, -np.log10(max(worst, 1e-17)))

    return digits


def solve_ours(X, y):
    from peira.linear.least_squares import LinearRegression

    return LinearRegression().fit(X, y)


DIGITS = {"quality": "correct digits of the worst coefficient", "rule": "both solve to the end"}


@racing("1.01", case="n=100k d=100", peer="scikit-learn", limit="one Gram matrix by BLAS", **DIGITS)
def against_scikit_learn():
    X, y, exact = whole_numbers()

    def peer():
        from sklearn.linear_model import LinearRegression

        return LinearRegression().fit(X, y)

    return Sides(lambda: solve_ours(X, y), peer, quality=least_squares_digits(exact), limit=lambda: X.T @ X)


@racing("1.01", case="n=100k d=100, with standard errors", peer="statsmodels", **DIGITS)
def against_statsmodels():
    X, y, exact = whole_numbers()

    class Fitted:
        """statsmodels' answer under the names of the other side."""

        def __init__(self, result):
            self.intercept_, self.coef_, self.errors = result.params[0], result.params[1:], result.bse

    def peer():
        from statsmodels.api import OLS

        return Fitted(OLS(y, np.column_stack([np.ones(N), X])).fit())

    return Sides(lambda: solve_ours(X, y), peer, quality=least_squares_digits(exact))


@racing(
    "1.07",
    case="leave-one-out over 20 penalties, n=100k d=100",
    peer="scikit-learn",
    quality="least leave-one-out mean squared error found",
    better="lower",
    slack=1e-10,
    rule="all penalties, exactly",
    limit="one Gram matrix and one product of all rows with a square matrix, by BLAS",
)
def leave_one_out():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)) @ (np.eye(D) + 0.1 * rng.normal(size=(D, D)))
    y = X @ rng.normal(size=D) + 10 * rng.normal(size=N)
    penalties = np.logspace(-2, 6, 20)

    def ours():
        from peira.linear.ridge_cv import RidgeCV

        return RidgeCV(penalties).fit(X, y)

    def peer():
        from sklearn.linear_model import RidgeCV

        return RidgeCV(penalties).fit(X, y)

    def limit():
        G = X.T @ X
        return X @ G

    return Sides(ours, peer, quality=lambda model: -float(model.best_score_), limit=limit)


@racing(
    "1.07",
    case="one fit, n=100k d=100",
    peer="scikit-learn",
    quality="largest entry of the gradient, relative to that of X'y",
    better="lower",
    target=1e-12,
    rule="both solve to the end",
    limit="one Gram matrix by BLAS",
)
def one_ridge():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, D)) @ (np.eye(D) + 0.1 * rng.normal(size=(D, D)))
    y = X @ rng.normal(size=D) + 10 * rng.normal(size=N)
    Xc, yc = X - X.mean(0), y - y.mean()

    def ours():
        from peira.linear.ridge import Ridge

        return Ridge(10.0).fit(X, y)

    def peer():
        from sklearn.linear_model import Ridge

        return Ridge(10.0).fit(X, y)

    def gradient(model):
        return float(np.abs(Xc.T @ (yc - Xc @ model.coef_) - 10 * model.coef_).max() / np.abs(Xc.T @ yc).max())

    return Sides(ours, peer, quality=gradient, limit=lambda: X.T @ X)
