r"""What the methods of independent component analysis share: whitening, order and sign of the components, the way back.

The model is :math:`x = \mu + A s` with independent sources s of unit variance. Any order and sign of the sources gives
the same data, so both are a convention here: components are sorted by the share of the variance of x that they explain,

.. math:: \| a_k \|^2 / \mathrm{tr} \, \mathrm{cov}(x)

from the largest down, :math:`a_k` being a column of A, and the largest entry of each :math:`a_k` is positive.
"""

import warnings
from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from ..core import DataError, ParameterError, Transformer, integer, param
from ..core.errors import RankWarning, UnreadableError
from ..core.inputs import Data, open_matrix
from .sources_plot import plot_sources
from .whitening import White, whiten


class IndependentComponents(Transformer):
    """Base of the methods that find independent sources. A subclass writes ``_separate``.

    A subclass may have parameters ``whiten`` and ``whiten_solver``.
    """

    n_components: int | None = param(
        None,
        "number of sources; None: as many as the data have directions",
        low=1,
        tune=integer(2, 20),
        positional=True,
    )
    w_init: list | np.ndarray | None = param(None, "first unmixing of the whitened data, of shape (K, K)")
    random_state: object = param(None, "seed of the first unmixing: an int, a generator, or None to draw one")

    @abstractmethod
    def _separate(self, Z: np.ndarray, v: np.ndarray, W: np.ndarray) -> np.ndarray:
        """The unmixing (K, K) of whitened items Z (K, N), with weights v that add up to one, beginning at W."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "IndependentComponents":
        """Find the sources.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            Mixtures: a column for each channel, a row for each moment or item.
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Returns
        -------
        self

        Warns
        -----
        RankWarning
            If the data have fewer directions than ``n_components``.
        ConvergenceWarning
            If ``max_iter`` steps were not enough: with what is left of the change.
        """
        data = self._begin(X, None, sample_weight)
        white = self._whitened(data)
        W = self._separate(white.Z, white.v, self._first(data, len(white.Z)))
        self._keep(data, white, W)
        return self

    def transform(self, X: Any) -> Any:
        """The sources of each row, of shape (N, K).

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        """
        queries = self._queries(X)
        return queries.give((queries.X - queries.tensor(self.mean_)) @ queries.tensor(self.components_).T)

    def inverse_transform(self, X: Any) -> Any:
        """The mixtures of each row of sources, of shape (N, D).

        Parameters
        ----------
        X : array, frame or tensor of shape (N, K)
        """
        name = type(self).__name__
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"This {name} instance is not fitted yet: call fit before asking it anything")
        sources, K = open_matrix(X, owner=name), len(self.components_)
        if sources.X.shape[1] != K:
            raise DataError(f"{name} has {K} sources, got rows of {sources.X.shape[1]} numbers")
        return sources.give(sources.X @ sources.tensor(self.mixing_).T + sources.tensor(self.mean_))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the sources: the method's and a number."""
        name = type(self).__name__.lower()
        return np.array([f"{name}{k}" for k in range(len(self.components_))], dtype=object)

    def plot(self, X: Any, ax: Any = None) -> Any:
        """Draw the sources of rows in their order, one below the other, with their shares of the variance.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        ax : matplotlib Axes, optional
            Drawn on new axes otherwise.

        Returns
        -------
        matplotlib Axes
        """
        return plot_sources(self.transform(X), np.asarray(self.explained_variance_ratio_), ax)

    # ------------------------------------------------------------------ steps of fit

    def _whitened(self, data: Data) -> White:
        K, name = self.n_components, type(self).__name__
        N, D = data.X.shape
        if getattr(self, "whiten", True) is False:
            if K not in (None, D):
                raise ParameterError(f"n_components={K} of {name} needs whitening: with whiten=False there are {D}")
            X = np.ascontiguousarray(data.X.numpy(force=True).T)
            v = np.full(N, 1 / N) if data.w is None else (data.w / data.w.sum()).numpy(force=True)
            return White(X, v, np.zeros(D), np.eye(D), np.eye(D), 1.0, D)
        white = whiten(data.X, data.w, K, getattr(self, "whiten_solver", "auto"), name)
        if K is not None and white.rank < K:
            warnings.warn(
                f"{name}: the data vary in {white.rank} directions, so there are {white.rank} components, not {K}",
                RankWarning,
                stacklevel=4,
            )
        return white

    def _first(self, data: Data, K: int) -> np.ndarray:
        if self.w_init is None:
            return data.rng().normal(size=(K, K))
        W = np.array(self.w_init, dtype=np.float64)
        if W.shape != (K, K) or not np.isfinite(W).all() or np.linalg.matrix_rank(W) < K:
            raise ParameterError(
                f"w_init of {type(self).__name__} must be an invertible matrix of shape {(K, K)}, got shape {W.shape}"
            )
        return W

    def _keep(self, data: Data, white: White, W: np.ndarray) -> None:
        whitened = getattr(self, "whiten", True)
        if whitened is not False:  # sources of unit variance
            W = W / np.sqrt((W * W).sum(1, keepdims=True))
        components, mixing = W @ white.there, white.back @ np.linalg.inv(W)
        scale = np.abs(mixing).max()  # so that no square is beyond range
        shares = ((mixing / scale) ** 2).sum(0) / ((white.back / scale) ** 2).sum() * white.kept
        order = np.argsort(-shares, kind="stable")
        signs = np.sign(mixing[np.abs(mixing).argmax(0), np.arange(len(W))])[order]
        components, mixing = components[order] * signs[:, None], mixing[:, order] * signs
        self.explained_variance_ratio_ = data.give(data.tensor(shares[order]))
        if whitened is not False:
            # scikit-learn's scale: rows whose squares add up to one, of which "arbitrary-variance" keeps the sources
            n = np.sqrt(len(data) if data.w is None else float(data.w.sum()))
            self.whitening_ = data.give(data.tensor(white.there / n))
            if whitened == "arbitrary-variance":
                components, mixing = components / n, mixing * n
        self.mean_ = data.give(data.tensor(white.mean))
        self.components_, self.mixing_ = data.give(data.tensor(components)), data.give(data.tensor(mixing))

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, K = self.n_features_in_, len(self.components_)
        shapes = [np.shape(v) for v in (self.components_, self.mixing_, self.mean_, self.explained_variance_ratio_)]
        whitening = getattr(self, "whitening_", None)
        if shapes != [(K, D), (D, K), (D,), (K,)] or (whitening is not None and np.shape(whitening) != (K, D)):
            raise UnreadableError(f"{type(self).__name__} of {D} columns has learned arrays of shapes {shapes}")
