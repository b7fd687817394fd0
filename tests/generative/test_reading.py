"""What was written can be read."""

from __future__ import annotations

import random
from time import perf_counter

import pytest

from spacy_llama_ner.generative.reading import read

from .samples import FORMATS, LABELS, chunk_of, some_ents


@pytest.mark.parametrize("name", FORMATS)
def test_every_right_answer_reads_as_it_was_meant(name: str) -> None:
    rng = random.Random(0)
    for _ in range(200):
        # no word twice: BIO lines could not say which one they mean
        chunk = chunk_of(" ".join(rng.sample([f"w{i}" for i in range(40)], k=rng.randint(1, 12))))
        ents = some_ents(rng, len(chunk.words))
        found, whole = read("".join(FORMATS[name].write(chunk, ents)), chunk, LABELS, format=FORMATS[name])
        assert whole and [each[:3] for each in found] == ents


@pytest.mark.parametrize("name", FORMATS)
def test_a_text_of_nothing_but_the_same_word_takes_no_longer_than_others(name: str) -> None:
    chunk = chunk_of(" ".join(["a"] * 150))
    ents = [(i, i + 1, "NAME") for i in range(150)]
    answer = "".join(FORMATS[name].write(chunk, ents))
    start = perf_counter()
    assert len(read(answer, chunk, LABELS, format=FORMATS[name]).entities) == 150
    assert not read(answer + "!", chunk, LABELS, format=FORMATS[name]).whole
    assert perf_counter() - start < 10
