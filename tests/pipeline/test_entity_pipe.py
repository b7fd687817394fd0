"""What the components that find entities have in common: gold tags, span groups, streams of any docs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llama_ner.head.bio import MISSING, NOT_INSIDE
from spacy_llama_ner.pipeline.entity_pipe import collect_labels, find_entity_pipes, gather, gold_tags
from tests.generative.samples import make_nlp as make_generative_nlp
from tests.pipeline.samples import CORPUS, LABELS, make_nlp, scores

VOCAB = spacy.blank("en").vocab


def annotated_doc(
    words: list[str], spans: list[tuple[int, int, str]] | None = None, missing: tuple[int, ...] = ()
) -> Doc:
    doc = Doc(VOCAB, words=words, spaces=[False] * len(words))
    if spans is not None:
        gaps = [doc[i : i + 1] for i in missing]
        doc.set_ents([Span(doc, *span) for span in spans], missing=gaps, default="outside")
    return doc


def tags(predicted: Doc, reference: Doc) -> list[int]:
    return gold_tags(Example(predicted, reference), LABELS).tolist()


def test_entities_of_one_word_and_of_many() -> None:
    words = ["a", "b", "c", "d", "e", "f"]
    gold = annotated_doc(words, [(0, 1, "DATE"), (1, 4, "NAME"), (5, 6, "NAME")])
    assert tags(annotated_doc(words), gold) == [1, 3, 4, 4, 0, 3]


def test_words_without_annotation_are_missing() -> None:
    words = ["a", "b", "c", "d"]
    assert tags(annotated_doc(words), annotated_doc(words)) == [MISSING] * 4
    assert tags(annotated_doc(words), annotated_doc(words, [(0, 1, "NAME")], missing=(2,))) == [3, 0, MISSING, 0]


def test_a_word_without_annotation_after_an_entity_is_not_inside() -> None:
    words = ["a", "b", "c", "d", "e"]
    found = tags(annotated_doc(words), annotated_doc(words, [(0, 2, "NAME"), (4, 5, "DATE")], missing=(2, 3)))
    assert found == [3, 4, NOT_INSIDE, MISSING, 1]


def test_empty_docs() -> None:
    assert tags(annotated_doc([]), annotated_doc([])) == []


def test_words_of_another_tokenization() -> None:
    gold = annotated_doc(["ab", "cd", "ef", "gh"], [(0, 2, "NAME"), (3, 4, "DATE")])
    # finer words carry the entity on; a word that holds only a part of an entity is unknown
    assert tags(annotated_doc(["a", "b", "c", "d", "efg", "h"]), gold)[:4] == [3, 4, 4, 4]
    assert tags(annotated_doc(["a", "b", "c", "d", "efg", "h"]), gold)[4] == NOT_INSIDE
    # a coarser word carries it, too
    assert tags(annotated_doc(["abcd", "ef", "gh"]), gold) == [3, 0, 1]


def test_no_range_of_known_tags_starts_inside_an_entity() -> None:
    gold = annotated_doc(["ab", "cd", "ef"], [(0, 2, "NAME")])
    for cut in (["abc", "d", "ef"], ["a", "bcde", "f"], ["abcde", "f"], ["a", "b", "cdef"]):
        found = [MISSING, *tags(annotated_doc(cut), gold)]
        inside = [i for i, tag in enumerate(found) if tag > 0 and tag % 2 == 0]
        assert all(found[i - 1] in (found[i], found[i] - 1) for i in inside)


def test_an_unknown_label_is_an_error() -> None:
    gold = annotated_doc(["a"], [(0, 1, "PLACE")])
    with pytest.raises(ValueError, match="label 'PLACE', which this component does not have"):
        tags(annotated_doc(["a"]), gold)


def test_unless_strict_the_words_of_an_unknown_label_are_missing() -> None:
    words = ["a", "b", "c", "d"]
    gold = annotated_doc(words, [(0, 2, "PLACE"), (3, 4, "NAME")])
    found = gold_tags(Example(annotated_doc(words), gold), LABELS, strict=False)
    assert found.tolist() == [MISSING, MISSING, 0, 3]


def test_labels_are_collected_sorted() -> None:
    golds = [annotated_doc(["a", "b"], spans) for spans in ([(0, 1, "B")], [], None, [(0, 1, "A"), (1, 2, "B")])]
    assert collect_labels(Example(annotated_doc(["a", "b"]), gold) for gold in golds) == ["A", "B"]


@pytest.mark.parametrize("overwrites", [(None, False), (False, None), (None, None)])
def test_a_span_group_that_two_components_would_replace_is_refused(
    tiny_llama: Path, overwrites: tuple[bool | None, bool | None]
) -> None:
    nlp = make_nlp(tiny_llama, name="one", overwrite=overwrites[0], spans_key="found")
    message = r"'two' and 'one' both write to the span group 'found'.* different values of `spans_key`"
    with pytest.raises(ValueError, match=message):
        nlp.add_pipe("llama_ner", name="two", config={"overwrite": overwrites[1], "spans_key": "found"})
    nlp.add_pipe("llama_ner", name="two", config={"overwrite": overwrites[1], "spans_key": "other"})


def test_a_component_that_would_write_nothing_is_refused(tiny_llama: Path) -> None:
    with pytest.raises(ValueError, match="overwrite = null.* and spans_key = null: it would say nothing"):
        make_nlp(tiny_llama, overwrite=None, spans_key=None)


def test_components_without_span_groups_are_accepted(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama, name="one", spans_key=None)
    nlp.add_pipe("llama_ner", name="two", config={"spans_key": None})
    assert nlp.pipe_names == ["one", "two"]


def test_find_entity_pipes_returns_active_components_of_both_kinds(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama)
    nlp.add_pipe("llama_reader", first=True)
    nlp.add_pipe("llama_ner", name="off")
    nlp.add_pipe("llama_ner_generative", source=make_generative_nlp(tiny_llama))
    nlp.disable_pipe("off")
    assert list(find_entity_pipes(nlp)) == ["llama_ner", "llama_ner_generative"]


def docs_of(lengths: list[int]) -> list[Doc]:
    return [Doc(VOCAB, words=["w"] * n) for n in lengths]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], []),
        ([0], [[0]]),
        ([3, 4, 3], [[3, 4, 3]]),
        ([3, 4, 4], [[3, 4], [4]]),
        ([11, 1, 25, 25, 2], [[11], [1], [25], [25], [2]]),
        ([0] * 12, [[0] * 10, [0] * 2]),
    ],
)
def test_gather_makes_lists_of_at_most_so_many_words(lengths: list[int], expected: list[list[int]]) -> None:
    docs = docs_of(lengths)
    groups = list(gather(docs, n_words=10))
    assert [[len(doc) for doc in group] for group in groups] == expected
    assert [id(doc) for group in groups for doc in group] == [id(doc) for doc in docs]


def test_gather_reads_one_doc_ahead() -> None:
    taken = []

    def stream() -> Iterator[Doc]:
        for doc in docs_of([6] * 100):
            taken.append(doc)
            yield doc

    first = next(gather(stream(), n_words=10))
    assert len(first) == 1 and len(taken) == 2


N_BATCHES, DOCS_PER_BATCH = 50, 20
LONGEST = 20_000

# text that the pipeline has learned, and text that no tokenizer was made for
KNOWN = st.sampled_from([piece for text, _ in CORPUS for piece in (text, text + "\n\n", f" {text}.")])
ODD = st.sampled_from(
    ["\u200b", "\ufeff", " \t ", "\r\n", "\xa0", "👩‍👩‍👧‍👦", "e\u0301\u0327", "\u202e", "\x00", "a" * 300, "ﷺ"]
)
CHARACTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
PIECE = st.one_of(KNOWN, ODD, CHARACTERS)
SHORT = st.lists(PIECE, max_size=5).map("".join)
LENGTHS = [LONGEST, 16_000, 12_000, 8_000, 4_000, 500, 40, 0]


TEXTS = st.lists(SHORT, min_size=DOCS_PER_BATCH - 1, max_size=DOCS_PER_BATCH - 1)


def repeated(seed: str, length: int) -> str:
    """`seed`, again and again, up to `length` characters."""
    seed = seed or "Omar, "
    return (seed * (length // len(seed) + 1))[:length]


def entities(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def check_predictions(nlp: Language, texts: list[str], seen: dict[str, int]) -> None:
    docs = list(nlp.pipe(texts))
    assert [doc.text for doc in docs] == texts
    for doc, text in zip(docs, texts, strict=True):
        for ent in doc.ents:
            assert doc.char_span(ent.start_char, ent.end_char) is not None
            assert ent.text and not ent[0].is_space and not ent[-1].is_space
        alone = nlp(text)
        assert entities(alone) == entities(doc)
        assert list(alone.spans["llama_ner"]) == list(alone.ents)
        assert scores(alone) == pytest.approx(scores(doc), abs=1e-3)
        assert all(0 <= score <= 1 for score in scores(doc))
        seen["docs"] += 1
        seen["with entities"] += bool(doc.ents)
        seen["long"] += len(text) > LONGEST / 2


def test_a_thousand_random_docs(trained: Language) -> None:
    seen = {"docs": 0, "with entities": 0, "long": 0}

    @settings(
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        max_examples=N_BATCHES,
        suppress_health_check=list(HealthCheck),
    )
    @given(TEXTS, SHORT, st.integers(0, DOCS_PER_BATCH - 1))
    def run(texts: list[str], seed: str, where: int) -> None:
        # not drawn, since what a strategy draws may lean to the short ones
        length = LENGTHS[seen["docs"] // DOCS_PER_BATCH % len(LENGTHS)]
        check_predictions(trained, [*texts[:where], repeated(seed, length), *texts[where:]], seen)

    run()
    assert seen["docs"] >= 1000
    assert seen["with entities"] > 100
    assert seen["long"] > 5
