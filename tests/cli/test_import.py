"""`llama-ner import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app
from spacy_llama_ner.cli.export import export

from ..experts.samples import EXPORTS, MEETING, PEOPLE, ents, tags


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["import", *map(str, args)], env={"COLUMNS": "200"})


def fails(*args: object) -> str:
    result = run(*args)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


def docs_of(path: Path) -> list[Doc]:
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def problems_of(output: Path) -> list[dict[str, Any]]:
    text = output.with_name(f"{output.name}.problems.jsonl").read_text(encoding="utf8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", ["label-studio.json", "label-studio-min.json", "doccano.jsonl"])
def test_files_of_each_tool_are_known_by_their_look(name: str, tmp_path: Path) -> None:
    output = tmp_path / "expert.spacy"
    assert run(EXPORTS / name, output).exit_code == 0
    first = docs_of(output)[0]
    assert (first.text, ents(first)) == (MEETING, PEOPLE)


def test_there_and_back(model: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("Ida Holm calls at noon.\nNobody calls.\n", encoding="utf8")
    tasks, output = tmp_path / "tasks", tmp_path / "expert.spacy"
    export(str(model), tmp_path / "texts.txt", tasks, format="prodigy", labels="NAME,TIME")
    rows = [json.loads(line) for line in (tasks / "tasks.jsonl").read_text(encoding="utf8").splitlines()]
    rows[0]["spans"].append({"start": 18, "end": 22, "label": "TIME"})
    rows[1]["spans"].append({"start": 0, "end": 6, "label": "PERSON"})
    done = tmp_path / "done.jsonl"
    done.write_text("".join(json.dumps({**row, "answer": "accept"}) + "\n" for row in rows), encoding="utf8")
    result = run(done, output, "--tasks", tasks)
    assert result.exit_code == 0
    assert "Answers: 2 given, 0 skipped; 0 texts without one" in " ".join(result.output.split())
    (doc,) = docs_of(output)
    assert ents(doc) == [("Ida Holm", "NAME"), ("noon", "TIME")]
    (problem,) = problems_of(output)
    assert (problem["line"], problem["problem"], problem["action"]) == (2, "label not allowed", "rejected")
    assert run(done, output, "--tasks", tasks, "--labels", "NAME,TIME,PERSON").exit_code == 0
    assert len(docs_of(output)) == 2
    assert not output.with_name("expert.spacy.problems.jsonl").exists()


def test_partial_answers_and_a_label_for_what_cannot_be_told(tmp_path: Path) -> None:
    output = tmp_path / "expert.spacy"
    assert run(EXPORTS / "doccano.jsonl", output, "--unknown", "LOC").exit_code == 0
    assert [i for i, tag in enumerate(tags(docs_of(output)[0])) if not tag] == [6]
    assert run(EXPORTS / "doccano.jsonl", output, "--partial").exit_code == 0
    assert [i for i, tag in enumerate(tags(docs_of(output)[0])) if tag] == [0, 1, 3, 4, 6, 9]
    assert not any(tags(docs_of(output)[1]))


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    output, done = tmp_path / "expert.spacy", EXPORTS / "doccano.jsonl"
    assert "is no .spacy file" in fails(done, tmp_path / "expert.json")
    assert "holds no whole export" in fails(done, output, "--tasks", tmp_path)
    assert "nothing to write" in fails(done, output, "--labels", "OTHER", "--annotator", "mara")
    broken = tmp_path / "broken.json"
    broken.write_text("[{", encoding="utf8")
    assert "is not valid JSON" in fails(broken, output)
    assert "does not tell which tool" in fails(_lines(tmp_path, '{"a": 1}'), output)
    assert not output.exists()


def _lines(folder: Path, text: str) -> Path:
    path = folder / "some.jsonl"
    path.write_text(text + "\n", encoding="utf8")
    return path
