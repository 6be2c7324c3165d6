"""Race 1.08: a path of 100 lasso penalties (eps = 1e-3) at equal duality gap, each peer on its own ground."""

import numpy as np

from evidence import Sides, racing

RULE = {
    "quality": "largest duality gap over the path, as a fraction of the target's squared norm",
    "better": "lower",
    "rule": "100 penalties from the largest down to a thousandth of it; every gap at most the target",
}


def tall():
    """100,000 x 100, one column in ten matters."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100_000, 100))
    w = np.where(np.arange(100) % 10 == 0, rng.standard_normal(100), 0.0)
    return centred(X, X @ w + rng.standard_normal(len(X)))


def wide(noise):
    """1,000 x 5,000, 50 columns matter; ``noise`` is its standard deviation over the signal's."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1_000, 5_000))
    w = np.zeros(5_000)
    w[rng.choice(5_000, 50, replace=False)] = rng.standard_normal(50)
    signal = X @ w
    return centred(X, signal + noise * signal.std() * rng.standard_normal(len(X)))


def centred(X, y):
    X, y = X - X.mean(0), y - y.mean()
    top = np.abs(X.T @ y).max() / len(y)
    return X, y, np.geomspace(top, top * 1e-3, 100)


def largest_gap(X, y, alphas):
    """The measure of both sides, by numpy alone: textbook primal minus dual, at the returned weights."""

    def measure(coefs):
        gaps = []
        for alpha, w in zip(alphas, coefs.T, strict=True):
            r, penalty = y - X @ w, alpha * len(y)
            c = min(1.0, penalty / np.abs(X.T @ r).max())
            gaps.append((r @ r) / 2 + penalty * np.abs(w).sum() - c * (r @ y) + c**2 / 2 * (r @ r))
        return float(max(gaps) / (y @ y))

    return measure


def ours_on(X, y, alphas, tol):
    def ours():
        from peira.linear.elastic_net_path import elastic_net_path

        return elastic_net_path(X, y, l1_ratio=1.0, alphas=alphas, tol=tol)[1]

    return ours


@racing("1.08", case="n=100k d=100", peer="scikit-learn", target=1e-6, limit="one Gram matrix by BLAS", **RULE)
def many_rows():
    X, y, alphas = tall()

    def peer():
        from sklearn.linear_model import lasso_path

        return lasso_path(X, y, alphas=alphas, precompute=True, tol=1e-6, max_iter=100_000)[1]

    return Sides(ours_on(X, y, alphas, 1e-6), peer, largest_gap(X, y, alphas), limit=lambda: X.T @ X)


def against_celer(noise):
    X, y, alphas = wide(noise)
    columns = np.asfortranarray(X)  # celer's preferred order, made before the clock starts

    def peer():
        from celer import celer_path

        return celer_path(columns, y, "lasso", alphas=alphas, tol=1e-4, max_iter=1_000)[1]

    return Sides(ours_on(X, y, alphas, 1e-4), peer, largest_gap(X, y, alphas), limit=lambda: passes(X, y))


def against_adelie(noise, tol):
    X, y, alphas = wide(noise)
    columns = np.asfortranarray(X)

    def peer():
        import adelie

        state = adelie.grpnet(
            X=adelie.matrix.dense(columns, method="naive", n_threads=1),
            glm=adelie.glm.gaussian(y=y),
            intercept=False,
            lmda_path=alphas,
            tol=tol,  # of its own kind: chosen so that the gap reaches the target
            early_exit=False,
            adev_tol=1.0,
            ddev_tol=0.0,
            max_iters=10**7,
            progress_bar=False,
        )
        return state.betas.toarray().T

    return Sides(ours_on(X, y, alphas, 1e-4), peer, largest_gap(X, y, alphas), limit=lambda: passes(X, y))


def passes(X, y):
    """One product of X' with a vector for each penalty."""
    for _ in range(100):
        X.T @ y


WIDE = RULE | {"target": 1.001e-4, "limit": "one pass over X for each penalty"}


@racing("1.08", case="n=1k d=5k noise 1/10", peer="celer", **WIDE)
def many_columns_celer():
    return against_celer(0.1)


@racing("1.08", case="n=1k d=5k noise 1/3", peer="celer", **WIDE)
def many_noisy_columns_celer():
    return against_celer(1 / 3)


@racing("1.08", case="n=1k d=5k noise 1/10", peer="adelie", environment="adelie", **WIDE)
def many_columns_adelie():
    return against_adelie(0.1, 1e-10)


@racing("1.08", case="n=1k d=5k noise 1/3", peer="adelie", environment="adelie", **WIDE)
def many_noisy_columns_adelie():
    return against_adelie(1 / 3, 1e-10)
