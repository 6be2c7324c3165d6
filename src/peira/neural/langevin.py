r"""Stochastic gradient Langevin dynamics: weights that wander among those that go with the data.

With a normal prior on the weights, minus the logarithm of the posterior is

.. math:: U(w) = -\sum_n \log p(y_n \mid f_w(x_n)) + \sum_i \frac{w_i^2}{2 \sigma_i^2}

and a step down its slope, measured on a batch, plus noise that fits the step's length,

.. math:: w \leftarrow w - \frac{\epsilon}{2} G \, \nabla U(w) + \sqrt{\epsilon G} \, z, \quad z \sim N(0, I)

has the posterior as where it comes to rest as :math:`\epsilon \to 0` (Welling & Teh 2011, eq. 4). Here
:math:`\epsilon = h / N` with the constant step h, since the curvature of U grows with the N items. On a quadratic U the
variance along a direction of curvature :math:`N c` is then too large by the factor

.. math:: \frac{1}{1 - h c / 4}

and the noise of batches adds to it; smaller steps are nearer to the posterior and wander more slowly. G is one, or
measures the slope :math:`g` of the mean -log p that each weight is used to (Li et al. 2016, algorithm 1),

.. math:: G = \frac{1}{0.1 + \sqrt{v}}, \quad v \leftarrow 0.99 \, v + 0.01 \, g^2

so that steps are long where slopes are small (the term for the change of G is left out, as there). C chains run
side by side from different beginnings; after a first part of the updates, each keeps weights at even intervals, S in
all however long it runs. The answer is the mixture of what those S nets say. The noise of a target is part of w, by its
logarithm, unless it is given.

The posterior of a net has many modes, and a chain sees few of them; that C chains agree in what they answer is the
check. **Use it** where a posterior is wanted rather than a box around one mode, and updates are cheap.

Cost: T updates of C nets; memory S times the weights; an answer costs S nets.

Reference: Welling & Teh (2011); Li, Chen, Carlson & Carin (2016); Vollmer, Zygalakis & Teh (2016): constant step.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from peira.core import Card, param
from peira.core.inputs import Data
from peira.core.params import choice, log
from peira.core.seeds import derive, private_chance
from peira.training import InMemory, Player, Training, train
from peira.training.player import NotFiniteError
from peira.training.processes import first_where

from .noisy_target import NoisyTarget
from .stacked_perceptron import StackedPerceptron, answer
from .uncertain_perceptron import UncertainClassifier, UncertainPerceptron

DAMPING, MEMORY = 0.1, 0.99


def langevin_step(
    w: torch.Tensor, slope: torch.Tensor, step: float, N: int, preconditioner: torch.Tensor | float = 1.0
) -> torch.Tensor:
    """Where weights go from w: down the slope of U / N, and by chance (Welling & Teh 2011, eq. 4).

    Parameters
    ----------
    w, slope : tensors of one shape
    step : float
        N times epsilon.
    N : int
        The number of items.
    preconditioner : tensor of w's shape, default 1
    """
    spread = (preconditioner * step / N) ** 0.5
    return w - step / 2 * preconditioner * slope + spread * torch.randn_like(w)


class Chains(nn.Module):
    """C nets that wander, and what they keep of their way. All that the next step depends on is in its state.

    Parameters
    ----------
    now : Module
        The C nets; the first axis of every parameter is theirs.
    prior : list of float
        Standard deviation of the prior of each parameter.
    kept : int
        How many states a chain keeps.
    """

    def __init__(self, now: nn.Module, prior: list[float], kept: int) -> None:
        super().__init__()
        self.now, self.prior, self.kept = now, prior, kept
        for i, w in enumerate(now.parameters()):
            self.register_buffer(f"squares{i}", torch.full_like(w, torch.nan))
            self.register_buffer(f"states{i}", torch.zeros((kept, *w.shape)))
        self.register_buffer("done", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def move(self, slopes: tuple[torch.Tensor, ...], step: float, N: int, preconditioned: bool) -> None:
        """One step of every chain, given the slopes of the mean -log p of their items."""
        for i, (w, g, prior) in enumerate(zip(self.now.parameters(), slopes, self.prior, strict=True)):
            G: torch.Tensor | float = 1.0
            if preconditioned:
                v = getattr(self, f"squares{i}")
                v.copy_(torch.where(v.isnan(), g.square(), MEMORY * v + (1 - MEMORY) * g.square()))
                G = 1 / (DAMPING + v.sqrt())
            w.copy_(langevin_step(w, g + w / (prior**2 * N), step, N, G))
        self.done += 1

    @torch.no_grad()
    def keep(self, slot: int) -> None:
        """Keep the present weights as the state of that number."""
        for i, w in enumerate(self.now.parameters()):
            getattr(self, f"states{i}")[slot] = w

    def states(self, so_far: int) -> list[torch.Tensor]:
        """The states of all chains, of shape (kept * C, ...) for each parameter; the first again where some lack."""
        order = torch.arange(self.kept) % max(1, so_far)
        return [getattr(self, f"states{i}")[order].flatten(0, 1) for i, _ in enumerate(self.now.parameters())]


class Langevin(UncertainPerceptron):
    """Base of the regressor and the classifier.

    Attributes
    ----------
    net_ : Module
        A stack of the S nets that were kept.
    """

    net_: nn.Module

    step_size: float = param(0.02, "step of the chains: N times epsilon", above=0, tune=log(2e-3, 0.1))
    preconditioned: bool = param(True, "longer steps where slopes are small", tune=choice(True, False))
    updates: int = param(4000, "steps of each chain", low=1)
    burn_in: float = param(0.5, "share of the steps before any state is kept", low=0, below=1)
    batch_size: int | None = param(128, "items of a step; None takes all", low=1)
    n_chains: int = param(5, "chains that run side by side", low=1)
    n_samples: int = param(50, "states that are kept of all chains together, at the least", low=1)
    prior_std: float = param(
        1.0, "standard deviation of the prior, times the root of a unit's inputs", above=0, tune=log(0.3, 3.0)
    )

    def build(self) -> nn.Module:
        """The stack of the nets that were kept."""
        return self._stack(self.n_chains * self._kept())

    def loss(self, X: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The mean -log p of the items by each net, summed over the nets."""
        return self._improbability(self.net_(X), t).mean(1).sum()

    def _kept(self) -> int:
        return -(-self.n_samples // self.n_chains)

    def _stack(self, S: int) -> nn.Module:
        return StackedPerceptron(S, self._sizes(), self.activation)

    def _find(self, data: Data, t: torch.Tensor) -> None:
        X = self._standardised(data)
        N, seed, device = len(X), derive(data.seed, 1), self._device()
        with private_chance(derive(seed, 1), device):
            self.net_ = now = self._stack(self.n_chains).to(device)
        chains = Chains(now, [self._prior(name, w) for name, w in now.named_parameters()], self._kept()).to(device)
        first = min(self.updates - 1, round(self.burn_in * self.updates))
        due = np.linspace(first, self.updates, self._kept() + 1)[1:].round().astype(int).tolist()
        training = Training(optimiser="sgd", updates=self.updates, batch_size=self.batch_size)
        batches = InMemory(X, t, size=self.batch_size, seed=derive(seed, 2), shuffle=self.batch_size is not None)
        player = Player(chains, training, self.updates, list(now.parameters()))
        train(self._step(N, due), {"chains": player}, batches, training, owner=self, seed=derive(seed, 3))
        done = int(chains.done)
        if not (so_far := sum(d <= done for d in due)):
            chains.keep(0)
        with torch.no_grad(), private_chance(seed):
            self.net_ = self.build().to(device)
            for w, states in zip(self.net_.parameters(), chains.states(so_far), strict=True):
                w.copy_(states)
        self.net_.eval()

    def _step(self, N: int, due: list[int]) -> Callable[..., dict[str, torch.Tensor]]:
        """The step of the training loop: slopes on a batch, a move, and a state that is kept now and then."""

        def step(batch: tuple[torch.Tensor, ...], players: dict[str, Player]) -> dict[str, torch.Tensor]:
            player = players["chains"]
            loss = self.loss(*batch)
            if not player.rehearses:
                process = first_where(not math.isfinite(loss.item()))  # the others would wait for this one for ever
                if process is not None:
                    raise NotFiniteError(process)
                slopes = torch.autograd.grad(loss, player.weights)
                player.net.move(slopes, self.step_size, N, self.preconditioned)
                done = int(player.net.done)
                for slot in [slot for slot, when in enumerate(due) if when == done]:
                    player.net.keep(slot)
            return {"loss": loss.detach() / self.n_chains}

        return step

    def _prior(self, name: str, w: torch.Tensor) -> float:
        """Standard deviation of the prior: over the root of the inputs for weights; one for the noise's logarithm."""
        if name == "log_noise":
            return 1.0
        return self.prior_std / (math.sqrt(w.shape[1]) if name.startswith("weights") else 1.0)

    def _functions(self, X: torch.Tensor) -> torch.Tensor:
        layers = [(W.double(), b.double()) for W, b in zip(self.net_.weights, self.net_.biases, strict=True)]
        return answer(X, layers, self.activation, S=self.n_chains * self._kept())


class LangevinRegressor(NoisyTarget, Langevin):
    """Nets drawn from their posterior by Langevin dynamics, for numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.neural.langevin import LangevinRegressor
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> y = np.sin(3 * x[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=200)
    >>> model = LangevinRegressor(hidden_layer_sizes=10, activation="tanh", updates=1000).fit(x, y)
    >>> here, far = model.predict_dist([[0.5], [5.0]]).std
    >>> bool(here < far)
    True
    """

    card = Card(
        tasks="regression",
        reference="Welling & Teh (2011), eq. 4; Li, Chen, Carlson & Carin (2016), algorithm 1",
        cost="T updates of C B D H: C chains, batches of B, H units",
        on_request="thousands of updates for each of many fits: name it where how sure an answer is matters",
    )

    @classmethod
    def example(cls) -> "LangevinRegressor":
        """Few units, steps and states."""
        return cls(
            hidden_layer_sizes=(4,), activation="tanh", updates=120, step_size=0.05, n_chains=3, n_samples=9,
            batch_size=None,
        )  # fmt: skip

    def _stack(self, S: int) -> nn.Module:
        return self._with_noise(super()._stack(S), S)


class LangevinClassifier(UncertainClassifier, Langevin):
    """Nets drawn from their posterior by Langevin dynamics, for labels.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from peira.neural.langevin import LangevinClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> LangevinClassifier(hidden_layer_sizes=10, updates=500).fit(X, y).score(X, y) > 0.9
    True
    """

    card = Card(
        tasks="classification",
        reference="Welling & Teh (2011), eq. 4; Li, Chen, Carlson & Carin (2016), algorithm 1",
        cost="T updates of C B D H: C chains, batches of B, H units",
        on_request="thousands of updates for each of many fits: name it where how sure an answer is matters",
    )

    @classmethod
    def example(cls) -> "LangevinClassifier":
        """Few units, steps and states."""
        return cls(
            hidden_layer_sizes=(6,), activation="tanh", updates=120, step_size=0.1, n_chains=3, n_samples=9,
            batch_size=None,
        )  # fmt: skip
