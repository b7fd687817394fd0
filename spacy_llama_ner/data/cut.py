"""Parts of docs as docs of their own, and long docs cut into pieces of a few sentences."""

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
        yield part(doc, start, end)


def part(doc: Doc, start: int, end: int) -> Doc:
    """The words `start` to `end` as a doc of their own, which says of its spaces what `doc` says of them."""
    words = doc[start:end].as_doc()
    # as_doc forgets it, and spaCy's corpus reader would then tokenize the text anew
    words.has_unknown_spaces = doc.has_unknown_spaces
    return words
