"""Which base an encoder stands on, as a pipeline writes it down and finds it again."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..base.check import INDEX, fingerprint, weight_files
from ..base.locate import locate_base
from .settings import BaseSettings

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class BaseReference:
    """A base by name, place and content.

    name, revision: as the config gives them.
    path: the folder it was found in when the pipeline was made.
    fingerprint: of its config and weights.
    tokenizer: content of its tokenizer.json.
    files: name and content of every file of the base, in a pipeline that carries its base; else null.
    """

    name: str
    revision: str | None
    path: str
    fingerprint: str
    tokenizer: str
    files: dict[str, bytes] | None

    @classmethod
    def find(cls, settings: BaseSettings) -> BaseReference:
        """Look the base up, fetching it if it is not on this machine. Errors as of `base.locate`."""
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
        """What a saved pipeline says of its base, found again here unless the pipeline carries it.

        Looked for where it was when the pipeline was made, unless the config names another one by now, then where
        the config says. Whether the pipeline carries it from now on is up to `save_base` in the config, but for a
        base that is nowhere else. Raises OSError if it is in neither place, ValueError if what is there has another
        content.
        """
        # one copy in memory for all pipelines that stand on the same base
        saved = cls(**{**spec, "tokenizer": sys.intern(spec["tokenizer"])})
        if saved.files is not None and (settings.save_base or not _holds(Path(saved.path), saved.fingerprint)):
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
        """The same as plain types."""
        return asdict(self)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder that holds the base for as long as the context is open."""
        if self.files is None:
            yield Path(self.path)
            return
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            for name, content in self.files.items():
                (Path(folder) / Path(name).name).write_bytes(content)
            yield Path(folder)


def _find_again(settings: BaseSettings, saved: BaseReference) -> Path:
    same_name = (settings.base, settings.revision) == (saved.name, saved.revision)
    if same_name and _holds(Path(saved.path), saved.fingerprint):
        return Path(saved.path)
    try:
        return locate_base(settings.base, revision=settings.revision, kind=settings.kind)
    except (OSError, ValueError, ImportError) as error:
        if Path(saved.path).is_dir():
            return Path(saved.path)
        raise OSError(
            f"This pipeline stands on the base {settings.base!r}, which is not on this machine, nor in "
            f"{saved.path}, where it was trained. {error} If the base is in another folder, say so when loading: "
            f'spacy.load(..., config={{"{settings.key}": "FOLDER"}}) with the name of the component, or train with '
            "save_base = true to have it inside the pipeline."
        ) from error


def _holds(folder: Path, expected: str) -> bool:
    try:
        return fingerprint(folder) == expected
    except (OSError, ValueError):
        return False


def _read_files(folder: Path) -> dict[str, bytes]:
    files = [*weight_files(folder), *(folder / name for name in ("config.json", INDEX, TOKENIZER))]
    return {file.name: file.read_bytes() for file in files if file.is_file()}
