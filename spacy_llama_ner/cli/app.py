"""The command group that spaCy's own command line shows as `llama-ner`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import spacy
import srsly
from click import UsageError
from spacy.cli._util import app as spacy_app
from spacy.cli._util import parse_config_overrides, setup_gpu
from spacy.language import BaseDefaults, Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.util import dot_to_object, load_config, resolve_dot_names
from spacy.vocab import create_vocab
from typer import Typer
from wasabi import msg

from ..data.docbin import docbin_files
from ..data.errors import LlamaNERError
from ..data.files import atomic_write
from ..evaluate.predict import count_gold, print_change, print_scores
from ..pipeline.entity_pipe import EntityPipe

app = Typer(name="llama-ner", help="Tools around the `llama_ner` component", no_args_is_help=True)

spacy_app.add_typer(app, name="llama-ner")


USUAL_ORDER = {"train": 0, "dev": 1, "test": 2}


class InputError(LlamaNERError):
    """A pipeline or a corpus that a command cannot work with."""


def use_device(gpu_id: int) -> None:
    """Work on a GPU, or on the CPU where `gpu_id` is -1, and say so. Raises InputError."""
    try:
        setup_gpu(gpu_id, silent=False)
    except ValueError as error:
        raise InputError(f"GPU {gpu_id} cannot be used. For the CPU, give --gpu-id -1.\n{error}") from error


def load_pipeline(model: str) -> Language:
    """Load a pipeline that sets `doc.ents`, from a folder or by a package name. Raises InputError."""
    try:
        nlp = spacy.load(model)
    except (OSError, ValueError) as error:
        raise InputError(
            f"The pipeline {model!r} cannot be loaded. Give the folder that `spacy train` wrote (such as "
            f"training/model-best) or the name of an installed pipeline package.\n{error}"
        ) from error
    if not any("doc.ents" in nlp.get_pipe_meta(name).assigns for name in nlp.pipe_names):
        raise InputError(
            f"The pipeline {model!r} has no component that sets entities; it has {nlp.pipe_names}. "
            "Give a pipeline with a `llama_ner` (or another component that assigns doc.ents)."
        )
    return nlp


def load_finder(model: str) -> Language:
    """`load_pipeline`, for who looks at `doc.ents`: InputError too where they are left alone by all components."""
    nlp = load_pipeline(model)
    setters = [pipe for name, pipe in nlp.pipeline if "doc.ents" in nlp.get_pipe_meta(name).assigns]
    alone = [pipe for pipe in setters if isinstance(pipe, EntityPipe) and pipe.overwrite is None]
    if len(alone) == len(setters):
        raise InputError(
            f"The pipeline {model!r} leaves `doc.ents` alone: its entities are in the span groups "
            f"{[pipe.spans_key for pipe in alone]}, since its components have overwrite = null. Write overwrite = "
            "false into its config.cfg."
        )
    return nlp


def read_overrides(args: list[str]) -> dict[str, Any]:
    """Settings of a config among the arguments of a command, as `spacy train` takes them. Raises InputError."""
    try:
        return parse_config_overrides(args)
    except UsageError as error:
        raise InputError(
            f"{error.format_message()} Settings of the config have a dot in their names, as --training.seed 1; for "
            "the options of the command see --help."
        ) from error


def check_output(output: Path) -> None:
    """Raise InputError where a pipeline saved in `output` would replace something that is none."""
    if output.is_file():
        raise InputError(f"The output {output} is a file. Give a folder.")
    if output.is_dir() and any(output.iterdir()) and not _is_pipeline(output):
        raise InputError(f"The output folder {output} holds other things than a pipeline. Give a new folder.")


def _is_pipeline(folder: Path) -> bool:
    # what `spacy package` writes has a meta.json too
    return all((folder / name).is_file() for name in ("meta.json", "config.cfg"))


def check_file(output: Path | None, suffix: str) -> None:
    """Raise InputError where an output is a folder, or does not end in `suffix`; None is no output.

    A corpus that a user took for one more value of an option would be the output, and be replaced.
    """
    if output is None:
        return
    if output.is_dir():
        raise InputError(f"The output {output} is a folder. Give a file, such as {output / f'scores{suffix}'}.")
    if output.suffix.lower() != suffix:
        raise InputError(
            f"The output {output} does not end in {suffix}. Give a file that does. An option that may be given more "
            "than once takes one value each time, as in --data one.spacy --data two.spacy."
        )


def corpus_files(data: Path) -> list[Path]:
    """A .spacy file, or those in a folder: train, dev and test first, then by name. Raises InputError."""
    if not data.exists():
        raise InputError(f"The corpus {data} does not exist. Give a .spacy file or a folder of them.")
    files = [file for file in docbin_files(data) if file.suffix == ".spacy"]
    if not files:
        raise InputError(
            f"The corpus {data} holds no .spacy file. Make one from CoNLL columns or JSON with "
            "`python -m spacy llama-ner convert`."
        )
    return sorted(files, key=lambda path: USUAL_ORDER.get(path.stem, len(USUAL_ORDER)))


def read_docs(file: Path) -> Iterator[Doc]:
    """The docs of a .spacy file; their words know whether they are white space. Raises InputError."""
    try:
        yield from DocBin().from_disk(file).get_docs(create_vocab(None, BaseDefaults))
    except (OSError, ValueError, zlib.error) as error:
        raise InputError(f"The corpus {file} cannot be read; is it whole? Convert it again.\n{error}") from error


def read_corpus(data: Path) -> Iterator[Doc]:
    """The docs of a .spacy file or of all in a folder. Raises InputError."""
    for file in corpus_files(data):
        yield from read_docs(file)


def read_trained_on(data: Path) -> Iterator[Doc]:
    """The docs of a .spacy file or of all in a folder, or those that a config (.cfg) trains on. Raises InputError.

    An augmenter of the config is left out.
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
    except (KeyError, OSError, ValueError, zlib.error) as error:
        raise InputError(
            f"The training corpus of {data} cannot be read. Give a training config whose data is still there, as the "
            f"config.cfg in a pipeline's folder, or the data itself.\n{error}"
        ) from error


