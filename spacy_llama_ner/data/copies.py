"""Docs without what is annotated on them, and docs in another vocabulary."""

from __future__ import annotations

from collections.abc import Iterable

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab


def unlabelled(doc: Doc, vocab: Vocab | None = None) -> Doc:
    """A doc of the same words and nothing else, in the vocabulary of `doc` or another one.

    Where the words of `doc` were given without their spaces, those of the copy are, too.
    """
    vocab = doc.vocab if vocab is None else vocab
    words = [token.text for token in doc]
    if doc.has_unknown_spaces:
        return Doc(vocab, words=words)
    return Doc(vocab, words=words, spaces=[bool(token.whitespace_) for token in doc])


def in_vocab(docs: Iterable[Doc], vocab: Vocab) -> list[Doc]:
    """The same docs, annotation and span groups included, in another vocabulary."""
    return list(DocBin(docs=docs).get_docs(vocab))
