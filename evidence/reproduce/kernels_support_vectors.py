"""Rows 3.05 and 3.06: the dual of support vector machines, in closed form and against LIBSVM."""

import numpy as np

from evidence import check, data, reproduction

SETS = {  # file: its column of labels; the others are numbers, or letters that become one column each
    "banknote_authentication": -1,
    "breast-cancer-wisconsin": -1,
    "german": -1,
    "glass": -1,
    "haberman": -1,
    "ionosphere": -1,
    "phoneme": -1,
    "pima-indians-diabetes": -1,
    "sonar": -1,
    "wheat-seeds": -1,
    "wine": -1,
}
FILES = [f"classification/{name}.csv.gz" for name in SETS]


def rows_of(name):
    """Standardised inputs, and labels."""
    table = data(f"classification/{name}.csv.gz", header=False)
    label, columns = table.names[SETS[name]], []
    for column in (table[other] for other in table.names if other != label):
        columns += [column] if column.dtype.kind == "f" else [(column == v).astype(float) for v in np.unique(column)]
    X, y = np.column_stack(columns), table[label]
    known = np.isfinite(X).all(1)
    X, y = X[known], y[known]
    return (X - X.mean(0)) / np.where(X.std(0) > 0, X.std(0), 1), y


@reproduction(
    "3.05",
    claim="hard margins of two, three and one hundred points equal their closed forms and the primal's minimum",
    source="Bishop (2006), section 7.1, eqs 7.3 to 7.18; Lagrangian duality",
    protocol="linear kernel, C infinite; iris setosa and versicolor, whose primal is solved by scipy's SLSQP",
    mark="C",
)
def hard_margins():
    from scipy.optimize import minimize
    from sklearn.datasets import load_iris

    from peira.kernels import SVC

    def machine(X, y):
        return SVC(kernel="linear", C=np.inf, tol=1e-10).fit(X, y)

    two = machine([[0.0, 0.0], [2.0, 2.0]], [0, 1])
    yield check("two points: multipliers", two.dual_coef_[0], [-0.25, 0.25], tolerance=1e-12)
    yield check("two points: weights", two.coef_[0], [0.5, 0.5], tolerance=1e-12)
    yield check("two points: constant", two.intercept_[0], -1.0, tolerance=1e-12)
    three = machine([[0.0, 0.0], [0.0, 1.0], [2.0, 0.0]], [0, 0, 1])
    yield check("three points: weights", three.coef_[0], [1.0, 0.0], tolerance=1e-10)
    yield check("three points: constant", three.intercept_[0], -1.0, tolerance=1e-10)

    X, y = load_iris(return_X_y=True)
    X, s = X[:100], np.where(y[:100] == 0, -1.0, 1.0)
    model = machine(X, s)
    w, b = model.coef_[0], model.intercept_[0]
    primal, dual = 0.5 * w @ w, np.abs(model.dual_coef_).sum() - 0.5 * w @ w
    yield check("iris: duality gap", abs(primal - dual), at_most=1e-8)
    margins = s * (X @ w + b)
    yield check("iris: lowest margin, less 1", abs(margins.min() - 1), at_most=1e-6)
    slack = np.abs(model.dual_coef_[0]) * (margins[model.support_] - 1)
    yield check("iris: multiplier times slack", float(np.abs(slack).max()), at_most=1e-6)
    yield check("iris: sum of signed multipliers", abs(float(model.dual_coef_.sum())), at_most=1e-9)
    found = minimize(
        lambda v: 0.5 * v[:4] @ v[:4],
        np.append(w, b) * 1.5,
        jac=lambda v: np.append(v[:4], 0.0),
        constraints={
            "type": "ineq",
            "fun": lambda v: s * (X @ v[:4] + v[4]) - 1,
            "jac": lambda v: s[:, None] * np.column_stack([X, np.ones(100)]),
        },
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    yield check("iris: weights, as the primal has them", w, found.x[:4], tolerance=1e-5)


@reproduction(
    "3.06",
    claim="dual objective and number of support vectors equal those of LIBSVM",
    source="Chang & Lin (2011), LIBSVM: a library for support vector machines, ACM TIST 2(3), as scikit-learn's SVC",
    protocol="11 public tables, inputs standardised, RBF kernel with gamma 1 / D, C = 1; every pair of classes; both "
    "solved to a violation of 1e-6; the objectives computed in double precision from the coefficients; equal rows "
    "count once, since only the sum of their multipliers is determined",
    data=FILES,
    mark="C",
)
def parity():
    from sklearn.svm import SVC as LibSVM

    from evidence.race.kernels_support_vectors import dual_of
    from peira.kernels import SVC

    for name in SETS:
        X, y = rows_of(name)
        ours, theirs = (machine(gamma="auto", tol=1e-6).fit(X, y) for machine in (SVC, LibSVM))
        dual = dual_of(X, 1 / X.shape[1])
        yield check(f"{name}: dual objective", np.exp(dual(ours)), np.exp(dual(theirs)), relative=1e-6)
        counts = (len(np.unique(X[model.support_], axis=0)) for model in (ours, theirs))
        yield check(f"{name}: different support vectors", next(counts), next(counts), tolerance=1)
        different = int((ours.predict(X) != theirs.predict(X)).sum())
        yield check(f"{name}: labels that differ", different, 0)
