"""A pipeline's predictions on a corpus, and their scores."""

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
from ..pipeline.components import find_entity_pipes
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
    keys = {name: pipe.spans_key for name, pipe in find_entity_pipes(nlp).items()}
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


HEADER = ("", "P", "R", "F1", "gold")
TOTAL = "all"


def count_gold(examples: Iterable[Example]) -> Counter[str]:
    """Number of gold entities by label."""
    return Counter(ent.label_ for eg in examples for ent in eg.reference.ents)


def percent(share: float | None) -> str:
    """A share of 1 as a percentage with two decimals; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.2f}"


def score_rows(scores: Mapping[str, Any], gold: Mapping[str, int]) -> list[tuple[str, ...]]:
    """One row for all entities, then one a label: name, P, R, F in percent, number of gold entities."""
    per_type = scores["ents_per_type"] or {}
    total = {name: scores[f"ents_{name}"] for name in "prf"}
    return [
        _row(TOTAL, total, sum(gold.values())),
        *(_row(label, per_type.get(label, {}), gold.get(label, 0)) for label in sorted({*per_type, *gold})),
    ]


def print_scores(scores: Mapping[str, Any], gold: Mapping[str, int], *, msg: Printer) -> None:
    """Print entity scores in total and by label, token accuracy and speed.

    Calibration error and answers that do not parse are printed where they are among the scores.
    """
    msg.table(score_rows(scores, gold), header=HEADER, divider=True, aligns=("l", "r", "r", "r", "r"))
    others = {"Token accuracy": percent(scores["ents_token_acc"])}
    if "ents_ece" in scores:
        others["Calibration error (ECE)"] = percent(scores["ents_ece"])
    if "parse_failures" in scores:
        others["Answers that do not parse"] = str(scores["parse_failures"])
    msg.table({**others, "Words per second": f"{scores['speed']:,.0f}"})


def change_rows(
    before: Mapping[str, Any], after: Mapping[str, Any], gold: Mapping[str, int]
) -> list[tuple[str, ...]]:
    """What has become of F1, in total and by label: name, before, after, difference, number of gold entities."""
    earlier, later = (each["ents_per_type"] or {} for each in (before, after))
    return [
        _change(TOTAL, before["ents_f"], after["ents_f"], sum(gold.values())),
        *(
            _change(label, earlier.get(label, {}).get("f"), later.get(label, {}).get("f"), gold.get(label, 0))
            for label in sorted({*earlier, *later, *gold})
        ),
    ]


def print_change(
    before: Mapping[str, Any], after: Mapping[str, Any], gold: Mapping[str, int], *, msg: Printer
) -> None:
    """Print what has become of the F1 of each label."""
    header = ("F1", "before", "after", "change", "gold")
    msg.table(change_rows(before, after, gold), header=header, divider=True, aligns=("l", "r", "r", "r", "r"))


def _row(name: str, prf: Mapping[str, float | None], n_gold: int) -> tuple[str, ...]:
    return (name, *(percent(prf.get(key)) for key in "prf"), f"{n_gold:,}")


def _change(name: str, before: float | None, after: float | None, n_gold: int) -> tuple[str, ...]:
    change = "-" if before is None or after is None else f"{100 * (after - before):+.2f}"
    return (name, percent(before), percent(after), change, f"{n_gold:,}")
