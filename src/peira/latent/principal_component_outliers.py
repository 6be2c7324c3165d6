r"""Principal components as detectors of outliers: far out along the components, or off the plane that they span.

With the (standardised) columns' components :math:`v_j` and variances :math:`\lambda_j`, from the largest down, an item
has the scores :math:`y_j = v_j^T (x - m)`. Of the first q, "weighted" measures how far out the item lies, each
direction in units of its own spread; "reconstruction" measures what the q components leave of it:

.. math:: s_W(x) = \sum_{j=1}^{q} \frac{y_j^2}{\lambda_j}, \quad s_R(x) = \| x - m \|^2 - \sum_{j=1}^{q} y_j^2

For Gaussian data :math:`s_W \sim \chi^2_q`; with q = D it is the squared distance of Mahalanobis. ``score_samples`` is
the negative. The two find different outliers: extreme items that obey the usual correlations, and items of usual size
that break them.

**Assumes** one cloud around a plane, and outliers too few to turn it (the covariance follows them; see
:mod:`~peira.latent.elliptic_envelope` for one that does not). With all
components, what lies off all directions in which the training items vary counts with a variance of 1e-10 of the
largest, so that an item that departs there stands out.

**Cost.** N D min(N, D) for the components; N D q for scores.

Reference: Shyu, Chen, Sarinnapakorn & Chang (2003), A novel anomaly detection scheme based on principal component
classifier, ICDM workshop on data mining, 172-179; Jackson & Mudholkar (1979), Control procedures for residuals
associated with principal component analysis, Technometrics 21, 341-349.
"""

import math
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, OutlierDetector, ParameterError, choice, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from .principal_components_svd import degrees_of_freedom, deviations, leading_directions

STILL = 1e-10  # of the largest variance: what directions without any count with
RECONSTRUCTED = 0.9  # share of the variance that components hold, unless a number is given


class PCAOutlierDetector(OutlierDetector):
    """Outliers by principal components: extreme scores, or a large residual.

    Attributes
    ----------
    components_ : array or tensor of shape (q, D)
    explained_variance_ : array or tensor of shape (q,)
        Of the components used.
    residual_variance_ : float
        What the rest counts with under "weighted"; infinite if some components were left out.
    mean_, scale_ : array or tensor of shape (D,)
        What columns are centred with and divided by.
    n_components_ : int
        q.
    offset_ : float
        The score below which items are outliers.
    reference_ : dict
        Scores of the training rows, for p-values.

    Examples
    --------
    >>> from peira.latent import PCAOutlierDetector
    >>> X = [[0.0, 0.1], [1.0, 0.9], [2.0, 2.1], [3.0, 2.9], [4.0, 4.0], [1.0, 3.0]]
    >>> model = PCAOutlierDetector(n_components=1, method="reconstruction", contamination=0.2).fit(X)
    >>> model.predict([[2.0, 2.0], [3.0, 0.0]])
    array([ 1, -1])
    """

    card = Card(tasks="anomaly", reference="Shyu et al. (2003)", cost="N D^2", exact=True)
    n_components: int | float | None = param(
        None,
        "q: a number, a share of the variance (below 1), or None: all, or 90 % of it for 'reconstruction'",
        above=0,
    )
    method: Literal["weighted", "reconstruction"] = param(
        "weighted",
        "scores in units of their spread, or what the components leave",
        tune=choice("weighted", "reconstruction"),
    )
    standardization: bool = param(True, "divide columns by their standard deviations")
    contamination: float = param(0.1, "share of outliers among the training rows", above=0, high=0.5)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "PCAOutlierDetector":
        """Find the components, and how far the rows are out.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal rows.

        Returns
        -------
        self
        """
        data = self._begin(X, None, sample_weight)
        scale = deviations(data.X, data.w) if self.standardization else torch.ones_like(data.X[0])
        found = leading_directions(data.X / scale, w=data.w, solver="full")
        variances = found.squares / degrees_of_freedom(found.weight)
        floor = STILL * float(variances[0]) or 1.0
        rank = max(int((variances > floor).sum()), 1)
        q = self._number(variances[:rank])
        self.mean_, self.scale_ = data.give(scale * found.mean), data.give(scale)
        self.components_ = data.give(found.vectors[:, :q].T.contiguous())
        self.explained_variance_ = data.give(variances[:q].clamp(min=floor))
        self.residual_variance_ = floor if q == rank else math.inf
        self.n_components_ = q
        self._settle(self._usualness(data), data.w, contamination=self.contamination)
        return self

    def _number(self, variances: torch.Tensor) -> int:
        most, asked = len(variances), self.n_components
        if asked is None and self.method == "weighted":
            return most
        if isinstance(asked, int | np.integer):
            if asked > most:
                raise ParameterError(
                    f"n_components={asked} of PCAOutlierDetector is more than the {most} components that there are: "
                    "give a smaller number"
                )
            return int(asked)
        share = RECONSTRUCTED if asked is None else float(asked)
        held = variances.cumsum(0) / variances.sum().clamp(min=1e-300)
        return min(int((held < share * (1 - 1e-12)).sum()) + 1, most)

    def _usualness(self, queries: Queries) -> torch.Tensor:
        V, variances = queries.tensor(self.components_), queries.tensor(self.explained_variance_)
        Z = (queries.X - queries.tensor(self.mean_)) / queries.tensor(self.scale_)
        Y = Z @ V.T
        rest = (Z - Y @ V).square().sum(1)
        if self.method == "weighted":
            return -(Y.square() / variances).sum(1) - rest / self.residual_variance_
        return -rest

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, q = self.n_features_in_, getattr(self, "n_components_", None)
        if type(q) is not int or not 1 <= q <= D:
            raise UnreadableError(f"n_components_ of a stored PCAOutlierDetector must be between 1 and {D}")
        rest = getattr(self, "residual_variance_", None)
        if not isinstance(rest, float) or not rest > 0:
            raise UnreadableError("residual_variance_ of a stored PCAOutlierDetector must be above 0")
        shapes = {"components_": (q, D), "explained_variance_": (q,), "mean_": (D,), "scale_": (D,)}
        for name, shape in shapes.items():
            value = getattr(self, name, None)
            value = torch.as_tensor(value) if isinstance(value, np.ndarray | torch.Tensor) else torch.zeros(0, 0, 0)
            sound = value.shape == shape and value.dtype == torch.float64 and bool(value.isfinite().all())
            if not sound or (name in ("explained_variance_", "scale_") and not bool((value > 0).all())):
                raise UnreadableError(f"{name} of a stored PCAOutlierDetector must be {shape} finite numbers")
