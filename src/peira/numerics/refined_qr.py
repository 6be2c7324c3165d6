r"""Householder QR of centred, scaled columns, and refinement of what it solves.

With the columns of X centred at :math:`\bar x`, weighted and divided by their norms :math:`n_j`,

.. math:: \sqrt{W} (X - 1 \bar x^T) N^{-1} = Q R

and A = (1, X), the augmented system (Björck 1967, BIT 7, 257-278)

.. math:: \rho + A B = Y, \quad A^T W \rho = H

has the correction, for the errors F and G that a trial solution leaves in its two equations,

.. math:: u = R^{-T} N^{-1} (G_1 - \bar x G_0), \quad dB_1 = N^{-1} R^{-1} (Q^T \sqrt{W} F - u)

.. math:: dB_0 = (1^T W F - G_0) / (1^T W 1) - \bar x^T dB_1, \quad d\rho = F - A \, dB

Starting from zero, the first correction is the QR solution. F and G are computed in doubled precision from A as it
came, so each further step gains about :math:`-\log_{10}(\kappa \epsilon)` digits, kappa being the condition of R,
and the limit is the solution of the given data correctly rounded, whatever rounding Q, R and the centring suffered.
H = 0 gives least squares. Y = 0 and H = -I give the columns of the inverse of A'WA.
"""

import torch
from torch.linalg import solve_triangular

from .doubled import residuals, weighted_products

EPS = torch.finfo(torch.float64).eps
INFLATION_KEPT = 1e8  # up to this inflation of variances, those from R keep eleven digits as they are
WORK_FOR_INVERSE = 1e9  # the most products N D^2 (2 ns each) spent on refining them


