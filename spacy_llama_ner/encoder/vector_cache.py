"""Word vectors of a frozen base, read once and kept in a file."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.types import Floats2d

from ..data.errors import LlamaNERError

_KEY_SIZE = 16
# the encoder sorts and cuts them by itself
DOCS_AT_ONCE = 256


class VectorFileError(LlamaNERError):
    """A file that does not hold the vectors that are wanted."""


class VectorFile:
    """The vectors in a file of `llama-ner encode`, by the words of a doc. Only what is asked for is read.

    Raises VectorFileError where `path` is not such a file, or holds what was read otherwise than `reading` says.
    """

    def __init__(self, path: Path, reading: dict[str, Any]) -> None:
        try:
            self._file = safe_open(path, framework="numpy")
            given = json.loads((self._file.metadata() or {})["reading"])
            keys, ends = self._file.get_tensor("keys"), self._file.get_tensor("ends")
            self._vectors = self._file.get_slice("vectors")
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise VectorFileError(
                f"{path} cannot be read as a file of vectors ({error}). Make it with `llama-ner encode`, or set "
                "encoded = null."
            ) from error
        wrong = {name: (given.get(name), value) for name, value in reading.items() if given.get(name) != value}
        if wrong:
            told = ", ".join(f"{name} = {before}, here it is {now}" for name, (before, now) in wrong.items())
            raise VectorFileError(
                f"The vectors in {path} were read with {told}. Make them anew with `llama-ner encode`, with the same "
                "settings on the same kind of device, or set encoded = null."
            )
        places = map(slice, np.append(0, ends[:-1]), ends)
        self._places = dict(zip(map(np.ndarray.tobytes, keys), places, strict=True))

    def find(self, docs: Sequence[Doc]) -> list[np.ndarray | None]:
        """Vectors fp32 [n_words, width] of each doc, or None where it is not in the file."""
        places = [self._places.get(_key(doc)) for doc in docs]
        return [None if place is None else self._vectors[place] for place in places]

    def __deepcopy__(self, memo: dict[int, Any]) -> VectorFile:
        return self


def distinct(docs: Iterable[Doc]) -> dict[bytes, Doc]:
    """Docs with words by what they are found again by. Raises VectorFileError where there is none."""
    texts = {_key(doc): doc for doc in docs if len(doc)}
    if not texts:
        raise VectorFileError("There is no text to read: no doc has a word. Give a corpus with docs.")
    return texts


def write_vector_file(
    path: Path,
    texts: Mapping[bytes, Doc],
    read: Callable[[list[Doc]], list[np.ndarray]],
    *,
    reading: dict[str, Any],
) -> None:
    """Write what `read` gives for `texts`, as of `distinct`, to `path`. All of it is in memory."""
    vectors = [rows for batch in minibatch(texts.values(), DOCS_AT_ONCE) for rows in read(batch)]
    tensors = {
        "vectors": np.concatenate(vectors),
        "keys": np.frombuffer(b"".join(texts), dtype="uint8").reshape(-1, _KEY_SIZE),
        "ends": np.cumsum([len(rows) for rows in vectors], dtype="int64"),
    }
    save_file(tensors, path, metadata={"reading": json.dumps(reading)})


def _key(doc: Doc) -> bytes:
    """The same for docs that are cut into the same words."""
    content = doc.text.encode("utf8", "surrogatepass") + doc.to_array(["LENGTH", "SPACY"]).tobytes()
    return hashlib.blake2b(content, digest_size=_KEY_SIZE).digest()


class CachedVectors(list[Any]):
    """Things that take a moment to make. A copy is empty, and so is one that was pickled: they are made anew."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return CachedVectors, ()


# puts whose vectors are kept: components behind the reader cut the stream into batches of their own
KEPT = 8


class VectorCache:
    """Holds the vectors of docs until they are taken, the docs are gone, or `KEPT` other puts have come.

    Nobody takes those of a component that is disabled. A copy of it is empty.
    """

    def __init__(self) -> None:
        self._puts: deque[WeakKeyDictionary[Doc, Floats2d]] = deque(maxlen=KEPT)

    def __len__(self) -> int:
        """Number of docs whose vectors are kept."""
        return sum(map(len, tuple(self._puts)))

    def put(self, docs: Sequence[Doc], vectors: Sequence[Floats2d]) -> None:
        """Keep the vectors of each doc."""
        self._puts.append(WeakKeyDictionary(zip(docs, vectors, strict=True)))

    def take(self, docs: Sequence[Doc]) -> list[Floats2d] | None:
        """Hand out the vectors of all docs, once; None where one of them has none, or other words by now."""
        found = [self._pop(doc) for doc in docs]
        whole = [rows for rows, doc in zip(found, docs, strict=False) if rows is not None and len(rows) == len(doc)]
        return whole if docs and len(whole) == len(docs) else None

    def clear(self) -> None:
        """Forget everything."""
        self._puts.clear()

    def _pop(self, doc: Doc) -> Floats2d | None:
        # the last that was put, of a doc that was read twice
        found = [vectors.pop(doc, None) for vectors in tuple(self._puts)]
        return next((rows for rows in reversed(found) if rows is not None), None)

    def __deepcopy__(self, memo: dict[int, Any]) -> VectorCache:
        return VectorCache()
