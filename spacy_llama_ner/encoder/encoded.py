"""Word vectors of a frozen base, read once and kept in a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from spacy.tokens import Doc
from spacy.util import minibatch


_KEY_SIZE = 16
# the encoder sorts and cuts them by itself
DOCS_AT_ONCE = 256


class EncodedError(ValueError):
    """A file that does not hold the vectors that are wanted."""


class Encoded:
    """The vectors in a file of `llama-ner encode`, by the words of a doc. Only what is asked for is read.

    Raises EncodedError where `path` is not such a file, or holds what was read otherwise than `reading` says.
    """

    def __init__(self, path: Path, reading: dict[str, Any]) -> None:
        try:
            self._file = safe_open(path, framework="numpy")
            given = json.loads((self._file.metadata() or {})["reading"])
            keys, ends = self._file.get_tensor("keys"), self._file.get_tensor("ends")
            self._vectors = self._file.get_slice("vectors")
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise EncodedError(
                f"{path} cannot be read as a file of vectors ({error}). Make it with `llama-ner encode`, or set "
                "encoded = null."
            ) from error
        wrong = {name: (given.get(name), value) for name, value in reading.items() if given.get(name) != value}
        if wrong:
            told = ", ".join(f"{name} = {before}, here it is {now}" for name, (before, now) in wrong.items())
            raise EncodedError(
                f"The vectors in {path} were read with {told}. Make them anew with `llama-ner encode`, with the same "
                "settings on the same kind of device, or set encoded = null."
            )
        places = map(slice, np.append(0, ends[:-1]), ends)
        self._places = dict(zip(map(np.ndarray.tobytes, keys), places, strict=True))

    def find(self, docs: Sequence[Doc]) -> list[np.ndarray | None]:
        """Vectors fp32 [n_words, width] of each doc, or None where it is not in the file."""
        places = [self._places.get(_key(doc)) for doc in docs]
        return [None if place is None else self._vectors[place] for place in places]

    def __deepcopy__(self, memo: dict[int, Any]) -> Encoded:
        return self


def distinct(docs: Iterable[Doc]) -> dict[bytes, Doc]:
    """Docs with words by what they are found again by. Raises EncodedError where there is none."""
    texts = {_key(doc): doc for doc in docs if len(doc)}
    if not texts:
        raise EncodedError("There is no text to read: no doc has a word. Give a corpus with docs.")
    return texts


def write_encoded(
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
