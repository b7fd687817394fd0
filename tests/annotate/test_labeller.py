"""From a text to a question, and from the reply to a Doc. What replies may look like: tests/annotate/formats."""

from __future__ import annotations

import json

import pytest
import spacy

from spacy_llama_ner.annotate.chat import Reject, Reply
from spacy_llama_ner.annotate.labeller import Labeller
from spacy_llama_ner.annotate.prompts import Prompt

from ..evaluate.sample import GOLD, gold_doc

NLP = spacy.blank("en")
LABELS = {"NAME": "", "DATE": ""}


def test_the_question_has_the_prompt_the_schema_and_the_text() -> None:
    doc = NLP("Call Ida")
    question = Labeller(Prompt("entities"), LABELS).job(doc).question
    assert question.messages == Prompt("entities").messages(doc, LABELS)
    assert question.text == "Call Ida"
    assert "NAME" in json.dumps(question.schema)
    assert Labeller(Prompt("brackets"), LABELS).job(doc).question.schema is None


def test_a_longer_text_may_get_a_longer_reply_unless_it_is_said_how_long() -> None:
    short, long = NLP("Call Ida"), NLP("Call Ida " * 100)
    labeller = Labeller(Prompt("words"), LABELS)
    assert labeller.job(short).question.max_tokens < labeller.job(long).question.max_tokens
    assert Labeller(Prompt("words"), LABELS, max_tokens=99).job(long).question.max_tokens == 99


def test_examples_are_chosen_for_each_text() -> None:
    example = gold_doc(NLP, *GOLD[0])
    asked = []

    def examples_for(doc: spacy.tokens.Doc) -> list[spacy.tokens.Doc]:
        asked.append(doc.text)
        return [example]

    question = Labeller(Prompt("brackets"), LABELS, examples_for=examples_for).job(NLP("Wake Tomas")).question
    assert asked == ["Wake Tomas"]
    assert [message.content for message in question.messages[1:]] == [
        "Call Ida Holm on Friday.",
        "Call [Ida Holm](NAME) on [Friday](DATE).",
        "Wake Tomas",
    ]


def test_entities_that_the_doc_had_are_replaced_and_every_word_is_annotated() -> None:
    doc = gold_doc(NLP, "Call Ida on Friday", [("Friday", "DATE")])
    Labeller(Prompt("brackets"), LABELS).read(Reply("Call [Ida](NAME) on Friday", 1, 1, 0.1), doc)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ida", "NAME")]
    assert [token.ent_iob_ for token in doc] == ["O", "B", "O", "O"]


def test_what_cannot_be_written_to_a_file_is_no_label() -> None:
    reply = Reply('[["Ida", "NA\\ud800ME"]]', 1, 1, 0.1)
    labelled = Labeller(Prompt("entities"), LABELS).read(reply, NLP("Call Ida"))
    assert [problem.problem for problem in labelled.problems] == ["label not allowed"]
    labelled.problems[0].detail.encode()


def test_a_reply_in_another_format_is_rejected() -> None:
    with pytest.raises(Reject, match="no JSON"):
        Labeller(Prompt("words"), LABELS).read(Reply("Call Ida", 1, 1, 0.1), NLP("Call Ida"))
