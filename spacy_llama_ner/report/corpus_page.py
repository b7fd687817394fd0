"""The page of `llama-ner report --data`: what the splits of a corpus hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from ..evaluate.corpus_stats import Split, overlap
from .charts import histograms
from .rendering import render

# labels shown in a table, the most frequent
MAX_LABELS = 60


@dataclass(frozen=True)
class LabelCount:
    """How often a split has a label, and the share of all labels of the split."""

    count: int
    share: float


def render_corpus_report(splits: Mapping[str, Split], *, title: str) -> str:
    """Render sizes, labels, lengths and common entities of splits.

    Args:
        splits: At least one split, by name, in the order in which they are shown.
        title: Where the splits come from.

    Returns:
        HTML.
    """
    return render(
        "corpus",
        heading="Report of a corpus",
        title=title,
        splits=splits,
        entities=_count_labels({name: split.entities for name, split in splits.items()}),
        tags=_count_labels({name: split.tags for name, split in splits.items()}),
        chunks=_count_labels({name: split.chunks for name, split in splits.items()}),
        lengths=_lengths(splits),
        entity_labels=sorted({label for split in splits.values() for label in split.entities}),
        overlaps=[(one, other, overlap(splits[one], splits[other])) for one, other in permutations(splits, 2)],
    )


def _count_labels(counts: Mapping[str, Counter[str]]) -> dict[str, Any]:
    """Counts of each label by split, the most frequent label first; empty if there is no label."""
    together = sum(counts.values(), Counter[str]())
    if not together:
        return {}
    totals = [counter.total() for counter in counts.values()]
    rows = [
        (
            label,
            [
                LabelCount(counter[label], counter[label] / total if total else 0.0)
                for counter, total in zip(counts.values(), totals, strict=True)
            ],
        )
        for label, _ in together.most_common(MAX_LABELS)
    ]
    longest = max(n / counter.total() for counter in counts.values() for n in counter.values())
    return {"rows": rows, "totals": totals, "n_labels": len(together), "longest": longest}


def _lengths(splits: Mapping[str, Split]) -> dict[str, Any]:
    without_boundaries = [name for name, split in splits.items() if not split.has_boundaries]
    unit = "docs" if len(without_boundaries) == len(splits) else "sentences"
    return {
        "unit": unit,
        "rows": [(name, *_average_lengths(split.sentences)) for name, split in splits.items()],
        "without_boundaries": without_boundaries,
        "charts": histograms({name: split.sentences for name, split in splits.items()}, unit=unit),
    }


def _average_lengths(lengths: Counter[int]) -> tuple[float, float, float]:
    """Mean, median (the lower of two) and longest."""
    total = lengths.total()
    seen = 0
    for median in sorted(lengths):
        seen += lengths[median]
        if 2 * seen >= total:
            mean = sum(length * times for length, times in lengths.items()) / total
            return round(mean, 1), median, max(lengths)
    return 0, 0, 0
