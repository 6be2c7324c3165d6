r"""The h rows whose covariance has the smallest determinant, by concentration.

A set of h rows has a mean and a covariance. The h rows nearest to it, by the distance of Mahalanobis under both, have a
covariance of no larger determinant (a C-step; Rousseeuw & Van Driessen 1999, theorem 1):

.. math:: d^2(x) = (x - m_H)^T S_H^{-1} (x - m_H), \quad H' = \{ \mathrm{the\ h\ smallest\ } d^2(x_n) \}

.. math:: \det S_{H'} \leq \det S_H

Finitely many sets, so C-steps end, in one of several local minima. Many starts from D + 1 rows each, two steps for all,
and steps to the end for the ten best find the least one, or nearly. With more than 600 rows the starts are tried within
up to five groups of 300, and the best of each group concentrate in the groups together before they meet all rows.

For one column the least variance of h rows is that of h neighbours in order, and is found exactly. All starts are
tried where there are no more than asked for: then the answer does not depend on chance. Up to 600 rows, where steps
cost little, the hundred best go on.

Cost: starts times min(N, 300) D^2 for two steps, and ten times N D^2 for each of a few steps on all rows.

Reference: Rousseeuw & Van Driessen (1999), A fast algorithm for the minimum covariance determinant estimator,
Technometrics 41, 212-223: sections 3 and 4.
"""

import itertools
import math
from typing import Any

import torch

from ..core import DataError, iterate

STARTS, KEPT, FEW_KEPT = 500, 10, 100  # starts, and how many of them go on; the last with few rows
GROUP, GROUPS = 300, 5
AT_ONCE = 1 << 22  # numbers in a batch of starts
FAR = 1e8  # variance, of columns about as wide as 1, that only outliers make
FLAT = 1e-13  # of the largest: smallest eigenvalue of a covariance that counts as positive


def fast_mcd(X: torch.Tensor, h: int, generator: torch.Generator, owner: Any = None) -> torch.Tensor:
    """Positions (h,) of the rows whose covariance has the smallest determinant, ascending.

    Parameters
    ----------
    X : tensor of shape (N, D)
        Columns standardised by their medians.
    h : int
        Between N / 2 and N.
    generator : torch.Generator
    owner : Method, optional
        Gets the history of the last C-steps.

    Raises
    ------
    DataError
        If h rows lie in a plane, so that the smallest determinant is 0.
    """
    N, D = X.shape
    if h == N:
        return torch.arange(N, device=X.device)
    if D == 1:
        return _least_variance(X[:, 0], h)
    if N <= 2 * GROUP:
        sets = _best(X, _concentrated(X, _starts(X, STARTS, generator), h, steps=2), FEW_KEPT)
    else:
        sets = _from_groups(X, h, generator)
    for step in iterate(owner, None, name="C-steps", expect={"log_determinant": "decrease"}):
        moved = _concentrated(X, sets, h, steps=1)
        step.record(log_determinant=float(_log_determinants(X, moved).min()))
        done, sets = torch.equal(moved, sets), moved
        if done:
            step.stop("converged")
            break
    return _best(X, sets, 1)[0]


