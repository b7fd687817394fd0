"""Streams of docs, cut by their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spacy.tokens import Doc

# Words that are encoded and decoded at a time: enough for full batches of similar length.
WORDS_PER_STEP = 8192


def gather(stream: Iterable[Doc], *, n_words: int) -> Iterator[list[Doc]]:
    """Lists of docs, in order, of at most `n_words` words together; a longer doc comes alone.

    An empty doc counts as one word, so that a list of them ends, too. spaCy's `minibatch_by_words` would hand out a
    long doc before those in front of it.
    """
    docs: list[Doc] = []
    size = 0
    for doc in stream:
        length = max(len(doc), 1)
        if docs and size + length > n_words:
            yield docs
            docs, size = [], 0
        docs.append(doc)
        size += length
    if docs:
        yield docs
