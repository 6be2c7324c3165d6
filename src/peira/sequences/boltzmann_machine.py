r"""Boltzmann machine: binary columns that are tied in pairs, and hidden units that tie more than two.

.. math:: p(v) = \frac{1}{Z} \sum_h \exp \left( b^T s + \sum_{i<j} w_{ij} s_i s_j \right), \quad s = (v, h)

Every unit may be tied to every other. The gradient of the log likelihood is a difference of correlations, with the data
held to the visible units (clamped) and without (free),

.. math:: \frac{\partial \log p}{\partial w_{ij}} = E_{data}[ s_i s_j ] - E_{model}[ s_i s_j ]

This machine has at most 16 units in all: their states are enumerated, and the gradient is exact. Steps are Fisher's:
:math:`(F + \lambda I)^{-1}` times the gradient, with F the covariance of the statistics under the model, and never
lower the likelihood. Without hidden units the problem is concave, and the answer is the one log-linear model that has
the data's means and correlations; with them there may be several optima. ``method="gibbs"`` learns as large machines
must: from draws of chains that run on from step to step.

**Use it** for a few yes-or-no columns whose ties in pairs, or through a few hidden causes, are what is asked. For more
columns take :class:`~peira.sequences.BernoulliRBM`.

**Cost.** 2^U U^4 a step for U units (exact); K chains and U^2 for each (Gibbs). Memory: 2^U U^2.

Reference: Ackley, Hinton & Sejnowski (1985), Cognitive Science 9, 147-169, eq. 7; Fisher's scoring for it: Amari,
Kurata & Nagaoka (1992), IEEE Trans. Neural Networks 3, 260-271.
"""

from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..core import Card, DataError, Density, iterate, log, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..core.seeds import derive, draw_seed
from .boltzmann_states import AllStates, sweep

MOST = 16  # units whose states are enumerated
CHAINS = 500


