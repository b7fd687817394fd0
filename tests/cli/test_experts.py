"""`export` and `import`: texts go out with suggestions, and come back as a corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from tests.cli.helpers import fails, read_docs, succeeds
from tests.experts.samples import EXPORTS, MEETING, PEOPLE, ents, tags

TEXTS = ["Ida Holm calls at noon.", "Nobody calls.", "Ida Holm calls at noon."]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf8")
    return path


def test_texts_go_out_with_suggestions(model: Path, texts: Path, tmp_path: Path) -> None:
    said = succeeds("export", model, texts, tmp_path / "tasks", "--format", "prodigy", "--labels", "NAME, PLACE")
    assert "tasks.jsonl: 2 texts" in said
    lines = (tmp_path / "tasks" / "tasks.jsonl").read_text(encoding="utf8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["text"] for row in rows] == TEXTS[:2]
    assert [(span["text"], span["label"]) for span in rows[0]["spans"]] == [("Ida Holm", "NAME")]


def test_labels_that_docs_have_already_are_no_suggestions(model: Path, tmp_path: Path) -> None:
    doc = Doc(spacy.blank("en").vocab, words=["Some", "where"], ents=["B-PLACE", "I-PLACE"])
    DocBin(docs=[doc]).to_disk(tmp_path / "texts.spacy")
    succeeds("export", model, tmp_path / "texts.spacy", tmp_path / "tasks", "--format", "doccano")
    assert json.loads((tmp_path / "tasks" / "tasks.jsonl").read_text(encoding="utf8"))["label"] == []


@pytest.mark.parametrize("format", ["label-studio", "prodigy", "doccano"])
def test_each_tool_gets_its_file_and_is_told_what_to_do_with_it(
    format: str, model: Path, texts: Path, tmp_path: Path
) -> None:
    said = succeeds("export", model, texts, tmp_path / "tasks", "--format", format)
    about = json.loads((tmp_path / "tasks" / "export.json").read_text(encoding="utf8"))
    assert "NAME" in about["labels"]
    assert "xport" in said


def test_a_folder_that_experts_work_on_is_left_alone(model: Path, texts: Path, tmp_path: Path) -> None:
    succeeds("export", model, texts, tmp_path / "tasks", "--format", "doccano")
    assert "is not empty" in fails("export", model, texts, tmp_path / "tasks", "--format", "doccano")


def test_what_cannot_be_exported(model: Path, texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "tasks"
    assert "cannot be loaded" in fails("export", tmp_path / "none", texts, output, "--format", "doccano")
    assert "There is no file" in fails("export", model, tmp_path / "none.txt", output, "--format", "doccano")
    assert "no label to choose from" in fails(
        "export", model, texts, output, "--format", "doccano", "--labels", " , "
    )
    (tmp_path / "empty.txt").write_text("\n", encoding="utf8")
    assert "nothing to write" in fails("export", model, tmp_path / "empty.txt", output, "--format", "doccano")
    assert not output.exists() or not any(output.iterdir())


def problems_of(output: Path) -> list[dict[str, Any]]:
    text = output.with_name(f"{output.name}.problems.jsonl").read_text(encoding="utf8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", ["label-studio.json", "label-studio-min.json", "doccano.jsonl"])
def test_files_of_each_tool_are_known_by_their_look(name: str, tmp_path: Path) -> None:
    output = tmp_path / "expert.spacy"
    succeeds("import", EXPORTS / name, output)
    first = read_docs(output)[0]
    assert (first.text, ents(first)) == (MEETING, PEOPLE)


def test_there_and_back(model: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("Ida Holm calls at noon.\nNobody calls.\n", encoding="utf8")
    tasks, output = tmp_path / "tasks", tmp_path / "expert.spacy"
    succeeds("export", model, tmp_path / "texts.txt", tasks, "--format", "prodigy", "--labels", "NAME,TIME")
    rows = [json.loads(line) for line in (tasks / "tasks.jsonl").read_text(encoding="utf8").splitlines()]
    rows[0]["spans"].append({"start": 18, "end": 22, "label": "TIME"})
    rows[1]["spans"].append({"start": 0, "end": 6, "label": "PERSON"})
    done = tmp_path / "done.jsonl"
    done.write_text("".join(json.dumps({**row, "answer": "accept"}) + "\n" for row in rows), encoding="utf8")
    said = succeeds("import", done, output, "--tasks", tasks)
    assert "Annotations: 2 given, 0 skipped; 0 texts without one" in said
    (doc,) = read_docs(output)
    assert ents(doc) == [("Ida Holm", "NAME"), ("noon", "TIME")]
    (problem,) = problems_of(output)
    assert (problem["line"], problem["problem"], problem["action"]) == (2, "label not allowed", "rejected")
    succeeds("import", done, output, "--tasks", tasks, "--labels", "NAME,TIME,PERSON")
    assert len(read_docs(output)) == 2
    assert not output.with_name("expert.spacy.problems.jsonl").exists()


def test_partial_answers_and_a_label_for_what_cannot_be_told(tmp_path: Path) -> None:
    output = tmp_path / "expert.spacy"
    succeeds("import", EXPORTS / "doccano.jsonl", output, "--unknown", "LOC")
    assert [i for i, tag in enumerate(tags(read_docs(output)[0])) if not tag] == [6]
    succeeds("import", EXPORTS / "doccano.jsonl", output, "--partial")
    assert [i for i, tag in enumerate(tags(read_docs(output)[0])) if tag] == [0, 1, 3, 4, 6, 9]
    assert not any(tags(read_docs(output)[1]))


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    output, done = tmp_path / "expert.spacy", EXPORTS / "doccano.jsonl"
    assert "does not end in .spacy" in fails("import", done, tmp_path / "expert.json")
    assert "holds no whole export" in fails("import", done, output, "--tasks", tmp_path)
    assert "nothing to write" in fails("import", done, output, "--labels", "OTHER", "--annotator", "mara")
    broken = tmp_path / "broken.json"
    broken.write_text("[{", encoding="utf8")
    assert "is not valid JSON" in fails("import", broken, output)
    assert "It is not clear which tool" in fails("import", _lines(tmp_path, '{"a": 1}'), output)
    assert not output.exists()


def _lines(folder: Path, text: str) -> Path:
    path = folder / "some.jsonl"
    path.write_text(text + "\n", encoding="utf8")
    return path
