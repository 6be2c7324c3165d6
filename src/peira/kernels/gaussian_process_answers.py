r"""What a Gaussian process answers once it is conditioned: distributions of targets, functions, parts, left-out rows.

With the posterior of the function, of mean m and covariance v (`peira.kernels.gaussian_process_posterior`), the unit c
and the mean b of the targets, and the variance s_* of the noise of a new one,

.. math:: y_* \sim N( b + c \, m(x_*), \; c^2 ( v(x_*, x_*) + s_* ) )

jointly for many x_* with the covariance between them, from which whole functions are drawn.

Reference: Rasmussen & Williams (2006), 2.2 and 5.4.2.
"""

import warnings
from typing import Any

import numpy as np
import torch

from ..core import DataError, ParameterError, Regressor, param
from ..core.errors import RankWarning, UnreadableError
from ..core.inputs import Data, Queries, column_names, open_matrix
from ..core.predictive import Normal, Predictive
from ..core.seeds import draw_seed
from .gaussian_process import Observations, log_marginal_likelihood, noise_of, silent
from .gaussian_process_posterior import Posterior, root_of, summands
from .gaussian_process_priors import default_kernel
from .kernel import Kernel


class ConditionedProcess(Regressor):
    """Base of Gaussian process regression: what is learned, and what it answers. A subclass learns it."""

    kernel: object = param(
        None, "covariance of the function, with its noise; None: one made for the data", positional=True
    )
    alpha: float | list | np.ndarray = param(
        1e-10, "known variance of the noise: one for all, or one for each row of the call", low=0
    )
    n_targets: int | None = param(None, "outputs of draws from the prior before fit; one if None", low=1)

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        """Predict the target of each row.

        Parameters
        ----------
        X : array, frame or tensor of shape (M, D)
        return_std : bool, default False
            Also the standard deviations, of the mean's shape, of new targets: those of `predict_dist`.
        return_cov : bool, default False
            Also their joint covariance, of shape (M, M), or (M, M, K) for K outputs.

        Returns
        -------
        array or tensor of shape (M,) or (M, K)
            In the unit of the target; a pair with what else was asked for.

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, or both are asked for.
        """
        if not return_cov:
            return super().predict(X, return_std)
        if return_std:
            raise ParameterError("ask for return_std or return_cov: the covariance has the variances on its diagonal")
        queries = self._queries(X)
        C = self._covariance(queries, noise=True)
        scale = queries.tensor(self.y_scale_)
        C = C * scale.square() if not self.target_shape_ else C[:, :, None] * scale.square()
        mean = self._predict(queries).reshape(len(queries), *self.target_shape_)
        return queries.give(mean), queries.give(C)

    def predict_dist(self, X: Any, noise: bool = True) -> Predictive:
        """Predictive distribution of each row's target.

        Parameters
        ----------
        X : array, frame or tensor of shape (M, D)
        noise : bool, default True
            Of a new target, with the noise of the kernel and ``alpha`` where it is one number; False: of the
            function's value.

        Returns
        -------
        Normal
            Over targets of shape (M,) or (M, K).
        """
        queries = self._queries(X)
        variance = self._posterior(queries).variance(queries.X)
        if noise:
            variance = variance + self._new_noise(queries)
        return self._normal(queries, self._predict(queries), variance)

    def joint_dist(self, X: Any, noise: bool = True) -> Predictive:
        """Joint predictive distribution of the targets of all rows, for one output; parameters as `predict_dist`.

        Returns
        -------
        Normal
            With its covariance (M, M).
        """
        queries = self._queries(X)
        if len(self.y_mean_) > 1:
            raise DataError(
                "a joint distribution over rows is of one output: fit one, or call predict(return_cov=True)"
            )
        C = self._covariance(queries, noise) * queries.tensor(self.y_scale_).square()
        return Normal(self._predict(queries)[:, 0], covariance=C, as_numpy=queries.as_numpy)

    def loo_dist(self) -> Predictive:
        """What the other rows say about the target of each training row, at the learned hyper-parameters; exact.

        Returns
        -------
        Normal
            Over targets of shape (N,) or (N, K), noise included; for the rows of ``X_train_``. Costs 2 N^3 / 3
            (Rasmussen & Williams 2006, eqs 5.10 to 5.12).
        """
        form = self._form()
        o = self._observed(form)
        mean, variance = self._posterior(form).leave_one_out()
        s = o.variances(self.kernel_)
        variance = (variance - s / o.weights() - self.jitter_).clamp(
            min=0
        ) + s  # one new target, whatever the row's weight
        return self._normal(form, self._in_units(form, mean), variance)

    def decompose(self, X: Any) -> dict[str, Normal]:
        """Which part of an additive kernel explains what: the posterior of each summand, without noise.

        Parameters
        ----------
        X : array, frame or tensor of shape (M, D)

        Returns
        -------
        dict of str to Normal
            By the summand's repr, with products multiplied out and white noise left out. In the unit of the target;
            the means add up to ``predict(X)`` less ``y_mean_``. Parts are uncertain together: where two can explain
            the same, each variance is large though that of their sum is small.
        """
        queries = self._queries(X)
        posterior, parts = self._posterior(queries), {}
        for part in summands(self.kernel_):
            name = repr(part)
            while name in parts:
                name += " (again)"
            mean = posterior.mean(queries.X, part) * queries.tensor(self.y_scale_)
            parts[name] = self._normal(queries, mean, posterior.variance(queries.X, part))
        return parts

    def sample_y(
        self, X: Any, n_samples: int = 1, random_state: Any = 0, *, noise: bool = True, prior: bool = False
    ) -> Any:
        """Joint draws at the rows of X: whole functions, seen there.

        Parameters
        ----------
        X : array, frame or tensor of shape (M, D)
        n_samples : int, default 1
        random_state : int or None, default 0
        noise : bool, default True
            Of targets, with the noise of `predict_dist`; False: of the function.
        prior : bool, default False
            From the prior, with the learned hyper-parameters; before ``fit`` always so, with the kernel's own.

        Returns
        -------
        array or tensor of shape (M, n_samples), or (M, K, n_samples) for K outputs
        """
        if n_samples < 1:
            raise ParameterError(f"n_samples must be 1 or more, got {n_samples}")
        fitted = self.__sklearn_is_fitted__()
        queries = self._queries(X) if fitted else open_matrix(X, owner=type(self).__name__, names=column_names(X))
        M, K = len(queries), len(self.y_mean_) if fitted else self.n_targets or 1
        if fitted and not prior:
            mean, C = self._predict(queries), self._covariance(queries, noise)
        else:
            kernel = (
                self.kernel_ if fitted else (self._own_kernel() or default_kernel(queries.X, queries.X.new_ones(M, 1)))
            )
            mean = queries.tensor(self.y_mean_).expand(M, K) if fitted else queries.X.new_zeros(M, K)
            C = (kernel if noise else silent(kernel))._gram(queries.X)
        scale = queries.tensor(self.y_scale_) if fitted else queries.X.new_ones(K)
        z = queries.tensor(np.random.default_rng(draw_seed(random_state)).standard_normal((n_samples, K, M)))
        draws = mean[:, :, None] + scale[:, None] * (z @ root_of(C).T).permute(2, 1, 0)
        return queries.give(draws if K > 1 or (fitted and self.target_shape_) else draws[:, 0])

    def plot(self, column: int | str | None = None, ax: Any = None, *, level: float = 0.9, samples: int = 3) -> Any:
        """Draw mean, band and a few functions along one column, the others at their medians.

        Parameters
        ----------
        column : int or str, optional
            Position or name; not needed if there is only one.
        ax : matplotlib Axes, optional
        level : float, default 0.9
            Of the band for new targets.
        samples : int, default 3
            Functions drawn from the posterior.

        Returns
        -------
        matplotlib Axes
        """
        from .gaussian_process_plot import plot_process

        self._form()
        return plot_process(self, column, ax, level, samples)

    # ------------------------------------------------------------------ what is known

    def _own_kernel(self) -> Kernel | None:
        """The parameter, if it is a kernel of ours, or None."""
        if self.kernel is not None and not isinstance(self.kernel, Kernel):
            name = type(self.kernel).__name__
            ours = name if type(self.kernel).__module__.startswith("sklearn.") else "RBF"
            raise ParameterError(
                "parameter 'kernel' of GaussianProcessRegressor must be a kernel of Peira or None, "
                f"got {self.kernel!r} ({name}): use peira.kernels.{ours}"
            )
        return self.kernel

    def _keep(
        self, data: Data, kernel: Kernel, observed: Observations, L: torch.Tensor, alpha: torch.Tensor, jitter: float
    ) -> None:
        """Store the process given the observations."""
        if jitter:
            _warn_of_jitter(jitter)
        Y, a = (v[:, 0] if data.squeeze else v for v in (observed.Y, alpha))
        self.kernel_, self.jitter_ = kernel, jitter
        self.X_train_, self.y_train_, self.alpha_, self.L_ = (data.give(v) for v in (observed.X, Y, a, L))
        self.known_noise_, self.weight_ = data.give(observed.noise.clone()), data.give(observed.weights())
        self.log_marginal_likelihood_value_ = log_marginal_likelihood(observed, kernel, L, alpha)

    def _observed(self, form: Queries) -> Observations:
        """What was learned from, as tensors beside the queries."""
        X, Y, noise, w = (form.tensor(v) for v in (self.X_train_, self.y_train_, self.known_noise_, self.weight_))
        return Observations(X, Y.reshape(len(X), -1), noise, None if bool((w == 1).all()) else w)

    def _posterior(self, form: Queries) -> Posterior:
        """The process, as tensors beside the queries."""
        o = self._observed(form)
        L, alpha = form.tensor(self.L_), form.tensor(self.alpha_).reshape(len(o), -1)
        return Posterior(silent(self.kernel_), o.X, o.Y, L, alpha)

    def _predict(self, queries: Queries) -> torch.Tensor:
        return self._in_units(queries, self._posterior(queries).mean(queries.X))

    def _in_units(self, form: Queries, mean: torch.Tensor) -> torch.Tensor:
        return form.tensor(self.y_mean_) + form.tensor(self.y_scale_) * mean

    def _normal(self, form: Queries, mean: torch.Tensor, variance: torch.Tensor) -> Normal:
        """Normals about means (M, K) in the unit of the target, of shared variances (M,) in that of the kernel."""
        shape = (len(mean), *self.target_shape_)
        std = variance.sqrt()[:, None] * form.tensor(self.y_scale_)
        return Normal(mean.reshape(shape), std.reshape(shape), as_numpy=form.as_numpy)

    def _new_noise(self, queries: Queries) -> torch.Tensor:
        """Variance (M,) of the noise of new targets; that of rows with a variance each is not known for new ones."""
        known = float(np.asarray(self.alpha)) if np.ndim(self.alpha) == 0 else 0.0
        return noise_of(self.kernel_, queries.X) + known

    def _covariance(self, queries: Queries, noise: bool) -> torch.Tensor:
        C = self._posterior(queries).covariance(queries.X)
        if noise:
            C.diagonal().add_(self._new_noise(queries))
        return C

    def _form(self) -> Queries:
        """The form in which the training data came."""
        return self._queries(self.X_train_) if self.__sklearn_is_fitted__() else self._queries(None)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        N, target = len(self.X_train_), tuple(self.target_shape_)
        K = int(np.prod(target))
        shapes: dict[str, tuple[int, ...]] = {
            "X_train_": (N, self.n_features_in_), "y_train_": (N, *target), "alpha_": (N, *target), "L_": (N, N),
            "known_noise_": (N,), "weight_": (N,), "y_mean_": (K,), "y_scale_": (K,),
        }  # fmt: skip
        for name, shape in shapes.items():
            if np.shape(vars(self).get(name, ())) != shape:
                raise UnreadableError(f"GaussianProcessRegressor.{name} does not have the shape {shape}")
        if not isinstance(self.kernel_, Kernel):
            raise UnreadableError("GaussianProcessRegressor.kernel_ is no kernel")


def _warn_of_jitter(jitter: float) -> None:
    warnings.warn(
        f"the Gram matrix is singular to rounding: {jitter:.2g} was added to its diagonal (jitter_), as noise of that "
        "variance; for equal rows, or very long length-scales, add a WhiteKernel or raise alpha",
        RankWarning,
        stacklevel=5,
    )
