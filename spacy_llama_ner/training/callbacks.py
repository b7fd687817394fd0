"""What `spacy train` calls where a trained component learns new labels."""

from __future__ import annotations

from ..pipeline.components import find_components
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import repeat
from spacy.language import Language
from spacy.training import Example
from typing import Any

Corpus = Callable[[Language], Iterable[Example]]


def make_add_labels(labels: list[str], pipe: str = "llama_ner") -> Callable[[Language], Language]:
    """`spacy_llama_ner.add_labels.v1`, an `[initialize.before_init]`: labels that a sourced component is to learn.

    labels: they come behind those it has, whose weights stay; `spacy.read_labels.v1` reads them from a file. Until
        they are trained, they take some of the probability of what was found before.
    pipe: name of the component.
    """

    def add(nlp: Language) -> Language:
        ner: Any = nlp.get_pipe(pipe)
        for label in labels:
            ner.add_label(label)
        return nlp

    return add


def make_rehearsal(texts: Corpus, words: int = 500) -> Callable[[Language, dict[str, Any]], None]:
    """`spacy_llama_ner.rehearse.v1`, a `[training.before_update]`: rehearse along with each step.

    texts: old texts, by any reader of spaCy's such as `spacy.JsonlCorpus.v1`; their annotation is not read.
    words: how many of them each step takes, in whole texts and at least one. They come round again and again.

    Each `llama_ner` that was sourced from a trained pipeline, and is not frozen, learns in one step from both
    gradients. Raises ValueError where there is no such component or no text.
    """
    if words < 1:
        raise ValueError(f"spacy_llama_ner.rehearse.v1 got words = {words}; expected 1 or more.")
    batches: Iterator[list[Example]] | None = None

    def before_update(nlp: Language, args: dict[str, Any]) -> None:
        nonlocal batches
        pipes = [pipe for pipe in find_components(nlp).values() if pipe.can_rehearse]
        if not pipes:
            raise ValueError(
                "spacy_llama_ner.rehearse.v1 finds no `llama_ner` that was trained before. Source one in the config "
                '([components.llama_ner] source = "FOLDER"), or leave [training.before_update] out.'
            )
        if batches is None:
            batches = _batches(texts, nlp, words)
        examples = next(batches)
        for pipe in pipes:
            pipe.rehearse(examples)

    return before_update


def _batches(texts: Corpus, nlp: Language, words: int) -> Iterator[list[Example]]:
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
            raise ValueError("spacy_llama_ner.rehearse.v1 finds no text in its corpus. Give it one with texts.")
