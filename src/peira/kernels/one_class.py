r"""One-class support vector machine: where most of the items are.

In the space of the kernel a plane separates the items from the origin, as far from it as possible, and a share of them
at most :math:`\nu` may lie on the wrong side:

.. math:: \min_{w, \rho, \xi} \; \frac{1}{2} \| w \|^2 - \nu N \rho + \sum_n v_n \xi_n

.. math:: w^T \phi(x_n) \geq \rho - \xi_n, \quad \xi_n \geq 0

with weights v of the rows (1 by default, and N is their sum). Its dual is

.. math:: \min_\alpha \; \frac{1}{2} \sum_{nm} \alpha_n \alpha_m k(x_n, x_m)

.. math:: 0 \leq \alpha_n \leq v_n, \quad \sum_n \alpha_n = \nu N

and :math:`\sum_n \alpha_n k(x_n, x) - \rho` is positive for usual items. For the RBF kernel this is the level of a
density estimate of Parzen's kind, made of the items at the border, and the smallest ball around them.

**Assumptions.** The training items are usual ones but for a share of about :math:`\nu`; the kernel's scale decides how
closely the border follows them, and no label helps to choose it. Bring the columns to one scale.

**Cost.** Between N^2 D and N^3 (:mod:`~peira.kernels.smo`); memory is ``cache_size``. An answer costs S D for S support
vectors, at least :math:`\nu N` of them.

Reference: Schoelkopf, Platt, Shawe-Taylor, Smola & Williamson (2001), Estimating the support of a high-dimensional
distribution, Neural Computation 13, 1443-1471.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..core import Card, linear, param
from ..core.inputs import Queries, open_weights
from ..core.kinds.outlier_detector import OutlierDetector
from .machine import enclosing, fill
from .margin_plot import plot_margin
from .support_vector_machine import SupportVectorMachine

BORDER = 1e-12


class OneClassSVM(SupportVectorMachine, OutlierDetector):
    """Support vector machine for outliers, with a bound on their share.

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
    intercept_ : array of shape (1,)
    offset_ : float
        The score below which items are outliers, also minus ``intercept_``: rho, less the violation of optimality that
        was left, so that items on the border are usual ones.
    reference_ : dict
        Scores of the training rows, for p-values.
    gamma_ : float
        The number behind "scale" or "auto".
    dual_objective_, primal_objective_, duality_gap_, margin_, kkt_residual_ : float
        The two objectives and their difference; ``1 / |w|``; the largest violation of the optimality conditions.
    fit_status_ : int
        0 if it converged, else 1.
    n_iter_, history_, stopped_
        Working sets; ``objective`` and ``gap`` after each; why it ended.

    Examples
    --------
    >>> from peira.kernels import OneClassSVM
    >>> model = OneClassSVM(nu=0.4, gamma=1.0).fit([[0.0], [0.1], [0.2], [0.1], [5.0]])
    >>> model.predict([[0.1], [3.0]])
    array([ 1, -1])
    """

    card = Card(
        tasks="anomaly",
        reference="Schoelkopf et al. (2001)",
        cost="N^2 D to N^3",
        sparse=True,
        largest={"N": 20_000},
    )
    nu: float = param(
        0.5, "at most the share of outliers in training, at least that of support vectors", above=0, high=1,
        tune=linear(0.01, 0.5), positional=True,
    )  # fmt: skip

    @classmethod
    def example(cls) -> "OneClassSVM":
        return cls(0.2, gamma=0.1, tol=1e-9)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "OneClassSVM":
        """Learn the border of the usual items.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            The kernel between the rows, (N, N), for ``kernel="precomputed"``.
        y : ignored
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal rows.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` working sets were too few, with the gap that was reached.
        """
        data = self._begin(X, None, sample_weight)
        counts = open_weights(sample_weight, len(data), data, owner=type(self).__name__)
        kept, X_kept, rows = self._rows(data, counts)
        w = np.ones(len(kept)) if counts is None else counts.numpy(force=True)[kept]
        s, nothing = np.ones(len(kept)), np.zeros(len(kept))
        a0 = fill(nothing, w, self.nu * w.sum())
        machine = enclosing(self._solve(rows, s, nothing, w, a0, owner=self), w)
        # Items on the border count as usual ones, also where rounding or the tolerance puts them a little outside.
        self.offset_ = machine.rho - machine.gap - BORDER * abs(machine.rho)
        self._settle(torch.from_numpy(machine.products), torch.from_numpy(w), auto=self.offset_)
        self._keep_single(data, kept, X_kept, replace(machine, rho=self.offset_))
        self._warn([machine], len(kept))
        return self

    def _usualness(self, queries: Queries) -> torch.Tensor:
        return self._products(queries, queries.tensor(self.dual_coef_))[:, 0]

    def plot(self, X: Any = None, ax: Any = None) -> Any:
        """Draw the region of usual items and the support vectors, for inputs of two columns.

        Parameters
        ----------
        X : array of shape (N, 2), optional
            Items to draw as well.
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ValueError
            If the inputs have another number of columns, or the kernel was precomputed.
        """
        return plot_margin(self, X, None, ax)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            self._check_coefficients(1, 1, 1)
