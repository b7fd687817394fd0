"""A stream of texts to a stream of labelled docs, and an account of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc

from spacy_llama_ner.annotate.chat import TryAgain
from spacy_llama_ner.annotate.jobs import Patience
from spacy_llama_ner.annotate.labeller import Labeller
from spacy_llama_ner.annotate.progress import Progress
from spacy_llama_ner.annotate.prompts import Prompt
from spacy_llama_ner.annotate.replies import ReplyLog
from spacy_llama_ner.annotate.run import Run
from spacy_llama_ner.annotate.silver import NothingLabelledError, account, label_texts
from spacy_llama_ner.data.docbin import Summary
from spacy_llama_ner.data.report import Report

from .scripted import ScriptedBackend
from .server import mark_capitals

NLP = spacy.blank("en")


class Cents:
    """One for a token in, two for one out."""

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        return input_tokens + 2 * output_tokens


def label(folder: Path, backend: ScriptedBackend, *texts: str | None) -> tuple[list[Doc], Report, Run]:
    def numbered() -> Iterator[tuple[int, Doc | str]]:
        for at, text in enumerate(texts, start=1):
            yield at, "no text here" if text is None else NLP(text)

    report = Report("texts")
    with (
        ReplyLog(folder / "log") as log,
        Run(backend, log, patience=Patience(retries=0, attempts=2), progress=Progress(prices=Cents())) as run,
    ):
        docs = list(label_texts(numbered(), Labeller(Prompt("brackets"), {"NAME": ""}), run, report))
    return docs, report, run


def test_docs_come_in_order_and_the_rest_is_reported_in_order(tmp_path: Path) -> None:
    script = {"meet Lena": [TryAgain("down")], "call Tomas": ["Something else entirely", "call [Tomas](PERSON)"]}
    backend = ScriptedBackend(answer=mark_capitals, script=script)
    docs, report, run = label(tmp_path, backend, None, "ask Ida", "meet Lena", "call Tomas", "rest", None)
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
    summary = Summary()
    for doc in docs:
        summary.add(doc)
    assert account(run, report, summary) == {
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
    _, report, run = label(tmp_path, ScriptedBackend(answer=mark_capitals), *texts)
    _, again, second = label(tmp_path, ScriptedBackend(), *texts)
    assert second.progress.tally.asked == 0
    assert account(second, again) == account(run, report)
    assert account(run, report)["input_tokens"] == 20


def test_where_no_text_got_labels_the_reason_is_said(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={"a": [TryAgain("down", "for repair")], "b": [TryAgain("down")]})
    with pytest.raises(NothingLabelledError, match="None of 2 texts .* The first: down: for repair"):
        label(tmp_path, backend, "a", "b")
