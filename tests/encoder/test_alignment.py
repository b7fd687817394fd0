"""Which subwords stand for which word: every token that spaCy makes, every kind of tokenizer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from tokenizers import Tokenizer, normalizers, processors

from spacy_llama_ner.encoder.alignment import Alignment, align, special_ids

from .samples import NLP, byte_level, make_docs, sentencepiece, template

TOKENIZERS = {
    "byte-level": byte_level(),
    "offsets without spaces": byte_level(post_processor=processors.ByteLevel(trim_offsets=True)),
    "space in front": byte_level(prefix_space=True),
    "special subwords": byte_level(post_processor=template("<s> $A </s>")),
    "composes": byte_level(normalizer=normalizers.NFC()),
    "decomposes": byte_level(normalizer=normalizers.NFKD()),
    "drops accents": byte_level(normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])),
    "drops outer space": byte_level(normalizer=normalizers.Strip()),
    "drops control characters": byte_level(normalizer=normalizers.BertNormalizer()),
    "sentencepiece": sentencepiece(),
}
AWKWARD = [
    "",
    " ",
    " \n\t ",
    "don't",
    "  Peter   called\n\nAnna .  ",
    "a\u200bb \u200b \ufeff c\u200d",
    "👩‍👩‍👧 at 6 😀😀!",
    "e\u0301te\u0301 \u0301 n\u0303",
    "İstanbul ﬁne ½ ß 한글 日本",
    "nul\x00 \x07bell",
    "x" * 5000,
    "a" + "é" * 5000 + " b",
]
# few letters, many of the characters that make trouble
LETTERS = st.sampled_from("ab E'.,-😀👩‍éé\u200b\u200d\n\t\u00a0ﬁ½ßİ한日\u0300\ufeff")
TEXTS = st.text(LETTERS, max_size=25) | st.text(max_size=25)


def reached(doc: Doc, tokenizer: Tokenizer) -> list[bool]:
    """For each word, whether a subword covers one of its characters: a plain reference."""
    offsets = tokenizer.encode(doc.text, add_special_tokens=False).offsets
    return [any(start < t.idx + len(t) and t.idx < end for start, end in offsets) for t in doc]


def check(doc: Doc, tokenizer: Tokenizer) -> None:
    (alignment,) = align([doc], tokenizer)
    encoding = tokenizer.encode(doc.text, add_special_tokens=False)
    assert alignment.ids.tolist() == encoding.ids
    assert len(alignment.first) == len(alignment.last) == len(doc)
    previous_end = 0
    for token, first, last, is_reached in zip(doc, *alignment[1:], reached(doc, tokenizer), strict=True):
        assert 0 <= first <= last <= len(encoding.ids)
        assert (last > first) >= is_reached
        # a word's subwords cover a part of it, or of the space in front
        for start, end in encoding.offsets[first:last]:
            assert start < token.idx + len(token) and (end > token.idx or start >= previous_end)
        previous_end = token.idx + len(token)


def pieces(text: str, tokenizer: Tokenizer) -> list[list[str]]:
    """The subwords of each word."""
    (doc,) = make_docs(text)
    ((ids, first, last),) = align([doc], tokenizer)
    return [[tokenizer.id_to_token(i) for i in ids[a:b]] for a, b in zip(first, last, strict=True)]


@pytest.mark.parametrize("text", AWKWARD, ids=lambda text: ascii(text)[:20])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_word_that_reaches_the_tokenizer_has_a_subword(name: str, text: str) -> None:
    check(NLP(text), TOKENIZERS[name])


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(TEXTS)
def test_any_text(name: str, text: str) -> None:
    check(NLP(text), TOKENIZERS[name])


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=6), st.booleans()), max_size=8))
def test_any_words_however_they_were_cut(words: list[tuple[str, bool]]) -> None:
    doc = Doc(NLP.vocab, words=[word for word, _ in words], spaces=[space for _, space in words])
    for tokenizer in TOKENIZERS.values():
        check(doc, tokenizer)


def test_words_keep_the_space_they_stand_behind() -> None:
    assert pieces("UN praises", byte_level()) == [["UN"], ["Ġpraises"]]
    assert pieces("UN praises", sentencepiece()) == [["▁UN"], ["▁praises"]]


def test_a_subword_across_two_words_belongs_to_the_second_only_where_it_has_no_other() -> None:
    doc = Doc(NLP.vocab, words=["do", "n't", "I", "t", "'s"], spaces=[False, True, False, False, False])
    tokenizer = byte_level()
    tokenizer.add_tokens(["don", "It"])
    ((ids, first, last),) = align([doc], tokenizer)
    tokens = [tokenizer.id_to_token(i) for i in ids]
    assert tokens[0] == "don" and "It" in tokens
    words = [tokens[a:b] for a, b in zip(first, last, strict=True)]
    assert words[0] == ["don"]
    assert words[1][0] == "'" or words[1][0] == "'t"
    assert words[2] == words[3] == ["It"]
    assert "It" not in words[4]


def test_contractions_that_spacy_cuts() -> None:
    first, second = pieces("don't", byte_level())
    assert "".join(first).startswith("do")
    assert "".join(second).endswith("'t")


@pytest.mark.parametrize("space", [True, False])
def test_a_word_that_the_tokenizer_drops_has_no_subword(space: bool) -> None:
    doc = Doc(NLP.vocab, words=["a", "\u200b", "b"], spaces=[space, space, False])
    tokenizer = byte_level(normalizer=normalizers.BertNormalizer())
    ((_, first, last),) = align([doc], tokenizer)
    assert (last - first).tolist() == [1, 0, 1]


def test_all_of_a_long_word_is_covered() -> None:
    ((ids, first, last),) = align(make_docs("x" * 5000), byte_level())
    assert (first[0], last[0]) == (0, len(ids))
    assert len(ids) > 1000


def test_a_doc_without_words_or_of_white_space_only() -> None:
    empty, blank = align(make_docs("", " \n "), byte_level())
    assert [len(array) for array in empty] == [0, 0, 0]
    assert len(blank.first) == 1
    assert (blank.first[0], blank.last[0]) == (0, len(blank.ids))


def test_docs_are_aligned_each_for_itself() -> None:
    docs = make_docs("Peter called", "", "Anna")
    together = align(docs, byte_level())
    assert all(isinstance(alignment, Alignment) for alignment in together)
    for doc, alignment in zip(docs, together, strict=True):
        (alone,) = align([doc], byte_level())
        assert [a.tolist() for a in alone] == [a.tolist() for a in alignment]


@pytest.mark.parametrize(
    ("single", "front", "behind"),
    [("$A", [], []), ("<s> $A", [0], []), ("$A </s>", [], [1]), ("</s> <s> $A </s>", [1, 0], [1])],
)
def test_special_subwords_are_those_that_the_base_expects_around_a_text(
    single: str, front: list[int], behind: list[int]
) -> None:
    assert special_ids(byte_level(post_processor=template(single))) == (front, behind)


def test_a_tokenizer_without_a_template_has_no_special_subwords() -> None:
    assert special_ids(byte_level()) == ([], [])
    assert special_ids(byte_level(normalizer=normalizers.Replace("a", ""))) == ([], [])
