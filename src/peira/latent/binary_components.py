r"""K products of independent yes-or-no columns, and K multinomials: components whose log density is linear in the row.

.. math:: \log p_k(x) = h_k + \sum_j \theta_{kj} x_j + c(x)

so that a pass is two matrix products of N K D multiplications: the scores, and the sums of r x. The M step divides:

.. math:: \mu_{kj} = \sum_n r_{nk} x_{nj} / \sum_n r_{nk}, \quad p_{kj} = \sum_n r_{nk} x_{nj} / \sum_{nj} r_{nk} x_{nj}

A probability of exactly zero would make every row that shows the contrary impossible, and EM could never come back from
it; probabilities stay at the floor or above, which is the maximum under that constraint.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch

from .mixture_components import Components, Rows, share_out, shares


class Totals(NamedTuple):
    """Sums of r, of shape (K,), and of r x, of shape (K, D)."""

    n: torch.Tensor
    s: torch.Tensor


@dataclass(frozen=True, eq=False)
class LinearComponents(Components):
    """Base of components with a table of probabilities; a subclass says what they mean."""

    weights: torch.Tensor
    probabilities: torch.Tensor
    floor: float

    @classmethod
    def start(cls, rows: Rows, R: torch.Tensor, floor: float, **more) -> Self:
        """The M step on given responsibilities R (K, N)."""
        R = R if rows.w is None else R * rows.w
        blank = torch.full((len(R), len(rows.Z)), 1 / len(rows.Z), dtype=R.dtype, device=R.device)
        weights, n, _ = shares(R.sum(1))
        fresh = cls(weights, blank, floor, **more)
        return replace(fresh, probabilities=fresh.estimate(n, R @ rows.Z.T))

    def natural(self) -> tuple[torch.Tensor, torch.Tensor]:
        """h of shape (K,) and theta of shape (K, D)."""
        raise NotImplementedError

    def estimate(self, n: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        """The probabilities that the sums give."""
        raise NotImplementedError

    def base(self, X: torch.Tensor) -> torch.Tensor | float:
        """c(x_n), of shape (N,), for rows X (N, D)."""
        return 0.0

    def log_densities(self, X: torch.Tensor) -> torch.Tensor:
        h, theta = self.natural()
        return torch.addmm(h[:, None], theta, X.T).add_(self.base(X))

    def expect(self, rows: Rows) -> tuple[float, Totals]:
        h, theta = self.natural()
        h = (h + self.weights.log())[:, None]
        n, s = torch.zeros_like(self.weights), torch.zeros_like(theta)
        total = self.constant(rows)
        for part in rows.blocks(rows.Z.shape[0]):
            Z = rows.Z[:, part]
            R = torch.addmm(h, theta, Z)
            total += float(share_out(R, None if rows.w is None else rows.w[part]))
            n += R.sum(1)
            s.addmm_(R, Z.T)
        return total, Totals(n, s)

    def constant(self, rows: Rows) -> float:
        """The weighted sum of c(x_n), taken once for the rows of a fit."""
        if not hasattr(rows, "_base"):
            c = self.base(rows.points())
            rows._base = 0.0 if isinstance(c, float) else float(c.sum() if rows.w is None else c @ rows.w)
        return rows._base

    def maximise(self, sums: Totals) -> Self:
        weights, n, alive = shares(sums.n)
        fresh = torch.where(alive[:, None], self.estimate(n, sums.s), self.probabilities)
        return replace(self, weights=weights, probabilities=fresh)

    def take(self, order: torch.Tensor) -> Self:
        return replace(self, weights=self.weights[order], probabilities=self.probabilities[order])


@dataclass(frozen=True, eq=False)
class BernoulliComponents(LinearComponents):
    """probabilities[k, j]: how often column j is 1 in component k."""

    def natural(self) -> tuple[torch.Tensor, torch.Tensor]:
        p = self.probabilities
        return torch.log1p(-p).sum(1), torch.logit(p)

    def estimate(self, n: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return (s / n[:, None]).clamp(self.floor, 1 - self.floor)

    def draw(self, k: int, n: int, generator: torch.Generator) -> torch.Tensor:
        p = self.probabilities[k].expand(n, -1)
        return torch.bernoulli(p, generator=generator)


@dataclass(frozen=True, eq=False)
class MultinomialComponents(LinearComponents):
    """probabilities[k, j]: the share of column j among the counts of component k; rows add up to one."""

    trials: int = 1

    def natural(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros_like(self.weights), self.probabilities.log()

    def estimate(self, n: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        total = s.sum(1, keepdim=True)
        return floored_shares(torch.where(total > 0, s / total, self.probabilities), self.floor)

    def base(self, X: torch.Tensor) -> torch.Tensor:
        return torch.lgamma(X.sum(1) + 1) - torch.lgamma(X + 1).sum(1)

    def draw(self, k: int, n: int, generator: torch.Generator) -> torch.Tensor:
        p = self.probabilities[k]
        drawn = torch.multinomial(p, n * self.trials, replacement=True, generator=generator).reshape(n, self.trials)
        counts = p.new_zeros(n, len(p))
        return counts.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=p.dtype))


def floored_shares(p: torch.Tensor, floor: float) -> torch.Tensor:
    """Shares (K, D) at or above the floor that maximise sum p log q: those above keep their proportions."""
    q = p
    for _ in range(p.shape[1]):
        low = q <= floor
        if not (q < floor).any():
            break
        kept = torch.where(low, 0.0, p)
        left = 1 - floor * low.to(p).sum(1, keepdim=True)
        q = torch.where(low, floor, kept / kept.sum(1, keepdim=True) * left)
    return q / q.sum(1, keepdim=True)
