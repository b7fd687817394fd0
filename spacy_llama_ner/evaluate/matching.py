"""Predicted entities beside gold ones: verdicts, kinds of errors, scores by group, and the sentences with errors."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from spacy.tokens import Doc, Span
from spacy.training import Example

Verdict = Literal["right", "wrong", "missed", "unjudged"]
# first word and the word behind the last
Words = tuple[int, int]
# the same and a label
Spot = tuple[int, int, str]
# surface text without its white space, and label
Mention = tuple[str, str]
Kind = Literal["correct", "boundary", "type", "both", "missed", "spurious"]
KINDS: tuple[Kind, ...] = ("correct", "boundary", "type", "both", "missed", "spurious")
# the better pairs are made first
_RANK: dict[Kind, int] = {"correct": 0, "type": 1, "boundary": 2, "both": 3}
# entities of so many words and more are one group
MAX_LENGTH = 5
SEEN, UNSEEN = "seen", "unseen"


@dataclass(frozen=True)
class Judged:
    """An entity with a verdict.

    Attributes:
        start: First character.
        end: Character behind the last.
        label: The label.
        verdict: "right", "wrong" (predicted but not gold), "missed" (gold but not predicted) or "unjudged".
        words: Words of the gold doc that the entity stands on; None if they cannot be judged.
        score: The model's own probability; None if there is none.
    """

    start: int
    end: int
    label: str
    verdict: Verdict
    words: Words | None
    score: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What was predicted on a doc beside what its gold annotation says.

    Attributes:
        predicted: Predicted entities: right, wrong or unjudged.
        gold: Gold entities: right or missed.
    """

    predicted: list[Judged]
    gold: list[Judged]

    @property
    def counts(self) -> Counter[Verdict]:
        """Predicted entities by verdict, and the gold ones that were missed."""
        missed = (ent.verdict for ent in self.gold if ent.verdict == "missed")
        return Counter([*(ent.verdict for ent in self.predicted), *missed])

    @property
    def has_errors(self) -> bool:
        """Whether an entity is wrong or missed."""
        return bool(self.counts["wrong"] or self.counts["missed"])


Judgement = tuple[Example, Comparison]


def compare(example: Example, *, spans_keys: Iterable[str] = ("llama_ner",)) -> Comparison:
    """Judge each entity as spaCy's scorer does.

    A prediction is projected onto the words of the gold doc. It is right if a gold entity has just these words and
    this label, and unjudged if it touches a word without gold annotation.

    Args:
        example: Predicted doc and gold doc.
        spans_keys: Span groups of the predicted doc that hold scores; those that are missing are ignored.
    """
    reference = example.reference
    left = {(ent.start, ent.end, ent.label_) for ent in reference.ents}
    scores = {(s.start, s.end, s.label_): score for key in spans_keys for s, score in scored_spans(example, key)}
    ents = example.predicted.ents
    predicted = []
    for ent, words in zip(ents, project(example, ents), strict=True):
        verdict: Verdict = "unjudged"
        if words is not None:
            verdict = "right" if (*words, ent.label_) in left else "wrong"
            left.discard((*words, ent.label_))
        score = scores.get((ent.start, ent.end, ent.label_))
        predicted.append(Judged(ent.start_char, ent.end_char, ent.label_, verdict, words, score))
    gold = [
        Judged(
            ent.start_char,
            ent.end_char,
            ent.label_,
            "missed" if (ent.start, ent.end, ent.label_) in left else "right",
            (ent.start, ent.end),
        )
        for ent in reference.ents
    ]
    return Comparison(predicted, gold)


def project(example: Example, spans: Sequence[Span]) -> list[Words | None]:
    """Find the words of the gold doc that spans of the predicted doc stand on, as spaCy's scorer does.

    Returns:
        The words of each span; None if there are none, or one of them has no gold annotation.
    """
    reference = example.reference
    if not spans:
        return []
    x2y = example.alignment.x2y
    found: list[Words | None] = []
    for span in spans:
        indices = x2y[span.start : span.end]
        words = (int(indices[0]), int(indices[-1]) + 1) if len(indices) else (0, 0)
        known = len(indices) and all(word.ent_iob != 0 for word in reference[words[0] : words[1]])
        found.append(words if known else None)
    return found


def scored_spans(example: Example, spans_key: str) -> list[tuple[Span, float]]:
    """Return the spans of a group of the predicted doc with their scores; none if there is no such group."""
    doc: Doc = example.predicted
    if spans_key not in doc.spans:
        return []
    group = doc.spans[spans_key]
    return [(span, float(score)) for span, score in zip(group, group.attrs.get("scores", ()), strict=False)]


