"""A base from the Hugging Face Hub, or from what is cached of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from .errors import BaseModelError
from .weights import INDEX, SINGLE

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
    folder = download(name, revision=revision, files=FILES, what="base")
    if not (folder / SINGLE).is_file() and not (folder / INDEX).is_file():
        raise BaseModelError(
            f"There are no safetensors weights for the {_called('base', name, revision)} in {folder}. Pickles (.bin) "
            "are never downloaded: choose a revision that has model.safetensors, or fetch it again with a network."
        )
    return folder


def download(name: str, *, revision: str | None, files: list[str], what: What) -> Path:
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
