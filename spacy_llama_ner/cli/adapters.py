"""`python -m spacy llama-ner export-adapter` and `import-adapter`: recognisers as adapters in the layout of peft."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import spacy
from typer import Argument, Option
from wasabi import msg

from ..data.files import folder_written_whole
from .app import app
from .inputs import check_output, load_pipeline


@app.command("export-adapter")
def export_adapter_cli(
    model: Annotated[str, Argument(help="Folder or package name of a trained pipeline")],
    output: Annotated[Path, Argument(help="Folder for the adapter")],
    pipe: Annotated[str, Option(help="Name of the component")] = "llama_ner",
) -> None:
    """Write a recogniser as an adapter of a few MB, which peft loads too.

    The folder holds adapter_config.json and adapter_model.safetensors as peft writes them, and the head with its
    labels in llama_ner.safetensors.
    """
    from ..pipeline import export_adapter

    try:
        export_adapter(load_pipeline(model), output, pipe=pipe)
    except (ValueError, OSError) as error:
        msg.fail("Cannot export the adapter", str(error), exits=1)
    msg.good(f"The adapter is in {output}")


@app.command("import-adapter")
def import_adapter_cli(
    adapter: Annotated[str, Argument(help="Folder or Hub repository that export-adapter or peft wrote")],
    output: Annotated[Path, Argument(help="Folder for the pipeline")],
    into: Annotated[str | None, Option(help="Pipeline to add it to; if not given, it stands alone")] = None,
    name: Annotated[str, Option(help="Name of the component")] = "llama_ner",
    base: Annotated[str | None, Option(help="Base, if not the one that the adapter names")] = None,
    revision: Annotated[str | None, Option(help="Branch, tag or commit of a Hub repository")] = None,
    labels: Annotated[str | None, Option(help="For an adapter without a head: what to learn, commas between")] = None,
    attention: Annotated[
        Literal["bidirectional", "causal"] | None, Option(help="Mask, if not as it was trained here")
    ] = None,
    lang: Annotated[str | None, Option(help="Language, if not the one it was trained with")] = None,
) -> None:
    """Make a pipeline of an adapter, or add it to one.

    An adapter of peft's has no head: it gets a fresh one for --labels, to be trained with `source` in a config.
    """
    encoder = {"base": base, "attention": attention}
    try:
        import_adapter(
            adapter,
            output,
            into=into,
            name=name,
            revision=revision,
            labels=[label.strip() for label in (labels or "").split(",") if label.strip()],
            encoder={key: value for key, value in encoder.items() if value is not None},
            lang=lang,
        )
    except (ValueError, OSError, ImportError) as error:
        msg.fail(f"Cannot import {adapter}", str(error), exits=1)
    msg.good(f"The pipeline is in {output}")


def import_adapter(
    adapter: str,
    output: Path,
    *,
    into: str | None = None,
    name: str = "llama_ner",
    revision: str | None = None,
    labels: list[str] | None = None,
    encoder: dict[str, Any] | None = None,
    lang: str | None = None,
) -> None:
    """Write a pipeline with the recogniser in `adapter` to the folder `output`, whole or not at all.

    into: folder or package name of a pipeline to which it is added; else it stands alone in a new one.
    lang: of a new pipeline; by default that of the pipeline the adapter comes from, or English if it does not say.
    encoder: settings of the encoder that differ from those it was trained with.
    Everything else as of `pipeline.add_adapter`, errors too; InputError where `into` or `output` does not fit.
    """
    from ..pipeline.adapters import adapter_folder, add_adapter
    from ..pipeline.head_file import read_head

    check_output(output)
    folder = adapter_folder(adapter, revision=revision)
    head = read_head(folder)
    nlp = spacy.blank(lang or (head.lang if head else "en")) if into is None else load_pipeline(into)
    config = {"model": {"tok2vec": encoder}} if encoder else {}
    add_adapter(nlp, folder, name=name, labels=labels or [], config=config)
    with folder_written_whole(output) as partial:
        nlp.to_disk(partial)
