"""What goes into each tool, and what its exports say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.experts.doccano import Doccano
from spacy_llama_ner.experts.formats import FORMATS, guess_format
from spacy_llama_ner.experts.label_studio import LabelStudio, interface
from spacy_llama_ner.experts.prodigy import Prodigy
from spacy_llama_ner.experts.prodigy import to_json as prodigy_task
from spacy_llama_ner.experts.records import Answer, AnswerError, Mark, Task, make_tasks, task_key
from tests.experts.samples import EXPORTS, LABELS, MEETING, NLP, PEOPLE, marked, with_scores

MARKS = (Mark(0, 9, "PER"), Mark(14, 21, "PER"), Mark(25, 29, "LOC"), Mark(37, 39, "PER"))
TEXTS = [
    MEETING,
    "Nobody came to the old mill.",
    "Skip this one, Mara.",
    "Two answers for Tilda Moss.",
    "Nobody has seen this text.",
]


def records(name: str) -> list[dict[str, Any]]:
    text = (EXPORTS / name).read_text(encoding="utf8")
    return json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]


def answers(name: str) -> list[Answer]:
    found = [each for record in records(name) for each in FORMATS[TOOLS[name]].read(record)]
    assert all(isinstance(each, Answer) for each in found)
    return found


def bare(marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    return tuple(Mark(mark.start, mark.end, mark.label) for mark in marks)


TOOLS = {
    "label-studio.json": "label-studio",
    "label-studio-min.json": "label-studio",
    "prodigy.jsonl": "prodigy",
    "doccano.jsonl": "doccano",
    "doccano-relations.jsonl": "doccano",
    "doccano-1.0.jsonl": "doccano",
    "doccano-1.0-numbers.jsonl": "doccano",
}


@pytest.mark.parametrize("name", [name for name in TOOLS if "numbers" not in name])
def test_every_record_tells_its_tool(name: str) -> None:
    assert {guess_format(record).name for record in records(name)} == {TOOLS[name]}


@pytest.mark.parametrize("record", [{}, {"text": "a"}, [], None, {"text": "a", "spans": []}])
def test_a_record_of_nowhere_tells_none(record: object) -> None:
    assert guess_format(record) is None


def test_label_studio_json() -> None:
    done, empty, skipped, first, second, unseen = answers("label-studio.json")
    assert [each.text for each in (done, empty, skipped, first, unseen)] == TEXTS
    assert bare(done.marks) == MARKS
    assert done.marks[3].text == "Cy"
    assert (done.key, done.annotator, done.verdict) == (task_key(NLP.make_doc(MEETING)), "1", "done")
    assert (empty.marks, empty.verdict) == ((), "done")
    assert (skipped.marks, skipped.verdict) == ((), "skipped")
    assert first.when < second.when and [len(first.marks), len(second.marks)] == [0, 1]
    assert unseen.verdict == "open"


def test_label_studio_json_min() -> None:
    """Open and skipped texts are not in it, a text without marks has no list of them, the last answer comes first."""
    done, empty, second, first = answers("label-studio-min.json")
    assert bare(done.marks) == MARKS
    assert (empty.text, empty.marks, empty.verdict) == (TEXTS[1], (), "done")
    assert first.when < second.when and [len(first.marks), len(second.marks)] == [0, 1]
    assert (done.key, done.annotator) == (task_key(NLP.make_doc(MEETING)), "1")


def test_label_studio_of_the_first_years_and_of_the_enterprise() -> None:
    record = records("label-studio.json")[0]
    record["completions"] = record.pop("annotations")
    record["completions"][0]["completed_by"] = {"id": 3, "email": "mara@example.org"}
    (answer,) = LabelStudio().read(record)
    assert isinstance(answer, Answer)
    assert (bare(answer.marks), answer.annotator) == (MARKS, "mara@example.org")


def test_an_annotation_without_a_result_is_no_empty_one() -> None:
    record = records("label-studio.json")[0]
    del record["annotations"][0]["result"]
    (answer,) = LabelStudio().read(record)
    assert isinstance(answer, AnswerError) and "result is None; expected a list" in str(answer)


def test_answers_to_other_questions_are_passed_over() -> None:
    record = records("label-studio.json")[0]
    choice = {"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": ["gay"]}}
    record["annotations"][0]["result"].append(choice)
    (answer,) = LabelStudio().read(record)
    assert isinstance(answer, Answer) and bare(answer.marks) == MARKS


@pytest.mark.parametrize(
    ("labels", "message"), [([], "the labels .*; expected one"), (["PER", "LOC"], "expected one"), ([7], "is 7")]
)
def test_one_bad_annotation_leaves_the_others(labels: list[object], message: str) -> None:
    record = records("label-studio.json")[3]
    record["annotations"][1]["result"][0]["value"]["labels"] = labels
    good, bad = LabelStudio().read(record)
    assert isinstance(good, Answer) and isinstance(bad, AnswerError)
    with pytest.raises(AnswerError, match=message):
        raise bad


def test_prodigy() -> None:
    done, old, rejected, ignored, *binary = answers("prodigy.jsonl")
    assert bare(done.marks) == (Mark(0, 9, "PER"), Mark(14, 21, "PER"))
    assert done.words is not None and done.words[:2] == (("Ada", True), ("Quill", True))
    assert (done.annotator, done.partial) == ("letters-mara", False)
    assert done.when < binary[0].when
    # before 1.10: no "ws", no time, no spans where there are none
    assert (old.marks, old.annotator, old.when) == ((), None, "")
    assert old.words is not None and old.words[-2:] == (("mill", False), (".", False))
    assert rejected.verdict == ignored.verdict == "skipped"
    assert all(each.partial for each in binary)
    assert [each.verdict for each in binary] == ["done", "done", "skipped"]


def test_a_span_that_was_rejected_is_none() -> None:
    record = records("prodigy.jsonl")[0]
    record["spans"][1]["answer"] = "reject"
    (answer,) = Prodigy().read(record)
    assert isinstance(answer, Answer) and bare(answer.marks) == (Mark(0, 9, "PER"),)


@pytest.mark.parametrize("answer", [None, "maybe", 1, ["accept"]])
def test_prodigy_without_an_answer_is_refused(answer: object) -> None:
    with pytest.raises(AnswerError, match="expected one of accept, reject, ignore"):
        Prodigy().read({**records("prodigy.jsonl")[0], "answer": answer})


def test_doccano() -> None:
    done, empty = answers("doccano.jsonl")
    assert (done.text, bare(done.marks)) == (MEETING, MARKS)
    assert (empty.text, empty.marks) == (TEXTS[1], ())
    (relations,) = answers("doccano-relations.jsonl")
    assert bare(relations.marks) == (MARKS[0], MARKS[2])
    (first,) = answers("doccano-1.0.jsonl")
    assert bare(first.marks) == (MARKS[0], MARKS[3])


def test_doccano_with_numbers_for_labels_is_refused() -> None:
    (record,) = records("doccano-1.0-numbers.jsonl")
    with pytest.raises(AnswerError, match="no list of marks; expected one of label, labels, entities. Export"):
        Doccano().read(record)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": [[0, 9]]}, r"a mark is \[0, 9\]; expected \[start, end, label\]"),
        ({"label": [["0", 9, "PER"]]}, "the start of a mark is '0'; expected its place"),
        ({"label": [[0, True, "PER"]]}, "the end of a mark is True"),
        ({"label": [[0, 9, ""]]}, "the label of a mark is empty"),
        ({"label": {"0": 9}}, "label is {'0': 9}; expected a list"),
        ({"entities": []}, "it has label and entities"),
        ({"text": 7}, "text is 7; expected a text"),
        ({"text": " "}, "text is empty"),
    ],
)
def test_doccano_that_is_damaged_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AnswerError, match=message):
        Doccano().read({**records("doccano.jsonl")[0], **change})


@pytest.fixture
def task() -> Task:
    doc = with_scores(marked(MEETING, PEOPLE[0], ("Rome", "LOC"), ("Cy", "OTHER")), [0.91, 0.4, 0.1])
    (task,) = make_tasks([doc, doc, NLP.make_doc("  ")], LABELS)
    return task


def read_back(name: str, task: Task, folder: Path) -> list[dict[str, Any]]:
    FORMATS[name].write([task], LABELS, folder)
    text = (folder / FORMATS[name].file).read_text(encoding="utf8")
    return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


def test_tasks_for_label_studio(task: Task, tmp_path: Path) -> None:
    (record,) = read_back("label-studio", task, tmp_path)
    assert record["data"] == {"text": MEETING, "key": task.key}
    (prediction,) = record["predictions"]
    assert prediction["score"] == 0.4
    assert [each["value"] for each in prediction["result"]] == [
        {"start": 0, "end": 9, "text": "Ada Quill", "labels": ["PER"]},
        {"start": 25, "end": 29, "text": "Rome", "labels": ["LOC"]},
    ]
    assert [each["score"] for each in prediction["result"]] == [0.91, 0.4]
    root = ElementTree.parse(tmp_path / "labels.xml").getroot()
    names = {each.get("name"): each.tag for each in root}
    assert {(each["from_name"], each["to_name"]) for each in prediction["result"]} == {("label", "text")}
    assert names == {"label": "Labels", "text": "Text"}
    assert [each.get("value") for each in root.iter("Label")] == LABELS


def test_a_label_with_signs_of_xml() -> None:
    labels = ['A & "B"', "<C>"]
    assert [each.get("value") for each in ElementTree.fromstring(interface(labels)).iter("Label")] == labels


def test_tasks_for_prodigy(task: Task, tmp_path: Path) -> None:
    (record,) = read_back("prodigy", task, tmp_path)
    assert record["text"] == MEETING
    spans = [(span["text"], span["label"], span["token_start"], span["token_end"]) for span in record["spans"]]
    assert spans == [("Ada Quill", "PER", 0, 1), ("Rome", "LOC", 6, 6)]
    assert record["meta"] == {"key": task.key, "score": 0.4}
    assert record["tokens"][1] == {"text": "Quill", "start": 4, "end": 9, "id": 1, "ws": True}
    # accepted as it stands
    (answer,) = Prodigy().read({**record, "answer": "accept", "_view_id": "ner_manual"})
    assert isinstance(answer, Answer) and (answer.key, bare(answer.marks)) == (task.key, (MARKS[0], MARKS[2]))


def test_tasks_for_doccano(task: Task, tmp_path: Path) -> None:
    (record,) = read_back("doccano", task, tmp_path)
    assert record == {
        "text": MEETING,
        "label": [[0, 9, "PER"], [25, 29, "LOC"]],
        "key": task.key,
        "scores": "Ada Quill: 0.91. Rome: 0.40.",
    }
    (answer,) = Doccano().read({"id": 1, **record, "Comments": []})
    assert isinstance(answer, Answer) and (answer.key, bare(answer.marks)) == (task.key, (MARKS[0], MARKS[2]))


def test_the_key_knows_the_words() -> None:
    one, other = Doc(NLP.vocab, words=["a", "b"]), Doc(NLP.vocab, words=["a b"], spaces=[True])
    assert one.text == other.text
    assert task_key(one) == task_key(Doc(NLP.vocab, words=["a", "b"]))
    assert task_key(one) != task_key(other)
    assert task_key(marked("Ada met Bo", ("Ada", "PER"))) == task_key(NLP.make_doc("Ada met Bo"))


def test_json_min_with_a_mark_without_a_label_is_refused_and_not_taken_for_empty() -> None:
    marks = [{"start": 0, "end": 3, "labels": ["PER"]}, {"start": 8, "end": 10}]
    with pytest.raises(AnswerError, match="labels is None; expected a list"):
        LabelStudio().read({"annotation_id": 1, "text": "Ada met Bo", "label": marks})


def test_white_space_among_prodigys_tokens_is_a_word_like_others() -> None:
    doc = Doc(NLP.vocab, words=["Ida", " ", "Holm"], spaces=[True, False, False])
    (task,) = make_tasks([doc], ["PER"])
    (answer,) = Prodigy().read({**prodigy_task(task), "answer": "accept"})
    assert isinstance(answer, Answer) and answer.words == (("Ida", True), (" ", False), ("Holm", False))
