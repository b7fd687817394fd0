"""Docs cut into sentences, the worst first."""

from __future__ import annotations

import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llama_ner.evaluate.compare import compare
from spacy_llama_ner.evaluate.parts import sentences, worst_sentences

from .sample import make_example
from .strategies import Spans

NLP = spacy.blank("en")
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
    assert (part.gold, part.number, part.at) == ("Call Ida. Now.", 7, None)


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
