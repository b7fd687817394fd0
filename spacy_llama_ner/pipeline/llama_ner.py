"""The `llama_ner` component: named entities by a bidirectional Llama under a CRF."""

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

from .annotations import annotate
from .entity_pipe import ASSIGNS, SCORE_WEIGHTS, EntityPipe, Scorer, check_group, gold_tags

if TYPE_CHECKING:
    from ..head.architectures import TaggerModel
    from ..head.inference import Entity


def rehearse(ner: LlamaNER, examples: list[Example], *, drop: float) -> float:
    """Add the gradients of one rehearsal on the texts of `examples`; give the loss. See `LlamaNER.rehearse`."""
    from ..head.architectures import has_weights
    from ..head.distillation import distillation_loss

    validate_examples(examples, "LlamaNER.rehearse")
    tutor = ner._rehearsal_model
    if tutor is None or not has_weights(tutor):
        raise ValueError(
            f"{ner.name!r} has nothing to rehearse, which is the model as it was when training was resumed. Load a "
            "trained pipeline and call `nlp.resume_training()` first; in a config, `source` the component."
        )
    if any(isinstance(node, Tok2VecListener) for node in ner.model.walk()):
        raise ValueError(
            f"{ner.name!r} shares its encoder, which cannot be rehearsed for one component alone. Give it its own "
            "first: `nlp.replace_listeners`, or `replace_listeners` where the config sources it."
        )
    docs = [eg.predicted for eg in examples]
    if not any(len(doc) for doc in docs):
        return 0.0
    wanted = tutor.predict(docs)
    set_dropout_rate(ner.model, drop)
    emissions, backprop = ner.model.begin_update(docs)
    loss, gradients = distillation_loss(ner.model, emissions, tutor=tutor, wanted=wanted)
    backprop(gradients)
    return loss


class LlamaNER(EntityPipe):
    """Sets `doc.ents` and, beside them, how probable each entity is."""

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
        """See `factory.make_llama_ner`."""
        super().__init__(vocab, model, name, spans_key=spans_key, overwrite=overwrite, scorer=scorer)
        # by this name, `nlp.resume_training` gives a component a copy of its model
        self._rehearsal_model: TaggerModel | None = None

    def add_label(self, label: str) -> int:
        """Add an entity label; a trained model keeps what it knows. Returns 1, or 0 if it had the label."""
        is_new = super().add_label(label)
        if is_new and self.is_initialized:
            from ..head.architectures import extend_labels

            extend_labels(self.model.get_ref("head"), self.cfg["labels"])
        return is_new

    @property
    def is_initialized(self) -> bool:
        """Whether the model has weights."""
        from ..head.architectures import has_weights

        return has_weights(self.model)

    @property
    def can_rehearse(self) -> bool:
        """Whether there is an earlier state of the model, of the last `nlp.resume_training`, to stay close to."""
        return self._rehearsal_model is not None

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | None = None,
    ) -> None:
        """Load the base and make a fresh adapter and head.

        get_examples: training examples; a few of them show the shapes, all of them show the labels.
        labels: the labels, if they are known (`spacy init labels`); spares the walk through the data.
        """
        from ..head.architectures import set_labels

        validate_get_examples(get_examples, "LlamaNER.initialize")
        self._rehearsal_model = None
        self.find_labels(get_examples, labels)
        set_labels(self.model.get_ref("head"), self.cfg["labels"])
        sample = [eg.x for eg in islice(get_examples(), 10)]
        self.model.initialize(X=sample)

    def predict(self, docs: Iterable[Doc]) -> list[list[Entity]]:
        """The entities of each doc with their scores; the docs are not changed."""
        from ..head.inference import decode

        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [[] for _ in docs]
        return decode(self.model, self.model.predict(docs))

    def set_annotations(self, docs: Iterable[Doc], scores: list[list[Entity]]) -> None:
        """Write entities into `doc.ents` and `doc.spans`."""
        for doc, entities in zip(docs, scores, strict=True):
            annotate(doc, entities, spans_key=self.spans_key, overwrite=self.overwrite)

    def get_loss(self, examples: Iterable[Example], scores: list[Floats2d]) -> tuple[float, list[Floats2d]]:
        """Loss and its gradient on the emissions `scores`; words without annotation count for nothing."""
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
        """Learn to say of these texts what the model said when `nlp.resume_training` was called.

        It keeps what it knows so while it learns something new, such as an added label. Only the texts count. The
        loss is that of `head.rehearsal`, per word. Raises ValueError where training has not been resumed.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        losses[self.name] += rehearse(self, list(examples), drop=drop)
        if sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def _check_loaded(self) -> None:
        known = self.model.get_ref("head").attrs["labels"]
        if self.is_initialized and list(self.labels) != list(known):
            raise ValueError(
                f"The file cfg names the labels {list(self.labels)}, but the weights were trained for {list(known)}."
            )


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

    model: a `spacy_llama_ner.CRFTagger.v1`.
    spans_key: span group that gets the entities with their scores, `doc.spans[spans_key].attrs["scores"]`;
        null for none. Components with the same one share the group.
    overwrite: whether all entities that a doc already has are replaced; otherwise they stay, and predictions that
        overlap with them are left out. null leaves `doc.ents` alone: all predictions stand in the span group, which
        has to be the component's own.
    scorer: by default seqeval's strict scores.

    Raises ValueError where a component with `overwrite` null has no span group of its own.
    """
    check_group(nlp, name, spans_key=spans_key, overwrite=overwrite)
    return LlamaNER(nlp.vocab, model, name, spans_key=spans_key, overwrite=overwrite, scorer=scorer)
