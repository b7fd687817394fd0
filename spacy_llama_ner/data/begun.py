"""Folders in which a job has begun that may be taken up again, if it is the same job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import srsly

from .files import written_whole


class BegunError(ValueError):
    """A folder that belongs to another job, or to none."""


def begin(folder: Path, facts: Mapping[str, Any], *, record: str) -> None:
    """Begin the job that is given by `facts` in a new folder, or take it up again.

    facts: all that decides the outcome, as JSON. record: name of the file that keeps it.

    Raises: BegunError where another job has begun there, or something else lies in it; OSError.
    """
    path = folder / record
    given = srsly.json_loads(srsly.json_dumps(dict(facts)))
    if path.exists():
        try:
            begun = srsly.read_json(path)
        except ValueError as error:
            raise BegunError(
                f"{path}, which says what job has begun there, is damaged. Give another folder."
            ) from error
        known = begun if isinstance(begun, dict) else {}
        nothing = object()
        other = [key for key in {**given, **known} if known.get(key, nothing) != given.get(key, nothing)]
        if other:
            raise BegunError(
                f"In {folder}, a job has begun that differs in {', '.join(other)}. Give the same pipeline, input and "
                "options to take it up again, or another folder to start anew."
            )
        return
    if folder.exists() and (folder.is_file() or any(not each.name.startswith(".") for each in folder.iterdir())):
        raise BegunError(f"The output folder {folder} is not empty, and no job of this command has begun in it.")
    with written_whole(path) as partial:
        srsly.write_json(partial, given)
