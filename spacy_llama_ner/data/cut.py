"""Long docs cut into pieces of a few sentences."""

from __future__ import annotations

from collections.abc import Iterator

from spacy.tokens import Doc


def cut(doc: Doc, sents: int) -> Iterator[Doc]:
    """The doc in pieces of `sents` sentences, in order; the last piece may have fewer.

    0 leaves the doc as it is, and so do docs without sentence boundaries. A piece keeps words, entities, missing
    annotation and attributes of tokens; span groups stay behind.
    """
    if not sents or not doc.has_annotation("SENT_START"):
        yield doc
        return
    starts = [sent.start for sent in doc.sents][::sents]
    for start, end in zip(starts, [*starts[1:], len(doc)], strict=True):
        piece = doc[start:end].as_doc()
        # as_doc forgets it, and the corpus reader would then tokenize the text anew
        piece.has_unknown_spaces = doc.has_unknown_spaces
        yield piece
