"""From labels to records: as many as were wanted, checked, and the same from the same replies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import spacy
from spacy.tokens import Doc

from spacy_llama_ner.annotate.chat import Question, Reply
from spacy_llama_ner.annotate.generate import Written, ask_topics, generate, split, write_records
from spacy_llama_ner.annotate.recipe import Recipe
from spacy_llama_ner.annotate.replies import ReplyLog
from spacy_llama_ner.annotate.run import Run
from spacy_llama_ner.data.report import Report
from spacy_llama_ner.data.requests import read_requests

from .scripted import QUICK, ScriptedBackend
from .writer import write_texts

RECIPE = Recipe(labels={"NAME": "", "DATE": ""}, count=30, batch=4, topics=("lunch", "sports"))


class Writer(ScriptedBackend):
    """Answers by what it is asked, not by what about."""

    async def ask(self, question: Question) -> Reply:
        await super().ask(question)
        return Reply(self.answer(question.messages[-1].content + question.text), 1, 1, 0.1)


def make(folder: Path, recipe: Recipe = RECIPE, answer: Callable[[str], str] = write_texts) -> tuple[Written, Writer]:
    backend = Writer(answer=answer)
    with ReplyLog(folder / "log") as log, Run(backend, log, patience=QUICK) as run:
        return generate(recipe, spacy.blank("en"), run, ask_topics(recipe, run)), backend


def shown(docs: list[Doc]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(doc.text, [(ent.text, ent.label_) for ent in doc.ents]) for doc in docs]


def test_there_are_as_many_as_were_wanted_and_no_question_more_than_needed(tmp_path: Path) -> None:
    written, backend = make(tmp_path)
    assert len(written.docs) == 30
    assert len(backend.questions) == 8
    assert not written.rejects
    labels = {ent.label_ for doc in written.docs for ent in doc.ents}
    assert labels == {"NAME", "DATE"}
    assert any(not doc.ents for doc in written.docs)


def test_the_same_replies_give_the_same_records_without_a_question(tmp_path: Path) -> None:
    first, _ = make(tmp_path)
    second, backend = make(tmp_path)
    assert shown(second.docs) == shown(first.docs)
    assert not backend.questions


def test_more_is_asked_for_where_texts_are_rejected(tmp_path: Path) -> None:
    def every_second_is_bad(said: str) -> str:
        texts = json.loads(write_texts(said))["texts"]
        return json.dumps({"texts": [text.replace("](", "(") if i % 2 else text for i, text in enumerate(texts)]})

    written, backend = make(tmp_path, answer=every_second_is_bad)
    assert len(written.docs) == 30
    assert len(backend.questions) > 8
    assert set(written.reasons()) <= {"half a mark", "no entity where some were asked for"}
    row = written.rejects[0]
    assert row["question"] == 1 and "[" in row["record"] and row["detail"].startswith(row["reason"])


def test_it_ends_where_the_model_writes_the_same_again_and_again(tmp_path: Path) -> None:
    written, backend = make(tmp_path, answer=lambda said: '{"texts": ["Call [Ida](NAME) on [Friday](DATE)."]}')
    assert len(written.docs) == 1
    assert len(backend.questions) == 24
    assert written.reasons() == {"near-duplicate": 23}


def test_replies_without_texts_are_asked_for_again_and_then_given_up(tmp_path: Path) -> None:
    written, backend = make(tmp_path, answer=lambda said: "I cannot do that.")
    assert not written.docs
    assert len(backend.questions) == 24 * QUICK.attempts


def test_topics_come_from_the_config_or_the_model(tmp_path: Path) -> None:
    def topics(answer: str, recipe: Recipe) -> list[str]:
        backend = Writer(answer=lambda said: answer)
        with ReplyLog(tmp_path / str(len(answer))) as log, Run(backend, log, patience=QUICK) as run:
            return ask_topics(recipe, run)

    asked = Recipe(labels=RECIPE.labels)
    assert topics("", RECIPE) == ["lunch", "sports"]
    assert topics('{"topics": ["rain", "snow", "rain", 3, " "]}', asked) == ["rain", "snow"]
    assert topics("What a question!", asked) == []


def test_dev_has_its_share_of_every_mixture_and_no_text_is_lost(tmp_path: Path) -> None:
    docs = make(tmp_path, Recipe(labels=RECIPE.labels, count=40, topics=("x",), dev=0.25))[0].docs
    parts = split(docs, Recipe(labels=RECIPE.labels, dev=0.25))
    assert [len(part) for part in parts.values()] == [30, 10]
    assert sorted(doc.text for part in parts.values() for doc in part) == sorted(doc.text for doc in docs)
    assert {ent.label_ for doc in parts["dev"] for ent in doc.ents} == {"NAME", "DATE"}
    assert split(docs, Recipe(labels=RECIPE.labels, dev=0.0))["dev"] == []
    assert split(docs[:1], RECIPE) == {"train": docs[:1], "dev": []}


def test_written_records_convert_without_a_problem(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    doc = nlp("May may see Ümit,\nor May.")
    doc.set_ents([doc.char_span(21, 24, label="NAME"), doc.char_span(12, 16, label="NAME")])
    write_records([doc, nlp("Nothing.")], tmp_path / "train.json")
    report = Report("train.json")
    back = list(read_requests(tmp_path / "train.json", nlp, report))
    assert not report.problems
    assert [[(ent.start, ent.end, ent.label_) for ent in other.ents] for other in back] == [
        [(ent.start, ent.end, ent.label_) for ent in doc.ents],
        [],
    ]
    assert len(re.findall(r"^\{", (tmp_path / "train.json").read_text(encoding="utf8"), re.MULTILINE)) == 2
