"""The component `llama_ner_generative`: named entities that a base is prompted for, and generates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import load_config_from_str
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats1d

from .annotations import set_entities
from .entity_pipe import ASSIGNS, SCORE_WEIGHTS, EntityPipe, Scorer, check_spans_key, gold_tags

if TYPE_CHECKING:
    from ..generative.architectures import GeneratorModel
    from ..generative.modules import Targets
    from ..generative.predict import DocPrediction

# the score, and the key of `doc.user_data` that has the number of answers that could not be parsed, by component
FAILURES = "parse_failures"

DEFAULT_CONFIG = """
[llama_ner_generative]
spans_key = "llama_ner_generative"
overwrite = false

[llama_ner_generative.descriptions]

[llama_ner_generative.model]
@architectures = "spacy_llama_ner.GenerativeTagger.v1"
base = "smollm2-135m"

[llama_ner_generative.model.format]
@misc = "spacy_llama_ner.InlineBrackets.v1"

[llama_ner_generative.scorer]
@scorers = "spacy_llama_ner.seqeval_scorer.v1"
"""


@Language.factory(
    "llama_ner_generative",
    assigns=ASSIGNS,
    default_config=load_config_from_str(DEFAULT_CONFIG)["llama_ner_generative"],
    default_score_weights={**SCORE_WEIGHTS, FAILURES: None},
)
def make_llama_ner_generative(
    nlp: Language,
    name: str,
    model: Model,
    descriptions: dict[str, str],
    spans_key: str | None,
    overwrite: bool | None,
    scorer: Scorer | None,
) -> LlamaNERGenerative:
    """Create a `llama_ner_generative` component.

    Args:
        nlp: The pipeline.
        name: The component's name in it.
        model: A `spacy_llama_ner.GenerativeTagger.v1`.
        descriptions: What labels mean, by label, for the prompt. These are labels of the component; the data may
            bring more, which stay without a description.
        spans_key: As for `llama_ner`. The scores in the span group are mean probabilities of the subwords of an
            answer that mark the entity.
        overwrite: As for `llama_ner`.
        scorer: As for `llama_ner`.

    Returns:
        The component.

    Raises:
        ValueError: If a component with `overwrite` null has no span group of its own.
    """
    check_spans_key(nlp, name, spans_key=spans_key, overwrite=overwrite)
    return LlamaNERGenerative(
        nlp.vocab,
        model,
        name,
        descriptions=descriptions,
        spans_key=spans_key,
        overwrite=overwrite,
        scorer=scorer,
    )


class LlamaNERGenerative(EntityPipe):
    """Prompts a base for the entities of each doc, and sets what it answers as `doc.ents`.

    Args:
        vocab: The pipeline's vocab.
        model: A `GenerativeTagger`.
        name: The component's name in the pipeline.
        descriptions: As for `make_llama_ner_generative`.
        spans_key: As for `make_llama_ner`.
        overwrite: As for `make_llama_ner`.
        scorer: Scores examples; None for no scores.

    Attributes:
        descriptions: What labels mean, by label; some labels may have none.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: GeneratorModel,
        name: str = "llama_ner_generative",
        *,
        descriptions: dict[str, str] | None = None,
        spans_key: str | None = "llama_ner_generative",
        overwrite: bool | None = False,
        scorer: Scorer | None = None,
    ) -> None:
        super().__init__(vocab, model, name, spans_key=spans_key, overwrite=overwrite, scorer=scorer)
        self.descriptions = dict(descriptions or {})
        for label in self.descriptions:
            self.add_label(label)

    @property
    def is_initialized(self) -> bool:
        """Whether the model has weights."""
        from ..generative.architectures import has_generator

        return has_generator(self.model)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | None = None,
    ) -> None:
        """Load the base and make a fresh adapter, which does not change its answers yet.

        Args:
            get_examples: Training examples, which show the labels. A base that is not to be trained needs none, if
                all labels have a description.
            nlp: The pipeline.
            labels: The labels, if they are known. Those with a description are known in any case.

        Raises:
            ValueError: If there are no labels, or the base has no chat template or no output layer (BaseModelError).
        """
        validate_get_examples(get_examples, "LlamaNERGenerative.initialize")
        self.find_labels(get_examples, labels)
        self.model.initialize()

    def predict(self, docs: Iterable[Doc]) -> list[DocPrediction]:
        """Find the entities of each doc.

        Args:
            docs: The docs, which are not changed.

        Returns:
            The entities of each doc with their scores, and how many answers about it could not be parsed.
        """
        from ..generative.predict import predict

        return predict(self.model, list(docs), self._label_descriptions())

    def set_annotations(self, docs: Iterable[Doc], scores: list[DocPrediction]) -> None:
        """Write entities into `doc.ents` and `doc.spans`, and the number of failures into `doc.user_data`.

        Args:
            docs: The docs.
            scores: What `predict` returned for them.
        """
        for doc, (entities, failures) in zip(docs, scores, strict=True):
            set_entities(doc, entities, spans_key=self.spans_key, overwrite=self.overwrite)
            doc.user_data[FAILURES] = {**doc.user_data.get(FAILURES, {}), self.name: failures}

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Train on the right answers about examples.

        Args:
            examples: Predicted docs and gold docs. A text that is not annotated in full has no right answer and is
                left out.
            drop: Dropout rate.
            sgd: Optimizer that takes a step; without one, the gradients are added to those of the next step.
            losses: Losses by component, to which the loss is added: that of the answers alone, per subword.

        Returns:
            The losses.

        Raises:
            ValueError: If a gold doc has a label that the component does not have.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        targets = self.make_targets(examples)
        if targets.answers:
            set_dropout_rate(self.model, drop)
            log_probs, backprop = self.model.begin_update(targets)
            loss, d_log_probs = self.get_loss(examples, log_probs)
            backprop(d_log_probs)
            losses[self.name] += loss
        if sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def make_targets(self, examples: list[Example]) -> Targets:
        """Make prompts and right answers from examples.

        Args:
            examples: Predicted docs and gold docs.

        Returns:
            One prompt with its answer for each chunk of a doc that is annotated in full.

        Raises:
            ValueError: If a gold doc has a label that the component does not have.
        """
        from ..generative.targets import make_targets

        validate_examples(examples, "LlamaNERGenerative.update")
        tags = [gold_tags(eg, self.labels) for eg in examples]
        return make_targets(self.model, [eg.predicted for eg in examples], tags, self._label_descriptions())

    def get_loss(self, examples: Iterable[Example], scores: Floats1d) -> tuple[float, Floats1d]:
        """Compute the loss of right answers.

        Args:
            examples: Not used.
            scores: Log-probabilities of the subwords of the right answers, fp32 [n_subwords].

        Returns:
            The mean negative log-probability, and its gradient fp32 [n_subwords].
        """
        from ..generative.targets import get_generation_loss

        return get_generation_loss(scores)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the entities, and count the answers that could not be parsed.

        Args:
            examples: Predicted docs and gold docs.
            **kwargs: Passed to the scorer.

        Returns:
            What the scorer returns, and `parse_failures`.
        """
        examples = list(examples)
        failures = sum(sum(eg.predicted.user_data.get(FAILURES, {}).values()) for eg in examples)
        return {**super().score(examples, **kwargs), FAILURES: failures}

    def _label_descriptions(self) -> dict[str, str]:
        return {label: self.descriptions.get(label, "") for label in self.labels}
