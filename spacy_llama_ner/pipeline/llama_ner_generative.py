"""The `llama_ner_generative` component: named entities as a base writes them down."""

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

from .annotations import annotate
from .entity_pipe import ASSIGNS, SCORE_WEIGHTS, EntityPipe, Scorer, check_group, gold_tags

if TYPE_CHECKING:
    from ..generative.architectures import GeneratorModel
    from ..generative.modules import Targets
    from ..generative.predict import Generation

# the score, and where a doc keeps how many answers about it did not parse, by the name of the component
FAILURES = "parse_failures"


class LlamaNERGenerative(EntityPipe):
    """Asks a base for the entities of each doc, and sets what it answers as `doc.ents`."""

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
        """See `generative_factory.make_llama_ner_generative`."""
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
        """Load the base and make a fresh adapter, with which it answers as it does without.

        get_examples: training examples, which show the labels; a base that is not to be trained needs none of them.
        labels: the labels, if they are known; those that are described are known in any case.

        Raises BaseModelError (a ValueError) where the base has no chat template or no output layer.
        """
        validate_get_examples(get_examples, "LlamaNERGenerative.initialize")
        self.find_labels(get_examples, labels)
        self.model.initialize()

    def predict(self, docs: Iterable[Doc]) -> list[Generation]:
        """The entities of each doc, and how many answers about it did not parse; the docs are not changed."""
        from ..generative.predict import answer

        return answer(self.model, list(docs), self._described())

    def set_annotations(self, docs: Iterable[Doc], scores: list[Generation]) -> None:
        """Write entities into `doc.ents` and `doc.spans`, and failures into `doc.user_data`."""
        for doc, (entities, failures) in zip(docs, scores, strict=True):
            annotate(doc, entities, spans_key=self.spans_key, overwrite=self.overwrite)
            doc.user_data[FAILURES] = {**doc.user_data.get(FAILURES, {}), self.name: failures}

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn the right answers to the texts of `examples`; see `TrainablePipe.update`.

        The loss is that of the answers alone, per subword. Texts that are not annotated in full have no right answer
        and are left out.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        lessons = self._lessons(examples)
        if lessons.answers:
            set_dropout_rate(self.model, drop)
            told, backprop = self.model.begin_update(lessons)
            loss, d_told = self.get_loss(examples, told)
            backprop(d_told)
            losses[self.name] += loss
        if sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def get_loss(self, examples: Iterable[Example], scores: Floats1d) -> tuple[float, Floats1d]:
        """Loss and its gradient on `scores`, log-probabilities of the subwords of the right answers."""
        from ..generative.targets import get_loss

        return get_loss(scores)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """The scores of the scorer, and `parse_failures`: how many answers did not parse to their end."""
        examples = list(examples)
        failures = sum(sum(eg.predicted.user_data.get(FAILURES, {}).values()) for eg in examples)
        return {**super().score(examples, **kwargs), FAILURES: failures}

    def _lessons(self, examples: list[Example]) -> Targets:
        from ..generative.targets import make_targets

        validate_examples(examples, "LlamaNERGenerative.update")
        tags = [gold_tags(eg, self.labels) for eg in examples]
        return make_targets(self.model, [eg.predicted for eg in examples], tags, self._described())

    def _described(self) -> dict[str, str]:
        return {label: self.descriptions.get(label, "") for label in self.labels}


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

    model: a `spacy_llama_ner.GenerativeTagger.v1`.
    descriptions: what labels mean, by label, for the base to read. These are labels of the component; the data may
        bring more, which stay without a description.
    spans_key, overwrite, scorer: as for `llama_ner`. The scores in the span group are mean probabilities of the
        subwords of an answer that mark the entity.

    Raises ValueError where a component with `overwrite` null has no span group of its own.
    """
    check_group(nlp, name, spans_key=spans_key, overwrite=overwrite)
    return LlamaNERGenerative(
        nlp.vocab,
        model,
        name,
        descriptions=descriptions,
        spans_key=spans_key,
        overwrite=overwrite,
        scorer=scorer,
    )
