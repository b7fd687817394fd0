"""The BIO scheme over numbered tags: 0 is O, label k has B at 1 + 2k and I at 2 + 2k; below 0 a tag is not known.

Tags as strings, as they stand in files, are in `data.bio_tags`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

OUTSIDE = 0
MISSING = -1
# not known either, but the entity in front of the word ends there: the word is no I
NOT_INSIDE = -2


def count_tags(n_labels: int) -> int:
    """Count the tags of `n_labels` entity labels."""
    return 1 + 2 * n_labels


def tag_names(labels: Sequence[str]) -> list[str]:
    """Name all tags, in their order: "O", "B-" and "I-" of the first label, and so on."""
    return ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]


def is_inside(n_tags: int) -> np.ndarray:
    """Mark the tags that continue an entity, bool [n_tags]. A doc may not start with them."""
    tags = np.arange(n_tags)
    return (tags > 0) & (tags % 2 == 0)


def illegal_transitions(n_tags: int) -> np.ndarray:
    """Mark illegal pairs of a tag and the next one, bool [n_tags, n_tags]: I-x may follow B-x and I-x alone."""
    before, after = np.indices((n_tags, n_tags))
    return is_inside(n_tags)[None, :] & (after != before) & (after != before + 1)


def tags_to_spans(tags: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Read the entities off a tag sequence.

    Args:
        tags: A legal sequence, int [n_words].

    Yields:
        (start, end, label) of each entity: its first word, its end (exclusive), and the number of its label.
    """
    begins = np.flatnonzero(tags % 2 == 1)
    inside = np.append((tags > 0) & (tags % 2 == 0), False)
    outside = np.flatnonzero(~inside)
    ends = outside[np.searchsorted(outside, begins, side="right")]
    for start, end in zip(begins.tolist(), ends.tolist(), strict=True):
        yield start, end, (int(tags[start]) - 1) // 2
