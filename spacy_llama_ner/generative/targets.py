"""What a writer learns from: questions as they will be put, each with the right answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from spacy.tokens import Doc
from thinc.types import Floats1d

from ..head.bio import spans
from .architectures import GeneratorModel, get_generator
from .chunks import Chunk, cut
from .modules import Rows, Targets
from .predict import Questions
from .settings import GeneratorSettings


def make_targets(
    model: GeneratorModel, docs: Iterable[Doc], tags: Iterable[np.ndarray], labels: Mapping[str, str]
) -> Targets:
    """The lessons in annotated docs, none for a doc without words.

    tags: gold BIO tags of each, int64 [n_words], numbered as in `head.scheme`. A chunk with a word whose tag is not
        known has no right answer and is left out, as is one that is too long for the base with its answer.
    labels: descriptions, which may be empty, by label.
    """
    writer, settings = get_generator(model), model.attrs["settings"]
    questions = Questions(writer, settings, labels)
    behind, answers = [], []
    for doc, doc_tags in zip(docs, tags, strict=True):
        for chunk in cut(doc, window=settings.window):
            own = doc_tags[list(chunk.tokens)]
            if (own < 0).any():
                continue
            chunk = questions.as_written(chunk)
            asked, answer = questions.ask(chunk), _answer(chunk, own, questions, settings)
            if questions.room(asked) >= len(answer):
                behind.append(asked + answer)
                answers.append(answer)
    return Targets(Rows(questions.frame.before, behind), answers)


def get_loss(told: Floats1d) -> tuple[float, Floats1d]:
    """The mean of minus `told`, the log-probabilities of the right subwords, and its gradient on each of them."""
    return -float(told.mean()), told * 0 - 1 / len(told)


def _answer(chunk: Chunk, tags: np.ndarray, questions: Questions, settings: GeneratorSettings) -> tuple[int, ...]:
    ents = [(start, end, questions.labels[label]) for start, end, label in _spans(tags)]
    pieces = settings.format.write(chunk, ents)
    return (*(subword for piece in pieces for subword in questions.spell(piece)), questions.frame.end)


def _spans(tags: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Start, end and label of the entities of a chunk; the rest of one that was cut begins anew."""
    before = np.append(0, tags[:-1])
    is_cut = (tags > 0) & (tags % 2 == 0) & (before != tags) & (before != tags - 1)
    return spans(np.where(is_cut, tags - 1, tags))