class RefinedQR:
    """The factors of one design; X and Y lie by columns, of shapes (D, N) and (K, N), on the CPU.

    Parameters
    ----------
    XT : float64 tensor of shape (D, N)
        Entries of size one or so: callers divide by powers of two, which is exact.
    w : tensor of shape (N,)
        Weights, not all zero.
    intercept : bool
        Whether the design has a column of ones (and the other columns are centred).
    length : tensor of shape (D,), optional
        How long the columns were before any centring; their rounding is in proportion.

    Attributes
    ----------
    kept : tensor of shape (rank,)
        The columns that do not depend on other kept ones.
    mean, norm : tensor of shape (D,)
        Means, and lengths after centring (1 for columns without any).
    dependence : tensor of shape (rank, D), or None at full rank
        The unit columns as combinations of the kept ones.
    """

    def __init__(self, XT: torch.Tensor, w: torch.Tensor, intercept: bool, length: torch.Tensor | None = None) -> None:
        D = len(XT)
        self.w, self.weight, self.intercept = w, float(w.sum()), intercept
        self.mean, centred = XT.new_zeros(D), XT.clone()
        for _ in range(2 * intercept):  # the second time removes what rounding left of the mean
            shift = centred @ w / self.weight
            self.mean += shift
            centred -= shift[:, None]
        root_w = w.sqrt()
        self.norm = (centred.mul_(root_w)).norm(dim=1)
        rounding = EPS * ((XT * root_w).norm(dim=1) if length is None else length)
        constant = self.norm <= 10 * rounding
        self.norm[constant], centred[constant] = 1.0, 0.0
        Z = centred.div_(self.norm[:, None])
        self.Q, self.R = torch.linalg.qr(Z.T)
        # A column is known no better than its entries: to EPS of its length before centring.
        self.kept = independent(self.R, 10 * D**0.5 * (EPS + rounding / self.norm))
        self.dependence = None
        if len(self.kept) < D:
            self.Q, self.R = torch.linalg.qr(Z[self.kept].T)
            self.dependence = solve_triangular(self.R, self.Q.T @ Z.T, upper=True)
        self._mean, self._norm = self.mean[self.kept, None], self.norm[self.kept, None]
        ones = XT.new_ones(1 if intercept else 0, XT.shape[1])
        self.AT = torch.cat([ones, XT[self.kept]])

    def solve(self, YT: torch.Tensor, H: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Solve the augmented system.

        Parameters
        ----------
        YT : tensor of shape (K, N)
        H : tensor of shape (rank, K), or (1 + rank, K) with intercept
            What A'W rho shall be.

        Returns
        -------
        B : tensor of the shape of H
            Constants first, then the coefficients of the kept columns.
        residuals : tensor of shape (K, N)
        """
        B, rho, before = torch.zeros_like(H), torch.zeros_like(YT), float("inf")
        AT, w = self.AT.numpy(), self.w.numpy()
        for _ in range(20):
            F = torch.from_numpy(residuals(AT, B.numpy(), YT.numpy(), rho.numpy()))
            G = H - torch.from_numpy(weighted_products(AT, w, rho.numpy()))
            dB = self._correction(F, G)
            size = self._relative(dB, B + dB)
            if size > before / 2:  # the digits that there are
                break
            B, rho, before = B + dB, rho + F - dB.T @ self.AT, size
            if size <= EPS:
                break
        return B, rho

    def _correction(self, F: torch.Tensor, G: torch.Tensor) -> torch.Tensor:
        k = int(self.intercept)
        u = solve_triangular(self.R.T, (G[k:] - self._mean * G[:k].sum(0)) / self._norm, upper=False)
        d = solve_triangular(self.R, self.Q.T @ (F * self.w.sqrt()).T - u, upper=True) / self._norm
        if not k:
            return d
        d0 = ((F @ self.w)[None] - G[:1]) / self.weight - (self._mean * d).sum(0)
        return torch.cat([d0, d])

    def _relative(self, dB: torch.Tensor, B: torch.Tensor) -> float:
        """The largest correction of a coefficient against the largest coefficient, in units of the columns' lengths."""
        k = int(self.intercept)
        if len(B) == k:
            return float(dB.abs().amax() > EPS * B.abs().amax()) if k else 0.0
        change, size = ((v[k:] * self._norm).abs().amax(0) for v in (dB, B))
        return float(torch.where(size > 0, change / size, change).max())

    def inverse_root(self) -> torch.Tensor:
        """M of shape (rank, rank) with M M' the inverse scatter of the kept columns."""
        eye = torch.eye(len(self.R), dtype=self.R.dtype)
        return solve_triangular(self.R, eye, upper=True) / self._norm

    def variances(self) -> torch.Tensor:
        """Diagonal of (A'WA)^-1, of shape (1 + rank,); the first is 0 without intercept."""
        M = self.inverse_root()
        slopes = M.square().sum(1)
        constant = ((self._mean * M).sum(0).square().sum() + 1 / self.weight) * self.intercept
        D, N = self.AT.shape
        inflation = (slopes * self._norm[:, 0] ** 2).amax() if len(M) else 0.0
        if inflation > INFLATION_KEPT and N * D**2 < WORK_FOR_INVERSE:
            inverse, _ = self.solve(self.AT.new_zeros(D, N), -torch.eye(D, dtype=self.AT.dtype))
            diagonal = inverse.diagonal()
            if bool((diagonal > 0).all()):
                return diagonal if self.intercept else torch.cat([constant[None], diagonal])
        return torch.cat([constant[None], slopes])


def independent(R: torch.Tensor, tolerance: torch.Tensor) -> torch.Tensor:
    """Columns of an upper trapezoidal R that no other chosen ones explain, earlier columns first.

    Parameters
    ----------
    R : tensor of shape (min(N, D), D)
        Columns of length one or zero.
    tolerance : tensor of shape (D,)
        A column this close to the span of others counts as one of its members.

    Returns
    -------
    tensor of shape (rank,)
        Indices in ascending order.

    Notes
    -----
    A small diagonal entry shows a dependent column, but leaves a direction of rounding errors in Q behind that may
    hide a later column. So the columns refused are held against the span of the accepted ones again, until all lie
    in it.
    """
    M, D = R.shape
    free = torch.zeros(D, dtype=torch.bool)
    free[:M] = R.diagonal().abs() > tolerance[:M]
    while not free.all():
        refused = torch.nonzero(~free)[:, 0]
        Q, _ = torch.linalg.qr(R[:, free])
        rest = R[:, refused]
        for _ in range(2):
            rest = rest - Q @ (Q.T @ rest)
        _, S = torch.linalg.qr(rest)
        new = S.diagonal().abs() > tolerance[refused[: len(S)]]
        room = max(M - int(free.sum()), 0)
        added = refused[: len(S)][new][:room]
        if not len(added):
            break
        free[added] = True
    return torch.nonzero(free)[:, 0]
