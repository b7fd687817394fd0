"""Which labelled sentences a model is shown, and how similar sentences are found."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llama_ner.llm.examples import ExampleSelector, SimilarityIndex, TfidfIndex, VectorIndex, make_selector

NLP = spacy.blank("en")


def labelled(marked: str) -> Doc:
    """`[Anna Berg|PER] waves` as a doc."""
    words, spans = [], []
    for piece in re.split(r"(\[[^]]*\])", marked):
        inside, _, label = piece.strip("[]").partition("|")
        start = len(words)
        words += inside.split()
        if label:
            spans.append((start, len(words), label))
    doc = Doc(NLP.vocab, words=words)
    doc.ents = [Span(doc, start, end, label=label) for start, end, label in spans]
    return doc


POOL = [
    labelled(text)
    for text in (
        "[Anna|PER] sailed to [Bern|LOC] on Friday",
        "[Anna|PER] sailed to [Oslo|LOC]",
        "the boat sailed on Friday",
        "[Omar|PER] sold the boat",
        "[Seal Bank|ORG] bought the house",
        "nobody bought anything",
        "a [Danish|MISC] baker won",
    )
]
STRATEGIES = ["fixed", "words", "vectors"]


def choose(by: str, base: Path, *, shots: int, labels: set[str] | None = None) -> ExampleSelector:
    return make_selector(POOL, shots=shots, by=f"vectors:{base}" if by == "vectors" else by, labels=labels)


def shown(examples: list[Doc]) -> list[str]:
    return [doc.text.strip() for doc in examples]


def test_the_most_similar_come_and_the_nearest_comes_last() -> None:
    examples = make_selector(POOL, shots=2)
    found = shown(examples.select(labelled("Mia sailed to Oslo")))
    assert found == ["Anna sailed to Bern on Friday", "Anna sailed to Oslo"]


@pytest.mark.parametrize("by", STRATEGIES)
def test_many_get_the_same_as_each_alone(by: str, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = choose(by, tiny_llama, shots=3)
    texts = [labelled("Mia sailed to Oslo"), labelled(""), *POOL]
    alone = [(doc, examples.select(doc)) for doc in texts]
    assert list(examples.select_all(iter(texts))) == alone
    monkeypatch.setattr("spacy_llama_ner.llm.examples.BATCH_SIZE", 2)
    assert list(examples.select_all(iter(texts))) == alone
    assert [found for _, found in alone] == [found for _, found in choose(by, tiny_llama, shots=3).select_all(texts)]


@pytest.mark.parametrize("by", STRATEGIES)
@pytest.mark.parametrize("shots", [1, 2, 3, 5, 50])
def test_there_are_entities_and_from_three_on_a_text_without(by: str, shots: int, tiny_llama: Path) -> None:
    examples = choose(by, tiny_llama, shots=shots)
    for doc in (labelled("nobody sailed anything on Friday"), labelled("Anna sailed to Bern"), *POOL):
        found = examples.select(doc)
        twins = sum(other.text == doc.text for other in POOL)
        assert len(found) == len(set(shown(found))) == min(shots, len(POOL) - twins)
        assert any(each.ents for each in found)
        if shots >= 3:
            assert any(not each.ents for each in found)


@pytest.mark.parametrize("by", STRATEGIES)
def test_no_text_is_an_example_for_itself(by: str, tiny_llama: Path) -> None:
    examples = choose(by, tiny_llama, shots=5)
    for doc in POOL:
        # white space aside
        same = NLP.make_doc(f" {doc.text} ")
        assert doc.text.strip() not in shown(examples.select(same))


def test_a_text_that_the_pool_has_twice_is_shown_once() -> None:
    twice = [*POOL, labelled("Anna sailed to [Oslo|ORG]")]
    found = make_selector(twice, shots=len(POOL)).select(labelled("Mia sailed to Oslo"))
    assert len(set(shown(found))) == len(found) == len(POOL)
    assert [ent.label_ for ent in found[-1].ents] == ["PER", "LOC"]


def test_fixed_ones_are_the_same_for_all_and_show_every_label() -> None:
    examples = make_selector(POOL, shots=4, by="fixed")
    found = shown(examples.select(labelled("Mia sailed to Oslo")))
    assert found == shown(examples.select(labelled("It rained")))
    by_text = {doc.text.strip(): {ent.label_ for ent in doc.ents} for doc in POOL}
    assert set.union(*(by_text[text] for text in found)) == {"PER", "LOC", "ORG", "MISC"}


def test_a_pool_of_as_many_as_are_wanted_is_shown_whole() -> None:
    assert len(make_selector(POOL, shots=7, by="fixed").select(labelled("Hello"))) == 7


def test_entities_with_other_labels_are_left_out_and_their_texts_kept_as_negatives() -> None:
    examples = make_selector(POOL, shots=7, labels={"ORG"})
    found = {doc.text.strip(): [ent.text for ent in doc.ents] for doc in examples.select(labelled("Hello"))}
    assert found.pop("Seal Bank bought the house") == ["Seal Bank"]
    assert len(found) == 6 and not any(found.values())
    # the pool itself stays as it was
    assert [ent.label_ for ent in POOL[0].ents] == ["PER", "LOC"]


def test_a_negative_may_be_full_of_other_entities() -> None:
    examples = make_selector(POOL, shots=3, labels={"ORG"})
    found = examples.select(labelled("Anna sailed to Rome on Friday"))
    assert shown(found)[1:] == ["Anna sailed to Oslo", "Anna sailed to Bern on Friday"]
    assert [ent.label_ for doc in found for ent in doc.ents] == ["ORG"]


@pytest.mark.parametrize(
    ("shots", "by", "labels", "said"),
    [
        (0, "words", None, "shots = 0; give 1 or more"),
        (2, "luck", None, "Examples cannot be selected by 'luck'. Give fixed, words, vectors or vectors:BASE"),
        (2, "words", {"EMAIL"}, r"\(7 docs\) have no entity with a label among EMAIL"),
        (2, "vectors:no-such-base", None, "There is no base 'no-such-base'"),
    ],
)
def test_what_cannot_be_chosen(shots: int, by: str, labels: set[str] | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_selector(POOL, shots=shots, by=by, labels=labels)


def test_an_empty_pool() -> None:
    with pytest.raises(ValueError, match=r"The examples \(0 docs\) have no entity. Give docs"):
        make_selector([], shots=2)


SIMILARITY_POOL = ["Anna called Peter.", "It rained in London.", "Seals eat fish.", ""]


def docs(*texts: str) -> list[Doc]:
    return [NLP.make_doc(text) for text in texts]


@pytest.fixture(params=["words", "vectors"])
def index(request: pytest.FixtureRequest, tiny_llama: Path) -> SimilarityIndex:
    if request.param == "words":
        return TfidfIndex(docs(*SIMILARITY_POOL))
    return VectorIndex(docs(*SIMILARITY_POOL), base=str(tiny_llama), batch_size=2)


def test_a_sentence_is_most_like_itself(index: SimilarityIndex) -> None:
    scores = index.scores(docs(*SIMILARITY_POOL))
    assert scores.shape == (4, 4)
    assert scores.dtype == np.float32
    assert scores[:3].argmax(axis=1).tolist() == [0, 1, 2]
    assert scores[[0, 1, 2], [0, 1, 2]] == pytest.approx(1, abs=1e-5)
    assert abs(scores).max() < 1 + 1e-5


def test_nothing_is_like_an_empty_text(index: SimilarityIndex) -> None:
    assert (index.scores(docs("", *SIMILARITY_POOL))[0] == 0).all()
    assert (index.scores(docs(*SIMILARITY_POOL))[:, 3] == 0).all()


def test_scores_do_not_depend_on_what_is_looked_up_besides(index: SimilarityIndex) -> None:
    alone = [index.scores(docs(text))[0] for text in SIMILARITY_POOL]
    assert index.scores(docs(*SIMILARITY_POOL)) == pytest.approx(np.stack(alone), abs=1e-5)


def test_words_count_by_how_rare_they_are_and_not_by_case() -> None:
    index = TfidfIndex(docs("the seal", "the dog", "the cat", "the bird"))
    (scores,) = index.scores(docs("The SEAL sang to the moon"))
    assert scores[0] > 2 * scores[1] > 0
    assert scores[1] == scores[2] == scores[3]


def test_docs_from_a_file_have_words_too() -> None:
    """Their vocabulary has no functions for attributes of words."""
    seal, dog = (Doc(Vocab(), words=["The", name]) for name in ("Seal", "dog"))
    assert TfidfIndex([seal, dog]).scores(docs("SEAL")).argmax() == 0


def test_neighbouring_words_count_together() -> None:
    index = TfidfIndex(docs("bank of New York", "York bank of New"))
    (scores,) = index.scores(docs("New York"))
    assert scores[0] > scores[1] > 0


def test_a_pool_of_empty_texts_is_like_nothing() -> None:
    assert TfidfIndex(docs("", " ")).scores(docs("Anna called.")).tolist() == [[0, 0]]


def test_vectors_are_freed_of_what_all_have_in_common(tiny_llama: Path) -> None:
    index = VectorIndex(docs(*SIMILARITY_POOL[:3]), base=str(tiny_llama))
    scores = index.scores(docs(*SIMILARITY_POOL[:3]))
    # three points around their mean: each is on the other side of it than the two others are together
    assert (scores.sum(axis=1) - scores.diagonal() < 0).all()
