"""Tagged pieces become entities of their text, and each problem is repaired or rejected by its rule and reported."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llama_ner.data.span_alignment import Match, PieceLocator, is_gap
from tests.data.helpers import NLP, entities_of, problems_of, read_docs


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
            id="inexact",
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
def test_problems_are_repaired_or_rejected(
    tmp_path: Path,
    text: str,
    labels: list[list[object]],
    entities: list[tuple[str, str]],
    problems: list[tuple[str, str]],
) -> None:
    clean = {"text": "Fine.", "labels": []}
    docs, report = read_docs(tmp_path, clean, {"text": text, "labels": labels}, labels={"NAME", "TIME"})
    assert entities_of(docs[1]) == entities
    assert problems_of(report) == problems
    assert {problem.at for problem in report.problems} == {2}


@pytest.mark.parametrize("offsets", [(0, 2), (8, 2), (-3, 99), ("5", "8"), (5, None)])
def test_wrong_offsets_are_repaired_by_a_search(tmp_path: Path, offsets: tuple[object, object]) -> None:
    entity = {"text": "Ann", "label": "NAME", "start": offsets[0], "end": offsets[1]}
    [doc], report = read_docs(tmp_path, {"text": "Call Ann.", "entities": [entity]})
    assert entities_of(doc) == [("Ann", "NAME")]
    assert problems_of(report) == [("wrong offsets", "repaired")]


def test_right_offsets_choose_among_equal_pieces(tmp_path: Path) -> None:
    entities = [{"text": " Ann", "label": "NAME", "start": 7, "end": 11}] * 2
    [doc], report = read_docs(tmp_path, {"text": "Ann met Ann", "entities": entities})
    assert [(ent.start_char, ent.end_char) for ent in doc.ents] == [(8, 11)]
    assert problems_of(report) == [("duplicate piece", "rejected")]


def test_unusable_records_are_reported_and_the_others_kept(tmp_path: Path) -> None:
    docs, report = read_docs(tmp_path, ["a"], {"text": "Fine.", "labels": []}, {"text": "no list"})
    assert [doc.text for doc in docs] == ["Fine."]
    assert [(problem.at, problem.action) for problem in report.problems] == [(1, "rejected"), (3, "rejected")]


def test_a_text_longer_than_the_pipeline_takes_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NLP, "max_length", 5)
    docs, report = read_docs(tmp_path, {"text": "Too long.", "labels": []})
    assert not docs
    assert problems_of(report) == [("unusable record", "rejected")]


@pytest.mark.parametrize(
    ("text", "piece", "place"),
    [
        ("Ann met Ann.", "Ann", (0, 3)),
        ("Annabel met Ann.", "Ann", (12, 15)),
        ("16 people at 6pm", "6", (13, 14)),
        # no token starts or ends there, but the run of letters does
        ("catalog cat@example.com", "cat", (8, 11)),
        ("Annabel met nobody.", "Ann", (0, 3)),
        ("at 6:30", ":", (4, 5)),
    ],
)
def test_whole_words_come_first(text: str, piece: str, place: tuple[int, int]) -> None:
    assert PieceLocator(NLP.make_doc(text)).find(piece, continues=False) == Match(*place)


def test_the_search_starts_after_the_last_match_and_wraps() -> None:
    locator = PieceLocator(NLP.make_doc("Ann met Ann."))
    locator.take(0, 3)
    assert locator.find("Ann", continues=False) == Match(8, 11)
    locator.take(8, 11)
    assert locator.find("Ann", continues=False) is None
    assert locator.find("met", continues=False) == Match(4, 7, out_of_order=True)


def test_a_piece_that_continues_an_entity_is_searched_for_right_after_it() -> None:
    locator = PieceLocator(NLP.make_doc("at 6pm in the pm office"))
    locator.take(3, 4)
    assert locator.find("pm", continues=True) == Match(4, 6)
    assert PieceLocator(NLP.make_doc("x pm")).find("pm", continues=True) == Match(2, 4)


def test_case_and_white_space_may_differ() -> None:
    locator = PieceLocator(NLP.make_doc("in NEW \n york"))
    assert locator.find("New York", continues=False) == Match(3, 13, inexact=True)


def test_regular_expressions_in_pieces_are_taken_literally() -> None:
    assert PieceLocator(NLP.make_doc("pay $5 (or a.c)")).find("a.c", continues=False) == Match(11, 14)
    assert PieceLocator(NLP.make_doc("pay abc")).find("a.c", continues=False) is None


def test_a_match_may_overlap_one_that_was_taken_before_it() -> None:
    locator = PieceLocator(NLP.make_doc("aaa"))
    locator.take(0, 1)
    assert locator.find("aa", continues=False) == Match(1, 3)


@pytest.mark.parametrize("between", ["", " ", "\n\t ", ".", " - ", "_", "...", " (", ", "])
def test_gap(between: str) -> None:
    assert is_gap(between)


@pytest.mark.parametrize("between", ["a", " 1 ", "....", ". .", " and "])
def test_no_gap(between: str) -> None:
    assert not is_gap(between)


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
    [doc], report = read_docs(tmp_path, {"text": "Call me at 6 pm on Friday.", **annotation})
    assert entities_of(doc) == [("6 pm", "TIME"), ("Friday", "DATE")]
    assert not report.problems


def test_all_tokens_of_a_text_without_entities_are_outside(tmp_path: Path) -> None:
    [doc], report = read_docs(tmp_path, {"text": "Turn it off.", "labels": []})
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
def test_pieces_join_over_white_space_and_a_few_characters(
    tmp_path: Path, text: str, labels: list[list[str]], entities: list[tuple[str, str]]
) -> None:
    [doc], report = read_docs(tmp_path, {"text": text, "labels": labels})
    assert entities_of(doc) == entities
    assert not report.problems


def test_pieces_repeat_in_the_order_of_the_text(tmp_path: Path) -> None:
    labels = [["Ann", "B-NAME"], ["Ann", "B-PET"]]
    [doc], report = read_docs(tmp_path, {"text": "Ann feeds Ann.", "labels": labels})
    assert [(ent.start, ent.label_) for ent in doc.ents] == [(0, "NAME"), (2, "PET")]
    assert not report.problems


WORDS = st.lists(
    st.sampled_from(["call", "Ann", "ann", "6", "16", "pm", "on", ";", "é", "😀", "x"]),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(WORDS, st.data())
def test_any_entities_come_back(words: list[str], data: st.DataObject) -> None:
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
        [read], report = read_docs(Path(folder), {"text": doc.text, "labels": pieces})
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
        docs, report = read_docs(Path(folder), record)
    rejected = sum(problem.action == "rejected" for problem in report.problems)
    assert len(docs) + rejected >= 1
    tagged = [tag for _, tag in labels if tag != "O"]
    if docs and len(tagged) > rejected:
        assert docs[0].ents
    assert all(not ent[0].is_space and not ent[-1].is_space for doc in docs for ent in doc.ents)


def test_a_piece_that_others_continue_is_found_where_they_follow(tmp_path: Path) -> None:
    record = {"text": "Did the rent go out on the 1st?", "labels": [["the", "B-DATE"], ["1st", "I-DATE"]]}
    (doc,), report = read_docs(tmp_path, record)
    assert [(ent.text, ent.start_char) for ent in doc.ents] == [("the 1st", 23)]
    assert not report.problems
