"""Only what can become an answer may be written."""

from __future__ import annotations

import random

import pytest
import torch

from spacy_llama_ner.generative.chunks import Chunk
from spacy_llama_ner.generative.constrained_decoding import ConstrainedPath, keep_allowed
from spacy_llama_ner.generative.predict import read
from tests.generative.samples import FORMATS, LABELS, chunk_of, some_ents

END = 0
TEXT = "on Friday Mia Brook met Mia Lind [sic](NAME) on Friday"


def spell(piece: str) -> tuple[int, ...]:
    """A subword for each character."""
    return tuple(map(ord, piece))


def walk_of(name: str, chunk: Chunk) -> ConstrainedPath:
    return ConstrainedPath(FORMATS[name], chunk, LABELS, encode=spell, end=END)


@pytest.mark.parametrize("name", FORMATS)
def test_whatever_is_chosen_an_answer_parses_and_copies_the_text(name: str) -> None:
    rng = random.Random(0)
    chunk = chunk_of(TEXT)
    for _ in range(100):
        walk, answer = walk_of(name, chunk), ""
        while (subword := rng.choice(walk.allowed)) != END:
            answer += chr(subword)
            walk.take(subword)
        walk.take(END)
        assert walk.allowed == []
        found, whole = read(answer, chunk, LABELS, format=FORMATS[name])
        assert whole
        for ent in found:
            assert all(word in answer[ent.began : ent.ended] for word in chunk.words[ent.start : ent.end])


@pytest.mark.parametrize("name", FORMATS)
def test_every_right_answer_may_be_written(name: str) -> None:
    rng = random.Random(1)
    chunk = chunk_of(TEXT)
    for _ in range(50):
        walk = walk_of(name, chunk)
        for subword in spell("".join(FORMATS[name].write(chunk, some_ents(rng, len(chunk.words))))):
            assert subword in walk.allowed
            walk.take(subword)
        assert END in walk.allowed


@pytest.mark.parametrize(
    ("name", "begun", "allowed"),
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
def test_what_may_come_next(name: str, begun: str, allowed: str) -> None:
    walk = walk_of(name, chunk_of("Mia met Omar"))
    for subword in spell(begun):
        walk.take(subword)
    assert sorted(map(chr, walk.allowed)) == sorted(allowed)


def test_all_else_gets_no_chance() -> None:
    walks = [walk_of("BioLines", chunk_of("a b")), walk_of("InlineBrackets", chunk_of("c"))]
    scores = torch.arange(256.0).repeat(2, 1)
    kept = keep_allowed(scores, walks)
    assert [set(map(chr, row.isfinite().nonzero()[:, 0].tolist())) for row in kept] == [{"\0", "a", "b"}, {"c", "["}]
    assert torch.equal(kept[kept.isfinite()], scores[kept.isfinite()])


def test_pieces_without_a_subword_are_passed_over() -> None:
    """Some tokenizers drop characters that cannot be seen."""
    walk = ConstrainedPath(
        FORMATS["InlineBrackets"], chunk_of("\u200b a"), LABELS, encode=lambda p: spell(p.strip(" \u200b")), end=END
    )
    assert {chr(subword) for subword in walk.allowed} == {"a", "["}
