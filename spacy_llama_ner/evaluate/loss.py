"""The loss on gold data, from the emissions of a pass that is made for the scores anyway."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model
from thinc.types import Floats2d

from ..pipeline import LlamaNER
from ..pipeline.gold import collect_labels, gold_tags
from .scorer import Scores


def scores_and_loss(
    evaluate: Callable[..., Scores], ner: LlamaNER, examples: Iterable[Example], **kwargs: Any
) -> tuple[Scores, float | None]:
    """What `evaluate` (that of a `Language`) gives for `examples`, and the loss of `ner` on them.

    The loss is that of training, a mean over the words with a known tag, in evaluation mode. None where it cannot be
    told: gold has labels that `ner` does not know, no tag is known, or another component changed the words.
    """
    examples = list(examples)
    with _recorded(ner) as emissions:
        scores = evaluate(examples, **kwargs)
    return scores, _loss(ner, examples, emissions)


@contextmanager
def _recorded(ner: LlamaNER) -> Iterator[list[Floats2d]]:
    """A list that gets the emissions of every doc with words, as `ner` predicts."""
    model = ner.model
    recorded: list[Floats2d] = []

    def forward(outer: Model, docs: list[Doc], is_train: bool) -> Any:
        emissions, backprop = model(docs, is_train)
        recorded.extend(doc for doc in emissions if len(doc))
        return emissions, backprop

    refs: dict[str, Model | None] = {name: model.get_ref(name) for name in model.ref_names}
    ner.model = Model(model.name, forward, layers=[model], refs=refs, attrs=model.attrs)
    try:
        yield recorded
    finally:
        ner.model = model


def _loss(ner: LlamaNER, examples: list[Example], emissions: list[Floats2d]) -> float | None:
    from ..head.tagging import mean_loss

    if not set(collect_labels(examples)) <= set(ner.labels):
        return None
    tags = [gold_tags(eg, ner.labels) for eg in examples if len(eg.predicted)]
    if [len(doc) for doc in tags] != [len(doc) for doc in emissions]:
        return None
    return mean_loss(ner.model, emissions, tags)
