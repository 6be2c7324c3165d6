r"""FastICA: independent sources by a fixed-point iteration.

The model is :math:`x = \mu + A s`, with sources s that are independent, of unit variance, and not Gaussian but for one
at most. Of whitened data z the sources are a rotation, :math:`s = W z`. A sum of independent sources is nearer to a
Gaussian than each of them, so each row w of W is sought where the mean of a contrast G of :math:`w^T z` is farthest
from that of a Gaussian. Newton's method for this, with a Hessian that independence makes diagonal, is the step

.. math:: w \leftarrow E[z \, g(w^T z)] - E[g'(w^T z)] \, w, \quad g = G'

followed by :math:`w \leftarrow w / \| w \|`, for one source after another, each kept orthogonal to those before
(deflation), or for all at once, followed by the nearest orthogonal matrix (parallel):

.. math:: W \leftarrow (W W^T)^{-1/2} W

Convergence is quadratic, and cubic for kurtosis or symmetric sources, if the model holds; for finite samples the
iteration may go round in circles. So where the change has not shrunk for some steps, the next ones go half of the way
(the stabilised form, section IV.D). A fit ends when no direction moves: :math:`\max_k | 1 - | w_k^T w_k^{new} | | \leq`
tol.

**What it can't tell.** Order, sign and scale of the sources are arbitrary: see `independent_components` for the order
and the sign here; the scale is unit variance. Gaussian sources cannot be separated from one another, and sources that
depend on each other are not what is found. Where it does not converge, ask whether the sources are Gaussian.

**Use it** to separate mixtures of as many channels as sources at least: sounds, brain waves, artefacts; not for fewer
numbers per item (principal components keep more of the variance; these keep the same).

Cost: N D^2 for whitening, 4 N K^2 and N K values of the contrast for each step; N K of memory.

Reference: Hyvarinen (1999), Fast and robust fixed-point algorithms for independent component analysis, IEEE Trans.
Neural Networks 10, 626-634, eqs 20 to 25; Hyvarinen & Oja (2000), Neural Networks 13, 411-430.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from ..core import Card, ParameterError, iterate, param
from ..core.iteration import warn_not_converged
from .contrast_functions import Passes
from .independent_components import IndependentComponents
from .whitening import Solver

PATIENCE = 5  # steps without progress, after which the step is halved


class FastICA(IndependentComponents):
    """Independent sources by a fixed-point iteration.

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
        Share of the inputs' variance that each source explains.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import FastICA
    >>> t = np.linspace(0, 8, 500)
    >>> S = np.column_stack([np.sign(np.sin(3 * t)), (2 * t) % 1])
    >>> found = FastICA(random_state=0).fit_transform(S @ [[1.0, 1.0], [0.5, 2.0]])
    >>> bool(np.abs(np.corrcoef(S.T, found.T)[:2, 2:]).max(1).min() > 0.99)
    True
    """

    card = Card(tasks="representation", reference="Hyvarinen (1999) eqs 20 to 25", cost="N D^2 + T N K^2")
    algorithm: Literal["parallel", "deflation"] = param("parallel", "all sources at once, or one after another")
    whiten: Literal["unit-variance", "arbitrary-variance"] | bool = param(
        "unit-variance", "scale of the sources: unit variance, or sum of squares one; False: the data are white already"
    )
    fun: Literal["logcosh", "exp", "cube"] | Callable = param(
        "logcosh", "contrast: a name, or a function of sources (K, N) that gives g and the mean of g' over the rows"
    )
    fun_args: dict | None = param(None, "{'alpha': a} for logcosh, a from 1 to 2; arguments of a function")
    max_iter: int = param(200, "most steps; of each source, one after another", low=1)
    tol: float = param(1e-4, "change of a direction, one minus its cosine, at which the fit ends", low=0)
    whiten_solver: Solver = param(
        "auto", "singular values of the rows, eigenvalues of the covariance, or what is right for the data"
    )

    @classmethod
    def example(cls) -> "FastICA":
        return cls(n_components=2, random_state=0)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        given = self.fun_args or {}
        if self.whiten is True:
            raise ParameterError("whiten of FastICA is 'unit-variance', 'arbitrary-variance' or False, got True")
        if not callable(self.fun):
            alpha = given.get("alpha", 1.0)
            if set(given) - {"alpha"} or isinstance(alpha, bool) or not isinstance(alpha, int | float | np.number):
                raise ParameterError(f"fun_args of FastICA holds the number 'alpha' at most, got {given!r}")
            if not 1 <= alpha <= 2:
                raise ParameterError(f"alpha must be in [1,2]: fun_args of FastICA gives {alpha!r}")

    def _separate(self, Z: np.ndarray, v: np.ndarray, W: np.ndarray) -> np.ndarray:
        given = dict(self.fun_args or {})
        a = 1.0 if self.fun != "logcosh" else float(given.get("alpha", 1.0))
        passes = Passes(Z, v, self.fun, a, **(given if callable(self.fun) else {}))
        return (self._parallel if self.algorithm == "parallel" else self._deflation)(passes, W)

    def _parallel(self, passes: Passes, W: np.ndarray) -> np.ndarray:
        W, pace = nearest_orthogonal(W), Pace()
        for step in iterate(self, self.max_iter, name="fixed point"):
            target = nearest_orthogonal(fixed_point_step(passes, W))
            cosines = (target * W).sum(1)
            change = float(np.abs(1 - np.abs(cosines)).max())
            step.record(change=change)
            target *= np.where(cosines < 0, -1.0, 1.0)[:, None]
            length = pace.after(change)
            W = target if length == 1 else nearest_orthogonal(W + length * (target - W))
            if step.reached("change", self.tol):
                break
        return W

    def _deflation(self, passes: Passes, first: np.ndarray) -> np.ndarray:
        K = len(first)
        W, k, taken, gap = np.zeros((K, K)), 0, 0, 0.0
        w, pace = apart(first[0], W[:0]), Pace()
        for step in iterate(self, K * self.max_iter, name="deflation"):
            target = apart(fixed_point_step(passes, w[None])[0], W[:k])
            change = float(abs(1 - abs(target @ w)))
            step.record(change=change)
            target = target if target @ w >= 0 else -target
            length = pace.after(change)
            w = target if length == 1 else apart(w + length * (target - w), W[:k])
            taken += 1
            if change <= self.tol or taken == self.max_iter:
                gap = max(gap, change)
                W[k], k, taken, pace = w, k + 1, 0, Pace()
                if k == K:
                    step.stop("converged" if gap <= self.tol else "max_iter")
                    break
                w = apart(first[k], W[:k])
        if gap > self.tol:
            warn_not_converged(self, "deflation", self.max_iter, "change", gap, self.tol)
        return W


class Pace:
    """The length of the next step: halved whenever the change has not shrunk for some steps."""

    def __init__(self) -> None:
        self._length, self._least, self._idle = 1.0, np.inf, 0

    def after(self, change: float) -> float:
        self._idle = 0 if change < 0.9 * self._least else self._idle + 1
        self._least = min(self._least, change)
        if self._idle == PATIENCE:
            self._length, self._least, self._idle = max(self._length / 2, 1 / 16), np.inf, 0
        return self._length


def fixed_point_step(passes: Passes, W: np.ndarray) -> np.ndarray:
    """E[g(W z) z'] - diag(E[g'(W z)]) W, the step of eq. 20 for every row of W."""
    means = passes.fixed_point(W)
    return means.slopes - means.curvatures[:, None] * W


def nearest_orthogonal(M: np.ndarray) -> np.ndarray:
    """(M M')^(-1/2) M, from singular values."""
    U, _, Vt = np.linalg.svd(M)
    return U @ Vt


def apart(w: np.ndarray, W: np.ndarray) -> np.ndarray:
    """The direction of w without its parts along the orthonormal rows of W."""
    for _ in range(2):  # the second time for what rounding left
        w = w - (w @ W.T) @ W
    return w / np.linalg.norm(w)
