"""Vectors that are there before they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from spacy.tokens import Doc
from thinc.types import Floats2d


class Made(list[Any]):
    """Things that take a moment to make. A copy is empty, and so is one that was pickled: they are made anew."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Made, ()


# puts whose vectors are kept: components behind the reader cut the stream into batches of their own
KEPT = 8


class Ahead:
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

    def __deepcopy__(self, memo: dict[int, Any]) -> Ahead:
        return Ahead()
