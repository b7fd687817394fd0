"""Vectors that are there before they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from spacy.tokens import Doc
from thinc.types import Floats2d


class Made(list[Any]):
    """Things that take a moment to make. A copy is empty, and so is one that was pickled: they are made anew."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Made, ()


class Ahead:
    """Holds the vectors of docs until they are taken, or the docs are gone. A copy of it is empty."""

    def __init__(self) -> None:
        self._vectors: WeakKeyDictionary[Doc, Floats2d] = WeakKeyDictionary()

    def put(self, docs: Sequence[Doc], vectors: Sequence[Floats2d]) -> None:
        """Keep the vectors of each doc."""
        for doc, rows in zip(docs, vectors, strict=True):
            self._vectors[doc] = rows

    def take(self, docs: Sequence[Doc]) -> list[Floats2d] | None:
        """Hand out the vectors of all docs, once; None where one of them has none, or other words by now."""
        found = [self._vectors.pop(doc, None) for doc in docs] if self._vectors else []
        whole = [rows for rows, doc in zip(found, docs, strict=False) if rows is not None and len(rows) == len(doc)]
        return whole if docs and len(whole) == len(docs) else None

    def clear(self) -> None:
        """Forget everything."""
        self._vectors.clear()

    def __deepcopy__(self, memo: dict[int, Any]) -> Ahead:
        return Ahead()
