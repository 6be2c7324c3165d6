r"""Principal components: the few directions along which items differ most.

With the mean m of N rows, PCA finds K orthonormal directions V, first the one of largest variance, then the largest
among those at right angles to it, and so on. They are eigenvectors of the covariance matrix,

.. math:: S v_k = \lambda_k v_k, \qquad z = V^T (x - m), \qquad \hat x = m + V z

The codes z are uncorrelated, with variances :math:`\lambda_k`. No other K numbers with a linear way back lose less: the
mean squared error of :math:`\hat x` is the sum of the variances left out, :math:`\lambda_{K+1} + \ldots + \lambda_D`.

**As a model** it is a Gaussian on a plane with noise around it (`peira.latent.noisy_plane`),

.. math:: x \sim N(m, \; V (\Lambda - \sigma^2 I) V^T + \sigma^2 I), \qquad
          \sigma^2 = \frac{1}{D - K} \sum_{j > K} \lambda_j

whose likelihood is greatest for the same V and these :math:`\lambda` and :math:`\sigma^2` (Tipping & Bishop 1999, eqs 7
and 8). So PCA has a density, draws new items, and knows what a missing entry is likely to be. Variances have the
divisor N - 1, as scikit-learn's; the most likely ones are (N - 1) / N times these.

**Missing entries** (NaN) are not filled in: EM finds the plane of greatest likelihood of what was observed
(`peira.latent.noisy_plane_em`). The codes of a row with gaps are those of its expected completion.

**Units.** A column in millimetres has a million times the variance of one in metres: bring columns to one scale
(``standardise=True``, the correlation matrix) unless they share a unit.

**How many?** `peira.latent.component_choice`. **Between two items** the straight line between their codes is a straight
line in the plane: no method is needed to interpolate.

**Use it** to compress, to look at data in two dimensions, to remove correlated noise, to whiten. It sees variances and
nothing else: a direction of little variance may be the one that matters (`LinearDiscriminantAnalysis`), curved sheets
need `KernelPCA` or a manifold method, and one wild row can turn a direction towards itself.

Cost: N D min(N, D) / 2 + 9 min(N, D)^3, the Gram matrix of rows serving where N < D, and less for a few components of a
very tall table (`peira.latent.rounded_scatter`); N D K a round for ``randomized``; with gaps N D K^2 + N K^3 a step of
EM.

Reference: Pearson (1901); Hotelling (1933); Bishop (2006), 12.1 and 12.2; Tipping & Bishop (1999), J. R. Statist. Soc.
B 61, 611-622.
"""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse

from ..core import Card, DataError, Density, ParameterError, UnreadableError, integer, param
from ..core.inputs import Data, Matrix, Queries, open_matrix
from ..core.seeds import draw_seed
from .component_choice import choose
from .component_plot import plot_codes, plot_scree
from .linear_components import ROWS, LinearComponents
from .noisy_plane import NoisyPlane
from .noisy_plane_em import directions_of_rows_with_gaps
from .principal_components_svd import Directions, degrees_of_freedom, deviations, leading_directions


