r"""Relevance vector classification: a few kernel functions, chosen by the evidence, and probabilities.

.. math:: P(y = 1 | x) = \sigma(f(x)), \quad f(x) = w_0 + \sum_m w_m k(x, x_m), \quad w_m \sim N(0, \alpha_m^{-1})

At the mode of the posterior, :math:`p_n = \sigma(f(x_n))`, Laplace's approximation is a linear model with

.. math:: B = \mathrm{diag}( p_n (1 - p_n) ), \quad z = \Phi \mu + B^{-1} (y - p)

and the precisions maximise its evidence one at a time (`peira.kernels.relevance_vector_machine`), the mode being found
anew by Newton steps after each change. Probabilities are averaged over the weights, as in
`peira.numerics.logistic_normal`. For C > 2 classes there is a machine for each against the rest, and the
probabilities are divided by their sum.

**Use it** where answers must be fast: few rows remain as relevance vectors, usually far fewer than those of a
support vector machine's, at about the same error; training costs more. The kernel is not learned: choose gamma by
cross-validation.

Cost: T (N M A) for T changes, M candidates and A in use, times C; a prediction A^2. Memory: N M.

Reference: Tipping (2001), JMLR 1, 211-244, section 3; Tipping & Faul (2003), AISTATS; Bishop (2006), 7.2.3.
"""

from typing import Any, Literal, Self

import numpy as np
import torch

from ..core import Card, ProbabilisticClassifier, iterate, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from ..core.iteration import warn_not_converged
from ..numerics.logistic_normal import log_expected_sigmoid
from .relevance_vector_machine import RelevanceVectorMachine, State

NEWTON = 50  # the most steps to the mode; a handful is enough from the last one
LEAST = 1e-12  # of p (1 - p)


class RVC(ProbabilisticClassifier, RelevanceVectorMachine):
    """Relevance vector classification.

    Attributes
    ----------
    classes_ : array of shape (C,)
    machines_ : list of dict
        One for two classes, else one for each against the rest: ``vectors`` (A, D), whether there is a ``constant``,
        and ``weights``, ``covariance`` and ``alpha`` of the constant, if so, and the vectors.
    log_evidence_ : array of shape (1,) or (C,)
        Laplace's approximation to the log evidence of each machine, nats.
    kernel_ : Kernel
    history_ : dict
        Of the last machine: ``log_evidence``, ``gain`` of the change to come, ``active`` basis functions.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import RVC
    >>> X = np.random.default_rng(0).uniform(-2, 2, (200, 2))
    >>> model = RVC().fit(X, np.where((X**2).sum(1) < 2, "in", "out"))
    >>> model.predict([[0.0, 0.0], [1.8, 1.8]])
    array(['in', 'out'], dtype='<U3')
    """

    card = Card(
        tasks="classification",
        reference="Tipping (2001) 3; Tipping & Faul (2003)",
        cost="T N M A C, M <= N candidates, A relevance vectors",
        largest={"N": 500, "C": 5},
    )
    class_weight: dict | Literal["balanced"] | None = param(
        None, "weights of the items by class: 'balanced', or a dictionary"
    )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Choose the relevance vectors and learn their weights.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Texts, whole numbers or truth values; at least two classes.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` changes were not enough.
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        self._open_kernel(data)
        w = torch.ones_like(data.X[:, 0]) if data.w is None else data.w
        rows = (w > 0).nonzero()[:, 0]
        X, w, codes = data.X[rows], w[rows], data.codes[rows]
        Z = self._candidates(data, X)
        Phi = self._basis(X, Z)
        C = len(data.classes)
        self.machines_, evidence, worst = [], [], 0.0
        for c in range(C) if C > 2 else [1]:
            state, value, gain = self._maximise(Phi, (codes == c).to(X), w)
            self.machines_.append(self._machine(data, state, Z))
            evidence.append(value)
            worst = max(worst, gain if self.stopped_ == "max_iter" else 0.0)
        if worst > self.tol:
            warn_not_converged(self, "evidence maximisation", self.max_iter, "gain", worst, self.tol)
        self.log_evidence_ = np.array(evidence)
        return self

    def _scores(self, queries: Queries) -> torch.Tensor:
        logs = [log_expected_sigmoid(m, v.sqrt()) for m, v in (self._moments(k, queries) for k in self.machines_)]
        return logs[0] if len(logs) == 1 else torch.stack([each[:, 1] for each in logs], 1)

    # ------------------------------------------------------------------ private

    def _maximise(self, Phi: torch.Tensor, t: torch.Tensor, w: torch.Tensor) -> tuple[State, float, float]:
        """Basis functions and precisions of the largest evidence, for targets t of 0 and 1; its logarithm, and what a
        change more would gain, 0 at the end."""
        state = State.empty(Phi)
        for step in iterate(self, self.max_iter, name="evidence maximisation"):
            p, b, likelihood = self._mode(state, Phi, t, w)
            weighted = Phi[:, state.active] * b[:, None]
            size = b @ Phi.square()
            cross = Phi.T @ weighted
            S = size - ((cross @ state.Sigma) * cross).sum(1)
            Q = Phi.T @ (w * (t - p))
            gain, m, alpha = state.change(S, Q, size)
            evidence = likelihood - float(state.alpha @ state.mu.square()) / 2
            evidence += (float(state.alpha.log().sum()) - state.log_det) / 2
            step.record(log_evidence=evidence, gain=min(max(gain, 0.0), 1e300), active=len(state.active))
            if gain <= self.tol:
                step.stop("converged")
                gain = 0.0
                break
            state.apply(m, alpha)
        self._mode(state, Phi, t, w)
        return state, evidence, max(gain, 0.0)

    def _mode(
        self, state: State, Phi: torch.Tensor, t: torch.Tensor, w: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Newton steps to the mode, which is left in ``state``: probabilities, curvatures and the log likelihood."""
        A = Phi[:, state.active]
        mu = state.mu

        def objective(mu: torch.Tensor) -> tuple[float, float, torch.Tensor]:
            f = A @ mu
            value = float(w @ (t * f - torch.nn.functional.softplus(f)))
            return value - float(state.alpha @ mu.square()) / 2, value, f

        total, value, f = objective(mu)
        for _ in range(NEWTON):
            p = torch.sigmoid(f)
            b = w * (p * (1 - p)).clamp(min=LEAST)
            state.factor(A.T @ (A * b[:, None]), A.T @ (b * f + w * (t - p)))
            step, size = state.mu - mu, 1.0
            promised = float((A.T @ (w * (t - p)) - state.alpha * mu) @ step)
            if promised < 1e-12:
                break
            while size > 1e-8:
                tried = objective(mu + size * step)
                if tried[0] >= total + 1e-4 * size * promised - 1e-13 * abs(total):
                    break
                size /= 2
            mu, (total, value, f) = mu + size * step, tried
        state.mu = mu
        p = torch.sigmoid(f)
        b = w * (p * (1 - p)).clamp(min=LEAST)
        return p, b, value

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        machines, C = getattr(self, "machines_", None), len(self.classes_)
        if not isinstance(machines, list) or len(machines) != (1 if C == 2 else C):
            raise UnreadableError(f"RVC.machines_ should hold a machine for each of {C} classes, or one for two")
        for machine in machines:
            self._check_machine(machine)
