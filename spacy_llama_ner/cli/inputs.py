"""What commands read and check first: pipelines, configs, corpora, the device, and where the output goes.

All that a user may have got wrong is an InputError, or an OSError, here: what spaCy, thinc and msgpack raise about
it is caught at the one place where it arises.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import spacy
from click import UsageError
from spacy.cli._util import parse_config_overrides, setup_gpu
from spacy.language import BaseDefaults, Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.util import dot_to_object, load_config, resolve_dot_names
from spacy.vocab import create_vocab

from ..data.docbin import DAMAGED_CORPUS, corpus_errors, docbin_files
from ..data.errors import LlamaNERError
from ..pipeline.entity_pipe import EntityPipe

SPLIT_ORDER = {"train": 0, "dev": 1, "test": 2}


class InputError(LlamaNERError):
    """An input, an output or an option that a command cannot work with."""


def use_device(gpu_id: int) -> None:
    """Work on a GPU, or on the CPU where `gpu_id` is -1, and say so.

    Raises:
        InputError: If there is no such GPU.
    """
    try:
        setup_gpu(gpu_id, silent=False)
    # cupy and torch raise a RuntimeError where there are GPUs, but not this one
    except (ValueError, RuntimeError) as error:
        raise InputError(f"GPU {gpu_id} cannot be used. For the CPU, give --gpu-id -1.\n{error}") from error


def blank_language(lang: str) -> Language:
    """An empty pipeline, for its tokenizer.

    Raises:
        InputError: If spaCy does not have the language.
    """
    try:
        return spacy.blank(lang)
    except ImportError as error:
        raise InputError(f"spaCy has no language {lang!r}. Give a code such as en, de or xx.\n{error}") from error


def load_pipeline(model: str) -> Language:
    """Load a pipeline that sets `doc.ents`.

    Args:
        model: Its folder, or the name of its package.

    Raises:
        InputError: If it cannot be loaded, or none of its components sets entities.
    """
    try:
        nlp = spacy.load(model)
    # a file that is damaged can make it raise any of these
    except (OSError, ValueError, KeyError, TypeError, ImportError, configparser.Error) as error:
        raise InputError(
            f"The pipeline {model!r} cannot be loaded. Give the folder that `spacy train` wrote (such as "
            "training/model-best) or the name of an installed pipeline package. If it has components of your own, "
            f"name their Python file with --code.\n{type(error).__name__}: {error}"
        ) from error
    if not entity_setters(nlp):
        raise InputError(
            f"The pipeline {model!r} has no component that sets entities; it has {nlp.pipe_names}. "
            "Give a pipeline with a `llama_ner` (or another component that assigns doc.ents)."
        )
    return nlp


def load_entity_pipeline(model: str) -> Language:
    """`load_pipeline`, for commands that look at `doc.ents`.

    Raises:
        InputError: Also when all components write to span groups alone.
    """
    nlp = load_pipeline(model)
    setters = entity_setters(nlp)
    only_spans = [pipe for pipe in setters if isinstance(pipe, EntityPipe) and pipe.overwrite is None]
    if len(only_spans) == len(setters):
        raise InputError(
            f"The pipeline {model!r} leaves `doc.ents` alone: its entities are in the span groups "
            f"{[pipe.spans_key for pipe in only_spans]}, since its components have overwrite = null. Write overwrite "
            "= false into its config.cfg."
        )
    return nlp


def entity_setters(nlp: Language) -> list[Any]:
    """The components that set `doc.ents`, in the order of the pipeline."""
    return [pipe for name, pipe in nlp.pipeline if "doc.ents" in nlp.get_pipe_meta(name).assigns]


def read_overrides(args: list[str]) -> dict[str, Any]:
    """Settings of a config among the arguments of a command, as `spacy train` takes them.

    Raises:
        InputError: If an argument is no setting.
    """
    try:
        return parse_config_overrides(args)
    except UsageError as error:
        raise InputError(
            f"{error.format_message()} Settings of the config have a dot in their names, as --training.seed 1; for "
            "the options of the command see --help."
        ) from error


@contextmanager
def config_errors(config: Path) -> Iterator[None]:
    """Turn what spaCy, thinc and registered functions raise about the settings of a config into an InputError."""
    try:
        yield
    except (LlamaNERError, OSError):
        raise
    except (ValueError, KeyError, ImportError, configparser.Error) as error:
        raise InputError(
            f"The config {config} cannot be used. Check the file and the settings given as options; functions of "
            f"your own need --code.\n{error}"
        ) from error


def corpus_files(data: Path) -> list[Path]:
    """A .spacy file, or those in a folder: train, dev and test first, then by name.

    Raises:
        InputError: If there are none.
    """
    if not data.exists():
        raise InputError(f"The corpus {data} does not exist. Give a .spacy file or a folder of them.")
    files = [file for file in docbin_files(data) if file.suffix == ".spacy"]
    if not files:
        raise InputError(
            f"The corpus {data} holds no .spacy file. Make one from CoNLL columns or JSON with "
            "`python -m spacy llama-ner convert`."
        )
    return sorted(files, key=lambda path: SPLIT_ORDER.get(path.stem, len(SPLIT_ORDER)))


def read_docs(file: Path) -> Iterator[Doc]:
    """Yield the docs of a .spacy file, with a vocabulary that knows which words are white space.

    Raises:
        InputError: If it cannot be read.
    """
    with corpus_errors(file, InputError):
        yield from DocBin().from_disk(file).get_docs(create_vocab(None, BaseDefaults))


def read_corpus(data: Path) -> Iterator[Doc]:
    """Yield the docs of a .spacy file, or of all in a folder.

    Raises:
        InputError: If there are none, or one cannot be read.
    """
    for file in corpus_files(data):
        yield from read_docs(file)


def read_training_docs(data: Path) -> Iterator[Doc]:
    """Yield the docs that a pipeline was trained on.

    Args:
        data: A .spacy file, a folder of them, or the training config (.cfg), whose `training.train_corpus` is read
            without its augmenter.

    Raises:
        InputError: If they cannot be read.
    """
    if data.suffix != ".cfg":
        yield from read_corpus(data)
        return
    try:
        config = load_config(data, interpolate=True)
        name = config["training"]["train_corpus"]
        dot_to_object(config, name)["augmenter"] = None
        (reader,) = resolve_dot_names(config, [name])
        yield from (eg.reference for eg in reader(spacy.blank(config["nlp"]["lang"])))
    except (*DAMAGED_CORPUS, ImportError, configparser.Error) as error:
        raise InputError(
            f"The training corpus of {data} cannot be read. Give a training config whose data are still there, such "
            f"as the config.cfg in a pipeline's folder, or the data themselves.\n{error}"
        ) from error


def read_examples(nlp: Language, data: Path) -> list[Example]:
    """The gold docs of a .spacy file or a folder of them, with empty predictions.

    Raises:
        InputError: If they cannot be read, or have no entity.
    """
    corpus_files(data)
    with corpus_errors(data, InputError):
        examples = list(Corpus(data)(nlp))
    if not any(eg.reference.ents for eg in examples):
        raise InputError(
            f"The corpus {data} ({len(examples)} docs) has no gold entity to compare predictions with. "
            "Give a corpus whose docs have `ents`."
        )
    return examples


def check_pipeline_output(output: Path) -> None:
    """Check that a pipeline saved in `output` replaces nothing but a pipeline.

    Raises:
        InputError: If it would.
    """
    if output.is_file():
        raise InputError(f"The output {output} is a file. Give a folder.")
    # what `spacy package` writes has a meta.json too
    is_pipeline = all((output / name).is_file() for name in ("meta.json", "config.cfg"))
    if output.is_dir() and any(output.iterdir()) and not is_pipeline:
        raise InputError(f"The output folder {output} holds other things than a pipeline. Give a new folder.")


def check_output_file(output: Path | None, suffix: str) -> None:
    """Check that an output is a file with the right suffix; None is no output.

    Otherwise a corpus that was meant as one more value of an option would be taken for the output, and replaced.

    Raises:
        InputError: If it is a folder, or does not end in `suffix`.
    """
    if output is None:
        return
    if output.is_dir():
        raise InputError(f"The output {output} is a folder. Give a file, such as {output / f'output{suffix}'}.")
    if output.suffix != suffix:
        hint = ""
        if output.suffix.lower() == ".spacy":
            hint = " An option takes one value each time, as in --data one.spacy --data two.spacy."
        raise InputError(f"The output {output} does not end in {suffix}. Give a file that does.{hint}")