@dataclass
class Tally:
    """Counts of the entities of one group.

    Attributes:
        right: Predicted entities that are right.
        predicted: Predicted entities.
        gold: Gold entities.
    """

    right: int = 0
    predicted: int = 0
    gold: int = 0

    @property
    def p(self) -> float | None:
        """Precision: share of the predicted entities that is right; None if there are none."""
        return self.right / self.predicted if self.predicted else None

    @property
    def r(self) -> float | None:
        """Recall: share of the gold entities that was found; None if there are none."""
        return self.right / self.gold if self.gold else None

    @property
    def f(self) -> float | None:
        """F1, the harmonic mean of both; None if there are no entities."""
        total = self.predicted + self.gold
        return 2 * self.right / total if total else None


def tally(judged: Iterable[Judgement], group: Callable[[Doc, Words, str], str]) -> dict[str, Tally]:
    """Count entities by group.

    A right prediction and its gold entity have the same words and label, hence the same group. So each group has
    precision, recall and F1.

    Args:
        judged: Examples and their comparisons.
        group: Name of the group of an entity, from the gold doc, the entity's words and its label.
    """
    tallies: dict[str, Tally] = {}
    for eg, comparison in judged:
        for ent in comparison.gold:
            if ent.words:
                tallies.setdefault(group(eg.reference, ent.words, ent.label), Tally()).gold += 1
        for ent in comparison.predicted:
            if ent.words:
                counts = tallies.setdefault(group(eg.reference, ent.words, ent.label), Tally())
                counts.predicted += 1
                counts.right += ent.verdict == "right"
    return tallies


def by_length(judged: Iterable[Judgement]) -> dict[str, Tally]:
    """Count entities by their number of words: "1" to "4", and "5+". Groups without entities are left out."""

    def length(doc: Doc, words: Words, label: str) -> str:
        n = words[1] - words[0]
        return f"{MAX_LENGTH}+" if n >= MAX_LENGTH else str(n)

    return dict(sorted(tally(judged, length).items()))


def by_seen(judged: Iterable[Judgement], mentions: Collection[Mention]) -> dict[str, Tally]:
    """Count entities that are "seen", by text and label, and those that are "unseen".

    Args:
        judged: Examples and their comparisons.
        mentions: `mention` of each entity of the training data, a set for speed.
    """

    def seen(doc: Doc, words: Words, label: str) -> str:
        return SEEN if mention(Span(doc, *words, label=label)) in mentions else UNSEEN

    found = tally(judged, seen)
    return {group: found[group] for group in (SEEN, UNSEEN) if group in found}


def mention(span: Span) -> Mention:
    """Return what identifies an entity in all corpora, whether or not they know the spaces of their texts."""
    return "".join(span.text.split()), span.label_


@dataclass(frozen=True)
class EntityPair:
    """A gold entity and the predicted one that stands for it.

    Attributes:
        kind: "correct" or the kind of error.
        gold: The gold entity; None if the predicted one is spurious.
        predicted: The predicted entity; None if the gold one was missed.
    """

    kind: Kind
    gold: Spot | None
    predicted: Spot | None

    @property
    def label(self) -> str:
        """The gold label, or that of a spurious entity."""
        spot = self.gold or self.predicted
        assert spot is not None
        return spot[2]


def pair_all(comparisons: Iterable[Comparison]) -> list[EntityPair]:
    """Return the pairs of all docs. Predictions that cannot be judged are left out."""
    pairs = []
    for each in comparisons:
        gold, predicted = (
            [(*ent.words, ent.label) for ent in ents if ent.words] for ents in (each.gold, each.predicted)
        )
        pairs += pair_up(gold, predicted)
    return pairs


def pair_up(gold: Sequence[Spot], predicted: Sequence[Spot]) -> list[EntityPair]:
    """Pair each gold entity of a doc with at most one predicted entity that shares a word with it, and vice versa.

    The best pairs are made first: same words and label (correct), same words (type), same label (boundary), any
    other (both); among equals that with more words in common, then the first in the text. The kinds are those of
    MUC (Chinchor and Sundheim 1993, MUC-5 Evaluation Metrics) with "partial" told apart by label.
    """
    gold_at: dict[int, list[int]] = defaultdict(list)
    for g, (start, end, _) in enumerate(gold):
        for word in range(start, end):
            gold_at[word].append(g)
    choices = []
    for p, (start, end, label) in enumerate(predicted):
        for g, shared in Counter(g for word in range(start, end) for g in gold_at[word]).items():
            kind = _kind(gold[g], (start, end, label))
            choices.append((_RANK[kind], -shared, g, p, kind))
    pairs = []
    free_gold, free_predicted = dict.fromkeys(range(len(gold))), dict.fromkeys(range(len(predicted)))
    for _, _, g, p, kind in sorted(choices):
        if g in free_gold and p in free_predicted:
            del free_gold[g], free_predicted[p]
            pairs.append(EntityPair(kind, gold[g], predicted[p]))
    pairs += [EntityPair("missed", gold[g], None) for g in free_gold]
    pairs += [EntityPair("spurious", None, predicted[p]) for p in free_predicted]
    return pairs


