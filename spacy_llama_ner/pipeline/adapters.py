"""Recognisers apart from their base: an adapter as peft lays it out, with head and labels in one more file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from spacy.language import Language
from spacy.training import Example
from thinc.api import Config

from ..base.hub import HUB_ID, download
from ..data.files import folder_written_whole
from ..encoder.adapter import CONFIG, WEIGHTS, AdapterError, read_adapter
from ..shim import TorchShim
from .llama_ner import LlamaNER

if TYPE_CHECKING:
    from torch import Tensor

HEAD = "llama_ner.safetensors"
# key of the head file's metadata
TOLD = "llama_ner"


@dataclass(frozen=True)
class Head:
    """What is beside an adapter: the component's config, its labels, and the weights of its head.

    fingerprint: of the base that both were trained on. lang: the pipeline's language.
    """

    config: dict[str, Any]
    labels: list[str]
    temperature: float
    fingerprint: str
    lang: str
    state: dict[str, Tensor]


def export_adapter(nlp: Language, folder: Path, *, pipe: str = "llama_ner") -> None:
    """Write a trained component to `folder` in the layout of peft, whole or not at all.

    peft loads the adapter and passes over the head, `llama_ner.safetensors`. An adapter that is there is replaced.
    Raises AdapterError where the component has no adapter of its own, or something else is in the folder.
    """
    from safetensors.torch import save_file

    from ..encoder.exchange import write_adapter
    from ..state import copy_state

    ner = nlp.get_pipe(pipe)
    if not isinstance(ner, LlamaNER) or not ner.is_initialized:
        raise AdapterError(f"{pipe!r} is no trained `llama_ner`. Name one of this pipeline's {nlp.pipe_names}.")
    tok2vec = ner.model.get_ref("tok2vec")
    if "settings" not in tok2vec.attrs:
        raise AdapterError(
            f"{pipe!r} gets its word vectors from a layer {tok2vec.name!r}, which has no adapter. Expected is a model "
            "with LlamaEncoder.v1 or TransformerEncoder.v1; replace listeners first (`nlp.replace_listeners`)."
        )
    if folder.exists() and not (folder / CONFIG).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise AdapterError(f"The output {folder} is there and is no adapter. Give a new folder.")
    encoder, head = _module(ner, "tok2vec"), _module(ner, "head")
    told = {
        "config": nlp.config.interpolate()["components"][pipe],
        "labels": head.labels,
        "temperature": head.temperature,
        "fingerprint": encoder.spec()["fingerprint"],
        "lang": nlp.lang,
    }
    with folder_written_whole(folder) as partial:
        partial.mkdir()
        write_adapter(encoder, tok2vec.attrs["settings"], partial)
        save_file(copy_state(head), partial / HEAD, {TOLD: json.dumps(told)})


def add_adapter(
    nlp: Language,
    source: str | Path,
    *,
    name: str = "llama_ner",
    revision: str | None = None,
    labels: Sequence[str] | None = None,
    config: dict[str, Any] | None = None,
) -> LlamaNER:
    """Add a recogniser to a pipeline: a few MB beside a base that is in memory already.

    source: a folder that `export_adapter` or peft wrote, or a Hub repository of that layout.
    name: of the new component.
    revision: branch, tag or commit of a Hub repository.
    labels: for an adapter of peft's, which has no head: what a fresh one, still to be trained, is to learn.
    config: of the component; changes what comes with the adapter, such as where the base is.

    Raises ValueError (AdapterError, BaseModelError) where there is no such adapter or base, they do not fit each other,
    or another component sets entities of the same label. The pipeline is then as it was.
    """
    folder = adapter_folder(source, revision=revision)
    adapter, head = read_adapter(folder), read_head(folder)
    labels = _labels(folder, head, labels)
    settings = Config(head.config if head else {"model": {"tok2vec": {"base": adapter.base}}}).merge(config or {})
    settings = Config({"model": {"tok2vec": {"lora": asdict(adapter.lora)}}}).merge(settings)
    raise NotImplementedError
