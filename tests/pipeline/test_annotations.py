"""Predictions in `doc.ents` and in a span group with scores, beside entities that a doc already has."""

from __future__ import annotations

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_llama_ner.head.inference import Entity
from spacy_llama_ner.pipeline.annotations import set_entities
from tests.pipeline.samples import CORPUS, ents, scores

WORDS = ["\n", "Mia", " ", "Brook", "\n\n", "met", "Omar", " "]


def make_doc() -> Doc:
    return Doc(spacy.blank("en").vocab, words=WORDS, spaces=[False] * len(WORDS))


def test_entities_stand_in_ents_and_in_a_span_group_with_scores(trained: Language) -> None:
    doc = trained(CORPUS[0][0])
    group = doc.spans["llama_ner"]
    assert ents(doc) == CORPUS[0][1]
    assert list(group) == list(doc.ents)
    assert group.attrs["scores"].dtype == np.float32
    assert len(scores(doc)) == len(group)
    assert all(0.5 < score <= 1 for score in scores(doc))
    assert doc.has_annotation("ENT_IOB")


def test_a_doc_without_entities_has_an_empty_group(trained: Language) -> None:
    for text in ("please water the plants", ""):
        doc = trained(text)
        assert list(doc.spans["llama_ner"]) == [] and scores(doc) == []


def test_scores_survive_bytes(trained: Language) -> None:
    doc = trained(CORPUS[0][0])
    again = Doc(trained.vocab).from_bytes(doc.to_bytes())
    assert ents(again) == ents(doc)
    assert scores(again) == scores(doc)


@pytest.mark.parametrize("key", [None, "found"])
def test_the_span_group_is_a_setting(nlp: Language, key: str | None) -> None:
    nlp.get_pipe("llama_ner").spans_key = key
    doc = nlp(CORPUS[0][0])
    assert ents(doc) == CORPUS[0][1]
    assert list(doc.spans) == ([] if key is None else [key])


def test_white_space_at_the_edges_is_cut_off() -> None:
    doc = make_doc()
    set_entities(
        doc,
        [Entity(0, 5, "NAME", 0.9), Entity(6, 8, "NAME", 0.8)],
        spans_key="found",
        overwrite=False,
    )
    assert [(ent.start, ent.end) for ent in doc.ents] == [(1, 4), (6, 7)]
    assert list(doc.spans["found"]) == list(doc.ents)
    assert scores(doc, "found") == pytest.approx([0.9, 0.8])


def test_an_entity_of_nothing_but_white_space_is_none() -> None:
    doc = make_doc()
    set_entities(doc, [Entity(0, 1, "NAME", 0.9), Entity(6, 7, "NAME", 0.8)], spans_key="found", overwrite=False)
    assert [ent.text for ent in doc.ents] == ["Omar"]
    assert scores(doc, "found") == pytest.approx([0.8])


def test_present_entities_stay_and_keep_overlapping_predictions_out() -> None:
    doc = make_doc()
    doc.set_ents([Span(doc, 3, 4, label="RULE", kb_id="Q1", span_id="r1")])
    predictions = [Entity(1, 4, "NAME", 0.9), Entity(6, 7, "NAME", 0.8)]
    set_entities(doc, predictions, spans_key="found", overwrite=False)
    assert ents(doc) == [("Brook", "RULE"), ("Omar", "NAME")]
    assert (doc.ents[0].kb_id_, doc.ents[0].ent_id_) == ("Q1", "r1")
    assert [span.text for span in doc.spans["found"]] == ["Omar"]
    assert scores(doc, "found") == pytest.approx([0.8])


def test_present_entities_are_replaced_with_overwrite() -> None:
    doc = make_doc()
    doc.set_ents([Span(doc, 5, 6, label="RULE")])
    set_entities(doc, [Entity(6, 7, "NAME", 0.8)], spans_key=None, overwrite=True)
    assert ents(doc) == [("Omar", "NAME")]


def test_words_that_are_blocked_stay_without_an_entity() -> None:
    doc = make_doc()
    doc.set_ents([], blocked=[doc[3:6]])
    for _ in range(2):
        set_entities(doc, [Entity(1, 4, "NAME", 0.9), Entity(6, 7, "NAME", 0.8)], spans_key="found", overwrite=False)
        assert ents(doc) == [("Omar", "NAME")]
        assert [token.i for token in doc if token.ent_iob_ == "B" and not token.ent_type] == [3, 4, 5]
    set_entities(doc, [Entity(1, 4, "NAME", 0.9)], spans_key="found", overwrite=True)
    assert [ent.start for ent in doc.ents] == [1]


@pytest.mark.parametrize(
    ("overwrite", "expected"),
    [
        (False, [("Mia Brook about", "TOPIC"), ("Friday", "DATE")]),
        (True, [("Mia Brook", "NAME"), ("Friday", "DATE")]),
    ],
)
def test_after_an_entity_ruler(nlp: Language, overwrite: bool, expected: list[tuple[str, str]]) -> None:
    nlp.get_pipe("llama_ner").overwrite = overwrite
    ruler = nlp.add_pipe("entity_ruler", before="llama_ner")
    ruler.add_patterns([{"label": "TOPIC", "pattern": "Mia Brook about"}])
    assert ents(nlp(CORPUS[0][0])) == expected


def test_annotating_twice_gives_the_same(trained: Language) -> None:
    ner = trained.get_pipe("llama_ner")
    doc = ner(trained(CORPUS[0][0]))
    assert ents(doc) == CORPUS[0][1]
