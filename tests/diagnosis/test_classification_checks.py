"""Planted faults of labels and probabilities are found, and honest ones raise no alarm."""

import dataclasses

import numpy as np
import pytest

from peira.diagnosis import Evidence, diagnose
from peira.diagnosis.classification import CHECKS, _area, uncalibrated
from peira.study.classes import class_table

SEEN = {"labels": "abcdefghij"}


def evidence(probs, observed, predicted=None, **more):
    """What a study would hand over for these probabilities; decisions by the greatest unless given."""
    C = probs.shape[1]
    classes = list(SEEN["labels"][:C])
    predicted = probs.argmax(1) if predicted is None else predicted
    return Evidence(
        task="classification",
        observed=observed,
        predicted=predicted,
        probs=probs,
        classes=classes,
        table=class_table(observed, predicted, np.array(classes)),
        scores=np.array([0.51, 0.50, 0.49, 0.50, 0.51]),
        train_scores=np.array([0.49, 0.50, 0.49, 0.49, 0.50]),
        baseline_scores=np.array([1.1, 1.12, 1.1, 1.13, 1.11]),
        higher_is_better=False,
        measure="log loss",
        target="y",
        curve={"sizes": [50, 100, 200, 400, 640], "validation": [0.52, 0.51, 0.503, 0.501, 0.5]},
        **more,
    )


def softmax(Z):
    P = np.exp(Z - Z.max(1, keepdims=True))
    return P / P.sum(1, keepdims=True)


def drawn(P, rng):
    """Labels that follow the probabilities: these are calibrated by construction."""
    return (P.cumsum(1) < rng.random((len(P), 1))).sum(1).clip(0, P.shape[1] - 1)


def clean(seed, C=3, N=800, scale=2.0):
    rng = np.random.default_rng(seed)
    P = softmax(scale * rng.normal(size=(N, C)))
    return evidence(P, drawn(P, rng))


def codes(e):
    return [finding.code for finding in diagnose(e)]


@pytest.mark.parametrize("C", [2, 4, 10])
@pytest.mark.parametrize("more", range(6))
def test_no_false_alarm_on_clean_data(seed, more, C):
    assert codes(clean(1000 * seed + more, C)) == []


def _rare(rng, N=1000, share=0.05, seen=0.2):
    """Two labels, the second rare and found in a part of its rows only; the probabilities are honest."""
    p = np.where(rng.random(N) < share * 1.2 * seen, 0.7, share * (1 - seen))
    P = np.column_stack([1 - p, p])
    return P, drawn(P, rng)


def planted(seed):
    rng = np.random.default_rng(seed + 1)
    e = clean(seed)
    P2 = softmax(2 * rng.normal(size=(800, 2)))
    y2 = drawn(P2, rng)

    flat = np.full((900, 2), [0.7, 0.3])
    flat[:, 1] += np.where(np.arange(900) % 2, 0.15, -0.25)
    flat[:, 0] = 1 - flat[:, 1]
    hidden = drawn(flat, rng)

    three = softmax(np.column_stack([4 * rng.normal(size=1000), rng.normal(size=1000), rng.normal(size=1000)]))
    pair = np.where(three[:, 0] > 0.5, 0, drawn(three, rng).clip(1, 2))
    few = np.r_[np.zeros(400, int), np.ones(380, int), np.full(12, 2)]
    found = np.eye(3)[few] * 0.7 + 0.1

    sure = softmax(8 * rng.normal(size=(3000, 2)))
    noisy = drawn(sure, rng)
    flipped = rng.choice(np.flatnonzero(sure.max(1) > 0.995), 12, replace=False)
    noisy[flipped] = 1 - sure[flipped].argmax(1)

    return {
        "P110": evidence(np.eye(2)[y2] * 0.98 + 0.01, y2),
        "P111": evidence(*_rare(rng)),
        "P112": evidence(softmax(2.5 * np.log(e.probs)), e.observed),
        "P113": evidence(found, few),
        "P114": evidence(P2, y2, np.zeros(800, int)),
        "P115": evidence(three, pair),
        "P116": evidence(flat, hidden, np.zeros(900, int)),
        "P117": evidence(sure, noisy),
    }


@pytest.mark.parametrize("code", sorted(planted(0)))
def test_each_planted_fault_is_found(seed, code):
    found = diagnose(planted(seed)[code])
    assert code in [finding.code for finding in found]
    finding = next(f for f in found if f.code == code)
    assert finding.evidence and finding.fix and finding.to_json()["severity"] in ("problem", "warning", "info")


def test_every_code_is_planted_once_and_said_by_one_check(seed):
    faults = planted(seed)
    said = {check(e).code for e in faults.values() for check in CHECKS if check(e) is not None}
    assert said == set(faults) and len(CHECKS) == len(faults)


def test_stated_costs_silence_what_they_explain(seed):
    faults = planted(seed)
    for code in ("P111", "P116"):
        assert code not in codes(dataclasses.replace(faults[code], costs=[("b", "a", 3.0)]))


def test_a_label_of_one_row_is_not_the_rarest_that_counts(seed):
    e = planted(seed)["P111"]
    lone = np.append(e.observed, 2)
    probs = np.vstack([np.column_stack([e.probs, np.zeros(len(e.probs))]), [0.9, 0.05, 0.05]])
    (found,) = [f for f in diagnose(evidence(probs, lone)) if f.code == "P111"]
    assert found.fix.startswith("If missing") and "'b:OTHER" in found.fix


def test_without_probabilities_the_labels_are_still_judged(seed):
    e = dataclasses.replace(planted(seed)["P115"], probs=None)
    assert "P115" in codes(e)
    assert "P112" not in codes(e) and "P117" not in codes(e)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("C", [2, 3])
def test_few_rows_and_a_single_label(n, C):
    same = evidence(np.full((n, C), 1 / C), np.zeros(n, int))
    assert set(codes(same)) <= {"P113"}
    told = evidence(np.full((n, C), 1 / C), np.arange(n) % C)
    assert set(codes(told)) <= {"P113"}


def test_the_area_is_the_chance_of_a_right_order(seed):
    rng = np.random.default_rng(seed)
    P = softmax(rng.normal(size=(200, 2)).round(1))  # with ties
    e = evidence(P, drawn(P, rng))
    a, b = P[e.observed == 1, 1][:, None], P[e.observed == 0, 1][None, :]
    assert _area(e) == pytest.approx(((a > b) + 0.5 * (a == b)).mean(), rel=1e-12)


def test_too_sure_and_too_timid_are_both_found(seed):
    e = clean(seed, C=2)
    for power in (0.4, 2.5):
        assert uncalibrated(dataclasses.replace(e, probs=softmax(power * np.log(e.probs)))) is not None
    assert uncalibrated(e) is None


def test_an_imbalanced_but_well_learned_table_is_not_too_good(seed):
    """One error in a thousand is little where the most frequent label alone makes two."""
    y = np.zeros(1000, int)
    y[:2] = 1
    P = np.column_stack([np.full(1000, 0.998), np.full(1000, 0.002)])
    P[0] = [0.4, 0.6]
    assert "P110" not in codes(evidence(P, y))
