"""DocBins: spaCy's own binary files. Each is held in memory as a whole; give a folder of many."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from .errors import ApplyError
from .records import Bad, Part, Record, Result


class DocBins:
    """Docs keep their words, and what is annotated on them but for their entities, which are found anew."""

    def cut(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """See `Format.cut`. Loads the file."""
        total = len(_load(path))
        for first in range(0, total, size):
            yield first, min(size, total - first), 0

    def read(self, part: Part, *, text_key: str, vocab: Vocab) -> Iterator[Record | Bad]:
        """See `Format.read`. Docs have no fields; `text_key` means nothing."""
        whole, chosen = _load(part.path), slice(part.first, part.first + part.size)
        some = DocBin(attrs=whole.attrs, store_user_data=True)
        some.strings = whole.strings
        for name in ("tokens", "spaces", "cats", "user_data", "flags", "span_groups"):
            setattr(some, name, getattr(whole, name)[chosen])
        for doc in some.get_docs(vocab):
            doc.set_ents([], default="missing")
            yield Record(doc)

    def write(self, results: Iterable[Result], path: Path) -> None:
        """See `Format.write`. Fields go to `doc.user_data["fields"]`; half a surrogate pair becomes "?" there."""
        docs = []
        for record, doc in results:
            if record.fields:
                fields = json.dumps(record.fields, ensure_ascii=False, default=str)
                doc.user_data["fields"] = json.loads(fields.encode("utf8", "replace"))
            docs.append(doc)
        DocBin(docs=docs, store_user_data=True).to_disk(path)


@lru_cache(maxsize=1)
def _load(path: Path) -> DocBin:
    try:
        return DocBin(store_user_data=True).from_disk(path)
    except (OSError, ValueError, KeyError, zlib.error) as error:
        raise ApplyError(f"The corpus {path} cannot be read; is it whole? {error!r}") from error
