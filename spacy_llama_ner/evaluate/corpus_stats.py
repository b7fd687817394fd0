"""What the splits of a corpus hold: entities, tags, chunks and sentences, and the entities that splits share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from spacy.tokens import Doc

from ..data.conll import CHUNKS_KEY
from .matching import Mention, mention


@dataclass
class Split:
    """Counts of one split.

    Attributes:
        docs: Number of docs.
        words: Number of words.
        sentences: How many sentences have how many words; docs without sentence boundaries count as one each.
        has_boundaries: Whether any doc has sentence boundaries.
        mentions: How often each entity occurs, by `mention`.
        tags: `token.tag_` of all words.
        chunks: Labels of the span group "chunks".
    """

    docs: int = 0
    words: int = 0
    sentences: Counter[int] = field(default_factory=Counter)
    has_boundaries: bool = False
    mentions: Counter[Mention] = field(default_factory=Counter)
    tags: Counter[str] = field(default_factory=Counter)
    chunks: Counter[str] = field(default_factory=Counter)

    @property
    def entities(self) -> Counter[str]:
        """Entities by label."""
        counts: Counter[str] = Counter()
        for (_, label), count in self.mentions.items():
            counts[label] += count
        return counts


@dataclass(frozen=True)
class Overlap:
    """Share of the entities of one split that another has with the same text and label.

    Attributes:
        mentions: Of all entities; None if the split has none.
        distinct: Of the entities that differ in text or label; None if the split has none.
        per_type: Of all entities, by label.
    """

    mentions: float | None
    distinct: float | None
    per_type: dict[str, float]


def describe(docs: Iterable[Doc]) -> Split:
    """Count what docs hold."""
    split = Split()
    for doc in docs:
        split.docs += 1
        split.words += len(doc)
        split.mentions.update(mention(ent) for ent in doc.ents)
        split.tags.update(token.tag_ for token in doc if token.tag_)
        split.chunks.update(span.label_ for span in doc.spans.get(CHUNKS_KEY, ()))
        # spaCy says of every doc of one word that its boundaries are annotated
        has_boundaries = doc.has_annotation("SENT_START")
        split.has_boundaries |= has_boundaries and len(doc) > 1
        split.sentences.update(len(sent) for sent in (doc.sents if has_boundaries else [doc]))
    return split


def overlap(split: Split, other: Split) -> Overlap:
    """Return how many of the entities of `split` are in `other` too."""
    shared = {mention: count for mention, count in split.mentions.items() if mention in other.mentions}
    per_type = {
        label: sum(count for mention, count in shared.items() if mention[1] == label) / total
        for label, total in sorted(split.entities.items())
    }
    total = split.mentions.total()
    return Overlap(
        mentions=sum(shared.values()) / total if total else None,
        distinct=len(shared) / len(split.mentions) if total else None,
        per_type=per_type,
    )
