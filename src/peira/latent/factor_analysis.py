r"""Factor analysis: a few hidden causes that many columns share, and noise that each has of its own.

.. math:: x = m + W z + \epsilon, \quad z \sim N(0, I_K), \quad \epsilon \sim N(0, \Psi), \qquad
          x \sim N(m, \, W W^T + \Psi)

:math:`\Psi` is diagonal: what two columns have in common, the factors explain. Where principal components describe
directions of much variance, noise and all, factors describe correlations: a noisy column that goes with no other is
left alone, and the units of the columns change nothing. The factors of an item are expected to be

.. math:: E[z \mid x] = ( I + W^T \Psi^{-1} W )^{-1} W^T \Psi^{-1} (x - m)

**Rotation.** Any rotation of W is as likely; ``varimax`` or ``quartimax`` take one that can be read
(`peira.latent.rotation`). Without it the factors stand in the order of what they explain,
:math:`W^T \Psi^{-1} W` being diagonal.

**Limits.** D columns tell at most K factors apart with :math:`(D - K)^2 \geq D + K`. A column that the factors explain
completely (a Heywood case) has its noise held at 1e-5 of its variance.

**Use it** to ask what lies behind answers and measurements, or for a covariance matrix with few parameters. To compress
use `PCA`.

Cost: N D^2 once, and 9 D^3 a decomposition (N^2 D + 9 N^3 for N < D), four a round.

Reference: Spearman (1904); Bishop (2006), 12.2.4; Rubin & Thayer (1982); Barber (2012), chapter 21.
"""

import math
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, Density, ParameterError, Transformer, integer, param
from ..core.inputs import Queries
from ..core.seeds import draw_seed
from ..linear.sufficient_statistics import Rows, summarise, without_constants
from ..numerics.symmetric_eigen import with_signs
from .components import Components
from .factor_analysis_fit import Correlations, most_likely
from .rotation import orthomax


