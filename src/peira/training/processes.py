"""Several processes that train one net, under torch's own launcher.

``torchrun --nproc-per-node 2 script.py`` starts the same script twice. The script says `join_processes` once; from then
on each training takes its share of every batch, and torch's DistributedDataParallel (or, for weights that exceed one
device, its fully sharded form) makes the gradients common. Where a budget or an interruption ends the training, it does
so after the same update in all: the first process says when. Where the loss of one is no number, all of them stop at
that update, with the cause that this one found.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import distributed as dist
from torch import nn

from peira.core.iteration import deciding, limited, unlimited

Said = TypeVar("Said", bool, int, float)
_REASONS = (None, "interrupted", "out of time")


@contextmanager
def join_processes(backend: str | None = None) -> Iterator[tuple[int, int]]:
    """Join the processes that torchrun started.

    Parameters
    ----------
    backend : "gloo" or "nccl", optional
        NCCL where there is CUDA, else gloo.

    Yields
    ------
    (rank, size) : ints
        (0, 1) when torchrun did not start this process.

    Examples
    --------
    >>> from peira.training import join_processes
    >>> with join_processes() as (rank, size):
    ...     print(rank, size)
    0 1
    """
    if "RANK" not in os.environ:
        yield 0, 1
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    dist.init_process_group(backend or ("nccl" if cuda else "gloo"))
    try:
        yield dist.get_rank(), dist.get_world_size()
    finally:
        dist.destroy_process_group()


def share() -> tuple[int, int]:
    """Which of how many processes this is; (0, 1) when it is alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def across_processes(net: nn.Module, *, sharded: bool = False) -> nn.Module:
    """The net as it runs in each of several processes, with common gradients; itself when there is one."""
    if share()[1] == 1 or not any(p.requires_grad for p in net.parameters()):
        return net
    if sharded:
        from torch.distributed.fsdp import fully_shard

        return fully_shard(net)
    device = next(net.parameters()).device
    return nn.parallel.DistributedDataParallel(net, device_ids=[device] if device.type == "cuda" else None)


def agreed(said: Said) -> Said:
    """What the first of several processes says, in all of them: their clocks differ, their steps must not."""
    if share()[1] == 1:
        return said
    told = torch.tensor(said, dtype=torch.float64, device="cuda" if torch.cuda.is_available() else "cpu")
    dist.broadcast(told, 0)
    return type(said)(told.item())


def first_where(found: bool) -> int | None:
    """The first of the processes, which all ask together, in which something was found; None if it was in none."""
    rank, size = share()
    if size == 1:
        return 0 if found else None
    first = torch.tensor(rank if found else size, device="cuda" if torch.cuda.is_available() else "cpu")
    dist.all_reduce(first, dist.ReduceOp.MIN)
    return None if first == size else int(first)


def said_by(process: int, text: str) -> str:
    """What one of several processes says, in all of them."""
    if share()[1] == 1:
        return text
    device = "cuda" if torch.cuda.is_available() else "cpu"
    told = torch.tensor(list(text.encode()), dtype=torch.uint8, device=device)
    length = torch.tensor(len(told), device=device)
    dist.broadcast(length, process)
    told = told if share()[0] == process else torch.empty(int(length), dtype=torch.uint8, device=device)
    dist.broadcast(told, process)
    return bytes(told.tolist()).decode()


@contextmanager
def ending_together() -> Iterator[None]:
    """Let the loops inside end in all processes when a budget, or an interruption, ends them in the first one."""
    if share()[1] == 1:
        yield
        return
    with deciding(lambda why: _REASONS[agreed(_REASONS.index(why))]) if agreed(limited()) else unlimited():
        yield


def gathered(dealt: Any) -> Any:
    """Values with whole tensors in place of those that are dealt among processes, all of which ask together."""
    if share()[1] == 1:
        return dealt
    if isinstance(dealt, dict):
        return {name: gathered(value) for name, value in dealt.items()}
    if isinstance(dealt, list | tuple):
        return type(dealt)(map(gathered, dealt))
    return dealt.full_tensor() if hasattr(dealt, "full_tensor") else dealt


def dealt_like(like: Any, whole: Any) -> Any:
    """Values with each process's part of a whole tensor, where that of like name and shape in ``like`` is dealt."""
    if share()[1] == 1:
        return whole
    if isinstance(whole, dict):
        return {name: dealt_like(like[name], value) for name, value in whole.items()}
    if isinstance(whole, list | tuple):
        return type(whole)(map(dealt_like, like, whole))
    if not hasattr(like, "full_tensor") or whole.shape != like.shape:
        return whole
    from torch.distributed.tensor import distribute_tensor

    # Each process holds the whole: none has to send it to the others.
    return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


@contextmanager
def whole(run: Any) -> Iterator[None]:
    """Weights that are dealt among processes, whole for a while: so a net can be asked by its own name."""
    if not hasattr(run, "unshard"):
        yield
        return
    run.unshard()
    try:
        yield
    finally:
        run.reshard()


def gather_weights(net: nn.Module) -> None:
    """Give each process the whole of the weights that were dealt among them, so that the net answers alone."""
    dealt = {
        w: nn.Parameter(gathered(w.detach()), w.requires_grad) for w in net.parameters() if hasattr(w, "full_tensor")
    }
    for layer in net.modules():
        for name, w in list(layer.named_parameters(recurse=False)):
            if w in dealt:
                setattr(layer, name, dealt[w])  # tied weights stay tied


def mean_over_processes(values: dict[str, float]) -> dict[str, float]:
    """Means over the processes of numbers that each of them computed."""
    if share()[1] == 1 or not values:
        return values
    together = torch.tensor(list(values.values()), dtype=torch.float64)
    if torch.cuda.is_available():
        together = together.cuda()
    dist.all_reduce(together)
    return dict(zip(values, (together / share()[1]).tolist(), strict=True))
