"""Race 3.09: regression and one class by support vectors, with the share of errors in the place of its price.

Both sides stop by the same rule, the largest violation of optimality is at most 1e-3, and may use 1,000 MB for rows of
the kernel. The quality is the dual objective at the answer, in double precision; what is minimised must not be greater.
"""

import numpy as np

from evidence import Sides, racing
from evidence.race.kernels_support_vectors import MB, D, N, gram, scale, surface

RULE = {
    "peer": "scikit-learn",
    "quality": "dual objective at the answer, in double precision",
    "better": "lower",
    "slack": 1e-5,
    "rule": "no pair violates optimality by more than 1e-3",
}


def half_norm(model, X):
    S, b = X[model.support_], model.dual_coef_[0]
    return 0.5 * float(b @ gram(S, S, scale(X)) @ b)


@racing("3.09", case="nu-regression, n=10k d=20, RBF, C=1, nu=0.5", **RULE)
def share_of_errors():
    X, z = surface()

    def side(machine):
        return machine(nu=0.5, C=1.0, cache_size=MB).fit(X, z)

    def ours():
        from peira.kernels import NuSVR

        return side(NuSVR)

    def peer():
        from sklearn.svm import NuSVR

        return side(NuSVR)

    def quality(model):
        return (half_norm(model, X) - float(z[model.support_] @ model.dual_coef_[0])) / N

    return Sides(ours, peer, quality=quality)


@racing("3.09", case="one class, n=10k d=20, RBF, nu=0.1", **RULE)
def one_class():
    X = np.random.default_rng(0).standard_normal((N, D)) * np.linspace(0.5, 2.0, D)

    def ours():
        from peira.kernels import OneClassSVM

        return OneClassSVM(nu=0.1, cache_size=MB).fit(X)

    def peer():
        from sklearn.svm import OneClassSVM

        return OneClassSVM(nu=0.1, cache_size=MB).fit(X)

    def quality(model):
        scaled = model.dual_coef_[0] / model.dual_coef_[0].sum()
        S = X[model.support_]
        return 0.5 * float(scaled @ gram(S, S, scale(X)) @ scaled)

    return Sides(ours, peer, quality=quality)
