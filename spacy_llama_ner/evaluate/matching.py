"""Which entities of a doc are right, wrong, missed."""

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


@dataclass(frozen=True)
class Judged:
    """An entity by its characters, with a verdict and, where there is one, the model's own probability.

    words: those of the gold doc that the entity stands on; None where they cannot be judged.
    """

    start: int
    end: int
    label: str
    verdict: Verdict
    words: Words | None
    score: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What was predicted on a doc beside what its gold annotation says."""

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

    A prediction is projected onto the words of the gold doc; it is right where a gold entity has just these
    words and this label, and unjudged where it touches a word without gold annotation.
    spans_keys: span groups of the predicted doc that hold scores, as far as they are there.
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
    """The words of the gold doc that spans of the predicted doc stand on, as spaCy's scorer finds them.

    None where there are none, or where one of them has no gold annotation.
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
    """The spans of one group of the predicted doc, with their scores; none where there is no such group."""
    doc: Doc = example.predicted
    if spans_key not in doc.spans:
        return []
    group = doc.spans[spans_key]
    return [(span, float(score)) for span, score in zip(group, group.attrs.get("scores", ()), strict=False)]


# surface text without its white space, and label
Mention = tuple[str, str]
LONGEST = 5
SEEN, UNSEEN = "seen", "unseen"


@dataclass
class Tally:
    """Entities of one group, counted."""

    right: int = 0
    predicted: int = 0
    gold: int = 0

    @property
    def p(self) -> float | None:
        """Share of the predicted entities that is right; None where there are none."""
        return self.right / self.predicted if self.predicted else None

    @property
    def r(self) -> float | None:
        """Share of the gold entities that was found; None where there are none."""
        return self.right / self.gold if self.gold else None

    @property
    def f(self) -> float | None:
        """Harmonic mean of both; None where there are no entities."""
        total = self.predicted + self.gold
        return 2 * self.right / total if total else None


def mention(span: Span) -> Mention:
    """What an entity is known by, in corpora that know the spaces of a text and in those that do not."""
    return "".join(span.text.split()), span.label_


def by_length(judged: Iterable[Judgement]) -> dict[str, Tally]:
    """Tallies by number of words: "1" to "4", and "5+"; groups without entities are left out."""

    def length(doc: Doc, words: Words, label: str) -> str:
        n = words[1] - words[0]
        return f"{LONGEST}+" if n >= LONGEST else str(n)

    return dict(sorted(tally(judged, length).items()))


def by_seen(judged: Iterable[Judgement], mentions: Collection[Mention]) -> dict[str, Tally]:
    """Tallies of entities that are "seen" (by text and label, among `mentions`) and "unseen".

    mentions: `mention` of each entity of the training data, a set for speed.
    """

    def seen(doc: Doc, words: Words, label: str) -> str:
        return SEEN if mention(Span(doc, *words, label=label)) in mentions else UNSEEN

    found = tally(judged, seen)
    return {group: found[group] for group in (SEEN, UNSEEN) if group in found}


