"""How good a pipeline is, on gold data alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from spacy.language import Language
from spacy.training import Example

from ..evaluate.loss import scores_and_loss
from ..evaluate.predict import predict_and_score
from ..pipeline.components import only_component

KEYS = ("ents_p", "ents_r", "ents_f", "ents_token_acc", "ents_per_type")


def judge(nlp: Language, examples: Sequence[Example]) -> dict[str, Any]:
    """Strict scores of whole entities and accuracy of words, 0 to 1, and the mean `loss` of a word, on gold data."""
    ner = only_component(nlp, wanted_by="Active learning")
    scores, loss = scores_and_loss(partial(predict_and_score, nlp), ner, examples)
    return {**{key: scores[key] for key in KEYS}, "loss": loss}
