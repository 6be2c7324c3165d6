r"""Gaussian process classification by minibatches, for many rows.

Two classes share one function f with a Gaussian process prior, more have one each, and

.. math:: P(y = 1 | x) = \frac{1}{1 + \exp(-f(x))}, \quad P(y = c | x) = \exp(f_c(x)) / \sum_k \exp(f_k(x))

A normal belief of the functions' values at M inducing inputs, the inducing inputs and the hyper-parameters of the
kernel, which the functions share, maximise a bound on the evidence by random batches of the rows
(`peira.kernels.sparse_gaussian_process_stochastic`). The expectations that it asks for,

.. math:: E \log p_y(f), \quad g_c = [y = c] - E \, p_c(f), \quad h_c = E \, p_c(f) (1 - p_c(f))

are one-dimensional integrals for two classes (Gauss-Hermite, 32 nodes), and averages over 128 fixed points of a Sobol
sequence with its mirror images for more. The last two are slopes by mean and variance, by the theorems of Bonnet and
Price (Rezende, Mohamed & Wierstra 2014, eqs 8 and 9), and since :math:`h \ge 0` the belief stays proper.

Probabilities are averages over the belief of f, as `peira.numerics.logistic_normal` computes them: they move towards
even odds away from the data.

**Use it** for thousands of rows and more, few columns and curved borders, where probabilities matter.
`GaussianProcessClassifier` is the exact process for fewer rows.

Cost: T (b + M) M^2 C for T batches of b rows, and some passes of N M^2 C at the end; a prediction M^2 C.

Reference: Hensman, Matthews & Ghahramani (2015), AISTATS, 351-360; Khan & Lin (2017), AISTATS, 878-887.
"""

from functools import cache
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch

from ..core import Card, ProbabilisticClassifier, param
from ..core.inputs import Data, Queries
from ..numerics.logistic_normal import log_expected_sigmoid, log_expected_softmax
from .constant import WhiteKernel
from .kernel import Kernel
from .sparse_gaussian_process import SHORTER, SparseEvidence, start
from .sparse_gaussian_process_inducing import given_inducing, open_kernel, posterior_of, scale_of
from .sparse_gaussian_process_stochastic import Expected, StochasticGaussianProcess, opened_rows

SAMPLE = 2_000  # rows from which to start
NODES, POINTS = 32, 64  # of the rule for two classes; of the sequence for more, each with its mirror image


