r"""Hidden Markov models by variational Bayes: every part has a posterior, and states that nobody needs die out.

.. math:: \log p(x) \geq E_q[\log p(x, z, \theta)] - E_q[\log q(z) \, q(\theta)]

with Dirichlet posteriors of the initial probabilities, of the rows of the transitions and of symbols, and
normal-Wishart posteriors of Gaussians (`peira.sequences.variational_parts`). The bound never decreases. It counts what
the model could be against what it explains, so that, with Dirichlet priors below one, too many states are given:
those that the data do not need keep hardly any steps. Asked about new sequences, the model answers with the means of
its posteriors.

The posterior is thought to factorise into paths and parts, so that it is too narrow; draws by Gibbs sampling are wider
and slower. Starts matter as for Baum-Welch: restart, and keep the highest bound.

Cost of a step: that of Baum-Welch, S (K^2 + K D) for S steps in all.

Reference: MacKay (1997), Ensemble learning for hidden Markov models; Beal (2003), Variational Algorithms for
Approximate Bayesian Inference, chapter 3; Bishop (2006), 10.2.1.
"""

from typing import Any, Literal, Self

import numpy as np

from ..core import Card, ParameterError, SequenceMethod, SymbolMethod, param
from ..core.inputs import Data
from ..core.predictive import Categorical, Mixture
from .baum_welch import Steps
from .categorical_hmm import CategoricalEmissions
from .emissions import Emissions
from .gaussian_emissions import Extent, GaussianEmissions
from .gaussian_hmm import normal_mixture, require_positive, spread
from .hidden_markov_model import HiddenMarkovModel
from .hmm_checks import given_numbers, learned_numbers, learned_rows
from .hmm_start import groups, indicators
from .state_chain import Chain
from .variational_parts import NormalWishart, VariationalCategorical, VariationalChain, VariationalGaussian


class VariationalHMM(HiddenMarkovModel):
    """Base of the hidden Markov models that are learned by variational Bayes.

    Attributes
    ----------
    startprob_posterior_, transmat_posterior_ : arrays of shape (K,) and (K, K)
        Parameters of the Dirichlet posteriors.
    restarts_ : array of shape (R,)
        The bound of the log evidence, nats, that each run ended with.
    """

    startprob_prior: float | None = param(None, "Dirichlet prior of the initial probabilities; None: 1 / K", above=0)
    transmat_prior: float | None = param(None, "Dirichlet prior of each row of the transitions; None: 1 / K", above=0)
    learning: Literal["baum-welch"] = param("baum-welch", "count transitions as expected")

    def _priors(self, chain: Chain) -> tuple[Any, Any]:
        K = len(chain.pi)
        return tuple(1.0 / K if p is None else p for p in (self.startprob_prior, self.transmat_prior))

    def _start(self, steps: Steps, seed: int, *, again: bool) -> tuple[Chain, Emissions]:
        chain, emissions = super()._start(steps, seed, again=again)
        a, b = self._priors(chain)
        N, S = len(steps.lengths), len(steps.X)
        start = np.where(chain.pi > 0, a + N * chain.pi, 0.0)
        moves = np.where(chain.A > 0, b + S / len(chain.pi) * chain.A, 0.0)
        return VariationalChain.of(start, moves), emissions

    def _keep_chain(self, chain: VariationalChain) -> None:
        self.startprob_posterior_, self.transmat_posterior_ = chain.a, chain.b
        self.startprob_ = chain.a / chain.a.sum()
        self.transmat_ = chain.b / chain.b.sum(1, keepdims=True)


class VariationalCategoricalHMM(SymbolMethod, VariationalHMM):
    """Hidden Markov model of sequences of symbols, by variational Bayes.

    Attributes
    ----------
    emissionprob_posterior_ : array of shape (K, V)
        Parameters of the Dirichlet posteriors.
    emissionprob_ : array of shape (K, V)
        Their means.

    Examples
    --------
    Four states are offered, and two are enough:

    >>> texts = ["aaaaaaaabbbbbbbb" * 4, "bbbbbbbbaaaaaaaa" * 4]
    >>> model = VariationalCategoricalHMM(4, random_state=0, n_init=4).fit(texts)
    >>> len(set(np.concatenate(model.predict(texts)).tolist()))
    2
    """

    card = Card(
        tasks="density",
        reference="Beal (2003), chapter 3; MacKay (1997)",
        cost="S K^2 a step, for S steps in all",
        missing=True,
        data="symbols",
    )

    emissionprob_prior: float | None = param(None, "Dirichlet prior of each state's symbols; None: 1 / V", above=0)
    symbols: list | np.ndarray | None = param(None, "the symbols there are, if the data need not hold them all")

    @classmethod
    def example(cls) -> Self:
        return cls(2, random_state=0, n_iter=1000)

    def _open_fit(self, X: Any, sample_weight: Any) -> Data:
        self._check_parameters()
        return self._begin(X, None, sample_weight, symbols=self.symbols)

    def _first_emissions(self, steps: Steps, labels: np.ndarray | None, seed: int) -> VariationalCategorical:
        K, V, x = self.n_components, len(self.symbols_), steps.X[:, 0]
        prior = np.full((K, V), 1.0 / V if self.emissionprob_prior is None else self.emissionprob_prior)
        share = (np.bincount(x[x >= 0], minlength=V) + 1.0) / ((x >= 0).sum() + V)
        B = np.random.default_rng(seed).dirichlet(np.ones(V), K) + share
        if labels is not None:
            told = np.flatnonzero((labels >= 0) & (x >= 0))
            B = np.bincount(labels[told] * V + x[told], minlength=K * V).reshape(K, V) + 0.1 * B
        return VariationalCategorical.of(prior + len(x) / K * B / B.sum(1, keepdims=True), prior)

    def _emissions(self) -> CategoricalEmissions:
        return CategoricalEmissions(learned_rows(self, "emissionprob_", (-1, len(self.symbols_))))

    def _keep(self, emissions: VariationalCategorical) -> None:
        self.emissionprob_posterior_ = emissions.e
        self.emissionprob_ = emissions.e / emissions.e.sum(1, keepdims=True)

    def _shown(self, steps: np.ndarray) -> np.ndarray:
        return self.symbols_[steps[:, 0]]

    def _forecast(self, P: np.ndarray, as_numpy: bool) -> Categorical:
        return Categorical(P @ self.emissionprob_, self.symbols_, as_numpy=as_numpy)


