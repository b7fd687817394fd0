"""The sections with scores by length, and by seen and unseen entities."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..compare import Judgement
from ..groups import Mention, Tally, by_length, by_seen
from ..markup import bar, table
from ..table import percent
from .sections import Section, note

HEADER = ("P", "R", "F1", "gold", "predicted", "F1, 0 to 100")


def length_section(judged: Sequence[Judgement]) -> Section:
    """Scores by number of words."""
    told = "Entities by their own number of words: predicted ones count for precision, gold ones for recall."
    return Section("length", "F1 by entity length", note(told) + _table("words", by_length(judged)))


def seen_section(judged: Sequence[Judgement], mentions: Collection[Mention]) -> Section:
    """Scores of entities that the training data has, and of those that it has not."""
    told = (
        "An entity is seen if the same text with the same label is an entity of the training data. Predicted ones "
        "count for precision by what was predicted, gold ones for recall."
    )
    return Section("seen", "F1 of seen and unseen entities", note(told) + _table("", by_seen(judged, mentions)))


def _table(name: str, tallies: Mapping[str, Tally]) -> str:
    rows = [
        (
            group,
            *(percent(share) for share in (tally.p, tally.r, tally.f)),
            f"{tally.gold:,}",
            f"{tally.predicted:,}",
            bar((tally.f or 0.0, "fill")),
        )
        for group, tally in tallies.items()
    ]
    return table((name, *HEADER), rows)
