r"""Non-negative matrix factorisation: a table as a sum of parts, none of which takes anything away.

.. math:: X \approx W H, \qquad W \geq 0, \; H \geq 0

The K rows of H are parts, a row of W says how much of each an item has. Nothing can cancel, so that parts of faces are
noses and eyes rather than whole faces with signs (Lee & Seung 1999). What is minimised is a beta divergence
(`peira.latent.nmf_multiplicative`) with penalties that make W or H sparse or small,

.. math:: D_\beta(X, W H) + \alpha_W D \, ( \rho |W|_1 + \frac{1 - \rho}{2} |W|^2 )
          + \alpha_H N \, ( \rho |H|_1 + \frac{1 - \rho}{2} |H|^2 )

**Two solvers.** ``cd`` for the squared error: coordinate descent over W, then over H (`peira.latent.nmf_coordinates`).
``mu``: multiplicative updates for every divergence. Neither ever raises the objective; both end in one of several
minima, which the start (`peira.latent.nmf_start`) decides. A factor is known up to its size and its place.

**New items** are coded by minimising over w alone: a problem with one minimum, solved to the end.

**Use it** on counts, intensities, concentrations. Of what may be negative, `PCA` finds directions.

Cost: N D K a step (stored entries times K for sparse X) and (N + D) K^2.

Reference: Lee & Seung (1999), Nature 401, 788-791; Cichocki & Phan (2009); Fevotte & Idier (2011), Neural Computation
23, 2421-2456.
"""

import math
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.utils import Tags

from ..core import Card, DataError, ParameterError, integer, iterate, param
from ..core.inputs import Data, Matrix, Queries
from .components import Components
from .nmf_coordinates import solve_rows, sweep
from .nmf_multiplicative import divergence, update
from .nmf_start import start

BETA = {"frobenius": 2.0, "kullback-leibler": 1.0, "itakura-saito": 0.0}
LARGEST = 1e70
CODED, CODE_SWEEPS = 1e-12, 100_000  # how exactly new items are coded by least squares, and the most sweeps for it
MULTIPLIED, CODE_STEPS = 1e-6, 5000  # the same by multiplicative updates: change of a step, as a share of the row


