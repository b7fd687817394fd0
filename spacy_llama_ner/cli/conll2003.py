"""`conll2003`: the CoNLL-2003 splits as DocBins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import spacy
from typer import Argument, Option
from wasabi import msg

from ..data.conll2003 import HUB_NAME, read_folder, read_hub
from ..data.docbin import Summary
from ..data.report import Report
from ..data.sentences import make_docs
from .app import app
from .convert import show, write


@app.command("conll2003")
def conll2003_cli(
    output: Annotated[Path, Argument(help="Folder for train.spacy, dev.spacy and test.spacy", file_okay=False)],
    folder: Annotated[
        Path | None,
        Option(help=f"Folder with train.txt, valid.txt and test.txt; {HUB_NAME} from the Hub if not given"),
    ] = None,
    sents: Annotated[int, Option(help="Sentences per Doc, 0 for whole documents", min=0)] = 1,
) -> None:
    """Write CoNLL-2003 as train.spacy, dev.spacy and test.spacy, from a folder or from the Hub."""
    try:
        for path, summary, report in conll2003(output, folder=folder, sents=sents):
            show(path, summary, report)
    except (ValueError, OSError, ImportError) as error:
        msg.fail("Cannot convert CoNLL-2003", str(error), exits=1)


def conll2003(output: Path, *, folder: Path | None = None, sents: int = 1) -> Iterator[tuple[Path, Summary, Report]]:
    """Write each split to `output`; give its file, what it holds and what was wrong, as each is done.

    Raises: OSError when the data cannot be had, ImportError without `datasets` where it is needed, and
    ValueError when more than single sentences are asked for, but the source has lost its document boundaries.
    """
    vocab = spacy.blank("en").vocab
    for name, documents, report in read_hub() if folder is None else read_folder(folder):
        if folder is None and sents != 1 and len(documents) == 1:
            raise ValueError(
                f"{report.source} has no -DOCSTART- boundaries, so --sents {sents} would join sentences of "
                "unrelated documents. Use --sents 1, or a --folder whose files have them."
            )
        path = output / f"{name}.spacy"
        yield path, write(make_docs(documents, vocab, sents=sents), path, report), report
