"""The folder of one export: the tasks for the tool, and what it takes to understand what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from ..data.copies import unlabelled
from ..data.docbin import write_docbin
from ..data.files import written_whole
from .collect import Texts
from .formats import Format
from .task import make_tasks, task_key

TEXTS = "texts.spacy"
ABOUT = "export.json"


@dataclass(frozen=True)
class Given:
    """What was given out: the labels to choose from, and the texts."""

    labels: list[str]
    texts: Texts


def write_tasks(docs: Iterable[Doc], folder: Path, *, format: Format, labels: Sequence[str]) -> int:
    """Write tasks for the texts of `docs`, with their entities as suggestions. Returns how many.

    `folder` gets the files of the tool, and `texts.spacy` and `export.json`, by which `open_tasks` knows the words
    and labels again. Of the same text, words included, there is one task. Raises: ValueError where no text is left.
    """
    unique = {task_key(doc): doc for doc in docs if doc.text.strip()}
    tasks = list(make_tasks(unique.values(), labels))
    write_docbin(map(unlabelled, unique.values()), folder / TEXTS)
    format.write(tasks, labels, folder)
    with written_whole(folder / ABOUT) as partial:
        srsly.write_json(partial, {"labels": list(labels)})
    return len(tasks)


def open_tasks(folder: Path, nlp: Language) -> Given:
    """What `write_tasks` put into `folder`. Raises: ValueError where the folder is not one of its own, or damaged."""
    try:
        about = srsly.read_json(folder / ABOUT)
        docs = DocBin().from_disk(folder / TEXTS).get_docs(nlp.vocab)
        return Given(list(about["labels"]), Texts.of(docs, nlp))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder} holds no whole export ({ABOUT} and {TEXTS}): {error!r}. Give the folder that "
            "`llama-ner export` wrote."
        ) from error
