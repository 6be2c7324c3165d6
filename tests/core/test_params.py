"""Parameters: one declaration, and everything that follows from it."""

import inspect
import math
from fractions import Fraction
from typing import Literal

import numpy as np
import pytest

from peira.core import Method, ParameterError, choice, integer, linear, log, param
from peira.core.params import Parametrised, Space, describe


class Base(Parametrised):
    alpha: float = param(1.0, "strength", low=0, positional=True)
    steps: int | None = param(None, "steps", low=1)


class Derived(Base):
    mode: Literal["fast", "slow"] | float = param("fast", "how", above=0, below=1)
    alpha: float = param(2.0, "strength, redeclared", above=0, positional=True)
    thing: object = param(None, "anything")


def test_the_signature_is_written_from_the_declarations():
    assert str(inspect.signature(Base)) == "(alpha: float = 1.0, *, steps: int | None = None)"
    assert list(inspect.signature(Derived).parameters) == ["alpha", "steps", "mode", "thing"]
    assert inspect.signature(Derived).parameters["alpha"].default == 2.0


def test_positions_follow_the_order_of_declaration():
    assert (Base(3.0).alpha, Derived(5).alpha) == (3.0, 5)
    with pytest.raises(TypeError, match="takes 1 positional arguments, got 2: only alpha may be given by position"):
        Base(1.0, 2)
    with pytest.raises(TypeError, match="parameter 'alpha' twice"):
        Base(1.0, alpha=2.0)

    class None_(Parametrised):
        a: int = param(1, "only by name")

    with pytest.raises(TypeError, match="parameters are given by name"):
        None_(3)


def test_inherited_declarations_stay_in_place():
    assert list(Derived.parameters()) == ["alpha", "steps", "mode", "thing"]
    assert Base.parameters()["alpha"].default == 1.0 and Base.parameters()["alpha"].low == 0
    assert Derived.parameters()["alpha"].low is None and Derived.parameters()["alpha"].above == 0
    assert not hasattr(Base, "alpha"), "a declaration is no class attribute: an instance without the value must fail"


def test_a_declaration_needs_a_type():
    with pytest.raises(TypeError, match="'alpha' of .*Untyped needs a type"):

        class Untyped(Parametrised):
            alpha = param(1.0, "no annotation")


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(TypeError, match="no parameter 'alhpa'; did you mean 'alpha'\\? There are: alpha, steps"):
        Base(alhpa=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", 0),
        ("alpha", 1),
        ("alpha", np.float32(0.5)),
        ("alpha", np.int64(3)),
        ("alpha", Fraction(1, 3)),
        ("steps", None),
        ("steps", 1),
        ("steps", np.uint8(3)),
    ],
)
def test_values_that_fit(name, value):
    Base.parameters()[name].check(value, "Base")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("alpha", -1e-300, "must be >= 0, got -1e-300"),
        ("alpha", math.nan, "must be finite and >= 0, got nan"),
        ("alpha", math.inf, "must be finite and >= 0, got inf"),
        ("alpha", True, "must be a number, got True \\(bool\\)"),
        ("alpha", np.True_, "must be a number"),
        ("alpha", "1", "must be a number, got '1' \\(str\\)"),
        ("alpha", None, "must be a number, got None"),
        ("alpha", [1.0], "must be a number"),
        ("alpha", 1j, "must be a number"),
        ("alpha", np.array(1.0), "must be a number"),
        ("steps", 0, "must be >= 1, got 0"),
        ("steps", 1.0, "must be a whole number or None, got 1.0 \\(float\\)"),
        ("steps", False, "must be a whole number or None"),
    ],
)
def test_values_that_do_not_fit_are_named(name, value, words):
    with pytest.raises(ParameterError, match=f"parameter '{name}' of Base {words}"):
        Base.parameters()[name].check(value, "Base")


def test_literals_and_unions():
    p = Derived.parameters()["mode"]
    for value in ("fast", "slow", 0.5):
        p.check(value, "Derived")
    with pytest.raises(
        ParameterError, match="must be 'fast', 'slow' or a number, got 'fats' \\(str\\); did you mean 'fast'"
    ):
        p.check("fats", "Derived")
    for value in (0.0, 1.0):
        with pytest.raises(ParameterError, match="must be > 0 and < 1"):
            p.check(value, "Derived")
    assert describe(Literal[1, "auto"] | None) == "1, 'auto' or None"

    class Ones(Parametrised):
        k: Literal[1, 2] = param(1, "a number from a list")

    Ones.parameters()["k"].check(2, "Ones")
    with pytest.raises(ParameterError):
        Ones.parameters()["k"].check(True, "Ones")
    with pytest.raises(ParameterError):
        Ones.parameters()["k"].check(1.0, "Ones")


def test_infinity_is_welcome_only_as_a_declared_bound():
    class Open(Parametrised):
        budget: float = param(math.inf, "seconds", low=0, high=math.inf)

    Open.parameters()["budget"].check(math.inf, "Open")
    with pytest.raises(ParameterError):
        Open.parameters()["budget"].check(-math.inf, "Open")


def test_object_takes_anything():
    for value in (None, 1, "x", [], print):
        Derived.parameters()["thing"].check(value, "Derived")


@pytest.mark.parametrize(
    ("space", "ends", "middle"),
    [
        (log(1e-4, 1e4), (1e-4, 1e4), 1.0),
        (linear(-1.0, 3.0), (-1.0, 3.0), 1.0),
        (integer(1, 9), (1, 9), 5),
        (choice("a", "b", "c"), ("a", "c"), "b"),
    ],
)
def test_spaces_reach_from_end_to_end(space, ends, middle):
    assert (space.at(0.0), space.at(1.0)) == pytest.approx(ends) if space.kind != "choice" else ends
    assert space.at(0.5) == middle
    assert isinstance(space, Space) and type(space.at(0.5)) is type(middle)


def test_a_class_with_a_card_is_final():
    from peira.linear.baseline import MeanRegressor

    with pytest.raises(TypeError, match="MeanRegressor is final"):

        class More(MeanRegressor):
            pass


def test_set_params_reaches_into_parts_and_names_the_nearest():
    class Outer(Method):
        part: Method | None = param(None, "a part")

    class Inner(Method):
        alpha: float = param(1.0, "strength")

    outer = Outer(part=Inner())
    assert outer.set_params(part__alpha=3.0).part.alpha == 3.0
    with pytest.raises(ParameterError, match="did you mean 'alpha'"):
        outer.set_params(part__alpah=3.0)
    with pytest.raises(ParameterError, match="did you mean 'part'"):
        outer.set_params(prat__alpha=3.0)
