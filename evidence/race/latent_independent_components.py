"""Race 4.06: independent components of 50,000 x 20 to the same tolerance, at equal Amari index.

The sources are ten Laplace, five uniform, three of Student's t with five degrees of freedom, and two of two values.
"""

import numpy as np

from evidence import Sides, racing

RULE = {
    "quality": "Amari index of the unmixing",
    "better": "lower",
    "slack": 2e-4,
    "limit": "two products of N K^2 and N K hyperbolic tangents for each of ten steps, after one Gram matrix",
}


def problem(N=50_000, K=20):
    rng = np.random.default_rng(0)
    S = np.column_stack(
        [
            rng.laplace(size=(N, K // 2)),
            rng.uniform(-1, 1, (N, K // 4)),
            rng.standard_t(5, size=(N, K - K // 2 - K // 4 - 2)),
            np.sign(rng.standard_normal((N, 2))),
        ]
    )
    A = rng.standard_normal((K, K))
    return S @ A.T, A, rng.standard_normal((K, K))


def amari(A):
    """The measure of both sides, by numpy alone."""

    def measure(components):
        P, K = np.abs(components @ A), len(A)
        rows, columns = P / P.max(1, keepdims=True), P / P.max(0)
        return float((rows.sum() + columns.sum() - 2 * K) / (2 * K * (K - 1)))

    return measure


def least(X, W):
    Z = np.ascontiguousarray(X.T)
    room = np.empty_like(Z)

    def work():
        Z @ Z.T
        for _ in range(10):
            np.matmul(W, Z, out=room)
            np.tanh(room, out=room)
            room @ Z.T

    return work


def fast_ica(algorithm, fun):
    X, A, start = problem()
    settings = {"algorithm": algorithm, "fun": fun, "tol": 1e-4, "max_iter": 500, "w_init": start}

    def ours():
        from peira.latent.fast_ica import FastICA

        return FastICA(**settings).fit(X).components_

    def peer():
        from sklearn.decomposition import FastICA

        return FastICA(whiten="unit-variance", **settings).fit(X).components_

    return Sides(ours, peer, amari(A), limit=least(X, start))


@racing("4.06", case="n=50k d=20 parallel log cosh", peer="scikit-learn", rule="both change by less than 1e-4", **RULE)
def parallel():
    return fast_ica("parallel", "logcosh")


@racing("4.06", case="n=50k d=20 parallel cube", peer="scikit-learn", rule="both change by less than 1e-4", **RULE)
def parallel_cube():
    return fast_ica("parallel", "cube")


@racing("4.06", case="n=50k d=20 deflation", peer="scikit-learn", rule="both change by less than 1e-4", **RULE)
def deflation():
    return fast_ica("deflation", "logcosh")


def against_picard(ortho, extended):
    X, A, start = problem()
    start = np.linalg.qr(start)[0]

    def ours():
        from peira.latent.picard import Picard

        return Picard(ortho=ortho, extended=extended, tol=1e-5, w_init=start).fit(X).components_

    def peer():
        from picard import picard

        K, W, _ = picard(X.T, ortho=ortho, extended=extended, tol=1e-5, w_init=start, random_state=0)
        return W @ K

    return Sides(ours, peer, amari(A), limit=least(X, start))


@racing("4.06", case="n=50k d=20 orthogonal", peer="picard", rule="largest gradient below 1e-5", **RULE)
def orthogonal():
    return against_picard(True, True)


@racing("4.06", case="n=50k d=20 extended infomax", peer="picard", rule="largest gradient below 1e-5", **RULE)
def extended():
    return against_picard(False, True)
