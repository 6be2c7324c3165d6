r"""Picard: independent sources of greatest likelihood, by a preconditioned quasi-Newton method.

The model is :math:`x = \mu + A s`, with independent sources of densities :math:`p_k`. Of whitened data z the unmixing W
of greatest likelihood is where

.. math:: L(W) = -\log |\det W| + \sum_k E[G_k(w_k^T z)], \quad G_k = -\log p_k

is least: the infomax principle of Bell & Sejnowski (1995). With :math:`y = W z`, :math:`\psi_k = G_k'` and a step
:math:`W \leftarrow (I + D) W`, the gradient and an approximate Hessian, which is right where the model holds, are

.. math:: \nabla_{ij} = E[\psi_i(y_i) \, y_j] - \delta_{ij}, \quad
          H D = (h_{ij} D_{ij} + D_{ji})_{ij}, \quad h_{ij} = E[\psi_i'(y_i) \, y_j^2]

(eqs 4 and 8). H couples :math:`D_{ij}` with :math:`D_{ji}` only, so its inverse is that of 2 x 2 matrices, with
eigenvalues below ``lambda_min`` raised to it. It starts the recursion of L-BFGS, which learns from the last m gradients
what H lacks where the model does not hold; a line search makes sure that L falls. FastICA's fixed point has no such
memory: on real data, where sources are never quite independent, this needs fewer passes.

**Orthogonal** (``ortho=True``, Picard-O): sources without correlation, :math:`W \leftarrow \exp(D) W` with a
skew-symmetric D, gradient :math:`(\nabla - \nabla^T) / 2` and the Hessian

.. math:: h_{ij} = \frac{1}{2} (E[\psi_i'] + E[\psi_j'] - E[\psi_i y_i] - E[\psi_j y_j])

The fixed points are those of parallel FastICA with the same contrast.

**Extended** (Lee, Girolami & Sejnowski 1999): a density with heavy tails is wrong for flat sources, and the method then
finds nothing. The sign :math:`\epsilon_k` of :math:`E[\psi_k'] E[y_k^2] - E[\psi_k y_k]` tells which a source is;
:math:`G_k` is multiplied by it, and without ``ortho`` :math:`y^2 / 2` is added.

**Use it** as FastICA, where that is slow to converge or an exact optimum matters (its gradient ends at ``tol``);
``ortho=False`` where sources may be correlated, or as maximum likelihood.

Cost: N D^2 for whitening, 4 N K^2 (``ortho=False``: 6 N K^2) and N K contrasts for each step; N K of memory.

Reference: Ablin, Cardoso & Gramfort (2018), Faster independent component analysis by preconditioning with Hessian
approximations, IEEE Trans. Signal Processing 66, 4040-4049; Ablin, Cardoso & Gramfort (2018), Faster ICA under
orthogonal constraint, ICASSP.
"""

from collections import deque
from typing import Literal

import numpy as np
import torch

from ..core import Card, ParameterError, iterate, param
from ..core.iteration import warn_not_converged
from .contrast_functions import Likelihood, Passes
from .fast_ica import nearest_orthogonal
from .independent_components import IndependentComponents

EPS = float(np.finfo(float).eps)


