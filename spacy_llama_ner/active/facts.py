"""What decides the outcome of a run, so that it is taken up again only if it is the same one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from spacy.training.corpus import walk_corpus
from spacy.util import dict_to_dot

from ..base.digest import file_sha256
from .plan import BLOCKS, Plan


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
    named = {name: value for name, value in settings.items() if isinstance(value, str) and _is_corpus(Path(value))}
    return {**settings, **{f"content of {name}": _digests(Path(path)) for name, path in named.items()}}


def _is_corpus(path: Path) -> bool:
    return path.suffix == ".spacy" if path.is_file() else any(path.rglob("*.spacy"))


def _digests(path: Path) -> list[str]:
    return [file_sha256(file) for file in walk_corpus(path, ".spacy")]
