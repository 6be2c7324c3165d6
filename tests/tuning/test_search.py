"""Settings to try: the defaults first, then points that cover the space at any time."""

import numpy as np
import pytest

from peira.core.params import Parameter, choice, integer, linear, log
from peira.tuning import trials
from peira.tuning.search import radical_inverse


def parameters(**spaces):
    return {name: Parameter(0.5, "", tune=space, name=name) for name, space in spaces.items()}


def test_without_spaces_only_the_defaults():
    assert list(trials({"a": Parameter(1.0, "")}, 10)) == [{}]


@pytest.mark.parametrize("budget", [1, 2, 3, 8])
def test_the_defaults_come_first_and_the_budget_holds(budget):
    found = list(trials(parameters(a=log(1e-3, 1e3)), budget))
    assert found[0] == {} and len(found) == budget


def test_one_parameter_gets_an_even_grid_of_its_scale():
    found = [t["a"] for t in list(trials(parameters(a=log(1e-3, 1e3)), 8))[1:]]
    np.testing.assert_allclose(found, np.logspace(-3, 3, 7), rtol=1e-12)
    assert [t["n"] for t in list(trials(parameters(n=integer(1, 5)), 6))[1:]] == [1, 2, 3, 4, 5]
    assert [t["c"] for t in list(trials(parameters(c=choice("x", "y")), 5))[1:]] == ["x", "y", "x", "y"]


def test_several_parameters_share_no_coordinate_and_stay_inside():
    found = list(trials(parameters(a=log(1e-3, 1e3), b=linear(-1, 1)), 33))[1:]
    for name, low, high in (("a", 1e-3, 1e3), ("b", -1, 1)):
        values = [t[name] for t in found]
        assert len(set(values)) == 32 and min(values) >= low and max(values) <= high


@pytest.mark.parametrize("base", [2, 3, 5])
def test_every_prefix_covers_the_interval(base):
    """Van der Corput: the first base^k points after 0 hit each cell of width base^-k once (with 0 in the first)."""
    for k in (1, 2, 3):
        points = [0.0] + [radical_inverse(i, base) for i in range(1, base**k)]
        assert sorted(int(p * base**k + 1e-9) for p in points) == list(range(base**k))
