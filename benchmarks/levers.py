"""What makes prediction faster or not, and whether it still says the same.

Speed is measured on a sample, all in turns; agreement on every word of CoNLL-2003 test, read as the pipeline was
trained to: sentence by sentence or as whole documents.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from torch import nn

from benchmarks.results import Table
from benchmarks.setting import encoder_of
from benchmarks.timing import in_turns
from spacy_llama_ner.data.docs import unlabelled
from spacy_llama_ner.encoder import attention, batching
from spacy_llama_ner.encoder.lora import merged_copy

Lever = Callable[[], contextlib.AbstractContextManager[object]]
TOK2VEC = "components.llama_ner.model.tok2vec"


def measure(pipeline: Path, corpus: Path, *, sample: int, rounds: int) -> Table:
    """Measure words a second against the plain pipeline, and words with the same tag.

    Args:
        pipeline: A trained pipeline.
        corpus: A DocBin of gold docs.
        sample: How many words are timed.
        rounds: How often.
    """
    plain, merged, exact = (_load(pipeline, **settings) for settings in ({}, {"merge": True}, {"dtype": "float32"}))
    small, docs = _gold(plain, corpus, sample), _gold(plain, corpus, None)
    levers: dict[str, tuple[Language, Lever, bool]] = {
        "plain: adapter beside the base, bf16": (plain, contextlib.nullcontext, True),
        "merged adapter": (merged, contextlib.nullcontext, True),
        "merged, int8 (dynamic, by channel)": (merged, lambda: _int8(encoder_of(merged)), True),
        "fp32": (exact, contextlib.nullcontext, True),
        "batches of 1,024 subwords": (plain, lambda: patch.object(batching, "SUBWORDS_PER_BATCH", 1024), False),
        "batches of 16,384 subwords": (plain, lambda: patch.object(batching, "SUBWORDS_PER_BATCH", 16_384), False),
        "torch's fused attention": (plain, lambda: patch.object(attention, "FUSED_FROM", 0), False),
    }
    timings = in_turns({name: _run(nlp, lever, small) for name, (nlp, lever, _) in levers.items()}, rounds=rounds)
    gold, first = [_tags(doc) for doc in docs], next(iter(levers))
    rows, expected = [], None
    for name, (nlp, lever, compare) in levers.items():
        speed = f"{timings[first].median / timings[name].median:.2f}"
        if not compare:
            rows.append([name, speed, "", ""])
            continue
        found = [_tags(doc) for doc in _run(nlp, lever, docs)()]
        expected = expected or found
        rows.append([name, speed, _same(found, expected), _same(found, gold)])
    how = f"{pipeline.name}, {sum(len(doc) for doc in docs):,} words; speed on {sum(len(doc) for doc in small):,}."
    return Table("Levers", how, ["", "speed", "words tagged as by the plain one", "words tagged right"], rows)


def _load(pipeline: Path, **settings: Any) -> Language:
    return spacy.load(pipeline, config={f"{TOK2VEC}.{key}": value for key, value in settings.items()})


def _gold(nlp: Language, corpus: Path, n_words: int | None) -> list[Doc]:
    docs, total = [], 0
    for doc in DocBin().from_disk(corpus).get_docs(nlp.vocab):
        docs.append(doc)
        total += len(doc)
        if n_words is not None and total >= n_words:
            break
    return docs


def _run(nlp: Language, lever: Lever, docs: list[Doc]) -> Callable[[], list[Doc]]:
    def run() -> list[Doc]:
        with lever():
            return list(nlp.pipe([unlabelled(doc) for doc in docs]))

    return run


def _tags(doc: Doc) -> list[tuple[str, str]]:
    return [(token.ent_iob_, token.ent_type_) for token in doc]


def _same(found: list[list[Any]], expected: list[list[Any]]) -> str:
    pairs = [pair for tags in zip(found, expected, strict=True) for pair in zip(*tags, strict=True)]
    return f"{100 * sum(a == b for a, b in pairs) / len(pairs):.2f}%"


@contextlib.contextmanager
def _int8(encoder: Any) -> Iterator[None]:
    """Weights by channel and activations by tensor in 8 bits, as torch quantizes a linear layer on the fly."""
    from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

    if not hasattr(encoder, "quantized"):
        decoder = merged_copy(encoder.llama).float()
        rules: Any = {nn.Linear: per_channel_dynamic_qconfig}
        object.__setattr__(encoder, "quantized", quantize_dynamic(decoder, rules, dtype=torch.qint8))
    with (
        patch.object(encoder, "_active_decoder", lambda: encoder.quantized),
        patch.object(type(encoder), "dtype", torch.float32),
    ):
        yield
