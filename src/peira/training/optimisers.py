r"""The rules of the update, in one place.

With weights w, gradient g, learning rate :math:`\eta`, momentum :math:`\beta` and decay :math:`\gamma`, an update is

* sgd: :math:`w \leftarrow w - \eta g`
* momentum: :math:`v \leftarrow \beta v + g`, :math:`w \leftarrow w - \eta v` (Polyak 1964)
* nesterov: v as before, :math:`w \leftarrow w - \eta (g + \beta v)` (Nesterov 1983; Sutskever et al. 2013)
* adagrad: :math:`s \leftarrow s + g^2`, :math:`w \leftarrow w - \eta g / (\sqrt{s} + \epsilon)` (Duchi et al. 2011)
* rmsprop: :math:`s \leftarrow \gamma s + (1 - \gamma) g^2`, w as adagrad (Hinton 2012)
* adam: :math:`m \leftarrow \beta m + (1 - \beta) g`, s as rmsprop, both freed of their bias towards zero, and
  :math:`w \leftarrow w - \eta \hat{m} / (\sqrt{\hat{s}} + \epsilon)` (Kingma & Ba 2015, algorithm 1)
* adamw: adam, after :math:`w \leftarrow (1 - \eta \lambda) w` (Loshchilov & Hutter 2019, algorithm 2)
* rprop: the sign of g alone, with a step for each weight that is 1.2 times as long while the sign stays, and half as
  long when it turns (Riedmiller & Braun 1993)
* lbfgs: :math:`w \leftarrow w - t H g`, with an inverse Hessian H from the last steps and t from a search along the
  line (Liu & Nocedal 1989); it needs the gradient of all items, ``batch_size=None``

The weight decay :math:`\lambda` of all but adamw is a penalty: :math:`g \leftarrow g + \lambda w`. All are torch's,
fused into one pass over the weights where torch has it.
"""

from collections.abc import Iterable

import torch
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, Rprop

from .training import Training

RATES = {
    "sgd": 0.1, "momentum": 0.01, "nesterov": 0.01, "adagrad": 0.01, "rmsprop": 1e-3, "adam": 1e-3, "adamw": 1e-3,
    "rprop": 0.01, "lbfgs": 1.0,
}  # fmt: skip


def optimiser_for(training: Training, parameters: Iterable[torch.nn.Parameter]) -> Optimizer:
    """torch's optimiser that follows the rule of a `Training`.

    Parameters
    ----------
    training : Training
    parameters : iterable of torch Parameters, or of dicts with the entry "params" and settings of their own

    Returns
    -------
    torch Optimizer
    """
    groups = list(parameters)
    flat = [p for g in groups for p in (g["params"] if isinstance(g, dict) else [g])]
    fused = bool(flat) and all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in flat)
    t, rule = training, training.optimiser
    common = {"lr": t.learning_rate or RATES[rule]}
    if rule == "lbfgs":
        return LBFGS(flat, **common, max_iter=1, history_size=20, line_search_fn="strong_wolfe")
    if rule == "rprop":
        return Rprop(groups, **common)
    common["weight_decay"] = t.weight_decay
    if rule == "rmsprop":
        return RMSprop(groups, **common, alpha=_or(t.decay, 0.99), eps=_or(t.epsilon, 1e-8))
    common["fused"] = fused
    if rule in ("sgd", "momentum", "nesterov"):
        return SGD(groups, **common, momentum=t.momentum if rule != "sgd" else 0.0, nesterov=rule == "nesterov")
    if rule == "adagrad":
        return Adagrad(groups, **common, eps=_or(t.epsilon, 1e-10))
    betas = (t.momentum, _or(t.decay, 0.999))
    return (Adam if rule == "adam" else AdamW)(groups, **common, betas=betas, eps=_or(t.epsilon, 1e-8))


def _or(given: float | None, usual: float) -> float:
    return usual if given is None else given
