"""All methods by discovery, data that suit their cards, and everything that a fitted method answers."""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits, load_iris

from peira.core import Method
from peira.core.predictive import Categorical
from peira.core.registry import registry
from peira.core.tasks import TASKS, get_task
from peira.experience.sequences import Sequences

SETTINGS = {"_sklearn_output_config", "_metadata_request"}  # scikit-learn's notes on how a method is used
BUNDLED = {"diabetes": load_diabetes, "iris": load_iris, "digits": load_digits}


def for_methods(where: Callable[[type[Method]], bool] = lambda cls: True, data: str = "table") -> pytest.MarkDecorator:
    """Run a test once for each method that satisfies the condition, so that a failure names the method.

    Of the methods that learn from ``data``: "table", "images", "sequences", "symbols", or "any".
    """
    found = [c for c in registry().values() if data in ("any", c.card.data) and where(c)]
    return pytest.mark.parametrize("cls", [pytest.param(c, id=c.__name__) for c in found])


def has(*verbs: str) -> Callable[[type[Method]], bool]:
    return lambda cls: all(callable(getattr(cls, verb, None)) for verb in verbs)


def takes_weights(cls: type[Method]) -> bool:
    return "sample_weight" in inspect.signature(cls.fit).parameters


def supervised(cls: type[Method]) -> bool:
    """Whether a target stands beside the inputs."""
    return any(get_task(name).target != "none" for name in cls.card.tasks)


def labelled(cls: type[Method]) -> bool:
    """Whether the target is a label."""
    return any(get_task(name).target == "label" for name in cls.card.tasks)


@cache
def number_of_classes(cls: type[Method]) -> int:
    """Three labels for most classifiers, two for those that know no more."""
    return 3 if cls.example().__sklearn_tags__().classifier_tags.multi_class else 2


@cache
def takes_negative(cls: type[Method]) -> bool:
    """Whether inputs may be below zero: counts of words are not."""
    return not cls.example().__sklearn_tags__().input_tags.positive_only


def reads_tables(cls: type[Method]) -> bool:
    """Whether columns may be more than numbers."""
    return "kinds" in cls.parameters()


def resamples(cls: type[Method]) -> bool:
    """Whether fit splits the rows by itself, so that the order and the repetition of rows matter."""
    return bool(cls.card.chooses_for) or "cv" in cls.parameters()


def sharp(cls: type[Method]) -> Method:
    """The example, with its tolerance so tight that what is left is rounding."""
    method = cls.example()
    return method.set_params(tol=1e-10) if "tol" in cls.parameters() else method


@dataclass(frozen=True)
class Experience:
    """Inputs, and targets where the task has any; the classes where they are labels."""

    X: Any
    y: Any = None
    classes: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.X) if isinstance(self.X, Sequences) else self.X.shape[0]

    def __getitem__(self, rows: Any) -> "Experience":
        return replace(self, X=self.X[rows], y=None if self.y is None else self.y[rows])

    def parts(self) -> tuple[Any, ...]:
        return (self.X,) if self.y is None else (self.X, self.y)

    def teach(self, method: Method, sample_weight: Any = None, verb: str = "fit") -> Method:
        """Fit the method on these data."""
        named = {} if sample_weight is None else {"sample_weight": sample_weight}
        if verb == "partial_fit" and self.classes is not None:
            named["classes"] = self.classes
        return getattr(method, verb)(*self.parts(), **named)

    def turned(self, convert: Callable[[Any], Any]) -> "Experience":
        return replace(self, X=convert(self.X), y=None if self.y is None else convert(self.y))


