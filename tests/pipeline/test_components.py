"""Finding the components of a pipeline."""

from __future__ import annotations

from pathlib import Path

from spacy_llama_ner.pipeline.components import find_components
from tests.pipeline.samples import make_nlp


def test_are_the_active_ones_in_order(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama, name="second")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("llama_ner", name="first", first=True)
    nlp.add_pipe("llama_ner", name="off")
    nlp.disable_pipe("off")
    assert list(find_components(nlp)) == ["first", "second"]
    assert find_components(nlp)["second"] is nlp.get_pipe("second")
