"""Rows 1.07 and 1.09: ridge, best subset, principal components and partial least squares on the prostate data.

The book standardises over all 97 men and does not centre again over the 67 of the training part: its ridge and its
directions are those of these inputs as they stand, with the mean of the training targets as constant. Done so, Table
3.3 comes out to its last digit; with inputs centred in the training part, as the methods do by themselves, nearly so.
"""

import numpy as np

from evidence import check, reproduction

from .linear_least_squares import prostate, test_error

TABLE = "Hastie, Tibshirani, Friedman (2009), Table 3.3"
RECIPE = "67 training, 30 test rows; inputs standardised over all 97 (errors read at a copy; coefficients recalled)"
ASSIGNMENTS = 40  # of rows to ten folds; the book's is not known


def penalty_of(df, X):
    """The penalty at which ridge has ``df`` effective degrees of freedom."""
    s = np.linalg.eigvalsh(X.T @ X)
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (s / (s + middle)).sum() > df else (low, middle)
    return middle


def sizes_chosen(make, size):
    """The size that ten-fold cross-validation with the one-standard-error rule takes, for many assignments to folds."""
    from sklearn.model_selection import KFold

    X, y, _, _ = prostate()
    folds = [KFold(10, shuffle=True, random_state=seed) for seed in range(ASSIGNMENTS)]
    return np.array([size(make(cv).fit(X, y)) for cv in folds])


@reproduction(
    "1.07",
    claim="ridge with 5.0 effective degrees of freedom on the prostate data has test error 0.492 (0.165)",
    source=TABLE,
    protocol=RECIPE + ", not centred again; the penalty from the printed degrees of freedom",
    mark="V",
    data="esl/prostate.csv.gz",
)
def prostate_ridge():
    from peira.linear.ridge import Ridge

    X, y, X_test, y_test = prostate()
    model = Ridge(penalty_of(5.0, X), fit_intercept=False).fit(X, y - y.mean())
    yield check("effective degrees of freedom", model.effective_df_, 5.0, tolerance=1e-9)
    printed = [0.420, 0.238, -0.046, 0.162, 0.227, 0.000, 0.040, 0.133]
    yield check("coefficients", model.coef_, printed, tolerance=0.000501)
    error, spread = test_error(y_test, y.mean() + model.predict(X_test))
    yield check("test error", error, 0.492, tolerance=0.0005)
    yield check("its standard error", spread, 0.165, tolerance=0.000501)
    X = X - X.mean(0)
    centred = Ridge(penalty_of(5.0, X)).fit(X, y)
    error, _ = test_error(y_test, centred.predict(X_test - prostate()[0].mean(0)))
    yield check("test error with inputs centred in the training part", error, 0.492, tolerance=0.005)


@reproduction(
    "1.07",
    claim="leave-one-out errors over a path equal those of as many fits; ten folds and one standard error shrink more",
    source="Golub, Heath, Wahba (1979); identity",
    protocol=RECIPE + "; every row left out in turn; 40 assignments to ten folds, as the book's is not known",
    mark="C",
    data="esl/prostate.csv.gz",
)
def prostate_ridge_chosen():
    from peira.linear.ridge import Ridge
    from peira.linear.ridge_cv import RidgeCV

    X, y, _, _ = prostate()
    alphas = np.logspace(-3, 3, 7)
    model = RidgeCV(alphas).fit(X, y)
    brute = [
        np.mean(
            [
                (y[i] - Ridge(a).fit(np.delete(X, i, 0), np.delete(y, i)).predict(X[i : i + 1])[0]) ** 2
                for i in range(len(y))
            ]
        )
        for a in model.alphas_
    ]
    yield check("leave-one-out errors", model.mse_path_, brute, relative=1e-10)
    centred = X - X.mean(0)
    penalties = [penalty_of(df, centred) for df in np.arange(0.5, 8, 0.5)]
    chosen = sizes_chosen(lambda cv: RidgeCV(penalties, cv=cv, rule="one_se"), lambda m: m.effective_df_)
    yield check(
        "effective degrees of freedom chosen, median",
        float(np.median(chosen)),
        at_least=2.5,
        at_most=5.0,
        note="the book's assignment gave 5.0; over 40 assignments one standard error takes "
        f"{chosen.min():.1f} to {chosen.max():.1f}, so the error is held at the printed 5.0",
    )


