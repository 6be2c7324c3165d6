r"""Support vector regression: a function as flat as possible within a tube around the targets.

Errors up to epsilon cost nothing, larger ones their excess, in proportion and not squared:

.. math:: \min_{w, b} \; \frac{1}{2} \| w \|^2 + \sum_n C_n \max(0, \; | z_n - f(x_n) | - \epsilon)

.. math:: f(x) = w^T \phi(x) + b = \sum_n (\alpha_n - \alpha_n^*) \, k(x_n, x) + b

The multipliers of the two sides of the tube solve

.. math:: \max_{\alpha, \alpha^*} \; \sum_n z_n (\alpha_n - \alpha_n^*) - \epsilon \sum_n (\alpha_n + \alpha_n^*)
          - \frac{1}{2} \sum_{nm} (\alpha_n - \alpha_n^*) (\alpha_m - \alpha_m^*) k(x_n, x_m)

.. math:: 0 \leq \alpha_n, \alpha_n^* \leq C_n, \quad \sum_n (\alpha_n - \alpha_n^*) = 0

Items strictly inside of the tube leave no trace; the others are the support vectors. One item pulls at the function
with C at most, so that outliers do little harm.

**The nu form** finds epsilon by itself: a share of at most :math:`\nu` of the items lies outside of the tube, and of at
least :math:`\nu` outside or on it (Schoelkopf et al. 2000):

.. math:: \min_{w, b, \epsilon} \; \frac{1}{2} \| w \|^2
          + \sum_n C_n ( \nu \epsilon + \max(0, | z_n - f(x_n) | - \epsilon) )

**Assumptions.** That near items, in the sense of the kernel, have near targets. Columns on one scale; epsilon and C are
in units of the target. **Use it** where targets have outliers, or an error below a tolerance does not matter. For a
predictive distribution use a Gaussian process.

**Cost.** Between N^2 D and N^3 (:mod:`~peira.kernels.smo`); memory is ``cache_size``. An answer costs S D.

Reference: Drucker, Burges, Kaufman, Smola & Vapnik (1997), Support vector regression machines, NIPS 9; Schoelkopf,
Smola, Williamson & Bartlett (2000), Neural Computation 12, 1207-1245; Smola & Schoelkopf (2004), A tutorial on support
vector regression, Statistics and Computing 14, 199-222; Bishop (2006), 7.1.4.
"""

import math
from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch

from ..core import Card, Regressor, linear, log, param
from ..core.inputs import Queries, open_weights
from .kernel_rows import KernelRows
from .machine import Machine, fill, regressing
from .support_vector_machine import SupportVectorMachine


class SupportVectorRegressor(SupportVectorMachine, Regressor):
    """Base of the two support vector regressions, which differ in how they know the width of the tube."""

    @abstractmethod
    def _machine(self, rows: KernelRows, z: np.ndarray, w: np.ndarray) -> Machine:
        """Train on targets z and weights w, both (N,)."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the support vectors.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            The kernel between the rows, (N, N), for ``kernel="precomputed"``.
        y : array or tensor of shape (N,)
        sample_weight : array of shape (N,), optional
            Factors of the rows' bounds; a weight of two counts as two equal rows.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` working sets were too few, with the gap that was reached.
        """
        data = self._begin(X, y, sample_weight)
        counts = open_weights(sample_weight, len(data), data, owner=type(self).__name__)
        kept, X_kept, rows = self._rows(data, counts)
        z = data.Y[:, 0].numpy(force=True)[kept].astype(np.float64)
        w = np.ones(len(kept)) if counts is None else counts.numpy(force=True)[kept]
        machine = self._machine(rows, z, w)
        self._keep_single(data, kept, X_kept, machine)
        self._warn([machine], len(kept))
        return self

    def _predict(self, queries: Queries) -> torch.Tensor:
        return self._products(queries, queries.tensor(self.dual_coef_)) + queries.tensor(self.intercept_)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            self._check_coefficients(1, 1, 1)


