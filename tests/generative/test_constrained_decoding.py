"""Constrained decoding: only what can become an answer of the format may be generated."""

from __future__ import annotations

import random

import pytest
import torch

from spacy_llama_ner.generative.chunks import Chunk
from spacy_llama_ner.generative.constrained_decoding import ConstrainedPath, mask_logits
from spacy_llama_ner.generative.predict import parse_answer
from tests.generative.samples import FORMATS, LABELS, chunk_of, random_ents

END = 0
TEXT = "on Friday Mia Brook met Mia Lind [sic](NAME) on Friday"


def tokenize(piece: str) -> tuple[int, ...]:
    """A subword for each character."""
    return tuple(map(ord, piece))


def path_of(name: str, chunk: Chunk) -> ConstrainedPath:
    return ConstrainedPath(FORMATS[name], chunk, LABELS, tokenize=tokenize, end=END)


@pytest.mark.parametrize("name", FORMATS)
def test_whatever_is_chosen_the_answer_parses_and_copies_the_text(name: str) -> None:
    rng = random.Random(0)
    chunk = chunk_of(TEXT)
    for _ in range(100):
        path, answer = path_of(name, chunk), ""
        while (subword := rng.choice(path.allowed)) != END:
            answer += chr(subword)
            path.advance(subword)
        path.advance(END)
        assert path.allowed == []
        found, complete = parse_answer(answer, chunk, LABELS, format=FORMATS[name])
        assert complete
        for ent in found:
            assert all(word in answer[ent.char_start : ent.char_end] for word in chunk.words[ent.start : ent.end])


@pytest.mark.parametrize("name", FORMATS)
def test_every_right_answer_may_be_generated(name: str) -> None:
    rng = random.Random(1)
    chunk = chunk_of(TEXT)
    for _ in range(50):
        path = path_of(name, chunk)
        for subword in tokenize("".join(FORMATS[name].write(chunk, random_ents(rng, len(chunk.words))))):
            assert subword in path.allowed
            path.advance(subword)
        assert END in path.allowed


@pytest.mark.parametrize(
    ("name", "start", "allowed"),
    [
        ("InlineBrackets", "", "M["),
        ("InlineBrackets", "[Mia", " ]"),
        ("InlineBrackets", "[Mia](", "ND"),
        ("InlineBrackets", "Mia met [Omar](NAME)", "\0"),
        ("BioLines", "", "\0MmO"),
        ("BioLines", "Mia: ", "B"),
        ("BioLines", "Mia: B-NAME\nmet: ", "BI"),
        ("BioLines", "Mia: B-NAME\nOmar: ", "B"),
        ("BioLines", "Omar: B-NAME", "\0"),
    ],
)
def test_what_may_come_next(name: str, start: str, allowed: str) -> None:
    path = path_of(name, chunk_of("Mia met Omar"))
    for subword in tokenize(start):
        path.advance(subword)
    assert sorted(map(chr, path.allowed)) == sorted(allowed)


def test_all_other_logits_are_masked() -> None:
    paths = [path_of("BioLines", chunk_of("a b")), path_of("InlineBrackets", chunk_of("c"))]
    logits = torch.arange(256.0).repeat(2, 1)
    masked = mask_logits(logits, paths)
    assert [set(map(chr, row.isfinite().nonzero()[:, 0].tolist())) for row in masked] == [
        {"\0", "a", "b"},
        {"c", "["},
    ]
    assert torch.equal(masked[masked.isfinite()], logits[masked.isfinite()])


def test_pieces_without_a_subword_are_skipped() -> None:
    """Some tokenizers drop characters that cannot be seen."""
    path = ConstrainedPath(
        FORMATS["InlineBrackets"],
        chunk_of("\u200b a"),
        LABELS,
        tokenize=lambda p: tokenize(p.strip(" \u200b")),
        end=END,
    )
    assert {chr(subword) for subword in path.allowed} == {"a", "["}
