"""Words a second of `nlp.pipe`, beside the machine's limit and other ways to run the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from spacy.language import Language
from spacy.tokens import Doc

from benchmarks.corpus import Sentences
from benchmarks.results import Table
from benchmarks.setting import encoder_of, make_docs, make_pipeline, tok2vec_of, token_classifier
from benchmarks.timing import in_turns
from spacy_llama_ner.encoder.architectures import plan_docs

SUBWORDS = 4096
WINDOW = 32


def measure(base: str, sentences: Sentences, *, rounds: int) -> Table:
    """Everything in turns; rates are words a second, the bare ones by the corpus's subwords a word."""
    nlp, merged = make_pipeline(base), make_pipeline(base, merge=True)
    docs = make_docs(nlp, sentences)
    model = tok2vec_of(nlp)
    plan = plan_docs(model, docs)
    n_words = sum(len(words) for words in sentences)
    n_subwords = sum(len(batch.ids) for batch in plan.batches)
    words_of = n_words / n_subwords
    encoder = encoder_of(nlp)
    runs: dict[str, tuple[Callable[[], object], float]] = {
        "matrix products, bf16": (products(encoder.llama.config, torch.bfloat16), SUBWORDS * words_of),
        "matrix products, fp32": (products(encoder.llama.config, torch.float32), SUBWORDS * words_of),
        "bare decoder, packed perfectly, bf16": (bare(base, torch.bfloat16), SUBWORDS * words_of),
        "our encoder": (lambda: inference(encoder, plan), n_words),
        "nlp.pipe": (lambda: pipe(nlp, sentences), n_words),
        "nlp.pipe, merged adapter": (lambda: pipe(merged, sentences), n_words),
    }
    for dtype, name in ((torch.bfloat16, "bf16"), (torch.float32, "fp32")):
        classifier, tokenizer = token_classifier(base, dtype)
        for size in (1, 8, 32):
            run = hf_pipeline(classifier, tokenizer, sentences, size)
            runs[f"HF pipeline, {name}, batches of {size}"] = (run, n_words)
        if dtype is torch.bfloat16:
            runs["plain transformers, bf16, batches of 32"] = (plain(classifier, tokenizer, sentences, 32), n_words)
    timings = in_turns({name: run for name, (run, _) in runs.items()}, rounds=rounds)
    rates = {name: timings[name].rate(n) for name, (_, n) in runs.items()}
    ours = rates["nlp.pipe"]
    rows = [[name, f"{rate:,.0f}", f"{ours / rate:.2f}"] for name, rate in rates.items()]
    return Table("Prediction", "All in turns in one process; medians.", ["", "words/s", "nlp.pipe over it"], rows)


def products(config: Any, dtype: torch.dtype) -> Callable[[], object]:
    """The matrix products of all layers, and nothing else."""
    hidden, inner = config.hidden_size, config.intermediate_size
    head = hidden // config.num_attention_heads
    kv = head * config.num_key_value_heads
    shapes = [(hidden, hidden + 2 * kv), (hidden, hidden), (hidden, 2 * inner), (inner, hidden)]
    weights = [
        [torch.randn(n_out, n_in).to(dtype) for n_in, n_out in shapes] for _ in range(config.num_hidden_layers)
    ]
    inputs = {n: torch.randn(SUBWORDS, n).to(dtype) for n in (hidden, inner)}

    @torch.inference_mode()
    def run() -> None:
        for layer in weights:
            for weight in layer:
                F.linear(inputs[weight.shape[1]], weight)

    return run


def bare(base: str, dtype: torch.dtype) -> Callable[[], object]:
    """The decoder of transformers without adapter, mask or padding."""
    classifier, _ = token_classifier(base, dtype)
    ids = torch.randint(classifier.config.vocab_size, (SUBWORDS // WINDOW, WINDOW))
    mask = torch.zeros(1, 1, 1, 1, dtype=dtype)

    @torch.inference_mode()
    def run() -> object:
        return classifier.model(input_ids=ids, attention_mask=mask, use_cache=False)

    return run


@torch.inference_mode()
def inference(module: Any, plan: Any) -> object:
    return module.eval()(plan)


def pipe(nlp: Language, sentences: Sentences) -> list[Doc]:
    return list(nlp.pipe(make_docs(nlp, sentences)))


def hf_pipeline(model: Any, tokenizer: Any, sentences: Sentences, size: int) -> Callable[[], object]:
    """Hugging Face's pipeline on the texts."""
    from transformers import pipeline  # type: ignore[attr-defined]

    find = pipeline("token-classification", model=model, tokenizer=tokenizer, device="cpu")
    texts = [" ".join(words) for words in sentences]
    return lambda: list(find(texts, batch_size=size))


def plain(model: Any, tokenizer: Any, sentences: Sentences, size: int) -> Callable[[], object]:
    """What a training script does: tokenize words, pad, run, argmax."""

    @torch.inference_mode()
    def run() -> list[Any]:
        found = []
        for start in range(0, len(sentences), size):
            batch = tokenizer(
                sentences[start : start + size], is_split_into_words=True, padding=True, return_tensors="pt"
            )
            found += model(**batch).logits.argmax(-1).tolist()
        return found

    return run
