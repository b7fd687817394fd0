"""Recognisers apart from their base: an adapter as peft lays it out, with head and labels in one more file."""

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
from ..encoder.peft_format import CONFIG, WEIGHTS, Adapter, AdapterError, read_adapter
from .components import find_components, find_entity_pipes
from .llama_ner import LlamaNER

if TYPE_CHECKING:
    from torch import Tensor

    from ..encoder.modules import WordEncoder
    from ..head.architectures import TaggerHead

HEAD = "llama_ner.safetensors"
# key of the file's metadata; beside it safetensors itself wants none
TOLD = "llama_ner"


@dataclass(frozen=True)
class HeadFile:
    """A component without its encoder.

    config: of the component, as in config.cfg. labels, temperature, state: of its head.
    fingerprint: of the base that it was trained on. lang: the pipeline's language.
    """

    config: dict[str, Any]
    labels: list[str]
    temperature: float
    fingerprint: str
    lang: str
    state: dict[str, Tensor]


def write_head(head: HeadFile, folder: Path) -> None:
    """Write the file to `folder`."""
    from safetensors.torch import save

    told = {name: value for name, value in vars(head).items() if name != "state"}
    # as of the adapter's weights beside it, others are to read it
    (folder / HEAD).write_bytes(save(head.state, {TOLD: json.dumps(told)}))


