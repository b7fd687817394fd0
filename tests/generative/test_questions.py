"""How a writer is asked."""

from __future__ import annotations

from pathlib import Path

from spacy_llama_ner.generative.architecture import GenerativeTagger, get_writer
from spacy_llama_ner.generative.questions import Questions

from .samples import FORMATS


def test_the_template_is_filled_in_once_for_the_same_labels(chat_llama: Path) -> None:
    model = GenerativeTagger(FORMATS["InlineBrackets"], base=str(chat_llama), dtype="float32")
    model.initialize()
    writer, settings = get_writer(model), model.attrs["settings"]
    frame = Questions(writer, settings, {"NAME": "a person"}).frame
    assert Questions(writer, settings, {"NAME": "a person"}).frame is frame
    assert Questions(writer, settings, {"DATE": ""}).frame.before != frame.before