def read_examples(nlp: Language, data: Path) -> list[Example]:
    """The gold docs of a .spacy file or a folder of them, with empty predictions. Raises InputError."""
    corpus_files(data)
    try:
        examples = list(Corpus(data)(nlp))
    except (OSError, ValueError, zlib.error) as error:
        raise InputError(f"The corpus {data} cannot be read; is it whole? Convert it again.\n{error}") from error
    if not any(eg.reference.ents for eg in examples):
        raise InputError(
            f"The corpus {data} ({len(examples)} docs) has no gold entity to compare predictions with. "
            "Give a corpus whose docs have `ents`."
        )
    return examples


KEYS = ("ents_p", "ents_r", "ents_f", "ents_per_type", "ents_token_acc", "ents_ece", "parse_failures", "speed")


def tell_scores(
    found: Mapping[str, Any],
    examples: Sequence[Example],
    *,
    output: Path | None,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Print a table of scores, write them to `output` as JSON if there is one, and return them.

    found: what `predict_and_score` gives. `output` appears whole or not at all; missing folders are made.
    before: the same of an earlier pipeline, to be shown beside, and returned as `before`.

    Raises: OSError where `output` cannot be written.
    """
    scores, gold = _chosen(found), count_gold(examples)
    print_scores(scores, gold, msg=msg)
    if before is not None:
        scores["before"] = _chosen(before)
        print_change(scores["before"], scores, gold, msg=msg)
    if output is not None:
        with atomic_write(output) as partial:
            srsly.write_json(partial, scores)
        msg.good(f"Scores are in {output}")
    return scores


def _chosen(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in KEYS if key in found}
