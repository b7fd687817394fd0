"""What a generator is trained on, and what not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spacy.tokens import Doc

from spacy_llama_ner.generative.architectures import GenerativeTagger, get_generator
from spacy_llama_ner.generative.formats import BioLines, InlineBrackets
from spacy_llama_ner.generative.modules import Targets
from spacy_llama_ner.generative.targets import get_generation_loss, make_targets
from spacy_llama_ner.head.bio import MISSING, NOT_INSIDE
from tests.generative.samples import FORMATS, VOCAB

LABELS = {"NAME": "a person", "DATE": ""}
OUT, B_NAME, I_NAME, B_DATE = 0, 1, 2, 3
WORDS = ["ask", "Mia", "Brook", "on", "Friday"]
TAGS = np.array([OUT, B_NAME, I_NAME, OUT, B_DATE])


def targets_of(
    base: Path, words: list[str], tags: np.ndarray, format: str = "InlineBrackets", **settings: object
) -> tuple[Targets, list[str]]:
    """The targets of one doc, and their answers as text."""
    model = GenerativeTagger(FORMATS[format], **{"base": str(base), "dtype": "float32", **settings})
    model.initialize()
    targets = make_targets(model, [Doc(VOCAB, words=words)], [tags], LABELS)
    tokenizer = get_generator(model).shared.piece_tokenizer
    return targets, [tokenizer.decode(answer) for answer in targets.answers]


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("InlineBrackets", "ask [Mia Brook](NAME) on [Friday](DATE)</s>"),
        ("BioLines", "Mia: B-NAME\nBrook: I-NAME\nFriday: B-DATE</s>"),
    ],
)
def test_a_target_is_the_prompt_and_the_right_answer(chat_llama: Path, format: str, expected: str) -> None:
    targets, answers = targets_of(chat_llama, WORDS, TAGS, format)
    assert answers == [expected]
    assert targets.batch.suffixes[0][-len(targets.answers[0]) :] == targets.answers[0]


def test_texts_without_entities_are_targets_too(chat_llama: Path) -> None:
    assert targets_of(chat_llama, ["no", "one"], np.array([OUT, OUT]))[1] == ["no one</s>"]
    assert targets_of(chat_llama, ["no", "one"], np.array([OUT, OUT]), "BioLines")[1] == ["</s>"]


@pytest.mark.parametrize("tag", [MISSING, NOT_INSIDE])
def test_chunks_with_unknown_tags_are_left_out(chat_llama: Path, tag: int) -> None:
    tags = TAGS.copy()
    tags[3] = tag
    assert targets_of(chat_llama, WORDS, tags)[1] == []


def test_a_long_doc_is_split(chat_llama: Path) -> None:
    answers = targets_of(chat_llama, WORDS, TAGS, window=2)[1]
    assert answers == ["ask [Mia](NAME)</s>", "[Brook](NAME) on</s>", "[Friday](DATE)</s>"]


def test_white_space_is_in_no_answer(chat_llama: Path) -> None:
    words, tags = ["\n", "Mia", " ", "Brook"], np.array([OUT, B_NAME, I_NAME, I_NAME])
    (answer,) = targets_of(chat_llama, words, tags, "BioLines")[1]
    assert answer == "Mia: B-NAME\nBrook: I-NAME</s>"


def test_chunks_too_long_for_the_base_are_left_out(chat_llama: Path) -> None:
    assert targets_of(chat_llama, ["x" * 600], np.array([OUT]))[1] == []


def test_the_loss_is_that_of_the_answers_per_subword() -> None:
    loss, gradient = get_generation_loss(np.array([-1.0, -3.0], dtype="float32"))
    assert loss == 2.0
    assert gradient.tolist() == [-0.5, -0.5]


def test_formats_are_registered() -> None:
    assert isinstance(FORMATS["BioLines"], BioLines) and isinstance(FORMATS["InlineBrackets"], InlineBrackets)
