r"""How a net is trained: one object that all methods with a net share.

It says by which rule the weights change, for how long, on how many items at a time, and when to end early. What only
watches (progress, checkpoints, statistics of the layers) is entered by the caller and is no part of it.
"""

from typing import Literal

from peira.core.params import choice, linear, log, param
from peira.core.value import Value

Optimiser = Literal["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "rprop", "lbfgs"]
Schedule = Literal["constant", "linear", "cosine", "one cycle", "steps", "inverse square root", "plateau"]


class Training(Value):
    """How the weights of a net are found.

    Length is counted in updates of the weights, so that it means the same for a hundred items as for a million;
    ``epochs`` asks for passes over the data in their place.

    Raises
    ------
    ParameterError
        At construction, for a value of the wrong type or outside of its range.

    Examples
    --------
    >>> from peira.training import Training
    >>> Training(optimiser="nesterov", learning_rate=0.05, schedule="cosine")
    Training(optimiser='nesterov', learning_rate=0.05, schedule='cosine')
    """

    optimiser: Optimiser = param("adamw", "the rule of the update", tune=choice("adamw", "nesterov"))
    learning_rate: float | None = param(
        None, "length of a step; None is the rule's usual one", above=0, tune=log(1e-4, 1e-1)
    )
    updates: int = param(2000, "the most updates of the weights", low=1)
    epochs: float | None = param(None, "passes over the data, in place of `updates`", above=0)
    batch_size: int | None = param(128, "items of an update, for each process; None takes all at once", low=1)
    micro_batch: int | None = param(
        None, "items that go through the net at once, where a whole batch exceeds the memory", low=1
    )
    momentum: float = param(0.9, "share of the last step (in Adam: of the mean gradient) that is kept", low=0, below=1)
    decay: float | None = param(
        None, "share of the mean squared gradient that is kept; None is the rule's usual one", low=0, below=1
    )
    epsilon: float | None = param(None, "added to the root of the mean squared gradient; None is usual", above=0)
    weight_decay: float = param(0.0, "share of the weights that a unit of learning rate takes away", low=0)
    schedule: Schedule = param(
        "constant", "course of the learning rate over the updates, or over a budget of time that ends sooner",
        tune=choice("constant", "cosine"),
    )  # fmt: skip
    warmup: float = param(0.0, "share of the updates over which the learning rate rises", low=0, below=1)
    clip: float | None = param(None, "largest norm of the gradient of all weights together", above=0)
    max_norm: float | None = param(None, "largest norm of the weights into a unit", above=0)
    average: float | None = param(
        None, "share that a running mean of the weights keeps at an update; the mean is what answers", low=0, below=1
    )
    validation_fraction: float = param(
        0.0, "share of the items put aside to choose the best weights by", low=0, below=1, tune=linear(0.0, 0.2)
    )
    patience: int | None = param(None, "evaluations without a gain after which training ends", low=1)
    tol: float = param(0.0, "what counts as a gain in the loss", low=0)
    evaluate_every: int | None = param(None, "updates between evaluations; None is an epoch", low=1)
    precision: Literal["float32", "bfloat16", "float16"] = param("float32", "type of the products; sums stay float32")
    compile: bool = param(False, "translate the net by torch.compile, which pays for long trainings of large nets")
    sharded: bool = param(False, "deal the weights among processes (FSDP) in place of copying them (DDP)")
