"""Parameters: stored by the constructor, checked by fit, named in every error."""

import inspect
import math
import numbers
import typing

import numpy as np
import pytest
from sklearn.base import clone

from peira.core import ParameterError
from peira.core.params import Space
from tests.contract.discovery import experience, for_methods, same, taught


def outside(p):
    """Values that the declared type and range of a parameter exclude."""
    options = typing.get_args(p.annotation) or (p.annotation,)
    if any(a in (object, typing.Any) for a in options):
        return []
    found = [1j]
    if str not in options:
        found.append("no such choice")
    if bool not in options and not any(typing.get_origin(a) is typing.Literal for a in options):
        found.append(True)
    if not any((isinstance(a, type) and issubclass(a, list | tuple | dict)) or typing.get_origin(a) for a in options):
        found.append([0.5])
    if float in options:
        found += [math.nan] + [v for v in (math.inf, -math.inf) if v not in (p.low, p.high)]
    if {int, float} & set(options):
        step = (lambda bound: 1) if int in options else lambda bound: max(abs(bound), 1.0) * 1e-6
        found += [p.low - step(p.low)] if p.low is not None else []
        found += [p.high + step(p.high)] if p.high is not None and p.high < math.inf else []
        found += [bound for bound in (p.above, p.below) if bound is not None]
    if int in options and float not in options:
        found.append(1.5)
    if type(None) not in options:
        found.append(None)
    return found


@for_methods(data="any")
def test_the_constructor_only_stores(cls):
    method = cls.example()
    assert vars(method).keys() == cls.parameters().keys(), "the constructor sets parameters and nothing else"
    sentinels = {name: object() for name in cls.parameters()}
    stored = cls(**sentinels)
    assert all(getattr(stored, name) is value for name, value in sentinels.items()), "stored as given, not copied"
    assert "__init__" not in vars(cls) or cls.__init__.__qualname__ == f"{cls.__qualname__}.__init__"


@for_methods(data="any")
def test_the_signature_is_true(cls):
    signature = inspect.signature(cls)
    assert list(signature.parameters) == sorted(
        cls.parameters(), key=lambda n: (not cls.parameters()[n].positional, list(cls.parameters()).index(n))
    )
    for name, p in cls.parameters().items():
        assert signature.parameters[name].default is p.default
        expected = inspect.Parameter.POSITIONAL_OR_KEYWORD if p.positional else inspect.Parameter.KEYWORD_ONLY
        assert signature.parameters[name].kind is expected
    assert cls().get_params(deep=False) == {n: p.default for n, p in cls.parameters().items()}


@for_methods(data="any")
def test_clone_and_set_params_go_round(cls, seed):
    method = cls.example()
    fitted, _ = taught(cls, seed)
    for original in (method, fitted):
        copy = clone(original)
        assert vars(copy).keys() == cls.parameters().keys(), "a clone has learned nothing"
        assert same(copy.get_params(), original.get_params())
    assert same(cls().set_params(**method.get_params(deep=False)).get_params(), method.get_params())


@for_methods(data="any")
def test_the_repr_shows_what_differs_from_the_default(cls):
    assert repr(cls()) == f"{cls.__name__}()"
    for name, p in cls.parameters().items():
        if isinstance(p.default, bool):
            assert repr(cls(**{name: not p.default})) == f"{cls.__name__}({name}={not p.default})"


@for_methods(data="any")
def test_an_unknown_parameter_is_answered_with_the_nearest(cls):
    with pytest.raises(TypeError, match="no parameter 'no_such_thing'"):
        cls(no_such_thing=1)
    with pytest.raises(ValueError, match="Invalid parameter 'no_such_thing'"):
        cls().set_params(no_such_thing=1)
    for name in cls.parameters():
        if len(name) >= 4:
            misspelt = name[:-2] + name[-1] + name[-2] if name[-1] != name[-2] else name + "s"
            if misspelt in cls.parameters():
                continue
            with pytest.raises(TypeError, match="did you mean"):
                cls(**{misspelt: 1})
            with pytest.raises(ParameterError, match="did you mean"):
                cls().set_params(**{misspelt: 1})


@for_methods(lambda cls: cls.parameters(), data="any")
def test_a_parameter_outside_of_its_range_stops_fit_before_anything_changes(cls, seed):
    data, (fitted, _) = experience(cls, seed), taught(cls, seed)
    before = dict(vars(fitted))
    for name, p in cls.parameters().items():
        for value in outside(p):
            method = clone(fitted).set_params(**{name: value})
            with pytest.raises(ParameterError, match=name):
                data.teach(method)
            assert vars(method).keys() == cls.parameters().keys()
            fitted.set_params(**{name: value})
            with pytest.raises(ParameterError, match=name):
                data.teach(fitted)
            fitted.set_params(**{name: before[name]})
            assert same(dict(vars(fitted)), before)


@for_methods(lambda cls: cls.parameters(), data="any")
def test_declarations_are_complete(cls):
    for name, p in cls.parameters().items():
        assert p.doc and not p.doc.endswith("."), f"{name}: one line of meaning, without a full stop"
        assert "\n" not in p.doc
        p.check(p.default, cls.__name__)
        assert p.default is None or isinstance(p.default, bool | numbers.Real | str | tuple), f"{name}: mutable default"
        options = set(typing.get_args(p.annotation) or (p.annotation,))
        if options & {int, float} and name != "random_state":
            assert p.range, f"{name}: a number has a range (low=-math.inf if it truly has none)"
        if p.tune is not None:
            assert isinstance(p.tune, Space)
            for u in np.linspace(0, 1, 7):
                p.check(p.tune.at(float(u)), cls.__name__)


@for_methods(lambda cls: "random_state" in cls.parameters(), data="any")
def test_random_state_takes_a_generator_and_keeps_the_seed(cls, seed):
    data = experience(cls, seed)
    fits = [data.teach(cls.example().set_params(random_state=np.random.RandomState(5))) for _ in range(2)]
    assert fits[0].seed_ == fits[1].seed_ and isinstance(fits[0].seed_, int)
    again = data.teach(cls.example().set_params(random_state=fits[0].seed_))
    learned = {n: v for n, v in vars(again).items() if n.endswith("_")}
    assert same({n: vars(fits[0])[n] for n in learned}, learned)
    assert isinstance(data.teach(cls.example().set_params(random_state=None)).seed_, int)
