"""Temperature scaling: make the scores of a component's entities say how often they are right.

`calibration` measures what is improved here. Guo et al. (2017), On Calibration of Modern Neural Networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spacy.language import Language
from spacy.training import Example
from thinc.types import Floats2d
from tqdm import tqdm

from ..data.docs import unlabelled
from ..data.errors import LlamaNERError
from ..pipeline import LlamaNER
from ..pipeline.entity_pipe import WORDS_PER_STEP, gather, gold_tags
from ..pipeline.llama_ner import find_components
from .calibration import expected_calibration_error, scored_entities
from .predict import PATIENCE


class CalibrationError(LlamaNERError):
    """A component and a corpus from which no temperature follows; the message says what to do."""


@dataclass(frozen=True)
class Calibration:
    """What the scaling of one component did.

    Attributes:
        temperature: What the scores are divided by from now on.
        before: Expected calibration error (0 to 1) before, on the data that the temperature was fitted on.
        after: The same afterwards.
        n_entities: Number of entities that were found there.
    """

    temperature: float
    before: float
    after: float
    n_entities: int


def calibrate_component(nlp: Language, name: str, examples: Sequence[Example]) -> Calibration:
    """Fit the temperature of a `llama_ner` on gold data that it was not trained on, and set it.

    The likelihood of the gold tags is maximized, not that of each entity being right or wrong: on data left out, this
    came closer to the truth. The component reads the docs once. Entities stay what they are, and only scores change.
    Entities with labels that the component does not have count as not annotated in the fit.

    Args:
        nlp: The pipeline.
        name: Name of the component.
        examples: Gold docs. What the predicted docs hold already plays no part.

    Raises:
        CalibrationError: If the component gives no scores, has not been trained, or finds no entity.
    """
    from ..head.inference import fit_head_temperature

    ner = find_components(nlp)[name]
    key = ner.spans_key
    if key is None:
        raise CalibrationError(f"{name!r} gives no scores. Set its spans_key in the config, which is null.")
    if not ner.is_initialized:
        raise CalibrationError(f"{name!r} has no weights yet. Train the pipeline first.")
    later = nlp.pipe_names[nlp.pipe_names.index(name) :]
    docs = nlp.pipe([unlabelled(eg.predicted) for eg in examples], disable=later)
    ready = [Example(doc, eg.reference) for eg, doc in zip(examples, docs, strict=True) if len(doc)]
    emissions = _predict_emissions(ner, ready)
    before, n_entities = _measure_error(ner, key, ready, emissions)
    temperature = fit_head_temperature(
        ner.model, emissions, [gold_tags(eg, ner.labels, strict=False) for eg in ready]
    )
    after, _ = _measure_error(ner, key, ready, emissions)
    return Calibration(temperature, before, after, n_entities)


def _predict_emissions(ner: LlamaNER, examples: Sequence[Example]) -> list[Floats2d]:
    found: list[Floats2d] = []
    with tqdm(total=len(examples), desc="Reading", unit=" docs", delay=PATIENCE, leave=False) as bar:
        for docs in gather((eg.predicted for eg in examples), n_words=WORDS_PER_STEP):
            found.extend(ner.model.predict(docs))
            bar.update(len(docs))
    return found


def _measure_error(
    ner: LlamaNER, spans_key: str, examples: Sequence[Example], emissions: list[Floats2d]
) -> tuple[float, int]:
    """Calibration error at the present temperature, and the number of entities it is taken over."""
    from ..head.inference import decode

    docs = [eg.predicted.copy() for eg in examples]
    for doc in docs:
        # an earlier component may write to the same group; its scores are its own
        doc.spans.pop(spans_key, None)
    ner.set_annotations(docs, decode(ner.model, emissions))
    decoded = [Example(doc, eg.reference) for doc, eg in zip(docs, examples, strict=True)]
    scores, right = scored_entities(decoded, spans_key=spans_key)
    if not scores:
        raise CalibrationError(
            f"{ner.name!r} finds no entity in these {len(examples)} docs (or none that is not set already), "
            "so no score can be calibrated. Train it longer, or give gold data with entities of its kind."
        )
    return expected_calibration_error(scores, right), len(scores)
