"""Texts, files of them, and what a quick pipeline finds in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import spacy

from tests.evaluate.sample import GOLD

N = 23
TEXTS = [f"{GOLD[i % len(GOLD)][0]} ({i})" for i in range(N)]


def write_lines(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")
    return path


def read_lines(folder: Path) -> list[dict[str, Any]]:
    parts = sorted(folder.glob("part-??????.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text(encoding="utf8").splitlines()]


def expected(model: str) -> list[list[tuple[int, int, str]]]:
    docs = spacy.load(model).pipe(TEXTS)
    return [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in docs]


def spans(ents: list[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return [(ent["start"], ent["end"], ent["label"]) for ent in ents]