def experience(cls: type[Method], seed: int, N: int = 60, D: int = 4, K: int | None = None) -> Experience:
    """A small problem that the method can learn: a linear one with noise, clusters with labels, images, sequences."""
    rng = np.random.default_rng([seed, 7])
    if cls.card.data in ("sequences", "symbols"):
        return sequences(cls, rng, N, 2)
    if cls.card.data == "images":
        return images(cls, rng, N, 8 + D, K)
    X = rng.normal(size=(N, D)) * rng.uniform(0.5, 3.0, D) + rng.normal(size=D)
    targets = {get_task(name).target for name in cls.card.tasks}
    if "number" in targets:
        shape = (D,) if K is None else (D, K)
        y = 1.5 + X @ rng.normal(size=shape)
        return Experience(X, y + 0.3 * rng.normal(size=y.shape))
    if "label" in targets:
        C = number_of_classes(cls)
        y = rng.permutation(np.arange(N) % C)
        X[:, 0] += 3.0 * y
        if not takes_negative(cls):
            X = np.abs(X)
        return Experience(X, y if K is None else np.column_stack([y] * K), tuple(range(C)))
    return Experience(X if takes_negative(cls) else np.abs(X))


def images(cls: type[Method], rng: np.random.Generator, N: int, side: int, K: int | None = None) -> Experience:
    """Grey images of a bright bar, upright, level or slanting, each in another place; a number is where it stands."""
    X, at = rng.uniform(0, 0.4, (N, side, side)), rng.integers(1, side - 1, N)
    C = number_of_classes(cls)
    y = rng.permutation(np.arange(N) % C)
    for n in range(N):
        rows, columns = np.arange(side), np.full(side, at[n])
        where = ((rows, columns), (columns, rows), (rows, (rows + at[n]) % side))[y[n]]
        X[n][where] = 1.0
    if not labelled(cls):
        return Experience(X, at / side if supervised(cls) else None)
    return Experience(X, y if K is None else np.column_stack([y] * K), tuple(range(C)))


def sequences(cls: type[Method], rng: np.random.Generator, N: int, D: int) -> Experience:
    """Short sequences that wander between levels, as vectors or as letters; labels are of a sequence, or of a step."""
    C, lengths = 3, rng.integers(6, 12, N)
    S = int(lengths.sum())
    y, level = rng.permutation(np.arange(N) % C), np.empty(S, dtype=int)
    level[:] = rng.integers(C, size=S)
    for t in range(1, S):
        level[t] = level[t - 1] if rng.uniform() < 0.7 else level[t]
    shown = (
        np.where(rng.uniform(size=S) < 0.8, np.repeat(y, lengths), level) if labelled(cls) and not tags(cls) else level
    )
    X = Sequences(np.array(["a", "b", "c"])[shown], lengths)
    if cls.card.data == "sequences":
        X = Sequences(3.0 * shown[:, None] + rng.normal(size=(S, D)), lengths)
    if not takes_negative(cls):
        X = Sequences(np.abs(X.values).round(), lengths)
    if "translation" in cls.card.tasks:  # backwards, and without its last step
        return Experience(X, Sequences.from_list([part[-2::-1].tolist() for part in X]))
    if tags(cls):
        return Experience(X, Sequences(level, lengths), tuple(range(C)))
    if supervised(cls) and not labelled(cls):  # how often it was on the highest level, and some noise
        share = np.add.reduceat(level == C - 1, np.cumsum(lengths) - lengths) / lengths
        y = share + 0.1 * rng.normal(size=N)
        return Experience(X, y)
    return Experience(X, y, tuple(range(C))) if labelled(cls) else Experience(X)


def tags(cls: type[Method]) -> bool:
    """Whether every step has a label of its own."""
    return "tagging" in cls.card.tasks


def answering(cls: type[Method]) -> str:
    """The verb that answers for each item, whatever the kind."""
    return next(verb for verb in ("predict", "transform", "log_prob", "fit_predict") if hasattr(cls, verb))


def bundled(cls: type[Method]) -> Experience:
    """The bundled data that the table of tasks names for the method's first task."""
    if cls.card.data in ("sequences", "symbols"):
        return experience(cls, 0)
    X, y = BUNDLED[TASKS[cls.card.tasks[0]].example](return_X_y=True)
    if cls.card.data == "images":
        X, y = load_digits().images / 16, load_digits().target
    if labelled(cls) and number_of_classes(cls) == 2:
        y = y == 2
    return Experience(X, y.astype(np.float64) if supervised(cls) else None)


