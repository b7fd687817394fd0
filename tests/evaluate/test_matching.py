"""Entities that are right, wrong and missed; kinds of errors, groups, and the worst sentences."""

from __future__ import annotations

from collections import Counter

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llama_ner.evaluate.matching import (
    KINDS,
    EntityPair,
    Judgement,
    Spot,
    Tally,
    by_length,
    by_seen,
    compare,
    confusion,
    count_kinds,
    mention,
    pair_all,
    pair_up,
    sentences,
    worst_sentences,
)
from spacy_llama_ner.evaluate.scorer import seqeval_score
from tests.evaluate.sample import make_example
from tests.evaluate.strategies import Spans, examples, one_example

NLP = spacy.blank("en")
TEXT = "Call Ida Holm on Friday."
IDA, FRIDAY = ("Ida Holm", "NAME"), ("Friday", "DATE")
SPOT: Spot = (2, 5, "NAME")


def test_same_words_and_same_label_are_right() -> None:
    found = compare(make_example(NLP, TEXT, gold=[IDA, FRIDAY], predicted=[IDA, FRIDAY]))
    assert [ent.verdict for ent in found.predicted + found.gold] == ["right"] * 4
    assert not found.has_errors


@pytest.mark.parametrize("predicted", [("Holm", "NAME"), ("Ida Holm", "DATE")])
def test_other_words_or_another_label_are_wrong_and_leave_gold_missed(predicted: tuple[str, str]) -> None:
    found = compare(make_example(NLP, TEXT, gold=[IDA], predicted=[predicted]))
    assert [ent.verdict for ent in found.predicted] == ["wrong"]
    assert [ent.verdict for ent in found.gold] == ["missed"]
    assert found.counts == {"wrong": 1, "missed": 1}
    assert found.has_errors


def test_entities_are_given_by_their_characters() -> None:
    found = compare(make_example(NLP, TEXT, gold=[IDA], predicted=[]))
    assert TEXT[found.gold[0].start : found.gold[0].end] == "Ida Holm"


def test_scores_come_from_the_span_group() -> None:
    found = compare(make_example(NLP, TEXT, gold=[], predicted=[IDA, FRIDAY], scores=[0.25, 0.5]))
    assert [ent.score for ent in found.predicted] == [0.25, 0.5]


def test_no_score_without_a_span_group() -> None:
    found = compare(make_example(NLP, TEXT, gold=[], predicted=[IDA]))
    assert [ent.score for ent in found.predicted] == [None]


def test_words_without_gold_annotation_are_not_judged() -> None:
    predicted, gold = Doc(NLP.vocab, words=["Ida", "left"]), Doc(NLP.vocab, words=["Ida", "left"])
    predicted.set_ents([Span(predicted, 0, 1, label="NAME")])
    found = compare(Example(predicted, gold))
    assert [ent.verdict for ent in found.predicted] == ["unjudged"]
    assert not found.has_errors


def test_another_tokenization_is_projected_as_spacys_scorer_does() -> None:
    predicted = Doc(NLP.vocab, words=["Ida", "Holm's"], spaces=[True, False])
    predicted.set_ents([Span(predicted, 0, 2, label="NAME")])
    gold = Doc(NLP.vocab, words=["Ida", "Holm", "'s"], spaces=[True, False, False])
    gold.set_ents([Span(gold, 0, 3, label="NAME")])
    assert [ent.verdict for ent in compare(Example(predicted, gold)).predicted] == ["right"]


def test_entities_know_their_words_in_gold() -> None:
    found = compare(make_example(NLP, TEXT, gold=[FRIDAY], predicted=[IDA]))
    assert [ent.words for ent in found.predicted + found.gold] == [(1, 3), (4, 5)]


def test_scores_of_other_span_groups() -> None:
    example = make_example(NLP, TEXT, gold=[], predicted=[IDA], scores=[0.25])
    example.predicted.spans["own"] = example.predicted.spans.pop("llama_ner")
    assert [ent.score for ent in compare(example).predicted] == [None]
    assert [ent.score for ent in compare(example, spans_keys=["other", "own"]).predicted] == [0.25]


def judged(gold: Spans, predicted: Spans, *, n: int = 12, missing: list[int] | None = None) -> list[Judgement]:
    example = one_example(gold, predicted, n=n, missing=missing)
    return [(example, compare(example))]


def test_precision_recall_and_f1() -> None:
    tally = Tally(right=2, predicted=4, gold=8)
    assert (tally.p, tally.r, tally.f) == (0.5, 0.25, pytest.approx(1 / 3))


