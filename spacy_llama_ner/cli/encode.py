"""`python -m spacy llama-ner encode`: what a frozen base says of a corpus, read once for all trainings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm
from typer import Argument, Context, Option
from wasabi import msg

from ..data.files import atomic_write
from ..evaluate.predict import PATIENCE
from .app import InputError, app, corpus_files, read_corpus, read_overrides, use_device

SUFFIX = ".safetensors"


@app.command("encode", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def encode_cli(
    ctx: Context,
    config: Annotated[Path, Argument(help="Training config whose base is frozen, such as configs/bilstm-crf.cfg")],
    output: Annotated[Path, Argument(help="File for the vectors, which configs name as `encoded`")],
    data: Annotated[list[Path], Option(help="A .spacy file or a folder of them; can be given several times")],
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU ID or -1 for CPU")] = -1,
) -> None:
    """Read corpora with the frozen base of a config, and keep the vectors of their words in a file.

    Trainings and evaluations whose config names the file (encoded, in the block of the encoder) do not read these
    texts again, which leaves the head to be computed. A word takes 4 bytes times the width of the base, on the disk
    once and in memory twice. OUTPUT is there whole or not at all. Settings of the config can be given as options, as
    with `spacy train`.
    """
    try:
        encode(config, output, data=data, overrides=read_overrides(ctx.args), gpu_id=gpu_id)
    except (ValueError, OSError, ImportError) as error:
        msg.fail("Cannot encode the corpora", str(error), exits=1)


def encode(
    config: Path, output: Path, *, data: list[Path], overrides: dict[str, Any] | None = None, gpu_id: int = -1
) -> int:
    """Write the vectors of all docs of `data` to `output`, and give the number of different texts.

    Raises: ValueError where the config or a corpus does not fit, OSError where a file cannot be read or written.
    """
    from spacy.util import load_config
    from thinc.api import Model

    from ..active.config import blank_pipeline
    from ..encoder.modules import reading_of
    from ..encoder.settings import DecoderSettings
    from ..encoder.vector_cache import distinct, write_vector_file
    from ..pipeline.components import only_component
    from ..shim.torch_shim import TorchShim

    if output.suffix != SUFFIX or output.is_dir():
        raise InputError(f"The output is {output}; give the name of a file that ends with {SUFFIX}.")
    use_device(gpu_id)
    for corpus in data:
        corpus_files(corpus)
    nlp = blank_pipeline(load_config(config, overrides=overrides or {}, interpolate=True))
    layer: Model = only_component(nlp, wanted_by="`encode`").model.get_ref("tok2vec")
    settings = layer.attrs.get("settings")
    if not isinstance(settings, DecoderSettings) or not settings.frozen:
        raise InputError(
            f"The encoder of {config} is trained, or is no LlamaEncoder.v1, so that its vectors cannot be "
            "kept. Expected is one with lora = null and unfreeze_layers = 0, as in configs/bilstm-crf.cfg."
        )
    layer.attrs["settings"] = replace(settings, encoded=None)
    layer.initialize()
    texts = distinct(each for corpus in data for doc in read_corpus(corpus) for each in _as_read(nlp, doc))
    with (
        tqdm(total=len(texts), desc="Reading", unit=" texts", delay=PATIENCE, leave=False) as bar,
        atomic_write(output) as partial,
    ):

        def read(batch: list[Doc]) -> list[Any]:
            bar.update(len(batch))
            return [layer.ops.to_numpy(rows) for rows in layer.predict(batch)]

        module = cast(TorchShim, layer.shims[0]).module
        write_vector_file(partial, texts, read, reading=reading_of(settings, module))
    msg.good(f"{output}: the vectors of {len(texts):,} texts")
    return len(texts)


def _as_read(nlp: Language, doc: Doc) -> Iterator[Doc]:
    """With its own words, and as spaCy's `Corpus` has it cut anew where its spaces are known."""
    yield doc
    if not doc.has_unknown_spaces:
        yield nlp.make_doc(doc.text)
