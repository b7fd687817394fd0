"""Several processes that train one pipeline together, each on its own share of the batches.

The ways in which they meet, all of them no-ops in a process that is alone: gradients are averaged, batches dealt
out, and what the first process knows is told to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
Batcher = Callable[[Iterable[T]], Iterable[list[T]]]


def rank_and_size() -> tuple[int, int]:
    """The number of this process among those that train together, and how many they are: (0, 1) if it is alone."""
    import torch.distributed as dist

    if not dist.is_available() or not dist.is_initialized():
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def shard_batches(batcher: Batcher) -> Batcher:
    """Give each process every n-th batch of `batcher`, n being the number of processes.

    So a step of all processes sees n batches. Where the last ones do not go round, some are dealt twice: all
    processes take the same number of steps. All of them must be given the same items in the same order.
    """

    def shard(items: Iterable[T]) -> Iterator[list[T]]:
        rank, size = rank_and_size()
        batches = iter(batcher(items))
        while deal := list(islice(batches, size)):
            yield deal[rank % len(deal)]

    return shard


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace the gradients by their mean over all processes; a missing one counts as zeros."""
    import torch
    import torch.distributed as dist

    _, size = rank_and_size()
    if size == 1 or not parameters:
        return
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat)
    means = (flat / size).split([p.numel() for p in parameters])
    for parameter, mean in zip(parameters, means, strict=True):
        parameter.grad = mean.view_as(parameter)


def average_values(values: dict[str, float]) -> dict[str, float]:
    """The mean of each value over all processes, which must have the same keys."""
    import torch
    import torch.distributed as dist

    _, size = rank_and_size()
    if size == 1 or not values:
        return values
    total = torch.tensor([values[key] for key in sorted(values)], dtype=torch.float64)
    dist.all_reduce(total)
    return dict(zip(sorted(values), (total / size).tolist(), strict=True))


def from_first(make: Callable[..., T]) -> Callable[..., T]:
    """A function that the first process runs, and whose result all of them get."""
    import torch
    import torch.distributed as dist

    def shared(*args: Any, **kwargs: Any) -> T:
        rank, size = rank_and_size()
        result = [make(*args, **kwargs) if rank == 0 else None]
        if size > 1:
            dist.broadcast_object_list(result, device=torch.device("cpu"))
        return result[0]  # type: ignore[return-value]

    return shared


def copy_from_first(parameters: Iterable[nn.Parameter]) -> None:
    """Give all processes the first one's values."""
    import torch.distributed as dist

    if rank_and_size()[1] > 1:
        for parameter in parameters:
            dist.broadcast(parameter.data, 0)
