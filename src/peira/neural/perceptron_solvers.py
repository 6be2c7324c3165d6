r"""What the solvers of a multilayer perceptron amount to in the training loop: rule, batches and learning rate.

With ``learning_rate="invscaling"``, a pass that begins after t items have been seen has the learning rate

.. math:: \eta = \eta_0 / (t + 1)^p

as in scikit-learn. A gradient counts in the momentum by the rate at which it is used, not by that at which it came.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from threading import Event
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from peira.core.iteration import limiting
from peira.core.seeds import derive
from peira.training import InMemory, Training, minimise, share
from peira.training.batches import Batch, Batches
from peira.training.levenberg_marquardt import fit_net_by_least_squares
from peira.training.training import Optimiser

if TYPE_CHECKING:
    from .multilayer_perceptron import MultilayerPerceptron

Loss = Callable[..., torch.Tensor]
IN_THE_LOSS = ("lbfgs", "rprop")  # rules that know no decay of the weights
ROUNDING = 3e-14  # gains of a loss of order one that are none


def training_of(p: "MultilayerPerceptron", N: int) -> Training:
    """How a perceptron learns from N items."""
    if p.training is not None:
        return p.training
    if p.solver == "lbfgs":
        # Near a minimum of curvature one, a gradient of length tol promises a gain of tol^2 / 2.
        return Training(
            optimiser="lbfgs", epochs=p.max_iter, batch_size=None, patience=2, tol=max(p.tol**2 / 2, ROUNDING)
        )
    rule: Optimiser = "adam"
    if p.solver == "sgd":
        rule = "sgd" if not p.momentum else "nesterov" if p.nesterovs_momentum else "momentum"
    return Training(
        optimiser=rule,
        learning_rate=p.learning_rate_init,
        epochs=p.max_iter,
        batch_size=min(N, 200 if p.batch_size == "auto" else p.batch_size),
        momentum=p.beta_1 if rule == "adam" else p.momentum,
        decay=p.beta_2,
        epsilon=p.epsilon,
        schedule="plateau" if p.solver == "sgd" and p.learning_rate == "adaptive" else "constant",
        patience=p.n_iter_no_change + 1,
        tol=p.tol,
    )


def descend(
    p: "MultilayerPerceptron",
    loss: Loss,
    tensors: Batch,
    alpha: float,
    seed: int,
    *,
    evaluate: Callable[[], dict[str, float]] | None = None,
    rule: dict[str, Any] | None = None,
    once: bool = False,
    behind: Batch = (),
    gradient: Loss | None = None,
) -> None:
    """Find the weights of ``p.net_`` by the training loop.

    Parameters
    ----------
    p : MultilayerPerceptron
        Gets what the loop tells; ``rule_`` after a pass.
    loss : callable(*batch) -> tensor
        Without the penalty.
    tensors : tuple of tensors of shape (N, ...)
        What the loss takes.
    alpha : float
        The penalty for all items together.
    seed : int
    evaluate, rule
        As for `minimise`.
    once : bool, default False
        One pass only.
    behind : tuple of tensors, default ()
        What the items stand for, as for `InMemory`.
    gradient : callable(*batch) -> tensor, optional
        The same loss by a closed form, as for `minimise`.
    """
    training = training_of(p, len(tensors[0]))
    if once:
        training = training._replace(epochs=1)
    batches = InMemory(
        *tensors, size=training.batch_size, seed=derive(seed, 3),
        shuffle=p.shuffle and training.batch_size is not None, share=share(), behind=behind,
    )  # fmt: skip
    matrices = [layer.weight for layer in p.net_.modules() if isinstance(layer, nn.Linear)]
    others = [w for w in p.net_.parameters() if all(w is not m for m in matrices)]
    groups: list[dict[str, Any]] | None = None
    penalty, falls = alpha / batches.size, p.solver == "sgd" and p.learning_rate == "invscaling"
    if penalty and training.optimiser in IN_THE_LOSS:
        loss, gradient = _penalised(loss, matrices, penalty), None
    elif penalty or falls:
        groups = [{"params": matrices, "weight_decay": training.weight_decay + penalty}, {"params": others}]
    dealt: Batches = batches
    if falls:
        dealt = slowing = _Slowing(batches, p.learning_rate_init, p.power_t, p.t_)
        groups = [group | {"lr": slowing.rate} for group in groups or ()]
    counted = training.optimiser == "lbfgs" and p.training is None
    with limiting() if counted else nullcontext(Event()) as end:
        if counted:
            loss = _counted(loss, p.max_fun, end)
        player = minimise(
            p.net_, loss, dealt, training, owner=p, seed=derive(seed, 4), evaluate=evaluate, parameters=groups,
            rule=rule, gradient=gradient,
        )  # fmt: skip
    if end.is_set():
        p.stopped_ = "max_fun"
    if once:
        p.rule_ = player.rule_state()


def fit_least_squares(
    p: "MultilayerPerceptron", X: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None, *, alpha: float
) -> None:
    r"""Find the weights of ``p.net_`` by Levenberg-Marquardt.

    The loss and its penalty are together one sum of squares, once their factors are weights of the items,

    .. math:: E = \sum_n \frac{w_n}{2 N K} \| F(x_n) - y_n \|^2 + \frac{\alpha}{2 N} \sum_l |W_l|^2
    """
    N, K = Y.shape
    device = next(p.net_.parameters()).device
    weight = torch.full((N,), 0.5 / (N * K), dtype=torch.float64) * (1.0 if w is None else w.cpu())
    fit_net_by_least_squares(
        p.net_, X.to(device), Y.to(device), weight=weight.to(device), penalty=alpha / (2 * N), max_iter=p.max_iter,
        tol=p.tol, owner=p,
    )  # fmt: skip
    p.net_.eval()
    p.history_["loss"] = p.history_.pop("rss")


class _Slowing:
    """Batches whose passes begin with a smaller learning rate; it is the tensor ``rate``, which the optimiser holds."""

    def __init__(self, batches: InMemory, first: float, power: float, seen: int) -> None:
        self.batches, self.first, self.power, self.seen = batches, first, power, seen
        self.origin, self.rate = batches.origin, torch.tensor(first, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, index: int, start: int = 0) -> Iterator[Batch]:
        self.rate.fill_(self.first / (self.seen + index * self.batches.N + 1) ** self.power)
        return self.batches.epoch(index, start)


def _penalised(loss: Loss, matrices: list[torch.Tensor], penalty: float) -> Loss:
    return lambda *batch: loss(*batch) + penalty / 2 * sum((W**2).sum() for W in matrices)


def _counted(loss: Loss, most: int, end: Event) -> Loss:
    """The loss, asking for an end once it was evaluated so often."""
    asked = 0

    def counted(*batch: torch.Tensor) -> torch.Tensor:
        nonlocal asked
        asked += 1
        if asked >= most:
            end.set()
        return loss(*batch)

    return counted
