"""A pipeline's predictions on a corpus, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.training import Example
from thinc.util import convert_recursive
from tqdm import tqdm

from ..data.copies import unlabelled
from ..pipeline.components import find_recognisers
from .calibration import expected_calibration_error, scored_entities
from .scorer import Scores, seqeval_score

# seconds of work before the progress bar shows
PATIENCE = 3.0


def predict_and_score(nlp: Language, examples: Sequence[Example], *, batch_size: int | None = None) -> Scores:
    """The scores of `nlp.evaluate`, under a progress bar; `predicted` of every example is made anew, from its words.

    Where no component scores entities, or it gives no token accuracy, those scores come from `seqeval_score`.
    `speed` is in words per second, tokenization included. Where a component of this package has set entities with
    scores, `ents_ece` is the expected calibration error of these.
    batch_size: docs a batch, by default the pipeline's own.
    """
    start = perf_counter()
    for eg in examples:
        # as in nlp.evaluate: the tokens are made a second time, for their share of the time alone
        nlp.tokenizer(eg.reference.text)
    docs = nlp.pipe((unlabelled(eg.predicted) for eg in examples), batch_size=batch_size or nlp.batch_size)
    bar = tqdm(docs, total=len(examples), desc="Predicting", unit=" docs", delay=PATIENCE, leave=False)
    for eg, doc in zip(examples, bar, strict=True):
        eg.predicted = doc
    seconds = perf_counter() - start
    scores = Scorer(nlp).score(examples)
    if "ents_f" not in scores or "ents_token_acc" not in scores:
        scores = seqeval_score(examples) | scores
    probabilities, right = _scored_entities(nlp, examples)
    if probabilities:
        scores["ents_ece"] = expected_calibration_error(probabilities, right)
    scores["speed"] = sum(len(eg.predicted) for eg in examples) / seconds
    return _plain(scores)


def score_groups(nlp: Language) -> dict[str, str]:
    """Span group that holds the scores, for each component of this package that keeps them, by its name."""
    keys = {name: pipe.spans_key for name, pipe in find_recognisers(nlp).items()}
    return {name: key for name, key in keys.items() if key is not None}


def _scored_entities(nlp: Language, examples: Sequence[Example]) -> tuple[list[float], list[bool]]:
    scores: list[float] = []
    right: list[bool] = []
    for key in sorted(set(score_groups(nlp).values())):
        of_group = scored_entities(examples, spans_key=key)
        scores.extend(of_group[0])
        right.extend(of_group[1])
    return scores, right


def _plain(scores: dict[str, Any]) -> Scores:
    plain: Scores = convert_recursive(lambda value: isinstance(value, np.floating), float, dict(scores))
    return plain
