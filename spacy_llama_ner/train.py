"""`torchrun --nproc-per-node N -m spacy_llama_ner.train CONFIG`: `spacy train` in several processes.

Each process works on batches of its own; the gradients are averaged (see `distributed`). N processes with
batches of B words walk the path of one with batches of N x B. Started without torchrun, it is `spacy train`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from spacy.cli._util import import_code, parse_config_overrides, setup_gpu
from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_nlp
from spacy.util import load_config
from thinc.api import Model
from typer import Argument, Context, Option, Typer
from wasabi import msg

from .distributed import average_values, copy_from_first, from_first, rank_and_size
from .shim import TorchShim

# the others wait so long while the first one evaluates
PATIENCE = timedelta(hours=2)

app = Typer(add_completion=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train_cli(
    ctx: Context,
    config_path: Annotated[Path, Argument(help="Path to config file", exists=True, dir_okay=False)],
    output: Annotated[Path | None, Option("--output", "-o", help="Output directory")] = None,
    code: Annotated[Path | None, Option("--code", "-c", help="Python file with additional code")] = None,
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU of the first process, or -1 for CPU")] = -1,
) -> None:
    """Train a pipeline as `spacy train` does, in as many processes as torchrun has started."""
    import_code(code)
    train(config_path, output, gpu_id=gpu_id, overrides=parse_config_overrides(ctx.args))


def train(
    config_path: Path, output: Path | None = None, *, gpu_id: int = -1, overrides: dict[str, Any] | None = None
) -> None:
    """Train the pipeline in `config_path`; the first process writes it to `output`.

    gpu_id: GPU of the first process on each machine, the next ones get the next; -1 for CPU.
    Raises ValueError where a component has weights that this package does not average.
    """
    device = gpu_id + int(os.environ.get("LOCAL_RANK", 0)) if gpu_id >= 0 else -1
    with _process_group(device):
        rank, size = rank_and_size()
        setup_gpu(device, silent=rank > 0)
        config = load_config(config_path, overrides=overrides or {}, interpolate=False)
        if size > 1:
            batcher = {"@batchers": "spacy_llama_ner.shard_batches.v1", "batcher": config["training"]["batcher"]}
            config["training"]["batcher"] = batcher
        nlp = init_nlp(config, use_gpu=device)
        _train_together(nlp)
        if rank == 0:
            msg.info(f"Training in {size} processes")
            if output is not None:
                output.mkdir(parents=True, exist_ok=True)
            train_nlp(nlp, output, use_gpu=device, stdout=sys.stdout, stderr=sys.stderr)
        else:
            with Path(os.devnull).open("w") as nowhere:
                train_nlp(nlp, None, use_gpu=device, stdout=nowhere, stderr=nowhere)


@contextmanager
def _process_group(device: int) -> Iterator[None]:
    """Join the processes that torchrun has started, if it has."""
    import torch
    import torch.distributed as dist

    if "RANK" not in os.environ:
        yield
        return
    if device >= 0:
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device >= 0 else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def _train_together(nlp: Language) -> None:
    """Start from the same weights, and have losses and dev scores in common."""
    for name in nlp.pipe_names:
        _check_averaged(nlp, name)
    shims = [shim for _, proc in nlp.pipeline for node in _nodes(proc) for shim in node.shims]
    for shim in shims:
        copy_from_first(p for p in shim.module.parameters() if p.requires_grad)
    update = nlp.update

    def update_and_average(examples: Any, *args: Any, losses: dict[str, float] | None = None, **kwargs: Any) -> Any:
        own = average_values(update(examples, *args, losses={}, **kwargs))
        losses = {} if losses is None else losses
        losses.update({key: losses.get(key, 0.0) + value for key, value in own.items()})
        return losses

    nlp.update = update_and_average  # type: ignore[method-assign]
    nlp.evaluate = from_first(nlp.evaluate)  # type: ignore[method-assign]


def _nodes(proc: Any) -> list[Any]:
    model = getattr(proc, "model", None)
    return list(model.walk()) if isinstance(model, Model) else []


def _check_averaged(nlp: Language, name: str) -> None:
    """Raise ValueError where a component would learn in each process on its own."""
    nodes = _nodes(nlp.get_pipe(name))
    own = [node.name for node in nodes if any(node.has_param(param) for param in node.param_names)]
    own += [node.name for node in nodes if not all(isinstance(shim, TorchShim) for shim in node.shims)]
    frozen = nlp.config["training"].get("frozen_components", [])
    if own and name not in frozen and rank_and_size()[1] > 1:
        raise ValueError(
            f"Several processes can only train the torch models of this package together, but {name!r} has "
            f"the layers {own[:3]}. Train it in one process (`spacy train`), or freeze it "
            "(training.frozen_components)."
        )


if __name__ == "__main__":
    app()
