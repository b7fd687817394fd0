"""`nlp.add_pipe("llama_ner")` needs no config, and loads nothing before it must."""

from __future__ import annotations

import pytest
import spacy
from spacy.language import Language

from spacy_llama_ner.evaluate import seqeval_score
from spacy_llama_ner.head.architecture import get_loss_settings
from spacy_llama_ner.head.loss import Loss


@pytest.fixture
def nlp() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("llama_ner")
    return nlp


def test_defaults_are_the_embedded_base_under_a_linear_head(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    encoder = ner.model.get_ref("tok2vec").attrs["settings"]
    assert (encoder.base, encoder.attention, encoder.lora.rank) == ("smollm2-135m", "bidirectional", 16)
    assert ner.model.get_ref("head").attrs["shape"] == ("linear", 0, 0)
    assert get_loss_settings(ner.model) == Loss()
    assert (ner.spans_key, ner.overwrite, ner.scorer) == ("llama_ner", False, seqeval_score)
    assert not ner.is_initialized


def test_the_config_says_all_of_it(nlp: Language) -> None:
    again = spacy.blank("en").from_config(nlp.config)
    assert again.config == nlp.config
    assert again.get_pipe("llama_ner").model.get_ref("tok2vec").attrs["settings"].base == "smollm2-135m"


def test_a_config_may_change_one_thing(nlp: Language) -> None:
    other = spacy.blank("en")
    ner = other.add_pipe("llama_ner", config={"model": {"tok2vec": {"attention": "causal", "lora": None}}})
    settings = ner.model.get_ref("tok2vec").attrs["settings"]
    assert (settings.base, settings.attention, settings.lora) == ("smollm2-135m", "causal", None)


def test_tells_what_it_sets_and_what_it_is_scored_by(nlp: Language) -> None:
    meta = nlp.get_pipe_meta("llama_ner")
    assert set(meta.assigns) == {"doc.ents", "token.ent_iob", "token.ent_type"}
    assert meta.default_score_weights["ents_f"] == 1.0
    assert nlp.analyze_pipes()["summary"]["llama_ner"]["assigns"] == meta.assigns


def test_unused_it_says_to_train_or_load(nlp: Language) -> None:
    with pytest.raises(ValueError, match=r"no weights yet\. Train it"):
        nlp("Mia Brook")


def test_unknown_settings_are_an_error() -> None:
    with pytest.raises(ValueError, match="unexpected argument: 'basis'"):
        spacy.blank("en").add_pipe("llama_ner", config={"model": {"tok2vec": {"basis": "smollm2-135m"}}})
