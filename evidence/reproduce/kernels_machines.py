"""Rows 3.04, 3.07, 3.08, 3.09: support vector machines at work, on digits, with probabilities, and on one class."""

import numpy as np

from evidence import DataAbsent, check, data, data_path, reproduction
from evidence.reproduce.nearest_neighbours import FILES, mnist

GUIDE = "Hsu, Chang & Lin (2003), A practical guide to support vector classification, Table 1 and Appendix A"
ODDS = ("cardio", "satellite", "vowels", "pima", "ionosphere")


def scaled_to_unit(A, B):
    """Each column of the training rows A brought to [-1, 1], and B by the same map (svm-scale)."""
    low, high = A.min(0), A.max(0)
    width = np.where(high > low, high - low, 1.0)
    return 2 * (A - low) / width - 1, 2 * (B - low) / width - 1


@reproduction(
    "3.04",
    claim="on svmguide1 raw columns give 66.925 % accuracy, scaled ones 96.15 %, and a tuned machine 96.875 %",
    source=GUIDE,
    protocol="3,089 training and 4,000 test rows; defaults of LIBSVM (gamma = 1/D), columns to [-1, 1], C = gamma = 2; "
    "without the data, the same steps on the bundled wines, whose columns differ a thousandfold, over five splits",
    mark="V",
)
def guide():
    from peira.kernels import SVC

    try:
        (X, y), (Q, z) = (svmlight(f"libsvm/{name}.gz", 4) for name in ("svmguide1", "svmguide1.t"))
    except DataAbsent as absent:
        yield from wines(absent)
        return
    right = [100 * SVC(gamma="auto").fit(X, y).score(Q, z)]
    A, B = scaled_to_unit(X, Q)
    right += [100 * SVC(C, gamma=gamma).fit(A, y).score(B, z) for C, gamma in ((1.0, 0.25), (2.0, 2.0))]
    yield check("accuracy raw, scaled, tuned, %", right, [66.925, 96.15, 96.875], tolerance=0.0125)


def svmlight(name, D):
    from sklearn.datasets import load_svmlight_file

    X, y = load_svmlight_file(str(data_path(name, "csie.ntu.edu.tw/~cjlin/libsvmtools/datasets")), n_features=D)
    return X.toarray(), y.astype(int)


def wines(absent):
    """Half of the wines to learn from, half to test: raw, scaled, and tuned by five folds of the training half."""
    from sklearn.datasets import load_wine
    from sklearn.model_selection import GridSearchCV

    from peira.kernels import SVC

    X, y = load_wine(return_X_y=True)
    steps, rng = [], np.random.default_rng(0)
    for _ in range(5):
        order = rng.permutation(len(y))
        train, test = order[::2], order[1::2]
        A, B = scaled_to_unit(X[train], X[test])
        grid = {"C": [0.5, 2.0, 8.0], "gamma": [2.0**-6, 2.0**-4, 0.25]}
        steps.append(
            [
                SVC(gamma="auto").fit(X[train], y[train]).score(X[test], y[test]),
                SVC(gamma="auto").fit(A, y[train]).score(B, y[test]),
                GridSearchCV(SVC(), grid, cv=5).fit(A, y[train]).score(B, y[test]),
            ]
        )
    raw, scaled, tuned = np.mean(steps, axis=0)
    yield check("accuracy, raw", raw, at_most=0.7, note=f"in place of svmguide1: {absent}")
    yield check("accuracy, scaled, less raw", scaled - raw, at_least=0.25)
    yield check("accuracy, tuned, less scaled", tuned - scaled, at_least=-0.01)


@reproduction(
    "3.07",
    claim="a support vector machine with a Gaussian kernel errs on 1.4 % of the MNIST test digits",
    source="LeCun, Cortes, Burges: table of results on the MNIST page (SVM, Gaussian kernel, no preprocessing: 1.4)",
    protocol="60,000 training and 10,000 test images, pixels over 255; one against one; C = 10, gamma = 0.03, which of "
    "0.02, 0.025, 0.03 and 0.035, learned from the first 15,000, erred least on the last 10,000 training images",
    mark="V",
    data=FILES,
    slow=True,
)
def mnist_errors():
    from peira.kernels import SVC

    X, y, Q, z = mnist()
    model = SVC(10.0, gamma=0.03, cache_size=2_000.0).fit(X / 255.0, y)
    error = 100 * float((model.predict(Q / 255.0) != z).mean())
    yield check("test error, %", error, at_most=1.45, note=f"{len(model.support_)} support vectors")
    yield check("largest violation of optimality", float(np.max(model.kkt_residual_)), at_most=1e-3)
    yield check(
        "largest relative duality gap", float(np.max(model.duality_gap_ / model.primal_objective_)), at_most=1e-2
    )


