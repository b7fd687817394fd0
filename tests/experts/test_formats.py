"""What goes into each tool, and what its exports say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.experts.doccano import DoccanoFormat
from spacy_llama_ner.experts.formats import TASK_FORMATS, guess_format
from spacy_llama_ner.experts.label_studio import LabelStudioFormat, labelling_interface
from spacy_llama_ner.experts.prodigy import ProdigyFormat
from spacy_llama_ner.experts.prodigy import task_to_json as prodigy_task
from spacy_llama_ner.experts.records import Annotation, AnnotationError, SpanAnnotation, Task, make_tasks, task_key
from tests.experts.samples import EXPORTS, LABELS, MEETING, NLP, PEOPLE, marked, with_scores

SPANS = (
    SpanAnnotation(0, 9, "PER"),
    SpanAnnotation(14, 21, "PER"),
    SpanAnnotation(25, 29, "LOC"),
    SpanAnnotation(37, 39, "PER"),
)
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


def annotations(name: str) -> list[Annotation]:
    found = [each for record in records(name) for each in TASK_FORMATS[TOOLS[name]].read(record)]
    assert all(isinstance(each, Annotation) for each in found)
    return found


def without_text(spans: tuple[SpanAnnotation, ...]) -> tuple[SpanAnnotation, ...]:
    return tuple(SpanAnnotation(span.start, span.end, span.label) for span in spans)


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
    done, empty, skipped, first, second, unseen = annotations("label-studio.json")
    assert [each.text for each in (done, empty, skipped, first, unseen)] == TEXTS
    assert without_text(done.spans) == SPANS
    assert done.spans[3].text == "Cy"
    assert (done.key, done.annotator, done.status) == (task_key(NLP.make_doc(MEETING)), "1", "done")
    assert (empty.spans, empty.status) == ((), "done")
    assert (skipped.spans, skipped.status) == ((), "skipped")
    assert first.timestamp < second.timestamp and [len(first.spans), len(second.spans)] == [0, 1]
    assert unseen.status == "open"


def test_label_studio_json_min() -> None:
    """Open and skipped texts are not in it, a text without marks has no list of them, the last answer comes first."""
    done, empty, second, first = annotations("label-studio-min.json")
    assert without_text(done.spans) == SPANS
    assert (empty.text, empty.spans, empty.status) == (TEXTS[1], (), "done")
    assert first.timestamp < second.timestamp and [len(first.spans), len(second.spans)] == [0, 1]
    assert (done.key, done.annotator) == (task_key(NLP.make_doc(MEETING)), "1")


def test_label_studio_of_the_first_years_and_of_the_enterprise() -> None:
    record = records("label-studio.json")[0]
    record["completions"] = record.pop("annotations")
    record["completions"][0]["completed_by"] = {"id": 3, "email": "mara@example.org"}
    (annotation,) = LabelStudioFormat().read(record)
    assert isinstance(annotation, Annotation)
    assert (without_text(annotation.spans), annotation.annotator) == (SPANS, "mara@example.org")


def test_an_annotation_without_a_result_is_no_empty_one() -> None:
    record = records("label-studio.json")[0]
    del record["annotations"][0]["result"]
    (annotation,) = LabelStudioFormat().read(record)
    assert isinstance(annotation, AnnotationError) and "result is None; expected a list" in str(annotation)


def test_answers_to_other_questions_are_passed_over() -> None:
    record = records("label-studio.json")[0]
    choice = {"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": ["gay"]}}
    record["annotations"][0]["result"].append(choice)
    (annotation,) = LabelStudioFormat().read(record)
    assert isinstance(annotation, Annotation) and without_text(annotation.spans) == SPANS


@pytest.mark.parametrize(
    ("labels", "message"), [([], "the labels .*; expected one"), (["PER", "LOC"], "expected one"), ([7], "is 7")]
)
def test_one_bad_annotation_leaves_the_others(labels: list[object], message: str) -> None:
    record = records("label-studio.json")[3]
    record["annotations"][1]["result"][0]["value"]["labels"] = labels
    good, bad = LabelStudioFormat().read(record)
    assert isinstance(good, Annotation) and isinstance(bad, AnnotationError)
    with pytest.raises(AnnotationError, match=message):
        raise bad


def test_prodigy() -> None:
    done, old, rejected, ignored, *binary = annotations("prodigy.jsonl")
    assert without_text(done.spans) == (SpanAnnotation(0, 9, "PER"), SpanAnnotation(14, 21, "PER"))
    assert done.words is not None and done.words[:2] == (("Ada", True), ("Quill", True))
    assert (done.annotator, done.partial) == ("letters-mara", False)
    assert done.timestamp < binary[0].timestamp
    # before 1.10: no "ws", no time, no spans where there are none
    assert (old.spans, old.annotator, old.timestamp) == ((), None, "")
    assert old.words is not None and old.words[-2:] == (("mill", False), (".", False))
    assert rejected.status == ignored.status == "skipped"
    assert all(each.partial for each in binary)
    assert [each.status for each in binary] == ["done", "done", "skipped"]


def test_a_span_that_was_rejected_is_none() -> None:
    record = records("prodigy.jsonl")[0]
    record["spans"][1]["answer"] = "reject"
    (annotation,) = ProdigyFormat().read(record)
    assert isinstance(annotation, Annotation) and without_text(annotation.spans) == (SpanAnnotation(0, 9, "PER"),)


@pytest.mark.parametrize("answer", [None, "maybe", 1, ["accept"]])
def test_prodigy_without_an_answer_is_refused(answer: object) -> None:
    with pytest.raises(AnnotationError, match="expected one of accept, reject, ignore"):
        ProdigyFormat().read({**records("prodigy.jsonl")[0], "answer": answer})


def test_doccano() -> None:
    done, empty = annotations("doccano.jsonl")
    assert (done.text, without_text(done.spans)) == (MEETING, SPANS)
    assert (empty.text, empty.spans) == (TEXTS[1], ())
    (relations,) = annotations("doccano-relations.jsonl")
    assert without_text(relations.spans) == (SPANS[0], SPANS[2])
    (first,) = annotations("doccano-1.0.jsonl")
    assert without_text(first.spans) == (SPANS[0], SPANS[3])


def test_doccano_with_numbers_for_labels_is_refused() -> None:
    (record,) = records("doccano-1.0-numbers.jsonl")
    with pytest.raises(AnnotationError, match="no list of spans; expected one of label, labels, entities. Export"):
        DoccanoFormat().read(record)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": [[0, 9]]}, r"a span is \[0, 9\]; expected \[start, end, label\]"),
        ({"label": [["0", 9, "PER"]]}, "the start of a span is '0'; expected its place"),
        ({"label": [[0, True, "PER"]]}, "the end of a span is True"),
        ({"label": [[0, 9, ""]]}, "the label of a span is empty"),
        ({"label": {"0": 9}}, "label is {'0': 9}; expected a list"),
        ({"entities": []}, "it has label and entities"),
        ({"text": 7}, "text is 7; expected a text"),
        ({"text": " "}, "text is empty"),
    ],
)
def test_doccano_that_is_damaged_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        DoccanoFormat().read({**records("doccano.jsonl")[0], **change})


@pytest.fixture
def task() -> Task:
    doc = with_scores(marked(MEETING, PEOPLE[0], ("Rome", "LOC"), ("Cy", "OTHER")), [0.91, 0.4, 0.1])
    (task,) = make_tasks([doc, doc, NLP.make_doc("  ")], LABELS)
    return task


def read_back(name: str, task: Task, folder: Path) -> list[dict[str, Any]]:
    TASK_FORMATS[name].write([task], LABELS, folder)
    text = (folder / TASK_FORMATS[name].filename).read_text(encoding="utf8")
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
    assert [each.get("value") for each in ElementTree.fromstring(labelling_interface(labels)).iter("Label")] == labels


def test_tasks_for_prodigy(task: Task, tmp_path: Path) -> None:
    (record,) = read_back("prodigy", task, tmp_path)
    assert record["text"] == MEETING
    spans = [(span["text"], span["label"], span["token_start"], span["token_end"]) for span in record["spans"]]
    assert spans == [("Ada Quill", "PER", 0, 1), ("Rome", "LOC", 6, 6)]
    assert record["meta"] == {"key": task.key, "score": 0.4}
    assert record["tokens"][1] == {"text": "Quill", "start": 4, "end": 9, "id": 1, "ws": True}
    # accepted as it stands
    (annotation,) = ProdigyFormat().read({**record, "answer": "accept", "_view_id": "ner_manual"})
    assert isinstance(annotation, Annotation) and (annotation.key, without_text(annotation.spans)) == (
        task.key,
        (SPANS[0], SPANS[2]),
    )


def test_tasks_for_doccano(task: Task, tmp_path: Path) -> None:
    (record,) = read_back("doccano", task, tmp_path)
    assert record == {
        "text": MEETING,
        "label": [[0, 9, "PER"], [25, 29, "LOC"]],
        "key": task.key,
        "scores": "Ada Quill: 0.91. Rome: 0.40.",
    }
    (annotation,) = DoccanoFormat().read({"id": 1, **record, "Comments": []})
    assert isinstance(annotation, Annotation) and (annotation.key, without_text(annotation.spans)) == (
        task.key,
        (SPANS[0], SPANS[2]),
    )


def test_json_min_with_a_mark_without_a_label_is_refused_and_not_taken_for_empty() -> None:
    marks = [{"start": 0, "end": 3, "labels": ["PER"]}, {"start": 8, "end": 10}]
    with pytest.raises(AnnotationError, match="labels is None; expected a list"):
        LabelStudioFormat().read({"annotation_id": 1, "text": "Ada met Bo", "label": marks})


def test_white_space_among_prodigys_tokens_is_a_word_like_others() -> None:
    doc = Doc(NLP.vocab, words=["Ida", " ", "Holm"], spaces=[True, False, False])
    (task,) = make_tasks([doc], ["PER"])
    (annotation,) = ProdigyFormat().read({**prodigy_task(task), "answer": "accept"})
    assert isinstance(annotation, Annotation) and annotation.words == (("Ida", True), (" ", False), ("Holm", False))
