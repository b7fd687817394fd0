"""How speed and memory change with the number of docs, and with the length of one doc."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

from spacy.tokens import Doc

from benchmarks.corpus import Sentences
from benchmarks.results import Table
from benchmarks.setting import make_docs, make_pipeline, resident

# so few layers that whatever grows with the text is seen within minutes
N_FEW_LAYERS = 2


def measure(
    base: str, sentences: Sentences, *, docs: list[int], characters: list[int], thin_docs: list[int]
) -> Table:
    """Words a second and resident memory for streams of so many docs, and docs of so many characters.

    Each base is measured in a process of its own: the whole one, and one cut to `N_FEW_LAYERS` layers on `thin_docs`.
    """
    rows = []
    for settings, streams, lengths in (({}, docs, characters), ({"layer": N_FEW_LAYERS}, thin_docs, characters)):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as own_process:
            rows += own_process.submit(_measure, base, sentences, settings, streams, lengths).result()
    return Table(
        "Growth", "One pass each, in a row; two processes.", ["base", "", "words/s", "highest resident MiB"], rows
    )


def _measure(
    base: str, sentences: Sentences, settings: dict[str, int], streams: list[int], lengths: list[int]
) -> list[list[str]]:
    nlp = make_pipeline(base, **settings)
    name = f"{settings['layer']} layers" if settings else "whole"
    list(nlp.pipe(make_docs(nlp, sentences[:500])))
    rows = []
    for n in streams:
        stream = (Doc(nlp.vocab, words=sentences[i % len(sentences)]) for i in range(n))
        rows.append([name, f"{n:,} docs", *_run(nlp.pipe(stream))])
    text = " ".join(word for words in sentences for word in words)
    for length in lengths:
        whole = (text + " ") * (length // len(text) + 1)
        nlp.max_length = length + 1
        rows.append([name, f"one doc of {length:,} characters", *_run(nlp.pipe([whole[:length]]))])
    return rows


def _run(stream: Iterator[Doc]) -> list[str]:
    start, n_words, highest = perf_counter(), 0, 0.0
    for doc in stream:
        n_words += len(doc)
        if n_words % 1000 < len(doc):
            highest = max(highest, resident())
    return [f"{n_words / (perf_counter() - start):,.0f}", f"{highest:,.0f}"]
