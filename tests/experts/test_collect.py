"""Finished files put together: who said what, what fits, and what is left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.data.problems import ProblemReport
from spacy_llama_ner.experts import FORMATS, CollectedAnnotations, Texts, collect, open_tasks, write_tasks
from spacy_llama_ner.experts.collect import (
    ANSWERED_AGAIN,
    BAD_OFFSETS,
    BAD_WORDS,
    CUT_WORD,
    DISAGREEMENT,
    NOT_OURS,
    OTHER_TEXT,
    OVERLAP,
    UNKNOWN_LABEL,
    Rules,
    apply_answer,
)
from spacy_llama_ner.experts.records import Answer, AnswerError, Mark
from tests.experts.samples import EXPORTS, LABELS, MEETING, NLP, PEOPLE, ents, marked, tags

RULES = Rules(labels=LABELS)


def gather(
    *files: Path, given: list[Doc] | None = None, rules: Rules = RULES, **settings: Any
) -> tuple[CollectedAnnotations, list[tuple[int, str, str]]]:
    """What came back, and the problems: number of the record, problem, what was done."""
    report = ProblemReport("files")
    found = collect(list(files), Texts.of(given or [], NLP), rules, report, **settings)
    return found, [(each.at, each.problem, each.action) for each in report.problems]


def doccano(folder: Path, name: str, *rows: tuple[str, list[Any]]) -> Path:
    path = folder / f"{name}.jsonl"
    lines = [json.dumps({"id": i, "text": text, "label": label}) for i, (text, label) in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def test_label_studio_skipped_and_open_texts_are_counted_and_left_out() -> None:
    found, problems = gather(EXPORTS / "label-studio.json")
    assert [(doc.text, ents(doc)) for doc in found.docs] == [
        (MEETING, PEOPLE),
        ("Nobody came to the old mill.", []),
        ("Two answers for Tilda Moss.", [("Tilda Moss", "PER")]),
    ]
    assert found.verdicts == {"done": 4, "skipped": 1, "open": 1}
    assert problems == [(4, ANSWERED_AGAIN, "repaired")]


def test_label_studio_minimal_says_the_same() -> None:
    whole, minimal = (gather(EXPORTS / f"label-studio{end}.json")[0] for end in ("", "-min"))
    assert [(doc.text, ents(doc), tags(doc)) for doc in minimal.docs] == [
        (doc.text, ents(doc), tags(doc)) for doc in whole.docs
    ]


def test_prodigy_keeps_its_words_and_puts_yes_and_no_together() -> None:
    found, problems = gather(EXPORTS / "prodigy.jsonl")
    meeting, mill, yes = found.docs
    assert [token.text for token in mill] == ["Nobody", "came", "to", "the", "old", "mill", "."]
    assert ents(meeting) == [("Ada Quill", "PER"), ("Bo Reed", "PER")]
    assert ents(yes) == [("Rome", "LOC"), ("Tilda", "PER")]
    assert tags(yes) == ["", "", "B", "", "B", ""]
    assert found.verdicts == {"done": 4, "skipped": 3}
    assert problems == []


def test_doccano_of_all_ages() -> None:
    assert ents(gather(EXPORTS / "doccano.jsonl")[0].docs[0]) == PEOPLE
    assert ents(gather(EXPORTS / "doccano-relations.jsonl")[0].docs[0]) == [PEOPLE[0], PEOPLE[2]]
    assert ents(gather(EXPORTS / "doccano-1.0.jsonl")[0].docs[0]) == [PEOPLE[0], PEOPLE[3]]
    found, problems = gather(EXPORTS / "doccano-1.0-numbers.jsonl", format=FORMATS["doccano"])
    assert found.docs == []
    assert problems == [(1, "unusable record", "rejected")]


def test_what_does_not_fit_is_refused_by_record_and_the_rest_is_kept(tmp_path: Path) -> None:
    rows: list[tuple[str, list[Any]]] = [
        (MEETING, [[0, 9, "PER"]]),
        ("Bo left.", [[0, 2, "PERSON"]]),
        ("Cy left.", [[0, 5, "PER"]]),
        ("Mara left.", [[0, 40, "PER"]]),
        ("Tilda left.", [[0, 5, "PER"], [0, 5, "LOC"]]),
        ("Nobody left.", []),
    ]
    found, problems = gather(doccano(tmp_path, "all", *rows))
    assert [doc.text for doc in found.docs] == [MEETING, "Nobody left."]
    assert problems == [
        (2, "label not allowed", "rejected"),
        (3, "cut word", "rejected"),
        (4, "wrong offsets", "rejected"),
        (5, "overlap", "rejected"),
    ]


def test_experts_who_disagree_leave_the_words_open(tmp_path: Path) -> None:
    mara = doccano(tmp_path, "mara", (MEETING, [[0, 9, "PER"], [25, 29, "LOC"]]))
    otto = doccano(tmp_path, "otto", (MEETING, [[0, 9, "PER"], [25, 29, "PER"]]))
    found, problems = gather(mara, otto)
    (doc,) = found.docs
    assert ents(doc) == [("Ada Quill", "PER")]
    assert [i for i, tag in enumerate(tags(doc)) if not tag] == [6]
    assert problems == [(1, DISAGREEMENT, "repaired")]
    (alone,) = gather(mara, otto, annotator="mara")[0].docs
    assert ents(alone) == [("Ada Quill", "PER"), ("Rome", "LOC")]


def test_the_later_answer_of_an_expert_counts_in_whatever_order_it_comes() -> None:
    lines = json.loads((EXPORTS / "label-studio-min.json").read_text(encoding="utf8"))
    assert lines[2]["updated_at"] > lines[3]["updated_at"]
    assert ents(gather(EXPORTS / "label-studio-min.json")[0].docs[2]) == [("Tilda Moss", "PER")]


def test_texts_that_were_given_out_keep_their_words(tmp_path: Path) -> None:
    # cut as no tokenizer would
    given = Doc(NLP.vocab, words=["Bo", "Ree", "d", "left"], spaces=[True, False, True, False])
    other = Doc(NLP.vocab, words=["Not", "asked"])
    path = doccano(tmp_path, "all", (given.text, [[0, 6, "PER"]]), ("Who is this?", []))
    found, problems = gather(path, given=[given, other])
    (doc,) = found.docs
    assert [token.text for token in doc] == ["Bo", "Ree", "d", "left"]
    assert ents(doc) == [("Bo Ree", "PER")]
    assert problems == [(2, NOT_OURS, "rejected")]


def test_a_text_that_was_changed_is_refused(tmp_path: Path) -> None:
    texts = Texts.of([NLP.make_doc(MEETING)], NLP)
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
    assert gather(path)[1] == [(1, BAD_WORDS, "rejected")]


def test_lines_that_are_no_json_are_named_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "doccano.jsonl"
    shutil.copy(EXPORTS / "doccano.jsonl", path)
    with path.open("a", encoding="utf8") as file:
        file.write('{"id": 13, "text": "cut of\n7\n{"text": "a", "text": "b", "label": []}\n')
    found, problems = gather(path)
    assert len(found.docs) == 2
    assert problems == [
        (3, "invalid JSON", "rejected"),
        (4, "unusable record", "rejected"),
        (5, "unusable record", "rejected"),
    ]


def test_a_file_that_tells_no_tool_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text('{"text": "a"}\n', encoding="utf8")
    with pytest.raises(ValueError, match=r"Record 1 of .*some\.jsonl does not tell which tool"):
        gather(path)


def test_of_several_files_each_problem_names_its_own(tmp_path: Path) -> None:
    report = ProblemReport("files")
    files = [doccano(tmp_path, name, ("Bo left.", [[0, 1, "PER"]])) for name in ("mara", "otto")]
    collect(files, Texts(NLP), RULES, report)
    assert [each.detail.split(":")[0] for each in report.problems] == ["mara.jsonl", "otto.jsonl"]


def test_a_first_record_of_nowhere_is_refused_alone(tmp_path: Path) -> None:
    path = doccano(tmp_path, "mara", (MEETING, [[0, 9, "PER"]]))
    path.write_text("7\n" + path.read_text("utf8"), encoding="utf8")
    found, problems = gather(path)
    assert ents(found.docs[0]) == [PEOPLE[0]]
    assert [action for _, _, action in problems] == ["rejected"]


def test_of_files_of_one_expert_the_later_one_counts(tmp_path: Path) -> None:
    monday = doccano(tmp_path, "monday", ("No.", []), ("So.", []), (MEETING, []))
    tuesday = doccano(tmp_path, "tuesday", (MEETING, [[0, 9, "PER"]]))
    found, _ = gather(monday, tuesday, one_expert=True)
    assert [ents(doc) for doc in found.docs] == [[], [], [PEOPLE[0]]]


def check(*marks: Mark, rules: Rules = RULES, text: str = MEETING, **settings: object) -> list[tuple[str, str]]:
    return ents(apply_answer(NLP.make_doc(text), Answer(text, marks, **settings), rules))


def test_marks_that_fit_are_entities_and_all_else_is_outside() -> None:
    answer = Answer(MEETING, (Mark(25, 29, "LOC", "Rome"), Mark(0, 9, "PER", "Ada Quill")))
    doc = apply_answer(NLP.make_doc(MEETING), answer, RULES)
    assert ents(doc) == [("Ada Quill", "PER"), ("Rome", "LOC")]
    assert tags(doc) == ["B", "I", "O", "O", "O", "O", "B", "O", "O", "O", "O"]


def test_no_mark_says_that_there_is_no_entity() -> None:
    assert set(tags(apply_answer(NLP.make_doc(MEETING), Answer(MEETING), RULES))) == {"O"}


def test_in_a_partial_answer_the_rest_is_not_known() -> None:
    mark = Mark(0, 9, "PER")
    for answer, rules in (
        (Answer(MEETING, (mark,), partial=True), RULES),
        (Answer(MEETING, (mark,)), Rules(partial=True)),
    ):
        assert tags(apply_answer(NLP.make_doc(MEETING), answer, rules)) == ["B", "I", *[""] * 9]


def test_an_expert_can_mark_what_cannot_be_told() -> None:
    answer = Answer(MEETING, (Mark(0, 9, "PER"), Mark(14, 21, "UNSURE")))
    doc = apply_answer(NLP.make_doc(MEETING), answer, Rules(labels=LABELS, unknown="UNSURE"))
    assert tags(doc)[:7] == ["B", "I", "O", "", "", "O", "O"]


def test_of_a_skipped_text_nothing_is_known() -> None:
    assert not any(tags(apply_answer(NLP.make_doc(MEETING), Answer(MEETING, verdict="skipped"), RULES)))


def test_the_same_mark_twice_is_one() -> None:
    assert check(Mark(0, 9, "PER"), Mark(0, 9, "PER")) == [("Ada Quill", "PER")]


def test_white_space_at_the_ends_of_a_mark_is_left_out() -> None:
    assert check(Mark(24, 30, "LOC", " Rome ")) == [("Rome", "LOC")]


def test_offsets_that_count_as_javascript_does_are_put_right_where_the_text_tells() -> None:
    assert check(Mark(38, 40, "PER", "Cy")) == [("Cy", "PER")]
    with pytest.raises(AnswerError):
        check(Mark(38, 40, "PER"))


def test_line_breaks_are_the_same_however_they_are_written() -> None:
    text = "Ada\nQuill met Bo"
    doc = NLP.make_doc(text)
    for claimed in ("Ada\\nQuill", "Ada Quill", "Ada\r\nQuill"):
        assert ents(apply_answer(doc, Answer(text, (Mark(0, 9, "PER", claimed),)), RULES)) == [("Ada\nQuill", "PER")]


@pytest.mark.parametrize(
    ("mark", "problem", "message"),
    [
        (Mark(0, 9, "PERSON"), UNKNOWN_LABEL, "'PERSON' .characters 0 to 9. is none of the labels PER, LOC"),
        (Mark(0, 9, "PER", "Bo Reed"), BAD_OFFSETS, "are said to hold 'Bo Reed', and hold 'Ada Quill'"),
        (Mark(0, 90, "PER"), BAD_OFFSETS, "in a text of 40 characters"),
        (Mark(-3, 2, "PER"), BAD_OFFSETS, "characters -3 to 2"),
        (Mark(9, 9, "PER"), BAD_OFFSETS, "characters 9 to 9"),
        (Mark(9, 4, "PER"), BAD_OFFSETS, "characters 9 to 4"),
        (Mark(9, 10, "PER"), BAD_OFFSETS, "white space alone"),
        (Mark(1, 9, "PER"), CUT_WORD, "'da Quill' .* with whole words it is 'Ada Quill'"),
    ],
)
def test_a_mark_that_does_not_fit_is_refused(mark: Mark, problem: str, message: str) -> None:
    with pytest.raises(AnswerError, match=message) as caught:
        check(Mark(25, 29, "LOC"), mark)
    assert caught.value.problem == problem


def test_marks_that_share_words_are_refused() -> None:
    with pytest.raises(AnswerError, match="'Ada Quill' .PER. and 'Quill' .LOC. share words") as caught:
        check(Mark(0, 9, "PER"), Mark(4, 9, "LOC"))
    assert caught.value.problem == OVERLAP


def test_an_answer_to_another_text_is_refused() -> None:
    with pytest.raises(AnswerError, match="mark this one again") as caught:
        apply_answer(NLP.make_doc(MEETING), Answer(MEETING + "!"), RULES)
    assert caught.value.problem == OTHER_TEXT


def test_without_rules_any_label_goes() -> None:
    assert check(Mark(0, 9, "PERSON"), rules=Rules()) == [("Ada Quill", "PERSON")]


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_given_out_is_known_again(name: str, tmp_path: Path) -> None:
    odd = Doc(NLP.vocab, words=["Bo", "Ree", "d"], spaces=[True, False, False])
    docs = [marked(MEETING, ("Rome", "LOC")), odd, odd, NLP.make_doc("\n")]
    assert write_tasks(docs, tmp_path / "tasks", format=FORMATS[name], labels=LABELS) == 2
    given = open_tasks(tmp_path / "tasks", NLP)
    assert given.labels == LABELS
    assert (tmp_path / "tasks" / FORMATS[name].file).exists()
    texts = list(given.texts.docs.values())
    assert [[token.text for token in doc] for doc in texts][1] == ["Bo", "Ree", "d"]
    assert not any(doc.has_annotation("ENT_IOB") for doc in texts)


def test_nothing_to_give_out_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to write"):
        write_tasks([], tmp_path / "tasks", format=FORMATS["doccano"], labels=LABELS)


@pytest.mark.parametrize("damage", ["texts.spacy", "export.json", None])
def test_a_folder_of_something_else_or_damaged(damage: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    if damage:
        write_tasks([NLP.make_doc(MEETING)], folder, format=FORMATS["doccano"], labels=LABELS)
        (folder / damage).write_bytes(b"{")
    with pytest.raises(ValueError, match="holds no whole export .*Give the folder that `llama-ner export` wrote"):
        open_tasks(folder, NLP)
