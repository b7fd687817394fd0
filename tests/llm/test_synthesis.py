"""From labels to records: as many as were wanted, checked, and the same from the same replies."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc

from spacy_llama_ner.data.problems import ProblemReport
from spacy_llama_ner.data.span_alignment import read_json_docs
from spacy_llama_ner.llm.backends.base import ChatRequest, Reply
from spacy_llama_ner.llm.labelling import LabelError
from spacy_llama_ner.llm.reply_log import ReplyLog
from spacy_llama_ner.llm.runner import Runner
from spacy_llama_ner.llm.synthesis import (
    SynthesisConfig,
    SynthesisResult,
    generate_docs,
    get_topics,
    make_spec,
    read_synthesis_config,
    split_docs,
    texts_request,
    topics_request,
    write_records,
)
from tests.llm.scripted import NO_WAITING, ScriptedBackend
from tests.llm.writer import write_texts

CONFIG = SynthesisConfig(labels={"NAME": "", "DATE": ""}, count=30, batch=4, topics=("lunch", "sports"))


class Writer(ScriptedBackend):
    """Replies to what the request says, not to its text."""

    async def complete(self, request: ChatRequest) -> Reply:
        await super().complete(request)
        return Reply(self.answer(request.messages[-1].content + request.text), 1, 1, 0.1)


def make(
    folder: Path, config: SynthesisConfig = CONFIG, answer: Callable[[str], str] = write_texts
) -> tuple[SynthesisResult, Writer]:
    backend = Writer(answer=answer)
    with ReplyLog(folder / "log") as log, Runner(backend, log, retry_policy=NO_WAITING) as runner:
        return generate_docs(config, spacy.blank("en"), runner, get_topics(config, runner)), backend


def shown(docs: list[Doc]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(doc.text, [(ent.text, ent.label_) for ent in doc.ents]) for doc in docs]


def test_there_are_as_many_as_wanted_with_no_more_requests_than_needed(tmp_path: Path) -> None:
    written, backend = make(tmp_path)
    assert len(written.docs) == 30
    assert len(backend.requests) == 8
    assert not written.rejects
    labels = {ent.label_ for doc in written.docs for ent in doc.ents}
    assert labels == {"NAME", "DATE"}
    assert any(not doc.ents for doc in written.docs)


def test_the_same_replies_give_the_same_records_without_a_request(tmp_path: Path) -> None:
    first, _ = make(tmp_path)
    second, backend = make(tmp_path)
    assert shown(second.docs) == shown(first.docs)
    assert not backend.requests


def test_more_texts_are_asked_for_where_some_are_rejected(tmp_path: Path) -> None:
    def every_second_is_bad(said: str) -> str:
        texts = json.loads(write_texts(said))["texts"]
        return json.dumps({"texts": [text.replace("](", "(") if i % 2 else text for i, text in enumerate(texts)]})

    written, backend = make(tmp_path, answer=every_second_is_bad)
    assert len(written.docs) == 30
    assert len(backend.requests) > 8
    assert set(written.reasons()) <= {"half a mark", "no entity where some were asked for"}
    row = written.rejects[0]
    assert row["question"] == 1 and "[" in row["record"] and row["detail"].startswith(row["reason"])


def test_it_ends_where_the_model_writes_the_same_again_and_again(tmp_path: Path) -> None:
    written, backend = make(tmp_path, answer=lambda said: '{"texts": ["Call [Ida](NAME) on [Friday](DATE)."]}')
    assert len(written.docs) == 1
    assert len(backend.requests) == 24
    assert written.reasons() == {"near-duplicate": 23}


def test_replies_without_texts_are_asked_for_again_and_then_given_up(tmp_path: Path) -> None:
    written, backend = make(tmp_path, answer=lambda said: "I cannot do that.")
    assert not written.docs
    assert len(backend.requests) == 24 * NO_WAITING.max_attempts


def test_topics_come_from_the_config_or_the_model(tmp_path: Path) -> None:
    def topics(answer: str, config: SynthesisConfig) -> list[str]:
        backend = Writer(answer=lambda said: answer)
        with ReplyLog(tmp_path / str(len(answer))) as log, Runner(backend, log, retry_policy=NO_WAITING) as runner:
            return get_topics(config, runner)

    asked = SynthesisConfig(labels=CONFIG.labels)
    assert topics("", CONFIG) == ["lunch", "sports"]
    assert topics('{"topics": ["rain", "snow", "rain", 3, " "]}', asked) == ["rain", "snow"]
    assert topics("What a question!", asked) == []


def test_dev_has_its_share_of_every_mixture_and_no_text_is_lost(tmp_path: Path) -> None:
    docs = make(tmp_path, SynthesisConfig(labels=CONFIG.labels, count=40, topics=("x",), dev=0.25))[0].docs
    parts = split_docs(docs, SynthesisConfig(labels=CONFIG.labels, dev=0.25))
    assert [len(part) for part in parts.values()] == [30, 10]
    assert sorted(doc.text for part in parts.values() for doc in part) == sorted(doc.text for doc in docs)
    assert {ent.label_ for doc in parts["dev"] for ent in doc.ents} == {"NAME", "DATE"}
    assert split_docs(docs, SynthesisConfig(labels=CONFIG.labels, dev=0.0))["dev"] == []
    assert split_docs(docs[:1], CONFIG) == {"train": docs[:1], "dev": []}


def test_written_records_convert_without_a_problem(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    doc = nlp("May may see Ümit,\nor May.")
    doc.set_ents([doc.char_span(21, 24, label="NAME"), doc.char_span(12, 16, label="NAME")])
    write_records([doc, nlp("Nothing.")], tmp_path / "train.json")
    report = ProblemReport("train.json")
    back = list(read_json_docs(tmp_path / "train.json", nlp, report=report))
    assert not report.problems
    assert [[(ent.start, ent.end, ent.label_) for ent in other.ents] for other in back] == [
        [(ent.start, ent.end, ent.label_) for ent in doc.ents],
        [],
    ]
    assert len(re.findall(r"^\{", (tmp_path / "train.json").read_text(encoding="utf8"), re.MULTILINE)) == 2


CONFIG_FILE = """
[labels]
DISH = "what one can spec"
DRINK = ""

