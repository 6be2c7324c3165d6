r"""Folds of which only sums are kept: each row is read once, whatever the number of folds.

With the moments :math:`M_f` of each fold's own rows, those of the rows that a model learns from when fold f is left
out are a sum of the others,

.. math:: M_{-f} = \sum_{g \neq f} M_g

(a difference :math:`M - M_f` would lose the digits by which one fold outweighs the rest), and the error of weights w on
the fold follows from the moments of its rows, of which there are :math:`N_f` or whose weights sum to that:

.. math:: N_f \mathrm{MSE}_f = s_{yy} - 2 w^T s_{xy} + w^T S_{xx} w + N_f (\bar y - w_0 - w^T \bar x)^2

**A stream** is dealt to its folds in turn: row i, counted from the first row of all, to fold i mod F. So the folds, and
with them the answer, depend on the rows and their order alone, not on where a block ends.

Cost: N D^2 for the moments; F D^2 of memory to keep them, and as much again while folds are left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from sklearn.model_selection import check_cv

from ..core.errors import DataError, ParameterError
from ..core.inputs import Data
from ..numerics.moments import Moments
from .model import linear_map
from .sufficient_statistics import Summary, summarise

Folds = list[tuple[np.ndarray, np.ndarray]]
"""Positions of training and of test rows."""


class Split(NamedTuple):
    """What one fold asks: to learn from ``learned``, and the squared error of the result on the rows left out.

    ``error`` maps coefficients (S, D, K) and constants (S, K) to mean squared errors (S, K).
    """

    learned: Summary
    error: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def make_folds(data: Data, cv: object, owner: str) -> Folds:
    """Pairs of training and test rows: ``cv`` is a number, a splitter, such pairs, or None for five folds.

    A number of folds is stratified where the targets are labels.
    """
    labelled = data.codes is not None
    y = (data.codes if labelled else data.Y[:, 0]).numpy(force=True)
    try:
        splitter = check_cv(cv, y, classifier=labelled)
        return [tuple(map(np.asarray, fold)) for fold in splitter.split(np.empty((len(data), 1)), y)]
    except ValueError as error:
        raise DataError(f"{owner} can't make its folds of {len(data)} rows: {error}") from error


def folds_of_stream(cv: object, owner: str) -> int:
    """How many folds a stream is dealt to: ``cv`` is a number, or None for five."""
    if cv is None:
        return 5
    if not isinstance(cv, int | np.integer) or isinstance(cv, bool) or cv < 2:
        raise ParameterError(
            f"partial_fit of {owner} deals the rows to its folds in turn, as they come, so 'cv' must be a number of "
            f"folds >= 2, got {cv!r}: pass cv=5, or use fit"
        )
    return int(cv)


def deal(data: Data, parts: list[Moments]) -> list[Moments]:
    """The parts of a stream with a block of rows dealt to them in turn, from where the rows before it ended."""
    F, seen = len(parts), sum(part.n for part in parts)
    dealt = list(parts)
    for f, part in enumerate(parts):
        rows = slice((f - seen) % F, None, F)
        if rows.start < len(data):
            w = None if data.w is None else data.w[rows]
            dealt[f] = part.merge(Moments.of(data.X[rows], data.Y[rows], w, centred=part.centred))
    return dealt


def rows_of(data: Data, index: np.ndarray) -> Data:
    """Some of the rows."""
    w = None if data.w is None else data.w[index]
    if w is not None and not w.any():
        raise DataError("all rows of a fold have weight zero; shuffle the folds")
    return replace(data, X=data.X[index], Y=data.Y[index], w=w)


def parts_of(data: Data, folds: Folds, *, centred: bool) -> list[Moments]:
    """The moments of each fold's test rows; nothing, unless each row is tested once and trains all other folds."""
    N, tests = len(data), np.concatenate([test for _, test in folds])
    others = (len(train) + len(test) == N == len(np.union1d(train, test)) for train, test in folds)
    if len(folds) < 2 or not (np.bincount(tests, minlength=N) == 1).all() or not all(others):
        return []
    return [_moments(rows_of(data, test), centred) for _, test in folds]


def split_one_by_one(data: Data, folds: Folds, *, centred: bool) -> tuple[Moments, Iterator[Split]]:
    """The moments of all rows, and the split of each fold; for folds of any kind, by moments."""
    return _moments(data, centred), (
        _split(_moments(rows_of(data, train), centred), _moments(rows_of(data, test), centred)) for train, test in folds
    )


def split_rows(data: Data, folds: Folds, *, centred: bool) -> tuple[Summary, Iterator[Split]]:
    """The same where columns are more than rows: errors from the rows."""
    return summarise(data, centred=centred), (
        Split(summarise(rows_of(data, train), centred=centred), error_on(rows_of(data, test))) for train, test in folds
    )


def leave_each_out(parts: list[Moments]) -> tuple[Moments, Iterator[Split]]:
    """The sum of all parts, and the split of each; 3 F sums in all."""
    after = list(accumulate(reversed(parts), Moments.merge))  # of the last part, the last two, ..., all
    whole = after.pop()

    def splits() -> Iterator[Split]:
        before = Moments.empty(*whole.xy.shape, centred=whole.centred, device=whole.xx.device)
        for part in parts:
            yield _split(before.merge(after.pop()) if after else before, part)
            before = before.merge(part)

    return whole, splits()


def _moments(rows: Data, centred: bool) -> Moments:
    return Moments.of(rows.X, rows.Y, rows.w, centred=centred)


def _split(learned: Moments, test: Moments) -> Split:
    return Split(learned, lambda B, start: squared_error(test, B, start))


def squared_error(test: Moments, B: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """Mean squared errors (S, K) of coefficients (S, D, K) and constants (S, K), by the formula above."""
    C = B.movedim(1, 0)  # (D, S, K): all models in one product
    pull = (test.xx @ C.flatten(1)).view_as(C) - 2 * test.xy[:, None]
    spread = test.yy.diagonal() + (C * pull).sum(0)
    shift = test.y_mean - test.x_mean @ B - start
    return spread.clamp(min=0) / test.weight + shift.square()


def error_on(rows: Data) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The same from the rows themselves."""

    def error(B: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        fitted = linear_map(rows.X, B.movedim(1, 2).flatten(0, 1)).unflatten(1, start.shape)  # (N, S, K)
        squares = (rows.Y[:, None] - fitted - start).square()
        return squares.mean(0) if rows.w is None else torch.einsum("n,nsk->sk", rows.w / rows.w.sum(), squares)

    return error


def mean_and_error(errors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean of errors (S, F, ...) over the folds, and its standard error; that of a single fold is 0."""
    F = errors.shape[1]
    return errors.mean(1), errors.std(1, correction=int(F > 1)) / F**0.5


def choose(mean: torch.Tensor, std_error: torch.Tensor, rule: str) -> torch.Tensor:
    """Which model to take for each column of errors (S, K), the models being ordered from the simplest.

    ``rule="best"`` the least error; ``"one_se"`` the simplest whose error is at most one standard error of the best
    one's above it (Breiman et al. 1984; Hastie et al. 2009, 7.10.1). Returns positions (K,).
    """
    best = mean.argmin(0, keepdim=True)
    if rule == "best":
        return best[0]
    within = mean <= (mean + std_error.nan_to_num()).gather(0, best)
    return within.to(torch.int8).argmax(0)
