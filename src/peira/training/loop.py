r"""The training loop.

Every net of Peira learns in `train`: nets for tables, images and sequences, a generator against a critic, an actor with
its critic, a fine-tuned part of a large net. From data to weights it is

::

    for epoch in epochs:
        for batch in batches:               rows of tensors in memory, or a stream
            loss = loss(batch)              what is to become small; it must be a number
            gradient of the loss            autograd; in micro-batches where memory is short
            update of the weights           clip, learning rate, rule, running mean: see `player`
        evaluate, keep the best weights, stop when nothing is gained

Who has one loss calls `minimise`. Who has several players hands `train` a step of its own, in which each player
minimises what it wants::

    def step(batch, players):
        critic_loss = ...
        players["critic"].minimise(critic_loss)
        generator_loss = ...
        players["generator"].minimise(generator_loss)
        return {"critic": critic_loss, "generator": generator_loss}

Chance inside (dropout) comes from torch's generators, which are set by the seed and given back as they were. Cost: that
of forward and backward passes and of the update; the loop adds some microseconds to each update.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from functools import partial
from itertools import islice
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from peira.core.errors import DataError, LearningError, ParameterError
from peira.core.iteration import iterate, listening
from peira.core.seeds import private_chance

from .batches import Batch, Batches
from .checkpoint import open_checkpoint
from .failure import explain
from .layer_statistics import layer_statistics, layers_due
from .player import NotFiniteError, Player
from .processes import ending_together, first_where, gather_weights, mean_over_processes, said_by, share
from .progress import Progress, detached, set_weights, weights
from .training import Training

Terms = dict[str, Any]  # numbers, or tensors of one number
COPIED = 50  # updates between copies of the weights, to go back to


def minimise(
    net: nn.Module,
    loss: Callable[..., torch.Tensor | tuple[torch.Tensor, Terms]],
    batches: Batches,
    training: Training,
    *,
    owner: Any = None,
    seed: int = 0,
    evaluate: Callable[[], Any] | None = None,
    parameters: Any = None,
    rule: dict[str, Any] | None = None,
    gradient: Callable[..., torch.Tensor] | None = None,
) -> Player:
    """Train a net to make one loss small.

    Parameters
    ----------
    net : Module
        Changed in place, and in evaluation mode afterwards. Parts of it that are frozen (``requires_grad_(False)``)
        rest, with their dropout and their means of batches.
    loss : callable(*batch) -> tensor, or (tensor, dict of str to number or tensor)
        The mean loss of the items of a batch, and terms of it to be told beside it. It runs the net. A term that is
        not told at each update has the mean over those that told it.
    batches, training, owner, seed, evaluate
        As in `train`. How large a batch is, and what is put aside, follows from ``batches`` and ``evaluate``, not from
        the training's ``batch_size`` and ``validation_fraction``, which are for methods.
    parameters : iterable, optional
        What of the net is to change (all that is not frozen, without it), as for a torch optimiser; groups of weights
        may have a rate (``"lr"``) and a decay of their own. The rest gets no gradient.
    rule : dict, optional
        What the optimiser of an earlier training remembered (`Player.rule_state`), to go on with.
    gradient : callable(*batch) -> tensor, optional
        The same loss by a closed form: without a graph, and with its gradient left in ``grad`` of the weights. It takes
        the place of autograd wherever it can (`Player`).

    Returns
    -------
    Player

    Examples
    --------
    >>> import torch
    >>> from peira.training import InMemory, Training, minimise
    >>> x = torch.linspace(-1, 1, 64)[:, None]
    >>> net = torch.nn.Linear(1, 1)
    >>> player = minimise(net, lambda x, y: ((net(x) - y) ** 2).mean(), InMemory(x, 3 * x + 1, size=16, seed=0),
    ...                   Training(optimiser="momentum", learning_rate=0.1, epochs=100))
    >>> round(net.weight.item(), 3), round(net.bias.item(), 3)
    (3.0, 1.0)
    """
    player = Player(net, training, updates_of(training, batches), parameters, loss, gradient)
    if rule is not None:
        player.load_rule(rule)
    step = _search if training.optimiser == "lbfgs" else _step
    train(step, {"net": player}, batches, training, owner=owner, seed=seed, evaluate=evaluate)
    return player


def train(
    step: Callable[[Batch, dict[str, Player]], Terms],
    players: dict[str, Player],
    batches: Batches,
    training: Training,
    *,
    owner: Any = None,
    seed: int = 0,
    evaluate: Callable[[], Any] | None = None,
) -> None:
    """Run the training loop.

    Parameters
    ----------
    step : callable(batch, players) -> dict of str to number or tensor
        Learns from one batch; gives what is to be told of it. The first is the loss that
        `Training.patience` watches when nothing is evaluated.
    players : dict of str to Player
        Who learns.
    batches : Batches
        `InMemory`, `Stream`, or whatever else has a length and ``epoch``.
    training : Training
    owner : Method, optional
        Gets ``history_`` (a value for each epoch), ``n_iter_`` (epochs) and ``stopped_``.
    seed : int, default 0
        Of all chance inside.
    evaluate : callable() -> dict of str to float, or float, optional
        Measures the nets, in evaluation mode, on data that were put aside; its first value, or the only one, which is
        then the loss, is to become small. The weights that were best by it are those that stay.

    Raises
    ------
    LearningError
        If the loss is no number before any weight has changed.
    DataError
        If it is not one number, or depends on no weight that learns; if an epoch ends too early.
    UnreadableError
        If the folder of `checkpointing` holds the checkpoint of another training.

    Warns
    -----
    ConvergenceWarning
        If the loss, or a weight, stopped being a number: with the update, the layer and the likely cause. The weights
        go back to the last copy of them whose loss was a number; there is one every 50 updates.
    """
    require_batches(batches)
    if not players:
        raise ParameterError("nobody is to learn: players are a dictionary of names and Players")
    device = next(iter(players.values())).weights[0].device
    run = Progress(updates_of(training, batches))
    nets = {name: player.net for name, player in players.items()}
    with private_chance(seed, device), ending_together():
        checkpoint = open_checkpoint(training, seed, players, batches)
        if (state := checkpoint.read()) is not None:
            run.load(state, players, batches, device)
        whole_epochs = getattr(batches, "depends_on", None) is not None  # which can only be begun anew
        for player in players.values():
            player.begin(alone=len(players) == 1)
        good, begun = None, (run.update, run.stopped)
        made = run.epoch + (run.over and run.batch > 0)
        epochs = made if run.over else -(-run.updates // len(batches))
        for epoch in iterate(owner, epochs, name="epoch", start=made, history=run.history):
            _set_mode(nets, learning=True)
            left = min(len(batches) - run.batch, run.updates - run.update)
            ahead = _ahead(batches, run, left, players, device)
            for update, batch in zip(iterate(None, left, name="update"), ahead, strict=False):
                heard = listening()
                copy = weights(players) if good is None or run.update - good[0] >= COPIED else None
                try:
                    with layer_statistics(players) if heard and layers_due(run.update) else nullcontext({}) as layers:
                        terms = step(batch, players)
                    run.tally.add(terms, look=heard or device.type == "cpu", settle=copy is not None)
                except NotFiniteError as error:
                    _fail(run, partial(step, batch, players), players, good, owner, error.process)
                    break
                good = good if copy is None else (run.update, copy)  # their loss was a number
                run.update, run.batch = run.update + 1, run.batch + 1
                if heard:
                    update.record(**run.tally.latest, **layers, **_rates(players))
                if evaluate and training.evaluate_every and run.update % training.evaluate_every == 0:
                    _judge(run, evaluate, players, training, epoch, update)
                if run.stopped:
                    break
                if not whole_epochs and checkpoint.due():
                    checkpoint.write(run.state(players, batches, device))
            cut = not run.over and run.batch < len(batches)
            if not run.failed and run.best is None and (run.over or cut) and not _are_numbers(players):
                _fail(run, None, players, good, owner)
            if checkpoint.kept and cut and not whole_epochs:
                checkpoint.write(run.state(players, batches, device))  # what follows is done again when it goes on
            if run.failed:
                epoch.stop(run.stopped)
                break
            means = mean_over_processes(run.tally.means())
            epoch.record(**means)
            if evaluate and run.judged < run.update and (run.over or cut or not training.evaluate_every):
                _judge(run, evaluate, players, training, epoch)
            elif not evaluate:
                run.judge(next(iter(means.values())), players, training, keep=False)
            if run.stopped:
                epoch.stop(run.stopped)
                break
            if run.batch == len(batches):
                run.next_epoch()
                if whole_epochs and checkpoint.due():
                    checkpoint.write(run.state(players, batches, device))
        if checkpoint.kept and (run.over or run.batch == 0) and begun != (run.update, run.stopped):
            checkpoint.write(run.state(players, batches, device))
        if owner is not None and begun[1] is not None:
            owner.stopped_ = begun[1]  # it was over before
        if run.best is not None:
            set_weights(players, run.best)
        else:
            for player in players.values():
                player.swap_averages()
        for player in players.values():
            gather_weights(player.net)
        _set_mode(nets, learning=False)


def require_batches(batches: Any) -> None:
    """Say where batches come from to one who gives something else."""
    if not hasattr(batches, "epoch"):
        raise TypeError(
            f"batches come from InMemory(X, y, size=..., seed=...) or Stream(begin, length), got "
            f"{type(batches).__name__}; a DataLoader d becomes Stream(lambda epoch: d, len(d))"
        )
    if len(batches) < 1:
        raise DataError("an epoch has one batch or more, and these have none")


def updates_of(training: Training, batches: Batches) -> int:
    """How many updates a training makes of these batches."""
    return training.updates if training.epochs is None else max(1, round(training.epochs * len(batches)))


# ---------------------------------------------------------------------- the step of one player with one loss


def _step(batch: Batch, players: dict[str, Player]) -> Terms:
    player = players["net"]
    if player.gradient is not None and not player.rehearses:
        return {"loss": player.descend(*batch)}
    size = player.training.micro_batch
    if size is None or size >= len(batch[0]):
        loss, terms = _loss_and_terms(player(*batch))
        player.backward(loss)
        player.update()
        return {"loss": loss, **terms}
    told: Terms = {}
    for part in zip(*(t.split(size) for t in batch), strict=True):
        weight = len(part[0]) / len(batch[0])
        loss, terms = _loss_and_terms(player(*part))
        player.backward(loss * weight)
        for name, term in {"loss": loss, **terms}.items():
            told[name] = told.get(name, 0.0) + weight * detached(term)
    player.update()
    return told


def _search(batch: Batch, players: dict[str, Player]) -> Terms:
    player, told = players["net"], {}

    def closure() -> torch.Tensor:
        player.optimiser.zero_grad(set_to_none=True)
        loss, terms = _loss_and_terms(player(*batch))
        common = mean_over_processes({"loss": detached(loss)})["loss"]  # several processes search along one line
        if told and not math.isfinite(common):
            return 1e3 * (1 + abs(told["loss"]))  # a trial too far: worse than the start, and level
        player.backward(loss)
        if not told:
            told.update({name: detached(term) for name, term in {"loss": common, **terms}.items()})
        return common

    player.search(closure)
    return told


def _loss_and_terms(answer: Any) -> tuple[torch.Tensor, Terms]:
    return answer if isinstance(answer, tuple) else (answer, {})


# ---------------------------------------------------------------------- what is done now and then


def _judge(run: Progress, evaluate: Callable, players: dict[str, Player], training: Training, *steps: Any) -> None:
    """Measure the nets as they would answer, and keep the weights that do so best."""
    nets = {name: player.net for name, player in players.items()}
    _set_mode(nets, learning=False)
    with ExitStack() as answering, torch.no_grad():
        for player in players.values():
            answering.enter_context(player.answering())
        told = evaluate()
        told = told if isinstance(told, dict) else {"loss": told}
        values = mean_over_processes({name: float(value) for name, value in told.items()})
        run.judge(next(iter(values.values())), players, training, keep=True)
    for step in steps:
        step.record(**{f"validation_{name}": value for name, value in values.items()})
    _set_mode(nets, learning=True)


def _fail(
    run: Progress,
    ahead: Callable[[], Any] | None,
    players: dict[str, Player],
    good: tuple[int, list] | None,
    owner: Any,
    process: int = 0,
) -> None:
    """Say what went wrong, and go back to the last copy of the weights whose loss was a number.

    Without a step ``ahead``, which can be looked at again, it was the last one that left weights that are no numbers.
    """

    def again() -> None:
        for player in players.values():
            player.rehearses = True
        try:
            if ahead is not None:
                ahead()
        finally:
            for player in players.values():
                player.rehearses = False

    why = said_by(process, explain({name: p.net for name, p in players.items()}, again, list(run.tally.recent)))
    who = "training" if owner is None else type(owner).__name__
    where = f" in process {process + 1} of {share()[1]}" if share()[1] > 1 else ""
    if ahead is None:
        what = f"{who}: after update {run.update}, the last one, {why}"
    else:
        what = f"{who}: the loss of update {run.update + 1}{where} is no number: {why}"
    if good is None:
        raise LearningError(what)
    at, copy = good
    set_weights(players, copy)
    run.failed, run.stopped = True, "the loss was no number"
    since = run.update - at
    warnings.warn(
        f"{what}. Kept are the weights of {since} update{'s' * (since != 1)} before, whose loss was a number.",
        ConvergenceWarning,
        stacklevel=4,
    )


def _are_numbers(players: dict[str, Player]) -> bool:
    """Whether all weights are finite, in all processes."""
    own = (w.to_local() if hasattr(w, "to_local") else w for player in players.values() for w in player.weights)
    return first_where(not all(bool(torch.isfinite(w).all()) for w in own)) is None


def _ahead(
    batches: Batches, run: Progress, left: int, players: dict[str, Player], device: torch.device
) -> Iterator[Batch]:
    """The next so many batches of an epoch, on the device."""
    begun = run.batch
    for batch in islice(batches.epoch(run.epoch, begun), left):
        there = all(part.device == device for part in batch)
        yield batch if there else tuple(part.to(device, non_blocking=True) for part in batch)
    if run.batch == begun + left:
        return
    if run.batch == 0 or getattr(batches, "depends_on", None) is None:
        raise DataError(f"epoch {run.epoch + 1} ended after {run.batch} of {len(batches)} batches")
    run.skip_epoch(batches, players)


def _rates(players: dict[str, Player]) -> dict[str, float]:
    several = len(players) > 1
    told = {}
    for name, player in players.items():
        told[f"learning_rate/{name}" if several else "learning_rate"] = player.learning_rate
        if player.gradient_norm is not None:
            told[f"gradient_norm/{name}" if several else "gradient_norm"] = float(player.gradient_norm)
    return told


def _set_mode(nets: dict[str, nn.Module], *, learning: bool) -> None:
    for net in nets.values():
        net.train(learning)
        if learning and not all(w.requires_grad for w in net.parameters()):
            for part in net.modules():
                if (held := list(part.parameters())) and not any(w.requires_grad for w in held):
                    part.eval()  # what is frozen stays as it is: its means of batches too
