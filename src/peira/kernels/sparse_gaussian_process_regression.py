r"""Gaussian process regression for many rows: M inducing inputs stand for the function.

.. math:: y = f(x) + \epsilon, \quad f \sim GP(0, k), \quad \epsilon \sim N(0, \sigma^2)

The exact process costs N^3. Here the function is known through its values at M inducing inputs, which are learned with
the hyper-parameters by maximising a bound on the evidence ("vfe") or the evidence of a related model ("fitc"):
`peira.kernels.sparse_gaussian_process` has both, with their gradients. As M grows both become the exact process; for
smooth functions of few columns some hundred inducing inputs are enough for any N (Burt, Rasmussen & van der Wilk 2020).

**How it learns.** Inducing inputs are chosen greedily among the rows (of more than 10,000 rows, a random sample), and
L-BFGS moves them together with the logarithms of the hyper-parameters. Many rows take a first round on a sample of
them, from which the second, on all, needs few steps. With as many inducing inputs as rows they stay where they are,
and the process is the exact one. A weak log-normal prior about the start keeps few rows from being overfitted.

**Which method.** VFE is a true bound: it never gets worse by more inducing inputs, its noise is not underestimated,
and it is the default. FITC may fit better where the noise depends on x, and is prone to shrink the noise to nothing.

**Use it** for thousands to some hundred thousands of rows and up to about ten columns that matter. For fewer than about
2,000 rows the exact process is as fast; for more rows than memory holds, or a stream of them, there is
`StochasticGaussianProcessRegressor`. Rough functions of many columns need more inducing inputs than anyone has.

Cost: T (N M^2 + M^3) for T steps; a prediction M^2. Memory: bounded by ``memory`` beyond the data themselves.

Reference: Titsias (2009), AISTATS, 567-574; Snelson & Ghahramani (2006), NIPS 18, 1257-1264; Burt, Rasmussen & van der
Wilk (2020), JMLR 21(131).
"""

from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
import torch
from scipy.optimize import minimize

from ..core import Card, iterate, param
from .kernel import Kernel
from .sparse_gaussian_process import SHORTER, SparseEvidence, start
from .sparse_gaussian_process_answers import InducingRegressor
from .sparse_gaussian_process_inducing import check_posterior, given_inducing, open_kernel, spread

SAMPLE = 10_000  # rows among which inducing inputs are chosen, and of the first round
LIMITS = {"maxiter": 10**6, "maxfun": 10**7, "ftol": 0.0, "gtol": 1e-12, "maxcor": 20}  # `iterate` counts and stops
MANY = 2 * SAMPLE  # from here on a first round pays