def tally(judged: Iterable[Judgement], group: Callable[[Doc, Words, str], str]) -> dict[str, Tally]:
    """Entities counted by their group, which a function of document, words and label gives.

    A right prediction and its gold entity share all three, hence the group; so P, R and F1 exist.
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


# first word, the word behind the last, label
Spot = tuple[int, int, str]
Kind = Literal["correct", "boundary", "type", "both", "missed", "spurious"]
KINDS: tuple[Kind, ...] = ("correct", "boundary", "type", "both", "missed", "spurious")


@dataclass(frozen=True)
class EntityPair:
    """A gold entity and the predicted one that stands for it; one of the two may not be there."""

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
    """The pairs of all docs; predictions that cannot be judged are left out."""
    pairs = []
    for each in comparisons:
        gold, predicted = (
            [(*ent.words, ent.label) for ent in ents if ent.words] for ents in (each.gold, each.predicted)
        )
        pairs += pair_up(gold, predicted)
    return pairs


def pair_up(gold: Sequence[Spot], predicted: Sequence[Spot]) -> list[EntityPair]:
    """Give each gold entity of one doc at most one predicted entity that shares a word with it, and the other way.

    The best pairs are made first: same words and label (correct), same words (type), same label (boundary), any
    other (both); among equals that with more words in common, then the first in the text. The kinds are those of
    MUC (Chinchor and Sundheim 1993, MUC-5 Evaluation Metrics) with "partial" told apart by label.
    """
    at: dict[int, list[int]] = defaultdict(list)
    for g, (start, end, _) in enumerate(gold):
        for word in range(start, end):
            at[word].append(g)
    choices = []
    for p, (start, end, label) in enumerate(predicted):
        for g, shared in Counter(g for word in range(start, end) for g in at[word]).items():
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


def count_kinds(pairs: Iterable[EntityPair]) -> dict[str, Counter[Kind]]:
    """How often each kind occurs, by gold label (spurious ones by their own)."""
    counts: dict[str, Counter[Kind]] = defaultdict(Counter)
    for pair in pairs:
        counts[pair.label][pair.kind] += 1
    return dict(sorted(counts.items()))


def confusion(pairs: Iterable[EntityPair]) -> Counter[tuple[str | None, str | None]]:
    """How often each gold label got each predicted label; None stands for no counterpart (spurious, missed)."""
    return Counter((pair.gold and pair.gold[2], pair.predicted and pair.predicted[2]) for pair in pairs)


def _kind(gold: Spot, predicted: Spot) -> Kind:
    if gold[:2] == predicted[:2]:
        return "correct" if gold[2] == predicted[2] else "type"
    return "boundary" if gold[2] == predicted[2] else "both"


_RANK: dict[Kind, int] = {"correct": 0, "type": 1, "boundary": 2, "both": 3}


@dataclass(frozen=True)
class Excerpt:
    """A doc or a sentence of it, with its entities, whose characters count from its start.

    predicted, gold: the text on both sides.
    number, at: of the doc, and of the sentence in it, from 1; `at` is None for the whole doc.
    """

    doc: Doc
    comparison: Comparison
    predicted: str
    gold: str
    number: int
    at: int | None = None

    @property
    def badness(self) -> tuple[int, float]:
        """Number of errors, then how sure the model was of the wrong ones."""
        counts = self.comparison.counts
        sure = sum(ent.score or 0.0 for ent in self.comparison.predicted if ent.verdict == "wrong")
        return counts["wrong"] + counts["missed"], sure


def whole(example: Example, comparison: Comparison, *, number: int) -> Excerpt:
    """A doc as one part."""
    return Excerpt(example.reference, comparison, example.predicted.text, example.reference.text, number)


def worst_sentences(judged: Iterable[Judgement]) -> list[Excerpt]:
    """All sentences with errors: most errors first, then those of which the model was most sure, then in order."""
    found = [
        part
        for number, (eg, comparison) in enumerate(judged, start=1)
        if comparison.has_errors
        for part in sentences(eg, comparison, number=number)
        if part.comparison.has_errors
    ]
    return sorted(found, key=lambda part: part.badness, reverse=True)


def sentences(example: Example, comparison: Comparison, *, number: int) -> list[Excerpt]:
    """Cut a doc at the sentence starts of its gold side, but never within an entity; one without them stays whole."""
    doc, text = example.reference, example.reference.text
    # characters count for both sides only where both have one text
    if not doc.has_annotation("SENT_START") or example.predicted.text != text:
        return [whole(example, comparison, number=number)]
    entities = [*comparison.predicted, *comparison.gold]
    within = {at for ent in entities for at in range(ent.start + 1, ent.end)}
    starts = [sent.start_char for sent in doc.sents if sent.start_char not in within]
    if len(starts) < 2:
        return [whole(example, comparison, number=number)]
    ends = [*starts[1:], len(text)]
    shares = [Comparison([], []) for _ in starts]
    for side in ("predicted", "gold"):
        for ent in getattr(comparison, side):
            i = bisect_right(starts, ent.start) - 1
            getattr(shares[i], side).append(replace(ent, start=ent.start - starts[i], end=ent.end - starts[i]))
    texts = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    return [
        Excerpt(doc, share, piece, piece, number, at)
        for at, (piece, share) in enumerate(zip(texts, shares, strict=True), start=1)
    ]
