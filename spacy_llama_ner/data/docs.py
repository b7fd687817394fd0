"""Docs without what is annotated on them, and docs in another vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from spacy.tokens import Doc, DocBin, Span
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


def match_words(docs: Iterable[Doc], others: Iterable[Doc]) -> Iterator[tuple[Doc, Doc | None]]:
    """Each of `docs` with the first of `others` that has the same words; None where there is none."""
    first = by_words(others)
    return ((doc, first.get(words_of(doc))) for doc in docs)


def by_words(docs: Iterable[Doc]) -> dict[tuple[str, ...], Doc]:
    """The first doc of each sentence, in order."""
    first: dict[tuple[str, ...], Doc] = {}
    for doc in docs:
        first.setdefault(words_of(doc), doc)
    return first


def words_of(doc: Doc) -> tuple[str, ...]:
    """What tells one sentence from another."""
    return tuple(token.text for token in doc)


Place = tuple[int, int, str]


def is_known(doc: Doc) -> list[bool]:
    """Whether each word has entity annotation."""
    return [token.ent_iob != 0 for token in doc]


def agreed(docs: Sequence[Doc]) -> Doc:
    """A copy of the first doc with what all of `docs` agree on: labels of two annotators, or silver and gold.

    docs: of the same words. An entity stands where each doc either has the same or knows nothing of its words. The
    words of one that others deny, cut elsewhere or call otherwise are not known, nor are those of which no doc knows
    anything. A doc that knows nothing of a word leaves it to the others.

    Raises: ValueError where the words differ.
    """
    first = docs[0].copy()
    if len({words_of(doc) for doc in docs}) > 1:
        raise ValueError(f"These docs do not have the same words: {[doc.text[:60] for doc in docs]}.")
    known = [is_known(doc) for doc in docs]
    places = [{(ent.start, ent.end, ent.label_) for ent in doc.ents} for doc in docs]
    every: set[Place] = set().union(*places)

    def stands(place: Place) -> bool:
        words = slice(*place[:2])
        return all(place in of_doc or not any(knows[words]) for of_doc, knows in zip(places, known, strict=True))

    kept = sorted(place for place in every if stands(place))
    open_words = {i for start, end, _ in every.difference(kept) for i in range(start, end)}
    open_words |= {i for i in range(len(first)) if not any(knows[i] for knows in known)}
    first.set_ents(
        [Span(first, start, end, label=label) for start, end, label in kept],
        missing=[first[i : i + 1] for i in sorted(open_words)],
        default="outside",
    )
    return first


def known_parts(doc: Doc) -> Iterator[Doc]:
    """The stretches of words with annotation as docs of their own: the other way to train on what is partly known."""
    known = is_known(doc)
    start = 0
    for i in range(len(doc) + 1):
        if i == len(doc) or not known[i]:
            if i > start:
                yield part(doc, start, i)
            start = i + 1
