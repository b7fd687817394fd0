"""What a generator is trained on: prompts as they will be given, each with the right answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from spacy.tokens import Doc
from thinc.types import Floats1d

from ..head.bio import tags_to_spans
from .architectures import GeneratorModel, get_generator
from .modules import PrefixBatch, Targets
from .predict import PromptBuilder
from .settings import GeneratorSettings


def make_targets(
    model: GeneratorModel, docs: Iterable[Doc], tags: Iterable[np.ndarray], labels: Mapping[str, str]
) -> Targets:
    """Make prompts and right answers from annotated docs.

    Args:
        model: A `GenerativeTagger`.
        docs: The docs. One without words has no prompt.
        tags: Gold BIO tags int64 [n_words] of each doc, numbered as in `head.bio`. A chunk with a word whose tag is
            not known has no right answer and is left out, as is one that is too long for the base with its answer.
        labels: Descriptions, which may be empty, by label, in the order of the tags.

    Returns:
        One prompt with its answer for each chunk.
    """
    settings: GeneratorSettings = model.attrs["settings"]
    prompts = PromptBuilder(get_generator(model), settings, labels)
    suffixes, answers = [], []
    for doc, doc_tags in zip(docs, tags, strict=True):
        for chunk in prompts.chunks(doc, window=settings.window):
            chunk_tags = doc_tags[list(chunk.tokens)]
            if (chunk_tags < 0).any():
                continue
            ents = [(start, end, prompts.labels[label]) for start, end, label in _chunk_spans(chunk_tags)]
            pieces = settings.format.write(chunk, ents)
            answer = (*(subword for piece in pieces for subword in prompts.tokenize(piece)), prompts.frame.end)
            prompt = prompts.prompt(chunk)
            if prompts.room(prompt) >= len(answer):
                suffixes.append(prompt + answer)
                answers.append(answer)
    return Targets(PrefixBatch(prompts.frame.prefix, suffixes), answers)


def _chunk_spans(tags: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Start, end and label of the entities of a chunk. What is left of one that began in another chunk is one too."""
    before = np.append(0, tags[:-1])
    is_cut = (tags > 0) & (tags % 2 == 0) & (before != tags) & (before != tags - 1)
    return tags_to_spans(np.where(is_cut, tags - 1, tags))


def get_generation_loss(log_probs: Floats1d) -> tuple[float, Floats1d]:
    """Compute the loss of the right answers.

    Args:
        log_probs: Log-probabilities of their subwords, fp32 [n_subwords].

    Returns:
        The mean negative log-probability, and its gradient fp32 [n_subwords].
    """
    return -float(log_probs.mean()), log_probs * 0 - 1 / len(log_probs)
