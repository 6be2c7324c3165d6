"""Checks of a study without a target: each fires on what it is for, and on nothing else."""

import pytest

from peira.diagnosis.structure import StructureEvidence, diagnose_structure

NOTHING = {
    "silhouette": 0.3,
    "uniform": {"mean": 0.31, "std": 0.02, "max": 0.35},
    "normal": {"mean": 0.25, "std": 0.02, "max": 0.3},
}
FOUND = {"clear": True, "stability": 0.95, "sizes": [60, 40], "noise": 0, "alike": [{"id": "other", "alike": 0.9}]}


def codes(task="clustering", rows=100, **evidence):
    return [f.code for f in diagnose_structure(StructureEvidence(task, rows, **evidence))]


def test_nothing_wrong_nothing_said():
    assert codes(facts=FOUND) == [] and codes("density") == [] and codes("reduction", facts={"clear": True}) == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"clear": False, "against_nothing": NOTHING}, "P301"),
        ({"stability": 0.6}, "P302"),
        ({"sizes": [200, 1]}, "P303"),
        ({"noise": 90}, "P304"),
        ({"alike": [{"id": "other", "alike": 0.2}]}, "P305"),
    ],
)
def test_what_was_found_is_questioned(changed, code):
    assert codes(rows=201, facts=FOUND | changed) == [code]


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        ({"discrete": ["rooms"]}, "P306"),
        ({"repeated_rows": 5}, "P108"),
        ({"warnings": ["ConvergenceWarning: more steps"]}, "P109"),
        ({"ties": ["Other"]}, "P202"),
        ({"stopped": "budget"}, "P203"),
    ],
)
def test_the_study_is_questioned(evidence, code):
    assert codes(facts=FOUND, **evidence) == [code]


def test_no_structure_says_by_how_much_and_silences_what_would_follow():
    found = diagnose_structure(
        StructureEvidence(
            "clustering", 100, facts=FOUND | {"clear": False, "stability": 0.2, "against_nothing": NOTHING}
        )
    )
    assert [f.code for f in found] == ["P301"] and found[0].severity == "problem"
    assert "Silhouette 0.30" in found[0].evidence and "at most 0.35" in found[0].evidence
    assert "shuffled" in diagnose_structure(StructureEvidence("reduction", 9, facts={"clear": False}))[0].evidence
