"""What `nlp.rehearse` asks of a component."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.training import Example, validate_examples
from thinc.api import set_dropout_rate

if TYPE_CHECKING:
    from .llama_ner import LlamaNER


def rehearse(ner: LlamaNER, examples: list[Example], *, drop: float) -> float:
    """Add the gradients of one rehearsal on the texts of `examples`; give the loss. See `LlamaNER.rehearse`."""
    from ..head.layers import has_weights
    from ..head.rehearsal import rehearsal_loss

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
    loss, gradients = rehearsal_loss(ner.model, emissions, tutor=tutor, wanted=wanted)
    backprop(gradients)
    return loss
