"""The loss on gold data, from the emissions of a pass that is made for the scores anyway."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from spacy.training import Example
from thinc.types import Floats2d

from ..pipeline import LlamaNER
from ..pipeline.gold import collect_labels, gold_tags
from ..pipeline.listening import listening
from .scorer import Scores


def scores_and_loss(
    evaluate: Callable[..., Scores], ner: LlamaNER, examples: Iterable[Example], **kwargs: Any
) -> tuple[Scores, float | None]:
    """What `evaluate` (that of a `Language`) gives for `examples`, and the loss of `ner` on them.

    The loss is that of training, a mean over the words with a known tag, in evaluation mode. None where it cannot be
    told: gold has labels that `ner` does not know, no tag is known, or another component changed the words.
    """
    examples = list(examples)
    emissions: list[Floats2d] = []
    with listening(ner, lambda words, found: emissions.extend(doc for doc in found if len(doc))):
        scores = evaluate(examples, **kwargs)
    return scores, _loss(ner, examples, emissions)


def _loss(ner: LlamaNER, examples: list[Example], emissions: list[Floats2d]) -> float | None:
    from ..head.tagging import mean_loss

    if not set(collect_labels(examples)) <= set(ner.labels):
        return None
    tags = [gold_tags(eg, ner.labels) for eg in examples if len(eg.predicted)]
    if [len(doc) for doc in tags] != [len(doc) for doc in emissions]:
        return None
    return mean_loss(ner.model, emissions, tags)
