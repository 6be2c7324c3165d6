"""Rows 3.01 and 3.02: kernel ridge by features and by kernel; what is a kernel, and what stays one."""

import math

import numpy as np

from evidence import check, reproduction


@reproduction(
    "3.01",
    claim="polynomial features and the polynomial kernel give the same predictions to 1e-10, from M or from N numbers",
    source="Bishop (2006), 6.1, eqs 6.2 to 6.9; Saunders, Gammerman & Vovk (1998)",
    protocol="300 rows of 4 columns, degrees 1 to 4, weights, two targets; three routes: the features through ridge "
    "regression in numpy, the primal and the dual form of the method; each row left out by hand",
    mark="C",
)
def primal_and_dual():
    from peira.kernels import KernelRidge, Polynomial

    rng = np.random.default_rng(0)
    X, Z = rng.normal(size=(300, 4)), rng.normal(size=(100, 4))
    Y = np.stack([np.sin(X @ rng.normal(size=4)), X[:, 0] * X[:, 1]], 1) + 0.1 * rng.normal(size=(300, 2))
    w = rng.uniform(0.5, 2.0, 300)
    gap, by_hand, sizes, left_out = 0.0, 0.0, [], 0.0
    for degree in (1, 2, 3, 4):
        kernel = Polynomial(degree, 0.5, 1.0)
        primal = KernelRidge(0.7, kernel=kernel).fit(X, Y, w)
        dual = KernelRidge(0.7, kernel="precomputed").fit(kernel(X), Y, w)
        gap = max(gap, float(np.abs(primal.predict(Z) - dual.predict(kernel(Z, X))).max()))
        powers = [p for p in np.ndindex(*(degree + 1,) * 4) if sum(p) <= degree]

        def features(rows, powers=powers, degree=degree):
            """All monomials up to the degree, with the multinomial weights of (x'z / 2 + 1)^degree."""
            columns = []
            for p in powers:
                ways = math.factorial(degree) / math.prod(map(math.factorial, (*p, degree - sum(p))))
                columns.append(math.sqrt(ways * 0.5 ** sum(p)) * np.prod(rows ** np.array(p), 1))
            return np.stack(columns, 1)

        Phi = features(X)
        b = np.linalg.solve(Phi.T @ (w[:, None] * Phi) + 0.7 * np.eye(len(powers)), Phi.T @ (w[:, None] * Y))
        by_hand = max(by_hand, float(np.abs(primal.predict(Z) - features(Z) @ b).max()))
        sizes.append([len(primal.feature_coef_), len(powers)])
        if degree == 2:
            for model in (primal, dual):
                residuals = model.leave_one_out()
                for n in range(0, 300, 10):
                    rest = np.arange(300) != n
                    again = KernelRidge(0.7, kernel=kernel).fit(X[rest], Y[rest], w[rest])
                    left_out = max(left_out, float(np.abs(residuals[n] - Y[n] + again.predict(X[[n]])[0]).max()))
    yield check("primal against dual, largest difference", gap, 0.0, tolerance=1e-10)
    yield check("primal against features by hand, largest difference", by_hand, 0.0, tolerance=1e-10)
    yield check("numbers that the primal form solves for", np.array(sizes)[:, 0], np.array(sizes)[:, 1])
    yield check("leave-one-out against fits without the row", left_out, 0.0, tolerance=1e-10)


