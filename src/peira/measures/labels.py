"""The door of the measures of labels: labels as positions among sorted classes, probabilities as plain arrays."""

from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.labels import as_labels as checked
from ..core.predictive import Categorical, Predictive
from .arrays import numbers


def open_labels(values: Any, what: str) -> np.ndarray:
    """Labels of shape (N,): texts, whole numbers or truth values, at least one of them."""
    if isinstance(values, Predictive):
        raise TypeError(
            "this measure judges predicted labels, not distributions; pass predict(X), or the distribution's mode()"
        )
    found = checked(values, what)
    if not len(found):
        raise DataError(f"{what} holds no values; a measure needs at least one")
    return found


def classes_of(**given: np.ndarray) -> np.ndarray:
    """The sorted labels (C,) of several arrays together; ``given`` by the names that errors shall use."""
    texts = {name: labels.dtype.kind in "OUS" for name, labels in given.items()}
    if len(set(texts.values())) > 1:
        kinds = " and ".join(f"{name} holds labels like {given[name].tolist()[0]!r}" for name in given)
        raise DataError(f"labels must be of one type, but {kinds}")
    return np.unique(np.concatenate(list(given.values())))


def label_codes(y: Any, predicted: Any, names: tuple[str, str] = ("y", "the prediction")) -> tuple[np.ndarray, ...]:
    """Positions (N,) of two arrays of labels among the sorted classes (C,) of both, and these classes."""
    t, f = open_labels(y, names[0]), open_labels(predicted, names[1])
    if len(t) != len(f):
        raise DataError(f"{names[0]} has {len(t)} labels, but {names[1]} has {len(f)}; they must agree")
    classes = classes_of(**{names[0]: t, names[1]: f})
    return np.searchsorted(classes, t), np.searchsorted(classes, f), classes


def positions(labels: Any, classes: np.ndarray, what: str = "labels") -> np.ndarray:
    """Where each of some labels stands among the classes; -1 for one that does not.

    Raises
    ------
    DataError
        If a label stands twice.
    """
    asked = open_labels(labels, what)
    classes_of(**{what: asked, "y": classes})
    if len(np.unique(asked)) < len(asked):
        raise DataError(f"{what} must name each label once, got {asked.tolist()[:20]!r}")
    order = np.argsort(classes, kind="stable")
    place = order[np.minimum(np.searchsorted(classes, asked, sorter=order), len(classes) - 1)]
    return np.where(classes[place] == asked, place, -1)


def label_probabilities(y: Any, dist: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (N,) of the labels y, the probabilities (N, C) of a `Categorical`, and the sorted classes (C,).

    A label that the distribution does not know is one more class, of probability zero.
    """
    if not isinstance(dist, Categorical):
        raise TypeError(
            f"this measure judges a distribution over labels, got {type(dist).__name__}; pass predict_dist(X)"
        )
    if len(dist.shape) != 1:
        raise DataError(f"one distribution over labels an item is needed, shape (N,); got shape {dist.shape}")
    t = open_labels(y, "y")
    if len(t) != dist.shape[0]:
        raise DataError(f"y has {len(t)} labels, but there are {dist.shape[0]} distributions; they must agree")
    classes = classes_of(y=t, distribution=dist.labels)
    probs = np.zeros((len(t), len(classes)))
    probs[:, np.searchsorted(classes, dist.labels)] = dist.probs if dist.as_numpy else dist.probs.numpy(force=True)
    return np.searchsorted(classes, t), probs, classes


def as_categorical(y: Any, probs: Any, labels: Any = None) -> Categorical:
    """Probabilities as a distribution over labels.

    Parameters
    ----------
    y : array of shape (N,)
        The observed labels; the classes are theirs, unless ``labels`` says otherwise.
    probs : Categorical, or array of shape (N, C), or of shape (N,)
        A single column is the probability of the second of two classes.
    labels : array of shape (C,), optional
        The classes of the columns.

    Raises
    ------
    DataError
        If columns and classes do not match, or a row does not sum to one.
    """
    if isinstance(probs, Categorical):
        return probs
    p = numbers(probs, "the probabilities")
    classes = np.unique(open_labels(y, "y")) if labels is None else open_labels(labels, "labels")
    if p.shape[1] == 1 and (labels is None or len(classes) == 2):
        p = np.hstack([1 - p, p])
    if len(classes) != p.shape[1]:
        raise DataError(
            f"there are probabilities of {p.shape[1]} classes, but y holds {len(classes)} labels; "
            "name the class of each column: labels=[...]"
            if labels is None
            else f"there are probabilities of {p.shape[1]} classes, but labels names {len(classes)}"
        )
    try:
        return Categorical(p, classes)
    except ValueError as error:
        raise DataError(str(error)) from error


def positive_class(classes: np.ndarray, positive: Any = None) -> int:
    """Position of the positive class: the one named, else the second of two.

    A single class is the positive one, except for 0, -1 and False, whose positive class is absent then: -1.

    Raises
    ------
    DataError
        If the class named is not one of two or more, or nothing says which of many it is.
    """
    if positive is not None:
        place = int(positions([positive], classes, "the positive class")[0])
        if place < 0 and len(classes) > 1:
            raise DataError(f"the positive class {positive!r} is not among the labels {classes.tolist()[:20]!r}")
        return place
    if len(classes) > 2:
        raise DataError(
            f"there are {len(classes)} classes, {classes.tolist()[:10]!r}: choose an average over them "
            "(macro, micro, weighted), or name the positive class"
        )
    return -1 if len(classes) == 1 and classes.tolist()[0] in (0, -1) else len(classes) - 1


def label_scores(y: Any, score: Any, labels: Any = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (N,) of the labels y, scores (N, C) and the sorted classes (C,).

    Scores of shape (N,) are those of the second of two classes; the first has their negative. Those of a
    `Categorical` are the ranks of its probabilities.
    """
    if isinstance(score, Categorical):
        codes, p, classes = label_probabilities(y, score)
        return codes, ranks(p), classes
    s, t = numbers(score, "the scores"), open_labels(y, "y")
    s = np.hstack([-s, s]) if s.shape[1] == 1 else s
    names = np.unique(t) if labels is None else open_labels(labels, "labels")
    if len(names) == 1 and s.shape[1] == 2 and names.tolist()[0] in (0, 1, -1):
        names = np.array([0, 1] if names.tolist()[0] != -1 else [-1, 1])
    if s.shape != (len(t), len(names)):
        raise DataError(
            f"y has {len(t)} labels and there are {len(names)} classes, but the scores have shape {s.shape}; "
            "give a score for each class, and name the class of each column: labels=[...]"
        )
    classes = classes_of(y=t, labels=names)
    if len(classes) > len(names):
        raise DataError(f"y holds labels that are not among the classes {names.tolist()[:20]!r}")
    return np.searchsorted(classes, t), s[:, np.argsort(names, kind="stable")], classes


def ranks(p: np.ndarray) -> np.ndarray:
    """The dense ranks (N, C) of the probabilities of each class.

    Probabilities that differ by no more than what scaling a row to sum one may do to equal ones are equal: shares
    of ten neighbours must stay tied.
    """
    order = np.argsort(p, axis=0, kind="stable")
    rising = np.take_along_axis(p, order, 0)
    step = np.diff(rising, axis=0, prepend=rising[:1]) > 16 * np.finfo(np.float64).eps * rising
    found = np.empty_like(p)
    np.put_along_axis(found, order, np.cumsum(step, axis=0).astype(np.float64), 0)
    return found