class StochasticGaussianProcessClassifier(ProbabilisticClassifier, StochasticGaussianProcess):
    """Gaussian process classification by inducing inputs and minibatches.

    Attributes
    ----------
    classes_ : array of shape (C,)
    kernel_ : Kernel
        With learned hyper-parameters.
    inducing_points_ : array of shape (M, D)
    jitter_ : float
        What was added to the variance at each inducing input.
    history_ : dict
        ``bound``: its estimate from each batch, nats.
    n_seen_, n_steps_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import StochasticGaussianProcessClassifier
    >>> X = np.random.default_rng(0).uniform(-2, 2, (300, 2))
    >>> y = np.where((X**2).sum(1) < 2, "in", "out")
    >>> model = StochasticGaussianProcessClassifier(n_inducing=20, max_iter=60).fit(X, y)
    >>> model.predict([[0.0, 0.0], [1.8, 1.8]])
    array(['in', 'out'], dtype='<U3')
    """

    card = Card(
        tasks="classification",
        reference="Hensman, Matthews & Ghahramani (2015)",
        cost="T M^2 (b + M) C + N M^2 C, M inducing inputs, b rows a batch",
        incremental="approximate",
        on_request="it learns from minibatches for minutes",
        largest={"D": 100, "C": 30},
    )
    # the curvature of the softmax, diag(p) - p p', is at most twice its diagonal: half a step never overshoots
    _longest: ClassVar[float] = 0.5

    kernel: Kernel | None = param(None, "covariance of the functions; None: C * RBF of each column", positional=True)
    class_weight: dict | Literal["balanced"] | None = param(
        None, "weights of the items by class: 'balanced', or a dictionary"
    )

    @classmethod
    def example(cls) -> Self:
        """Few inducing inputs and few, long steps."""
        return cls(n_inducing=64, max_iter=20, step_size=0.1)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn by ``max_iter`` batches, and bring the belief to rest by passes over all rows.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Texts, whole numbers or truth values; at least two classes.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        return self._take(self._begin(X, y, sample_weight), whole=True)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One pass over more rows, batch by batch.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array of shape (C,), optional
            All labels, needed in the first call if its ``y`` lacks some.
        """
        return self._take(self._continue(X, y, sample_weight, classes=classes), whole=False)

    def _scores(self, queries: Queries) -> torch.Tensor:
        mean, variance = posterior_of(self, queries).at(queries.X)
        if mean.shape[1] == 1:
            return log_expected_sigmoid(mean[:, 0], variance[:, 0].sqrt())
        return log_expected_softmax(mean, variance.sqrt().diag_embed())

    # ------------------------------------------------------------------ private

    def _take(self, data: Data, *, whole: bool) -> Self:
        self._require_classes(data)
        rows, X, w = opened_rows(data)
        C = len(data.classes)
        if not hasattr(self, "kernel_"):
            kernel = open_kernel(self.kernel, data, type(self).__name__, noisy=False)
            first, Z = self._start(data, kernel, X, data.codes[rows], w)
            self._launch(data, first, Z, 1 if C == 2 else C)
            self.start_ = kernel.theta
        self._learn(data, X, data.codes[rows], w, whole=whole)
        return self

    def _start(
        self, data: Data, kernel: Kernel, X: torch.Tensor, codes: torch.Tensor, w: torch.Tensor
    ) -> tuple[Kernel, torch.Tensor]:
        """Kernel and inducing inputs to start from; length-scales of our own are those that suit a regression on the
        indicator of one class, that nearest to half of the rows."""
        part = data.rng().permutation(len(w))[:SAMPLE]
        X, codes, w = X[part], codes[part], w[part]
        shares = torch.bincount(codes, weights=w) / w.sum()
        y = (codes == (shares - 0.5).abs().argmin()).to(X)
        mean, std = scale_of(y, w)
        few = SparseEvidence(kernel + WhiteKernel(0.3, "fixed"), X, ((y - mean) / std)[:, None], w, "vfe", 0.0)
        scales = SHORTER if self.kernel is None else SHORTER[:1]
        found, Z = start(few, given_inducing(self, data), self.n_inducing, self.prior_spread, scales)
        return kernel.with_theta(found.theta), Z

    def _expected(self, mean: torch.Tensor, variance: torch.Tensor, y: torch.Tensor, noise: torch.Tensor) -> Expected:
        N, C = mean.shape
        if C == 1:
            nodes, weights = (mean.new_tensor(v) for v in np.polynomial.hermite_e.hermegauss(NODES))
            weights = weights / weights.sum()
            f = mean + variance.sqrt() * nodes
            sign = 2.0 * y.to(f)[:, None] - 1
            p = torch.sigmoid(f)
            value = torch.nn.functional.logsigmoid(sign * f) @ weights
            return Expected(value, (y.to(f) - p @ weights)[:, None], ((p * (1 - p)) @ weights)[:, None])
        z = _normal_points(C).to(mean)
        value, g, h = mean.new_empty(N), torch.empty_like(mean), torch.empty_like(mean)
        for rows in torch.arange(N, device=mean.device).split(max(1, (1 << 20) // (len(z) * C))):
            logs = (mean[rows, None] + variance[rows, None].sqrt() * z).log_softmax(2)
            p = logs.exp()
            value[rows] = logs.mean(1).gather(1, y[rows, None])[:, 0]
            g[rows], h[rows] = -p.mean(1), (p * (1 - p)).mean(1)
        return Expected(value, g.scatter_add_(1, y[:, None], torch.ones_like(g)), h)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            C = len(self.classes_)
            self._check_stochastic(1 if C == 2 else C)


@cache
def _normal_points(C: int) -> torch.Tensor:
    """The same points (2 POINTS, C) at every call, standard normal in each coordinate."""
    u = torch.quasirandom.SobolEngine(C, scramble=True, seed=0).draw(POINTS, dtype=torch.float64)
    z = torch.special.ndtri(u.clamp(1e-12, 1 - 1e-12))
    return torch.cat([z, -z])
