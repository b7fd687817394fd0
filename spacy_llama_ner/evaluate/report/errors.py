"""The sections that tell kinds of errors apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..colours import label_mark
from ..markup import bar, table
from ..pairs import KINDS, Kind, Pair, confusion, count_kinds
from ..table import TOTAL
from .sections import Section, note

NOTHING = '<span class="none">0</span>'
ERRORS: dict[Kind, str] = {
    "boundary": "wrong boundary, right type",
    "type": "right boundary, wrong type",
    "both": "both wrong",
    "missed": "missed",
    "spurious": "spurious",
}


def confusion_section(pairs: Sequence[Pair], *, hues: Mapping[str, int]) -> Section:
    """Gold types by predicted types, with a row for spurious and a column for missed entities."""
    counts = confusion(pairs)
    labels: list[str | None] = [*sorted({label for cell in counts for label in cell if label is not None}), None]
    rows = []
    for gold in labels:
        total = sum(counts[gold, predicted] for predicted in labels)
        cells = [_share(counts[gold, predicted], total, right=gold == predicted) for predicted in labels]
        # what is in neither has no cell
        rows.append((label_mark(gold, hues), *cells) if gold else ("spurious", *cells[:-1], ""))
    header = ("gold ↓ predicted →", *(label_mark(label, hues) if label else "missed" for label in labels))
    told = (
        "A gold entity stands against the predicted one that shares words with it, whether or not the boundaries "
        "agree. <em>Missed</em> ones have no such prediction, <em>spurious</em> ones no such gold entity. The "
        "stronger a colour, the larger the share of the row."
    )
    return Section("confusion", "Confusion between types", note(told) + table(header, rows, kind="matrix"))


def kinds_section(pairs: Sequence[Pair], *, hues: Mapping[str, int]) -> Section:
    """Boundary errors against type errors, in total and by type."""
    by_label = count_kinds(pairs)
    total: Counter[Kind] = Counter(pair.kind for pair in pairs)
    rows = [_kinds_row(TOTAL, total), *(_kinds_row(label_mark(label, hues), by_label[label]) for label in by_label)]
    names = (f'<i class="swatch k-{kind}"></i>{name}' for kind, name in ERRORS.items())
    told = "Rows are gold types; a spurious entity counts for the type it was predicted to have."
    body = note(told) + table(("", "correct", *names, "all errors"), rows, kind="kinds")
    return Section("kinds", "Boundary errors against type errors", body)


def _share(count: int, total: int, *, right: bool) -> str:
    if not count:
        return NOTHING
    share = count / total
    # the root lets few errors among many right ones be seen
    style = f'class="{"right" if right else "wrong"}" style="--share: {share**0.5:.2f}"'
    return f'<span {style} title="{100 * share:.1f}% of the row">{count:,}</span>'


def _kinds_row(name: str, counts: Counter[Kind]) -> tuple[str, ...]:
    total = sum(counts[kind] for kind in ERRORS) or 1
    shares = bar(*((counts[kind] / total, f"k-{kind}") for kind in ERRORS))
    return (name, *(f"{counts[kind]:,}" if counts[kind] else NOTHING for kind in KINDS), shares)
