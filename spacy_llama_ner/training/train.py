"""`torchrun --nproc-per-node N -m spacy_llama_ner.training.train CONFIG`: `spacy train` in several processes.

Each process works on batches of its own; the gradients are averaged (see `shim.distributed`). N processes with
batches of B words take the steps of one with batches of N x B, but that each batch counts the same, whatever its
size. Started without torchrun, it is `spacy train`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from shutil import copytree, rmtree
from typing import Annotated, Any, TypeAlias

from spacy.cli._util import import_code, parse_config_overrides, setup_gpu, show_validation_error
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import loop
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry, resolve_dot_names
from thinc.api import Config, Model, fix_random_seed, set_gpu_allocator
from typer import Argument, Context, Option, Typer
from wasabi import msg

from ..data.errors import LlamaNERError
from ..shim.distributed import average_values, broadcast_parameters, broadcast_result, rank_and_size
from ..shim.torch_shim import TorchShim
from .curve_logger import keep_random_state

BeforeUpdate: TypeAlias = Callable[[Language, dict[str, Any]], None]
# batch, info and whether it is the best so far, as `train_while_improving` yields them
Step: TypeAlias = tuple[Any, dict[str, Any], bool | None]

# how long the other processes wait while the first one evaluates
TIMEOUT = timedelta(hours=2)

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
    except (LlamaNERError, OSError) as error:
        msg.fail("Cannot train", str(error), exits=1)


def train(
    config_path: Path, output: Path | None = None, *, gpu_id: int = -1, overrides: dict[str, Any] | None = None
) -> None:
    """Train a pipeline in this process, and in the others that torchrun has started.

    Args:
        config_path: The config.
        output: Folder that the first process writes the pipeline to; None writes none.
        gpu_id: GPU of the first process on each machine, the next ones get the next; -1 for CPU.
        overrides: Settings that replace those of the config, by their dotted names.

    Raises:
        DistributedError: If several processes cannot train with this config.
    """
    device = gpu_id + int(os.environ.get("LOCAL_RANK", 0)) if gpu_id >= 0 else -1
    with _process_group(device):
        rank, size = rank_and_size()
        config = load_config(config_path, overrides=overrides or {}, interpolate=False)
        if size > 1:
            _shard_batches(config)
        nlp = init_nlp(config, use_gpu=device)
        if rank == 0:
            msg.info(f"Training in {size} process{'es' * (size > 1)}")
            if output is not None:
                output.mkdir(parents=True, exist_ok=True)
        if size > 1:
            _train_together(nlp, output if rank == 0 else None, device=device)
        else:
            loop.train(nlp, output, use_gpu=device, stdout=sys.stdout, stderr=sys.stderr)


@contextmanager
def _process_group(device: int) -> Iterator[None]:
    """Use a device, and join the processes that torchrun has started, if it has."""
    import torch.distributed as dist

    setup_gpu(device, silent=os.environ.get("RANK", "0") != "0")
    if "RANK" not in os.environ:
        yield
        return
    if device >= 0:
        import torch

        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device >= 0 else "gloo", timeout=TIMEOUT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def _shard_batches(config: Config) -> None:
    """Have every process take its own share of the batches."""
    training = config["training"]
    if config.interpolate()["training"]["seed"] is None:
        raise DistributedError(
            "training.seed is null, so that each process would shuffle the data in its own way. Give a number."
        )
    training["batcher"] = {"@batchers": "spacy_llama_ner.shard_batches.v1", "batcher": training["batcher"]}


def _train_together(nlp: Language, output: Path | None, *, device: int) -> None:
    """Train as `spacy.training.loop.train` does, and with its functions, but as one of several processes.

    All start from the weights of the first process, which evaluates for all, logs the means of all losses, and saves
    the pipeline.
    """
    _share_weights(nlp)
    config = nlp.config.interpolate()
    fix_random_seed(config["training"]["seed"])
    if device >= 0 and config["training"]["gpu_allocator"]:
        set_gpu_allocator(config["training"]["gpu_allocator"])
    training = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    train_corpus, dev_corpus = resolve_dot_names(config, [training["train_corpus"], training["dev_corpus"]])
    steps = loop.train_while_improving(
        nlp,
        training["optimizer"],
        loop.create_train_batches(nlp, train_corpus, training["batcher"], training["max_epochs"]),
        broadcast_result(
            _evaluate_apart(loop.create_evaluation_callback(nlp, dev_corpus, training["score_weights"]))
        ),
        dropout=training["dropout"],
        accumulate_gradient=training["accumulate_gradient"],
        patience=training["patience"],
        max_steps=training["max_steps"],
        eval_frequency=training["eval_frequency"],
        exclude=training["frozen_components"],
        annotating_components=training["annotating_components"],
        before_update=_seed_dropout_after(training["before_update"]),
    )
    if rank_and_size()[0] > 0:
        for _ in _average_losses(steps):
            pass
    else:
        _log_and_save(nlp, _average_losses(steps), training, output)


def _evaluate_apart(evaluate: Callable[[], Any]) -> Callable[[], Any]:
    """Evaluate without touching the random state: only the first process does, and all have to shuffle alike."""

    def evaluate_apart() -> Any:
        with keep_random_state():
            return evaluate()

    return evaluate_apart


def _share_weights(nlp: Language) -> None:
    """Set the weights that will be trained to those of the first process.

    Raises:
        DistributedError: If a component would learn in each process on its own.
    """
    models = {name: getattr(pipe, "model", None) for name, pipe in nlp.pipeline}
    layers = {name: list(model.walk()) for name, model in models.items() if isinstance(model, Model)}
    for name, nodes in layers.items():
        own = [node.name for node in nodes if any(node.has_param(param) for param in node.param_names)]
        own += [node.name for node in nodes if not all(isinstance(shim, TorchShim) for shim in node.shims)]
        if own and name not in nlp.config["training"].get("frozen_components", []):
            raise DistributedError(
                f"Several processes can only train the torch models of this package together, but {name!r} has "
                f"the layers {own[:3]}. Train it in one process (`spacy train`), or freeze it "
                "(training.frozen_components)."
            )
    for shim in (shim for nodes in layers.values() for node in nodes for shim in node.shims):
        if isinstance(shim, TorchShim):
            broadcast_parameters(p for p in shim.module.parameters() if p.requires_grad)


def _seed_dropout_after(before_update: BeforeUpdate | None) -> BeforeUpdate:
    """Have the processes, which were seeded alike, drop out different things from the first update on."""
    import torch

    def before_each_update(nlp: Language, args: dict[str, Any]) -> None:
        if before_update is not None:
            before_update(nlp, args)
        if args["step"] == 0:
            torch.manual_seed(torch.initial_seed() + rank_and_size()[0])

    return before_each_update


def _average_losses(steps: Iterable[Step]) -> Iterator[Step]:
    """Replace the losses after an evaluation, which are about to be logged, by their means over all processes."""
    for batch, info, is_best in steps:
        if is_best is not None:
            info["losses"].update(average_values(info["losses"]))
        yield batch, info, is_best


def _log_and_save(nlp: Language, steps: Iterable[Step], training: dict[str, Any], output: Path | None) -> None:
    """Do what `spacy.training.loop.train` does between the steps of a training."""
    before_to_disk = loop.create_before_to_disk_callback(training["before_to_disk"])

    def save(path: Path, *, is_best: bool) -> None:
        before_to_disk(nlp).to_disk(path / loop.DIR_MODEL_LAST)
        if is_best:
            rmtree(path / loop.DIR_MODEL_BEST, ignore_errors=True)
            copytree(path / loop.DIR_MODEL_LAST, path / loop.DIR_MODEL_BEST)

    loop.clean_output_dir(output)
    frozen = training["frozen_components"]
    msg.info(f"Pipeline: {nlp.pipe_names}")
    if frozen:
        msg.info(f"Frozen components: {frozen}")
    if training["annotating_components"]:
        msg.info(f"Set annotations on update for: {training['annotating_components']}")
    msg.info(f"Initial learn rate: {training['optimizer'].learn_rate}")
    with nlp.select_pipes(disable=frozen):
        log_step, finalize_logger = training["logger"](nlp, sys.stdout, sys.stderr)
    try:
        for _, info, is_best in steps:
            if is_best is None:
                log_step(None)
                continue
            with nlp.select_pipes(disable=frozen):
                loop.update_meta(training, nlp, info)
            if output is not None:
                save(output, is_best=is_best)
                info["output_path"] = str(output / loop.DIR_MODEL_LAST)
            log_step(info)
    except Exception as error:
        if output is not None:
            msg.warn(f"Aborting and saving the final best model. Encountered exception: {error!r}")
        raise
    finally:
        finalize_logger()
        if output is not None:
            save(output, is_best=False)
    if output is not None:
        msg.good("Saved pipeline to output directory", output / loop.DIR_MODEL_LAST)


if __name__ == "__main__":
    app()