class BoltzmannMachine(Density):
    """Density of a few binary columns, tied in pairs and through hidden units.

    Attributes
    ----------
    weights_ : array of shape (U, U)
        W, symmetric, zero on the diagonal; visible units first.
    intercept_ : array of shape (U,)
        b.
    thresholds_ : array of shape (D,)
        Values above are 1.

    Examples
    --------
    >>> from peira.sequences import BoltzmannMachine
    >>> xor = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
    >>> model = BoltzmannMachine(n_hidden=1, alpha=1e-4, random_state=0).fit(xor)
    >>> model.log_prob([[0, 1, 1], [0, 1, 0]]).round(1)
    array([-1.4, -4.7])
    """

    card = Card(
        tasks="density",
        reference="Ackley, Hinton & Sejnowski (1985), eq. 7",
        cost="N D + T 2^D D^4",
        on_request="it sees only whether a value is high or low, in at most 16 columns",
        largest={"D": MOST},
    )
    n_hidden: int = param(0, "hidden units", low=0, positional=True)
    alpha: float = param(1e-3, "penalty on half the squared weights and biases, per item", low=0, tune=log(1e-6, 0.1))
    method: Literal["exact", "gibbs"] = param("exact", "the model's correlations by enumeration, or from Gibbs chains")
    max_iter: int = param(500, "most steps", low=1)
    tol: float = param(1e-8, "gain of the penalised mean log likelihood that ends the fit (exact)", low=0)
    learning_rate: float = param(0.2, "size of the first step (gibbs); it shrinks to zero", above=0)
    random_state: Any = param(None, "seed of the first weights of hidden units, and of the chains")

    @classmethod
    def example(cls) -> "BoltzmannMachine":
        return cls(random_state=0)

    def fit(self, X: Any, y: Any = None) -> "BoltzmannMachine":
        """Learn weights and biases.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            Values above the middle of a column count as 1.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        DataError
            If columns and hidden units are more than 16.
        """
        data = self._begin(X)
        D = data.X.shape[1]
        if D + self.n_hidden > MOST:
            raise DataError(
                f"BoltzmannMachine enumerates the states of at most {MOST} units; {D} columns and {self.n_hidden} "
                "hidden units are more: leave some out, or take BernoulliRBM"
            )
        q = self._shares(data)
        every = AllStates(D + self.n_hidden, D)
        rng = data.rng()
        theta = torch.zeros(every.phi.shape[1], dtype=torch.float64)
        mean = (q @ every.phi[: 2**D, :D]).clamp(1e-3, 1 - 1e-3)
        theta[:D] = torch.logit(mean)
        if self.n_hidden:  # ties that differ, so that hidden units do
            theta[every.U :] = torch.from_numpy(rng.standard_normal(len(theta) - every.U))
        theta = (self._climb if self.method == "exact" else self._walk)(every, q, theta)
        self.weights_, self.intercept_ = every.unpacked(theta)
        return self

    def _shares(self, data: Data) -> torch.Tensor:
        """The share of each visible state among the rows, of shape (2^D,); learns the thresholds."""
        X = data.X.cpu()
        low, high = X.amin(0), X.amax(0)
        # a column of one value is compared with half of it: ones stay ones, zeros zeros
        self.thresholds_ = torch.where(low == high, low / 2, low / 2 + high / 2).numpy()
        return torch.bincount(self._numbers(X), minlength=2 ** X.shape[1]).to(X.dtype) / len(X)

    def _numbers(self, X: torch.Tensor) -> torch.Tensor:
        """The number of the visible state of each row."""
        ones = (torch.from_numpy(self.thresholds_) < X.cpu()).long()
        return ones @ (2 ** torch.arange(X.shape[1]))

    def _value(self, every: AllStates, q: torch.Tensor, theta: torch.Tensor) -> float:
        """The penalised mean log likelihood."""
        logs = torch.logsumexp(every.logs(theta), 0)
        return float(q[q > 0] @ logs[q > 0]) - self.alpha / 2 * float(theta @ theta)

    def _climb(self, every: AllStates, q: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        value, damping = self._value(every, q, theta), 1e-3
        eye = torch.eye(len(theta), dtype=torch.float64)
        for step in iterate(self, self.max_iter, expect={"log_likelihood": "increase"}):
            logs = every.logs(theta)
            P = logs.exp()
            clamped = logs.softmax(0) * q  # the hidden units given the visible ones
            slope = every.moments(clamped) - every.moments(P) - self.alpha * theta
            F = every.covariance(P) + self.alpha * eye
            while True:
                new = theta + torch.linalg.solve(F + damping * eye, slope)
                there = self._value(every, q, new)
                if there >= value:
                    theta, value, damping = new, there, max(damping / 5, 1e-10)
                    break
                if damping > 1e6:  # the top, up to rounding
                    break
                damping *= 4
            step.record(log_likelihood=value)
            if step.converged("log_likelihood", self.tol):
                break
        return theta

    def _walk(self, every: AllStates, q: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        rng = np.random.default_rng(derive(self.seed_, 1))
        U, D = every.U, every.D
        free = (rng.random((CHAINS, U)) < 0.5).astype(np.float64)
        held = free.copy()

        for step in iterate(self, self.max_iter):
            W, b = every.unpacked(theta)
            held[:, :D] = every.phi[torch.from_numpy(rng.choice(2**D, CHAINS, p=q.numpy())), :D].numpy()
            sweep(held, W, b, rng.random((3 if U > D else 0, CHAINS, U)), D)
            sweep(free, W, b, rng.random((3, CHAINS, U)), 0)
            slope = _correlations(held, every) - _correlations(free, every) - self.alpha * theta
            theta = theta + self.learning_rate * (1 - step.index / self.max_iter) * slope
            step.record(slope=float(slope.norm()))
        return theta

    def _log_density(self, queries: Queries) -> torch.Tensor:
        D = self.n_features_in_
        every = AllStates(len(self.intercept_), D)
        logs = torch.logsumexp(every.logs(every.packed(self.weights_, self.intercept_)), 0)
        return logs[self._numbers(queries.X)].to(queries.device)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Draw rows of zeros and ones, exactly, of shape (n_samples, D)."""
        check_is_fitted(self)
        every = AllStates(len(self.intercept_), self.n_features_in_)
        p = every.logs(every.packed(self.weights_, self.intercept_)).exp().sum(0).numpy()
        chosen = np.random.default_rng(draw_seed(random_state)).choice(len(p), n_samples, p=p / p.sum())
        return every.phi[torch.from_numpy(chosen), : self.n_features_in_].numpy()

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, b = self.n_features_in_, getattr(self, "intercept_", None)
        U = len(b) if isinstance(b, np.ndarray) and b.ndim == 1 else 0
        if not D <= U <= MOST:
            raise UnreadableError(f"a stored BoltzmannMachine has {U} units, not {D} to {MOST}")
        for name, shape in (("weights_", (U, U)), ("intercept_", (U,)), ("thresholds_", (D,))):
            a = getattr(self, name, None)
            if not (isinstance(a, np.ndarray) and a.shape == shape and a.dtype == np.float64 and np.isfinite(a).all()):
                raise UnreadableError(f"{name} of a stored BoltzmannMachine must be finite numbers of shape {shape}")
        if (self.weights_ != self.weights_.T).any() or self.weights_.diagonal().any():
            raise UnreadableError("weights_ of a stored BoltzmannMachine must be symmetric, with zeros on the diagonal")


def _correlations(S: np.ndarray, every: AllStates) -> torch.Tensor:
    """Means of the statistics over drawn states S (M, U)."""
    C = torch.from_numpy(S.T @ S / len(S))
    return torch.cat([torch.from_numpy(S.mean(0)), C[every.i, every.j]])
