"""Scores as rows of text, and as a table in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from spacy.training import Example
from wasabi.printer import Printer

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
