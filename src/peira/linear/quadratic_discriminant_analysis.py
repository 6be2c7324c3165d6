r"""Quadratic discriminant analysis: each class a Gaussian cloud of its own shape.

.. math:: p(x \mid c) = N(x \mid \mu_c, \Sigma_c), \quad P(c \mid x) \propto \pi_c \, p(x \mid c)

The class with the largest discriminant wins, and the boundary between two classes is a quadric:

.. math:: \delta_c(x) = \log \pi_c - \log |\Sigma_c| / 2 - (x - \mu_c)^T \Sigma_c^{-1} (x - \mu_c) / 2

Each covariance has D (D + 1) / 2 numbers to estimate from the rows of one class. Three regularisations trade their
variance for bias, applied in this order:

.. math:: \Sigma_c \leftarrow ((1 - \lambda) S_c + \lambda S) / ((1 - \lambda) W_c + \lambda W)

.. math:: \Sigma_c \leftarrow (1 - \gamma) \, \Sigma_c + \gamma \, (\mathrm{tr} \, \Sigma_c / D) \, I

.. math:: \Sigma_c \leftarrow (1 - r) \, \Sigma_c + r I

``pooling`` is :math:`\lambda`, towards the covariance S / W that the classes share (1: linear discriminant analysis);
``shrinkage`` is :math:`\gamma`, towards a sphere of the same mean variance (both 1: the nearest mean); the two are
Friedman's regularised discriminant analysis. ``reg_param`` is r, scikit-learn's, towards the unit sphere: it depends
on the units of the columns.

**Use it** when the classes differ in shape and each has many more rows than columns. With few rows, pool.

Cost: N D^2 + C D^3, memory C D^2; C D^2 for each query.

Reference: Friedman (1989), Regularized discriminant analysis, J. American Statistical Association 84, 165-175; Hastie,
Tibshirani & Friedman (2009), 4.3, eqs 4.12 and 4.13.
"""

from typing import Any, Literal

import torch

from ..core import Card, ParameterError, linear, param
from ..core.inputs import Data
from .gaussian_classes import ClassMoments, Form
from .gaussian_model import GaussianDensities
from .gaussian_whitening import ledoit_wolf, towards_sphere


class QuadraticDiscriminantAnalysis(GaussianDensities):
    """Gaussian classes with individual, regularised covariances.

    One route (moments, then a Cholesky factor or eigenvectors of each correlation matrix) serves where scikit-learn
    asks for a ``solver``. A covariance that is singular in the end is an error.

    Attributes
    ----------
    classes_, means_, priors_
        As in scikit-learn.
    covariance_, rotations_, scalings_ : list of C arrays of shape (D, D), (D, D) and (D,)
        With ``store_covariance``: the regularised covariances, their principal axes and variances along them.

    Examples
    --------
    >>> from peira.linear import QuadraticDiscriminantAnalysis
    >>> X = [[-1.0], [0.0], [1.0], [-9.0], [0.0], [9.0]]
    >>> model = QuadraticDiscriminantAnalysis().fit(X, ["near", "near", "near", "far", "far", "far"])
    >>> model.predict([[0.5], [5.0]])
    array(['near', 'far'], dtype='<U4')
    """

    card = Card(
        tasks="classification",
        reference="Friedman (1989); Hastie et al. (2009) 4.3",
        exact=True,
        incremental="equals one fit",
        cost="N D^2 + K D^3",
        largest={"D": 2000},
    )
    shrinkage: float | Literal["auto"] | None = param(
        None, "towards a sphere, 0 to 1; 'auto': Ledoit and Wolf's estimate of the best", low=0, high=1,
        tune=linear(0.0, 1.0),
    )  # fmt: skip
    pooling: float = param(0.0, "towards the common covariance, 0 to 1", low=0, high=1, tune=linear(0.0, 1.0))
    reg_param: float = param(0.0, "towards the unit sphere, 0 to 1", low=0, high=1)
    store_covariance: bool = param(False, "keep the covariances, their axes and variances")

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> "QuadraticDiscriminantAnalysis":
        """Learn from more rows; equals one fit to all of them, in any order.

        A class that has too few rows so far is an error when a question is asked, not before.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array of shape (C,), optional
            All labels, needed in the first call if its ``y`` lacks some.
        """
        if self.shrinkage == "auto":
            raise ParameterError("shrinkage='auto' needs all rows at once: call fit, or give a number")
        super().partial_fit(X, y, classes, sample_weight)
        return self

    @classmethod
    def example(cls) -> "QuadraticDiscriminantAnalysis":
        """Regularised, so that a class of a single row has a density."""
        return cls(reg_param=0.1)

    def _form(self, data: Data) -> Form:
        return "individual"

    def _remedy(self) -> str:
        return "regularise (shrinkage, pooling or reg_param above 0)"

    def _settle(self, data: Data, moments: ClassMoments, *, streaming: bool) -> None:
        S, W = moments.within, moments.weights[:, None, None]
        if self.shrinkage == "auto":
            if self.pooling:
                raise ParameterError("shrinkage='auto' is estimated for individual covariances: leave pooling at 0")
            covariances = ledoit_wolf(data, moments)
        else:
            if self.pooling:
                S = (1 - self.pooling) * S + self.pooling * S.sum(0)
                W = (1 - self.pooling) * W + self.pooling * W.sum()
            covariances = towards_sphere(S / torch.where(W > 0, W, 1.0), self.shrinkage or 0.0)
        if self.reg_param:
            eye = torch.eye(S.shape[1], dtype=S.dtype, device=S.device)
            covariances = (1 - self.reg_param) * covariances + self.reg_param * eye
        self._whiten(data, moments, covariances, streaming=streaming)
        if self.store_covariance:
            variances, axes = torch.linalg.eigh(covariances)
            self.covariance_ = [data.give(v) for v in covariances]
            self.rotations_ = [data.give(v) for v in axes.flip(2)]
            self.scalings_ = [data.give(v) for v in variances.flip(1)]
