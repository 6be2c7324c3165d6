r"""Relevance vector machines: sparse Bayesian weights of kernel functions, chosen one at a time.

A function is a weighted sum of kernel functions at rows of the data, and a constant. Each weight has a prior with a
precision of its own, and the precisions maximise the evidence, at which most are infinite (Tipping 2001):

.. math:: f(x) = w_0 + \sum_m w_m k(x, x_m), \quad w_m \sim N(0, \alpha_m^{-1})

With rows of weight b, targets z (a linear model's own, or those of a Newton step), and A of the basis functions in use,

.. math:: \Sigma = (\mathrm{diag}(\alpha) + \Phi^T B \Phi)^{-1}, \quad \mu = \Sigma \Phi^T B z

**One precision at a time** (Tipping & Faul 2003; Faul & Tipping 2002). For any basis function, in use or not,

.. math:: S_m = \phi_m^T B \phi_m - \phi_m^T B \Phi \Sigma \Phi^T B \phi_m, \quad Q_m = \phi_m^T B (z - \Phi \mu)

and without its own part, if it is in use, :math:`s_m = \alpha_m S_m / (\alpha_m - S_m)` and
:math:`q_m = \alpha_m Q_m / (\alpha_m - S_m)`. The evidence as a function of that precision alone is largest at

.. math:: \alpha_m = s_m^2 / (q_m^2 - s_m) \quad or \quad \infty \quad where \quad q_m^2 \le s_m

Each step makes the one change that gains most: to add a basis function, to delete one, or to correct a precision.

Nothing is as large as the number of rows but the candidates: few hundred steps of cost :math:`M A^2` for M of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from ..core import Method, choice, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..numerics.cholesky import cholesky
from .kernel import Kernel
from .named import as_kernel
from .similarity import default_gamma

ENTRIES = 1 << 20  # of the kernel in a block: 8 MiB
DEPENDENT = 1e-9  # a basis function of which a smaller share is new depends on those in use


class RelevanceVectorMachine(Method):
    """Base: a subclass says what stands for b and z."""

    kernel: Kernel | str | Callable = param(
        "rbf", "'linear', 'poly', 'rbf', 'laplacian', 'sigmoid' or 'cosine', a kernel, or a function", positional=True
    )
    gamma: float | Literal["scale", "auto"] = param(
        "scale", "scale of the kernel; 1 / (D var(X)) or 1 / D", above=0, tune=choice("scale", "auto")
    )
    degree: int = param(3, "degree of 'poly'", low=1)
    coef0: float = param(1.0, "constant of 'poly' and 'sigmoid'", low=0)
    fit_intercept: bool = param(True, "a constant among the basis functions")
    max_candidates: int = param(2000, "rows that may become relevance vectors; of more, a random sample", low=1)
    max_iter: int = param(2000, "the most changes", low=1)
    tol: float = param(1e-4, "stop when no change gains more nats", low=0)
    random_state: int | np.random.RandomState | None = param(0, "seed of the sample of candidates")

    def _open_kernel(self, data: Data) -> None:
        gamma = default_gamma(data.X, data.w, self.gamma) if isinstance(self.gamma, str) else float(self.gamma)
        self.kernel_ = as_kernel(self.kernel, gamma=gamma, degree=self.degree, coef0=self.coef0, D=data.X.shape[1])

    def _candidates(self, data: Data, X: torch.Tensor) -> torch.Tensor:
        """The rows at which kernel functions may stand, each once."""
        Z = X.unique(dim=0)
        if len(Z) <= self.max_candidates:
            return Z
        return Z[np.sort(data.rng().permutation(len(Z))[: self.max_candidates])]

    def _basis(self, X: torch.Tensor, Z: torch.Tensor) -> torch.Tensor:
        """All basis functions at the rows of X, the constant first, of shape (N, M)."""
        K = self.kernel_._gram(X, Z)
        return torch.cat([K.new_ones(len(X), 1), K], 1) if self.fit_intercept else K

    def _machine(self, data: Data, state: "State", Z: torch.Tensor) -> dict[str, Any]:
        """What is kept of a solution: its vectors, and the posterior of their weights."""
        constant = int(self.fit_intercept)
        kept = state.active[state.active >= constant] - constant
        order = torch.argsort(state.active)
        return {
            "vectors": data.give(Z[kept.sort().values]),
            "constant": bool((state.active < constant).any()),
            "weights": data.give(state.mu[order]),
            "covariance": data.give(state.Sigma[order][:, order]),
            "alpha": data.give(state.alpha[order]),
        }

    def _moments(self, machine: dict[str, Any], queries: Queries) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance of the function at the queries, (N,) each; in blocks."""
        Z, mu, Sigma = (queries.tensor(machine[name]) for name in ("vectors", "weights", "covariance"))
        N = len(queries)
        mean, variance = queries.X.new_zeros(N), queries.X.new_zeros(N)
        step = max(1, ENTRIES // max(1, len(mu)))
        for i in range(0, N, step):
            rows = slice(i, i + step)
            K = self.kernel_._gram(queries.X[rows], Z) if len(Z) else queries.X.new_zeros(len(queries.X[rows]), 0)
            Phi = torch.cat([K.new_ones(len(K), 1), K], 1) if machine["constant"] else K
            mean[rows], variance[rows] = Phi @ mu, ((Phi @ Sigma) * Phi).sum(1).clamp(min=0)
        return mean, variance

    def _check_machine(self, machine: Any) -> None:
        """Refuse a stored machine that no fit gives."""
        owner = type(self).__name__
        if not isinstance(machine, dict) or not isinstance(machine.get("constant"), bool):
            raise UnreadableError(f"{owner} should hold dictionaries of what each machine learned")
        Z = np.asarray(machine.get("vectors"))
        A = (len(Z) if Z.ndim == 2 else 0) + machine["constant"]
        shapes = {
            "vectors": (A - machine["constant"], self.n_features_in_),
            "weights": (A,),
            "covariance": (A, A),
            "alpha": (A,),
        }
        for name, shape in shapes.items():
            value = np.asarray(machine.get(name))
            if value.shape != shape or value.dtype.kind != "f" or not np.isfinite(value).all():
                raise UnreadableError(f"{owner}: {name} should hold finite numbers of shape {shape}")
        if not isinstance(getattr(self, "kernel_", None), Kernel):
            raise UnreadableError(f"{owner}.kernel_ should be a kernel")


@dataclass(eq=False)
class State:
    """The basis functions in use, their precisions, and the posterior of their weights.

    Attributes
    ----------
    active : int tensor of shape (A,)
    alpha : tensor of shape (A,)
    Sigma : tensor of shape (A, A)
    mu : tensor of shape (A,)
    log_det : float
        Of the inverse of Sigma.
    """

    active: torch.Tensor
    alpha: torch.Tensor
    Sigma: torch.Tensor
    mu: torch.Tensor
    log_det: float = 0.0

    @classmethod
    def empty(cls, like: torch.Tensor) -> "State":
        """Nothing in use."""
        none = like.new_zeros(0)
        return cls(torch.zeros(0, dtype=torch.int64, device=like.device), none, like.new_zeros(0, 0), none)

    def factor(self, G: torch.Tensor, right: torch.Tensor) -> None:
        """Posterior for G = Phi' B Phi (A, A) and Phi' B z (A,) of the basis functions in use."""
        root = self.alpha.sqrt()  # in units of the prior: eigenvalues from 1 upwards
        eye = torch.eye(len(root), dtype=root.dtype, device=root.device)
        L, _ = cholesky(G / torch.outer(root, root) + eye)
        self.Sigma = torch.cholesky_inverse(L) / torch.outer(root, root)
        self.mu = self.Sigma @ right
        self.log_det = 2 * float(L.diagonal().log().sum() + root.log().sum())

    def change(self, S: torch.Tensor, Q: torch.Tensor, size: torch.Tensor) -> tuple[float, int, float]:
        """The best change: what it gains (nats), of which basis function, and to which precision.

        ``size`` is phi' B phi of each, the largest that S can be.
        """
        M = len(S)
        alpha = torch.full_like(S, torch.inf)
        alpha[self.active] = self.alpha
        used = torch.isfinite(alpha)
        rest = torch.where(used, alpha - S, 1.0).clamp(min=1e-300)
        ratio = torch.where(used, torch.where(used, alpha, 1.0) / rest, 1.0)
        s, q = ratio * S, ratio * Q
        relevant = (q.square() > s) & (used | (DEPENDENT * size < S)) & (s > 0)
        best = torch.where(relevant, s.square() / (q.square() - s), torch.inf)
        gain = torch.full_like(S, -torch.inf)
        add, correct, delete = relevant & ~used, relevant & used, used & ~relevant
        QQ = Q.square()
        gain[add] = ((QQ - S) / S + (S / QQ).log())[add] / 2
        delta = 1 / best[correct] - 1 / alpha[correct]
        # both differences vanish as alpha settles: what is gained is of second order, so its terms go through log1p
        t = S[correct] * delta
        gain[correct] = (QQ[correct] * delta / (1 + t) - torch.log1p(t)) / 2
        gain[delete] = (QQ / -rest - torch.log1p(-S / alpha))[delete] / 2
        if not M or not bool((gain > -torch.inf).any()):
            return 0.0, -1, torch.inf
        m = int(torch.nan_to_num(gain, nan=-torch.inf).argmax())
        return float(gain[m]), m, float(best[m])

    def apply(self, m: int, alpha: float) -> None:
        """Set the precision of basis function m; infinity takes it out of use. The posterior is then to be renewed."""
        at = (self.active == m).nonzero()[:, 0]
        if alpha == torch.inf:
            keep = self.active != m
            self.active, self.alpha, self.mu = self.active[keep], self.alpha[keep], self.mu[keep]
        elif len(at):
            self.alpha = self.alpha.clone()
            self.alpha[at] = alpha
        else:
            self.active = torch.cat([self.active, self.active.new_tensor([m])])
            self.alpha = torch.cat([self.alpha, self.alpha.new_tensor([alpha])])
            self.mu = torch.cat([self.mu, self.mu.new_zeros(1)])
