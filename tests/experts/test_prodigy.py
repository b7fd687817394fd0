"""What goes into Prodigy, and what its exports say."""

from __future__ import annotations

from pathlib import Path

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.experts.prodigy import ProdigyFormat
from spacy_llama_ner.experts.prodigy import task_to_json as prodigy_task
from spacy_llama_ner.experts.records import Annotation, AnnotationError, SpanAnnotation, Task, make_tasks
from tests.experts.exported import SPANS, annotations, read_back, records, without_text
from tests.experts.samples import MEETING, NLP


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


def test_white_space_among_prodigys_tokens_is_a_word_like_others() -> None:
    doc = Doc(NLP.vocab, words=["Ida", " ", "Holm"], spaces=[True, False, False])
    (task,) = make_tasks([doc], ["PER"])
    (annotation,) = ProdigyFormat().read({**prodigy_task(task), "answer": "accept"})
    assert isinstance(annotation, Annotation) and annotation.words == (("Ida", True), (" ", False), ("Holm", False))