def answers(method: Method, X: Any) -> dict[str, np.ndarray]:
    """What every verb of a fitted method says about some inputs, by the verb's name."""
    found: dict[str, Any] = {}
    for verb in ("predict", "transform", "log_prob"):
        if callable(getattr(method, verb, None)) and not (verb == "log_prob" and supervised(type(method))):
            found[verb] = getattr(method, verb)(X)
    if has("predict_dist")(type(method)):
        forecast = method.predict_dist(X)
        found["draws"] = forecast.sample(2, seed=3)
    if has("predict_dist")(type(method)) and isinstance(forecast, Categorical):
        found["probabilities"], found["mode"] = forecast.probs, forecast.mode()
    elif has("predict_dist")(type(method)):
        found["mean"], found["std"] = forecast.mean, forecast.std
        found["quantile"] = forecast.quantile(0.3)
        found["density"] = forecast.log_prob(as_array(forecast.mean))
    if has("inverse_transform")(type(method)):
        found["inverse_transform"] = method.inverse_transform(found["transform"])
    if has("get_feature_names_out")(type(method)):
        found["names"] = method.get_feature_names_out()
    return {verb: as_array(value) for verb, value in found.items()}


def as_array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        return value.numpy(force=True)
    if sparse.issparse(value):
        return value.toarray()
    if isinstance(value, list) and len(value) and isinstance(value[0], np.ndarray):  # an answer for each step
        return np.concatenate(value)
    if hasattr(value, "to_dict") and hasattr(value, "names"):  # a table
        return np.column_stack(list(value.to_dict().values()))
    return np.asarray(value)


def taught(
    cls: type[Method], seed: int, make: Callable[[type[Method], int], Experience] = experience, tight: bool = False
) -> tuple[Method, dict[str, np.ndarray]]:
    """A fitted example (a sharp one where ``tight``) of the test's own, and what it says of what it learned from.

    It is learned once in each process: for tests that ask a fitted method, and look on at no fit.
    """
    return copy.deepcopy(_taught(cls, seed, make, tight))


@cache
def _taught(cls, seed, make, tight):
    data = make(cls, seed)
    method = data.teach(sharp(cls) if tight else cls.example())
    return method, answers(copy.deepcopy(method), data.X)  # that it was asked is not to be seen


def same(a: Any, b: Any) -> bool:
    """Whether two learned values, or two dictionaries of them, are bit for bit the same."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Sequences):
        return isinstance(b, Sequences) and same([a.values, a.lengths], [b.values, b.lengths])
    if isinstance(a, Method):
        mine, its = ({n: v for n, v in vars(m).items() if n not in SETTINGS} for m in (a, b))
        return type(a) is type(b) and same(mine, its)
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and same(a.numpy(force=True), b.numpy(force=True))
    if isinstance(a, torch.nn.Module):
        return type(a) is type(b) and same(dict(a.state_dict()), dict(b.state_dict()))
    if sparse.issparse(a):
        return sparse.issparse(b) and same(a.toarray(), b.toarray())
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.dtype.kind == b.dtype.kind
            and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
    return (type(a) is type(b) and a == b) or (isinstance(a, float) and isinstance(b, float) and a != a and b != b)


def close(a: dict[str, np.ndarray], b: dict[str, np.ndarray], rtol: float = 1e-7, atol: float = 1e-8) -> None:
    """Assert that two sets of answers agree up to rounding."""
    assert a.keys() == b.keys()
    for verb in a:
        if a[verb].dtype.kind in "UOS":
            assert a[verb].tolist() == b[verb].tolist(), verb
        else:
            np.testing.assert_allclose(a[verb], b[verb], rtol=rtol, atol=atol, err_msg=verb)
