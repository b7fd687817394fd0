"""Prompts are found by name or path, installed or not, and filled in."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest
import spacy

from spacy_llama_ner.llm.backends.base import Message
from spacy_llama_ner.llm.prompts import (
    TEMPLATES,
    LabellingPrompt,
    PromptError,
    load_template,
    prompt_names,
    render_block,
)
from tests.evaluate.sample import gold_doc

ROOT = Path(__file__).parent.parent.parent
LABELS = {"NAME": "a person", "DATE": ""}


def write(folder: Path, text: str) -> str:
    path = folder / "mine.jinja"
    path.write_text(text, encoding="utf8")
    return str(path)


@pytest.mark.parametrize("name", prompt_names())
def test_every_prompt_names_the_labels_and_shows_the_text(name: str) -> None:
    doc = spacy.blank("en")("Call Ida <on> Friday & rest.")
    prompt = LabellingPrompt(name)
    system, user = prompt.messages(doc, LABELS)
    assert (system.role, user) == ("system", Message("user", prompt.format.format_text(doc)))
    assert "NAME" in system.content and "DATE" in system.content
    assert "NAME: a person" in system.content or name == "brackets-brief"


def test_there_is_one_for_each_format() -> None:
    assert {LabellingPrompt(name).format.name for name in prompt_names()} == {"brackets", "words", "entities"}


def test_the_assets_show_the_prompts_of_the_package() -> None:
    shown = {path.name: path.read_text(encoding="utf8") for path in (ROOT / "assets" / "prompts").glob("*.jinja")}
    assert shown == {path.name: path.read_text(encoding="utf8") for path in TEMPLATES.glob("*.jinja")}


def test_they_are_installed_with_the_package() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf8")
    pattern = setup["options.package_data"]["spacy_llama_ner.llm"]
    assert set((TEMPLATES.parent).glob(pattern)) == set(TEMPLATES.glob("*"))


def test_examples_become_turns_with_the_right_replies() -> None:
    nlp = spacy.blank("en")
    examples = [gold_doc(nlp, "Ask Ida.", [("Ida", "NAME")]), gold_doc(nlp, "Rest now.", [])]
    turns = LabellingPrompt("brackets").messages(nlp("Wake Tomas"), LABELS, examples)
    assert [(turn.role, turn.content) for turn in turns[1:]] == [
        ("user", "Ask Ida."),
        ("assistant", "Ask [Ida](NAME)."),
        ("user", "Rest now."),
        ("assistant", "Rest now."),
        ("user", "Wake Tomas"),
    ]


def test_a_prompt_of_ones_own_is_a_file(tmp_path: Path) -> None:
    user_block = '{% block user %}{% include "_labels.jinja" %}{{ text }}{% endblock %}'
    path = write(tmp_path, f"{{% block format %}}entities{{% endblock %}}{user_block}")
    (user,) = LabellingPrompt(path).messages(spacy.blank("en")("Call Ida"), LABELS)
    assert user == Message("user", "Labels:\n- NAME: a person\n- DATE\nCall Ida")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{% block format %}brackets", "cannot be read"),
        ("{{ text }}", "has no block 'format'"),
        ("{% block format %}xml{% endblock %}", "wants the format 'xml'; there are brackets, words, entities"),
        ("{% block format %}words{% endblock %}{% block user %}{{ txt }}{% endblock %}", "'txt' is undefined"),
        (
            "{% block format %}words{% endblock %}{% block user %}{% include 'no' %}{% endblock %}",
            "cannot be filled in",
        ),
        ("{% block format %}words{% endblock %}", "has no block 'user'"),
        (
            "{% block format %}words{% endblock %}{% block user %}{{ text.__class__.__mro__ }}{% endblock %}",
            "uses an unknown variable|cannot be filled in",
        ),
    ],
)
def test_a_prompt_that_cannot_be_used_says_why(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(PromptError, match=problem):
        LabellingPrompt(path).messages(spacy.blank("en")("Call Ida"), LABELS)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        PromptError, match="no prompt 'bracket'. Give one of brackets-brief, brackets, entities, words"
    ):
        LabellingPrompt("bracket")


def test_what_stands_in_a_text_is_not_a_template() -> None:
    assert render_block(load_template("brackets"), "user", text="{{ 7 * 7 }} {% x %}") == "{{ 7 * 7 }} {% x %}"
