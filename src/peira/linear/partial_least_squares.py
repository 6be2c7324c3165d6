r"""Partial least squares: regression on few directions that vary much *and* go with the target.

Each direction maximises the covariance of its scores with (a combination of) the targets, among scores uncorrelated
with those before it:

.. math:: r_m = \arg\max_r \; \max_{\|q\| = 1} \; r^T X^T Y q

then X and Y lose what its scores explain. With one target the M-step coefficients are those of M steps of conjugate
gradients on the normal equations; M = rank gives least squares.

**From moments alone.** The directions never need the rows (Dayal & MacGregor 1997, J. Chemometrics 11, 73-85,
"modified kernel algorithm #2"). With :math:`S = X^T X`, :math:`C = X^T Y` (both standardised), step m is

.. math:: w_m = \mathrm{dominant\ left\ singular\ vector\ of\ } C

.. math:: r_m = w_m - \sum_{i<m} (p_i^T w_m) \, r_i, \quad \tau = r_m^T S r_m

.. math:: p_m = S r_m / \tau, \quad q_m = C^T r_m / \tau, \quad C \leftarrow C - \tau \, p_m q_m^T

and the coefficients are :math:`\sum_m r_m q_m^T`: exactly what NIPALS iterates to, without iterating, so
scikit-learn's ``max_iter`` and ``tol`` have nothing to set here.

**Use it** with many collinear columns (spectra), where it needs fewer directions than principal components.

Cost: N D^2 + M D^2 (+ M D K^2 for K targets), times the number of folds without N; N^2 D for N < D.

Reference: Wold, Ruhe, Wold & Dunn (1984); Hastie, Tibshirani & Friedman (2009), 3.5.2, algorithm 3.3.
"""

from typing import Any, Literal, NamedTuple

import torch

from ..core import Card, integer, param
from ..core.inputs import Data, open_targets
from .latent_directions import LatentDirections
from .reduced_data import Reduced


