"""Tagged pieces become entities, whatever form the record has."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .helpers import NLP, convert, spans


@pytest.mark.parametrize(
    "annotation",
    [
        {"labels": [["6", "B-TIME"], ["pm", "I-TIME"], ["Friday", "B-DATE"]]},
        {"labels": [["6 pm", "B-TIME"], ["Friday", "B-DATE"]]},
        {"labels": {"6": "B-TIME", "pm": "I-TIME", "Friday": "B-DATE"}},
        {"labels": [["6", "B-TIME"], ["pm", "E-TIME"], ["Friday", "S-DATE"]]},
        {"labels": [["Call", "O"], ["6", "B-TIME"], ["pm", "I-TIME"], ["on", "O"], ["Friday", "B-DATE"]]},
        {"entities": [{"text": "6 pm", "label": "TIME"}, {"text": "Friday", "label": "DATE"}]},
        {
            "entities": [
                {"text": "Friday", "label": "DATE", "start": 19, "end": 25},
                {"text": "6 pm", "label": "TIME", "start": 11, "end": 15},
            ]
        },
    ],
)
def test_every_form_of_a_clean_record(tmp_path: Path, annotation: dict[str, object]) -> None:
    [doc], report = convert(tmp_path, {"text": "Call me at 6 pm on Friday.", **annotation})
    assert spans(doc) == [("6 pm", "TIME"), ("Friday", "DATE")]
    assert not report.problems


def test_a_request_without_entities_is_outside_all_through(tmp_path: Path) -> None:
    [doc], report = convert(tmp_path, {"text": "Turn it off.", "labels": []})
    assert [token.ent_iob_ for token in doc] == ["O"] * 4
    assert not report.problems


@pytest.mark.parametrize(
    ("text", "labels", "entities"),
    [
        ("6pm", [["6", "B-T"], ["pm", "I-T"]], [("6pm", "T")]),
        ("at 6 : 30", [["6", "B-T"], ["30", "I-T"]], [("6 : 30", "T")]),
        ("al @ b.org", [["al", "B-E"], ["@", "I-E"], ["b.org", "I-E"]], [("al @ b.org", "E")]),
        ("Ann Bo", [["Ann", "B-N"], ["Bo", "B-N"]], [("Ann", "N"), ("Bo", "N")]),
    ],
)
def test_pieces_join_over_white_space_and_a_few_signs(
    tmp_path: Path, text: str, labels: list[list[str]], entities: list[tuple[str, str]]
) -> None:
    [doc], report = convert(tmp_path, {"text": text, "labels": labels})
    assert spans(doc) == entities
    assert not report.problems


def test_pieces_repeat_in_the_order_of_the_text(tmp_path: Path) -> None:
    labels = [["Ann", "B-NAME"], ["Ann", "B-PET"]]
    [doc], report = convert(tmp_path, {"text": "Ann feeds Ann.", "labels": labels})
    assert [(ent.start, ent.label_) for ent in doc.ents] == [(0, "NAME"), (2, "PET")]
    assert not report.problems


WORDS = st.lists(
    st.sampled_from(["call", "Ann", "ann", "6", "16", "pm", "on", ";", "é", "😀", "x"]),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(WORDS, st.data())
def test_any_spans_come_back(words: list[str], data: st.DataObject) -> None:
    doc = NLP.make_doc(" ".join(words))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(doc)), max_size=8)))
    labels = data.draw(st.lists(st.sampled_from(["A", "B"]), min_size=len(cuts), max_size=len(cuts)))
    entities = [
        doc.char_span(doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), label=label)
        for start, end, label in zip(cuts[::2], cuts[1::2], labels, strict=False)
    ]
    pieces: list[list[str]] = []
    for token in doc:
        ent = next((ent for ent in entities if ent.start <= token.i < ent.end), None)
        prefix = "" if ent is None else "B-" if token.i == ent.start else "I-"
        pieces.append([token.text, "O" if ent is None else prefix + ent.label_])
    with tempfile.TemporaryDirectory() as folder:
        [read], report = convert(Path(folder), {"text": doc.text, "labels": pieces})
    assert [(e.start, e.end, e.label_) for e in read.ents] == [(e.start, e.end, e.label_) for e in entities]
    assert not report.problems


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=30),
    st.lists(st.tuples(st.text(max_size=4), st.sampled_from(["B-A", "I-A", "I-B", "O"]))),
)
def test_no_piece_disappears_silently(text: str, labels: list[tuple[str, str]]) -> None:
    record = {"text": text, "labels": labels}
    with tempfile.TemporaryDirectory() as folder:
        docs, report = convert(Path(folder), record)
    rejected = sum(problem.action == "rejected" for problem in report.problems)
    assert len(docs) + rejected >= 1
    tagged = [tag for _, tag in labels if tag != "O"]
    if docs and len(tagged) > rejected:
        assert docs[0].ents
    assert all(not ent[0].is_space and not ent[-1].is_space for doc in docs for ent in doc.ents)


def test_a_piece_that_other_pieces_go_on_is_found_where_they_follow(tmp_path: Path) -> None:
    record = {"text": "Did the rent go out on the 1st?", "labels": [["the", "B-DATE"], ["1st", "I-DATE"]]}
    (doc,), report = convert(tmp_path, record)
    assert [(ent.text, ent.start_char) for ent in doc.ents] == [("the 1st", 23)]
    assert not report.problems
