r"""Where a solver of a penalised logistic regression is, and how far from its minimum that may be.

.. math:: P(W) = f(W) + \sum_{kj} \mu_j |w_{kj}|

with f the logistic loss and its squared penalty (:mod:`~peira.linear.logistic_loss`). Any W gives feasible points of
the dual problem, and with them bounds of the distance from P(W) to its minimum. No term of theirs is negative, so
rounding does not hide them. They suppose that the constants are at their minimum, where the residuals of each class
sum to zero: what makes the dual point feasible.

**By shrinking.** Let g be the gradient of f and :math:`\rho = \min(1, \min_{kj} \mu_j / |g_{kj}|)`. The probabilities
:math:`\rho p_n + (1 - \rho) y_n`, between the fitted ones and the labels, are feasible, so P(W) lies above its minimum
by no more than

.. math:: \sum_n c_n \, \mathrm{KL}_n + \frac{(1-\rho)^2}{2} \sum_{kj} \lambda_j w_{kj}^2
          + \sum_{kj} (\mu_j |w_{kj}| + \rho \, w_{kj} g_{kj})

.. math:: \mathrm{KL}_n = \rho e_n \log \rho + (1 - \rho e_n) \log \frac{1 - \rho e_n}{1 - e_n}

where :math:`1 - e_n` is the probability of the row's class (Fenchel's inequality for the loss, whose conjugate is the
negative entropy; compare Koh, Kim & Boyd 2007, 3.2).

**By the penalty's conjugate,** where every :math:`\lambda_j > 0`: the fitted probabilities themselves are feasible.
With q the gradient of the loss alone, :math:`\bar q` its entries cut off at :math:`\pm \mu_j`, and
:math:`u = (\bar q - q) / \lambda`, the weights that the penalty would answer q with, the bound is

.. math:: \sum_{kj} \frac{\lambda_j}{2} (w_{kj} - u_{kj})^2 + \mu_j |w_{kj}| + \bar q_{kj} w_{kj}
"""

from dataclasses import dataclass

import numpy as np
import torch

from .logistic_loss import LogisticLoss, products

EPS = np.finfo(float).eps


@dataclass
class Round:
    """Where the solver is.

    Attributes
    ----------
    W : tensor of shape (C, D + 1), or (1, D + 1) for two classes
    value, gap : float
        P at W, and how far above its minimum it may lie.
    """

    W: torch.Tensor
    value: float
    gap: float


class State:
    """Weights and what follows from them: the logits Z (C, N), the losses (N,), the weighted residuals R (C, N)."""

    def __init__(self, f: LogisticLoss, l1: torch.Tensor, W: torch.Tensor):
        self.f, self.l1, self.W = f, l1, W
        self.move_to(f.logits(W))

    def move_to(self, Z: torch.Tensor) -> None:
        self.Z = Z
        self.losses, R = self.f.residual(Z.clone())
        self.R = R * self.f.c

    def value(self) -> float:
        B = self.W[:, : self.f.D]
        return float(self.f.c @ self.losses + 0.5 * (B.square() @ self.f.ridge).sum() + (B.abs() @ self.l1).sum())

    def probabilities(self) -> torch.Tensor:
        return self.Z.sigmoid() if self.f.m == 1 else self.Z.softmax(0)

    def gap(self) -> float:
        """How far P may lie above its minimum, if the constants are at theirs: the smaller of both bounds."""
        B = self.W[:, : self.f.D]
        Q = products(self.R, self.f.X)
        return min(self._gap_by_shrinking(B, Q + self.f.ridge * B), self._gap_by_conjugate(B, Q))

    def _gap_by_shrinking(self, B: torch.Tensor, G: torch.Tensor) -> float:
        c = self.f.c
        rho = min(1.0, float((self.l1 / G.abs().clamp(min=1e-300)).min()))
        e = -torch.expm1(-self.losses)
        # log((1 - rho e) / (1 - e)), from the loss -log(1 - e): near rho = 1 without cancellation, far out in logs
        odds = torch.where(
            self.losses < 30,
            torch.log1p((1 - rho) * torch.expm1(self.losses.clamp(max=30))),
            torch.log1p(-rho * e) + self.losses,
        )
        divergence = (1 - rho * e) * odds + (rho * np.log(rho) * e if rho > 0 else 0.0)
        linear = (self.l1 * B.abs() + rho * B * G).clamp(min=0).sum()
        squares = (1 - rho) ** 2 / 2 * (B.square() @ self.f.ridge).sum()
        return float(c @ divergence.clamp(min=0) + squares + linear)

    def _gap_by_conjugate(self, B: torch.Tensor, Q: torch.Tensor) -> float:
        if not bool((self.f.ridge > 0).all()):
            return np.inf
        within = Q.clamp(min=-self.l1, max=self.l1)
        U = (within - Q) / self.f.ridge
        return float((0.5 * self.f.ridge * (B - U).square() + (self.l1 * B.abs() + within * B).clamp(min=0)).sum())

    def set_constants(self) -> None:
        """Newton's method for the constants alone, until the residuals of each class sum to zero."""
        if not self.f.intercept:
            return
        for _ in range(20):
            g = self.R.sum(1)
            if float(g.abs().max()) <= 4 * EPS * self.f.total:
                return
            P = self.probabilities()
            cP = P * self.f.c
            H = (cP * (1 - P)).sum(1).diag() if self.f.m == 1 else cP.sum(1).diag() - cP @ P.T
            d = -torch.from_numpy(np.linalg.lstsq(H.numpy(), g.numpy(), rcond=1e-13)[0])
            before, losses, R = self.f.c @ self.losses, self.losses, self.R
            t = 1.0
            while t > 1e-3:
                self.move_to(self.Z + t * d[:, None])
                if float(self.f.c @ self.losses) <= float(before) * (1 + 4 * EPS):
                    break
                self.Z, self.losses, self.R = self.Z - t * d[:, None], losses, R
                t /= 4
            else:
                return
            self.W[:, -1] += t * d
            if float(self.R.sum(1).abs().max()) >= 0.5 * float(g.abs().max()):
                return  # rounding

    def take_out_common(self) -> None:
        """Shift the weights of each column by what lowers their penalty most; no probability changes.

        The penalty of a shift is convex and piecewise quadratic: its minimum is a weight of the column (where the
        slope jumps over zero) or, between two of them, the point at which the slope is zero.
        """
        B, C = self.W[:, : self.f.D], self.f.m
        ordered = B.sort(0).values
        mean = B.mean(0)
        l1, l2 = self.l1, self.f.ridge
        jumps = 2 * torch.arange(C + 1, dtype=B.dtype)[:, None] - C  # sum of signs of t - w, below and between weights
        free = mean - l1 * jumps / (C * l2).clamp(min=1e-300)  # where the slope of each piece is zero
        low = torch.cat([torch.full_like(mean, -torch.inf)[None], ordered])
        high = torch.cat([ordered, torch.full_like(mean, torch.inf)[None]])
        candidates = torch.cat([ordered, torch.where((free > low) & (free < high) & (l2 > 0), free, ordered[:1])])
        moved = B[None] - candidates[:, None]
        penalties = 0.5 * l2 * moved.square().sum(1) + l1 * moved.abs().sum(1)
        best = candidates.gather(0, penalties.argmin(0)[None])[0]
        now = 0.5 * l2 * B.square().sum(0) + l1 * B.abs().sum(0)
        better = penalties.amin(0) < now * (1 - 4 * EPS)
        if better.any():
            B -= torch.where(better, best, 0.0)
            self.move_to(self.f.logits(self.W))
