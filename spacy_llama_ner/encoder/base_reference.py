"""Reference to a base: how a saved pipeline names the base it was trained on, and finds it again."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..base.check import SAFE_WEIGHTS_INDEX, fingerprint, weight_files
from ..base.locate import locate_base
from .settings import BaseSettings

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class BaseReference:
    """A base by name, place and content.

    Attributes:
        name: Alias, Hub id or path, as the config gives it.
        revision: Branch, tag or commit of a Hub id, as the config gives it.
        path: The folder that it was found in when the pipeline was made.
        fingerprint: Hash of its config and weights.
        tokenizer: Content of its tokenizer.json.
        files: Name and content of every file of the base, in a pipeline that carries its base; else None.
    """

    name: str
    revision: str | None
    path: str
    fingerprint: str
    tokenizer: str
    files: dict[str, bytes] | None

    @classmethod
    def find(cls, settings: BaseSettings) -> BaseReference:
        """Look a base up, and fetch it if it is not on this machine.

        Args:
            settings: Which base, and whether the pipeline is to carry it.

        Returns:
            A reference to the base.

        Raises:
            BaseModelError: If there is no such base, or it cannot be used.
            OSError: If it cannot be fetched or read.
        """
        folder = locate_base(settings.base, revision=settings.revision, kind=settings.kind)
        return cls(
            name=settings.base,
            revision=settings.revision,
            path=str(folder.resolve()),
            fingerprint=fingerprint(folder),
            tokenizer=(folder / TOKENIZER).read_text(encoding="utf8"),
            files=_read_files(folder) if settings.save_base else None,
        )

    @classmethod
    def from_spec(cls, settings: BaseSettings, spec: dict[str, Any]) -> BaseReference:
        """Find the base of a saved pipeline again, unless the pipeline carries it.

        The base is looked for where it was when the pipeline was made, unless the config names another one by now,
        then where the config says. Whether the pipeline carries it from now on is up to `save_base` in the config,
        except for a base that is nowhere else.

        Args:
            settings: Which base the config names, and whether the pipeline is to carry it.
            spec: What `to_spec` gave when the pipeline was saved.

        Returns:
            A reference to the base where it is now.

        Raises:
            OSError: If the base is in neither place.
            ValueError: If what is there has another content.
        """
        # one copy in memory for all pipelines on the same base
        saved = cls(**{**spec, "tokenizer": sys.intern(spec["tokenizer"])})
        if saved.files is not None and (
            settings.save_base or not _has_fingerprint(Path(saved.path), saved.fingerprint)
        ):
            return saved
        folder = _find_again(settings, saved)
        given = fingerprint(folder)
        if given != saved.fingerprint:
            raise ValueError(
                f"The base in {folder} is not the one this pipeline was trained on ({saved.name!r}): its weights "
                f"and config have the fingerprint {given[:12]}, expected was {saved.fingerprint[:12]}. Restore the "
                "original files (for a known name: delete that folder and fetch it again), or train anew."
            )
        files = _read_files(folder) if settings.save_base else None
        return cls(**{**asdict(saved), "path": str(folder.resolve()), "files": files})

    def to_spec(self) -> dict[str, Any]:
        """Convert the reference to types that msgpack knows."""
        return asdict(self)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Provide a folder that holds the base for as long as the context is open.

        Yields:
            The folder where the base is, or a temporary one for a base that the pipeline carries.
        """
        if self.files is None:
            yield Path(self.path)
            return
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            for name, content in self.files.items():
                (Path(folder) / Path(name).name).write_bytes(content)
            yield Path(folder)


def _find_again(settings: BaseSettings, saved: BaseReference) -> Path:
    same_name = (settings.base, settings.revision) == (saved.name, saved.revision)
    if same_name and _has_fingerprint(Path(saved.path), saved.fingerprint):
        return Path(saved.path)
    try:
        return locate_base(settings.base, revision=settings.revision, kind=settings.kind)
    except (OSError, ValueError, ImportError) as error:
        if Path(saved.path).is_dir():
            return Path(saved.path)
        raise OSError(
            f"This pipeline needs the base {settings.base!r}, which is not on this machine, nor in {saved.path}, "
            f"where it was when the pipeline was trained. {error} If the base is in another folder, name it when "
            f'loading: spacy.load(..., config={{"{settings.key}": "FOLDER"}}), with the name of the component '
            "for NAME, or train with save_base = true to have it inside the pipeline."
        ) from error


def _has_fingerprint(folder: Path, expected: str) -> bool:
    try:
        return fingerprint(folder) == expected
    except (OSError, ValueError):
        return False


def _read_files(folder: Path) -> dict[str, bytes]:
    files = [*weight_files(folder), *(folder / name for name in ("config.json", SAFE_WEIGHTS_INDEX, TOKENIZER))]
    return {file.name: file.read_bytes() for file in files if file.is_file()}
