r"""Gaussian process regression: a distribution over functions, and what is left of it after the data.

.. math:: f \sim GP(0, k_\theta), \quad y_i = m + f(x_i) + \epsilon_i, \quad \epsilon_i \sim N(0, s_i)

The kernel k says how alike the function's values at two inputs are: how smooth it is, how far it carries, whether it
repeats, which columns matter. Given the data, the function is again a Gaussian process, in closed form
(`peira.kernels.gaussian_process_posterior`); for the target at new inputs

.. math:: y_* \sim N( m + k_*^T \alpha, \; k(x_*, x_*) - u^T u + s_* ), \quad \alpha = (L L^T)^{-1} (y - m),
          \quad u = L^{-1} k_*

**Hyper-parameters** :math:`\theta` (length-scales, variances, the noise) maximise the log marginal likelihood, in
which fit and complexity are balanced without held-out data,

.. math:: \log p(y \mid \theta) = - \frac{1}{2} (y - m)^T \alpha - \sum_i \log L_{ii} - \frac{N}{2} \log 2 \pi

by its exact gradient (`peira.kernels.gaussian_process`), plus the log density of hyper-priors where there are any.
They are in the units of the data. What is left uncertain about them is not in the predictions: with few items,
intervals are somewhat too narrow.

**Noise** has three places: a `WhiteKernel` in the kernel is learned; ``alpha`` is known, one variance for all or one
for each row (heteroscedastic); weights divide it. Predictions are of new targets, with the noise of a new item in
them (the kernel's, and ``alpha`` where it is one number); ``noise=False`` asks for the function alone.

**Use it** for up to some thousand rows, few columns, smooth relations, and wherever intervals matter. Not for columns
by the hundred (one length-scale each), jumps, outliers (Student-t noise), or 1e5 rows (the sparse processes).
Without a kernel of your own: a smooth function of all columns, one length-scale each, plus noise, about the mean of
the targets; scaling the columns beforehand makes no difference.

Cost: N^3 for each of some ten to thirty evaluations of the marginal likelihood (on more than 1,200 rows most of them
see a quarter of the rows); N^2 for each predicted variance. Memory: two matrices of N x N numbers.

Reference: Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, 2.2, algorithm 2.1, 5.4.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..core import Card, ParameterError, param
from ..core.inputs import Data
from .gaussian_process import MarginalLikelihood, Observations
from .gaussian_process_answers import ConditionedProcess
from .gaussian_process_optimisation import Objective, maximise_theta, warn_at_bounds
from .gaussian_process_priors import default_hyper_priors, default_kernel, log_prior, spread
from .gaussian_process_start import search_in_stages, stages_of
from .kernel import Kernel


class GaussianProcessRegressor(ConditionedProcess):
    """Gaussian process regression, exact.

    What differs from scikit-learn: without a kernel, one is made for the data and learned (module page; there it is
    a fixed RBF); standard deviations are those of new targets, and so hold ``alpha`` where it is one number; weights
    are taken.

    Attributes
    ----------
    kernel_ : Kernel
        With the learned hyper-parameters, in the units of the data (of the normalised target with ``normalize_y``).
    X_train_ : array of shape (N, D)
    y_train_ : array of shape (N,) or (N, K)
        Less ``y_mean_``, over ``y_scale_``.
    L_ : array of shape (N, N)
        Lower Cholesky factor of the Gram matrix with the noise.
    alpha_ : array of shape (N,) or (N, K)
        The weights of the kernel at each item in the mean.
    log_marginal_likelihood_value_ : float
        Nats, at the learned hyper-parameters; summed over outputs. Without the hyper-priors.
    jitter_ : float
        What had to be added to the diagonal for ``L_`` to exist; 0.0 as a rule.
    known_noise_, weight_ : array of shape (N,)
        ``alpha`` of each item, and its weight.
    y_mean_, y_scale_ : array of shape (K,)
        The constant m, and the unit of the targets; 0 and 1 unless ``normalize_y``, or there is no kernel.
    history_, n_iter_, stopped_
        Of the search for hyper-parameters; no history without one.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import RBF, WhiteKernel
    >>> from peira.kernels.gaussian_process_regression import GaussianProcessRegressor
    >>> x = np.linspace(0.0, 6.0, 25)[:, None]
    >>> y = np.sin(x[:, 0]) + 0.05 * np.cos(40.0 * x[:, 0])
    >>> gp = GaussianProcessRegressor(1.0 * RBF() + WhiteKernel(0.01)).fit(x, y)
    >>> low, high = gp.predict_dist([[1.5]]).interval(0.9)
    >>> bool(low[0] < np.sin(1.5) < high[0])
    True
    """

    card = Card(
        tasks="regression",
        reference="Rasmussen & Williams (2006) 2.2, algorithm 2.1",
        cost="T N^3",
        incremental="approximate",
        multi_output=True,
        largest={"N": 1_000, "D": 100},
    )

    optimizer: str | Callable | None = param(
        "fmin_l_bfgs_b", "how hyper-parameters are learned: by quasi-Newton steps, by a function, or None: not at all"
    )
    n_restarts_optimizer: int = param(0, "searches from random hyper-parameters besides the first", low=0)
    normalize_y: bool = param(False, "bring the targets to mean 0 and variance 1 first; alpha is then in that unit")
    copy_X_train: bool = param(True, "keep a copy of the inputs, not the given array")
    hyper_priors: dict | None = param(
        None, "densities of hyper-parameters by name, such as {'length_scale': LogNormal(1.0, 1.0)}"
    )
    max_iter: int = param(200, "most steps of a search for hyper-parameters", low=1)
    tol: float = param(1e-6, "end a search when a step promises to gain fewer nats", low=0)
    random_state: object = param(None, "seed of restarts, and of the part of many rows that a search begins with")

    @classmethod
    def example(cls) -> "GaussianProcessRegressor":
        return cls(optimizer=None, random_state=0)

    # ------------------------------------------------------------------ learning

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "GaussianProcessRegressor":
        """Learn the hyper-parameters, and condition the process on the data.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
            Outputs share the kernel and its hyper-parameters.
        sample_weight : array of shape (N,), optional
            Divides the noise: an item of weight 2 counts as two equal ones, also for the hyper-parameters.

        Raises
        ------
        ValueError
            If data or parameters are malformed, or the Gram matrix is not positive definite by far.

        Warns
        -----
        BoundWarning
            If hyper-parameters end at their bounds.
        RankWarning
            If the Gram matrix needed jitter.
        """
        self._own_kernel()
        self._learn(self._begin(X, y, sample_weight))
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "GaussianProcessRegressor":
        """Condition on more items with the hyper-parameters, the mean and the unit that the first call learned.

        Equals `fit` with these hyper-parameters on all items, in any blocks. The first call is `fit`. Cost: N^2 an
        item.
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X, y, sample_weight)
        data = self._continue(X, y, sample_weight)
        new, old = self._observe(data, data.tensor(self.y_mean_), data.tensor(self.y_scale_)), self._observed(data)
        noise = new.variances(self.kernel_) / new.weights()
        posterior, jitter = self._posterior(data).extended(new.X, new.Y, noise)
        self._keep(data, self.kernel_, old.and_more(new), posterior.L, posterior.alpha, max(jitter, self.jitter_))
        return self

    def _learn(self, data: Data) -> None:
        observed, kernel, hyper_priors = self._prepare(data)
        ml = MarginalLikelihood(observed)
        if self.optimizer is not None and len(kernel.theta):
            kernel = kernel.with_theta(self._search(data, ml, kernel, hyper_priors))
            warn_at_bounds(self, kernel)
        else:
            log_prior(hyper_priors, kernel)  # checks the names
            self.n_iter_, self.stopped_ = 1, "nothing to learn"
        L, alpha, jitter = ml.condition(kernel)
        self._keep(data, kernel, observed, L.tril_(), alpha, jitter)

    def _prepare(self, data: Data) -> tuple[Observations, Kernel, dict | None]:
        """The observations about their mean, and the kernel to start from with its hyper-priors."""
        Y: torch.Tensor = data.Y  # type: ignore[assignment]
        mean, scale = Y.new_zeros(Y.shape[1]), Y.new_ones(Y.shape[1])
        if self.normalize_y or self.kernel is None:
            w = _ones(data) if data.w is None else data.w
            mean = (w @ Y) / w.sum()
            if self.normalize_y or Y.shape[1] > 1:  # outputs of different units share no variance
                scale = data.tensor(spread(Y, w))
        observed = self._observe(data, mean, scale)
        self.y_mean_, self.y_scale_ = data.give(mean), data.give(scale)
        if (own := self._own_kernel()) is not None:
            return observed, own, self.hyper_priors
        kernel = default_kernel(observed.X, observed.Y, observed.w)
        return observed, kernel, default_hyper_priors(kernel) if self.hyper_priors is None else self.hyper_priors

    def _search(self, data: Data, ml: MarginalLikelihood, kernel: Kernel, hyper_priors: dict | None) -> np.ndarray:
        """The hyper-parameters of highest posterior density."""
        o = ml.observed

        def objective(parts: list[torch.Tensor] | None) -> Objective:
            mls = [ml] if parts is None else [MarginalLikelihood(o.part(rows)) for rows in parts]

            def at(theta: np.ndarray) -> tuple[float, np.ndarray]:
                k = kernel.with_theta(theta)
                values, slopes = zip(*[part.with_gradient(k) for part in mls], log_prior(hyper_priors, k), strict=True)
                return sum(values), np.sum(slopes, axis=0)

            return at

        def search(f: Objective, restarts: int, tol: float, **start: Any) -> np.ndarray:
            return maximise_theta(
                self,
                f,
                kernel,
                optimizer=self.optimizer,
                n_restarts=restarts,
                rng=data.rng(),
                max_iter=self.max_iter,
                tol=tol,
                **start,
            )[0]

        stages = [] if callable(self.optimizer) else stages_of(len(o), data.generator())
        return search_in_stages(objective, search, kernel, stages, len(o), self.n_restarts_optimizer, self.tol)

    # ------------------------------------------------------------------ what is known

    def _observe(self, data: Data, mean: torch.Tensor, scale: torch.Tensor) -> Observations:
        """The rows that count, their targets less the mean and over the unit."""
        noise = np.asarray(self.alpha, dtype=float) if np.asarray(self.alpha).dtype.kind in "iuf" else None
        if noise is None or noise.ndim > 1 or not np.isfinite(noise).all() or (noise < 0).any():
            raise ParameterError(
                f"parameter 'alpha' of GaussianProcessRegressor must be a number >= 0, or one for each row; "
                f"got {self.alpha!r}"
            )
        if noise.ndim and len(noise) != len(data):
            raise ParameterError(
                f"parameter 'alpha' of GaussianProcessRegressor holds {len(noise)} variances for {len(data)} rows"
            )
        w = None if data.w is None or bool((data.w == 1).all()) else data.w
        X = data.X.clone() if self.copy_X_train else data.X
        Y: torch.Tensor = data.Y  # type: ignore[assignment]
        observed = Observations(X, (Y - mean) / scale, data.tensor(noise).expand(len(data)), w)
        return observed if w is None or bool((w > 0).all()) else observed.part(w > 0)

    def in_words(self, names: list[str] | None = None) -> list[str]:
        """What was found, in sentences; ``names`` are those of the columns."""
        self._form()
        names = list(names or getattr(self, "feature_names_in_", [f"x{d}" for d in range(self.n_features_in_)]))
        return [f"The target looks like {self.kernel_.words(names)}."]

    def log_marginal_likelihood(
        self, theta: Any = None, eval_gradient: bool = False, clone_kernel: bool = True
    ) -> float | tuple[float, np.ndarray]:
        """Log marginal likelihood of the training data, in nats; of the normalised targets with ``normalize_y``.

        Parameters
        ----------
        theta : array of shape (P,), optional
            Logarithms of the hyper-parameters; None: those learned.
        eval_gradient : bool, default False
            Also give the gradient by theta, of shape (P,).
        clone_kernel : bool
            Without meaning: kernels are never changed.

        Raises
        ------
        NotPositiveDefiniteError
            Where the Gram matrix is far from positive definite.
        """
        form = self._form()
        if theta is None and not eval_gradient:
            return self.log_marginal_likelihood_value_
        kernel = self.kernel_ if theta is None else self.kernel_.with_theta(np.asarray(theta, dtype=float))
        ml = MarginalLikelihood(self._observed(form))
        return ml.with_gradient(kernel) if eval_gradient else ml.value(kernel)


def _ones(data: Data) -> torch.Tensor:
    return torch.ones(len(data), dtype=data.dtype, device=data.device)
