"""Silver labels that a pipeline does not believe."""

from __future__ import annotations

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llama_ner.active.agreement import Disagreement, Filtered, doubted_words, filter_silver, first_silver, mask
from spacy_llama_ner.data.tags import doc_tags

from .samples import make_doc

VOCAB = Vocab()


def tagged(*tags: str) -> Doc:
    return Doc(VOCAB, words=[f"w{i}" for i in range(len(tags))], ents=list(tags))


def test_entities_of_one_side_are_doubted_as_a_whole() -> None:
    silver = tagged("B-PER", "I-PER", "O", "B-LOC", "I-LOC", "I-LOC", "O", "B-LOC")
    other = tagged("B-PER", "I-PER", "O", "O", "B-LOC", "O", "B-PER", "B-LOC")
    assert doubted_words(silver, other) == [(3, 6), (6, 7)]
    assert doubted_words(silver, silver) == []


def test_a_label_can_be_doubted_too() -> None:
    assert doubted_words(tagged("B-PER", "I-PER", "O"), tagged("B-LOC", "I-LOC", "O")) == [(0, 2)]


def test_masked_words_have_no_label_and_others_keep_theirs() -> None:
    doc = tagged("B-PER", "I-PER", "O", "B-LOC", "O")
    assert doc_tags(mask(doc, [(2, 4)])) == ["B-PER", "I-PER", "-", "-", "O"]
    assert doc_tags(doc) == ["B-PER", "I-PER", "O", "B-LOC", "O"]


def filtered(nlp: Language, disagreement: Disagreement) -> Filtered:
    docs = [
        make_doc(nlp.vocab, "Ana saw the sea .", [("Ana", "NAME")]),
        make_doc(nlp.vocab, "the sea saw Ana .", [("sea", "NAME")]),
        make_doc(nlp.vocab, "nobody saw it .", []),
    ]
    return filter_silver(nlp, docs, disagreement=disagreement)


def test_each_way_to_treat_it() -> None:
    nlp = Language()
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "NAME", "pattern": "Ana"}])  # type: ignore[attr-defined]
    kept, masked, dropped = (filtered(nlp, how) for how in ("keep", "mask", "drop"))
    assert (len(kept.docs), kept.dropped, kept.masked) == (3, 0, 0)
    assert (len(masked.docs), masked.dropped, masked.masked) == (3, 0, 2)
    assert doc_tags(masked.docs[1]) == ["O", "-", "O", "-", "O"]
    assert doc_tags(masked.docs[0]) == ["B-NAME", "O", "O", "O", "O"]
    assert ([doc.text for doc in dropped.docs], dropped.dropped) == (["Ana saw the sea . ", "nobody saw it . "], 1)


def test_without_a_pipeline_silver_is_all_there_is_or_waits() -> None:
    silver, gold = [tagged("B-PER", "O"), tagged("O")], [tagged("B-LOC")]
    assert first_silver(silver, gold=[], disagreement="mask").docs == silver
    assert first_silver(silver, gold=gold, disagreement="keep").docs == silver
    for how in ("mask", "drop"):
        assert first_silver(silver, gold=gold, disagreement=how) == Filtered([], dropped=2)  # type: ignore[arg-type]
