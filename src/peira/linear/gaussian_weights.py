r"""Gaussian beliefs about the weights of a linear model, in the primal or the dual form.

Prior precision P, unit or known noise precision, rows A and targets B (centred, weighted) give (Bishop 2006,
eqs 3.50 and 3.51)

.. math:: \Lambda = P + \beta A^T A, \quad m = m_0 + \Lambda^{-1} \beta A^T (B - A m_0), \quad S = \Lambda^{-1}

*Primal*, D^3 / 3: a Cholesky factor of Lambda, scaled to a unit diagonal so that units of columns do not matter.
*Dual*, N^2 D + N^3 / 3, for N < D and a diagonal P without zeros: with C the covariance of the targets,

.. math:: C = \beta^{-1} I + A P^{-1} A^T, \quad S = P^{-1} - P^{-1} A^T C^{-1} A P^{-1}

by the identity of Woodbury, so that nothing of size D x D is ever formed.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch.linalg import solve_triangular

from ..core.errors import DataError, RankWarning, UnreadableError
from ..core.inputs import Queries
from ..numerics.cholesky import cholesky
from ..numerics.moments import gram
from .sufficient_statistics import Rows, Summary


@dataclass(frozen=True, eq=False)
class GaussianWeights:
    """A normal distribution N(mean[:, k], S) for the weights of each output k.

    Attributes
    ----------
    mean : tensor of shape (D, K)
    factor : tensor of shape (D, D) or (N, N)
        Lower Cholesky factor of the scaled Lambda, or of C.
    scale : tensor of shape (D,)
        Primal: root of the diagonal of Lambda. Dual: the diagonal of P.
    rows : tensor of shape (N, D) or (0, D)
        A in the dual form, nothing in the primal form.
    beta : float
        The noise precision that entered.
    """

    mean: torch.Tensor
    factor: torch.Tensor
    scale: torch.Tensor
    rows: torch.Tensor
    beta: float

    @property
    def dual(self) -> bool:
        return len(self.rows) > 0

    @property
    def log_det(self) -> float:
        """Logarithm of the determinant of Lambda."""
        log_det = 2 * float(self.factor.diagonal().log().sum())
        if self.dual:  # |P + beta A'A| = |P| |beta C|
            return log_det + float(self.scale.log().sum()) + len(self.rows) * math.log(self.beta)
        return log_det + 2 * float(self.scale.log().sum())

    def variance(self, X: torch.Tensor) -> torch.Tensor:
        """x' S x for each row x of X (N, D); costs N D^2, or N D times the rows of the dual form."""
        Z = X / self.scale
        if self.dual:
            explained = solve_triangular(self.factor, self.rows @ Z.T, upper=False).square_().sum(0)
            return ((X * Z).sum(1) - explained).clamp_(min=0)
        return solve_triangular(self.factor, Z.T, upper=False).square_().sum(0)

    def covariance(self) -> torch.Tensor:
        """S itself, (D, D); costs D^3, or N D^2 in the dual form."""
        D = len(self.scale)
        if self.dual:
            S = gram(solve_triangular(self.factor, self.rows / self.scale, upper=False)).neg_()
            S.diagonal().add_(1 / self.scale)
            return S
        eye = torch.eye(D, dtype=self.scale.dtype, device=self.scale.device)
        return gram(solve_triangular(self.factor, eye, upper=False)) / torch.outer(self.scale, self.scale)

    def triangle(self) -> tuple[torch.Tensor, torch.Tensor]:
        """U (D, D), upper with a unit diagonal, and d (D,), such that Lambda = U' diag(d) U; D^3 in the dual form."""
        if self.dual:
            Lambda = self.beta * gram(self.rows)
            Lambda.diagonal().add_(self.scale)
            L = torch.linalg.cholesky(Lambda)
        else:
            L = self.factor * self.scale[:, None]
        return (L / L.diagonal()).T, L.diagonal() ** 2

    def draw(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        """Deviations from the mean, (n, D), from N(0, S)."""
        Z = self.scale.new_tensor(rng.standard_normal((n, len(self.scale))))
        if not self.dual:
            return solve_triangular(self.factor.T, Z.T, upper=True).T / self.scale
        # Draw weights from the prior and data from the weights, then condition (Matheron's rule).
        W = Z / self.scale.sqrt()
        noise = self.scale.new_tensor(rng.standard_normal((n, len(self.rows)))) / self.beta**0.5
        return W - torch.cholesky_solve((W @ self.rows.T + noise).T, self.factor).T @ self.rows / self.scale

    @classmethod
    def restored(cls, learned: dict, queries: Queries) -> "GaussianWeights":
        """From the dictionary that a method keeps: `vars` of this object, in the form of its data."""
        return cls(**{k: v if k == "beta" else queries.tensor(v) for k, v in learned.items()})


def check_stored(owner: str, learned: object, D: int, K: int) -> None:
    """Refuse a stored posterior that no fit gives."""
    shapes = {k: tuple(np.shape(v)) for k, v in learned.items()} if isinstance(learned, dict) else {}
    R = shapes.get("rows", (0,))[0]
    size = R or D
    expected = {"mean": (D, K), "factor": (size, size), "scale": (D,), "rows": (R, D), "beta": ()}
    if shapes != expected or not all(bool(np.isfinite(np.asarray(v)).all()) for v in learned.values()):
        raise UnreadableError(f"{owner} should hold a finite posterior of shapes {expected}, and has {shapes}")


def posterior(
    summary: Summary, precision: torch.Tensor, beta: float, prior_mean: torch.Tensor, names: tuple[str, ...]
) -> tuple[GaussianWeights, torch.Tensor]:
    """The posterior, and the least value of the exponent that it normalises.

    Parameters
    ----------
    summary : Moments or Rows
    precision : tensor of shape (D,) or (D, D)
        The prior's precision P; zeros on the diagonal are a flat prior.
    beta : float
        Noise precision.
    prior_mean : tensor of shape (D,)
    names : tuple of str
        Of the columns, for messages.

    Returns
    -------
    weights : GaussianWeights
    energy : tensor of shape (K,)
        beta |B - A m|^2 + (m - m0)' P (m - m0).

    Raises
    ------
    DataError
        If the prior is flat in a direction that the data do not determine.

    Warns
    -----
    RankWarning
        If columns are collinear to rounding, so that a jitter on the diagonal had to help.
    """
    m0 = prior_mean[:, None]
    if isinstance(summary, Rows) and precision.dim() == 1 and bool((precision > 0).all()):
        A, B = summary.A, summary.B - summary.A @ m0
        C = gram((A / precision.sqrt()).T)
        C.diagonal().add_(1 / beta)
        L, jitter = cholesky(C)
        _warn_of(jitter, names)
        dual = torch.cholesky_solve(B, L)
        mean = m0 + (A.T @ dual) / precision[:, None]
        return GaussianWeights(mean, L, precision, A, float(beta)), (B * dual).sum(0)
    moments = summary.moments() if isinstance(summary, Rows) else summary
    xy = moments.xy - moments.xx @ m0
    yy = moments.yy.diagonal() - (m0 * (moments.xy + xy)).sum(0)
    Lambda = beta * moments.xx
    (Lambda.diagonal() if precision.dim() == 1 else Lambda).add_(precision)
    flat = bool((precision.diagonal() if precision.dim() == 2 else precision).eq(0).any())
    scale = Lambda.diagonal().sqrt()
    if flat and bool((scale == 0).any()):
        _refuse_flat(scale, names)
    Lambda = Lambda / torch.outer(scale, scale)
    L, failed = torch.linalg.cholesky_ex(Lambda)
    if flat and (int(failed) or bool((L.diagonal() ** 2 < 1e-14 * len(L)).any())):
        _refuse_flat(
            torch.where(torch.arange(len(L), device=L.device) < (int(failed) or len(L) + 1) - 1, L.diagonal(), 0.0),
            names,
        )
    if int(failed):
        L, jitter = cholesky(Lambda)
        _warn_of(jitter, names)
    step = torch.cholesky_solve(beta * xy / scale[:, None], L) / scale[:, None]
    energy = (beta * (yy - (step * xy).sum(0))).clamp(min=0)
    return GaussianWeights(m0 + step, L, scale, scale.new_zeros(0, len(scale)), float(beta)), energy


def _refuse_flat(pivots: torch.Tensor, names: tuple[str, ...]) -> None:
    name = names[int(pivots.argmin())]
    raise DataError(
        f"the prior is flat and the data do not determine the weight of column {name!r} (it is constant, a combination "
        "of columns before it, or rows are fewer than columns): give it a prior with alpha > 0, or drop the column"
    )


def _warn_of(jitter: float, names: tuple[str, ...]) -> None:
    if jitter:
        warnings.warn(
            f"some of the {len(names)} columns are collinear to rounding: a jitter of {jitter:.2g} was added to the "
            "diagonal; drop duplicates or raise the prior precision",
            RankWarning,
            stacklevel=4,
        )
