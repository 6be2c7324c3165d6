"""Checks compare as they say, and nothing else passes for held."""

import json
import math

import numpy as np
import pytest
import torch

from evidence import check
from evidence.rows import REPRODUCTIONS, racing, reproduction


@pytest.mark.parametrize(
    ("value", "reference", "how", "held"),
    [
        (1.0005, 1.0, {"tolerance": 0.0005001}, True),
        (1.0006, 1.0, {"tolerance": 0.0005}, False),
        (200.1, 200.0, {"relative": 1e-3}, True),
        (200.3, 200.0, {"relative": 1e-3}, False),
        (0.0, 0.0, {"relative": 1e-3}, True),
        (3482258.634595, 3482258.634595, {"digits": 15}, True),
        (1 + 1e-9, 1.0, {"digits": 8.9}, True),
        (1 + 1e-9, 1.0, {"digits": 9.1}, False),
        (1e-10, 0.0, {"digits": 9}, True),
        ([1, 2], [1, 2], {}, True),
        (np.array([1, 2]), [1, 2], {}, True),
        (torch.tensor([1.0, 2.0]), [1.0, 2.5], {"tolerance": 0.1}, False),
        (["lcavol"], ["lcavol"], {}, True),
        ([3, 9], [9, 3], {}, False),
        ([], [], {"tolerance": 0}, True),
    ],
)
def test_comparing(value, reference, how, held):
    assert check("x", value, reference, **how).held is held


@pytest.mark.parametrize("how", [{"tolerance": 1.0}, {"relative": 1.0}, {"digits": -100}])
@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, math.nan]])
def test_what_is_not_finite_never_holds(value, how):
    assert not check("x", value, np.ones(np.shape(value)), **how).held


def test_ranges():
    assert check("x", 0.95, at_least=0.94, at_most=0.96).held
    assert not check("x", 0.97, at_least=0.94, at_most=0.96).held
    assert not check("x", math.nan, at_least=0.94).held
    assert not check("x", [1.0, 0.0], at_least=0.5).held
    assert check("x", 5, at_least=5).held


def test_digits_are_those_of_nist():
    """The log relative error -log10(|v - r|/|r|)."""
    assert check("x", 238.94, 238.94212918, digits=1).error == pytest.approx(
        -math.log10(abs(238.94 - 238.94212918) / 238.94212918)
    )


def test_a_refuted_reference_must_disagree():
    assert check("x", 4, 3, refuted="misprint").held
    assert not check("x", 3, 3, refuted="misprint").held
    assert check("x", 4.0, 3.0, tolerance=0.5, refuted="misprint").held
    assert not check("x", 1.0, at_least=0.0, refuted="misprint").held


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"reference": 1.0, "tolerance": 1.0, "digits": 3},
        {"reference": 1.0, "at_least": 0.0},
        {"tolerance": 1.0},
    ],
)
def test_a_check_compares_in_one_way(how):
    with pytest.raises(ValueError, match="check 'x'"):
        check("x", 1.0, **how)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"shape \(2,\), reference \(3,\)"):
        check("x", [1.0, 2.0], [1.0, 2.0, 3.0], tolerance=1)


def test_a_check_is_plain_json():
    entry = check("x", torch.ones(2), np.ones(2), tolerance=np.float64(0.1), note="why").plain()
    assert json.loads(json.dumps(entry)) == entry
    assert entry["value"] == [1.0, 1.0]
    assert "refuted" not in entry


def test_declarations_are_checked():
    with pytest.raises(ValueError, match="mark 'X'"):
        reproduction("1.02", claim="", source="", protocol="", mark="X")
    with pytest.raises(ValueError, match="id reads like"):
        reproduction("1.2", claim="", source="", protocol="", mark="C")(lambda: [])
    with pytest.raises(ValueError, match="'higher' or 'lower'"):
        racing("1.02", case="", peer="", better="more")
    assert all(row.claim for row in REPRODUCTIONS)
