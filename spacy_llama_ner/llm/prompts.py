"""Prompts: Jinja templates, found by name or path, and the chats that are made of them.

A template is a file `NAME.jinja` with blocks. `system` and `user` are the turns of a chat; `format` names the format
of the reply, in prompts that ask for labels. Those of this package are in the folder `templates` beside this file.
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
from .formats import PROMPT_FORMATS, PromptFormat

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".jinja"


class PromptError(LlamaNERError):
    """A prompt that does not exist or cannot be used."""


def prompt_names() -> list[str]:
    """Return the names of the prompts of this package that ask for labels."""
    paths = sorted(TEMPLATES.glob(f"*{SUFFIX}"))
    return [path.stem for path in paths if "{% block format %}" in path.read_text(encoding="utf8")]


def load_template(name: str) -> Template:
    """Load a template.

    It may include others from its own folder and from this package. It is sandboxed, so that it cannot reach Python
    (see https://jinja.palletsprojects.com/en/stable/sandbox/).

    Args:
        name: Name of a template of this package, or path of a file.

    Returns:
        The template.

    Raises:
        PromptError: If there is none of this name, or it cannot be read.
    """
    path = TEMPLATES / f"{name}{SUFFIX}" if (TEMPLATES / f"{name}{SUFFIX}").is_file() else Path(name)
    if not path.is_file():
        raise PromptError(
            f"There is no prompt {name!r}. Give one of {', '.join(prompt_names())}, or a {SUFFIX} file."
        )
    loader = FileSystemLoader([path.parent, TEMPLATES])
    environment = SandboxedEnvironment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    try:
        return environment.get_template(path.name)
    except (TemplateError, UnicodeDecodeError) as error:
        raise PromptError(f"The prompt {path} cannot be read: {error}") from error


def render_block(template: Template, block: str, **values: Any) -> str:
    """Render one block of a template.

    Args:
        template: See `load_template`.
        block: Name of the block.
        values: The variables of the template.

    Returns:
        The text, without white space around it.

    Raises:
        PromptError: If the block is missing, uses an unknown variable or fails.
    """
    if block not in template.blocks:
        raise PromptError(f"The prompt {template.filename} has no block {block!r}.")
    try:
        return "".join(template.blocks[block](template.new_context(values))).strip()
    except UndefinedError as error:
        raise PromptError(f"The prompt {template.filename} uses an unknown variable: {error}") from error
    except TemplateError as error:
        raise PromptError(f"The prompt {template.filename} cannot be filled in: {error}") from error


def render_messages(template: Template, **values: Any) -> tuple[Message, ...]:
    """Render the turns of a template.

    Args:
        template: Has a block `user`, and may have a block `system`.
        values: The variables of the template.

    Returns:
        The messages, that of the system first.

    Raises:
        PromptError: See `render_block`.
    """
    messages = [Message("user", render_block(template, "user", **values))]
    if "system" in template.blocks:
        messages.insert(0, Message("system", render_block(template, "system", **values)))
    return tuple(messages)


class LabellingPrompt:
    """A prompt that asks for the labels in a text. Its variables are `labels`, descriptions by label, and `text`.

    Attributes:
        name: Name or path of the template, as it was given.
        format: How texts are shown, and what replies look like.
    """

    def __init__(self, name: str) -> None:
        """Load the template.

        Args:
            name: Name of a template of this package, or path of a file.

        Raises:
            PromptError: If it cannot be loaded, or names no known format.
        """
        self.name = name
        self._template = load_template(name)
        wanted = render_block(self._template, "format")
        if wanted not in PROMPT_FORMATS:
            raise PromptError(
                f"The prompt {name!r} wants the format {wanted!r}; there are {', '.join(PROMPT_FORMATS)}."
            )
        self.format: PromptFormat = PROMPT_FORMATS[wanted]

    def messages(self, doc: Doc, labels: Mapping[str, str], examples: Sequence[Doc] = ()) -> tuple[Message, ...]:
        """Make the chat that asks for the entities of a text.

        Args:
            doc: The text.
            labels: Descriptions by label, which may be empty.
            examples: Docs with their entities; each becomes a turn of the user and the right reply to it.

        Returns:
            The messages; the last one has the text.

        Raises:
            PromptError: See `render_block`.
        """
        *system, user = render_messages(self._template, labels=labels, text=self.format.format_text(doc))
        shots: list[Message] = []
        for example in examples:
            text = self.format.format_text(example)
            shots.append(Message("user", render_block(self._template, "user", labels=labels, text=text)))
            shots.append(Message("assistant", self.format.format_reply(example)))
        return (*system, *shots, user)
