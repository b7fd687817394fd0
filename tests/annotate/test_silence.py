"""When a run gives up."""

from __future__ import annotations

from spacy_llama_ner.annotate.silence import Silence


def test_so_many_in_a_row_are_too_many() -> None:
    silence = Silence(3)
    assert [silence.goes_on(by_question=by_question) for by_question in (True, False, True)] == [False, False, True]


def test_an_answer_begins_anew() -> None:
    silence = Silence(2)
    silence.goes_on(by_question=False)
    silence.broken()
    assert not silence.goes_on(by_question=False)
    assert len(silence) == 1


def test_where_others_are_answered_a_question_at_fault_does_not_count() -> None:
    silence = Silence(1)
    silence.broken()
    assert not silence.goes_on(by_question=True)
    assert silence.goes_on(by_question=False)
