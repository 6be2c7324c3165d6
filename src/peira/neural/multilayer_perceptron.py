r"""The multilayer perceptron: what its regressor and its classifier share.

.. math:: h_0 = (x - m) / s, \quad h_l = f(W_l h_{l-1} + b_l), \quad F = W_L h_{L-1} + b_L

A head (`peira.neural.heads`) says what F means and gives the loss. Minimised is

.. math:: E(W, b) = \frac{1}{N} \sum_n w_n \ell(F(x_n), y_n) + \frac{\alpha}{2 N} \sum_l \sum_{ij} W_{l,ij}^2

with weights of the items of mean one; of a batch of B items, B takes the place of N, as in scikit-learn. Biases are not
penalised. The first-order rules apply the penalty as a decay of the weights, so that the losses they tell are without
it; L-BFGS has it in its loss.

*Standardised inside.* Weights of size one and steps of 1e-3 suit inputs and targets of size one and no others, so each
column, and each numeric target, is moved by its mean m and divided by its standard deviation s, both from the training
rows, in float64 and before anything is cast: a column of mean 1e9 keeps its digits. Data that are standardised already
are not changed. With ``standardise=False`` the net learns from the values as they are, as scikit-learn's does; that is
right where all columns have one unit, such as pixels, of which some hardly ever vary.

*Precision.* Nets learn and answer in float32, except with L-BFGS: its line search compares losses that differ by less
than float32 resolves, so everything is float64 there.

Cost: an update takes :math:`6 B \sum_l D_{l-1} D_l` operations.

Reference: Rumelhart, Hinton & Williams (1986), Nature 323, 533-536; Bishop (2006), chapter 5.
"""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from peira.core.errors import DataError, ParameterError, UnreadableError
from peira.core.inputs import Data
from peira.core.iteration import limiting, observing, warn_not_converged
from peira.core.params import choice, log, param
from peira.core.seeds import derive, private_chance
from peira.layers.activations import ActivationName
from peira.layers.dense import dense_stack
from peira.layers.initialisation import Scheme, initialise
from peira.training import InMemory, Training, minimise, share

from .heads import Head
from .perceptron_attributes import PerceptronAttributes, tell
from .setting_aside import set_aside
from .standardising import spread, standardised

IN_THE_LOSS = ("lbfgs", "rprop")  # rules that know no decay of the weights
ROUNDING = 1e-11  # gains of a loss of order one that are none
_SOLVING = (
    "solver", "batch_size", "learning_rate", "learning_rate_init", "max_iter", "tol", "momentum",
    "nesterovs_momentum", "early_stopping", "validation_fraction", "beta_1", "beta_2", "epsilon", "n_iter_no_change",
    "max_fun",
)  # fmt: skip


