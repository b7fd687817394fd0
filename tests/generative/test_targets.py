"""What is learned, and what not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spacy.tokens import Doc

from spacy_llama_ner.generative.architectures import GenerativeTagger, get_generator
from spacy_llama_ner.generative.formats import BioLines, InlineBrackets
from spacy_llama_ner.generative.modules import Targets
from spacy_llama_ner.generative.targets import get_loss, make_targets
from spacy_llama_ner.head.bio import CLOSED, MISSING
from tests.generative.samples import FORMATS, VOCAB

LABELS = {"NAME": "a person", "DATE": ""}
OUT, B_NAME, I_NAME, B_DATE = 0, 1, 2, 3
WORDS = ["ask", "Mia", "Brook", "on", "Friday"]
TAGS = np.array([OUT, B_NAME, I_NAME, OUT, B_DATE])


def lessons_of(
    base: Path, words: list[str], tags: np.ndarray, format: str = "InlineBrackets", **settings: object
) -> tuple[Targets, list[str]]:
    """The lessons of one doc, and their answers as text."""
    model = GenerativeTagger(FORMATS[format], **{"base": str(base), "dtype": "float32", **settings})
    model.initialize()
    lessons = make_targets(model, [Doc(VOCAB, words=words)], [tags], LABELS)
    speller = get_generator(model).desk.speller
    return lessons, [speller.decode(answer) for answer in lessons.answers]


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("InlineBrackets", "ask [Mia Brook](NAME) on [Friday](DATE)</s>"),
        ("BioLines", "Mia: B-NAME\nBrook: I-NAME\nFriday: B-DATE</s>"),
    ],
)
def test_a_lesson_is_the_question_and_the_right_answer(chat_llama: Path, format: str, expected: str) -> None:
    lessons, answers = lessons_of(chat_llama, WORDS, TAGS, format)
    assert answers == [expected]
    assert lessons.rows.behind[0][-len(lessons.answers[0]) :] == lessons.answers[0]


def test_texts_without_entities_are_lessons_too(chat_llama: Path) -> None:
    assert lessons_of(chat_llama, ["no", "one"], np.array([OUT, OUT]))[1] == ["no one</s>"]
    assert lessons_of(chat_llama, ["no", "one"], np.array([OUT, OUT]), "BioLines")[1] == ["</s>"]


@pytest.mark.parametrize("tag", [MISSING, CLOSED])
def test_what_is_not_known_is_not_taught(chat_llama: Path, tag: int) -> None:
    tags = TAGS.copy()
    tags[3] = tag
    assert lessons_of(chat_llama, WORDS, tags)[1] == []


def test_a_long_doc_is_taught_in_parts(chat_llama: Path) -> None:
    answers = lessons_of(chat_llama, WORDS, TAGS, window=2)[1]
    assert answers == ["ask [Mia](NAME)</s>", "[Brook](NAME) on</s>", "[Friday](DATE)</s>"]


def test_white_space_is_in_no_answer(chat_llama: Path) -> None:
    words, tags = ["\n", "Mia", " ", "Brook"], np.array([OUT, B_NAME, I_NAME, I_NAME])
    (answer,) = lessons_of(chat_llama, words, tags, "BioLines")[1]
    assert answer == "Mia: B-NAME\nBrook: I-NAME</s>"


def test_what_has_no_room_is_not_taught(chat_llama: Path) -> None:
    assert lessons_of(chat_llama, ["x" * 600], np.array([OUT]))[1] == []


def test_the_loss_is_that_of_the_answers_per_subword() -> None:
    loss, gradient = get_loss(np.array([-1.0, -3.0], dtype="float32"))
    assert loss == 2.0
    assert gradient.tolist() == [-0.5, -0.5]


def test_formats_are_registered() -> None:
    assert isinstance(FORMATS["BioLines"], BioLines) and isinstance(FORMATS["InlineBrackets"], InlineBrackets)
