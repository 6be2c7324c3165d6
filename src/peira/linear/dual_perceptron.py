r"""The perceptron in its dual form: mistakes instead of weights, so that a kernel can take the place of x'x.

The weights are a sum over the mistakes m = 1 ... M, of row :math:`i_m`, right class :math:`y_m` and wrong class
:math:`r_m`; inputs enter only by inner products with these rows,

.. math:: s_c(x) = \sum_m h_m ([c = y_m] - [c = r_m]) \, k(x_{i_m}, x)

and any positive definite k will do: with :math:`k(x, z) = (1 + x^T z)^d` the classes need only be separable by a
polynomial of degree d. The mistake bound holds in the space of the kernel, whatever its dimension. With the plain
inner product the answers are those of the weights (`peira.linear.perceptron`).

Three ways to use the history of vectors :math:`v_1, ..., v_M`, of which :math:`v_m` survived :math:`c_m` showings
(Freund & Schapire 1999, figure 1, eqs 7 to 9): the last one; their average; or a vote of each for its own class:

.. math:: s^{avg}(x) = \sum_m c_m \, v_m^T x / \sum_m c_m, \quad
          s^{vote}_c(x) = \sum_m c_m \, [c = \arg\max_k v_{mk}^T x] / \sum_m c_m

Cost of an epoch: the kernel between all rows and those of the mistakes, N M' entries, in blocks; a vote costs
N (M' D + M C) for N queries. Memory: one block.

Reference: Aizerman, Braverman & Rozonoer (1964), Automation and Remote Control 25, 821-837; Freund & Schapire (1999),
Machine Learning 37, 277-296.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .perceptron_passes import count_votes, pass_over_gram

AT_ONCE = 1 << 24  # entries of the kernel held at a time: 128 MiB


@dataclass(frozen=True, eq=False)
class Mistakes:
    """What a perceptron has done wrong, in order: all that it knows.

    Attributes
    ----------
    row : int array of shape (M,)
        The row of each mistake.
    label, said : int arrays of shape (M,)
        The right class and the wrong one.
    step : array of shape (M,)
        Size of the correction.
    when : int array of shape (M,)
        How many showings came before.
    shown : int
        All showings.
    n_classes : int
    per_epoch : tuple of int
        Mistakes in each epoch.
    """

    row: np.ndarray
    label: np.ndarray
    said: np.ndarray
    step: np.ndarray
    when: np.ndarray
    shown: int
    n_classes: int
    per_epoch: tuple[int, ...] = ()

    @property
    def survived(self) -> np.ndarray:
        """How many showings each corrected vector lived through, that of its own mistake included; (M,)."""
        return np.diff(np.append(self.when, self.shown)).astype(np.float64)

    @property
    def support(self) -> np.ndarray:
        """The rows with a mistake, each once, ascending."""
        return np.unique(self.row)

    def coefficients(self, averaged: bool = False) -> np.ndarray:
        """Weight of each supporting row in the score of each class, (M', C): of the last vector or of the average."""
        share = (self.shown - self.when) / max(self.shown, 1) if averaged else 1.0
        alpha = np.zeros((len(self.support), self.n_classes))
        place = np.searchsorted(self.support, self.row)
        np.add.at(alpha, (place, self.label), self.step * share)
        np.add.at(alpha, (place, self.said), -self.step * share)
        return alpha

    def votes(self, K: np.ndarray) -> np.ndarray:
        """Shares of the vote, (N, C), from the kernel between N queries and ``support``, (N, M')."""
        counted = np.zeros((len(K), self.n_classes))
        place, survived = np.searchsorted(self.support, self.row), self.survived
        count_votes(np.ascontiguousarray(K), place, self.label, self.said, self.step, survived, counted)
        return counted / max(self.shown, 1)


def dual_perceptron(
    kernel: Callable[[np.ndarray, np.ndarray], np.ndarray],
    codes: np.ndarray,
    n_classes: int,
    *,
    epochs: int = 1,
    step: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
    block: int = 2000,
) -> Mistakes:
    """Train a perceptron that sees its rows only through a kernel.

    Parameters
    ----------
    kernel : callable
        ``kernel(i, j)`` is the matrix of the kernel between the rows numbered i and those numbered j.
    codes : int array of shape (N,)
        Class of each row, 0 ... C - 1.
    n_classes : int
        C, at least 2.
    epochs : int, default 1
        The most; an epoch without a mistake is the last.
    step : array of shape (N,), optional
        Size of a correction at each row; 1 by default.
    rng : numpy Generator, optional
        Shuffles the rows before each epoch; without it they are shown as they come.
    block : int, default 2000
        Rows whose Gram matrix is held at a time. It does not change the result.

    Returns
    -------
    Mistakes

    Examples
    --------
    >>> import numpy as np
    >>> X, codes = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
    >>> mistakes = dual_perceptron(lambda i, j: (1 + X[i] @ X[j].T) ** 2, codes, 2, epochs=100)
    >>> mistakes.per_epoch[-1]
    0
    """
    N = len(codes)
    step = np.ones(N) if step is None else step
    alpha = np.zeros((N, n_classes))
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    per_epoch: list[int] = []
    for epoch in range(epochs):
        order = np.arange(N) if rng is None else rng.permutation(N)
        rows, said, when = show(kernel, order, codes, step, alpha, block)
        found.append((rows, said, epoch * N + when))
        per_epoch.append(len(rows))
        if not per_epoch[-1]:
            break
    row, said, when = (np.concatenate(part) for part in zip(*found, strict=True))
    return Mistakes(row, codes[row], said, step[row], when, len(per_epoch) * N, n_classes, tuple(per_epoch))


def show(
    kernel: Callable[[np.ndarray, np.ndarray], np.ndarray],
    order: np.ndarray,
    codes: np.ndarray,
    step: np.ndarray,
    alpha: np.ndarray,
    block: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Show rows once; the scores of a block's rows are kept up to date by its own Gram matrix.

    Parameters
    ----------
    kernel, codes, step, block
        As those of `dual_perceptron`.
    order : int array of shape (M,)
        The rows to show.
    alpha : array of shape (N, C)
        Weight of each row in the score of each class; changed in place.

    Returns
    -------
    rows, said, when : int arrays of shape (mistakes,)
        The row of each mistake, the class that it was taken for, and how many rows of ``order`` came before.
    """
    found = []
    for start in range(0, len(order), block):
        i = order[start : start + block]
        known = np.flatnonzero(alpha.any(1))
        K = kernel(i, known)
        S = (K @ alpha[known].astype(K.dtype)).astype(np.float64)
        when, said = np.empty((2, len(i)), dtype=np.int64)
        G = np.ascontiguousarray(kernel(i, i), dtype=np.float64)
        made = pass_over_gram(G, codes[i], step[i], S, when, said)
        rows, said = i[when[:made]], said[:made]
        np.add.at(alpha, (rows, codes[rows]), step[rows])
        np.add.at(alpha, (rows, said), -step[rows])
        found.append((rows, said, start + when[:made]))
    rows, said, when = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, said, when
