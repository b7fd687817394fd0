"""Every config, as it is."""

from __future__ import annotations

import pytest
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config, load_model_from_config, registry

from tests.workflows.checks import CONLL2003, ROOT, SYSTEMS


@pytest.mark.parametrize("name", [*SYSTEMS, *CONLL2003, "requests", "generative"])
def test_a_config_says_all_that_there_is_to_say(name: str) -> None:
    """Filling it in adds nothing, and whatever it says is read by something."""
    if name == "bert-bilstm":
        pytest.importorskip("spacy_transformers")
    config = load_config(ROOT / "configs" / f"{name}.cfg", interpolate=False)
    nlp = load_model_from_config(config, auto_fill=True, validate=True)
    assert nlp.config == config
    training = registry.resolve(config.interpolate()["training"], schema=ConfigSchemaTraining, validate=True)
    assert training["max_steps"] == config["training"]["optimizer"]["learn_rate"]["total_steps"]
