"""Callbacks for a trained component that learns new labels: `add_labels.v1` and `rehearse.v1`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, TypeAlias

from spacy.language import Language
from spacy.training import Example

from ..data.errors import LlamaNERError
from ..pipeline.llama_ner import find_components

CorpusReader: TypeAlias = Callable[[Language], Iterable[Example]]


def make_add_labels(labels: list[str], pipe: str = "llama_ner") -> Callable[[Language], Language]:
    """Create an `[initialize.before_init]` callback that adds labels to a sourced component.

    Until the new labels are trained, they take some of the probability of what the component found before.

    Args:
        labels: The labels to learn. They come after those that the component has, whose weights stay.
            `spacy.read_labels.v1` reads them from a file.
        pipe: Name of the component.

    Returns:
        The callback. It raises KeyError if there is no such component.
    """

    def add(nlp: Language) -> Language:
        ner: Any = nlp.get_pipe(pipe)
        for label in labels:
            ner.add_label(label)
        return nlp

    return add


def make_rehearsal(texts: CorpusReader, words: int = 500) -> Callable[[Language, dict[str, Any]], None]:
    """Create a `[training.before_update]` callback that rehearses old texts along with each step.

    Each `llama_ner` that was sourced from a trained pipeline, and is not frozen, learns in one step from both
    gradients.

    Args:
        texts: Any reader of old texts, such as `spacy.JsonlCorpus.v1`. Their annotation is not read.
        words: How many words of them each step takes, in whole texts and at least one. After the last text comes the
            first again.

    Returns:
        The callback. It raises ValueError if there is no such component, or no text.

    Raises:
        ValueError: If `words` is below 1.
    """
    if words < 1:
        raise ValueError(f"spacy_llama_ner.rehearse.v1 got words = {words}; expected 1 or more.")
    batches: Iterator[list[Example]] | None = None

    def before_update(nlp: Language, args: dict[str, Any]) -> None:
        nonlocal batches
        pipes = [pipe for pipe in find_components(nlp).values() if pipe.can_rehearse]
        if not pipes:
            raise LlamaNERError(
                "spacy_llama_ner.rehearse.v1 finds no `llama_ner` that was trained before. Source one in the config "
                '([components.llama_ner] source = "FOLDER"), or leave [training.before_update] out.'
            )
        if batches is None:
            batches = _batches(texts, nlp, words)
        examples = next(batches)
        for pipe in pipes:
            pipe.rehearse(examples)

    return before_update


def _batches(texts: CorpusReader, nlp: Language, words: int) -> Iterator[list[Example]]:
    batch: list[Example] = []
    for examples in (texts(nlp) for _ in repeat(None)):
        n_words = 0
        for eg in examples:
            n_words += len(eg.predicted)
            batch.append(eg)
            if sum(len(each.predicted) for each in batch) >= words:
                yield batch
                batch = []
        if not n_words:
            raise LlamaNERError("spacy_llama_ner.rehearse.v1 finds no text in its corpus. Give it one with texts.")
