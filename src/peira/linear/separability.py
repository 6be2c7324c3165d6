r"""Can a linear function tell the classes apart without a mistake, and with what margin?

With rows extended by a one for the constant, weights :math:`w_c` separate if the own class wins at each row. One
linear program decides, for the columns brought to a largest entry of one:

.. math:: \max t \quad w_{y_n}^T x_n - w_c^T x_n \geq t \;\; (c \neq y_n), \quad -1 \leq w_{cj} \leq 1

The classes are separable if and only if t > 0. If not, the dual program holds the proof (Gordan's theorem): weights
of the rows, not negative and not all zero, with

.. math:: \sum_{n, c} \lambda_{nc} \, (e_{y_n} - e_c) \, x_n^T = 0

so any w would have to have a positive value of a sum that is zero. For two classes it is a point that the convex hulls
of both share.

**The mistake bound.** Let R be the length of the longest row and :math:`\gamma` the margin of some separating weights,

.. math:: \gamma = \min_{n, c} \frac{(w_{y_n} - w_c)^T x_n}{\sqrt{2} \, \| W \|_F}

(for two classes with :math:`w_1 = -w_0` that is the distance of the nearest row from the boundary). The perceptron,
started at zero, then makes at most

.. math:: M \leq (R / \gamma)^2

mistakes, in any order and however often the rows are shown: each one adds at least :math:`\sqrt{2} \gamma` to the
projection of W on the separating direction, and at most :math:`2 R^2` to its squared length.

Cost: a sparse linear program of N (C - 1) inequalities in C (D + 1) unknowns.

Reference: Block (1962), Reviews of Modern Physics 34, 123-135; Novikoff (1962), Symposium on the Mathematical Theory
of Automata 12, 615-622; for many classes Duda, Hart & Stork (2001), 5.12.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from ..core.errors import DataError
from ..core.inputs import open_matrix
from ..core.labels import open_labels

RESOLUTION = 1e-7  # of the linear program: margins below, relative to the columns' largest entries, count as none


@dataclass(frozen=True, eq=False)
class Separation:
    """The answer of `separable`.

    Attributes
    ----------
    separable : bool
    margin : float
        Of the weights, as in `mistake_bound`; 0 if they do not separate. Not the largest that there is.
    coef, intercept : arrays of shape (C, D) and (C,)
        The weights; zeros if nothing separates.
    proof : array of shape (N, C)
        The weights of the dual program, of sum one; zeros if the classes are separable.
    """

    separable: bool
    margin: float
    coef: np.ndarray
    intercept: np.ndarray
    proof: np.ndarray

    def __bool__(self) -> bool:
        return self.separable


@dataclass(frozen=True)
class MistakeBound:
    """The answer of `mistake_bound`: longest row R, margin, and the most mistakes (infinite without a margin)."""

    radius: float
    margin: float
    mistakes: float


def separable(X: Any, y: Any, fit_intercept: bool = True) -> Separation:
    """Whether linear scores with the largest for the own class of each row exist; with weights or a proof.

    Parameters
    ----------
    X : array, frame, sparse matrix or tensor of shape (N, D)
    y : array of shape (N,)
        Labels; at least two classes.
    fit_intercept : bool, default True
        Whether scores have a constant term.

    Returns
    -------
    Separation
        True as a condition if the classes are separable, by more than 1e-7 of the columns' largest entries.

    Raises
    ------
    ValueError
        If X or y are not what they should be.

    Examples
    --------
    >>> from peira.linear.separability import separable
    >>> X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> bool(separable(X, ["no", "no", "no", "yes"])), bool(separable(X, ["no", "yes", "yes", "no"]))
    (True, False)
    """
    rows, codes, C = _opened(X, y, fit_intercept)
    N, D = rows.shape
    size = abs(rows).max(0).toarray().ravel()
    unit = np.where(size > 0, size, 1.0)
    n, c = np.nonzero(np.arange(C) != codes[:, None])  # one inequality for each row and wrong class
    lines = (rows @ sparse.diags_array(1 / unit))[n]
    signs = [(c == k).astype(float) - (codes[n] == k) for k in range(C)]
    A = sparse.hstack([lines.multiply(sign[:, None]) for sign in signs] + [np.ones((len(n), 1))], format="csr")
    solved = linprog(
        np.r_[np.zeros(C * D), -1.0],
        A_ub=A,
        b_ub=np.zeros(len(n)),
        bounds=[(-1.0, 1.0)] * (C * D) + [(0.0, None)],
        method="highs",
    )
    if solved.x is None:
        raise DataError(f"the linear program was not solved ({solved.message}); standardise the columns")
    W = solved.x[:-1].reshape(C, D) / unit
    margin = _margin(rows, codes, W)
    proof = np.zeros((N, C))
    if solved.x[-1] <= RESOLUTION or margin <= 0:
        proof[n, c] = -solved.ineqlin.marginals
        proof /= proof.sum()
        W, margin = np.zeros_like(W), 0.0
    coef, intercept = (W[:, :-1], W[:, -1]) if fit_intercept else (W, np.zeros(C))
    return Separation(margin > 0, margin, coef, intercept, proof)


def mistake_bound(X: Any, y: Any, coef: Any, intercept: Any = None) -> MistakeBound:
    """How many mistakes a perceptron can make at most, from any weights that separate.

    It holds for equal steps from zero; with steps between a and b (from class weights), (b / a)^2 as many.

    Parameters
    ----------
    X : array, frame, sparse matrix or tensor of shape (N, D)
    y : array of shape (N,)
    coef : array of shape (C, D), or (1, D) for two classes
        Such as ``coef_`` of a fitted method.
    intercept : array of shape (C,) or (1,), optional
        Without it, there is no constant term, and R is that of the rows alone.

    Returns
    -------
    MistakeBound
        A margin of zero or less, and no bound, if the weights do not separate.

    Examples
    --------
    >>> from peira.linear.separability import mistake_bound
    >>> bound = mistake_bound([[-1.0, 0.0], [1.0, 3.0]], [0, 1], [[2.0, 0.0]])
    >>> round(bound.margin, 12), round(bound.mistakes, 12)
    (1.0, 10.0)
    """
    rows, codes, C = _opened(X, y, intercept is not None)
    W = np.asarray(coef, dtype=np.float64)
    if intercept is not None:
        W = np.column_stack([W, np.asarray(intercept, dtype=np.float64)])
    if W.shape not in ((C, rows.shape[1]), (1, rows.shape[1])) or (len(W) == 1 and C != 2):
        raise DataError(f"weights of shape {W.shape} do not fit {C} classes and {rows.shape[1]} columns")
    margin = _margin(rows, codes, np.vstack([-W, W]) if len(W) == 1 else W)
    radius = float(np.sqrt(rows.multiply(rows).sum(1).max()))
    return MistakeBound(radius, margin, (radius / margin) ** 2 if margin > 0 else np.inf)


def _margin(rows: sparse.csr_array, codes: np.ndarray, W: np.ndarray) -> float:
    S = rows @ W.T
    own = S[np.arange(len(S)), codes]
    S[np.arange(len(S)), codes] = -np.inf
    length = np.sqrt(2) * np.linalg.norm(W)
    return float((own - S.max(1)).min() / length) if length > 0 else 0.0


def _opened(X: Any, y: Any, constant: bool) -> tuple[sparse.csr_array, np.ndarray, int]:
    """Rows as a sparse array, with a column of ones if there is a constant; the class of each; how many classes."""
    opened = open_matrix(X, owner="separable", sparse_ok=True)
    codes, classes = open_labels(y, len(opened), opened, owner="separable")
    if len(classes) < 2:
        raise DataError(f"separable needs at least 2 classes in y, got {len(classes)} class: {classes.tolist()[0]!r}")
    X = opened.X if sparse.issparse(opened.X) else opened.X.numpy(force=True)
    ones = [np.ones((len(opened), 1))] if constant else []
    return sparse.hstack([sparse.csr_array(X), *ones], format="csr"), codes.numpy(force=True), len(classes)