class NMF(Components):
    """Non-negative matrix factorisation.

    Attributes
    ----------
    components_ : array of shape (K, D)
        The parts H.
    n_components_ : int
    reconstruction_err_ : float
        The root of twice the divergence between X and W H; for the squared error, the Frobenius norm of X - W H.

    Examples
    --------
    >>> from peira.latent import NMF
    >>> nmf = NMF(n_components=2, random_state=0).fit([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0], [3.0, 3.0, 1.0]])
    >>> nmf.inverse_transform(nmf.transform([[2.0, 2.0, 5.0]])).round(2)
    array([[2., 2., 5.]])
    """

    card = Card(
        tasks="reduction",
        reference="Lee & Seung (1999); Cichocki & Phan (2009); Fevotte & Idier (2011)",
        cost="N D K T",
        sparse=True,
    )
    n_components: int | Literal["auto"] | None = param(
        "auto", "number of parts K; 'auto' or None for one a column", low=1, tune=integer(2, 20), positional=True
    )
    init: Literal["random", "nndsvd", "nndsvda", "nndsvdar"] | None = param(
        None, "where to start; None for 'nndsvda' where K <= min(N, D), else 'random'"
    )
    solver: Literal["cd", "mu"] = param("cd", "coordinate descent, or multiplicative updates")
    beta_loss: float | Literal["frobenius", "kullback-leibler", "itakura-saito"] = param(
        "frobenius", "the divergence, or its beta; 'cd' knows 'frobenius' alone", above=-math.inf
    )
    tol: float = param(
        1e-4, "'cd': projected gradient, 'mu': fall of the root of the loss in ten steps; shares of the first", low=0
    )
    max_iter: int = param(500, "the most steps", low=1)
    alpha_W: float = param(0.0, "strength of the penalty on W", low=0)
    alpha_H: float | Literal["same"] = param("same", "strength of the penalty on H; 'same' as on W", low=0)
    l1_ratio: float = param(0.0, "share of the penalties that is absolute rather than squared", low=0, high=1)
    random_state: object = param(None, "seed of a random start: an int, a generator, or None to draw one")

    @classmethod
    def example(cls) -> "NMF":
        return cls(2, random_state=0, max_iter=5000)

    def fit(self, X: Any, y: Any = None) -> "NMF":
        """Find the parts.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            Non-negative; positive for beta <= 0.
        y : ignored

        Raises
        ------
        ValueError
            If an entry is negative, or 'cd' meets another divergence than the squared error.

        Warns
        -----
        ConvergenceWarning
            If the steps ran out.
        """
        data = self._begin(X)
        beta = self._beta()
        rows = self._non_negative(data, beta)
        N, D = rows.shape
        K = self.n_components if isinstance(self.n_components, int | np.integer) else D
        how = self.init or ("nndsvda" if min(N, D) >= K else "random")
        if how != "random" and min(N, D) < K:
            raise ParameterError(f"init={how!r} gives at most min(n_samples, n_features)={min(N, D)} parts, not {K}")
        W, H = start(data.X, K, how, data.rng(), data.generator())
        if self.solver == "cd":
            H = self._descend(rows, W, H)
        else:
            W, H = self._multiply(rows, W, H, beta)
        self.reconstruction_err_ = float(np.sqrt(2 * max(self.history_["loss"][-1] - self._penalty(W, H, N, D), 0.0)))
        self.n_components_ = int(K)
        self.components_ = data.give(data.tensor(np.ascontiguousarray(H)))
        return self

    def transform(self, X: Any) -> Any:
        """How much of each part a row has: the w of least objective, of shape (N, K).

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        """
        queries = self._queries(X)
        beta = self._beta()
        rows = self._non_negative(queries, beta)
        H = np.ascontiguousarray(queries.tensor(self.components_).numpy(force=True))
        K, D = H.shape
        l1, l2 = self.alpha_W * self.l1_ratio * D, self.alpha_W * (1 - self.l1_ratio) * D
        W = np.zeros((rows.shape[0], K))
        if beta == 2:
            solve_rows(W, H @ H.T + l2 * np.eye(K), np.ascontiguousarray(rows @ H.T) - l1, CODED, CODE_SWEEPS)
        else:
            W += np.sqrt(max(float(H.mean()), 1e-300))
            moving = np.arange(len(W))
            for _ in range(CODE_STEPS):
                better = update(rows[moving], W[moving], H, beta, l1, l2)
                change = np.abs(better - W[moving]).max(1) > MULTIPLIED * better.max(1)
                W[moving] = better
                moving = moving[change]
                if not len(moving):
                    break
        return queries.give(queries.tensor(W))

    def inverse_transform(self, X: Any) -> Any:
        """The sum of the parts, W H, of shape (N, D), for codes W (N, K)."""
        codes = self._open_codes(X)
        return codes.give(codes.X @ codes.tensor(self.components_))

    # ------------------------------------------------------------------ solvers

    def _descend(self, X: Any, W: np.ndarray, H: np.ndarray) -> np.ndarray:
        """Sweeps over W and H in turn; W is changed in place, H is given back."""
        (N, D), (K, _) = X.shape, H.shape
        w1, w2, h1, h2 = self._strengths(N, D)
        eye, HT, XT = np.eye(K), np.ascontiguousarray(H.T), X.T.tocsr() if sparse.issparse(X) else X.T
        first, left = 0.0, 0.0
        half = float(X.multiply(X).sum() if sparse.issparse(X) else (X**2).sum()) / 2
        for step in iterate(self, self.max_iter, name="coordinate descent", expect={"loss": "decrease"}):
            left = sweep(W, HT.T @ HT + w2 * eye, np.ascontiguousarray(X @ HT) - w1)
            G, C = W.T @ W, np.ascontiguousarray(XT @ W)
            left += sweep(HT, G + h2 * eye, C - h1)
            loss = half - float((C * HT).sum()) + float((G * (HT.T @ HT)).sum()) / 2
            first = first or left or 1.0
            step.record(loss=max(loss, 0.0) + self._penalty(W, HT.T, N, D), gradient=left / first)
            if step.reached("gradient", self.tol):
                break
        return HT.T

    def _multiply(self, X: Any, W: np.ndarray, H: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
        (N, D), XT = X.shape, X.T.tocsr() if sparse.issparse(X) else X.T
        w1, w2, h1, h2 = self._strengths(N, D)
        losses = [divergence(X, W, H, beta) + self._penalty(W, H, N, D)]
        for step in iterate(self, self.max_iter, name="multiplicative updates", expect={"loss": "decrease"}):
            W = update(X, W, H, beta, w1, w2)
            H = update(XT, H.T, W.T, beta, h1, h2).T
            losses.append(divergence(X, W, H, beta) + self._penalty(W, H, N, D))
            size = [math.sqrt(max(losses[i], 0.0)) for i in (0, max(0, len(losses) - 11), -1)]
            gain = (size[1] - size[2]) / (size[0] or 1.0)
            step.record(loss=losses[-1], gain=gain)
            if len(losses) > 10 and step.reached("gain", self.tol):
                break
        return W, H

    def _strengths(self, N: int, D: int) -> tuple[float, float, float, float]:
        """The penalties l1 and l2 on W, and those on H."""
        w, h = self.alpha_W * D, (self.alpha_W if self.alpha_H == "same" else self.alpha_H) * N
        return w * self.l1_ratio, w * (1 - self.l1_ratio), h * self.l1_ratio, h * (1 - self.l1_ratio)

    def _penalty(self, W: np.ndarray, H: np.ndarray, N: int, D: int) -> float:
        w1, w2, h1, h2 = self._strengths(N, D)
        return float(w1 * W.sum() + w2 / 2 * (W**2).sum() + h1 * H.sum() + h2 / 2 * (H**2).sum())

    # ------------------------------------------------------------------ the door

    def _beta(self) -> float:
        beta = BETA[self.beta_loss] if isinstance(self.beta_loss, str) else self.beta_loss
        if self.solver == "cd" and beta != 2:
            raise ParameterError(f"solver='cd' knows beta_loss='frobenius' alone, got {self.beta_loss!r}: use 'mu'")
        return float(beta)

    def _non_negative(self, opened: Data | Queries, beta: float) -> np.ndarray | Matrix:
        """The rows as an array or CSR matrix; refused where they hold what the divergence does not know."""
        X = opened.X
        values = X.data if sparse.issparse(X) else X.numpy(force=True)
        if sparse.issparse(X) and beta not in (1, 2):
            raise ParameterError(f"beta_loss={self.beta_loss!r} is known for dense rows; sparse ones take beta 1 and 2")
        if (values < 0).any():
            where = "" if sparse.issparse(X) else f": {values.min():g} in row {int((values < 0).any(1).argmax())}"
            raise DataError(f"Negative values in data passed to NMF (input X){where}; use PCA, or shift the columns")
        if beta <= 0 and (values == 0).any():
            raise DataError(f"beta_loss={self.beta_loss!r} needs positive numbers, and X holds zeros; add a little")
        if values.size and values.max() > LARGEST:
            raise DataError(
                f"products of entries beyond {LARGEST:g} are too large for floating point: choose another unit"
            )
        return X if sparse.issparse(X) else np.ascontiguousarray(values)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _shapes(self, K: int, D: int) -> dict[str, tuple[int, ...]]:
        return {"components_": (K, D)}

    def _never_negative(self) -> tuple[str, ...]:
        return ("components_",)
