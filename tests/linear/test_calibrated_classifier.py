"""Calibration: the maps against brute force, and what it does to promises that are not kept."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from peira.core import ParameterError, observing
from peira.core.iteration import limiting
from peira.linear import CalibratedClassifierCV, GaussianNB, LinearDiscriminantAnalysis, Ridge, RidgeClassifier
from peira.linear.calibrated_classifier import _platt, _steps, _temperature
from peira.measures import expected_calibration_error
from peira.neural import MLPClassifier


def copies(seed, N=600, C=2, times=6):
    """Columns that repeat each other: naive Bayes counts each as new evidence, and is too sure of itself."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, C, N)
    x = rng.normal(size=N) + 1.2 * y
    return np.column_stack([x + 1e-3 * rng.normal(size=N) for _ in range(times)]), y


def test_platts_map_is_the_maximum_of_its_likelihood(seed):
    rng = np.random.default_rng(seed)
    s, w = rng.normal(size=80), rng.uniform(0.5, 2, 80)
    positive = rng.random(80) < 1 / (1 + np.exp(-2 * s + 1))
    ones, zeros = w[positive].sum(), w[~positive].sum()
    t = np.where(positive, (ones + 1) / (ones + 2), 1 / (zeros + 2))

    def loss(v):
        return w @ (np.logaddexp(0, v[0] * s + v[1]) - t * (v[0] * s + v[1]))

    found = minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(_platt(s, positive, w), found.x, atol=1e-5)


def test_separable_scores_do_not_end_in_certainty():
    slope, constant = _platt(np.array([-1.0, 1.0]), np.array([False, True]), np.ones(2))
    p = 1 / (1 + np.exp(-(slope + constant)))
    assert p == pytest.approx(2 / 3), "(N+ + 1) / (N+ + 2) for one row"


def test_steps_are_isotonic_regression(seed):
    rng = np.random.default_rng(seed)
    s, w = rng.normal(size=100).round(1), rng.uniform(0.5, 2, 100)
    codes = (rng.random(100) < 1 / (1 + np.exp(-s))).astype(int)
    learned = _steps(np.stack([-s, s], 1), codes, w, 2)
    reference = IsotonicRegression(y_min=0, y_max=1).fit(s, codes, w)
    grid = np.linspace(s.min(), s.max(), 301)
    np.testing.assert_allclose(np.interp(grid, learned["x"][1], learned["p"][1]), reference.predict(grid), atol=1e-12)


def test_the_temperature_is_found_again(seed):
    rng = np.random.default_rng(seed)
    Z = 3 * rng.normal(size=(20_000, 4))
    P = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
    codes = (rng.random(len(Z))[:, None] > P.cumsum(1)).sum(1)
    assert _temperature(Z / 5, codes, np.ones(len(Z)), 4)["temperature"] == pytest.approx(1 / 5, rel=0.05)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
@pytest.mark.parametrize("C", [2, 3])
def test_promises_are_kept_afterwards(seed, method, C):
    X, y = copies(seed, C=C)
    new, truth = copies(seed + 1000, N=4000, C=C)
    plain = GaussianNB().fit(X, y)
    calibrated = CalibratedClassifierCV(GaussianNB(), method=method).fit(X, y)
    before = expected_calibration_error(truth, plain.predict_proba(new), labels=range(C))
    after = expected_calibration_error(truth, calibrated.predict_proba(new), labels=range(C))
    assert before > 0.1 and after < 0.07
    assert calibrated.score(new, truth) > plain.score(new, truth) - 0.03


def test_scores_without_probabilities_get_some(seed):
    X, y = copies(seed)
    names = np.array(["no", "yes"])[y]
    model = CalibratedClassifierCV(RidgeClassifier()).fit(X, names, np.linspace(0.5, 1.5, len(y)))
    probs = model.predict_proba(X)
    np.testing.assert_allclose(probs.sum(1), 1.0, rtol=1e-14)
    assert model.classes_.tolist() == ["no", "yes"] and model.score(X, names) > 0.6


def test_the_folds_hold_each_row_out_once(seed):
    X, y = copies(seed, N=23)
    model = CalibratedClassifierCV(LinearDiscriminantAnalysis(), cv=4)
    data = model._begin(X, y)
    from peira.linear.calibrated_classifier import _fitted, _scores_of

    S = model._unseen_scores(LinearDiscriminantAnalysis(), data)
    assert np.isfinite(S).all()
    row = int(np.flatnonzero(y == 1)[5])  # the sixth of its class stands in the second of four folds
    rank = {c: 0 for c in (0, 1)}
    fold = []
    for c in y:
        fold.append(rank[c] % 4)
        rank[c] += 1
    part = _fitted(LinearDiscriminantAnalysis(), data, np.flatnonzero(np.array(fold) != fold[row]))
    np.testing.assert_array_equal(S[row], _scores_of(part, data.X[[row]], "sigmoid")[0])


def test_the_fits_share_a_budget_of_time(monkeypatch, seed):
    now, begun = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def hear(event):
        if event.path[-1] == "MLPClassifier.epoch":
            begun.extend([now[0]] * (event.kind == "start"))
            now[0] += 1.0 * (event.kind == "step")

    X, y = copies(seed, N=12)
    net = MLPClassifier(hidden_layer_sizes=(2,), max_iter=1000, tol=0.0, n_iter_no_change=1000)
    with limiting(12.0), observing(hear):
        CalibratedClassifierCV(net, cv=3).fit(X, y)
    assert begun == [0.0, 3.0, 6.0, 9.0] and now == [12.0]


def test_what_is_no_classifier_is_refused():
    with pytest.raises(ParameterError, match="classifier of Peira, got Ridge"):
        CalibratedClassifierCV(Ridge()).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match="'b' has a single row"):
        CalibratedClassifierCV().fit([[0.0], [1.0], [2.0]], ["a", "a", "b"])
