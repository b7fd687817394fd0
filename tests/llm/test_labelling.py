"""From a text to a request, and from the reply to a Doc. What replies may look like: tests/llm/formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc

from spacy_llama_ner.data.docbin import CorpusSummary
from spacy_llama_ner.data.problems import ProblemReport
from spacy_llama_ner.llm.backends.base import RejectedReplyError, Reply, RetryableError
from spacy_llama_ner.llm.labelling import (
    LabelError,
    Labeller,
    NothingLabelledError,
    label_texts,
    read_labels,
    summarize_run,
)
from spacy_llama_ner.llm.prompts import LabellingPrompt
from spacy_llama_ner.llm.reply_log import ReplyLog
from spacy_llama_ner.llm.runner import Progress, RetryPolicy, Runner
from tests.evaluate.sample import GOLD, gold_doc
from tests.llm.scripted import ScriptedBackend
from tests.llm.server import mark_capitals

NLP = spacy.blank("en")
LABELS = {"NAME": "", "DATE": ""}


def test_the_request_has_the_prompt_the_schema_and_the_text() -> None:
    doc = NLP("Call Ida")
    request = Labeller(LabellingPrompt("entities"), LABELS).make_job(doc).request
    assert request.messages == LabellingPrompt("entities").messages(doc, LABELS)
    assert request.text == "Call Ida"
    assert "NAME" in json.dumps(request.schema)
    assert Labeller(LabellingPrompt("brackets"), LABELS).make_job(doc).request.schema is None


def test_a_longer_text_may_get_a_longer_reply_unless_it_is_said_how_long() -> None:
    short, long = NLP("Call Ida"), NLP("Call Ida " * 100)
    labeller = Labeller(LabellingPrompt("words"), LABELS)
    assert labeller.make_job(short).request.max_tokens < labeller.make_job(long).request.max_tokens
    assert Labeller(LabellingPrompt("words"), LABELS, max_tokens=99).make_job(long).request.max_tokens == 99


def test_examples_are_chosen_for_each_text() -> None:
    example = gold_doc(NLP, *GOLD[0])
    asked = []

    def examples_for(doc: spacy.tokens.Doc) -> list[spacy.tokens.Doc]:
        asked.append(doc.text)
        return [example]

    request = (
        Labeller(LabellingPrompt("brackets"), LABELS, select_examples=examples_for)
        .make_job(NLP("Wake Tomas"))
        .request
    )
    assert asked == ["Wake Tomas"]
    assert [message.content for message in request.messages[1:]] == [
        "Call Ida Holm on Friday.",
        "Call [Ida Holm](NAME) on [Friday](DATE).",
        "Wake Tomas",
    ]


def test_entities_that_the_doc_had_are_replaced_and_every_word_is_annotated() -> None:
    doc = gold_doc(NLP, "Call Ida on Friday", [("Friday", "DATE")])
    Labeller(LabellingPrompt("brackets"), LABELS).parse(Reply("Call [Ida](NAME) on Friday", 1, 1, 0.1), doc)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ida", "NAME")]
    assert [token.ent_iob_ for token in doc] == ["O", "B", "O", "O"]


def test_what_cannot_be_written_to_a_file_is_no_label() -> None:
    reply = Reply('[["Ida", "NA\\ud800ME"]]', 1, 1, 0.1)
    labelled = Labeller(LabellingPrompt("entities"), LABELS).parse(reply, NLP("Call Ida"))
    assert [problem.problem for problem in labelled.problems] == ["label not allowed"]
    labelled.problems[0].detail.encode()


def test_a_reply_in_another_format_is_rejected() -> None:
    with pytest.raises(RejectedReplyError, match="no JSON"):
        Labeller(LabellingPrompt("words"), LABELS).parse(Reply("Call Ida", 1, 1, 0.1), NLP("Call Ida"))


def test_names_or_a_config_with_descriptions(tmp_path: Path) -> None:
    path = tmp_path / "labels.cfg"
    path.write_text('[labels]\nDish = "what one can order"\nPLACE = ""\nwork-of-art = null\n', encoding="utf8")
    assert read_labels("Dish, PLACE,work-of-art") == {"Dish": "", "PLACE": "", "work-of-art": ""}
    assert read_labels(str(path)) == {"Dish": "what one can order", "PLACE": "", "work-of-art": ""}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (" , ", "There are no labels"),
        ("NAME,Name", "differ in case alone"),
        ("FIRST NAME", "cannot be a label"),
        ("NAME(S)", "cannot be a label"),
        ("no.cfg", "cannot be read"),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(given: str, problem: str) -> None:
    with pytest.raises(LabelError, match=problem):
        read_labels(given)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ("[generate]\ncount = 3\n", r"has no section \[labels\]"),
        ("[labels]\nNAME = 3\n", "The description of NAME is no text"),
        ("[labels]\n", "There are no labels"),
        ("NAME\n", "cannot be read"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path: Path, config: str, problem: str) -> None:
    path = tmp_path / "labels.cfg"
    path.write_text(config, encoding="utf8")
    with pytest.raises(LabelError, match=problem):
        read_labels(str(path))


class Cents:
    """One for a token in, two for one out."""

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        return input_tokens + 2 * output_tokens


def label(folder: Path, backend: ScriptedBackend, *texts: str | None) -> tuple[list[Doc], ProblemReport, Runner]:
    def numbered() -> Iterator[tuple[int, Doc | str]]:
        for at, text in enumerate(texts, start=1):
            yield at, "no text here" if text is None else NLP(text)

    report = ProblemReport("texts")
    with (
        ReplyLog(folder / "log") as log,
        Runner(
            backend, log, retry_policy=RetryPolicy(max_retries=0, max_attempts=2), progress=Progress(prices=Cents())
        ) as runner,
    ):
        docs = list(label_texts(numbered(), Labeller(LabellingPrompt("brackets"), {"NAME": ""}), runner, report))
    return docs, report, runner


def test_docs_come_in_order_and_the_rest_is_reported_in_order(tmp_path: Path) -> None:
    script = {
        "meet Lena": [RetryableError("down")],
        "call Tomas": ["Something else entirely", "call [Tomas](PERSON)"],
    }
    backend = ScriptedBackend(answer=mark_capitals, script=script)
    docs, report, runner = label(tmp_path, backend, None, "ask Ida", "meet Lena", "call Tomas", "rest", None)
    assert [(doc.text, [ent.text for ent in doc.ents]) for doc in docs] == [
        ("ask Ida", ["Ida"]),
        ("call Tomas", []),
        ("rest", []),
    ]
    assert [(problem.at, problem.problem, problem.action) for problem in report.problems] == [
        (1, "unusable record", "rejected"),
        (3, "no usable reply", "rejected"),
        (4, "label not allowed", "rejected"),
        (6, "unusable record", "rejected"),
    ]
    summary = CorpusSummary()
    for doc in docs:
        summary.add(doc)
    assert summarize_run(runner, report, summary) == {
        "questions": 4,
        "failed": 1,
        "replies": 4,
        "rejected_replies": {"another text": 1},
        "input_tokens": 40,
        "output_tokens": 8,
        "cost": 56.0,
        "docs": 3,
        "words": 5,
        "entities": {"NAME": 1},
        "problems": {
            "label not allowed (rejected)": 1,
            "no usable reply (rejected)": 1,
            "unusable record (rejected)": 2,
        },
    }


def test_the_account_is_the_same_when_all_replies_were_there(tmp_path: Path) -> None:
    texts = ("ask Ida", "ask Ida", "call Tomas")
    _, report, runner = label(tmp_path, ScriptedBackend(answer=mark_capitals), *texts)
    _, again, second = label(tmp_path, ScriptedBackend(), *texts)
    assert second.progress.stats.new_replies == 0
    assert summarize_run(second, again) == summarize_run(runner, report)
    assert summarize_run(runner, report)["input_tokens"] == 20


def test_where_no_text_got_labels_the_reason_is_said(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={"a": [RetryableError("down", "for repair")], "b": [RetryableError("down")]})
    with pytest.raises(NothingLabelledError, match="None of 2 texts .* The first: down: for repair"):
        label(tmp_path, backend, "a", "b")
