"""A pipeline's predictions on a corpus, their scores, and how scores are printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.training import Example
from thinc.util import convert_recursive
from tqdm import tqdm
from wasabi.printer import Printer

from ..data.docs import unlabelled
from ..pipeline.entity_pipe import find_entity_pipes
from .calibration import expected_calibration_error, scored_entities
from .scorer import (
    ENTS_ECE,
    ENTS_F,
    ENTS_P,
    ENTS_PER_TYPE,
    ENTS_R,
    ENTS_TOKEN_ACC,
    PARSE_FAILURES,
    SPEED,
    Scores,
    seqeval_score,
)

# seconds of work before the progress bar shows
PATIENCE = 3.0
HEADER = ("", "P", "R", "F1", "gold")
# the name of the row of all entities
TOTAL = "all"


def predict_and_score(nlp: Language, examples: Sequence[Example], *, batch_size: int | None = None) -> Scores:
    """Run a pipeline on the words of examples, and return the scores of `nlp.evaluate`.

    A progress bar shows once the work takes a while.

    Args:
        nlp: The pipeline.
        examples: Gold docs. The predicted doc of each is made anew, from its words.
        batch_size: Docs a batch, by default the pipeline's own.

    Returns:
        The scores of `nlp.evaluate`. Where no component scores entities or gives token accuracy, these come from
        `seqeval_score`. `speed` is in words per second, tokenization included. Where a component of this package
        has set entities with scores, `ents_ece` is their expected calibration error.
    """
    start = perf_counter()
    for eg in examples:
        # as in nlp.evaluate: the tokens are made a second time, only to measure how long it takes
        nlp.tokenizer(eg.reference.text)
    docs = nlp.pipe((unlabelled(eg.predicted) for eg in examples), batch_size=batch_size or nlp.batch_size)
    bar = tqdm(docs, total=len(examples), desc="Predicting", unit=" docs", delay=PATIENCE, leave=False)
    for eg, doc in zip(examples, bar, strict=True):
        eg.predicted = doc
    seconds = perf_counter() - start
    scores = Scorer(nlp).score(examples)
    if ENTS_F not in scores or ENTS_TOKEN_ACC not in scores:
        scores = seqeval_score(examples) | scores
    probabilities: list[float] = []
    right: list[bool] = []
    for key in sorted(set(score_groups(nlp).values())):
        of_group = scored_entities(examples, spans_key=key)
        probabilities.extend(of_group[0])
        right.extend(of_group[1])
    if probabilities:
        scores[ENTS_ECE] = expected_calibration_error(probabilities, right)
    scores[SPEED] = sum(len(eg.predicted) for eg in examples) / seconds
    # scores of other components may be numpy numbers, which JSON does not take
    plain: Scores = convert_recursive(lambda value: isinstance(value, np.floating), float, dict(scores))
    return plain


def score_groups(nlp: Language) -> dict[str, str]:
    """Return the span group that holds the scores, by name, for each component of this package that keeps scores."""
    keys = {name: pipe.spans_key for name, pipe in find_entity_pipes(nlp).items()}
    return {name: key for name, key in keys.items() if key is not None}


def count_gold(examples: Iterable[Example]) -> Counter[str]:
    """Count the gold entities by label."""
    return Counter(ent.label_ for eg in examples for ent in eg.reference.ents)


def percent(share: float | None) -> str:
    """Write a share of 1 as a percentage with two decimals; None as a dash."""
    return "-" if share is None else f"{100 * share:.2f}"


def signed_percent(share: float | None) -> str:
    """Write a difference of shares as percentage points with its sign; None as a dash."""
    return "-" if share is None else f"{100 * share:+.2f}"


def percent_interval(interval: tuple[float, float] | None) -> str:
    """Write the ends of an interval of differences as percentage points; None as a dash."""
    return "-" if interval is None else f"{signed_percent(interval[0])} to {signed_percent(interval[1])}"


def score_rows(scores: Mapping[str, Any], gold: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Arrange scores under `HEADER`.

    Args:
        scores: What `predict_and_score` or `seqeval_score` returns.
        gold: Number of gold entities by label.

    Returns:
        A row for all entities, then one for each label: name, precision, recall and F1 in percent, gold entities.
    """

    def row(name: str, prf: Mapping[str, float | None], n_gold: int) -> tuple[str, ...]:
        return (name, *(percent(prf.get(key)) for key in "prf"), f"{n_gold:,}")

    per_type = scores[ENTS_PER_TYPE] or {}
    total = {"p": scores[ENTS_P], "r": scores[ENTS_R], "f": scores[ENTS_F]}
    return [
        row(TOTAL, total, sum(gold.values())),
        *(row(label, per_type.get(label, {}), gold.get(label, 0)) for label in sorted({*per_type, *gold})),
    ]


def print_scores(scores: Mapping[str, Any], gold: Mapping[str, int], *, msg: Printer) -> None:
    """Print entity scores in total and by label, token accuracy and speed.

    The calibration error and the number of answers that do not parse are printed if they are among the scores.

    Args:
        scores: What `predict_and_score` returns.
        gold: Number of gold entities by label.
        msg: What prints.
    """
    msg.table(score_rows(scores, gold), header=HEADER, divider=True, aligns=("l", "r", "r", "r", "r"))
    others = {"Token accuracy": percent(scores[ENTS_TOKEN_ACC])}
    if ENTS_ECE in scores:
        others["Calibration error (ECE)"] = percent(scores[ENTS_ECE])
    if PARSE_FAILURES in scores:
        others["Answers that do not parse"] = str(scores[PARSE_FAILURES])
    msg.table({**others, "Words per second": f"{scores[SPEED]:,.0f}"})


def change_rows(
    before: Mapping[str, Any], after: Mapping[str, Any], gold: Mapping[str, int]
) -> list[tuple[str, ...]]:
    """Arrange the F1 of two pipelines on the same data.

    Args:
        before: Scores of the earlier pipeline.
        after: Scores of the later one.
        gold: Number of gold entities by label.

    Returns:
        A row for all entities, then one for each label: name, before, after, change, gold entities.
    """

    def row(name: str, earlier: float | None, later: float | None, n_gold: int) -> tuple[str, ...]:
        change = None if earlier is None or later is None else later - earlier
        return (name, percent(earlier), percent(later), signed_percent(change), f"{n_gold:,}")

    earlier, later = (each[ENTS_PER_TYPE] or {} for each in (before, after))
    return [
        row(TOTAL, before[ENTS_F], after[ENTS_F], sum(gold.values())),
        *(
            row(label, earlier.get(label, {}).get("f"), later.get(label, {}).get("f"), gold.get(label, 0))
            for label in sorted({*earlier, *later, *gold})
        ),
    ]


def print_change(
    before: Mapping[str, Any], after: Mapping[str, Any], gold: Mapping[str, int], *, msg: Printer
) -> None:
    """Print the F1 of two pipelines, in total and by label. The arguments are those of `change_rows`."""
    header = ("F1", "before", "after", "change", "gold")
    msg.table(change_rows(before, after, gold), header=header, divider=True, aligns=("l", "r", "r", "r", "r"))
