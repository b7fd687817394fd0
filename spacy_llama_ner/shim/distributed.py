"""Several processes that train one pipeline together, each on its own share of the batches.

Batches are dealt out, gradients and losses are averaged, and results and parameters of the first process are sent to
the others. In a process that trains alone, all of this does nothing. The processes meet through `torch.distributed`,
which whoever starts them has to set up.
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
    """Return the rank of this process and the number of processes: (0, 1) if it is alone."""
    import torch.distributed as dist

    if not dist.is_available() or not dist.is_initialized():
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def shard_batches(batcher: Batcher) -> Batcher:
    """Give each process every n-th batch of `batcher`, n being the number of processes (shard_batches.v1).

    So a step of all processes sees n batches. If the last batches are fewer than n, some are dealt twice, so that all
    processes take the same number of steps.

    Args:
        batcher: Any batcher of `[training.batcher]`. In all processes, it must be given the same items in the same
            order.

    Returns:
        The batcher of this process.
    """

    def shard(items: Iterable[T]) -> Iterator[list[T]]:
        rank, size = rank_and_size()
        batches = iter(batcher(items))
        while step := list(islice(batches, size)):
            yield step[rank % len(step)]

    return shard


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace the gradients by their mean over all processes; a missing gradient counts as zeros.

    Args:
        parameters: The same in all processes, in the same order.
    """
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
    """Return the mean of each value over all processes, which must have the same keys."""
    import torch
    import torch.distributed as dist

    _, size = rank_and_size()
    if size == 1 or not values:
        return values
    total = torch.tensor([values[key] for key in sorted(values)], dtype=torch.float64)
    dist.all_reduce(total)
    return dict(zip(sorted(values), (total / size).tolist(), strict=True))


def broadcast_result(make: Callable[..., T]) -> Callable[..., T]:
    """Return a function that only the first process runs, and whose result all processes get.

    Args:
        make: The function. Its result is sent as `torch.distributed.broadcast_object_list` sends objects.
    """
    import torch
    import torch.distributed as dist

    def shared(*args: Any, **kwargs: Any) -> T:
        rank, size = rank_and_size()
        result = [make(*args, **kwargs) if rank == 0 else None]
        if size > 1:
            dist.broadcast_object_list(result, device=torch.device("cpu"))
        return result[0]  # type: ignore[return-value]

    return shared


def broadcast_parameters(parameters: Iterable[nn.Parameter]) -> None:
    """Set the parameters of all processes, in place, to the values that they have in the first."""
    import torch.distributed as dist

    if rank_and_size()[1] > 1:
        for parameter in parameters:
            dist.broadcast(parameter.data, 0)
