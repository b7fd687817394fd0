"""What splits hold and share."""

from __future__ import annotations

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_llama_ner.data.conll import Sentence, make_docs
from spacy_llama_ner.evaluate.corpus_stats import describe, overlap
from tests.evaluate.sample import gold_doc

NLP = spacy.blank("en")
DOCUMENT = [
    Sentence(["Ada", "sails"], ["B-PER", "O"], ["NNP", "VBZ"], ["B-NP", "B-VP"]),
    Sentence(["to", "Kiel", "Bay"], ["O", "B-LOC", "I-LOC"], ["TO", "NNP", "NNP"], ["B-PP", "B-NP", "I-NP"]),
]


def test_converted_columns_are_counted() -> None:
    split = describe(make_docs([DOCUMENT], NLP.vocab, sents=0))
    assert (split.docs, split.words, split.has_boundaries) == (1, 5, True)
    assert split.sentences == {2: 1, 3: 1}
    assert split.entities == {"PER": 1, "LOC": 1}
    assert split.mentions == {("Ada", "PER"): 1, ("KielBay", "LOC"): 1}
    assert split.tags == {"NNP": 3, "VBZ": 1, "TO": 1}
    assert split.chunks == {"NP": 2, "VP": 1, "PP": 1}


def test_what_docs_do_not_carry_is_not_there() -> None:
    split = describe([gold_doc(NLP, "Call Ida Holm.", [("Ida Holm", "NAME")]), NLP.make_doc("Yes")])
    assert not split.tags and not split.chunks
    assert not split.has_boundaries
    assert split.sentences == {4: 1, 1: 1}


def test_an_empty_doc_and_no_doc() -> None:
    assert describe([Doc(NLP.vocab)]).docs == 1
    assert describe([]).sentences.total() == 0


def mentions(*found: tuple[str, str]) -> Doc:
    doc = Doc(NLP.vocab, words=[text for text, _ in found])
    doc.set_ents([Span(doc, i, i + 1, label=label) for i, (_, label) in enumerate(found)])
    return doc


def test_overlap_is_of_text_and_label() -> None:
    ada, kiel, club = ("Ada", "PER"), ("Kiel", "LOC"), ("Kiel", "ORG")
    train, dev = describe([mentions(ada, kiel)]), describe([mentions(ada, ada, club, club, club)])
    found = overlap(dev, train)
    assert found.mentions == pytest.approx(2 / 5)
    assert found.distinct == pytest.approx(1 / 2)
    assert found.per_type == {"ORG": 0, "PER": 1}
    assert overlap(train, dev).mentions == pytest.approx(1 / 2)


def test_overlap_of_nothing() -> None:
    found = overlap(describe([]), describe([mentions(("Ada", "PER"))]))
    assert (found.mentions, found.distinct, found.per_type) == (None, None, {})
