r"""Support vector machines: the widest margin between two classes, in the space of a kernel.

A plane :math:`w^T \phi(x) + b = 0` separates classes of signs :math:`s_n = \pm 1`. Of all planes the machine takes the
one farthest from the nearest items, and lets some of them be on the wrong side of the margin for a price C:

.. math:: \min_{w, b, \xi} \; \frac{1}{2} \| w \|^2 + \sum_n C_n \xi_n

.. math:: s_n (w^T \phi(x_n) + b) \geq 1 - \xi_n, \quad \xi_n \geq 0

The width of the margin is :math:`2 / \| w \|`. By Lagrange's multipliers :math:`\alpha_n` for the constraints,

.. math:: \max_\alpha \; \sum_n \alpha_n - \frac{1}{2} \sum_{nm} \alpha_n \alpha_m s_n s_m k(x_n, x_m)

.. math:: 0 \leq \alpha_n \leq C_n, \quad \sum_n s_n \alpha_n = 0

.. math:: f(x) = \sum_n s_n \alpha_n k(x_n, x) + b

where only inner products appear, so that any valid kernel can take their place. Items beyond the margin have
:math:`\alpha_n = 0` and leave no trace; the others are the support vectors, those with :math:`\alpha_n < C_n` lie on
the margin and give b. ``C=inf`` is the hard margin. :math:`C_n` is C times the weights of the row and of its class.

**The nu form** has a share :math:`\nu` in place of C, which is at least the share of items inside of the margin or
beyond, and at most that of the support vectors (Schoelkopf et al. 2000):

.. math:: \min_{w, b, \rho, \xi} \; \frac{1}{2} \| w \|^2 - \nu \rho + \frac{1}{N} \sum_n \xi_n

.. math:: s_n (w^T \phi(x_n) + b) \geq \rho - \xi_n, \quad \xi_n \geq 0, \quad \rho \geq 0

divided by rho, it is the first one with C = 1 / (N rho). Where the classes overlap so far that shares of
:math:`\nu N / 2` of both have a common mean, rho and w are zero: there is no machine, and a warning says so (Crisp &
Burges 2000; with an RBF kernel rho is never quite zero, but may be less than the solver's tolerance).

**More classes** are told apart in pairs, each by a machine of its own, with one vote
(:mod:`~peira.kernels.one_vs_one`); probabilities come from five folds (:mod:`~peira.kernels.platt`).

**Assumptions.** That similar items have like labels, similarity being the kernel's: bring the columns to one scale, and
search C and gamma together, by their logarithms. **Use it** for up to some ten thousand items, for columns more than
items, for kernels of texts or graphs. The scores are no probabilities; a new kernel means a new search.

**Cost.** Between N^2 D and N^3, more for a large C (:mod:`~peira.kernels.smo`); memory is ``cache_size``, and the
pair's rows. An answer costs S D for S support vectors, and S grows with N where the classes overlap. With
``probability=True`` five more trainings, which start near the first.

Reference: Cortes & Vapnik (1995), Support-vector networks, Machine Learning 20, 273-297; Schoelkopf, Smola, Williamson
& Bartlett (2000), New support vector algorithms, Neural Computation 12, 1207-1245; Crisp & Burges (2000), A geometric
interpretation of nu-SVM classifiers, NIPS 12; Bishop (2006), 7.1.
"""

import math
import warnings
from typing import Any, Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..core import Card, DataError, linear, log, param
from .kernel_rows import KernelRows
from .machine import Machine, classifying, fill
from .refinement import COARSE
from .smo import UNDIVIDED
from .smo_folds import held_out
from .support_vector_classifier import SupportVectorClassifier