def _from_groups(X: torch.Tensor, h: int, generator: torch.Generator) -> torch.Tensor:
    """Sets (KEPT, h) of all rows, from starts in groups and in the groups together."""
    N = len(X)
    order = torch.randperm(N, generator=generator, device=X.device)[: GROUP * GROUPS]
    together, centres = X[order], []
    groups = together.chunk(min(GROUPS, N // GROUP))
    for group in groups:
        part = math.ceil(len(group) * h / N)
        starts = _starts(group, STARTS // len(groups), generator)
        centres.append(_moments(group, _best(group, _concentrated(group, starts, part, steps=2), KEPT)))
    m, S = (torch.cat(parts) for parts in zip(*centres, strict=True))
    part = math.ceil(len(together) * h / N)
    sets = _concentrated(together, _nearest(together, m, S, part), part, steps=2)
    m, S = _moments(together, _best(together, sets, KEPT))
    return _nearest(X, m, S, h)


def _starts(X: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Sets (s, D + 1) of rows that span the space, or larger ones where such rarely do; all of them if they are few."""
    N, D = X.shape
    if math.comb(N, D + 1) <= count:
        sets = torch.tensor(list(itertools.combinations(range(N), D + 1)), device=X.device)
    else:
        sets = torch.rand(count, N, generator=generator, device=X.device).argsort(1)
    size = D + 1
    found = _spanning(X, sets[:, :size])
    while 5 * int(found.sum()) < len(sets) and size < sets.shape[1]:  # most lie in a plane: add rows
        size = min(size + max(1, size // 4), sets.shape[1])
        found = _spanning(X, sets[:, :size])
    return sets[found, :size] if bool(found.any()) else torch.arange(N, device=X.device)[None]


def _spanning(X: torch.Tensor, sets: torch.Tensor) -> torch.Tensor:
    return _not_flat(_moments(X, sets)[1])


def _not_flat(S: torch.Tensor) -> torch.Tensor:
    """Which covariances (s, D, D) have an inverse."""
    values = torch.linalg.eigvalsh(S)
    return values[:, 0] > FLAT * values[:, -1]


def _moments(X: torch.Tensor, sets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means (s, D) and covariances (s, D, D), divided by the size, of sets (s, h) of rows."""
    rows = X[sets]
    m = rows.mean(1)
    C = rows - m[:, None]
    return m, C.transpose(1, 2) @ C / sets.shape[1]


def _nearest(X: torch.Tensor, m: torch.Tensor, S: torch.Tensor, h: int) -> torch.Tensor:
    """The h rows nearest to each of s centres, (s, h), ascending positions."""
    sound = _not_flat(S)
    if not bool(sound.all()):
        # Flat beside outliers so far off that rounding hides the other rows: such a set leads nowhere, and is left.
        # Flat without them: no smaller determinant can be found.
        plane = ~sound & (S.diagonal(dim1=1, dim2=2).sum(1) < FAR)
        if bool(plane.any()) or not bool(sound.any()):
            raise DataError(
                f"{h} of {len(X)} rows lie in a plane, so that no covariance of them has an inverse: drop columns that "
                "are constant, or sums of others, for most rows (or raise support_fraction)"
            )
        m, S = m[sound], S[sound]
    L = torch.linalg.cholesky(S)
    Z = torch.linalg.solve_triangular(L, (X - m[:, None]).transpose(1, 2), upper=False)
    return Z.square().sum(1).topk(h, dim=1, largest=False).indices.sort(1).values


def _concentrated(X: torch.Tensor, sets: torch.Tensor, h: int, steps: int) -> torch.Tensor:
    """Sets (s, h) after C-steps."""
    batch = max(1, AT_ONCE // X.numel())
    found = []
    for part in sets.split(batch):
        for _ in range(steps):
            part = _nearest(X, *_moments(X, part), h)
        found.append(part)
    return torch.cat(found)


def _log_determinants(X: torch.Tensor, sets: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.linalg.slogdet(_moments(X, part)[1])[1] for part in sets.split(KEPT)])


def _best(X: torch.Tensor, sets: torch.Tensor, count: int) -> torch.Tensor:
    """The sets with the smallest determinants, each once."""
    sets = torch.unique(sets, dim=0)
    return sets[_log_determinants(X, sets).argsort(stable=True)[:count]]


def _least_variance(x: torch.Tensor, h: int) -> torch.Tensor:
    """The h neighbours in order with the least variance (Rousseeuw & Leroy 1987, chapter 4)."""
    values, order = (x - x.median()).sort()
    sums, squares = (torch.cat([v.new_zeros(1), v.cumsum(0)]) for v in (values, values.square()))
    spread = squares[h:] - squares[:-h] - (sums[h:] - sums[:-h]).square() / h
    start = int(spread.argmin())
    if float(values[start + h - 1]) == float(values[start]):
        raise DataError(f"{h} of {len(x)} rows have the same value, so that their variance is 0: the column is "
                        "constant for most rows; drop it (or raise support_fraction)")  # fmt: skip
    return order[start : start + h].sort().values
