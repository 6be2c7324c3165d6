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
* rprop: the sign of g alone, with a step for each weight that begins at :math:`\eta`, is 1.2 times as long while the
  sign stays, and half as long when it turns, after which the weight rests for one update (Riedmiller & Braun 1993, in
  the form iRprop- of Igel & Hüsken 2003)
* lbfgs: :math:`w \leftarrow w - t H g`, with an inverse Hessian H from the last steps and t from a search along the
  line (Liu & Nocedal 1989); it needs the gradient of all items, ``batch_size=None``

The weight decay :math:`\lambda` of all but adamw is a penalty: :math:`g \leftarrow g + \lambda w`; that of rprop and
lbfgs, which need it in the loss as well or hear signs alone, is to be a term of the loss. On a quadratic loss whose
curvatures lie between a and b, with :math:`k = b / a`, descent shrinks the error of an update to the share

.. math:: \max \, |1 - \eta a|, \, |1 - \eta b|

which diverges from :math:`\eta = 2 / b` on, and is :math:`(k - 1) / (k + 1)` at its best, :math:`\eta = 2 / (a + b)`;
momentum at its best reaches :math:`(\sqrt{k} - 1) / (\sqrt{k} + 1)` (Polyak 1964), with

.. math:: \eta = 4 / (\sqrt{a} + \sqrt{b})^2, \quad \beta = ((\sqrt{k} - 1) / (\sqrt{k} + 1))^2

All are torch's, fused into one pass over the weights where torch has it.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, Rprop

from peira.core.errors import ParameterError

from .training import Training

RATES = {
    "sgd": 0.1, "momentum": 0.01, "nesterov": 0.01, "adagrad": 0.01, "rmsprop": 1e-3, "adam": 1e-3, "adamw": 1e-3,
    "rprop": 0.01, "lbfgs": 1.0,
}  # fmt: skip
SEARCHED = 25  # points that L-BFGS may try along a line
_NO_PLACE = {
    "rprop": ("weight_decay",),
    "lbfgs": ("weight_decay", "clip", "micro_batch", "schedule", "warmup", "precision"),
}


def optimiser_for(training: Training, parameters: Iterable[torch.nn.Parameter]) -> Optimizer:
    """torch's optimiser that follows the rule of a `Training`.

    Parameters
    ----------
    training : Training
    parameters : iterable of torch Parameters, or of dicts with the entry "params" and settings of their own
        Each with or without its name, as torch's optimisers take them.

    Returns
    -------
    torch Optimizer

    Raises
    ------
    ParameterError
        For a setting that the rule has no place for, or if there is nothing to learn.
    """
    groups = [g | {"params": _listed(g["params"])} if isinstance(g, dict) else g for g in parameters]
    flat = [p for g in groups for p in (g["params"] if isinstance(g, dict) else [g])]
    flat = [p[1] if isinstance(p, tuple) else p for p in flat]
    if not flat:
        raise ParameterError("there is no weight to learn: none was named, or none asks for a gradient (requires_grad)")
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in flat)
    t, rule = training, training.optimiser
    common: dict[str, Any] = {"lr": t.learning_rate or RATES[rule]}
    for name in _NO_PLACE.get(rule, ()):
        if getattr(t, name) != getattr(Training(), name):
            remedy = ": make the penalty a term of the loss" if name == "weight_decay" else ""
            raise ParameterError(f"the rule {rule!r} has no place for {name}={getattr(t, name)!r}{remedy}")
    if rule == "lbfgs":
        never: dict[str, Any] = {"tolerance_grad": 0.0, "tolerance_change": 0.0}  # it is the loop that says when to end
        search: dict[str, Any] = {"line_search_fn": "strong_wolfe", "max_eval": 1 + SEARCHED}
        return LBFGS(flat, **common, **never, **search, max_iter=1, history_size=20)
    if rule == "rprop":
        return Rprop(groups, **common)
    common["weight_decay"] = t.weight_decay
    if rule == "rmsprop":
        return RMSprop(groups, **common, alpha=_or(t.decay, 0.99), eps=_or(t.epsilon, 1e-8))
    common["fused"] = fused
    if rule in ("sgd", "momentum", "nesterov"):
        beta = 0.0 if rule == "sgd" else t.momentum
        return SGD(groups, **common, momentum=beta, nesterov=rule == "nesterov" and beta > 0)
    if rule == "adagrad":
        return Adagrad(groups, **common, eps=_or(t.epsilon, 1e-10))
    betas = (t.momentum, _or(t.decay, 0.999))
    return (Adam if rule == "adam" else AdamW)(groups, **common, betas=betas, eps=_or(t.epsilon, 1e-8))


def _listed(params: Any) -> list[Any]:
    return [params] if isinstance(params, torch.Tensor) else list(params)


def _or(given: float | None, usual: float) -> float:
    return usual if given is None else given