class SVR(SupportVectorRegressor):
    """Support vector regression with a tube of given width.

    Of scikit-learn's parameters it leaves out ``verbose`` (use `peira.observing`) and ``shrinking``, which is a matter
    of the solver; ``max_iter`` counts working sets and not pairs. With ``kernel="linear"`` there is ``coef_`` of shape
    (1, D).

    Attributes
    ----------
    support_ : array of shape (S,)
        Positions of the support vectors in the training rows.
    n_support_ : array of shape (1,)
    support_rows_ : array of shape (S, D)
        The support vectors, also ``support_vectors_``; a dict of the arrays of a csr matrix for sparse rows, None for a
        precomputed kernel.
    dual_coef_ : array of shape (1, S)
        Positive above the tube, negative below it.
    intercept_ : array of shape (1,)
    gamma_ : float
        The number behind "scale" or "auto".
    dual_objective_, primal_objective_, duality_gap_, margin_, kkt_residual_ : float
        The two objectives and their difference; ``1 / |w|``; the largest violation of the optimality conditions, in
        units of the target.
    fit_status_ : int
        0 if it converged, else 1.
    n_iter_, history_, stopped_
        Working sets; ``objective`` (that of the dual, negative) and ``gap`` after each; why it ended.

    Examples
    --------
    >>> from peira.kernels import SVR
    >>> model = SVR(kernel="linear", C=10.0, epsilon=0.5).fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0])
    >>> model.coef_.round(2), model.predict([[3.0]]).round(2)
    (array([[1.5]]), array([5.]))
    """

    card = Card(
        tasks="regression",
        reference="Drucker et al. (1997); Smola & Schoelkopf (2004)",
        cost="N^2 D to N^3",
        sparse=True,
        largest={"N": 10_000},
    )
    C: float = param(
        1.0, "price of an error, per unit of the target beyond the tube", above=0, high=math.inf, tune=log(1e-2, 1e3),
        positional=True,
    )  # fmt: skip
    epsilon: float = param(0.1, "half the width of the tube, in units of the target", low=0, tune=log(1e-3, 1.0))

    @classmethod
    def example(cls) -> "SVR":
        return cls(100.0, gamma=0.1, tol=1e-9)

    def _machine(self, rows: KernelRows, z: np.ndarray, w: np.ndarray) -> Machine:
        s, C = np.repeat([1.0, -1.0], len(z)), self.C * w
        p = self.epsilon - s * np.tile(z, 2)
        return regressing(self._solve(rows, s, p, np.tile(C, 2), None, owner=self), p, z, self.epsilon, C)


class NuSVR(SupportVectorRegressor):
    """Support vector regression with a tube that leaves a share of items outside.

    Of scikit-learn's parameters it leaves out ``verbose`` and ``shrinking``.

    Attributes
    ----------
    support_, n_support_, support_rows_, dual_coef_, intercept_, gamma_
        As those of `SVR`.
    epsilon_ : float
        Half the width of the tube that was found.
    dual_objective_, primal_objective_, duality_gap_, margin_, kkt_residual_ : float
        Those of the regression with a tube of this width, which is the same.
    fit_status_, n_iter_, history_, stopped_
        As those of `SVR`.

    Examples
    --------
    >>> from peira.kernels import NuSVR
    >>> model = NuSVR(nu=0.5, kernel="linear", C=100.0).fit([[0.0], [1.0], [2.0], [3.0]], [0.0, 1.1, 1.9, 3.0])
    >>> model.predict([[4.0]]).round(1)
    array([3.9])
    """

    card = Card(
        tasks="regression",
        reference="Schoelkopf et al. (2000); Smola & Schoelkopf (2004)",
        cost="N^2 D to N^3",
        sparse=True,
        on_request="it is SVR with the share of errors in the place of epsilon",
        largest={"N": 10_000},
    )
    nu: float = param(
        0.5, "at most the share of items outside of the tube, at least that of support vectors", above=0, high=1,
        tune=linear(0.1, 0.9), positional=True,
    )  # fmt: skip
    C: float = param(
        1.0, "price of an error, per unit of the target beyond the tube", above=0, tune=log(1e-2, 1e3), positional=True
    )

    @classmethod
    def example(cls) -> "NuSVR":
        return cls(0.5, 100.0, gamma=0.1, tol=1e-9)

    def _machine(self, rows: KernelRows, z: np.ndarray, w: np.ndarray) -> Machine:
        s, C = np.repeat([1.0, -1.0], len(z)), self.C * w
        start = fill(np.zeros(len(z)), C, 0.5 * self.nu * C.sum())
        p = -s * np.tile(z, 2)
        solution = self._solve(rows, s, p, np.tile(C, 2), np.tile(start, 2), nu=True, owner=self)
        self.epsilon_ = abs(solution.r)
        return regressing(solution, p, z, self.epsilon_, C)