[generate]
count = 40
domain = "specs in a restaurant"
dev = 0.2
topics = ["lunch", "a complaint"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.cfg"
    path.write_text(text, encoding="utf8")
    return path


def test_what_is_not_given_has_a_default(tmp_path: Path) -> None:
    config = read_synthesis_config(write(tmp_path, CONFIG_FILE))
    assert config == SynthesisConfig(
        labels={"DISH": "what one can spec", "DRINK": ""},
        count=40,
        domain="specs in a restaurant",
        dev=0.2,
        topics=("lunch", "a complaint"),
    )
    assert read_synthesis_config(write(tmp_path, "[labels]\nDISH = null\n")) == SynthesisConfig(labels={"DISH": ""})


def test_the_config_in_the_guide_can_be_read(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "llm-labels.md").read_text(encoding="utf8")
    config = read_synthesis_config(write(tmp_path, guide.split('```ini title="orders.cfg"\n')[1].split("```")[0]))
    assert list(config.labels) == ["DISH", "GUEST", "TIME"]
    assert (config.count, config.domain) == (400, "phone calls to a restaurant")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("count = 0", "`count` in .* is 0; expected is a whole number from 1 on"),
        ("count = 2.5", "expected is a whole number"),
        ("batch = true", "expected is a whole number"),
        ("dev = 1.0", "expected is a number from 0 to 0.9"),
        ("temperature = -1", "expected is a number from 0 to 2"),
        ('topics = "lunch"', "expected is a list"),
        ("forms = []", "expected is a list"),
        ('topics = [""]', "expected is a list"),
        ("domain = 3", "expected is a text"),
        ("number = 3", "has 'number', which is not known. Known are: count, domain"),
        ('labels = "DISH"', "has 'labels', which is not known"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(LabelError, match=problem):
        read_synthesis_config(write(tmp_path, f"[labels]\nDISH = null\n\n[generate]\n{line}\n"))


def test_a_section_that_is_not_known_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="has 'generat', which is not known"):
        read_synthesis_config(write(tmp_path, "[labels]\nDISH = null\n\n[generat]\ncount = 3\n"))


SPEC_CONFIG = SynthesisConfig(labels={"NAME": "", "DATE": "", "TIME": ""}, negatives=0.2)
TOPICS = ["lunch", "a meeting", "sports"]
SPECS = [make_spec(SPEC_CONFIG, TOPICS, i) for i in range(300)]


def test_topics_labels_forms_and_lengths_come_in_equal_shares() -> None:
    assert set(Counter(spec.topic for spec in SPECS).values()) == {100}
    positive = [spec for spec in SPECS if spec.labels]
    assert min(Counter(label for spec in positive for label in spec.labels).values()) > 100
    assert set(Counter(spec.form for spec in SPECS)) == set(SPEC_CONFIG.forms)
    assert set(Counter(spec.length for spec in SPECS)) == set(SPEC_CONFIG.lengths)
    assert {(spec.topic, spec.labels[0]) for spec in positive} == {
        (t, label) for t in TOPICS for label in SPEC_CONFIG.labels
    }


def test_texts_without_entities_come_evenly_spread() -> None:
    negative = [spec.number for spec in SPECS if not spec.labels]
    assert len(negative) == 60
    assert {b - a for a, b in pairwise(negative)} == {5}
    assert all(make_spec(replace(SPEC_CONFIG, negatives=0.0), TOPICS, i).labels for i in range(50))


def test_no_label_is_wanted_twice() -> None:
    assert all(len(set(spec.labels)) == len(spec.labels) for spec in SPECS)
    assert make_spec(replace(SPEC_CONFIG, labels={"NAME": ""}), TOPICS, 1).labels == ("NAME",)


def test_a_spec_is_the_same_in_every_process_and_another_for_another_seed() -> None:
    assert make_spec(SPEC_CONFIG, TOPICS, 7) == make_spec(SPEC_CONFIG, TOPICS, 7)
    assert [make_spec(replace(SPEC_CONFIG, seed=1), TOPICS, i) for i in range(300)] != SPECS
    spec = make_spec(SPEC_CONFIG, TOPICS, 0)
    assert (spec.topic, spec.labels) == ("sports", ("NAME", "TIME"))


def test_the_request_names_all_of_the_spec() -> None:
    config = replace(SPEC_CONFIG, domain="an office", style="curt", batch=5, language="de")
    spec = make_spec(config, TOPICS, 0)
    request = texts_request(config, spec)
    said = request.messages[-1].content
    for part in (
        "5 texts",
        "an office",
        "curt",
        spec.topic,
        spec.form,
        spec.length,
        *spec.labels,
        "Language: de",
    ):
        assert part in said
    negative = texts_request(config, replace(spec, labels=())).messages[-1].content
    assert "None of the texts has an entity" in negative
    assert texts_request(config, make_spec(config, TOPICS, 1)).key("m") != request.key("m")
    assert request.temperature == 1.0


def test_without_topics_the_model_is_asked_for_some() -> None:
    assert "24 topics" in topics_request(SPEC_CONFIG).messages[-1].content
    assert make_spec(SPEC_CONFIG, [], 0).topic == ""
    assert "Topic" not in texts_request(SPEC_CONFIG, make_spec(SPEC_CONFIG, [], 0)).messages[-1].content
