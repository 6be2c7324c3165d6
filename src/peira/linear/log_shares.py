r"""Logarithms of shares that may be zero: what never was cannot be, and nothing times infinity is nothing."""

from typing import Any

import numpy as np
import torch

from ..core import ParameterError
from ..core.inputs import Matrix
from .model import linear_map


def log_priors(N: torch.Tensor, by_frequency: bool, given: Any, owner: str) -> torch.Tensor:
    """Log probabilities of the classes before anything is seen, (C,); minus infinity for classes without items."""
    if given is None:
        seen = (N > 0).to(N.dtype)
        return (N / N.sum()).log() if by_frequency else (seen / seen.sum()).log()
    prior = torch.as_tensor(np.asarray(given, dtype=np.float64)).to(N)
    if prior.shape != N.shape:
        raise ParameterError(f"Number of priors must match number of classes: {owner} got {prior.numel()} for {len(N)}")
    if not (prior >= 0).all() or abs(float(prior.sum()) - 1) > 1e-8:
        raise ParameterError(
            f"The priors of {owner} must be non-negative and their sum should be 1, got {prior.tolist()}"
        )
    return prior.log().masked_fill(N == 0, -torch.inf)


def weighted_logs(X: Matrix, L: torch.Tensor, more: torch.Tensor | float = 0.0) -> torch.Tensor:
    """X (L + more)' up to a constant of each row, for amounts X >= 0 and logarithms L (C, D).

    Logarithms may be infinite (all of one sign), and nothing times infinity is nothing.
    """
    endless = torch.isinf(L)
    finite = L.masked_fill(endless, 0.0) + more
    # What all classes share cancels in the probabilities; left in, it costs digits and could overflow.
    S = linear_map(X, finite - finite.amax(0))
    if endless.any():
        hit = linear_map(X, endless.to(L.dtype)) > 0
        S = torch.where(hit, L[endless][0], S)
    return S


def log_ratio(part: torch.Tensor, whole: torch.Tensor, kinds: int) -> torch.Tensor:
    """log(part / whole); where nothing was counted, all kinds are as probable."""
    ratio = part / torch.where(whole > 0, whole, 1.0)
    return torch.where(whole > 0, ratio, 1.0 / kinds).log()
