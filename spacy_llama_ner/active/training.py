"""Training on a mixture, for a given number of steps, with spaCy's own loop."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Literal

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.loop import create_train_batches, train_while_improving
from thinc.api import fix_random_seed
from tqdm import tqdm

from ..data.docs import annotated_mask, copy_to_vocab, unlabelled, words_of
from ..evaluate.predict import PATIENCE, predict_and_score
from ..evaluate.scorer import ENTS_KEYS
from ..pipeline.llama_ner import only_component
from ..training.curve_logger import scores_and_loss
from .config import ActiveLearningConfig, ConfigError

Corpus = Callable[[Language], Iterator[Example]]


def without_gold(silver: Sequence[Doc], gold: Sequence[Doc]) -> list[Doc]:
    """The silver docs whose sentence has no gold labels; where the expert skipped it, it has none."""
    known = {words_of(doc) for doc in gold if any(annotated_mask(doc))}
    return [doc for doc in silver if words_of(doc) not in known]


def make_mixture(gold: Sequence[Doc], silver: Sequence[Doc], *, silver_weight: float) -> Corpus:
    """A corpus of one pass over both, in an order that is drawn anew each time, by Python's random state.

    silver_weight: how much a silver doc counts for beside a gold one, 0 to 1: each pass has all of `gold` and of
        `silver` this share, drawn at random. The mean over the passes is that of a weighted loss, and what counts
        less takes less time.

    Raises: ValueError where a pass would be empty.
    """
    n_silver = round(silver_weight * len(silver))
    if not gold and not n_silver:
        raise ValueError(
            f"There is nothing to train on: no gold docs, and with a weight of {silver_weight} none of {len(silver)} "
            "silver ones. Give more of either."
        )

    def examples(nlp: Language) -> Iterator[Example]:
        drawn = [*gold, *random.sample(silver, n_silver)]
        random.shuffle(drawn)
        return (Example(unlabelled(doc), doc) for doc in copy_to_vocab(drawn, nlp.vocab))

    return examples


def fit_new(plan: ActiveLearningConfig, corpus: Corpus, *, docs: Sequence[Doc], seed: int) -> Language:
    """A pipeline trained from the base as `[training]` says, for `max_steps` steps, which have to be given.

    docs: all that the corpus may show, for the labels.
    """
    training = plan.fresh_training()
    if training["max_steps"] < 1:
        raise ConfigError(f"training.max_steps is {training['max_steps']}; give the number of steps, 1 or more.")
    if not any(doc.ents for doc in docs):
        raise ConfigError(
            "There is no labelled entity to start from, neither gold nor silver. Give data that have some."
        )
    fix_random_seed(seed)
    nlp = plan.blank()
    examples = [Example(doc, doc) for doc in copy_to_vocab(docs, nlp.vocab)]
    nlp.initialize(lambda: examples)
    _fit(nlp, corpus, training, optimizer=training["optimizer"], steps=training["max_steps"])
    return nlp


def fit_on(plan: ActiveLearningConfig, nlp: Language, corpus: Corpus, *, docs: Sequence[Doc], seed: int) -> None:
    """Train `nlp` further with the optimizer and the steps of the block; all else is as in `[training]`.

    docs: as of `fit_new`. Labels that are new among them are added.
    """
    settings = plan.fresh_settings()
    fix_random_seed(seed)
    ner = only_component(nlp, wanted_by="Active learning")
    for label in sorted({ent.label_ for doc in docs for ent in doc.ents}):
        ner.add_label(label)
    _fit(nlp, corpus, plan.fresh_training(), optimizer=settings.optimizer, steps=settings.steps)


def _fit(nlp: Language, corpus: Corpus, training: dict[str, Any], *, optimizer: Any, steps: int) -> None:
    loop = train_while_improving(
        nlp,
        optimizer,
        # -1: the corpus is read anew for each pass, and draws its order itself
        create_train_batches(nlp, corpus, training["batcher"], -1),
        _no_evaluation,
        dropout=training["dropout"],
        eval_frequency=sys.maxsize,
        accumulate_gradient=training["accumulate_gradient"],
        patience=0,
        max_steps=0,
        exclude=training["frozen_components"],
        annotating_components=training["annotating_components"],
        before_update=training["before_update"],
    )
    for _ in tqdm(islice(loop, steps), total=steps, desc="Training", unit=" steps", delay=PATIENCE, leave=False):
        pass


def _no_evaluation() -> tuple[float, dict[str, Any]]:
    return 0.0, {}


Disagreement = Literal["keep", "mask", "drop"]


@dataclass(frozen=True)
class Filtered:
    """docs: what is left to train on. dropped: docs that are left out. masked: words whose label is left open."""

    docs: list[Doc]
    dropped: int = 0
    masked: int = 0


def filter_silver(nlp: Language, silver: Sequence[Doc], *, disagreement: Disagreement) -> Filtered:
    """Silver docs without what a trained pipeline sees differently.

    disagreement: what becomes of it. "keep": nothing, the labels stay. "mask": entities that only one of the two has
        become words without a label, which teach nothing. "drop": the whole doc goes.
    """
    if disagreement == "keep" or not silver:
        return Filtered(list(silver))
    docs, dropped, masked = [], 0, 0
    predicted = nlp.pipe(unlabelled(doc, nlp.vocab) for doc in silver)
    for doc, other in zip(silver, predicted, strict=True):
        doubted = doubted_words(doc, other)
        if doubted and disagreement == "drop":
            dropped += 1
            continue
        masked += sum(end - start for start, end in doubted)
        docs.append(mask(doc, doubted) if doubted else doc)
    return Filtered(docs, dropped, masked)


def first_silver(silver: Sequence[Doc], *, gold: Sequence[Doc], disagreement: Disagreement) -> Filtered:
    """What the first pipeline learns from beside `gold`, as long as there is none that could doubt it.

    Where gold has entities, silver waits for the pipeline that they make; without, it is all there is.
    """
    waits = disagreement != "keep" and any(doc.ents for doc in gold)
    return Filtered([], dropped=len(silver)) if waits else Filtered(list(silver))


def doubted_words(doc: Doc, other: Doc) -> list[tuple[int, int]]:
    """The ranges of words of entities that only one of two docs of the same words has, merged where they overlap."""
    first, second = ({(ent.start, ent.end, ent.label_) for ent in each.ents} for each in (doc, other))
    ranges: list[tuple[int, int]] = []
    for start, end, _ in sorted(first ^ second):
        if ranges and start < ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
        else:
            ranges.append((start, end))
    return ranges


def mask(doc: Doc, ranges: Sequence[tuple[int, int]]) -> Doc:
    """A copy of `doc` in which it is open what label these words have; all others keep what they have."""
    copy = doc.copy()
    copy.set_ents([], missing=[copy[start:end] for start, end in ranges], default="unmodified")
    return copy


def evaluate_pipeline(nlp: Language, examples: Sequence[Example]) -> dict[str, Any]:
    """Strict scores of whole entities and accuracy of words, 0 to 1, and the mean `loss` of a word, on gold data."""
    ner = only_component(nlp, wanted_by="Active learning")
    scores, loss = scores_and_loss(partial(predict_and_score, nlp), ner, examples)
    return {**{key: scores[key] for key in ENTS_KEYS}, "loss": loss}
