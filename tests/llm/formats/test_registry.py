"""Formats by the names that prompts call them by."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.llm.formats.registry import PROMPT_FORMATS
from spacy_llama_ner.llm.prompts import LabellingPrompt, PromptError


def test_each_format_has_its_name() -> None:
    assert list(PROMPT_FORMATS) == ["brackets", "words", "entities"]
    assert all(format.name == name for name, format in PROMPT_FORMATS.items())


@pytest.mark.parametrize("name", ["Brackets", "", "inline"])
def test_another_name_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.jinja"
    path.write_text(f"{{% block format %}}{name}{{% endblock %}}", encoding="utf8")
    with pytest.raises(PromptError, match=f"wants the format '{name}'; there are brackets, words, entities"):
        LabellingPrompt(str(path))
