"""Training on a mixture, for a given number of steps, with spaCy's own loop."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.loop import create_train_batches, train_while_improving
from thinc.api import fix_random_seed
from tqdm import tqdm

from ..data.copies import in_vocab
from ..evaluate.predict import PATIENCE
from ..pipeline.components import only_component
from .mixture import Corpus
from .plan import Plan, PlanError


def fit_new(plan: Plan, corpus: Corpus, *, docs: Sequence[Doc], seed: int) -> Language:
    """A pipeline trained from the base as `[training]` says, for `max_steps` steps, which have to be given.

    docs: all that the corpus may show, for the labels.
    """
    training = plan.fresh_training()
    if training["max_steps"] < 1:
        raise PlanError(f"training.max_steps is {training['max_steps']}; give the number of steps, 1 or more.")
    if not any(doc.ents for doc in docs):
        raise PlanError(
            "There is no labelled entity to start from, neither gold nor silver. Give data that have some."
        )
    fix_random_seed(seed)
    nlp = plan.blank()
    examples = [Example(doc, doc) for doc in in_vocab(docs, nlp.vocab)]
    nlp.initialize(lambda: examples)
    _fit(nlp, corpus, training, optimizer=training["optimizer"], steps=training["max_steps"])
    return nlp


def fit_on(plan: Plan, nlp: Language, corpus: Corpus, *, docs: Sequence[Doc], seed: int) -> None:
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
