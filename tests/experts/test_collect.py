"""Texts go out with suggestions; finished files are checked, and annotations of the same text are merged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.data.problems import ProblemReport
from spacy_llama_ner.experts import (
    TASK_FORMATS,
    AnnotationRules,
    CollectedAnnotations,
    ExportedTexts,
    collect,
    read_export,
    write_export,
)
from spacy_llama_ner.experts.collect import ANNOTATED_AGAIN, BAD_WORDS, DISAGREEMENT, NOT_EXPORTED
from tests.experts.samples import EXPORTS, LABELS, MEETING, NLP, PEOPLE, ents, marked, tags

RULES = AnnotationRules(labels=LABELS)


def collect_files(
    *files: Path, given: list[Doc] | None = None, rules: AnnotationRules = RULES, **settings: Any
) -> tuple[CollectedAnnotations, list[tuple[int, str, str]]]:
    """What came back, and the problems: number of the record, problem, what was done."""
    report = ProblemReport("files")
    found = collect(list(files), ExportedTexts.from_docs(given or [], NLP), rules, report, **settings)
    return found, [(each.at, each.problem, each.action) for each in report.problems]


def doccano(folder: Path, name: str, *rows: tuple[str, list[Any]]) -> Path:
    path = folder / f"{name}.jsonl"
    lines = [json.dumps({"id": i, "text": text, "label": label}) for i, (text, label) in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def test_label_studio_skipped_and_open_texts_are_counted_and_left_out() -> None:
    found, problems = collect_files(EXPORTS / "label-studio.json")
    assert [(doc.text, ents(doc)) for doc in found.docs] == [
        (MEETING, PEOPLE),
        ("Nobody came to the old mill.", []),
        ("Two answers for Tilda Moss.", [("Tilda Moss", "PER")]),
    ]
    assert found.statuses == {"done": 4, "skipped": 1, "open": 1}
    assert problems == [(4, ANNOTATED_AGAIN, "repaired")]


def test_label_studio_minimal_says_the_same() -> None:
    whole, minimal = (collect_files(EXPORTS / f"label-studio{end}.json")[0] for end in ("", "-min"))
    assert [(doc.text, ents(doc), tags(doc)) for doc in minimal.docs] == [
        (doc.text, ents(doc), tags(doc)) for doc in whole.docs
    ]


def test_prodigy_keeps_its_words_and_puts_yes_and_no_together() -> None:
    found, problems = collect_files(EXPORTS / "prodigy.jsonl")
    meeting, mill, yes = found.docs
    assert [token.text for token in mill] == ["Nobody", "came", "to", "the", "old", "mill", "."]
    assert ents(meeting) == [("Ada Quill", "PER"), ("Bo Reed", "PER")]
    assert ents(yes) == [("Rome", "LOC"), ("Tilda", "PER")]
    assert tags(yes) == ["", "", "B", "", "B", ""]
    assert found.statuses == {"done": 4, "skipped": 3}
    assert problems == []


def test_all_versions_of_doccano() -> None:
    assert ents(collect_files(EXPORTS / "doccano.jsonl")[0].docs[0]) == PEOPLE
    assert ents(collect_files(EXPORTS / "doccano-relations.jsonl")[0].docs[0]) == [PEOPLE[0], PEOPLE[2]]
    assert ents(collect_files(EXPORTS / "doccano-1.0.jsonl")[0].docs[0]) == [PEOPLE[0], PEOPLE[3]]
    found, problems = collect_files(EXPORTS / "doccano-1.0-numbers.jsonl", format=TASK_FORMATS["doccano"])
    assert found.docs == []
    assert problems == [(1, "unusable record", "rejected")]


def test_records_that_do_not_fit_are_refused_and_the_rest_is_kept(tmp_path: Path) -> None:
    rows: list[tuple[str, list[Any]]] = [
        (MEETING, [[0, 9, "PER"]]),
        ("Bo left.", [[0, 2, "PERSON"]]),
        ("Cy left.", [[0, 5, "PER"]]),
        ("Mara left.", [[0, 40, "PER"]]),
        ("Tilda left.", [[0, 5, "PER"], [0, 5, "LOC"]]),
        ("Nobody left.", []),
    ]
    found, problems = collect_files(doccano(tmp_path, "all", *rows))
    assert [doc.text for doc in found.docs] == [MEETING, "Nobody left."]
    assert problems == [
        (2, "label not allowed", "rejected"),
        (3, "cut word", "rejected"),
        (4, "wrong offsets", "rejected"),
        (5, "overlap", "rejected"),
    ]


def test_words_on_which_experts_disagree_are_missing(tmp_path: Path) -> None:
    mara = doccano(tmp_path, "mara", (MEETING, [[0, 9, "PER"], [25, 29, "LOC"]]))
    otto = doccano(tmp_path, "otto", (MEETING, [[0, 9, "PER"], [25, 29, "PER"]]))
    found, problems = collect_files(mara, otto)
    (doc,) = found.docs
    assert ents(doc) == [("Ada Quill", "PER")]
    assert [i for i, tag in enumerate(tags(doc)) if not tag] == [6]
    assert problems == [(1, DISAGREEMENT, "repaired")]
    (alone,) = collect_files(mara, otto, annotator="mara")[0].docs
    assert ents(alone) == [("Ada Quill", "PER"), ("Rome", "LOC")]


def test_the_later_annotation_of_an_expert_counts_in_whatever_order_they_come() -> None:
    lines = json.loads((EXPORTS / "label-studio-min.json").read_text(encoding="utf8"))
    assert lines[2]["updated_at"] > lines[3]["updated_at"]
    assert ents(collect_files(EXPORTS / "label-studio-min.json")[0].docs[2]) == [("Tilda Moss", "PER")]


def test_exported_texts_keep_their_words(tmp_path: Path) -> None:
    # cut as no tokenizer would
    given = Doc(NLP.vocab, words=["Bo", "Ree", "d", "left"], spaces=[True, False, True, False])
    other = Doc(NLP.vocab, words=["Not", "asked"])
    path = doccano(tmp_path, "all", (given.text, [[0, 6, "PER"]]), ("Who is this?", []))
    found, problems = collect_files(path, given=[given, other])
    (doc,) = found.docs
    assert [token.text for token in doc] == ["Bo", "Ree", "d", "left"]
    assert ents(doc) == [("Bo Ree", "PER")]
    assert problems == [(2, NOT_EXPORTED, "rejected")]


def test_a_text_that_was_changed_is_refused(tmp_path: Path) -> None:
    texts = ExportedTexts.from_docs([NLP.make_doc(MEETING)], NLP)
    path = tmp_path / "all.jsonl"
    row = {"id": 1, "text": MEETING.replace("Rome", "Rom"), "key": next(iter(texts.docs)), "label": []}
    path.write_text(json.dumps(row), encoding="utf8")
    report = ProblemReport("files")
    assert collect([path], texts, RULES, report).docs == []
    assert [each.problem for each in report.problems] == ["text differs"]


def test_tokens_that_do_not_make_the_text_are_refused(tmp_path: Path) -> None:
    row = json.loads((EXPORTS / "prodigy.jsonl").read_text(encoding="utf8").splitlines()[0])
    row["tokens"][0]["text"] = "Ida"
    path = tmp_path / "done.jsonl"
    path.write_text(json.dumps(row), encoding="utf8")
    assert collect_files(path)[1] == [(1, BAD_WORDS, "rejected")]


def test_lines_that_are_no_json_are_named_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "doccano.jsonl"
    shutil.copy(EXPORTS / "doccano.jsonl", path)
    with path.open("a", encoding="utf8") as file:
        file.write('{"id": 13, "text": "cut of\n7\n{"text": "a", "text": "b", "label": []}\n')
    found, problems = collect_files(path)
    assert len(found.docs) == 2
    assert problems == [
        (3, "invalid JSON", "rejected"),
        (4, "unusable record", "rejected"),
        (5, "unusable record", "rejected"),
    ]


def test_a_file_of_an_unknown_tool_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text('{"text": "a"}\n', encoding="utf8")
    with pytest.raises(ValueError, match=r"not clear which tool record 1 of .*some\.jsonl comes from"):
        collect_files(path)


def test_of_several_files_each_problem_names_its_own(tmp_path: Path) -> None:
    report = ProblemReport("files")
    files = [doccano(tmp_path, name, ("Bo left.", [[0, 1, "PER"]])) for name in ("mara", "otto")]
    collect(files, ExportedTexts(NLP), RULES, report)
    assert [each.detail.split(":")[0] for each in report.problems] == ["mara.jsonl", "otto.jsonl"]


def test_a_first_record_of_an_unknown_tool_is_refused_alone(tmp_path: Path) -> None:
    path = doccano(tmp_path, "mara", (MEETING, [[0, 9, "PER"]]))
    path.write_text("7\n" + path.read_text("utf8"), encoding="utf8")
    found, problems = collect_files(path)
    assert ents(found.docs[0]) == [PEOPLE[0]]
    assert [action for _, _, action in problems] == ["rejected"]


def test_of_several_files_of_one_expert_the_later_one_counts(tmp_path: Path) -> None:
    monday = doccano(tmp_path, "monday", ("No.", []), ("So.", []), (MEETING, []))
    tuesday = doccano(tmp_path, "tuesday", (MEETING, [[0, 9, "PER"]]))
    found, _ = collect_files(monday, tuesday, one_expert=True)
    assert [ents(doc) for doc in found.docs] == [[], [], [PEOPLE[0]]]


@pytest.mark.parametrize("name", TASK_FORMATS)
def test_an_export_is_read_back(name: str, tmp_path: Path) -> None:
    odd = Doc(NLP.vocab, words=["Bo", "Ree", "d"], spaces=[True, False, False])
    docs = [marked(MEETING, ("Rome", "LOC")), odd, odd, NLP.make_doc("\n")]
    assert write_export(docs, tmp_path / "tasks", format=TASK_FORMATS[name], labels=LABELS) == 2
    given = read_export(tmp_path / "tasks", NLP)
    assert given.labels == LABELS
    assert (tmp_path / "tasks" / TASK_FORMATS[name].filename).exists()
    texts = list(given.texts.docs.values())
    assert [[token.text for token in doc] for doc in texts][1] == ["Bo", "Ree", "d"]
    assert not any(doc.has_annotation("ENT_IOB") for doc in texts)


def test_an_export_without_texts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to write"):
        write_export([], tmp_path / "tasks", format=TASK_FORMATS["doccano"], labels=LABELS)


@pytest.mark.parametrize("damage", ["texts.spacy", "export.json", None])
def test_a_folder_of_something_else_or_damaged(damage: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    if damage:
        write_export([NLP.make_doc(MEETING)], folder, format=TASK_FORMATS["doccano"], labels=LABELS)
        (folder / damage).write_bytes(b"{")
    with pytest.raises(ValueError, match="holds no whole export .*Give the folder that `llama-ner export` wrote"):
        read_export(folder, NLP)
