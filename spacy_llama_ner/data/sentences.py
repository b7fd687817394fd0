"""From sentences of words and tags to spaCy Docs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from .conll import Document, Sentence
from .tags import MISSING, tag_spans

CHUNKS = "chunks"


def make_docs(documents: Iterable[Document], vocab: Vocab, *, sents: int = 1) -> Iterator[Doc]:
    """One Doc per `sents` sentences; 0 gives one Doc per document. No Doc holds sentences of two documents.

    A Doc has the words of the data (the text being the words with spaces between; `has_unknown_spaces` is
    set, so that spaCy's corpus reader keeps these words rather than tokenizing the text), sentence starts and
    entities. Where the data has them, POS tags are in `token.tag_` and chunks in the span group
    `doc.spans["chunks"]`, which a DocBin keeps.

    Raises: ValueError when `sents` is negative.
    """
    if sents < 0:
        raise ValueError(f"`sents` is {sents}; give 0 for whole documents, 1 for sentences, N for N sentences.")
    for document in documents:
        size = sents or len(document)
        for start in range(0, len(document), size):
            yield _make_doc(document[start : start + size], vocab)


def _make_doc(sentences: list[Sentence], vocab: Vocab) -> Doc:
    tags = [tag for sentence in sentences for tag in sentence.pos or []]
    doc = Doc(
        vocab,
        words=[word for sentence in sentences for word in sentence.words],
        tags=tags or None,
        sent_starts=[i == 0 for sentence in sentences for i in range(len(sentence.words))],
        # what `Doc` takes for a word without annotation
        ents=["" if tag == MISSING else tag for sentence in sentences for tag in sentence.ner],
    )
    if any(sentence.chunks for sentence in sentences):
        chunks = list(chain.from_iterable(sentence.chunks or [] for sentence in sentences))
        doc.spans[CHUNKS] = [Span(doc, start, end, label=label) for start, end, label in tag_spans(chunks)]
    return doc