class PLSRegression(LatentDirections):
    """Partial least squares regression (PLS1 and PLS2).

    Attributes
    ----------
    coef_, intercept_ : array of shape (D,) and float; (K, D) and (K,) for K targets
        In the columns of X.
    n_components_ : int
        The number of directions used; 0 is the mean of the target.
    x_weights_, x_loadings_, x_rotations_ : array of shape (D, M)
        The w, p and r above, for standardised columns.
    y_loadings_ : array of shape (K, M)
        The q above, for standardised targets.
    mse_path_ : array of shape (S, F)
        With ``n_components="cv"``: error of 0, 1, ... directions on each fold.
    parts_ : list of dict
        For ``partial_fit``: moments of the data (or its rows, if fewer than columns) in one part; with
        ``n_components="cv"`` moments of the rows of each fold, where ``cv`` is a number and rows are enough.

    Examples
    --------
    >>> from peira.linear import PLSRegression
    >>> X = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.1]]
    >>> PLSRegression(n_components=1).fit(X, [0.0, 1.0, 2.0, 3.0]).coef_.round(2)
    array([0.5 , 0.49])
    """

    card = Card(
        tasks="regression",
        reference="Wold et al. (1984); Dayal & MacGregor (1997); Hastie et al. (2009) algorithm 3.3",
        exact=True,
        incremental="equals one fit",
        cost="N D^2 + K D^2",
        sparse=True,
        multi_output=True,
        linear_in_inputs=True,
    )
    n_components: int | Literal["cv"] = param(
        2, "how many directions, or 'cv' to choose", low=0, tune=integer(1, 20), positional=True
    )
    scale: bool = param(True, "bring columns and targets to one standard deviation first")
    cv: object = param(None, "for 'cv': number of folds (None: 5), a splitter, or pairs of training and test rows")
    rule: Literal["best", "one_se"] = param(
        "best", "least error, or the fewest directions within one standard error of it"
    )

    def transform(self, X: Any, y: Any = None) -> Any:
        """The scores of each row, of shape (N, M); with targets, a pair of their scores and the targets' scores.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K), optional
        """
        scores = super().transform(X)
        if y is None:
            return scores
        queries = self._queries(X)
        Y, _ = open_targets(y, len(queries), queries, owner="PLSRegression", multi_output=True)
        Q, mean, unit = (queries.tensor(v) for v in (self.y_loadings_, self.y_mean_, self.y_scale_))
        return scores, queries.give(((Y - mean) / unit) @ torch.linalg.pinv(Q.T))

    def fit_transform(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Fit, then the pair of scores of ``transform(X, y)``."""
        return self.fit(X, y, sample_weight).transform(X, y)

    def _family(self, part: Reduced, most: int) -> torch.Tensor:
        steps, unit = self._directions(part, most)
        B = (steps.rotations.T[:, :, None] * (steps.target_loadings.T * unit)[:, None, :]).cumsum(0)  # (M, R, K)
        B = torch.cat([B.new_zeros(1, *B.shape[1:]), B])
        return torch.cat([B, B[-1:].expand(most + 1 - len(B), -1, -1)])

    def _describe(self, data: Data, part: Reduced, M: int) -> None:
        steps, unit = self._directions(part, M)
        self.y_mean_, self.y_scale_ = data.give(part.y_mean), data.give(unit)
        W, P, R = (part.directions(v) for v in (steps.weights, steps.loadings, steps.rotations))
        sign = W.gather(0, W.abs().argmax(0, keepdim=True)).sign()  # the largest weight is positive
        self.x_weights_, self.x_loadings_, self.x_rotations_, self.y_loadings_ = (
            data.give(v * sign) for v in (W, P, R, steps.target_loadings)
        )

    def _directions(self, part: Reduced, most: int) -> tuple["Directions", torch.Tensor]:
        """The directions for standardised targets, and the targets' units (K,)."""
        unit = torch.ones_like(part.y_mean)
        if self.scale:
            spread = (part.yy.diagonal() / max(part.weight - 1, 1)).sqrt()
            unit = torch.where(spread > 0, spread, unit)
        return pls_directions(part.xx, part.xy / unit, most), unit


class Directions(NamedTuple):
    """w, p and r of shape (R, M); q of shape (K, M)."""

    weights: torch.Tensor
    loadings: torch.Tensor
    rotations: torch.Tensor
    target_loadings: torch.Tensor


def pls_directions(S: torch.Tensor, C: torch.Tensor, most: int) -> Directions:
    """The recursion of the module's docstring, for at most ``most`` steps.

    Parameters
    ----------
    S, C : tensor of shape (R, R), (R, K)
        X'X and X'Y.

    Returns
    -------
    Directions
        Fewer than ``most`` where nothing is left to explain, to rounding.
    """
    W, P, T = (S.new_zeros(len(S), most) for _ in range(3))
    Q, start = C.new_zeros(C.shape[1], most), C
    noise = 10 * len(S) * torch.finfo(S.dtype).eps
    for m in range(most):
        if not bool(C.norm() > noise * start.norm()):
            return Directions(*(v[:, :m] for v in (W, P, T, Q)))
        w = _dominant(C)
        r = w - T[:, :m] @ (P[:, :m].T @ w)
        Sr = S @ r
        tau = r @ Sr
        if not bool(tau > noise * S.diagonal().max() * (r @ r)):
            return Directions(*(v[:, :m] for v in (W, P, T, Q)))
        p, q = Sr / tau, C.T @ r / tau
        W[:, m], P[:, m], T[:, m], Q[:, m] = w, p, r, q
        C = C - tau * torch.outer(p, q)
    return Directions(W, P, T, Q)


def _dominant(C: torch.Tensor) -> torch.Tensor:
    """The first left singular vector."""
    w = C[:, 0] if C.shape[1] == 1 else C @ torch.linalg.eigh(C.T @ C)[1][:, -1]
    return w / w.norm()