@reproduction(
    "3.01",
    claim="scikit-learn's predictions, and the penalty path is a fit for each penalty",
    source="scikit-learn KernelRidge",
    protocol="scikit-learn's diabetes data, standardised; radial, polynomial, Laplacian kernels; ten penalties",
    mark="C",
)
def another_implementation():
    from sklearn.datasets import load_diabetes
    from sklearn.kernel_ridge import KernelRidge as Theirs

    from peira.kernels import KernelRidge, KernelRidgeCV

    X, y = load_diabetes(return_X_y=True)
    X, y = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    penalties = np.logspace(-3, 2, 10)
    gap, path = 0.0, 0.0
    for name in ("rbf", "poly", "laplacian"):
        ours = KernelRidge(0.5, kernel=name, gamma=0.05, degree=2).fit(X[:300], y[:300])
        theirs = Theirs(alpha=0.5, kernel=name, gamma=0.05, degree=2).fit(X[:300], y[:300])
        gap = max(gap, float(np.abs(ours.predict(X) - theirs.predict(X)).max()))
        chosen = KernelRidgeCV(penalties, kernel=name, gamma=0.05, degree=2).fit(X, y)
        for alpha, mse in zip(chosen.alphas_, chosen.mse_path_, strict=True):
            single = KernelRidge(alpha, kernel=name, gamma=0.05, degree=2, fit_intercept=True).fit(X, y)
            path = max(path, abs(float(np.mean(single.leave_one_out() ** 2)) / mse - 1))
    yield check("predictions, largest difference", gap, 0.0, tolerance=1e-10)
    yield check("leave-one-out error of the path, relative", path, 0.0, tolerance=1e-9)


@reproduction(
    "3.02",
    claim="Gram matrices of valid kernels and of what they make have no eigenvalue below -1e-10, the sigmoid has",
    source="Bishop (2006), eqs 6.13 to 6.22; Scholkopf & Smola (2002), Learning with Kernels, chapter 2 (sigmoid)",
    protocol="20 random sets of 60 points in 1 to 8 columns, a third of them twice; random words; kernels of unit size "
    "(eigenvalues relative to the largest)",
    mark="C",
)
def valid_kernels():
    from peira.kernels import (
        RBF,
        Cosine,
        Laplacian,
        Linear,
        Matern,
        Polynomial,
        RationalQuadratic,
        Sigmoid,
        Spectrum,
        is_valid_kernel,
    )

    simple = [RBF(), RBF(0.2), Matern(nu=0.5), Matern(nu=3.3), RationalQuadratic(alpha=0.5), Laplacian(), Linear()]
    simple += [Polynomial(2), Polynomial(5), Cosine()]
    least, closed, refuted, exponential = np.inf, np.inf, 0, np.inf
    rng = np.random.default_rng(0)
    for trial in range(20):
        X = rng.normal(size=(40, 1 + trial % 8))
        X = np.concatenate([X, X[:20]])
        other = simple[rng.integers(len(simple))]
        for kernel in simple:
            verdict = is_valid_kernel(kernel, X)
            refuted += not verdict
            least = min(least, verdict.smallest_eigenvalue / verdict.largest_eigenvalue)
            for made in (kernel + other, kernel * other, 0.3 * kernel, kernel**3, kernel.on([0])):
                verdict = is_valid_kernel(made, X)
                refuted += not verdict
                closed = min(closed, verdict.smallest_eigenvalue / verdict.largest_eigenvalue)
            K = kernel(X)
            values = np.linalg.eigvalsh(np.exp(K / np.abs(K).max()))
            exponential = min(exponential, values[0] / values[-1])
    words = ["".join(rng.choice(list("acgt"), rng.integers(0, 30))) for _ in range(80)]
    strings = [is_valid_kernel(Spectrum(k, normalised), words) for k in (1, 2, 3, 5) for normalised in (True, False)]
    refuted += sum(not verdict for verdict in strings)
    yield check("smallest eigenvalue, radial to cosine", least, at_least=-1e-10)
    yield check("of strings", min(v.smallest_eigenvalue / v.largest_eigenvalue for v in strings), at_least=-1e-10)
    yield check("of sums, products, multiples, powers, columns", closed, at_least=-1e-10)
    yield check("of exponentials", exponential, at_least=-1e-10)
    yield check("valid kernels that are refuted", refuted, 0)
    points = np.array([[0.0], [0.5], [2.0]])
    verdict = is_valid_kernel(Sigmoid(gamma=1.0, coef0=-1.0), points)
    v = verdict.vector
    yield check("the sigmoid is refuted", bool(verdict), False)
    yield check("v'Kv of the vector that shows it", float(v @ np.tanh(points @ points.T - 1) @ v), at_most=-1.0)
