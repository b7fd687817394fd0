"""Prompts: Jinja templates, found by name or path.

A template is a file `NAME.jinja` with blocks. `system` and `user` are the turns of a chat; `format` names the format
of the reply, in prompts that ask for labels. Those of this package lie in `templates`, beside this file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError, UndefinedError
from jinja2.sandbox import SandboxedEnvironment
from spacy.tokens import Doc

from ..data.errors import LlamaNERError
from .backends.base import Message
from .formats import FORMATS, PromptFormat

FOLDER = Path(__file__).parent / "templates"
SUFFIX = ".jinja"


class PromptError(LlamaNERError):
    """A prompt that is not there or cannot be used."""


def prompt_names() -> list[str]:
    """Names of the prompts that ask for labels and come with this package."""
    paths = sorted(FOLDER.glob(f"*{SUFFIX}"))
    return [path.stem for path in paths if "{% block format %}" in path.read_text(encoding="utf8")]


def load_template(name: str) -> Template:
    """A template by its name in this package, or by the path of a file.

    It may include others from its own folder and from this package. Nothing of Python can be reached from it (see
    https://jinja.palletsprojects.com/en/stable/sandbox/).

    Raises: PromptError.
    """
    path = FOLDER / f"{name}{SUFFIX}" if (FOLDER / f"{name}{SUFFIX}").is_file() else Path(name)
    if not path.is_file():
        raise PromptError(
            f"There is no prompt {name!r}. Give one of {', '.join(prompt_names())}, or a {SUFFIX} file."
        )
    loader = FileSystemLoader([path.parent, FOLDER])
    environment = SandboxedEnvironment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    try:
        return environment.get_template(path.name)
    except (TemplateError, UnicodeDecodeError) as error:
        raise PromptError(f"The prompt {path} cannot be read: {error}") from error


def render(template: Template, block: str, **values: Any) -> str:
    """The text of a block, without white space around it. Raises: PromptError."""
    if block not in template.blocks:
        raise PromptError(f"The prompt {template.filename} has no block {block!r}.")
    try:
        return "".join(template.blocks[block](template.new_context(values))).strip()
    except UndefinedError as error:
        raise PromptError(f"The prompt {template.filename} names what is not there: {error}") from error
    except TemplateError as error:
        raise PromptError(f"The prompt {template.filename} cannot be filled in: {error}") from error


def messages(template: Template, **values: Any) -> tuple[Message, ...]:
    """The turns of a template with blocks `system`, which may be missing, and `user`. Raises: PromptError."""
    turns = [Message("user", render(template, "user", **values))]
    if "system" in template.blocks:
        turns.insert(0, Message("system", render(template, "system", **values)))
    return tuple(turns)


class Prompt:
    """A prompt that asks for the labels in a text. It may use `labels`, descriptions by label, and `text`.

    name: as it was given.
    format: how texts are shown, and what replies look like.

    Raises: PromptError.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._template = load_template(name)
        wanted = render(self._template, "format")
        if wanted not in FORMATS:
            raise PromptError(f"The prompt {name!r} wants the format {wanted!r}; there are {', '.join(FORMATS)}.")
        self.format: PromptFormat = FORMATS[wanted]

    def messages(self, doc: Doc, labels: Mapping[str, str], examples: Sequence[Doc] = ()) -> tuple[Message, ...]:
        """The chat that asks for the entities of `doc`.

        labels: descriptions, which may be empty, by label.
        examples: docs with their entities; each becomes a turn of the user and the right reply to it.
        """
        *system, user = messages(self._template, labels=labels, text=self.format.show(doc))
        turns = [turn for example in examples for turn in self._turns(example, labels)]
        return (*system, *turns, user)

    def _turns(self, example: Doc, labels: Mapping[str, str]) -> tuple[Message, Message]:
        asked = render(self._template, "user", labels=labels, text=self.format.show(example))
        return Message("user", asked), Message("assistant", self.format.render(example))
