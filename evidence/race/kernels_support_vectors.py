"""Races 3.06 and 3.07: support vector machines against LIBSVM, as scikit-learn has it.

Both sides stop by the same rule, the largest violation of optimality is at most 1e-3, and may use 1,000 MB for rows of
the kernel. Ten thousand rows of 20 columns, two classes of which a tenth of the labels is noise; a regression on a
surface with an interaction; the digits; and ten thousand images of MNIST.
"""

import warnings

import numpy as np

from evidence import Sides, racing

N, D, MB = 10_000, 20, 1_000
RULE = {
    "peer": "scikit-learn",
    "quality": "logarithm of the dual objective at the answer, in double precision",
    "better": "higher",
    "slack": 1e-6,
    "rule": "no pair violates optimality by more than 1e-3",
}


def two_classes():
    from sklearn.datasets import make_classification

    return make_classification(N, D, n_informative=10, flip_y=0.1, random_state=0)


def surface():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D))
    return X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(N)


def gram(A, B, gamma):
    distances = (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T
    return np.exp(-gamma * np.maximum(distances, 0))


def scale(X):
    return 1 / (X.shape[1] * X.var())


def dual_of(X, gamma):
    """The sum over all pairs of classes of sum |b| - b'Kb / 2, from the coefficients as LIBSVM arranges them."""

    def dual(model):
        S, coefficients, total = X[model.support_], model.dual_coef_, 0.0
        K, ends = gram(S, S, gamma), np.cumsum(model.n_support_)
        parts = [np.arange(end - count, end) for end, count in zip(ends, model.n_support_, strict=True)]
        for i in range(len(parts)):
            for j in range(i + 1, len(parts)):
                rows = np.concatenate([parts[i], parts[j]])
                b = np.concatenate([coefficients[j - 1, parts[i]], coefficients[i, parts[j]]])
                total += np.abs(b).sum() - 0.5 * b @ K[np.ix_(rows, rows)] @ b
        return float(np.log(total))

    return dual


def classification(X, y, C, quality=None, gamma="scale", **options):
    def ours():
        from peira.kernels import SVC

        return SVC(C=C, gamma=gamma, cache_size=MB, **options).fit(X, y)

    def peer():
        from sklearn.svm import SVC

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of its parameter probability
            return SVC(C=C, gamma=gamma, cache_size=MB, **options).fit(X, y)

    return Sides(ours, peer, quality=quality or dual_of(X, scale(X)))


@racing("3.06", case="fit, n=10k d=20, RBF, C=1", **RULE)
def small_price():
    return classification(*two_classes(), 1.0)


@racing("3.06", case="fit, n=10k d=20, RBF, C=100", **RULE)
def large_price():
    return classification(*two_classes(), 100.0)


@racing("3.06", case="fit, regression, n=10k d=20, RBF, C=1", **RULE)
def regression():
    X, z = surface()

    def ours():
        from peira.kernels import SVR

        return SVR(cache_size=MB).fit(X, z)

    def peer():
        from sklearn.svm import SVR

        return SVR(cache_size=MB).fit(X, z)

    def quality(model):
        S, b = X[model.support_], model.dual_coef_[0]
        value = z[model.support_] @ b - 0.1 * np.abs(b).sum() - 0.5 * b @ gram(S, S, scale(X)) @ b
        return float(np.log(value))

    return Sides(ours, peer, quality=quality)


@racing(
    "3.06",
    case="predict 10k rows, n=10k d=20, RBF, C=1",
    peer="scikit-learn",
    quality="share of the labels that equal those of scikit-learn's coefficients in double precision",
    better="higher",
    slack=5e-4,
    rule="the same rows; each side by its own machine, trained once, to a violation of at most 1e-3",
)
def prediction():
    X, y = two_classes()
    Q = np.random.default_rng(1).standard_normal((N, D)) * X.std(0) + X.mean(0)
    trained = []

    def side(machine):
        if not trained:
            trained.append(machine(cache_size=MB).fit(X, y))
        return trained[0].predict(Q)

    def ours():
        from peira.kernels import SVC

        return side(SVC)

    def peer():
        from sklearn.svm import SVC

        return side(SVC)

    def quality(labels):
        from sklearn.svm import SVC

        model = SVC(cache_size=MB).fit(X, y)
        decision = gram(Q, model.support_vectors_, scale(X)) @ model.dual_coef_[0] + model.intercept_[0]
        return float((labels == model.classes_[(decision > 0).astype(int)]).mean())

    return Sides(ours, peer, quality=quality)


@racing("3.06", case="fit, digits, 10 classes, RBF, C=1", **RULE)
def digits():
    from sklearn.datasets import load_digits

    return classification(*load_digits(return_X_y=True), 1.0)


@racing(
    "3.06",
    case="fit with probabilities, digits, 10 classes, RBF, C=1",
    peer="scikit-learn",
    quality="log loss on 597 digits held out",
    better="lower",
    slack=0.02,
    rule="no pair violates optimality by more than 1e-3; sigmoids from five folds",
)
def probabilities():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)

    def quality(model):
        return float(-np.log(model.predict_proba(X[1200:])[np.arange(597), y[1200:]]).mean())

    return classification(X[:1200], y[:1200], 1.0, quality, probability=True, random_state=0)


@racing(
    "3.07",
    case="fit, MNIST, the first 10,000 images, RBF, C=10, gamma=0.025",
    peer="scikit-learn",
    quality="share of 10,000 test images that are right",
    better="higher",
    slack=5e-4,
    rule="no pair violates optimality by more than 1e-3",
    data=[
        "mnist/train-images-idx3-ubyte.gz",
        "mnist/train-labels-idx1-ubyte.gz",
        "mnist/t10k-images-idx3-ubyte.gz",
        "mnist/t10k-labels-idx1-ubyte.gz",
    ],
)
def images():
    from evidence.reproduce.nearest_neighbours import mnist

    X, y, Q, truth = mnist()
    X, Q = X[:10_000] / 255, Q / 255
    return classification(X, y[:10_000], 10.0, lambda model: float((model.predict(Q) == truth).mean()), gamma=0.025)
