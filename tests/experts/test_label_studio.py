"""What goes into Label Studio, and what its exports say."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from spacy_llama_ner.experts.label_studio import LabelStudioFormat, labelling_interface
from spacy_llama_ner.experts.records import Annotation, AnnotationError, Task, task_key
from tests.experts.exported import SPANS, TEXTS, annotations, read_back, records, without_text
from tests.experts.samples import LABELS, MEETING, NLP


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


def test_json_min_with_a_mark_without_a_label_is_refused_and_not_taken_for_empty() -> None:
    marks = [{"start": 0, "end": 3, "labels": ["PER"]}, {"start": 8, "end": 10}]
    with pytest.raises(AnnotationError, match="labels is None; expected a list"):
        LabelStudioFormat().read({"annotation_id": 1, "text": "Ada met Bo", "label": marks})