class FactorAnalysis(Components, Density):
    """Gaussian with a few common factors.

    Attributes
    ----------
    components_ : array of shape (K, D)
        The loadings, W transposed; in each factor the one of largest magnitude is positive.
    noise_variance_ : array of shape (D,)
        The diagonal of Psi, divisor N.
    mean_ : array of shape (D,)
    loglike_ : list of float
        Log likelihood of the rows after each round.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import FactorAnalysis
    >>> rng = np.random.default_rng(0)
    >>> cause = rng.normal(size=(500, 1))
    >>> X = cause @ [[1.0, 2.0, 3.0]] + rng.normal(size=(500, 3))
    >>> FactorAnalysis(n_components=1).fit(X).components_.round(1)
    array([[0.9, 2. , 3.1]])
    """

    card = Card(
        tasks=("reduction", "density"),
        reference="Rubin & Thayer (1982); Joreskog (1967)",
        cost="N D^2 + D^3 T",
    )
    n_components: int | None = param(
        None, "number of factors; None for one a column", low=0, tune=integer(1, 10), positional=True
    )
    tol: float = param(1e-6, "gain of the log likelihood of all rows at which to stop", low=0)
    max_iter: int = param(1000, "the most rounds", low=1)
    noise_variance_init: object = param(None, "noise (D,) to start from; None for one half of each variance")
    rotation: Literal["varimax", "quartimax"] | None = param(None, "which rotation of the factors to take")

    @classmethod
    def example(cls) -> "FactorAnalysis":
        return cls(1)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "FactorAnalysis":
        """Find the most likely loadings and noise.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Warns
        -----
        ConvergenceWarning
            If the rounds ran out.
        """
        data = self._begin(X, None, sample_weight)
        data.Y = data.X[:, :0]
        summary = without_constants(summarise(data, centred=True))
        D, N = data.X.shape[1], summary.weight
        K = D if self.n_components is None else self.n_components
        if K > D:
            raise DataError(f"n_components={K} must be at most n_features={D}")
        wide = isinstance(summary, Rows)
        variances = (summary.A.square().sum(0) if wide else summary.xx.diagonal()) / N
        varies = variances > 0
        s = torch.where(varies, variances.sqrt(), 1.0)
        if wide:
            table = Correlations(varies.to(data.dtype), N, A=summary.A / s / math.sqrt(N))
        else:
            table = Correlations(varies.to(data.dtype), N, C=summary.xx / N / torch.outer(s, s))
        found = most_likely(self, table, K, self._start(data, s, varies), self.max_iter, self.tol)
        W = s[:, None] * found.W
        if self.rotation is not None:
            W = W @ orthomax(W, self.rotation)
            W = W[:, W.square().sum(0).argsort(descending=True, stable=True)]
        self.components_ = data.give(with_signs(W).T.contiguous())
        self.noise_variance_ = data.give(torch.where(varies, found.psi * variances, 0.0))
        self.mean_ = data.give(summary.x_mean)
        shift = N * float(s.log().sum())  # of the columns as they are, not standardised
        self.loglike_ = [value - shift for value in self.history_["log_likelihood"]]
        return self

    def transform(self, X: Any) -> Any:
        """The expected factors of each row, of shape (N, K).

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        """
        queries = self._queries(X)
        W, inverse = self._loadings(queries)
        M = (W.T * inverse) @ W
        M.diagonal().add_(1.0)
        return queries.give(
            torch.linalg.solve(M, ((queries.X - queries.tensor(self.mean_)) * inverse @ W).T).T.contiguous()
        )

    def get_covariance(self) -> Any:
        """The covariance matrix of the model, of shape (D, D)."""
        W, psi = np.asarray(self.components_).T, np.asarray(self.noise_variance_)
        return W @ W.T + np.diag(psi)

    def get_precision(self) -> Any:
        """Its inverse, of shape (D, D)."""
        return np.linalg.inv(self.get_covariance())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """New items from the model, of shape (n_samples, D).

        Parameters
        ----------
        n_samples : int, default 1
        random_state : int, generator or None
        """
        self._require_fitted()
        rng, (K, D) = np.random.default_rng(draw_seed(random_state)), np.shape(self.components_)
        z, noise = rng.standard_normal((n_samples, K)), rng.standard_normal((n_samples, D))
        X = np.asarray(self.mean_) + z @ np.asarray(self.components_) + noise * np.sqrt(self.noise_variance_)
        return torch.as_tensor(X) if isinstance(self.components_, torch.Tensor) else X

    def _log_density(self, queries: Queries) -> torch.Tensor:
        W, inverse = self._loadings(queries)
        psi, D = queries.tensor(self.noise_variance_), len(W)
        if not bool((psi > 0).all()):
            raise DataError(
                "there is no density: column "
                f"{int((psi <= 0).nonzero()[0])} was constant when FactorAnalysis was fitted; drop it"
            )
        M = (W.T * inverse) @ W
        M.diagonal().add_(1.0)
        L = torch.linalg.cholesky(M)
        R = queries.X - queries.tensor(self.mean_)
        b = torch.linalg.solve_triangular(L, ((R * inverse) @ W).T, upper=False)
        log_det = psi.log().sum() + 2 * L.diagonal().log().sum()
        square = R.square() @ inverse - b.square().sum(0)  # Woodbury
        return -(D * math.log(2 * math.pi) + log_det + square) / 2

    def _loadings(self, queries: Queries) -> tuple[torch.Tensor, torch.Tensor]:
        """W (D, K) and 1 / psi (D,); 0 for columns that were constant."""
        psi = queries.tensor(self.noise_variance_)
        return queries.tensor(self.components_).T, torch.where(psi > 0, 1 / psi, 0.0)

    def _start(self, data: Queries, s: torch.Tensor, varies: torch.Tensor) -> torch.Tensor:
        given = self.noise_variance_init
        if given is None:
            return torch.full_like(s, 0.5)
        psi = np.asarray(given, dtype=float)
        if psi.shape != tuple(s.shape) or not np.isfinite(psi).all() or (psi <= 0).any():
            raise ParameterError(
                f"parameter 'noise_variance_init' of FactorAnalysis must hold {len(s)} positive numbers, got {given!r}"
            )
        return torch.where(varies, data.tensor(psi) / s.square(), 0.5)

    def _shapes(self, K: int, D: int) -> dict[str, tuple[int, ...]]:
        return {"components_": (K, D), "noise_variance_": (D,), "mean_": (D,)}

    def _never_negative(self) -> tuple[str, ...]:
        return ("noise_variance_",)

    def _check_answers(self) -> None:
        Transformer._check_answers(self)
        try:
            Density._check_answers(self)
        except DataError:
            return  # a constant column has no density
