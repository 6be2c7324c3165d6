r"""A Gaussian's location and covariance that up to half of the rows can't spoil.

The minimum covariance determinant looks for the h of N rows whose covariance has the smallest determinant
(:mod:`~peira.latent.fast_mcd`). Their covariance is too small: it is brought to the scale at which the median distance
of all rows is that of a Gaussian, for any N,

.. math:: S_0 = \frac{\mathrm{med}_n \; d^2(x_n; m_H, S_H)}{\chi^2_{D, 1/2}} \; S_H

(Rousseeuw & Van Driessen 1999, section 4). Then all rows within the ellipse that holds 97.5 % of a Gaussian count,
which makes the estimate efficient,

.. math:: R = \{ n : d^2(x_n; m_H, S_0) \leq \chi^2_{D, 0.975} \}

.. math:: m = \mathrm{mean}_{n \in R} \; x_n, \quad S = c \; \mathrm{cov}_{n \in R} \; x_n

where c makes up for the tails that were cut off (Croux & Haesbroeck 1999),

.. math:: c = 0.975 \; / \; P( \chi^2_{D+2} \leq \chi^2_{D, 0.975} )

Where the rows of R lie in a plane (columns of two values, one of them rare), the estimate of the h rows stays.
"""

from typing import Any

import numpy as np
import torch
from scipy.stats import chi2

from ..core import DataError, Method, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..numerics.cholesky import NotPositiveDefiniteError, scaled_cholesky
from .fast_mcd import FLAT, fast_mcd

INSIDE = 0.975  # of a Gaussian: beyond lie outliers


class RobustGaussian(Method):
    """Base of the methods that learn a Gaussian by the minimum covariance determinant."""

    support_fraction: float | None = param(
        None, "share h / N of rows whose covariance is sought; None is (N + D + 1) / 2 rows, which stand most outliers",
        low=0.5, high=1,
    )  # fmt: skip
    random_state: object = param(None, "seed of the starts, or None to draw one")

    def mahalanobis(self, X: Any) -> Any:
        """Squared robust distances of Mahalanobis, of shape (N,); about chi-squared with D degrees for a Gaussian."""
        queries = self._queries(X)
        return queries.give(self._squared(queries))

    def _squared(self, queries: Queries) -> torch.Tensor:
        return squared_distances(queries.X, queries.tensor(self.location_), queries.tensor(self.covariance_))

    def _learn(self, data: Data) -> torch.Tensor:
        """Set all that is learned; the squared distances (N,) of the rows."""
        X, (N, D), name = data.X, data.X.shape, type(self).__name__
        fraction = self.support_fraction
        h = int(np.ceil((N + D + 1) / 2)) if fraction is None else max(int(fraction * N), 1)
        if not D < h <= N:
            raise DataError(
                f"{name} needs more rows: the covariance of D={D} columns from h={h} rows has no inverse unless h > D "
                f"and h <= n_samples={N}{' (1 sample)' if N == 1 else ''}; reduce the columns first, or give more rows"
            )
        middle, scale = _centre_and_scale(X, data.names)
        Z = (X - middle) / scale
        raw = torch.zeros(N, dtype=torch.bool, device=X.device)
        raw[fast_mcd(Z, h, data.generator(), self)] = True
        m, S = _moments(Z[raw])
        S = S * float(squared_distances(Z, m, S).median()) / chi2.ppf(0.5, D)
        near = squared_distances(Z, m, S) <= chi2.ppf(INSIDE, D)
        m_near, S_near = _moments(Z[near]) if bool(near.any()) else (m, torch.zeros_like(S))
        S_near = S_near * (INSIDE / chi2.cdf(chi2.ppf(INSIDE, D), D + 2))
        if not _spans(S_near):  # rows of a few values only: the h rows span the space, and the near ones do not
            near, m_near, S_near = raw, m, S
        back = scale[:, None] * scale
        found = {
            "raw_location_": middle + scale * m,
            "raw_covariance_": back * S,
            "raw_support_": raw,
            "location_": middle + scale * m_near,
            "covariance_": back * S_near,
            "support_": near,
            "precision_": torch.linalg.inv(S_near) / back,
        }
        for what, value in found.items():
            if value.dtype != torch.bool and not bool(value.isfinite().all()):
                raise DataError(f"{what} is outside the range of numbers: rescale the columns, and fit again")
            setattr(self, what, data.give(value))
        d2 = squared_distances(X, found["location_"], found["covariance_"])
        self.dist_ = data.give(d2)
        return d2

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, name = self.n_features_in_, type(self).__name__
        for what, shape in (("location_", (D,)), ("covariance_", (D, D))):
            value = getattr(self, what, None)
            value = torch.as_tensor(value) if isinstance(value, np.ndarray | torch.Tensor) else torch.zeros(0)
            if value.shape != shape or value.dtype != torch.float64 or not bool(value.isfinite().all()):
                raise UnreadableError(f"{what} of a stored {name} must be finite numbers of shape {shape}")
        if not bool((torch.as_tensor(self.covariance_).diagonal() > 0).all()):
            raise UnreadableError(f"covariance_ of a stored {name} must be one of variances above 0")


def squared_distances(X: torch.Tensor, m: torch.Tensor, S: torch.Tensor) -> torch.Tensor:
    """Squared distances of Mahalanobis of rows (N, D), of shape (N,)."""
    try:
        L, scale, _ = scaled_cholesky(S)
    except NotPositiveDefiniteError as error:
        raise DataError(f"the robust covariance has no inverse, drop columns that repeat others: {error}") from error
    return torch.linalg.solve_triangular(L, ((X - m) / scale).T, upper=False).square().sum(0)


def _centre_and_scale(X: torch.Tensor, names: tuple[str, ...] | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Medians of the columns, and of what is left of their absolute values (the mean where that is 0)."""
    middle = X.median(0).values
    spread = (X - middle).abs()
    scale = spread.median(0).values
    scale = torch.where(scale > 0, scale, spread.mean(0))
    odd = ~(scale.isfinite() & (scale > 1e-290))
    if bool(odd.any()):
        column = int(odd.nonzero()[0])
        what = "has numbers too large to be added" if not bool(scale[column].isfinite()) else "is constant"
        raise DataError(
            f"column {names[column] if names else column!r} {what}, so that no covariance has an inverse: "
            "drop it, or rescale it"
        )
    return middle, scale


def _spans(S: torch.Tensor) -> bool:
    values = torch.linalg.eigvalsh(S)
    return bool(values[0] > FLAT * values[-1])


def _moments(X: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    m = X.mean(0)
    return m, (X - m).T @ (X - m) / len(X)
