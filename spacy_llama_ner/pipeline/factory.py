"""`nlp.add_pipe("llama_ner")`."""

from __future__ import annotations

from spacy.language import Language
from spacy.util import load_config_from_str
from thinc.api import Model

from .components import check_group
from .llama_ner import LlamaNER
from .recogniser import ASSIGNS, SCORE_WEIGHTS, Scorer

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
