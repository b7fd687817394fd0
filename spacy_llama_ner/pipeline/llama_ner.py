"""The component `llama_ner`: named entities by a bidirectional Llama with a CRF head."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from spacy.language import Language
from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import load_config_from_str
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..data.errors import LlamaNERError
from .annotations import set_entities
from .entity_pipe import ASSIGNS, SCORE_WEIGHTS, EntityPipe, Scorer, check_spans_key, gold_tags

if TYPE_CHECKING:
    from ..head.architectures import TaggerModel
    from ..head.inference import Entity

DEFAULT_CONFIG = """
[llama_ner]
spans_key = "llama_ner"
overwrite = false

[llama_ner.model]
@architectures = "spacy_llama_ner.CRFTagger.v1"

[llama_ner.model.tok2vec]
@architectures = "spacy_llama_ner.LlamaEncoder.v1"
base = "smollm2-135m"

[llama_ner.model.head]
@architectures = "spacy_llama_ner.LinearHead.v1"

[llama_ner.model.loss]
@misc = "spacy_llama_ner.TaggingLoss.v1"

[llama_ner.scorer]
@scorers = "spacy_llama_ner.seqeval_scorer.v1"
"""


@Language.factory(
    "llama_ner",
    assigns=ASSIGNS,
    default_config=load_config_from_str(DEFAULT_CONFIG)["llama_ner"],
    default_score_weights=SCORE_WEIGHTS,
)
def make_llama_ner(
    nlp: Language, name: str, model: Model, spans_key: str | None, overwrite: bool | None, scorer: Scorer | None
) -> LlamaNER:
    """Create a `llama_ner` component.

    Args:
        nlp: The pipeline.
        name: The component's name in it.
        model: A `spacy_llama_ner.CRFTagger.v1`.
        spans_key: Span group that gets the entities with their scores, `doc.spans[spans_key].attrs["scores"]`; null
            for none. Components with the same one share the group.
        overwrite: Whether all entities that a doc already has are replaced. Otherwise they stay, and predictions that
            overlap with them are left out. null leaves `doc.ents` alone: all predictions stand in the span group,
            which has to be the component's own.
        scorer: By default seqeval's strict scores.

    Returns:
        The component.

    Raises:
        ValueError: If a component with `overwrite` null has no span group of its own.
    """
    check_spans_key(nlp, name, spans_key=spans_key, overwrite=overwrite)
    return LlamaNER(nlp.vocab, model, name, spans_key=spans_key, overwrite=overwrite, scorer=scorer)


class LlamaNER(EntityPipe):
    """Sets `doc.ents`, and beside them how probable each entity is.

    Args:
        vocab: The pipeline's vocab.
        model: A `CRFTagger`.
        name: The component's name in the pipeline.
        spans_key: As for `make_llama_ner`.
        overwrite: As for `make_llama_ner`.
        scorer: Scores examples; None for no scores.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "llama_ner",
        *,
        spans_key: str | None = "llama_ner",
        overwrite: bool | None = False,
        scorer: Scorer | None = None,
    ) -> None:
        super().__init__(vocab, model, name, spans_key=spans_key, overwrite=overwrite, scorer=scorer)
        # `nlp.resume_training` sets it, under this name, to a copy of the model
        self._rehearsal_model: TaggerModel | None = None

    @property
    def is_initialized(self) -> bool:
        """Whether the model has weights."""
        from ..head.architectures import has_weights

        return has_weights(self.model)

    @property
    def can_rehearse(self) -> bool:
        """Whether there is an earlier state of the model to stay close to: that of the last `nlp.resume_training`."""
        return self._rehearsal_model is not None

    def add_label(self, label: str) -> int:
        """Add an entity label. A trained model keeps what it has learned.

        Args:
            label: The label.

        Returns:
            1, or 0 if the component has the label already.

        Raises:
            ValueError: If it is not a string, or empty.
        """
        is_new = super().add_label(label)
        if is_new and self.is_initialized:
            from ..head.architectures import extend_labels

            extend_labels(self.model.get_ref("head"), self.cfg["labels"])
        return is_new

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | None = None,
    ) -> None:
        """Load the base, and make a fresh adapter and a fresh head.

        Args:
            get_examples: Training examples. The first ten show the shapes, all of them show the labels.
            nlp: The pipeline.
            labels: The labels, if they are known (`spacy init labels`); spares the pass over the data.

        Raises:
            ValueError: If there are no labels.
        """
        from ..head.architectures import set_labels

        validate_get_examples(get_examples, "LlamaNER.initialize")
        self._rehearsal_model = None
        self.find_labels(get_examples, labels)
        set_labels(self.model.get_ref("head"), self.cfg["labels"])
        sample = [eg.x for eg in islice(get_examples(), 10)]
        self.model.initialize(X=sample)

    def predict(self, docs: Iterable[Doc]) -> list[list[Entity]]:
        """Find the entities of each doc.

        Args:
            docs: The docs, which are not changed.

        Returns:
            The entities of each doc, with their scores.
        """
        from ..head.inference import decode

        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [[] for _ in docs]
        return decode(self.model, self.model.predict(docs))

    def set_annotations(self, docs: Iterable[Doc], scores: list[list[Entity]]) -> None:
        """Write entities into `doc.ents` and `doc.spans`.

        Args:
            docs: The docs.
            scores: What `predict` returned for them.
        """
        for doc, entities in zip(docs, scores, strict=True):
            set_entities(doc, entities, spans_key=self.spans_key, overwrite=self.overwrite)

    def get_loss(self, examples: Iterable[Example], scores: list[Floats2d]) -> tuple[float, list[Floats2d]]:
        """Compute the loss, and its gradient on the emissions. Words without annotation do not count.

        Args:
            examples: Predicted docs and gold docs.
            scores: Emissions fp32 [n_words, n_tags] of the predicted docs.

        Returns:
            The loss, a mean over the words with a known tag, and gradients fp32 [n_words, n_tags] of each doc.

        Raises:
            ValueError: If a gold doc has a label that the component does not have.
        """
        from ..head.inference import get_loss

        examples = list(examples)
        validate_examples(examples, "LlamaNER.get_loss")
        tags: list[np.ndarray] = [gold_tags(eg, self.labels) for eg in examples]
        return get_loss(self.model, scores, tags)

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Train the model to predict for these texts what it predicted when `nlp.resume_training` was called.

        So it keeps what it knows while it learns something new, such as an added label.

        Args:
            examples: The texts. Their annotation is not read.
            drop: Dropout rate.
            sgd: Optimizer that takes a step; without one, the gradients are added to those of the next step.
            losses: Losses by component, to which the loss is added: that of `head.distillation`, per word.

        Returns:
            The losses.

        Raises:
            ValueError: If training has not been resumed, or the component listens to an encoder that others share.
        """
        from ..head.architectures import has_weights
        from ..head.distillation import distillation_loss

        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "LlamaNER.rehearse")
        teacher = self._rehearsal_model
        if teacher is None or not has_weights(teacher):
            raise ValueError(
                f"{self.name!r} has nothing to rehearse, which is the model as it was when training was resumed. "
                "Load a trained pipeline and call `nlp.resume_training()` first; in a config, `source` the component."
            )
        if any(isinstance(node, Tok2VecListener) for node in self.model.walk()):
            raise ValueError(
                f"{self.name!r} shares its encoder, which cannot be rehearsed for one component alone. Give it its "
                "own first: `nlp.replace_listeners`, or `replace_listeners` where the config sources it."
            )
        docs = [eg.predicted for eg in examples]
        if any(len(doc) for doc in docs):
            teacher_emissions = teacher.predict(docs)
            set_dropout_rate(self.model, drop)
            emissions, backprop = self.model.begin_update(docs)
            loss, gradients = distillation_loss(
                self.model, emissions, teacher=teacher, teacher_emissions=teacher_emissions
            )
            backprop(gradients)
            losses[self.name] += loss
        if sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def _check_loaded(self) -> None:
        known = self.model.get_ref("head").attrs["labels"]
        if self.is_initialized and list(self.labels) != list(known):
            raise ValueError(
                f"The file cfg names the labels {list(self.labels)}, but the weights were trained for {list(known)}."
            )


def find_components(nlp: Language) -> dict[str, LlamaNER]:
    """Return the active `llama_ner` components of a pipeline by name, in its order."""
    return {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, LlamaNER)}


def only_component(nlp: Language, *, wanted_by: str) -> LlamaNER:
    """Return the one active `llama_ner` of a pipeline.

    Args:
        nlp: The pipeline.
        wanted_by: Who needs it, as the error message begins.

    Raises:
        LlamaNERError: If there is none, or more than one.
    """
    found = list(find_components(nlp).values())
    if len(found) != 1:
        raise LlamaNERError(
            f"{wanted_by} works with one llama_ner component, but the pipeline {nlp.pipe_names} has {len(found)}."
        )
    return found[0]
