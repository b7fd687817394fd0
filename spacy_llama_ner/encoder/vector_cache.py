"""Word vectors that were computed before: for docs on their way through a pipeline, or of a corpus in a file.

A `llama_reader` fills the `VectorCache` of an encoder, and `llama-ner encode` writes a `VectorFile` of a frozen one.
"""

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

# batches whose vectors are kept: components behind the reader cut the stream into batches of their own
KEPT_BATCHES = 8

_KEY_SIZE = 16
# the encoder sorts and cuts them by itself
_DOCS_PER_BATCH = 256


class VectorCache:
    """Holds the vectors of docs until they are taken, the docs are gone, or `KEPT_BATCHES` other batches have come.

    The limit is needed because a disabled component never takes its vectors. A copy of the cache is empty.
    """

    def __init__(self) -> None:
        self._batches: deque[WeakKeyDictionary[Doc, Floats2d]] = deque(maxlen=KEPT_BATCHES)

    def __len__(self) -> int:
        """Number of docs whose vectors are kept."""
        return sum(map(len, tuple(self._batches)))

    def put(self, docs: Sequence[Doc], vectors: Sequence[Floats2d]) -> None:
        """Keep the vectors of a batch of docs.

        Args:
            docs: The docs; the cache does not keep them alive.
            vectors: Vectors [n_words, width] of each doc.
        """
        self._batches.append(WeakKeyDictionary(zip(docs, vectors, strict=True)))

    def take(self, docs: Sequence[Doc]) -> list[Floats2d] | None:
        """Hand out the vectors of docs, once.

        Args:
            docs: The docs.

        Returns:
            Vectors [n_words, width] of each doc; None if one of them has none here, or other words by now.
        """
        found = [self._pop(doc) for doc in docs]
        fitting = [rows for rows, doc in zip(found, docs, strict=False) if rows is not None and len(rows) == len(doc)]
        return fitting if docs and len(fitting) == len(docs) else None

    def clear(self) -> None:
        """Forget all vectors."""
        self._batches.clear()

    def _pop(self, doc: Doc) -> Floats2d | None:
        # of a doc that was put twice, the last vectors count
        found = [vectors.pop(doc, None) for vectors in tuple(self._batches)]
        return next((rows for rows in reversed(found) if rows is not None), None)

    def __deepcopy__(self, memo: dict[int, Any]) -> VectorCache:
        return VectorCache()


class VectorFileError(LlamaNERError):
    """A file that does not hold the vectors that are wanted."""


class VectorFile:
    """The word vectors of a frozen encoder in a file that `llama-ner encode` wrote.

    Docs are found by their text and words. Only what is asked for is read from the disk.

    Args:
        path: A file of `write_vector_file`.
        provenance: What the vectors depend on; see `modules.vector_provenance`.

    Raises:
        VectorFileError: If `path` is not such a file, or its vectors have another provenance.
    """

    def __init__(self, path: Path, provenance: dict[str, Any]) -> None:
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
        wrong = {name: (given.get(name), value) for name, value in provenance.items() if given.get(name) != value}
        if wrong:
            differences = ", ".join(f"{name} = {before}, here it is {now}" for name, (before, now) in wrong.items())
            raise VectorFileError(
                f"The vectors in {path} were computed with {differences}. Compute them again with `llama-ner "
                "encode`, with the same settings on the same kind of device, or set encoded = null."
            )
        places = map(slice, np.append(0, ends[:-1]), ends)
        self._places = dict(zip(map(np.ndarray.tobytes, keys), places, strict=True))

    def find(self, docs: Sequence[Doc]) -> list[np.ndarray | None]:
        """Look docs up.

        Args:
            docs: The docs.

        Returns:
            Vectors fp32 [n_words, width] of each doc; None for a doc that is not in the file.
        """
        places = [self._places.get(_key(doc)) for doc in docs]
        return [None if place is None else self._vectors[place] for place in places]

    def __deepcopy__(self, memo: dict[int, Any]) -> VectorFile:
        return self


def unique_docs(docs: Iterable[Doc]) -> dict[bytes, Doc]:
    """Choose one doc of each text that is cut into the same words; docs without words are left out.

    Args:
        docs: Docs of any corpora.

    Returns:
        The docs, by the keys under which a `VectorFile` finds them.

    Raises:
        VectorFileError: If no doc has a word.
    """
    texts = {_key(doc): doc for doc in docs if len(doc)}
    if not texts:
        raise VectorFileError("There is no text to encode: no doc has a word. Give a corpus with docs.")
    return texts


def write_vector_file(
    path: Path,
    texts: Mapping[bytes, Doc],
    encode: Callable[[list[Doc]], list[np.ndarray]],
    *,
    provenance: dict[str, Any],
) -> None:
    """Encode docs and write their vectors to a file. All vectors are in memory until then.

    Args:
        path: The file to write, in safetensors' format.
        texts: The docs by their keys, as `unique_docs` gives them.
        encode: Gives the vectors fp32 [n_words, width] of each doc of a batch.
        provenance: What the vectors depend on; see `modules.vector_provenance`.
    """
    vectors = [rows for batch in minibatch(texts.values(), _DOCS_PER_BATCH) for rows in encode(batch)]
    tensors = {
        "vectors": np.concatenate(vectors),
        "keys": np.frombuffer(b"".join(texts), dtype="uint8").reshape(-1, _KEY_SIZE),
        "ends": np.cumsum([len(rows) for rows in vectors], dtype="int64"),
    }
    save_file(tensors, path, metadata={"reading": json.dumps(provenance)})


def _key(doc: Doc) -> bytes:
    """The same for all docs with this text that are cut into the same words."""
    content = doc.text.encode("utf8", "surrogatepass") + doc.to_array(["LENGTH", "SPACY"]).tobytes()
    return hashlib.blake2b(content, digest_size=_KEY_SIZE).digest()
