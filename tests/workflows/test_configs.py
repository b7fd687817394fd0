"""Every config, as it stands in the folder."""

from __future__ import annotations

import pytest
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config, load_model_from_config, registry

from tests.workflows.checks import ROOT

# continual.cfg takes its component from a pipeline that has to be trained, active.cfg has no corpus to train on
CONFIGS = {path.stem for path in (ROOT / "configs").iterdir()} - {"continual", "active"}


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_config_is_complete(name: str) -> None:
    """Filling it in adds nothing, and every setting is read by something."""
    if name == "bert-bilstm":
        pytest.importorskip("spacy_transformers")
    config = load_config(ROOT / "configs" / f"{name}.cfg", interpolate=False)
    nlp = load_model_from_config(config, auto_fill=True, validate=True)
    assert nlp.config == config
    training = registry.resolve(config.interpolate()["training"], schema=ConfigSchemaTraining, validate=True)
    assert training["max_steps"] == config["training"]["optimizer"]["learn_rate"]["total_steps"]
