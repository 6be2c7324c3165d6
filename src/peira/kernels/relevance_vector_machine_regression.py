r"""Relevance vector regression: a few kernel functions, chosen by the evidence, and normal noise.

.. math:: y = w_0 + \sum_m w_m k(x, x_m) + \epsilon, \quad w_m \sim N(0, \alpha_m^{-1}),
          \quad \epsilon \sim N(0, \beta^{-1})

The precisions of the weights maximise the evidence one at a time (`peira.kernels.relevance_vector_machine`); that of
the noise follows after each change, with :math:`\gamma_m = 1 - \alpha_m \Sigma_{mm}`,

.. math:: \beta = (N - \sum_m \gamma_m) / | y - \Phi \mu |^2

The answer is a normal distribution of mean :math:`\phi(x)^T \mu` and variance
:math:`\beta^{-1} + \phi(x)^T \Sigma \phi(x)`. Few rows remain as relevance vectors, usually far fewer than support
vectors, so answers are fast.

**Beware**: the model is a parametric one, and with local kernels its uncertainty falls to that of the noise away from
the data, where it should grow (Rasmussen & Quinonero-Candela 2005). A Gaussian process does not have this fault. The
kernel is not learned: choose gamma by cross-validation.

Cost: N M^2 for the moments of M candidates, T M A^2 for T changes with A in use; a prediction A^2. Memory: M^2.

Reference: Tipping (2001), JMLR 1, 211-244, section 2; Tipping & Faul (2003), AISTATS; Bishop (2006), 7.2.
"""

import math
from typing import Any, Self

import torch

from ..core import Card, Regressor, iterate
from ..core.inputs import Queries
from ..core.predictive import Normal
from ..numerics.moments import gram
from .relevance_vector_machine import ENTRIES, RelevanceVectorMachine, State
from .sparse_gaussian_process_inducing import scale_of

LEAST = 1e-8  # share of the targets' variance that is taken for noise at least


class RVR(Regressor, RelevanceVectorMachine):
    """Relevance vector regression.

    Attributes
    ----------
    machine_ : dict
        ``vectors`` (A, D), whether there is a ``constant``, and ``weights``, ``covariance`` and ``alpha`` of the
        constant, if so, and the vectors, for the scaled target.
    noise_variance_ : float
        In the unit of the target squared.
    log_evidence_ : float
        log p(y), nats.
    kernel_ : Kernel
    target_mean_, target_scale_ : float
    history_ : dict
        ``log_evidence`` of the scaled target, ``gain`` of the change to come, ``active`` basis functions.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import RVR
    >>> X = np.linspace(-10, 10, 100)[:, None]
    >>> y = np.sinc(X[:, 0] / np.pi) + 0.05 * np.random.default_rng(0).normal(size=100)
    >>> model = RVR(gamma=0.1).fit(X, y)
    >>> len(model.relevance_vectors_) < 20, bool(abs(model.predict([[0.0]])[0] - 1) < 0.1)
    (True, True)
    """

    card = Card(
        tasks="regression",
        reference="Tipping (2001) 2; Tipping & Faul (2003)",
        cost="N M^2 + T M A^2, M <= N candidates, A relevance vectors",
        largest={"N": 1_000},
    )

    @classmethod
    def example(cls) -> Self:
        """Planes: a kernel whose uncertainty grows away from the data."""
        return cls(kernel="linear")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Choose the relevance vectors and learn their weights.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array or tensor of shape (N,)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` changes were not enough.
        """
        data = self._begin(X, y, sample_weight)
        self._open_kernel(data)
        w = torch.ones_like(data.X[:, 0]) if data.w is None else data.w
        rows = (w > 0).nonzero()[:, 0]
        X, y, w = data.X[rows], data.Y[rows, 0], w[rows]
        self.target_mean_, self.target_scale_ = (float(part) for part in scale_of(y, w))
        y = (y - self.target_mean_) / self.target_scale_
        Z = self._candidates(data, X)
        M = len(Z) + self.fit_intercept
        G, right, step = X.new_zeros(M, M), X.new_zeros(M), max(1, ENTRIES // M)
        for i in range(0, len(X), step):
            part = slice(i, i + step)
            Phi = self._basis(X[part], Z) * w[part].sqrt()[:, None]
            G += gram(Phi)
            right += Phi.T @ (w[part].sqrt() * y[part])
        state, beta = self._maximise(G, right, float(w @ y.square()), float(w.sum()))
        self.machine_ = self._machine(data, state, Z)
        self.noise_variance_ = self.target_scale_**2 / beta
        self.log_evidence_ = self.history_["log_evidence"][-1] - float(w.sum()) * math.log(self.target_scale_)
        return self

    def predict_dist(self, X: Any) -> Normal:
        """Predictive distribution of each row's target, noise included. Costs N A^2."""
        queries = self._queries(X)
        mean, variance = self._moments(self.machine_, queries)
        std = (variance * self.target_scale_**2 + self.noise_variance_).sqrt()
        return Normal(self.target_mean_ + self.target_scale_ * mean, std, as_numpy=queries.as_numpy)

    def _predict(self, queries: Queries) -> torch.Tensor:
        return self.target_mean_ + self.target_scale_ * self._moments(self.machine_, queries)[0]

    @property
    def relevance_vectors_(self) -> Any:
        """The rows whose kernel functions are in use, (A, D)."""
        return self.machine_["vectors"]

    # ------------------------------------------------------------------ private

    def _maximise(self, G: torch.Tensor, right: torch.Tensor, yy: float, W: float) -> tuple[State, float]:
        """Basis functions, precisions and noise of the largest evidence, from moments of the scaled data."""
        state, beta, before = State.empty(G), 1 / max(0.1 * yy / W, LEAST), -math.inf
        for step in iterate(self, self.max_iter, name="evidence maximisation"):
            a = state.active
            state.factor(beta * G[a][:, a], beta * right[a])
            error = max(float(yy - 2 * state.mu @ right[a] + state.mu @ G[a][:, a] @ state.mu), 0.0)
            evidence = W * math.log(beta / (2 * math.pi)) - beta * error - float(state.alpha @ state.mu.square())
            evidence = (evidence + float(state.alpha.log().sum()) - state.log_det) / 2
            cross = beta * G[:, a]
            S = beta * G.diagonal() - ((cross @ state.Sigma) * cross).sum(1)
            Q = beta * right - cross @ state.mu
            gain, m, alpha = state.change(S, Q, beta * G.diagonal())
            moved, before = abs(evidence - before), evidence
            # the noise has to settle too
            step.record(log_evidence=evidence, gain=min(max(gain, moved), 1e300), active=len(a))
            if step.reached("gain", self.tol):
                break
            gamma = float((1 - state.alpha * state.Sigma.diagonal()).sum())
            beta = (W - min(gamma, W * (1 - 1e-6))) / max(error, LEAST * W)
            if m >= 0 and gain > 0:
                state.apply(m, alpha)
        state.factor(beta * G[state.active][:, state.active], beta * right[state.active])
        return state, beta

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            self._check_machine(getattr(self, "machine_", None))
