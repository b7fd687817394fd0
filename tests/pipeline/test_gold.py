"""From annotation to the numbers of tags."""

from __future__ import annotations

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llama_ner.head.scheme import CLOSED, MISSING
from spacy_llama_ner.pipeline.gold import collect_labels, gold_tags

NLP = spacy.blank("en")
LABELS = ["DATE", "NAME"]


def make_doc(words: list[str], spans: list[tuple[int, int, str]] | None = None, missing: tuple[int, ...] = ()) -> Doc:
    doc = Doc(NLP.vocab, words=words, spaces=[False] * len(words))
    if spans is not None:
        gaps = [doc[i : i + 1] for i in missing]
        doc.set_ents([Span(doc, *span) for span in spans], missing=gaps, default="outside")
    return doc


def tags(predicted: Doc, reference: Doc) -> list[int]:
    return gold_tags(Example(predicted, reference), LABELS).tolist()


def test_entities_of_one_word_and_of_many() -> None:
    words = ["a", "b", "c", "d", "e", "f"]
    gold = make_doc(words, [(0, 1, "DATE"), (1, 4, "NAME"), (5, 6, "NAME")])
    assert tags(make_doc(words), gold) == [1, 3, 4, 4, 0, 3]


def test_words_without_annotation_are_missing() -> None:
    words = ["a", "b", "c", "d"]
    assert tags(make_doc(words), make_doc(words)) == [MISSING] * 4
    assert tags(make_doc(words), make_doc(words, [(0, 1, "NAME")], missing=(2,))) == [3, 0, MISSING, 0]


def test_a_word_without_annotation_behind_an_entity_does_not_go_on_with_it() -> None:
    words = ["a", "b", "c", "d", "e"]
    found = tags(make_doc(words), make_doc(words, [(0, 2, "NAME"), (4, 5, "DATE")], missing=(2, 3)))
    assert found == [3, 4, CLOSED, MISSING, 1]


def test_empty_docs() -> None:
    assert tags(make_doc([]), make_doc([])) == []


def test_words_that_were_cut_elsewhere() -> None:
    gold = make_doc(["ab", "cd", "ef", "gh"], [(0, 2, "NAME"), (3, 4, "DATE")])
    # finer words carry the entity on; a word that holds only a part of an entity is unknown
    assert tags(make_doc(["a", "b", "c", "d", "efg", "h"]), gold)[:4] == [3, 4, 4, 4]
    assert tags(make_doc(["a", "b", "c", "d", "efg", "h"]), gold)[4] == CLOSED
    # a coarser word carries it, too
    assert tags(make_doc(["abcd", "ef", "gh"]), gold) == [3, 0, 1]


def test_a_stretch_of_known_tags_never_starts_inside_an_entity() -> None:
    gold = make_doc(["ab", "cd", "ef"], [(0, 2, "NAME")])
    for cut in (["abc", "d", "ef"], ["a", "bcde", "f"], ["abcde", "f"], ["a", "b", "cdef"]):
        found = [MISSING, *tags(make_doc(cut), gold)]
        inside = [i for i, tag in enumerate(found) if tag > 0 and tag % 2 == 0]
        assert all(found[i - 1] in (found[i], found[i] - 1) for i in inside)


def test_an_unknown_label_is_an_error() -> None:
    gold = make_doc(["a"], [(0, 1, "PLACE")])
    with pytest.raises(ValueError, match="label 'PLACE', which this component does not have"):
        tags(make_doc(["a"]), gold)


def test_where_it_need_not_be_known_an_unknown_label_is_missing_as_a_whole() -> None:
    words = ["a", "b", "c", "d"]
    gold = make_doc(words, [(0, 2, "PLACE"), (3, 4, "NAME")])
    found = gold_tags(Example(make_doc(words), gold), LABELS, strict=False)
    assert found.tolist() == [MISSING, MISSING, 0, 3]


def test_labels_are_collected_sorted() -> None:
    golds = [make_doc(["a", "b"], spans) for spans in ([(0, 1, "B")], [], None, [(0, 1, "A"), (1, 2, "B")])]
    assert collect_labels(Example(make_doc(["a", "b"]), gold) for gold in golds) == ["A", "B"]
