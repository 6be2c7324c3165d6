r"""Gaussian mixtures: soft clusters of any ellipse's shape, and a density that can take nearly any form.

.. math:: p(x) = \sum_k \pi_k \, \mathcal{N}(x \mid \mu_k, \Sigma_k)

EM: the E step shares each row out among the components, the M step takes weighted means and covariances,

.. math:: r_{nk} = \pi_k \mathcal{N}(x_n \mid \mu_k, \Sigma_k) / \sum_j \pi_j \mathcal{N}(x_n \mid \mu_j, \Sigma_j)

.. math:: n_k = \sum_n r_{nk}, \quad \mu_k = \sum_n r_{nk} x_n / n_k

.. math:: \Sigma_k = \sum_n r_{nk} (x_n - \mu_k) (x_n - \mu_k)^T / n_k, \quad \pi_k = n_k / N

**Shapes** of the covariances, with their free numbers: full, K D(D+1)/2; tied (one for all), D(D+1)/2; diag
(axis-parallel), K D; spherical, K. Fewer numbers need fewer rows: let ``bic`` choose.

**The floor.** Without one the likelihood is unbounded: a component that sits on one row grows without end. Here
variances in every direction are kept at ``reg_covar`` or above, which is the exact maximum under that constraint: where
the floor is not touched, nothing is changed, and where it is, a warning says so. (scikit-learn adds ``reg_covar`` to
all variances.)

**Missing values** (NaN) are taken: EM then maximises the likelihood of what was seen, ``impute`` fills gaps, and
``conditional`` gives the distribution of the other columns.

**Use it** for clusters that overlap, for densities in up to some tens of columns, for filling gaps. Not for clusters of
odd shapes (HDBSCAN), heavy tails or outliers (`StudentMixture`), or hundreds of columns (`MixtureOfFactorAnalysers`).

Cost: N K D^2 / 2 a step for full covariances, N K D for the others, as two matrix products; memory is the data and
blocks of them.

Reference: Bishop (2006), Pattern Recognition and Machine Learning, 9.2.2, eqs 9.22 to 9.27; Dempster, Laird & Rubin
(1977); missing values: Ghahramani & Jordan (1994), Supervised learning from incomplete data via an EM approach.
"""

from typing import Any

import numpy as np
import torch

from ..core import Card, DataError, ParameterError, UnreadableError, choice, closest, log, param
from ..core.inputs import Data, Queries
from .gaussian_components import GaussianComponents, GaussianRows
from .gaussian_forms import Shape
from .gaussian_missing import Incomplete
from .mixture import Mixture


