"""Trained components without their base: a folder with the adapter as peft lays it out, and a file with the head.

`export_adapter` writes it, `add_adapter` adds it to a pipeline.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.language import Language
from spacy.training import Example
from spacy.util import logger
from thinc.api import Config

from ..base.locate import HUB_ID, download_snapshot
from ..data.files import atomic_dir
from ..encoder.peft_format import ADAPTER_CONFIG, ADAPTER_WEIGHTS, Adapter, AdapterError, read_adapter
from .entity_pipe import find_entity_pipes
from .llama_ner import LlamaNER, find_components

if TYPE_CHECKING:
    from torch import Tensor

    from ..encoder.modules import WordEncoder

HEAD_FILE = "llama_ner.safetensors"
# the one key of the file's metadata; safetensors needs no others
METADATA_KEY = "llama_ner"


@dataclass(frozen=True)
class HeadFile:
    """A component without its encoder, as `llama_ner.safetensors` holds it.

    Attributes:
        config: The component's config, as in config.cfg.
        labels: Labels of the head.
        temperature: Temperature of its scores.
        fingerprint: That of the base that the adapter was trained on.
        lang: The pipeline's language.
        state: Weights of the head, by name.
    """

    config: dict[str, Any]
    labels: list[str]
    temperature: float
    fingerprint: str
    lang: str
    state: dict[str, Tensor]


def write_head(head: HeadFile, folder: Path) -> None:
    """Write the file.

    Args:
        head: What it holds.
        folder: Where it is written to.
    """
    from safetensors.torch import save

    metadata = {name: value for name, value in vars(head).items() if name != "state"}
    # not by `save_file`, whose files only their owner may read; the adapter's weights beside it can be read by all
    (folder / HEAD_FILE).write_bytes(save(head.state, {METADATA_KEY: json.dumps(metadata)}))


def read_head(folder: Path) -> HeadFile | None:
    """Read the file.

    Args:
        folder: Where `write_head` wrote it to.

    Returns:
        What it holds; None if there is no such file.

    Raises:
        AdapterError: If it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / HEAD_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads(file.metadata()[METADATA_KEY])
            return HeadFile(**metadata, state={name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise AdapterError(f"{path} is damaged ({error!r}). Copy the adapter again.") from error


def export_adapter(nlp: Language, folder: Path, *, pipe: str = "llama_ner") -> None:
    """Write a trained component to a folder in the layout of peft, whole or not at all.

    peft loads the adapter and ignores the head, `llama_ner.safetensors`.

    Args:
        nlp: The pipeline.
        folder: An adapter that is there is replaced; other files beside it, such as a model card, stay.
        pipe: Name of the component.

    Raises:
        AdapterError: If the component has no adapter of its own, or the folder holds something else.
        OSError: If the folder cannot be written.
    """
    from ..encoder.peft_format import write_adapter
    from ..head.architectures import get_head
    from ..shim.torch_shim import trainable_state

    ner = dict(nlp.components).get(pipe)
    if not isinstance(ner, LlamaNER) or not ner.is_initialized:
        raise AdapterError(f"{pipe!r} is no trained `llama_ner`. The pipeline has {list(find_components(nlp))}.")
    tok2vec = ner.model.get_ref("tok2vec")
    if "settings" not in tok2vec.attrs:
        raise AdapterError(
            f"{pipe!r} gets its word vectors from a layer {tok2vec.name!r}, which has no adapter. Expected is "
            "LlamaEncoder.v1 or TransformerEncoder.v1; replace listeners first (`nlp.replace_listeners`)."
        )
    if folder.exists() and not (folder / ADAPTER_CONFIG).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise AdapterError(f"The output {folder} is there and is no adapter. Give a new folder.")
    encoder, head = _get_encoder(ner), get_head(ner.model)
    settings = nlp.config.interpolate()["components"][pipe]
    head_file = HeadFile(
        config={key: value for key, value in settings.items() if key != "factory"},
        labels=head.labels,
        temperature=head.temperature,
        fingerprint=encoder.spec()["fingerprint"],
        lang=nlp.lang or "xx",
        state=trainable_state(head),
    )
    with atomic_dir(folder) as partial:
        if folder.is_dir():
            shutil.copytree(folder, partial, symlinks=True)
        partial.mkdir(exist_ok=True)
        write_adapter(encoder, tok2vec.attrs["settings"], partial)
        write_head(head_file, partial)


def add_adapter(
    nlp: Language,
    source: str | Path,
    *,
    name: str = "llama_ner",
    revision: str | None = None,
    labels: Sequence[str] = (),
    config: dict[str, Any] | None = None,
) -> LlamaNER:
    """Add a trained component to a pipeline. Beside a base that is in memory already, it takes a few MB.

    Args:
        nlp: The pipeline. If there is an error, it stays as it is.
        source: A folder that `export_adapter` or peft wrote, or a Hub repository of that layout.
        name: Name of the new component.
        revision: Branch, tag or commit of a Hub repository.
        labels: For an adapter of peft's, which has no head: the labels of a fresh one, still to be trained.
        config: Settings of the component that differ from those of the adapter, such as where the base is.

    Returns:
        The component.

    Raises:
        AdapterError: If there is no such adapter, it does not fit the base, or another component sets entities of the
            same label.
        BaseModelError: If there is no such base, or it cannot be used.
    """
    folder = adapter_folder(source, revision=revision)
    adapter, head = read_adapter(folder), read_head(folder)
    if adapter.ignored_weights:
        logger.warning("The adapter in %s has a head that is ignored: %s", folder, ", ".join(adapter.ignored_weights))
    labels = _choose_labels(folder, head, labels)
    settings = _component_config(adapter, head, config or {})
    if settings.get("overwrite", False) is not None:
        _check_label_clash(nlp, labels)
    ner: Any = nlp.add_pipe("llama_ner", name=name, config=settings)
    try:
        doc = nlp.make_doc(name)
        ner.initialize(lambda: [Example(doc, doc)], nlp=nlp, labels=list(labels))
        _load_weights(ner, adapter, head)
    except Exception:
        nlp.remove_pipe(name)
        raise
    return ner


def adapter_folder(source: str | Path, *, revision: str | None = None) -> Path:
    """Find an adapter on this machine, or fetch it from the Hub.

    Args:
        source: A folder or a Hub repository.
        revision: Branch, tag or commit of a Hub repository.

    Returns:
        The folder.

    Raises:
        AdapterError: If a revision of a folder is asked for.
        OSError: If it cannot be fetched.
    """
    path = Path(source).expanduser()
    if path.is_dir() or not HUB_ID.fullmatch(str(source)):
        if revision is not None:
            raise AdapterError(f"revision = {revision!r} is for a Hub repository, but {source} is a local folder.")
        return path
    files = [ADAPTER_CONFIG, ADAPTER_WEIGHTS, HEAD_FILE]
    return download_snapshot(str(source), revision=revision, files=files, what="adapter")


def _choose_labels(folder: Path, head: HeadFile | None, labels: Sequence[str]) -> Sequence[str]:
    if head is None and not labels:
        raise AdapterError(
            f"The adapter in {folder} comes without a head ({HEAD_FILE}), as peft has none. Give the labels that a "
            "fresh one is to learn, and train it."
        )
    if head is not None and labels and list(labels) != head.labels:
        raise AdapterError(
            f"The adapter in {folder} has a head for the labels {head.labels}, but {list(labels)} were given. Give "
            "none, and use `add_label` to teach it more."
        )
    return labels if head is None else head.labels


def _component_config(adapter: Adapter, head: HeadFile | None, config: dict[str, Any]) -> dict[str, Any]:
    given = config.get("model", {}).get("tok2vec", {})
    if "lora" in given:
        raise AdapterError(f"lora = {given['lora']} was given, but the adapter has its own shape. Leave it out.")
    base = {"base": adapter.base} if adapter.base else {}
    if adapter.revision and given.get("base", adapter.base) == adapter.base:
        base["revision"] = adapter.revision
    settings = Config(head.config if head else {"model": {"tok2vec": base}}).merge(config)
    settings["model"]["tok2vec"]["lora"] = asdict(adapter.lora)
    return dict(settings)


def _check_label_clash(nlp: Language, labels: Sequence[str]) -> None:
    for other, pipe in find_entity_pipes(nlp).items():
        both = sorted(set(labels) & set(pipe.labels))
        if both and pipe.overwrite is not None:
            raise AdapterError(
                f"{other!r} sets entities with the labels {both} already, and nobody could tell which component an "
                'entity is from. Add the adapter with config = {"overwrite": None, "spans_key": NAME}, so that its '
                "entities stand in a span group of their own."
            )


def _load_weights(ner: LlamaNER, adapter: Adapter, head_file: HeadFile | None) -> None:
    from ..encoder.peft_format import load_adapter
    from ..head.architectures import get_head
    from ..shim.torch_shim import load_trainable_state

    encoder, head = _get_encoder(ner), get_head(ner.model)
    given = encoder.spec()["fingerprint"]
    if head_file is not None and given != head_file.fingerprint:
        raise AdapterError(
            f"The adapter was trained on {adapter.base!r} with the fingerprint {head_file.fingerprint[:12]}. The "
            f"base here has {given[:12]}: its weights or config are others. Name the base that it belongs to."
        )
    load_adapter(encoder, adapter)
    if head_file is not None:
        load_trainable_state(head, head_file.state)
        head.temperature = head_file.temperature


def _get_encoder(ner: LlamaNER) -> WordEncoder:
    shim: Any = ner.model.get_ref("tok2vec").shims[0]
    return shim.module
