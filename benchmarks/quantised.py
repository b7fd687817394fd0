"""A trained pipeline over a quantised base: what that saves and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import spacy
import torch
from spacy.language import Language
from spacy.training import Corpus

from benchmarks.results import Table
from benchmarks.setting import encoder_of
from benchmarks.timing import Clock, in_turns
from spacy_llama_ner.base.quantize import Quantization

KEY = "components.llama_ner.model.tok2vec.quantization"


def measure(pipeline: Path, gold: Path, *, rounds: int, clock: Clock, how: str) -> Table:
    """Measure F1, words tagged as over the whole base, memory of the base's layers, and seconds for all texts.

    A quantization that does not work here gets a row that says why.

    Args:
        pipeline: A pipeline that was trained over the whole base.
        gold: A DocBin.
        rounds: How often it is timed.
        clock: By which clock.
        how: What to say about the clock.
    """
    rows, expected = [], None
    for name in (None, *get_args(Quantization)):
        try:
            nlp = spacy.load(pipeline, config={KEY: name})
        except ValueError as error:
            rows.append([str(name), str(error).splitlines()[0], "", "", ""])
            continue
        examples = list(Corpus(gold)(nlp))
        scores = nlp.evaluate(examples)
        texts = [eg.reference.text for eg in examples]
        tags = [(token.ent_iob_, token.ent_type_) for doc in nlp.pipe(texts) for token in doc]
        expected = expected or tags
        alike = sum(a == b for a, b in zip(tags, expected, strict=True)) / len(tags)
        seconds = in_turns({"": lambda nlp=nlp, texts=texts: list(nlp.pipe(texts))}, rounds=rounds, clock=clock)  # type: ignore[misc]
        rows.append(
            [
                name or "none",
                f"{100 * scores['ents_f']:.2f}",
                f"{100 * alike:.2f}%",
                f"{_layer_bytes(nlp) / 2**20:.0f} MiB",
                f"{seconds[''].median:.1f} s",
            ]
        )
    header = ["quantization", "F1", "words tagged as over the whole base", "the base's layers", "all texts"]
    return Table("Quantised bases", f"{pipeline}, trained over the whole base, on {gold}. {how}.", header, rows)


def _layer_bytes(nlp: Language) -> int:
    return sum(sum(part.nbytes for part in _parts(p)) for p in encoder_of(nlp).base.layers.parameters())


def _parts(parameter: Any) -> list[torch.Tensor]:
    """torchao's tensors are made of several."""
    names = parameter.__tensor_flatten__()[0] if hasattr(parameter, "__tensor_flatten__") else []
    return [getattr(parameter, name) for name in names] or [parameter]
