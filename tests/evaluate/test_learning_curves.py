"""Learning curves, written and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spacy_llama_ner.evaluate.learning_curves import CurveError, Point, SplitScores, read_curve, write_point

FULL = {
    "step": 250,
    "epoch": 1,
    "seconds": 60.5,
    "losses": {"llama_ner": 3.25},
    "train": {"loss": 0.5, "ents_f": 0.75, "ents_per_type": None},
    "dev": {
        "loss": 0.75,
        "ents_p": 0.5,
        "ents_r": 0.5,
        "ents_f": 0.5,
        "ents_token_acc": 0.875,
        "ents_per_type": {"NAME": {"p": 0.5, "r": 0.5, "f": 0.5}},
    },
    "max_steps": 1000,
    "patience": 0,
}


def write(path: Path, *lines: Any) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf8")
    return path


def test_all_that_was_logged(tmp_path: Path) -> None:
    dev = {"loss": 0.75, "ents_p": 0.5, "ents_r": 0.5, "ents_f": 0.5, "ents_token_acc": 0.875}
    assert read_curve(write(tmp_path / "curve.jsonl", FULL)) == [
        Point(
            step=250,
            epoch=1,
            seconds=60.5,
            losses={"llama_ner": 3.25},
            train=SplitScores({"loss": 0.5, "ents_f": 0.75}),
            dev=SplitScores(dev, {"NAME": {"p": 0.5, "r": 0.5, "f": 0.5}}),
            max_steps=1000,
            # 0 is how spaCy says that there is no limit
            patience=None,
        )
    ]


@pytest.mark.parametrize(
    "line",
    [
        {"step": 0},
        {"step": 0, "epoch": None, "seconds": None, "losses": None, "train": None, "dev": None},
        {"step": 0, "losses": {"llama_ner": None}, "train": {}, "dev": {"ents_f": None, "ents_per_type": {}}},
        {"step": 0, "dev": {"ents_per_type": {"NAME": None, "DATE": {"p": 0.5, "f": None}}}},
        {"step": 0, "seconds": float("inf"), "losses": {"llama_ner": float("nan")}, "something": "else"},
    ],
)
def test_anything_but_the_step_may_be_missing(tmp_path: Path, line: dict[str, Any]) -> None:
    points = read_curve(write(tmp_path / "curve.jsonl", line))
    assert points == [Point(step=0, epoch=None, seconds=None, losses={}, train=None, dev=SplitScores())]


def test_blank_lines_do_no_harm(tmp_path: Path) -> None:
    points = read_curve(write(tmp_path / "curve.jsonl", {"step": 1}, " ", {"step": 2}, ""))
    assert [point.step for point in points] == [1, 2]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"step": 2, "dev"', "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ({"epoch": 1}, "no step"),
        ({"step": 2.5}, "step is 2.5, not a whole number"),
        ({"step": -1}, "step is -1.0, not a whole number"),
        ({"step": "2"}, "step is '2', not a number"),
        ({"step": True}, "step is True, not a number"),
        ({"step": 10**400}, "step is too large for a float"),
        ({"step": 2, "dev": [1]}, r"dev is \[1\], not an object"),
        ({"step": 2, "dev": {"ents_f": "high"}}, "ents_f is 'high', not a number"),
        ({"step": 2, "dev": {"ents_per_type": {"NAME": 0.5}}}, "NAME is 0.5, not an object"),
        ({"step": 0}, "step 0 comes after step 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, said: str) -> None:
    path = write(tmp_path / "curve.jsonl", {"step": 1}, "", line)
    with pytest.raises(CurveError, match=f"curve.jsonl, line 3: .*{said}"):
        read_curve(path)


def test_a_file_without_a_line(tmp_path: Path) -> None:
    with pytest.raises(CurveError, match="holds no line"):
        read_curve(write(tmp_path / "curve.jsonl"))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "curve.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CurveError, match="not UTF-8"):
        read_curve(tmp_path / "curve.jsonl")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    scores = {"ents_p": 0.5, "ents_f": None, "ents_per_type": {"NAME": {"p": 0.5, "r": 1.0, "f": 0.75}}, "speed": 9.0}
    dev = SplitScores.from_scores(scores, loss=0.25)
    assert dev == SplitScores({"loss": 0.25, "ents_p": 0.5}, scores["ents_per_type"])
    points = [
        Point(step=0, dev=dev),
        Point(step=9, epoch=0, seconds=0.5, losses={"ner": 2.0}, train=dev, max_steps=9),
    ]
    path = tmp_path / "new" / "curve.jsonl"
    path.parent.mkdir()
    path.write_text("what a training before has left\n", encoding="utf8")
    for at, point in enumerate(points):
        write_point(path, point, append=at > 0)
    assert read_curve(path) == points


def test_a_line_has_all_keys_and_null_for_what_json_has_no_word_for() -> None:
    line = Point(step=1, losses={"ner": float("nan")}, dev=SplitScores({"loss": float("inf")})).to_json()
    assert line.keys() == FULL.keys()
    assert line["dev"].keys() == FULL["dev"].keys()  # type: ignore[attr-defined]
    assert line["train"] is None and line["losses"] == {"ner": None}
    assert set(line["dev"].values()) == {None}
