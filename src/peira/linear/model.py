r"""What all linear regressors share: a weighted sum of the inputs, and its reading.

.. math:: \hat y(x) = w_0 + w^T x
"""

import torch
from scipy import sparse

from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..core.kinds import Regressor


class LinearRegressor(Regressor):
    """Base of the regressors whose prediction is linear in the inputs.

    Attributes
    ----------
    coef_ : array of shape (D,) or (K, D)
        Weights, in units of the target per unit of the input.
    intercept_ : float or array of shape (K,)
    """

    def _learned(self, data: Data, coef: torch.Tensor, intercept: torch.Tensor) -> None:
        """Keep the weights (K, D) and constants (K,) in scikit-learn's shapes."""
        if data.squeeze:
            self.coef_, self.intercept_ = data.give(coef[0]), float(intercept[0])
        else:
            self.coef_, self.intercept_ = data.give(coef), data.give(intercept)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not hasattr(self, "coef_"):
            return
        W, b = torch.as_tensor(self.coef_), torch.as_tensor(self.intercept_)
        K = self.target_shape_[0] if self.target_shape_ else 1
        if W.numel() != K * self.n_features_in_ or b.numel() != K or not (W.isfinite().all() and b.isfinite().all()):
            raise UnreadableError(
                f"{type(self).__name__} should have {K} x {self.n_features_in_} finite weights and {K} constants, "
                f"and has shapes {tuple(W.shape)} and {tuple(b.shape)}"
            )

    def _predict(self, queries: Queries) -> torch.Tensor:
        W = queries.tensor(self.coef_).reshape(-1, self.n_features_in_)
        return linear_map(queries.X, W) + queries.tensor(self.intercept_)


def linear_map(X: torch.Tensor | sparse.sparray, W: torch.Tensor) -> torch.Tensor:
    """The products X W^T, of shape (N, K), for dense or sparse X (N, D) and weights W (K, D)."""
    return torch.from_numpy(X @ W.numpy().T) if sparse.issparse(X) else X @ W.T
