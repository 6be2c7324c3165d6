"""Immutable values: equal by their parameters, shared instead of copied, stored under their key."""

import copy

import numpy as np
import pytest
import torch

from peira.core.errors import ParameterError, UnreadableError
from peira.core.packing import pack, unpack
from peira.core.value import values
from peira.kernels import RBF, ConstantKernel, WhiteKernel


def test_equal_by_parameters():
    assert RBF([1.0, 2.0]) == RBF(np.array([1.0, 2.0])) != RBF([1.0, 3.0])
    assert hash(RBF([1.0, 2.0])) == hash(RBF([1.0, 2.0]))
    assert ConstantKernel(1.0) != WhiteKernel(1.0) != 1.0
    assert RBF(1) == RBF(1.0) and hash(RBF(1)) == hash(RBF(1.0))


def test_immutable():
    lengths = np.array([1.0, 2.0])
    kernel = RBF(lengths)
    lengths[0] = 5.0
    assert kernel == RBF([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        kernel.length_scale[0] = 3.0
    with pytest.raises(AttributeError, match="RBF is immutable: make a new one with another length_scale"):
        kernel.length_scale = 3.0
    with pytest.raises(AttributeError, match="immutable"):
        kernel.anything = 3.0
    with pytest.raises(AttributeError, match="immutable"):
        del kernel.length_scale
    assert copy.deepcopy(kernel) is kernel is copy.copy(kernel)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RBF(-1.0), "'length_scale' of RBF must be positive and finite, got -1.0"),
        (lambda: RBF("wide"), "'length_scale' of RBF must be a number"),
        (lambda: RBF(1.0, (2.0, 1.0)), "'length_scale_bounds' of RBF must be 0 < low <= high"),
        (lambda: RBF(1.0, "free"), "must be \\(low, high\\) or 'fixed'"),
        (lambda: RBF() + "more", "could not convert|must be"),
    ],
)
def test_checked_at_construction(make, message):
    with pytest.raises((ParameterError, ValueError), match=message):
        make()


def test_stored_and_read_back():
    kernel = 2.0 * RBF([1.0, 2.0], "fixed") + WhiteKernel(0.1)
    tensors: dict[str, torch.Tensor] = {}
    assert unpack(pack(kernel, tensors, "kernel"), tensors, "kernel") == kernel
    assert values()["kernels.stationary.RBF"] is RBF


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"value": "os.system", "parameters": {}}, "'os.system', which is not one of Peira's"),
        ({"value": "kernels.stationary.RBF", "parameters": {}}, "is a RBF with the parameters"),
        (
            {
                "value": "kernels.constant.WhiteKernel",
                "parameters": {"noise_level": -1.0, "noise_level_bounds": "fixed"},
            },
            "cannot be used",
        ),
    ],
)
def test_strange_values_are_refused(described, message):
    with pytest.raises(UnreadableError, match=message):
        unpack({"$": "value", **described}, {}, "kernel")
