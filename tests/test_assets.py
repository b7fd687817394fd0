"""The requests data keeps what its README promises."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly

from spacy_llama_ner.data.problems import ProblemReport
from spacy_llama_ner.data.span_alignment import read_json_docs

FOLDER = Path(__file__).parent.parent / "assets" / "requests"
SIZES = {"train": 400, "dev": 100, "test": 100}
LABELS = {"NAME", "EMAIL", "DATE", "TIME"}


def records(split: str) -> list[dict[str, Any]]:
    return list(srsly.read_json(FOLDER / f"{split}.json"))


def word_set(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


@pytest.mark.parametrize("split", SIZES)
def test_every_record_converts_without_a_problem(split: str) -> None:
    report = ProblemReport(split, "record")
    docs = list(read_json_docs(FOLDER / f"{split}.json", spacy.blank("en"), report=report, labels=LABELS))
    assert len(docs) == len(records(split)) >= SIZES[split]
    assert not report.problems
    for doc, record in zip(docs, records(split), strict=True):
        starts = [tag for _, tag in record["labels"] if tag.startswith("B-")]
        assert [f"B-{ent.label_}" for ent in doc.ents] == starts


@pytest.mark.parametrize("split", SIZES)
def test_splits_hold_every_label_and_requests_without_entities(split: str) -> None:
    data = records(split)
    assert {tag[2:] for record in data for _, tag in record["labels"]} == LABELS
    share_empty = sum(not record["labels"] for record in data) / len(data)
    assert 0.1 < share_empty < 0.3


def test_no_request_is_nearly_the_same_as_another() -> None:
    texts = [(split, record["text"]) for split in SIZES for record in records(split)]
    for (split, text), (other_split, other) in combinations(texts, 2):
        a, b = word_set(text), word_set(other)
        overlap = len(a & b) / max(1, len(a | b))
        assert overlap < 0.6, f"{split}: {text!r} ~ {other_split}: {other!r}"


def test_email_entities_are_addresses() -> None:
    for split in SIZES:
        for doc in read_json_docs(FOLDER / f"{split}.json", spacy.blank("en"), report=ProblemReport(split, "record")):
            for ent in doc.ents:
                if ent.label_ == "EMAIL":
                    assert re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", ent.text), doc.text
