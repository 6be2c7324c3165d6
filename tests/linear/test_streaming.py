"""Rows that come in blocks: the answer is that of one fit, wherever the blocks end."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.model_selection import KFold

import peira
from peira.core.errors import DataError, ParameterError, UnreadableError
from peira.linear.baseline import MeanRegressor
from peira.linear.elastic_net import ElasticNetCV
from peira.linear.lars import Lars, LassoLars, LassoLarsIC
from peira.linear.lasso import LassoCV
from peira.linear.partial_least_squares import PLSRegression
from peira.linear.principal_components import PrincipalComponentRegression
from peira.linear.relevance_determination import ARDRegression
from peira.linear.ridge_cv import RidgeCV
from peira.linear.subset import BestSubsetRegression
from peira.linear.sufficient_statistics import check_stored_summary

TIGHT = {"tol": 1e-13, "max_iter": 5000}
PRIOR = {"lambda_1": 0.5, "lambda_2": 0.5, "alpha_1": 2.5, "alpha_2": 2.5, "tol": 1e-11}

# What needs no folds: the stream is one fit.
WHOLE = {
    "subset of 2": lambda: BestSubsetRegression(2),
    "subset by bic": BestSubsetRegression,
    "subset by cp, raw": lambda: BestSubsetRegression("cp", fit_intercept=False),
    "components": lambda: PrincipalComponentRegression(2),
    "components, unscaled": lambda: PrincipalComponentRegression(3, scale=False),
    "pls": PLSRegression,
    "pls of all": lambda: PLSRegression(4),
    "lars": Lars,
    "lars of 2, raw": lambda: Lars(n_nonzero_coefs=2, fit_intercept=False),
    "lasso lars": lambda: LassoLars(0.05),
    "positive lasso lars": lambda: LassoLars(0.05, positive=True),
    "aic": LassoLarsIC,
    "bic, known noise": lambda: LassoLarsIC("bic", noise_variance=0.3),
    "ard": lambda: ARDRegression(**PRIOR),
    "ard, raw": lambda: ARDRegression(**PRIOR, fit_intercept=False),
    "mean": MeanRegressor,
}

# What chooses by folds.
FOLDED = {
    "subset": lambda cv: BestSubsetRegression("cv", cv=cv),
    "simplest subset": lambda cv: BestSubsetRegression("cv", cv=cv, rule="one_se", fit_intercept=False),
    "components": lambda cv: PrincipalComponentRegression(cv=cv),
    "pls": lambda cv: PLSRegression("cv", cv=cv, rule="one_se"),
    "ridge": lambda cv: RidgeCV(np.logspace(-1, 3, 9), cv=cv),
    "ridge, raw": lambda cv: RidgeCV(np.logspace(-1, 3, 9), cv=cv, fit_intercept=False, rule="one_se"),
    "lasso": lambda cv: LassoCV(alphas=20, cv=cv, **TIGHT),
    "elastic net": lambda cv: ElasticNetCV(l1_ratio=[0.3, 0.9], alphas=15, cv=cv, **TIGHT),
}
SEVERAL = {"components": WHOLE["components"], "pls": WHOLE["pls"], "mean": WHOLE["mean"]}


def table(N, D=4, K=None, *, seed, constant=False):
    rng = np.random.default_rng([seed, 3])
    X = rng.standard_normal((N, D)) @ (np.eye(D) + 0.3) + 2
    if constant:
        X[:, 1] = 4.2
    shape = (D,) if K is None else (D, K)
    y = X @ rng.uniform(-2, 2, shape) + 1
    return X, y + 0.5 * rng.standard_normal(y.shape), rng.uniform(0.2, 3, N)


def streamed(model, ends, X, y, *w):
    for block in np.split(np.arange(X.shape[0]), ends):
        model.partial_fit(X[block], y[block], *(v[block] for v in w))
    return model


def interleaved(N, F):
    rows = np.arange(N)
    return [(rows[rows % F != f], rows[rows % F == f]) for f in range(F)]


def agree(a, b, rtol=1e-10):
    """Whether two models have learned the same, but for the rounding of sums."""
    for name, value in vars(b).items():
        if name.endswith("_") and name not in ("parts_", "history_", "posterior_"):
            other = getattr(a, name)
            if isinstance(value, float | np.ndarray) and np.asarray(value).dtype.kind == "f":
                scale = np.abs(value).max(initial=1e-3)
                np.testing.assert_allclose(other, value, rtol=rtol, atol=rtol * scale, err_msg=name)
            elif isinstance(value, np.ndarray):
                np.testing.assert_array_equal(other, value, err_msg=name)
            else:
                assert other == value, name


BLOCKS = {"one": [], "single rows": range(1, 17), "sizes": [1, 3, 6, 7, 15]}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("blocks", BLOCKS)
def test_a_stream_is_one_fit(seed, name, blocks):
    X, y, w = table(17, seed=seed)
    w = () if name == "aic" or name.startswith("bic") else (w,)
    whole = WHOLE[name]().fit(X, y, *w)
    agree(streamed(WHOLE[name](), BLOCKS[blocks], X, y, *w), whole)
    back = slice(None, None, -1)
    agree(streamed(WHOLE[name](), BLOCKS[blocks], X[back], y[back], *(v[back] for v in w)), whole)


@pytest.mark.parametrize("name", SEVERAL)
def test_a_stream_of_several_targets(seed, name):
    X, Y, w = table(20, K=2, seed=seed)
    agree(streamed(SEVERAL[name](), [1, 2, 9], X, Y, w), SEVERAL[name]().fit(X, Y, w))
    tensors = [torch.from_numpy(v) for v in (X, Y, w)]
    model = streamed(SEVERAL[name](), [1, 2, 9], *tensors)
    assert isinstance(model.predict(tensors[0]), torch.Tensor)
    np.testing.assert_allclose(model.predict(X), SEVERAL[name]().fit(X, Y, w).predict(X), rtol=1e-10)


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_goes_on_from_a_fit(seed, name):
    X, y, _ = table(25, seed=seed)
    model = WHOLE[name]().fit(X[:12], y[:12])
    agree(model.partial_fit(X[12:13], y[12:13]).partial_fit(X[13:], y[13:]), WHOLE[name]().fit(X, y))


@pytest.mark.parametrize("name", ["components", "pls", "pls of all", "ard", "lars", "lasso lars"])
def test_a_stream_of_fewer_rows_than_columns(seed, name):
    X, y, _ = table(6, 15, seed=seed)
    for cut in (2, 4):
        agree(streamed(WHOLE[name](), [cut], X, y), WHOLE[name]().fit(X, y), rtol=1e-7)
        agree(WHOLE[name]().fit(X[:cut], y[:cut]).partial_fit(X[cut:], y[cut:]), WHOLE[name]().fit(X, y), rtol=1e-7)


@pytest.mark.parametrize("name", WHOLE)
def test_constant_columns_and_targets_stay_constant(seed, name):
    X, y, _ = table(24, constant=True, seed=seed)
    model = streamed(WHOLE[name](), [1, 2, 5, 17], X, y)
    if name != "mean" and "raw" not in name:
        assert abs(model.coef_[1]) < 1e-10
        others = np.delete(X, 1, 1)
        np.testing.assert_allclose(model.predict(X), WHOLE[name]().fit(others, y).predict(others), rtol=1e-9)
    flat = np.full(24, 0.1)
    if "raw" not in name:
        np.testing.assert_allclose(streamed(WHOLE[name](), range(1, 24), X, flat).predict(X), flat, rtol=1e-12)


@pytest.mark.parametrize("N", [50, 251])
@pytest.mark.parametrize("value", [4.2, 1e6 / 3, 1e-9])
@pytest.mark.parametrize("cls", [PrincipalComponentRegression, PLSRegression])
def test_the_rounding_of_a_mean_is_no_direction(seed, cls, N, value):
    X, y, _ = table(N, 3, seed=seed)
    for M in (2, 4):
        model, alone = cls(M).fit(np.c_[X, np.full(N, value)], y), cls(M).fit(X, y)
        np.testing.assert_allclose(model.coef_, [*alone.coef_, 0.0], rtol=1e-9)
        assert model.n_components_ == alone.n_components_


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_of_sparse_blocks(seed, name):
    X, y, w = table(24, seed=seed)
    X = X * (np.random.default_rng(seed).random(X.shape) < 0.6)
    w = () if name == "aic" or name.startswith("bic") else (w,)
    agree(streamed(WHOLE[name](), [1, 3, 12], sparse.csr_array(X), y, *w), WHOLE[name]().fit(X, y, *w), rtol=1e-9)


@pytest.mark.parametrize("name", FOLDED)
@pytest.mark.parametrize(("F", "N", "kind"), [(2, 12, "sparse"), (3, 17, "constant column"), (5, 18, "dense")])
def test_folds_of_a_stream_are_dealt_in_turn(seed, name, F, N, kind):
    X, y, w = table(N, seed=seed, constant=kind == "constant column")
    given = sparse.csr_array(X) if kind == "sparse" else X
    batch = FOLDED[name](interleaved(N, F)).fit(X, y, w).set_params(cv=F)
    rtol = 1e-6 if "lasso" in name or "net" in name else 1e-10  # the paths end by a duality gap
    for ends in ([], range(1, N) if F == 3 else [1, 3, 6, N - 1]):
        agree(streamed(FOLDED[name](F), ends, given, y, w), batch, rtol)


@pytest.mark.parametrize("name", [name for name in FOLDED if "ridge" not in name])  # RidgeCV leaves one out by default
def test_without_weights_and_with_five_folds_by_default(seed, name):
    X, y, _ = table(41, seed=seed)
    model = streamed(FOLDED[name](None), [7, 8], X, y)
    assert len(model.parts_) == 5 and model.mse_path_.shape[-1] == 5
    agree(model, FOLDED[name](interleaved(41, 5)).fit(X, y), 1e-6)


@pytest.mark.parametrize("name", FOLDED)
def test_after_a_fit_by_folds_new_rows_are_dealt_to_them(seed, name):
    X, y, w = table(47, seed=seed)
    N, F = 29, 4
    fold = np.arange(47) % F
    for f, (_, test) in enumerate(KFold(F).split(X[:N])):
        fold[test] = f
    pairs = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(F)]
    model = FOLDED[name](F).fit(X[:N], y[:N], w[:N])
    for rows in (slice(N, N + 1), slice(N + 1, 47)):
        model.partial_fit(X[rows], y[rows], w[rows])
    agree(model, FOLDED[name](pairs).fit(X, y, w), 1e-6)


def test_ridge_chooses_for_each_target_of_a_stream(seed):
    X, Y, w = table(33, K=2, seed=seed)
    Y[:, 1] = np.random.default_rng(seed).standard_normal(33)
    alphas = np.logspace(-1, 3, 9)
    batch = RidgeCV(alphas, cv=interleaved(33, 4), alpha_per_target=True).fit(X, Y, w)
    agree(streamed(RidgeCV(alphas, cv=4, alpha_per_target=True), [1, 2, 20], X, Y, w), batch)


MAKE = WHOLE | {f"{name} by folds": lambda make=make: make(3) for name, make in FOLDED.items()}


@pytest.mark.parametrize("name", MAKE)
def test_few_rows_are_answered_as_fit_answers_them(seed, name, tmp_path):
    """Where fit refuses, a question is refused for the same reason, and the rows are not forgotten."""
    X, y, _ = table(12, seed=seed)
    model, waited = MAKE[name](), 0
    for n in range(1, 13):
        model.partial_fit(X[n - 1 : n], y[n - 1 : n])
        folds = {"cv": interleaved(n, 3)} if "by folds" in name and n >= 3 else {}
        try:
            batch = MAKE[name]().set_params(**folds).fit(X[:n], y[:n])
        except DataError:
            waited = n
            with pytest.raises(DataError, match=r"needs more rows .*n_samples="):
                model.predict(X)
            model = peira.load(model.save(tmp_path / f"{n}"))
        else:
            np.testing.assert_allclose(model.predict(X), batch.predict(X), rtol=1e-5, atol=1e-6)
    expected = 5 if name == "aic" else 5 if "subset" in name else 0
    assert waited == expected if "folds" not in name else waited >= 2


def test_what_waits_has_no_scores_or_pictures_yet(seed):
    X, y, _ = table(2, seed=seed)
    waiting = PLSRegression("cv").partial_fit(X, y)
    for ask in (lambda: waiting.transform(X), waiting.get_feature_names_out):
        with pytest.raises(ValueError, match="PLSRegression"):
            ask()
    with pytest.raises(ValueError, match="LassoLarsIC"):
        LassoLarsIC().partial_fit(X, y).plot_path()
    zero = RidgeCV(cv=2).partial_fit(X, y, [1.0, 0.0])
    with pytest.raises(DataError, match="2 folds needs a row of positive weight"):
        zero.predict(X)
    np.testing.assert_allclose(
        zero.partial_fit(X, y + 1).coef_,
        RidgeCV(cv=[([0, 1], [2]), ([2], [0, 1])]).fit(X[[0, 0, 1]], np.array([y[0], y[0] + 1, y[1] + 1])).coef_,
    )


@pytest.mark.parametrize("name", FOLDED)
@pytest.mark.parametrize("cv", [KFold(3), 1, True, "pairs"])
def test_folds_that_are_no_number_are_refused_before_anything_changes(seed, name, cv):
    X, y, _ = table(12, seed=seed)
    cv = interleaved(12, 3) if cv == "pairs" else cv
    fresh = FOLDED[name](cv)
    with pytest.raises(ParameterError, match="pass cv=5"):
        fresh.partial_fit(X, y)
    assert not any(attribute.endswith("_") for attribute in vars(fresh))


def test_leaving_one_out_of_a_stream_is_refused_with_the_remedy(seed):
    X, y, _ = table(12, seed=seed)
    with pytest.raises(ParameterError, match="cv=10"):
        RidgeCV().partial_fit(X, y)
    fitted = RidgeCV().fit(X, y)
    before = dict(vars(fitted))
    with pytest.raises(ParameterError, match="leave-one-out"):
        fitted.partial_fit(X, y)
    assert vars(fitted) == before


def test_what_cannot_go_on_says_why(seed):
    X, y, _ = table(20, seed=seed)
    model = PrincipalComponentRegression(cv=3).partial_fit(X, y)
    for change in ({"cv": 4}, {"n_components": 2}):
        with pytest.raises(DataError, match="number of folds"):
            PrincipalComponentRegression(cv=3).partial_fit(X, y).set_params(**change).partial_fit(X, y)
    with pytest.raises(DataError, match="fit_intercept was changed"):
        Lars().partial_fit(X, y).set_params(fit_intercept=False).partial_fit(X, y)
    assert model.partial_fit(X, y).n_features_in_ == 4
    wide, z, _ = table(10, 200, seed=seed)
    for kept_none in (Lars(), LassoCV(cv=2, alphas=3), RidgeCV(cv=2), PLSRegression("cv", cv=2)):
        kept_none.fit(wide, z)
        with pytest.raises(DataError, match="begin a new one with partial_fit"):
            kept_none.partial_fit(wide, z)
    with pytest.raises(DataError, match="too many subsets"):
        BestSubsetRegression().partial_fit(wide[:1], z[:1])
    with pytest.raises(DataError, match="column 'x2' are too large"):
        RidgeCV(cv=2).partial_fit(np.array([[1.0, 1.0, 1e200], [0.0, 0.0, 0.0]] * 2), np.ones(4))


@pytest.mark.parametrize("name", ["ridge", "lasso"])
def test_parameters_are_checked_with_the_first_row(seed, name):
    X, y, _ = table(2, seed=seed)
    with pytest.raises(ParameterError, match="alphas"):
        FOLDED[name](3).set_params(alphas=[-1.0]).partial_fit(X[:1], y[:1])


def test_weights_too_small_to_tell_the_noise_are_said(seed):
    X, _, _ = table(6, seed=seed)
    y = X.sum(1) / 1000
    for learn in (ARDRegression().fit, ARDRegression().partial_fit):
        with pytest.raises(DataError, match="scale sample_weight up"):
            learn(X, y, np.full(6, 0.01))


def test_a_nearly_perfect_fit_of_a_stream_stays_finite(seed):
    X, _, _ = table(60, seed=seed)
    y = X @ [1.0, 0.0, -2.0, 0.0]
    model = streamed(ARDRegression(), [20, 40], X, y)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-5)
    assert np.isfinite(model.predict_dist(X).std).all() and model.alpha_ > 0


def test_a_large_mean_costs_a_stream_no_digits(seed):
    X, y, _ = table(40, seed=seed)
    whole = PLSRegression(4).fit(X, y)
    far = streamed(PLSRegression(4), range(1, 40), X + 1e6, y + 1e6)
    np.testing.assert_allclose(far.coef_, whole.coef_, rtol=1e-7)


def test_stored_moments_that_no_rows_give_are_refused(seed, tmp_path):
    X, y, _ = table(8, seed=seed)
    (part,) = PLSRegression().fit(X, y).parts_
    check_stored_summary("M", part, 4, 1)
    wrong = [{"n": -1}, {"n": 1.0}, {"weight": np.nan}, {"weight": 3}, {"centred": 1}, {"xx": part["xx"][:3]}]
    wrong += [{"xy": np.full((4, 1), np.inf)}, {"x_mean": np.ones(5)}, {"more": 1.0}]
    for change in wrong:
        with pytest.raises(UnreadableError, match="moments"):
            check_stored_summary("M", part | change, 4, 1)
    model = PLSRegression().fit(X, y)
    model.parts_ = []
    with pytest.raises(UnreadableError, match="list of moments"):
        peira.load(model.save(tmp_path / "m"))