def test_what_is_of_nothing_is_not_there() -> None:
    assert (Tally(gold=1).p, Tally(gold=1).r, Tally(gold=1).f) == (None, 0, 0)
    assert (Tally(predicted=1).p, Tally(predicted=1).r, Tally(predicted=1).f) == (0, None, 0)
    assert Tally().f is None


def test_each_entity_counts_where_its_own_length_is() -> None:
    # one of one word is right; gold has one of two words where three are predicted
    found = by_length(judged([(0, 1, "NAME"), (3, 5, "NAME")], [(0, 1, "NAME"), (3, 6, "NAME")]))
    assert found == {"1": Tally(1, 1, 1), "2": Tally(0, 0, 1), "3": Tally(0, 1, 0)}


def test_five_words_and_more_are_one_group() -> None:
    found = by_length(judged([(0, 5, "NAME"), (6, 12, "NAME")], []))
    assert found == {"5+": Tally(gold=2)}


def test_seen_is_the_same_text_with_the_same_label() -> None:
    gold = [(0, 1, "NAME"), (2, 3, "DATE"), (4, 5, "NAME"), (6, 7, "NAME")]
    # of these three the first is right, the second is of a label that training has not, the third is nothing
    predicted = [(0, 1, "NAME"), (2, 3, "NAME"), (8, 9, "NAME")]
    found = by_seen(judged(gold, predicted), {("w0", "NAME"), ("w2", "DATE"), ("w4", "DATE")})
    assert found == {"seen": Tally(right=1, predicted=1, gold=2), "unseen": Tally(right=0, predicted=2, gold=2)}


def test_a_mention_is_the_same_with_and_without_known_spaces() -> None:
    vocab = NLP.vocab
    words = ["Coca", "-", "Cola", "Company"]
    plain = Doc(vocab, words=words)
    written = Doc(vocab, words=words, spaces=[False, False, True, False])
    assert mention(Span(plain, 0, 4, label="ORG")) == mention(Span(written, 0, 4, label="ORG"))
    assert mention(Span(plain, 0, 4, label="ORG")) != mention(Span(plain, 0, 4, label="PER"))


def test_case_matters() -> None:
    assert by_seen(judged([(0, 1, "NAME")], []), {("W0", "NAME")}) == {"unseen": Tally(gold=1)}


def test_predictions_that_cannot_be_judged_are_left_out() -> None:
    assert by_length(judged([], [(0, 1, "NAME")], missing=[0])) == {}


@pytest.mark.parametrize(
    ("predicted", "kind"),
    [
        ((2, 5, "NAME"), "correct"),
        ((2, 5, "DATE"), "type"),
        ((2, 4, "NAME"), "boundary"),
        ((0, 9, "NAME"), "boundary"),
        ((4, 6, "DATE"), "both"),
    ],
)
def test_entities_that_share_a_word_are_a_pair(predicted: Spot, kind: str) -> None:
    assert pair_up([SPOT], [predicted]) == [EntityPair(kind, SPOT, predicted)]


@pytest.mark.parametrize("predicted", [(5, 6, "NAME"), (0, 2, "NAME")])
def test_neighbours_are_not(predicted: Spot) -> None:
    assert pair_up([SPOT], [predicted]) == [EntityPair("missed", SPOT, None), EntityPair("spurious", None, predicted)]


def test_nothing_makes_no_pairs() -> None:
    assert pair_up([], []) == []


def test_each_entity_is_in_one_pair() -> None:
    first, second = (2, 3, "NAME"), (4, 5, "NAME")
    assert pair_up([SPOT], [first, second]) == [
        EntityPair("boundary", SPOT, first),
        EntityPair("spurious", None, second),
    ]
    assert pair_up([first, second], [SPOT]) == [
        EntityPair("boundary", first, SPOT),
        EntityPair("missed", second, None),
    ]


def test_better_pairs_are_made_first() -> None:
    # the prediction overlaps with two gold entities of its type, more with the second
    assert pair_up([(0, 2, "NAME"), (2, 6, "NAME")], [(1, 5, "NAME")])[0].gold == (2, 6, "NAME")
    # same boundary before same type, even if it comes later
    pairs = pair_up([SPOT], [(1, 3, "NAME"), (2, 5, "DATE")])
    assert pairs[0] == EntityPair("type", SPOT, (2, 5, "DATE"))
    # same type before more words
    pairs = pair_up([(0, 6, "NAME")], [(0, 4, "DATE"), (5, 6, "NAME")])
    assert pairs[0].kind == "boundary"


