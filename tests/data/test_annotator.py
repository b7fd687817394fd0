"""Each kind of dirt is repaired or rejected by its rule, and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from .helpers import NLP, convert, spans, told


@pytest.mark.parametrize(
    ("text", "labels", "entities", "problems"),
    [
        pytest.param(
            "Call Ann.",
            [["Zoe", "B-NAME"], ["Ann", "B-NAME"]],
            [("Ann", "NAME")],
            [("piece not in text", "rejected")],
            id="not in text",
        ),
        pytest.param(
            "Call Ann at 6 pm.",
            [["Ann", "B-NAME"], ["6", "I-TIME"], ["pm", "I-TIME"]],
            [("Ann", "NAME"), ("6 pm", "TIME")],
            [("I- without B-", "repaired")],
            id="I- of another label",
        ),
        pytest.param(
            "Call Ann and Bo.",
            [["Ann", "B-NAME"], ["Bo", "I-NAME"]],
            [("Ann", "NAME"), ("Bo", "NAME")],
            [("I- without B-", "repaired")],
            id="I- too far away",
        ),
        pytest.param(
            "Call Ann Bo.",
            [["Ann", "B-NAME"], ["Zoe", "B-NAME"], ["Bo", "I-NAME"]],
            [("Ann", "NAME"), ("Bo", "NAME")],
            [("piece not in text", "rejected"), ("I- without B-", "repaired")],
            id="I- of a rejected B-",
        ),
        pytest.param(
            "Call Ann.",
            [["Call", "[CLS]"], ["Ann", "NAME"]],
            [],
            [("unknown tag", "rejected")] * 2,
            id="unknown tag",
        ),
        pytest.param(
            "Call Ann.",
            [["Call", "B-VERB"], ["Ann", "B-NAME"]],
            [("Ann", "NAME")],
            [("label not allowed", "rejected")],
            id="label not allowed",
        ),
        pytest.param(
            "Call Ann.",
            [["Ann", "B-NAME"], ["Ann", "B-NAME"]],
            [("Ann", "NAME")],
            [("duplicate piece", "rejected")],
            id="duplicate",
        ),
        pytest.param(
            "at 6 pm",
            [["6 pm", "B-TIME"], ["pm", "B-TIME"]],
            [("6 pm", "TIME")],
            [("overlap", "rejected")],
            id="overlap of characters",
        ),
        pytest.param(
            "mail ann@example.com",
            [["ann", "B-NAME"], ["example.com", "B-TIME"]],
            [("ann@example.com", "NAME")],
            [("cut token", "repaired"), ("overlap", "rejected")],
            id="overlap of tokens",
        ),
        pytest.param(
            "call annabel",
            [["anna", "B-NAME"]],
            [("annabel", "NAME")],
            [("cut token", "repaired")],
            id="cut token",
        ),
        pytest.param(
            "Bo and Ann",
            [["Ann", "B-NAME"], ["Bo", "B-NAME"]],
            [("Bo", "NAME"), ("Ann", "NAME")],
            [("out of order", "repaired")],
            id="out of order",
        ),
        pytest.param(
            "at 6  PM",
            [["6 pm", "B-TIME"]],
            [("6  PM", "TIME")],
            [("other case or white space", "repaired")],
            id="loose",
        ),
        pytest.param(
            "at 6 pm",
            [[6, "B-TIME"], [None, "I-TIME"], ["pm", "I-TIME"]],
            [("6 pm", "TIME")],
            [("number for text", "repaired"), ("unusable piece", "rejected")],
            id="no strings",
        ),
    ],
)
def test_dirt(
    tmp_path: Path,
    text: str,
    labels: list[list[object]],
    entities: list[tuple[str, str]],
    problems: list[tuple[str, str]],
) -> None:
    clean = {"text": "Fine.", "labels": []}
    docs, report = convert(tmp_path, clean, {"text": text, "labels": labels}, labels={"NAME", "TIME"})
    assert spans(docs[1]) == entities
    assert told(report) == problems
    assert {problem.at for problem in report.problems} == {2}


@pytest.mark.parametrize("offsets", [(0, 2), (8, 2), (-3, 99), ("5", "8"), (5, None)])
def test_wrong_offsets_are_repaired_by_a_search(tmp_path: Path, offsets: tuple[object, object]) -> None:
    entity = {"text": "Ann", "label": "NAME", "start": offsets[0], "end": offsets[1]}
    [doc], report = convert(tmp_path, {"text": "Call Ann.", "entities": [entity]})
    assert spans(doc) == [("Ann", "NAME")]
    assert told(report) == [("wrong offsets", "repaired")]


def test_right_offsets_choose_among_equal_pieces(tmp_path: Path) -> None:
    entities = [{"text": " Ann", "label": "NAME", "start": 7, "end": 11}] * 2
    [doc], report = convert(tmp_path, {"text": "Ann met Ann", "entities": entities})
    assert [(ent.start_char, ent.end_char) for ent in doc.ents] == [(8, 11)]
    assert told(report) == [("duplicate piece", "rejected")]


def test_unusable_records_are_told_and_the_others_kept(tmp_path: Path) -> None:
    docs, report = convert(tmp_path, ["a"], {"text": "Fine.", "labels": []}, {"text": "no list"})
    assert [doc.text for doc in docs] == ["Fine."]
    assert [(problem.at, problem.action) for problem in report.problems] == [(1, "rejected"), (3, "rejected")]


def test_a_text_longer_than_the_pipeline_takes_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NLP, "max_length", 5)
    docs, report = convert(tmp_path, {"text": "Too long.", "labels": []})
    assert not docs
    assert told(report) == [("unusable record", "rejected")]
