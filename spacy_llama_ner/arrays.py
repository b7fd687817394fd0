"""Lists of arrays as spaCy's layers hand them to one another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from thinc.types import Floats2d


def split_rows(rows: Floats2d, lengths: Sequence[int]) -> list[Floats2d]:
    """Cut rows [sum(lengths), width] into one array a doc, without copying."""
    return [rows[end - n : end] for end, n in zip(accumulate(lengths), lengths, strict=True)]
