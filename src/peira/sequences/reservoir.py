r"""A reservoir: a fixed, random, sparse recurrent net that remembers what it was fed.

.. math:: x_t = (1 - a) x_{t-1} + a \tanh(W x_{t-1} + V u_t + b)

H leaky units; each has K recurrent connections, drawn once. The matrix W is scaled to a given spectral radius, found by
Arnoldi's iteration on the sparse matrix. Below 1 the states of two copies that started differently come together
whatever they are fed (in practice, and mostly up to somewhat above 1): the state is an echo of the inputs.

Cost: H (K + D) a step. Memory: H (K + D), and a block of states.

Reference: Jaeger (2001), GMD Report 148, The echo state approach; the leaky unit: Jaeger, Lukosevicius, Popovici &
Siewert (2007), Neural Networks 20, eq. 2; fixed in-degree: Lukosevicius (2012), A practical guide, 3.2.2; intrinsic
plasticity: Schrauwen et al. (2008), Neurocomputing 71, eqs 9 and 10.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, eigs

from ..core.errors import UnreadableError
from ..core.iteration import iterate
from . import reservoir_steps

DENSE = 64  # units up to which all eigenvalues are computed
ROWS = 512  # steps in a block


@dataclass(frozen=True, eq=False)
class Reservoir:
    """The weights of H units for inputs of D numbers, and what they do.

    Attributes
    ----------
    values, columns, starts : array of shape (E,), (E,), (H + 1,)
        W as a compressed sparse row matrix; whole numbers unsigned, which spares the loop a test of each.
    inputs : array of shape (H, D)
        V.
    bias : array of shape (H,)
    leak : float
        a, between 0 and 1.
    """

    values: np.ndarray
    columns: np.ndarray
    starts: np.ndarray
    inputs: np.ndarray
    bias: np.ndarray
    leak: float

    @classmethod
    def draw(
        cls,
        units: int,
        D: int,
        rng: np.random.Generator,
        *,
        spectral_radius: float = 0.9,
        connections: int = 10,
        input_scaling: float = 1.0,
        bias_scaling: float = 0.0,
        leak: float = 1.0,
    ) -> Self:
        """Draw a reservoir: recurrent, input and bias weights uniform about 0, W scaled to its spectral radius."""
        K = min(connections, units)
        columns = np.concatenate(
            [_distinct(rng, min(1024, units - i), units, K) for i in range(0, units, 1024)]
        )  # fmt: skip
        W = sparse.csr_array((rng.uniform(-1, 1, units * K), columns.ravel(), np.arange(units + 1) * K))
        W.resize(units, units)
        W.data *= spectral_radius / spectral_radius_of(W)
        V = input_scaling * rng.uniform(-1, 1, (units, D))
        bias = bias_scaling * rng.uniform(-1, 1, units)
        return cls(W.data, W.indices.astype(np.uint32), W.indptr.astype(np.uint32), V, bias, float(leak))

    @property
    def units(self) -> int:
        return len(self.bias)

    def matrix(self) -> sparse.csr_array:
        """W as a sparse matrix of shape (H, H)."""
        parts = (self.values, self.columns.astype(np.int64), self.starts.astype(np.int64))
        return sparse.csr_array(parts, shape=(self.units, self.units))

    def blocks(
        self, X: np.ndarray, first: np.ndarray, noise: float = 0.0, rng: np.random.Generator | None = None
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """The states of consecutive steps X (S, D), a block at a time; ``first`` (S,) says where a sequence begins.

        A block's states (T, H) are overwritten by the next. ``noise`` is added to the drive of every unit, uniform
        between minus and plus this number.
        """
        x, room = np.zeros(self.units), np.empty((min(ROWS, len(X)), self.units))
        for i in range(0, len(X), ROWS):
            rows = slice(i, min(i + ROWS, len(X)))
            S = np.matmul(X[rows], self.inputs.T, out=room[: rows.stop - i])
            S += self.bias
            if noise and rng is not None:
                S += noise * rng.uniform(-1, 1, S.shape)
            reservoir_steps.run(S, first[rows], x, self.values, self.columns, self.starts, self.leak)
            yield rows, S

    def adapted(
        self, X: np.ndarray, first: np.ndarray, epochs: int, rate: float, spread: float, owner: Any = None
    ) -> Self:
        """The reservoir after intrinsic plasticity on steps X (S, D).

        Gains and shifts of the units go into its weights, so that the spectral radius is another one afterwards.
        """
        gain, shift = np.ones(self.units), np.zeros(self.units)
        drives = X @ self.inputs.T + self.bias
        parts = (self.values, self.columns, self.starts, self.leak)
        for step in iterate(owner, epochs, name="plasticity"):
            square = reservoir_steps.adapt(drives, first, *parts, gain, shift, rate, spread)
            step.record(mean_square=square)
        values = self.values * np.repeat(gain, np.diff(self.starts.astype(np.int64)).astype(np.int64))
        return replace(self, values=values, inputs=gain[:, None] * self.inputs, bias=gain * self.bias + shift)

    def stored(self) -> dict[str, Any]:
        """Plain arrays, for keeping among what was learned."""
        return {
            "values": self.values,
            "columns": self.columns.astype(np.int64),
            "starts": self.starts.astype(np.int64),
            "inputs": self.inputs,
            "bias": self.bias,
            "leak": self.leak,
        }

    @classmethod
    def restored(cls, kept: dict[str, Any], D: int) -> Self:
        """The inverse of `stored`; refuses what no fit gives, since loops index by it without looking."""
        if not isinstance(kept, dict) or kept.keys() != {"values", "columns", "starts", "inputs", "bias", "leak"}:
            raise UnreadableError("a stored reservoir needs values, columns, starts, inputs, bias and leak")
        floats = [kept[name] for name in ("values", "inputs", "bias")]
        wholes = [kept[name] for name in ("columns", "starts")]
        if not all(isinstance(a, np.ndarray) and a.dtype == np.float64 and np.isfinite(a).all() for a in floats):
            raise UnreadableError("the weights of a stored reservoir must be finite numbers")
        if not all(isinstance(a, np.ndarray) and a.dtype == np.int64 and a.ndim == 1 for a in wholes):
            raise UnreadableError("the places of a stored reservoir's weights must be whole numbers")
        (values, inputs, bias), (columns, starts), leak = floats, wholes, kept["leak"]
        H = len(bias) if bias.ndim == 1 else 0
        if not H or inputs.shape != (H, D) or len(starts) != H + 1 or values.shape != columns.shape:
            raise UnreadableError("the parts of a stored reservoir do not fit together")
        if starts[0] != 0 or starts[-1] != len(values) or (np.diff(starts) < 0).any():
            raise UnreadableError("the rows of a stored reservoir's matrix do not follow each other")
        if len(columns) and not (columns.min() >= 0 and columns.max() < H):
            raise UnreadableError("a stored reservoir has connections to units that it does not have")
        if not isinstance(leak, float) or not 0 < leak <= 1:
            raise UnreadableError(f"the leak of a stored reservoir must lie above 0 and at most at 1, got {leak!r}")
        inputs = np.ascontiguousarray(inputs)
        return cls(values, columns.astype(np.uint32), starts.astype(np.uint32), inputs, bias, leak)


def spectral_radius_of(W: sparse.csr_array) -> float:
    """The largest modulus of an eigenvalue of a sparse matrix of shape (H, H).

    By Arnoldi's iteration from a fixed start, to 6 digits; by all eigenvalues where the matrix is small, or where the
    largest lie too close for the iteration.
    """
    H = W.shape[0]
    if H > DENSE:
        try:
            start = np.random.default_rng(H).standard_normal(H)
            found = eigs(W, k=6, ncv=min(H, 60), which="LM", return_eigenvectors=False, v0=start, tol=1e-6, maxiter=200)
            return float(np.abs(found).max())
        except ArpackNoConvergence:
            pass
    return float(np.abs(np.linalg.eigvals(W.toarray())).max())


def _distinct(rng: np.random.Generator, rows: int, units: int, K: int) -> np.ndarray:
    """K different units for each of some rows, in order, of shape (rows, K)."""
    if units == K:
        return np.tile(np.arange(units), (rows, 1))
    return np.sort(rng.random((rows, units)).argpartition(K, axis=1)[:, :K], axis=1)
