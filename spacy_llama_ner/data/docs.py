"""Docs made from other docs: copies, pairs with the same words, parts, and what is annotated in only some places.

Tokens without entity annotation (`token.ent_iob` 0) are unknown, neither inside nor outside of an entity; what is
annotated only in part can be trained on, since these tokens are left open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab


def unlabelled(doc: Doc, vocab: Vocab | None = None) -> Doc:
    """Copy the words of a doc and nothing else.

    Args:
        doc: The doc. If its words were given without their spaces, those of the copy are, too.
        vocab: The vocabulary of the copy; by default that of `doc`.
    """
    vocab = doc.vocab if vocab is None else vocab
    words = [token.text for token in doc]
    if doc.has_unknown_spaces:
        return Doc(vocab, words=words)
    return Doc(vocab, words=words, spaces=[bool(token.whitespace_) for token in doc])


def copy_to_vocab(docs: Iterable[Doc], vocab: Vocab) -> list[Doc]:
    """Copy docs, with annotation and span groups, into another vocabulary."""
    return list(DocBin(docs=docs).get_docs(vocab))


def words_of(doc: Doc) -> tuple[str, ...]:
    """Return the words of a doc, by which sentences are told apart."""
    return tuple(token.text for token in doc)


def index_by_words(docs: Iterable[Doc]) -> dict[tuple[str, ...], Doc]:
    """Return the docs by their words, in order. Of several with the same words, the first is taken."""
    first: dict[tuple[str, ...], Doc] = {}
    for doc in docs:
        first.setdefault(words_of(doc), doc)
    return first


def pair_by_words(docs: Iterable[Doc], others: Iterable[Doc]) -> Iterator[tuple[Doc, Doc | None]]:
    """Yield each of `docs` with the first of `others` that has the same words, or None if there is none."""
    first = index_by_words(others)
    return ((doc, first.get(words_of(doc))) for doc in docs)


def split_by_sentences(doc: Doc, sents: int) -> Iterator[Doc]:
    """Split a doc after every so many sentences.

    Args:
        doc: The doc. It is given back as it is if it has no sentence boundaries.
        sents: Sentences a part; the last part may have fewer. 0 leaves the doc whole.

    Yields:
        The parts in order, with words, entities, missing annotation and attributes of tokens, but no span groups.
    """
    if not sents or not doc.has_annotation("SENT_START"):
        yield doc
        return
    starts = [sent.start for sent in doc.sents][::sents]
    for start, end in zip(starts, [*starts[1:], len(doc)], strict=True):
        yield _slice(doc, start, end)


def _slice(doc: Doc, start: int, end: int) -> Doc:
    part = doc[start:end].as_doc()
    # as_doc forgets it, and spaCy's corpus reader would then tokenize the text anew
    part.has_unknown_spaces = doc.has_unknown_spaces
    return part


def annotated_mask(doc: Doc) -> list[bool]:
    """Return whether each token has entity annotation."""
    return [token.ent_iob != 0 for token in doc]


def annotated_parts(doc: Doc) -> Iterator[Doc]:
    """Yield each stretch of tokens with annotation as a doc of its own.

    This is the other way to train on partial annotation: cutting out what is not known, rather than leaving it open.
    """
    known = annotated_mask(doc)
    start = 0
    for i in range(len(doc) + 1):
        if i == len(doc) or not known[i]:
            if i > start:
                yield _slice(doc, start, i)
            start = i + 1


def merge_annotations(docs: Sequence[Doc]) -> Doc:
    """Copy the first doc with the entities that all docs agree on.

    The docs may come from two annotators, or hold silver and gold labels.

    An entity is kept if each doc either has the same one or has no annotation on its words. The words of all other
    entities are left without annotation, and so are words that no doc has annotated. A doc without annotation on a
    word leaves it to the others.

    Args:
        docs: Docs of the same words.

    Raises:
        ValueError: If the words differ.
    """
    merged = docs[0].copy()
    if len({words_of(doc) for doc in docs}) > 1:
        raise ValueError(f"These docs do not have the same words: {[doc.text[:60] for doc in docs]}.")
    known = [annotated_mask(doc) for doc in docs]
    entities = [{(ent.start, ent.end, ent.label_) for ent in doc.ents} for doc in docs]
    all_entities: set[tuple[int, int, str]] = set().union(*entities)

    def all_agree(entity: tuple[int, int, str]) -> bool:
        words = slice(*entity[:2])
        return all(entity in own or not any(mask[words]) for own, mask in zip(entities, known, strict=True))

    kept = sorted(entity for entity in all_entities if all_agree(entity))
    unknown = {i for start, end, _ in all_entities.difference(kept) for i in range(start, end)}
    unknown |= {i for i in range(len(merged)) if not any(mask[i] for mask in known)}
    merged.set_ents(
        [Span(merged, start, end, label=label) for start, end, label in kept],
        missing=[merged[i : i + 1] for i in sorted(unknown)],
        default="outside",
    )
    return merged