def test_counts_by_gold_label_and_spurious_ones_by_their_own() -> None:
    pairs = pair_up([(0, 1, "NAME"), (3, 4, "NAME")], [(0, 1, "DATE"), (6, 7, "TIME")])
    assert count_kinds(pairs) == {"NAME": {"type": 1, "missed": 1}, "TIME": {"spurious": 1}}


def test_confusion_is_of_labels_whatever_the_boundaries() -> None:
    pairs = pair_up(
        [(0, 2, "NAME"), (3, 4, "NAME"), (6, 7, "DATE")],
        [(0, 1, "NAME"), (3, 4, "DATE"), (8, 9, "TIME")],
    )
    assert confusion(pairs) == {
        ("NAME", "NAME"): 1,
        ("NAME", "DATE"): 1,
        ("DATE", None): 1,
        (None, "TIME"): 1,
    }


@given(st.lists(examples(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_pairs_hold_every_entity_once_and_agree_with_the_scores(batch: list[Example]) -> None:
    comparisons = [compare(eg) for eg in batch if eg.reference.has_annotation("ENT_IOB")]
    pairs = pair_all(comparisons)
    kinds = Counter(pair.kind for pair in pairs)
    n_gold = sum(len(each.gold) for each in comparisons)
    n_predicted = sum(ent.verdict != "unjudged" for each in comparisons for ent in each.predicted)
    assert sum(kinds[kind] for kind in KINDS if kind != "spurious") == n_gold
    assert sum(kinds[kind] for kind in KINDS if kind != "missed") == n_predicted
    total = n_gold + n_predicted
    assert (seqeval_score(batch)["ents_f"] or 0.0) == pytest.approx(2 * kinds["correct"] / total if total else 0.0)


# sentences of three, two and three words
WORDS = ["a", "b", "c", "d", "e", "f", "g", "h"]
STARTS = [True, False, False, True, False, True, False, False]


def doc_of(spans: Spans) -> Doc:
    doc = Doc(NLP.vocab, words=WORDS, sent_starts=STARTS)
    doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])
    return doc


def cut(gold: Spans, predicted: Spans) -> list[tuple[str, list[str], list[str]]]:
    """Text, gold and predicted entities of each sentence."""
    example = Example(doc_of(predicted), doc_of(gold))
    parts = sentences(example, compare(example), number=1)
    return [
        (
            part.gold,
            [part.gold[ent.start : ent.end] for ent in part.comparison.gold],
            [part.predicted[ent.start : ent.end] for ent in part.comparison.predicted],
        )
        for part in parts
    ]


def test_sentences_have_their_entities() -> None:
    assert cut([(1, 3, "NAME"), (5, 6, "NAME")], [(0, 1, "NAME"), (6, 8, "NAME")]) == [
        ("a b c ", ["b c"], ["a"]),
        ("d e ", [], []),
        ("f g h ", ["f"], ["g h"]),
    ]


def test_no_entity_is_cut() -> None:
    assert cut([(2, 4, "NAME")], []) == [("a b c d e ", ["c d"], []), ("f g h ", [], [])]
    assert cut([], [(2, 6, "NAME")]) == [("a b c d e f g h ", [], ["c d e f"])]


def test_docs_without_sentences_stay_whole() -> None:
    example = make_example(NLP, "Call Ida. Now.", gold=[("Ida", "NAME")], predicted=[])
    (part,) = sentences(example, compare(example), number=7)
    assert (part.gold, part.number, part.sentence) == ("Call Ida. Now.", 7, None)


def test_sides_with_different_texts_stay_whole() -> None:
    example = Example(Doc(NLP.vocab, words=WORDS, spaces=[False] * 8), doc_of([]))
    (part,) = sentences(example, compare(example), number=1)
    assert (part.predicted, part.gold) == ("abcdefgh", "a b c d e f g h ")


def test_most_errors_come_first_then_those_the_model_was_sure_of() -> None:
    ida, noon = ("Ida", "NAME"), ("noon", "TIME")
    text = "Call Ida at noon"
    unsure = make_example(NLP, text, gold=[], predicted=[ida], scores=[0.25])
    sure = make_example(NLP, text, gold=[], predicted=[ida], scores=[0.75])
    two = make_example(NLP, text, gold=[ida, noon], predicted=[])
    right = make_example(NLP, text, gold=[ida], predicted=[ida], scores=[0.5])
    missed = make_example(NLP, text, gold=[ida], predicted=[])
    judged = [(eg, compare(eg)) for eg in (right, unsure, missed, sure, two)]
    assert [part.number for part in worst_sentences(judged)] == [5, 4, 2, 3]
