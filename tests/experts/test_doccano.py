"""What goes into doccano, and what its exports say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spacy_llama_ner.experts.doccano import DoccanoFormat
from spacy_llama_ner.experts.records import Annotation, AnnotationError, Task
from tests.experts.exported import SPANS, TEXTS, annotations, read_back, records, without_text
from tests.experts.samples import MEETING


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
