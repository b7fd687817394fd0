"""`torchrun --nproc-per-node N -m spacy_llama_ner.train CONFIG`: `spacy train` in several processes.

Each process works on batches of its own; the gradients are averaged (see `distributed`). N processes with
batches of B words walk the path of one with batches of N x B, but that each batch counts the same, whatever its
size. Started without torchrun, it is `spacy train`.
"""

from __future__ import annotations
from ..data.errors import LlamaNERError

from ..shim.distributed import average_values
from ..shim.distributed import copy_from_first
from ..shim.distributed import from_first
from ..shim.distributed import rank_and_size
from ..shim.torch_shim import TorchShim
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from spacy.cli._util import import_code
from spacy.cli._util import parse_config_overrides
from spacy.cli._util import setup_gpu
from spacy.cli._util import show_validation_error
from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_nlp
from spacy.util import load_config
from thinc.api import Config
from thinc.api import Model
from typer import Argument
from typer import Context
from typer import Option
from typer import Typer
from typing import Annotated
from typing import Any
from wasabi import msg
import os
import sys

# the others wait so long while the first one evaluates
PATIENCE = timedelta(hours=2)

app = Typer(add_completion=False)


class DistributedError(LlamaNERError):
    """A config that several processes cannot train together."""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train_cli(
    ctx: Context,
    config_path: Annotated[Path, Argument(help="Path to config file", exists=True, dir_okay=False)],
    output: Annotated[Path | None, Option("--output", "-o", help="Output directory")] = None,
    code: Annotated[Path | None, Option("--code", "-c", help="Python file with additional code")] = None,
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU of the first process, or -1 for CPU")] = -1,
) -> None:
    """Train a pipeline as `spacy train` does, in as many processes as torchrun has started.

    Settings of the config can be given as options, such as --training.max_steps 100.
    """
    import_code(code)
    overrides = parse_config_overrides(ctx.args)
    try:
        with show_validation_error(config_path):
            train(config_path, output, gpu_id=gpu_id, overrides=overrides)
    except DistributedError as error:
        msg.fail("Cannot train in several processes", str(error), exits=1)


def train(
    config_path: Path, output: Path | None = None, *, gpu_id: int = -1, overrides: dict[str, Any] | None = None
) -> None:
    """Train the pipeline in `config_path`; the first process writes it to `output`.

    gpu_id: GPU of the first process on each machine, the next ones get the next; -1 for CPU.
    Raises DistributedError where the config is not for several processes.
    """
    device = gpu_id + int(os.environ.get("LOCAL_RANK", 0)) if gpu_id >= 0 else -1
    with _process_group(device):
        rank, size = rank_and_size()
        config = load_config(config_path, overrides=overrides or {}, interpolate=False)
        if size > 1:
            _deal_batches(config, rank)
        nlp = init_nlp(config, use_gpu=device)
        if size > 1:
            _train_together(nlp)
        if rank > 0:
            with Path(os.devnull).open("w") as nowhere:
                train_nlp(nlp, None, use_gpu=device, stdout=nowhere, stderr=nowhere)
            return
        msg.info(f"Training in {size} process{'es' * (size > 1)}")
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
        train_nlp(nlp, output, use_gpu=device, stdout=sys.stdout, stderr=sys.stderr)


@contextmanager
def _process_group(device: int) -> Iterator[None]:
    """Use `device`, and join the processes that torchrun has started, if it has."""
    import torch.distributed as dist

    setup_gpu(device, silent=os.environ.get("RANK", "0") != "0")
    if "RANK" not in os.environ:
        yield
        return
    if device >= 0:
        import torch

        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device >= 0 else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def _deal_batches(config: Config, rank: int) -> None:
    """Have every process read its share, and the first one alone log."""
    training = config["training"]
    if config.interpolate()["training"]["seed"] is None:
        raise DistributedError(
            "training.seed is null, so that each process would shuffle the data in its own way. Give a number."
        )
    training["batcher"] = {"@batchers": "spacy_llama_ner.shard_batches.v1", "batcher": training["batcher"]}
    if rank > 0:
        training["logger"] = {"@loggers": "spacy.ConsoleLogger.v3", "console_output": False}


def _train_together(nlp: Language) -> None:
    """Start from the same weights, and have losses and dev scores in common."""
    for name in nlp.pipe_names:
        _check_averaged(nlp, name)
    for _, proc in nlp.pipeline:
        for shim in (shim for node in _nodes(proc) for shim in node.shims if isinstance(shim, TorchShim)):
            copy_from_first(p for p in shim.module.parameters() if p.requires_grad)
    together = _Together(nlp)
    nlp.update = together.update  # type: ignore[method-assign]
    nlp.evaluate = together.evaluate  # type: ignore[method-assign]


class _Together:
    """What the training loop calls, with the first process evaluating for all and losses that are means of all."""

    def __init__(self, nlp: Language) -> None:
        self._update, self._evaluate = nlp.update, from_first(nlp.evaluate)
        self._losses: dict[str, float] | None = None

    def update(self, *args: Any, losses: dict[str, float] | None = None, **kwargs: Any) -> dict[str, float]:
        if self._losses is None:
            _own_dropout()
        self._losses = {} if losses is None else losses
        return self._update(*args, losses=self._losses, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if self._losses is not None:
            # the loop is about to log what has summed up since it last evaluated
            self._losses.update(average_values(self._losses))
        return self._evaluate(*args, **kwargs)


def _own_dropout() -> None:
    """Have the processes, which were seeded alike, drop out different things."""
    import torch

    torch.manual_seed(torch.initial_seed() + rank_and_size()[0])


def _nodes(proc: Any) -> list[Model]:
    model = getattr(proc, "model", None)
    return list(model.walk()) if isinstance(model, Model) else []


def _check_averaged(nlp: Language, name: str) -> None:
    """Raise TogetherError where a component would learn in each process on its own."""
    nodes = _nodes(nlp.get_pipe(name))
    own = [node.name for node in nodes if any(node.has_param(param) for param in node.param_names)]
    own += [node.name for node in nodes if not all(isinstance(shim, TorchShim) for shim in node.shims)]
    if own and name not in nlp.config["training"].get("frozen_components", []):
        raise DistributedError(
            f"Several processes can only train the torch models of this package together, but {name!r} has "
            f"the layers {own[:3]}. Train it in one process (`spacy train`), or freeze it "
            "(training.frozen_components)."
        )


if __name__ == "__main__":
    app()
