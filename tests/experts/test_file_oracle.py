"""Texts wait in a folder for whatever tool the experts work in, and finished files come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.experts import TASK_FORMATS, FileOracle, PendingAnnotationsError
from tests.experts.samples import LABELS, MEETING, NLP, PEOPLE, ents, marked, tags, with_scores

OTHERS = ["Nobody came to the old mill.", "Skip this one, Mara."]
GOLD = {MEETING: PEOPLE, OTHERS[0]: [], OTHERS[1]: []}


def make_docs() -> list[Doc]:
    suggested = with_scores(marked(MEETING, PEOPLE[0], ("Rome", "LOC")), [0.91, 0.4])
    return [suggested, *(NLP.make_doc(text) for text in OTHERS)]


def make_oracle(folder: Path, format: str = "prodigy", **settings: Any) -> FileOracle:
    return FileOracle(folder, format, LABELS, **settings)


def wait(oracle: FileOracle, docs: list[Doc]) -> Path:
    """Ask in vain; the folder that the texts wait in."""
    with pytest.raises(PendingAnnotationsError, match="put the finished file into .*done, and give the same"):
        oracle.ask(docs)
    (folder,) = (each for each in oracle.folder.iterdir() if not any((each / "done").iterdir()))
    return folder


def label(format: str, task: dict[str, Any]) -> dict[str, Any]:
    """A task as the tool exports it when an expert has put it right."""
    text = (task.get("data") or task)["text"]
    marks = [(text.index(piece), text.index(piece) + len(piece), name) for piece, name in GOLD[text]]
    if format == "doccano":
        return {**task, "label": [list(mark) for mark in marks]}
    if format == "prodigy":
        spans = [{"start": start, "end": end, "label": name} for start, end, name in marks]
        return {**task, "spans": spans, "answer": "accept"}
    result = [
        {"type": "labels", "value": {"start": start, "end": end, "labels": [name], "text": text[start:end]}}
        for start, end, name in marks
    ]
    return {"data": task["data"], "annotations": [{"result": result, "completed_by": 1}]}


def finish(folder: Path, format: str, *texts: str, name: str = "finished.json") -> None:
    """Label texts of the folder, and put them where the oracle looks."""
    file = folder / TASK_FORMATS[format].filename
    lines = file.read_text("utf8")
    tasks = json.loads(lines) if file.suffix == ".json" else [json.loads(line) for line in lines.splitlines()]
    records = [label(format, task) for task in tasks if (task.get("data") or task)["text"] in texts]
    (folder / "done" / name).write_text(json.dumps(records), "utf8")


@pytest.mark.parametrize("format", TASK_FORMATS)
def test_texts_go_out_with_suggestions_and_come_back_labelled(format: str, tmp_path: Path) -> None:
    docs, oracle = make_docs(), make_oracle(tmp_path, format)
    folder = wait(oracle, docs)
    assert "Ada Quill" in (folder / TASK_FORMATS[format].filename).read_text("utf8")
    finish(folder, format, *GOLD)
    answers = oracle.ask(docs)
    assert [doc.text for doc in answers] == [doc.text for doc in docs]
    assert [ents(doc) for doc in answers] == [PEOPLE, [], []]
    assert set(tags(answers[1])) == {"O"}
    assert not answers[0].spans
    assert ents(docs[0]) == [PEOPLE[0], ("Rome", "LOC")]


def test_several_files_count_together_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    docs = make_docs()
    folder = wait(make_oracle(tmp_path), docs)
    finish(folder, "prodigy", MEETING, name="monday.json")
    with pytest.raises(PendingAnnotationsError, match="2 of 3 texts have no usable annotation .* 'Nobody came"):
        make_oracle(tmp_path).ask(docs)
    finish(folder, "prodigy", *OTHERS, name="tuesday.json")
    assert [ents(doc) for doc in make_oracle(tmp_path).ask(docs)] == [PEOPLE, [], []]
    assert [each.name for each in tmp_path.iterdir()] == [folder.name]
    assert wait(make_oracle(tmp_path), docs[1:]) != folder


def test_of_a_skipped_text_nothing_is_known(tmp_path: Path) -> None:
    docs, oracle = make_docs(), make_oracle(tmp_path)
    folder = wait(oracle, docs)
    finish(folder, "prodigy", MEETING, OTHERS[0])
    (folder / "done" / "skipped.json").write_text(json.dumps([{"text": OTHERS[1], "answer": "ignore"}]), "utf8")
    assert not any(tags(oracle.ask(docs)[2]))


def test_an_answer_that_does_not_fit_is_named_and_waited_for(tmp_path: Path) -> None:
    docs, oracle = make_docs(), make_oracle(tmp_path)
    folder = wait(oracle, docs)
    finish(folder, "prodigy", *OTHERS)
    bad = {"text": MEETING, "spans": [{"start": 0, "end": 9, "label": "HERO"}], "answer": "accept"}
    (folder / "done" / "bad.json").write_text(json.dumps([bad]), "utf8")
    with pytest.raises(
        PendingAnnotationsError, match=r"1 of 3 texts .*\nRecord 1: .*'HERO' .*is none of the labels PER, LOC"
    ):
        oracle.ask(docs)


def test_a_text_that_was_not_given_out_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    docs, oracle = make_docs(), make_oracle(tmp_path)
    folder = wait(oracle, docs)
    finish(folder, "prodigy", *GOLD)
    (folder / "done" / "other.json").write_text(json.dumps([{"text": "Who?", "answer": "accept"}]), "utf8")
    assert [ents(doc) for doc in oracle.ask(docs)] == [PEOPLE, [], []]
    assert "is none of the texts that were exported" in capsys.readouterr().out


def test_a_folder_that_was_begun_is_written_whole(tmp_path: Path) -> None:
    docs = make_docs()
    folder = wait(make_oracle(tmp_path), docs)
    before = (folder / "tasks.jsonl").read_bytes()
    (folder / "export.json").unlink()
    (folder / "tasks.jsonl").unlink()
    wait(make_oracle(tmp_path), docs)
    assert (folder / "tasks.jsonl").read_bytes() == before


def test_white_space_alone_is_nobody_s_work(tmp_path: Path) -> None:
    (answer,) = make_oracle(tmp_path / "none").ask([NLP.make_doc(" \n ")])
    assert not any(tags(answer))
    assert not (tmp_path / "none").exists()


def test_what_is_left_unmarked_can_be_open(tmp_path: Path) -> None:
    docs, oracle = make_docs(), make_oracle(tmp_path, partial=True, unknown="UNSURE")
    finish(wait(oracle, docs), "prodigy", *GOLD)
    assert set(tags(oracle.ask(docs)[0])) == {"B", "I", ""}


def test_a_tool_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'brat' is not known. Expected is one of label-studio, prodigy, doccano"):
        make_oracle(tmp_path, "brat")
