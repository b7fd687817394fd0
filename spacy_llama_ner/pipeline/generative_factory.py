"""`nlp.add_pipe("llama_ner_generative")`."""

from __future__ import annotations

from spacy.language import Language
from spacy.util import load_config_from_str
from thinc.api import Model

from .components import check_group
from .llama_ner_generative import FAILURES, LlamaNERGenerative
from .recogniser import ASSIGNS, SCORE_WEIGHTS, Scorer

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
