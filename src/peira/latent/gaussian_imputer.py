r"""Filling gaps under a Gaussian: each missing value becomes what the values beside it let one expect.

.. math:: \hat x_m = \mu_m + \Sigma_{mo} \Sigma_{oo}^{-1} (x_o - \mu_o)

the regression of the missing part m on the part seen, o, for every pattern of gaps at once. Mean and covariance are
those that make what was seen most likely, found by EM: the E step fills the gaps in this way, the M step takes mean and
covariance of the filled rows, to which the covariance of the gaps is added:

.. math:: C_n = \Sigma_{mm} - \Sigma_{mo} \Sigma_{oo}^{-1} \Sigma_{om}

**It is right** if whether a value is missing does not depend on that value itself, given what was seen (missing at
random; Rubin 1976), and if the columns are nearly jointly Gaussian; the means are right under weaker conditions, as in
regression.

**One value or several?** Filled-in means lie too close together: variances and correlations computed from them are
wrong, and standard errors too small. ``impute_many`` draws the gaps from their conditional distribution instead:
compute what is wanted on each copy, average the results, and add the variance between copies (Rubin 1987, chapter 3).
It takes mean and covariance as known, so that with few rows its spread is still somewhat too small.

**Use it** before a method that takes no gaps, inside the pipeline, so that nothing of the test rows is learned. Columns
of categories need encoding first.

Cost: P D^3 + N D^2 a step for P patterns of gaps; EM takes the more steps the more is missing.

Reference: Dempster, Laird & Rubin (1977), 4.1.3; Little & Rubin (2019), Statistical Analysis with Missing Data, 11.2.
"""

import warnings
from typing import Any, Self

import numpy as np
import torch

from ..core import Card, ParameterError, Transformer, UnreadableError, iterate, log, param
from ..core.inputs import Queries
from ..core.seeds import draw_seed, torch_generator
from .gaussian_components import GaussianComponents, GaussianRows
from .gaussian_mixture import filled, floor_note, refuse_empty_columns
from .mixture import MixtureWarning


class GaussianImputer(Transformer):
    """Fill missing values by their conditional mean under a Gaussian, or by draws.

    Attributes
    ----------
    mean_ : array of shape (D,)
    covariance_ : array of shape (D, D)
        Maximum likelihood from all that was seen.
    log_likelihood_ : float
        Of the values that were seen, mean of a row, nats.
    converged_ : bool
    n_iter_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import GaussianImputer
    >>> X = np.array([[1.0, 2.1], [2.0, 3.9], [3.0, 6.2], [4.0, 7.8], [5.0, np.nan]])
    >>> GaussianImputer().fit(X).transform(X)[-1].round(1)
    array([5. , 9.8])
    """

    card = Card(
        tasks="representation",
        reference="Little & Rubin (2019) 11.2; Dempster, Laird & Rubin (1977)",
        cost="T (N D^2 + D^3)",
        missing=True,
    )
    tol: float = param(1e-6, "EM ends when the mean log likelihood rises by less", low=0)
    max_iter: int = param(1000, "most steps of EM", low=1)
    reg_covar: float = param(1e-6, "least variance in any direction", low=0, tune=log(1e-9, 1e-1))

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn mean and covariance by EM.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            NaN in the gaps; rows without any value say nothing.
        y : ignored
        sample_weight : array of shape (N,), optional

        Raises
        ------
        ValueError
            If a column holds no value at all.
        """
        data = self._begin(X, None, sample_weight)
        refuse_empty_columns(data, type(self).__name__)
        rows = GaussianRows.of(data.X, data.w)
        R = torch.ones(1, len(rows), dtype=data.dtype, device=data.device)
        c = GaussianComponents.start(rows, R, "full", self.reg_covar)
        weight = rows.weight
        for step in iterate(self, self.max_iter, name="EM", expect={"log_likelihood": "increase"}):
            total, sums = c.expect(rows)
            step.record(log_likelihood=total / weight)
            if rows.incomplete is None:  # the start is the answer
                step.stop("converged")
                break
            if step.converged("log_likelihood", self.tol):
                break
            c = c.maximise(sums)
        self.converged_ = self.stopped_ == "converged"
        self.log_likelihood_ = self.history_["log_likelihood"][-1]
        self.mean_, self.covariance_ = data.give(c.means[0] + rows.centre), data.give(c.covariances[0])
        if note := floor_note(c, self.reg_covar):
            warnings.warn(f"GaussianImputer: {note}", MixtureWarning, stacklevel=2)
        return self

    def transform(self, X: Any) -> Any:
        """Fill the gaps with their mean given what was seen in the row.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            NaN in the gaps.

        Returns
        -------
        array or tensor of shape (N, D)
        """
        queries = self._queries(X)
        return queries.give(filled(queries.X, self._gaussian(queries)))

    def impute_many(self, X: Any, n_imputations: int = 5, random_state: Any = None) -> Any:
        """Fill the gaps several times, by draws given what was seen in the row.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        n_imputations : int, default 5
        random_state : int, generator or None
            None draws a seed.

        Returns
        -------
        array or tensor of shape (M, N, D)
        """
        if isinstance(n_imputations, bool) or not isinstance(n_imputations, int | np.integer) or n_imputations < 1:
            raise ParameterError(f"n_imputations must be a whole number >= 1, got {n_imputations!r}")
        queries = self._queries(X)
        generator, c = torch_generator(draw_seed(random_state), queries.device), self._gaussian(queries)
        return queries.give(torch.stack([filled(queries.X, c, generator) for _ in range(n_imputations)]))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The names of the columns, unchanged."""
        names = getattr(self, "feature_names_in_", None) if input_features is None else input_features
        return np.array([f"x{j}" for j in range(self.n_features_in_)] if names is None else names, dtype=object)

    def _gaussian(self, like: Queries) -> GaussianComponents:
        C, mean = like.tensor(self.covariance_)[None], like.tensor(self.mean_)[None]
        one = torch.ones_like(mean[:, 0])
        return GaussianComponents.of_covariances("full", one, mean, C, self.reg_covar)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D = self.n_features_in_
        for name, shape in {"mean_": (D,), "covariance_": (D, D)}.items():
            value = np.asarray(getattr(self, name, None))
            if value.shape != shape or value.dtype.kind != "f" or not np.isfinite(value).all():
                raise UnreadableError(f"GaussianImputer.{name} should hold finite numbers of shape {shape}")
        if np.linalg.eigvalsh(self.covariance_)[0] <= 0:
            raise UnreadableError("GaussianImputer.covariance_ should be positive definite")
