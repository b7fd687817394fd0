"""The page about a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from itertools import permutations

from ..evaluate.corpus_stats import Split, overlap
from ..evaluate.predict import percent
from .charts import histograms
from .html import REPORT_CSS, Section, bar, join_sections, note, render_shell, table

MOST_ROWS = 60


def render_corpora(splits: Mapping[str, Split], *, title: str) -> str:
    """The page, as HTML.

    splits: by name, in the order in which they are shown; at least one.
    title: where they come from.
    """
    sections = [
        _sizes(splits),
        *_counts("entities", "Entities", {name: split.entities for name, split in splits.items()}),
        *_counts("pos", "POS tags", {name: split.tags for name, split in splits.items()}),
        *_counts("chunks", "Chunks", {name: split.chunks for name, split in splits.items()}),
        _lengths(splits),
    ]
    if len(splits) > 1:
        sections.append(_overlaps(splits))
    return render_shell(heading="Report of a corpus", title=title, body=join_sections(sections), css=REPORT_CSS)


def _sizes(splits: Mapping[str, Split]) -> Section:
    rows = []
    for name, split in splits.items():
        sentences = split.sentences.total() if split.has_boundaries else None
        entities = split.mentions.total()
        per_hundred = 100 * entities / split.words if split.words else None
        rows.append(
            (
                escape(name),
                f"{split.docs:,}",
                "-" if sentences is None else f"{sentences:,}",
                f"{split.words:,}",
                f"{entities:,}",
                f"{len(split.mentions):,}",
                "-" if per_hundred is None else f"{per_hundred:.1f}",
            )
        )
    header = ("", "docs", "sentences", "words", "entities", "distinct entities", "in 100 words")
    return Section("splits", "Splits", table(header, rows))


def _counts(key: str, title: str, counts: Mapping[str, Counter[str]]) -> list[Section]:
    """Labels by split, each number with a bar for its share of the split; no section where there are none."""
    together = sum(counts.values(), Counter[str]())
    if not together:
        return []
    shares = {
        name: {label: n / counter.total() for label, n in counter.items()} if counter else {}
        for name, counter in counts.items()
    }
    longest = max(share for each in shares.values() for share in each.values())
    labels = [label for label, _ in together.most_common(MOST_ROWS)]
    rows = [
        (escape(label), *(_counted(counts[name][label], shares[name].get(label, 0.0), longest) for name in counts))
        for label in labels
    ]
    rows.append(("all", *(f"{counter.total():,}" for counter in counts.values())))
    told = "Bars show shares of a split, all on one scale."
    if len(together) > len(labels):
        told += f" {len(labels)} of {len(together):,} labels are shown, the most frequent."
    return [Section(key, title, note(told) + table(("", *map(escape, counts)), rows, kind="counts"))]


def _counted(count: int, share: float, longest: float) -> str:
    return f'<span title="{100 * share:.1f}%">{bar((share / longest, "fill"))}{count:,}</span>'


def _lengths(splits: Mapping[str, Split]) -> Section:
    whole = [name for name, split in splits.items() if not split.has_boundaries]
    unit = "docs" if len(whole) == len(splits) else "sentences"
    rows = [
        (escape(name), *(f"{value:,.10g}" for value in _spread(split.sentences))) for name, split in splits.items()
    ]
    those = "" if unit == "docs" else f" of {', '.join(map(escape, whole))}"
    told = f"The docs{those} have no sentence boundaries, so each counts as a whole. " if whole else ""
    told += "The last bar holds all that are longer."
    body = table(("words", "mean", "median", "longest"), rows) + note(told)
    body += histograms({name: split.sentences for name, split in splits.items()}, unit=unit)
    return Section("lengths", f"Length of {unit}", body)


def _spread(lengths: Counter[int]) -> tuple[float, float, float]:
    """Mean, median (the lower of two) and longest."""
    total = lengths.total()
    seen = 0
    for median in sorted(lengths):
        seen += lengths[median]
        if 2 * seen >= total:
            mean = sum(length * times for length, times in lengths.items()) / total
            return round(mean, 1), median, max(lengths)
    return 0, 0, 0


def _overlaps(splits: Mapping[str, Split]) -> Section:
    labels = sorted({label for split in splits.values() for label in split.entities})
    rows = []
    for name, other in permutations(splits, 2):
        found = overlap(splits[name], splits[other])
        rows.append(
            (
                f"{escape(name)} in {escape(other)}",
                percent(found.mentions),
                percent(found.distinct),
                *(percent(found.per_type.get(label)) for label in labels),
            )
        )
    told = (
        "How many % of the entities of one split occur in another with the same text and label; by label of all "
        "entities, repeated ones included."
    )
    body = table(("", "all", "distinct", *map(escape, labels)), rows)
    return Section("overlap", "Entities in common", note(told) + body)
