"""The choice of the penalty of logistic regression: its folds and scores by other routes."""

import warnings

import numpy as np
import pytest
import sklearn.linear_model
from scipy import sparse
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import KFold, StratifiedKFold

from peira.core import DataError, ParameterError
from peira.linear.logistic_regression import LogisticRegression
from peira.linear.logistic_regression_cv import LogisticRegressionCV
from tests.linear.test_logistic_regression import problem

CS = [0.01, 0.3, 10.0]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
def test_scores_are_those_of_single_fits(classes, scoring, seed):
    X, y = problem(seed, C=classes)
    w = np.random.default_rng(seed).uniform(0.5, 2.0, len(y))
    shares = (0.0, 0.5)
    model = LogisticRegressionCV(Cs=CS, l1_ratios=shares, cv=3, scoring=scoring, tol=1e-8).fit(X, y, w)
    folds = list(StratifiedKFold(3).split(X, y))
    for f, (train, test) in enumerate(folds):
        for i, share in enumerate(shares):
            for k, C in enumerate(CS):
                single = LogisticRegression(C=C, l1_ratio=share, tol=1e-8).fit(X[train], y[train], w[train])
                if scoring == "accuracy":
                    score = accuracy_score(y[test], single.predict(X[test]), sample_weight=w[test])
                else:
                    score = -log_loss(y[test], single.predict_proba(X[test]), sample_weight=w[test])
                assert model.scores_[f, i, k] == pytest.approx(score, abs=1e-6)
    mean = model.scores_.mean(0)
    i, k = np.unravel_index(mean.argmax(), mean.shape)
    assert (model.C_, model.l1_ratio_) == (CS[k], shares[i])
    whole = LogisticRegression(C=model.C_, l1_ratio=model.l1_ratio_, tol=1e-8).fit(X, y, w)
    np.testing.assert_allclose(model.coef_, whole.coef_, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(X), whole.predict_proba(X), atol=1e-6)


def test_the_simplest_within_one_standard_error(seed):
    X, y = problem(seed)
    best, simple = (LogisticRegressionCV(rule=rule).fit(X, y) for rule in ("best", "one_se"))
    mean, k = best.scores_.mean(0)[0], best.scores_.mean(0)[0].argmax()
    error = best.scores_[:, 0, k].std(ddof=1) / np.sqrt(5)
    assert simple.C_ == best.Cs_[np.flatnonzero(mean >= mean[k] - error)[0]] <= best.C_ == best.Cs_[k]
    np.testing.assert_allclose(best.Cs_, np.logspace(-4, 4, 10))


def test_the_order_of_strengths_and_the_form_of_inputs_do_not_matter(seed):
    X, y = problem(seed, spread=0.0)
    one = LogisticRegressionCV(Cs=CS, tol=1e-9).fit(X, y)
    other = LogisticRegressionCV(Cs=np.array(CS[::-1]), tol=1e-9).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(one.scores_, other.scores_, atol=1e-8)
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-8)


def test_raw_columns_of_all_scales_are_solved_to_the_same_losses_as_by_another_newton():
    X, y = load_breast_cancer(return_X_y=True)
    ours, accurate = (LogisticRegressionCV(scoring=s).fit(X, y) for s in ("neg_log_loss", "accuracy"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other one's parameters to come
        other = sklearn.linear_model.LogisticRegressionCV(
            scoring="neg_log_loss", solver="newton-cholesky", tol=1e-10, max_iter=1000
        ).fit(X, y)
    theirs = other.scores_[1] if isinstance(other.scores_, dict) else other.scores_
    np.testing.assert_allclose(ours.scores_[:, 0], np.reshape(theirs, (5, 10)), rtol=2e-3)
    assert ours.C_ == pytest.approx(np.ravel(other.C_)[0]) == pytest.approx(10 ** (4 / 3))
    loss = -ours.scores_.mean((0, 1))
    assert accurate.Cs_[-1] == accurate.C_
    assert loss[-1] > 1.9 * loss.min()


def test_given_folds_are_kept(seed):
    X, y = problem(seed)
    splitter = KFold(4, shuffle=True, random_state=seed)
    one = LogisticRegressionCV(Cs=CS, cv=splitter).fit(X, y)
    other = LogisticRegressionCV(Cs=CS, cv=list(splitter.split(X))).fit(X, y)
    np.testing.assert_array_equal(one.scores_, other.scores_)
    assert one.scores_.shape == (4, 1, 3)


def test_a_label_that_a_fold_never_saw_costs_what_rounding_leaves(seed):
    X, y = problem(seed, N=60)
    y[-1] = 2
    folds = [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]
    model = LogisticRegressionCV(Cs=[1.0], cv=folds).fit(X, y)
    assert np.isfinite(model.scores_).all() and model.predict_proba(X).shape == (60, 3)


def test_one_warning_for_the_whole_path(seed):
    X, y = problem(seed)
    with pytest.warns(ConvergenceWarning, match="raise max_iter") as told:
        LogisticRegressionCV(Cs=CS, max_iter=1, tol=1e-12).fit(X, y)
    assert len(told) == 1


def test_words_of_errors(seed):
    X, y = problem(seed)
    for Cs in (0, [], [1.0, -1.0], [np.inf], "few"):
        with pytest.raises(ParameterError, match="'Cs'"):
            LogisticRegressionCV(Cs=Cs).fit(X, y)
    with pytest.raises(ParameterError, match="'l1_ratios'"):
        LogisticRegressionCV(l1_ratios=(0.5, 2.0)).fit(X, y)
    with pytest.raises(DataError, match="can't make its folds"):
        LogisticRegressionCV(cv=50).fit(X[:20], y[:20])
    with pytest.raises(DataError, match="weight zero"):
        LogisticRegressionCV(cv=[(np.arange(60), np.arange(60, 120))]).fit(X, y, np.arange(120) < 60)