class VariationalGaussianHMM(SequenceMethod, VariationalHMM):
    """Hidden Markov model of sequences of vectors, by variational Bayes.

    Attributes
    ----------
    means_posterior_ : array of shape (K, D)
    beta_posterior_, dof_posterior_ : arrays of shape (K,)
    scale_posterior_ : array
        Inverse scales of the Wishart posteriors, of shape (K, D, D), or (K, D) for "diag".
    means_, covars_ : arrays
        Means of the posteriors: of the means, and the inverse of those of the precisions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(0, 1, 80), rng.normal(8, 1, 80)])
    >>> model = VariationalGaussianHMM(4, random_state=0).fit([x, x[::-1].copy()])
    >>> len(set(model.predict([x])[0].tolist())) < 4
    True
    """

    card = Card(
        tasks="density",
        reference="Beal (2003), chapter 3; Bishop (2006), 10.2.1",
        cost="S (K^2 + K D) a step, with full covariances S (K^2 + K D^2), for S steps in all",
        data="sequences",
    )

    covariance_type: Literal["full", "diag"] = param("full", "form of the covariances")
    means_prior: float | list | np.ndarray | None = param(
        None, "centre of the prior of the means; None: the mean of the data", low=-1e300
    )
    beta_prior: float = param(1.0, "its weight, in steps", above=0)
    dof_prior: float | None = param(None, "degrees of freedom of the Wishart prior; None: D, or 1 for 'diag'", above=0)
    scale_prior: float | None = param(
        None, "inverse scale of the Wishart prior, on the diagonal; None: the columns' variances", above=0
    )

    @classmethod
    def example(cls) -> Self:
        return cls(2, random_state=0, n_iter=1000)

    def _guess(self, steps: Steps, K: int, seed: int, again: bool) -> np.ndarray:
        return groups(steps.X, K, seed, again=again)

    def _first_emissions(self, steps: Steps, labels: np.ndarray | None, seed: int) -> VariationalGaussian:
        K, D, full = self.n_components, steps.X.shape[1], self.covariance_type == "full"
        mean, variance = spread(steps.X, type(self).__name__)
        if self.means_prior is not None and np.ndim(self.means_prior):
            mean = given_numbers(self, "means_prior", (D,))
        elif self.means_prior is not None:
            mean = np.full(D, float(self.means_prior))
        nu = float(D if full else 1) if self.dof_prior is None else self.dof_prior
        if nu <= (D - 1 if full else 0):
            raise ParameterError(f"dof_prior of {type(self).__name__} must be > D - 1 = {D - 1}, got {nu}")
        inverse = variance if self.scale_prior is None else np.full(D, float(self.scale_prior))
        inverse = np.array([np.diag(inverse) if full else inverse] * K)
        p = NormalWishart(np.tile(mean, (K, 1)), np.full(K, self.beta_prior), inverse, np.full(K, nu))
        start = VariationalGaussian.of(p, p, Extent.of(steps.X))
        G = indicators(labels, K, np.repeat(steps.w, steps.lengths))
        return start.maximise(start.statistics(steps.X, G), "mc")

    def _emissions(self) -> GaussianEmissions:
        D = self.n_features_in_
        K = len(learned_numbers(self, "means_", (-1, D)))
        ends = (K, D, D) if self.covariance_type == "full" else (K, D)
        covars = learned_numbers(self, "covars_", ends)
        require_positive(self.covariance_type, covars, type(self).__name__)
        return GaussianEmissions(self.covariance_type, self.means_, covars)

    def _keep(self, emissions: VariationalGaussian) -> None:
        q = emissions.q
        self.means_posterior_, self.beta_posterior_, self.dof_posterior_ = q.m, q.beta, q.nu
        self.scale_posterior_ = q.inverse
        self.means_, self.covars_ = q.m, q.expected_covariance()

    def _forecast(self, P: np.ndarray, as_numpy: bool) -> Mixture:
        return normal_mixture(P, self.means_, np.sqrt(self._emissions().variances()), as_numpy)
