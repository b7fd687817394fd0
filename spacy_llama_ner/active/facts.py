"""What decides the outcome of a run, so that it is taken up again only if it is the same one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from spacy.util import dict_to_dot

from ..base.digest import file_sha256
from ..data.docbin import docbin_files
from .plan import BLOCKS, Plan

CORPORA = ("pool", "silver", "gold", "oracle.path")
# a corpus, and what `llama-ner encode` has made of it
CONTENT = (".spacy", ".safetensors")


def facts_of(plan: Plan, *, free: Collection[str] = ()) -> dict[str, Any]:
    """All settings by their dotted names, and the digests of the corpora in `[paths]` and in the block.

    free: settings of the block that may change from one start to the next.
    """
    other = {*BLOCKS} - {plan.block}
    settings = {
        name: value
        for name, value in dict_to_dot(plan.config).items()
        if name.split(".")[0] not in other and name not in {f"{plan.block}.{each}" for each in free}
    }
    # of the block, the corpora alone: an oracle may have a folder that fills as the run goes on
    corpora = {f"{plan.block}.{each}" for each in CORPORA}
    named = {name: value for name, value in settings.items() if name.startswith("paths.") or name in corpora}
    digests = {name: _digests(Path(value)) for name, value in named.items() if isinstance(value, str)}
    return {**settings, **{f"content of {name}": found for name, found in digests.items() if found}}


def _digests(path: Path) -> list[str]:
    if path.suffix not in CONTENT and not path.is_dir():
        return []
    return [file_sha256(file) for file in docbin_files(path)]
