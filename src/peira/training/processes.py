"""Several processes that train one net, under torch's own launcher.

``torchrun --nproc-per-node 2 script.py`` starts the same script twice. The script says `join_processes` once; from then
on each training takes its share of every batch, and torch's DistributedDataParallel (or, for weights that exceed one
device, its fully sharded form) makes the gradients common.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed as dist
from torch import nn


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


def mean_over_processes(values: dict[str, float]) -> dict[str, float]:
    """Means over the processes of numbers that each of them computed."""
    if share()[1] == 1 or not values:
        return values
    together = torch.tensor(list(values.values()), dtype=torch.float64)
    if torch.cuda.is_available():
        together = together.cuda()
    dist.all_reduce(together)
    return dict(zip(values, (together / share()[1]).tolist(), strict=True))
