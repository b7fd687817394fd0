"""Training on gold and silver labels: mixtures of both, silver that a pipeline disputes, and spaCy's own loop.

A mixture is a corpus of one pass (`make_mixture`). `train_from_base` and `train_further` train on one for a given
number of steps, `filter_silver` takes out of silver docs what a trained pipeline sees differently, and
`evaluate_pipeline` scores the result.
"""

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
Disagreement = Literal["keep", "mask", "drop"]


def without_gold(silver: Sequence[Doc], gold: Sequence[Doc]) -> list[Doc]:
    """Return the silver docs whose sentence has no gold labels. A sentence that the expert skipped has none."""
    labelled = {words_of(doc) for doc in gold if any(annotated_mask(doc))}
    return [doc for doc in silver if words_of(doc) not in labelled]


def make_mixture(gold: Sequence[Doc], silver: Sequence[Doc], *, silver_weight: float) -> Corpus:
    """Make a corpus of one pass over both, in an order that Python's random state draws anew each time.

    Args:
        gold: Docs that each pass has all of.
        silver: Docs that each pass has a share of, drawn at random.
        silver_weight: This share, 0 to 1: how much a silver doc counts beside a gold one. The mean over the passes is
            that of a weighted loss, and what counts less takes less time.

    Raises:
        ConfigError: If a pass would be empty.
    """
    n_silver = round(silver_weight * len(silver))
    if not gold and not n_silver:
        raise ConfigError(
            f"There is nothing to train on: no gold docs, and with a weight of {silver_weight} none of {len(silver)} "
            "silver ones. Give more of either."
        )

    def examples(nlp: Language) -> Iterator[Example]:
        drawn = [*gold, *random.sample(silver, n_silver)]
        random.shuffle(drawn)
        return (Example(unlabelled(doc), doc) for doc in copy_to_vocab(drawn, nlp.vocab))

    return examples


@dataclass(frozen=True)
class FilteredSilver:
    """Silver docs to train on.

    Attributes:
        docs: What is left.
        dropped: How many docs are left out.
        masked: How many words have lost their label.
    """

    docs: list[Doc]
    dropped: int = 0
    masked: int = 0


def initial_silver(silver: Sequence[Doc], *, gold: Sequence[Doc], disagreement: Disagreement) -> FilteredSilver:
    """Choose what the first pipeline learns from beside `gold`, since there is none yet that could dispute it.

    Where gold has entities, silver waits for the pipeline that they make; without, it is all there is.
    """
    waits = disagreement != "keep" and any(doc.ents for doc in gold)
    return FilteredSilver([], dropped=len(silver)) if waits else FilteredSilver(list(silver))


def filter_silver(nlp: Language, silver: Sequence[Doc], *, disagreement: Disagreement) -> FilteredSilver:
    """Take out of silver docs what a trained pipeline sees differently.

    Args:
        nlp: The trained pipeline.
        silver: Docs with the labels of a language model.
        disagreement: "keep" leaves all labels as they are. With "mask", entities that only one of the two has become
            words without a label, which teach nothing. With "drop" the whole doc goes.
    """
    if disagreement == "keep" or not silver:
        return FilteredSilver(list(silver))
    docs, dropped, masked = [], 0, 0
    predicted = nlp.pipe(unlabelled(doc, nlp.vocab) for doc in silver)
    for doc, other in zip(silver, predicted, strict=True):
        disputed = disputed_words(doc, other)
        if disputed and disagreement == "drop":
            dropped += 1
            continue
        masked += sum(end - start for start, end in disputed)
        docs.append(mask_words(doc, disputed) if disputed else doc)
    return FilteredSilver(docs, dropped, masked)


def disputed_words(doc: Doc, other: Doc) -> list[tuple[int, int]]:
    """Find the entities that only one of two docs of the same words has.

    Returns:
        Their ranges of words (start, end), merged where they overlap.
    """
    first, second = ({(ent.start, ent.end, ent.label_) for ent in each.ents} for each in (doc, other))
    ranges: list[tuple[int, int]] = []
    for start, end, _ in sorted(first ^ second):
        if ranges and start < ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
        else:
            ranges.append((start, end))
    return ranges


def mask_words(doc: Doc, ranges: Sequence[tuple[int, int]]) -> Doc:
    """Copy `doc`, and leave open what label the words in `ranges` have; all others keep what they have."""
    copy = doc.copy()
    copy.set_ents([], missing=[copy[start:end] for start, end in ranges], default="unmodified")
    return copy


def train_from_base(config: ActiveLearningConfig, corpus: Corpus, *, docs: Sequence[Doc], seed: int) -> Language:
    """Train a new pipeline as [training] says.

    Args:
        config: Its [training] has to give `max_steps`.
        corpus: What is learned from.
        docs: All that the corpus may show, for the labels.
        seed: Seed of everything that is drawn.

    Raises:
        ConfigError: If there is no number of steps, or no entity.
    """
    training = config.resolve_training()
    if training["max_steps"] < 1:
        raise ConfigError(f"training.max_steps is {training['max_steps']}; give the number of steps, 1 or more.")
    if not any(doc.ents for doc in docs):
        raise ConfigError(
            "There is no labelled entity to start from, neither gold nor silver. Give data that have some."
        )
    fix_random_seed(seed)
    nlp = config.make_pipeline()
    examples = [Example(doc, doc) for doc in copy_to_vocab(docs, nlp.vocab)]
    nlp.initialize(lambda: examples)
    _train(nlp, corpus, training, optimizer=training["optimizer"], steps=training["max_steps"])
    return nlp


def train_further(
    config: ActiveLearningConfig, nlp: Language, corpus: Corpus, *, docs: Sequence[Doc], seed: int
) -> None:
    """Train a pipeline further with the optimizer and the steps of [active]; all else is as in [training].

    Args:
        config: The config with both blocks.
        nlp: The pipeline. Labels that it lacks are added.
        corpus: What is learned from.
        docs: All that the corpus may show, for the labels.
        seed: Seed of everything that is drawn.
    """
    settings = config.resolve_block()
    fix_random_seed(seed)
    ner = only_component(nlp, wanted_by="Active learning")
    for label in sorted({ent.label_ for doc in docs for ent in doc.ents}):
        ner.add_label(label)
    _train(nlp, corpus, config.resolve_training(), optimizer=settings.optimizer, steps=settings.steps)


def _train(nlp: Language, corpus: Corpus, training: dict[str, Any], *, optimizer: Any, steps: int) -> None:
    loop = train_while_improving(
        nlp,
        optimizer,
        # -1: the corpus is read anew for each pass, and draws its order itself
        create_train_batches(nlp, corpus, training["batcher"], -1),
        lambda: (0.0, {}),
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


def evaluate_pipeline(nlp: Language, examples: Sequence[Example]) -> dict[str, Any]:
    """Score a pipeline on gold data.

    Returns:
        Strict scores of whole entities and the accuracy of words, 0 to 1, and `loss`, the mean of a word; None where
        a label of the data is unknown to the pipeline.
    """
    ner = only_component(nlp, wanted_by="Active learning")
    scores, loss = scores_and_loss(partial(predict_and_score, nlp), ner, examples)
    return {**{key: scores[key] for key in ENTS_KEYS}, "loss": loss}
