"""The door of the measures: targets, answers and weights as checked float64 arrays."""

from typing import Any

import numpy as np
import torch

from ..core.errors import DataError
from ..core.predictive import Predictive


def numbers(values: Any, what: str) -> np.ndarray:
    """Finite float64 numbers of shape (N, K); a single axis is one output.

    Raises
    ------
    DataError
        Naming the first row that is not a finite number, or the shape that cannot be read.
    """
    try:
        plain = values.numpy(force=True) if isinstance(values, torch.Tensor) else np.asarray(values)
        a = plain.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} must be numbers: {error}") from error
    if a.ndim not in (1, 2):
        raise DataError(f"{what} must have shape (N,) or (N, K), got {a.shape}")
    a = a.reshape(len(a), -1) if a.size else a.reshape(len(a), 1 if a.ndim == 1 else a.shape[1])
    if not a.size:
        raise DataError(f"{what} holds no values (shape {plain.shape}); a measure needs at least one")
    if (bad := ~np.isfinite(a)).any():
        row = int(bad.any(1).argmax())
        raise DataError(f"{what} holds {int(bad.sum())} values that are not finite (first in row {row}: {a[row]})")
    return a


def pair(y: Any, prediction: Any) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of one shape (N, K)."""
    if isinstance(prediction, Predictive):
        raise TypeError(
            "this measure judges predictions, not distributions; pass predict(X), or the distribution's mean"
        )
    t, f = numbers(y, "y"), numbers(prediction, "the prediction")
    if t.shape != f.shape:
        raise DataError(f"y has shape {t.shape} (rows, outputs), but the prediction has {f.shape}; they must agree")
    return t, f


def against(y: Any, dist: Any) -> tuple[Any, Predictive]:
    """Targets in the batch shape of the distribution, and the distribution."""
    if not isinstance(dist, Predictive):
        raise TypeError(
            f"this measure judges a predictive distribution, got {type(dist).__name__}; pass predict_dist(X)"
        )
    t = numbers(y, "y")
    flat = dist.shape if len(dist.shape) == 2 else (*dist.shape, 1)
    if t.shape != flat:
        raise DataError(
            f"y has shape {t.shape} (rows, outputs), but the distribution is over targets of shape {dist.shape}"
        )
    return t.reshape(dist.shape), dist


def columns(values: Any) -> np.ndarray:
    """A distribution's answer as an array (N, K)."""
    a = values.numpy(force=True) if isinstance(values, torch.Tensor) else np.asarray(values)
    return a.reshape(len(a), -1)


def weights(sample_weight: Any, n: int) -> np.ndarray:
    """Weights (N,), not negative and not all zero; ones if there are none."""
    if sample_weight is None:
        return np.ones(n)
    w = numbers(sample_weight, "sample_weight")
    if w.shape != (n, 1):
        raise DataError(f"sample_weight must have shape ({n},), one weight a row; got {np.shape(sample_weight)}")
    w = w[:, 0]
    if (w < 0).any():
        raise DataError(
            f"sample_weight must not be negative (row {int((w < 0).argmax())} holds {w.min():g} or less than 0)"
        )
    if not w.any():
        raise DataError("sample_weight is zero for every row; at least one row must count")
    return w
