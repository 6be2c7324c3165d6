"""Numbers that a hidden Markov model is given or comes back with, checked: probabilities, priors, shapes."""

from typing import Any

import numpy as np

from ..core import DataError, ParameterError, UnreadableError


def refuse_lengths(owner: Any, y: Any, steps: int) -> None:
    """Lengths as other libraries take them beside X, refused: the steps would silently count as one sequence."""
    lengths = np.asarray(y) if isinstance(y, list | tuple | np.ndarray) else np.empty(0)
    if lengths.ndim == 1 and 1 < len(lengths) < steps and lengths.dtype.kind in "iu" and lengths.sum() == steps:
        raise DataError(
            f"{type(owner).__name__} got {len(lengths)} numbers beside X that add up to its {steps} steps: if they are "
            "lengths of sequences, pass Sequences(X, lengths) of peira.experience.sequences"
        )


def given_numbers(owner: Any, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """A parameter that holds numbers to start from, as an array of that shape; None where it is None."""
    value = getattr(owner, name)
    if value is None:
        return None
    who = type(owner).__name__
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"parameter {name!r} of {who} must hold numbers: {error}") from error
    if array.shape != shape or not np.isfinite(array).all():
        raise ParameterError(
            f"parameter {name!r} of {who} must hold finite numbers of shape {shape}, got shape {array.shape}"
        )
    return array


def given_rows(owner: Any, name: str, shape: tuple[int, ...], otherwise: np.ndarray) -> np.ndarray:
    """A parameter that holds rows of probabilities, or what stands for it where it is None."""
    array = given_numbers(owner, name, shape)
    if array is None:
        return otherwise
    if (array < 0).any() or np.abs(array.sum(-1) - 1).max() > 1e-6:
        raise ParameterError(
            f"{name!r} of {type(owner).__name__} must be >= 0 and add up to 1 in each row, got rows that add up to "
            f"{np.atleast_1d(array.sum(-1)).round(6).tolist()}"
        )
    return array


def dirichlet_prior(owner: Any, name: str, shape: tuple[int, ...]) -> Any:
    """A Dirichlet prior: one number for all, or an array of that shape; at least 1 everywhere, as its mode asks."""
    value = np.asarray(getattr(owner, name), dtype=np.float64)
    if value.shape not in ((), shape, shape[1:]) or not (np.isfinite(value) & (value >= 1)).all():
        raise ParameterError(
            f"parameter {name!r} of {type(owner).__name__} must be a number >= 1, or an array of them of shape "
            f"{shape}, got {getattr(owner, name)!r}"
        )
    return value


def learned_numbers(owner: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A learned array of finite numbers of that shape; -1 in a shape takes any length but 0."""
    value = getattr(owner, name, None)
    fits = isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == len(shape)
    if not fits or any(a != b and not (b == -1 and a) for a, b in zip(value.shape, shape, strict=True)):
        raise UnreadableError(f"{type(owner).__name__}.{name} should hold float64 numbers of shape {shape}")
    if not np.isfinite(value).all():
        raise UnreadableError(f"{type(owner).__name__}.{name} holds NaN or infinity")
    return value


def learned_rows(owner: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Learned rows of probabilities."""
    value = learned_numbers(owner, name, shape)
    if (value < 0).any() or not np.allclose(value.sum(-1), 1.0, rtol=0, atol=1e-6):
        raise UnreadableError(f"{type(owner).__name__}.{name} should hold rows of probabilities that add up to 1")
    return value