class GaussianMixture(Mixture):
    """Gaussian mixture by EM, with four shapes of covariances and missing values.

    Attributes
    ----------
    weights_ : array of shape (K,)
    means_ : array of shape (K, D)
    covariances_, precisions_, precisions_cholesky_ : array
        Of shape (K, D, D) for full, (D, D) for tied, (K, D) for diag, (K,) for spherical covariances. The precisions
        are U U' with the triangular (or for diag and spherical, element-wise) root U.
    floored_ : int array of shape (K,)
        In how many directions each component lies on the floor.
    labels_, lower_bound_, converged_, n_iter_, restarts_
        As of `Mixture`.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import GaussianMixture
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [1.1, 0.0], [10.0, 2.0], [10.0, 4.0], [10.1, 0.0]])
    >>> mixture = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> sorted(mixture.means_[:, 0].round(3).tolist())
    [1.033, 10.033]
    >>> bool(mixture.predict([[0.0, 0.0]])[0] == mixture.labels_[0])
    True
    """

    card = Card(
        tasks=("clustering", "density"),
        reference="Dempster, Laird & Rubin (1977); Bishop (2006) 9.2.2",
        cost="T N K D^2",
        missing=True,
    )
    covariance_type: Shape = param("full", "shape of the covariances", tune=choice("full", "tied", "diag", "spherical"))
    reg_covar: float = param(1e-6, "least variance in any direction", low=0, tune=log(1e-9, 1e-1))
    means_init: list | np.ndarray | torch.Tensor | None = param(None, "means to start from, of shape (K, D)")
    precisions_init: list | np.ndarray | torch.Tensor | None = param(
        None, "precisions to start from, in the shape of precisions_"
    )

    @classmethod
    def example(cls) -> "GaussianMixture":
        return cls(n_components=2, covariance_type="spherical", max_iter=5000, tol=1e-6, random_state=0)

    # ------------------------------------------------------------------ EM

    def _rows(self, data: Data) -> GaussianRows:
        refuse_empty_columns(data, type(self).__name__)
        return GaussianRows.of(data.X, data.w)

    def _start(self, rows: GaussianRows, R: torch.Tensor) -> GaussianComponents:
        return GaussianComponents.start(rows, R, self.covariance_type, self.reg_covar)

    def _all_given(self) -> bool:
        return all(given is not None for given in (self.weights_init, self.means_init, self.precisions_init))

    def _with_given(self, data: Data, rows: GaussianRows, components: GaussianComponents | None) -> GaussianComponents:
        K, D = self.n_components, data.X.shape[1]
        if self._all_given():
            weights = self._given(data, "weights_init", (K,), shares=True)
            means = self._given(data, "means_init", (K, D)) - rows.centre
            return GaussianComponents.given(
                self.covariance_type, weights, means, self._given_precisions(data), self.reg_covar
            )
        c = super()._with_given(data, rows, components)
        means = c.means if self.means_init is None else self._given(data, "means_init", (K, D)) - rows.centre
        if self.precisions_init is not None:
            precisions = self._given_precisions(data)
            return GaussianComponents.given(self.covariance_type, c.weights, means, precisions, self.reg_covar)
        return c.moved(means - c.means)

    def _given_precisions(self, data: Data) -> torch.Tensor:
        K, D = self.n_components, data.X.shape[1]
        shape = {"full": (K, D, D), "tied": (D, D), "diag": (K, D), "spherical": (K,)}[self.covariance_type]
        P = self._given(data, "precisions_init", shape)
        if self.covariance_type in ("full", "tied"):
            sound = torch.allclose(P, P.mT) and not torch.linalg.cholesky_ex(P).info.any()
        else:
            sound = bool((P > 0).all())
        if not sound:
            raise ParameterError(f"'precisions_init' of {type(self).__name__} must be symmetric, positive-definite")
        return P

    def _placed(self, rows: GaussianRows, components: GaussianComponents) -> GaussianComponents:
        return components.moved(rows.centre)

    def _replaced(self, rows: GaussianRows, components: GaussianComponents) -> GaussianComponents:
        return components.moved(-rows.centre)

    def _keep(self, data: Data, components: GaussianComponents) -> None:
        c, U = components, components.U
        self.means_, self.covariances_ = data.give(c.means), data.give(c.covariances)
        self.precisions_ = data.give(U @ U.mT if c.shape in ("full", "tied") else U.square())
        self.precisions_cholesky_, self.floored_ = data.give(U), data.give(c.floored)

    def _components(self, like: Queries) -> GaussianComponents:
        return GaussianComponents(
            self.covariance_type,
            like.tensor(self.weights_),
            like.tensor(self.means_),
            like.tensor(self.covariances_),
            like.tensor(self.precisions_cholesky_),
            self.reg_covar,
            torch.as_tensor(self.floored_, device=like.device),
        )

    def _n_parameters(self) -> int:
        K, D = self.means_.shape
        shapes = {"full": K * D * (D + 1) // 2, "tied": D * (D + 1) // 2, "diag": K * D, "spherical": K}
        return K - 1 + K * D + shapes[self.covariance_type]

    def _floor_note(self, components: GaussianComponents) -> str:
        return floor_note(components, self.reg_covar)

    # ------------------------------------------------------------------ gaps

    def impute(self, X: Any) -> Any:
        """Fill missing values with their mean given what was seen in the row.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            NaN in the gaps.

        Returns
        -------
        array or tensor of shape (N, D)
        """
        queries = self._queries(X)
        return queries.give(filled(queries.X, self._components(queries)))

    def conditional(self, given: dict[Any, float]) -> "GaussianMixture":
        """The distribution of the other columns, given the values of some (Bishop 2006, eqs 2.81, 2.82 and 2.94).

        Parameters
        ----------
        given : dict
            Column (its name, if ``fit`` saw names, or its number) -> value.

        Returns
        -------
        GaussianMixture
            Fitted, with full covariances, over the columns that are left; answers ``sample``, ``log_prob`` and so on.

        Examples
        --------
        >>> import numpy as np
        >>> X = np.random.default_rng(0).normal(size=(500, 2)) @ np.array([[1.0, 1.0], [0.0, 0.1]])
        >>> GaussianMixture().fit(X).conditional({0: 2.0}).means_.round(1).tolist()
        [[2.0]]
        """
        at = torch.zeros(1, self.n_features_in_, dtype=torch.float64) * torch.nan
        for column, value in given.items():
            at[0, self._column(column)] = float(value)
        self._queries(torch.zeros_like(at))
        if not torch.isfinite(at).any() or torch.isfinite(at).all() or torch.isinf(at).any():
            raise DataError(f"conditional needs finite values for some columns, not for all; got {given!r}")
        like = Queries(at, as_numpy=not isinstance(self.means_, torch.Tensor), device=torch.device("cpu"))
        o = torch.isfinite(at[0])
        c = self._components(like).conditioned(at[0], o)
        other = GaussianMixture(n_components=len(c.weights), covariance_type="full", reg_covar=self.reg_covar)
        other.n_features_in_ = int((~o).sum())
        if hasattr(self, "feature_names_in_"):
            other.feature_names_in_ = self.feature_names_in_[~o.numpy()]
        other.weights_, other.labels_ = like.give(c.weights), like.give(torch.zeros(0, dtype=torch.int64))
        other._keep(like, c)
        return other

    def _column(self, column: Any) -> int:
        names = list(getattr(self, "feature_names_in_", []))
        if column in names:
            return names.index(column)
        if isinstance(column, int | np.integer) and 0 <= column < self.n_features_in_:
            return int(column)
        raise DataError(f"unknown column {column!r}; {closest(column, names or range(self.n_features_in_))}")

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        K, D = len(np.asarray(self.weights_)), self.n_features_in_
        ends = {"full": (K, D, D), "tied": (D, D), "diag": (K, D), "spherical": (K,)}[self.covariance_type]
        shapes = {"means_": (K, D), "covariances_": ends, "precisions_cholesky_": ends, "floored_": (K,)}
        for name, shape in shapes.items():
            value = np.asarray(getattr(self, name, None))
            if value.shape != shape or value.dtype.kind not in "fi" or not np.isfinite(value).all():
                raise UnreadableError(f"{type(self).__name__}.{name} should hold finite numbers of shape {shape}")


def filled(X: torch.Tensor, c: GaussianComponents, generator: torch.Generator | None = None) -> torch.Tensor:
    """Rows X (N, D) with their gaps filled by the conditional mean, or by a draw; a copy."""
    X, part = X.clone(), torch.isnan(X).any(1).nonzero()[:, 0]
    if len(part):
        incomplete = Incomplete.of(X[part], None)
        X[part[incomplete.order]] = incomplete.fill(c, generator)
    return X


def refuse_empty_columns(data: Data, owner: str) -> None:
    """A column of which nothing was seen can't be learned."""
    seen = ~torch.isnan(data.X) if data.w is None else ~torch.isnan(data.X) & (data.w > 0)[:, None]
    empty = (~seen.any(0)).nonzero()[:, 0].tolist()
    if empty:
        raise DataError(f"column {data.names[empty[0]]!r} holds no value at all; {owner} can't learn it: drop it")


def floor_note(components: GaussianComponents, reg_covar: float) -> str:
    """What to say about components on the floor; "" if there are none."""
    on = components.floored.nonzero()[:, 0].tolist()
    if not on:
        return ""
    return (
        f"{len(on)} of {len(components.floored)} components ({', '.join(map(str, on))}) lie on the floor of the "
        f"variance, reg_covar={reg_covar:g}, in {int(components.floored.sum())} directions: constant or collinear "
        "columns, repeated rows, or too few rows for a component; drop them, lower n_components, choose a simpler "
        "covariance_type, or raise reg_covar"
    )