@reproduction(
    "1.09",
    claim="the best subset of two on the prostate data has test error 0.492 (0.143), and cross-validation picks two",
    source=TABLE,
    protocol=RECIPE + "; ten folds and one standard error for the size, 40 assignments",
    mark="V",
    data="esl/prostate.csv.gz",
)
def prostate_subset():
    from peira.linear.subset import BestSubsetRegression

    X, y, X_test, y_test = prostate()
    model = BestSubsetRegression(2).fit(X, y)
    yield check("columns", model.subsets_[2], [0, 1])
    yield check("coefficients", [model.intercept_, *model.coef_[:2]], [2.477, 0.740, 0.316], tolerance=0.000501)
    error, spread = test_error(y_test, model.predict(X_test))
    yield check("test error", error, 0.492, tolerance=0.000501)
    yield check("its standard error", spread, 0.143, tolerance=0.000501)
    chosen = sizes_chosen(lambda cv: BestSubsetRegression("cv", cv=cv, rule="one_se"), lambda m: m.size_)
    yield check("size chosen most often", int(np.bincount(chosen).argmax()), 2)


@reproduction(
    "1.09",
    claim="seven principal components on the prostate data have test error 0.449 (0.105)",
    source=TABLE,
    protocol=RECIPE + ", not centred again; the printed number of components",
    mark="V",
    data="esl/prostate.csv.gz",
)
def prostate_principal_components():
    import torch

    from peira.linear.least_squares import LinearRegression
    from peira.linear.principal_components import PrincipalComponentRegression, principal_directions

    X, y, X_test, y_test = prostate()
    V = principal_directions(torch.as_tensor(X.T @ X), 7)[1].numpy()
    scores = LinearRegression().fit(X @ V, y)
    printed = [0.543, 0.289, -0.152, 0.214, 0.315, -0.051, 0.232, -0.056]
    yield check("coefficients", V @ scores.coef_, printed, tolerance=0.000501)
    yield check("constant", scores.intercept_, 2.497, tolerance=0.000501)
    error, spread = test_error(y_test, scores.predict(X_test @ V))
    yield check("test error", error, 0.449, tolerance=0.0005)
    yield check("its standard error", spread, 0.105, tolerance=0.000501)
    centred = PrincipalComponentRegression(7, scale=False).fit(X, y)
    error, _ = test_error(y_test, centred.predict(X_test))
    yield check("test error with inputs centred in the training part", error, 0.449, tolerance=0.0005)


@reproduction(
    "1.09",
    claim="two partial least squares directions on the prostate data have test error 0.528 (0.152), and are chosen",
    source=TABLE,
    protocol=RECIPE + ", not centred again; ten folds and one standard error for the number, 40 assignments",
    mark="V",
    data="esl/prostate.csv.gz",
)
def prostate_partial_least_squares():
    import torch

    from peira.linear.partial_least_squares import PLSRegression, pls_directions

    X, y, X_test, y_test = prostate()
    r = torch.as_tensor(y - y.mean())[:, None]
    steps = pls_directions(torch.as_tensor(X.T @ X), torch.as_tensor(X).T @ r, 2)
    coef = (steps.rotations @ steps.target_loadings.T)[:, 0].numpy()
    printed = [0.419, 0.344, -0.026, 0.220, 0.243, 0.079, 0.011, 0.084]
    yield check("coefficients", coef, printed, tolerance=0.000501)
    error, spread = test_error(y_test, y.mean() + X_test @ coef)
    yield check("test error", error, 0.528, tolerance=0.0005)
    yield check("its standard error", spread, 0.152, tolerance=0.0005)
    error, _ = test_error(y_test, PLSRegression(2, scale=False).fit(X, y).predict(X_test))
    yield check("test error with inputs centred in the training part", error, 0.527, tolerance=0.0005)
    make = lambda cv: PLSRegression("cv", scale=False, cv=cv, rule="one_se")  # noqa: E731
    chosen = sizes_chosen(make, lambda m: m.n_components_)
    yield check("number chosen most often", int(np.bincount(chosen).argmax()), 2)