class SVC(SupportVectorClassifier):
    """Support vector machine for classification, with a price for errors.

    Of scikit-learn's parameters it leaves out ``verbose`` (use `peira.observing`) and ``shrinking``, which is a matter
    of the solver; ``max_iter`` counts working sets and not pairs. With ``kernel="linear"`` there is ``coef_`` of shape
    (P, D), with ``probability=True`` there are ``probA_`` and ``probB_`` of shape (P,).

    Attributes
    ----------
    classes_ : array of shape (C,)
    support_ : array of shape (S,)
        Positions of the support vectors in the training rows, class by class.
    n_support_ : array of shape (C,)
        How many each class has.
    support_rows_ : array of shape (S, D)
        The support vectors, also ``support_vectors_``; a dict of the arrays of a csr matrix for sparse rows, None for a
        precomputed kernel.
    dual_coef_ : array of shape (C - 1, S)
        Signed multipliers, arranged as in :mod:`~peira.kernels.one_vs_one`; for two classes positive for the second.
    intercept_ : array of shape (P,)
        Of each of the P = C (C - 1) / 2 machines.
    class_weight_ : array of shape (C,)
    gamma_ : float
        The number behind "scale" or "auto".
    dual_objective_, primal_objective_, duality_gap_, margin_, kkt_residual_ : float, or arrays of shape (P,)
        The two objectives and their difference; half the width of the margin, ``1 / |w|``; the largest violation of the
        optimality conditions.
    fit_status_ : int
        0 if all machines converged, else 1.
    n_iter_, history_, stopped_
        Working sets in all; ``objective`` (that of the dual, negative) and ``gap`` after each, or of each pair for more
        than two classes; why it ended.

    Examples
    --------
    >>> from peira.kernels import SVC
    >>> model = SVC(kernel="linear", C=float("inf")).fit([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]], ["no", "no", "yes"])
    >>> model.coef_.round(3), float(round(model.margin_, 3)), model.predict([[3.0, 1.0]])
    (array([[ 1., -1.]]), 0.707, array(['yes'], dtype='<U3'))
    """

    card = Card(
        tasks="classification",
        reference="Cortes & Vapnik (1995); Bishop (2006) 7.1",
        cost="N^2 D to N^3",
        sparse=True,
        largest={"N": 10_000, "C": 100},
    )
    C: float = param(
        1.0, "price of an error; inf is the hard margin", above=0, high=math.inf, tune=log(1e-2, 1e3), positional=True
    )
    class_weight: dict | Literal["balanced"] | None = param(
        None, "factors of C for the classes, or 'balanced' for equal weights in all"
    )

    @classmethod
    def example(cls) -> "SVC":
        return cls(gamma=0.1, tol=1e-9, random_state=0)

    def _machine(self, rows: KernelRows, s: np.ndarray, w: np.ndarray, like: Machine | None, **options: Any) -> Machine:
        with np.errstate(invalid="ignore"):
            C = np.where(w > 0, self.C * w, 0.0)
        a0 = None
        if like is not None:  # without the rows held out, and with sums over both signs that agree again
            a = np.minimum(np.abs(like.beta), C)
            total = min(a[s > 0].sum(), a[s < 0].sum())
            a0 = np.empty_like(a)
            for mine in (s > 0, s < 0):
                a0[mine] = fill(a[mine], C[mine], total)
        machine = classifying(self._solve(rows, s, -np.ones_like(s), C, a0, **options), s, -1.0, C)
        if np.isinf(self.C) and not machine.primal < np.inf:
            raise DataError(
                "there is no hard margin: in the space of this kernel no plane separates the classes (or none was "
                f"found in {machine.n_iter} working sets); set a finite C, such as 1e6, or another kernel"
            )
        return machine

    def _held_out(
        self, rows: KernelRows, s: np.ndarray, w: np.ndarray, fold: np.ndarray, machine: Machine, **options: Any
    ) -> np.ndarray:
        if not rows.at_hand or len(s) > UNDIVIDED or self.tol < COARSE or np.isinf(self.C) or "max_iter" in options:
            return super()._held_out(rows, s, w, fold, machine, **options)
        alpha, C = np.abs(machine.beta), self.C * w
        return held_out(*rows.block(None), rows.diagonal, s, C, fold, alpha, self.tol)


class NuSVC(SupportVectorClassifier):
    """Support vector machine for classification, with a bound on the share of errors.

    Of scikit-learn's parameters it leaves out ``verbose``, ``shrinking`` and ``class_weight``, which scikit-learn
    accepts and ignores for this method: weigh rows by ``sample_weight``.

    Attributes
    ----------
    classes_, support_, n_support_, support_rows_, dual_coef_, intercept_, class_weight_, gamma_
        As those of `SVC`.
    dual_objective_, primal_objective_, duality_gap_, margin_, kkt_residual_ : float, or arrays of shape (P,)
        Those of the machine with the price C = 1 / (N rho), which is the same.
    fit_status_, n_iter_, history_, stopped_
        As those of `SVC`.

    Examples
    --------
    >>> from peira.kernels import NuSVC
    >>> model = NuSVC(0.5, gamma=1.0).fit([[0.0], [1.0], [3.0], [4.0]], ["no", "no", "yes", "yes"])
    >>> model.predict([[0.5], [3.5]]).tolist()
    ['no', 'yes']
    """

    card = Card(
        tasks="classification",
        reference="Schoelkopf et al. (2000); Bishop (2006) 7.1.1",
        cost="N^2 D to N^3",
        sparse=True,
        on_request="it is SVC with the share of errors in the place of C",
        largest={"N": 10_000, "C": 100},
    )
    nu: float = param(
        0.5, "at least the share of margin errors, at most that of support vectors", above=0, high=1,
        tune=linear(0.05, 0.8), positional=True,
    )  # fmt: skip

    @classmethod
    def example(cls) -> "NuSVC":
        return cls(0.3, gamma=1.0, tol=1e-9, random_state=0)

    def _machine(self, rows: KernelRows, s: np.ndarray, w: np.ndarray, like: Machine | None, **options: Any) -> Machine:
        w = w * (np.count_nonzero(w) / w.sum())  # the machine is the same, and tol means the same
        total, most = 0.5 * self.nu * w.sum(), min(w[s > 0].sum(), w[s < 0].sum())
        if total > most * (1 + 1e-9) and like is None:
            raise DataError(
                f"nu={self.nu} is infeasible: nu N / 2 = {total:.4g} items of each class would be on or inside of the "
                f"margin, and the smaller class weighs {most:.4g}; take nu <= {2 * most / w.sum():.4g}"
            )
        total = min(total, most)  # a fold may lack an item
        a0 = np.zeros_like(w)
        before = np.zeros_like(w) if like is None else np.abs(like.beta) / max(np.abs(like.beta).max(), 1e-300)
        for mine in (s > 0, s < 0):
            a0[mine] = fill(before[mine], w[mine], total)
        return classifying(self._solve(rows, s, np.zeros_like(s), w, a0, nu=True, **options), s, 0.0, w)

    def _warn(self, machines: list[Machine], n: int) -> None:
        worst = max(m.gap for m in machines)
        if worst < 1 or self.stopped_ in ("interrupted", "out of time"):
            return super()._warn(machines, n)
        self.fit_status_ = 1
        if not all(m.converged for m in machines):
            self.stopped_ = "max_iter"
        warnings.warn(
            f"NuSVC: with nu={self.nu:g} there is no margin between the classes: the optimality conditions are "
            f"violated by {worst:.3g} times its half width, so that the answers are mostly rounding. Take a larger nu, "
            f"a kernel that sees finer differences (a larger gamma), or SVC; a tol below {self.tol:g}, or a larger "
            "max_iter, may find a thin margin",
            ConvergenceWarning,
            stacklevel=3,
        )
        return None