class MultilayerPerceptron(PerceptronAttributes):
    """Base of the multilayer perceptrons; see the page of its module.

    A subclass says what its ``_head`` is and opens the targets.

    Attributes
    ----------
    n_outputs_ : int
        Targets, or scores of classes (one score for two classes).
    input_mean_, input_scale_ : tensors of shape (D,), or None
        What the columns were standardised by.
    t_ : int
        Items that were learned from, counted as often as they were seen.
    rule_ : dict
        What the rule of the update remembers between calls of ``partial_fit``.
    """

    hidden_layer_sizes: tuple | list | int = param((100,), "units of each hidden layer; () is a linear model", low=1)
    activation: ActivationName = param("relu", "activation of the hidden units", tune=choice("relu", "tanh"))
    solver: Literal["lbfgs", "sgd", "adam"] = param("adam", "rule of the update; lbfgs for some thousand rows at most")
    alpha: float = param(1e-4, "strength of the penalty on squared weights, for all items together", low=0,
                         tune=log(1e-5, 10.0))  # fmt: skip
    batch_size: int | Literal["auto"] = param("auto", "items of an update; 'auto' is 200; never more than all", low=1)
    learning_rate: Literal["constant", "adaptive"] = param(
        "constant", "course of the learning rate (sgd): adaptive divides it by five when nothing is gained"
    )
    learning_rate_init: float = param(1e-3, "first learning rate (sgd, adam)", above=0, tune=log(1e-4, 1e-2))
    max_iter: int = param(200, "the most passes over the data, or steps of lbfgs", low=1)
    shuffle: bool = param(True, "deal the items anew in each pass (sgd, adam)")
    random_state: int | np.random.RandomState | None = param(None, "seed of first weights, batches and dropout")
    tol: float = param(1e-4, "what counts as a gain in the loss (lbfgs: length of a gradient that counts)", low=0)
    verbose: bool = param(False, "print the loss of each pass")
    warm_start: bool = param(False, "go on from what the last fit learned")
    momentum: float = param(0.9, "share of the last step that is kept (sgd)", low=0, high=1)
    nesterovs_momentum: bool = param(True, "take the gradient where the momentum leads (sgd)")
    early_stopping: bool = param(False, "put items aside, stop when their score gains nothing, keep the best weights")
    validation_fraction: float = param(0.1, "share of the items that early stopping puts aside", above=0, below=1)
    beta_1: float = param(0.9, "share of the mean gradient that is kept (adam)", low=0, below=1)
    beta_2: float = param(0.999, "share of the mean squared gradient that is kept (adam)", low=0, below=1)
    epsilon: float = param(1e-8, "added to the root of the mean squared gradient (adam)", above=0)
    n_iter_no_change: int = param(10, "passes without a gain that are put up with", low=1)
    max_fun: int = param(15000, "the most evaluations of the loss by lbfgs", low=1)
    standardise: bool = param(True, "move and scale inputs, and numeric targets, to mean 0 and deviation 1 inside")
    dropout: float = param(0.0, "probability that a hidden unit is dropped while learning", low=0, below=1)
    normalisation: Literal["batch", "layer"] | None = param(None, "normalisation of the hidden net inputs")
    initialisation: Scheme = param("scikit-learn", "law of the first weights")
    device: str = param("cpu", "where the net learns: 'cpu', 'cuda', or 'auto' for the first accelerator there is")
    training: Training | None = param(None, "how to learn, in place of all parameters of the solvers")

    # ------------------------------------------------------------------ the net

    @property
    def _head(self) -> Head:
        """How the last layer is taught and read."""
        raise NotImplementedError

    def build(self) -> nn.Module:
        """Dense layers with the activation between them; weights by the law of ``initialisation``."""
        sizes = [self.n_features_in_, *self._hidden(), self.n_outputs_ * self._head.width]
        net = dense_stack(
            sizes, activation=self.activation, dropout=self.dropout, normalisation=self.normalisation,
            initialisation=self.initialisation,
        )  # fmt: skip
        if self.initialisation == "scikit-learn" and self.activation in ("logistic", "sigmoid"):
            initialise(net, "scikit-learn", 3**-0.5)  # scikit-learn takes 2 for 6 there
        return net.to(self._precision())

    def _objective(self, X: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
        """The mean loss of the items of a batch, without the penalty."""
        return self._head.loss(self.net_(X), Y, w)

    def _hidden(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        return (int(sizes),) if isinstance(sizes, int | np.integer) else tuple(int(size) for size in sizes)

    @property
    def _dtype(self) -> torch.dtype:
        """At the door: standardising comes before the cast; what is not standardised is cast, or kept, at once."""
        return torch.float64 if self.standardise else self._precision()

    def _precision(self) -> torch.dtype:
        rule = self.solver if self.training is None else self.training.optimiser
        return torch.float64 if rule == "lbfgs" else torch.float32

    # ------------------------------------------------------------------ learning

    def _training(self, N: int) -> Training:
        """How to learn from N items: what the parameters of the solvers amount to."""
        if self.training is not None:
            return self.training
        if self.solver == "lbfgs":
            # Near a minimum of curvature one, a gradient of length tol promises a gain of tol^2 / 2.
            return Training(
                optimiser="lbfgs", epochs=self.max_iter, batch_size=None, patience=2, tol=max(self.tol**2 / 2, ROUNDING)
            )
        course = "plateau" if self.solver == "sgd" and self.learning_rate == "adaptive" else "constant"
        if self.solver == "adam":
            rule = "adam"
        else:
            rule = "sgd" if not self.momentum else "nesterov" if self.nesterovs_momentum else "momentum"
        return Training(
            optimiser=rule,
            learning_rate=self.learning_rate_init,
            epochs=self.max_iter,
            batch_size=min(N, 200 if self.batch_size == "auto" else self.batch_size),
            momentum=self.beta_1 if rule == "adam" else self.momentum,
            decay=self.beta_2,
            epsilon=self.epsilon,
            schedule=course,
            patience=self.n_iter_no_change + 1,
            tol=self.tol,
        )

    def _before(self) -> dict[str, Any]:
        """What a warm start goes on from; empty for a new start."""
        return dict(vars(self)) if self.warm_start and self.__sklearn_is_fitted__() else {}

    def _check_onward(self, before: dict[str, Any], *same: str) -> None:
        """Refuse to go on from weights that were learned for other columns or targets."""
        for name in same if before else ():
            now, then = getattr(self, name), before.get(name, getattr(self, name))
            if not np.array_equal(now, then):
                raise DataError(
                    f"warm_start: the last fit of {type(self).__name__} had {name.rstrip('_')} {then}, these data have "
                    f"{now}; set warm_start=False"
                )

    def _teach(self, data: Data, Y: torch.Tensor, *, before: dict[str, Any], once: bool = False) -> None:
        """Learn from opened inputs and the targets that the head takes.

        Parameters
        ----------
        data : Data
        Y : tensor of shape (N, K) or (N,)
        before : dict
            What was learned before and is to be gone on from; empty for a new start.
        once : bool, default False
            One pass over the data only.
        """
        onward = "net_" in before
        if onward:
            vars(self).update({n: before[n] for n in ("net_", "input_mean_", "input_scale_", "t_")})
            self.net_ = deepcopy(self.net_)  # a fit that fails leaves what was learned before as it was
        else:
            self.input_mean_, self.input_scale_ = spread(data.X, data.w) if self.standardise else (None, None)
            self.t_ = 0
        device, dtype, seed = self._device(), self._precision(), derive(data.seed, self.t_)
        X = self._net_inputs(data.X)
        Y = (Y.to(dtype) if Y.is_floating_point() else Y).contiguous()
        tensors = (X, Y)
        mean_weight = 1.0
        if data.w is not None:
            mean_weight = float(data.w.mean())
            tensors += ((data.w / mean_weight).to(dtype),)
        aside = None
        fraction = self.training.validation_fraction if self.training else self.validation_fraction
        if self.early_stopping or (self.training and fraction):
            rows, out = set_aside(len(X), fraction, derive(seed, 2), data.codes, owner=type(self).__name__)
            aside = tuple(t[out.to(t.device)].to(device) for t in tensors)
            tensors = tuple(t[rows.to(t.device)] for t in tensors)
        if not onward:
            with private_chance(derive(seed, 1), device):
                self.net_ = self.build().to(device)
        N = len(tensors[0])
        training = self._training(N)
        if once:
            training = training._replace(epochs=1)
        batches = InMemory(
            *tensors, size=training.batch_size, seed=derive(seed, 3),
            shuffle=self.shuffle and training.batch_size is not None, share=share(),
        )  # fmt: skip
        penalty = self.alpha / (batches.size * mean_weight)
        matrices = [layer.weight for layer in self.net_.modules() if isinstance(layer, nn.Linear)]
        objective, groups = self._objective, None
        if penalty and training.optimiser in IN_THE_LOSS:
            objective = self._penalised(matrices, penalty)
        elif penalty:
            others = [w for w in self.net_.parameters() if all(w is not m for m in matrices)]
            decay = training.weight_decay
            groups = [{"params": matrices, "weight_decay": decay + penalty}, {"params": others}]
        history = before.get("history_", {}) if onward else {}
        with observing(tell) if self.verbose else nullcontext(), limiting() as end:
            player = minimise(
                self.net_,
                self._counted(objective, end) if training.optimiser == "lbfgs" and self.training is None else objective,
                batches,
                training,
                owner=self,
                seed=derive(seed, 4),
                evaluate=None if aside is None else lambda: self._measure(aside),
                parameters=groups,
                rule=before.get("rule_") if once else None,
            )
        if once:
            self.rule_ = player.rule_state()
        if end.is_set():
            self.stopped_ = "max_fun"
        self.t_ += self.n_iter_ * N
        self._say_how_it_ended(once)
        self.history_ = {n: history.get(n, []) + v for n, v in self.history_.items()}

    def _penalised(self, matrices: list[torch.Tensor], penalty: float) -> Callable[..., torch.Tensor]:
        def objective(*batch: torch.Tensor) -> torch.Tensor:
            return self._objective(*batch) + penalty / 2 * sum((W**2).sum() for W in matrices)

        return objective

    def _counted(self, objective: Callable[..., torch.Tensor], end: Any) -> Callable[..., torch.Tensor]:
        """The objective, asking for an end once it was evaluated ``max_fun`` times."""
        asked = 0

        def counted(*batch: torch.Tensor) -> torch.Tensor:
            nonlocal asked
            asked += 1
            if asked >= self.max_fun:
                end.set()
            return objective(*batch)

        return counted

    def _say_how_it_ended(self, once: bool) -> None:
        losses = self.history_.get("loss", [])
        if self.stopped_ == "max_iter" and self.training is None and not once:
            gap = losses[-2] - losses[-1] if len(losses) > 1 else float("inf")
            tol = self._training(1).tol
            warn_not_converged(self, "training", self.max_iter, "the gain of a pass", gap, tol)

    def _net_inputs(self, X: torch.Tensor) -> torch.Tensor:
        """Opened inputs as the net takes them."""
        return standardised(X, self.input_mean_, self.input_scale_).to(self._precision()).contiguous()

    # ------------------------------------------------------------------ early stopping

    def _measure(self, aside: tuple[torch.Tensor, ...]) -> dict[str, float]:
        """What is to become small on the items that were put aside: one less the score, or the training's loss."""
        F, (Y, *w) = self._run(aside[0]), aside[1:]
        loss = float(self._head.loss(F, Y, *w))
        return {"loss": loss} if self.training else {"shortfall": 1 - self._score_of(F, Y, *w), "loss": loss}

    def _score_of(self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> float:
        """The score of what the net gives for targets that were put aside."""
        raise NotImplementedError

    # ------------------------------------------------------------------ checks

    def _check_parameters(self) -> None:
        super()._check_parameters()
        owner = type(self).__name__
        sizes = self.hidden_layer_sizes
        for size in [] if isinstance(sizes, int | np.integer) else sizes:
            if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
                raise ParameterError(
                    f"parameter 'hidden_layer_sizes' of {owner} must hold whole numbers >= 1, got {size!r}"
                )
        if self.training is not None:
            for name in _SOLVING:
                if getattr(self, name) != type(self).parameters()[name].default:
                    raise ParameterError(
                        f"{owner} got both training={self.training!r} and {name}={getattr(self, name)!r}: a Training "
                        f"says all about the solver, so leave {name} at its default"
                    )
        if self._precision() == torch.float64 and (self.dropout or self.normalisation == "batch"):
            raise ParameterError(
                f"solver 'lbfgs' of {owner} compares losses along a line, and dropout or batch normalisation change "
                "them by chance: take solver='adam'"
            )

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        owner, D = type(self).__name__, self.n_features_in_
        if "net_" not in vars(self):
            raise UnreadableError(f"a stored {owner} needs net_, the weights of its net")
        for name in ("n_outputs_", "t_"):
            if type(getattr(self, name, None)) is not int or getattr(self, name) < 1:
                raise UnreadableError(f"{owner}.{name} is {getattr(self, name, None)!r}, not a positive whole number")
        check_spread(self, "input", D)


def check_spread(method: MultilayerPerceptron, what: str, size: int) -> None:
    """Refuse means and scales that are not those of so many columns."""
    mean, scale = (getattr(method, f"{what}_{part}_", 0) for part in ("mean", "scale"))
    if mean is None and scale is None:
        return
    fits = all(
        isinstance(v, torch.Tensor) and v.shape == (size,) and v.dtype == torch.float64 and v.isfinite().all()
        for v in (mean, scale)
    )
    if not fits or not (scale > 0).all():
        raise UnreadableError(
            f"{type(method).__name__}.{what}_mean_ and {what}_scale_ must be {size} finite numbers, the scales above 0"
        )
