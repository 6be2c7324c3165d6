"""Race 3.01: kernel ridge regression, one fit and the choice of a penalty."""

import numpy as np

from evidence import Sides, racing

N, D = 3_000, 10
GAMMA = 0.05


def waves(rows=N):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows + 1_000, D))
    f = np.sin(X[:, 0]) + np.cos(X[:, 1] * X[:, 2]) + X[:, 3]
    y = f + 0.3 * rng.normal(size=len(X))
    return X[:rows], y[:rows], X[rows:], f[rows:]


def error(Z, f):
    return lambda model: float(np.sqrt(np.mean((model.predict(Z) - f) ** 2)))


@racing(
    "3.01",
    case="one fit, n=3k d=10, radial kernel",
    peer="scikit-learn",
    quality="root mean squared error on 1,000 new rows without noise",
    better="lower",
    slack=1e-9,
    rule="both solve to the end",
    limit="a Cholesky factor by LAPACK",
)
def one_fit():
    X, y, Z, f = waves()
    A = np.exp(-GAMMA * ((X[:, None, :2] - X[None, :, :2]) ** 2).sum(2)) + np.eye(N)

    def ours():
        from peira.kernels import KernelRidge

        return KernelRidge(0.5, kernel="rbf", gamma=GAMMA).fit(X, y)

    def peer():
        from sklearn.kernel_ridge import KernelRidge

        return KernelRidge(alpha=0.5, kernel="rbf", gamma=GAMMA).fit(X, y)

    def limit():
        from scipy.linalg import cholesky

        return cholesky(A, lower=True, check_finite=False)

    return Sides(ours, peer, quality=error(Z, f), limit=limit)


@racing(
    "3.01",
    case="one fit, n=20k d=10, polynomial of degree 2 (66 features)",
    peer="scikit-learn",
    quality="root mean squared error on 1,000 new rows without noise",
    better="lower",
    slack=1e-3,
    rule="both solve to the end, the peer in the form that it has: features and ridge regression",
)
def few_features():
    X, y, Z, f = waves(20_000)

    def ours():
        from peira.kernels import KernelRidge

        return KernelRidge(0.5, kernel="poly", degree=2, gamma=GAMMA).fit(X, y)

    def peer():
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import PolynomialFeatures

        return make_pipeline(PolynomialFeatures(2), Ridge(0.5, fit_intercept=False)).fit(X, y)

    return Sides(ours, peer, quality=error(Z, f))


@racing(
    "3.01",
    case="the best of 20 penalties, n=1k d=10",
    peer="scikit-learn",
    quality="root mean squared error on 1,000 new rows without noise",
    better="lower",
    slack=0.01,
    rule="leave-one-out against the peer's grid search in five folds",
)
def path():
    X, y, Z, f = waves(1_000)
    penalties = np.logspace(-3, 2, 20)

    def ours():
        from peira.kernels import KernelRidgeCV

        return KernelRidgeCV(penalties, kernel="rbf", gamma=GAMMA, fit_intercept=False).fit(X, y)

    def peer():
        from sklearn.kernel_ridge import KernelRidge
        from sklearn.model_selection import GridSearchCV

        return GridSearchCV(KernelRidge(kernel="rbf", gamma=GAMMA), {"alpha": penalties}, cv=5).fit(X, y)

    return Sides(ours, peer, quality=error(Z, f))


@racing(
    "3.01",
    case="prediction of 20k rows from 3k",
    peer="scikit-learn",
    quality="root mean squared error without noise",
    better="lower",
    slack=1e-9,
    rule="fitted beforehand, by each side",
)
def prediction():
    X, y, _, _ = waves()
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(20_000, D))
    f = np.sin(Z[:, 0]) + np.cos(Z[:, 1] * Z[:, 2]) + Z[:, 3]
    fitted = {}

    def ours():
        from peira.kernels import KernelRidge

        if "ours" not in fitted:
            fitted["ours"] = KernelRidge(0.5, kernel="rbf", gamma=GAMMA).fit(X, y)
        return fitted["ours"].predict(Z)

    def peer():
        from sklearn.kernel_ridge import KernelRidge

        if "peer" not in fitted:
            fitted["peer"] = KernelRidge(alpha=0.5, kernel="rbf", gamma=GAMMA).fit(X, y)
        return fitted["peer"].predict(Z)

    return Sides(ours, peer, quality=lambda answer: float(np.sqrt(np.mean((answer - f) ** 2))))
