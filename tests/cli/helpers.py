"""Running a command, and what it says."""

from __future__ import annotations

import re
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli import app


def run(*args: object) -> Result:
    """Run `llama-ner` with these arguments, on a wide screen."""
    return CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "200"})


def flat(result: Result) -> str:
    """What was printed, on one line and without colours: where lines break depends on the length of paths."""
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def succeeds(*args: object) -> str:
    """Run a command that works, and return what it prints, on one line."""
    result = run(*args)
    assert result.exit_code == 0, result.output
    return flat(result)


def fails(*args: object) -> str:
    """Run a command, expect exit code 1 without a traceback, and return what it prints, on one line."""
    result = run(*args)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 1, result.output
    return flat(result)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their names in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read_docs(path: Path) -> list[Doc]:
    """The docs of a .spacy file."""
    return list(DocBin().from_disk(path).get_docs(Vocab()))


def options(overrides: dict[str, object]) -> list[str]:
    """Settings of a config as options."""
    return [part for name, value in overrides.items() for part in (f"--{name}", str(value))]
