r"""Restricted Boltzmann machine: binary causes, hidden behind binary columns.

.. math:: p(v, h) = \frac{1}{Z} \exp( b^T v + c^T h + h^T W v )
.. math:: p(h_k = 1 | v) = \sigma(c_k + w_k^T v), \quad p(v_j = 1 | h) = \sigma(b_j + \sum_k w_{kj} h_k)

No unit is tied to another of its own layer, so that a layer is drawn at once given the other. The gradient of the log
likelihood is a difference of two means,

.. math:: \frac{\partial \log p(v)}{\partial w_{kj}} = E[ h_k v_j | v ] - E[ h_k v_j ]

of which the second needs draws of the machine itself. Contrastive divergence takes them k Gibbs steps away from the
data; persistent contrastive divergence (scikit-learn's way, and the default here) lets the same chains run on from
batch to batch, which comes nearer to the maximum of the likelihood.

Probabilities need Z (:mod:`~peira.sequences.restricted_boltzmann`): exact where one layer has at most 16 units, else by
annealed importance sampling, which ``log_partition`` tells with its standard error.

**Use it** to find binary features, and as a density of binary columns. Values are zeros and ones; a number between them
is taken for the probability of a one while it learns and transforms. Others are brought to zeros and ones by
``binarize``.

**Cost.** 4 N H D a pass and Gibbs step, for H hidden units.

Reference: Smolensky (1986); Hinton (2002), Neural Computation 14, 1771-1800; Tieleman (2008), ICML, 1064-1071.
"""

import math
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..core import Card, Density, Transformer, iterate, log, param
from ..core.errors import DataError, UnreadableError
from ..core.inputs import Data, Queries
from ..core.seeds import derive, draw_seed, torch_generator
from .restricted_boltzmann import EXACT, Machine

CHAINS = 100  # runs of annealed importance sampling side by side