class Picard(IndependentComponents):
    """Independent sources of greatest likelihood, by a quasi-Newton method.

    Attributes
    ----------
    components_ : array of shape (K, D)
        The unmixing: sources are ``(X - mean_) @ components_.T``. Sorted by the share of the variance.
    mixing_ : array of shape (D, K)
        The way back; the largest entry of each column is positive.
    mean_ : array of shape (D,)
        Zeros with ``whiten=False``.
    whitening_ : array of shape (K, D)
        Whitens the data to columns of norm one; there without ``whiten=False``.
    explained_variance_ratio_ : array of shape (K,)
        Share of the inputs' variance that each source explains; they may add up to more or less than all with
        ``ortho=False``, since sources may then be correlated.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import Picard
    >>> t = np.linspace(0, 8, 500)
    >>> S = np.column_stack([np.sign(np.sin(3 * t)), (2 * t) % 1])
    >>> found = Picard(random_state=0).fit_transform(S @ [[1.0, 1.0], [0.5, 2.0]])
    >>> bool(np.abs(np.corrcoef(S.T, found.T)[:2, 2:]).max(1).min() > 0.99)
    True
    """

    card = Card(tasks="representation", reference="Ablin, Cardoso & Gramfort (2018)", cost="N D^2 + T N K^2")
    ortho: bool = param(True, "keep the sources uncorrelated")
    extended: bool | None = param(None, "learn which sources have heavy tails and which are flat; None: with ortho")
    whiten: bool = param(True, "centre and whiten first; False: the data are white already")
    fun: Literal["tanh", "exp", "cube"] = param("tanh", "slope of the contrast log cosh y, -exp(-y^2 / 2), or y^4 / 4")
    max_iter: int = param(500, "most steps", low=1)
    tol: float = param(1e-7, "largest entry of the gradient at which the fit ends", low=0)
    m: int = param(7, "gradients that are remembered", low=1)
    ls_tries: int = param(10, "lengths that the line search tries along one direction", low=1)
    lambda_min: float = param(0.01, "least eigenvalue of the approximate Hessian", above=0)

    @classmethod
    def example(cls) -> "Picard":
        return cls(n_components=2, random_state=0)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not self.ortho and self.fun != "tanh" and bool(self.extended) != (self.fun == "exp"):
            raise ParameterError(
                f"fun={self.fun!r} with ortho=False and extended={self.extended} is no density, so no "
                "likelihood is greatest: use fun='tanh', or ortho=True"
            )

    def _separate(self, Z: np.ndarray, v: np.ndarray, W: np.ndarray) -> np.ndarray:
        W = nearest_orthogonal(W)
        extended = self.ortho if self.extended is None else self.extended
        problem = Problem(Passes(Z, v, self.fun), (Z * v) @ Z.T, self.ortho, extended, self.lambda_min)
        at, memory = problem.at(W), Memory(self.m)
        problem.turn(at)
        # With extension there is no loss that only falls: another sign is another loss.
        expect: dict[str, Literal["increase", "decrease"]] | None = None if extended else {"loss": "decrease"}
        for step in iterate(self, self.max_iter, name="quasi-Newton", expect=expect):
            gradient, loss = problem.gradient(at), problem.loss(at)
            step.record(loss=loss, gradient=float(np.abs(gradient).max()))
            if step.reached("gradient", self.tol):
                break
            precondition = problem.inverse_hessian(at)
            direction = memory.direction(gradient, precondition)
            if not (direction * gradient).sum() < 0:
                memory.forget()
                direction = -precondition(gradient)
            found = self._search(problem, at, direction, loss, self.ls_tries)
            if found is None:
                memory.forget()
                found = self._search(problem, at, -gradient, loss, 2 * self.ls_tries)
            if found is None:
                gap = float(np.abs(gradient).max())
                step.stop("no step goes further down")
                warn_not_converged(self, "quasi-Newton", step.index + 1, "gradient", gap, self.tol)
                break
            at, taken = found
            if problem.turn(at):
                memory.forget()
            else:
                memory.add(taken, problem.gradient(at) - gradient)
        return nearest_orthogonal(at.W) if self.ortho else at.W

    def _search(self, problem: "Problem", at: "Point", direction: np.ndarray, loss: float, tries: int):
        """The first point along the direction, its length halved again and again, where the loss is no larger."""
        slack = 10 * EPS * (1 + np.abs(at.means.values).sum())  # the loss is not known more exactly than that
        for i in range(tries):
            taken = direction * 0.5**i
            there = problem.at(problem.moved(at.W, taken))
            if problem.loss(there) <= loss + slack:
                return there, taken
        return None


