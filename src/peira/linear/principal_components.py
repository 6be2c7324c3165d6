r"""Principal-component regression: least squares on the directions in which the inputs vary most.

With the centred (and standardised) inputs' scatter :math:`X^T X = V \, \mathrm{diag}(s) \, V^T`, eigenvalues from the
largest down, the scores are :math:`z_m = X v_m` and

.. math:: \hat w^{(M)} = \sum_{m=1}^{M} \frac{z_m^T y}{s_m} \, v_m

Scores are uncorrelated, so adding one changes nothing about the others, and M = rank gives least squares. Where ridge
shrinks the directions of little variation, this drops them: all or nothing. It supposes that what varies much is also
what matters; nothing about y enters the choice of directions, only of their number.

**The number** M may be given or chosen by cross-validation; all sizes come out of one eigendecomposition per fold.

Cost: N D^2 + D^3, times one plus the number of folds for D^3 (N^2 D + N^3 each for N < D).

Reference: Hastie, Tibshirani & Friedman (2009), 3.5.1, eq. 3.61; Massy (1965), JASA 60, 234-256.
"""

from typing import Literal

import numpy as np
import torch

from ..core import Card, integer, param
from ..core.inputs import Data
from .latent_directions import LatentDirections
from .reduced_data import Reduced


class PrincipalComponentRegression(LatentDirections):
    """Least squares on the first principal components of the inputs.

    Attributes
    ----------
    coef_, intercept_ : array of shape (D,) and float; (K, D) and (K,) for K targets
        In the columns of X.
    n_components_ : int
        The number of components used; 0 is the mean of the target.
    x_rotations_ : array of shape (D, M)
        The principal directions, for standardised columns.
    explained_variance_ratio_ : array of shape (M,)
        Share of the inputs' (standardised) variance along each.
    mse_path_ : array of shape (S, F)
        With ``n_components="cv"``: error of 0, 1, ... components on each fold.
    parts_ : list of dict
        For ``partial_fit``: moments of the data (or its rows, if fewer than columns) in one part; with
        ``n_components="cv"`` moments of the rows of each fold, where ``cv`` is a number and rows are enough.

    Examples
    --------
    >>> from peira.linear import PrincipalComponentRegression
    >>> X = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.1]]
    >>> PrincipalComponentRegression(n_components=1).fit(X, [0.0, 1.0, 2.0, 3.0]).coef_.round(2)
    array([0.5 , 0.49])
    """

    card = Card(
        tasks="regression",
        reference="Hastie et al. (2009) 3.5.1",
        exact=True,
        incremental="approximate",
        cost="N D^2 + D^3",
        sparse=True,
        multi_output=True,
        linear_in_inputs=True,
    )
    n_components: int | Literal["cv"] = param(
        "cv", "how many components, or 'cv' to choose", low=0, tune=integer(1, 20), positional=True
    )
    scale: bool = param(True, "bring columns to one standard deviation first")
    cv: object = param(None, "for 'cv': number of folds (None: 5), a splitter, or pairs of training and test rows")
    rule: Literal["best", "one_se"] = param(
        "best", "least error, or the fewest components within one standard error of it"
    )

    def _family(self, part: Reduced, most: int) -> torch.Tensor:
        s, V = principal_directions(part.xx, most)
        steps = (V * (1 / s))[:, :, None] * (V.T @ part.xy)[None]  # (R, M, K)
        B = torch.cat([steps.new_zeros(len(V), 1, steps.shape[2]), steps], 1).cumsum(1).movedim(1, 0)
        # Beyond the rank there is nothing to add.
        return torch.cat([B, B[-1:].expand(most + 1 - len(B), -1, -1)])

    def _describe(self, data: Data, part: Reduced, M: int) -> None:
        s, V = principal_directions(part.xx, M)
        V = part.directions(V)
        largest = V.gather(0, V.abs().argmax(0, keepdim=True))
        self.x_rotations_ = data.give(V * largest.sign())
        self.explained_variance_ratio_ = data.give(s / part.xx.diagonal().sum().clamp(min=np.finfo(float).tiny))


def principal_directions(S: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest eigenvalues of a scatter that are not rounding errors, at most ``most``, and their vectors."""
    s, V = torch.linalg.eigh(S)
    s, V = s.flip(0), V.flip(1)
    M = min(most, int((s > len(s) * torch.finfo(s.dtype).eps * s[0]).sum()))
    return s[:M], V[:, :M]