def _kind(gold: Spot, predicted: Spot) -> Kind:
    if gold[:2] == predicted[:2]:
        return "correct" if gold[2] == predicted[2] else "type"
    return "boundary" if gold[2] == predicted[2] else "both"


def count_kinds(pairs: Iterable[EntityPair]) -> dict[str, Counter[Kind]]:
    """Count how often each kind occurs, by gold label (spurious entities by their own)."""
    counts: dict[str, Counter[Kind]] = defaultdict(Counter)
    for pair in pairs:
        counts[pair.label][pair.kind] += 1
    return dict(sorted(counts.items()))


def confusion(pairs: Iterable[EntityPair]) -> Counter[tuple[str | None, str | None]]:
    """Count how often each gold label got each predicted label; None stands for no entity (spurious, missed)."""
    return Counter((pair.gold and pair.gold[2], pair.predicted and pair.predicted[2]) for pair in pairs)


@dataclass(frozen=True)
class Excerpt:
    """A doc or a sentence of it, with its entities, whose characters count from its start.

    Attributes:
        doc: The gold doc.
        comparison: Its entities.
        predicted: The text of the predicted doc.
        gold: The text of the gold doc.
        number: Number of the doc, from 1.
        sentence: Number of the sentence in the doc, from 1; None for the whole doc.
    """

    doc: Doc
    comparison: Comparison
    predicted: str
    gold: str
    number: int
    sentence: int | None = None

    @property
    def badness(self) -> tuple[int, float]:
        """Number of errors, then how sure the model was of the wrong entities."""
        counts = self.comparison.counts
        sure = sum(ent.score or 0.0 for ent in self.comparison.predicted if ent.verdict == "wrong")
        return counts["wrong"] + counts["missed"], sure


def whole_doc(example: Example, comparison: Comparison, *, number: int) -> Excerpt:
    """Return a doc as one excerpt."""
    return Excerpt(example.reference, comparison, example.predicted.text, example.reference.text, number)


def worst_sentences(judged: Iterable[Judgement]) -> list[Excerpt]:
    """Return all sentences with errors, ordered by `badness`, the worst first, then as they are in the corpus."""
    found = [
        part
        for number, (eg, comparison) in enumerate(judged, start=1)
        if comparison.has_errors
        for part in sentences(eg, comparison, number=number)
        if part.comparison.has_errors
    ]
    return sorted(found, key=lambda part: part.badness, reverse=True)


def sentences(example: Example, comparison: Comparison, *, number: int) -> list[Excerpt]:
    """Cut a doc at the sentence starts of its gold side, but never within an entity.

    A doc without sentence boundaries stays whole, and so does one whose two sides differ in their text.

    Args:
        example: Predicted doc and gold doc.
        comparison: Their entities.
        number: Number of the doc.
    """
    doc, text = example.reference, example.reference.text
    # characters count for both sides only if both have the same text
    if not doc.has_annotation("SENT_START") or example.predicted.text != text:
        return [whole_doc(example, comparison, number=number)]
    entities = [*comparison.predicted, *comparison.gold]
    within = {char for ent in entities for char in range(ent.start + 1, ent.end)}
    starts = [sent.start_char for sent in doc.sents if sent.start_char not in within]
    if len(starts) < 2:
        return [whole_doc(example, comparison, number=number)]
    ends = [*starts[1:], len(text)]
    comparisons = [Comparison([], []) for _ in starts]
    for side in ("predicted", "gold"):
        for ent in getattr(comparison, side):
            i = bisect_right(starts, ent.start) - 1
            getattr(comparisons[i], side).append(replace(ent, start=ent.start - starts[i], end=ent.end - starts[i]))
    texts = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    return [
        Excerpt(doc, part, piece, piece, number, sentence)
        for sentence, (piece, part) in enumerate(zip(texts, comparisons, strict=True), start=1)
    ]