class Point:
    """An unmixing, its averages over the data, and the covariance of its sources."""

    def __init__(self, W: np.ndarray, means: Likelihood, covariance: np.ndarray) -> None:
        self.W, self.means, self.covariance = W, means, covariance


class Problem:
    """The loss, its gradient and its approximate Hessian; holds the signs of the sources."""

    def __init__(self, passes: Passes, covariance: np.ndarray, ortho: bool, extended: bool, lambda_min: float) -> None:
        self._passes, self._covariance, self._ortho, self._extended = passes, covariance, ortho, extended
        self._lambda_min, self._signs = lambda_min, np.ones(len(covariance))

    def at(self, W: np.ndarray) -> Point:
        with np.errstate(over="ignore", invalid="ignore"):
            means = self._passes.likelihood(W, squares=not self._ortho)
        return Point(W, means, W @ self._covariance @ W.T)

    def moved(self, W: np.ndarray, D: np.ndarray) -> np.ndarray:
        return (torch.matrix_exp(torch.from_numpy(D)).numpy() if self._ortho else np.eye(len(W)) + D) @ W

    def turn(self, at: Point) -> bool:
        """Choose the signs anew; whether one of them changed."""
        if not self._extended:
            return False
        means = at.means
        tails = means.curvatures * at.covariance.diagonal() - means.slopes.diagonal()
        signs = np.where(tails < 0, -1.0, 1.0)
        changed = bool((signs != self._signs).any())
        self._signs = signs
        return changed

    def loss(self, at: Point) -> float:
        loss = float(self._signs @ at.means.values)
        if self._ortho:
            return loss
        if self._extended:
            loss += float(at.means.variances.sum()) / 2
        return loss - float(np.linalg.slogdet(at.W)[1])

    def gradient(self, at: Point) -> np.ndarray:
        G = self._signs[:, None] * at.means.slopes
        if self._ortho:
            return (G - G.T) / 2
        return G + (at.covariance if self._extended else 0.0) - np.eye(len(G))

    def inverse_hessian(self, at: Point):
        """The function that solves H D = G."""
        means, signs = at.means, self._signs
        if self._ortho:
            h = signs * (means.curvatures - means.slopes.diagonal())
            H = np.maximum((h[:, None] + h) / 2, self._lambda_min)
            return lambda G: G / H
        h = signs[:, None] * means.squares + (means.variances if self._extended else 0.0)
        # Each pair of entries has the matrix [[h_ij, 1], [1, h_ji]]: its smaller eigenvalue, raised where it is small.
        smaller = (h + h.T - np.sqrt((h - h.T) ** 2 + 4)) / 2
        h = h + np.maximum(self._lambda_min - smaller, 0.0) * (1 - np.eye(len(h)))
        diagonal = np.maximum(h.diagonal() + 1, self._lambda_min)
        determinant = h * h.T - 1
        np.fill_diagonal(determinant, 1.0)

        def solve(G: np.ndarray) -> np.ndarray:
            D = (h.T * G - G.T) / determinant
            np.fill_diagonal(D, G.diagonal() / diagonal)
            return D

        return solve


class Memory:
    """The last m steps and the changes of the gradient along them: the two loops of L-BFGS."""

    def __init__(self, m: int) -> None:
        self._pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=m)

    def add(self, step: np.ndarray, change: np.ndarray) -> None:
        curvature = float((step * change).sum())
        if curvature > EPS * float(np.linalg.norm(step) * np.linalg.norm(change)):
            self._pairs.append((step, change, curvature))

    def forget(self) -> None:
        self._pairs.clear()

    def direction(self, gradient: np.ndarray, precondition) -> np.ndarray:
        q, shares = gradient.copy(), []
        for s, y, c in reversed(self._pairs):
            shares.append((s * q).sum() / c)
            q -= shares[-1] * y
        q = precondition(q)
        for (s, y, c), share in zip(self._pairs, reversed(shares), strict=True):
            q += (share - (y * q).sum() / c) * s
        return -q