class PCA(LinearComponents, Density):
    """Principal components, and the Gaussian on a plane that they are.

    Attributes
    ----------
    components_ : array of shape (K, D)
        The directions, for standardised columns if so asked; in each the entry of largest magnitude is positive.
    explained_variance_ : array of shape (K,)
        Variances along them, divisor N - 1 (N being the sum of the weights).
    explained_variance_ratio_ : array of shape (K,)
        Their shares of the total.
    singular_values_ : array of shape (K,)
        Roots of the sums of squares along them.
    mean_, scale_ : array of shape (D,)
        Means and units of the columns; units are 1 without ``standardise``.
    n_components_ : int
    noise_variance_ : float
        Mean variance of the D - K directions left out. For N <= D scikit-learn's is larger: it leaves out of the mean
        the directions in which nothing varies.
    n_samples_ : int

    Examples
    --------
    >>> from peira.latent import PCA
    >>> pca = PCA(n_components=1).fit([[0.0, 0.1], [1.0, 0.9], [2.0, 2.0], [3.0, 3.1]])
    >>> pca.components_.round(2), pca.explained_variance_ratio_.round(3)
    (array([[0.7 , 0.71]]), array([0.999]))
    >>> pca.transform([[1.0, float("nan")]]).round(2)  # what is not known is expected
    array([[-0.71]])
    """

    card = Card(
        tasks=("reduction", "density"),
        reference="Hotelling (1933); Tipping & Bishop (1999)",
        exact=True,
        cost="N D min(N, D)",
        sparse=True,
        missing=True,
    )
    n_components: int | float | Literal["mle", "parallel", "cv"] | None = param(
        None,
        "how many, or the share of the variance to keep, or 'mle', 'parallel', 'cv' to choose; None for all",
        low=0,
        tune=integer(2, 20),
        positional=True,
    )
    whiten: bool = param(False, "divide codes by their standard deviations")
    svd_solver: Literal["auto", "full", "covariance_eigh", "gram", "randomized", "arpack"] = param(
        "auto", "how to find the directions"
    )
    tol: float = param(0.0, "relative tolerance of 'arpack'; 0 is rounding", low=0)
    iterated_power: int | Literal["auto"] = param("auto", "rounds of 'randomized'", low=0)
    n_oversamples: int = param(10, "columns of the start of 'randomized' beyond those asked for", low=0)
    standardise: bool = param(False, "bring columns to one standard deviation first: the correlation matrix")
    em_steps: int = param(1000, "with missing entries: the most steps of EM", low=1)
    em_tol: float = param(1e-9, "with missing entries: gain of log likelihood per row at which EM ends", low=0)
    random_state: object = param(None, "seed of 'randomized', 'arpack', 'parallel' and 'cv'")

    @classmethod
    def example(cls) -> "PCA":
        return cls(2, random_state=0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "PCA":
        """Find the components.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            NaN where an entry is missing (not in a sparse matrix).
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If there are not so many components, or a column has no observed entry.

        Warns
        -----
        ConvergenceWarning
            With missing entries, if EM did not come to an end, or no noise was left.
        """
        data = self._begin(X, None, sample_weight)
        _refuse_gaps_in_sparse(data, type(self).__name__)
        s = torch.ones(data.X.shape[1], dtype=data.dtype, device=data.device)
        if self.standardise:
            s = deviations(data.X, data.w)
        found = self._from_rows_with_gaps(data, s) if _has_gaps(data.X) else self._from_whole_rows(data, s)
        K, D = found.vectors.shape[1], len(s)
        divisor = degrees_of_freedom(found.weight)
        kept = float(found.squares.sum())
        self.components_ = data.give(found.vectors.T.contiguous())
        self.explained_variance_ = data.give(found.squares / divisor)
        self.explained_variance_ratio_ = data.give(found.squares / (found.total or 1.0))
        self.singular_values_ = data.give(found.squares.sqrt())
        self.mean_, self.scale_ = data.give(found.mean * s), data.give(s)
        self.noise_variance_ = max(found.total - kept, 0.0) / divisor / (D - K) if K < D else 0.0
        self.n_components_, self.n_samples_ = K, len(data)
        return self

    def transform(self, X: Any) -> Any:
        """The codes of each row; of a row with missing entries, those of its expected completion.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N, K)
        """
        queries = self._queries(X)
        _refuse_gaps_in_sparse(queries, type(self).__name__)
        if _has_gaps(queries.X):
            queries.X = self._completed(queries)
        return queries.give(self._codes(queries, queries.X))

    def impute(self, X: Any) -> Any:
        """The rows with each missing entry at its expectation given the observed ones, of shape (N, D)."""
        queries = self._queries(X)
        _refuse_gaps_in_sparse(queries, type(self).__name__)
        if sparse.issparse(queries.X):
            return X
        return queries.give(self._completed(queries))

    # ------------------------------------------------------------------ the density

    def _log_density(self, queries: Queries) -> torch.Tensor:
        _refuse_gaps_in_sparse(queries, type(self).__name__)
        plane, mean, s = self._plane(queries)
        if plane.degenerate():
            raise DataError(
                f"there is no density: {self.n_components_} components explain all of the variance of "
                f"{self.n_features_in_} columns, so that it is infinite on a plane and zero elsewhere; "
                "use fewer components, or drop columns that others determine"
            )
        logs = []
        for i in range(0, len(queries), ROWS):
            X = queries.X[i : i + ROWS]
            X = (torch.from_numpy(X.toarray()) if sparse.issparse(X) else X) - mean
            X /= s
            # an entry that is not observed has no unit either
            logs.append(plane.log_density(X) - (~X.isnan()).to(s) @ s.log())
        return torch.cat(logs)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """New items from the model, of shape (n_samples, D).

        Parameters
        ----------
        n_samples : int, default 1
        random_state : int, generator or None
        """
        mine = self._answers()
        plane, mean, s = self._plane(mine)
        return mine.give(plane.sample(n_samples, np.random.default_rng(draw_seed(random_state))) * s + mean)

    def get_covariance(self) -> Any:
        """The covariance matrix of the model, of shape (D, D)."""
        mine = self._answers()
        plane, _, s = self._plane(mine)
        C = plane.W @ plane.W.T
        C.diagonal().add_(plane.noise)
        return mine.give(C * torch.outer(s, s))

    def get_precision(self) -> Any:
        """Its inverse, of shape (D, D), for D^2 K multiplications.

        Raises
        ------
        ValueError
            If it has none.
        """
        mine = self._answers()
        plane, _, s = self._plane(mine)
        if plane.degenerate():
            raise DataError("the covariance matrix has no inverse: the components explain all of the variance")
        # Woodbury's formula; the columns of W are orthogonal, so that W'W + noise I is diagonal
        P = -(plane.W / (plane.W.square().sum(0) + plane.noise)) @ plane.W.T
        P.diagonal().add_(1.0)
        return mine.give(P / plane.noise / torch.outer(s, s))

    # ------------------------------------------------------------------ pictures

    def plot(self, X: Any, y: Any = None, ax: Any = None) -> Any:
        """Draw items on the first two components, and the columns as arrows (Gabriel's biplot).

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,), optional
            Groups, for the colours.
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        self._require_fitted()
        names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)])
        units = np.sqrt(self.explained_variance_) if not self.whiten else np.ones(self.n_components_)
        return plot_codes(
            self.transform(X), np.asarray(self.components_) * np.asarray(units)[:, None],
            np.asarray(self.explained_variance_ratio_), list(names), y, ax,
        )  # fmt: skip

    def plot_scree(self, ax: Any = None) -> Any:
        """Draw the share of the variance of each component, and what is kept so far; returns the Axes."""
        self._require_fitted()
        total = 1 - float(np.sum(np.asarray(self.explained_variance_ratio_)))
        left = self.n_features_in_ - self.n_components_
        return plot_scree(np.asarray(self.explained_variance_ratio_), total / left if left else 0.0, ax)

    # ------------------------------------------------------------------ learning

    def _from_whole_rows(self, data: Data, s: torch.Tensor) -> Directions:
        X = data.X
        if self.standardise:
            X = X @ sparse.diags_array(1 / s.numpy()) if sparse.issparse(X) else X / s
        K, R = self._number(data), min(X.shape)
        found = leading_directions(
            X, R if K is None else K, self.svd_solver, w=data.w, generator=data.generator(), tol=self.tol,
            oversamples=self.n_oversamples, rounds=None if self.iterated_power == "auto" else self.iterated_power,
        )  # fmt: skip
        return found if K is not None else _first(found, choose(self.n_components, found, data.rng(), X, data.w))

    def _from_rows_with_gaps(self, data: Data, s: torch.Tensor) -> Directions:
        if self.n_components == "cv":
            raise ParameterError("n_components='cv' needs rows without missing entries; choose by 'parallel' or 'mle'")
        K, D = self._number(data), data.X.shape[1]
        fit = lambda K: directions_of_rows_with_gaps(self, data, data.X / s, K, self.em_steps, self.em_tol)  # noqa: E731
        if K is not None:
            return fit(K)
        found = fit(max(1, min(len(data) - 1, D)))
        return found if self.n_components is None else fit(choose(self.n_components, found, data.rng()))

    def _number(self, data: Data) -> int | None:
        """K if it is given, None if all directions are wanted, or needed to choose it."""
        K, most = self.n_components, min(data.X.shape)
        if isinstance(K, float | np.floating) and not 0 < K < 1:
            raise ParameterError(
                "parameter 'n_components' of PCA must be a whole number, or a share between 0 and 1 (both excluded), "
                f"got {K!r}"
            )
        if K is None or isinstance(K, str | float | np.floating):
            if K is not None and self.svd_solver in ("randomized", "arpack"):
                raise ParameterError(f"n_components={K!r} needs all directions, and {self.svd_solver!r} finds a few")
            return None
        if most < K:
            raise DataError(f"n_components={K} must be between 0 and min(n_samples, n_features)={most}")
        return int(K)

    # ------------------------------------------------------------------ what was learned, as tensors

    def _answers(self) -> Queries:
        """The way back for answers without a question: arrays, or tensors if the fit saw some."""
        self._require_fitted()
        known = self.components_
        tensors = isinstance(known, torch.Tensor)
        return Queries(torch.empty(0), not tensors, known.device if tensors else torch.device("cpu"), self._dtype)

    def _plane(self, queries: Queries) -> tuple[NoisyPlane, torch.Tensor, torch.Tensor]:
        """The density of (x - mean) / scale, the mean and the scale."""
        V, variances = queries.tensor(self.components_).T, queries.tensor(self.explained_variance_)
        s = self._scale(queries)
        return NoisyPlane.of(torch.zeros_like(s), V, variances, self.noise_variance_), self._mean(queries), s

    def _completed(self, queries: Queries) -> torch.Tensor:
        plane, mean, s = self._plane(queries)
        filled = plane.filled((queries.X - mean) / s) * s + mean
        return torch.where(queries.X.isnan(), filled, queries.X)

    # ------------------------------------------------------------------ loading

    def _shapes(self, K: int, D: int) -> dict[str, tuple[int, ...]]:
        each = dict.fromkeys(("explained_variance_", "explained_variance_ratio_", "singular_values_"), (K,))
        return {"components_": (K, D), "mean_": (D,), "scale_": (D,), **each}

    def _never_negative(self) -> tuple[str, ...]:
        return "explained_variance_", "scale_"

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        noise, K = getattr(self, "noise_variance_", None), getattr(self, "n_components_", None)
        if type(noise) is not float or not 0 <= noise < np.inf or len(self.components_) != K:
            raise UnreadableError(f"this PCA has {K!r} components and a noise variance of {noise!r}")

    def _check_answers(self) -> None:
        LinearComponents._check_answers(self)
        try:
            Density._check_answers(self)
        except DataError:
            return  # components that explain everything have no density


def _first(found: Directions, K: int) -> Directions:
    return replace(found, squares=found.squares[:K], vectors=found.vectors[:, :K])


def _has_gaps(X: Matrix) -> bool:
    """Whether an entry of dense rows is missing; in the usual case one pass that holds nothing."""
    return not sparse.issparse(X) and not bool(X.sum().isfinite()) and bool(X.isnan().any())


def _refuse_gaps_in_sparse(opened: Queries, owner: str) -> None:
    """NaN is welcome in dense rows only: raise as for a method that takes none."""
    if sparse.issparse(opened.X) and np.isnan(opened.X.data).any():
        open_matrix(opened.X, owner=owner, names=opened.names, sparse_ok=True)
