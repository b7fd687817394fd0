"""`encode`: the vectors of a frozen base, computed once for all trainings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

from spacy.cli._util import import_code
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_config
from thinc.api import Model
from tqdm import tqdm
from typer import Argument, Context
from wasabi import msg

from ..active.config import blank_pipeline
from ..data.files import atomic_write
from ..encoder.modules import vector_provenance
from ..encoder.settings import DecoderSettings
from ..encoder.vector_cache import unique_docs, write_vector_file
from ..evaluate.predict import PATIENCE
from ..pipeline.llama_ner import only_component
from ..shim.torch_shim import TorchShim
from .app import CONFIG_OVERRIDES, Code, DataFiles, GpuId, app
from .inputs import (
    InputError,
    check_output_file,
    config_errors,
    corpus_files,
    read_corpus,
    read_overrides,
    use_device,
)


@app.command("encode", context_settings=CONFIG_OVERRIDES)
def encode(
    ctx: Context,
    config: Annotated[Path, Argument(help="Training config whose base is frozen, such as configs/bilstm-crf.cfg")],
    output: Annotated[Path, Argument(help="The .safetensors file to write, which configs name as `encoded`")],
    data: DataFiles,
    code: Code = None,
    gpu_id: GpuId = -1,
) -> None:
    """Compute the vectors of a frozen base once, to reuse.

    Trainings and evaluations whose config names the file (`encoded`, in the block of the encoder) look up the vectors
    of these texts instead of running the base; the head is all that is left to compute. The file has 4 bytes per word
    and dimension of the base; a training needs twice as much memory. Settings of the config can be given as options,
    as with `spacy train`.
    """
    overrides = read_overrides(ctx.args)
    import_code(code)
    check_output_file(output, ".safetensors")
    use_device(gpu_id)
    for corpus in data:
        corpus_files(corpus)
    with config_errors(config):
        nlp = blank_pipeline(load_config(config, overrides=overrides, interpolate=True))
        layer: Model = only_component(nlp, wanted_by="`encode`").model.get_ref("tok2vec")
        settings = layer.attrs.get("settings")
        if not isinstance(settings, DecoderSettings) or not settings.frozen:
            raise InputError(
                f"The encoder of {config} is trained, or is no LlamaEncoder.v1, so that its vectors cannot be "
                "kept. Expected is one with lora = null and unfreeze_layers = 0, as in configs/bilstm-crf.cfg."
            )
    layer.attrs["settings"] = replace(settings, encoded=None)
    layer.initialize()
    texts = unique_docs(each for corpus in data for doc in read_corpus(corpus) for each in _as_read(nlp, doc))
    with (
        tqdm(total=len(texts), desc="Encoding", unit=" texts", delay=PATIENCE, leave=False) as bar,
        atomic_write(output) as partial,
    ):

        def compute(batch: list[Doc]) -> list[Any]:
            bar.update(len(batch))
            return [layer.ops.to_numpy(rows) for rows in layer.predict(batch)]

        module = cast(TorchShim, layer.shims[0]).module
        write_vector_file(partial, texts, compute, provenance=vector_provenance(settings, module))
    msg.good(f"{output}: the vectors of {len(texts):,} texts")


def _as_read(nlp: Language, doc: Doc) -> Iterator[Doc]:
    """A doc as it is and, if its spaces are known, as spaCy's `Corpus` reads it: with the words of the tokenizer."""
    yield doc
    if not doc.has_unknown_spaces:
        yield nlp.make_doc(doc.text)
