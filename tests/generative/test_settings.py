"""Settings that make no sense are refused before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spacy_llama_ner.generative.architectures import GenerativeTagger
from spacy_llama_ner.head import TaggingLoss
from tests.generative.samples import make_nlp


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0}, "window = 0; expected how many words"),
        ({"dtype": "float16"}, "dtype = 'float16' is not known"),
        ({"lora": {"rang": 4}}, "lora has unknown settings"),
        ({"quantization": "torchao-int8", "merge": True}, "leaves no weights to merge with"),
        ({"quantization": "int3"}, "quantization = 'int3' is not known"),
    ],
)
def test_settings_that_make_no_sense_are_refused(chat_llama: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_nlp(chat_llama, **settings)


def test_another_function_is_no_format() -> None:
    with pytest.raises(ValueError, match="is no format of answers"):
        GenerativeTagger(TaggingLoss())  # type: ignore[arg-type]
