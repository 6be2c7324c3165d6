"""What regression under unusual noise shares: the search for hyper-parameters, and the processes that are kept.

The mean function is a constant, the median of the targets, which a few outliers do not move. The hyper-parameters have
weak log-normal priors about their first values, so that few items do not settle on noise of zero, or on a function that
does not vary.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..core import DataError, ParameterError, Regressor, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..core.iteration import warn_not_converged
from ..core.predictive import Predictive
from .gaussian_process_noise import MAX_ITER, Fitted, Space, gram_slope
from .gaussian_process_optimisation import maximise_theta, warn_at_bounds
from .gaussian_process_priors import SPREAD
from .gaussian_process_tiles import pull_back
from .gram import gram
from .kernel import Kernel
from .site_posterior import predict_latent

POOR = 1e-2  # relative motion of precisions after the last step that is worth a warning
NARROW = 1e-6  # of constant targets: the spread that they are taken to have
LARGEST = 1e140  # spread of the targets whose square, and that over a bound, is still a number
BLOCK = 1 << 22  # numbers in a block of the kernel between new and old items
DEVIATION = 1.4826  # standard deviation of a normal variable over its median absolute deviation


class LatentRegressor(Regressor):
    """Base: a subclass names its kernels and the noise's own hyper-parameters, and fits them for one value.

    Attributes
    ----------
    kernel_ : Kernel
        Covariance of the function, with the hyper-parameters that were found.
    offset_ : float
        The mean function: the median of the targets.
    log_marginal_likelihood_value_ : float
        A lower bound of the log evidence, nats.
    X_train_ : array of shape (N, D)
    alpha_, root_, L_ : lists of arrays
        For each process: weights of its mean (N,), roots of the sites' precisions (N,), and the factor (N, N) of
        I + T^1/2 K T^1/2.
    n_iter_, stopped_, history_
        The record of the search for hyper-parameters.
    """

    kernel: Kernel | None = param(
        None, "covariance of the function, without noise; None: a scaled RBF, a length a column", positional=True
    )
    optimizer: str | Callable | None = param(
        "fmin_l_bfgs_b", "how hyper-parameters are found: the default, scikit-learn's callable, or None to leave them"
    )
    n_restarts_optimizer: int = param(0, "further searches, from hyper-parameters drawn within their bounds", low=0)
    max_iter: int = param(200, "most steps of a search for hyper-parameters", low=1)
    tol: float = param(1e-5, "end a search when a step promises to gain fewer nats", above=0)
    random_state: int | np.random.RandomState | None = param(None, "seed of the restarts")

    def fit(self, X: Any, y: Any) -> "LatentRegressor":
        """Learn the hyper-parameters and the posterior.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)

        Raises
        ------
        ValueError
            If the data are malformed, or a kernel does not compare rows of a table.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` steps of the search were not enough, or the variational fit did not settle; and for a given
            kernel, if a hyper-parameter ended at its bound.
        """
        data = self._begin(X, y)
        offset = data.Y[:, 0].quantile(0.5)
        target = data.Y[:, 0] - offset
        scale = float(target.abs().quantile(0.5)) * DEVIATION or float(target.square().mean().sqrt())
        constant = not scale > 0  # then nothing tells length-scales or noise, which stay narrow and as they are
        scale = NARROW * (1 + abs(float(offset))) if constant else scale
        optimizer = None if constant else self.optimizer
        if not 1 / LARGEST < scale < LARGEST:
            raise DataError(f"the targets spread over {scale:.3g}, too far from 1 for their squares: rescale them")
        kernels = self._kernels(data, scale)
        for kernel in kernels:
            if kernel._domain() not in ("table", "any"):
                raise ParameterError(f"{kernel!r} does not compare rows of a table, which {type(self).__name__} has")
        own, bounds = self._noise(scale)
        space = Space(
            np.concatenate([*(k.theta for k in kernels), own]), np.concatenate([*(k.bounds for k in kernels), bounds])
        )
        cuts = np.cumsum([len(k.theta) for k in kernels])
        # Weak beliefs: a factor of e^3 = 20 from the first value is one standard deviation. A kernel that was given
        # has its bounds alone.
        believed = np.arange(len(space.theta)) >= (0 if self.kernel is None else len(kernels[0].theta))
        start: torch.Tensor | None = None

        def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
            nonlocal start
            parts = np.split(theta, cuts)
            moved = [k.with_theta(part) for k, part in zip(kernels, parts[:-1], strict=True)]
            found = self._fitted([gram(k, data.X) for k in moved], target, parts[-1], start)
            start = found.start
            slopes = [_slope(k, data.X, gram_slope(*p)) for k, p in zip(moved, found.processes, strict=True)]
            z = np.where(believed, theta - space.theta, 0.0) / SPREAD
            slope = torch.cat([*slopes, found.slopes.to(target)]).numpy(force=True) - z / SPREAD
            return found.bound - float(z @ z) / 2, slope

        if optimizer is None:
            self.n_iter_, self.stopped_ = 0, "nothing to learn"
        theta, _ = maximise_theta(
            self,
            objective,
            space,
            optimizer=optimizer,
            n_restarts=self.n_restarts_optimizer,
            rng=data.rng(),
            max_iter=self.max_iter,
            tol=self.tol,
            name="variational bound",
        )
        *parts, own = np.split(theta, cuts)
        kernels = [k.with_theta(part) for k, part in zip(kernels, parts, strict=True)]
        if self.kernel is not None and optimizer is not None:
            warn_at_bounds(self, kernels[0])
        found = self._fitted([gram(k, data.X) for k in kernels], target, own, start)
        if found.gap > POOR:
            warn_not_converged(self, "the variational fit", MAX_ITER, "it", found.gap, POOR)
        self.offset_, self.log_marginal_likelihood_value_ = float(offset), found.bound
        self.X_train_ = data.give(data.X)
        self.alpha_ = [data.give(alpha) for alpha, _ in found.processes]
        self.root_ = [data.give(posterior.root) for _, posterior in found.processes]
        self.L_ = [data.give(posterior.L) for _, posterior in found.processes]
        self.kernel_ = kernels[0]
        self._keep(kernels, own, target)
        return self

    def predict_dist(self, X: Any) -> Predictive:
        """The predictive distribution of the target, noise included.

        Parameters
        ----------
        X : array, frame or tensor of shape (Q, D)

        Returns
        -------
        Mixture
            Of normal distributions, over targets of shape (Q,).
        """
        return self._forecast(self._queries(X))

    def latent_mean_and_variance(self, X: Any) -> tuple[Any, Any]:
        """Mean and variance of the function without noise, each of shape (Q,).

        Parameters
        ----------
        X : array, frame or tensor of shape (Q, D)
        """
        queries = self._queries(X)
        mean, variance = self._latent(queries, self.kernel_, 0)
        return queries.give(mean + self.offset_), queries.give(variance)

    # ------------------------------------------------------------------ for the subclass

    @classmethod
    def example(cls) -> "LatentRegressor":
        return cls(random_state=0)

    @abstractmethod
    def _kernels(self, data: Data, scale: float) -> list[Kernel]:
        """Of the function, and of further processes; ``scale`` is the spread of the targets."""

    @abstractmethod
    def _noise(self, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """The noise's own hyper-parameters to start from (P,), and their bounds (P, 2)."""

    @abstractmethod
    def _fitted(
        self, grams: list[torch.Tensor], y: torch.Tensor, own: np.ndarray, start: torch.Tensor | None
    ) -> Fitted:
        """The posterior for one value of all hyper-parameters."""

    @abstractmethod
    def _keep(self, kernels: list[Kernel], own: np.ndarray, y: torch.Tensor) -> None:
        """Store what was learned beside the processes."""

    @abstractmethod
    def _forecast(self, queries: Queries) -> Predictive: ...

    # ------------------------------------------------------------------ answering

    def _latent(self, queries: Queries, kernel: Kernel, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean, about the mean function, and variance of process k, each (Q,)."""
        old = queries.tensor(self.X_train_)
        alpha, root, L = (queries.tensor(v[k]) for v in (self.alpha_, self.root_, self.L_))
        parts = [
            predict_latent(kernel._gram(X, old), kernel._diagonal(X), alpha, root, L)
            for X in queries.X.split(max(1, BLOCK // len(old)))
        ]
        mean, variance = (torch.cat(each) for each in zip(*parts, strict=True))
        return mean, variance

    def _predict(self, queries: Queries) -> torch.Tensor:
        return self._latent(queries, self.kernel_, 0)[0][:, None] + self.offset_

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        X = np.asarray(getattr(self, "X_train_", None), dtype=float)
        lists = [getattr(self, name, None) for name in ("alpha_", "root_", "L_")]
        sound = isinstance(getattr(self, "kernel_", None), Kernel) and isinstance(getattr(self, "offset_", None), float)
        sound = sound and X.ndim == 2 and X.shape[1] == self.n_features_in_ and bool(np.isfinite(X).all())
        N = len(X) if X.ndim else 0
        for values, shape in zip(lists, ((N,), (N,), (N, N)), strict=True):
            sound = sound and isinstance(values, list) and len(values) > 0
            sound = sound and all(np.shape(v) == shape and bool(np.isfinite(np.asarray(v)).all()) for v in values)
        if not sound or len({len(values) for values in lists}) != 1:
            raise UnreadableError(f"a stored {type(self).__name__} of {N} items does not fit together")


def _slope(kernel: Kernel, X: torch.Tensor, W: torch.Tensor) -> torch.Tensor:
    return pull_back(kernel, X, lambda a, b: W[a, b])