class SparseGaussianProcessRegressor(InducingRegressor):
    """Gaussian process regression by inducing inputs, for up to about a million rows.

    Attributes
    ----------
    kernel_ : Kernel
        With learned hyper-parameters, of the targets as they were scaled by ``normalize_y``.
    inducing_points_ : array of shape (M, D)
        In the units of the columns.
    noise_variance_ : float, or array of shape (K,) for targets (N, K)
        Of the targets' noise, in their unit squared.
    log_evidence_ : float
        The bound ("vfe") or the approximate log evidence ("fitc") of the targets, nats; summed over targets.
    jitter_ : float
        What was added to the variance at each inducing input, as a share of the (scaled) target's variance.
    target_mean_, target_scale_ : float, or array of shape (K,)
    history_, n_iter_, stopped_
        The last round of the search: ``objective``, the log evidence of the scaled targets and the log prior.
    whitening_, mean_, factor_ : array of shape (M, M), (M, K), (1, M, M)
        The inverse of L, and the posterior of the whitened inducing values: its mean and the factor of its precision.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import SparseGaussianProcessRegressor
    >>> X = np.linspace(0, 6, 200)[:, None]
    >>> y = np.sin(X[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=200)
    >>> model = SparseGaussianProcessRegressor(n_inducing=12).fit(X, y)
    >>> bool(abs(model.predict([[1.5]])[0] - np.sin(1.5)) < 0.05)
    True
    """

    card = Card(
        tasks="regression",
        reference="Titsias (2009) eq. 9; Snelson & Ghahramani (2006)",
        cost="T (N M^2 + M^3), M inducing inputs",
        multi_output=True,
        largest={"N": 5_000, "D": 100},
    )
    kernel: Kernel | None = param(
        None, "covariance, with a WhiteKernel for the noise; None: C * RBF of each column + noise", positional=True
    )
    method: Literal["vfe", "fitc"] = param("vfe", "the variational bound, or FITC")
    n_inducing: int = param(200, "number M of inducing inputs; at most one for each row", low=1)
    inducing_points: np.ndarray | list | None = param(None, "inducing inputs (M, D) to start from; None: greedily")
    learn_inducing: bool = param(True, "move the inducing inputs")
    optimizer: Literal["fmin_l_bfgs_b"] | None = param(
        "fmin_l_bfgs_b", "None keeps the hyper-parameters (and inducing inputs) as given"
    )
    normalize_y: bool = param(True, "centre the targets and divide by their standard deviation")
    prior_spread: float = param(
        1.0, "standard deviation of a normal prior on each log hyper-parameter about its start", above=0, high=np.inf
    )
    max_iter: int = param(200, "the most steps of the search, in each round", low=1)
    tol: float = param(1e-4, "stop when a step gains fewer nats a row", low=0)
    memory: float = param(1000.0, "MiB that may be kept between the passes over the rows", low=0)
    random_state: int | np.random.RandomState | None = param(0, "seed of the samples of more than 10,000 rows")

    @classmethod
    def example(cls) -> Self:
        """Few inducing inputs, and a search that ends early."""
        return cls(n_inducing=64)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn hyper-parameters, inducing inputs and the posterior.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
            Targets share the kernel, its hyper-parameters and the inducing inputs; each is scaled for itself.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If the data are malformed, or the kernel has no noise.

        Warns
        -----
        ConvergenceWarning
            If the last round of ``max_iter`` steps was not enough.
        """
        data = self._begin(X, y, sample_weight)
        kernel = open_kernel(self.kernel, data, type(self).__name__, noisy=True)
        w = torch.ones_like(data.X[:, 0]) if data.w is None else data.w
        rows = (w > 0).nonzero()[:, 0]
        inputs, w = (data.X, w) if len(rows) == len(w) else (data.X[rows], w[rows])
        self._measure(data, data.Y[rows], w, normalise=self.normalize_y)
        mean, scale = self._units(data)
        targets = (data.Y[rows] - mean) / scale
        rng = data.rng()
        part = np.sort(rng.permutation(len(w))[:SAMPLE])
        kept, centre = self.memory * 2**20, kernel.theta
        everything = SparseEvidence(kernel, inputs, targets, w, self.method, kept)
        few = SparseEvidence(kernel, inputs[part], targets[part], w[part], self.method, kept)
        scales = SHORTER if self.kernel is None and self.optimizer is not None else SHORTER[:1]
        kernel, Z = start(few, given_inducing(self, data), self.n_inducing, self.prior_spread, scales)
        if self.optimizer is not None:
            if len(w) >= MANY:
                kernel, Z = self._search(replace(few, kernel=kernel), Z, centre, name="a sample of rows")
            kernel, Z = self._search(replace(everything, kernel=kernel), Z, centre, name="all rows")
        everything = replace(everything, kernel=kernel)
        theta = torch.as_tensor(kernel.theta, device=data.device)
        posterior, value, self.jitter_ = everything.posterior(theta, Z)
        self.kernel_, self.log_evidence_ = kernel, value - float(w.sum() * scale.log().sum())
        self._keep_noise(data)
        self.inducing_points_, self.whitening_ = data.give(Z), data.give(posterior.U)
        self.mean_, self.factor_ = data.give(posterior.mean), data.give(posterior.factor)
        return self

    # ------------------------------------------------------------------ private

    def _search(
        self, f: SparseEvidence, Z: torch.Tensor, centre: np.ndarray, *, name: str
    ) -> tuple[Kernel, torch.Tensor]:
        """L-BFGS over log hyper-parameters and, if they move, inducing inputs in units of their columns' spread.

        ``centre`` is that of the prior.
        """
        P, (M, D) = len(f.kernel.theta), Z.shape
        move = self.learn_inducing and not (self.inducing_points is None and self.n_inducing >= len(f.X))
        unit = spread(f.X, f.w)
        bounds = np.full((P + M * D * move, 2), [-np.inf, np.inf])
        bounds[:P] = f.kernel.bounds
        first = np.concatenate([f.kernel.theta, (Z / unit).flatten().numpy(force=True) if move else []])
        if not len(first):
            return f.kernel, Z

        def parts(x: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
            x = torch.as_tensor(x, device=Z.device)
            return x[:P], x[P:].reshape(M, D) * unit if move else Z

        def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope, slope_Z = f.gradient(*parts(x))
            slopes = (torch.cat([slope, (slope_Z * unit).flatten()]) if move else slope).numpy(force=True)
            z = (x[:P] - centre) / self.prior_spread
            slopes[:P] -= z / self.prior_spread
            return z @ z / 2 - value, -slopes

        N = float(f.w.sum())
        steps = iterate(self, self.max_iter, name=name, expect={"objective": "increase"})

        def after(intermediate_result: Any) -> None:
            step = next(steps, None)
            if step is not None:
                step.record(objective=-intermediate_result.fun)
                if step.converged("objective", self.tol * N):
                    steps.close()
                elif step.index + 1 < self.max_iter:
                    return
                next(steps, None)
            raise StopIteration

        found = minimize(objective, first, jac=True, bounds=bounds, callback=after, method="L-BFGS-B", options=LIMITS)
        steps.close()
        theta, Z = parts(found.x)
        return f.kernel.with_theta(theta.numpy(force=True)), Z

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            check_posterior(self, int(np.prod(self.target_shape_)), 1)