class BernoulliRBM(Transformer, Density):
    """Restricted Boltzmann machine with binary units, by contrastive divergence.

    Beside scikit-learn's parameters it has the kind and the steps of contrastive divergence, and what is not between 0
    and 1 is brought to zeros and ones. ``score_samples`` is the log probability of each row; scikit-learn's, a random
    estimate of another quantity, is ``pseudo_likelihood`` here, exact.

    Attributes
    ----------
    components_ : array of shape (H, D)
        W.
    intercept_hidden_ : array of shape (H,)
    intercept_visible_ : array of shape (D,)
    h_samples_ : array of shape (batch_size, H)
        Hidden states of the persistent chains.
    base_ : array of shape (D,)
        Log odds of the columns' means, where annealing starts.
    n_updates_ : int
        Batches that were learned from.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import BernoulliRBM
    >>> X = np.array([[1, 1, 0, 0], [0, 0, 1, 1]] * 50)
    >>> model = BernoulliRBM(n_components=2, n_iter=100, random_state=0).fit(X)
    >>> bool(model.log_prob([[1, 1, 0, 0]])[0] > model.log_prob([[1, 0, 1, 0]])[0] + 1)
    True
    """

    card = Card(
        tasks=("representation", "density"),
        reference="Hinton (2002); Tieleman (2008)",
        cost="T N K D",
        incremental="approximate",
        on_request="its columns are zeros and ones, and it learns slowly",
    )
    n_components: int = param(256, "hidden units H", low=1, positional=True)
    learning_rate: float = param(0.1, "size of a step", above=0, tune=log(1e-3, 0.5))
    batch_size: int = param(10, "rows in a batch, and persistent chains", low=1)
    n_iter: int = param(10, "passes over the rows", low=1)
    method: Literal["pcd", "cd"] = param("pcd", "chains go on from batch to batch, or start at the rows of each")
    steps: int = param(1, "Gibbs steps k for each batch", low=1)
    decay: bool = param(False, "let the steps shrink to zero over the passes, which ends nearer to the maximum")
    binarize: float | Literal["outside"] = param(
        "outside", "values above are 1; 'outside': above 0.5, and only if some value is not between 0 and 1",
        above=-math.inf,
    )  # fmt: skip
    annealing_steps: int = param(1000, "temperatures of annealed importance sampling, where Z is not exact", low=1)
    random_state: Any = param(None, "seed of weights, order and chains")

    @classmethod
    def example(cls) -> "BernoulliRBM":
        return cls(n_components=3, n_iter=3, random_state=0)

    def fit(self, X: Any, y: Any = None) -> "BernoulliRBM":
        """Learn weights and biases.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            Zeros and ones, or probabilities of ones.
        y : ignored

        Returns
        -------
        self
        """
        data = self._begin(X)
        V = self._start(data)
        order = torch_generator(derive(self.seed_, 1))
        for step in iterate(self, self.n_iter):
            rate = self.learning_rate * (1 - step.index / self.n_iter if self.decay else 1.0)
            error = 0.0
            for rows in torch.randperm(len(V), generator=order).split(self.batch_size):
                error += self._update(V[rows], rate) * len(rows)
            step.record(reconstruction_error=error / len(V))
        return self

    def partial_fit(self, X: Any, y: Any = None) -> "BernoulliRBM":
        """Learn from one more batch.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored

        Returns
        -------
        self
        """
        data = self._continue(X)
        V = self._binary(data) if hasattr(self, "components_") else self._start(data)
        self._update(V, self.learning_rate)
        return self

    def transform(self, X: Any) -> Any:
        """Probabilities of the hidden units given each row, of shape (N, H)."""
        queries = self._queries(X)
        return queries.give(self._machine().hidden(self._binary(queries)).to(queries.device))

    def gibbs(self, v: Any, random_state: Any = None) -> Any:
        """One Gibbs step from visible states (N, D): hidden units drawn given them, visible ones given those."""
        queries = self._queries(v)
        generator = torch_generator(draw_seed(random_state))
        return queries.give(self._machine().step(self._binary(queries), generator).to(queries.device))

    def sample(self, n_samples: int = 1, random_state: Any = None, burn_in: int = 1000) -> np.ndarray:
        """Draw rows of zeros and ones, of shape (n_samples, D), by ``burn_in`` Gibbs steps from the base rates."""
        check_is_fitted(self)
        generator = torch_generator(draw_seed(random_state))
        V = torch.bernoulli(torch.sigmoid(torch.from_numpy(self.base_)).expand(n_samples, -1), generator=generator)
        return self._machine().step(V, generator, burn_in).numpy()

    def log_partition(self) -> tuple[float, float]:
        """log Z and its standard error, 0 where it is exact."""
        machine = self._machine()
        if min(self.components_.shape) <= EXACT:
            return machine.exact_log_partition(), 0.0
        generator = torch_generator(derive(self.seed_, 2))
        return machine.annealed_log_partition(torch.from_numpy(self.base_), self.annealing_steps, CHAINS, generator)

    def pseudo_likelihood(self, X: Any) -> Any:
        """The sum of log p(v_j | the other columns) of each row, of shape (N,); needs no Z, and D free energies."""
        queries, machine = self._queries(X), self._machine()
        V = self._binary(queries)
        F, total = machine.free_energy(V), torch.zeros(len(V), dtype=torch.float64)
        for j in range(V.shape[1]):
            turned = V.clone()
            turned[:, j] = 1 - turned[:, j]
            total += torch.nn.functional.logsigmoid(machine.free_energy(turned) - F)
        return queries.give(total.to(queries.device))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the hidden units: ``bernoullirbm0``, ``bernoullirbm1``, ..."""
        check_is_fitted(self)
        return np.array([f"bernoullirbm{k}" for k in range(len(self.components_))], dtype=object)

    # ------------------------------------------------------------------ learning

    def _start(self, data: Data) -> torch.Tensor:
        """Weights of the start, drawn; gives the rows as zeros and ones."""
        X = data.X.cpu()
        outside = bool(((X < 0) | (X > 1)).any())
        self.threshold_ = float(self.binarize) if self.binarize != "outside" else 0.5 if outside else math.nan
        V, rng = self._binary(data), data.rng()
        self.components_ = 0.01 * rng.standard_normal((self.n_components, V.shape[1]))
        self.intercept_hidden_ = np.zeros(self.n_components)
        self.h_samples_ = np.zeros((self.batch_size, self.n_components))
        mean = (V.mean(0) * len(V) + 0.5) / (len(V) + 1)
        self.base_, self.n_updates_ = torch.logit(mean).numpy(), 0
        self.intercept_visible_ = self.base_.copy()
        return V

    def _update(self, V: torch.Tensor, rate: float) -> float:
        """One step up the gradient from a batch; gives its mean squared error of reconstruction."""
        machine, generator = self._machine(), torch_generator(derive(self.seed_, 3, self.n_updates_))
        positive = machine.hidden(V)
        if self.method == "pcd":
            v = torch.bernoulli(machine.visible(torch.from_numpy(self.h_samples_)), generator=generator)
            v = machine.step(v, generator, self.steps - 1)
        else:
            v = machine.step(torch.bernoulli(V, generator=generator), generator, self.steps)
        negative = machine.hidden(v)
        N, M = len(V), len(v)
        self.components_ = self.components_ + rate * (positive.T @ V / N - negative.T @ v / M).numpy()
        self.intercept_hidden_ = self.intercept_hidden_ + rate * (positive.mean(0) - negative.mean(0)).numpy()
        self.intercept_visible_ = self.intercept_visible_ + rate * (V.mean(0) - v.mean(0)).numpy()
        if self.method == "pcd":
            self.h_samples_ = torch.bernoulli(negative, generator=generator).numpy()
        self.n_updates_ += 1
        return float(((V - machine.visible(positive)) ** 2).mean())

    def _machine(self) -> Machine:
        parts = (self.components_, self.intercept_visible_, self.intercept_hidden_)
        return Machine(*(torch.from_numpy(a) for a in parts))

    def _binary(self, queries: Queries) -> torch.Tensor:
        X = queries.X.cpu()
        if not math.isnan(self.threshold_):
            return (self.threshold_ < X).to(torch.float64)
        if bool(((X < 0) | (X > 1)).any()):
            row, column = (int(i) for i in ((X < 0) | (X > 1)).nonzero()[0])
            raise DataError(
                f"this BernoulliRBM has learned from values between 0 and 1; row {row}, column {column} holds "
                f"{float(X[row, column]):g}"
            )
        return X

    def _log_density(self, queries: Queries) -> torch.Tensor:
        V = self._binary(queries)
        return (-self._machine().free_energy(V) - self.log_partition()[0]).to(queries.device)

    # ------------------------------------------------------------------ loading

    def _check_answers(self) -> None:
        Transformer._check_answers(self)
        Density._check_answers(self)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, W = self.n_features_in_, getattr(self, "components_", None)
        H = len(W) if isinstance(W, np.ndarray) and W.ndim == 2 else 0
        shapes = {"components_": (H, D), "intercept_hidden_": (H,), "intercept_visible_": (D,), "base_": (D,)}
        h = getattr(self, "h_samples_", None)
        shapes["h_samples_"] = (len(h) if isinstance(h, np.ndarray) and h.ndim == 2 and len(h) else 1, H)
        for name, shape in shapes.items():
            a = getattr(self, name, None)
            if not (isinstance(a, np.ndarray) and a.shape == shape and a.dtype == np.float64 and np.isfinite(a).all()):
                raise UnreadableError(f"{name} of a stored BernoulliRBM must be finite numbers of shape {shape}")
        if not H or not isinstance(h, np.ndarray) or ((h < 0) | (h > 1)).any():
            raise UnreadableError("a stored BernoulliRBM needs hidden units, and chains of zeros and ones")
        for name, kind in (("threshold_", float), ("n_updates_", int), ("seed_", int)):
            value = getattr(self, name, None)
            if type(value) is not kind or (kind is int and value < 0):
                raise UnreadableError(f"{name} of a stored BernoulliRBM is {value!r}")
