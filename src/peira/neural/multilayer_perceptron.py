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
right where all columns have one unit, such as pixels, of which some hardly ever vary. Sparse tables stay sparse
(`peira.neural.sparse_rows`), and the net is the same.

*Precision.* Nets learn and answer in float32, except with L-BFGS and Levenberg-Marquardt: they compare losses that
differ by less than float32 resolves, so everything is float64 there. A float32 table is never copied to float64.

Cost: an update takes :math:`6 B \sum_l D_{l-1} D_l` operations.

Reference: Rumelhart, Hinton & Williams (1986), Nature 323, 533-536; Bishop (2006), chapter 5.
"""

from contextlib import nullcontext
from copy import deepcopy
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from peira.core.errors import DataError, ParameterError, UnreadableError
from peira.core.inputs import Data, Queries, column_names, open_matrix
from peira.core.iteration import observing, warn_not_converged
from peira.core.params import choice, log, param
from peira.core.seeds import derive, private_chance
from peira.layers.activations import ActivationName
from peira.layers.dense import dense_stack
from peira.layers.initialisation import Scheme, initialise
from peira.training import Training
from peira.training.network import ANSWERED

from .backpropagation import backpropagation
from .heads import Head
from .perceptron_attributes import PerceptronAttributes, tell
from .perceptron_solvers import descend, fit_least_squares, training_of
from .setting_aside import set_aside
from .sparse_rows import SparseRows, spread_of_sparse
from .standardising import BLOCK, spread, standardised

_SOLVING = (
    "solver", "batch_size", "learning_rate", "learning_rate_init", "power_t", "max_iter", "tol", "momentum",
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
    learning_rate: Literal["constant", "invscaling", "adaptive"] = param(
        "constant", "course of the learning rate (sgd): adaptive divides it by five when nothing is gained, invscaling "
        "by the power power_t of the items seen, after each pass"
    )  # fmt: skip
    learning_rate_init: float = param(1e-3, "first learning rate (sgd, adam)", above=0, tune=log(1e-4, 1e-2))
    power_t: float = param(0.5, "power by which learning_rate='invscaling' falls (sgd)", low=0)
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

    def _objective(self, X: torch.Tensor | SparseRows, Y: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
        """The mean loss of the items of a batch, without the penalty."""
        return self._head.loss(self.net_(X) if isinstance(X, torch.Tensor) else X.through(self.net_), Y, w)

    def _hidden(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        return (int(sizes),) if isinstance(sizes, int | np.integer) else tuple(int(size) for size in sizes)

    @property
    def _dtype(self) -> torch.dtype:
        """At the door: standardising comes before the cast; what is not standardised is cast, or kept, at once."""
        return torch.float64 if self.standardise else self._precision()

    @property
    def _rule(self) -> str:
        return self.solver if self.training is None else self.training.optimiser

    def _precision(self) -> torch.dtype:
        return torch.float64 if self._rule in ("lbfgs", "lm") else torch.float32

    # ------------------------------------------------------------------ learning

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
            units = spread if isinstance(data.X, torch.Tensor) else spread_of_sparse
            self.input_mean_, self.input_scale_ = units(data.X, data.w) if self.standardise else (None, None)
            self.t_ = 0
        device, dtype, seed = self._device(), self._precision(), derive(data.seed, self.t_)
        X = self._net_inputs(data.X)
        Y = (Y.to(dtype) if Y.is_floating_point() else Y).contiguous()
        thin = isinstance(X, SparseRows)
        tensors = (torch.arange(len(X)) if thin else X, Y)  # of sparse rows, a batch holds the numbers
        mean_weight = 1.0
        if data.w is not None:
            mean_weight = float(data.w.mean())
            tensors += ((data.w / mean_weight).to(dtype),)
        aside = None
        fraction = self.training.validation_fraction if self.training else self.validation_fraction
        if self.early_stopping or (self.training and fraction):
            rows, out = set_aside(len(X), fraction, derive(seed, 2), data.codes, owner=type(self).__name__)
            aside = tuple(t[out.to(t.device)].to(device) for t in tensors)
            aside = (X[aside[0]], *aside[1:]) if thin else aside
            tensors = tuple(t[rows.to(t.device)] for t in tensors)
        if not onward:
            with private_chance(derive(seed, 1), device):
                self.net_ = self.build().to(device)
            if Y.is_floating_point() and not Y.any():  # a constant target: the last layer begins where it ends
                for w in self.net_[-1].parameters():
                    nn.init.zeros_(w)
        history = before.get("history_", {}) if onward else {}
        with observing(tell) if self.verbose else nullcontext():
            if self._rule == "lm":
                fit_least_squares(self, X.dense() if thin else X, *tensors[1:], alpha=self.alpha / mean_weight)
            else:
                descend(
                    self,
                    (lambda rows, *rest: self._objective(X[rows], *rest)) if thin else self._objective,
                    tensors,
                    self.alpha / mean_weight,
                    seed,
                    evaluate=None if aside is None else lambda: self._measure(aside),
                    rule=before.get("rule_") if once else None,
                    once=once,
                    behind=X.stored() if thin else (),
                    gradient=None if thin else backpropagation(self.net_, self._head),
                )
                self._say_how_it_ended(once)
        self.t_ += self.n_iter_ * len(tensors[0])
        self.history_ = {n: history.get(n, []) + v for n, v in self.history_.items()}

    def _say_how_it_ended(self, once: bool) -> None:
        losses = self.history_.get("loss", [])
        if self.stopped_ == "max_iter" and self.training is None and not once:
            gap = losses[-2] - losses[-1] if len(losses) > 1 else float("inf")
            tol = training_of(self, 1).tol
            warn_not_converged(self, "training", self.max_iter, "the gain of a pass", gap, tol)

    # ------------------------------------------------------------------ from inputs to what the net gives

    def _inputs(self, X: Any) -> Queries:
        """Opened inputs; what came in float32 is not copied, and targets beside it keep their digits all the same."""
        single = str(getattr(X, "dtype", "")).endswith("float32")
        opened = open_matrix(
            X, owner=type(self).__name__, names=column_names(X), sparse_ok=self.card.sparse,
            dtype=torch.float32 if single else self._dtype,
        )  # fmt: skip
        opened.dtype = self._dtype
        return opened

    def _net_inputs(self, X: Any) -> torch.Tensor | SparseRows:
        """Opened inputs as the net takes them: in units of their spread, a block of rows at a time."""
        mean, scale, dtype = self.input_mean_, self.input_scale_, self._precision()
        if not isinstance(X, torch.Tensor):
            return SparseRows(X, mean, scale, dtype)
        if mean is None:
            return X.to(dtype).contiguous()
        out, rows = torch.empty(X.shape, dtype=dtype, device=X.device), max(1, BLOCK // X.shape[1])
        for part, block in zip(out.split(rows), X.split(rows), strict=True):
            part.copy_(standardised(block.double(), mean, scale))
        return out

    def _outputs(self, queries: Queries) -> torch.Tensor:
        """What the net gives for each item, in float64."""
        return self._run(self._net_inputs(queries.X)).to(queries.device, torch.float64)

    @torch.no_grad()
    def _run(self, X: torch.Tensor | SparseRows) -> torch.Tensor:
        if isinstance(X, torch.Tensor):
            return super()._run(X)
        net = self.net_.to(self._device())
        rows = max(1, ANSWERED // (16 * net[0].out_features))
        return torch.cat([X[at : at + rows].through(net) for at in range(0, len(X), rows)])

    # ------------------------------------------------------------------ early stopping

    def _measure(self, aside: tuple[Any, ...]) -> dict[str, float]:
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
                f"solver {self._rule!r} of {owner} compares losses of one batch, and dropout or batch normalisation "
                "change them by chance: take solver='adam'"
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
