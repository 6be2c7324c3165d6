r"""A reservoir: a fixed, random, sparse recurrent net that remembers what it was fed.

.. math:: x_t = (1 - a) x_{t-1} + a \tanh(W x_{t-1} + V u_t + b)

H leaky units in a ring; each hears the K units that stand at certain distances from it, which are drawn once for all
units, as every weight is for itself. So W has K broken diagonals, and a step is K products of vectors as they lie in
memory: nothing is gathered from random places. The matrix is scaled to a given spectral radius, found by Arnoldi's
iteration. Below 1 the states of two copies that started differently come together whatever they are fed (in practice,
and mostly up to somewhat above 1): the state is an echo of the inputs.

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
    values : array of shape (K, H)
        Row k: what each unit makes of the one at distance k.
    distances : array of shape (K,)
        Unit i hears the units (i + distance) mod H.
    inputs : array of shape (H, D)
        V.
    bias : array of shape (H,)
    leak : float
        a, between 0 and 1.
    """

    values: np.ndarray
    distances: np.ndarray
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
        distances = np.sort(rng.choice(units, K, replace=False))
        V, bias = input_scaling * rng.uniform(-1, 1, (units, D)), bias_scaling * rng.uniform(-1, 1, units)
        raw = cls(rng.uniform(-1, 1, (K, units)), distances, V, bias, float(leak))
        return replace(raw, values=raw.values * (spectral_radius / spectral_radius_of(raw.matrix())))

    @property
    def units(self) -> int:
        return len(self.bias)

    def matrix(self) -> sparse.csr_array:
        """W as a sparse matrix of shape (H, H)."""
        H, K = self.units, len(self.distances)
        columns = (np.arange(H, dtype=np.int32)[:, None] + self.distances.astype(np.int32)) % H
        parts = (self.values.T.ravel(), columns.ravel(), np.arange(0, H * K + 1, K, dtype=np.int32))
        return sparse.csr_array(parts, shape=(H, H))

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
            reservoir_steps.run(S, first[rows], x, self.values, self.distances, self.leak)
            yield rows, S

    def adapted(
        self, X: np.ndarray, first: np.ndarray, epochs: int, rate: float, spread: float, owner: Any = None
    ) -> Self:
        """The reservoir after intrinsic plasticity on steps X (S, D).

        Gains and shifts of the units go into its weights, so that the spectral radius is another one afterwards.
        """
        gain, shift = np.ones(self.units), np.zeros(self.units)
        drives = X @ self.inputs.T + self.bias
        parts = (self.values, self.distances, self.leak)
        for step in iterate(owner, epochs, name="plasticity"):
            square = reservoir_steps.adapt(drives, first, *parts, gain, shift, rate, spread)
            step.record(mean_square=square)
        inputs, bias = gain[:, None] * self.inputs, gain * self.bias + shift
        return replace(self, values=self.values * gain, inputs=inputs, bias=bias)

    def stored(self) -> dict[str, Any]:
        """Plain arrays, for keeping among what was learned."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def restored(cls, kept: dict[str, Any], D: int) -> Self:
        """The inverse of `stored`; refuses what no fit gives, since loops index by it without looking."""
        if not isinstance(kept, dict) or kept.keys() != cls.__dataclass_fields__.keys():
            raise UnreadableError(f"a stored reservoir needs {', '.join(cls.__dataclass_fields__)}")
        check_weights("reservoir", kept, ("values", "inputs", "bias"), ("distances",))
        values, distances, inputs, bias, leak = (kept[name] for name in cls.__dataclass_fields__)
        H, K = len(bias), len(distances)
        if bias.ndim != 1 or inputs.shape != (H, D) or values.shape != (K, H) or not H * K:
            raise UnreadableError("the parts of a stored reservoir do not fit together")
        if distances.min() < 0 or distances.max() >= H:
            raise UnreadableError("a stored reservoir has connections to units that it does not have")
        if not isinstance(leak, float) or not 0 < leak <= 1:
            raise UnreadableError(f"the leak of a stored reservoir must lie above 0 and at most at 1, got {leak!r}")
        return cls(**{n: np.ascontiguousarray(a) if n != "leak" else a for n, a in kept.items()})


def check_weights(owner: str, kept: dict[str, Any], floats: tuple[str, ...], wholes: tuple[str, ...]) -> None:
    """Refuse stored weights that are not arrays of finite numbers, or places that are not whole numbers."""
    if not all(_is_array(kept[n], np.float64) and kept[n].ndim and np.isfinite(kept[n]).all() for n in floats):
        raise UnreadableError(f"the weights of a stored {owner} must be finite numbers")
    if not all(_is_array(kept[n], np.int64) and kept[n].ndim == 1 for n in wholes):
        raise UnreadableError(f"the places of a stored {owner}'s weights must be whole numbers")


def _is_array(a: Any, dtype: type) -> bool:
    return isinstance(a, np.ndarray) and a.dtype == dtype


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
