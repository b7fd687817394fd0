"""Words a second of training: our step beside Trainer and peft on the same data, adapter, format and batches."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import torch
from spacy.tokens import Span
from spacy.training import Example
from thinc.api import Adam

from benchmarks.corpus import Sentences
from benchmarks.results import Table
from benchmarks.setting import LABELS, make_docs, make_pipeline, token_classifier
from benchmarks.timing import in_turns

BATCH = 32
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def measure(base: str, sentences: Sentences, *, rounds: int) -> Table:
    """One step on the same 32 sentences each, in turns."""
    batch = sentences[:BATCH]
    n_words = sum(len(words) for words in batch)
    timings = in_turns({"llama_ner": ours(base, batch), "Trainer + peft": trainer(base, batch)}, rounds=rounds)
    rates = {name: timing.rate(n_words) for name, timing in timings.items()}
    rows = [[name, f"{rate:,.0f}", f"{rates['llama_ner'] / rate:.2f}"] for name, rate in rates.items()]
    return Table(
        "Training",
        f"Steps of the same {BATCH} sentences, in turns in one process; medians.",
        ["", "words/s", "llama_ner over it"],
        rows,
    )


def ours(base: str, batch: Sentences) -> Callable[[], object]:
    nlp = make_pipeline(base)
    docs = make_docs(nlp, batch)
    examples = []
    for doc in docs:
        gold = doc.copy()
        gold.set_ents([Span(gold, 0, 1, label=LABELS[0])])
        examples.append(Example(doc, gold))
    optimizer = Adam(1e-4)
    return lambda: nlp.update(examples, sgd=optimizer)


def trainer(base: str, batch: Sentences) -> Callable[[], object]:
    """One step of Trainer's own: forward, backward, clip, AdamW, under bf16 autocast."""
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import Trainer, TrainingArguments  # type: ignore[attr-defined]

    classifier, tokenizer = token_classifier(base, torch.bfloat16)
    config = LoraConfig(task_type=TaskType.TOKEN_CLS, r=16, lora_alpha=32, target_modules=LINEAR)
    model = get_peft_model(classifier, config)
    inputs = tokenizer(batch, is_split_into_words=True, padding=True, return_tensors="pt")
    inputs["labels"] = inputs["input_ids"] % (2 * len(LABELS) + 1)
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(folder, use_cpu=True, bf16=True, report_to=[], learning_rate=1e-4)
        runner: Any = Trainer(model, settings)
    runner.create_optimizer()
    runner.current_gradient_accumulation_steps = 1  # what train() would set
    steps: Iterator[dict[str, Any]] = cycle([dict(inputs)])

    def step() -> None:
        runner.training_step(model, next(steps))
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        runner.optimizer.step()
        model.zero_grad()

    return step
