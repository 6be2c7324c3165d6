"""Race 3.11: Gaussian process classification with its hyper-parameters learned, at a Laplace evidence as high."""

import numpy as np

from evidence import Sides, racing


def surface(rows, columns=5):
    """Labels drawn from a smooth random function of five columns, two of which do not matter."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, columns))
    f = 3 * np.sin(X[:, 0] + X[:, 1]) + 2 * X[:, 2] * X[:, 0]
    return X, (rng.random(rows) < 1 / (1 + np.exp(-f))).astype(int)


RULE = {
    "quality": "log marginal likelihood by Laplace's approximation at the learned hyper-parameters, nats",
    "better": "higher",
    "slack": 1e-3,
    "rule": "one search from amplitude 1 and length-scale 1, each side by its own stopping rule",
    "limit": "ten evaluations: three Cholesky factors and one inverse each",
}


def sides(rows):
    X, y = surface(rows)

    def ours():
        from peira.kernels import RBF
        from peira.kernels.gaussian_process_classification import GaussianProcessClassifier

        return GaussianProcessClassifier(1.0 * RBF(1.0), random_state=0).fit(X, y)

    def peer():
        from sklearn.gaussian_process import GaussianProcessClassifier
        from sklearn.gaussian_process.kernels import RBF

        return GaussianProcessClassifier(1.0 * RBF(1.0), random_state=0).fit(X, y)

    def limit():
        A = np.eye(rows) + X @ X.T / rows
        for _ in range(10):
            for _ in range(3):
                np.linalg.cholesky(A)
            np.linalg.inv(A)

    return Sides(ours, peer, lambda model: float(model.log_marginal_likelihood_value_), limit=limit)


@racing("3.11", case="n=500 d=5, binary, fit with 2 hyper-parameters", peer="scikit-learn", **RULE)
def five_hundred():
    return sides(500)


@racing("3.11", case="n=1,000 d=5, binary, fit with 2 hyper-parameters", peer="scikit-learn", **RULE)
def thousand():
    return sides(1000)


@racing("3.11", case="n=2,000 d=5, binary, fit with 2 hyper-parameters", peer="scikit-learn", **RULE)
def two_thousand():
    return sides(2000)