@reproduction(
    "3.08",
    claim="Platt's sigmoid is the minimum of its likelihood; the log loss over equal folds is LIBSVM's",
    source="Lin, Lin & Weng (2007), Algorithm 1; LIBSVM by way of scikit-learn for the machines of the folds",
    protocol="iris, wine and breast cancer, standardised, every third row to test; C = 1, gamma = 0.1, tolerance 1e-5",
    mark="C",
)
def platt():
    from scipy.optimize import minimize
    from sklearn import datasets, svm

    from peira.kernels import SVC
    from peira.kernels.platt import fit_sigmoid
    from peira.kernels.support_vector_classifier import _folds

    for name in ("iris", "wine", "breast_cancer"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        X = (X - X.mean(0)) / X.std(0)
        test = np.arange(len(y)) % 3 == 0
        train = np.flatnonzero(~test)[np.argsort(y[~test], kind="stable")]  # the order in which fit deals its folds
        A, a, Q, q = X[train], y[train], X[test], y[test]
        model = SVC(1.0, gamma=0.1, probability=True, random_state=0, tol=1e-5).fit(A, a)
        fold, C = _folds(a, np.random.default_rng(0)), len(model.classes_)
        r, worst = np.zeros((len(q), C, C)), 0.0
        for i in range(C):
            for j in range(i + 1, C):
                own = np.flatnonzero((a == i) | (a == j))
                f = np.empty(len(own))
                for k in range(5):
                    out = fold[own] == k
                    machine = svm.SVC(C=1.0, gamma=0.1, tol=1e-5).fit(A[own][~out], a[own][~out])
                    f[out] = -machine.decision_function(A[own][out])
                first = a[own] == i
                loss = sigmoid_loss(f, first)
                best = minimize(loss, [0.0, 0.0], method="BFGS", options={"gtol": 1e-8})
                worst = max(worst, loss(fit_sigmoid(f, first)) - best.fun)
                decide = -svm.SVC(C=1.0, gamma=0.1, tol=1e-5).fit(A[own], a[own]).decision_function(Q)
                r[:, i, j] = np.clip(1 / (1 + np.exp(best.x[0] * decide + best.x[1])), 1e-7, 1 - 1e-7)
                r[:, j, i] = 1 - r[:, i, j]
        yield check(f"{name}: loss above the least that BFGS finds", worst, at_most=1e-9)
        peer = -np.log(coupled(r)[np.arange(len(q)), q]).mean()
        ours = -np.log(model.predict_proba(Q)[np.arange(len(q)), q]).mean()
        yield check(f"{name}: log loss", float(ours), float(peer), tolerance=1e-4)


def sigmoid_loss(f, first):
    t = np.where(first, (first.sum() + 1) / (first.sum() + 2), 1 / ((~first).sum() + 2))
    return lambda v: float((np.logaddexp(0, v[0] * f + v[1]) - (1 - t) * (v[0] * f + v[1])).sum())


def coupled(r):
    """Wu, Lin & Weng (2004), Algorithm 2, as LIBSVM iterates it, to a residual of 1e-12."""
    M, C, _ = r.shape
    if C == 2:
        return np.stack([r[:, 0, 1], r[:, 1, 0]], 1)
    P = np.full((M, C), 1 / C)
    for m in range(M):
        Q = -r[m].T * r[m]
        Q[np.diag_indices(C)] = (r[m] ** 2).sum(0)
        p = P[m]
        for _ in range(1000):
            for t in range(C):
                p[t] = max((p @ Q @ p - Q[t] @ p + Q[t, t] * p[t]) / Q[t, t], 0.0)
                p /= p.sum()
            if np.abs(Q @ p - p @ Q @ p).max() < 1e-12:
                break
    return P


@reproduction(
    "3.09",
    claim="the one-class machine's area under the curve on the ODDS sets cardio, satellite, vowels, pima, ionosphere",
    source="PyOD's documentation, table of benchmarks, ten trials of 60 % to 40 % (recalled; its notebook of a single "
    "split gives 0.9478 on cardio); satimage-2 is not at hand",
    protocol="standardised by the training part, nu = 0.5, gamma = 1/D, mean over ten random splits",
    mark="M",
    data=tuple(f"anomaly/{name}.npz" for name in ODDS),
)
def one_class():
    from sklearn.metrics import roc_auc_score

    from peira.kernels import OneClassSVM

    for name, reference in zip(ODDS, (0.9348, 0.6622, 0.7802, 0.6215, 0.8419), strict=True):
        members = data(f"anomaly/{name}.npz")
        X, y = members["X"], members["y"].ravel()
        areas = []
        for split in range(10):
            order = np.random.default_rng(split).permutation(len(y))
            train, test = np.split(order, [int(0.6 * len(y))])
            mean, std = X[train].mean(0), X[train].std(0)
            A, B = ((X[part] - mean) / np.where(std > 0, std, 1.0) for part in (train, test))
            model = OneClassSVM(0.5, gamma="auto").fit(A)
            areas.append(roc_auc_score(y[test], -model.decision_function(B)))
        error = 2 * float(np.std(areas)) / np.sqrt(10) + 0.005
        yield check(f"{name}: area", float(np.mean(areas)), reference, tolerance=max(error, 0.01))


@reproduction(
    "3.09",
    claim="support vector regression ends where primal and dual objective meet, and where LIBSVM ends",
    source="Smola & Schoelkopf (2004), eqs 5 and 10; LIBSVM by way of scikit-learn",
    protocol="diabetes, standardised, C = 10, epsilon = 5, gamma = 1/D, tolerance 1e-7",
    mark="C",
)
def regression():
    from sklearn import svm
    from sklearn.datasets import load_diabetes

    from peira.kernels import SVR

    X, y = load_diabetes(return_X_y=True)
    X = (X - X.mean(0)) / X.std(0)
    model = SVR(10.0, epsilon=5.0, gamma="auto", tol=1e-7).fit(X, y)
    peer = svm.SVR(C=10.0, epsilon=5.0, gamma="auto", tol=1e-7).fit(X, y)
    yield check("duality gap, relative", abs(model.duality_gap_) / model.primal_objective_, at_most=1e-8)
    yield check("predictions", model.predict(X), peer.predict(X), tolerance=1e-4)
    yield check("support vectors", len(model.support_), len(peer.support_), tolerance=1)
