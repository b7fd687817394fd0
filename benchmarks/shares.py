"""Where the time of `nlp.pipe` goes."""

from __future__ import annotations

from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.corpus import Sentences
from benchmarks.predict import inference, pipe
from benchmarks.results import Table
from benchmarks.setting import encoder_of, make_docs, make_pipeline, tok2vec_of
from benchmarks.timing import in_turns
from spacy_llama_ner.encoder.architectures import plan_docs
from spacy_llama_ner.head.inference import decode

KINDS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm"),
    "copies and casts": ("aten::copy_", "aten::cat", "aten::index_select", "aten::index"),
    "softmax": ("aten::_softmax",),
}


def measure(base: str, sentences: Sentences, *, rounds: int) -> list[Table]:
    """Shares of the stages, timed in turns, and of the operations within the encoder, by torch's profiler."""
    nlp = make_pipeline(base)
    ner: Any = nlp.get_pipe("llama_ner")
    tok2vec, head = tok2vec_of(nlp), ner.model.get_ref("head")
    docs = make_docs(nlp, sentences)
    plan, encoder = plan_docs(tok2vec, docs), encoder_of(nlp)
    vectors = tok2vec.predict(docs)
    emissions = head.predict(vectors)
    entities = ner.predict(docs)
    stages = {
        "subwords, alignment, batches": lambda: plan_docs(tok2vec, docs),
        "encoder": lambda: inference(encoder, plan),
        "head": lambda: head.predict(vectors),
        "CRF: best tags and marginals": lambda: decode(ner.model, emissions),
        "annotations": lambda: ner.set_annotations(make_docs(nlp, sentences), entities),
    }
    timings = in_turns({**stages, "nlp.pipe": lambda: pipe(nlp, sentences)}, rounds=rounds)
    whole = timings["nlp.pipe"].median
    rows = [[name, _percent(timings[name].median / whole)] for name in stages]
    return [
        Table("Stages", "Each alone, in turns with nlp.pipe; medians.", ["", "of nlp.pipe's time"], rows),
        Table("Operations", "One pass of the encoder.", ["", "of the encoder's time"], _operations(encoder, plan)),
    ]


def _operations(encoder: Any, plan: Any) -> list[list[str]]:
    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU]) as recorded:
        encoder.eval()(plan)
    own = {event.key: event.self_cpu_time_total for event in recorded.key_averages()}
    whole = sum(own.values())
    shares = {kind: sum(own.get(name, 0.0) for name in names) / whole for kind, names in KINDS.items()}
    shares["element by element (norms, rotation, gates, residuals) and the rest"] = 1 - sum(shares.values())
    return [[kind, _percent(share)] for kind, share in shares.items()]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
