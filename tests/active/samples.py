"""Made-up sentences with gold and silver labels, and the project's config on a tiny base."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_llama_ner.active.config import ActiveLearningConfig, read_active_config

CONFIG = Path(__file__).parent.parent.parent / "configs" / "active.cfg"
PEOPLE = ["Mia Brook", "Omar", "Tove Lund", "Ines", "Kofi Mensah", "Yuki", "Paolo Ricci", "Zara"]
PLACES = ["Lund", "Porto", "New Haven", "Quito", "Cork", "Malmö", "Santa Rosa", "Tartu"]
FORMS = [
    "{person} moved to {place} last spring .",
    "the ferry from {place} was late once more .",
    "{person} sells old lamps near the harbour of {place} .",
    "nobody picked up the phone on floor {number} .",
    "they asked {person} whether {place} has {number} bakeries .",
]

Marked = list[tuple[str, str]]


def make_doc(vocab: Vocab, text: str, marks: Marked) -> Doc:
    words = text.split()
    tags = ["O"] * len(words)
    for piece, label in marks:
        own = piece.split()
        start = next(i for i in range(len(words)) if words[i : i + len(own)] == own)
        tags[start : start + len(own)] = [f"B-{label}", *[f"I-{label}"] * (len(own) - 1)]
    return Doc(vocab, words=words, ents=tags)


def make_gold(vocab: Vocab, n: int, *, seed: int = 0) -> list[Doc]:
    """Different sentences with the entities PER and LOC."""
    rng = random.Random(seed)
    found: dict[str, Doc] = {}
    while len(found) < n:
        form, person, place = rng.choice(FORMS), rng.choice(PEOPLE), rng.choice(PLACES)
        text = form.format(person=person, place=place, number=rng.randrange(20, 90))
        marks = [(person, "PER")] * ("{person}" in form) + [(place, "LOC")] * ("{place}" in form)
        found.setdefault(text, make_doc(vocab, text, marks))
    return list(found.values())


def make_silver(gold: list[Doc], *, seed: int = 0) -> list[Doc]:
    """The same sentences; of every third entity the label is wrong."""
    rng = random.Random(seed)
    silver = []
    for doc in gold:
        copy = doc.copy()
        wrong = {"PER": "LOC", "LOC": "PER"}
        copy.ents = [
            copy.char_span(
                ent.start_char, ent.end_char, label=wrong[ent.label_] if rng.random() < 0.3 else ent.label_
            )
            for ent in doc.ents
        ]
        silver.append(copy)
    return silver


def write_corpora(folder: Path) -> dict[str, Any]:
    """silver, pool, gold and dev in `folder`, as overrides of `[paths]`."""
    vocab = Vocab()
    gold = make_gold(vocab, 60)
    corpora = {"silver": make_silver(gold[:20]), "pool": gold, "gold": gold, "dev": make_gold(vocab, 12, seed=1)}
    folder.mkdir(exist_ok=True)
    for name, docs in corpora.items():
        DocBin(docs=docs).to_disk(folder / f"{name}.spacy")
    return {f"paths.{name}": str(folder / f"{name}.spacy") for name in corpora}


def few_steps(base: Path) -> dict[str, Any]:
    """Overrides that make a training last a second."""
    encoder = {"base": str(base), "attention": "bidirectional", "dtype": "float32", "window": 64, "stride": 48}
    return {
        **{f"components.llama_ner.model.tok2vec.{name}": value for name, value in encoder.items()},
        "components.llama_ner.model.tok2vec.lora.rank": 4,
        "training.max_steps": 12,
        "training.optimizer.learn_rate.total_steps": 12,
        "training.optimizer.learn_rate.warmup_steps": 2,
        "training.optimizer.learn_rate.initial_rate": 0.01,
        "active.steps": 5,
        "active.optimizer.learn_rate.warmup_steps": 1,
        "active.optimizer.learn_rate.initial_rate": 0.01,
        "active.initial": 0,
        "active.per_round": 60,
        "active.total": 120,
        "active.pool_words": 200,
        "budget.shares": [0.2, 0.5],
        "budget.gold_shares": [],
        "budget.folds": 2,
    }


def make_config(overrides: dict[str, Any], *, block: str = "active", **more: Any) -> ActiveLearningConfig:
    return read_active_config(CONFIG, {**overrides, **more}, block=block)
