"""Labels and what they mean: a list of names, or a section of a config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from confection import Config, ConfigValidationError

SECTION = "labels"
SUFFIX = ".cfg"
# what could not be told from the marks around it, or from a tag
NAME = re.compile(r"[^\s,\[\]()\"`]{1,60}")


class LabelError(ValueError):
    """Labels that cannot be worked with."""


def read_labels(given: str) -> dict[str, str]:
    """Descriptions by label; empty ones where there are none.

    given: names with commas between, or a `.cfg` file with a section `[labels]`, where each name has a description.
    Raises: LabelError.
    """
    if not given.strip().endswith(SUFFIX):
        return check_labels({name.strip(): "" for name in given.split(",") if name.strip()})
    return labels_of(read_config(Path(given.strip())))


def read_config(path: Path) -> Mapping[str, Any]:
    """The sections of a config file. Raises: LabelError."""
    try:
        return Config().from_str(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise LabelError(f"The config {path} cannot be read: {error}") from error
    except (ValueError, ConfigValidationError) as error:
        raise LabelError(
            f"The config {path} cannot be read. Values are JSON, text in double quotes.\n{error}"
        ) from error


def labels_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The section `[labels]` of a config. Raises: LabelError."""
    section = config.get(SECTION)
    if not isinstance(section, Mapping):
        raise LabelError(
            f'The config has no section [{SECTION}]. Give one, with a line NAME = "description" for each.'
        )
    wrong = [name for name, description in section.items() if not isinstance(description, str | None)]
    if wrong:
        raise LabelError(f"The description of {wrong[0]} is no text: {section[wrong[0]]!r}. Put it in double quotes.")
    return check_labels({name: (description or "").strip() for name, description in section.items()})


def check_labels(labels: dict[str, str]) -> dict[str, str]:
    """`labels` as they are. Raises: LabelError for none, or one that looks like a mark or like another."""
    if not labels:
        raise LabelError("There are no labels. Give their names, as in PERSON,PLACE.")
    for name in labels:
        if not NAME.fullmatch(name):
            raise LabelError(
                f"{name!r} cannot be a label: it has white space, commas, quotes or brackets, or is too long."
            )
    spellings: dict[str, str] = {}
    for name in labels:
        other = spellings.setdefault(name.casefold(), name)
        if other != name:
            raise LabelError(
                f"The labels {other!r} and {name!r} differ in case alone. Give one of them another name."
            )
    return labels
