"""Planted faults are found, and clean data raise no alarm."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from peira.diagnosis import Evidence, diagnose
from peira.diagnosis.learning_curve import _doubling, learning_curve
from peira.experience.splits import kfold
from peira.measures import get_measure


def clean(seed, N=800):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=N)
    noise = 0.5 * rng.normal(size=N)
    return Evidence(
        task="regression",
        observed=signal + noise,
        predicted=signal,
        scores=np.array([0.51, 0.50, 0.49, 0.50, 0.51]),
        train_scores=np.array([0.49, 0.50, 0.49, 0.49, 0.50]),
        baseline_scores=np.array([1.1, 1.12, 1.1, 1.13, 1.11]),
        higher_is_better=False,
        measure="RMSE",
        target="y",
        std=np.full(N, 0.5),
        pit=stats.norm.cdf(noise / 0.5),
        curve={"sizes": [50, 100, 200, 400, 640], "validation": [0.52, 0.51, 0.503, 0.501, 0.5]},
    )


def codes(evidence):
    return [finding.code for finding in diagnose(evidence)]


@pytest.mark.parametrize("more", range(20))
def test_no_false_alarm_on_clean_data(seed, more):
    assert codes(clean(1000 * seed + more)) == []


def planted(seed):
    e = clean(seed)
    rng = np.random.default_rng(seed + 1)
    outlying = e.observed.copy()
    outlying[:5] += 40
    clipped = np.minimum(e.observed, np.quantile(e.observed, 0.93))
    spread = e.predicted + (0.05 + (e.predicted - e.predicted.min())) * rng.normal(size=len(e.predicted))
    return {
        "P101": {"scores": e.baseline_scores + 0.01},
        "P102": {"train_scores": e.scores - 0.3},
        "P103": {"observed": e.predicted + 1e-3 * (e.observed - e.predicted)},
        "P104": {"observed": spread},
        "P105": {"observed": outlying},
        "P106": {"observed": clipped},
        "P107": {"pit": stats.norm.cdf(2 * stats.norm.ppf(e.pit))},
        "P108": {"repeated_rows": 30},
        "P109": {"warnings": ["ConvergenceWarning: did not converge"]},
        "P201": {"curve": {"sizes": [50, 100, 200, 400, 640], "validation": [0.9, 0.8, 0.7, 0.6, 0.52]}},
        "P202": {"ties": ["Lasso"]},
        "P203": {"stopped": "budget"},
    }


@pytest.mark.parametrize("code", sorted(planted(0)))
def test_each_planted_fault_is_found(seed, code):
    found = diagnose(dataclasses.replace(clean(seed), **planted(seed)[code]))
    assert code in [finding.code for finding in found]
    finding = next(f for f in found if f.code == code)
    assert finding.evidence and finding.fix and finding.to_json()["severity"] in ("problem", "warning", "info")


def test_the_gravest_come_first(seed):
    faults = planted(seed)
    found = diagnose(dataclasses.replace(clean(seed), **faults["P202"], **faults["P108"], **faults["P101"]))
    grave = {"problem": 0, "warning": 1, "info": 2}
    ranks = [grave[f.severity] for f in found]
    assert ranks == sorted(ranks) and len(found) >= 3


def test_nobody_is_told_to_give_up_before_every_method_had_its_turn(seed):
    worse = dataclasses.replace(clean(seed), **planted(seed)["P101"])
    (whole,), (part,) = (
        [f.fix for f in diagnose(dataclasses.replace(worse, stopped=stopped)) if f.code == "P101"]
        for stopped in (None, "budget")
    )
    assert "do without" in whole and "do without" not in part and "more time" in part


def test_doubling_follows_a_power_law():
    sizes = np.array([100.0, 200, 400, 800, 1600])
    scores = (2 + 30 * sizes**-0.5)[:, None]
    assert _doubling(sizes, scores) == pytest.approx(2 + 30 * 3200**-0.5, rel=1e-3)
    assert _doubling(sizes[:3], scores[:3]) is None
    assert _doubling(sizes, np.ones((5, 1))) == 1.0


def test_learning_curve_against_the_definition(seed):
    """Scores of the largest size are those of plain fits to whole training parts."""
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=200)
    folds, rmse = kfold(200, 4, seed=seed), get_measure("rmse")
    curve = learning_curve(LinearRegression(), X, y, folds, rmse, seed)
    assert curve["sizes"][-1] == 150 and curve["sizes"] == sorted(curve["sizes"])
    for i, (train, test) in enumerate(folds[:3]):
        fitted = LinearRegression().fit(X[train], y[train])
        assert curve["validation"][-1][i] == pytest.approx(rmse.value(y[test], fitted.predict(X[test])), rel=1e-9)
        assert curve["train"][-1][i] == pytest.approx(rmse.value(y[train], fitted.predict(X[train])), rel=1e-9)
