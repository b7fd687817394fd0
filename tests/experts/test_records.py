"""Annotations are checked against their text and put on docs; tasks have keys that tell texts apart."""

from __future__ import annotations

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.experts.records import (
    BAD_OFFSETS,
    CUT_WORD,
    OTHER_TEXT,
    OVERLAP,
    UNKNOWN_LABEL,
    Annotation,
    AnnotationError,
    AnnotationRules,
    SpanAnnotation,
    apply_annotation,
    task_key,
)
from tests.experts.samples import LABELS, MEETING, NLP, ents, marked, tags

RULES = AnnotationRules(labels=LABELS)


def check(
    *spans: SpanAnnotation, rules: AnnotationRules = RULES, text: str = MEETING, **settings: object
) -> list[tuple[str, str]]:
    return ents(apply_annotation(NLP.make_doc(text), Annotation(text, spans, **settings), rules))


def test_spans_that_fit_are_entities_and_all_else_is_outside() -> None:
    annotation = Annotation(
        MEETING, (SpanAnnotation(25, 29, "LOC", "Rome"), SpanAnnotation(0, 9, "PER", "Ada Quill"))
    )
    doc = apply_annotation(NLP.make_doc(MEETING), annotation, RULES)
    assert ents(doc) == [("Ada Quill", "PER"), ("Rome", "LOC")]
    assert tags(doc) == ["B", "I", "O", "O", "O", "O", "B", "O", "O", "O", "O"]


def test_without_spans_all_words_are_outside() -> None:
    assert set(tags(apply_annotation(NLP.make_doc(MEETING), Annotation(MEETING), RULES))) == {"O"}


def test_in_a_partial_annotation_other_words_are_missing() -> None:
    span = SpanAnnotation(0, 9, "PER")
    for annotation, rules in (
        (Annotation(MEETING, (span,), partial=True), RULES),
        (Annotation(MEETING, (span,)), AnnotationRules(partial=True)),
    ):
        assert tags(apply_annotation(NLP.make_doc(MEETING), annotation, rules)) == ["B", "I", *[""] * 9]


def test_words_with_the_unknown_label_are_missing() -> None:
    annotation = Annotation(MEETING, (SpanAnnotation(0, 9, "PER"), SpanAnnotation(14, 21, "UNSURE")))
    doc = apply_annotation(NLP.make_doc(MEETING), annotation, AnnotationRules(labels=LABELS, unknown="UNSURE"))
    assert tags(doc)[:7] == ["B", "I", "O", "", "", "O", "O"]


def test_in_a_skipped_text_all_words_are_missing() -> None:
    assert not any(tags(apply_annotation(NLP.make_doc(MEETING), Annotation(MEETING, status="skipped"), RULES)))


def test_the_same_span_twice_is_one() -> None:
    assert check(SpanAnnotation(0, 9, "PER"), SpanAnnotation(0, 9, "PER")) == [("Ada Quill", "PER")]


def test_white_space_at_the_ends_of_a_span_is_left_out() -> None:
    assert check(SpanAnnotation(24, 30, "LOC", " Rome ")) == [("Rome", "LOC")]


def test_utf_16_offsets_are_converted_where_the_text_shows_it() -> None:
    assert check(SpanAnnotation(38, 40, "PER", "Cy")) == [("Cy", "PER")]
    with pytest.raises(AnnotationError):
        check(SpanAnnotation(38, 40, "PER"))


def test_line_breaks_are_the_same_however_they_are_written() -> None:
    text = "Ada\nQuill met Bo"
    doc = NLP.make_doc(text)
    for claimed in ("Ada\\nQuill", "Ada Quill", "Ada\r\nQuill"):
        assert ents(apply_annotation(doc, Annotation(text, (SpanAnnotation(0, 9, "PER", claimed),)), RULES)) == [
            ("Ada\nQuill", "PER")
        ]


@pytest.mark.parametrize(
    ("span", "problem", "message"),
    [
        (
            SpanAnnotation(0, 9, "PERSON"),
            UNKNOWN_LABEL,
            "'PERSON' .characters 0 to 9. is none of the labels PER, LOC",
        ),
        (SpanAnnotation(0, 9, "PER", "Bo Reed"), BAD_OFFSETS, "are said to hold 'Bo Reed', and hold 'Ada Quill'"),
        (SpanAnnotation(0, 90, "PER"), BAD_OFFSETS, "in a text of 40 characters"),
        (SpanAnnotation(-3, 2, "PER"), BAD_OFFSETS, "characters -3 to 2"),
        (SpanAnnotation(9, 9, "PER"), BAD_OFFSETS, "characters 9 to 9"),
        (SpanAnnotation(9, 4, "PER"), BAD_OFFSETS, "characters 9 to 4"),
        (SpanAnnotation(9, 10, "PER"), BAD_OFFSETS, "white space alone"),
        (SpanAnnotation(1, 9, "PER"), CUT_WORD, "'da Quill' .* with whole words it is 'Ada Quill'"),
    ],
)
def test_a_span_that_does_not_fit_is_refused(span: SpanAnnotation, problem: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message) as caught:
        check(SpanAnnotation(25, 29, "LOC"), span)
    assert caught.value.problem == problem


def test_spans_that_share_words_are_refused() -> None:
    with pytest.raises(AnnotationError, match="'Ada Quill' .PER. and 'Quill' .LOC. share words") as caught:
        check(SpanAnnotation(0, 9, "PER"), SpanAnnotation(4, 9, "LOC"))
    assert caught.value.problem == OVERLAP


def test_an_annotation_of_another_text_is_refused() -> None:
    with pytest.raises(AnnotationError, match="annotate this one again") as caught:
        apply_annotation(NLP.make_doc(MEETING), Annotation(MEETING + "!"), RULES)
    assert caught.value.problem == OTHER_TEXT


def test_without_rules_any_label_goes() -> None:
    assert check(SpanAnnotation(0, 9, "PERSON"), rules=AnnotationRules()) == [("Ada Quill", "PERSON")]


def test_the_key_knows_the_words() -> None:
    one, other = Doc(NLP.vocab, words=["a", "b"]), Doc(NLP.vocab, words=["a b"], spaces=[True])
    assert one.text == other.text
    assert task_key(one) == task_key(Doc(NLP.vocab, words=["a", "b"]))
    assert task_key(one) != task_key(other)
    assert task_key(marked("Ada met Bo", ("Ada", "PER"))) == task_key(NLP.make_doc("Ada met Bo"))