def read_head(folder: Path) -> HeadFile | None:
    """What `write_head` wrote to `folder`; None where it did not. Raises AdapterError where it is damaged."""
    from safetensors import SafetensorError, safe_open

    path = folder / HEAD
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads(file.metadata()[TOLD])
            return HeadFile(**told, state={name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise AdapterError(f"{path} is damaged ({error!r}). Copy the adapter again.") from error


def export_adapter(nlp: Language, folder: Path, *, pipe: str = "llama_ner") -> None:
    """Write a trained component to `folder` in the layout of peft, whole or not at all.

    peft loads the adapter and passes over the head, `llama_ner.safetensors`. An adapter that is there is replaced;
    what else lies beside it, such as a model card, stays. Raises AdapterError where the component has no adapter of
    its own, or something else is in the folder.
    """
    from ..encoder.peft_format import write_adapter
    from ..shim.torch_shim import copy_state

    ner = dict(nlp.components).get(pipe)
    if not isinstance(ner, LlamaNER) or not ner.is_initialized:
        raise AdapterError(f"{pipe!r} is no trained `llama_ner`. The pipeline has {list(find_components(nlp))}.")
    tok2vec = ner.model.get_ref("tok2vec")
    if "settings" not in tok2vec.attrs:
        raise AdapterError(
            f"{pipe!r} gets its word vectors from a layer {tok2vec.name!r}, which has no adapter. Expected is "
            "LlamaEncoder.v1 or TransformerEncoder.v1; replace listeners first (`nlp.replace_listeners`)."
        )
    if folder.exists() and not (folder / CONFIG).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise AdapterError(f"The output {folder} is there and is no adapter. Give a new folder.")
    encoder, head = _encoder(ner), _head(ner)
    settings = nlp.config.interpolate()["components"][pipe]
    told = HeadFile(
        config={key: value for key, value in settings.items() if key != "factory"},
        labels=head.labels,
        temperature=head.temperature,
        fingerprint=encoder.spec()["fingerprint"],
        lang=nlp.lang or "xx",
        state=copy_state(head),
    )
    with atomic_dir(folder) as partial:
        if folder.is_dir():
            shutil.copytree(folder, partial, symlinks=True)
        partial.mkdir(exist_ok=True)
        write_adapter(encoder, tok2vec.attrs["settings"], partial)
        write_head(told, partial)


def add_adapter(
    nlp: Language,
    source: str | Path,
    *,
    name: str = "llama_ner",
    revision: str | None = None,
    labels: Sequence[str] = (),
    config: dict[str, Any] | None = None,
) -> LlamaNER:
    """Add a recogniser to a pipeline: a few MB beside a base that is in memory already.

    source: a folder that `export_adapter` or peft wrote, or a Hub repository of that layout.
    name: of the new component.
    revision: branch, tag or commit of a Hub repository.
    labels: for an adapter of peft's, which has no head: what a fresh one, still to be trained, is to learn.
    config: of the component; changes what comes with the adapter, such as where the base is.

    Raises ValueError (AdapterError, BaseModelError) where there is no such adapter or base, they do not fit each
    other, or another component sets entities of the same label. The pipeline is then as it was.
    """
    folder = adapter_folder(source, revision=revision)
    adapter, head = read_adapter(folder), read_head(folder)
    if adapter.left_aside:
        logger.warning("The adapter in %s brings a head that is left out: %s", folder, ", ".join(adapter.left_aside))
    labels = _labels(folder, head, labels)
    settings = _settings(adapter, head, config or {})
    if settings.get("overwrite", False) is not None:
        _check_clash(nlp, labels)
    ner: Any = nlp.add_pipe("llama_ner", name=name, config=settings)
    try:
        doc = nlp.make_doc(name)
        ner.initialize(lambda: [Example(doc, doc)], nlp=nlp, labels=list(labels))
        _fill(ner, adapter, head)
    except Exception:
        nlp.remove_pipe(name)
        raise
    return ner


def adapter_folder(source: str | Path, *, revision: str | None = None) -> Path:
    """Where an adapter lies on this machine; one of the Hub is fetched. Raises AdapterError, or as `base.hub`."""
    path = Path(source).expanduser()
    if path.is_dir() or not HUB_ID.fullmatch(str(source)):
        if revision is not None:
            raise AdapterError(f"revision = {revision!r} is for a Hub repository, but {source} is a local folder.")
        return path
    return download_snapshot(str(source), revision=revision, files=[CONFIG, WEIGHTS, HEAD], what="adapter")


def _labels(folder: Path, head: HeadFile | None, labels: Sequence[str]) -> Sequence[str]:
    if head is None and not labels:
        raise AdapterError(
            f"The adapter in {folder} comes without a head ({HEAD}): peft knows none. Give the labels that a fresh "
            "one is to learn, and train it."
        )
    if head is not None and labels and list(labels) != head.labels:
        raise AdapterError(
            f"The adapter in {folder} has a head for the labels {head.labels}, but {list(labels)} were given. Give "
            "none, and use `add_label` to teach it more."
        )
    return labels if head is None else head.labels


def _settings(adapter: Adapter, head: HeadFile | None, config: dict[str, Any]) -> dict[str, Any]:
    given = config.get("model", {}).get("tok2vec", {})
    if "lora" in given:
        raise AdapterError(f"lora = {given['lora']} was given, but the adapter has its own shape. Leave it out.")
    base = {"base": adapter.base} if adapter.base else {}
    if adapter.revision and given.get("base", adapter.base) == adapter.base:
        base["revision"] = adapter.revision
    settings = Config(head.config if head else {"model": {"tok2vec": base}}).merge(config)
    settings["model"]["tok2vec"]["lora"] = asdict(adapter.lora)
    return dict(settings)


def _check_clash(nlp: Language, labels: Sequence[str]) -> None:
    for other, pipe in find_entity_pipes(nlp).items():
        both = sorted(set(labels) & set(pipe.labels))
        if both and pipe.overwrite is not None:
            raise AdapterError(
                f"{other!r} sets entities with the labels {both} already, and nobody could tell whose they are. Add "
                'the adapter with config = {"overwrite": None, "spans_key": NAME}, so that its entities stand in a '
                "span group of their own."
            )


def _fill(ner: LlamaNER, adapter: Adapter, head: HeadFile | None) -> None:
    from ..encoder.peft_format import load_adapter
    from ..shim.torch_shim import fill

    encoder, module = _encoder(ner), _head(ner)
    given = encoder.spec()["fingerprint"]
    if head is not None and given != head.fingerprint:
        raise AdapterError(
            f"The adapter was trained on {adapter.base!r} with the fingerprint {head.fingerprint[:12]}. The base "
            f"here has {given[:12]}: its weights or config are others. Name the base that it belongs to."
        )
    load_adapter(encoder, adapter)
    if head is not None:
        fill(module, head.state)
        module.temperature = head.temperature


def _encoder(ner: LlamaNER) -> WordEncoder:
    module: Any = ner.model.get_ref("tok2vec").shims[0]
    return module.module


def _head(ner: LlamaNER) -> TaggerHead:
    from ..head.inference import get_head

    return get_head(ner.model)
