"""`python -m spacy llama-ner pair`: the same sentences with silver labels and with gold ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import srsly
from spacy.training import Example
from typer import Argument, Option
from wasabi import msg

from ..data.docbin import write_docbin
from ..data.files import written_whole
from ..data.matching import match_words
from ..data.partial import agreed
from ..evaluate.scorer import seqeval_score
from ..evaluate.table import HEADER, count_gold, score_rows
from .app import app
from .inputs import InputError, corpus_files, read_corpus


@app.command("pair")
def pair_cli(
    silver: Annotated[Path, Argument(help="Labels of a model: a .spacy file or a folder of them")],
    gold: Annotated[Path, Argument(help="Gold data that has the same sentences among others")],
    folder: Annotated[Path, Argument(help="Folder for silver.spacy, gold.spacy and agreed.spacy", file_okay=False)],
    output: Annotated[Path | None, Option("--output", "-o", help="JSON file for the agreement")] = None,
) -> None:
    """Find the docs of a silver corpus in a gold one, by their words, and say how far their labels agree.

    FOLDER gets the docs that are in both, in the order of SILVER, once with the labels of each, and once with those
    on which both agree (agreed.spacy), where all else is left open. What has no counterpart is left out and counted.
    """
    try:
        pair(silver, gold, folder, output=output)
    except (InputError, OSError) as error:
        msg.fail("Cannot pair the corpora", str(error), exits=1)


def pair(silver: Path, gold: Path, folder: Path, *, output: Path | None = None) -> dict[str, Any]:
    """Write `silver.spacy`, `gold.spacy` and `agreed.spacy` to `folder`, and scores to `output`.

    The scores are those of `evaluate`, of silver against gold, 0 to 1; `docs` and `unmatched` count the docs of
    `silver`. Of gold docs with the same words the first is taken.

    Raises: InputError where a corpus is not there or would be replaced, or they have no doc in common, OSError where
    a file cannot be written.
    """
    targets = {name: folder / f"{name}.spacy" for name in ("silver", "gold", "agreed")}
    inputs = {file.resolve() for data in (silver, gold) for file in corpus_files(data)}
    for target in targets.values():
        if target.resolve() in inputs:
            raise InputError(f"{target} would be written over, but it is an input. Give another output folder.")
    found = list(match_words(read_corpus(silver), read_corpus(gold)))
    pairs = [(doc, other) for doc, other in found if other is not None]
    if not pairs:
        raise InputError(
            f"None of the {len(found):,} docs of {silver} has the same words as one of {gold}. Give corpora that are "
            "cut into the same sentences and words."
        )
    for name, docs in zip(("silver", "gold"), zip(*pairs, strict=True), strict=True):
        write_docbin(docs, targets[name])
    write_docbin((agreed(pair) for pair in pairs), targets["agreed"])
    examples = [Example(doc, other) for doc, other in pairs]
    scores = {**seqeval_score(examples), "docs": len(pairs), "unmatched": len(found) - len(pairs)}
    msg.good(f"{folder}: {len(pairs):,} docs with both labels")
    if scores["unmatched"]:
        msg.warn(f"{scores['unmatched']:,} docs of {silver} are not in {gold}, and are left out")
    if scores["ents_per_type"] is not None:
        msg.table(
            score_rows(scores, count_gold(examples)), header=HEADER, divider=True, aligns=("l", "r", "r", "r", "r")
        )
    if output is not None:
        with written_whole(output) as partial:
            srsly.write_json(partial, scores)
    return scores
